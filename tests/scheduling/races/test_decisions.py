"""Decisions saved while somebody else books, moves or covers: nothing of the two is lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from django.db import transaction

from iop_clinic.accounts.acting import Refused
from scheduling import services
from scheduling.locks import lock
from scheduling.models import Booking, Closure, Decision, Session, SessionStaff, TimeOff
from scheduling.services import Decided
from tests import factories as f
from tests.scheduling.conftest import World
from tests.scheduling.racing import race, wait_for_somebody_who_waits
from tests.scheduling.test_decisions import TOMORROW, Choice, away, close, led


def while_locked(session: Session, write: Callable[[], Any], decide: Callable[[], Any]) -> Any:
    """What `decide` comes to that begins while `write` is not committed yet."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            lock(clinics=[session.clinic_id], moving=[session.pk])
            late = pool.submit(race, [decide])
            wait_for_somebody_who_waits()
            write()
        return late.result()[0].value


def moving(world: World, row: Session) -> None:
    times: Any = {"starts_at": world.at(TOMORROW, "19:00"), "ends_at": world.at(TOMORROW, "20:00")}
    services.move_session(session=Session.objects.get(pk=row.pk), by=world.by, **times)


def test_a_session_moved_meanwhile_is_looked_at_again(world: World) -> None:
    row = led(world)
    seen = Session.objects.get(pk=row.pk)
    answer = while_locked(
        row, partial(moving, world, row), partial(close, world, Decided(seen, Choice.CANCELLED))
    )
    assert isinstance(answer, Refused)
    assert answer.code == "sessions_changed"
    assert (Closure.objects.count(), Decision.objects.count()) == (0, 0)
    assert Session.objects.get().live


def test_a_session_planned_meanwhile_is_decided_about_first(world: World) -> None:
    row, other = led(world), f.TherapistFactory(clinic=world.clinic)
    plan = partial(
        services.create_session, clinic=world.clinic, session_type=world.kind, therapist=other,
        starts_at=world.at(TOMORROW, "13:00"), ends_at=world.at(TOMORROW, "14:00"), by=world.by,
    )  # fmt: skip
    seen = Session.objects.get(pk=row.pk)
    answer = while_locked(row, plan, partial(close, world, Decided(seen, Choice.CANCELLED)))
    assert isinstance(answer, Refused)
    assert answer.code == "sessions_changed"
    assert set(Session.objects.values_list("live", flat=True)) == {True}


def test_whoever_is_booked_meanwhile_is_in_the_cancelled_session(world: World) -> None:
    row, episode = led(world), world.episode()
    book = partial(services.book, session=row, episode=episode, by=world.by)
    seen = Session.objects.get(pk=row.pk)
    closure = while_locked(row, book, partial(close, world, Decided(seen, Choice.CANCELLED)))
    booking = Booking.objects.get()
    assert isinstance(closure, Closure)
    assert (booking.session_id, booking.live, booking.state) == (row.pk, False, "booked")


def test_two_who_cover_with_one_therapist_do_not_both_have_them(world: World) -> None:
    row, wanted = led(world), f.TherapistFactory(clinic=world.clinic)
    other = led(world, therapist=f.TherapistFactory(clinic=world.clinic))
    decided = Decided(Session.objects.get(pk=row.pk), Choice.COVERED, therapist=wanted)
    outcomes = race(
        [
            partial(away, world, decided),
            partial(services.assign_substitute, session=other, therapist=wanted, by=world.by),
        ]
    )
    refused = [one.value for one in outcomes if isinstance(one.value, Refused)]
    assert [one.code for one in refused] == ["therapist_busy"]
    assert SessionStaff.objects.filter(therapist=wanted, active=True).count() == 1
    assert TimeOff.objects.count() == (0 if isinstance(outcomes[0].value, Refused) else 1)


def test_taken_back_twice_at_once_is_taken_back_once(world: World) -> None:
    row = led(world)
    closure = close(world, Decided(row, Choice.CANCELLED))
    back = partial(services.take_back_closure, closure=closure, by=world.by)
    outcomes = race([back, back])
    refused = [one.value.code for one in outcomes if isinstance(one.value, Refused)]
    assert refused == ["taken_back"]
    assert Session.objects.get().live


def test_the_same_is_entered_once_by_two_at_a_time(world: World) -> None:
    outcomes = race([*[partial(close, world)] * 2, *[partial(away, world)] * 2])
    refused = [one.value.code for one in outcomes if isinstance(one.value, Refused)]
    assert sorted(refused) == ["closed_already", "off_already"]
    assert (Closure.objects.count(), TimeOff.objects.count()) == (1, 1)


def test_who_covers_at_the_last_moment_leads_on(world: World) -> None:
    """Somebody found a substitute while the time off was taken back."""
    row, other = led(world), f.TherapistFactory(clinic=world.clinic)
    time_off = away(world)
    cover = partial(services.assign_substitute, session=row, therapist=other, by=world.by)
    back = partial(services.take_back_time_off, time_off=time_off, by=world.by)
    undone = while_locked(row, cover, back)
    assert (undone.back, [one for one, _ in undone.left]) == ([], [row])
    assert list(row.staff.filter(active=True).values_list("therapist", flat=True)) == [other.pk]
