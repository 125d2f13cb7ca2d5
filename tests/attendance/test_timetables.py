"""Next week's timetable: who could not reach the minimum with every session attended."""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.models import CreditRule, Standard
from attendance.models.standards import Severity
from patients.models import AgeBracket, Coverage, EpisodeHold, TreatmentPlan
from scheduling.models import GroupMembership
from tests import factories as f
from tests.attendance.papers import DAY, JAN_5, TODAY, Kind, Office, look, save

pytestmark = pytest.mark.django_db

RULE = Kind.UNDER_SCHEDULED
MON, TUE, WED, THU, FRI, SAT, SUN = (datetime.date(2026, 3, n) for n in range(9, 16))
"""The week after the one that holds TODAY."""


@pytest.fixture
def office():
    return Office()


def short(office, today=TODAY):
    office.morning_of(today)
    return [flag.state for flag in office.flags(RULE)]


def full(office, *people, days=(MON, WED, FRI), **extra):
    return [office.day(day, list(people), **extra) for day in days]


def test_a_full_week_is_enough(office):
    full(office, office.seen())
    assert short(office) == []


def test_before_the_week_is_expanded_nobody_is_short(office):
    office.seen()
    assert short(office) == []


def test_a_day_less_is_a_case_of_the_schedule(office):
    pat = office.seen()
    full(office, pat, days=(MON, WED))
    assert short(office) == ["open"]
    flag = office.only(RULE)
    assert flag.sentence == (
        "Week of Mar 9 – Mar 15, 2026: the timetable gives 6 h of 9 h, 2 of 3 days. "
        "The schedule is short, not the patient."
    )
    assert (flag.episode, flag.evidence_key, flag.severity) == (pat, "2026-03-09", Severity.WATCH)
    assert flag.owner_role == "coordinator"


def test_another_session_settles_it(office):
    pat = office.seen()
    full(office, pat, days=(MON, WED))
    assert short(office) == ["open"]
    office.day(SAT, [pat])
    assert short(office) == ["closed"]


def test_nothing_booked_at_all(office):
    full(office, office.seen())
    office.seen()
    office.morning_of(TODAY)
    assert "gives 0 min of 9 h, 0 of 3 days" in office.only(RULE).sentence


@pytest.mark.parametrize(("ends", "told"), [("12:20", []), ("12:19", ["open"])])
def test_a_minute_either_side_of_the_minimum(office, ends, told):
    pat = office.seen()
    full(office, pat, days=(MON, WED))
    office.day(FRI, [pat], "09:00", ends, breaks=[[60, 70], [130, 140]])
    assert short(office) == told


def test_three_times_fifty_minutes_are_no_day(office):
    """R9: seven and a half hours, and even with more hours no day of three."""
    pat = office.seen()
    for day in (MON, WED, FRI):
        office.day(day, [pat], "09:00", "11:30")
    office.day(THU, [pat], "09:00", "10:30")
    assert short(office) == ["open"]
    assert "gives 9 h of 9 h, 0 of 3 days" in office.only(RULE).sentence


@pytest.mark.parametrize(("round_to", "told"), [(15, []), (40, ["open"])])
def test_rounding_down_takes_its_part(office, round_to, told):
    CreditRule.objects.filter(clinic=office.clinic).update(kind="round_down", round_to=round_to)
    full(office, office.seen())
    assert short(office) == told


def test_a_notice_of_absence_is_the_patients_and_not_the_schedules(office):
    pat = office.seen()
    full(office, pat, days=(MON, WED))
    office.day(FRI, [pat], state="released")
    assert short(office) == []


def test_what_does_not_count_fills_no_week(office):
    pat = office.seen()
    full(office, pat, days=(MON, WED))
    office.day(FRI, [pat], session_type=office.drug_screen)
    assert short(office) == ["open"]


def test_what_the_clinic_cancels_comes_off_the_programs_minimum(office):
    pat = office.seen()
    *_, friday = full(office, pat)
    office.cancel(friday)
    assert short(office) == []


def test_a_payer_sees_the_unreduced_week(office):
    pat = office.seen()
    payer = office.payer()
    Standard.objects.create(
        clinic=office.clinic, name="Payer", source=2, payer=payer, prorate=False, starts_on=JAN_5
    )
    Coverage.objects.create(clinic=office.clinic, patient=pat.patient, payer=payer, starts_on=JAN_5)
    *_, friday = full(office, pat)
    office.cancel(friday)
    assert short(office) == ["open"]
    assert office.only(RULE).sentence.startswith("Week of Mar 9 – Mar 15, 2026, payer standard:")


def test_a_hold_in_the_week_takes_its_days_off(office):
    pat = office.seen()
    full(office, pat, days=(MON,))
    hold = {"clinic": office.clinic, "episode": pat, "reason": "leave"}
    EpisodeHold.objects.create(**hold, starts_on=MON, ends_on=SUN)
    assert short(office) == []


def test_adolescents_need_six_hours(office):
    minor = f.PatientFactory(clinic=office.clinic, birth_date=datetime.date(2010, 1, 1))
    pat = office.seen(patient=minor, bracket=AgeBracket.ADOLESCENT, target=360)
    full(office, pat, days=(MON, WED))
    office.day(FRI, [pat], "16:00", "18:00")
    assert short(office) == []


def test_a_level_without_a_standard_has_no_minimum(office):
    pat = office.seen()
    full(office, office.seen())
    pat.plans.all().delete()
    outpatient = {"level": 1, "weekly_minutes_target": 60, "starts_on": JAN_5}
    TreatmentPlan.objects.create(clinic=office.clinic, episode=pat, **outpatient)
    assert short(office) == []


def test_the_case_has_gone_when_the_week_has_begun(office):
    pat = office.seen()
    full(office, pat, days=(MON, WED))
    assert short(office, MON - DAY) == ["open"]
    assert short(office, MON) == ["closed"]
    assert office.only(RULE).outcome_note.endswith("or the week has begun.")


def test_a_week_may_start_on_sunday():
    office = Office(week_starts_on=6)
    full(office, office.seen(), days=(MON - DAY, WED, FRI))
    assert short(office) == []
    assert short(office, MON - 2 * DAY) == []


def test_patients_of_one_short_group_are_one_case(office):
    people = [office.seen(primary_therapist=None) for _ in range(3)]
    for seat, pat in enumerate(people, start=1):
        GroupMembership.objects.create(
            clinic=office.clinic, group=office.group, episode=pat, seat=seat, starts_on=JAN_5
        )
    full(office, *people, days=(MON, WED), group=office.group)
    office.morning_of(TODAY)
    flag = office.only(RULE)
    assert (flag.group, flag.evidence["patients"]) == (office.group, 3)
    assert flag.sentence == (
        "Week of Mar 9 – Mar 15, 2026: the timetable gives 6 h of 9 h, 2 of 3 days at most, for 3 "
        "patients of the group. The schedule is short, not the patients."
    )
    office.day(SAT, people[:1])
    office.morning_of(TODAY)
    assert {(f.state, f.episode) for f in office.flags(RULE)} == {
        ("closed", None), ("open", people[1]), ("open", people[2]),
    }  # fmt: skip


def test_whoever_was_discharged_has_no_week(office):
    pat = office.seen()
    full(office, pat, days=(MON, WED))
    assert short(office) == ["open"]
    save(pat, state="discharged", discharged_on=TODAY, discharge_reason="completed")
    look(office, today=TODAY + DAY)
    assert office.only(RULE).outcome_note == "The patient was discharged."


def test_two_clinics_never_mix():
    here, there = Office(), Office(week_starts_on=6)
    full(here, here.seen(), days=(MON, WED))
    full(there, there.seen(), days=(MON - DAY, WED, FRI))
    look(here, there)
    assert (len(here.flags(RULE)), len(there.flags(RULE))) == (1, 0)


def test_another_clinics_later_week_does_not_hide_who_is_short():
    early, late = Office(week_starts_on=3), Office()  # Thursday to Wednesday
    pat = early.seen()
    full(early, pat, days=(TODAY + DAY, MON))
    save(pat.plans.get(), ends_on=THU)
    full(late, late.seen())
    look(early, late)
    assert [flag.episode for flag in early.flags(RULE)] == [pat]
    assert late.flags(RULE) == []


def statements(*offices):
    with CaptureQueriesContext(connection) as captured:
        look(*offices)
    return len(captured) - len(offices)


@pytest.mark.parametrize(("clinics", "patients"), [(1, 50), (3, 4)])
def test_as_many_statements_for_any_number_of_patients_and_clinics(clinics, patients):
    few, many = Office(), [Office() for _ in range(clinics)]
    full(few, few.seen(), days=(MON, WED))
    for office in many:
        people = [office.seen(primary_therapist=None) for _ in range(patients)]
        full(office, *people, days=(MON, WED), capacity=50, ceiling=50)
    assert statements(*many) == statements(few)
    assert sum(len(office.flags(RULE)) for office in many) == clinics * patients
