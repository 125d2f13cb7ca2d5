"""Whatever is done to a timetable in whatever order: nobody's record, seat or place gets lost.

A machine takes random steps (weekly blocks changed, sessions moved, closures, seats, call-ins, days
that pass) and holds the calendar after each against a plain model of what must not have changed.
"""

import datetime
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from attendance import blocks as series
from attendance import closures, memberships, sessions
from attendance.models import AttendanceRecord
from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.weeks import week_of
from scheduling import services
from scheduling.models import (
    Booking,
    Closure,
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
STEPS = 30
HOURS = st.integers(8, 17)
ANY = st.integers(0, 10_000)

KEPT_WHILE_CHANGED = {"capacity", "cancel", "substitute", "time_off", "close", "move"}


class Timetable(RuleBasedStateMachine):
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
        except Refused:
            assert bookings() == before
            return None
        after = bookings()
        lost = {key for key, state in before.items() if after.get(key) != state}
        assert loses or not {key for key in lost if before[key] == "booked"}, lost
        assert before.keys() <= after.keys()
        self.note()
        return done

    # --- weekly blocks ---

    @rule(which=ANY, hour=HOURS, room=ANY, who=ANY, video=st.booleans())
    def change_all(self, which: int, hour: int, room: int, who: int, video: bool) -> None:
        self.change(which, None, hour=hour, room=room, who=who, video=video)

    @rule(which=ANY, nth=st.integers(0, 3), hour=HOURS, room=ANY, who=ANY)
    def change_from_one_on(self, which: int, nth: int, hour: int, room: int, who: int) -> None:
        block = self.of(WeeklyBlock.objects.filter(clinic=self.clinic), which)
        dates = Session.objects.filter(block=block, starts_at__gt=MORNING)
        found = list(dates.order_by("pk").values_list("original_local_date", flat=True))
        if found:
            self.change(which, found[nth % len(found)], hour=hour, room=room, who=who, video=False)

    def change(
        self, which: int, first: Any, *, hour: int, room: int, who: int, video: bool
    ) -> None:
        block = self.of(WeeklyBlock.objects.filter(clinic=self.clinic), which)
        minutes = minutes_of(block)
        starts = datetime.datetime.combine(MORNING.date(), datetime.time(hour))
        changes = {
            "starts_at": starts.time(),
            "ends_at": (starts + minutes).time(),
            "room": None if video else [*self.rooms, None][room % 3],
            "facilitator": self.therapists[who % 3],
            "by_video": video,
        }
        self.try_to(lambda: series.change_block(block=block, first=first, by=self.by, **changes))

    @rule(which=ANY, weekday=st.integers(0, 6), every=st.integers(1, 2))
    def change_day(self, which: int, weekday: int, every: int) -> None:
        block = self.of(WeeklyBlock.objects.filter(clinic=self.clinic), which)
        self.try_to(
            lambda: series.change_block(
                block=block, weekday=weekday, every_weeks=every, by=self.by
            ),
            loses=True,  # who is no member on the other day
        )

    @rule(which=ANY, days=st.integers(0, 40))
    def end(self, which: int, days: int) -> None:
        block = self.of(WeeklyBlock.objects.filter(clinic=self.clinic), which)
        self.try_to(lambda: series.end_block(block=block, last=self.today + days * DAY, by=self.by))

    # --- single sessions ---

    @rule(which=ANY, days=st.integers(-3, 3), hour=HOURS)
    def move(self, which: int, days: int, hour: int) -> None:
        if (row := self.session(which, state="scheduled")) is None:
            return
        day = row.local_date + days * DAY
        starts = datetime.datetime.combine(day, datetime.time(hour), tzinfo=self.clinic.tz)
        ends = starts + (row.ends_at - row.starts_at)
        self.try_to(
            lambda: sessions.move_session(session=row, starts_at=starts, ends_at=ends, by=self.by)
        )

    @rule(which=ANY)
    def cancel(self, which: int) -> None:
        if (row := self.session(which, state="scheduled")) is not None:
            self.try_to(lambda: sessions.cancel_session(session=row, reason="Snow", by=self.by))

    @rule(which=ANY)
    def revive(self, which: int) -> None:
        if (row := self.session(which, state="cancelled")) is not None:
            self.try_to(lambda: sessions.revive_session(session=row, by=self.by))

    @rule(which=ANY, who=ANY)
    def substitute(self, which: int, who: int) -> None:
        if (row := self.session(which, state="scheduled")) is not None:
            other = self.therapists[who % 3]
            self.try_to(
                lambda: services.assign_substitute(session=row, therapist=other, by=self.by)
            )

    # --- absences of clinic and staff ---

    @rule(days=st.integers(0, 20), room=ANY)
    def close(self, days: int, room: int) -> None:
        day = self.today + days * DAY
        where = [None, *self.rooms][room % 3]
        self.try_to(
            lambda: closures.close(
                clinic=self.clinic, starts_on=day, ends_on=day, room=where, reason="Flood",
                by=self.by,
            )
        )  # fmt: skip

    @rule(which=ANY)
    def open_again(self, which: int) -> None:
        if (row := self.of(Closure.objects.filter(clinic=self.clinic), which)) is not None:
            self.try_to(lambda: services.take_back_closure(closure=row, by=self.by))

    @rule(who=ANY, days=st.integers(0, 20))
    def time_off(self, who: int, days: int) -> None:
        starts = datetime.datetime.now(datetime.UTC) + days * DAY
        self.try_to(
            lambda: services.add_time_off(
                therapist=self.therapists[who % 3], starts_at=starts, ends_at=starts + DAY,
                by=self.by,
            )
        )  # fmt: skip

    @rule(which=ANY)
    def work_after_all(self, which: int) -> None:
        if (row := self.of(TimeOff.objects.filter(clinic=self.clinic), which)) is not None:
            self.try_to(lambda: services.take_back_time_off(time_off=row, by=self.by))

    # --- patients ---

    @rule(who=ANY, other=st.booleans())
    def enrol(self, who: int, other: bool) -> None:
        group = self.other if other else self.house.group
        self.try_to(lambda: self.seat(self.people[who % 5], group))

    @rule(which=ANY, days=st.integers(0, 20))
    def leave(self, which: int, days: int) -> None:
        row = self.of(GroupMembership.objects.filter(clinic=self.clinic), which)
        last = self.today + days * DAY
        if row and self.try_to(
            lambda: memberships.end_membership(
                membership=row, ends_on=last, reason="Moved", by=self.by
            ),
            loses=True,
        ):
            self.seats[row.pk] = (*self.seats[row.pk][:3], last)

    @rule(who=ANY, which=ANY)
    def visit(self, who: int, which: int) -> None:
        if (row := self.session(which, state="scheduled")) is not None:
            self.try_to(
                lambda: services.book(session=row, episode=self.people[who % 5], by=self.by)
            )

    @rule(who=ANY, days=st.integers(0, 10))
    def call_in(self, who: int, days: int) -> None:
        day = self.today + days * DAY
        self.try_to(
            lambda: services.call_in(
                episode=self.people[who % 5], from_date=day, to_date=day, reason="illness",
                notified_at=datetime.datetime.now(datetime.UTC), by=self.by,
            ),
            loses=True,
        )  # fmt: skip

    @rule(seats=st.integers(8, 15))
    def capacity(self, seats: int) -> None:
        self.try_to(
            lambda: services.set_capacity(group=self.house.group, capacity=seats, by=self.by)
        )

    # --- time ---

    @rule(days=st.integers(1, 4))
    def days_pass(self, days: int) -> None:
        """Rosters come in, and each night plans what is missing."""
        for _ in range(days):
            self.traveller.shift(DAY)
            self.night()
        self.note()

    @precondition(lambda self: bool(self.begun))
    @rule(which=ANY, came=st.booleans())
    def record(self, which: int, came: bool) -> None:
        held = Booking.objects.expected().filter(session__in=list(self.begun), attendance=None)
        if (row := self.of(held, which)) is not None:
            record = AttendanceRecord.objects.create(
                clinic=self.clinic, booking=row, attended=came, recorded_by=self.by,
                recorded_at=row.ends_at,
            )  # fmt: skip
            self.records[record.pk] = facts(record)

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
        known = set(self.rows)
        for session in coming:
            there = GroupMembership.objects.on(session.local_date).filter(group=session.group)
            for membership in there:
                if session.block_id and session.original_local_date == session.local_date:
                    assert (session.pk, membership.episode_id) in known

    @invariant()
    def a_meeting_is_there_once(self) -> None:
        rows = Session.objects.filter(block__isnull=False).select_related("block")
        first = self.clinic.week_starts_on
        weeks = [
            (root(one.block), week_of(one.original_local_date, week_start=first))
            for one in rows
            if one.original_local_date and one.block
        ]
        assert len(weeks) == len(set(weeks))

    @invariant()
    def whoever_leads_it_is_free(self) -> None:
        parts = SessionStaff.objects.taking_place()
        for part in parts:
            off = TimeOff.objects.filter(
                therapist=part.therapist, starts_at__lt=part.ends_at, ends_at__gt=part.starts_at
            )
            assert part.session_id in self.begun or not off.exists()


def bookings() -> dict[tuple[int, int], str]:
    return {
        (session, episode): state
        for session, episode, state in Booking.objects.values_list("session", "episode", "state")
    }


def told(row: Session) -> tuple[Any, ...]:
    return (row.starts_at, row.ends_at, row.local_date, row.block_id)


def facts(row: AttendanceRecord) -> tuple[Any, ...]:
    return (row.booking_id, row.attended, row.recorded_by_id, row.recorded_at)


def root(block: WeeklyBlock) -> int:
    while block.continues is not None:
        block = block.continues
    return block.pk


def minutes_of(block: WeeklyBlock) -> datetime.timedelta:
    day = datetime.date(2026, 1, 1)
    starts = datetime.datetime.combine(day, block.starts_at)
    return datetime.datetime.combine(day, block.ends_at) - starts


def run(examples: int) -> None:
    run_state_machine_as_test(
        Timetable,
        settings=settings(
            max_examples=examples, stateful_step_count=STEPS, deadline=None,
            derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


@pytest.mark.django_db
def test_no_sequence_of_edits_loses_anything() -> None:
    run(25)


@pytest.mark.soak
@pytest.mark.django_db
def test_no_long_row_of_sequences_of_edits_loses_anything() -> None:
    run(500)
