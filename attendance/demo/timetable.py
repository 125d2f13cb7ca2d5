"""When the demo clinic meets, and a weekly hour for everybody that collides with nothing.

The hours of individual and family sessions are given out one by one on a grid of weekdays and
hours: a therapist, one of three offices, and a patient who is not in group are free, or the next
hour is tried. A place (a chair in a group) keeps its hour; whoever sits on it inherits it.
"""

from __future__ import annotations

import datetime
import random
from dataclasses import dataclass, field

MON, TUE, WED, THU, FRI = range(5)


@dataclass(frozen=True, slots=True)
class Staff:
    email: str
    name: str
    role: str
    credential: str = ""
    number: str = ""
    hours: range = range(8, 17)
    days: tuple[int, ...] = (MON, TUE, WED, THU, FRI)


STAFF = (
    Staff("admin@example.com", "Adele Adminsky", "administrator"),
    Staff("coordinator@example.com", "Cora Coordinatto", "coordinator"),
    Staff("frontdesk@example.com", "Frank Deskwell", "front_desk"),
    Staff("reviewer@example.com", "Rita Reviewska", "utilization_review"),
    Staff("therapist@example.com", "Thea Therapon", "therapist", "LCSW", "CT-10001"),
    Staff("therapist2@example.com", "Theo Listenham", "therapist", "LPC", "CT-10002"),
    Staff("therapist3@example.com", "Lupe Evenings", "therapist", "LPC", "CT-10003",
          range(13, 17), (MON, TUE, WED, THU)),
    Staff("therapist4@example.com", "Mo Familiari", "therapist", "LMFT", "CT-10004"),
    Staff("therapist5@example.com", "Anselm Dusk", "therapist", "LADC", "CT-10005",
          range(13, 17), (MON, TUE, WED, THU)),
    Staff("therapist6@example.com", "Cleo Counselman", "therapist", "CADC", "CT-10006"),
)  # fmt: skip
LEAD, DAY, EVENING, FAMILY, EVENING2, SECOND = (
    staff.email for staff in STAFF if staff.role == "therapist"
)
CREDENTIALS = {
    "Group therapy": ("LCSW", "LPC", "LMFT", "LADC"),
    "Individual": ("LCSW", "LPC", "LMFT", "LADC", "CADC"),
    "Family": ("LCSW", "LPC", "LMFT"),
}
"""Who may lead what: an addiction counselor co-leads groups, and sees patients alone."""
MAY_DIAGNOSE = {"LCSW", "LPC", "LMFT"}
ROOMS = {"Oak": 16, "Birch": 14, "Cedar": 10, "Office 1": 3, "Office 2": 3, "Office 3": 3}
OFFICES = ("Office 1", "Office 2", "Office 3")


@dataclass(frozen=True, slots=True)
class Cohort:
    """A group as the demo plans it; its meetings are (start, end) of each day, breaks between."""

    key: str
    name: str
    program: str
    days: tuple[int, ...]
    meetings: tuple[tuple[str, str], ...]
    capacity: int
    members: int
    room: str
    leader: str
    second: str = ""
    min_size: int = 5
    target: int = 540
    adolescent: bool = False
    primary: tuple[str, ...] = ()

    @property
    def times(self) -> list[tuple[datetime.time, datetime.time]]:
        return [(clock(start), clock(end)) for start, end in self.meetings]


SUD, MENTAL, YOUNG = "Substance use IOP", "Co-occurring IOP", "Adolescent IOP"
PROGRAMS = {
    SUD: ("substance_use", True),
    MENTAL: ("co_occurring", True),
    YOUNG: ("adolescent", False),
}
MORNING = (("09:00", "10:00"), ("10:10", "11:10"), ("11:20", "12:20"))
NOON = (("10:00", "11:00"), ("11:10", "12:10"), ("12:20", "13:20"))
NIGHT = (("18:00", "19:00"), ("19:10", "20:10"), ("20:20", "21:20"))
AFTER_SCHOOL = (("16:00", "17:00"), ("17:10", "18:10"))
COHORTS = (
    Cohort("A", "Group A", SUD, (MON, WED, FRI), MORNING, 12, 11, "Oak", LEAD,
           primary=(LEAD, SECOND)),
    Cohort("B", "Group B", SUD, (MON, TUE, THU), NIGHT, 14, 14, "Birch", EVENING, EVENING2,
           primary=(EVENING, EVENING2)),
    Cohort("C", "Group C", MENTAL, (MON, TUE, WED, THU), NOON, 12, 10, "Birch", DAY,
           primary=(DAY, FAMILY), target=720),
    Cohort("D", "Group D", YOUNG, (TUE, WED, THU), AFTER_SCHOOL, 8, 6, "Cedar", FAMILY, SECOND,
           min_size=7, target=360, adolescent=True, primary=(FAMILY, LEAD)),
)  # fmt: skip
BY_KEY = {cohort.key: cohort for cohort in COHORTS}


PHP_ROOM, PHP_HOURS = "Cedar", (datetime.time(13), datetime.time(17))
"""Of the Friday on which one patient is still in partial hospitalization."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A standing hour of one patient."""

    kind: str
    weekday: int
    starts: datetime.time
    ends: datetime.time
    therapist: str
    room: str


def clock(text: str) -> datetime.time:
    return datetime.time.fromisoformat(text)


@dataclass
class Grid:
    """The weekly hours that are taken, by therapist and by office."""

    rng: random.Random
    taken: set[tuple[str, int, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        for cohort in COHORTS:
            for email in filter(None, (cohort.leader, cohort.second)):
                for weekday in cohort.days:
                    self.taken |= {(email, weekday, hour) for hour in hours_of(cohort)}

        self.taken |= {(SECOND, FRI, hour) for hour in range(PHP_HOURS[0].hour, PHP_HOURS[1].hour)}

    def give(
        self,
        cohorts: list[Cohort],
        therapist: str,
        *,
        kind: str = "Individual",
        minutes: int = 50,
        not_on: tuple[int, ...] = (),
        own: tuple[Slot, ...] = (),
    ) -> Slot:
        """The next free hour for a patient of these groups, with this therapist if possible."""
        may_lead = [s.email for s in STAFF if s.credential in CREDENTIALS[kind]]
        others = [email for email in may_lead if email != therapist]
        for email in (therapist, *others):
            staff = next(s for s in STAFF if s.email == email)
            hours = [(day, hour) for day in staff.days for hour in staff.hours if day not in not_on]
            self.rng.shuffle(hours)
            for weekday, hour in hours:
                needed = [hour, hour + 1] if minutes > 60 else [hour]
                if hour + len(needed) > staff.hours.stop or self._busy(
                    cohorts, own, weekday, needed
                ):
                    continue
                room = self._office(email, weekday, needed)
                if room:
                    return _slot(kind, weekday, hour, minutes, email, room)
        raise AssertionError("the grid has more hours than the demo has patients")

    def _busy(
        self, cohorts: list[Cohort], own: tuple[Slot, ...], weekday: int, hours: list[int]
    ) -> bool:
        groups = {h for cohort in cohorts if weekday in cohort.days for h in hours_of(cohort)}
        mine = {slot.starts.hour for slot in own if slot.weekday == weekday}
        mine |= {hour + 1 for hour in mine}  # a long session, or time to walk over
        return any(hour in groups | mine for hour in hours)

    def _office(self, email: str, weekday: int, hours: list[int]) -> str:
        if any((email, weekday, hour) in self.taken for hour in hours):
            return ""
        for room in OFFICES:
            if all((room, weekday, hour) not in self.taken for hour in hours):
                self.taken |= {(who, weekday, h) for who in (email, room) for h in hours}
                return room
        return ""


def hours_of(cohort: Cohort) -> list[int]:
    """The hours of the day that the group touches."""
    first, last = cohort.times[0][0], cohort.times[-1][1]
    return list(range(first.hour, last.hour + 1))


def _slot(kind: str, weekday: int, hour: int, minutes: int, email: str, room: str) -> Slot:
    ends = hour * 60 + minutes
    starts_at, ends_at = datetime.time(hour), datetime.time(ends // 60, ends % 60)
    return Slot(kind, weekday, starts_at, ends_at, email, room)
