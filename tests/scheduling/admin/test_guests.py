"""Enrolling at the admin site where guests hold the last seats: asked, answered, whom to call."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from iop_clinic.accounts.admin.panels import link, verb_link
from iop_clinic.accounts.roles import Role
from patients.models import KeepApart
from scheduling import services
from scheduling.models import Booking, GroupMembership
from tests import factories
from tests.admin import Desk, actors, filled, typed, url
from tests.scheduling.admin.planned import NEXT, TODAY, planned

HELD = "Guests hold the last seats on Mon Mar 9. Begin on Mar 10, 2026 or later, or say what "
HELD += "becomes of these dates."
WHY = "Members go first"


@pytest.fixture
def guest(world, coordinator) -> Booking:
    """On the last seat of the second Monday; the group has one seat left."""
    for member in world.episodes(7):
        services.enrol(group=world.group, episode=member, starts_on=TODAY, by=world.by)
    return factories.booking(planned(world), world.episode(), seat=8)


def asked(at, address: str, data: dict[str, Any]) -> Any:
    """The page that asks, after the form was sent without an answer."""
    before = list(Booking.objects.order_by("pk").values())
    shown = at.client.get(address)
    response = at.client.post(address, {**filled(shown), **typed(data)})
    assert response.status_code == 200, response.headers
    assert list(Booking.objects.order_by("pk").values()) == before
    return response


def answered(at, response: Any, **answer: str) -> Any:
    """The same form sent once more, with an answer; where it shows first what changes, saved."""
    address, sent = response.request["PATH_INFO"], {**filled(response), **answer}
    if response.context["form"].looks_ahead:
        sent["seen"] = at.client.post(address, sent).context["seal"]
    return at.send(address, sent)


def doors(world, coordinator) -> dict[str, tuple[str, dict[str, Any]]]:
    """By name: the address of each form that enrols, and what is entered there."""
    other = factories.GroupFactory(clinic=world.clinic, program=world.program)
    new, moves = world.episode(), world.episode()
    by = {"by": coordinator.user}
    seat = services.enrol(group=other, episode=moves, starts_on=TODAY, **by)
    entry = services.put_on_waitlist(group=world.group, episode=new, **by)
    until = world.at("2026-03-04", "17:00")
    told = {"method": "call", "result": "reached", "expires_at": until, "starts_on": TODAY}
    services.offer_seat(entry=entry, **told, **by)
    here = {"to_group": world.group, "on": NEXT}
    return {
        "patient": (url(new, "enrol"), {"group": world.group, "starts_on": TODAY}),
        "group": (url(world.group, "enrol"), {"episode": new, "starts_on": TODAY}),
        "seat": (url(seat, "transfer"), here),
        "transfer": (url(moves, "transfer"), here),
        "waitlist": (url(entry, "accept"), {"starts_on": TODAY}),
    }


DOORS = ("patient", "group", "seat", "transfer", "waitlist")


@pytest.mark.parametrize("door", DOORS)
def test_each_door_asks_and_the_guest_moves_on(world, coordinator, guest, door):
    response = asked(coordinator, *doors(world, coordinator)[door])
    assert response.context["form"].errors == {"guests": [HELD]}
    (panel,) = [one for one in response.context["form"].before() if one.headers]
    (line,) = panel.rows
    assert (panel.title, line[0]) == (
        "Guests on the last seats", link(guest.episode, guest.episode.patient),
    )  # fmt: skip
    assert actors(guest, "R") == {coordinator.user.actor}
    answer = answered(coordinator, response, guests="move_on", guests_reason=WHY)
    guest.refresh_from_db()
    assert (guest.state, guest.withdrawn_reason) == ("withdrawn", WHY)
    assert planned(world).bookings.filter(state="booked").count() == 8
    assert f"To call: {link(guest.episode, guest.episode.patient)}, " in answer.sentences[0]


@pytest.mark.parametrize("door", DOORS)
def test_each_door_gives_a_seat_above_on_those_dates(world, coordinator, guest, door):
    response = asked(coordinator, *doors(world, coordinator)[door])
    answer = answered(coordinator, response, guests="above", guests_reason=WHY)
    assert "To call" not in answer.sentences[0]
    extra = planned(world).bookings.get(seat=9)
    assert (extra.overflow_reason, extra.overflow_by) == (WHY, coordinator.user)
    assert GroupMembership.objects.get(group=world.group, seat=8).overflow_reason == ""


def test_who_makes_up_a_session_is_led_to_another_make_up(world, coordinator, guest):
    missed = factories.booking(world.session("2026-02-27"), guest.episode)
    Booking.objects.filter(pk=guest.pk).update(makes_up=missed)
    response = asked(coordinator, *doors(world, coordinator)["group"])
    page = response.content.decode()
    assert "guest, makes up a missed session" in page
    assert verb_link(guest.episode, "make_ups", "Find another make-up") in page


def test_another_first_day_is_an_answer_too(world, coordinator, guest):
    response = asked(coordinator, *doors(world, coordinator)["group"])
    answer = answered(coordinator, response, starts_on="2026-03-10")
    assert answer.status == 302
    guest.refresh_from_db()
    assert guest.state == "booked"


def test_without_a_reason_the_guests_are_shown_again(world, coordinator, guest):
    response = asked(coordinator, *doors(world, coordinator)["group"])
    answer = answered(coordinator, response, guests="move_on", guests_reason="")
    assert answer.errors == {"guests_reason": ["Say why."]}
    assert str(guest.patient) in answer.html
    guest.refresh_from_db()
    assert guest.state == "booked"


def test_a_guest_who_came_since_is_asked_about_anew(world, coordinator, guest):
    response = asked(coordinator, *doors(world, coordinator)["group"])
    session = planned(world)
    services.withdraw(booking=guest, reason="Cancelled", by=coordinator.user)
    newcomer = services.book(session=session, episode=world.episode(), by=coordinator.user)
    answer = answered(coordinator, response, guests="move_on", guests_reason=WHY)
    assert answer.errors == {"guests": [HELD]}
    assert str(newcomer.patient) in answer.html
    newcomer.refresh_from_db()
    assert newcomer.state == "booked"


def test_a_guest_whom_a_person_does_not_see_is_counted_and_stays(world, coordinator, guest):
    """A therapist enrols into the own group; somebody else covers that day."""
    leader = Desk(factories.staff(world.clinic, Role.THERAPIST, therapist=world.therapist))
    cover = factories.TherapistFactory(clinic=world.clinic)
    services.assign_substitute(session=planned(world), therapist=cover, by=coordinator.user)
    own = world.episode(primary_therapist=world.therapist)
    data = {"group": world.group, "starts_on": TODAY}
    response = asked(leader, url(own, "enrol"), data)
    (panel,) = response.context["form"].before()
    assert (panel.rows, panel.note) == ([], "1 more that only a coordinator sees.")
    answer = answered(leader, response, guests="move_on", guests_reason=WHY)
    assert answer.errors == {"guests": [HELD]}
    guest.refresh_from_db()
    assert guest.state == "booked"


def test_a_key_of_somebody_elses_booking_moves_nobody_on(world, coordinator, guest):
    elsewhere = factories.booking(world.session("2026-03-05"), world.episode())
    response = asked(coordinator, *doors(world, coordinator)["group"])
    answer = answered(
        coordinator, response, guests="move_on", guests_reason=WHY,
        guests_shown=f"{elsewhere.pk},x,{'9' * 30}",
    )  # fmt: skip
    assert answer.errors == {"guests": [HELD]}
    elsewhere.refresh_from_db()
    assert elsewhere.state == "booked"


def test_kept_apart_from_a_guest_says_no_name_and_asks_nothing(world, coordinator, guest):
    episode = world.episode()
    KeepApart.objects.create(
        clinic=world.clinic, patient=guest.patient, other=episode.patient, reason="Confidential"
    )
    data = {"group": world.group, "starts_on": TODAY}
    response = asked(coordinator, url(episode, "enrol"), data)
    form = response.context["form"]
    assert form.non_field_errors() == ["The patient cannot be seated here. Ask the coordinator."]
    assert "guests" not in form.fields
    assert str(guest.patient) not in response.content.decode()


def test_a_combined_session_is_named_to_whoever_enrols_meanwhile(world, coordinator):
    other = factories.GroupFactory(clinic=world.clinic, program=world.program)
    into = world.session("2026-03-09", "11:00", "12:00", group=other)
    row = planned(world)
    factories.booking(row, world.episode())
    services.combine_sessions(session=row, into=into, by=coordinator.user)
    episode, data = world.episode(), {"group": world.group, "starts_on": TODAY}
    answer = coordinator.fill(episode, "enrol", **data)
    assert not into.bookings.filter(episode=episode).exists()
    roster = verb_link(into, "roster-add", f"{other}, Mon Mar 9, 11:00 AM")
    said = f"On these dates {world.group} is combined with another session. "
    assert f"{said}Add the patient to that roster: {roster}." in answer.sentences[0]
    services.part_sessions(session=row, by=coordinator.user)
    answer = coordinator.fill(world.episode(), "enrol", **data)
    assert "combined" not in answer.sentences[0]


def test_a_patient_who_is_booked_elsewhere_is_led_to_that_booking(world, coordinator):
    episode = world.episode()
    other = factories.booking(world.session("2026-03-09", "09:30", "10:30"), episode)
    data = {"group": world.group, "starts_on": TODAY}
    response = asked(coordinator, url(episode, "enrol"), data)
    (panel,) = response.context["form"].before()
    assert panel.title == "Booked elsewhere at the group’s time"
    assert panel.rows[0][-1] == verb_link(other, "withdraw", "Withdraw it")
    assert reverse("admin:scheduling_booking_withdraw", args=[other.pk]) in panel.rows[0][-1]
    assert list(response.context["form"].errors) == ["starts_on"]
