"""Whatever is done to a timetable in whatever order: nobody's record, seat or place gets lost.

A machine takes random steps (weekly blocks changed, sessions moved, closures, seats, call-ins, days
that pass) and holds the calendar after each against a plain model of what must not have changed.
"""

import datetime
from collections.abc import Callable
from itertools import cycle
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from attendance import blocks as series
from attendance import closures, combining, memberships, sessions
from attendance.models import AttendanceRecord
from scheduling import services
from scheduling.models import Booking, Closure, GroupMembership, Session, TimeOff, WeeklyBlock
from scheduling.services.deciding import Choice, Decided, choices_of
from tests.scheduling.kept import DAY, MORNING, Kept, calendar, facts

STEPS = 30
HOURS = st.integers(8, 17)
ANY = st.integers(0, 10_000)
PICKS = st.lists(ANY, min_size=3, max_size=3)


class Timetable(Kept):
    """Two groups of one program, three therapists, five patients and a month of sessions."""

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

    @rule(which=ANY, other=ANY)
    def combine(self, which: int, other: int) -> None:
        one = self.session(which, state="scheduled")
        into = self.session(other, state="scheduled")
        if one and into:
            self.try_to(lambda: combining.combine_sessions(session=one, into=into, by=self.by))

    @rule(which=ANY)
    def part(self, which: int) -> None:
        joined = Booking.objects.filter(clinic=self.clinic, combined_from__isnull=False)
        found = Session.objects.filter(pk__in=joined.values("combined_from__session"))
        if (row := self.of(found, which)) is not None:
            self.try_to(lambda: combining.part_sessions(session=row, by=self.by))

    @rule(which=ANY, who=ANY, after=st.integers(-1, 3), by=ANY)
    def screen(self, which: int, who: int, after: int, by: int) -> None:
        """A drug screen of half an hour, inside a session or half in it."""
        if (row := self.session(which, state="scheduled")) is None:
            return
        starts = row.starts_at + after * datetime.timedelta(minutes=30)
        self.try_to(
            lambda: services.create_session(
                clinic=self.clinic, session_type=self.house.drug_screen, by=self.by,
                therapist=self.therapists[by % 3], episodes=[self.people[who % 5]],
                starts_at=starts, ends_at=starts + datetime.timedelta(minutes=30),
            )
        )  # fmt: skip

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

    @rule(days=st.integers(0, 20), room=ANY, picks=PICKS, again=st.booleans())
    def close_as_decided(self, days: int, room: int, picks: list[int], again: bool) -> None:
        day = self.today + days * DAY
        where = [None, *self.rooms][room % 3]
        facts = {"starts_on": day, "ends_on": day, "room": where, "reason": "Flood"}
        cause = Closure(clinic=self.clinic, **facts)
        decided = self.decide(cause, services.affected_sessions(cause), picks)
        self.and_back(
            lambda: closures.close(clinic=self.clinic, decided=decided, by=self.by, **facts),
            lambda row: closures.take_back_closure(closure=row, by=self.by),
            again=again,
        )

    @rule(who=ANY, days=st.integers(0, 20), picks=PICKS, again=st.booleans())
    def away_as_decided(self, who: int, days: int, picks: list[int], again: bool) -> None:
        therapist = self.therapists[who % 3]
        starts = datetime.datetime.now(datetime.UTC) + days * DAY
        span = {"starts_at": starts, "ends_at": starts + DAY}
        cause = TimeOff(clinic=self.clinic, therapist=therapist, **span)
        decided = self.decide(cause, services.uncovered_sessions(cause), picks)
        self.and_back(
            lambda: closures.add_time_off(therapist=therapist, decided=decided, by=self.by, **span),
            lambda row: closures.take_back_time_off(time_off=row, by=self.by),
            again=again,
        )

    def decide(self, cause: Any, sessions: list[Session], picks: list[int]) -> list[Decided]:
        return [self.pick(cause, one, pick) for one, pick in zip(sessions, cycle(picks))]

    def pick(self, cause: Any, one: Session, pick: int) -> Decided:
        choices = choices_of(cause)
        choice = choices[pick % len(choices)]
        later = datetime.timedelta(hours=pick % 9 - 4) + (pick % 3) * DAY
        moved, others = choice == Choice.MOVED, Session.objects.live().exclude(pk=one.pk)
        return Decided(
            one,
            choice,
            starts_at=one.starts_at + later if moved else None,
            ends_at=one.ends_at + later if moved else None,
            therapist=self.therapists[pick % 3] if choice == Choice.COVERED else None,
            into=self.of(others.filter(clinic=self.clinic, local_date=one.local_date), pick)
            if choice == Choice.COMBINED
            else None,
        )

    def and_back(
        self, write: Callable[[], Any], take_back: Callable[[Any], Any], *, again: bool
    ) -> None:
        """Taken back at once, all is as it was."""
        before = calendar(self.clinic)
        row = self.try_to(write)
        if row is not None and again:
            undone = self.try_to(lambda: take_back(row))
            assert undone is not None
            if not undone.left:
                assert calendar(self.clinic) == before

    @rule(which=ANY)
    def open_again(self, which: int) -> None:
        if (row := self.of(Closure.objects.in_force(), which)) is not None:
            self.try_to(lambda: closures.take_back_closure(closure=row, by=self.by))

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
        if (row := self.of(TimeOff.objects.in_force(), which)) is not None:
            self.try_to(lambda: closures.take_back_time_off(time_off=row, by=self.by))

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
