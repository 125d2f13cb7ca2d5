"""How much room a timetable leaves: golden tables of slack, gaps, services and losses."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from attendance.compliance.rules.feasibility import (
    Gap,
    day_slack,
    largest_gap,
    loss,
    services_a_day,
    spare_days,
    week_slack,
)
from attendance.compliance.rules.weeks import judge_week
from tests.attendance.lines import (
    ADOLESCENT,
    ADULT,
    FRI,
    FULL_WEEK,
    MON,
    SAT,
    THU,
    TUE,
    WED,
    cancelled,
    held,
)

SUN = SAT + datetime.timedelta(days=1)
WEEK = datetime.timedelta(days=7)


@pytest.mark.parametrize(
    ("minutes", "terms", "slack"),
    [
        (180, ADULT, 0),
        (179, ADULT, None),
        (200, ADULT, 20),
        (120, ADOLESCENT, 0),
        (200, replace(ADULT, day_threshold=0), 199),
        (200, replace(ADULT, days=0), None),
    ],
)
def test_a_days_slack_is_what_it_has_above_the_threshold(minutes, terms, slack):
    (day,) = judge_week([held(MON, minutes)], terms).days
    assert day_slack(day, terms) == slack


@pytest.mark.parametrize(
    ("lines", "minutes", "days"),
    [
        (FULL_WEEK, 0, 0),
        ([held(day, 150) for day in (MON, WED, FRI)], -90, -3),
        ([held(day, 180) for day in (MON, TUE, WED, THU)], 180, 1),
        ([], -540, -3),
    ],
)
def test_a_weeks_slack_in_minutes_and_in_days(lines, minutes, days):
    week = judge_week(lines, ADULT)
    assert (week_slack(week), spare_days(week)) == (minutes, days)


@pytest.mark.parametrize(
    ("days", "cycle", "gap"),
    [
        ((MON, WED, FRI), 7, Gap(FRI, 2)),
        ((MON, TUE, WED, THU), 7, Gap(THU, 3)),
        ((TUE, WED, THU), 7, Gap(THU, 4)),
        ((MON,), 7, Gap(MON, 6)),
        ((MON, MON, THU), 7, Gap(THU, 3)),
        ((MON, TUE, WED, THU, FRI, SAT, SUN), 7, Gap(MON, 0)),
        ((MON, FRI, MON + WEEK), 14, Gap(MON + WEEK, 6)),
        ((), 7, None),
    ],
)
def test_the_largest_gap_counts_the_days_between_two_services(days, cycle, gap):
    assert largest_gap(days, cycle=cycle) == gap


def test_a_gap_names_its_first_and_last_day():
    gap = Gap(FRI, 2)
    assert (gap.first, gap.last) == (SAT, SUN)


def test_services_are_counted_by_the_day_and_days_without_are_none():
    lines = [replace(held(day, 60), services=number) for day, number in ((MON, 3), (TUE, 1))]
    days = judge_week([*lines, replace(held(WED, 0), services=0)], ADULT).days
    assert services_a_day(days) == (1, 3)
    assert services_a_day(()) == (0, 0)


def test_a_closure_takes_minutes_and_days_and_the_program_shrinks_its_minimum():
    whole = judge_week(FULL_WEEK, ADULT)
    left = judge_week([*FULL_WEEK[:2], cancelled(FRI)], ADULT)
    found = loss(whole, left)
    assert found is not None
    assert (found.minutes, found.days) == (180, 1)
    assert (found.left.at_least, found.left.prorated_minimum, found.left.prorated_days) == (
        360, 360, 2,
    )  # fmt: skip


def test_a_week_that_loses_nothing_has_no_loss():
    assert loss(judge_week(FULL_WEEK, ADULT), judge_week(FULL_WEEK, ADULT)) is None
