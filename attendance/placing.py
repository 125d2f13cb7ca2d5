"""A patient enrolled in everything that was proposed, in one step."""

from __future__ import annotations

import datetime

from django.utils import timezone

from attendance.compliance.again import judge_again
from attendance.compliance.placement import Proposal
from attendance.memberships import enrol
from iop_clinic.accounts.acting import Job, service
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import local_date
from patients.models import Episode
from scheduling import services as calendar
from scheduling.locks import lock
from scheduling.models import GroupMembership, WeeklyBlock


@service
def place(
    *,
    episode: Episode,
    proposal: Proposal,
    by: User | Job,
    population_opt_in: bool = False,
    now: datetime.datetime | None = None,
) -> list[GroupMembership]:
    """Give the seats of a proposal and plan its standing hours: all of it, or nothing.

    Raises what `enrol` and `add_block` of the floor below raise.
    """
    clinic, blocks = episode.clinic, [one.block for one in proposal.hours]
    lock(
        clinics=[clinic.pk] if blocks else [],
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
        _plan(blocks, by, now or timezone.now())
        judge_again(clinic=clinic, episode_ids=[episode.pk], since=proposal.first, by=by, now=now)
    return seats


def _plan(blocks: list[WeeklyBlock], by: User | Job, now: datetime.datetime) -> None:
    for block in blocks:
        calendar.add_block(block=block, by=by)
    clinic = blocks[0].clinic
    calendar.expand(clinic=clinic, today=local_date(now, clinic.tz), by=by)
