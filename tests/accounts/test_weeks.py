"""Local dates and weeks: midnight, clock changes, year ends, any first weekday."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iop_clinic.accounts.weeks import (
    Week,
    clock_time,
    date_span,
    day_instants,
    full_date,
    hours_and_minutes,
    local_date,
    long_date,
    long_moment,
    no_such_time,
    week_of,
    weeks_touching,
)

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
NEW_YORK = ZoneInfo("America/New_York")
HAVANA = ZoneInfo("America/Havana")
PHOENIX = ZoneInfo("America/Phoenix")
ZONES = [LOS_ANGELES, NEW_YORK, HAVANA, PHOENIX, ZoneInfo("Pacific/Honolulu"), ZoneInfo("UTC")]

MONDAY, SATURDAY, SUNDAY = 0, 5, 6


def test_a_sunday_evening_in_los_angeles_is_in_the_week_that_ends():
    evening = datetime(2026, 3, 8, 18, tzinfo=LOS_ANGELES).astimezone(UTC)
    assert evening.date() == date(2026, 3, 9)
    assert local_date(evening, LOS_ANGELES) == date(2026, 3, 8)
    week = week_of(evening, week_start=MONDAY, zone=LOS_ANGELES)
    assert week == Week(date(2026, 3, 2))


@pytest.mark.parametrize(
    ("wall", "week_start", "start"),
    [
        ("2026-03-07 23:30", MONDAY, date(2026, 3, 2)),
        ("2026-03-08 00:15", MONDAY, date(2026, 3, 2)),
        ("2026-03-08 23:59:59", MONDAY, date(2026, 3, 2)),
        ("2026-03-09 00:00", MONDAY, date(2026, 3, 9)),
        ("2026-03-07 23:30", SUNDAY, date(2026, 3, 1)),
        ("2026-03-08 00:15", SUNDAY, date(2026, 3, 8)),
        ("2026-10-31 23:30", SUNDAY, date(2026, 10, 25)),
        ("2026-11-01 00:15", SUNDAY, date(2026, 11, 1)),
        ("2026-11-01 23:30", MONDAY, date(2026, 10, 26)),
        ("2026-03-06 23:30", SATURDAY, date(2026, 2, 28)),
        ("2026-03-07 00:15", SATURDAY, date(2026, 3, 7)),
    ],
)
def test_instants_fall_in_the_week_of_their_wall_date(wall, week_start, start):
    instant = datetime.fromisoformat(wall).replace(tzinfo=LOS_ANGELES).astimezone(UTC)
    assert week_of(instant, week_start=week_start, zone=LOS_ANGELES) == Week(start)


@pytest.mark.parametrize(
    ("week_start", "start"),
    [
        (0, date(2026, 3, 2)),
        (1, date(2026, 3, 3)),
        (2, date(2026, 3, 4)),
        (3, date(2026, 2, 26)),
        (4, date(2026, 2, 27)),
        (5, date(2026, 2, 28)),
        (6, date(2026, 3, 1)),
    ],
)
def test_a_week_begins_on_any_weekday(week_start, start):
    assert week_of(date(2026, 3, 4), week_start=week_start) == Week(start)


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        (date(2026, 12, 31), date(2026, 12, 28), date(2027, 1, 3)),  # ISO week 53 of 2026
        (date(2027, 1, 1), date(2026, 12, 28), date(2027, 1, 3)),
        (date(2027, 1, 4), date(2027, 1, 4), date(2027, 1, 10)),
        (date(2028, 2, 29), date(2028, 2, 28), date(2028, 3, 5)),
    ],
)
def test_year_ends_and_leap_days_make_no_seam(day, start, end):
    week = week_of(day, week_start=MONDAY)
    assert (week.start, week.end) == (start, end)


@pytest.mark.parametrize(
    ("start", "label"),
    [
        (date(2026, 3, 2), "Mar 2 – Mar 8, 2026"),
        (date(2026, 3, 30), "Mar 30 – Apr 5, 2026"),
        (date(2026, 12, 28), "Dec 28, 2026 – Jan 3, 2027"),
    ],
)
def test_labels_print_inclusive_dates(start, label):
    assert Week(start).label == label
    assert str(Week(start)) == label


@pytest.mark.parametrize(
    ("start", "hours"),
    [(date(2026, 3, 2), 167), (date(2026, 3, 9), 168), (date(2026, 10, 26), 169)],
    ids=["clocks go forward", "plain", "clocks go back"],
)
def test_the_instants_of_a_week_span_its_true_hours(start, hours):
    since, until = Week(start).instants(NEW_YORK)
    assert since.tzinfo is UTC
    assert until - since == timedelta(hours=hours)
    assert local_date(since, NEW_YORK) == start
    assert local_date(until, NEW_YORK) == start + timedelta(days=7)


def test_a_day_whose_midnight_is_skipped_begins_when_the_clocks_change():
    """In Havana 00:00 on March 8 becomes 01:00, which is 05:00 in UTC."""
    since, until = day_instants(date(2026, 3, 8), HAVANA)
    assert since == datetime(2026, 3, 8, 5, tzinfo=UTC)
    assert until - since == timedelta(hours=23)


def test_a_day_whose_midnight_happens_twice_begins_with_the_first():
    """In Havana 01:00 on November 1 becomes 00:00 again."""
    since, until = day_instants(date(2026, 11, 1), HAVANA)
    assert since == datetime(2026, 11, 1, 4, tzinfo=UTC)
    assert until - since == timedelta(hours=25)


def test_neighbouring_weeks_and_the_weeks_of_a_stretch():
    week = Week(date(2026, 3, 2))
    assert week.shifted(1) == Week(date(2026, 3, 9))
    assert week.shifted(-1) == Week(date(2026, 2, 23))
    assert list(weeks_touching(date(2026, 3, 1), date(2026, 3, 9), week_start=MONDAY)) == [
        Week(date(2026, 2, 23)),
        Week(date(2026, 3, 2)),
        Week(date(2026, 3, 9)),
    ]
    assert list(weeks_touching(date(2026, 3, 9), date(2026, 3, 8), week_start=SUNDAY)) == [
        Week(date(2026, 3, 8))
    ]


def test_what_has_no_local_date_is_refused():
    naive = datetime(2026, 3, 4, 9)  # noqa: DTZ001 the refusal of it is the test
    aware = naive.replace(tzinfo=UTC)
    with pytest.raises(ValueError, match="naive"):
        local_date(naive, NEW_YORK)
    with pytest.raises(ValueError, match="naive"):
        week_of(naive, week_start=MONDAY, zone=NEW_YORK)
    with pytest.raises(TypeError, match="zone"):
        week_of(aware, week_start=MONDAY)
    with pytest.raises(TypeError, match="local_date"):
        assert aware in Week(date(2026, 3, 2))


@pytest.mark.parametrize("week_start", [-1, 7])
def test_a_weekday_that_does_not_exist_is_refused(week_start):
    with pytest.raises(ValueError, match="week_start"):
        week_of(date(2026, 3, 4), week_start=week_start)


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, "0 min"),
        (50, "50 min"),
        (60, "1 h"),
        (130, "2 h 10"),
        (410, "6 h 50"),
        (450, "7 h 30"),
        (540, "9 h"),
        (545, "9 h 05"),
        (1200, "20 h"),
        (-70, "-1 h 10"),
    ],
)
def test_minutes_in_words(minutes, words):
    assert hours_and_minutes(minutes) == words


# Properties

dates = st.dates(date(2000, 1, 3), date(2040, 12, 31))
instants = st.datetimes(
    datetime(2000, 1, 3), datetime(2040, 12, 31), timezones=st.just(UTC)  # noqa: DTZ001 hypothesis adds the zone
)  # fmt: skip
week_starts = st.integers(MONDAY, SUNDAY)
zones = st.sampled_from(ZONES)


@given(dates, week_starts)
def test_every_date_lies_in_exactly_one_week(day, week_start):
    week = week_of(day, week_start=week_start)
    assert day in week
    assert week.start.weekday() == week_start
    assert day not in week.shifted(1)
    assert day not in week.shifted(-1)
    assert {week_of(one, week_start=week_start) for one in week.days()} == {week}


@given(instants, week_starts, zones)
def test_an_instant_lies_in_the_utc_range_of_its_week(instant, week_start, zone):
    week = week_of(instant, week_start=week_start, zone=zone)
    since, until = week.instants(zone)
    assert since <= instant < until
    assert until == week.shifted(1).instants(zone)[0]


@given(dates, zones)
def test_the_days_of_a_zone_follow_without_gap(day, zone):
    since, until = day_instants(day, zone)
    assert until == day_instants(day + timedelta(days=1), zone)[0]
    assert local_date(since, zone) == day
    assert local_date(until - timedelta(microseconds=1), zone) == day
    assert local_date(since - timedelta(microseconds=1), zone) == day - timedelta(days=1)


def test_dates_are_said_as_people_say_them():
    first, last = date(2026, 11, 3), date(2026, 11, 24)
    assert (long_date(first), full_date(first)) == ("Tue Nov 3", "Nov 3, 2026")
    assert (date_span(first, first), date_span(first, last)) == (
        "Tue Nov 3",
        "Tue Nov 3 – Tue Nov 24",
    )


@pytest.mark.parametrize(
    ("wall", "said"), [("00:05", "12:05 AM"), ("12:00", "12:00 PM"), ("17:30", "5:30 PM")]
)
def test_times_are_said_as_a_clock_with_two_halves_says_them(wall, said):
    moment = datetime.fromisoformat(f"2026-03-02 {wall}")
    assert (clock_time(moment.time()), clock_time(moment)) == (said, said)
    assert long_moment(moment) == f"Mon Mar 2, {said}"


@pytest.mark.parametrize(
    ("zone", "wall", "said"),
    [
        (NEW_YORK, "2027-03-14 02:00", "2:00 AM does not exist on Mar 14, 2027"),
        (NEW_YORK, "2027-03-14 02:30", "2:30 AM does not exist on Mar 14, 2027"),
        (HAVANA, "2027-03-14 00:30", "12:30 AM does not exist on Mar 14, 2027"),
        (NEW_YORK, "2027-03-14 01:59", ""),
        (NEW_YORK, "2027-03-14 03:00", ""),
        (NEW_YORK, "2027-11-07 01:30", ""),
        (PHOENIX, "2027-03-14 02:30", ""),
        (NEW_YORK, "0001-01-01 00:00", ""),
    ],
)
def test_a_time_that_the_clocks_leave_out_is_no_time(zone, wall, said):
    moment = datetime.fromisoformat(wall)
    assert no_such_time(moment.date(), moment.time(), zone).partition(": the")[0] == said


def test_it_says_from_when_to_when_the_clocks_go():
    said = "2:15 AM does not exist on Oct 4, 2026: the clocks go from 2:00 AM to 2:30 AM. "
    zone = ZoneInfo("Australia/Lord_Howe")
    assert no_such_time(date(2026, 10, 4), time(2, 15), zone) == f"{said}Enter another time."
