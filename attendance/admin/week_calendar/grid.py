"""A week's sessions laid out: a row for each room, therapist or group, a column for each day.

Pure: what is read is given. Inside a cell everything stands in order of time. There is no time
axis: six rooms on five days leave each of thirty cells no width for one.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Self

from django.utils import timezone

from attendance.admin.week_calendar.entries import Entry, State
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.weeks import Week, clock_time, day_instants
from scheduling.models import Closure
from scheduling.rules import Span, closed_span

LONGEST_BREAK = datetime.timedelta(minutes=30)
"""Sessions of one group that follow each other within it are drawn as one run."""


class By(StrEnum):
    """What a row of the calendar is."""

    ROOM = "room"
    THERAPIST = "therapist"
    GROUP = "group"


FIRST, NAMED, LAST = 0, 1, 2


class Place(NamedTuple):
    """What a row stands for. Rows are sorted by rank, then by name; two people may share one."""

    rank: int
    name: str
    key: int = 0

    @classmethod
    def of(cls, row: Any) -> Self:
        """A room, a therapist or a group."""
        return cls(NAMED, row.name, row.pk)


@dataclass(frozen=True, slots=True)
class Run:
    """A session, or a group's sessions of a day that follow one another in the same hands."""

    entries: Sequence[Entry]
    facts: str
    """What the row does not say: leader, room."""
    titled: bool
    """False: the row's name is the title already."""

    @property
    def times(self) -> str:
        return clock_span(self.starts_at, self.ends_at)

    @property
    def seats(self) -> str:
        """Of the whole run, where every session in it is as full as the others."""
        said = {one.seats for one in self.entries if one.seats}
        return said.pop() if len(said) == 1 else ""

    @property
    def single(self) -> bool:
        return len(self.entries) == 1

    @property
    def starts_at(self) -> datetime.datetime:
        return self.entries[0].session.starts_at

    @property
    def ends_at(self) -> datetime.datetime:
        return self.entries[-1].session.ends_at

    @property
    def title(self) -> str:
        return self.entries[0].session.title

    @property
    def cancelled(self) -> bool:
        return all(one.state == State.CANCELLED for one in self.entries)

    @property
    def uncovered(self) -> bool:
        return any(one.uncovered for one in self.entries)


@dataclass(frozen=True, slots=True)
class Shade:
    """A part of a day on which nothing takes place here, and why."""

    starts_at: datetime.datetime
    ends_at: datetime.datetime
    word: str
    all_day: bool

    @property
    def times(self) -> str:
        """ "1:00 – 5:00 PM", "from 1:00 PM", "until 9:00 AM"."""
        starts, ends = timezone.localtime(self.starts_at), timezone.localtime(self.ends_at)
        if starts.time() == datetime.time.min:
            return f"until {ends:%-I:%M %p}"
        if ends.time() == datetime.time.min:
            return f"from {starts:%-I:%M %p}"
        return clock_span(self.starts_at, self.ends_at)


@dataclass(frozen=True, slots=True)
class Opening:
    """A stretch of a day in which a session that is to be moved fits, and the time proposed."""

    starts_at: datetime.datetime
    ends_at: datetime.datetime
    proposed_at: datetime.datetime
    url: str

    @property
    def fits(self) -> str:
        """ "9:00 AM"."""
        return clock_time(timezone.localtime(self.proposed_at))

    @property
    def times(self) -> str:
        return clock_span(self.starts_at, self.ends_at)


Item = Run | Shade | Opening


@dataclass(frozen=True, slots=True)
class Cell:
    day: datetime.date
    items: Sequence[Item]

    @property
    def shut(self) -> bool:
        return any(isinstance(one, Shade) and one.all_day for one in self.items)


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    cells: Sequence[Cell]


@dataclass
class Layout:
    """Collects what stands in each row on each day."""

    days: Sequence[datetime.date]
    cells: dict[Place, dict[datetime.date, list[Item]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    def rows(self) -> list[Row]:
        ordered = sorted(self.cells, key=lambda one: (one.rank, one.name.casefold(), one.key))
        return [Row(place.name, self._cells(self.cells[place])) for place in ordered]

    def _cells(self, found: Mapping[datetime.date, list[Item]]) -> list[Cell]:
        """In order of time; what lasts all day stands first."""
        return [
            Cell(day, sorted(found.get(day, ()), key=lambda one: (one.starts_at, one.ends_at)))
            for day in self.days
        ]


def laid_out(
    by: By,
    days: Sequence[datetime.date],
    entries: Iterable[Entry],
    others: Iterable[tuple[Place | None, datetime.date, Shade | Opening]],
    places: Iterable[Place],
) -> list[Row]:
    """The rows of the calendar. `places` have a row though nothing is in it; a shade or an opening
    makes none, and one without a place lies on every row."""
    layout = Layout(days)
    layout.cells.update((place, defaultdict(list)) for place in places)
    by_place: dict[tuple[Place, datetime.date], list[Entry]] = defaultdict(list)
    for entry in entries:
        for place in places_of(entry.session, entry.leaders, by):
            by_place[place, entry.session.local_date].append(entry)
    for (place, day), found in by_place.items():
        layout.cells[place][day] += runs(found, by, place)
    for on, day, other in list(others):
        for place in list(layout.cells) if on is None else {on} & layout.cells.keys():
            layout.cells[place][day].append(other)
    return layout.rows()


def clock_span(starts_at: datetime.datetime, ends_at: datetime.datetime) -> str:
    """ "9:00 – 9:50 AM", "11:00 AM – 1:00 PM": the half of the day is said once where it can be."""
    starts, ends = timezone.localtime(starts_at), timezone.localtime(ends_at)
    half = "" if f"{starts:%p}" == f"{ends:%p}" else f"{starts: %p}"
    return f"{starts:%-I:%M}{half} – {ends:%-I:%M %p}"


# --- where a session stands ----------------------------------------------------------------------

NO_ROOM, BY_VIDEO = Place(FIRST, "No room"), Place(LAST, "By video")
NOBODY = Place(FIRST, "Nobody")


def places_of(session: Any, leaders: Iterable[Any], by: By) -> list[Place]:
    """The rows that show a session: several where several therapists lead it."""
    if by == By.THERAPIST:
        return [Place.of(one) for one in leaders] or [NOBODY]
    if by == By.GROUP:
        return [Place.of(session.group) if session.group else Place(LAST, session.title)]
    if session.room is not None:
        return [Place.of(session.room)]
    if session.off_site:
        return [Place(LAST, session.off_site)]
    return [BY_VIDEO if session.by_video else NO_ROOM]


def facts(entry: Entry, by: By, place: Place) -> str:
    """The two resources that the row is not: "Thea Therapon · Oak"."""
    said = []
    if by != By.THERAPIST:
        said += [", ".join(one.name for one in entry.leaders)]
    elif len(entry.leaders) > 1:
        said += ["with " + ", ".join(one.name for one in entry.leaders if one.pk != place.key)]
    if by != By.ROOM:
        said += [places_of(entry.session, entry.leaders, By.ROOM)[0].name]
    return " · ".join(filter(None, said))


def runs(entries: Iterable[Entry], by: By, place: Place) -> Iterator[Run]:
    """Of one row and day, in order of time."""
    run: list[Entry] = []
    for entry in entries:
        if run and not _follows(run[-1], entry):
            yield _run(run, by, place)
            run = []
        run.append(entry)
    if run:
        yield _run(run, by, place)


def _run(entries: Sequence[Entry], by: By, place: Place) -> Run:
    return Run(entries, facts(entries[0], by, place), titled=entries[0].session.title != place.name)


def _follows(one: Entry, other: Entry) -> bool:
    before, after = one.session, other.session
    same = ("group_id", "room_id", "by_video", "off_site")
    return (
        before.group_id is not None
        and all(getattr(before, name) == getattr(after, name) for name in same)
        and one.leaders == other.leaders
        and after.starts_at - before.ends_at <= LONGEST_BREAK
    )


# --- what is closed or off -----------------------------------------------------------------------


def columns(
    week: Week, clinic: Clinic, entries: Iterable[Entry], closures: Iterable[Closure]
) -> list[datetime.date]:
    """The clinic's business days, and the other days of the week that have something."""
    weekdays = set(clinic.business_days) & set(range(7)) or set(range(5))
    busy = {entry.session.local_date for entry in entries}
    shut = [(one.starts_on, one.ends_on) for one in closures]
    return [
        day
        for day in week.days()
        if day.weekday() in weekdays
        or day in busy
        or any(first <= day <= last for first, last in shut)
    ]


def closed_on(closure: Closure, day: datetime.date, zone: datetime.tzinfo) -> Shade | None:
    """The shade of a closure on a date; none on other dates."""
    if not closure.starts_on <= day <= closure.ends_on:
        return None
    span = closed_span(day, closure.from_time, closure.to_time, zone)
    return Shade(*span, "closed", all_day=span == day_instants(day, zone))


def away_on(off: Span, day: datetime.date, zone: datetime.tzinfo) -> Shade | None:
    """The shade of a therapist's time off on a date, without its reason: a plan hangs on walls."""
    opens, ends = day_instants(day, zone)
    if not off.overlaps(Span(opens, ends)):
        return None
    span = Span(max(off.starts_at, opens), min(off.ends_at, ends))
    return Shade(*span, "time off", all_day=span == (opens, ends))


def shades_of(
    days: Sequence[datetime.date],
    zone: datetime.tzinfo,
    closures: Mapping[Place | None, Sequence[Closure]],
    away: Mapping[Place, Sequence[Span]],
) -> Iterator[tuple[Place | None, datetime.date, Shade]]:
    """Closures by room (None: the clinic's), time off by therapist, each on its dates."""
    for day in days:
        for room, found in closures.items():
            for closure in found:
                if shade := closed_on(closure, day, zone):
                    yield room, day, shade
        for therapist, spans in away.items():
            for off in spans:
                if shade := away_on(off, day, zone):
                    yield therapist, day, shade
