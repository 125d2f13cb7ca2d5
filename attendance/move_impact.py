"""Who could come, and what their weeks would be, if a session were held at another time.

It is moved as it would be, read, and moved back: the two answers come from the same arithmetic as
every other page's, and what moving refuses is refused here. Nothing is left of it.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from attendance.cancel_impact import Loss, Weeks, loss_on, weeks_by_episode
from attendance.compliance.courses import courses
from attendance.compliance.days import by_episode, day_lines
from attendance.compliance.settings import ClinicSettings, clinic_settings
from attendance.compliance.status import judge_weeks, reach
from attendance.sessions import refuse_recorded
from iop_clinic.accounts.acting import Refused, service
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import weeks_touching
from patients.models import Authorization, Episode, Patient
from scheduling import services as calendar
from scheduling.eligibility import refusals
from scheduling.models import Booking, CallIn, Session
from scheduling.querysets import overlapping
from scheduling.rules import Span
from scheduling.services.visits import ties_at


@dataclass(frozen=True, slots=True)
class Moved:
    """One patient's side of a move. `hindrances` say why they could not come, or would not count.

    `week` is what changes about the week of the day that the session has now.
    """

    patient: Patient
    hindrances: tuple[str, ...]
    week: Loss


def clashes(
    session: Session, starts_at: datetime.datetime, ends_at: datetime.datetime
) -> list[Booking]:
    """Where else somebody booked in a session sits at another time: such a move is refused.

    A visit that would lie inside it is none; whether one may stay tied, `move_session` says.
    """
    here = Booking.objects.seated().filter(session=session)
    rows = Booking.objects.seated().filter(
        overlapping(starts_at, ends_at),
        clinic=session.clinic_id,
        patient__in=here.values("patient"),
        live=True,
    )
    shown = rows.select_related("patient", "session__group", "session__session_type")
    visits = [visit.pk for visit, _ in ties_at(session, Span(starts_at, ends_at))]
    tied = Q(nested_in__in=here) | Q(
        pk__in=here.filter(nested_in__isnull=False).values("nested_in")
    )
    elsewhere = shown.exclude(session=session).exclude(pk__in=visits).exclude(tied)
    return list(elsewhere.order_by("patient", "starts_at"))


@service
def move_impact(*, session: Session, by: User, **to: Any) -> list[Moved]:
    """What moving a session to the times (and room) of `to` would do, by seat.

    Raises Refused for what `move_session` would. The number of statements does not depend on that
    of patients.
    """
    now, settings = timezone.now(), clinic_settings(session.clinic_id)
    expected = Booking.objects.expected().filter(session=session).order_by("seat", "pk")
    rows = list(expected.select_related("patient", "episode"))
    before = weeks_around(rows, settings, session.local_date, now)
    with transaction.atomic():
        moved = Session.objects.select_related("clinic", "group", "room").get(pk=session.pk)
        calendar.move_session(session=moved, by=by, **to)
        refuse_recorded(moved)
        after = weeks_around(rows, settings, session.local_date, now)
        unfit = refusals(episodes=[row.episode for row in rows], sessions=[moved])
        transaction.set_rollback(True)
    day = session.local_date
    said = _hindrances(rows, day, moved, unfit)
    return [
        Moved(
            row.patient,
            tuple(said[row.episode_id]),
            loss_on(row.patient, before[row.episode_id], after[row.episode_id], day),
        )
        for row in rows
    ]


def weeks_around(
    rows: Collection[Booking],
    settings: ClinicSettings,
    day: datetime.date,
    now: datetime.datetime,
) -> Weeks:
    """The weeks around a day as they are stored, by episode."""
    return weeks_between({row.episode_id for row in rows}, settings, day, day, now)


def weeks_between(
    episodes: Collection[int],
    settings: ClinicSettings,
    since: datetime.date,
    until: datetime.date,
    now: datetime.datetime,
) -> Weeks:
    """The weeks around two local dates, with those between them, by episode."""
    ids = sorted(episodes)
    known = courses(Episode.objects.filter(clinic=settings.clinic_id, pk__in=ids))
    # A standard's own week that holds the day may be judged with a neighbour of the clinic's.
    around = settings.week(since).shifted(-1).start, settings.week(until).shifted(1).end
    weeks = list(weeks_touching(*around, week_start=settings.week(since).start.weekday()))
    first, last = reach(settings, weeks)
    clinic = settings.clinic_id
    lines = day_lines(
        clinic=clinic, first=first, last=last, now=now, episode_ids=ids, settings=settings
    )
    return weeks_by_episode(judge_weeks(settings, known, weeks, by_episode(lines), now))


def _hindrances(
    rows: Sequence[Booking],
    before: datetime.date,
    moved: Session,
    unfit: Mapping[int, Mapping[int, Refused]],
) -> dict[int, list[str]]:
    """By episode, what stands against the new day: in words."""
    ids = [row.episode_id for row in rows]
    day = moved.local_date
    told: dict[int, list[str]] = {pk: [] for pk in ids}
    covered = _covered(ids, before) - _covered(ids, day)
    calls = CallIn.objects.in_force(day, day).filter(clinic=moved.clinic_id, episode__in=ids)
    absent = set(calls.values_list("episode", flat=True))
    for pk in ids:
        if (refused := unfit[pk].get(moved.pk)) is not None:
            told[pk].append(refused.message)
        if pk in covered:
            told[pk].append("No authorization covers the new day.")
        if pk in absent and day != before:
            told[pk].append("Has called in absent for the new day.")
    return told


def _covered(episodes: Collection[int], day: datetime.date) -> set[int]:
    """Those of some episodes that an authorization covers on a day."""
    rows = Authorization.objects.filter(episode__in=episodes, starts_on__lte=day, ends_on__gte=day)
    return set(rows.values_list("episode", flat=True))
