"""Sessions and attendance facts in few words, for tests of pure arithmetic.

Times are New York wall times of one Wednesday unless a day is given: session("09:00-10:00"),
came("09:10", left="09:40", away=("09:20-09:25",)).
"""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from attendance.records.rules import AttendanceFacts, Interval, SessionFacts

NEW_YORK = ZoneInfo("America/New_York")
WEDNESDAY = date(2026, 3, 4)
SPRING = date(2026, 3, 8)  # 02:00 becomes 03:00
AUTUMN = date(2026, 11, 1)  # 02:00 becomes 01:00


def at(clock: str, day: date = WEDNESDAY, *, fold: int = 0) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), tzinfo=NEW_YORK).replace(fold=fold)


def span(clocks: str, day: date = WEDNESDAY) -> Interval:
    start, end = clocks.split("-")
    return Interval(at(start, day), at(end, day))


def session(
    clocks: str,
    *breaks: tuple[int, int],
    creditable: bool = True,
    day: date = WEDNESDAY,
) -> SessionFacts:
    start, end = clocks.split("-")
    return SessionFacts(at(start, day), at(end, day), breaks, creditable)


def came(
    arrived: str | None = None,
    left: str | None = None,
    away: tuple[str, ...] = (),
    day: date = WEDNESDAY,
) -> AttendanceFacts:
    return AttendanceFacts(
        attended=True,
        arrived_at=at(arrived, day) if arrived else None,
        left_at=at(left, day) if left else None,
        away=tuple(span(clocks, day) for clocks in away),
    )


GROUP = session("09:00-10:00")
FIFTY = session("09:00-09:50")
EVENING = session("18:00-21:20", (60, 70), (130, 140))  # three hours with two breaks of ten
LECTURE = session("09:00-10:00", creditable=False)
ABSENT = AttendanceFacts(attended=False)
