"""How loud a case is: the tiers, and what moves a case between them."""

import pytest

from attendance.compliance.rules.severity import (
    Severity,
    Shortfall,
    absence_severity,
    hours_severity,
    is_explained,
    is_far,
)
from attendance.compliance.rules.weeks import WeekStatus, judge_week
from tests.attendance.lines import ADULT, FRI, FRIDAY_SKIPPED, MON, THU, WED, ahead, held

NOTICE, WATCH, ACT, URGENT = Severity


def test_the_tiers_have_the_numbers_they_are_stored_by():
    assert [(tier.name, int(tier)) for tier in Severity] == [
        ("NOTICE", 1),
        ("WATCH", 2),
        ("ACT", 3),
        ("URGENT", 4),
    ]


@pytest.mark.parametrize(
    ("base", "priority", "severity"),
    [
        (NOTICE, False, NOTICE),
        (ACT, False, ACT),
        (NOTICE, True, WATCH),
        (ACT, True, URGENT),
        (URGENT, True, URGENT),
    ],
)
def test_a_priority_patient_raises_the_tier(base, priority, severity):
    assert absence_severity(base, priority=priority) == severity


TIERS = [
    # base, what is true of the shortfall, tier
    (WATCH, "", WATCH),
    (ACT, "", ACT),
    (WATCH, "explained", NOTICE),
    (ACT, "explained", NOTICE),
    (ACT, "explained repairable far often new priority", NOTICE),
    (NOTICE, "repairable", NOTICE),
    (WATCH, "repairable", WATCH),
    (ACT, "repairable", WATCH),
    (WATCH, "repairable far often new", WATCH),
    (WATCH, "repairable priority", ACT),
    (WATCH, "far", WATCH),
    (WATCH, "often", WATCH),
    (WATCH, "new", WATCH),
    (WATCH, "far often", ACT),
    (WATCH, "far new", ACT),
    (WATCH, "often new", ACT),
    (WATCH, "far often new", ACT),
    (WATCH, "priority", ACT),
    (WATCH, "far priority", ACT),
    (WATCH, "far often priority", URGENT),
    (ACT, "far often", URGENT),
    (ACT, "far often new priority", URGENT),
    (WATCH, "scheduled_short far often new priority", WATCH),
    (ACT, "scheduled_short", WATCH),
    (NOTICE, "scheduled_short priority", NOTICE),
    (ACT, "scheduled_short explained", NOTICE),
]


@pytest.mark.parametrize(("base", "facts", "tier"), TIERS, ids=[f"{b} {w}" for b, w, _ in TIERS])
def test_hours_severity(base, facts, tier):
    assert hours_severity(base, Shortfall(**dict.fromkeys(facts.split(), True))) == tier


@pytest.mark.parametrize(
    ("minutes", "days", "explained"),
    [(180, 1, True), (179, 1, False), (180, 0, False), (0, 0, False)],
    ids=["all of it", "a minute unexplained", "a day unexplained", "nothing excused"],
)
def test_excused_absences_explain_a_shortfall(minutes, days, explained):
    week = judge_week(FRIDAY_SKIPPED, ADULT)
    assert is_explained(week, excused_minutes=minutes, excused_days=days) == explained


def test_an_excuse_lowers_the_alarm_and_adds_no_minute():
    week = judge_week(FRIDAY_SKIPPED, ADULT)
    assert (week.credited, week.minutes_status) == (360, WeekStatus.SHORT)


@pytest.mark.parametrize(
    ("lines", "far"),
    [
        (FRIDAY_SKIPPED, False),
        ([held(MON, 180), held(WED, 180), held(FRI, 0, of=1)], False),
        ([held(MON, 180), held(WED, 179), held(FRI, 0)], True),
        ([held(MON, 180), held(WED, 0), held(FRI, 0)], True),
        ([held(MON, 180), ahead(WED), held(FRI, 0)], False),
        ([held(MON, 170), held(WED, 170), held(THU, 20), held(FRI, 170)], True),
        ([], True),
    ],
    ids=[
        "exactly a third",
        "a third, whatever was scheduled",
        "a minute more than a third",
        "two thirds",
        "a third, with a day booked",
        "the minutes nearly there, the days not",
        "nothing at all",
    ],
)
def test_far_is_more_than_a_third_out_of_reach(lines, far):
    assert is_far(judge_week(lines, ADULT)) == far
