"""Guests hold the last seats of sessions into which somebody is enrolled: nobody goes unasked."""

import datetime
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from iop_clinic.accounts.acting import Job, Refused
from scheduling import services
from scheduling.models import Booking, Group, GroupMembership, Session, WaitlistOffer
from scheduling.services.guests import GuestChoice, Then
from tests import factories as f
from tests.scheduling.conftest import TODAY, World, build
from tests.scheduling.racing import race

DAY = datetime.timedelta(days=1)
NEXT = TODAY + 7 * DAY
WHY = "The group goes first"
HELD = "Guests hold the last seats on Mon Mar 9. Begin on Mar 10, 2026 or later, or say what "
HELD += "becomes of these dates."


@pytest.fixture
def sessions(world: World) -> list[Session]:
    """Three Mondays of a group in which one seat is free; a guest holds it on the second."""
    return crowded(world, guests=[1])


def crowded(world: World, guests: list[int]) -> list[Session]:
    rows = [world.group_session((TODAY + 7 * n * DAY).isoformat()) for n in range(3)]
    for _ in range(world.group.capacity - 1):
        enrol(world)
    for n in guests:
        f.booking(rows[n], world.episode(), seat=world.group.capacity)
    return rows


def enrol(world: World, **given: Any) -> GroupMembership:
    asked = {"group": world.group, "starts_on": TODAY, "by": world.by, **given}
    return services.enrol(**{"episode": world.episode(), **asked})


def guest(session: Session) -> Booking:
    return Booking.objects.get(session=session, membership__isnull=True)


def move_on(*guests: Booking) -> GuestChoice:
    return GuestChoice(Then.MOVE_ON, WHY, frozenset(one.pk for one in guests))


ABOVE = GuestChoice(Then.ABOVE, WHY)


def stored() -> list[Any]:
    tables = (GroupMembership, Booking, WaitlistOffer)
    return [list(table.objects.order_by("pk").values()) for table in tables]


def refused(work: Any) -> Refused:
    before = stored()
    with pytest.raises(Refused) as caught:
        work()
    assert stored() == before
    return caught.value


def seats_of(row: GroupMembership) -> list[tuple[int, str, str]]:
    rows = row.bookings.order_by("starts_at")
    return list(rows.values_list("seat", "state", "overflow_reason"))


def test_without_an_answer_the_dates_and_the_guests_are_named(
    world: World, sessions: list[Session]
) -> None:
    refusal = refused(partial(enrol, world))
    assert (refusal.code, refusal.message, refusal.details) == (
        "group_full",
        HELD,
        {"dates": [NEXT], "bookings": [guest(sessions[1]).pk]},
    )


def test_who_begins_after_the_last_such_date_displaces_nobody(
    world: World, sessions: list[Session]
) -> None:
    before = Booking.objects.filter(pk=guest(sessions[1]).pk).values().get()
    row = enrol(world, starts_on=NEXT + DAY)
    assert seats_of(row) == [(8, "booked", "")]
    assert Booking.objects.filter(pk=before["id"]).values().get() == before


def test_the_guest_moves_on_with_the_reason(world: World, sessions: list[Session]) -> None:
    leaves = guest(sessions[1])
    row = enrol(world, guests=move_on(leaves))
    leaves.refresh_from_db()
    assert (leaves.state, leaves.withdrawn_reason, leaves.version) == ("withdrawn", WHY, 2)
    assert seats_of(row) == [(8, "booked", "")] * 3


def test_a_seat_above_the_capacity_on_those_dates_only(
    world: World, sessions: list[Session]
) -> None:
    stays = guest(sessions[1])
    row = enrol(world, guests=ABOVE)
    stays.refresh_from_db()
    assert (stays.state, stays.version) == ("booked", 1)
    assert seats_of(row) == [(8, "booked", ""), (9, "booked", WHY), (8, "booked", "")]
    assert row.bookings.get(seat=9).overflow_by == world.by
    assert (row.seat, row.overflow_reason) == (8, "")


def test_a_seat_above_the_capacity_is_within_the_ceiling(
    world: World, sessions: list[Session]
) -> None:
    Session.objects.filter(pk=sessions[1].pk).update(ceiling=8)
    refusal = refused(partial(enrol, world, guests=ABOVE))
    assert (refusal.code, refusal.message) == (
        "group_full", "No seat above the capacity is left either on Mon Mar 9. Begin later.",
    )  # fmt: skip


def test_a_job_answers_for_no_seat_above_the_capacity(
    world: World, sessions: list[Session]
) -> None:
    refusal = refused(partial(enrol, world, guests=ABOVE, by=Job("import")))
    assert refusal.code == "overflow_needs_person"


@pytest.mark.parametrize("then", Then)
def test_an_answer_needs_a_reason(world: World, sessions: list[Session], then: Then) -> None:
    choice = GuestChoice(then, " ", frozenset({guest(sessions[1]).pk}))
    refusal = refused(partial(enrol, world, guests=choice))
    assert (refusal.code, refusal.field) == ("reason_required", "guests_reason")


def test_a_guest_who_was_not_shown_does_not_move_on(world: World) -> None:
    rows = crowded(world, guests=[1, 2])
    refusal = refused(partial(enrol, world, guests=move_on(guest(rows[1]))))
    assert (refusal.code, refusal.details["bookings"]) == (
        "group_full", [guest(rows[1]).pk, guest(rows[2]).pk],
    )  # fmt: skip


def test_nobody_moves_on_from_a_session_with_a_free_seat(world: World) -> None:
    rows = crowded(world, guests=[1, 2])
    both = move_on(guest(rows[1]), guest(rows[2]))
    services.withdraw(booking=guest(rows[2]), reason="Came by mistake", by=world.by)
    before = guest(rows[2]).version
    enrol(world, guests=both)
    left = Booking.objects.filter(pk__in=both.bookings).order_by("starts_at")
    assert list(left.values_list("withdrawn_reason", "version")) == [
        (WHY, 2), ("Came by mistake", before),
    ]  # fmt: skip


def test_who_makes_up_a_missed_session_stays_while_there_is_another_guest(world: World) -> None:
    session = world.group_session(NEXT.isoformat())
    for _ in range(6):
        enrol(world)
    maker, plain = world.episode(), world.episode()
    missed = f.booking(world.session("2026-02-27"), maker)
    other = f.booking(session, plain, seat=7)
    f.booking(session, maker, seat=8, makes_up=missed)
    assert refused(partial(enrol, world)).details["bookings"] == [other.pk]
    enrol(world, guests=move_on(other))
    other.refresh_from_db()
    assert other.state == "withdrawn"
    assert seats_of(GroupMembership.objects.order_by("-pk")[0])[0] == (7, "booked", "")


def test_from_a_session_that_has_begun_nobody_moves_on(
    world: World, sessions: list[Session], time_machine: Any
) -> None:
    leaves = guest(sessions[1])
    time_machine.move_to(sessions[1].starts_at, tick=False)
    refusal = refused(partial(enrol, world, guests=move_on(leaves)))
    assert (refusal.code, refusal.message, refusal.details["bookings"]) == (
        "group_full",
        "No guest can move on on Mon Mar 9. Begin later, or choose a seat above.",
        [],
    )


def test_a_withdrawn_row_of_the_patient_takes_the_guests_seat(
    world: World, sessions: list[Session]
) -> None:
    episode = world.episode()
    old = f.booking(sessions[1], episode, state="withdrawn", withdrawn_reason="Other plan")
    leaves = guest_of(sessions[1], without=old)
    row = enrol(world, episode=episode, guests=move_on(leaves))
    old.refresh_from_db()
    assert (old.membership, old.seat, old.state) == (row, 8, "booked")


def guest_of(session: Session, without: Booking) -> Booking:
    return Booking.objects.exclude(pk=without.pk).get(session=session, membership__isnull=True)


# --- the other doors -----------------------------------------------------------------------------


def test_a_transfer_asks_and_takes_the_answer(world: World, sessions: list[Session]) -> None:
    other = f.GroupFactory(clinic=world.clinic, program=world.program, capacity=8)
    row = enrol(world, group=other)
    change = partial(services.transfer, membership=row, to_group=world.group, on=NEXT, by=world.by)
    assert refused(change).code == "group_full"
    row = GroupMembership.objects.get(pk=row.pk)
    leaves = guest(sessions[1])
    new = change(membership=row, guests=move_on(leaves))
    leaves.refresh_from_db()
    assert (leaves.state, seats_of(new)) == ("withdrawn", [(8, "booked", "")] * 2)


def test_an_accepted_offer_asks_and_takes_the_answer(world: World, sessions: list[Session]) -> None:
    entry = services.put_on_waitlist(group=world.group, episode=world.episode(), by=world.by)
    services.offer_seat(
        entry=entry, starts_on=NEXT, expires_at=world.at("2026-03-04", "17:00"),
        method="call", result="reached", by=world.by,
    )  # fmt: skip
    accept = partial(services.accept_offer, entry=entry, by=world.by)
    assert refused(accept).code == "group_full"
    assert seats_of(accept(guests=ABOVE)) == [(9, "booked", WHY), (8, "booked", "")]


@pytest.mark.django_db
def test_guests_cost_the_same_for_1_and_12_dates() -> None:
    def spent(dates: int) -> int:
        world = build()
        rows = [world.group_session((TODAY + 7 * n * DAY).isoformat()) for n in range(dates)]
        fill_with_guests(world, rows)
        choice = move_on(*map(last_guest, rows))
        episode = world.episode()
        with CaptureQueriesContext(connection) as queries:
            enrol(world, episode=episode, guests=choice)
        return len(queries)

    assert spent(1) == spent(12)


def fill_with_guests(world: World, rows: list[Session]) -> None:
    patients = world.episodes(8)
    for session in rows:
        for seat, episode in enumerate(patients, start=1):
            f.booking(session, episode, seat)


def last_guest(session: Session) -> Booking:
    return Booking.objects.filter(session=session).order_by("pk")[7]


@pytest.mark.django_db(transaction=True)
def test_two_who_enrol_at_once_move_nobody_on_twice() -> None:
    """One seat of the group is free: the other is refused, and only one guest has gone."""
    world = build()
    rows = crowded(world, guests=[0, 1, 2])
    leave = move_on(*map(guest, rows))
    clients = [
        partial(enrol, world, group=Group.objects.get(pk=world.group.pk), episode=one, guests=leave)
        for one in world.episodes(2)
    ]
    outcomes = [one.value for one in race(clients)]
    codes = sorted(one.code if isinstance(one, Refused) else "ok" for one in outcomes)
    assert codes == ["group_full", "ok"]
    for session in rows:
        there = Booking.objects.filter(session=session, state="booked")
        assert there.count() == 8
    assert Booking.objects.filter(state="withdrawn").count() == 3
