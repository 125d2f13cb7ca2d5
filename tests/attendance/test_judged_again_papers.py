"""Papers and stays: what they settle closes at once, and what they undo is there again."""

from typing import Any

import pytest

from attendance import episodes, papers
from attendance.compliance.replays import replayed_weeks
from attendance.models import AbsenceRule, Flag, NightlyRun, Standard, WeekResult
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.roles import Role
from patients.models import Certification, Episode
from tests import factories as f
from tests.admin import Desk
from tests.attendance.house import MON, SUN, House
from tests.attendance.papers import DAY, JAN_5, TODAY, Kind, Office
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db

IOP: dict[str, Any] = {
    "level": 2,
    "age_bracket": 1,
    "weekly_minutes_target": 540,
    "days_per_week": 3,
}
ENDS = TODAY + 60 * DAY


@pytest.fixture
def office():
    """A clinic that a night has judged, so that corrections judge it too."""
    row = Office()
    NightlyRun.objects.create(
        clinic=row.clinic, local_date=TODAY - DAY, state="evaluated", lease_until=noon(row)
    )
    return row


def noon(office):
    return office.at(TODAY, "12:00")


def then(office):
    return {"by": office.user, "now": noon(office)}


def unplanned(office):
    """A patient without a plan, and the case about it."""
    row = office.seen()
    row.plans.all().delete()
    office.morning_of(TODAY)
    assert states(office, Kind.PLAN_DUE) == [("open", "")]
    return row


def states(office, *kinds):
    return [(flag.state, flag.outcome_note) for flag in office.flags(*kinds)]


# --- plans ----------------------------------------------------------------------------------------


def test_a_plan_that_is_set_closes_the_case_that_asks_for_it(office):
    row = unplanned(office)
    papers.set_plan(episode=row, starts_on=JAN_5, **IOP, **then(office))
    assert states(office, Kind.PLAN_DUE) == [("closed", "The plan is in force.")]


def test_a_plan_that_is_ended_brings_the_case_back(office):
    row = unplanned(office)
    plan = papers.set_plan(episode=row, starts_on=JAN_5, **IOP, **then(office))
    papers.edit_plan(plan=plan, starts_on=TODAY + DAY, **then(office))
    (flag,) = office.flags(Kind.PLAN_DUE)
    assert (flag.state, flag.evidence["since"]) == ("open", JAN_5.isoformat())


def test_a_plan_that_ends_opens_a_case_at_once(office):
    row = office.seen()
    papers.edit_plan(plan=row.plans.get(), ends_on=TODAY - 2 * DAY, **then(office))
    (flag,) = office.flags(Kind.PLAN_DUE)
    assert (flag.state, flag.evidence["since"]) == ("open", (TODAY - DAY).isoformat())


def test_a_refused_plan_leaves_the_case(office):
    row = unplanned(office)
    before = list(Flag.objects.order_by("pk").values())
    with pytest.raises(Refused) as refusal:
        papers.set_plan(episode=row, starts_on=JAN_5 - DAY, **IOP, **then(office))
    assert refusal.value.code == "before_referral"
    assert (list(Flag.objects.order_by("pk").values()), row.plans.count()) == (before, 0)


def test_the_night_after_writes_nothing_more(office):
    row = unplanned(office)
    papers.set_plan(episode=row, starts_on=JAN_5, **IOP, **then(office))
    before = list(Flag.objects.order_by("pk").values())
    office.night(TODAY - DAY)
    assert list(Flag.objects.order_by("pk").values()) == before


def test_papers_of_somebody_else_are_judged_on_the_way(office):
    """Their plan was entered by an import, without judging."""
    row, other = unplanned(office), office.seen()
    other.plans.all().delete()
    papers.set_plan(episode=row, starts_on=JAN_5, **IOP, **then(office))
    assert states(office, Kind.PLAN_DUE) == [("closed", "The plan is in force."), ("open", "")]


def test_who_is_admitted_today_is_left_to_the_night(office):
    row = office.seen()
    coming = office.patient(TODAY, seat=None)
    coming.plans.all().delete()
    papers.edit_plan(plan=row.plans.get(), review_due_on=ENDS, **then(office))
    assert office.flags(Kind.PLAN_DUE) == []
    office.night(TODAY)
    assert [flag.episode for flag in office.flags(Kind.PLAN_DUE)] == [coming]


def test_before_the_first_night_no_paper_is_judged():
    office = Office()
    row = office.seen()
    papers.edit_plan(plan=row.plans.get(), ends_on=TODAY - 2 * DAY, **then(office))
    assert office.flags() == []


# --- insurance, authorizations, certifications ----------------------------------------------------


def test_insurance_that_is_verified_closes_the_case(office):
    row = office.insured(office.seen(), verification_due_on=TODAY + DAY)
    office.morning_of(TODAY)
    papers.edit_coverage(coverage=row, verified_on=TODAY, **then(office))
    assert states(office) == [("closed", "The insurance is verified.")]


def test_insurance_entered_unverified_is_a_case_at_once(office):
    row = office.seen()
    payer = office.payer()
    papers.add_coverage(
        patient=row.patient, payer=payer, starts_on=JAN_5, verification_due_on=TODAY, **then(office)
    )
    assert [flag.rule for flag in office.flags()] == [Kind.VERIFICATION_DUE]


def test_an_authorization_closes_the_case_of_treatment_that_nobody_pays(office):
    row = office.seen()
    payer = office.payer(needs_authorization=True)
    office.insured(row, payer)
    office.morning_of(TODAY)
    assert [flag.state for flag in office.flags()] == ["open"]
    papers.authorize(
        episode=row, payer=payer, number="A1", unit="day", units=30,
        starts_on=JAN_5, ends_on=ENDS, **then(office),
    )  # fmt: skip
    assert [flag.state for flag in office.flags()] == ["closed"]


def test_more_units_close_the_case_of_an_authorization_that_runs_out(office):
    row = office.seen()
    payer = office.payer(needs_authorization=True)
    office.insured(row, payer)
    paper = office.authorized(row, ENDS, payer=payer, units=1)
    office.morning_of(TODAY)
    (flag,) = office.flags()
    assert flag.state == "open"
    papers.edit_authorization(authorization=paper, units=30, **then(office))
    flag.refresh_from_db()
    assert (flag.state, flag.closed_by_facts) == ("closed", True)
    papers.edit_authorization(authorization=paper, units=1, **then(office))
    flag.refresh_from_db()
    assert flag.state == "open"


def test_a_certification_closes_the_case_of_the_one_before(office):
    row = office.seen()
    office.insured(row, office.payer(certification_days=30))
    office.morning_of(TODAY)
    assert states(office) == [("open", "")]
    paper = papers.certify(episode=row, certified_on=JAN_5 + 56 * DAY, **then(office))
    assert states(office) == [("closed", "The need is certified.")]
    papers.edit_certification(certification=paper, certified_on=JAN_5 + DAY, **then(office))
    assert Certification.objects.get().certified_on == JAN_5 + DAY
    assert [flag.state for flag in office.flags()] == ["closed", "open"]


# --- stays ----------------------------------------------------------------------------------------


def test_a_death_stops_the_cases_of_papers(office):
    row = unplanned(office)
    papers.save_patient(
        clinic=office.clinic, patient=row.patient, deceased_on=TODAY, **then(office)
    )
    assert states(office) == [("closed", "The patient died.")]
    assert not Flag.objects.filter(episode=row).open().exists()


def test_a_hold_silences_papers_until_the_patient_is_back(office, time_machine):
    time_machine.move_to(noon(office), tick=False)
    row = unplanned(office)
    episodes.hold(episode=row, starts_on=TODAY, reason="hospital", by=office.user)
    assert states(office) == [("closed", "The patient is on hold.")]
    episodes.resume(episode=row, resumes_on=TODAY, by=office.user)
    assert states(office) == [("open", "")]


def test_a_discharge_is_the_outcome_of_papers_and_frees_the_caseload(office):
    row, other = unplanned(office), office.seen()
    AbsenceRule.objects.filter(kind=Kind.CASELOAD).update(times=1)
    office.morning_of(TODAY)
    assert states(office) == [("open", ""), ("open", "")]
    episodes.discharge(episode=row, discharged_on=TODAY, reason="dropped_out", **then(office))
    assert states(office) == [
        ("closed", "Discharged: dropped out"),
        ("closed", "The caseload is within the limit."),
    ]
    assert office.flags()[0].outcome == "discharged"
    assert Episode.objects.get(pk=other.pk).state == "admitted"


def test_another_therapist_frees_the_caseload(office):
    row = office.seen()
    office.seen()
    AbsenceRule.objects.filter(kind=Kind.CASELOAD).update(times=1)
    office.morning_of(TODAY)
    assert states(office) == [("open", "")]
    papers.edit_episode(
        episode=row, primary_therapist=f.TherapistFactory(clinic=office.clinic), **then(office)
    )
    assert states(office) == [("closed", "The caseload is within the limit.")]


def test_the_page_of_an_episode_judges_its_papers(office, time_machine):
    time_machine.move_to(noon(office), tick=False)
    row = unplanned(office)
    desk = Desk(f.staff(office.clinic, Role.COORDINATOR))
    desk.fill(row, "plan", starts_on=JAN_5)
    assert states(office, Kind.PLAN_DUE) == [("closed", "The plan is in force.")]


# --- program and priority -------------------------------------------------------------------------


@pytest.fixture
def stored(time_machine):
    """A week of a patient who came three times, stored two months ago."""
    house = House()
    row = house.patient()
    house.full_week(row)
    house.night(SUN)
    NightlyRun.objects.create(
        clinic=house.clinic, local_date=SUN, state="evaluated", lease_until=house.morning(SUN)
    )
    time_machine.move_to(house.morning(SUN) + 56 * DAY, tick=False)
    return house, row


def stricter(house):
    """Another program, whose standard asks for ten hours."""
    row = Standard.objects.get(clinic=house.clinic, name="Adult IOP 2.1")
    program = f.ProgramFactory(clinic=house.clinic)
    row.pk, row.program, row.min_minutes, row.name = None, program, 600, "Stricter"
    row.save()
    return program


def said(row):
    rows = WeekResult.objects.filter(episode=row, week_starts_on=MON)
    rows = rows.order_by("standard__name", "amendment")
    return [(one.standard.name, "void" if one.void else one.minutes_status) for one in rows]


def test_another_program_judges_the_stay_from_the_admission(stored):
    house, row = stored
    papers.edit_episode(episode=row, program=stricter(house), by=house.user)
    assert said(row) == [("Adult IOP 2.1", "met"), ("Adult IOP 2.1", "void"), ("Stricter", "short")]
    weeks = replayed_weeks(clinic=house.clinic, now=house.morning(SUN) + 56 * DAY)
    assert [one.differing for one in weeks if one.week.start == MON and one.differing] == []


def test_a_refused_change_of_program_judges_nothing(stored):
    house, row = stored
    with pytest.raises(Refused) as refusal:
        papers.edit_episode(episode=row, program=stricter(house), version=99, by=house.user)
    assert refusal.value.code == "stale_version"
    assert said(row) == [("Adult IOP 2.1", "met")]
    assert Episode.objects.get(pk=row.pk).program == house.group.program


def test_the_page_of_an_episode_judges_another_program(stored):
    house, row = stored
    desk = Desk(f.staff(house.clinic, Role.COORDINATOR))
    desk.fill(row, "change", program=stricter(house))
    assert said(row)[-1] == ("Stricter", "short")


def test_who_becomes_a_priority_is_called_sooner(time_machine):
    week = ShortWeek()
    time_machine.move_to(week.now, tick=False)
    (before,) = week.house.flags(Kind.FIRST_DAYS)
    papers.edit_episode(episode=week.patient, priority="suicide_overdose", by=week.by)
    (after,) = week.house.flags(Kind.FIRST_DAYS)
    assert (before.evidence.get("priority"), after.evidence["priority"]) == (None, True)
    assert after.severity > before.severity


@pytest.mark.parametrize("facts", [{"planned_weeks": 9}, {"priority": ""}])
def test_what_no_week_is_judged_by_judges_no_week(stored, facts, monkeypatch):
    house, row = stored
    asked = []
    monkeypatch.setattr(papers, "judge_again", lambda **told: asked.append(told))
    papers.edit_episode(episode=row, by=house.user, **facts)
    assert asked == []


def test_a_referral_has_no_week_to_judge(office):
    row = f.EpisodeFactory(patient__clinic=office.clinic, program=office.group.program)
    papers.edit_episode(episode=row, priority="suicide_overdose", **then(office))
    assert (Episode.objects.get(pk=row.pk).priority, office.flags()) == ("suicide_overdose", [])
