"""A timetable and what must not have changed in it, whatever step came last (see
test_edit_sequences.py)."""

import datetime
from collections.abc import Callable
from typing import Any

import time_machine
from django.db import IntegrityError, transaction
from django.db.models import F
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from attendance import memberships
from attendance.models import AttendanceRecord
from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.constraints import violation
from iop_clinic.accounts.weeks import week_of
from scheduling import services
from scheduling.models import (
    Booking,
    GroupMembership,
    Session,
    SessionStaff,
    TimeOff,
    WeeklyBlock,
)
from tests import factories as f
from tests.attendance.house import House

NIGHTLY = Job("nightly")
DAY = datetime.timedelta(days=1)
MORNING = datetime.datetime(2026, 3, 2, 11, tzinfo=datetime.UTC)
"""Six o'clock of a Monday in New York; its clocks change on the Sunday after it."""


class Kept(RuleBasedStateMachine):
    """Two groups of one program, three therapists, five patients and a month of sessions."""

    def __init__(self) -> None:
        super().__init__()
        self.undone = transaction.atomic()
        self.undone.__enter__()
        self.clock = time_machine.travel(MORNING, tick=False)
        self.traveller = self.clock.start()
        self.records: dict[int, tuple[Any, ...]] = {}
        self.seats: dict[int, tuple[Any, ...]] = {}
        self.begun: dict[int, tuple[Any, ...]] = {}
        self.rows: dict[tuple[int, int], str] = {}

    def teardown(self) -> None:
        self.clock.stop()
        transaction.set_rollback(True)
        self.undone.__exit__(None, None, None)

    @initialize()
    def a_clinic(self) -> None:
        self.house = House()
        self.clinic, self.by = self.house.clinic, f.staff(self.house.clinic)
        house = self.house
        self.rooms = f.RoomFactory.create_batch(2, clinic=self.clinic)
        self.therapists = [house.therapist, *f.TherapistFactory.create_batch(2, clinic=self.clinic)]
        self.other = f.GroupFactory(
            clinic=self.clinic, program=house.group.program, capacity=8, min_size=1
        )
        f.WeeklyBlockFactory(
            group=self.other, weekday=1, facilitator=self.therapists[1], valid_from=self.today,
            session_type=house.type, room=self.rooms[0],
        )  # fmt: skip
        self.people = [house.patient(seat=None) for _ in range(5)]
        for episode in self.people[:3]:
            self.seat(episode, house.group)
        self.night()
        self.note()

    # --- what is known ---

    @property
    def today(self) -> datetime.date:
        return datetime.datetime.now(self.clinic.tz).date()

    def of(self, rows: Any, which: int) -> Any:
        found = list(rows.order_by("pk"))
        return found[which % len(found)] if found else None

    def session(self, which: int, **state: Any) -> Session | None:
        coming = Session.objects.filter(clinic=self.clinic, **state)
        return self.of(coming.filter(starts_at__gt=MORNING), which)

    def night(self) -> None:
        services.expand(clinic=self.clinic, today=self.today, by=NIGHTLY)

    def seat(self, episode: Any, group: Any) -> None:
        row = memberships.enrol(group=group, episode=episode, starts_on=self.today, by=self.by)
        self.seats[row.pk] = (group.pk, episode.pk, row.starts_on, row.ends_on)

    def note(self) -> None:
        """What the next step finds, and may not lose."""
        self.rows = bookings()
        now = datetime.datetime.now(datetime.UTC)
        for row in Session.objects.filter(starts_at__lte=now):
            self.begun.setdefault(row.pk, told(row))

    def try_to(self, do: Callable[[], Any], *, loses: bool = False) -> Any:
        """A step that may be refused. Only one that `loses` may withdraw or release a booking."""
        before = bookings()
        try:
            with transaction.atomic():
                done = do()
        except (Refused, IntegrityError) as error:
            if isinstance(error, IntegrityError) and not _attended(error):
                raise
            assert bookings() == before
            return None
        after = bookings()
        lost = {key for key, state in before.items() if after.get(key) != state}
        assert loses or not {key for key in lost if before[key] == "booked"}, lost
        assert before.keys() <= after.keys()
        self.note()
        return done

    # --- what must hold after each step ---

    @invariant()
    def no_record_is_changed_or_lost(self) -> None:
        stored = {one.pk: facts(one) for one in AttendanceRecord.objects.all()}
        assert stored == self.records

    @invariant()
    def no_seat_is_changed_or_lost(self) -> None:
        rows = GroupMembership.objects.values_list("pk", "group", "episode", "starts_on", "ends_on")
        assert {pk: tuple(rest) for pk, *rest in rows} == self.seats

    @invariant()
    def what_has_begun_keeps_its_time(self) -> None:
        stored = {one.pk: told(one) for one in Session.objects.filter(pk__in=self.begun)}
        assert stored == self.begun

    @invariant()
    def every_member_is_expected(self) -> None:
        now = datetime.datetime.now(datetime.UTC)
        coming = Session.objects.live().filter(starts_at__gt=now, group__isnull=False)
        meetings = coming.filter(block__isnull=False, original_local_date=F("local_date"))
        known = set(self.rows)
        for session, group, day in meetings.values_list("pk", "group", "local_date"):
            for where, episode, first, last in self.seats.values():
                if where == group and first <= day <= (last or day):
                    assert (session, episode) in known

    @invariant()
    def a_meeting_is_there_once(self) -> None:
        before = dict(WeeklyBlock.objects.values_list("pk", "continues"))
        rows = Session.objects.filter(block__isnull=False, original_local_date__isnull=False)
        first = self.clinic.week_starts_on
        weeks = [
            (root(block, before), week_of(day, week_start=first))
            for block, day in rows.values_list("block", "original_local_date")
            if block and day
        ]
        assert len(weeks) == len(set(weeks))

    @invariant()
    def whoever_leads_it_is_free(self) -> None:
        away = list(TimeOff.objects.in_force().values_list("therapist", "starts_at", "ends_at"))
        parts = SessionStaff.objects.taking_place().exclude(session__in=list(self.begun))
        for therapist, starts_at, ends_at in parts.values_list("therapist", "starts_at", "ends_at"):
            for who, since, until in away:
                assert who != therapist or until <= starts_at or ends_at <= since


def _attended(error: IntegrityError) -> bool:
    """Whether a record stopped it that says that somebody came."""
    broken = violation(error)
    return broken is not None and broken.name == "booking_attended_stays"


def bookings() -> dict[tuple[int, int], str]:
    """All but those of a group that sits in with another: they come and go with that."""
    rows = Booking.objects.filter(combined_from=None)
    return {
        (session, episode): state
        for session, episode, state in rows.values_list("session", "episode", "state")
    }


def calendar(clinic: Any) -> tuple[Any, ...]:
    """Everything about sessions to come that somebody decides."""
    sessions = Session.objects.filter(clinic=clinic).order_by("pk")
    parts = SessionStaff.objects.filter(clinic=clinic, active=True).order_by("session", "therapist")
    seats = Booking.objects.filter(clinic=clinic).exclude(state="withdrawn")
    place = ("room", "by_video", "off_site", "needs_attention")
    return (
        list(sessions.values_list("pk", "starts_at", "ends_at", "local_date", "state", *place)),
        list(parts.values_list("session", "therapist")),
        list(seats.order_by("session", "seat").values_list("session", "episode", "seat", "state")),
    )


def told(row: Session) -> tuple[Any, ...]:
    return (row.starts_at, row.ends_at, row.local_date, row.block_id)


def facts(row: AttendanceRecord) -> tuple[Any, ...]:
    return (row.booking_id, row.attended, row.recorded_by_id, row.recorded_at)


def root(block: int, before: dict[int, int | None]) -> int:
    while (continued := before[block]) is not None:
        block = continued
    return block
