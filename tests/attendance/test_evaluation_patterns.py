"""First days, windows and silence through real rows: opening, holding, lapsing, opening again."""

import datetime

import pytest

from attendance.compliance.cases import log_outreach, resolve
from attendance.models import AbsenceRule, CreditRule, Flag
from attendance.models.standards import Severity
from iop_clinic.accounts.roles import Role
from patients.models import Episode, EpisodeHold
from scheduling.models import CallIn
from tests.attendance.house import FRI, MON, SUN, THU, TUE, WED, House

pytestmark = pytest.mark.django_db

Kind = AbsenceRule.Kind
NO_CALL, EARLY, COUNT = Kind.NO_CALL_DAY, Kind.FIRST_DAYS, Kind.COUNT_IN_DAYS
EXCUSED, SILENT, TARDIES = Kind.EXCUSED_DAYS, Kind.SILENT_DAYS, Kind.TARDIES
LAST, SHARE = Kind.MISSED_OF_LAST, Kind.PERCENT_IN_DAYS
DAY = datetime.timedelta(days=1)
NEXT = MON + 7 * DAY
LONG_AGO = datetime.date(2026, 1, 5)


@pytest.fixture
def house():
    return House()


def only(flags):
    (flag,) = flags
    return flag


def booked(house, pat, *days):
    for day in days:
        house.day(day, [pat])


def known(house, **extra):
    """A patient whose first days are long past."""
    pat = house.patient(on=LONG_AGO, **extra)
    house.full_week(pat, LONG_AGO)
    return pat


def offer(house, kind, times, window_days, **extra):
    return AbsenceRule.objects.create(
        clinic=house.clinic,
        kind=kind,
        times=times,
        window_days=window_days,
        severity=Severity.WATCH,
        owner_role=Role.COORDINATOR,
        starts_on=LONG_AGO,
        **extra,
    )


# First days


def test_a_miss_in_the_first_days_is_a_welcome_back_call_and_no_second_one(house):
    pat = house.patient()
    booked(house, pat, MON, WED)
    house.came(pat, MON)
    house.missed(pat, WED)
    house.night(WED)
    flag = only(house.flags(NO_CALL, EARLY))
    assert (flag.rule, flag.evidence_key, flag.severity) == (EARLY, "2026-03-04", Severity.ACT)
    assert (flag.owner, flag.due_at) == (house.user, house.at(THU, "17:00"))
    assert flag.sentence == (
        "Missed Wed Mar 4 without a call, 2 days after the first session on Mon Mar 2."
    )


def test_a_late_cancellation_in_the_first_days_is_one_as_well(house):
    pat = house.patient()
    booked(house, pat, MON, WED)
    house.came(pat, MON)
    house.missed(pat, WED, absence_reason="work", notified_at=house.at(WED, "08:00"))
    house.night(WED)
    flag = only(house.flags(NO_CALL, EARLY))
    assert (flag.rule, flag.sentence) == (
        EARLY, "Missed Wed Mar 4 unexcused, 2 days after the first session on Mon Mar 2.",
    )  # fmt: skip


@pytest.mark.parametrize(("after", "rule"), [(20, EARLY), (21, NO_CALL)])
def test_the_first_21_days_begin_with_the_first_attended_one(house, after, rule):
    pat = house.patient()
    missed = MON + after * DAY
    booked(house, pat, MON, missed)
    house.came(pat, MON)
    house.missed(pat, missed)
    house.night(missed)
    assert [flag.rule for flag in house.flags(NO_CALL, EARLY)] == [rule]


def test_before_the_first_session_a_no_call_day_is_a_call(house):
    pat = house.patient()
    booked(house, pat, MON)
    house.missed(pat, MON)
    house.night(MON)
    assert [flag.rule for flag in house.flags(NO_CALL, EARLY)] == [NO_CALL]


def test_a_corrected_miss_closes_the_welcome_back_call(house):
    pat = house.patient()
    booked(house, pat, MON, WED)
    house.came(pat, MON)
    house.missed(pat, WED)
    house.night(WED)
    house.called_in(pat, WED)
    house.night(THU)
    flag = only(house.flags(NO_CALL, EARLY))
    assert (flag.state, flag.outcome_note) == ("closed", "The day is no longer a missed day.")
    house.missed(pat, WED)
    assert house.night(FRI).reopened >= 1
    flag.refresh_from_db()
    assert flag.state == "open"


# Windows


def test_three_excused_days_are_a_clinical_review(house):
    pat = known(house)
    days = [MON, WED, FRI, NEXT]
    booked(house, pat, *days)
    for day in days[:2]:
        house.called_in(pat, day)
    house.night(WED)
    assert house.flags(EXCUSED) == []
    house.called_in(pat, FRI)
    house.night(FRI)
    flag = only(house.flags(EXCUSED))
    assert (flag.evidence_key, flag.severity) == ("2026-03-06:3/30", Severity.WATCH)
    assert flag.sentence == "3 excused days in 30: Mar 2, Mar 4, Mar 6."
    assert (flag.owner, flag.due_at) == (house.user, house.at("2026-03-10", "17:00"))
    house.called_in(pat, NEXT)
    house.night(NEXT)
    assert only(house.flags(EXCUSED)).pk == flag.pk


def test_late_arrivals_are_counted_in_days(house):
    offer(house, TARDIES, 2, 7)
    pat = known(house)
    for starts, ends in (("09:00", "10:00"), ("10:10", "11:10")):
        house.day(MON, [pat], starts, ends)
    booked(house, pat, WED, FRI)
    house.came(pat, MON, arrived="10:16")
    house.came(pat, WED, arrived="09:05")
    house.night(WED)
    assert house.flags(TARDIES) == []
    house.came(pat, FRI, arrived="09:06")
    house.night(FRI)
    flag = only(house.flags(TARDIES))
    assert flag.sentence == "Came late on 2 days in 7: Mar 2, Mar 6."
    assert flag.evidence_key == "2026-03-06:2/7"


def test_the_grace_is_the_clinics(house):
    offer(house, TARDIES, 1, 7)
    CreditRule.objects.filter(clinic=house.clinic).update(grace_minutes=10)
    pat = known(house)
    booked(house, pat, MON, WED)
    house.came(pat, MON, arrived="09:10")
    house.came(pat, WED, arrived="09:11")
    house.night(WED)
    assert only(house.flags(TARDIES)).evidence["days"] == ["2026-03-04"]


def test_of_the_last_treatment_days(house):
    offer(house, LAST, 2, 4)
    pat = known(house)
    days = [MON, TUE, WED, THU, FRI]
    booked(house, pat, *days)
    house.missed(pat, MON)
    house.called_in(pat, TUE)
    house.came(pat, WED)
    house.missed(pat, THU)
    house.night(THU)
    flag = only(house.flags(LAST))
    assert flag.sentence == "2 of the last 4 treatment days missed, unexcused: Mar 2, Mar 5."
    assert (flag.evidence_key, flag.evidence["expected"]) == ("2026-03-05:2/4", 4)
    house.came(pat, FRI)
    assert house.night(FRI).lapsed == 0
    house.full_week(pat, NEXT)
    assert house.night(NEXT).lapsed == 1


def test_a_share_of_the_expected_days(house):
    offer(house, SHARE, 75, 30)
    pat = house.patient(on=MON)
    days = [MON, TUE, WED, THU, FRI, NEXT, NEXT + DAY]
    booked(house, pat, *days)
    for day in days[:5]:
        house.came(pat, day)
    house.missed(pat, NEXT)
    house.night(NEXT)
    assert house.flags(SHARE) == []
    house.missed(pat, NEXT + DAY)
    house.night(NEXT + DAY)
    flag = only(house.flags(SHARE))
    assert flag.sentence == (
        "Attended 5 of 7 expected days in 30 (71 %), under 75 %; missed Mar 9, Mar 10."
    )
    house.came(pat, NEXT)
    house.night(NEXT + 2 * DAY)
    flag.refresh_from_db()
    assert (flag.state, flag.outcome_note) == (
        "closed", "The share of attended days is back over the limit.",
    )  # fmt: skip


def test_a_window_never_below_is_one_case_for_as_long_as_it_lasts(house):
    """A Friday skipper: three in 30 for ever, closed once by a person, never opened again."""
    pat = known(house)
    for week in range(10):
        skipped = FRI + 7 * week * DAY
        booked(house, pat, skipped)
        house.missed(pat, skipped)
        house.full_week(pat, skipped + 3 * DAY)
        house.night(skipped + 3 * DAY)
        for flag in Flag.objects.open().filter(rule=COUNT):
            assert flag.evidence_key == "2026-03-20:3/30"
            if week == 8:
                resolve(flag=flag, outcome="reached", by=house.user)
    assert [flag.state for flag in house.flags(COUNT)] == ["closed"]


def test_the_next_case_comes_after_the_count_has_been_below(house):
    pat = known(house)
    first, again = [MON, WED, FRI], [MON + n * DAY for n in (35, 37, 39)]
    booked(house, pat, *first, *again)
    for day in first:
        house.missed(pat, day)
    house.night(FRI)
    house.full_week(pat, NEXT)
    assert house.night(MON + 30 * DAY).lapsed == 1
    for day in again:
        house.missed(pat, day)
    house.night(again[-1])
    assert [(flag.evidence_key, flag.state) for flag in house.flags(COUNT)] == [
        ("2026-03-06:3/30", "lapsed"),
        ("2026-04-10:3/30", "open"),
    ]


# Silence


def test_five_silent_days_are_a_wellness_call(house):
    pat = known(house)
    house.full_week(pat, MON)
    booked(house, pat, WED, FRI)
    house.missed(pat, WED)
    house.missed(pat, FRI)
    house.night(FRI)
    assert house.flags(SILENT) == []
    house.night(FRI + DAY)
    flag = only(house.flags(SILENT))
    assert flag.sentence == "Neither seen nor heard from since Mon Mar 2; missed Mar 4, Mar 6."
    assert (flag.evidence_key, flag.evidence["reached_on"]) == ("2026-03-02", "2026-03-07")
    assert (flag.owner_role, flag.severity) == (Role.COORDINATOR, Severity.ACT)


def test_two_for_a_priority_patient_once_the_days_call_found_nobody(house):
    pat = known(house, priority=Episode.Priority.SUICIDE_OR_OVERDOSE)
    house.full_week(pat, MON)
    booked(house, pat, WED)
    house.missed(pat, WED)
    house.night(WED)
    assert [flag.rule for flag in house.flags(NO_CALL, SILENT)] == [NO_CALL]
    house.night(THU)
    flag = only(house.flags(SILENT))
    assert (flag.severity, flag.due_at) == (Severity.URGENT, house.at(FRI, "10:00"))


def silent_patient(house):
    pat = known(house)
    house.full_week(pat, MON)
    booked(house, pat, WED)
    house.missed(pat, WED)
    return pat


def call_in(house, pat):
    CallIn.objects.create(
        clinic=house.clinic, episode=pat, from_date=NEXT, to_date=NEXT, reason="illness",
        notified_at=house.at(FRI, "12:00"), taken_by=house.user,
    )  # fmt: skip


def reached(house, pat):
    house.night(WED)
    log_outreach(
        flag=only(house.flags(NO_CALL)), method="in_person", result="reached", by=house.user,
        attempted_at=house.at(FRI, "12:00"),
    )  # fmt: skip


def in_hospital(house, pat):
    EpisodeHold.objects.create(
        clinic=house.clinic, episode=pat, reason="hospital", starts_on=THU, ends_on=FRI
    )


def gave_notice(house, pat):
    house.day(NEXT, [pat])
    house.day(SUN, [pat], state="released")  # told before it, on Sunday at nine


@pytest.mark.parametrize("heard", [call_in, reached, in_hospital, gave_notice])
def test_whoever_was_heard_from_is_not_silent(house, heard):
    pat = silent_patient(house)
    heard(house, pat)
    house.night(NEXT)
    assert house.flags(SILENT) == []


def test_who_was_not_is(house):
    silent_patient(house)
    house.night(NEXT)
    assert only(house.flags(SILENT)).evidence_key == "2026-03-02"


def test_nobody_answering_is_still_silence(house):
    pat = silent_patient(house)
    house.night(WED)
    log_outreach(
        flag=only(house.flags(NO_CALL)), method="in_person", result="no_answer", by=house.user
    )
    house.night(NEXT)
    assert only(house.flags(SILENT)).episode == pat


def test_a_week_without_anything_expected_is_no_silence(house):
    pat = known(house)
    house.full_week(pat, MON)
    house.cancel(house.day(WED, [pat]))
    house.day(FRI, [pat])
    house.night(NEXT + 7 * DAY)
    assert house.flags(SILENT) == []


def test_a_silence_ends_when_the_patient_comes_and_another_is_another_case(house):
    pat = silent_patient(house)
    house.night(NEXT)
    house.full_week(pat, NEXT + DAY)
    house.night(NEXT + DAY)
    flag = only(house.flags(SILENT))
    assert (flag.state, flag.outcome_note) == ("closed", "The patient was seen or heard from.")
    booked(house, pat, NEXT + 3 * DAY)
    house.missed(pat, NEXT + 3 * DAY)
    house.night(NEXT + 6 * DAY)
    assert [f.evidence_key for f in house.flags(SILENT)] == ["2026-03-02", "2026-03-10"]


def test_a_silence_closed_by_a_person_stays_closed_for_as_long_as_it_goes_on(house):
    silent_patient(house)
    house.night(NEXT)
    resolve(flag=only(house.flags(SILENT)), outcome="not_reached", by=house.user)
    for weeks in range(1, 12, 2):
        house.night(NEXT + 7 * weeks * DAY)
    assert only(house.flags(SILENT)).state == Flag.State.CLOSED
