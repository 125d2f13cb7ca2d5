"""What a make-up depends on: the patient's week, time, notices, authorizations, closed days.

Read once in a number of statements that does not depend on how many sessions are asked about; then
`trouble` says of each session why the patient may not make up there, in the words of a refusal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from attendance.compliance.courses import Course, courses_of
from attendance.compliance.days import DayLine, by_episode, day_lines
from attendance.compliance.rules.authorizations import Approval, Unit, runway
from attendance.compliance.rules.make_ups import Need, Offer, is_short, judged
from attendance.compliance.rules.weeks import DayMinutes, StandardTerms
from attendance.compliance.settings import ClinicSettings, clinic_settings
from attendance.compliance.status import JudgedStandard, judge_weeks, reach
from attendance.records.facts import session_facts
from attendance.records.rules import full_presence_minutes, session_minutes
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.weeks import Week, local_date
from patients.models import Authorization, Coverage, Episode
from scheduling.eligibility import refusals
from scheduling.models import Booking, CallIn, Closure, Session
from scheduling.rules import Span
from scheduling.services.diary import Diary
from scheduling.services.sessions import ONE_PATIENT

MID_WEEK = timedelta(days=3)
"""A standard's own week, seen from its fourth day, lies in the clinic week it is judged with."""


@dataclass(frozen=True, slots=True)
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

    @property
    def visited(self) -> frozenset[date]:
        """The dates on which the patient comes anyway."""
        return frozenset(row.session.local_date for row in self.bookings if _is_seated(row))

    @property
    def busy(self) -> tuple[tuple[int, Span], ...]:
        return tuple(
            (row.session_id, Span(row.starts_at, row.ends_at))
            for row in self.bookings
            if _is_seated(row)
        )

    def own(self, session: Session) -> Booking | None:
        """The patient's row in a session, in whatever state."""
        rows = (row for row in self.bookings if row.session_id == session.pk)
        return next((row for row in rows if row.episode_id == self.episode.pk), None)

    def has_called_in(self, day: date) -> bool:
        return any(row.from_date <= day <= row.to_date for row in self.call_ins)


def _is_seated(row: Booking) -> bool:
    return row.live and row.state == Booking.State.BOOKED


def facts_of(
    *, episode: Episode, day: date, now: datetime, source: str = "", plan: bool = False
) -> Facts:
    """The clinic week of a local date; 9 statements.

    `needs` are the standards under which the week is short: those of `source` (program, payer,
    court) where any is, or else all. With `plan`, or without a short standard, what the treatment
    plan prescribes beyond them.
    """
    settings = clinic_settings(episode.clinic_id)
    week = settings.week(day)
    (course,) = courses_of(episode.clinic_id, [episode.pk])
    own = {"clinic": episode.clinic_id, "episode": episode}
    approved = list(Authorization.objects.filter(**own).select_related("payer"))
    lines = _lines(settings, course, week, approved, now)
    needs = _needs(settings, course, week, lines, now, source=source, plan=plan)
    first = min((need.first for need in needs), default=week.start)
    last = max((need.last for need in needs), default=week.end)
    return Facts(
        episode=episode,
        settings=settings,
        course=course,
        week=week,
        first=first,
        last=last,
        needs=needs,
        lines=tuple(lines),
        bookings=tuple(_bookings(episode, first, last)),
        authorizations=tuple(approved),
        coverages=tuple(
            Coverage.objects.filter(
                clinic=episode.clinic_id, patient=episode.patient_id
            ).select_related("payer")
        ),
        call_ins=tuple(CallIn.objects.in_force(first, last).filter(**own)),
        diary=_closures(settings, first, last),
        now=now,
    )


def _lines(
    settings: ClinicSettings,
    course: Course,
    week: Week,
    approved: Sequence[Authorization],
    now: datetime,
) -> list[DayLine]:
    """Back to the first day of an authorization that reaches into the week: its units are used."""
    first, last = reach(settings, [week])
    running = [row.starts_on for row in approved if row.ends_on >= first and row.starts_on <= last]
    return day_lines(
        clinic=settings.clinic_id,
        first=min([first, *running]),
        last=last,
        now=now,
        episode_ids=[course.episode_id],
        settings=settings,
    )


def _bookings(episode: Episode, first: date, last: date) -> QuerySet[Booking]:
    rows = Booking.objects.filter(
        clinic=episode.clinic_id,
        patient=episode.patient_id,
        session__local_date__range=(first, last),
    )
    related = ("session__group", "session__session_type", "attendance")
    return rows.select_related(*related).order_by("starts_at", "pk")


def _closures(settings: ClinicSettings, first: date, last: date) -> Diary:
    rows = Closure.objects.filter(
        clinic=settings.clinic_id, starts_on__lte=last + timedelta(days=1), ends_on__gte=first
    )
    return Diary(zone=settings.zone, closures=list(rows))


# --- what is missing ------------------------------------------------------------------------------


def _needs(
    settings: ClinicSettings,
    course: Course,
    week: Week,
    lines: Sequence[DayLine],
    now: datetime,
    *,
    source: str,
    plan: bool,
) -> tuple[Need, ...]:
    today = local_date(now, settings.zone)
    (judged_week,) = judge_weeks(settings, [course], [week], by_episode(lines), now)
    standing = [one for one in judged_week.standards if one.last >= today]
    short = [one for one in standing if is_short(one.judgement)]
    of_source = [one for one in short if one.source == source]
    needs = [_need(one) for one in of_source or short]
    if plan or not needs:
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


def sessions_between(facts: Facts) -> list[Session]:
    """Sessions of the week that have not begun; 1 statement. `taken` and `has_others` come along.

    A session of one patient is theirs alone, also when they gave notice of it.
    """
    rows = _with_seats(facts, Session.objects.live()).filter(
        clinic=facts.settings.clinic_id,
        local_date__range=(facts.first, facts.last),
        starts_at__gt=facts.now,
        signed_at__isnull=True,
        session_type__creditable=True,
    )
    return list(rows.order_by("starts_at", "pk"))


def session_for(facts: Facts, session: Session) -> Session:
    """One session as `sessions_between` reads them, whatever its state."""
    return _with_seats(facts, Session.objects.all()).get(pk=session.pk)


def _with_seats(facts: Facts, rows: QuerySet[Session]) -> QuerySet[Session]:
    booked = Q(bookings__state=Booking.State.BOOKED, bookings__seat__lte=F("capacity"))
    others = Booking.objects.exclude(state=Booking.State.WITHDRAWN).filter(session=OuterRef("pk"))
    return rows.select_related("group", "session_type", "room").annotate(
        taken=Count("bookings", filter=booked),
        has_others=Exists(others.exclude(patient=facts.episode.patient_id)),
    )


def free_seats(session: Session) -> int:
    """Seats within the capacity; overflow is for a person with a reason, never for a make-up."""
    return max(session.capacity - session.taken, 0)  # type: ignore[attr-defined]


def offer_of(facts: Facts, session: Session) -> Offer:
    told, row = session_facts(session), facts.own(session)
    return Offer(
        key=session.pk,
        local_date=session.local_date,
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        session_type_id=session.session_type_id,
        minutes=full_presence_minutes(told, facts.settings.policy_on(session.local_date)),
        length=session_minutes(told),
        again=row is not None and row.state == Booking.State.RELEASED,
        called_in=facts.has_called_in(session.local_date),
    )


# --- who may not come -----------------------------------------------------------------------------


def troubles(facts: Facts, sessions: Sequence[Session]) -> dict[int, Refused]:
    """By key, why the patient may not make up in a session; at most 6 statements for any number.

    A full session comes last, so that `session_full` says that nothing else stands in the way.
    """
    unfit = refusals(episode=facts.episode, sessions=sessions)
    found = ((one.pk, _trouble(facts, one, unfit.get(one.pk))) for one in sessions)
    return {key: refused for key, refused in found if refused is not None}


def _trouble(facts: Facts, session: Session, unfit: Refused | None) -> Refused | None:
    return (
        _of_session(facts, session)
        or _of_patient(facts, session)
        or unfit
        or _of_payers(facts, session)
        or _of_seats(facts, session)
    )


def _of_session(facts: Facts, session: Session) -> Refused | None:
    if not session.live:
        return _refused("session_cancelled", "The session is cancelled.")
    if session.signed_at is not None:
        return _refused("roster_signed", "The roster of this session is signed.")
    if session.starts_at <= facts.now:
        return _refused("session_begun", "The session has begun.")
    if facts.diary.closure(Span(session.starts_at, session.ends_at)) is not None:
        return _refused("clinic_closed", "The clinic is closed at this time.")
    if not session.session_type.creditable:
        return _refused("not_counted", "The session's minutes do not count as treatment.")
    return None


def _of_patient(facts: Facts, session: Session) -> Refused | None:
    day = session.local_date
    if not facts.first <= day <= facts.last:
        return _refused("outside_week", f"The session is not in the week of {facts.week.label}.")
    if facts.course.on_hold_on(day):
        return _refused("on_hold", f"The patient is on hold on {day}.")
    own = facts.own(session)
    if own is not None and _is_seated(own):
        return _refused("already_booked", "The patient is booked into this session.")
    span = Span(session.starts_at, session.ends_at)
    if any(span.overlaps(other) for key, other in facts.busy if key != session.pk):
        return _refused("patient_busy", "The patient is booked elsewhere at this time.")
    return None


def _of_seats(facts: Facts, session: Session) -> Refused | None:
    if session.session_type.kind in ONE_PATIENT and session.has_others:  # type: ignore[attr-defined]
        return _refused("not_suitable", "The session is another patient's own.")
    if not free_seats(session):
        return _refused("session_full", f"All {session.capacity} seats of {session} are taken.")
    return None


def _of_payers(facts: Facts, session: Session) -> Refused | None:
    return unpaid(facts, [offer_of(facts, session)])


def unpaid(facts: Facts, offers: Sequence[Offer]) -> Refused | None:
    """Why these sessions cannot all be attended: `not_authorized`, or None where all are paid."""
    day = next((one.local_date for one in offers if not _is_paid(facts, one, offers)), None)
    if day is None:
        return None
    if len(offers) > 1:
        message = "No payer's authorization has units left for all of these sessions."
    else:
        message = f"No payer's authorization covers {day} with a unit left."
    return _refused("not_authorized", message)


def _refused(code: str, message: str) -> Refused:
    return Refused(code, message, field="session")


# --- who pays -------------------------------------------------------------------------------------


def pays(facts: Facts, offers: Sequence[Offer]) -> bool:
    """Whether payers cover these sessions, all of them together (R23).

    Without a payer in force nobody is asked. One that needs no authorization pays; any other by an
    authorization of the plan's level that reaches the date and has units left for all of these
    sessions in its dates beside what is booked already.
    """
    return all(_is_paid(facts, one, offers) for one in offers)


def _is_paid(facts: Facts, offer: Offer, together: Sequence[Offer]) -> bool:
    day = offer.local_date
    insured = [row for row in facts.coverages if _between(row.starts_on, day, row.ends_on)]
    if any(not row.payer.needs_authorization for row in insured):
        return True
    reaching = [row for row in facts.authorizations if _between(row.starts_on, day, row.ends_on)]
    if not insured and not any(row.payer.needs_authorization for row in reaching):
        return True
    plan = facts.course.plan_on(day)
    valid = (row for row in reaching if plan and row.level == plan.level)
    return any(_has_units(facts, row, together) for row in valid)


def _between(first: date, day: date, last: date | None) -> bool:
    return first <= day and (last is None or day <= last)


def _has_units(facts: Facts, row: Authorization, offers: Sequence[Offer]) -> bool:
    approval = Approval(Unit(row.unit), row.units, row.starts_on, row.ends_on)
    lines = [*facts.lines, *(one.line for one in offers)]
    return runway(approval, lines, _terms(facts.needs)).uncovered_on is None


def _terms(needs: Iterable[Need]) -> StandardTerms:
    """The standard under which a day of the payer's counts; without a need, any day attended."""
    return next((need.terms for need in needs), StandardTerms(0, None, 0, 0))
