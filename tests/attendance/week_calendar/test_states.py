"""What the week calendar says of a session, of closures and of who is missing."""

from __future__ import annotations

import datetime
import re
from typing import Any

import pytest
import time_machine

from attendance.models import AttendanceRecord
from attendance.sessions import cancel_session
from iop_clinic.accounts.roles import Role
from scheduling.models import Session
from scheduling.services import add_time_off
from tests import factories as f
from tests.admin import Desk, desk, url
from tests.attendance.week_calendar.wall import (
    MON,
    TUE,
    WED,
    WEEK,
    closed,
    days,
    group_day,
    individual,
    said,
    seated,
    week,
)
from tests.scheduling.conftest import World

# --- what state it is in ---------------------------------------------------------------------


def record(world: World, *bookings: Any) -> None:
    for one in bookings:
        AttendanceRecord.objects.create(clinic=world.clinic, booking=one, attended=True)


def state(at: Desk) -> list[str]:
    rows = said(week(at))
    (item,) = [item for cells in rows.values() for items in cells.values() for item in items]
    return item.split(", ")[2:]


@pytest.mark.parametrize(
    ("starts", "ends", "told"),
    [
        ("12:00", "12:50", "upcoming"),
        ("10:30", "11:20", "now"),
        ("10:00", "10:01", "ended"),
        ("09:00", "10:00", "not recorded"),
    ],
)
def test_without_records_the_clock_says_the_state(world, coordinator, starts, ends, told):
    ends = "10:15" if ends == "10:01" else ends
    seated(world, world.session(MON, starts, ends, capacity=2))
    assert state(coordinator) == ["2 of 2", told]


def test_whoever_leads_it_is_asked_after_a_quarter_of_an_hour(world, coordinator):
    leader = f.staff(world.clinic, Role.THERAPIST)
    therapist = leader.memberships.get().therapist
    seated(world, world.session(MON, "10:00", "10:45", capacity=2, therapist=therapist))
    assert state(Desk(leader)) == [therapist.name, "2 of 2", "not recorded"]
    assert state(coordinator) == [therapist.name, "2 of 2", "ended"]


def test_a_roster_partly_in_says_how_much_is_missing(world, coordinator):
    bookings = seated(world, world.session(MON, "08:00", "09:00", capacity=2))
    record(world, bookings[0])
    assert state(coordinator) == ["2 of 2", "1 of 2 not recorded"]
    record(world, bookings[1])
    assert state(coordinator) == ["2 of 2", "recorded"]


def test_a_signed_roster_is_called_so(world, coordinator):
    session = world.session(MON, "08:00", "09:00", capacity=2)
    record(world, *seated(world, session))
    Session.objects.filter(pk=session.pk).update(
        signed_at=session.ends_at, signed_by=coordinator.user
    )
    assert state(coordinator) == ["2 of 2", "signed"]


def test_who_gave_notice_is_expected_but_holds_no_seat(world, coordinator):
    given_up, _ = seated(world, world.session(MON, "08:00", "09:00", capacity=2))
    given_up.state, given_up.released_at = "released", given_up.starts_at
    given_up.save()
    assert state(coordinator) == ["1 of 2", "not recorded"]


def test_who_was_withdrawn_is_not_expected(world, coordinator):
    gone, came = seated(world, world.session(MON, "08:00", "09:00", capacity=2))
    gone.state, gone.withdrawn_reason = "withdrawn", "Moved"
    gone.save()
    record(world, came)
    assert state(coordinator) == ["1 of 2", "recorded"]


def test_a_past_session_without_patients_is_not_missing_a_roster(world, coordinator):
    world.session(MON, "08:00", "09:00", capacity=2)
    page = week(coordinator)
    assert page.context["counts"] == {"sessions": 1, "cancelled": 0, "unrecorded": 0}
    assert state(coordinator) == ["0 of 2", "nobody expected"]


def test_a_cancelled_session_stays_struck_through_and_is_not_counted(world, coordinator):
    session = individual(world, therapist=world.therapist, room=world.room)
    cancel_session(session=session, reason="Snow", by=world.by)
    page = week(coordinator)
    assert state(coordinator) == [world.therapist.name, "cancelled"]
    assert "cal-cancelled" in page.content.decode()
    assert page.context["counts"] == {"sessions": 0, "cancelled": 1, "unrecorded": 0}


# --- closed, off, without cover --------------------------------------------------------------


def test_a_closed_day_is_shaded_on_every_row_and_named_once(world, coordinator):
    other = f.RoomFactory(clinic=world.clinic)
    closed(world, WED, reason="Snow")
    page = week(coordinator)
    assert said(page) == {one.name: {"Wed": ["closed"]} for one in (world.room, other)}
    assert [day.closed for day in page.context["days"]][2] == ["Closed: Snow"]
    assert page.content.decode().count("cal-shut") == 2


def test_closed_hours_and_closed_rooms_say_which(world, coordinator):
    other = f.RoomFactory(clinic=world.clinic)
    hours = {"from_time": datetime.time(13), "to_time": datetime.time(17)}
    closed(world, TUE, reason="Training", **hours)
    closed(world, TUE, reason="Painting", room=world.room)
    page = week(coordinator)
    assert said(page) == {
        world.room.name: {"Tue": ["closed", "1:00 – 5:00 PM closed"]},
        other.name: {"Tue": ["1:00 – 5:00 PM closed"]},
    }
    assert sorted([day.closed for day in page.context["days"]][1]) == [
        "Closed 1:00 – 5:00 PM: Training", f"{world.room} closed: Painting",
    ]  # fmt: skip
    assert said(week(coordinator, by="group")) == {
        world.group.name: {"Tue": ["1:00 – 5:00 PM closed"]}
    }


def test_a_closed_weekend_has_a_column(world, coordinator):
    closed(world, "2026-03-08", reason="Easter")
    assert days(week(coordinator))[-1] == "Sun Mar 8"
    closed(world, "2026-03-16", reason="Next Monday")
    assert len(days(week(coordinator, day="2026-03-09"))) == 5


def off(world: World, starts: str, ends: str) -> None:
    starts_at, ends_at = (world.at(*one.split()) for one in (starts, ends))
    add_time_off(
        therapist=world.therapist, starts_at=starts_at, ends_at=ends_at, reason="Surgery",
        by=world.by,
    )  # fmt: skip


def test_time_off_is_shaded_for_its_therapist_without_the_reason(world, coordinator):
    off(world, f"{TUE} 12:00", f"{WED} 09:00")
    off(world, "2026-03-05 00:00", "2026-03-06 00:00")
    page = week(coordinator, by="therapist")
    assert said(page)[world.therapist.name] == {
        "Tue": ["from 12:00 PM time off"],
        "Wed": ["until 9:00 AM time off"],
        "Thu": ["time off"],
    }
    assert "Surgery" not in page.content.decode()
    assert said(week(coordinator)) == {world.room.name: {}}


def test_a_session_without_cover_is_listed_first_with_the_way_to_a_substitute(world, coordinator):
    (first, *_) = group_day(world)
    off(world, f"{TUE} 08:00", f"{TUE} 10:00")
    page = week(coordinator)
    assert [one.session for one in page.context["uncovered"]] == [first]
    assert page.context["to_look_at"] == []
    html = page.content.decode()
    assert "1 session needs cover" in html
    assert html.count("needs cover") == 2
    assert html.index(url(first, "substitute")) < html.index("<table")


def test_a_substitute_is_assigned_from_the_week_and_back_to_it(world, coordinator):
    session, helper = individual(world), f.TherapistFactory(clinic=world.clinic)
    html = week(coordinator, by="group", day=WED).content.decode()
    (address,) = re.findall(f'href="({url(session, "substitute")}[^"]*)"', html)
    answer = coordinator.send(address, {"therapist": str(helper.pk)})
    assert answer.location == f"{WEEK}?by=group&day={WED}"
    assert answer.sentences == [f"{helper} leads {session.title}, Tue Mar 3, 2:00 PM."]
    assert week(coordinator).context["uncovered"] == []


def test_who_may_not_plan_sees_what_needs_cover_without_the_verb(world):
    (first, *_) = group_day(world)
    off(world, f"{TUE} 08:00", f"{TUE} 10:00")
    html = week(desk(world.clinic, Role.FRONT_DESK)).content.decode()
    assert "1 session needs cover" in html
    assert url(first, "substitute") not in html


def test_by_therapist_it_stands_under_nobody(world, coordinator):
    individual(world, room=world.room)
    assert next(iter(said(week(coordinator, by="therapist")))) == "Nobody"


def test_what_else_needs_attention_is_said_apart(world, coordinator):
    session = individual(world, therapist=world.therapist, needs_attention="No room: x is closed")
    page = week(coordinator)
    assert [one.to_look_at for one in page.context["to_look_at"]] == ["No room: x is closed"]
    assert page.context["uncovered"] == []
    assert "Every session to come has somebody to lead it." in page.content.decode()
    with time_machine.travel(session.ends_at):
        assert week(Desk(coordinator.user)).context["to_look_at"] == []


@pytest.mark.parametrize(
    ("expires_on", "attention", "said"),
    [
        ("2026-03-02", "", "Needs cover: {}"),  # it has run out since the session was planned
        ("2030-12-31", "License: none of {} is valid", ""),  # entered since
        ("2030-12-31", "No room: Oak is closed", "To look at: No room: Oak is closed."),
    ],
)
def test_the_sessions_page_says_of_its_cover_what_the_calendar_says(
    world, coordinator, expires_on, attention, said
):
    session = individual(world, therapist=world.therapist, needs_attention=attention)
    f.LicenseFactory(therapist=world.therapist, expires_on=expires_on)
    shown = week(coordinator).context
    (panel,) = [
        one
        for one in coordinator.open(session, "change").context["panels_above"]
        if one.title == "Led by"
    ]
    told = [f"Needs cover: {one.uncovered}." for one in shown["uncovered"]]
    told += [f"To look at: {one.to_look_at}." for one in shown["to_look_at"]]
    assert "".join(told) == panel.note
    why = f"License: none of {world.therapist.name} is valid on Tue Mar 3."
    assert panel.note == said.format(why)
