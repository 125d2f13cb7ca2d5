"""A patient enrolled in everything that was proposed, in one step; or what that would book."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from attendance.compliance.again import judge_again
from attendance.compliance.placement import Proposal
from attendance.memberships import enrol
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import local_date, long_date
from patients.models import Episode
from scheduling import services as calendar
from scheduling.locks import lock
from scheduling.models import Booking, GroupMembership, Session, WeeklyBlock


@dataclass(frozen=True, slots=True)
class Placed:
    """The seats, the standing hours, and the bookings of planned sessions that come with them."""

    seats: Sequence[GroupMembership]
    blocks: Sequence[WeeklyBlock]
    bookings: Sequence[Booking]


@service
def place(
    *,
    episode: Episode,
    proposal: Proposal,
    by: User | Job,
    population_opt_in: bool = False,
    now: datetime.datetime | None = None,
) -> Placed:
    """Give the seats of a proposal and plan its standing hours: all of it, or nothing.

    Raises what `enrol` and `add_block` of the floor below raise, and Refused `patient_busy` with
    `dates` where a standing hour meets something else on a date.
    """
    now = now or timezone.now()
    before = set(_booked(episode, now).values_list("pk", flat=True))
    blocks = [one.block_for(episode) for one in proposal.hours]
    lock(
        clinics=[episode.clinic_id] if blocks else [],
        groups=[one.group.pk for one in proposal.groups],
        therapists=[one.facilitator_id for one in blocks],
        rooms=[one.room_id for one in blocks],
    )
    seats = [
        enrol(
            group=one.group,
            episode=episode,
            starts_on=one.first or proposal.first,
            population_opt_in=population_opt_in and bool(one.group.population),
            by=by,
            now=now,
        )
        for one in proposal.groups
    ]
    if blocks:
        _plan(episode, blocks, by, now)
        clinic, since = episode.clinic, proposal.first
        judge_again(clinic=clinic, episode_ids=[episode.pk], since=since, by=by, now=now)
    named = _booked(episode, now).select_related("session__group", "session__session_type")
    return Placed(seats, blocks, list(named.exclude(pk__in=before)))


@service
def preview_place(
    *, episode: Episode, proposal: Proposal, by: User | Job, population_opt_in: bool = False
) -> Placed:
    """What `place` would book: it is done, read and taken back. Raises what it raises."""
    with transaction.atomic():
        done = place(episode=episode, proposal=proposal, by=by, population_opt_in=population_opt_in)
        transaction.set_rollback(True)
    return done


def _booked(episode: Episode, now: datetime.datetime) -> QuerySet[Booking]:
    rows = Booking.objects.expected().filter(episode=episode, ends_at__gt=now)
    return rows.order_by("starts_at", "pk")


def _plan(
    episode: Episode, blocks: Sequence[WeeklyBlock], by: User | Job, now: datetime.datetime
) -> None:
    for block in blocks:
        calendar.add_block(block=block, by=by)
    clinic = episode.clinic
    calendar.expand(clinic=clinic, today=local_date(now, clinic.tz), by=by)
    _check_seated(episode, blocks)


def _check_seated(episode: Episode, blocks: Sequence[WeeklyBlock]) -> None:
    """The expansion leaves out who is expected elsewhere: here it is a place that does not fit."""
    left_out = Session.objects.live().filter(block__in=blocks).exclude(bookings__episode=episode)
    dates = sorted(set(left_out.values_list("local_date", flat=True)))
    if dates:
        days = ", ".join(long_date(day) for day in dates)
        message = f"The patient is booked elsewhere at a standing hour on {days}. Choose another."
        raise Refused("patient_busy", message, field="starts_on", dates=dates)
