"""Each session of the week calendar where it belongs, in the week that is asked for."""

from __future__ import annotations

import pytest
from django.utils import timezone

from attendance.admin.week_calendar.grid import clock_span
from attendance.admin.week_calendar.page import WRONG_BY, WRONG_DAY
from attendance.sessions import cancel_session
from iop_clinic.accounts.models import Therapist
from tests import factories as f
from tests.admin import url
from tests.attendance.week_calendar.wall import (
    TUE,
    WED,
    WEEK,
    days,
    group_day,
    individual,
    said,
    week,
)

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
    individual(world, WED, session_type=world.kind, off_site="Main St clinic")
    told = said(week(coordinator))
    assert list(told) == ["No room", world.room.name, "By video", "Main St clinic"]
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
