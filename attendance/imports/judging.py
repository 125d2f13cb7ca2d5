"""What an import changed about days that a night has judged is judged again with it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import NamedTuple

from attendance.compliance.again import judge_again, judge_papers
from attendance.imports.intake import Intake
from attendance.imports.tables import (
    ATTENDANCE,
    AUTHORIZATIONS,
    BLOCKS,
    EPISODES,
    HOLDS,
    LONG_LIST,
    MAKE_UPS,
    MEMBERSHIPS,
    PLANS,
)
from scheduling.models import GroupMembership


class Change(NamedTuple):
    """From which local date on something is different for an episode."""

    episode_id: int
    since: datetime.date


def judge_imported(intake: Intake) -> None:
    """Cases and stored results follow in the same transaction; a new clinic has none."""
    if intake.problems or not any(intake.created.values()):
        return
    changes = list(_changes(intake))
    if changes:
        judge_again(
            clinic=intake.clinic,
            episode_ids=sorted({change.episode_id for change in changes}),
            since=min(change.since for change in changes),
            by=intake.by,
            now=intake.now,
        )
    judge_papers(clinic=intake.clinic, now=intake.now)


def _changes(intake: Intake) -> Iterator[Change]:
    created = intake.created
    for episode in created[EPISODES.name]:
        if episode.admitted_on is not None:
            yield Change(episode.pk, episode.admitted_on)
    for table in (PLANS, HOLDS, MEMBERSHIPS, AUTHORIZATIONS):
        for row in created[table.name]:
            yield Change(row.episode_id, row.starts_on)
    for table in (ATTENDANCE, LONG_LIST):
        for record in created[table.name]:
            yield Change(record.booking.episode_id, record.booking.session.local_date)
    for booking in created[MAKE_UPS.name]:
        yield Change(booking.episode_id, booking.session.local_date)
    yield from _of_blocks(intake)


def _of_blocks(intake: Intake) -> Iterator[Change]:
    """A week is prorated by the weekly days of its groups."""
    blocks = intake.created[BLOCKS.name]
    groups = {block.group_id: block.valid_from for block in blocks if block.group_id}
    for block in blocks:
        if block.episode_id:
            yield Change(block.episode_id, block.valid_from)
        else:
            groups[block.group_id] = min(groups[block.group_id], block.valid_from)
    members = GroupMembership.objects.filter(clinic=intake.clinic, group__in=groups)
    for group, episode in members.values_list("group", "episode"):
        yield Change(episode, groups[group])
