"""What happened at every past session of the demo, patient by patient and day by day.

People miss days, not sessions, so a draw decides about a day's group as a whole. The last closed
week is planned instead of drawn: so many short weeks, of each kind. Stories overrule both.
"""

from __future__ import annotations

import datetime
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from attendance.demo.courses import DAY, SHORT_WEEKS, Calendar, Course
from attendance.demo.timetable import FRI, LEAD, MON, PHP_HOURS, SECOND, THU, TUE, WED

PRESENT, LATE, LEFT, EXCUSED, LATE_CANCEL, NO_SHOW = (
    "present", "late", "left", "excused", "late_cancel", "no_show",
)  # fmt: skip
ODDS = {PRESENT: 74, LATE: 4, LEFT: 2, EXCUSED: 9, LATE_CANCEL: 4, NO_SHOW: 7}
"""Percent; with the planned week and the stories they come to 76 present, 6 in part, 8 excused,
6 without a call and 3 late cancels."""
LISTED = ("illness", "medical", "court", "childcare", "bereavement")
UNLISTED = ("work", "transport", "other")


@dataclass(frozen=True, slots=True)
class Meeting:
    """One past session as one patient expects it."""

    course: Course
    day: datetime.date
    starts: datetime.time
    ends: datetime.time
    group: str = ""
    therapist: str = ""

    @property
    def key(self) -> tuple[str, datetime.date, datetime.time]:
        """Which session it is: the group's, or the patient's own hour."""
        return self.group or self.course.person.record, self.day, self.starts


@dataclass(frozen=True, slots=True)
class Fact:
    meeting: Meeting
    kind: str
    arrived: datetime.time | None = None
    left: datetime.time | None = None
    notified: datetime.datetime | None = None
    reason: str = ""


def meetings(courses: list[Course], calendar: Calendar) -> Iterator[Meeting]:
    """Everything expected from the start of the history to yesterday, snow day left out."""
    for course in courses:
        for seat in course.seats:
            for day in _days(seat.first, seat.last, seat.cohort.days, calendar):
                for starts, ends in seat.cohort.times:
                    yield Meeting(course, day, starts, ends, seat.cohort.name)
        for hour in course.hours:
            slot = hour.slot
            for day in _days(hour.first, hour.last, (slot.weekday,), calendar):
                yield Meeting(course, day, slot.starts, slot.ends, therapist=slot.therapist)
        if course.php_until is not None:
            yield Meeting(course, course.admitted, *PHP_HOURS, therapist=SECOND)


def _days(
    first: datetime.date,
    last: datetime.date | None,
    weekdays: tuple[int, ...],
    calendar: Calendar,
) -> Iterator[datetime.date]:
    day = max(first, calendar.start)
    end = min(last or calendar.today, calendar.today - DAY)
    while day <= end:
        if day.weekday() in weekdays and day != calendar.snow_day:
            yield day
        day += DAY


class Recorder:
    """Tells for every expected meeting what was recorded; two rosters are not in."""

    def __init__(self, courses: list[Course], calendar: Calendar, seed: int) -> None:
        self.calendar = calendar
        self.seed = seed
        self.expected = sorted(
            meetings(courses, calendar), key=lambda m: (m.day, m.course.person.record, m.starts)
        )
        self.missing = self._rosters_not_in()
        self.days: dict[tuple[str, datetime.date], list[Meeting]] = defaultdict(list)
        for meeting in self.expected:
            self.days[meeting.course.person.record, meeting.day].append(meeting)

    def facts(self) -> Iterator[Fact]:
        for day in self.days.values():
            for fact in self._day(day):
                if fact.meeting.key not in self.missing:
                    yield fact

    def _rosters_not_in(self) -> set[tuple[str, datetime.date, datetime.time]]:
        """Group C's last session, and one of the therapist who leads group A.

        That is the last one of group A where it does not meet today (so that there is always a
        roster to fill in) and its week is still open; else the therapist's last individual hour.
        """
        calendar = self.calendar
        last = [m for m in self.expected if m.group == "Group C"][-1]
        day_c = [m for m in self.expected if m.group == "Group C" and m.day == last.day]
        found = {max(day_c, key=lambda m: m.starts).key}
        day_a = calendar.last_before_today((MON, WED, FRI))
        if calendar.today.weekday() in (TUE, THU, FRI + 1, FRI + 2):
            group_a = [m for m in self.expected if m.group == "Group A" and m.day == day_a]
        else:
            group_a = [
                m for m in self.expected
                if m.therapist == LEAD and m.course.active and not m.course.story
                and m.course.place not in SHORT_WEEKS
            ]  # fmt: skip
        return found | {max(group_a, key=lambda m: (m.day, m.starts)).key}

    # --- one day of one patient ---

    def _day(self, day: list[Meeting]) -> Iterator[Fact]:
        course, date = day[0].course, day[0].day
        for kind in (True, False):
            part = [m for m in day if bool(m.group) == kind]
            if part:
                yield from self._tell(part, self._outcome(course, date, group=kind), day[0])

    def _outcome(self, course: Course, date: datetime.date, *, group: bool) -> str:
        week = self.calendar.week(date)
        told = self._story(course, date, week, group=group)
        if told:
            return told
        if week == -1:
            kind, weekdays = SHORT_WEEKS.get(course.place, ("", ()))
            absent = course.active and date.weekday() in weekdays
            return kind if absent else PRESENT
        rng = random.Random(  # noqa: S311  a demo, not a secret
            f"{self.seed} {course.person.record} {week} {date.weekday()} {group}"
        )
        return rng.choices(list(ODDS), list(ODDS.values()))[0]

    def _story(self, course: Course, date: datetime.date, week: int, *, group: bool) -> str:
        match course.story:
            case "perfect" | "two_groups":
                return PRESENT
            case "friday_skipper":
                return NO_SHOW if date.weekday() == FRI else PRESENT
            case "surgery" if week == -1:
                return "surgery"
            case "late_every_evening":
                return "twenty_late" if group else PRESENT
            case "make_up" if week == -1 and group and date.weekday() == THU:
                return LATE_CANCEL
            case "dropout":
                first = self.calendar.day(-1, MON)
                if date < first:
                    return PRESENT
                return "two_sessions" if date == first and group else NO_SHOW
        return ""

    def _tell(self, part: list[Meeting], kind: str, first: Meeting) -> Iterator[Fact]:
        begins, ends = part[0].starts, part[-1].ends
        delay = 12 + part[0].day.toordinal() % 20  # told of the day, so of each of its sessions
        for meeting in part:
            match kind:
                case "late":
                    yield Fact(meeting, kind, arrived=_later(begins, delay))
                case "left":
                    yield Fact(meeting, kind, left=_later(ends, -25))
                case "twenty_late":
                    yield Fact(meeting, "late", arrived=_later(begins, 20))
                case "two_sessions":
                    yield Fact(meeting, "left", left=_later(part[1].ends, 5))
                case "excused" | "surgery" | "late_cancel":
                    yield self._absent(meeting, kind, first)
                case _:
                    yield Fact(meeting, kind)

    def _absent(self, meeting: Meeting, kind: str, first: Meeting) -> Fact:
        before = datetime.datetime.combine(first.day, first.starts)
        if kind == "surgery":
            told = datetime.datetime.combine(self.calendar.day(-2, FRI), datetime.time(11))
            return Fact(meeting, EXCUSED, notified=told, reason="medical")
        if kind == EXCUSED:
            reason = LISTED[meeting.day.toordinal() % len(LISTED)]
            return Fact(meeting, kind, notified=_told(before, 120), reason=reason)
        reason = UNLISTED[meeting.day.toordinal() % len(UNLISTED)]
        return Fact(meeting, kind, notified=_told(before, 35), reason=reason)


def _later(time: datetime.time, minutes: int) -> datetime.time:
    moved = datetime.datetime.combine(datetime.date(2000, 1, 1), time)
    return (moved + datetime.timedelta(minutes=minutes)).time()


def _told(before: datetime.datetime, minutes: int) -> datetime.datetime:
    return before - datetime.timedelta(minutes=minutes)
