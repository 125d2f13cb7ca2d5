"""Seats in groups at the admin site: each verb once as meant, once with its mistake."""

from __future__ import annotations

import datetime

import pytest
from django.utils.html import escape

from iop_clinic.accounts.roles import Role
from scheduling.models import Booking, GroupMembership
from scheduling.services.memberships import OR_WAIT
from tests import factories
from tests.admin import actors, desk
from tests.scheduling.admin.planned import NEXT, TODAY, enrolled


def test_enrolling_gives_a_seat_and_books_the_planned_sessions(world, coordinator):
    episode = world.episode()
    answer = coordinator.fill(episode, "enrol", group=world.group, starts_on=TODAY)
    seat = GroupMembership.objects.get()
    assert (seat.episode, seat.seat, seat.starts_on) == (episode, 1, TODAY)
    assert Booking.objects.filter(membership=seat).count() == 4
    assert answer.sentences == [
        (
            f"{episode.patient} has seat 1 in {world.group} from Mar 2, 2026. "
            "4 planned sessions are booked."
        )
    ]
    assert actors(seat, "I") == {coordinator.user.actor}


def test_what_a_page_says_of_a_patient_is_in_no_cookie(world, coordinator):
    """Cookies lie on the device and go over the line with every request."""
    episode = world.episode()
    answer = coordinator.fill(episode, "enrol", group=world.group, starts_on=TODAY)
    assert str(episode.patient) in answer.sentences[-1]
    assert set(coordinator.client.cookies) <= {"sessionid", "csrftoken"}
    shown = coordinator.client.get(answer.location).content.decode()
    assert escape(answer.sentences[-1]) in shown


def test_the_ninth_patient_of_eight_seats_is_refused(world, coordinator):
    for _ in range(8):
        enrolled(world, coordinator)
    answer = coordinator.fill(world.episode(), "enrol", group=world.group, starts_on=TODAY)
    assert answer.errors == {"group": [f"All 8 seats of {world.group} are taken. {OR_WAIT}"]}
    assert GroupMembership.objects.count() == 8


def test_the_ninth_patient_gets_an_overflow_seat_with_a_reason_and_an_author(world, coordinator):
    for _ in range(8):
        enrolled(world, coordinator)
    ninth = enrolled(world, coordinator, overflow_reason="court date")
    seat = ninth.memberships.get()
    assert (seat.seat, seat.overflow_by) == (9, coordinator.user)


def test_a_second_seat_in_the_same_group_is_refused(world, coordinator):
    episode = enrolled(world, coordinator)
    answer = coordinator.fill(world.group, "enrol", episode=episode, starts_on=NEXT)
    assert answer.refusal == "The patient is already in this group on these dates."
    assert GroupMembership.objects.count() == 1


def test_a_seat_that_ends_before_it_starts_is_refused(world, coordinator):
    answer = coordinator.fill(
        world.episode(), "enrol", group=world.group, starts_on=NEXT, ends_on=TODAY
    )
    assert answer.errors == {"ends_on": ["The membership ends before it starts."]}
    assert not GroupMembership.objects.exists()


def test_a_patient_is_enrolled_from_the_groups_page_too(world, coordinator):
    episode = world.episode()
    answer = coordinator.fill(world.group, "enrol", episode=episode, starts_on=TODAY)
    assert answer.sentences[0].startswith(f"{episode.patient} has seat 1 of 8 from Mar 2, 2026.")


def test_a_transfer_moves_the_seat_and_the_bookings(world, coordinator):
    episode = enrolled(world, coordinator)
    other = factories.GroupFactory(clinic=world.clinic, program=world.program)
    old = episode.memberships.get()
    answer = coordinator.save(coordinator.look(old, "transfer", to_group=other, on=NEXT))
    old.refresh_from_db()
    new = episode.memberships.get(group=other)
    assert (old.ends_on, new.starts_on) == (datetime.date(2026, 3, 8), NEXT)
    assert answer.location == f"/admin/scheduling/groupmembership/{new.pk}/change/"
    assert actors(old) == {coordinator.user.actor}


def test_a_transfer_into_another_program_is_refused_and_the_seat_stays(world, coordinator):
    episode = enrolled(world, coordinator)
    other = factories.GroupFactory(clinic=world.clinic)
    answer = coordinator.fill(episode.memberships.get(), "transfer", to_group=other, on=NEXT)
    assert answer.refusal == f"{other} belongs to another program. Choose another group."
    assert episode.memberships.get().ends_on is None


def test_ending_a_membership_withdraws_what_comes_after(world, coordinator):
    seat = enrolled(world, coordinator).memberships.get()
    answer = coordinator.save(coordinator.look(seat, "end", ends_on=NEXT, reason="moved away"))
    assert answer.sentences == ["The seat is free from the day after Mar 9, 2026 on."]
    assert seat.bookings.filter(state="withdrawn").count() == 2
    seat.refresh_from_db()
    assert (seat.ends_on, actors(seat)) == (NEXT, {coordinator.user.actor})


def test_a_membership_cannot_end_before_it_began(world, coordinator):
    seat = enrolled(world, coordinator).memberships.get()
    answer = coordinator.fill(seat, "end", ends_on="2026-03-01", reason="x")
    assert answer.errors == {"ends_on": ["The membership begins after this date."]}
    seat.refresh_from_db()
    assert seat.ends_on is None


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "soon"])
def test_a_day_nobody_meant_is_refused_without_an_error_page(world, coordinator, day):
    seat = enrolled(world, coordinator).memberships.get()
    other = factories.GroupFactory(clinic=world.clinic, program=world.program)
    assert list(coordinator.fill(seat, "transfer", to_group=other, on=day).errors) == ["on"]
    assert list(coordinator.fill(seat, "end", ends_on=day, reason="x").errors) == ["ends_on"]
    assert list(coordinator.fill(seat.episode, "plan", starts_on=day).errors) == ["starts_on"]
    seat.refresh_from_db()
    assert seat.ends_on is None


def test_a_seat_to_come_is_taken_back_one_that_began_is_not(world, coordinator):
    episode = world.episode()
    coordinator.fill(episode, "enrol", group=world.group, starts_on=NEXT)
    answer = coordinator.fill(episode.memberships.get(), "take-back", reason="wrong group")
    assert answer.sentences == [
        f"The seat in {world.group} is taken back and its bookings are withdrawn."
    ]
    assert not GroupMembership.objects.exists()
    seat = enrolled(world, coordinator).memberships.get()
    answer = coordinator.fill(seat, "take-back", reason="wrong group")
    assert answer.refusal == "The membership has begun. End it instead."


@pytest.mark.parametrize("page", ["change", "end", "transfer", "history"])
def test_every_page_of_a_seat_names_whose_it_is(world, page):
    seat = enrolled(world, desk(world.clinic)).memberships.get()
    html = desk(world.clinic, Role.ADMINISTRATOR).open(seat, page).content.decode()
    assert f"{seat.episode.patient}: {world.group}, seat 1" in html


def test_groups_of_the_program_are_offered_with_their_free_seats_and_the_waitlist(world):
    factories.GroupFactory(clinic=world.clinic, name="Elsewhere")
    enrolled(world, desk(world.clinic))
    episode = world.episode()
    field = desk(world.clinic).open(episode, "enrol").context["form"].fields["group"]
    assert [f"{label}" for _, label in field.choices][1:] == [f"{world.group} (7 seats free)"]
    assert f"/waitlistentry/add/?episode={episode.pk}" in field.help_text
