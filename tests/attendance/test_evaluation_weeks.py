"""A week's other cases through real rows: days, plan, maximum, left short; one for one evening."""

import datetime

import pytest

from attendance.compliance.cases import resolve
from attendance.compliance.week_notes import write_week_note
from attendance.models import AbsenceRule, CreditRule
from attendance.models.standards import Severity
from iop_clinic.accounts.roles import Role
from patients.models import Episode
from tests.attendance.house import FRI, MON, SAT, SUN, THU, TUE, WED, House

pytestmark = pytest.mark.django_db

Kind = AbsenceRule.Kind
HOURS, DAYS, PLAN = Kind.HOURS, Kind.TOO_FEW_DAYS, Kind.BELOW_PLAN
OVER, LEFT = Kind.OVER_MAXIMUM, Kind.LEFT_SHORT
DAY = datetime.timedelta(days=1)
NEXT_MON = SUN + DAY
LONG = ("08:00", "13:00")


@pytest.fixture
def house():
    return House()


def only(flags):
    (flag,) = flags
    return flag


def of_first_week(house, *rules):
    """A week without bookings has cases of its own: this one's only."""
    return [flag for flag in house.flags(*rules) if flag.evidence_key.startswith("2026-03-02")]


def long_days(house, pat, *days):
    for day in days:
        house.day(day, [pat], *LONG)
        house.came(pat, day)


def states(house, *rules):
    return [(flag.rule, flag.state) for flag in of_first_week(house, *rules)]


# Hours or days


def test_two_long_days_are_too_few_days_and_no_hours_case(house):
    pat = house.patient()
    long_days(house, pat, MON, WED)
    house.night(SUN)
    flag = only(of_first_week(house, HOURS, DAYS, PLAN))
    assert (flag.rule, flag.evidence_key) == (DAYS, "2026-03-02:program")
    assert flag.sentence == "Week of Mar 2 – Mar 8, 2026: credited 10 h of 9 h; 2 of 3 days."
    assert (flag.owner_role, flag.due_at) == (Role.COORDINATOR, house.at("2026-03-10", "17:00"))


def test_a_missed_evening_is_one_case(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.missed(pat, FRI)
    house.night(SUN)
    assert states(house, HOURS, DAYS, PLAN, LEFT) == [(HOURS, "open")]


def test_minutes_made_up_without_the_day_keep_the_weeks_one_case(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.missed(pat, FRI)
    house.night(FRI)
    for day in (SAT, SUN):
        house.day(day, [pat], "09:00", "10:30")
        house.came(pat, day)
    house.night(SUN)
    flag = only(of_first_week(house, HOURS, DAYS, PLAN))
    assert (flag.rule, flag.state, flag.evidence["stage"]) == (HOURS, "open", "too_few_days")
    assert flag.sentence == "Week of Mar 2 – Mar 8, 2026: credited 9 h of 9 h; 2 of 3 days."
    house.night(SUN + DAY)
    assert states(house, HOURS, DAYS, PLAN) == [(HOURS, "open")]


def test_the_case_closes_when_the_day_is_back_too(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.missed(pat, FRI)
    house.night(FRI)
    house.came(pat, FRI)
    house.night(SAT)
    flag = only(of_first_week(house, HOURS))
    assert (flag.state, flag.outcome) == ("closed", "facts")
    assert flag.outcome_note == "Week of Mar 2 – Mar 8, 2026: credited 9 h of 9 h; repaired."


def test_a_person_who_settled_the_hours_case_has_settled_the_days(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.missed(pat, FRI)
    house.night(SUN)
    flag = only(of_first_week(house, HOURS))
    write_week_note(flag=flag, reason="work", make_up_offered="Saturday", by=house.user)
    resolve(flag=flag, outcome="reached", by=house.user)
    long_days(house, pat, SAT)
    house.record(pat, SAT, attended=True, left_at=house.at(SAT, "10:59"))
    house.day(SUN, [pat], "12:00", "13:01")
    house.came(pat, SUN)
    house.night(SUN + DAY)
    assert states(house, HOURS, DAYS) == [(HOURS, "closed")]


def test_hours_that_fall_short_take_the_days_case_over(house):
    pat = house.patient()
    long_days(house, pat, MON)
    house.day(FRI, [pat], *LONG)
    house.night(MON)
    assert states(house, HOURS, DAYS) == [(DAYS, "open")]
    house.missed(pat, FRI)
    house.night(FRI)
    days, hours = of_first_week(house, DAYS)[0], of_first_week(house, HOURS)[0]
    assert (days.state, days.outcome_note) == (
        "closed", "The week is short of more than this: see that case.",
    )  # fmt: skip
    assert hours.state == "open"


def test_a_third_day_closes_the_days_case_and_its_loss_reopens_it(house):
    pat = house.patient()
    long_days(house, pat, MON, WED)
    house.night(WED)
    third = house.day(FRI, [pat])
    house.night(THU)
    flag = only(of_first_week(house, DAYS))
    assert (flag.state, flag.outcome_note) == ("closed", "The week has its days.")
    third.bookings.update(state="withdrawn", withdrawn_reason="Moved")
    assert house.night(FRI).reopened == 1
    assert states(house, DAYS) == [(DAYS, "open")]


def test_excused_days_make_it_a_notice(house):
    pat = house.patient()
    long_days(house, pat, MON, WED)
    house.day(FRI, [pat])
    house.called_in(pat, FRI)
    house.night(SUN)
    assert only(of_first_week(house, DAYS)).severity == Severity.NOTICE


# What is left of the week


def test_the_sentence_names_what_is_not_booked(house):
    pat = house.patient()
    house.full_week(pat, MON)
    house.day(WED, [pat], state="released")
    house.night(MON)
    assert only(of_first_week(house, HOURS)).sentence == (
        "Week of Mar 2 – Mar 8, 2026: credited 3 h of 9 h; 6 h to go; "
        "Wed 3 h, Fri not booked; 6 h to make up by Fri Mar 6; 1 of 3 days."
    )


def test_the_last_day_to_repair_is_the_last_business_day(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.missed(pat, FRI)
    house.night(FRI)
    assert only(of_first_week(house, HOURS)).sentence.endswith(
        "3 h to go; 3 h out of reach; 2 of 3 days."
    )


@pytest.mark.parametrize(
    ("priority", "severity"), [("", Severity.WATCH), (Episode.Priority.MOUD, Severity.ACT)]
)
def test_a_priority_patients_week_is_louder(house, priority, severity):
    pat = house.patient(priority=priority)
    house.full_week(pat, MON, WED)
    house.night(WED)
    assert only(of_first_week(house, HOURS)).severity == severity


def test_a_new_patient_far_from_the_minimum_is_serious(house):
    pat = house.patient()
    for day in (MON, WED, FRI):
        house.day(day, [pat])
    house.came(pat, MON)
    house.missed(pat, WED)
    house.missed(pat, FRI)
    house.night(SUN)
    assert only(of_first_week(house, HOURS)).severity == Severity.ACT


def test_far_alone_is_not(house):
    pat = house.patient(on=datetime.date(2026, 1, 5))
    house.full_week(pat, datetime.date(2026, 1, 5))
    for day in (MON, WED, FRI):
        house.day(day, [pat])
    house.came(pat, MON)
    house.missed(pat, WED)
    house.missed(pat, FRI)
    house.night(SUN)
    assert only(of_first_week(house, HOURS)).severity == Severity.WATCH


# Below the plan


def of_twelve_hours(house, **extra):
    pat = house.patient(**extra)
    pat.plans.update(weekly_minutes_target=720)
    return pat


def test_below_the_plan_is_a_notice_of_the_therapist(house):
    pat = of_twelve_hours(house)
    house.full_week(pat)
    house.night(SUN)
    flag = only(of_first_week(house))
    assert (flag.rule, flag.severity, flag.owner) == (PLAN, Severity.NOTICE, house.user)
    assert (flag.evidence_key, flag.evidence["at_most"]) == ("2026-03-02", 540)
    assert flag.sentence == (
        "Week of Mar 2 – Mar 8, 2026: credited 9 h of the plan's 12 h; scheduled 9 h; "
        "3 h below the plan."
    )


def test_a_week_that_goes_on_is_not_below_the_plan_yet(house):
    pat = of_twelve_hours(house)
    house.full_week(pat)
    house.night(SAT)
    assert states(house, HOURS, PLAN) == []
    house.night(SUN)
    assert states(house, HOURS, PLAN) == [(PLAN, "open")]


def test_below_the_plan_gives_way_to_the_hours_and_comes_back_when_they_are_repaired(house):
    pat = of_twelve_hours(house)
    house.full_week(pat)
    house.night(SUN)
    house.missed(pat, FRI)
    house.night(NEXT_MON)
    plan = only(of_first_week(house, PLAN))
    assert (plan.state, plan.outcome_note) == (
        "closed", "The week is short of more than this: see that case.",
    )  # fmt: skip
    house.came(pat, FRI)
    house.night(NEXT_MON + DAY)
    assert states(house, HOURS, PLAN) == [(PLAN, "open"), (HOURS, "closed")]


def test_a_make_up_recorded_late_closes_the_plans_case(house):
    pat = of_twelve_hours(house)
    house.full_week(pat)
    house.night(SUN)
    house.full_week(pat, SAT)
    house.night(NEXT_MON)
    flag = only(of_first_week(house, PLAN))
    assert (flag.state, flag.outcome_note) == ("closed", "The week is no longer below the plan.")


def test_what_the_clinic_cancelled_is_not_below_the_plan(house):
    pat = of_twelve_hours(house)
    house.full_week(pat)
    house.cancel(house.day(SAT, [pat]))
    house.night(SUN)
    assert of_first_week(house, PLAN) == []


def test_admitted_on_wednesday_two_thirds_of_the_plan_are_asked_for(house):
    pat = of_twelve_hours(house, on=WED)
    long_days(house, pat, WED, FRI)
    house.night(SUN)
    assert of_first_week(house, PLAN) == []


# Over the maximum


def test_over_twenty_hours(house):
    pat = house.patient()
    for day in (MON, TUE, WED, THU):
        house.day(day, [pat], "08:00", "13:00")
        house.came(pat, day)
    house.night(THU)
    assert of_first_week(house, OVER) == []
    house.day(FRI, [pat], "09:00", "09:15")
    house.came(pat, FRI)
    house.night(FRI)
    flag = only(of_first_week(house, OVER))
    assert (flag.evidence_key, flag.severity) == ("2026-03-02:program", Severity.WATCH)
    assert flag.sentence == (
        "Week of Mar 2 – Mar 8, 2026: credited 20 h 15, 15 min over the maximum of 20 h."
    )
    house.missed(pat, FRI)
    house.night(SAT)
    flag.refresh_from_db()
    assert (flag.state, flag.outcome_note) == ("closed", "The week is no longer over the maximum.")


# Left short


def test_one_case_a_week_of_the_days_left_short(house):
    pat = house.patient()
    for day in (MON, WED, FRI, SAT):
        house.day(day, [pat])
    house.came(pat, MON, arrived="09:20")
    house.night(MON)
    flag = only(of_first_week(house, LEFT))
    assert (flag.owner, flag.severity) == (house.user, Severity.NOTICE)
    assert flag.evidence["days"] == ["2026-03-02"]
    house.came(pat, WED)
    house.came(pat, FRI, left="09:50")
    house.night(FRI)
    again = only(of_first_week(house, LEFT))
    assert (again.pk, again.evidence_key) == (flag.pk, "2026-03-02")
    assert again.evidence["day_minutes"] == [160, 50]
    assert again.sentence == (
        "Week of Mar 2 – Mar 8, 2026: came, but short of a day of 3 h: Mon 2 h 40, Fri 50 min."
    )


def test_a_single_day_left_short_is_part_of_the_case_of_the_week(house):
    pat = house.patient()
    for day in (MON, WED, FRI):
        house.day(day, [pat])
    house.came(pat, MON, arrived="09:20")
    house.night(MON)
    assert states(house, HOURS, LEFT) == [(HOURS, "open")]


def test_a_corrected_departure_closes_it(house):
    pat = house.patient()
    for day in (MON, WED, FRI, SAT):
        house.day(day, [pat])
    house.came(pat, MON, left="12:00")
    house.night(MON)
    house.came(pat, MON)
    house.night(TUE)
    flag = only(of_first_week(house, LEFT))
    assert (flag.state, flag.outcome_note) == (
        "closed", "No day of the week is left short any more.",
    )  # fmt: skip


def test_a_day_that_the_credit_rule_keeps_short_is_nobodys_fault(house):
    """Three sessions of 65 minutes, credited 45 each at most: 2 h 15, however long one stays."""
    CreditRule.objects.filter(clinic=house.clinic).update(kind="round_down", round_to=45)
    pat = house.patient()
    for starts, ends in (("09:00", "10:05"), ("10:10", "11:15"), ("11:20", "12:25")):
        house.day(MON, [pat], starts, ends)
    house.came(pat, MON)
    house.night(MON)
    assert of_first_week(house, LEFT) == []


def test_a_missed_day_is_not_left_short(house):
    pat = house.patient()
    house.day(MON, [pat])
    house.missed(pat, MON)
    house.night(MON)
    assert of_first_week(house, LEFT) == []


# Rules are dated rows


@pytest.mark.parametrize("kind", [DAYS, PLAN, OVER, LEFT])
def test_a_rule_that_ended_opens_nothing(house, kind):
    AbsenceRule.objects.filter(kind=kind).update(ends_on=MON - DAY)
    pat = of_twelve_hours(house, priority=Episode.Priority.MINOR)
    for day, ends in ((MON, "13:00"), (WED, "13:00"), (FRI, "10:00")):
        house.day(day, [pat], "08:00", ends)
    house.came(pat, MON)
    house.came(pat, WED, left="10:00")
    house.night(SUN)
    assert of_first_week(house, kind) == []
