"""Who would lose minutes if the clinic cancelled a session, told before it does.

The day lines are read, and judged twice: as they are, and as they would be. Nothing is written and
nobody waits, neither for this nor this for them. The preview refuses what cancelling would refuse.
The cancelled minutes leave both sides of the program's count (R24); a payer's and a court's minimum
are not prorated and stay as they are.
"""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from django.utils import timezone

from attendance.compliance.courses import courses
from attendance.compliance.days import DayLine, by_episode, day_lines, is_open, spent_in
from attendance.compliance.settings import ClinicSettings, clinic_settings
from attendance.compliance.status import JudgedStandard, PatientWeek, judge_weeks, reach
from attendance.records.facts import session_facts
from attendance.records.overlaps import ANY_SESSION, visits_inside
from attendance.records.rules import (
    Interval,
    full_presence_minutes,
    scheduled_minutes,
    session_minutes,
)
from iop_clinic.accounts.acting import Refused
from patients.models import Episode, Patient
from scheduling.models import Booking, Session
from scheduling.services.sessions import check_not_signed

Key = tuple[int, datetime.date, int]
"""Episode, local date and session type: what a day line is about."""
Weeks = Mapping[int, Sequence[PatientWeek]]


@dataclass(frozen=True, slots=True)
class Effect:
    """A week, or the segment of it that holds the session, under one standard.

    Minutes are those the standard judges. `minimum` and `days` are what is asked then, after
    proration. Who cannot reach the minimum as it is does not fall below it by the cancellation.
    """

    standard: str | None
    source: str | None
    at_most_before: int
    at_most_after: int
    minimum_before: int
    minimum: int
    falls_below: bool
    days_at_most_before: int = 0
    days_at_most_after: int = 0
    days_before: int = 0
    days: int = 0
    too_few_days: bool = False

    @classmethod
    def of(cls, before: JudgedStandard, after: JudgedStandard) -> Self:
        was, will = before.judgement, after.judgement
        return cls(
            standard=after.name,
            source=after.source,
            at_most_before=was.at_most,
            at_most_after=will.at_most,
            minimum_before=was.prorated_minimum,
            minimum=will.prorated_minimum,
            falls_below=will.projected_short and not was.projected_short,
            days_at_most_before=was.days_at_most,
            days_at_most_after=will.days_at_most,
            days_before=was.prorated_days,
            days=will.prorated_days,
            too_few_days=will.projected_days_short and not was.projected_days_short,
        )


@dataclass(frozen=True, slots=True)
class Loss:
    """What a cancellation takes from one patient's week, and what each standard makes of it.

    `minutes_lost` is what the week could still reach, less what it could reach then: of creditable
    types only, and nothing of a session to come that the patient has given up.
    """

    patient: Patient
    minutes_lost: int
    plan: int | None
    """The weekly minutes of the plan, which a cancellation does not change."""
    first: Effect
    """Of the standard that the patient would fall below, or else of the program's."""
    effects: tuple[Effect, ...]


def cancel_impact(*, session: Session, now: datetime.datetime | None = None) -> list[Loss]:
    """What `cancel_session` would take from whom is expected there, by seat.

    Nobody loses anything by a session that is cancelled already. Raises Refused `roster_signed`, or
    `attendance_recorded` where somebody is recorded as present, as cancelling would. The number of
    statements does not depend on that of patients.
    """
    if not session.live:
        return []
    check_not_signed(session)
    now = now or timezone.now()
    settings, around = clinic_settings(session.clinic_id), _bookings_around(session)
    booked = [row for row in around if row.session_id == session.pk]
    if any((record := getattr(row, "attendance", None)) and record.attended for row in booked):
        message = "The record says that a patient attended. Clear or correct it first."
        raise Refused("attendance_recorded", message)
    before, after = _judged_twice(session, settings, around, now)
    day = session.local_date
    return [
        loss_on(row.patient, before[row.episode_id], after[row.episode_id], day) for row in booked
    ]


def _bookings_around(session: Session) -> list[Booking]:
    """Of whom is expected: what is booked there, by seat, and all that could overlap it."""
    expected = Booking.objects.expected().filter(session=session)
    rows = Booking.objects.exclude(state=Booking.State.WITHDRAWN).filter(
        clinic=session.clinic_id,
        episode__in=expected.values("episode"),
        starts_at__gt=session.starts_at - ANY_SESSION,
        starts_at__lt=session.ends_at + ANY_SESSION,
    )
    related = rows.select_related("patient", "attendance", "session__session_type")
    return list(related.order_by("seat", "pk"))


def _judged_twice(
    session: Session, settings: ClinicSettings, around: Sequence[Booking], now: datetime.datetime
) -> tuple[Weeks, Weeks]:
    """The weeks by episode, as they are and as if the session were cancelled."""
    ids = sorted({row.episode_id for row in around})
    known = courses(Episode.objects.filter(clinic=session.clinic_id, pk__in=ids))
    # A standard's own week that holds the day may be judged with a neighbour of the clinic's.
    week = settings.week(session.local_date)
    weeks = [week.shifted(-1), week, week.shifted(1)]
    first, last = reach(settings, weeks)
    clinic = settings.clinic_id
    lines = day_lines(
        clinic=clinic, first=first, last=last, now=now, episode_ids=ids, settings=settings
    )
    changed = _as_if_cancelled(lines, session, settings, around, now)
    before, after = (
        weeks_by_episode(judge_weeks(settings, known, weeks, by_episode(one), now))
        for one in (lines, changed)
    )
    return before, after


# --- the day lines of a session that is not held -------------------------------------------------


def _as_if_cancelled(
    lines: Iterable[DayLine],
    session: Session,
    settings: ClinicSettings,
    around: Sequence[Booking],
    now: datetime.datetime,
) -> list[DayLine]:
    """The lines, with what the bookings around add to them replaced by what they would then."""
    was = _shares(around, settings, now)
    for row in around:
        row.live = row.live and row.session_id != session.pk
    will = _shares(around, settings, now)
    changed = []
    for line in lines:
        key = (line.episode_id, line.local_date, line.session_type_id)
        moved = {name: will[key][name] - was[key][name] for name in {*was[key], *will[key]}}
        values = {name: getattr(line, name) + change for name, change in moved.items()}
        changed.append(replace(line, **values))
    return changed


def _shares(
    bookings: Collection[Booking], settings: ClinicSettings, now: datetime.datetime
) -> Mapping[Key, Counter[str]]:
    """What bookings add to their lines, without what is recorded: cancelling changes none of it."""
    inside = visits_inside(bookings)
    sums: defaultdict[Key, Counter[str]] = defaultdict(Counter)
    for row in bookings:
        key = (row.episode_id, row.session.local_date, row.session.session_type_id)
        sums[key].update(_share(row, inside.get(row.pk, []), settings, now))
    return sums


def _share(
    row: Booking, visits: Iterable[Booking], settings: ClinicSettings, now: datetime.datetime
) -> dict[str, int]:
    """One booking's part of its line, without what its visits take out of it (see `DayMinutes`)."""
    session, visits = session_facts(row.session), list(visits)
    planned = scheduled_minutes(session, [Interval(one.starts_at, one.ends_at) for one in visits])
    if not row.live:
        return {"cancelled": planned}
    if not is_open(row, now):
        return {"scheduled": planned}
    away = [span for visit in visits for span in spent_in(visit, now)]
    credit = full_presence_minutes(session, settings.policy_on(row.session.local_date), away)
    return {
        "scheduled": planned,
        "attended_open": session_minutes(session, away),
        "credited_open": credit,
        "unrecorded": int(row.ends_at <= now),
        "upcoming": int(row.ends_at > now),
        "services_open": int(session.creditable),
    }


# --- what it makes of the weeks ------------------------------------------------------------------


def weeks_by_episode(weeks: Iterable[PatientWeek]) -> dict[int, list[PatientWeek]]:
    grouped: defaultdict[int, list[PatientWeek]] = defaultdict(list)
    for week in weeks:
        grouped[week.episode_id].append(week)
    return grouped


def loss_on(
    patient: Patient,
    before: Sequence[PatientWeek],
    after: Sequence[PatientWeek],
    day: datetime.date,
) -> Loss:
    """What changes about the week that holds the day."""
    was, will = (next(one for one in weeks if day in one.week) for weeks in (before, after))
    pairs = zip(_standards(before, day), _standards(after, day), strict=True)
    effects = tuple(Effect.of(*pair) for pair in pairs)
    unjudged = Effect(None, None, was.at_most, will.at_most, 0, 0, falls_below=False)
    return Loss(
        patient=patient,
        minutes_lost=was.at_most - will.at_most,
        plan=was.plan_target,
        first=min(effects, key=_harmless, default=unjudged),
        effects=effects,
    )


def _standards(weeks: Iterable[PatientWeek], day: datetime.date) -> list[JudgedStandard]:
    """What judges the day, the program's standard first."""
    every = (one for week in weeks for one in week.standards if one.first <= day <= one.last)
    return sorted(every, key=lambda one: (one.standard.source, one.standard.id))


def _harmless(effect: Effect) -> tuple[bool, bool]:
    return not effect.falls_below, not effect.too_few_days
