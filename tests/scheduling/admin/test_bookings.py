"""Single bookings at the admin site: each verb once as meant, once with its mistake."""

from __future__ import annotations

import time_machine

from scheduling.models import Booking, CallIn
from tests.admin import actors, desk, url
from tests.scheduling.admin.planned import enrolled, last_booking, planned


def test_a_guest_is_booked_into_one_session_and_only_once(world, coordinator):
    episode, session = world.episode(), planned(world)
    answer = coordinator.fill(episode, "book", session=session)
    row = Booking.objects.get()
    assert answer.sentences == [f"Seat 1 of {session} is booked for {episode.patient}."]
    assert actors(row, "I") == {coordinator.user.actor}
    again = coordinator.fill(episode, "book", session=session)
    assert (again.status, Booking.objects.count()) == (302, 1)


def test_the_missed_sessions_of_a_day_are_told_apart_by_their_time(world, coordinator):
    episode = enrolled(world, coordinator)
    first = episode.bookings.order_by("starts_at")[0]
    with time_machine.travel(first.ends_at, tick=False):
        html = coordinator.open(episode, "book").content.decode()
    assert f">{first.session.title}, Mon Mar 2, 9:00 AM</option>" in html


def test_the_latest_missed_session_is_offered_first_and_none_that_was_withdrawn(world, coordinator):
    episode = enrolled(world, coordinator)
    first, second, third, *_ = episode.bookings.order_by("starts_at")
    coordinator.fill(second, "withdraw", reason="moved")
    with time_machine.travel(third.ends_at, tick=False):
        form = desk(world.clinic).open(episode, "book").context["form"]
    assert list(form.fields["makes_up"].queryset) == [third, first]


def test_nobody_is_booked_into_a_cancelled_session(world, coordinator):
    session = planned(world)
    coordinator.fill(session, "cancel", reason="snow")
    answer = coordinator.fill(world.episode(), "book", session=session)
    assert answer.errors == {"session": ["The session is cancelled. Choose another one."]}
    assert not Booking.objects.exists()


def test_a_patient_cannot_be_in_two_places(world, coordinator):
    episode = enrolled(world, coordinator)
    other = world.session("2026-03-09", "09:30", "10:30")
    answer = coordinator.fill(episode, "book", session=other)
    assert answer.refusal == "The patient is booked elsewhere at this time. Choose another time."
    assert not other.bookings.exists()


def test_releasing_frees_the_seat_withdrawing_ends_it(world, coordinator):
    booking = last_booking(world, coordinator)
    answer = coordinator.fill(
        booking, "release", reason="work", notified_at=("2026-03-02", "07:00")
    )
    assert "is released. The seat can be booked for somebody else." in answer.sentences[0]
    assert f'href="{url(CallIn.objects.get(), "take-back")}"' in answer.sentences[0]
    coordinator.fill(booking, "withdraw", reason="plan changed")
    booking.refresh_from_db()
    assert (booking.state, booking.version) == ("withdrawn", 3)
    assert actors(booking) == {coordinator.user.actor}


def test_a_release_or_withdrawal_without_a_reason_is_refused(world, coordinator):
    booking = last_booking(world, coordinator)
    assert list(coordinator.fill(booking, "withdraw", reason="").errors) == ["reason"]
    assert list(coordinator.fill(booking, "release", reason="").errors) == ["reason"]
    booking.refresh_from_db()
    assert (booking.state, booking.version) == ("booked", 1)


def test_a_withdrawn_booking_cannot_be_released(world, coordinator):
    booking = last_booking(world, coordinator)
    coordinator.fill(booking, "withdraw", reason="x")
    answer = coordinator.fill(
        booking, "release", reason="work", notified_at=("2026-03-02", "07:00")
    )
    assert answer.refusal == "The booking is withdrawn: nobody expects the patient there."
