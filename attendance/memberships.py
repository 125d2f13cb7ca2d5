"""Seats in groups, with what they change about weeks and cases: given, moved, ended, taken back.

The floor below writes them. A seat brings sessions with it, and its group's weekly days are what a
week is prorated by; so each write is followed, in the same transaction, by judging again from the
first date that is different. A seat may be entered late: then what is stored is amended.
"""

from __future__ import annotations

import datetime
from typing import Any

from attendance.compliance.again import judge_again, judge_papers
from iop_clinic.accounts.acting import Job, service
from iop_clinic.accounts.models import User
from patients.models import Episode
from scheduling import services as calendar
from scheduling.models import Group, GroupMembership, WaitlistEntry
from scheduling.services.guests import GuestChoice, guests_of

Moment = datetime.datetime | None
_DAY = datetime.timedelta(days=1)


@service
def enrol(
    *,
    group: Group,
    episode: Episode,
    starts_on: datetime.date,
    by: User | Job,
    now: Moment = None,
    **seat: Any,
) -> GroupMembership:
    """Give a seat in a group (see `scheduling.services.enrol`, which says what is refused)."""
    row = calendar.enrol(group=group, episode=episode, starts_on=starts_on, by=by, **seat)
    _again(episode, _judged_by(row), by=by, now=now, guests=seat.get("guests"))
    return row


@service
def accept_offer(
    *,
    entry: WaitlistEntry,
    by: User | Job,
    now: Moment = None,
    **seat: Any,
) -> GroupMembership:
    """Enrol whom a seat is offered (see `scheduling.services.accept_offer`)."""
    row = calendar.accept_offer(entry=entry, by=by, **seat)
    _again(row.episode, row.starts_on, by=by, now=now, guests=seat.get("guests"))
    return row


@service
def transfer(
    *,
    membership: GroupMembership,
    to_group: Group,
    on: datetime.date,
    by: User | Job,
    now: Moment = None,
    **seat: Any,
) -> GroupMembership:
    """Move a member to another group (see `scheduling.services.transfer`)."""
    row = calendar.transfer(membership=membership, to_group=to_group, on=on, by=by, **seat)
    _again(row.episode, on, by=by, now=now, guests=seat.get("guests"))
    return row


@service
def end_membership(
    *,
    membership: GroupMembership,
    ends_on: datetime.date,
    reason: str,
    by: User | Job,
    now: Moment = None,
) -> GroupMembership:
    """End a seat after a local date (see `scheduling.services.end_membership`)."""
    calendar.end_membership(membership=membership, ends_on=ends_on, reason=reason, by=by)
    _again(membership.episode, ends_on + _DAY, by=by, now=now)
    return membership


@service
def cancel_membership(
    *, membership: GroupMembership, reason: str, by: User | Job, now: Moment = None
) -> None:
    """Take back a seat that has not begun (see `scheduling.services.cancel_membership`)."""
    calendar.cancel_membership(membership=membership, reason=reason, by=by)
    _again(membership.episode, _judged_by(membership), by=by, now=now)


def _judged_by(row: GroupMembership) -> datetime.date:
    """The first local date whose week a seat changes: a first seat also that of the admission."""
    earlier = row.episode.memberships.filter(starts_on__lt=row.starts_on)
    return row.starts_on if earlier.exists() else row.episode.admitted_on or row.starts_on


def _again(
    episode: Episode,
    since: datetime.date,
    *,
    by: User | Job,
    now: Moment,
    guests: GuestChoice | None = None,
) -> None:
    """From the admission on at the earliest; groups that are too small count their members anew.

    Guests who move on lose minutes as well.
    """
    since = max(since, episode.admitted_on or since)
    ids = [episode.pk, *guests_of(episode.clinic_id, guests)]
    judge_again(clinic=episode.clinic, episode_ids=ids, since=since, by=by, now=now)
    judge_papers(clinic=episode.clinic, now=now)
