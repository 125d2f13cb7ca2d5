"""What the pages of groups and rooms say at one glance: seats, template, who is where now."""

from __future__ import annotations

import datetime

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from iop_clinic.accounts.admin.panels import link, page_url
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from scheduling.models import Group, GroupMembership, Room, WaitlistEntry
from tests import factories as f
from tests.admin import Desk, desk, url
from tests.lists import cells, lines, panels
from tests.scheduling.conftest import TODAY, World, build

DAY = datetime.timedelta(days=1)


@pytest.fixture
def world(db: None) -> World:
    return build()


@pytest.fixture
def coordinator(world) -> Desk:
    return desk(world.clinic)


def seat(world: World, number: int, first: datetime.date = TODAY, **extra: object):
    return GroupMembership.objects.create(
        clinic=world.clinic, group=world.group, episode=world.episode(), seat=number,
        starts_on=first, **extra,
    )  # fmt: skip


def wait(world: World, group: Group | None = None) -> WaitlistEntry:
    return WaitlistEntry.objects.create(
        clinic=world.clinic, group=group or world.group, episode=world.episode(),
        added_at=world.at("2026-02-20", "09:00"), note="evenings",
    )  # fmt: skip


def evening(world: World, weekday: int, **extra: object) -> None:
    """Three sessions of an hour with pauses of ten minutes."""
    for hour, minute in ((18, 0), (19, 10), (20, 20)):
        starts, ends = datetime.time(hour, minute), datetime.time(hour + 1, minute)
        world.block(weekday=weekday, starts_at=starts, ends_at=ends, **extra)


# --- the list of groups ---------------------------------------------------------------------------


def test_the_list_says_seats_leaders_and_the_week_in_words(world, coordinator):
    for weekday in (0, 2, 4):
        evening(world, weekday)
    for number in range(1, 7):
        seat(world, number)
    wait(world)
    (row,) = cells(coordinator, Group)
    assert row == {
        "name": world.group.name, "kind": f"{world.program}, IOP 2.1, adult",
        "meets": "Mon Wed Fri 6:00 PM – 9:20 PM", "led_by": world.therapist.name,
        "members": "6 of 8", "free_seats": "2", "waiting": "1", "active": row["active"],
    }  # fmt: skip


def test_a_group_under_its_viable_size_says_so(world, coordinator):
    seat(world, 1)
    assert cells(coordinator, Group)[0]["members"] == "1 of 8 under its viable size of 5"


def test_a_group_nobody_was_ever_in_is_still_being_filled(world, coordinator):
    seat(world, 1, TODAY + DAY)
    assert cells(coordinator, Group)[0]["members"] == "0 of 8"


def test_the_page_says_what_is_wrong_with_the_size(world, coordinator):
    title = "Seats: {} of 8 taken, {} free".format
    assert panels(coordinator, world.group)[title(0, 8)].note == (
        "The group is viable from 5 members on."
    )
    seat(world, 1)
    assert panels(coordinator, world.group)[title(1, 7)].note.startswith(
        "<strong>The group is under its viable size of 5.</strong>"
    )


def test_a_promised_seat_is_not_free(world, coordinator):
    seat(world, 1)
    seat(world, 2, TODAY + DAY)
    seat(world, 3, TODAY - 9 * DAY, ends_on=TODAY - DAY)
    assert cells(coordinator, Group)[0]["free_seats"] == "6, and 1 promised"


def test_other_times_and_every_second_week_are_said(world, coordinator):
    world.block(weekday=0)
    world.block(weekday=1, every_weeks=2)
    world.block(weekday=2, starts_at=datetime.time(14), ends_at=datetime.time(15, 30))
    world.block(weekday=3, valid_until=TODAY - DAY)
    assert cells(coordinator, Group)[0]["meets"] == (
        "Mon 9:00 AM – 10:00 AM; Tue 9:00 AM – 10:00 AM, every 2 weeks; Wed 2:00 PM – 3:30 PM"
    )


def test_a_template_that_begins_later_says_when(world, coordinator):
    world.block(valid_from=TODAY + 7 * DAY)
    assert cells(coordinator, Group)[0]["meets"] == "from Mar 9, 2026: Mon 9:00 AM – 10:00 AM"


def test_a_therapist_finds_the_groups_they_lead_whole(world):
    leader = f.staff(world.clinic, Role.THERAPIST)
    own = leader.memberships.get().therapist
    world.block(weekday=0, facilitator=own)
    world.block(weekday=1)
    f.GroupFactory(clinic=world.clinic, program=world.program)
    (row,) = cells(Desk(leader), Group)
    assert (row["name"], row["meets"]) == (world.group.name, "Mon Tue 9:00 AM – 10:00 AM")


# --- the page of a group --------------------------------------------------------------------------


def test_every_seat_is_a_line_with_who_holds_it_and_who_comes_next(world, coordinator):
    here = seat(world, 1, ends_on=TODAY + 6 * DAY)
    next_ = seat(world, 1, TODAY + 7 * DAY)
    later = seat(world, 2, TODAY + DAY)
    panel = panels(coordinator, world.group)["Seats: 1 of 8 taken, 6 free, 1 promised"]
    first, second, third, *others = lines(panel)
    assert first == (
        "Seat 1", str(here.episode.patient), "Mar 2, 2026 – Mar 8, 2026",
        f"{next_.episode.patient} Mar 9, 2026 – open", "Transfer or end",
    )  # fmt: skip
    assert second == ("Seat 2", "free", "until Mon Mar 2",
                      f"{later.episode.patient} Mar 3, 2026 – open", "Change the seat")  # fmt: skip
    assert third == ("Seat 3", "free", "", "", "Enrol a patient")
    assert [one[0] for one in others] == [f"Seat {number}" for number in range(4, 9)]


def test_a_seat_above_capacity_is_listed_with_its_reason(world, coordinator):
    seat(world, 9, overflow_reason="court date", overflow_by=world.by)
    panel = panels(coordinator, world.group)["Seats: 1 of 8 taken, 8 free"]
    assert lines(panel)[-1][0] == "Seat 9 (above capacity: court date)"


def test_who_may_not_book_is_shown_no_next_step(world):
    seat(world, 1)
    panel = panels(desk(world.clinic, Role.AUDITOR), world.group)["Seats: 1 of 8 taken, 7 free"]
    assert list(panel.headers) == ["Seat", "Member", "From – until", "After that"]


def test_the_page_names_who_waits_and_the_next_sessions(world, coordinator):
    entry, session = wait(world), world.group_session(therapist=world.therapist, room=world.room)
    world.group_session("2026-03-01")
    found = panels(coordinator, world.group)
    assert lines(found["Waiting for a seat: 1"]) == [
        ("1", str(entry.episode.patient), "Feb 20, 2026", "Waiting", "", "evenings",
         "Offer the seat")
    ]  # fmt: skip
    assert found["Next sessions"].rows[0][0] == link(session, "Mon Mar 2, 9:00 AM – 10:00 AM")
    assert lines(found["Next sessions"]) == [
        ("Mon Mar 2, 9:00 AM – 10:00 AM", world.therapist.name, world.room.name, "0 of 8", "")
    ]


def test_the_page_is_a_noted_read(world, coordinator):
    coordinator.open(world.group, "change")
    read = AuditEvent.objects.get(operation="R")
    assert (read.table_name, read.row_id) == ("scheduling_group", world.group.pk)


def test_a_group_of_another_therapist_does_not_exist(world):
    world.block()
    assert desk(world.clinic, Role.THERAPIST).open(world.group, "change").status_code == 404


# --- rooms ----------------------------------------------------------------------------------------


def test_the_list_says_what_is_in_a_room_now_and_next(world, coordinator):
    other = f.SessionTypeFactory(clinic=world.clinic, name="Individual")
    world.group_session(room=world.room)
    world.session(starts="11:00", ends="11:50", session_type=other, room=world.room)
    world.session("2026-03-09", room=world.room)
    with time_machine.travel(world.at("2026-03-02", "09:30"), tick=False):
        (row,) = cells(coordinator, Room)
    assert (row["now"], row["next_today"], row["used"]) == (
        f"{world.group} until 10:00 AM", "Individual from 11:00 AM", "1 h 50",
    )  # fmt: skip


def test_an_empty_room_says_so(world, coordinator):
    (row,) = cells(coordinator, Room)
    assert (row["now"], row["next_today"], row["used"]) == ("free", "nothing more today", "0 min")


def test_a_colleagues_session_keeps_a_room_without_a_name(world):
    world.group_session(room=world.room)
    with time_machine.travel(world.at("2026-03-02", "09:30"), tick=False):
        (row,) = cells(desk(world.clinic, Role.THERAPIST), Room)
    assert row["now"] == "in use until 10:00 AM"


def test_the_page_of_a_room_lists_today_and_the_week(world, coordinator):
    today = world.group_session(room=world.room)
    friday = world.session("2026-03-06", room=world.room)
    world.session("2026-03-09", room=world.room)
    found = panels(coordinator, world.room)
    assert [row[0] for row in found["Today: 1 h"].rows] == [
        link(today, "Mon Mar 2, 9:00 AM – 10:00 AM")
    ]
    week = found["Other days of the week Mar 2 – Mar 8, 2026: 1 h"]
    assert [row[0] for row in week.rows] == [link(friday, "Fri Mar 6, 9:00 AM – 10:00 AM")]


# --- statements -----------------------------------------------------------------------------------


def statements(at: Desk, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert at.client.get(address).status_code == 200
    return len(captured)


def fill(world: World, count: int) -> None:
    """So many members, entries on the waitlist, blocks and sessions."""
    for number in range(1, count + 1):
        seat(world, number)
        wait(world)
        world.block(weekday=number % 7)
        day = (TODAY + number % 5 * DAY).isoformat()
        hour = 8 + number
        world.group_session(day, starts=f"{hour:02}:00", ends=f"{hour:02}:50", room=world.room)


def test_the_pages_take_as_many_statements_for_one_row_as_for_eight(world, coordinator):
    pages = [page_url(world.group), page_url(world.room), url(Group), url(Room)]
    fill(world, 1)
    before = [statements(coordinator, page) for page in pages]
    other = build()
    fill(other, 8)
    at = desk(other.clinic)
    pages = [page_url(other.group), page_url(other.room), url(Group), url(Room)]
    assert [statements(at, page) for page in pages] == before == [17, 8, 10, 7]
