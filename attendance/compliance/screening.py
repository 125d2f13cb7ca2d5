"""Whom a night must judge: everybody about whom a rule could say something new.

Who did everything as planned, has nothing open that moves by itself and no date falling due needs
no judgement: full presence turns an open minute into a credited one and leaves what the week can
still come to as it was. Everything else is looked at, so a night after a screening writes what a
night over everybody writes:

- *News*: a session that ended since then with anything but full presence in it.
- *Changes*: any other fact written since then, by anybody, as the audit trail tells: a late roster,
  a booking, a plan, a hold. Then earlier weeks are judged as well.
- *Cases* that move by themselves: of a week that still goes on, of a window, of a silence, snoozed.
- *Dates* on which something begins or ends: a hold, a priority, a stay, a proof that is awaited.
- *Totals*: more booked in a week than a maximum allows.
- *Silence*: nobody has seen the patient for as long as a rule allows.

A clinic is judged whole on its first night, after a night was missed, when its rules changed or a
dated row of them begins or ends, and after its week ends: then whatever was overlooked is found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum

from attendance.compliance.changes import changed_facts, clinics_with_new_rules
from attendance.compliance.courses import Course
from attendance.compliance.days import length, minutes
from attendance.compliance.settings import WEEKLY_RULES, ClinicSettings
from attendance.compliance.spans import Span
from attendance.models import AbsenceRule, AttendanceRecord, Flag
from patients.models import Episode, EpisodeHold
from scheduling.models import Booking

Kind = AbsenceRule.Kind
DAY = timedelta(days=1)
OVERLAP = timedelta(minutes=15)
"""A change is seen once its transaction ends, so a little of what came before is looked at again:
no transaction that a person waits for lasts longer."""
WINDOWS = (Kind.COUNT_IN_DAYS, Kind.TARDIES, Kind.EXCUSED_DAYS)
"""Windows of dates, whose cases hold while enough of their days lie in them."""
OF_RUNNING_WEEK = set(WEEKLY_RULES) - {Kind.LEFT_SHORT}
"""Rules whose open cases tell of minutes that move with every day, as attended as planned."""
RESTLESS = (*WINDOWS, Kind.MISSED_OF_LAST, Kind.PERCENT_IN_DAYS, Kind.SILENT_DAYS)
"""Rules whose open cases may end without a new absence."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Whom to judge: every patient of the clinics `whole`, and of the others these episodes, those
    of `earlier` in earlier weeks too; `sessions` have rosters that were changed."""

    whole: set[int] = field(default_factory=set)
    earlier: set[int] = field(default_factory=set)
    lately: set[int] = field(default_factory=set)
    sessions: set[int] = field(default_factory=set)

    def is_whole(self, course: Course) -> bool:
        """Whether earlier weeks are to be judged as well."""
        return course.clinic_id in self.whole or course.episode_id in self.earlier

    def among(self, rows: QuerySet[Episode]) -> QuerySet[Episode]:
        return rows.filter(Q(clinic__in=self.whole) | Q(pk__in=self.earlier | self.lately))


@dataclass(frozen=True, slots=True)
class Screen:
    """The clinics of which the night before was judged, and when it began."""

    settings: Mapping[int, ClinicSettings]
    since: datetime
    through: date
    now: datetime

    @property
    def today(self) -> date:
        return self.through + DAY

    @property
    def running_since(self) -> date:
        """No week that still goes on began earlier, whatever weekday it begins on."""
        return self.through - 6 * DAY

    def rules(self, kind: int) -> Iterator[tuple[int, Any]]:
        for clinic_id, one in self.settings.items():
            for rule in one.rules_on(kind, self.through):
                yield clinic_id, rule


def moved_since(
    settings: Mapping[int, ClinicSettings],
    since: Mapping[int, datetime | None],
    *,
    through: date,
    now: datetime,
) -> Moved:
    """What a night must look at in clinics whose changes are unseen `since` a moment, or all of it
    where that is None; at most eight statements for any number of clinics."""
    begun = {pk: at for pk, at in since.items() if at and not turns(settings[pk], through)}
    moved = Moved(whole=set(settings) - set(begun))
    if begun:
        moved.whole.update(clinics_with_new_rules(begun, min(begun.values()) - OVERLAP))
    rest = {pk: settings[pk] for pk in begun if pk not in moved.whole}
    if rest:
        _fill(moved, Screen(rest, min(begun[pk] for pk in rest) - OVERLAP, through, now))
    return moved


def turns(settings: ClinicSettings, through: date) -> bool:
    """Whether a week ends with this local date, or a dated setting begins or ends about it."""
    starts = {settings.week_starts_on, *(one.week_starts_on for one in settings.standards)}
    dated: list[Span] = [
        *(one.span for one in settings.standards),
        *(one.span for one in settings.rules),
        *(one.span for one in settings.policies),
    ]
    about = (through - DAY, through, through + DAY)
    changing = any(span.first in about or span.last in about for span in dated)
    return changing or (through + DAY).weekday() in starts


def _fill(moved: Moved, screen: Screen) -> None:
    for episode_id, session_id in changed_facts(
        screen.settings, screen.since, through=screen.through
    ):
        if episode_id is not None:
            moved.earlier.add(episode_id)
        if session_id is not None:
            moved.sessions.add(session_id)
    for rows in (_dates(screen), _awaiting_proof(screen), _settled_by_staff(screen)):
        moved.earlier.update(rows)
    seen = set()
    for episode_id, partial, attended in _news(screen):
        if partial:
            moved.lately.add(episode_id)
        if attended:
            seen.add(episode_id)
    moved.lately.update(_unseen(screen, seen))
    moved.lately.update(_totals(screen))
    for episode_id, wakes in _cases(screen):
        (moved.earlier if wakes else moved.lately).add(episode_id)


# News: what ended since then


def _news(screen: Screen) -> QuerySet[Any, tuple[int, int, int]]:
    """(episode, partial, attended) of the sessions of the judged date or after it that have ended:
    how many are recorded with anything but full presence, and how many were attended."""
    midnight = min(_midnight(screen.through, one.zone) for one in screen.settings.values())
    partial = (
        Q(attendance__attended=False)
        | Q(attendance__arrived_at__gt=F("starts_at"))
        | Q(attendance__left_at__lt=F("ends_at"))
        | Q(attendance__attended_minutes__lt=minutes())
        | Q(nested_in__isnull=False)
    )
    rows = Booking.objects.filter(
        Q(session__local_date__gte=screen.through) | Q(ends_at__gt=midnight),
        clinic__in=screen.settings,
        starts_at__gte=midnight - DAY,
        ends_at__lte=screen.now,
        live=True,
        attendance__isnull=False,
    ).exclude(state=Booking.State.WITHDRAWN)
    on_date = Q(attendance__attended=True, session__local_date=screen.through)
    sums = rows.order_by().values("episode_id")
    return sums.annotate(
        partial=Count("pk", filter=partial), attended=Count("pk", filter=on_date)
    ).values_list("episode_id", "partial", "attended")


def _episodes_of(rows: QuerySet[Any]) -> QuerySet[Any, int]:
    return rows.order_by().values_list("episode_id", flat=True).distinct()


def _midnight(day: date, zone: Any = UTC) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone)


# Cases that move by themselves


def _cases(screen: Screen) -> Iterator[tuple[int, bool]]:
    """(episode, woken): of a week that goes on, of a window that slides, of a silence; or asleep
    until today, whatever week it is about."""
    of_week = Q(rule__in=OF_RUNNING_WEEK, evidence_key__gte=screen.running_since.isoformat())
    woken = Q(state=Flag.State.SNOOZED, snoozed_until__lte=screen.today)
    rows = Flag.objects.filter(
        of_week | woken | Q(rule__in=RESTLESS),
        clinic__in=screen.settings,
        subject_type=Flag.Subject.EPISODE,
    )
    shown = ("episode_id", "rule", "snoozed_until", "evidence_key", "evidence")
    for episode_id, rule, until, key, told in rows.open().order_by().values_list(*shown):
        wakes = until is not None and until <= screen.today
        if wakes or rule not in WINDOWS or not _still_holds(key, told, screen.through):
            yield episode_id, wakes


def _still_holds(key: str, told: Mapping[str, Any], through: date) -> bool:
    """Whether enough of the days that a case names lie in its window: "2026-03-04:3/30"."""
    times, window = (int(part) for part in key.rpartition(":")[2].split("/"))
    first = (through - (window - 1) * DAY).isoformat()
    return sum(day >= first for day in told.get("days", ())) >= times


def _settled_by_staff(screen: Screen) -> QuerySet[Any, int]:
    """A week's hours case that somebody closed silences or frees the cases beside it."""
    rows = Flag.objects.settled().filter(
        clinic__in=screen.settings, rule=Kind.HOURS, closed_at__gte=screen.since
    )
    return _episodes_of(rows)


# Dates on which something begins or ends


def _dates(screen: Screen) -> QuerySet[Any, int]:
    about = (screen.through - DAY, screen.today)
    held = EpisodeHold.objects.filter(
        Q(starts_on__range=about) | Q(ends_on__range=(about[0] - DAY, about[1])),
        clinic=OuterRef("clinic"),
        episode=OuterRef("pk"),
    )
    begins_or_ends = (
        Q(admitted_on__range=about)
        | Q(discharged_on__range=about)
        | Q(patient__deceased_on__range=about)
        | Q(priority_until__range=about)
    )
    rows = Episode.objects.filter(begins_or_ends | Exists(held), clinic__in=screen.settings)
    return rows.order_by().values_list("pk", flat=True)


def _awaiting_proof(screen: Screen) -> QuerySet[Any, int]:
    """Court-involved absences whose proof is awaited until some hours after the session."""
    hours = [p.policy.proof_hours for one in screen.settings.values() for p in one.policies]
    first = _midnight(screen.through) - timedelta(hours=max(hours, default=72)) - 2 * DAY
    rows = Booking.objects.filter(
        clinic__in=screen.settings,
        episode__court_referrals__isnull=False,
        starts_at__gte=first,
        attendance__proof=AttendanceRecord.Proof.PENDING,
    )
    return _episodes_of(rows)


# Totals and silence


def _totals(screen: Screen) -> QuerySet[Any, int]:
    """Booked for longer in the running week, so far, than the least maximum of a standard."""
    ruled = {clinic_id for clinic_id, _ in screen.rules(Kind.OVER_MAXIMUM)}
    maxima = [
        standard.terms.maximum
        for clinic_id in ruled
        for standard in screen.settings[clinic_id].standards
        if standard.terms.maximum is not None
    ]
    if not maxima:
        return Booking.objects.none().values_list("episode_id", flat=True)
    first = _midnight(screen.running_since) - DAY
    rows = Booking.objects.filter(
        clinic__in=ruled, live=True, starts_at__gte=first, ends_at__lte=screen.now
    ).exclude(state=Booking.State.WITHDRAWN)
    sums = rows.order_by().values("episode_id").annotate(booked=Sum(length()))
    return sums.filter(booked__gt=min(maxima)).values_list("episode_id", flat=True)


def _unseen(screen: Screen, seen: Collection[int]) -> QuerySet[Any, int]:
    """In treatment, and not seen for as many dates as a silence needs; `seen` were on the last."""
    clinics: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for clinic_id, rule in screen.rules(Kind.SILENT_DAYS):
        clinics[rule.times, rule.window_days or rule.times].append(clinic_id)
    wanted = Q(pk__in=[])
    for (dates, sooner), ids in clinics.items():
        silent = _silent_for(screen, dates) | _silent_for(screen, sooner) & Q(priority__gt="")
        wanted |= Q(clinic__in=ids) & silent
    rows = Episode.objects.filter(clinic__in=screen.settings, state=Episode.State.ADMITTED)
    rows = rows.exclude(pk__in=seen).alias(seen_on=Subquery(_last_seen(screen.through)))
    return rows.filter(wanted).order_by().values_list("pk", flat=True)


def _silent_for(screen: Screen, dates: int) -> Q:
    """Not seen on the last so many dates."""
    return Q(seen_on=None) | Q(seen_on__lte=screen.through - dates * DAY)


def _last_seen(through: date) -> QuerySet[Booking, Any]:
    """The last date the outer episode attended: one search of an index, from its end."""
    attended = Booking.objects.filter(
        clinic=OuterRef("clinic"),
        episode=OuterRef("pk"),
        attendance__attended=True,
        session__local_date__lte=through,
    )
    return attended.order_by("-starts_at").values("session__local_date")[:1]
