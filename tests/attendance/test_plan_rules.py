"""A week against the plan and the maximum, and days left short: the arithmetic."""

import pytest

from attendance.compliance.rules.plans import (
    LeftShort,
    left_short,
    left_short_sentence,
    over_maximum_sentence,
    plan_sentence,
    plan_week,
)
from attendance.compliance.rules.weeks import WHOLE_WEEK, Share, judge_days
from tests.attendance.lines import (
    ADULT,
    FRI,
    FULL_WEEK,
    MON,
    SAT,
    WED,
    ahead,
    cancelled,
    held,
    unrecorded,
)

PLANS = [
    ("exactly the target", [*FULL_WEEK, held(SAT, 180)], 720, WHOLE_WEEK, False),
    ("a minute below", [*FULL_WEEK, held(SAT, 179)], 720, WHOLE_WEEK, True),
    ("what is booked may reach it", [*FULL_WEEK, ahead(SAT)], 720, WHOLE_WEEK, False),
    ("what is booked falls a minute short", [*FULL_WEEK, ahead(SAT, 179)], 720, WHOLE_WEEK, True),
    ("a roster may reach it", [*FULL_WEEK, unrecorded(SAT)], 720, WHOLE_WEEK, False),
    ("prorated to two of three days", [held(WED, 180), held(FRI, 180)], 540, Share(2, 3), False),
    ("a minute below the prorated", [held(WED, 180), held(FRI, 179)], 540, Share(2, 3), True),
    ("what the clinic cancelled is not asked for",
     [held(MON, 180), held(WED, 180), cancelled(FRI)], 540, WHOLE_WEEK, False),
    ("nothing asked for", [cancelled(MON, 600)], 540, WHOLE_WEEK, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "target", "share", "below"),
    [row[1:] for row in PLANS],
    ids=[row[0] for row in PLANS],
)
def test_below_the_plan(lines, target, share, below):
    assert plan_week(lines, target, share).below == below


def test_the_sentence_has_the_plans_numbers():
    week = plan_week([*FULL_WEEK, held(SAT, 50)], 720, WHOLE_WEEK)
    assert plan_sentence(week) == (
        "credited 9 h 50 of the plan's 12 h; scheduled 12 h; 2 h 10 below the plan"
    )


def test_the_sentence_shows_what_was_prorated():
    week = plan_week([held(WED, 180)], 540, Share(2, 3))
    assert plan_sentence(week) == (
        "credited 3 h of the plan's 6 h (prorated 360 of 540); scheduled 3 h; 3 h below the plan"
    )


def test_over_the_maximum():
    sentence = over_maximum_sentence("credited", 1230, 1200)
    assert sentence == "credited 20 h 30, 30 min over the maximum of 20 h"


# Left short: a day of 180 minutes under a threshold of 180

LEFT = [
    ("a minute early", held(MON, 179), 180, 0, [(MON, 179)]),
    ("the whole day", held(MON, 180), 180, 0, []),
    ("late for all of it", held(MON, 0), 180, 0, [(MON, 0)]),
    ("the day could not have qualified", held(MON, 100, of=120), 179, 0, []),
    ("it could, to the minute", held(MON, 100), 180, 0, [(MON, 100)]),
    ("an excused part is not held against anybody", held(MON, 120), 180, 60, []),
    ("an excused part that explains a minute too little", held(MON, 120), 180, 59, [(MON, 120)]),
    ("nobody came", held(MON, 0), None, 0, []),
    ("a roster may still make the day", unrecorded(MON), 180, 0, []),
]


@pytest.mark.parametrize(
    ("line", "in_full", "excused", "expected"),
    [row[1:] for row in LEFT],
    ids=[row[0] for row in LEFT],
)
def test_left_short(line, in_full, excused, expected):
    found = left_short(
        judge_days([line], ADULT),
        threshold=180,
        in_full={} if in_full is None else {MON: in_full},
        excused={MON: excused} if excused else {},
    )
    assert found == tuple(LeftShort(*one) for one in expected)


def test_without_a_day_threshold_nobody_leaves_short():
    days = judge_days([held(MON, 0)], ADULT)
    assert left_short(days, threshold=0, in_full={MON: 180}, excused={}) == ()


def test_the_sentence_names_the_days():
    found = [LeftShort(MON, 160), LeftShort(WED, 50)]
    assert left_short_sentence(found, 180) == (
        "came, but short of a day of 3 h: Mon 2 h 40, Wed 50 min"
    )
