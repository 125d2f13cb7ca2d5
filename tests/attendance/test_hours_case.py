"""The hours case of a week: its stage, its sentence, its severity."""

from dataclasses import replace

import pytest

from attendance.compliance.rules.hours import HoursStage, hours_case
from attendance.compliance.rules.severity import Severity, hours_severity
from attendance.compliance.rules.weeks import Basis, Share, WeekStatus, judge_week
from tests.attendance.lines import (
    ADULT,
    FRI,
    FRIDAY_SKIPPED,
    FULL_WEEK,
    MON,
    SAT,
    WED,
    ahead,
    held,
    unrecorded,
)

CASES = [
    ("a full week needs no case", FULL_WEEK, True, False, None, None),
    ("within reach opens none", [held(MON, 180), ahead(WED), ahead(FRI)], False, False, None, None),
    ("a missing roster opens none", [*FULL_WEEK[:2], unrecorded(FRI)], True, False, None, None),
    ("projected short", [held(MON, 50), ahead(WED), ahead(FRI)], False, False,
     HoursStage.PROJECTED_SHORT,
     "credited 50 min of 9 h; 8 h 10 to go; 2 h 10 of it only by make-up; at most 2 of 3 days"),
    ("all recorded before the week is out", FRIDAY_SKIPPED, False, False,
     HoursStage.PROJECTED_SHORT,
     "credited 6 h of 9 h; 3 h to go; 3 h of it only by make-up; at most 2 of 3 days"),
    ("short once the week has ended", [*FULL_WEEK[:2], held(FRI, 50)], True, True,
     HoursStage.SHORT, "credited 6 h 50 of 9 h; short 2 h 10; 2 of 3 days"),
    ("short of days alone", [held(MON, 270), held(WED, 270)], True, False,
     HoursStage.SHORT, "credited 9 h of 9 h; 2 of 3 days"),
    ("hours met, days out of reach", [held(MON, 270), held(WED, 270)], False, False,
     HoursStage.PROJECTED_SHORT, "credited 9 h of 9 h; at most 2 of 3 days"),
    ("a make-up was booked", [*FULL_WEEK[:2], held(FRI, 50), ahead(SAT)], False, True,
     HoursStage.WITHIN_REACH,
     "credited 6 h 50 of 9 h; 2 h 10 to go; 2 of 3 days so far; within reach"),
    ("a make-up was attended", [*FULL_WEEK[:2], held(FRI, 50), held(SAT, 180)], True, True,
     HoursStage.REPAIRED, "credited 9 h 50 of 9 h; repaired"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "ended", "case_open", "stage", "sentence"),
    [row[1:] for row in CASES],
    ids=[row[0] for row in CASES],
)
def test_hours_case(lines, ended, case_open, stage, sentence):
    case = hours_case(judge_week(lines, ADULT), ended=ended, case_open=case_open)
    assert (case and case.stage, case and case.sentence) == (stage, sentence)
    assert case is None or case.is_open == (stage in ("projected_short", "short"))


def test_the_sentence_shows_the_proration_and_the_basis():
    terms = replace(ADULT, basis=Basis.ATTENDED)
    week = judge_week([held(WED, 180), held(FRI, 120)], terms, Share(2, 3))
    case = hours_case(week, ended=True, case_open=False)
    assert case is not None
    assert case.sentence == "attended 5 h of 6 h (prorated 360 of 540); short 1 h; 1 of 2 days"


def test_the_sentence_is_silent_about_days_that_are_not_missing():
    week = judge_week([*FULL_WEEK, ahead(SAT, 60)], replace(ADULT, minimum=600))
    case = hours_case(week, ended=False, case_open=True)
    assert case is not None
    assert case.sentence == "credited 9 h of 10 h; 1 h to go; within reach"


def test_the_tiers_have_the_numbers_they_are_stored_by():
    assert [(tier.name, int(tier)) for tier in Severity] == [
        ("NOTICE", 1),
        ("WATCH", 2),
        ("ACT", 3),
        ("URGENT", 4),
    ]


@pytest.mark.parametrize(
    ("excused_minutes", "excused_days", "repairable", "severity"),
    [
        (180, 1, False, Severity.NOTICE),
        (180, 1, True, Severity.NOTICE),
        (179, 1, False, Severity.ACT),
        (180, 0, True, Severity.WATCH),
        (0, 0, True, Severity.WATCH),
        (0, 0, False, Severity.ACT),
    ],
    ids=[
        "excused absences explain it",
        "explained comes first",
        "a minute unexplained",
        "a day unexplained",
        "a make-up can repair it",
        "nothing can",
    ],
)
def test_hours_severity(excused_minutes, excused_days, repairable, severity):
    week = judge_week(FRIDAY_SKIPPED, ADULT)
    given_facts = {"excused_minutes": excused_minutes, "excused_days": excused_days}
    assert hours_severity(week, base=Severity.ACT, repairable=repairable, **given_facts) == severity


def test_an_excuse_lowers_the_alarm_and_adds_no_minute():
    week = judge_week(FRIDAY_SKIPPED, ADULT)
    assert (week.credited, week.minutes_status) == (360, WeekStatus.SHORT)
