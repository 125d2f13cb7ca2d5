"""Credit arithmetic at its limits: one minute either side of each, a golden table by hand.

Continues the table of test_credit.py. A group lasts 9:00 to 10:00; an evening 18:00 to 21:20 with
breaks at 19:00 and 20:10, ten minutes each.
"""

import pytest

from attendance.records.rules import (
    AttendanceFacts,
    CreditKind,
    CreditPolicy,
    SessionFacts,
    attended_minutes,
    credited_minutes,
)
from tests.attendance.facts import (
    ABSENT,
    AUTUMN,
    EVENING,
    FIFTY,
    GROUP,
    LECTURE,
    SPRING,
    at,
    came,
    session,
    span,
)
from tests.attendance.test_credit import (
    ANYTHING,
    EVERYTHING,
    GENEROUS,
    GOLDEN,
    QUARTERS,
    TENS,
    THREE_QUARTERS,
    WHOLE_HOURS,
    Case,
)

NO_GRACE = CreditPolicy(grace_minutes=0)
FOUR_FIFTHS = CreditPolicy(kind=CreditKind.ALL_OR_NOTHING, min_percent=80)
A_THIRD = CreditPolicy(kind=CreditKind.ALL_OR_NOTHING, min_percent=33)
SEVENS = CreditPolicy(kind=CreditKind.ROUND_DOWN, round_to=7)

GRACE = [
    Case("4 late, one inside the grace", GROUP, came("09:04"), 56, 56),
    Case("1 late and no grace at all: one minute", GROUP, came("09:01"), 59, 59, NO_GRACE),
    Case("15 late, exactly a grace of 15", GROUP, came("09:15"), 45, 45, GENEROUS),
    Case("16 late, past a grace of 15", GROUP, came("09:16"), 44, 44, GENEROUS),
]

EDGES = [
    Case("1 early adds nothing", GROUP, came("08:59"), 60, 60),
    Case("1 late", GROUP, came("09:01"), 59, 59),
    Case("stayed 1 after the end adds nothing", GROUP, came(None, "10:01"), 60, 60),
    Case("arrived 1 before the end", GROUP, came("09:59"), 1, 1),
    Case("left 1 after the start", GROUP, came(None, "09:01"), 1, 1),
    Case("arrived 1 before the end and stayed", GROUP, came("09:59", "10:30"), 1, 1),
    Case("came early and left 10 early", GROUP, came("08:50", "09:50"), 50, 50),
    Case("came 10 late and stayed on", GROUP, came("09:10", "10:10"), 50, 50),
]

BREAKS = [
    Case("left 1 before the first break", EVENING, came(None, "18:59"), 59, 59),
    Case("left 1 into the first break", EVENING, came(None, "19:01"), 60, 60),
    Case("left 1 after the first break", EVENING, came(None, "19:11"), 61, 61),
    Case("arrived 1 before the first break: 1, 60 and 60", EVENING, came("18:59"), 121, 121),
    Case("arrived as the first break began", EVENING, came("19:00"), 120, 120),
    Case("arrived 1 before the break was over", EVENING, came("19:09"), 120, 120),
    Case("arrived as the break was over", EVENING, came("19:10"), 120, 120),
    Case("arrived 1 after the break", EVENING, came("19:11"), 119, 119),
    Case("a minute on either side of a break", EVENING, came("18:59", "19:11"), 2, 2),
    Case("ten on either side of a break", EVENING, came("18:50", "19:20"), 20, 20),
    Case("one break inside the presence, one outside", EVENING, came("18:30", "20:10"), 90, 90),
    Case("one break inside, half of the other", EVENING, came("18:30", "20:15"), 90, 90),
    Case("both breaks outside the presence", EVENING, came("18:10", "18:50"), 40, 40),
    Case("both breaks inside: 30, 60 and 30", EVENING, came("18:30", "20:50"), 120, 120),
    Case("20 late and left at the first break", EVENING, came("18:20", "19:00"), 40, 40),
]

LATE_AND_LEFT = [
    Case("1 late and left 1 early", GROUP, came("09:01", "09:59"), 58, 58),
    Case("late and left early: 45 stay 45", GROUP, came("09:10", "09:55"), 45, 45, QUARTERS),
    Case("late and left early: 44 fall to 30", GROUP, came("09:10", "09:54"), 44, 30, QUARTERS),
    Case("late and left early: 46 fall to 45", GROUP, came("09:09", "09:55"), 46, 45, QUARTERS),
    Case(
        "late and left early: 45 of 60 are 75 percent",
        GROUP,
        came("09:05", "09:50"),
        45,
        45,
        THREE_QUARTERS,
    ),
    Case(
        "late and left early: 44 of 60 are under it",
        GROUP,
        came("09:05", "09:49"),
        44,
        0,
        THREE_QUARTERS,
    ),
    Case(
        "late, early and a break: 144 of 180 are 80 percent",
        EVENING,
        came("18:20", "21:04"),
        144,
        144,
        FOUR_FIFTHS,
    ),
    Case(
        "late, early and a break: 143 of 180 are under it",
        EVENING,
        came("18:20", "21:03"),
        143,
        0,
        FOUR_FIFTHS,
    ),
]

AWAY = [
    Case("away for one minute", GROUP, came(away=("09:30-09:31",)), 59, 59),
    Case("away in the first minute", GROUP, came(away=("09:00-09:01",)), 59, 59),
    Case("away in the last minute", GROUP, came(away=("09:59-10:00",)), 59, 59),
    Case("away from the end on costs nothing", GROUP, came(away=("10:00-10:10",)), 60, 60),
    Case("away twice without a pause", GROUP, came(away=("09:10-09:20", "09:20-09:30")), 40, 40),
    Case(
        "left while away and never came back", GROUP, came(None, "09:30", ("09:20-09:40",)), 20, 20
    ),
    Case(
        "away at the arrival and at the departure: 20 between",
        GROUP,
        came("09:15", "09:45", ("09:10-09:20", "09:40-09:50")),
        20,
        20,
    ),
    Case("away for the minute before a break", EVENING, came(away=("18:59-19:00",)), 179, 179),
    Case("away for the minute after a break", EVENING, came(away=("19:10-19:11",)), 179, 179),
    Case("away ten on either side of a break", EVENING, came(away=("18:50-19:20",)), 160, 160),
    Case("away 14 leaves 46, 45 at quarters", GROUP, came(away=("09:20-09:34",)), 46, 45, QUARTERS),
    Case("away 15 leaves 45 at quarters", GROUP, came(away=("09:20-09:35",)), 45, 45, QUARTERS),
    Case("away 16 leaves 44, 30 at quarters", GROUP, came(away=("09:20-09:36",)), 44, 30, QUARTERS),
    Case("away 15 is still 75 percent", GROUP, came(away=("09:20-09:35",)), 45, 45, THREE_QUARTERS),
    Case("away 16 forfeits the rest", GROUP, came(away=("09:20-09:36",)), 44, 0, THREE_QUARTERS),
]

VISIT = (span("09:20-09:40"),)
NESTED = [
    Case("10 late with a visit of 20", GROUP, came("09:10"), 30, 30, nested=VISIT),
    Case("came from the prescriber as the visit ended", GROUP, came("09:40"), 20, 20, nested=VISIT),
    Case(
        "a visit before the arrival costs nothing more", GROUP, came("09:50"), 10, 10, nested=VISIT
    ),
    Case("left as the visit began", GROUP, came(None, "09:20"), 20, 20, nested=VISIT),
    Case("left as the visit ended", GROUP, came(None, "09:40"), 20, 20, nested=VISIT),
    Case("left 1 after the visit", GROUP, came(None, "09:41"), 21, 21, nested=VISIT),
    Case(
        "visits in the first and in the last minute",
        GROUP,
        came(),
        58,
        58,
        nested=(span("09:00-09:01"), span("09:59-10:00")),
    ),
    Case(
        "visits that overlap are cut once",
        GROUP,
        came(),
        30,
        30,
        nested=(span("09:10-09:30"), span("09:20-09:40")),
    ),
    Case(
        "a visit across a break of the evening: 20 of its 30",
        EVENING,
        came(),
        160,
        160,
        nested=(span("18:50-19:20"),),
    ),
    Case(
        "a visit, a break and 10 late",
        EVENING,
        came("18:10"),
        150,
        150,
        nested=(span("18:50-19:20"),),
    ),
    Case("visit of 14, 46 left", GROUP, came(), 46, 45, QUARTERS, (span("09:20-09:34"),)),
    Case("visit of 15, 45 left", GROUP, came(), 45, 45, QUARTERS, (span("09:20-09:35"),)),
    Case("visit of 16, 44 left", GROUP, came(), 44, 30, QUARTERS, (span("09:20-09:36"),)),
    Case("all asked of the 40 that a visit left", GROUP, came(), 40, 40, EVERYTHING, VISIT),
    Case("all asked, 39 of the 40 there", GROUP, came("09:01"), 39, 0, EVERYTHING, VISIT),
    Case("a visit during recreation", LECTURE, came(), 40, 0, nested=VISIT),
    Case("the visit's own minutes", session("09:20-09:40"), came(), 20, 20),
    Case("5 late at the prescriber", session("09:20-09:40"), came("09:25"), 15, 15),
    Case("a drug screen", session("09:20-09:40", creditable=False), came(), 20, 0),
]

ROUND_DOWN = [
    Case("15 at quarters", GROUP, came(None, "09:15"), 15, 15, QUARTERS),
    Case("16 at quarters", GROUP, came(None, "09:16"), 16, 15, QUARTERS),
    Case("29 at quarters", GROUP, came(None, "09:29"), 29, 15, QUARTERS),
    Case("30 at quarters", GROUP, came(None, "09:30"), 30, 30, QUARTERS),
    Case("31 at quarters", GROUP, came(None, "09:31"), 31, 30, QUARTERS),
    Case("46 at quarters", GROUP, came(None, "09:46"), 46, 45, QUARTERS),
    Case("9 at tens", GROUP, came(None, "09:09"), 9, 0, TENS),
    Case("10 at tens", GROUP, came(None, "09:10"), 10, 10, TENS),
    Case("11 at tens", GROUP, came(None, "09:11"), 11, 10, TENS),
    Case("60 at whole hours", GROUP, came(), 60, 60, WHOLE_HOURS),
    Case("60 at sevens: eight of them", GROUP, came(), 60, 56, SEVENS),
    Case("an evening less a minute at quarters", EVENING, came("18:01"), 179, 165, QUARTERS),
    Case("absent at quarters", GROUP, ABSENT, 0, 0, QUARTERS),
]

ALL_OR_NOTHING = [
    Case("49 of 60 at 80 percent", GROUP, came("09:11"), 49, 49, FOUR_FIFTHS),
    Case("48 of 60 is 80 percent", GROUP, came("09:12"), 48, 48, FOUR_FIFTHS),
    Case("47 of 60 is under 80 percent", GROUP, came("09:13"), 47, 0, FOUR_FIFTHS),
    Case("40 of 50 is 80 percent", FIFTY, came("09:10"), 40, 40, FOUR_FIFTHS),
    Case("39 of 50 is under 80 percent", FIFTY, came("09:11"), 39, 0, FOUR_FIFTHS),
    Case("20 of 60 is over 33 percent", GROUP, came("09:40"), 20, 20, A_THIRD),
    Case("19 of 60 is under 33 percent", GROUP, came("09:41"), 19, 0, A_THIRD),
    Case("46 of 60 is over 75 percent", GROUP, came("09:14"), 46, 46, THREE_QUARTERS),
    Case("136 of 180 is over 75 percent", EVENING, came(None, "20:36"), 136, 136, THREE_QUARTERS),
    Case("absent at 75 percent", GROUP, ABSENT, 0, 0, THREE_QUARTERS),
]

FAMILY = session("17:00-18:00")
FAMILIES = [
    Case("the family came without the patient: nothing", FAMILY, ABSENT, 0, 0),
    Case("the same at quarters: nothing", FAMILY, ABSENT, 0, 0, QUARTERS),
    Case("the same with no share asked: nothing", FAMILY, ABSENT, 0, 0, ANYTHING),
    Case("the patient was there with the family", FAMILY, came(), 60, 60),
    Case("the patient joined the family for the last 20", FAMILY, came("17:40"), 20, 20),
    Case("the patient left the family after 25", FAMILY, came(None, "17:25"), 25, 25),
    Case("the family went on alone, 25 at quarters", FAMILY, came(None, "17:25"), 25, 15, QUARTERS),
    Case(
        "the family went on alone, all or nothing", FAMILY, came(None, "17:25"), 25, 0, FOUR_FIFTHS
    ),
    Case("the family was alone for 12 in the middle", FAMILY, came(away=("17:20-17:32",)), 48, 48),
]

NOT_CREDITABLE = [
    Case("recreation, late and left early", LECTURE, came("09:10", "09:40"), 30, 0),
    Case("recreation, away for ten", LECTURE, came(away=("09:20-09:30",)), 50, 0),
    Case("recreation, absent", LECTURE, ABSENT, 0, 0),
    Case("recreation, nothing under all of it", LECTURE, came(), 60, 0, EVERYTHING),
]

FORWARD = session("01:00-04:00", day=SPRING)  # two hours: 2:00 became 3:00
BACK = session("00:30-02:30", day=AUTUMN)  # three hours: 1:00 to 2:00 was had twice
SECOND_130 = at("01:30", AUTUMN, fold=1)
CLOCK_CHANGES = [
    Case("spring: three hours on the wall are two", FORWARD, came(), 120, 120),
    Case("spring: left 1 before the change", FORWARD, came(None, "01:59", day=SPRING), 59, 59),
    Case("spring: left at the change", FORWARD, came(None, "03:00", day=SPRING), 60, 60),
    Case("spring: left 1 after the change", FORWARD, came(None, "03:01", day=SPRING), 61, 61),
    Case("spring: arrived 5 after the change", FORWARD, came("03:05", day=SPRING), 55, 55),
    Case(
        "spring: a break over the change is 20 long",
        session("01:00-04:00", (50, 70), day=SPRING),
        came(),
        100,
        100,
    ),
    Case(
        "spring: away from 1:50 to 3:10 is 20",
        FORWARD,
        came(away=("01:50-03:10",), day=SPRING),
        100,
        100,
    ),
    Case(
        "spring: a visit from 1:50 to 3:10 is 20",
        FORWARD,
        came(),
        100,
        100,
        nested=(span("01:50-03:10", SPRING),),
    ),
    Case(
        "spring: 90 of 120 are 75 percent",
        FORWARD,
        came("01:30", day=SPRING),
        90,
        90,
        THREE_QUARTERS,
    ),
    Case(
        "spring: 89 of 120 are under it", FORWARD, came("01:31", day=SPRING), 89, 0, THREE_QUARTERS
    ),
    Case("spring: 119 at quarters", FORWARD, came("01:01", day=SPRING), 119, 105, QUARTERS),
    Case(
        "autumn: left at the first 1:00",
        BACK,
        AttendanceFacts(True, None, at("01:00", AUTUMN)),
        30,
        30,
    ),
    Case(
        "autumn: left at the second 1:00",
        BACK,
        AttendanceFacts(True, None, at("01:00", AUTUMN, fold=1)),
        90,
        90,
    ),
    Case(
        "autumn: left 1 before the second 1:00",
        BACK,
        AttendanceFacts(True, None, at("01:59", AUTUMN)),
        89,
        89,
    ),
    Case(
        "autumn: ends at the second 1:30",
        SessionFacts(at("00:30", AUTUMN), SECOND_130),
        came(),
        120,
        120,
    ),
    Case(
        "autumn: arrived at the first 1:15, 135 of 180",
        BACK,
        AttendanceFacts(True, at("01:15", AUTUMN)),
        135,
        135,
        THREE_QUARTERS,
    ),
    Case(
        "autumn: arrived at the first 1:16, 134 of 180",
        BACK,
        AttendanceFacts(True, at("01:16", AUTUMN)),
        134,
        0,
        THREE_QUARTERS,
    ),
    Case(
        "autumn: left at 2:29, 179 at quarters",
        BACK,
        came(None, "02:29", day=AUTUMN),
        179,
        165,
        QUARTERS,
    ),
]

LIMITS = [
    *GRACE,
    *EDGES,
    *BREAKS,
    *LATE_AND_LEFT,
    *AWAY,
    *NESTED,
    *ROUND_DOWN,
    *ALL_OR_NOTHING,
    *FAMILIES,
    *NOT_CREDITABLE,
    *CLOCK_CHANGES,
]


@pytest.mark.parametrize("case", LIMITS, ids=lambda case: case.reason)
def test_minutes_at_the_limits(case):
    assert attended_minutes(case.session, case.facts, case.nested) == case.attended
    assert credited_minutes(case.session, case.facts, case.policy, case.nested) == case.credited


def test_no_reason_stands_in_both_tables():
    reasons = [case.reason for case in (*GOLDEN, *LIMITS)]
    assert len(reasons) == len(set(reasons))
