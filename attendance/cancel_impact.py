"""Who would lose minutes if the clinic cancelled a session, told before it does.

It is cancelled, the week is judged then, and it is taken back: so the preview refuses what
cancelling would refuse, and judges as the night will. The cancelled minutes leave both sides of the
program's count (R24); a payer's and a court's minimum are not prorated and stay as they are.
"""

from __future__ import annotations

import copy
import datetime
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Self

from django.db import transaction
from django.utils import timezone

from attendance.compliance.settings import clinic_settings
from attendance.compliance.status import JudgedStandard, PatientWeek, weeks_of
from iop_clinic.accounts.acting import Job, service
from iop_clinic.accounts.models import User
from patients.models import Patient
from scheduling import services as calendar
from scheduling.models import Booking, Session


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


@service
def cancel_impact(
    *, session: Session, by: User | Job, now: datetime.datetime | None = None
) -> list[Loss]:
    """What `cancel_session` would take from whom is expected there, by seat; leaves nothing behind.

    Nobody loses anything by a session that is cancelled already. Raises what `cancel_session`
    raises, or IntegrityError `booking_attended_stays` where somebody is recorded as present. The
    number of statements does not depend on that of patients.
    """
    settings = clinic_settings(session.clinic_id)
    expected = Booking.objects.expected().filter(session=session).select_related("patient")
    booked = list(expected.order_by("seat", "pk"))
    # A standard's own week that holds the day may be judged with a neighbour of the clinic's.
    week = settings.week(session.local_date)
    judged = partial(
        weeks_of,
        settings,
        [week.shifted(-1), week, week.shifted(1)],
        [row.episode_id for row in booked],
        now=now or timezone.now(),
    )
    before = _by_episode(judged())
    with _cancelled(session, by):
        after = _by_episode(judged())
    day = session.local_date
    return [
        _loss(row.patient, before[row.episode_id], after[row.episode_id], day) for row in booked
    ]


@contextmanager
def _cancelled(session: Session, by: User | Job) -> Iterator[None]:
    """The session is cancelled inside the block only."""
    with transaction.atomic():
        calendar.cancel_session(session=copy.copy(session), reason="Preview", by=by)
        yield
        transaction.set_rollback(True)


def _by_episode(weeks: Iterable[PatientWeek]) -> dict[int, list[PatientWeek]]:
    grouped: defaultdict[int, list[PatientWeek]] = defaultdict(list)
    for week in weeks:
        grouped[week.episode_id].append(week)
    return grouped


def _loss(
    patient: Patient,
    before: Sequence[PatientWeek],
    after: Sequence[PatientWeek],
    day: datetime.date,
) -> Loss:
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
