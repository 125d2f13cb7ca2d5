"""A closure or time off taken back: what still fits is as it was, what does not is told of."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable
from typing import Any

import pytest
import time_machine

from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import License
from patients.models import KeepApart
from scheduling import services
from scheduling.models import Booking, Closure, Decision, Session, TimeOff
from scheduling.services import Decided, Undone
from scheduling.services.deciding import AWAY, CLOSED, ROOM_CLOSED
from tests import factories as f
from tests.scheduling.conftest import World
from tests.scheduling.test_decisions import (
    TOMORROW,
    Choice,
    away,
    close,
    led,
    moved,
    other_group,
)


def calendar() -> list[Any]:
    """When, where, with whom and for whom each session is held."""
    found = []
    for row in Session.objects.order_by("pk"):
        parts = row.staff.filter(active=True).order_by("therapist")
        booked = row.bookings.exclude(state="withdrawn").order_by("seat")
        found.append(
            (
                row.pk, row.live, row.starts_at, row.ends_at, row.local_date, row.room_id,
                row.by_video, row.needs_attention, row.cancelled_reason, row.closure_id,
                list(parts.values_list("therapist", "role")),
                list(booked.values_list("episode", "seat", "state", "starts_at", "live")),
            )
        )  # fmt: skip
    return found


def back(world: World, cause: Closure | TimeOff) -> Undone:
    if isinstance(cause, Closure):
        return services.take_back_closure(closure=cause, by=world.by)
    return services.take_back_time_off(time_off=cause, by=world.by)


def into_another_room(world: World, row: Session) -> Decided:
    return moved(world, row, "09:00", "10:00", room=f.RoomFactory(clinic=world.clinic))


EACH: dict[str, tuple[Callable[..., Any], dict[str, Any], Callable[[World, Session], Decided]]] = {
    "cancelled": (close, {}, lambda w, row: Decided(row, Choice.CANCELLED)),
    "moved": (
        close, {}, lambda w, row: moved(w, row, "15:00", "16:00", day="2026-03-05"),
    ),
    "combined": (close, {}, lambda w, row: Decided(row, Choice.COMBINED, into=later_group(w))),
    "by video": (close, {}, lambda w, row: Decided(row, Choice.BY_VIDEO)),
    "kept": (close, {}, lambda w, row: Decided(row, Choice.KEPT)),
    "room: kept": (close, {"room": True}, lambda w, row: Decided(row, Choice.KEPT)),
    "room: another one": (close, {"room": True}, into_another_room),
    "room: by video": (close, {"room": True}, lambda w, row: Decided(row, Choice.BY_VIDEO)),
    "away: kept": (away, {}, lambda w, row: Decided(row, Choice.KEPT)),
    "away: covered": (
        away, {},
        lambda w, row: Decided(
            row, Choice.COVERED, therapist=f.TherapistFactory(clinic=w.clinic)
        ),
    ),
    "away: moved": (away, {}, lambda w, row: moved(w, row, "19:00", "20:00")),
    "away: combined": (away, {}, lambda w, row: Decided(row, Choice.COMBINED, into=later_group(w))),
    "away: cancelled": (away, {}, lambda w, row: Decided(row, Choice.CANCELLED)),
}  # fmt: skip


def later_group(world: World) -> Session:
    """A session after the closed hours of the tests, where another group has seats."""
    rows = Session.objects.filter(clinic=world.clinic, group__isnull=False)
    return rows.exclude(group=world.group).get()


@pytest.mark.parametrize("name", EACH)
def test_whatever_was_decided_is_as_it_was(world: World, name: str) -> None:
    cause, extra, decide = EACH[name]
    row = led(world, group=world.group, room=world.room)
    for seat, episode in enumerate(world.episodes(2), start=1):
        f.booking(row, episode, seat)
    other_group(world, "20:00", "21:00")
    if cause is close:
        extra = {"from_time": datetime.time(8), "to_time": datetime.time(12)} | (
            {"room": world.room} if extra else {}
        )
    before = calendar()
    done = cause(world, decide(world, row), **extra)
    assert (calendar() != before) == (name != "kept")
    undone = back(world, done)
    assert (calendar(), undone.left) == (before, [])
    assert undone.back == ([] if name == "kept" else [row])
    assert not Closure.objects.in_force().exists()
    assert not TimeOff.objects.in_force().exists()


@pytest.mark.parametrize("cause", [close, away])
def test_what_is_taken_back_already_is_refused(
    world: World, cause: Callable[..., Closure | TimeOff]
) -> None:
    led(world)
    done = cause(world)
    back(world, done)
    before = calendar()
    with pytest.raises(Refused) as caught:
        back(world, done)
    assert (caught.value.code, calendar()) == ("taken_back", before)


# --- what stands in the way ----------------------------------------------------------------------


def taken_room(world: World, row: Session) -> str:
    led(world, "09:30", "10:30", room=row.room, therapist=None)
    return f"{world.room} is taken. Choose another time, or another room."


def leader_elsewhere(world: World, row: Session) -> str:
    led(world, "09:30", "10:30")
    name = world.therapist.name
    return f"{name} leads another session. Choose another time, or find cover first."


def patient_elsewhere(world: World, row: Session) -> str:
    other = led(world, "09:30", "10:30", therapist=None)
    f.booking(other, row.bookings.get().episode)
    return "The patient is booked elsewhere at this time. Choose another time."


def closed_once_more(world: World, row: Session) -> str:
    services.add_closure(
        clinic=world.clinic, starts_on=TOMORROW_DATE,
        ends_on=TOMORROW_DATE + datetime.timedelta(1), reason="Flood", by=world.by,
    )  # fmt: skip
    return "The clinic is closed then: Flood. Choose another time."


TOMORROW_DATE = datetime.date.fromisoformat(TOMORROW)


@pytest.mark.parametrize(
    "obstacle", [taken_room, leader_elsewhere, patient_elsewhere, closed_once_more]
)
def test_a_cancelled_session_that_fits_no_more_stays_so(
    world: World, obstacle: Callable[[World, Session], str]
) -> None:
    row, fits = led(world, room=world.room), led(world, "11:00", "12:00", therapist=None)
    f.booking(row, world.episode())
    closure = close(world)
    said = obstacle(world, row)
    undone = back(world, closure)
    row.refresh_from_db()
    assert dict(undone.left)[row] == said
    assert (row.live, row.bookings.get().state) == (False, "booked")
    if obstacle is not closed_once_more:
        assert (undone.back, row.closure) == ([fits], None)


@pytest.mark.parametrize("cause", [close, away])
def test_one_that_another_closure_keeps_cancelled_takes_place_after_that(
    world: World, cause: Callable[..., Closure | TimeOff]
) -> None:
    row = led(world, room=world.room)
    before = calendar()
    snow = cause(world, Decided(row, Choice.CANCELLED))
    said = closed_once_more(world, row)
    assert back(world, snow).left == [(row, said)]
    flood = Closure.objects.in_force().get()
    row.refresh_from_db()
    assert (row.live, row.closure, row.cancelled_reason) == (False, flood, "Flood")
    assert (back(world, flood).back, calendar()) == ([row], before)


def test_one_that_somebody_cancelled_again_stays_cancelled(world: World) -> None:
    row = led(world)
    time_off = away(world, Decided(row, Choice.CANCELLED))
    TimeOff.objects.update(ends_at=world.at(TOMORROW, "08:30"))
    services.revive_session(session=row, by=world.by)
    services.cancel_session(session=row, reason="Ill", by=world.by)
    assert back(world, time_off).left == [(row, "Cancelled again since: Ill.")]


def changed(world: World, row: Session, **to: Any) -> None:
    times = {"starts_at": row.starts_at, "ends_at": row.ends_at, **to}
    row.refresh_from_db()
    services.move_session(session=row, by=world.by, **times)


def test_one_whose_patients_are_kept_apart_by_now_is_told_of_when_tried_again(world: World) -> None:
    row, fits = led(world, group=world.group), led(world, "11:00", "12:00")
    for seat, episode in enumerate(world.episodes(2), start=1):
        f.booking(row, episode, seat)
    closure = close(world)
    low, high = sorted(row.bookings.values_list("patient", flat=True))
    KeepApart.objects.create(clinic=world.clinic, patient_id=low, other_id=high, reason="Assault")
    undone = back(world, closure)
    row.refresh_from_db()
    assert ([one for one, _ in undone.left], undone.back, row.live) == ([row], [fits], False)


def test_two_that_changed_places_in_turn_are_both_back(world: World) -> None:
    third = f.RoomFactory(clinic=world.clinic)
    first, second = led(world, room=world.room), led(world, "11:00", "12:00", room=world.room)
    before = calendar()
    closure = close(
        world,
        moved(world, first, "13:00", "14:00", room=third),
        moved(world, second, "09:00", "10:00", room=third),
        room=world.room,
    )
    assert (back(world, closure).left, calendar()) == ([], before)


def test_one_that_somebody_moved_on_stays_there(world: World) -> None:
    row = led(world)
    time_off = away(world, moved(world, row, "19:00", "20:00"))
    changed(world, row, starts_at=world.at(TOMORROW, "20:00"), ends_at=world.at(TOMORROW, "21:00"))
    assert back(world, time_off).left == [(row, "Moved again since.")]
    row.refresh_from_db()
    assert row.starts_at == world.at(TOMORROW, "20:00")


def test_one_that_has_another_room_by_now_keeps_it(world: World) -> None:
    row, other = led(world, room=world.room), f.RoomFactory(clinic=world.clinic)
    closure = close(world, room=world.room)
    changed(world, row, room=other)
    assert back(world, closure).left == [(row, "It has another place by now.")]
    row.refresh_from_db()
    assert row.room == other


def test_one_whose_room_is_taken_keeps_none(world: World) -> None:
    row = led(world, room=world.room)
    closure = close(world, room=world.room)
    Closure.objects.update(starts_on=TOMORROW_DATE + datetime.timedelta(days=1),
                           ends_on=TOMORROW_DATE + datetime.timedelta(days=1))  # fmt: skip
    led(world, "09:30", "10:30", room=world.room, therapist=None)
    (left,) = back(world, closure).left
    assert left == (row, f"{world.room} is taken. Choose another time, or another room.")


def test_who_covers_by_now_leads_on(world: World) -> None:
    row = led(world)
    first, second = (f.TherapistFactory(clinic=world.clinic) for _ in range(2))
    time_off = away(world, Decided(row, Choice.COVERED, therapist=first))
    services.assign_substitute(session=row, therapist=second, by=world.by)
    assert back(world, time_off).left == [(row, "Somebody else leads it since.")]
    assert list(row.staff.filter(active=True).values_list("therapist", flat=True)) == [second.pk]


def test_who_leads_again_without_a_license_by_now_is_marked(world: World) -> None:
    license_ = f.LicenseFactory(therapist=world.therapist)
    row = led(world)
    time_off = away(world)
    License.objects.filter(pk=license_.pk).update(expires_on=TOMORROW_DATE - datetime.timedelta(1))
    assert back(world, time_off).back == [row]
    row.refresh_from_db()
    name = world.therapist.name
    assert row.needs_attention == f"License: none of {name} is valid on Tue Mar 3"


@pytest.mark.parametrize("choice", ["moved", "covered", "kept"])
def test_what_has_begun_stays(world: World, choice: str) -> None:
    row, other = led(world), f.TherapistFactory(clinic=world.clinic)
    decided = {
        "moved": moved(world, row, "07:00", "07:45"),
        "covered": Decided(row, Choice.COVERED, therapist=other),
        "kept": Decided(row, Choice.KEPT),
    }[choice]
    time_off = away(world, decided)
    with time_machine.travel(world.at(TOMORROW, "11:00"), tick=False):
        (left,) = back(world, time_off).left
    said = "It is over: it stays as it was." if choice == "kept" else None
    assert left == (row, said or "It has begun: it stays as it was.")


def test_what_is_recorded_stays(world: World) -> None:
    row = led(world)
    booking = f.booking(row, world.episode())
    time_off = away(world, moved(world, row, "19:00", "20:00"))
    undone = services.take_back_time_off(time_off=time_off, recorded=[booking.pk], by=world.by)
    assert undone.left == [(row, "Attendance is recorded: it stays as it is.")]


def test_whoever_is_recorded_with_the_other_group_stays_there(world: World) -> None:
    row, into = led(world, group=world.group), other_group(world, "20:00", "21:00")
    first, second = world.episodes(2)
    f.booking(row, first, 1)
    f.booking(row, second, 2)
    time_off = away(world, Decided(row, Choice.COMBINED, into=into))
    recorded = [into.bookings.get(episode=first).pk]
    undone = services.take_back_time_off(time_off=time_off, recorded=recorded, by=world.by)
    assert undone.left == [(row, f"It meets by itself again; 1 patient stays with {into}.")]
    expected = Booking.objects.expected().order_by("seat").values_list("session", "episode")
    assert set(expected) == {(row.pk, second.pk), (into.pk, first.pk)}


def test_what_was_planned_into_the_closed_days_takes_place_too(world: World) -> None:
    closure = close(world)
    world.block(weekday=1, room=None)
    services.expand(clinic=world.clinic, today=TOMORROW_DATE, by=world.by)
    planned = Session.objects.get(closure=closure)
    assert planned.live is False
    assert back(world, closure).back == [planned]
    planned.refresh_from_db()
    assert (planned.live, planned.closure) == (True, None)


@pytest.mark.parametrize("choice", [Choice.KEPT, Choice.BY_VIDEO])
def test_what_was_to_be_held_and_was_cancelled_for_the_closure_takes_place(
    world: World, choice: Decision.Choice
) -> None:
    row = led(world, room=world.room)
    before = calendar()
    closure = close(world, Decided(row, choice))
    services.cancel_session(session=row, reason="Snow", closure=closure, by=world.by)
    undone = back(world, closure)
    assert (undone.back, undone.left, calendar()) == ([row], [], before)


# --- any decisions at all ------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(9))
def test_any_decisions_undone_leave_the_calendar_as_it_was(world: World, seed: int) -> None:
    """Where nobody comes in between, everything that could be done can be undone."""
    day = _AnyDay(world, random.Random(seed))
    before = calendar()
    ways: list[Callable[[], Closure | TimeOff]] = [day.close, day.close_the_room, day.away]
    done = day.decide(ways[seed % 3])
    undone = back(world, done)
    assert (calendar(), undone.left) == (before, [])


class _AnyDay:
    """Six sessions of the therapist's from eight to two, and what could be decided about them."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        self.rooms = [world.room, *(f.RoomFactory(clinic=world.clinic) for _ in range(2))]
        self.others = [f.TherapistFactory(clinic=world.clinic) for _ in range(3)]
        self.into = other_group(world, "20:00", "21:00")
        self.rows = [self._session(hour) for hour in range(8, 14)]

    def _session(self, hour: int) -> Session:
        group = self.world.group if self.chance.random() < 0.5 else None
        room = self.chance.choice([None, *self.rooms])
        row = led(self.world, f"{hour:02}:00", f"{hour:02}:50", room=room, group=group)
        for seat, episode in enumerate(self.world.episodes(self.chance.randrange(3)), start=1):
            f.booking(row, episode, seat)
        return row

    def close(self) -> Closure:
        decided = [self._any(row, *CLOSED) for row in self.rows]
        return close(self.world, *decided, to_time=datetime.time(19))

    def close_the_room(self) -> Closure:
        inside = [row for row in self.rows if row.room == self.world.room]
        decided = [self._any(row, *ROOM_CLOSED) for row in inside]
        return close(self.world, *decided, room=self.world.room)

    def away(self) -> TimeOff:
        return away(self.world, *(self._any(row, *AWAY) for row in self.rows))

    def decide(self, cause: Callable[[], Closure | TimeOff]) -> Closure | TimeOff:
        """Drawn anew until nothing is refused."""
        while True:
            try:
                return cause()
            except Refused:
                continue

    def _any(self, row: Session, *choices: Decision.Choice) -> Decided:
        alone = row.group is None or not row.bookings.exists()
        choice = self.chance.choice([one for one in choices if one != "combined" or not alone])
        if choice == Choice.MOVED:
            hour, room = self.chance.randrange(19, 23), self.chance.choice([None, *self.rooms])
            return moved(self.world, row, f"{hour}:00", f"{hour}:50", room=room)
        therapist = self.chance.choice(self.others) if choice == Choice.COVERED else None
        into = self.into if choice == Choice.COMBINED else None
        return Decided(row, choice, therapist=therapist, into=into)
