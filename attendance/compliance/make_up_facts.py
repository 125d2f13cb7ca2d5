"""What a make-up depends on: the patient's week, time, notices, authorizations, closed days.

Read once for any number of patients of one clinic, in a number of statements that depends neither
on theirs nor on that of the sessions asked about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import TypeVar

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, F, OuterRef, Q, QuerySet

from attendance.compliance.courses import Course, courses_of
from attendance.compliance.days import DayLine, by_episode, day_lines
from attendance.compliance.rules.make_ups import Need, Offer, is_short, judged
from attendance.compliance.rules.weeks import DayMinutes, StandardTerms
from attendance.compliance.settings import ClinicSettings, clinic_settings
from attendance.compliance.status import JudgedStandard, patient_week, reach
from attendance.records.facts import session_facts
from attendance.records.rules import (
    CreditPolicy,
    SessionFacts,
    full_presence_minutes,
    session_minutes,
)
from iop_clinic.accounts.weeks import Week, local_date
from patients.models import Authorization, Coverage, Episode
from scheduling.models import Booking, CallIn, Closure, Session
from scheduling.rules import Span
from scheduling.services.diary import Diary
from scheduling.services.placing import ONE_PATIENT

R = TypeVar("R")

MID_WEEK = timedelta(days=3)
"""A standard's own week, seen from its fourth day, lies in the clinic week it is judged with."""


@dataclass(frozen=True)
class Facts:
    """A patient's clinic week and everything that decides where they may make up in it."""

    episode: Episode
    settings: ClinicSettings
    course: Course
    week: Week
    first: date
    last: date
    needs: tuple[Need, ...]
    lines: tuple[DayMinutes, ...]
    bookings: tuple[Booking, ...]
    """The patient's on these dates, cancelled and withdrawn ones too, in order of time."""
    authorizations: tuple[Authorization, ...]
    coverages: tuple[Coverage, ...]
    call_ins: tuple[CallIn, ...]
    diary: Diary
    now: datetime

    @cached_property
    def visited(self) -> frozenset[date]:
        """The dates on which the patient comes anyway."""
        return frozenset(row.session.local_date for row in self.bookings if is_seated(row))

    @cached_property
    def busy(self) -> tuple[tuple[int, Span], ...]:
        return tuple(
            (row.session_id, Span(row.starts_at, row.ends_at))
            for row in self.bookings
            if is_seated(row)
        )

    def own(self, session: Session) -> Booking | None:
        """The patient's row in a session, in whatever state."""
        rows = (row for row in self.bookings if row.session_id == session.pk)
        return next((row for row in rows if row.episode_id == self.episode.pk), None)

    def has_called_in(self, day: date) -> bool:
        return any(row.from_date <= day <= row.to_date for row in self.call_ins)


def is_seated(row: Booking) -> bool:
    return row.live and row.state == Booking.State.BOOKED


@dataclass(frozen=True, slots=True)
class Asked:
    """The clinic week that holds the local date `day`, and which of its standards it is about.

    Those of `source` (program, payer, court) where any is short, or else all that are. With `plan`,
    or without a short standard, what the treatment plan prescribes beyond them.
    """

    episode: Episode
    day: date
    source: str = ""
    plan: bool = False


def facts_of(asked: Sequence[Asked], *, now: datetime) -> list[Facts]:
    """The weeks of some episodes of one clinic, at least one, in their order; 9 statements."""
    clinic = asked[0].episode.clinic_id
    settings = clinic_settings(clinic)
    weeks = _weeks(settings, asked, now)
    first, last = min(one.first for one in weeks), max(one.last for one in weeks)
    patients = {one.asked.episode.patient_id for one in weeks}
    bookings = _grouped(_bookings(clinic, patients, first, last), "patient_id")
    insured = Coverage.objects.filter(clinic=clinic, patient__in=patients).select_related("payer")
    coverages = _grouped(insured, "patient_id")
    told = CallIn.objects.in_force(first, last).filter(
        clinic=clinic, episode__in=[one.asked.episode for one in weeks]
    )
    call_ins = _grouped(told, "episode_id")
    diary = _closures(settings, first, last)
    return [
        Facts(
            episode=one.asked.episode,
            settings=settings,
            course=one.course,
            week=one.week,
            first=one.first,
            last=one.last,
            needs=one.needs,
            lines=one.lines,
            bookings=tuple(row for row in bookings[one.asked.episode.patient_id] if one.holds(row)),
            authorizations=one.authorizations,
            coverages=tuple(coverages[one.asked.episode.patient_id]),
            call_ins=tuple(call_ins[one.asked.episode.pk]),
            diary=diary,
            now=now,
        )
        for one in weeks
    ]


@dataclass(frozen=True, slots=True)
class _Week:
    """What is asked, and the dates of what is missing."""

    asked: Asked
    course: Course
    week: Week
    lines: tuple[DayLine, ...]
    authorizations: tuple[Authorization, ...]
    needs: tuple[Need, ...]

    @property
    def first(self) -> date:
        return min((need.first for need in self.needs), default=self.week.start)

    @property
    def last(self) -> date:
        return max((need.last for need in self.needs), default=self.week.end)

    def holds(self, row: Booking) -> bool:
        return self.first <= row.session.local_date <= self.last


def _weeks(settings: ClinicSettings, asked: Sequence[Asked], now: datetime) -> list[_Week]:
    """What is missing in each; 5 statements."""
    clinic, ids = settings.clinic_id, sorted({one.episode.pk for one in asked})
    known = {course.episode_id: course for course in courses_of(clinic, ids)}
    approved = Authorization.objects.filter(clinic=clinic, episode__in=ids)
    authorizations = _grouped(approved.select_related("payer"), "episode_id")
    spans = [_span(settings, one, authorizations[one.episode.pk]) for one in asked]
    read = day_lines(
        clinic=clinic,
        first=min(first for first, _ in spans),
        last=max(last for _, last in spans),
        now=now,
        episode_ids=ids,
        settings=settings,
    )
    lines = by_episode(read)
    weeks = []
    for one, (first, last) in zip(asked, spans, strict=True):
        key, week = one.episode.pk, settings.week(one.day)
        own = tuple(line for line in lines.get(key, ()) if first <= line.local_date <= last)
        needs = _needs(settings, known[key], one, week, own, now)
        weeks.append(_Week(one, known[key], week, own, tuple(authorizations[key]), needs))
    return weeks


def _span(
    settings: ClinicSettings, asked: Asked, approved: Sequence[Authorization]
) -> tuple[date, date]:
    """Back to the first day of an authorization that reaches into the week: its units are used."""
    first, last = reach(settings, [settings.week(asked.day)])
    running = [row.starts_on for row in approved if row.ends_on >= first and row.starts_on <= last]
    return min([first, *running]), last


def _grouped(rows: Iterable[R], name: str) -> defaultdict[int, list[R]]:
    grouped: defaultdict[int, list[R]] = defaultdict(list)
    for row in rows:
        grouped[getattr(row, name)].append(row)
    return grouped


def _bookings(clinic: int, patients: Collection[int], first: date, last: date) -> QuerySet[Booking]:
    rows = Booking.objects.filter(
        clinic=clinic, patient__in=patients, session__local_date__range=(first, last)
    )
    related = ("session__group", "session__session_type", "attendance")
    return rows.select_related(*related).order_by("starts_at", "pk")


def _closures(settings: ClinicSettings, first: date, last: date) -> Diary:
    rows = Closure.objects.in_force().filter(
        clinic=settings.clinic_id, starts_on__lte=last + timedelta(days=1), ends_on__gte=first
    )
    return Diary(zone=settings.zone, closures=list(rows))


# --- what is missing ------------------------------------------------------------------------------


def _needs(
    settings: ClinicSettings,
    course: Course,
    asked: Asked,
    week: Week,
    lines: Sequence[DayLine],
    now: datetime,
) -> tuple[Need, ...]:
    today = local_date(now, settings.zone)
    judged_week = patient_week(settings, course, week, lines, today)
    standing = [one for one in judged_week.standards if one.last >= today]
    short = [one for one in standing if is_short(one.judgement)]
    of_source = [one for one in short if one.source == asked.source]
    needs = [_need(one) for one in of_source or short]
    if asked.plan or not needs:
        needs = [need for one in standing if (need := _plan_need(course, one))] or needs
    return tuple(needs)


def _need(one: JudgedStandard) -> Need:
    return Need(one.name, one.first, one.last, one.lines, one.terms, one.share)


def _plan_need(course: Course, one: JudgedStandard) -> Need | None:
    """The plan's weekly minutes as the program's standard reads them, where they are missing."""
    plan = course.plan_on(one.last)
    if one.source != "program" or plan is None:
        return None
    terms = StandardTerms(plan.weekly_minutes_target, None, 0, 0)
    need = Need("Treatment plan", one.first, one.last, one.lines, terms, one.share)
    return need if is_short(judged(need)) else None


# --- sessions -------------------------------------------------------------------------------------


def sessions_between(each: Sequence[Facts]) -> list[list[Session]]:
    """For each, the sessions of its week that have not begun; 1 statement.

    `taken` seats come along, and `own_patients`: a session of one patient is theirs alone, also
    when they gave notice of it.
    """
    rows = _with_seats(Session.objects.live()).filter(
        clinic=each[0].settings.clinic_id,
        local_date__range=(min(one.first for one in each), max(one.last for one in each)),
        starts_at__gt=each[0].now,
        signed_at__isnull=True,
        session_type__creditable=True,
    )
    found = list(rows.order_by("starts_at", "pk"))
    return [[row for row in found if one.first <= row.local_date <= one.last] for one in each]


def session_for(session: Session) -> Session:
    """One session as `sessions_between` reads them, whatever its state."""
    return _with_seats(Session.objects.all()).get(pk=session.pk)


def _with_seats(rows: QuerySet[Session]) -> QuerySet[Session]:
    booked = Q(bookings__state=Booking.State.BOOKED, bookings__seat__lte=F("capacity"))
    own = Booking.objects.exclude(state=Booking.State.WITHDRAWN).filter(
        session=OuterRef("pk"), session__session_type__kind__in=ONE_PATIENT
    )
    return rows.select_related("group", "session_type", "room").annotate(
        taken=Count("bookings", filter=booked),
        own_patients=ArraySubquery(own.values("patient")),
    )


def free_seats(session: Session) -> int:
    """Seats within the capacity; overflow is for a person with a reason, never for a make-up."""
    return max(session.capacity - session.taken, 0)  # type: ignore[attr-defined]


def offer_of(facts: Facts, session: Session) -> Offer:
    row = facts.own(session)
    policy = facts.settings.policy_on(session.local_date)
    minutes, length = _full_presence(session_facts(session), policy)
    return Offer(
        key=session.pk,
        local_date=session.local_date,
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        session_type_id=session.session_type_id,
        minutes=minutes,
        length=length,
        again=row is not None and row.state == Booking.State.RELEASED,
        called_in=facts.has_called_in(session.local_date),
    )


@lru_cache(maxsize=1024)
def _full_presence(told: SessionFacts, policy: CreditPolicy) -> tuple[int, int]:
    """Credited minutes and minutes without breaks; one session is offered to many patients."""
    return full_presence_minutes(told, policy), session_minutes(told)
