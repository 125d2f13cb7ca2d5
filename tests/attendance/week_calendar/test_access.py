"""The week calendar shows nothing that is not one's own, and asks no more when it is full."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import PERMISSIONS, Can, Role
from scheduling.models import Session
from tests import factories as f
from tests.admin import Desk, desk
from tests.attendance.week_calendar.wall import (
    MON,
    TUE,
    WED,
    WEEK,
    closed,
    group_day,
    individual,
    said,
    seated,
    week,
)
from tests.scheduling.conftest import World, build

# --- who sees what ---------------------------------------------------------------------------


def test_a_therapist_sees_the_sessions_they_lead_and_rows_of_nobody_else(world):
    alice = f.staff(world.clinic, Role.THERAPIST)
    own = alice.memberships.get().therapist
    group_day(world)
    mine = individual(world, therapist=own, room=f.RoomFactory(clinic=world.clinic))
    at = Desk(alice)
    assert list(said(week(at, by="therapist"))) == [own.name]
    assert list(said(week(at))) == [mine.room.name]
    html = week(at, by="group").content.decode()
    assert "These are the sessions you lead." in html
    assert world.group.name not in html


def test_nothing_of_another_clinic_is_shown(world, coordinator):
    other = build()
    group_day(other)
    individual(other, MON)
    page = week(coordinator, by="therapist")
    assert list(said(page)) == [world.therapist.name]
    assert page.context["counts"]["sessions"] == 0


def test_who_works_in_two_clinics_sees_the_one_they_work_in_now(world, coordinator):
    other = build()
    individual(other)
    f.MembershipFactory(clinic=other.clinic, user=coordinator.user)
    page = week(coordinator)
    assert (page.context["clinic"], page.context["counts"]["sessions"]) == (world.clinic, 0)
    assert list(said(page)) == [world.room.name]


def test_no_patient_is_named(world, coordinator):
    (booking, *_) = seated(world, group_day(world)[0])
    html = week(coordinator).content.decode()
    assert booking.patient.last_name not in html
    assert not AuditEvent.objects.filter(operation="R").exists()


@pytest.mark.parametrize("role", Role)
def test_it_opens_for_whoever_may_see_the_schedule(world, role):
    assert len(week(desk(world.clinic, role)).context["days"]) == 5


def test_who_may_not_see_the_schedule_does_not_see_it(world, monkeypatch):
    monkeypatch.setitem(PERMISSIONS, Role.FRONT_DESK, frozenset({Can.VIEW_PATIENTS}))
    group_day(world)
    answer = desk(world.clinic, Role.FRONT_DESK).client.get(WEEK)
    assert (answer.status_code, world.group.name in answer.content.decode()) == (403, False)


def test_who_is_not_signed_in_is_sent_to_the_login_page(client, world):
    answer = client.get(WEEK)
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next={WEEK}")


def test_it_is_in_the_menu_and_on_the_list_and_marked_alone(world, coordinator):
    listed = coordinator.open(Session)
    assert listed.context["actions_list"][0] == {"title": "Week", "path": WEEK}
    for page, name in ((listed, "Sessions"), (week(coordinator), "Week")):
        items = [one for menu in page.context["sidebar_navigation"] for one in menu["items"]]
        assert [one["title"] for one in items if one["active"]] == [name]


# --- how much it asks ------------------------------------------------------------------------


def statements(at: Desk, by: str, **query: object) -> int:
    with CaptureQueriesContext(connection) as captured:
        week(at, by=by, **query)
    return len(captured)


def grow(world: World, count: int) -> None:
    """So many therapists more, each with a group, a room, a session, a license and time off."""
    for _ in range(count):
        therapist = f.LicenseFactory(therapist__clinic=world.clinic).therapist
        group = f.GroupFactory(clinic=world.clinic, program=world.program)
        room = f.RoomFactory(clinic=world.clinic)
        session = world.session(TUE, group=group, room=room, therapist=therapist)
        seated(world, session, 1)
        closed(world, WED, reason="Painting", room=room)
        therapist.time_off.create(
            clinic=world.clinic, starts_at=world.at(WED, "00:00"), ends_at=world.at(WED, "12:00")
        )


@pytest.mark.parametrize(("by", "expected"), [("room", 11), ("therapist", 12), ("group", 12)])
def test_it_takes_the_same_statements_at_1_and_at_50_rows(world, coordinator, by, expected):
    grow(world, 1)
    assert statements(coordinator, by) == expected
    grow(world, 49)
    assert statements(coordinator, by) == expected


def test_a_closed_room_makes_no_row_for_a_therapist_who_does_not_use_it(world):
    other = f.RoomFactory(clinic=world.clinic)
    closed(world, MON, reason="Painting", room=other)
    page = week(desk(world.clinic, Role.THERAPIST), by="room")
    assert said(page) == {}
    assert other.name in said(week(desk(world.clinic), by="room"))
