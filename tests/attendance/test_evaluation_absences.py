"""Absence rules through real rows: which days open a case, what closes or lapses it."""

import datetime

import pytest

from attendance.compliance.cases import resolve
from attendance.compliance.evaluation import evaluate, reevaluate
from attendance.models import AbsenceRule, Flag
from attendance.models.standards import Severity
from iop_clinic.accounts.roles import Role
from patients.models import Episode
from tests import factories as f
from tests.attendance.house import FRI, JOB, MON, SUN, THU, TUE, WED, House

pytestmark = pytest.mark.django_db

HOURS, NO_CALL = AbsenceRule.Kind.HOURS, AbsenceRule.Kind.NO_CALL_DAY
CONSECUTIVE, COUNT = AbsenceRule.Kind.CONSECUTIVE, AbsenceRule.Kind.COUNT_IN_DAYS
UNRECORDED, FIRST_DAYS = AbsenceRule.Kind.UNRECORDED, AbsenceRule.Kind.FIRST_DAYS
DAY = datetime.timedelta(days=1)


@pytest.fixture
def house():
    return House()


def only(flags):
    (flag,) = flags
    return flag


def booked_week(house, *people, start=MON):
    for n in (0, 2, 4):
        house.day(start + n * DAY, list(people))


# Absences


def test_a_no_call_day_is_the_therapists_call_of_the_morning(house):
    pat = house.patient()
    booked_week(house, pat)
    house.missed(pat, MON)
    house.night(MON)
    flag = only(house.flags(NO_CALL))
    assert (flag.sentence, flag.evidence_key) == ("Missed Mon Mar 2 without a call.", "2026-03-02")
    assert (flag.owner, flag.owner_role) == (house.user, Role.THERAPIST)
    assert (flag.opened_for, flag.due_at) == (MON, house.at(TUE, "17:00"))
    assert flag.severity == Severity.ACT


def test_a_priority_patient_is_called_two_hours_after_opening(house):
    pat = house.patient(priority=Episode.Priority.SUICIDE_OR_OVERDOSE)
    booked_week(house, pat)
    house.missed(pat, MON)
    house.night(MON)
    flag = only(house.flags(NO_CALL))
    assert (flag.due_at, flag.severity) == (house.at(TUE, "10:00"), Severity.URGENT)


def test_who_becomes_a_priority_is_called_sooner(house):
    pat = house.patient()
    booked_week(house, pat)
    house.missed(pat, MON)
    house.night(MON)
    Episode.objects.update(priority=Episode.Priority.SUICIDE_OR_OVERDOSE)
    now = house.at(TUE, "08:30")
    reevaluate(clinic=house.clinic, episode_ids=[pat.pk], by=JOB, now=now)
    flag = only(house.flags(NO_CALL))
    assert (flag.due_at, flag.severity) == (house.at(TUE, "10:30"), Severity.URGENT)
    assert (flag.changed_at, flag.evidence["priority"]) == (now, True)


def test_what_a_person_put_off_for_a_priority_patient_stays_put_off(house):
    pat = house.patient(priority=Episode.Priority.SUICIDE_OR_OVERDOSE)
    booked_week(house, pat)
    house.missed(pat, MON)
    house.night(MON)
    later = {"state": "snoozed", "snoozed_until": FRI, "due_at": house.at(FRI, "17:00")}
    Flag.objects.filter(rule=NO_CALL).update(**later)
    house.night(TUE)
    flag = only(house.flags(NO_CALL))
    assert (flag.state, flag.due_at, flag.version) == ("snoozed", later["due_at"], 1)


def test_without_a_therapist_the_call_is_the_coordinators(house):
    pat = house.patient(primary_therapist=None)
    booked_week(house, pat)
    house.missed(pat, MON)
    house.night(MON)
    flag = only(house.flags(NO_CALL))
    assert (flag.owner, flag.owner_role) == (None, Role.COORDINATOR)


def test_three_sessions_of_one_evening_are_one_day(house):
    pat = house.patient()
    for starts, ends in (("18:00", "19:00"), ("19:10", "20:10"), ("20:20", "21:20")):
        house.day(MON, [pat], starts, ends)
    house.missed(pat, MON)
    house.night(MON)
    assert [flag.rule for flag in house.flags(NO_CALL, CONSECUTIVE, COUNT)] == [NO_CALL]


def test_two_consecutive_treatment_days(house):
    pat = house.patient()
    booked_week(house, pat)
    house.missed(pat, MON)
    house.missed(pat, WED)
    house.night(WED)
    flag = only(house.flags(CONSECUTIVE))
    assert flag.sentence == "2 consecutive treatment days missed, unexcused: Mar 2, Mar 4."
    assert flag.evidence == {"reached_on": "2026-03-04", "days": ["2026-03-02", "2026-03-04"]}
    assert (flag.owner, flag.owner_role) == (None, Role.COORDINATOR)
    assert flag.due_at == house.at(FRI, "08:00")


def test_a_run_that_grows_is_the_same_case(house):
    pat = house.patient()
    booked_week(house, pat)
    for day in (MON, WED, FRI):
        house.missed(pat, day)
        house.night(day)
    flag = only(house.flags(CONSECUTIVE))
    assert (flag.evidence_key, len(flag.evidence["days"]), flag.version) == ("2026-03-04:2", 3, 2)
    assert flag.changed_at == house.morning(FRI)


def test_three_days_in_thirty_lapse_when_the_window_slides_past(house):
    pat = house.patient()
    days = [MON, MON + 7 * DAY, MON + 14 * DAY]
    for day in days:
        house.day(day, [pat])
        house.missed(pat, day)
        house.full_week(pat, day + 2 * DAY)
    house.night(days[-1])
    flag = only(house.flags(COUNT))
    assert flag.sentence == "3 unexcused days in 30: Mar 2, Mar 9, Mar 16."
    assert flag.due_at == house.at("2026-03-19", "17:00")
    assert house.night(MON + 29 * DAY).lapsed == 0
    assert house.night(MON + 30 * DAY).lapsed == 1
    flag.refresh_from_db()
    assert (flag.state, flag.outcome) == ("lapsed", "")


def test_excused_and_cancelled_days_are_no_absence(house):
    pat = house.patient()
    booked_week(house, pat)
    house.called_in(pat, MON)
    house.cancel(house.day(TUE, [pat]))
    house.called_in(pat, WED)
    house.night(WED)
    assert house.flags(NO_CALL, CONSECUTIVE, COUNT) == []


def test_a_rule_counts_from_its_first_date(house):
    AbsenceRule.objects.filter(kind=NO_CALL).update(starts_on=TUE)
    pat = house.patient()
    booked_week(house, pat)
    house.missed(pat, MON)
    house.missed(pat, WED)
    house.night(WED)
    assert only(house.flags(NO_CALL)).evidence_key == "2026-03-04"


def test_evidence_later_than_the_judged_day_waits_for_its_night(house):
    pat = house.patient()
    booked_week(house, pat)
    house.missed(pat, MON)
    house.missed(pat, WED)
    evaluate(clinic=house.clinic, local_date=MON, by=JOB, now=house.morning(WED))
    assert [flag.evidence_key for flag in house.flags(NO_CALL)] == ["2026-03-02"]


def test_a_day_recorded_late_still_opens_its_call_and_old_history_none(house):
    pat = house.patient()
    booked_week(house, pat)
    house.night(MON)
    house.missed(pat, MON)
    house.night(SUN)
    assert [flag.evidence_key for flag in house.flags(NO_CALL)] == ["2026-03-02"]
    Flag.objects.all().delete()
    house.night(MON + 7 * DAY)
    assert house.flags(NO_CALL) == []


# Closing


def test_a_corrected_day_closes_its_case_and_reopens_it(house):
    pat = house.patient()
    booked_week(house, pat)
    house.missed(pat, MON)
    house.night(MON)
    house.came(pat, MON)
    assert house.night(TUE).closed >= 1
    flag = only(house.flags(NO_CALL))
    assert (flag.state, flag.closed_by_facts) == ("closed", True)
    assert flag.outcome_note == "The day is no longer a missed day without a call."
    house.missed(pat, MON)
    assert house.night(WED).reopened >= 1
    flag.refresh_from_db()
    assert (flag.state, flag.due_at) == ("open", house.at(THU, "17:00"))


def test_a_reopened_case_begins_again_with_whom_the_rule_asks(house):
    pat = house.patient()
    booked_week(house, pat)
    house.missed(pat, MON)
    house.night(MON)
    gone = {"owner_role": Role.ADMINISTRATOR, "escalated_at": house.at(TUE, "11:00")}
    Flag.objects.filter(rule=NO_CALL).update(owner=f.staff(house.clinic), **gone)
    house.came(pat, MON)
    house.night(TUE)
    assert only(house.flags(NO_CALL)).owner_role == Role.ADMINISTRATOR
    house.missed(pat, MON)
    house.night(WED)
    flag = only(house.flags(NO_CALL))
    assert (flag.state, flag.escalated_at) == ("open", None)
    assert (flag.owner_role, flag.owner) == (Role.THERAPIST, house.user)
    assert flag.reopened_at == house.morning(WED)


# One day, one call


def calls(house, day):
    return [(c.rule, c.state) for c in house.flags(NO_CALL, FIRST_DAYS) if c.evidence_key == day]


@pytest.mark.parametrize("settled", [False, True])
def test_a_first_day_recorded_late_asks_for_no_second_call(house, settled):
    pat = house.patient()
    booked_week(house, pat)
    house.missed(pat, WED)
    house.night(WED)
    if settled:
        resolve(flag=only(house.flags(NO_CALL)), outcome="reached", by=house.user)
    house.came(pat, MON)
    house.night(THU)
    assert calls(house, "2026-03-04") == [(NO_CALL, "closed" if settled else "open")]


def test_a_first_day_taken_back_asks_for_no_second_call(house):
    pat = house.patient()
    booked_week(house, pat)
    house.came(pat, MON)
    house.missed(pat, WED)
    house.night(WED)
    resolve(flag=only(house.flags(FIRST_DAYS)), outcome="reached", by=house.user)
    house.missed(pat, MON)
    house.night(THU)
    assert calls(house, "2026-03-04") == [(FIRST_DAYS, "closed")]
    assert calls(house, "2026-03-02") == [(NO_CALL, "open")]


def test_the_call_that_is_no_welcome_any_more_is_still_owed(house):
    pat = house.patient()
    booked_week(house, pat)
    house.came(pat, MON)
    house.missed(pat, WED)
    house.night(WED)
    house.missed(pat, MON)
    house.night(THU)
    assert calls(house, "2026-03-04") == [(FIRST_DAYS, "closed"), (NO_CALL, "open")]


def test_what_a_person_closed_stays_closed(house):
    pat = house.patient()
    booked_week(house, pat)
    house.missed(pat, MON)
    house.night(MON)
    resolve(flag=only(house.flags(NO_CALL)), outcome="reached", by=house.user)
    house.night(TUE)
    house.came(pat, MON)
    house.night(TUE)
    house.missed(pat, MON)
    house.night(TUE)
    flag = only(house.flags(NO_CALL))
    assert (flag.state, flag.outcome, flag.version) == ("closed", "reached", 2)


def test_a_run_closed_by_a_person_stays_closed_for_as_long_as_it_goes_on(house):
    """The patient never comes again; ten weeks later the run is still the same evidence."""
    pat = house.patient()
    booked_week(house, pat)
    for day in (MON, WED):
        house.missed(pat, day)
    house.night(WED)
    for weeks in range(1, 11):
        for flag in Flag.objects.open().filter(rule=CONSECUTIVE):
            resolve(flag=flag, outcome="not_reached", by=house.user)
        house.night(WED + 7 * weeks * DAY)
    assert only(house.flags(CONSECUTIVE)).state == Flag.State.CLOSED


def test_an_unrecorded_roster_is_an_item_of_the_staffs(house):
    pat, other = house.patient(), house.patient(seat=2)
    session = house.day(MON, [pat, other])
    house.came(pat, MON)
    house.night(MON)
    flag = only(house.flags(UNRECORDED))
    assert (flag.session, flag.episode, flag.evidence_key) == (
        session,
        None,
        str(session.public_id),
    )
    assert flag.sentence == "Roster of Mon Mar 2, 9:00 AM not recorded: 1 of 2 patients."
    house.came(other, MON)
    house.night(TUE)
    flag.refresh_from_db()
    assert (flag.state, flag.outcome) == ("closed", "recorded")


def test_the_roster_may_be_its_leaders(house):
    AbsenceRule.objects.filter(kind=UNRECORDED).update(owner_role=Role.THERAPIST)
    pat = house.patient()
    house.day(MON, [pat], therapist=house.therapist)
    house.night(MON)
    assert only(house.flags(UNRECORDED)).owner == house.user


def test_an_old_roster_stays_under_watch(house):
    pat = house.patient()
    house.day(MON, [pat])
    house.night(MON)
    late = MON + 70 * DAY
    assert house.night(late).closed == 0
    house.came(pat, MON)
    assert house.night(late + DAY).closed == 1
