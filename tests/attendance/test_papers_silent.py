"""Whom nobody asks for papers, what a case does then, and several clinics in one look."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.compliance.evaluation import reevaluate
from attendance.models import AbsenceRule, Flag
from attendance.models.standards import Severity
from iop_clinic.accounts.models import Membership
from patients.models import EpisodeHold
from tests import factories as f
from tests.attendance.house import JOB, MON, TUE
from tests.attendance.papers import DAY, JAN_5, TODAY, Kind, Office, look, save

pytestmark = pytest.mark.django_db

ACT = Severity.ACT


@pytest.fixture
def office():
    return Office()


def everything_due(office, pat):
    """A verification, a certification, an authorization and a plan's review, all overdue."""
    payer = office.payer(needs_authorization=True, certification_days=60)
    office.insured(pat, payer, verification_due_on=MON)
    save(pat.plans.get(), review_due_on=MON)


ALL_DUE = {
    Kind.PLAN_DUE, Kind.VERIFICATION_DUE, Kind.AUTHORIZATION_ENDING, Kind.CERTIFICATION_DUE,
}  # fmt: skip


def states(office):
    return {(flag.rule, flag.state) for flag in office.flags()}


def held(office, pat, first, last=None):
    return EpisodeHold.objects.create(
        clinic=office.clinic, episode=pat, reason="hospital", starts_on=first, ends_on=last
    )


@pytest.mark.parametrize(
    ("first", "last"), [(TODAY, None), (JAN_5, TODAY - DAY), (TODAY - DAY, TODAY - DAY)]
)
def test_a_hold_is_silent_on_its_last_day_too(office, first, last):
    pat = office.seen()
    everything_due(office, pat)
    held(office, pat, first, last)
    office.morning_of(TODAY)
    assert states(office) == set()


def test_a_hold_closes_the_cases_and_the_return_opens_the_same_rows(office):
    pat = office.seen()
    everything_due(office, pat)
    office.morning_of(TODAY)
    before = {flag.pk for flag in office.flags()}
    assert states(office) == {(rule, "open") for rule in ALL_DUE}
    hold = held(office, pat, TODAY)
    office.morning_of(TODAY + DAY)
    assert states(office) == {(rule, "closed") for rule in ALL_DUE}
    assert {flag.outcome_note for flag in office.flags()} == {"The patient is on hold."}
    save(hold, ends_on=TODAY + DAY)
    office.morning_of(TODAY + 3 * DAY)
    assert states(office) == {(rule, "open") for rule in ALL_DUE}
    assert {flag.pk for flag in office.flags()} == before


@pytest.mark.parametrize("how", ["discharged", "deceased", "referred"])
def test_nobody_asks_for_papers_of_who_is_not_in_treatment(office, how):
    pat = office.seen() if how != "referred" else f.EpisodeFactory(patient__clinic=office.clinic)
    if how != "referred":
        everything_due(office, pat)
    if how == "discharged":
        save(pat, state="discharged", discharged_on=TUE, discharge_reason="completed")
    if how == "deceased":
        save(pat.patient, deceased_on=TUE)
    look(office)
    assert states(office) == set()


def test_a_death_says_so(office):
    pat = office.seen()
    everything_due(office, pat)
    office.morning_of(TODAY)
    save(pat.patient, deceased_on=TODAY)
    look(office, today=TODAY + DAY)
    assert {flag.outcome_note for flag in office.flags()} == {"The patient died."}


def test_a_person_closes_for_good(office):
    save(office.seen().plans.get(), review_due_on=MON)
    office.morning_of(TODAY)
    closed = {"state": "closed", "outcome": "other", "closed_at": office.morning(TODAY)}
    save(office.only(Kind.PLAN_DUE), **closed)
    assert office.found(Kind.PLAN_DUE, TODAY + 90 * DAY) == [("closed", "over", ACT)]


def test_evidence_that_returns_after_months_opens_the_same_row(office):
    coverage = office.insured(office.seen(), verification_due_on=MON)
    office.morning_of(TODAY)
    save(coverage, verified_on=TODAY)
    assert office.found(Kind.VERIFICATION_DUE, TODAY + DAY)[0][0] == "closed"
    save(coverage, verified_on=None)
    assert office.found(Kind.VERIFICATION_DUE, TODAY + 90 * DAY) == [("open", "over", ACT)]


def test_a_correction_of_a_roster_leaves_papers_alone(office):
    pat = office.seen()
    everything_due(office, pat)
    office.morning_of(TODAY)
    before = list(Flag.objects.order_by("pk").values())
    pat.patient.coverages.all().delete()
    reevaluate(
        clinic=office.clinic, episode_ids=[pat.pk], by=JOB, now=office.at(TODAY, "12:00"),
        since=TUE,
    )  # fmt: skip
    assert list(Flag.objects.order_by("pk").values()) == before


def test_an_unchanged_night_writes_nothing(office):
    everything_due(office, office.seen())
    office.morning_of(TODAY)
    papers = Flag.objects.filter(rule__in=ALL_DUE).order_by("pk")
    before = list(papers.values())
    office.morning_of(TODAY)
    look(office, today=TODAY + DAY)
    assert len(before) == 4
    assert list(papers.values()) == before


def test_a_role_that_nobody_holds_owns_nothing(office):
    everything_due(office, office.seen())
    gone = ["utilization_review", "coordinator"]
    Membership.objects.filter(clinic=office.clinic, role__in=gone).update(active=False)
    office.morning_of(TODAY)
    assert {flag.owner_role for flag in office.flags()} == {"therapist", "administrator"}


def test_a_rule_that_has_ended_finds_nothing(office):
    everything_due(office, office.seen())
    AbsenceRule.objects.filter(kind=Kind.VERIFICATION_DUE).update(ends_on=MON)
    assert office.found(Kind.VERIFICATION_DUE) == []
    assert office.found(Kind.CERTIFICATION_DUE) == [("open", "over", ACT)]


# Several clinics


def test_two_clinics_never_mix():
    here, there = Office(), Office()
    everything_due(here, here.seen())
    there.seen()
    look(here, there)
    assert states(here) == {(rule, "open") for rule in ALL_DUE}
    assert there.flags() == []


def test_each_clinic_has_its_own_notice():
    early, late = Office(), Office()
    AbsenceRule.objects.filter(clinic=early.clinic, kind=Kind.PLAN_DUE).update(times=30)
    for office in (early, late):
        save(office.seen().plans.get(), review_due_on=TODAY + 20 * DAY)
    look(early, late)
    assert (len(early.flags()), len(late.flags())) == (1, 0)


def statements(offices):
    with CaptureQueriesContext(connection) as captured:
        look(*offices)
    settings = len(offices)  # read for each clinic by the test itself
    return len(captured) - settings


@pytest.mark.parametrize(("clinics", "patients"), [(1, 50), (3, 1), (3, 5)])
def test_as_many_statements_for_any_number_of_patients_and_clinics(clinics, patients):
    few = [Office()]
    everything_due(few[0], few[0].seen())
    many = [Office() for _ in range(clinics)]
    for office in many:
        for _ in range(patients):
            everything_due(office, office.seen(primary_therapist=None))
    assert statements(many) == statements(few)
    assert sum(len(office.flags()) for office in many) == 4 * clinics * patients
