"""What sessions are worth at most, and the labels late and left early."""

from dataclasses import replace

import pytest

from attendance.records.rules import (
    AttendanceFacts,
    CreditKind,
    CreditPolicy,
    Interval,
    Labels,
    attended_minutes,
    credited_minutes,
    full_presence_minutes,
    labels,
    scheduled_minutes,
    session_minutes,
    time_inside,
)
from tests.attendance.facts import (
    ABSENT,
    AUTUMN,
    EVENING,
    FIFTY,
    GROUP,
    LECTURE,
    at,
    came,
    session,
    span,
)

EXACT = CreditPolicy()
QUARTERS = CreditPolicy(kind=CreditKind.ROUND_DOWN, round_to=15)
EVERYTHING = CreditPolicy(kind=CreditKind.ALL_OR_NOTHING, min_percent=100)
GENEROUS = CreditPolicy(grace_minutes=15)

# Lengths


@pytest.mark.parametrize(
    ("of", "policy", "length", "scheduled", "full"),
    [
        (GROUP, EXACT, 60, 60, 60),
        (EVENING, EXACT, 180, 180, 180),
        (FIFTY, QUARTERS, 50, 50, 45),
        (FIFTY, EVERYTHING, 50, 50, 50),
        (LECTURE, EXACT, 60, 0, 0),
        (session("09:00-10:00", (50, 75)), EXACT, 50, 50, 50),
    ],
    ids=["group", "evening", "50 at quarters", "50 all or nothing", "lecture", "clipped break"],
)
def test_lengths(of, policy, length, scheduled, full):
    assert session_minutes(of) == length
    assert scheduled_minutes(of) == scheduled
    assert full_presence_minutes(of, policy) == full


def test_a_day_of_three_fifties_credits_two_and_a_half_hours():
    fifties = [session("09:00-09:50"), session("10:00-10:50"), session("11:00-11:50")]
    assert sum(full_presence_minutes(one, EXACT) for one in fifties) == 150


def test_a_nested_booking_leaves_the_lengths_of_the_group():
    visit = (span("09:20-09:40"),)
    assert scheduled_minutes(GROUP, visit) == 40
    assert full_presence_minutes(GROUP, EXACT, visit) == 40
    assert full_presence_minutes(GROUP, QUARTERS, visit) == 30


def test_the_time_a_visit_takes_is_what_was_spent_in_it():
    visit = session("09:20-09:40", (5, 10))
    facts = came("09:25", away=("09:30-09:32",))
    assert time_inside(visit, facts) == (span("09:25-09:30"), span("09:32-09:40"))
    assert time_inside(visit, ABSENT) == ()


def test_a_missed_visit_leaves_the_group_whole():
    visit = session("09:20-09:40")
    assert attended_minutes(GROUP, came(), time_inside(visit, ABSENT)) == 60


# Labels


@pytest.mark.parametrize(
    ("facts", "late", "left_early"),
    [
        (came(), False, False),
        (came("08:40", "10:20"), False, False),
        (came("09:05"), False, False),
        (came("09:05:01"), True, False),
        (came("09:06"), True, False),
        (came(None, "10:00"), False, False),
        (came(None, "09:59"), False, True),
        (came("09:10", "09:40"), True, True),
        (came("08:00", "08:30"), False, True),
        (came("10:15"), True, False),
        (replace(came("09:30", "09:40"), attended=False), False, False),
    ],
    ids=[
        "no times told",
        "early and after the end",
        "exactly the grace is not late",
        "a second past the grace is late",
        "a minute past the grace is late",
        "left at the end",
        "a minute before the end is early, no grace",
        "both can be true",
        "a session after the departure is left early",
        "a session before the arrival is late",
        "absent has no labels",
    ],
)
def test_labels(facts, late, left_early):
    assert labels(GROUP, facts, EXACT) == Labels(late, left_early)


def test_grace_is_the_clinics_and_decides_only_the_label():
    ten_late = came("09:10")
    assert labels(GROUP, ten_late, EXACT).late
    assert not labels(GROUP, ten_late, GENEROUS).late
    assert credited_minutes(GROUP, ten_late, EXACT) == 50
    assert credited_minutes(GROUP, ten_late, GENEROUS) == 50


def test_labels_see_the_clock_change():
    """The second 01:03 is 63 minutes after the first 01:00, not 3."""
    night = session("01:00-03:00", day=AUTUMN)
    assert labels(night, AttendanceFacts(True, at("01:03", AUTUMN, fold=1)), EXACT).late


# Policies


def test_a_policy_is_exact_unless_the_clinic_says_otherwise():
    assert CreditPolicy() == CreditPolicy(
        kind=CreditKind.EXACT,
        round_to=15,
        min_percent=80,
        grace_minutes=5,
        excused_reasons=frozenset(),
        notice_minutes=1440,
        proof_hours=72,
    )


def test_a_naive_time_is_refused():
    with pytest.raises(ValueError, match="naive"):
        Interval(at("09:00").replace(tzinfo=None), at("10:00"))


@pytest.mark.parametrize("setting", [{"round_to": 0}, {"min_percent": 101}, {"min_percent": -1}])
def test_an_impossible_policy_is_refused(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        CreditPolicy(**setting)
