"""A session moved from the calendar: it shows where the session fits, and leads to the move."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.utils import timezone

from iop_clinic.accounts.roles import Role
from scheduling.models import Session
from scheduling.services import book, cancel_session
from tests import factories as f
from tests.admin import Desk, desk, filled, url
from tests.attendance.week_calendar.test_access import grow, statements
from tests.attendance.week_calendar.wall import MON, TUE, WED, closed, individual, seated, week
from tests.scheduling.conftest import World


@pytest.fixture
def session(world: World) -> Session:
    """Tuesday from two to ten to three, with its leader, its room and a patient."""
    row = individual(world, therapist=world.therapist, room=world.room)
    seated(world, row, 1)
    return row


def fits(page: Any) -> dict[str, dict[str, list[str]]]:
    """By row and day: the stretches in which the session fits, and what is proposed."""
    with timezone.override(page.context["clinic"].tz):
        found = {
            name: {
                f"{day.date:%a}": said
                for cell, day in cells
                if (
                    said := [f"{one.fits} of {one.times}" for one in cell.items if _is_opening(one)]
                )
            }
            for name, cells in page.context["rows"]
        }
    return {name: days for name, days in found.items() if days}


def _is_opening(item: Any) -> bool:
    return hasattr(item, "fits")


def at_move(at: Desk, session: Session, **query: Any) -> Any:
    return week(at, day=TUE, move=session.pk, **query)


def test_it_fits_where_leader_room_and_patients_are_free_at_its_own_time_first(
    world, coordinator, session
):
    (booking,) = session.bookings.all()
    other = f.RoomFactory(clinic=world.clinic)
    individual(world, WED, "09:00", therapist=world.therapist)  # until 9:50
    f.booking(individual(world, WED, "12:00"), booking.episode)
    world.session("2026-03-05", "08:00", "12:00", room=other)
    assert fits(at_move(coordinator, session)) == {
        world.room.name: {
            "Mon": ["2:00 PM of 11:30 AM – 4:50 PM"],
            "Tue": ["8:00 AM of 8:00 AM – 4:50 PM"],
            "Wed": ["8:00 AM of 8:00 – 8:50 AM", "10:00 AM of 10:00 – 11:50 AM",
                    "2:00 PM of 1:00 – 4:50 PM"],
            "Thu": ["2:00 PM of 8:00 AM – 4:50 PM"],
            "Fri": ["2:00 PM of 8:00 AM – 4:50 PM"],
        },
        other.name: {
            "Mon": ["2:00 PM of 11:30 AM – 4:50 PM"],
            "Tue": ["2:00 PM of 8:00 AM – 4:50 PM"],
            "Wed": ["8:00 AM of 8:00 – 8:50 AM", "10:00 AM of 10:00 – 11:50 AM",
                    "2:00 PM of 1:00 – 4:50 PM"],
            "Thu": ["2:00 PM of 12:00 – 4:50 PM"],
            "Fri": ["2:00 PM of 8:00 AM – 4:50 PM"],
        },
    }  # fmt: skip


def test_not_on_a_closed_day_nor_while_the_leader_is_off(world, coordinator, session):
    closed(world, WED, reason="Snow")
    world.therapist.time_off.create(
        clinic=world.clinic, starts_at=world.at("2026-03-05", "00:00"),
        ends_at=world.at("2026-03-06", "00:00"),
    )  # fmt: skip
    assert list(fits(at_move(coordinator, session))[world.room.name]) == ["Mon", "Tue", "Fri"]


def test_not_in_a_room_with_too_few_seats(world, coordinator):
    row = world.session(TUE, "09:00", "10:00", room=world.room)
    seated(world, row, 3)
    small, wide = (f.RoomFactory(clinic=world.clinic, seats=seats) for seats in (2, 3))
    assert (small.name in (found := fits(at_move(coordinator, row))), wide.name in found) == (
        False, True,
    )  # fmt: skip


def test_not_after_the_leaders_license_has_ended(world, coordinator, session):
    f.LicenseFactory(
        clinic=world.clinic, therapist=world.therapist, state=world.clinic.state,
        expires_on=session.local_date,
    )  # fmt: skip
    assert list(fits(at_move(coordinator, session))[world.room.name]) == ["Mon", "Tue"]


def test_a_visit_stays_inside_what_it_interrupts_and_that_stays_around_it(world, coordinator):
    other = f.RoomFactory(clinic=world.clinic)
    around = world.session(TUE, "09:00", "12:00", room=world.room)
    (outer,) = seated(world, around, 1)
    visit = world.session(TUE, "10:00", "10:30", room=other, capacity=1)
    book(session=visit, episode=outer.episode, nested_in=outer, by=world.by)
    assert fits(at_move(coordinator, visit)) == {
        other.name: {"Tue": ["9:00 AM of 9:00 AM – 12:00 PM"]},
    }  # fmt: skip
    third = f.RoomFactory(clinic=world.clinic)
    assert fits(at_move(coordinator, around)) == {
        third.name: {"Tue": ["9:00 AM of 9:00 AM – 12:00 PM"]},
    }  # fmt: skip


@pytest.mark.parametrize("by", ["therapist", "group"])
def test_by_other_rows_it_fits_in_its_own(world, coordinator, session, by):
    f.TherapistFactory(clinic=world.clinic)
    own = {"therapist": world.therapist.name, "group": session.title}[by]
    assert list(fits(at_move(coordinator, session, by=by))) == [own]


def test_a_place_leads_to_what_comes_of_the_move_and_then_back_to_the_week(
    world, coordinator, session
):
    other = f.RoomFactory(clinic=world.clinic)
    page = at_move(coordinator, session)
    cells = dict(page.context["rows"])[other.name]
    (opening,) = [one for cell, day in cells if day.date.isoformat() == WED for one in cell.items]
    ahead = coordinator.client.get(opening.url)
    sent = filled(ahead)
    assert (sent["day"], sent["starts"], sent["ends"], sent["room"]) == (
        "03/04/2026", "02:00 PM", "02:50 PM", str(other.pk),
    )  # fmt: skip
    assert ahead.context["ahead"][0].title == "Who moves along"
    saved = coordinator.send(opening.url, {**sent, "seen": ahead.context["seal"]})
    assert saved.sentences == ["Moved to Wed Mar 4, 2:00 PM EST."]
    assert saved.location == "/admin/scheduling/session/week/?by=room&day=2026-03-03"
    session.refresh_from_db()
    assert (session.local_date, session.room) == (datetime.date(2026, 3, 4), other)


def test_a_place_that_was_taken_meanwhile_is_said_at_once(world, coordinator, session):
    (booking,) = session.bookings.all()
    f.booking(individual(world, WED, "14:00"), booking.episode)
    address = url(session, "move") + "?day=2026-03-04&starts=14:00&ends=14:50"
    before = list(Session.objects.order_by("pk").values())
    page = coordinator.client.get(address)
    assert list(page.context["form"].errors) == ["starts"]
    assert list(Session.objects.order_by("pk").values()) == before
    page = coordinator.client.get(url(session, "move") + "?day=2026-03-04&starts=14:00&ends=x")
    assert list(page.context["form"].errors) == ["ends"]


def test_each_session_to_come_leads_to_its_move_and_no_other(world, coordinator, session):
    begun = individual(world, MON, "09:00")
    gone = individual(world, WED)
    cancel_session(session=gone, reason="Snow", by=world.by)
    html = week(coordinator, day=TUE).content.decode()
    assert [f"&amp;move={one.pk}" in html for one in (session, begun, gone)] == [True, False, False]


def test_the_weeks_and_days_keep_what_is_to_be_moved(coordinator, session):
    page = at_move(coordinator, session)
    links = [address for _, address in page.context["weeks"]]
    links += [day.url for day in page.context["days"]]
    assert all(one.endswith(f"&move={session.pk}") for one in links)
    later = coordinator.client.get(page.context["weeks"][2][1])
    assert "Mon" in next(iter(fits(later).values()))


def test_what_cannot_be_moved_is_said(world, coordinator, session):
    begun = individual(world, MON, "09:00")
    for key in (begun.pk, 0, 10**9, "x"):
        page = week(coordinator, day=TUE, move=key)
        assert fits(page) == {}
        said = "That session has begun, is cancelled or is not here: it stays where it is."
        assert (said in page.content.decode()) is (key in (begun.pk, 10**9))


def test_who_does_not_plan_is_shown_no_way_to_move(world, session):
    page = at_move(desk(world.clinic, Role.FRONT_DESK), session)
    assert fits(page) == {}
    assert "move=" not in page.content.decode()


def test_no_session_of_another_clinic_is_moved_or_named(coordinator, session):
    other = desk(f.ClinicFactory())
    page = at_move(other, session)
    assert (fits(page), page.context["moving"]) == ({}, None)


def test_looking_takes_the_same_statements_at_1_and_at_50_rows(world, coordinator, session):
    grow(world, 1)
    few = statements(coordinator, "room", move=session.pk)
    grow(world, 49)
    assert statements(coordinator, "room", move=session.pk) == few == 11 + 10
