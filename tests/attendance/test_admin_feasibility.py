"""Slack, gaps, services, closures: what a group's page says beside its template."""

from __future__ import annotations

import datetime

import pytest

from attendance.models import Standard
from scheduling.models import Closure
from tests import factories as f
from tests.attendance.house import BEFORE, FRI, MON, WED
from tests.lists import lines, panels, said

ROOM = "How much room it leaves"
CLOSED = "What closures take of the next 4 weeks"


def close(house, first, last=None, **extra):
    given = {"starts_on": first, "ends_on": last or first, "reason": "Holiday", **extra}
    return Closure.objects.create(clinic=house.clinic, **given)


def test_three_evenings_of_three_hours_leave_no_minute(house, coordinator):
    assert lines(panels(coordinator, house.group)[ROOM]) == [
        ("Monday, Wednesday, Friday", "slack 0 min", "one late minute loses the day"),
        ("Week, Adult IOP 2.1", "slack 0 min", "one late minute loses the week; no day to spare"),
        ("Largest gap", "2 days without a service", "Saturday – Sunday"),
        ("Services a day", "1", ""),
        ("Last chance of the week", "Friday, 9:00 AM – 12:20 PM",
         "after it nothing of this group repairs the week"),
    ]  # fmt: skip


def test_a_longer_day_has_slack_of_its_own(house, coordinator):
    house.group.blocks.filter(weekday=2).update(breaks=[])
    days = lines(panels(coordinator, house.group)[ROOM])
    assert days[:3] == [
        ("Monday, Friday", "slack 0 min", "one late minute loses the day"),
        ("Wednesday", "slack 20 min", ""),
        ("Week, Adult IOP 2.1", "slack 20 min", "no day to spare"),
    ]


def test_three_times_fifty_minutes_reach_at_most_seven_and_a_half_hours(house, coordinator):
    """R9."""
    house.group.blocks.update(breaks=[[0, 50]])
    found = panels(coordinator, house.group)
    assert said(found["What a full week reaches"].note).startswith(
        "This group can credit at most 7 h 30 of 9 h. "
    )
    assert lines(found[ROOM])[0] == (
        "Week, Adult IOP 2.1", "none", "out of reach: the timetable is too short",
    )  # fmt: skip


def test_a_gap_of_more_than_two_days_is_told(house, coordinator):
    house.group.blocks.filter(weekday=4).delete()
    gap = lines(panels(coordinator, house.group)[ROOM])[-3]
    assert gap == (
        "Largest gap",
        "4 days without a service",
        "Thursday – Sunday: more than 2 days, which some states do not allow",
    )


def test_of_a_block_of_every_second_week_the_week_without_counts_for_the_gap(house, coordinator):
    house.group.blocks.filter(weekday=4).update(every_weeks=2)
    gap = next(row for row in lines(panels(coordinator, house.group)[ROOM]) if "gap" in row[0])
    assert gap[1] == "4 days without a service"


def test_what_does_not_count_is_no_last_chance(house, coordinator):
    house.group.blocks.filter(weekday=4).update(session_type=house.drug_screen)
    last = lines(panels(coordinator, house.group)[ROOM])[-1]
    assert last[1] == "Wednesday, 9:00 AM – 12:20 PM"


def test_the_last_chance_follows_the_week_of_the_standard(house, coordinator):
    Standard.objects.create(
        clinic=house.clinic, name="Own", program=house.group.program, week_starts_on=2,
        starts_on=BEFORE,
    )  # fmt: skip
    last = lines(panels(coordinator, house.group)[ROOM])[-1]
    assert last[1] == "Monday, 9:00 AM – 12:20 PM"


# --- closures -----------------------------------------------------------------------------------


def test_without_a_closure_nothing_is_lost(house, coordinator):
    panel = panels(coordinator, house.group)[CLOSED]
    assert (lines(panel), panel.empty) == (
        [], "Nothing: neither this week nor the next four lose a session.",
    )  # fmt: skip


def test_each_week_says_what_a_closure_takes_and_leaves(house, coordinator):
    close(house, FRI)
    close(house, MON + datetime.timedelta(days=7), FRI + datetime.timedelta(days=7), reason="Snow")
    assert lines(panels(coordinator, house.group)[CLOSED]) == [
        ("Mar 2 – Mar 8, 2026", "Holiday", "3 h and 1 qualifying day", "6 h of 6 h, 2 of 2 days"),
        ("Mar 9 – Mar 15, 2026", "Snow", "9 h and 3 qualifying days",
         "0 min of 0 min, 0 of 0 days"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("hours", "left"),
    [
        ({"from_time": datetime.time(12, 20)}, []),
        ({"from_time": datetime.time(12)}, ["3 h and 1 qualifying day"]),
        ({"to_time": datetime.time(9)}, []),
    ],
)
def test_a_part_of_a_day_takes_the_sessions_it_touches(house, coordinator, hours, left):
    close(house, WED, **hours)
    assert [row[2] for row in lines(panels(coordinator, house.group)[CLOSED])] == left


def test_a_closed_room_or_a_day_without_the_group_or_too_far_takes_nothing(house, coordinator):
    close(house, WED, room=f.RoomFactory(clinic=house.clinic))
    close(house, MON + datetime.timedelta(days=1))
    close(house, MON + datetime.timedelta(weeks=5))
    close(house, BEFORE)
    assert lines(panels(coordinator, house.group)[CLOSED]) == []


def test_a_block_that_ends_loses_nothing_after_it(house, coordinator):
    house.group.blocks.filter(weekday=4).update(valid_until=FRI)
    close(house, FRI + datetime.timedelta(days=7))
    assert lines(panels(coordinator, house.group)[CLOSED]) == []
