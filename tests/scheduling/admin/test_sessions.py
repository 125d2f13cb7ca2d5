"""Sessions at the admin site: each verb once as meant, once with its mistake."""

from __future__ import annotations

import pytest

from scheduling.models import Session
from tests import factories
from tests.admin import actors, url
from tests.scheduling.admin.planned import NEXT, enrolled, planned
from tests.scheduling.conftest import World


def single(world: World, **extra: object) -> dict[str, object]:
    return {
        "session_type": world.kind,
        "therapist": world.therapist,
        "day": "2026-03-10",
        "starts": "14:00",
        "ends": "15:00",
        **extra,
    }


def test_a_single_session_is_planned_in_wall_time_with_its_patient(world, coordinator):
    episode = world.episode()
    answer = coordinator.fill(Session, "plan", **single(world, episode=episode))
    session = Session.objects.get(group=None)
    assert session.starts_at == world.at("2026-03-10", "14:00")
    assert [booking.episode for booking in session.bookings.all()] == [episode]
    assert answer.location == f"/admin/scheduling/session/{session.pk}/change/"
    assert actors(session, "I") == {coordinator.user.actor}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"ends": "13:00"}, "ends"),
        ({"day": "2026-03-09", "starts": "09:30", "ends": "10:30"}, "therapist"),
    ],
)
def test_a_session_that_cannot_be_is_refused(world, coordinator, wrong, field):
    answer = coordinator.fill(Session, "plan", **single(world, **wrong))
    assert list(answer.errors) == [field]
    assert not Session.objects.filter(group=None).exists()


@pytest.mark.parametrize(
    ("starts", "ends", "field", "wall"),
    [("02:30", "04:00", "starts", "2:30"), ("01:00", "02:15", "ends", "2:15")],
)
def test_a_time_that_the_clocks_leave_out_is_refused(world, coordinator, starts, ends, field, wall):
    given = single(world, day="2026-03-08", starts=starts, ends=ends)
    answer = coordinator.fill(Session, "plan", **given)
    said = f"{wall} AM does not exist on Mar 8, 2026: the clocks go from 2:00 AM to 3:00 AM. "
    assert answer.errors == {field: [f"{said}Enter another time."]}
    assert not Session.objects.filter(group=None).exists()


def test_a_taken_room_is_refused_at_the_room(world, coordinator):
    helper = factories.TherapistFactory(clinic=world.clinic)
    given = single(
        world, therapist=helper, day="2026-03-09", starts="09:30", ends="10:30", room=world.room
    )
    answer = coordinator.fill(Session, "plan", **given)
    said = f"{world.room} is taken. Choose another time, or another room."
    assert answer.errors == {"room": [said]}


def test_a_session_moves_with_its_bookings(world, coordinator):
    booking = enrolled(world, coordinator).bookings.get(session=planned(world))
    ahead = coordinator.look(booking.session, "move", starts="13:00", ends="14:00")
    answer = coordinator.save(ahead)
    booking.refresh_from_db()
    assert booking.starts_at == world.at("2026-03-09", "13:00")
    assert answer.sentences == ["Moved to Mon Mar 9, 1:00 PM EDT."]
    assert actors(booking.session) == {coordinator.user.actor}


def test_a_session_is_not_moved_into_the_past(world, coordinator):
    session = planned(world)
    answer = coordinator.fill(session, "move", day="2026-03-01")
    assert answer.refusal == "A session cannot be moved into the past."
    assert planned(world).version == session.version


def test_a_cancelled_session_takes_place_after_all(world, coordinator):
    session = planned(world)
    answer = coordinator.fill(session, "cancel", reason="snow")
    assert planned(world).state == "cancelled"
    assert f'href="{url(session, "revive")}"' in answer.sentences[0]
    answer = coordinator.fill(session, "revive")
    assert answer.sentences == ["The session takes place again."]
    assert planned(world).state == "scheduled"
    assert actors(session) == {coordinator.user.actor}


def test_a_session_is_not_revived_into_a_taken_room(world, coordinator):
    session = planned(world)
    coordinator.fill(session, "cancel", reason="snow")
    helper = factories.TherapistFactory(clinic=world.clinic)
    coordinator.fill(
        Session,
        "plan",
        **single(world, therapist=helper, day=NEXT, starts="09:00", ends="10:00", room=world.room),
    )
    answer = coordinator.fill(session, "revive")
    said = f"{world.room} is taken. Choose another time, or another room."
    assert answer.refusal == said
    assert planned(world).state == "cancelled"


def test_a_session_is_cancelled_with_a_reason_only(world, coordinator):
    answer = coordinator.fill(planned(world), "cancel", reason="")
    assert list(answer.errors) == ["reason"]
    assert planned(world).live


def test_a_substitute_leads_but_not_in_two_rooms_at_once(world, coordinator):
    helper = factories.TherapistFactory(clinic=world.clinic)
    session = planned(world)
    busy = world.session("2026-03-09", "09:30", "10:30", therapist=helper)
    answer = coordinator.fill(session, "substitute", therapist=helper)
    said = f"{helper.name} leads another session. Choose somebody else."
    assert answer.errors == {"therapist": [said]}
    coordinator.fill(busy, "cancel", reason="x")
    answer = coordinator.fill(session, "substitute", therapist=helper)
    assert answer.sentences == [f"{helper} leads {world.group}, Mon Mar 9, 9:00 AM."]
    assert answer.location == url(session, "change")
    assert actors(session.staff.get(therapist=helper), "I") == {coordinator.user.actor}


def test_a_patient_is_added_to_the_roster_of_a_session(world, coordinator):
    session, episode = planned(world), world.episode()
    answer = coordinator.fill(session, "roster-add", episode=episode)
    assert answer.sentences == [f"{episode.patient} has seat 1 of 8."]
    discharged = factories.EpisodeFactory(patient__clinic=world.clinic)
    answer = coordinator.fill(session, "roster-add", episode=discharged)
    assert answer.refusal == "The patient is not in treatment on Mon Mar 9."
    assert session.bookings.count() == 1


@pytest.mark.parametrize("typed", ["3/9/2026", "Mar 9, 2026", "2026-03-09"])
def test_sessions_are_found_by_their_date_as_pages_print_it(world, coordinator, typed):
    found = coordinator.client.post(url(Session, "changelist"), {"q": typed}, follow=True)
    assert list(found.context["cl"].result_list) == [planned(world)]


# --- where it meets ------------------------------------------------------------------------------


def test_a_session_is_planned_by_video_or_off_site(world, coordinator):
    coordinator.fill(Session, "plan", **single(world, by_video="on"))
    later = single(world, starts="16:00", ends="17:00", off_site="Main St clinic")
    coordinator.fill(Session, "plan", **later)
    rows = Session.objects.filter(group=None).order_by("starts_at")
    assert [row.place for row in rows] == ["by video", "Main St clinic"]
    both = single(world, starts="18:00", ends="19:00", off_site="Main St", room=world.room)
    answer = coordinator.fill(Session, "plan", **both)
    said = "It meets in a room, by video or off site: choose one of them."
    assert answer.errors == {"off_site": [said]}


def test_it_is_moved_off_site(world, coordinator):
    ahead = coordinator.look(planned(world), "move", off_site="Main St clinic")
    coordinator.save(ahead)
    assert (planned(world).room, planned(world).place) == (None, "Main St clinic")


def test_it_switches_to_video_and_back_to_the_room(world, coordinator):
    row = planned(world)
    page = coordinator.open(row, "place").content.decode()
    assert f"Now: {world.room}." in page
    answer = coordinator.fill(row, "place", by_video="on")
    assert answer.sentences == [f"{world.group}, Mon Mar 9, 9:00 AM: by video."]
    assert planned(world).place == "by video"
    assert "by video" in coordinator.open(row, "change").content.decode()
    answer = coordinator.fill(row, "place", room=world.room)
    assert planned(world).place == world.room.name
    assert actors(row) == {coordinator.user.actor}


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        ({}, {"room": ["Choose a room, by video, or say where else."]}),
        (
            {"by_video": "on", "off_site": "Main St"},
            {"off_site": ["It meets in a room, by video or off site: choose one of them."]},
        ),
    ],
)
def test_one_place_is_said(world, coordinator, given, errors):
    before = Session.objects.values().get(pk=planned(world).pk)
    assert coordinator.fill(planned(world), "place", **given).errors == errors
    assert Session.objects.values().get(pk=planned(world).pk) == before


def test_a_room_with_fewer_seats_is_refused_at_the_room(world, coordinator):
    small = factories.RoomFactory(clinic=world.clinic, name="Closet", seats=7)
    said = "Closet has 7 seats, and 8 are planned. Choose a larger room."
    assert coordinator.fill(planned(world), "place", room=small).errors == {"room": [said]}
    assert coordinator.fill(planned(world), "move", room=small).errors == {"room": [said]}
    extra = single(world, group=world.group, room=small)
    assert coordinator.fill(Session, "plan", **extra).errors == {"room": [said]}
    assert planned(world).room == world.room


def test_after_a_refusal_the_page_shows_where_it_meets_now(world, coordinator):
    taken = factories.RoomFactory(clinic=world.clinic, name="Taken")
    world.session(NEXT.isoformat(), "09:30", "10:30", room=taken)
    answer = coordinator.fill(planned(world), "place", room=taken)
    assert answer.errors == {"room": ["Taken is taken. Choose another time, or another room."]}
    assert f"Now: {world.room}." in answer.html
    assert planned(world).room == world.room
