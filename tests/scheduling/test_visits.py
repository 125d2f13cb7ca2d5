"""Short visits inside another session: planned, moved and given up without a conflict."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from iop_clinic.accounts.acting import Job, Refused
from patients.models import Episode
from scheduling import services
from scheduling.models import Booking, Session
from scheduling.services.diary import ACROSS_A_VISIT
from tests import factories as f
from tests.scheduling.conftest import World

pytestmark = pytest.mark.django_db

DAY = "2026-03-03"
STICKS_OUT = (
    "The patient is in another session for a part of this time. Choose a time wholly inside that "
    "session, or outside of it."
)
BUSY = "The patient is booked elsewhere at this time. Choose another time."


@pytest.fixture
def outer(world: World) -> Booking:
    """A booking from nine to ten."""
    session = world.session(DAY)
    return services.book(session=session, episode=world.episode(), by=world.by)


def visit(
    world: World,
    starts: str,
    ends: str,
    *episodes: Episode,
    kind: str = "prescriber",
    day: str = DAY,
) -> Session:
    return services.create_session(
        clinic=world.clinic,
        session_type=f.SessionTypeFactory(clinic=world.clinic, kind=kind, ceiling=2),
        therapist=f.TherapistFactory(clinic=world.clinic),
        starts_at=world.at(day, starts),
        ends_at=world.at(day, ends),
        episodes=episodes,
        by=world.by,
    )


def refused(world: World, *asked: Any, **extra: Any) -> str:
    before = Session.objects.count(), Booking.objects.count()
    with pytest.raises(Refused) as caught:
        visit(world, *asked, **extra)
    assert (Session.objects.count(), Booking.objects.count()) == before
    assert caught.value.code == "patient_busy"
    return caught.value.message


@pytest.mark.parametrize("kind", ["prescriber", "case_management", "drug_screen"])
@pytest.mark.parametrize(
    ("starts", "ends"), [("09:20", "09:40"), ("09:00", "09:20"), ("09:40", "10:00")]
)
def test_a_visit_is_planned_inside_a_session(world, outer, kind, starts, ends):
    row = visit(world, starts, ends, outer.episode, kind=kind).bookings.get()
    assert (row.nested_in, row.outer_starts_at, row.outer_ends_at, row.state) == (
        outer, outer.starts_at, outer.ends_at, "booked",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["individual", "family", "group", "education", "other"])
def test_no_other_session_interrupts_one(world, outer, kind):
    assert refused(world, "09:20", "09:40", outer.episode, kind=kind) == BUSY


@pytest.mark.parametrize(
    ("starts", "ends"), [("08:50", "09:10"), ("09:50", "10:10"), ("08:50", "10:10")]
)
def test_a_visit_does_not_stick_out(world, outer, starts, ends):
    assert refused(world, starts, ends, outer.episode) == STICKS_OUT


@pytest.mark.parametrize(("starts", "ends"), [("08:40", "09:00"), ("10:00", "10:20")])
def test_a_visit_before_or_after_stands_alone(world, outer, starts, ends):
    assert visit(world, starts, ends, outer.episode).bookings.get().nested_in is None


def test_a_visit_does_not_join_two_sessions(world, outer):
    services.book(session=world.session(DAY, "10:00", "11:00"), episode=outer.episode, by=world.by)
    assert refused(world, "09:50", "10:10", outer.episode) == STICKS_OUT


def test_two_visits_follow_each_other_inside_one_session(world, outer):
    visit(world, "09:10", "09:25", outer.episode)
    assert refused(world, "09:20", "09:35", outer.episode) == BUSY
    visit(world, "09:25", "09:40", outer.episode)
    assert outer.nested.count() == 2


def test_a_visit_is_not_nested_in_a_visit(world):
    episode = world.episode()
    visit(world, "09:00", "09:30", episode)
    assert refused(world, "09:10", "09:25", episode) == BUSY


def test_of_two_patients_only_one_may_be_in_group_then(world, outer):
    other = world.episode()
    rows = visit(world, "09:20", "09:40", outer.episode, other, kind="case_management").bookings
    assert dict(rows.values_list("episode", "nested_in")) == {
        outer.episode_id: outer.pk,
        other.pk: None,
    }


def test_whoever_is_added_to_a_visit_leaves_the_session_too(world, outer):
    session = visit(world, "09:20", "09:40", kind="case_management")
    row = services.book(session=session, episode=outer.episode, by=world.by)
    assert row.nested_in == outer
    again = services.book(session=session, episode=outer.episode, by=world.by)
    assert (again.pk, again.version) == (row.pk, row.version)


def test_after_a_notice_the_visit_stands_alone(world, outer):
    services.release(
        booking=outer, notified_at=world.at("2026-03-02", "04:30"), reason="illness", by=world.by
    )
    assert visit(world, "09:20", "09:40", outer.episode).bookings.get().nested_in is None


# --- moved, cancelled, revived -------------------------------------------------------------------


def move(world: World, session: Session, starts: str, ends: str) -> Session:
    return services.move_session(
        session=session, starts_at=world.at(DAY, starts), ends_at=world.at(DAY, ends), by=world.by
    )


def test_a_visit_is_moved_inside_its_session(world, outer):
    session = visit(world, "09:20", "09:40", outer.episode)
    move(world, session, "09:40", "10:00")
    row = session.bookings.get()
    assert (row.starts_at, row.ends_at) == (world.at(DAY, "09:40"), world.at(DAY, "10:00"))
    assert (row.nested_in, row.outer_starts_at) == (outer, outer.starts_at)


@pytest.mark.parametrize(("starts", "ends"), [("09:50", "10:10"), ("11:00", "11:20")])
def test_a_visit_is_not_moved_out_of_it(world, outer, starts, ends):
    session = visit(world, "09:20", "09:40", outer.episode)
    with pytest.raises(Refused) as caught:
        move(world, session, starts, ends)
    assert caught.value.code == "nested_visit"
    session.refresh_from_db()
    assert (session.starts_at, session.version) == (world.at(DAY, "09:20"), 1)


def test_a_visit_is_not_moved_onto_another_one(world, outer):
    visit(world, "09:00", "09:15", outer.episode)
    session = visit(world, "09:20", "09:40", outer.episode)
    with pytest.raises(Refused) as caught:
        move(world, session, "09:10", "09:30")
    assert caught.value.code == "patient_busy"


def test_a_cancelled_visit_leaves_the_session_as_it_was(world, outer):
    session, version = visit(world, "09:20", "09:40", outer.episode), outer.version
    services.cancel_session(session=session, reason="Prescriber ill", by=world.by)
    outer.refresh_from_db()
    assert (outer.state, outer.live, outer.version) == ("booked", True, version)
    services.revive_session(session=session, by=world.by)
    assert session.bookings.get().nested_in == outer


# --- a session around a visit that was there first -----------------------------------------------


def around(world: World, row: Booking, starts: str, ends: str, kind: str = "individual") -> Session:
    return visit(world, starts, ends, row.episode, kind=kind)


@pytest.mark.parametrize("kind", ["individual", "family", "education"])
def test_a_session_is_planned_around_a_visit(world, kind):
    row = visit(world, "09:20", "09:40", world.episode()).bookings.get()
    outer = around(world, row, "09:00", "10:00", kind).bookings.get()
    assert tied(row) == (True, "booked", outer, outer.starts_at, outer.ends_at)
    assert (outer.state, outer.nested_in) == ("booked", None)


def test_a_session_is_moved_around_a_visit(world):
    row = visit(world, "09:20", "09:40", world.episode()).bookings.get()
    outer = around(world, row, "13:00", "14:00").bookings.get()
    move(world, outer.session, "09:00", "10:00")
    outer.refresh_from_db()
    assert tied(row) == (True, "booked", outer, world.at(DAY, "09:00"), world.at(DAY, "10:00"))


def test_across_a_visit_it_is_said_what_to_do(world):
    row = visit(world, "09:20", "09:40", world.episode()).bookings.get()
    session = around(world, row, "13:00", "14:00")
    for wanted in (around, lambda *_: move(world, session, "09:30", "10:30")):
        with pytest.raises(Refused) as caught:
            wanted(world, row, "09:30", "10:30")
        assert (caught.value.code, caught.value.message) == ("patient_busy", ACROSS_A_VISIT)
    session.refresh_from_db()
    assert (session.starts_at, Session.objects.count()) == (world.at(DAY, "13:00"), 2)
    assert tied(row) == (True, "booked", None, None, None)


# --- tied again ----------------------------------------------------------------------------------


def tied(row: Booking) -> tuple[Any, ...]:
    row.refresh_from_db()
    return (row.live, row.state, row.nested_in, row.outer_starts_at, row.outer_ends_at)


def cancel(world: World, *sessions: Session) -> None:
    for session in sessions:
        services.cancel_session(session=session, reason="Snow", by=world.by)


def test_a_session_takes_place_again_around_the_visit_inside(world, outer):
    row = visit(world, "09:20", "09:40", outer.episode).bookings.get()
    cancel(world, outer.session)
    assert tied(row) == (True, "booked", None, None, None)
    services.revive_session(session=outer.session, by=world.by)
    outer.refresh_from_db()
    assert tied(row) == (True, "booked", outer, outer.starts_at, outer.ends_at)
    assert (outer.live, outer.state) == (True, "booked")


@pytest.mark.parametrize("visit_first", [True, False])
def test_both_cancelled_take_place_again_in_either_order(world, outer, visit_first):
    row = visit(world, "09:20", "09:40", outer.episode).bookings.get()
    cancel(world, outer.session, row.session)
    order = [row.session, outer.session] if visit_first else [outer.session, row.session]
    for session in order:
        services.revive_session(session=session, by=world.by)
    assert tied(row) == (True, "booked", outer, outer.starts_at, outer.ends_at)


def test_no_session_takes_place_again_across_a_visit(world, outer):
    cancel(world, outer.session)
    row = visit(world, "09:50", "10:10", outer.episode).bookings.get()
    with pytest.raises(Refused) as caught:
        services.revive_session(session=outer.session, by=world.by)
    assert (caught.value.code, caught.value.message) == ("patient_busy", ACROSS_A_VISIT)
    outer.refresh_from_db()
    assert (outer.live, tied(row)) == (False, (True, "booked", None, None, None))


@pytest.mark.parametrize("booked_before", [True, False])
def test_whoever_has_a_visit_is_booked_around_it(world, booked_before):
    session, episode = world.session(DAY), world.episode()
    if booked_before:
        was = services.book(session=session, episode=episode, by=world.by)
        services.withdraw(booking=was, reason="Wrong evening", by=world.by)
    row = visit(world, "09:20", "09:40", episode).bookings.get()
    outer = services.book(session=session, episode=episode, by=world.by)
    assert tied(row) == (True, "booked", outer, outer.starts_at, outer.ends_at)


def test_nobody_is_booked_across_a_visit_or_around_another_session(world):
    session, episode = world.session(DAY), world.episode()
    visit(world, "09:50", "10:10", episode)
    services.book(session=world.session(DAY, "11:15", "11:30"), episode=episode, by=world.by)
    for wanted in (session, world.session(DAY, "11:00", "12:00")):
        with pytest.raises(Refused) as caught:
            services.book(session=wanted, episode=episode, by=world.by)
        assert caught.value.code == "patient_busy"
    assert not Booking.objects.filter(nested_in__isnull=False).exists()


def test_a_member_is_enrolled_and_expanded_around_a_visit(world):
    world.block()
    job, first = Job("nightly"), datetime.date(2026, 3, 9)
    services.expand(clinic=world.clinic, today=first, by=job, weeks=1)
    episode = world.episode()
    rows = [
        visit(world, "09:20", "09:40", episode, day=day) for day in ("2026-03-09", "2026-03-16")
    ]
    services.enrol(group=world.group, episode=episode, starts_on=first, by=world.by)
    services.expand(clinic=world.clinic, today=first, by=job, weeks=2)
    outers = Booking.objects.filter(session__group=world.group).order_by("starts_at")
    assert [row.bookings.get().nested_in for row in rows] == list(outers)
    assert [row.state for row in outers] == ["booked", "booked"]


def test_no_member_is_enrolled_across_a_visit(world):
    world.block()
    first = datetime.date(2026, 3, 9)
    services.expand(clinic=world.clinic, today=first, by=Job("nightly"), weeks=1)
    episode = world.episode()
    visit(world, "09:00", "09:15", episode, day="2026-03-09")
    across = visit(world, "09:50", "10:10", episode, day="2026-03-09").bookings.get()
    with pytest.raises(Refused) as caught:
        services.enrol(group=world.group, episode=episode, starts_on=first, by=world.by)
    assert caught.value.code == "patient_busy"
    assert caught.value.details["bookings"] == [across.pk]
    assert not Booking.objects.filter(session__group=world.group).exists()


@pytest.mark.parametrize("visit_too", [True, False])
def test_who_comes_after_all_has_session_and_visit_again(world, outer, visit_too):
    row = visit(world, "09:20", "09:40", outer.episode).bookings.get()
    day = datetime.date.fromisoformat(DAY)
    call = services.call_in(
        episode=outer.episode, from_date=day, to_date=day, reason="illness", by=world.by,
        notified_at=world.at("2026-03-02", "04:30"), keeping=[] if visit_too else [row.pk],
    )  # fmt: skip
    assert tied(row)[1:3] == ("released" if visit_too else "booked", None)
    back = services.take_back_call_in(call_in=call, by=world.by)
    assert back.without_place == ()
    outer.refresh_from_db()
    assert (outer.live, outer.state) == (True, "booked")
    assert tied(row) == (True, "booked", outer, outer.starts_at, outer.ends_at)


@pytest.mark.parametrize("from_time", [None, datetime.time(9, 45)])
def test_a_closure_taken_back_leaves_the_visit_inside_as_before(world, outer, from_time):
    row = visit(world, "09:20", "09:40", outer.episode).bookings.get()
    day = datetime.date.fromisoformat(DAY)
    closure = services.add_closure(
        clinic=world.clinic, starts_on=day, ends_on=day, reason="Snow", by=world.by,
        from_time=from_time, to_time=from_time and datetime.time(11),
    )  # fmt: skip
    assert tied(row) == (from_time is not None, "booked", None, None, None)
    assert services.take_back_closure(closure=closure, by=world.by).left == []
    assert tied(row) == (True, "booked", outer, outer.starts_at, outer.ends_at)


@pytest.mark.parametrize("other_visit", [False, True])
def test_a_weekly_visit_interrupts_the_session_unless_another_visit_does(world, outer, other_visit):
    if other_visit:
        visit(world, "09:20", "09:40", outer.episode)
    f.WeeklyBlockFactory(
        clinic=world.clinic, group=None, episode=outer.episode, weekday=1,
        session_type=f.SessionTypeFactory(clinic=world.clinic, kind="prescriber"),
        starts_at=datetime.time(9, 30), ends_at=datetime.time(9, 45),
    )  # fmt: skip
    today = datetime.date.fromisoformat(DAY)
    found = services.expand(clinic=world.clinic, today=today, weeks=1, by=Job("nightly"))
    rows = Booking.objects.filter(session__block__isnull=False)
    assert [row.nested_in for row in rows] == ([] if other_visit else [outer])
    assert len(found.findings) == other_visit


def test_a_block_moved_into_a_closed_time_leaves_the_visit_alone(world):
    block, episode, day = world.block(), world.episode(), datetime.date(2026, 3, 9)
    services.enrol(group=world.group, episode=episode, starts_on=day, by=world.by)
    services.expand(clinic=world.clinic, today=day, by=Job("nightly"), weeks=1)
    services.add_closure(
        clinic=world.clinic, starts_on=day, ends_on=day, from_time=datetime.time(14),
        reason="Paint", by=world.by,
    )  # fmt: skip
    row = visit(world, "13:20", "13:40", episode, day="2026-03-09").bookings.get()
    found = services.change_block(
        block=block, starts_at=datetime.time(13), ends_at=datetime.time(15), by=world.by
    )
    assert [one.local_date for one in found.cancelled] == [day]
    assert tied(row) == (True, "booked", None, None, None)
