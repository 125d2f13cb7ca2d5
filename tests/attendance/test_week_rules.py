"""Weeks under a standard: met, short, open; projection; days; proration."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendance.compliance.rules.weeks import (
    Basis,
    DayJudgement,
    DayMinutes,
    Share,
    StandardTerms,
    WeekStatus,
    days_inside,
    judge_week,
    prorated_minimum,
)
from tests.attendance.lines import (
    ADOLESCENT,
    ADULT,
    FRI,
    FRIDAY_SKIPPED,
    FULL_WEEK,
    GROUP,
    INDIVIDUAL,
    MON,
    PAYER,
    SAT,
    THU,
    TUE,
    WED,
    YOGA,
    ahead,
    cancelled,
    held,
    unrecorded,
)

MET, SHORT, OPEN = WeekStatus.MET, WeekStatus.SHORT, WeekStatus.OPEN

# Status

STATUSES = [
    ("three full days", FULL_WEEK, MET, 0, MET, 0),
    ("Friday skipped", FRIDAY_SKIPPED, SHORT, 180, SHORT, 1),
    ("6 h 50", [held(MON, 180), held(WED, 180), held(FRI, 50)], SHORT, 130, SHORT, 1),
    ("one minute short of both", [*FULL_WEEK[:2], held(FRI, 179)], SHORT, 1, SHORT, 1),
    ("20 late every evening", [held(d, 160) for d in (MON, TUE, THU)], SHORT, 60, SHORT, 3),
    ("minutes met on two long days", [held(MON, 270), held(WED, 270)], MET, 0, SHORT, 1),
    ("days met, minutes asked for more", [*FULL_WEEK[:2], held(FRI, 180)], MET, 0, MET, 0),
    ("a roster is missing", [*FULL_WEEK[:2], unrecorded(FRI)], OPEN, 0, OPEN, 0),
    ("the missing roster cannot save it", [held(MON, 0), unrecorded(FRI)], SHORT, 540, SHORT, 3),
    ("the missing roster cannot hurt it", [*FULL_WEEK, unrecorded(SAT)], MET, 0, MET, 0),
    ("minutes met, a roster decides the days",
     [held(MON, 300), held(WED, 300), unrecorded(FRI)], MET, 0, OPEN, 0),
    ("days hopeless, a roster decides the minutes",
     [held(MON, 350), held(WED, 100), unrecorded(FRI, 100)], OPEN, 0, SHORT, 2),
    ("booked ahead keeps it open", [held(MON, 180), ahead(WED), ahead(FRI)], OPEN, 0, OPEN, 0),
    ("booked ahead keeps even a hopeless week open", [held(MON, 0), ahead(FRI)], OPEN, 0, OPEN, 0),
    ("met before the week is out", [*FULL_WEEK, ahead(SAT)], MET, 0, MET, 0),
    ("nothing at all", [], SHORT, 540, SHORT, 3),
]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "minutes", "minutes_by", "days", "days_by"),
    [row[1:] for row in STATUSES],
    ids=[row[0] for row in STATUSES],
)
def test_two_statuses(lines, minutes, minutes_by, days, days_by):
    week = judge_week(lines, ADULT)
    assert (week.minutes_status, week.minutes_short_by) == (minutes, minutes_by)
    assert (week.days_status, week.days_short_by) == (days, days_by)
    assert week.final == (OPEN not in (minutes, days))


def test_a_released_session_ahead_is_open_to_nothing():
    """It is scheduled and still expected, but no projection counts on it."""
    released = DayMinutes(FRI, GROUP, scheduled=180)
    week = judge_week([held(MON, 180), held(WED, 180), released], ADULT)
    assert (week.scheduled, week.at_most, week.projected_short) == (540, 360, True)


def test_adolescents_have_their_own_numbers():
    assert judge_week([held(d, 120) for d in (TUE, WED, THU)], ADOLESCENT).met
    assert judge_week([held(d, 119) for d in (TUE, WED, THU)], ADOLESCENT).minutes_short_by == 3


@pytest.mark.parametrize(
    ("credited", "over"), [(1199, False), (1200, False), (1201, True)], ids=str
)
def test_over_the_maximum_is_more_than_it(credited, over):
    assert judge_week([held(MON, credited)], ADULT).over_maximum is over


def test_a_standard_without_a_maximum_is_never_exceeded():
    assert not judge_week([held(MON, 5000)], replace(ADULT, maximum=None)).over_maximum


def test_a_line_with_nothing_in_it_adds_nothing():
    assert judge_week([DayMinutes(MON, GROUP)], ADULT) == replace(
        judge_week([], ADULT), days=(DayJudgement(MON, 0, 0, 0, False, False),)
    )


# Days


@pytest.mark.parametrize(("credited", "qualifies"), [(179, False), (180, True), (181, True)])
def test_equality_with_the_threshold_qualifies(credited, qualifies):
    (day,) = judge_week([held(MON, credited)], ADULT).days
    assert day.qualifies is qualifies


def test_a_day_sums_its_session_types():
    individual = DayMinutes(MON, INDIVIDUAL, scheduled=50, attended=50, credited=50)
    week = judge_week([held(MON, 130), individual], ADULT)
    assert [(d.local_date, d.at_least, d.qualifies) for d in week.days] == [(MON, 180, True)]


def test_a_day_can_still_qualify_by_what_is_open():
    week = judge_week([held(MON, 120), unrecorded(MON, 60, 1), unrecorded(WED, 170)], ADULT)
    assert [(d.at_least, d.at_most, d.can_qualify) for d in week.days] == [
        (120, 180, True),
        (0, 170, False),
    ]
    assert (week.days_qualifying, week.days_at_most) == (0, 1)


def test_a_day_needs_its_services_where_the_standard_counts_them():
    terms = replace(ADULT, services_per_day=4)
    three = judge_week([held(MON, 180, services=3)], terms)
    four = judge_week([held(MON, 180, services=4)], terms)
    waiting = judge_week([held(MON, 180, services=3, services_open=1, unrecorded=1)], terms)
    assert [w.days_qualifying for w in (three, four, waiting)] == [0, 1, 0]
    assert [w.days_at_most for w in (three, four, waiting)] == [0, 1, 1]
    assert four.services == 4


def test_without_a_threshold_a_day_still_needs_a_minute():
    terms = replace(ADULT, day_threshold=0)
    assert judge_week([held(MON, 0), held(WED, 1)], terms).days_qualifying == 1


def test_three_days_of_three_fifties_never_qualify():
    week = judge_week([held(d, 150, of=150) for d in (MON, WED, FRI)], ADULT)
    assert (week.credited, week.days_qualifying, week.minutes_short_by) == (450, 0, 90)


# Basis and counted types


@pytest.mark.parametrize(
    ("basis", "at_least", "at_most", "status"),
    [
        (Basis.SCHEDULED, 600, 600, MET),
        (Basis.ATTENDED, 520, 580, OPEN),
        (Basis.CREDITED, 450, 495, SHORT),
    ],
)
def test_the_standard_says_which_minutes_are_judged(basis, at_least, at_most, status):
    line = DayMinutes(
        MON, GROUP, scheduled=600, attended=520, credited=450,
        attended_open=60, credited_open=45, unrecorded=1,
    )  # fmt: skip
    week = judge_week([line], replace(ADULT, basis=basis))
    assert (week.at_least, week.at_most, week.minutes_status) == (at_least, at_most, status)
    assert (week.scheduled, week.attended, week.credited) == (600, 520, 450)


def test_only_counted_types_count():
    yoga = DayMinutes(FRI, YOGA, scheduled=180, attended=180, credited=180, services=1)
    lines = [held(MON, 180), held(WED, 180), yoga]
    assert judge_week(lines, ADULT).met
    strict = judge_week(lines, replace(ADULT, counted_types=frozenset({GROUP, INDIVIDUAL})))
    assert (strict.credited, strict.services, strict.minutes_short_by) == (360, 0, 180)


def test_an_uncounted_session_ahead_keeps_nothing_open():
    yoga = DayMinutes(FRI, YOGA, upcoming=1, credited_open=60, attended_open=60)
    week = judge_week([held(MON, 180), yoga], replace(ADULT, counted_types=frozenset({GROUP})))
    assert week.minutes_status == SHORT


# Projection


def test_projection_counts_unrecorded_and_booked():
    week = judge_week([held(MON, 150), unrecorded(WED), ahead(FRI)], ADULT)
    assert (week.at_least, week.at_most) == (150, 510)
    assert (week.minutes_to_go, week.make_up_minutes) == (390, 30)
    assert week.projected_short
    assert week.projected_days_short
    assert (week.unrecorded, week.upcoming) == (3, 3)


def test_a_late_roster_is_no_alarm():
    week = judge_week([held(MON, 180), unrecorded(WED), ahead(FRI)], ADULT)
    assert (week.at_most, week.projected_short, week.make_up_minutes) == (540, False, 0)


# Proration


@pytest.mark.parametrize(
    ("minimum", "inside", "full", "expected"),
    [
        (540, 3, 3, 540),
        (540, 2, 3, 360),
        (540, 1, 3, 180),
        (540, 0, 3, 0),
        (540, 3, 4, 405),
        (500, 1, 3, 166),
        (500, 2, 3, 333),
        (540, 4, 3, 540),
        (540, 0, 0, 540),
    ],
    ids=[
        "whole week",
        "two of three",
        "one of three",
        "none inside",
        "three of four",
        "rounded down",
        "rounded down again",
        "never above the minimum",
        "no template to prorate by",
    ],
)
def test_proration(minimum, inside, full, expected):
    assert prorated_minimum(minimum, inside, full) == expected


def test_an_admission_on_wednesday():
    week = judge_week([held(WED, 180), held(FRI, 180)], ADULT, Share(2, 3))
    assert (week.minimum, week.prorated_minimum, week.prorated_days) == (540, 360, 2)
    assert week.proration_note == "prorated 360 of 540"
    assert week.met


def test_payers_and_courts_see_the_unreduced_figure():
    week = judge_week([held(WED, 180), cancelled(FRI)], PAYER, Share(2, 3))
    assert (week.prorated_minimum, week.prorated_days, week.proration_note) == (540, 3, "")
    assert (week.minutes_short_by, week.days_short_by) == (360, 2)


def test_a_snow_day_leaves_both_figures_lower():
    week = judge_week([held(MON, 180), cancelled(WED), held(FRI, 180)], ADULT)
    assert (week.prorated_minimum, week.prorated_days) == (360, 2)
    assert week.met
    assert week.prorated


def test_one_cancelled_session_makes_the_day_impossible():
    week = judge_week([held(MON, 180), cancelled(WED, 60, left=120), held(FRI, 180)], ADULT)
    assert (week.prorated_minimum, week.prorated_days) == (480, 2)
    assert week.met


def test_a_cancelled_session_leaves_a_long_day_possible():
    week = judge_week([held(MON, 180), cancelled(WED, 60, left=180), held(FRI, 180)], ADULT)
    assert (week.prorated_minimum, week.prorated_days) == (480, 3)
    assert week.prorated


def test_a_day_that_could_never_qualify_is_not_made_impossible():
    week = judge_week([cancelled(WED, 50, left=100)], ADULT)
    assert (week.prorated_minimum, week.prorated_days) == (490, 3)


def test_an_unreduced_week_carries_no_note():
    week = judge_week(FULL_WEEK, ADULT)
    assert (week.prorated, week.proration_note) == (False, "")


def test_figures_never_fall_below_zero():
    week = judge_week([cancelled(d) for d in (MON, TUE, WED, THU, FRI)], ADULT, Share(1, 3))
    assert (week.prorated_minimum, week.prorated_days) == (0, 0)
    assert week.met


@pytest.mark.parametrize(
    ("first", "last", "holds", "inside"),
    [
        (MON, None, [], 3),
        (WED, None, [], 2),
        (THU, None, [], 1),
        (SAT, None, [], 0),
        (MON, WED, [], 2),
        (WED, WED, [], 1),
        (MON, None, [(WED, WED)], 2),
        (MON, None, [(TUE, None)], 1),
        (MON, None, [(MON, WED), (WED, FRI)], 0),
        (MON, None, [(TUE, TUE), (THU, THU)], 3),
    ],
    ids=[
        "all week",
        "the admission date is inside",
        "admitted after two days",
        "admitted after the last",
        "the discharge date is inside",
        "in and out on one day",
        "a hold of one day",
        "a hold without end",
        "holds that meet",
        "holds beside the template",
    ],
)
def test_template_days_inside(first, last, holds, inside):
    assert days_inside([MON, WED, FRI], first=first, last=last, holds=holds) == inside


# Properties

minutes = st.integers(0, 300)
lines_of = st.lists(
    st.builds(
        DayMinutes,
        local_date=st.sampled_from([MON, TUE, WED, THU, FRI, SAT]),
        session_type_id=st.sampled_from([GROUP, INDIVIDUAL, YOGA]),
        scheduled=minutes,
        attended=minutes,
        credited=minutes,
        attended_open=minutes,
        credited_open=minutes,
        cancelled=minutes,
        unrecorded=st.integers(0, 3),
        upcoming=st.integers(0, 1),
        services=st.integers(0, 4),
        services_open=st.integers(0, 4),
    ),
    max_size=8,
)
terms_of = st.builds(
    StandardTerms,
    minimum=st.integers(0, 1200),
    maximum=st.none() | st.integers(0, 2400),
    day_threshold=st.integers(0, 300),
    days=st.integers(0, 7),
    services_per_day=st.integers(0, 4),
    basis=st.sampled_from(Basis),
    counted_types=st.frozensets(st.sampled_from([GROUP, INDIVIDUAL, YOGA])),
    prorate=st.booleans(),
)
shares = st.builds(Share, st.integers(0, 5), st.integers(0, 5))


@given(lines_of, terms_of, shares, st.randoms(use_true_random=False))
def test_the_order_of_the_lines_is_nothing(lines, terms, share, random):
    shuffled = random.sample(lines, len(lines))
    assert judge_week(shuffled, terms, share) == judge_week(lines, terms, share)


@given(lines_of, terms_of, shares)
def test_figures_stay_in_their_bounds(lines, terms, share):
    week = judge_week(lines, terms, share)
    assert 0 <= week.at_least <= week.at_most
    assert 0 <= week.days_qualifying <= week.days_at_most <= 6
    assert 0 <= week.prorated_minimum <= week.minimum
    assert 0 <= week.prorated_days <= week.days_required
    assert 0 <= week.make_up_minutes <= week.minutes_to_go <= week.prorated_minimum
    assert (week.minutes_short_by > 0) == (week.minutes_status == SHORT)
    assert (week.days_short_by > 0) == (week.days_status == SHORT)


@given(lines_of, terms_of, shares, st.floats(0, 1))
def test_no_outcome_of_unrecorded_sessions_changes_a_final_week(lines, terms, share, part):
    """Whatever share of the open minutes a late roster brings, a final status stands."""
    week = judge_week(lines, terms, share)
    recorded = [
        replace(
            line,
            attended=line.attended + int(line.attended_open * part),
            credited=line.credited + int(line.credited_open * part),
            services=line.services + int(line.services_open * part),
            attended_open=0,
            credited_open=0,
            services_open=0,
            unrecorded=0,
            upcoming=0,
        )
        for line in lines
    ]
    later = judge_week(recorded, terms, share)
    assert later.final
    if week.minutes_status != OPEN:
        assert later.minutes_status == week.minutes_status
    if week.days_status != OPEN:
        assert later.days_status == week.days_status


@given(lines_of, terms_of)
def test_more_credit_never_unmakes_a_met_week(lines, terms):
    more = [*lines, DayMinutes(SAT, GROUP, scheduled=60, attended=60, credited=60, services=1)]
    before, after = judge_week(lines, terms), judge_week(more, terms)
    assert after.at_least >= before.at_least
    assert after.days_qualifying >= before.days_qualifying
    if before.minutes_status == MET:
        assert after.minutes_status == MET
