"""Single seats: book, release, withdraw, call in."""

import datetime
from typing import Any

import pytest
import time_machine

from iop_clinic.accounts.acting import Job, Refused
from scheduling import services
from scheduling.models import Booking, CallIn, Session
from tests import factories as f
from tests.scheduling.conftest import TODAY, World

DAY = datetime.timedelta(days=1)
UTC = datetime.UTC


def book(world: World, session: Session, episode: Any = None, **extra: Any) -> Booking:
    asked = {"by": world.by, **extra}
    return services.book(session=session, episode=episode or world.episode(), **asked)


def refused(world: World, session: Session, episode: Any = None, **extra: Any) -> Refused:
    before = list(Booking.objects.values_list("pk", "state", "seat", "version"))
    with pytest.raises(Refused) as caught:
        book(world, session, episode, **extra)
    assert list(Booking.objects.values_list("pk", "state", "seat", "version")) == before
    return caught.value


def notice(world: World, booking: Booking, **extra: Any) -> Booking:
    asked = {"notified_at": world.at("2026-03-02", "04:30"), "reason": "illness", **extra}
    return services.release(booking=booking, by=world.by, **asked)


def test_a_booking_carries_the_sessions_times_and_the_patient(world: World) -> None:
    session, episode = world.session(), world.episode()
    row = book(world, session, episode)
    assert (row.seat, row.starts_at, row.ends_at, row.live, row.patient_id, row.state) == (
        1,
        session.starts_at,
        session.ends_at,
        True,
        episode.patient_id,
        "booked",
    )


def test_nobody_on_hold_on_the_date_is_booked(world: World) -> None:
    session, episode = world.session(), world.episode()
    day = session.local_date
    hold = episode.holds.create(
        clinic=episode.clinic, reason="jail", starts_on=day - DAY, ends_on=day
    )
    assert refused(world, session, episode).code == "on_hold"
    hold.ends_on = day - DAY
    hold.save()
    assert book(world, session, episode).state == "booked"


def test_booking_again_is_the_same_booking(world: World) -> None:
    session, episode = world.session(), world.episode()
    assert book(world, session, episode) == book(world, session, episode)
    assert Booking.objects.count() == 1


def test_a_full_session(world: World) -> None:
    session = world.session(capacity=1, ceiling=2)
    book(world, session)
    refusal = refused(world, session)
    assert (refusal.code, refusal.details) == ("session_full", {"capacity": 1, "ceiling": 2})


def test_whoever_may_not_come_is_not_asked_why_a_full_session_takes_one_more(world: World) -> None:
    session = world.session(capacity=1, ceiling=2)
    book(world, session)
    busy = world.episode()
    book(world, world.session(capacity=1, ceiling=1), busy)
    assert refused(world, session, busy).code == "patient_busy"


def test_an_overflow_seat_has_a_reason_and_an_author_and_an_end(world: World) -> None:
    session = world.session(capacity=1, ceiling=2)
    book(world, session)
    row = book(world, session, overflow_reason="Court order")
    assert (row.seat, row.overflow_reason, row.overflow_by) == (2, "Court order", world.by)
    assert refused(world, session, overflow_reason="Court order").code == "session_full"


def test_a_job_gives_no_overflow_seat(world: World) -> None:
    session = world.session(capacity=1, ceiling=2)
    book(world, session)
    refusal = refused(world, session, overflow_reason="Import", by=Job("import"))
    assert refusal.code == "overflow_needs_person"


def test_a_cancelled_or_a_signed_session(world: World) -> None:
    cancelled, signed = world.session(), world.session()
    services.cancel_session(session=cancelled, reason="Snow", by=world.by)
    Session.objects.filter(pk=signed.pk).update(signed_at=signed.ends_at, signed_by=world.by)
    assert refused(world, cancelled).code == "session_cancelled"
    assert refused(world, signed).code == "roster_signed"


def test_a_patient_is_in_one_place_at_a_time(world: World) -> None:
    episode = world.episode()
    book(world, world.session(), episode)
    refusal = refused(world, world.session(starts="09:30", ends="10:30"), episode)
    assert (refusal.code, refusal.message) == (
        "patient_busy",
        "The patient is booked elsewhere at this time. Choose another time.",
    )
    assert book(world, world.session(starts="10:00", ends="11:00"), episode).seat == 1


def test_whoever_does_not_fit(world: World) -> None:
    stranger = world.episode(program=f.ProgramFactory(clinic=world.clinic))
    assert refused(world, world.group_session(), stranger).code == "not_suitable"
    late = world.episode(on=TODAY + DAY)
    assert refused(world, world.session(), late).code == "not_active"


def test_a_member_is_booked_as_a_member(world: World) -> None:
    episode = world.episode()
    membership = services.enrol(group=world.group, episode=episode, starts_on=TODAY, by=world.by)
    assert book(world, world.group_session(), episode).membership == membership


def test_a_make_up_names_the_patients_own_booking(world: World) -> None:
    episode = world.episode()
    missed = book(world, world.session(), episode)
    strangers = book(world, world.session())
    later = world.session("2026-03-03")
    assert refused(world, later, episode, makes_up=strangers).code == "unknown_booking"
    assert book(world, later, episode, makes_up=missed).makes_up == missed


# --- nested visits -------------------------------------------------------------------------------


def test_a_short_visit_interrupts_a_session(world: World) -> None:
    episode = world.episode()
    outer = book(world, world.session(ends="12:00"), episode)
    visit = world.session(starts="09:30", ends="10:00")
    row = book(world, visit, episode, nested_in=outer)
    assert (row.nested_in, row.outer_starts_at, row.outer_ends_at) == (
        outer,
        outer.starts_at,
        outer.ends_at,
    )
    second = world.session(starts="09:45", ends="10:15")
    assert refused(world, second, episode, nested_in=outer).code == "patient_busy"


def test_a_visit_that_sticks_out_or_interrupts_another_patient(world: World) -> None:
    episode = world.episode()
    outer = book(world, world.session(), episode)
    late = world.session(starts="09:30", ends="10:30")
    assert refused(world, late, episode, nested_in=outer).code == "patient_busy"
    visit = world.session(starts="09:30", ends="09:45")
    assert refused(world, visit, nested_in=outer).code == "unknown_booking"


def around(world: World) -> tuple[Booking, Booking]:
    """A booking from 9 to 10 and the visit nested in it."""
    episode = world.episode()
    outer = book(world, world.session(), episode)
    visit = world.session(starts="09:15", ends="09:30")
    return outer, book(world, visit, episode, nested_in=outer)


def withdrawn(world: World, row: Booking) -> None:
    services.withdraw(booking=row, reason="Plan changed", by=world.by)


def cancelled(world: World, row: Booking) -> None:
    services.cancel_session(session=row.session, reason="Leader ill", by=world.by)


@pytest.mark.parametrize("end", [notice, withdrawn, cancelled])
def test_a_visit_stands_alone_once_the_session_around_it_is_gone(world: World, end: Any) -> None:
    outer, visit = around(world)
    end(world, outer)
    visit.refresh_from_db()
    assert (visit.state, visit.live, visit.nested_in, visit.outer_starts_at, visit.version) == (
        "booked", True, None, None, 2,
    )  # fmt: skip
    assert refused(world, world.session(), visit.episode).code == "patient_busy"


def test_a_whole_closed_morning_takes_visits_and_sessions_alike(world: World) -> None:
    outer, visit = around(world)
    services.add_closure(
        clinic=world.clinic, starts_on=TODAY, ends_on=TODAY, reason="Snow", by=world.by
    )
    for row in (outer, visit):
        row.refresh_from_db()
        assert (row.live, row.nested_in) == (False, None)


# --- release and withdraw ------------------------------------------------------------------------


def test_a_notice_frees_the_seat_and_keeps_the_facts(world: World) -> None:
    session = world.session(capacity=1, ceiling=1)
    row = notice(world, book(world, session))
    assert (row.state, row.released_at, row.version) == (
        "released",
        world.at("2026-03-02", "04:30"),
        2,
    )
    facts = CallIn.objects.values_list("from_date", "to_date", "reason", "taken_by")
    assert list(facts) == [(TODAY, TODAY, "illness", world.by.pk)]
    assert book(world, session).seat == 1


def test_a_second_notice_changes_nothing(world: World) -> None:
    row = notice(world, book(world, world.session()))
    again = notice(world, row, notified_at=world.at("2026-03-02", "04:45"))
    assert (again.released_at, again.version) == (world.at("2026-03-02", "04:30"), 2)
    assert CallIn.objects.count() == 1


def test_a_released_row_is_booked_again(world: World) -> None:
    session, episode = world.session(), world.episode()
    row = notice(world, book(world, session, episode))
    again = book(world, session, episode)
    assert (again.pk, again.state, again.released_at, again.call_in, again.version) == (
        row.pk,
        "booked",
        None,
        None,
        3,
    )


def test_a_released_row_finds_its_seat_taken(world: World) -> None:
    session, episode = world.session(capacity=1, ceiling=1), world.episode()
    row = notice(world, book(world, session, episode))
    book(world, session)
    assert refused(world, session, episode).code == "session_full"
    row.refresh_from_db()
    assert row.state == "released"


def test_withdrawn_counts_nowhere_and_needs_a_reason(world: World) -> None:
    row = book(world, world.session())
    with pytest.raises(Refused) as caught:
        services.withdraw(booking=row, reason="", by=world.by)
    assert caught.value.code == "reason_required"
    services.withdraw(booking=row, reason="New plan", by=world.by)
    assert (row.state, row.withdrawn_reason, row.version) == ("withdrawn", "New plan", 2)
    assert not Booking.objects.expected().exists()


def test_no_notice_for_a_withdrawn_booking(world: World) -> None:
    row = services.withdraw(booking=book(world, world.session()), reason="Plan", by=world.by)
    with pytest.raises(Refused) as caught:
        notice(world, row)
    row.refresh_from_db()
    assert (caught.value.code, row.state) == ("unknown_booking", "withdrawn")


# --- the sick call -------------------------------------------------------------------------------


def call(world: World, episode: Any, **extra: Any) -> CallIn:
    asked = {
        "from_date": TODAY,
        "to_date": TODAY + DAY,
        "reason": "illness",
        "notified_at": world.at("2026-03-02", "04:30"),
        "by": world.by,
        **extra,
    }
    return services.call_in(episode=episode, **asked)


def test_one_call_releases_every_booking_of_its_days(world: World) -> None:
    episode = world.episode()
    days = ["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04"]
    rows = [f.booking(world.session(day), episode) for day in days]
    others = f.booking(world.session(), world.episode())
    row = call(world, episode, note="Flu")
    states = Booking.objects.filter(pk__in=[r.pk for r in rows]).order_by("starts_at")
    assert list(states.values_list("state", "call_in", "version")) == [
        ("booked", None, 1),
        ("released", row.pk, 2),
        ("released", row.pk, 2),
        ("booked", None, 1),
    ]
    assert (row.reason, row.note, row.taken_by) == ("illness", "Flu", world.by)
    others.refresh_from_db()
    assert others.state == "booked"


def test_a_call_during_the_day_is_no_notice_of_what_had_begun(world: World) -> None:
    episode = world.episode()
    first = f.booking(world.session(), episode)
    second = f.booking(world.session(starts="10:00", ends="11:00"), episode)
    told_at = world.at("2026-03-02", "09:20")
    with time_machine.travel(told_at):
        call(world, episode, notified_at=told_at)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("booked", "released")


def test_the_days_are_the_clinics_own(world: World) -> None:
    """Nine in the evening in New York is the next day in UTC."""
    episode = world.episode()
    row = f.booking(world.session("2026-03-03", "21:00", "22:00"), episode)
    call(world, episode)
    row.refresh_from_db()
    assert row.state == "released"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"to_date": TODAY - DAY}, "dates_in_order"),
        ({"reason": ""}, "reason_required"),
        ({"by": Job("import")}, "person_required"),
        ({"to_date": TODAY + 93 * DAY}, "call_in_too_long"),
        ({"from_date": TODAY - 99 * DAY, "to_date": TODAY - 90 * DAY}, "not_active"),
        ({"notified_at": datetime.datetime(2026, 3, 2, 10, 1, tzinfo=UTC)}, "notified_in_future"),
    ],
)
def test_a_call_that_is_refused(world: World, wrong: dict[str, Any], code: str) -> None:
    row = f.booking(world.session(), world.episode())
    with pytest.raises(Refused) as caught:
        call(world, row.episode, **wrong)
    row.refresh_from_db()
    assert (caught.value.code, row.state) == (code, "booked")
    assert not CallIn.objects.exists()


@pytest.mark.parametrize("change", [notice, withdrawn])
def test_a_signed_roster_keeps_its_bookings(world: World, change: Any) -> None:
    row = book(world, world.session())
    now = world.at("2026-03-02", "10:00")
    Session.objects.update(signed_at=now, signed_by=world.by)
    with pytest.raises(Refused, match="signed"):
        change(world, row)
    row.refresh_from_db()
    assert (row.state, row.version, CallIn.objects.count()) == ("booked", 1, 0)
