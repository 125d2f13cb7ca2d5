"""A week under one standard: minutes, qualifying days, projection, proration.

A week goes in as day lines, the sums of the day query, and comes out as two facts, minutes and
days, each met, short or open. No clock is read: a status is final when nothing booked ahead and no
outcome of an unrecorded session can change it, and a roster that never came keeps it open for ever
(R24). A segment of a week that is judged by itself, as after a change of level, goes in as the
lines of its own dates.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Basis(StrEnum):
    """Which of the minutes a standard judges (R3)."""

    SCHEDULED = "scheduled"
    ATTENDED = "attended"
    CREDITED = "credited"


class WeekStatus(StrEnum):
    MET = "met"
    SHORT = "short"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class DayMinutes:
    """One local date and session type of one episode, in whole minutes.

    `scheduled`, `attended` and `credited` are sums over live sessions; attended and credited hold
    ended ones only. `attended_open` and `credited_open` are what full presence would still add
    from ended sessions without a record (`unrecorded` of them) and from booked, not released,
    sessions that have not ended (`upcoming` of them). `cancelled` are the creditable minutes of
    bookings the clinic cancelled. A service is one countable session (R6).
    """

    local_date: date
    session_type_id: int
    scheduled: int = 0
    attended: int = 0
    credited: int = 0
    attended_open: int = 0
    credited_open: int = 0
    cancelled: int = 0
    unrecorded: int = 0
    upcoming: int = 0
    services: int = 0
    services_open: int = 0

    def at_least(self, basis: Basis) -> int:
        match basis:
            case Basis.SCHEDULED:
                return self.scheduled
            case Basis.ATTENDED:
                return self.attended
            case Basis.CREDITED:
                return self.credited

    def still_open(self, basis: Basis) -> int:
        match basis:
            case Basis.SCHEDULED:
                return 0
            case Basis.ATTENDED:
                return self.attended_open
            case Basis.CREDITED:
                return self.credited_open


@dataclass(frozen=True, slots=True)
class StandardTerms:
    """What one dated standard asks of a week (R1, R2, R4, R6). Minutes unless said otherwise.

    An empty `counted_types` counts every session type; `services_per_day` of 0 asks for none.
    `prorate` is the program's alone: payers and courts are shown the unreduced figures.
    """

    minimum: int
    maximum: int | None
    day_threshold: int
    days: int
    services_per_day: int = 0
    basis: Basis = Basis.CREDITED
    counted_types: frozenset[int] = frozenset()
    prorate: bool = True

    @property
    def qualifying_minutes(self) -> int:
        """The day threshold; without one, a day still needs a minute to qualify."""
        return max(self.day_threshold, 1)

    def counts(self, line: DayMinutes) -> bool:
        return not self.counted_types or line.session_type_id in self.counted_types


@dataclass(frozen=True, slots=True)
class Share:
    """How many of the template days of a full week are the patient's own in this one."""

    inside: int
    full: int

    def of(self, figure: int) -> int:
        """The share of a figure, rounded down. Without a template there is nothing to prorate by,
        so the figure stays whole."""
        if self.inside >= self.full:
            return figure
        return figure * max(self.inside, 0) // self.full


WHOLE_WEEK = Share(1, 1)


@dataclass(frozen=True, slots=True)
class DayJudgement:
    """One local date under a standard: equality with the threshold qualifies (R4)."""

    local_date: date
    at_least: int
    at_most: int
    services: int
    qualifies: bool
    can_qualify: bool


@dataclass(frozen=True, slots=True)
class WeekJudgement:
    """A week under one standard. All four kinds of minutes stay side by side (R3).

    `at_least` and `at_most` are in the minutes the standard judges; `minutes_to_go` is what is
    missing now, `make_up_minutes` the part of it that nothing booked could bring any more.
    """

    basis: Basis
    minutes_status: WeekStatus
    minutes_short_by: int
    days_status: WeekStatus
    days_short_by: int
    scheduled: int
    attended: int
    credited: int
    at_least: int
    at_most: int
    minutes_to_go: int
    make_up_minutes: int
    minimum: int
    prorated_minimum: int
    days_qualifying: int
    days_at_most: int
    days_required: int
    prorated_days: int
    projected_short: bool
    projected_days_short: bool
    over_maximum: bool
    unrecorded: int
    upcoming: int
    services: int
    days: tuple[DayJudgement, ...]

    @property
    def final(self) -> bool:
        """Both statuses are settled; stored once the week has ended as well."""
        return WeekStatus.OPEN not in (self.minutes_status, self.days_status)

    @property
    def met(self) -> bool:
        return self.minutes_status == self.days_status == WeekStatus.MET

    @property
    def prorated(self) -> bool:
        return self.prorated_minimum < self.minimum or self.prorated_days < self.days_required

    @property
    def proration_note(self) -> str:
        """ "prorated 360 of 540", or nothing when the minimum stands unreduced."""
        if self.prorated_minimum == self.minimum:
            return ""
        return f"prorated {self.prorated_minimum} of {self.minimum}"


def judge_week(
    lines: Iterable[DayMinutes], terms: StandardTerms, share: Share = WHOLE_WEEK
) -> WeekJudgement:
    """Judge the day lines of one week, or of one segment of it, under one standard (R1-R4, R24)."""
    counted = [line for line in lines if terms.counts(line)]
    days = judge_days(counted, terms)
    minimum, wanted_days = reduced_figures(counted, terms, share)
    at_least, at_most = sum(d.at_least for d in days), sum(d.at_most for d in days)
    qualifying, can_qualify = sum(d.qualifies for d in days), sum(d.can_qualify for d in days)
    upcoming = sum(line.upcoming for line in counted)
    minutes_status = week_status(at_least, at_most, minimum, upcoming=upcoming)
    days_status = week_status(qualifying, can_qualify, wanted_days, upcoming=upcoming)
    return WeekJudgement(
        basis=terms.basis,
        minutes_status=minutes_status,
        minutes_short_by=minimum - at_least if minutes_status == WeekStatus.SHORT else 0,
        days_status=days_status,
        days_short_by=wanted_days - qualifying if days_status == WeekStatus.SHORT else 0,
        scheduled=sum(line.scheduled for line in counted),
        attended=sum(line.attended for line in counted),
        credited=sum(line.credited for line in counted),
        at_least=at_least,
        at_most=at_most,
        minutes_to_go=max(minimum - at_least, 0),
        make_up_minutes=max(minimum - at_most, 0),
        minimum=terms.minimum,
        prorated_minimum=minimum,
        days_qualifying=qualifying,
        days_at_most=can_qualify,
        days_required=terms.days,
        prorated_days=wanted_days,
        projected_short=at_most < minimum,
        projected_days_short=can_qualify < wanted_days,
        over_maximum=terms.maximum is not None and at_least > terms.maximum,
        unrecorded=sum(line.unrecorded for line in counted),
        upcoming=upcoming,
        services=sum(line.services for line in counted),
        days=days,
    )


def week_status(at_least: int, at_most: int, wanted: int, *, upcoming: int) -> WeekStatus:
    """Met as soon as it is reached, short once it is out of reach with nothing booked ahead."""
    if at_least >= wanted:
        return WeekStatus.MET
    if upcoming or at_most >= wanted:
        return WeekStatus.OPEN
    return WeekStatus.SHORT


# Days


def judge_days(lines: Iterable[DayMinutes], terms: StandardTerms) -> tuple[DayJudgement, ...]:
    """The local dates of some counted lines, oldest first, each summed over its session types."""
    by_date = _by_date(lines)
    return tuple(_judge_day(day, by_date[day], terms) for day in sorted(by_date))


def _judge_day(day: date, lines: Sequence[DayMinutes], terms: StandardTerms) -> DayJudgement:
    at_least = sum(line.at_least(terms.basis) for line in lines)
    at_most = at_least + sum(line.still_open(terms.basis) for line in lines)
    services = sum(line.services for line in lines)
    services_at_most = services + sum(line.services_open for line in lines)
    return DayJudgement(
        local_date=day,
        at_least=at_least,
        at_most=at_most,
        services=services,
        qualifies=_qualifies(at_least, services, terms),
        can_qualify=_qualifies(at_most, services_at_most, terms),
    )


def _qualifies(minutes: int, services: int, terms: StandardTerms) -> bool:
    return minutes >= terms.qualifying_minutes and services >= terms.services_per_day


def _by_date(lines: Iterable[DayMinutes]) -> dict[date, list[DayMinutes]]:
    days: defaultdict[date, list[DayMinutes]] = defaultdict(list)
    for line in lines:
        days[line.local_date].append(line)
    return days


# Proration


def prorated_minimum(minimum: int, days_inside: int, days_full: int) -> int:
    """`minimum` minutes for the template days inside, of those of a full week, rounded down."""
    return Share(days_inside, days_full).of(minimum)


def reduced_figures(
    lines: Iterable[DayMinutes], terms: StandardTerms, share: Share
) -> tuple[int, int]:
    """Minimum minutes and days after proration and the clinic's own cancellations, never below 0.

    A cancellation takes its creditable minutes off the minimum, and a day where it leaves less
    scheduled than the threshold.
    """
    if not terms.prorate:
        return terms.minimum, terms.days
    by_date = _by_date(lines)
    cancelled = sum(line.cancelled for day in by_date.values() for line in day)
    impossible = sum(_made_impossible(day, terms.qualifying_minutes) for day in by_date.values())
    return max(share.of(terms.minimum) - cancelled, 0), max(share.of(terms.days) - impossible, 0)


def _made_impossible(lines: Sequence[DayMinutes], threshold: int) -> bool:
    scheduled = sum(line.scheduled for line in lines)
    planned = scheduled + sum(line.cancelled for line in lines)
    return scheduled < threshold <= planned


def days_inside(
    template_days: Iterable[date],
    *,
    first: date,
    last: date | None,
    holds: Iterable[tuple[date, date | None]] = (),
) -> int:
    """How many template days a patient could attend: from `first` to `last`, outside the holds.

    All dates are local and inclusive, admission and discharge too; None is without end.
    """
    silent = tuple(holds)
    return sum(
        _between(day, first, last) and not any(_between(day, a, b) for a, b in silent)
        for day in template_days
    )


def _between(day: date, first: date, last: date | None) -> bool:
    return first <= day and (last is None or day <= last)
