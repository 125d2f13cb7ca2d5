"""The steps from referral to a full place in the program, as the patient's page shows them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.models import AbsenceRule
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.roles import Role
from patients import services
from patients.models import Diagnosis, Episode, Evaluation, TreatmentPlan
from tests import factories as f
from tests.admin import Desk, desk, url
from tests.attendance.house import MON
from tests.attendance.papers import DAY, Office

TODAY = MON + 7 * DAY


@pytest.fixture(autouse=True)
def _the_monday_after() -> Iterator[None]:
    with time_machine.travel(datetime.datetime(2026, 3, 9, 17, 0, tzinfo=datetime.UTC), tick=False):
        yield


@pytest.fixture
def office(db) -> Office:
    return Office()


@pytest.fixture
def coordinator(office) -> Desk:
    return desk(office.clinic)


@pytest.fixture
def referral(office) -> Episode:
    row: Episode = f.EpisodeFactory(
        patient__clinic=office.clinic, referred_on=MON, program=office.group.program
    )
    return row


def steps(at: Desk, row: Episode, title: str = "Steps to admission") -> list[tuple[str, ...]]:
    shown = at.open(row, "change").context["panels_above"]
    found = [one for panel in shown if panel.title == title for one in panel.steps]
    return [(one.title, one.standing.value, one.said) for one in found]


def after(at: Desk, row: Episode) -> dict[str, tuple[str, str]]:
    return {name: (how, said) for name, how, said in steps(at, row, "After the admission")}


def links(at: Desk, row: Episode) -> dict[str, str]:
    shown = at.open(row, "change").context["panels_above"]
    return {one.title: one.url for panel in shown for one in getattr(panel, "steps", ())}


EVALUATION = "An initial evaluation"
DIAGNOSIS = "A diagnosis by a clinician whose license was valid that day"
AGREEMENT = "The signed program agreement"


def test_a_referral_shows_each_paper_and_what_comes_later(referral, coordinator):
    assert steps(coordinator, referral) == [
        (EVALUATION, "Missing", ""),
        (DIAGNOSIS, "Missing", ""),
        (AGREEMENT, "Missing", ""),
        ("Admission", "Later", services.missing_said(["evaluation", "diagnosis", "agreement"])),
        ("Treatment plan", "Later", ""),
        ("Insurance verified", "Later", "No insurance in force is entered."),
        ("Authorization", "Later", "As the payer asks: enter the insurance first."),
        ("Seat in a group", "Later", ""),
    ]


def test_each_step_leads_to_the_form_that_does_it(referral, coordinator):
    assert links(coordinator, referral) == {
        EVALUATION: url(referral, "evaluate"),
        DIAGNOSIS: url(referral, "diagnose"),
        AGREEMENT: url(referral, "agreement"),
        "Admission": "",
        "Treatment plan": url(referral, "plan"),
        "Insurance verified": url(referral.patient, "coverage"),
        "Authorization": "",
        "Seat in a group": "",
    }


def test_whoever_may_not_do_it_gets_no_link(office):
    row = office.patient(on=MON, seat=None)
    office.insured(row, office.payer(needs_authorization=True))
    found = {
        role: [title for title, address in links(desk(office.clinic, role), row).items() if address]
        for role in (Role.FRONT_DESK, Role.UTILIZATION_REVIEW)
    }
    assert found == {
        Role.FRONT_DESK: ["Seat in a group"],
        Role.UTILIZATION_REVIEW: ["Insurance verified", "Authorization"],
    }


@pytest.mark.parametrize("paper", ["evaluation", "diagnosis", "agreement"])
def test_where_admit_refuses_the_list_says_the_same_words(referral, coordinator, paper):
    f.document(referral, MON)
    {"evaluation": referral.evaluations, "diagnosis": referral.diagnoses,
     "agreement": referral.agreements}[paper].all().delete()  # fmt: skip
    with pytest.raises(Refused) as refusal:
        services.admit(episode=referral, admitted_on=TODAY, by=coordinator.user)
    assert ("Admission", "Later", refusal.value.message) in steps(coordinator, referral)
    referral.refresh_from_db()
    assert referral.state == "referred"


def test_a_diagnosis_under_an_expired_license_is_still_missing(office, referral, coordinator):
    f.document(referral, MON)
    expired = f.LicenseFactory(therapist=office.therapist, expires_on=MON - DAY)
    Diagnosis.objects.filter(episode=referral).update(license=expired)
    assert [how for _, how, _ in steps(coordinator, referral)[:3]] == ["Done", "Missing", "Done"]


def test_complete_papers_lead_to_the_admission(referral, coordinator):
    f.document(referral, MON)
    assert steps(coordinator, referral)[3] == (
        "Admission",
        "Due",
        "All papers are there: the patient can be admitted.",
    )
    assert links(coordinator, referral)["Admission"] == url(referral, "admit")


def test_nobody_is_admitted_after_a_death(referral, coordinator):
    f.document(referral, MON)
    referral.patient.deceased_on = TODAY
    referral.patient.save()
    assert steps(coordinator, referral)[3] == ("Admission", "Later", "The patient has died.")
    assert links(coordinator, referral)["Admission"] == ""


def test_after_the_admission_the_clinics_rules_say_what_is_due(office, coordinator):
    row = office.patient(on=MON, seat=None)
    TreatmentPlan.objects.filter(episode=row).delete()
    payer = office.payer(needs_authorization=True)
    office.insured(row, payer, verification_due_on=MON)
    assert after(coordinator, row) == {
        "Treatment plan": (
            "Due",
            "No treatment plan in force since Mon Mar 2: no week is judged.",
        ),
        "Insurance verified": (
            "Due",
            f"{payer}: the insurance is to be verified by Mon Mar 2.",
        ),
        "Authorization": ("Due", f"{payer} needs an authorization, and none is in force."),
        "Seat in a group": ("Later", ""),
        "First session": (
            "Due",
            "Admitted on Mon Mar 2, and no session attended yet; none is booked.",
        ),
    }


def test_what_no_rule_asks_for_is_later_and_never_due(office, coordinator):
    row = office.patient(on=MON, seat=None)
    TreatmentPlan.objects.filter(episode=row).delete()
    AbsenceRule.objects.filter(clinic=office.clinic).delete()
    payer = office.payer(needs_authorization=True)
    office.insured(row, payer, verification_due_on=MON)
    assert after(coordinator, row) == {
        "Treatment plan": ("Later", ""),
        "Insurance verified": ("Later", f"{payer}: to be verified by Mar 2, 2026"),
        "Authorization": ("Later", f"{payer} needs one."),
        "Seat in a group": ("Later", ""),
    }


def test_the_form_of_an_unverified_insurance_is_its_own_page(office, coordinator):
    row = office.patient(on=MON)
    cover = office.insured(row)
    assert links(coordinator, row)["Insurance verified"] == url(cover, "change")


def test_once_all_is_done_the_list_goes(office, coordinator):
    row = office.patient(on=MON)
    cover = office.insured(row)
    house_day = office.day(MON, [row], "08:00", "08:30")
    office.came(row, MON)
    assert after(coordinator, row)["Insurance verified"][0] == "Later"
    cover.verified_on = house_day.local_date
    cover.save()
    assert after(coordinator, row) == {}


def test_done_steps_say_what_was_done(office, coordinator):
    row = office.patient(on=MON)
    cover = office.insured(row, office.payer(needs_authorization=True), verified_on=MON)
    paid = office.authorized(row, TODAY + 60 * DAY, payer=cover.payer)
    assert after(coordinator, row) == {
        "Treatment plan": ("Done", "IOP 2.1, 9 h a week from Mar 2, 2026"),
        "Insurance verified": ("Done", f"{cover.payer} on Mar 2, 2026"),
        "Authorization": ("Done", str(paid)),
        "Seat in a group": ("Done", f"{office.group}, from Mar 2, 2026"),
        "First session": (
            "Due",
            "Admitted on Mon Mar 2, and no session attended yet; none is booked.",
        ),
    }


def test_a_month_after_the_admission_it_is_the_cases_that_say_it(office, coordinator):
    row = office.patient(on=TODAY - 32 * DAY, seat=None)
    new = office.patient(on=TODAY - 31 * DAY, seat=None)
    assert (after(coordinator, row), bool(after(coordinator, new))) == ({}, True)


def test_the_list_takes_the_same_statements_however_many_are_due(office, coordinator):
    row = office.patient(on=MON, seat=None)
    office.insured(row, verification_due_on=MON)

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            coordinator.open(row, "change")
        return len(captured)

    before = statements()
    for _ in range(5):
        office.insured(office.patient(on=MON, seat=None), verification_due_on=MON)
        office.insured(row, verification_due_on=MON)
        Evaluation.objects.create(
            clinic=office.clinic, episode=row, evaluated_on=MON, evaluator=office.therapist
        )
    assert statements() == before


def test_a_therapist_sees_the_steps_of_their_own_patients(office, referral):
    stranger: Any = Desk(f.staff(office.clinic, Role.THERAPIST))
    assert stranger.open(referral, "change").status_code == 404
    Episode.objects.filter(pk=referral.pk).update(primary_therapist=office.therapist)
    assert steps(Desk(office.user), referral)[0] == (EVALUATION, "Missing", "")
