"""The one day query: what an episode's sessions add up to, by local date and session type.

Weeks of any start, projections, rosters, the API, the admin and the nightly run are sums of these
lines, so they can never disagree. Only sessions that have ended count as attended or credited.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Case, Count, F, Func, IntegerField, Q, QuerySet, Sum, When
from django.db.models.functions import Coalesce, Mod

from attendance.compliance.rules.weeks import DayMinutes
from attendance.compliance.settings import ClinicSettings, DatedPolicy, clinic_settings
from attendance.compliance.spans import Span
from attendance.records.facts import attendance_facts, session_facts
from attendance.records.overlaps import overlapping, visits_inside
from attendance.records.rules import (
    CreditKind,
    Interval,
    SessionFacts,
    full_presence_minutes,
    session_minutes,
    time_inside,
)
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.prepared import prepared
from patients.models import Episode
from scheduling.models import Booking

# A session's local date is its own clinic's; this much wider, the instants hold every zone's.
_ANY_ZONE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLine(DayMinutes):
    """One local date and session type of one episode; see `DayMinutes` for what each sum holds.

    `told` is what the records credit, those of sessions that have not ended yet as well, and
    `untold` what full presence would credit where there is no record: a day as it looks while it
    is under way. No standard judges by them, and `lines_of` leaves them 0 unless it is asked.
    """

    episode_id: int
    told: int = 0
    untold: int = 0


class BreakMinutes(Func):
    """The minutes of the breaks in a row: [[60, 70], [130, 140]] is 20."""

    template = (
        "(CASE WHEN %(expressions)s = '[]' THEN 0 ELSE"  # most have none: no look inside
        " (SELECT coalesce(sum((pause->>1)::int - (pause->>0)::int), 0)::int"
        " FROM jsonb_array_elements(%(expressions)s) AS pause) END)"
    )
    output_field = IntegerField()


def day_lines(
    *,
    clinic: Clinic | int,
    first: date,
    last: date,
    now: datetime,
    episode_ids: Collection[int] | None = None,
    settings: ClinicSettings | None = None,
) -> list[DayLine]:
    """The day lines between two local dates, both inside; of all episodes when none are named.

    Two statements for any number of episodes, and one more when no `settings` are given.
    """
    settings = settings or clinic_settings(clinic)
    every = {settings.clinic_id: settings}
    return lines_of(every, first=first, last=last, now=now, episode_ids=episode_ids, under_way=True)


def lines_of(
    settings: Mapping[int, ClinicSettings],
    *,
    first: date,
    last: date,
    now: datetime,
    episode_ids: Collection[int] | None = None,
    under_way: bool = False,
) -> list[DayLine]:
    """The day lines of several clinics, by clinic id; two statements for any number of them.

    With `under_way` also `told` and `untold`, which a night does not pay for.
    """
    asked = _asked(settings, first, last, episode_ids, under_way=under_way)
    lines = {_key(line): line for line in _summed(asked, settings, now)}
    for change in _nested(asked, settings, now):
        if outer := lines.get(_key(change)):
            lines[_key(change)] = _less(outer, change if under_way else replace(change, untold=0))
    return [lines[key] for key in sorted(lines)]


def by_episode(lines: Iterable[DayLine]) -> dict[int, list[DayLine]]:
    grouped: defaultdict[int, list[DayLine]] = defaultdict(list)
    for line in lines:
        grouped[line.episode_id].append(line)
    return grouped


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whose bookings, on which inclusive local dates, and the instants that hold these."""

    clinics: tuple[int, ...]
    episodes: tuple[int, ...] | None
    first: date
    last: date
    since: datetime
    until: datetime
    under_way: bool


def _asked(
    clinics: int | Collection[int],
    first: date,
    last: date,
    episode_ids: Collection[int] | None,
    *,
    under_way: bool = False,
) -> _Asked:
    return _Asked(
        clinics=(clinics,) if isinstance(clinics, int) else tuple(clinics),
        episodes=None if episode_ids is None else tuple(episode_ids),
        first=first,
        last=last,
        since=_midnight(first) - _ANY_ZONE,
        until=_midnight(last) + 2 * _ANY_ZONE,
        under_way=under_way,
    )


def expected(
    clinics: int | Collection[int],
    first: date,
    last: date,
    episode_ids: Collection[int] | None = None,
) -> QuerySet[Booking]:
    """Bookings of clinics on inclusive local dates that count somewhere; cancelled ones too."""
    return _expected(_asked(clinics, first, last, episode_ids))


def _expected(asked: _Asked) -> QuerySet[Booking]:
    rows = Booking.objects.filter(
        starts_at__gte=asked.since,
        starts_at__lt=asked.until,
        session__local_date__range=(asked.first, asked.last),
    ).exclude(state=Booking.State.WITHDRAWN)
    if asked.episodes is None:
        return rows.filter(clinic__in=asked.clinics)
    if len(asked.clinics) == 1:
        return rows.filter(clinic=asked.clinics[0], episode__in=asked.episodes)
    # The clinic comes from the episode: one index search for each, not for every pair of them.
    named = Episode.objects.filter(clinic__in=asked.clinics, pk__in=asked.episodes)
    return rows.filter(episode__in=named, clinic=F("episode__clinic"))


def ended(now: datetime) -> Q:
    return Q(live=True, ends_at__lte=now)


def open_to_change(now: datetime) -> Q:
    """Ended without a record, or booked and not released in a session that has not ended."""
    unrecorded = ended(now) & Q(attendance__isnull=True)
    return unrecorded | Q(live=True, ends_at__gt=now, state=Booking.State.BOOKED)


def length() -> Func:
    """The minutes from a booking's or a session's start to its end, in SQL; breaks are in it."""
    return Func(
        F("starts_at"), F("ends_at"), function="scheduling_minutes", output_field=IntegerField()
    )


def minutes() -> Any:
    """A booking's minutes without the session's breaks, in SQL."""
    return length() - BreakMinutes(F("session__breaks"))


@dataclass(frozen=True, slots=True)
class Cut:
    """Local dates on which some clinics round minutes down to a multiple; () means all of them."""

    span: Span
    clinics: tuple[int, ...]
    round_to: int


def cuts_of(settings: Mapping[int, ClinicSettings]) -> tuple[Cut, ...]:
    return tuple(
        Cut(dated.span, clinics, dated.policy.round_to)
        for dated, clinics in policies_of(settings)
        if dated.policy.kind == CreditKind.ROUND_DOWN
    )


def credit_in_full(cuts: Sequence[Cut]) -> Any:
    """What full presence credits, in SQL: only rounding down takes anything from it (R10)."""
    rounded = [
        When(applies(cut.span, cut.clinics), then=minutes() - Mod(minutes(), cut.round_to))
        for cut in cuts
    ]
    if not rounded:
        return minutes()
    return Case(*rounded, default=minutes(), output_field=IntegerField())


def policies_of(
    settings: Mapping[int, ClinicSettings],
) -> Iterator[tuple[DatedPolicy, tuple[int, ...]]]:
    """Each dated credit policy with the clinics that agree on it, () when that is all of them."""
    clinics: defaultdict[DatedPolicy, list[int]] = defaultdict(list)
    for clinic_id, one in settings.items():
        for dated in one.policies:
            clinics[dated].append(clinic_id)
    for dated, ids in clinics.items():
        yield dated, () if len(ids) == len(settings) else tuple(ids)


def applies(span: Span, clinics: Sequence[int]) -> Q:
    """The bookings on some local dates in some clinics; of all of them when none are named."""
    dates = on_dates(span.first, span.last)
    return dates & Q(clinic__in=clinics) if clinics else dates


def on_dates(first: date, last: date | None) -> Q:
    begun = Q(session__local_date__gte=first)
    return begun if last is None else begun & Q(session__local_date__lte=last)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


# The sums


def _summed(
    asked: _Asked, settings: Mapping[int, ClinicSettings], now: datetime
) -> Iterator[DayLine]:
    for row in _grouped(asked, cuts_of(settings), now):
        row["session_type_id"] = row.pop("type_id")
        yield DayLine(**row)


@prepared
def _grouped(asked: _Asked, cuts: tuple[Cut, ...], now: datetime) -> QuerySet[Any, dict[str, Any]]:
    by_day_and_type = (
        _expected(asked)
        .order_by()
        .values(
            "episode_id", local_date=F("session__local_date"), type_id=F("session__session_type_id")
        )
    )
    sums = _sums(cuts, now)
    return by_day_and_type.annotate(**sums, **_under_way(cuts, now) if asked.under_way else {})


def _sums(cuts: tuple[Cut, ...], now: datetime) -> dict[str, Any]:
    creditable = Q(session__session_type__creditable=True)
    still_open, no_record = open_to_change(now), Q(attendance__isnull=True)
    return {
        "scheduled": _sum(minutes(), Q(live=True) & creditable),
        "attended": _sum(F("attendance__attended_minutes"), ended(now)),
        "credited": _sum(F("attendance__credited_minutes"), ended(now)),
        "attended_open": _sum(minutes(), still_open),
        "credited_open": _sum(credit_in_full(cuts), still_open & creditable),
        "cancelled": _sum(minutes(), Q(live=False) & creditable),
        "unrecorded": Count("pk", filter=ended(now) & no_record),
        "upcoming": Count("pk", filter=still_open & Q(ends_at__gt=now)),
        "services": Count("pk", filter=ended(now) & Q(attendance__credited_minutes__gt=0)),
        "services_open": Count("pk", filter=still_open & creditable),
    }


def _under_way(cuts: tuple[Cut, ...], now: datetime) -> dict[str, Any]:
    creditable = Q(session__session_type__creditable=True)
    no_record = open_to_change(now) & creditable & Q(attendance__isnull=True)
    return {
        "told": _sum(F("attendance__credited_minutes"), Q(live=True)),
        "untold": _sum(credit_in_full(cuts), no_record),
    }


def _sum(expression: Any, condition: Q) -> Coalesce:
    return Coalesce(Sum(expression, filter=condition, output_field=IntegerField()), 0)


def _key(line: DayLine) -> tuple[int, date, int]:
    return line.episode_id, line.local_date, line.session_type_id


# Nested visits: their minutes leave the session around them


def _nested(
    asked: _Asked, settings: Mapping[int, ClinicSettings], now: datetime
) -> Iterator[DayLine]:
    """What leaves each session that a visit lies in; recorded minutes know it already.

    An unrecorded visit inside a recorded session stays open in full: until it is recorded, what a
    day can reach is told too high by its minutes, never too low.
    """
    every = {booking.pk: booking for booking in _overlapping(asked)}
    for pk, inner in visits_inside(every.values()).items():
        yield _taken_out(every[pk], inner, settings[every[pk].clinic_id], now)


@prepared
def _overlapping(asked: _Asked) -> QuerySet[Booking]:
    return overlapping(_expected(asked)).select_related("attendance", "session__session_type")


def _taken_out(
    outer: Booking, inner: list[Booking], settings: ClinicSettings, now: datetime
) -> DayLine:
    session = session_facts(outer.session)
    policy = settings.policy_on(outer.session.local_date)
    booked = [Interval(visit.starts_at, visit.ends_at) for visit in inner]
    away = [span for visit in inner for span in spent_in(visit, now)]
    whole, least = session_minutes(session), session_minutes(session, booked)
    planned, still_open = whole - least if session.creditable else 0, is_open(outer, now)
    credit = full_presence_minutes(session, policy) - full_presence_minutes(session, policy, away)
    return DayLine(
        episode_id=outer.episode_id,
        local_date=outer.session.local_date,
        session_type_id=outer.session.session_type_id,
        scheduled=planned if outer.live else 0,
        cancelled=0 if outer.live else planned,
        attended_open=whole - session_minutes(session, away) if still_open else 0,
        credited_open=credit if still_open else 0,
        untold=credit if still_open and not has_record(outer) else 0,
    )


def spent_in(visit: Booking, now: datetime) -> tuple[Interval, ...]:
    """When a visit takes the patient out of the session around it."""
    record = getattr(visit, "attendance", None)
    if record is None:  # a visit to come that was given up takes nobody out of the group
        expected = visit.ends_at <= now or visit.state == Booking.State.BOOKED
        return (Interval(visit.starts_at, visit.ends_at),) if expected else ()
    return time_inside(SessionFacts(visit.starts_at, visit.ends_at), attendance_facts(record))


def is_open(booking: Booking, now: datetime) -> bool:
    """Whether nothing has been said yet of a booking that may still add minutes."""
    if not booking.live:
        return False
    if booking.ends_at <= now:
        return not has_record(booking)
    return booking.state == Booking.State.BOOKED


def has_record(booking: Booking) -> bool:
    return getattr(booking, "attendance", None) is not None


def _less(line: DayLine, change: DayLine) -> DayLine:
    return replace(
        line,
        scheduled=line.scheduled - change.scheduled,
        cancelled=line.cancelled - change.cancelled,
        attended_open=line.attended_open - change.attended_open,
        credited_open=line.credited_open - change.credited_open,
        untold=line.untold - change.untold,
    )
