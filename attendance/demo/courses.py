"""Who was treated when: the places of each group and the patients who followed each other on them.

Each place is taken three times in the weeks that are shown: 6 or 7 patients leave a week (on the
last group day before Friday) and as many begin on that Friday. A few places have a story.
"""

from __future__ import annotations

import datetime
import random
from dataclasses import dataclass, field

from attendance.demo.cast import Cast, Person
from attendance.demo.timetable import BY_KEY, COHORTS, FRI, MON, THU, TUE, WED, Cohort, Grid, Slot

WEEKS = 12
DAY = datetime.timedelta(days=1)
WEEK = 7 * DAY

STORIES = {
    ("A", 0): "two_groups", ("B", 0): "two_groups",
    ("A", 1): "perfect",
    ("A", 2): "friday_skipper",
    ("A", 3): "surgery",
    ("A", 4): "transfer_to", ("B", 1): "transfer_from",
    ("B", 2): "late_every_evening",
    ("B", 3): "make_up",
    ("C", 0): "step_down",
    ("C", 1): "readmission",
    ("C", 2): "dropout",
    ("D", 0): "turning_18",
}  # fmt: skip
BEGAN = {
    "perfect": -6, "friday_skipper": -5, "surgery": -4, "transfer_to": -4, "transfer_from": -6,
    "late_every_evening": -5, "make_up": -3, "step_down": -6, "readmission": -2, "dropout": -2,
    "turning_18": -4,
}  # fmt: skip
"""The week in which the present patient of a place with a story began (the last closed is -1)."""
OWN_HOUR_NOT_ON = {"friday_skipper": (FRI,), "late_every_evening": (MON, TUE, THU)}
"""Else the skipper would come for it, and the late evenings would add up to qualifying days."""
COURT = {("B", number) for number in (4, 5, 6, 7, 8)}
SHORT_WEEKS: dict[tuple[str, int], tuple[str, tuple[int, ...]]] = {
    ("A", 5): ("excused", (WED,)),
    ("B", 9): ("excused", (TUE,)),
    ("B", 10): ("excused", (MON,)),
    ("C", 3): ("excused", (MON, TUE)),
    ("D", 1): ("excused", (WED,)),
    ("A", 6): ("no_show", (FRI,)),
    ("B", 11): ("late_cancel", (THU,)),
    ("D", 2): ("no_show", (THU,)),
    ("A", 7): ("no_show", (MON, WED)),
    ("B", 12): ("no_show", (MON, TUE, THU)),
    ("C", 4): ("no_show", (MON, TUE, WED)),
}
"""Who misses what in the last closed week: five excused, three that a make-up would have repaired,
three serious. With the stories (surgery; Friday-skipper, late every evening; dropout) 15 in all."""
REASONS = (
    ["completed"] * 8 + ["transferred"] * 3 + ["dropped_out"] * 5 + ["terminated"] * 3 + ["aca"]
)


@dataclass(frozen=True, slots=True)
class Seat:
    cohort: Cohort
    first: datetime.date
    last: datetime.date | None


@dataclass(frozen=True, slots=True)
class Hour:
    slot: Slot
    first: datetime.date
    last: datetime.date | None


@dataclass
class Course:
    """One episode of the demo: who, from when to when, on which places."""

    person: Person
    cohort: Cohort
    admitted: datetime.date
    discharged: datetime.date | None = None
    reason: str = ""
    story: str = ""
    place: tuple[str, int] = ("", 0)
    therapist: str = ""
    court: bool = False
    php_until: datetime.date | None = None
    seats: list[Seat] = field(default_factory=list)
    hours: list[Hour] = field(default_factory=list)

    @property
    def active(self) -> bool:
        return self.discharged is None


@dataclass(frozen=True, slots=True)
class Calendar:
    """The demo's weeks: 0 is the one of today, -1 the last that is closed."""

    today: datetime.date

    def day(self, week: int, weekday: int) -> datetime.date:
        return self.today + DAY * (weekday - self.today.weekday()) + WEEK * week

    def week(self, day: datetime.date) -> int:
        return (day - self.day(0, MON)).days // 7

    @property
    def start(self) -> datetime.date:
        return self.day(-WEEKS, MON)

    @property
    def snow_day(self) -> datetime.date:
        return self.day(-4, TUE)

    def last_before_today(self, weekdays: tuple[int, ...]) -> datetime.date:
        day = self.today - DAY
        while day.weekday() not in weekdays:
            day -= DAY
        return day


class Casting:
    """Seats people on the places, week after week."""

    def __init__(self, rng: random.Random, calendar: Calendar) -> None:
        self.rng = rng
        self.calendar = calendar
        self.cast = Cast(rng, calendar.today)
        self.grid = Grid(random.Random(rng.random()))  # noqa: S311  a demo, not a secret
        self.courses: list[Course] = []

    def run(self) -> list[Course]:
        places = [(cohort, n) for cohort in COHORTS for n in range(cohort.members)]
        began = self._began(places)
        for cohort, number in places:
            story = STORIES.get((cohort.key, number), "")
            if story == "two_groups":
                if cohort.key == "A":
                    self._two_groups()
            else:
                self._place(cohort, number, story, *began[cohort.key, number])
        self._transfer()
        self._readmit()
        self._families()
        return self.courses

    def _began(self, places: list[tuple[Cohort, int]]) -> dict[tuple[str, int], tuple[int, int]]:
        """By place: the weeks in which its second and third patient began; as even as can be."""
        keys = [(cohort.key, n) for cohort, n in places]
        keys = [key for key in keys if STORIES.get(key) != "two_groups"]
        early = [-12 + i % 6 for i in range(len(keys))]
        self.rng.shuffle(early)
        late = [-6 + i % 6 for i in range(len(keys))]
        fixed = {key: -2 - i % 5 for i, key in enumerate(SHORT_WEEKS)}
        fixed |= {key: BEGAN[STORIES[key]] for key in keys if key in STORIES}
        for week in fixed.values():
            late.remove(week)
        self.rng.shuffle(late)
        weeks = {
            key: (early[i], fixed[key] if key in fixed else late.pop())
            for i, key in enumerate(keys)
        }
        # The readmitted patient's first stay ended 60 days before: on a Monday ten weeks ago.
        other = next(key for key in keys if key[0] == "C" and key not in STORIES)
        weeks[other] = (-10, weeks[other][1])
        return weeks

    def _place(self, cohort: Cohort, number: int, story: str, second: int, third: int) -> None:
        therapist = cohort.primary[number % len(cohort.primary)]
        slot = self.grid.give([cohort], therapist, not_on=OWN_HOUR_NOT_ON.get(story, ()))
        # Before the weeks that are shown, so that it is nobody's admission in them.
        first = self.calendar.day(second - self.rng.randint(6, 10), FRI)
        for begins, leaves in (
            (first, second), (self.calendar.day(second, FRI), third),
            (self.calendar.day(third, FRI), None),
        ):  # fmt: skip
            course = Course(
                person=self._person(cohort, story if leaves is None else ""),
                cohort=cohort,
                admitted=begins,
                story=story if leaves is None else "",
                place=(cohort.key, number),
                therapist=therapist,
                court=(cohort.key, number) in COURT and leaves is None,
            )
            if leaves is not None:
                course.discharged = self._last_day(cohort, leaves)
                course.reason = self.rng.choice(REASONS)
            self._sit(course, cohort, slot)
            self.courses.append(course)

    def _person(self, cohort: Cohort, story: str) -> Person:
        if story == "turning_18":
            return self.cast.turning_18(self.calendar.today + 10 * DAY)
        return self.cast.minor() if cohort.adolescent else self.cast.adult()

    def _last_day(self, cohort: Cohort, week: int) -> datetime.date:
        """The group's last day before the Friday on which the next patient begins."""
        return self.calendar.day(week, max(day for day in cohort.days if day != FRI))

    def _sit(self, course: Course, cohort: Cohort, slot: Slot) -> None:
        first = course.admitted
        if course.story == "step_down":
            course.php_until = first + 2 * DAY
            first += 3 * DAY  # Friday to Sunday in PHP, in the group from Monday on
        course.seats.append(Seat(cohort, first, course.discharged))
        course.hours.append(Hour(slot, first, course.discharged))

    # --- stories that span places ---

    def _two_groups(self) -> None:
        """One patient in groups A and B, with a long individual session: over 20 hours a week."""
        both = [BY_KEY["A"], BY_KEY["B"]]
        slot = self.grid.give(both, BY_KEY["A"].primary[0], minutes=90)
        course = Course(
            person=self.cast.adult(),
            cohort=both[0],
            admitted=self.calendar.day(-WEEKS - 1, FRI),
            story="two_groups",
            place=("A", 0),
            therapist=BY_KEY["A"].primary[0],
        )
        course.seats = [Seat(cohort, course.admitted, None) for cohort in both]
        course.hours = [Hour(slot, course.admitted, None)]
        self.courses.append(course)

    def _transfer(self) -> None:
        """From group B (through Tuesday) to group A (from Wednesday), three weeks ago."""
        there = self._present("transfer_to")
        moved = self._present("transfer_from")
        tuesday, wednesday = self.calendar.day(-3, TUE), self.calendar.day(-3, WED)
        seat, hour = moved.seats[0], moved.hours[0]
        moved.seats = [Seat(seat.cohort, seat.first, tuesday)]
        moved.seats += [Seat(there.cohort, wednesday, None)]
        moved.hours = [Hour(hour.slot, hour.first, tuesday)]
        moved.hours += [Hour(there.hours[0].slot, wednesday, None)]
        moved.cohort = there.cohort
        moved.story = "transfer"
        # The place left in B goes to the patient who was to begin in A.
        there.cohort, there.place, there.story = seat.cohort, moved.place, ""
        there.admitted, there.therapist = self.calendar.day(-3, FRI), moved.therapist
        there.seats = [Seat(seat.cohort, there.admitted, None)]
        there.hours = [Hour(hour.slot, there.admitted, None)]

    def _readmit(self) -> None:
        """Somebody who left and came back 60 days later."""
        back = self._present("readmission")
        monday = back.admitted - 60 * DAY
        former = next(
            c for c in self.courses
            if c.cohort.key == "C" and c.discharged and 0 <= (c.discharged - monday).days < 7
        )  # fmt: skip
        former.discharged, former.reason = monday, "aca"
        former.seats = [Seat(seat.cohort, seat.first, monday) for seat in former.seats]
        former.hours = [Hour(hour.slot, hour.first, monday) for hour in former.hours]
        self.cast.people.remove(back.person)
        back.person = former.person

    def _families(self) -> None:
        """Six family sessions a week: five adolescents and the patient in two groups."""
        with_family = [c for c in self.courses if c.story == "two_groups"]
        young = range(5)
        slots = {}
        for number in young:
            own = next(c for c in self.courses if c.place == ("D", number)).hours[0].slot
            slots[number] = self.grid.give(
                [BY_KEY["D"]], BY_KEY["D"].leader, kind="Family", minutes=60, own=(own,)
            )
        for course in self.courses:
            if course.place[0] == "D" and course.place[1] in slots:
                slot = slots[course.place[1]]
                course.hours.append(Hour(slot, course.hours[0].first, course.discharged))
        for course in with_family:
            both = [BY_KEY["A"], BY_KEY["B"]]
            slot = self.grid.give(
                both, BY_KEY["D"].leader, kind="Family", minutes=60, own=(course.hours[0].slot,)
            )
            course.hours.append(Hour(slot, course.admitted, None))

    def _present(self, story: str) -> Course:
        return next(course for course in self.courses if course.story == story)
