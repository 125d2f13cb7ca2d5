"""A weekly block is entered, changed or ended: its sessions are planned, its patients judged."""

import datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from attendance import blocks
from attendance.models import AttendanceRecord, Flag
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.constraints import violation
from iop_clinic.accounts.models import AuditEvent
from scheduling.models import Booking, Session, WeeklyBlock
from tests import factories as f
from tests.attendance.house import BREAKS, SAT, SUN
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db
LONG: dict[str, Any] = {"ends_at": datetime.time(12, 20), "breaks": BREAKS}
WEEK = datetime.timedelta(days=7)


def unsaved(week: ShortWeek, **extra: Any) -> WeeklyBlock:
    """Saturdays from nine to ten, or longer."""
    hour = {"starts_at": datetime.time(9), "ends_at": datetime.time(10), "weekday": 5}
    return WeeklyBlock(
        clinic=week.clinic, group=week.house.group, session_type=week.house.type,
        facilitator=week.house.therapist, valid_from=SAT, **{**hour, **extra},
    )  # fmt: skip


@pytest.fixture
def block(week: ShortWeek) -> WeeklyBlock:
    row = unsaved(week)
    blocks.add_blocks(new=[row], by=week.by)
    return row


def saturdays(block: WeeklyBlock) -> list[tuple[datetime.date, bool]]:
    rows = Session.objects.filter(block__group=block.group, block__weekday__in=[5, 6])
    return list(rows.order_by("starts_at").values_list("local_date", "live"))


def all_said() -> tuple[Any, ...]:
    """What a refused call must leave as it was."""
    rows = Session.objects.order_by("pk").values_list("pk", "starts_at", "state", "block")
    return list(rows), list(WeeklyBlock.objects.order_by("pk").values()), AuditEvent.objects.count()


def record(week: ShortWeek, day: datetime.date, *, came: bool = True) -> None:
    booking = Booking.objects.get(episode=week.patient, session__local_date=day)
    AttendanceRecord.objects.create(
        clinic=week.clinic, booking=booking, attended=came, recorded_by=week.by,
        recorded_at=booking.starts_at,
    )  # fmt: skip


def test_a_new_block_is_planned_and_its_hours_repair_the_week(week: ShortWeek) -> None:
    assert week.flag.state == Flag.State.OPEN
    row = unsaved(week, **LONG)
    blocks.add_blocks(new=[row], by=week.by)
    assert saturdays(row) == [(SAT + n * WEEK, True) for n in range(4)]
    assert week.flag.state == Flag.State.CLOSED


def test_one_that_is_refused_plans_nothing(week: ShortWeek) -> None:
    before = all_said()
    with pytest.raises(Refused) as caught:
        blocks.add_blocks(new=[unsaved(week), unsaved(week, weekday=4)], by=week.by)
    assert (caught.value.code, caught.value.field) == ("block_overlaps", "starts_at")
    assert all_said() == before


def test_whoever_is_booked_is_judged_again_when_it_lasts_longer(
    week: ShortWeek, block: WeeklyBlock
) -> None:
    assert week.flag.state == Flag.State.OPEN
    blocks.change_block(block=block, by=week.by, **LONG)
    assert week.flag.state == Flag.State.CLOSED


def test_whoever_loses_the_seat_to_another_day_is_judged_again(
    week: ShortWeek, block: WeeklyBlock
) -> None:
    blocks.change_block(block=block, by=week.by, **LONG)
    week.patient.memberships.update(ends_on=SAT)
    blocks.change_block(block=block, by=week.by, weekday=6)
    lost = Booking.objects.get(episode=week.patient, session__local_date=SUN)
    assert (lost.state, week.flag.state) == ("withdrawn", Flag.State.OPEN)


def test_a_recorded_session_stays_when_it_was(week: ShortWeek, block: WeeklyBlock) -> None:
    record(week, SAT)
    before = all_said()
    for changes in ({"starts_at": datetime.time(8)}, {"weekday": 6}):
        with pytest.raises(Refused) as caught:
            blocks.change_block(block=block, by=week.by, **changes)
        assert (caught.value.code, caught.value.details["dates"]) == ("attendance_recorded", [SAT])
        assert caught.value.message == (
            "Attendance is recorded already on Sat Mar 7. Begin after that."
        )
    assert all_said() == before


def test_from_the_week_after_a_recorded_one_it_may_change(
    week: ShortWeek, block: WeeklyBlock
) -> None:
    record(week, SAT)
    blocks.change_block(block=block, by=week.by, first=SAT + WEEK, weekday=6)
    assert saturdays(block) == [(SAT, True), *((SUN + n * WEEK, True) for n in (1, 2, 3))]


def test_another_leader_may_come_to_a_recorded_one(week: ShortWeek, block: WeeklyBlock) -> None:
    record(week, SAT)
    other = f.TherapistFactory(clinic=week.clinic)
    found = blocks.change_block(block=block, by=week.by, facilitator=other)
    assert {part.therapist for one in found.changed for part in one.staff.all()} == {other}


def test_it_ends_and_goes_on_with_new_sessions_only(week: ShortWeek, block: WeeklyBlock) -> None:
    blocks.end_block(block=block, last=SAT + WEEK, by=week.by)
    assert [live for _, live in saturdays(block)] == [True, True, False, False]
    blocks.end_block(block=block, last=None, by=week.by)
    assert [live for _, live in saturdays(block)] == [True, True, False, False]


def test_it_does_not_end_before_a_recorded_session(week: ShortWeek, block: WeeklyBlock) -> None:
    record(week, SAT + WEEK, came=False)
    before = all_said()
    with pytest.raises(Refused) as caught:
        blocks.end_block(block=block, last=SAT, by=week.by)
    said = (caught.value.code, caught.value.details["dates"])
    assert said == ("attendance_recorded", [SAT + WEEK])
    assert all_said() == before


def test_a_session_that_somebody_attended_is_not_cancelled(
    week: ShortWeek, block: WeeklyBlock
) -> None:
    record(week, SAT + WEEK)
    before = all_said()
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        blocks.end_block(block=block, last=SAT, by=week.by)
    broken = violation(caught.value)
    assert broken is not None
    assert broken.name == "booking_attended_stays"
    assert all_said() == before


def test_whom_there_is_no_place_for_is_told(week: ShortWeek, block: WeeklyBlock) -> None:
    guests = Session.objects.get(local_date=SAT, block=block)
    Session.objects.filter(pk=guests.pk).update(capacity=1)
    member = week.house.patient(on=SUN, seat=2)
    found = blocks.change_block(block=block, by=week.by, weekday=6)
    assert not Booking.objects.filter(episode=member, session__local_date=SUN).exists()
    assert [one for one in found.findings if "Mar 8" in one] == [
        f"{block.group}, Sun Mar 8, 9:00 AM: no seat is free for a member"
    ]
