"""The week calendar: each session where it belongs, in words, and nothing that is not one's own."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from attendance.admin.week_calendar.grid import clock_span
from attendance.admin.week_calendar.page import WRONG_BY, WRONG_DAY
from attendance.models import AttendanceRecord
from attendance.sessions import cancel_session
from iop_clinic.accounts.models import AuditEvent, Therapist
from iop_clinic.accounts.roles import PERMISSIONS, Can, Role
from scheduling.models import Session
from scheduling.services import add_closure, add_time_off
from tests import factories as f
from tests.admin import Desk, desk, url
from tests.scheduling.conftest import World, build

MON, TUE, WED = "2026-03-02", "2026-03-03", "2026-03-04"
WEEK = reverse("admin:scheduling_session_week")


@pytest.fixture(autouse=True)
def _monday_at_eleven() -> Iterator[None]:
    with time_machine.travel(datetime.datetime(2026, 3, 2, 16, 0, tzinfo=datetime.UTC), tick=False):
        yield


@pytest.fixture
def world(db: None) -> World:
    return build()


@pytest.fixture
def coordinator(world: World) -> Desk:
    return desk(world.clinic)


def week(at: Desk, **query: Any) -> Any:
    response = at.client.get(WEEK, query)
    assert response.status_code == 200
    return response


def said(page: Any) -> dict[str, dict[str, list[str]]]:
    """By row and day: what stands there, in the clinic's wall time as on the page."""
    with timezone.override(page.context["clinic"].tz):
        return {
            name: {
                f"{day.date:%a}": [_item(one) for one in cell.items]
                for cell, day in cells
                if cell.items
            }
            for name, cells in page.context["rows"]
        }


def _item(item: Any) -> str:
    if hasattr(item, "word"):
        return item.word if item.all_day else f"{item.times} {item.word}"
    states = [one.state_said for one in item.entries]
    parts = [item.times, item.title, item.facts, item.seats, *states]
    return ", ".join(part for part in parts if part)


def group_day(world: World, day: str = TUE, **extra: Any) -> list[Session]:
    """Three sessions of the group with breaks between them."""
    times = (("09:00", "10:00"), ("10:10", "11:10"), ("11:20", "12:20"))
    given = {"therapist": world.therapist, "room": world.room, "group": world.group, **extra}
    return [
        world.session(day, *one, capacity=8, session_type=f.SessionTypeFactory(clinic=world.clinic),
                      **given)
        for one in times
    ]  # fmt: skip


def individual(world: World, day: str = TUE, starts: str = "14:00", **extra: Any) -> Session:
    ends = f"{int(starts[:2]):02}:50"
    return world.session(day, starts, ends, capacity=1, **extra)


# --- where a session stands ------------------------------------------------------------------


def test_by_room_a_groups_day_is_one_run_and_an_empty_room_is_seen(world, coordinator):
    group_day(world)
    empty = f.RoomFactory(clinic=world.clinic, name="Zelkova")
    run = (
        f"9:00 AM – 12:20 PM, {world.group}, {world.therapist.name}, 0 of 8, "
        "upcoming, upcoming, upcoming"
    )
    assert said(week(coordinator)) == {world.room.name: {"Tue": [run]}, empty.name: {}}


def test_each_session_of_a_run_opens_by_itself(world, coordinator):
    rows = group_day(world)
    html = week(coordinator).content.decode()
    assert [html.count(f'href="{url(one, "change")}"') for one in rows] == [1, 1, 1]


def test_a_long_break_or_another_leader_begins_a_new_run(world, coordinator):
    given = {"group": world.group, "room": world.room, "capacity": 8}
    world.session(TUE, "09:00", "10:00", therapist=world.therapist, **given)
    world.session(TUE, "10:31", "11:00", therapist=world.therapist, **given)
    other = f.TherapistFactory(clinic=world.clinic)
    world.session(TUE, "11:00", "12:00", therapist=other, **given)
    runs = said(week(coordinator))[world.room.name]["Tue"]
    assert [one.split(",")[0] for one in runs] == [
        "9:00 – 10:00 AM", "10:31 – 11:00 AM", "11:00 AM – 12:00 PM",
    ]  # fmt: skip


def test_single_sessions_in_one_pair_of_hands_are_no_run(world, coordinator):
    for starts in ("13:00", "14:00"):
        individual(world, starts=starts, therapist=world.therapist, room=world.room)
    assert len(said(week(coordinator))[world.room.name]["Tue"]) == 2


def test_a_group_that_changes_its_room_begins_a_new_run(world, coordinator):
    given = {"group": world.group, "therapist": world.therapist, "capacity": 8}
    world.session(TUE, "09:00", "10:00", room=world.room, **given)
    world.session(TUE, "10:10", "11:10", room=f.RoomFactory(clinic=world.clinic), **given)
    assert len(said(week(coordinator, by="group"))[world.group.name]["Tue"]) == 2


def test_a_run_says_its_seats_once_where_they_are_the_same(world, coordinator):
    first, *_ = group_day(world)
    f.booking(first, world.episode())
    (run,) = said(week(coordinator))[world.room.name]["Tue"]
    assert "of 8" not in run
    html = week(coordinator).content.decode()
    assert [html.count("1 of 8"), html.count("0 of 8")] == [1, 2]


def test_a_run_with_one_session_cancelled_is_not_struck_through(world, coordinator):
    first, *_ = group_day(world)
    cancel_session(session=first, reason="Snow", by=world.by)
    page = week(coordinator)
    assert said(page)[world.room.name]["Tue"][0].endswith("cancelled, upcoming, upcoming")
    assert "cal-run cal-cancelled" not in page.content.decode()
    assert [day.sessions for day in page.context["days"]] == [0, 2, 0, 0, 0]


def test_rows_of_what_is_no_longer_in_use_are_left_out(world, coordinator):
    f.RoomFactory(clinic=world.clinic, active=False)
    f.TherapistFactory(clinic=world.clinic, active=False)
    f.GroupFactory(clinic=world.clinic, program=world.program, active=False)
    assert [list(said(week(coordinator, by=by))) for by in ("room", "therapist", "group")] == [
        [world.room.name], [world.therapist.name], [world.group.name],
    ]  # fmt: skip


def test_without_a_room_and_by_video_have_rows_of_their_own(world, coordinator):
    individual(world, session_type=world.kind, therapist=world.therapist)
    individual(world, WED, session_type=world.kind, by_video=True)
    told = said(week(coordinator))
    assert list(told) == ["No room", world.room.name, "By video"]
    assert told["No room"]["Tue"] == [
        f"2:00 – 2:50 PM, {world.kind}, {world.therapist.name}, 0 of 1, upcoming"
    ]


def test_by_therapist_a_session_stands_with_each_leader_and_free_ones_are_seen(world, coordinator):
    (session, *_) = group_day(world)
    other, free = f.TherapistFactory(clinic=world.clinic), f.TherapistFactory(clinic=world.clinic)
    session.staff.create(
        clinic=world.clinic, therapist=other, role="co_facilitator",
        starts_at=session.starts_at, ends_at=session.ends_at, live=True,
    )  # fmt: skip
    told = said(week(coordinator, by="therapist"))
    beside = f"with {world.therapist.name} · {world.room}, 0 of 8, upcoming"
    assert told[other.name] == {"Tue": [f"9:00 – 10:00 AM, {world.group}, {beside}"]}
    assert len(told[world.therapist.name]["Tue"]) == 2
    assert told[free.name] == {}


def test_two_therapists_of_one_name_have_two_rows(world, coordinator):
    Therapist.objects.filter(pk=world.therapist.pk).update(name="Alex Smith")
    f.TherapistFactory(clinic=world.clinic, name="Alex Smith")
    names = [name for name, _ in week(coordinator, by="therapist").context["rows"]]
    assert names == ["Alex Smith", "Alex Smith"]


def test_by_group_single_sessions_stand_under_their_type(world, coordinator):
    individual(world, session_type=world.kind, therapist=world.therapist, room=world.room)
    told = said(week(coordinator, by="group"))
    assert list(told) == [world.group.name, world.kind.name]
    assert told[world.kind.name]["Tue"] == [
        f"2:00 – 2:50 PM, {world.kind}, {world.therapist.name} · {world.room}, 0 of 1, upcoming"
    ]


# --- which week and which days ---------------------------------------------------------------


def days(page: Any) -> list[str]:
    return [f"{day.date:%a %b} {day.date.day}" for day in page.context["days"]]


def test_the_current_week_by_room_is_shown_with_its_business_days(world, coordinator):
    page = week(coordinator)
    assert days(page) == ["Mon Mar 2", "Tue Mar 3", "Wed Mar 4", "Thu Mar 5", "Fri Mar 6"]
    assert [day.today for day in page.context["days"]] == [True, False, False, False, False]
    assert f"Times in {world.clinic.zone}." in page.content.decode()


def test_an_empty_week_to_come_says_when_it_fills(world, coordinator):
    sentence = "No session is planned in this week. Weekly blocks become sessions four weeks ahead."
    assert sentence in week(coordinator, day="2026-05-04").content.decode()
    assert sentence not in week(coordinator, day="2026-02-02").content.decode()
    group_day(world)
    assert sentence not in week(coordinator).content.decode()


def test_a_weekend_with_a_session_has_a_column(world, coordinator):
    individual(world, "2026-03-07")
    assert days(week(coordinator))[-2:] == ["Fri Mar 6", "Sat Mar 7"]


def test_the_week_starts_as_the_clinics_does_and_knows_its_business_days(world, coordinator):
    world.clinic.week_starts_on, world.clinic.business_days = 6, [6, 0]
    world.clinic.save()
    assert days(week(coordinator)) == ["Sun Mar 1", "Mon Mar 2"]


def test_weeks_before_and_after_keep_the_rows(world, coordinator):
    links = dict(week(coordinator, by="group", day=WED).context["weeks"])
    assert links == {
        "Week before": f"{WEEK}?by=group&day=2026-02-25",
        "This week": f"{WEEK}?by=group&day=2026-03-02",
        "Week after": f"{WEEK}?by=group&day=2026-03-11",
    }


@pytest.mark.parametrize(
    "day", ["tomorrow", "2026-02-30", "1999-12-31", "2200-01-01", "9999-12-31", "\0", "5" * 5000]
)
def test_a_day_that_is_none_is_answered_with_the_current_week_and_a_sentence(
    world, coordinator, day
):
    page = week(coordinator, by="therapist", day=day)
    assert days(page)[0] == "Mon Mar 2"
    assert page.context["asked"].by == "therapist"
    assert WRONG_DAY in page.content.decode()


def test_rows_that_are_none_are_answered_with_the_current_week_and_a_sentence(world, coordinator):
    page = week(coordinator, by="patient", day="2026-04-01")
    assert (days(page)[0], page.context["asked"].by) == ("Mon Mar 2", "room")
    assert WRONG_BY in page.content.decode()


@pytest.mark.parametrize("day", ["2000-01-01", "2199-12-31"])
def test_the_first_and_the_last_week_open(world, coordinator, day):
    assert week(coordinator, day=day).context["asked"].mistake == ""


@pytest.mark.parametrize(("asked", "chosen"), [(WED, "Wed Mar 4"), ("2026-03-08", "Fri Mar 6")])
def test_a_phone_shows_the_day_asked_for_or_the_nearest(world, coordinator, asked, chosen):
    page = week(coordinator, day=asked)
    found = [one.date for one in page.context["days"] if one.chosen]
    assert [f"{day:%a %b} {day.day}" for day in found] == [chosen]


def test_a_span_says_the_half_of_the_day_once_where_it_can(world):
    spans = [("09:00", "09:50"), ("11:00", "12:00"), ("12:00", "13:00")]
    with timezone.override(world.clinic.tz):
        told = [clock_span(world.at(TUE, one), world.at(TUE, other)) for one, other in spans]
    assert told == ["9:00 – 9:50 AM", "11:00 AM – 12:00 PM", "12:00 – 1:00 PM"]


# --- what state it is in ---------------------------------------------------------------------


def seated(world: World, session: Session, count: int = 2) -> list[Any]:
    return [f.booking(session, world.episode(), seat) for seat in range(1, count + 1)]


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


def closed(world: World, day: str, **extra: Any) -> None:
    date = datetime.date.fromisoformat(day)
    add_closure(clinic=world.clinic, starts_on=date, ends_on=date, by=world.by, **extra)


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


def statements(at: Desk, by: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        week(at, by=by)
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
