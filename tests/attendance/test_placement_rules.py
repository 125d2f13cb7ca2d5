"""Which groups and hours together reach a target: golden tables on plain values."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from attendance.compliance.rules.placement import MOST_HOURS, Option, Slot, combined, reached
from attendance.compliance.rules.weeks import DayMinutes
from tests.attendance.lines import ADULT, FRI, GROUP, INDIVIDUAL, MON, THU, TUE, WED

MORNING, EVENING = (9, 12), (18, 21)
NOTHING = Option("", (), ((), ()))


def wall(hour):
    return datetime.time(hour)


def group(key, days, hours=MORNING, minutes=180, **extra):
    lines = tuple(DayMinutes(day, GROUP, credited=minutes, services=1) for day in days)
    slots = tuple(Slot(day.weekday(), *map(wall, hours)) for day in days)
    return Option(key, slots, (lines, lines), **extra)


def hour(day, at, **extra):
    line = (DayMinutes(day, INDIVIDUAL, credited=60, services=1),)
    slot = Slot(day.weekday(), wall(at), wall(at + 1))
    return Option(f"h{day:%a}{at}", (slot,), (line, line), **extra)


def keys(groups, hours=(), terms=ADULT, base=NOTHING):
    return [one.key for one in combined(base, groups, hours, terms)]


THREE = (MON, WED, FRI)


def test_one_group_that_reaches_the_target_is_enough():
    assert keys([group("a", THREE)], [hour(MON, 13)]) == ["a"]


def test_of_two_that_do_the_one_nearer_to_what_is_asked_for_comes_first():
    assert keys([group("b", (MON, TUE, WED, THU)), group("a", THREE)]) == ["a", "b"]


def test_of_equals_the_one_that_begins_sooner_then_the_emptier_then_by_key():
    late, full = MON + datetime.timedelta(days=7), replace(group("b", THREE), free_seats=1)
    groups = [group("d", THREE, first=late), full, replace(group("c", THREE), free_seats=5)]
    assert keys([*groups, replace(group("a", THREE), free_seats=1)]) == ["c", "a", "b", "d"]


def test_days_that_are_too_short_are_filled_up_with_hours():
    """R9: three times 2 h 30 are no day; an hour on each of them makes three."""
    short = group("a", THREE, minutes=150)
    hours = [hour(day, at) for day in (MON, TUE, WED, THU, FRI) for at in (13, 15)]
    assert keys([short], hours) == ["a+hMon13+hWed13+hFri13"]


def test_the_patients_own_therapist_goes_before_a_nearer_hour():
    hours = [hour(MON, 13, rank=1), hour(MON, 16), hour(MON, 15)]
    assert keys([group("a", (MON,), minutes=120)], hours, replace(ADULT, minimum=180, days=1)) == [
        "a+hMon15"
    ]


def test_an_hour_beside_the_group_at_another_day_brings_minutes_only():
    terms = replace(ADULT, minimum=600)
    assert keys([group("a", THREE)], [hour(TUE, 9), hour(WED, 13)], terms) == ["a+hWed13"]
    assert keys([group("a", THREE)], [hour(TUE, 9)], terms) == ["a+hTue9"]


def test_no_more_hours_than_would_be_another_program():
    hours = [hour(day, at) for day in THREE for at in (13, 14, 15)]
    terms = replace(ADULT, minimum=540 + 60 * MOST_HOURS)
    assert len(keys([group("a", THREE)], hours, terms)) == 1
    assert keys([group("a", THREE)], hours, replace(terms, minimum=terms.minimum + 1)) == []


def test_an_hour_at_the_groups_time_is_none():
    assert keys([group("a", THREE, minutes=120)], [hour(MON, 9), hour(MON, 11)]) == []


def test_two_groups_that_do_not_clash_reach_it_together():
    first, second = group("a", (MON, WED)), group("b", (FRI,), EVENING)
    assert keys([first, second]) == ["a+b"]
    assert keys([first, group("b", (FRI, WED))]) == []


@pytest.mark.parametrize(("maximum", "found"), [(720, ["a"]), (719, [])])
def test_more_than_the_maximum_is_no_answer(maximum, found):
    four = group("a", (MON, TUE, WED, THU))
    assert keys([four], terms=replace(ADULT, maximum=maximum)) == found


def test_two_groups_over_the_maximum_are_no_answer():
    groups = [group("a", (MON, WED)), group("b", (TUE, THU), EVENING)]
    assert keys(groups, terms=replace(ADULT, maximum=700)) == []


def test_the_poorer_week_counts():
    one = group("a", THREE)
    every_second = replace(one, weeks=(one.weeks[0], one.weeks[0][:2]))
    assert reached([NOTHING, every_second], ADULT).week.at_least == 360
    assert keys([every_second]) == []


def test_beside_what_the_patient_has_an_hour_alone_may_do():
    base = group("own", THREE, minutes=170)
    hours = [hour(day, 13) for day in THREE]
    assert keys([], hours, base=base) == ["hMon13+hWed13+hFri13"]
    assert keys([], hours) == []


def test_the_same_options_in_another_order_give_the_same_answer():
    groups = [group(name, days) for name, days in
              (("a", THREE), ("b", (MON, TUE)), ("c", (THU,)), ("d", (WED, FRI)))]  # fmt: skip
    assert keys(groups) == keys(groups[::-1])
