"""The note of a short week, what needs it, and make-ups that are named."""

import datetime
from typing import Any

import pytest

from attendance.bookings import book_make_up
from attendance.compliance.cases import (
    NO_MAKE_UP,
    latest_snooze,
    make_ups_for,
    resolve,
    snooze,
)
from attendance.compliance.week_notes import note_of, week_of_case, write_week_note
from attendance.models import AbsenceRule, Flag, WeekNote, WeekResult
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from scheduling.models import Booking
from tests import factories as f
from tests.attendance.house import FRI, MON, SAT, SUN, THU, TUE, WED, House
from tests.attendance.nights import case
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db

KIND = AbsenceRule.Kind
NOTE: dict[str, Any] = {"reason": "illness", "make_up_offered": "Saturday, declined"}
NEXT_MON = MON + datetime.timedelta(days=7)


@pytest.fixture
def house(time_machine):
    house = House()
    time_machine.move_to(house.at(THU, "09:00"), tick=False)
    return house


def week_case(house: House, rule: int = KIND.HOURS, **extra: Any) -> Flag:
    values = {"rule": rule, "evidence_key": f"{MON}:program", "opened_for": TUE}
    return case(house.clinic, **{"episode": house.patient(seat=None), **values, **extra})


@pytest.fixture
def flag(house):
    return week_case(house)


def refused(code: str, flag: Flag, call, field: str | None = None, **arguments: Any) -> Refused:
    """Refused with this code at this field, and neither case nor note changes."""
    before = (Flag.objects.filter(pk=flag.pk).values().get(), list(WeekNote.objects.values()))
    with pytest.raises(Refused) as refusal:
        call(flag=flag, **arguments)
    assert (refusal.value.code, refusal.value.field) == (code, field or "")
    after = (Flag.objects.filter(pk=flag.pk).values().get(), list(WeekNote.objects.values()))
    assert after == before
    return refusal.value


# Writing


def test_a_note_is_written_and_rewritten(house, flag):
    note = write_week_note(flag=flag, by=house.user, detail=" Flu ", version=1, **NOTE)
    assert (note.reason, note.detail, note.make_up_offered) == (
        "illness", "Flu", "Saturday, declined",
    )  # fmt: skip
    assert (note.written_by, note.version, flag.version) == (house.user, 1, 2)
    other = f.staff(house.clinic)
    again = write_week_note(flag=flag, by=other, version=2, reason="work", make_up_offered="None")
    assert (again.pk, again.detail, again.written_by, again.version) == (note.pk, "", other, 2)
    trail = AuditEvent.objects.filter(table_name="attendance_weeknote").order_by("id")
    assert [(one.operation, one.actor) for one in trail] == [
        ("I", house.user.actor), ("U", other.actor),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"reason": ""}, "required", "reason"),
        ({"reason": "laziness"}, "required", "reason"),
        ({"reason": "other"}, "required", "detail"),
        ({"reason": "other", "detail": " "}, "required", "detail"),
        ({"make_up_offered": " "}, "required", "make_up_offered"),
        ({"make_up_offered": "x" * 301}, "invalid", "make_up_offered"),
        ({"detail": "x" * 301}, "invalid", "detail"),
        ({"version": 9}, "stale_version", ""),
    ],
)
def test_what_is_missing_is_named(house, flag, wrong, code, field):
    refused(code, flag, write_week_note, field, by=house.user, **{**NOTE, **wrong})


def test_only_a_weeks_hours_have_a_note(house):
    missed = case(house.clinic, episode=house.patient())
    refused("not_a_week", missed, write_week_note, by=house.user, **NOTE)
    assert week_of_case(missed) is None


def test_the_note_of_a_closed_week_may_still_be_rewritten(house, flag):
    write_week_note(flag=flag, by=house.user, **NOTE)
    resolve(flag=flag, outcome="excused", by=house.user)
    again = write_week_note(flag=flag, by=house.user, reason="work", make_up_offered="None")
    assert (again.flag, again.reason, flag.state) == (flag, "work", "closed")


def test_auditors_and_the_own_therapist_read_it_and_nobody_elsewhere(house, flag):
    note = write_week_note(flag=flag, by=house.user, **NOTE)
    auditor, colleague = f.staff(house.clinic, Role.AUDITOR), f.staff(house.clinic, Role.THERAPIST)
    for person in (auditor, house.user):
        assert WeekNote.objects.visible_to(person).get() == note
    for person in (colleague, f.staff(House().clinic)):
        assert not WeekNote.objects.visible_to(person).exists()


# Closing


@pytest.mark.parametrize("day", [THU, NEXT_MON], ids=["in the week", "after it"])
@pytest.mark.parametrize("rule", [KIND.HOURS, KIND.TOO_FEW_DAYS])
def test_a_week_below_its_minimum_is_closed_with_a_note_only(house, rule, day, time_machine):
    flag = week_case(house, rule)
    time_machine.move_to(house.at(day, "09:00"), tick=False)
    refused("note_required", flag, resolve, "week_note", outcome="excused", by=house.user)
    write_week_note(flag=flag, by=house.user, **NOTE)
    assert resolve(flag=flag, outcome="excused", by=house.user).state == "closed"


def test_a_week_closed_before_its_end_that_turns_out_short_has_its_note(time_machine):
    week = ShortWeek()
    time_machine.move_to(week.now, tick=False)
    close: dict[str, Any] = {"outcome": "reached", "by": week.by}
    refused("note_required", week.flag, resolve, "week_note", **close)
    write_week_note(flag=week.flag, by=week.by, **NOTE)
    resolve(flag=week.flag, **close)
    week.house.missed(week.patient, FRI)
    week.house.night(SUN)
    assert WeekResult.objects.get().minutes_status == "short"
    assert week.flag.state == "open"  # it has grown since: the same case again
    assert note_of(week.flag) is not None


def test_below_plan_needs_no_note(house, time_machine):
    flag = week_case(house, KIND.BELOW_PLAN)
    time_machine.move_to(house.at(NEXT_MON, "09:00"), tick=False)
    assert resolve(flag=flag, outcome="excused", by=house.user).state == "closed"


# Make-ups


def booked(house: House, flag: Flag, day: datetime.date, **extra: Any) -> Booking:
    return house.day(day, [flag.episode], **extra).bookings.get()


def made_up(house: House, flag: Flag, day: datetime.date, **extra: Any) -> Booking:
    """A make-up on a day, for a booking that was missed on Tuesday."""
    missed = Booking.objects.filter(episode=flag.episode, session__local_date=TUE).first()
    row = booked(house, flag, day, **extra)
    row.makes_up = missed or booked(house, flag, TUE)
    row.save()
    return row


@pytest.fixture
def explained(house, flag):
    write_week_note(flag=flag, by=house.user, **NOTE)
    return flag


def test_a_make_up_is_named(house, explained):
    flag, make_up = explained, made_up(house, explained, SAT)
    resolve(flag=flag, outcome="make_up", make_up=make_up, note="He is sure", by=house.user)
    assert (flag.outcome, flag.outcome_note) == ("make_up", "Sat Mar 7, 9:00 AM. He is sure")
    assert flag.evidence == {"make_up": str(make_up.public_id)}


def test_not_without_a_make_up_of_this_patient_in_this_week(house, explained):
    flag, close = explained, {"outcome": "make_up", "by": house.user}
    refused("make_up_required", flag, resolve, "make_up", **close)
    strange = made_up(house, week_case(house), FRI)
    before = made_up(house, flag, MON)
    gone = made_up(house, flag, SAT)
    Booking.objects.filter(pk=gone.pk).update(state="released", released_at=house.at(FRI, "09:00"))
    later = made_up(house, flag, NEXT_MON)
    missed_too = made_up(house, flag, WED)
    house.missed(flag.episode, WED)
    for booking in (strange, before, gone, later, missed_too):
        refused("unknown_booking", flag, resolve, "make_up", make_up=booking, **close)


def test_what_is_planned_anyway_is_no_make_up(house, time_machine):
    week = ShortWeek()
    time_machine.move_to(week.now, tick=False)
    write_week_note(flag=week.flag, by=week.by, **NOTE)
    close: dict[str, Any] = {"outcome": "make_up", "by": week.by}
    assert list(make_ups_for(week.flag)) == []
    refusal = refused(
        "unknown_booking", week.flag, resolve, "make_up", make_up=week.friday, **close
    )
    assert refusal.message == NO_MAKE_UP
    short = week.session(THU, ends="15:00")
    make_up = book_make_up(episode=week.patient, session=short, by=week.by, now=week.now)
    assert (list(make_ups_for(week.flag)), week.flag.is_open) == ([make_up], True)
    resolved = resolve(flag=week.flag, make_up=make_up, **close)
    assert (resolved.outcome_note, note_of(resolved) is None) == ("Thu Mar 5, 2:00 PM.", False)


def test_a_missed_day_is_made_up_in_another_week_too(house):
    flag = case(house.clinic, episode=house.patient(), opened_for=TUE)
    make_up = made_up(house, flag, NEXT_MON)
    assert resolve(flag=flag, outcome="make_up", make_up=make_up, by=house.user).state == "closed"


# Putting off


@pytest.mark.parametrize("until", [FRI, SUN])
def test_a_week_that_can_be_repaired_wakes_in_it(house, flag, until):
    assert snooze(flag=flag, until=until, reason="Trial", by=house.user).snoozed_until == until


def test_and_not_after_it(house, flag, time_machine):
    late = {"reason": "Trial", "by": house.user}
    refusal = refused("too_late", flag, snooze, "until", until=NEXT_MON, **late)
    assert refusal.message == "This case may wait until Sun Mar 8 at most."
    time_machine.move_to(house.at(SUN, "09:00"), tick=False)
    refusal = refused("too_late", flag, snooze, "until", until=NEXT_MON, **late)
    assert refusal.message == "This is the last day to put it right: it cannot wait."


@pytest.mark.parametrize(
    ("rule", "days"),
    [(KIND.SILENT_DAYS, 2), (KIND.UNRECORDED, 3), (KIND.NO_CALL_DAY, 7), (KIND.CASELOAD, 14)],
)
def test_each_rule_says_how_long(rule, days):
    latest = latest_snooze(Flag(rule=rule, evidence={}), MON)
    assert latest == MON + datetime.timedelta(days=days)


def test_a_paper_wakes_before_it_runs_out(house):
    flag = week_case(house, KIND.AUTHORIZATION_ENDING, evidence={"ends_on": str(SAT)})
    assert latest_snooze(flag, THU) == SAT
    refused("too_late", flag, snooze, "until", until=SUN, reason="Sent", by=house.user)


def test_a_case_put_off_is_due_when_it_wakes(house, flag):
    Flag.objects.filter(pk=flag.pk).update(due_at=house.at(WED, "17:00"))
    snooze(flag=flag, until=FRI, reason="Trial", by=house.user)
    assert flag.due_at == house.at(FRI, "17:00")
    snooze(flag=flag, until=SAT, reason="Trial", by=house.user)
    assert flag.due_at == house.at(NEXT_MON, "17:00")
