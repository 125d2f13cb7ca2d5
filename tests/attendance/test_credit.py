"""Credit arithmetic: a golden table of minutes.

The minutes are literals worked out by hand from the rules, never from the code.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import pytest

from attendance.records.rules import (
    AttendanceFacts,
    CreditKind,
    CreditPolicy,
    Interval,
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

EXACT = CreditPolicy()
QUARTERS = CreditPolicy(kind=CreditKind.ROUND_DOWN, round_to=15)
TENS = CreditPolicy(kind=CreditKind.ROUND_DOWN, round_to=10)
WHOLE_HOURS = CreditPolicy(kind=CreditKind.ROUND_DOWN, round_to=60)
ONES = CreditPolicy(kind=CreditKind.ROUND_DOWN, round_to=1)
THREE_QUARTERS = CreditPolicy(kind=CreditKind.ALL_OR_NOTHING, min_percent=75)
HALF = CreditPolicy(kind=CreditKind.ALL_OR_NOTHING, min_percent=50)
EVERYTHING = CreditPolicy(kind=CreditKind.ALL_OR_NOTHING, min_percent=100)
ANYTHING = CreditPolicy(kind=CreditKind.ALL_OR_NOTHING, min_percent=0)
GENEROUS = CreditPolicy(grace_minutes=15)


@dataclass(frozen=True)
class Case:
    reason: str
    session: SessionFacts
    facts: AttendanceFacts
    attended: int
    credited: int
    policy: CreditPolicy = EXACT
    nested: tuple[Interval, ...] = ()


LONG_LECTURE = session("09:00-12:00", (60, 75), creditable=False)
HALF_BREAK = session("09:00-11:00", (50, 70))

PRESENCE = [
    Case("no times told: there from start to end", GROUP, came(), 60, 60),
    Case("absent: nothing", GROUP, ABSENT, 0, 0),
    Case(
        "absent with times told: still nothing",
        GROUP,
        replace(came("09:00", "10:00"), attended=False),
        0,
        0,
    ),
    Case("on time to the minute", GROUP, came("09:00", "10:00"), 60, 60),
    Case("arrived 20 early: adds nothing", GROUP, came("08:40"), 60, 60),
    Case(
        "arrived the day before by mistake: clamped",
        GROUP,
        AttendanceFacts(True, at("09:00", date(2026, 3, 3))),
        60,
        60,
    ),
    Case("stayed 20 after the end: adds nothing", GROUP, came(None, "10:20"), 60, 60),
    Case("early and late: the session and no more", GROUP, came("08:00", "11:00"), 60, 60),
    Case("3 late, inside the grace: grace never adds minutes", GROUP, came("09:03"), 57, 57),
    Case("5 late, exactly the grace", GROUP, came("09:05"), 55, 55),
    Case("6 late, past the grace", GROUP, came("09:06"), 54, 54),
    Case(
        "10 late with a grace of 15: minutes are the same", GROUP, came("09:10"), 50, 50, GENEROUS
    ),
    Case("20 late", GROUP, came("09:20"), 40, 40),
    Case("left 1 early", GROUP, came(None, "09:59"), 59, 59),
    Case("left 15 early", GROUP, came(None, "09:45"), 45, 45),
    Case("late and left early", GROUP, came("09:10", "09:40"), 30, 30),
    Case("one minute in all", GROUP, came("09:30", "09:31"), 1, 1),
    Case("arrived as it ended: present with nothing", GROUP, came("10:00"), 0, 0),
    Case("arrived after the end, on a day sheet", GROUP, came("10:15"), 0, 0),
    Case("left before it began, on a day sheet", GROUP, came(None, "08:30"), 0, 0),
    Case("left as it began", GROUP, came(None, "09:00"), 0, 0),
    Case("came and went before it began", GROUP, came("08:00", "08:45"), 0, 0),
    Case("came and went after it ended", GROUP, came("10:30", "11:00"), 0, 0),
    Case("a session of 15 minutes", session("09:00-09:15"), came(), 15, 15),
    Case("a session of six hours", session("09:00-15:00"), came(), 360, 360),
]

SECONDS = [
    Case("30 seconds late: 59 whole minutes", GROUP, came("09:00:30"), 59, 59),
    Case("1 second late: the minute was not wholly attended", GROUP, came("09:00:01"), 59, 59),
    Case("59 seconds in all", GROUP, came("09:00:00", "09:00:59"), 0, 0),
    Case(
        "30 seconds late and 30 seconds early: one minute lost",
        GROUP,
        came("09:00:30", "09:59:30"),
        59,
        59,
    ),
    Case(
        "away 30 s twice: cut once at the end, not per piece",
        GROUP,
        came(away=("09:10-09:10:30", "09:20-09:20:30")),
        59,
        59,
    ),
    Case(
        "away 20 s twice: 59 min 20 s is 59",
        GROUP,
        came(away=("09:10-09:10:20", "09:20-09:20:20")),
        59,
        59,
    ),
    Case("away 90 s: 58 and a half is 58", GROUP, came(away=("09:10-09:11:30",)), 58, 58),
    Case("45 min 59 s at quarters", GROUP, came(None, "09:45:59"), 45, 45, QUARTERS),
    Case("44 min 59 s at quarters", GROUP, came(None, "09:44:59"), 44, 30, QUARTERS),
    Case(
        "44 min 59 s at three quarters: not yet",
        GROUP,
        came(None, "09:44:59"),
        44,
        0,
        THREE_QUARTERS,
    ),
]

BREAKS = [
    Case("an evening of 200 minutes with 20 of breaks", EVENING, came(), 180, 180),
    Case("20 late every evening: never a qualifying day", EVENING, came("18:20"), 160, 160),
    Case("left as the first break began", EVENING, came(None, "19:00"), 60, 60),
    Case("left in the middle of a break", EVENING, came(None, "19:05"), 60, 60),
    Case("left as the first break ended", EVENING, came(None, "19:10"), 60, 60),
    Case("left ten after the first break", EVENING, came(None, "19:20"), 70, 70),
    Case("arrived in the middle of a break", EVENING, came("19:05"), 120, 120),
    Case("arrived and left inside one break", EVENING, came("19:02", "19:08"), 0, 0),
    Case("there between the breaks only", EVENING, came("19:10", "20:10"), 60, 60),
    Case("left after both breaks", EVENING, came(None, "21:00"), 160, 160),
    Case("a break before the arrival costs nothing more", EVENING, came("19:30"), 100, 100),
    Case("breaks that touch are one", session("09:00-11:00", (30, 40), (40, 50)), came(), 100, 100),
    Case(
        "breaks that overlap count once", session("09:00-11:00", (30, 50), (40, 60)), came(), 90, 90
    ),
    Case(
        "a break inside another counts once",
        session("09:00-11:00", (30, 60), (40, 50)),
        came(),
        90,
        90,
    ),
    Case("breaks out of order", session("09:00-11:00", (90, 100), (30, 40)), came(), 100, 100),
    Case(
        "a break running past the end is clipped", session("09:00-10:00", (50, 75)), came(), 50, 50
    ),
    Case("a break beyond the end costs nothing", session("09:00-10:00", (70, 80)), came(), 60, 60),
    Case("a break from the very start", session("09:00-10:00", (0, 10)), came(), 50, 50),
    Case("an empty break", session("09:00-10:00", (30, 30)), came(), 60, 60),
    Case("nothing but break", session("09:00-10:00", (0, 60)), came(), 0, 0),
]

AWAY = [
    Case("away 10 in the middle", GROUP, came(away=("09:20-09:30",)), 50, 50),
    Case("away twice", GROUP, came(away=("09:10-09:15", "09:40-09:50")), 45, 45),
    Case(
        "away times that overlap count once",
        GROUP,
        came(away=("09:10-09:30", "09:20-09:40")),
        30,
        30,
    ),
    Case("the same away told twice", GROUP, came(away=("09:10-09:20", "09:10-09:20")), 50, 50),
    Case("away before the start costs nothing", GROUP, came(away=("08:30-09:00",)), 60, 60),
    Case("away across the start", GROUP, came(away=("08:50-09:10",)), 50, 50),
    Case("away to past the end", GROUP, came(away=("09:45-10:30",)), 45, 45),
    Case("away the whole time", GROUP, came(away=("09:00-10:00",)), 0, 0),
    Case(
        "away before arriving costs nothing more",
        GROUP,
        came("09:20", away=("09:05-09:15",)),
        40,
        40,
    ),
    Case("away across the arrival", GROUP, came("09:20", away=("09:10-09:30",)), 30, 30),
    Case(
        "away after leaving costs nothing more",
        GROUP,
        came(None, "09:40", ("09:45-09:50",)),
        40,
        40,
    ),
    Case(
        "away inside a break costs nothing more", HALF_BREAK, came(away=("09:55-10:05",)), 100, 100
    ),
    Case("away across the whole break", HALF_BREAK, came(away=("09:40-10:20",)), 80, 80),
    Case(
        "away into a break: the overlap is cut once",
        HALF_BREAK,
        came(away=("09:40-10:00",)),
        90,
        90,
    ),
    Case("away told backwards holds no time", GROUP, came(away=("09:30-09:20",)), 60, 60),
    Case(
        "late, left early, a break and away",
        EVENING,
        came("18:10", "21:00", ("18:30-18:40", "20:20-20:30")),
        130,
        130,
    ),
]

NESTED = [
    Case("prescriber for 20 during group", GROUP, came(), 40, 40, nested=(span("09:20-09:40"),)),
    Case(
        "prescriber and away overlap: cut once",
        GROUP,
        came(away=("09:30-09:50",)),
        30,
        30,
        nested=(span("09:20-09:40"),),
    ),
    Case(
        "prescriber inside a break costs nothing",
        HALF_BREAK,
        came(),
        100,
        100,
        nested=(span("09:52-10:08"),),
    ),
    Case("prescriber across a break", HALF_BREAK, came(), 80, 80, nested=(span("09:40-10:20"),)),
    Case(
        "away, break and prescriber at once",
        HALF_BREAK,
        came(away=("09:45-10:15",)),
        80,
        80,
        nested=(span("09:40-10:20"),),
    ),
    Case(
        "arrived during the prescriber visit",
        GROUP,
        came("09:30"),
        20,
        20,
        nested=(span("09:20-09:40"),),
    ),
    Case("two visits", GROUP, came(), 30, 30, nested=(span("09:10-09:20"), span("09:30-09:50"))),
    Case("visit for the whole group", GROUP, came(), 0, 0, nested=(span("09:00-10:00"),)),
    Case(
        "visit while absent from the group: not negative",
        GROUP,
        ABSENT,
        0,
        0,
        nested=(span("09:20-09:40"),),
    ),
    Case(
        "visit of 20 leaves 40, 30 at quarters",
        GROUP,
        came(),
        40,
        30,
        QUARTERS,
        (span("09:20-09:40"),),
    ),
    Case(
        "half an hour at the prescriber never forfeits the rest",
        GROUP,
        came(),
        30,
        30,
        THREE_QUARTERS,
        (span("09:00-09:30"),),
    ),
    Case(
        "of the 40 left by a visit, 29 are under three quarters",
        GROUP,
        came("09:11"),
        29,
        0,
        THREE_QUARTERS,
        (span("09:20-09:40"),),
    ),
    Case(
        "of the 40 left by a visit, 30 are three quarters",
        GROUP,
        came("09:10"),
        30,
        30,
        THREE_QUARTERS,
        (span("09:20-09:40"),),
    ),
]

ROUND_DOWN = [
    Case("60 is whole quarters", GROUP, came(), 60, 60, QUARTERS),
    Case("59 is three quarters", GROUP, came(None, "09:59"), 59, 45, QUARTERS),
    Case("45 stays 45", GROUP, came(None, "09:45"), 45, 45, QUARTERS),
    Case("44 falls to 30", GROUP, came(None, "09:44"), 44, 30, QUARTERS),
    Case("14 falls to nothing", GROUP, came(None, "09:14"), 14, 0, QUARTERS),
    Case("a full session of 50 credits 45", FIFTY, came(), 50, 45, QUARTERS),
    Case(
        "rounding is per session, not per piece",
        GROUP,
        came(away=("09:20-09:40",)),
        40,
        30,
        QUARTERS,
    ),
    Case("57 at tens", GROUP, came("09:03"), 57, 50, TENS),
    Case("59 at whole hours", GROUP, came(None, "09:59"), 59, 0, WHOLE_HOURS),
    Case("179 at whole hours", EVENING, came(None, "21:19"), 179, 120, WHOLE_HOURS),
    Case("rounding to one minute is exact", GROUP, came("09:03"), 57, 57, ONES),
]

ALL_OR_NOTHING = [
    Case("full presence", GROUP, came(), 60, 60, THREE_QUARTERS),
    Case("exactly 75 percent counts", GROUP, came("09:15"), 45, 45, THREE_QUARTERS),
    Case("one minute under 75 percent is nothing", GROUP, came("09:16"), 44, 0, THREE_QUARTERS),
    Case(
        "all of what was attended, not all of the session",
        GROUP,
        came("09:10"),
        50,
        50,
        THREE_QUARTERS,
    ),
    Case("38 of 50 is over 75 percent", FIFTY, came("09:12"), 38, 38, THREE_QUARTERS),
    Case("37 of 50 is 74 percent", FIFTY, came("09:13"), 37, 0, THREE_QUARTERS),
    Case(
        "the share is of the session without its breaks",
        EVENING,
        came(None, "20:35"),
        135,
        135,
        THREE_QUARTERS,
    ),
    Case("134 of 180 is under 75 percent", EVENING, came(None, "20:34"), 134, 0, THREE_QUARTERS),
    Case("exactly half", GROUP, came("09:30"), 30, 30, HALF),
    Case("one minute under half", GROUP, came("09:31"), 29, 0, HALF),
    Case("all asked, all there", EVENING, came(), 180, 180, EVERYTHING),
    Case("all asked, one minute missing", EVENING, came("18:01"), 179, 0, EVERYTHING),
    Case(
        "all asked, only a break missed", EVENING, came(away=("19:00-19:10",)), 180, 180, EVERYTHING
    ),
    Case("no share asked", GROUP, came("09:59"), 1, 1, ANYTHING),
    Case("absent under no share asked", GROUP, ABSENT, 0, 0, ANYTHING),
]

NOT_CREDITABLE = [
    Case("recreation is attended, never credited", LECTURE, came(), 60, 0),
    Case("the same under rounding", LECTURE, came(), 60, 0, QUARTERS),
    Case("the same under all-or-nothing", LECTURE, came(), 60, 0, ANYTHING),
    Case(
        "its breaks and departures still shape what was attended",
        LONG_LECTURE,
        came(None, "11:00"),
        105,
        0,
    ),
]

CLOCK_CHANGES = [
    Case(
        "spring: 01:30 to 03:30 on the wall is one hour",
        session("01:30-03:30", day=SPRING),
        came(),
        60,
        60,
    ),
    Case(
        "spring: left at 03:15, 45 minutes in",
        session("01:30-03:30", day=SPRING),
        came(None, "03:15", day=SPRING),
        45,
        45,
    ),
    Case(
        "autumn: 00:30 to 02:30 on the wall is three hours",
        session("00:30-02:30", day=AUTUMN),
        came(),
        180,
        180,
    ),
    Case(
        "autumn: a break is counted from the start, not by the wall",
        session("00:30-02:30", (60, 90), day=AUTUMN),
        came(),
        150,
        150,
    ),
    Case(
        "autumn: arrived at the first 01:30",
        session("00:30-02:30", day=AUTUMN),
        AttendanceFacts(True, at("01:30", AUTUMN)),
        120,
        120,
    ),
    Case(
        "autumn: arrived at the second 01:30",
        session("00:30-02:30", day=AUTUMN),
        AttendanceFacts(True, at("01:30", AUTUMN, fold=1)),
        60,
        60,
    ),
    Case(
        "autumn: there from the first 01:30 to the second",
        session("00:30-02:30", day=AUTUMN),
        AttendanceFacts(True, at("01:30", AUTUMN), at("01:30", AUTUMN, fold=1)),
        60,
        60,
    ),
    Case(
        "past midnight",
        SessionFacts(at("23:00"), at("00:30", date(2026, 3, 5))),
        came("23:30"),
        60,
        60,
    ),
    Case(
        "facts in UTC, session in New York",
        GROUP,
        AttendanceFacts(True, datetime(2026, 3, 4, 14, 20, tzinfo=UTC)),
        40,
        40,
    ),
]

GOLDEN = [
    *PRESENCE,
    *SECONDS,
    *BREAKS,
    *AWAY,
    *NESTED,
    *ROUND_DOWN,
    *ALL_OR_NOTHING,
    *NOT_CREDITABLE,
    *CLOCK_CHANGES,
]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case.reason)
def test_minutes(case):
    assert attended_minutes(case.session, case.facts, case.nested) == case.attended
    assert credited_minutes(case.session, case.facts, case.policy, case.nested) == case.credited


def test_the_table_is_large_and_every_reason_is_its_own():
    assert len(GOLDEN) >= 80
    assert len({case.reason for case in GOLDEN}) == len(GOLDEN)
