"""The case of a week: its stage, its sentence, and what of it is about days alone."""

from dataclasses import replace

import pytest

from attendance.compliance.rules.hours import (
    HoursStage,
    Rest,
    hours_sentence,
    hours_stage,
    only_days_are_short,
)
from attendance.compliance.rules.weeks import Basis, Share, judge_week
from tests.attendance.lines import (
    ADULT,
    FRI,
    FRIDAY_SKIPPED,
    FULL_WEEK,
    MON,
    SAT,
    THU,
    TUE,
    WED,
    ahead,
    held,
    unrecorded,
)

PROJECTED, SHORT, DAYS = HoursStage.PROJECTED_SHORT, HoursStage.SHORT, HoursStage.TOO_FEW_DAYS
REACH, REPAIRED = HoursStage.WITHIN_REACH, HoursStage.REPAIRED
TWO_LONG_DAYS = [held(MON, 270), held(WED, 270)]
MADE_UP = [*FULL_WEEK[:2], held(FRI, 50), held(SAT, 130)]

STAGES = [
    # name, lines, ended, stage where none stands open, stage of one that does
    ("a full week", FULL_WEEK, True, None, REPAIRED),
    ("a full week before its end", FULL_WEEK, False, None, REPAIRED),
    ("within reach", [held(MON, 180), ahead(WED), ahead(FRI)], False, None, REACH),
    ("a missing roster", [*FULL_WEEK[:2], unrecorded(FRI)], True, None, REACH),
    ("exactly the minimum in reach", [held(MON, 180), ahead(WED), ahead(FRI)], False, None, REACH),
    ("a minute less", [held(MON, 179), ahead(WED), ahead(FRI)], False, PROJECTED, PROJECTED),
    ("all recorded before the week is out", FRIDAY_SKIPPED, False, PROJECTED, PROJECTED),
    ("short once it has ended", [*FULL_WEEK[:2], held(FRI, 50)], True, SHORT, SHORT),
    ("short whatever the roster brings", [held(MON, 180), unrecorded(FRI)], True, SHORT, SHORT),
    ("minutes met, days not", TWO_LONG_DAYS, True, None, DAYS),
    ("minutes met, days out of reach", TWO_LONG_DAYS, False, None, DAYS),
    ("minutes made up, the day not", MADE_UP, True, None, DAYS),
    ("a make-up was booked", [*FULL_WEEK[:2], held(FRI, 50), ahead(SAT)], False, None, REACH),
    ("a make-up was attended", [*FULL_WEEK[:2], held(FRI, 50), held(SAT, 180)], True, None,
     REPAIRED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "ended", "fresh", "standing"),
    [row[1:] for row in STAGES],
    ids=[row[0] for row in STAGES],
)
def test_stage(lines, ended, fresh, standing):
    week = judge_week(lines, ADULT)
    assert hours_stage(week, ended=ended, case_open=False) == fresh
    assert hours_stage(week, ended=ended, case_open=True) == standing


@pytest.mark.parametrize(
    ("stage", "is_open"),
    [(PROJECTED, True), (SHORT, True), (DAYS, True), (REACH, False), (REPAIRED, False)],
)
def test_which_stages_keep_a_case_open(stage, is_open):
    assert stage.is_open == is_open


@pytest.mark.parametrize(
    ("lines", "ended", "expected"),
    [
        (TWO_LONG_DAYS, True, True),
        (TWO_LONG_DAYS, False, True),
        (MADE_UP, True, True),
        ([*FULL_WEEK[:2], held(FRI, 179), held(SAT, 1)], True, True),
        (FULL_WEEK, True, False),
        ([held(MON, 270), held(WED, 270), ahead(FRI)], False, False),
        ([held(MON, 270), held(WED, 270), unrecorded(FRI)], True, False),
        ([held(MON, 270), held(WED, 269)], True, False),
        (FRIDAY_SKIPPED, False, False),
    ],
    ids=[
        "two long days",
        "out of reach before the end",
        "the minutes made up on another day",
        "a minute under the threshold",
        "three days",
        "the third is booked",
        "the third is not recorded",
        "a minute short: the hours are the case",
        "projected short: the hours are the case",
    ],
)
def test_days_alone(lines, ended, expected):
    assert only_days_are_short(judge_week(lines, ADULT), ended=ended) == expected


# Sentences

AHEAD = [held(MON, 50), ahead(WED), ahead(FRI)]
BOOKED = Rest(booked=[(WED, 180), (FRI, 180)], repair_by=FRI)

SENTENCES = [
    ("what is booked, and by when to make up the rest", AHEAD, PROJECTED, BOOKED,
     ("credited 50 min of 9 h; 8 h 10 to go; booked Wed 3 h, Fri 3 h; "
      "2 h 10 to make up by Fri Mar 6; at most 2 of 3 days")),
    ("what is not booked", [held(MON, 180), held(WED, 180)], PROJECTED,
     Rest(unbooked=[(FRI, 180)], repair_by=FRI),
     ("credited 6 h of 9 h; 3 h to go; Fri 3 h not booked; 3 h to make up by Fri Mar 6; "
      "2 of 3 days")),
    ("a group meets without the patient", [held(MON, 180), ahead(WED)], PROJECTED,
     Rest(booked=[(WED, 180)], unbooked=[(THU, 0), (FRI, 0)], repair_by=FRI),
     ("credited 3 h of 9 h; 6 h to go; booked Wed 3 h; Thu, Fri not booked; "
      "3 h to make up by Fri Mar 6; at most 2 of 3 days")),
    ("a roster is open", [held(MON, 50), unrecorded(WED), ahead(FRI)], PROJECTED,
     Rest(unrecorded=[(WED, 180)], booked=[(FRI, 180)], repair_by=FRI),
     ("credited 50 min of 9 h; 8 h 10 to go; Wed 3 h not recorded; booked Fri 3 h; "
      "2 h 10 to make up by Fri Mar 6; at most 2 of 3 days")),
    ("too late to make it up", FRIDAY_SKIPPED, PROJECTED, Rest(),
     "credited 6 h of 9 h; 3 h to go; 3 h out of reach; 2 of 3 days"),
    ("more than three dates", AHEAD, PROJECTED,
     Rest(booked=[(MON, 60), (TUE, 60), (WED, 180), (THU, 60), (FRI, 180)], repair_by=FRI),
     ("credited 50 min of 9 h; 8 h 10 to go; booked Mon 1 h, Tue 1 h and 3 more; "
      "2 h 10 to make up by Fri Mar 6; at most 2 of 3 days")),
    ("short", [*FULL_WEEK[:2], held(FRI, 50)], SHORT, Rest(),
     "credited 6 h 50 of 9 h; short 2 h 10; 2 of 3 days"),
    ("short of minutes alone", [held(MON, 180), held(WED, 180), held(FRI, 179), held(SAT, 0)],
     SHORT, Rest(), "credited 8 h 59 of 9 h; short 1 min; 2 of 3 days"),
    ("days alone", TWO_LONG_DAYS, DAYS, Rest(), "credited 9 h of 9 h; 2 of 3 days"),
    ("a make-up was booked", [*FULL_WEEK[:2], held(FRI, 50), ahead(SAT)], REACH,
     Rest(booked=[(SAT, 180)]),
     "credited 6 h 50 of 9 h; 2 h 10 to go; booked Sat 3 h; within reach; 2 of 3 days so far"),
    ("a make-up was attended", [*FULL_WEEK, held(SAT, 50)], REPAIRED, Rest(),
     "credited 9 h 50 of 9 h; repaired"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "stage", "rest", "sentence"),
    [row[1:] for row in SENTENCES],
    ids=[row[0] for row in SENTENCES],
)
def test_sentence(lines, stage, rest, sentence):
    assert hours_sentence(judge_week(lines, ADULT), stage, rest) == sentence


def test_the_sentence_shows_the_proration_and_the_basis():
    terms = replace(ADULT, basis=Basis.ATTENDED)
    week = judge_week([held(WED, 180), held(FRI, 120)], terms, Share(2, 3))
    assert hours_sentence(week, SHORT) == (
        "attended 5 h of 6 h (prorated 360 of 540); short 1 h; 1 of 2 days"
    )


def test_the_sentence_is_silent_about_days_that_are_not_missing():
    week = judge_week([*FULL_WEEK, ahead(SAT, 60)], replace(ADULT, minimum=600))
    assert hours_sentence(week, REACH, Rest(booked=[(SAT, 60)])) == (
        "credited 9 h of 10 h; 1 h to go; booked Sat 1 h; within reach"
    )


def test_the_longest_sentence_fits_a_case():
    """With the week's label, the source, a proration and every list as long as it gets."""
    week = judge_week([held(MON, 59), ahead(TUE, 59)], ADULT, Share(6, 7))
    dates = [(day, 599) for day in (MON, TUE, WED, THU, FRI, SAT)]
    rest = Rest(unrecorded=dates[:2], booked=dates[:4], unbooked=dates[2:], repair_by=FRI)
    sentence = hours_sentence(week, PROJECTED, rest)
    prefix = "Week of Dec 28, 2026 – Jan 3, 2027, program standard: "
    assert len(f"{prefix}{sentence}.") <= 300
