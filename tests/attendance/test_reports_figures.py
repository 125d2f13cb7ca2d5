"""The weekly report's arithmetic, with every expected number worked out by hand."""

import datetime

import pytest

from attendance.reports.figures import (
    JudgedWeek,
    PatientDay,
    Stay,
    caseload,
    discharges,
    hours_met,
    is_too_short_for,
    percent,
    percent_shown,
    retention,
    show_rate,
    show_rates,
)
from attendance.reports.tally import Case, casework

MON = datetime.date(2026, 3, 2)
TUE = datetime.date(2026, 3, 3)
SUN = datetime.date(2026, 3, 8)
DAY = datetime.timedelta(days=1)

#     episode, therapist, program, group, date, expected, attended, absent
ANN_MONDAY = PatientDay(1, 7, 20, 30, MON, 3, 2, 1)
ANN_ALONE = PatientDay(1, 7, 20, None, TUE, 1, 0, 1)
BEN_MONDAY = PatientDay(2, 8, 21, 30, MON, 3, 1, 0)  # two of his rosters are not in
BEN_TUESDAY = PatientDay(2, 8, 21, 31, TUE, 2, 2, 0)
DAYS = [ANN_ALONE, BEN_MONDAY, ANN_MONDAY, BEN_TUESDAY]


def test_the_show_rate_counts_bookings_and_leaves_out_what_is_not_recorded():
    rate = show_rate(DAYS)
    assert rate == {"expected": 9, "attended": 5, "unrecorded": 2, "patients": 2}
    assert percent_shown(rate) == 71  # 5 of 7


def test_of_nothing_recorded_there_is_no_rate():
    nothing = {"expected": 0, "attended": 0, "unrecorded": 0, "patients": 0}
    assert show_rate([]) == nothing
    assert percent_shown(nothing) is None
    assert percent_shown({"expected": 4, "attended": 0, "unrecorded": 4}) is None


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(1, 8, 13), (1, 200, 1), (1, 201, 0), (3, 8, 38), (2, 3, 67), (7, 7, 100), (0, 5, 0)],
)
def test_percents_are_whole_and_a_half_is_rounded_up(part, whole, shown):
    assert percent(part, whole) == shown


def test_each_group_has_its_rate_and_sessions_without_a_group_come_last():
    assert show_rates(DAYS, "group", lambda day: day.group_id) == [
        {"group": 30, "expected": 6, "attended": 3, "unrecorded": 2, "patients": 2},
        {"group": 31, "expected": 2, "attended": 2, "unrecorded": 0, "patients": 1},
        {"group": None, "expected": 1, "attended": 0, "unrecorded": 0, "patients": 1},
    ]


def test_each_weekday_has_its_rate_in_order():
    rates = show_rates(DAYS, "weekday", lambda day: day.local_date.weekday())
    assert [(r["weekday"], r["attended"], r["expected"], r["patients"]) for r in rates] == [
        (0, 3, 6, 2),
        (1, 2, 3, 2),
    ]


def week(episode, standard=40, source=1, hours=True, days=True, **extra):
    return JudgedWeek(episode, 7, standard, source, hours, days, **extra)


def test_a_week_is_met_only_with_hours_and_days_and_open_ones_stand_apart():
    weeks = [
        week(1),
        week(2, hours=False, prorated=True),
        week(3, days=False),
        week(4, hours=False, days=False),
        week(5, open=True),
        week(1, standard=41, source=2, hours=False),
    ]
    own = {"met": 1, "short": 3, "short_of_hours": 2, "short_of_days": 2, "open": 1, "prorated": 1}
    payer = {
        "met": 0, "short": 1, "short_of_hours": 1, "short_of_days": 0, "open": 0, "prorated": 0,
    }  # fmt: skip
    assert hours_met(weeks) == [
        {"standard": 40, "source": 1, **own},
        {"standard": 41, "source": 2, **payer},
    ]


def stay(admitted, discharged=None, reason="", episode=1, therapist=7):
    """Days before Sunday, March 8."""
    ended = None if discharged is None else SUN - discharged * DAY
    return Stay(episode, therapist, SUN - admitted * DAY, ended, reason)


def test_retention_asks_who_was_still_there_so_many_days_after_the_admission():
    stays = [
        stay(30),  # exactly 30 days ago, still here
        stay(119, 89),  # the first day of the cohort, left on the 30th day: it is inside
        stay(119, 90),  # left a day earlier
        stay(120),  # a day too early for the 30-day cohort
        stay(29),  # could not have stayed 30 days yet
    ]
    assert retention(stays, SUN) == [
        {"days": 30, "admitted": 3, "kept": 2, "planned": 3},
        {"days": 60, "admitted": 3, "kept": 1, "planned": 3},
        {"days": 90, "admitted": 3, "kept": 1, "planned": 0},  # twelve weeks are 84 days
    ]


def test_nobody_left_says_nothing_where_nobody_was_to_stay_so_long():
    row = {"days": 90, "admitted": 3, "kept": 0, "planned": 0}
    rows = [row, {**row, "planned": 1}, {**row, "kept": 1}, {"admitted": 3, "kept": 0}]
    assert [is_too_short_for(one) for one in rows] == [True, False, False, False]


def test_stay_and_reasons_are_those_of_the_discharges_of_90_days():
    stays = [
        stay(40, 0, "completed"),
        stay(130, 89, "completed"),
        stay(50, 40, "aca"),
        stay(130, 90, "transferred"),  # a day too long ago
        stay(10),
    ]
    assert discharges(stays, SUN) == {
        "discharged": 3,
        "median_days": 40,  # of 40, 41 and 10
        "reasons": {"aca": 1, "completed": 2},
    }
    assert discharges([stay(5)], SUN) == {"discharged": 0, "median_days": None, "reasons": {}}


def test_the_caseload_of_a_week_holds_who_left_or_came_in_it():
    stays = [
        stay(90, 6, "aca", episode=1),  # left on the Monday
        stay(90, 7, "aca", episode=2),  # left on the Sunday before
        stay(0, episode=3, therapist=None),  # came on the Sunday
    ]
    assert caseload(stays, MON, SUN) == {1: 7, 3: None}


def at(hour):
    return datetime.datetime(2026, 3, 2, hour, tzinfo=datetime.UTC)


def case(opened, closed=None, state="open", by_facts=False):
    ended = None if closed is None else at(closed)
    return Case(2, 3, state, at(opened), at(opened), at(23), ended, None, by_facts, frozenset())


def test_cases_are_opened_and_ended_in_the_week_by_work_by_facts_or_not_at_all():
    found = casework(
        [
            case(8),
            case(9, 10, "closed"),
            case(1, 8, "closed", by_facts=True),
            case(1, 11, "lapsed"),
            case(1, 12, "closed"),  # on the stroke of the end: the next week's
            case(1),
        ],
        first=at(8),
        until=at(12),
    )
    assert found == {"opened": 2, "by_work": 1, "by_facts": 1, "lapsed": 1}
