"""The cases a report counts, and whose they are."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Q

from attendance.models import Flag
from attendance.querysets import FlagQuerySet
from attendance.reports.tally import Case
from patients.models import Episode
from scheduling.models import SessionStaff, WeeklyBlock

Leaders = defaultdict[int, frozenset[int]]
"""Therapists by the session or group that they lead."""

_FIELDS = (
    *("rule", "severity", "state", "opened_at", "changed_at", "due_at", "closed_at"),
    *("escalated_at", "closed_by_facts"),
)
_SUBJECTS = ("episode__primary_therapist", "session", "group", "therapist")


def cases(rows: FlagQuerySet, clinic_id: int, today: datetime.date) -> list[Case]:
    """Some cases of a clinic with the therapists they belong to, in at most 3 statements.

    A patient's case is the primary therapist's, a roster's that of whoever leads the session, a
    group's that of whoever leads it on `today`, a therapist's their own.
    """
    found = list(rows.filter(clinic=clinic_id).values(*_FIELDS, *_SUBJECTS, "episode__state"))
    sessions = _session_leaders(clinic_id, {row["session"] for row in found if row["session"]})
    groups = _group_leaders(clinic_id, {row["group"] for row in found if row["group"]}, today)
    return [
        Case(
            **{name: row[name] for name in _FIELDS},
            on_hold=row["episode__state"] == Episode.State.ON_HOLD,
            therapists=sessions[row["session"]]
            | groups[row["group"]]
            | frozenset(filter(None, [row["therapist"], row["episode__primary_therapist"]])),
        )
        for row in found
    ]


def _session_leaders(clinic_id: int, sessions: set[int]) -> Leaders:
    """Who leads each session: a roster that is not in is theirs to record."""
    parts = SessionStaff.objects.filter(clinic=clinic_id, session__in=sessions, active=True)
    return _leaders(parts.values_list("session", "therapist"))


def _group_leaders(clinic_id: int, groups: set[int], today: datetime.date) -> Leaders:
    blocks = WeeklyBlock.objects.filter(
        Q(valid_until__isnull=True) | Q(valid_until__gte=today), clinic=clinic_id, group__in=groups
    )
    rows = blocks.values_list("group", "facilitator", "co_facilitator")
    return _leaders((group, leader) for group, *leaders in rows for leader in leaders)


def _leaders(pairs: Iterable[tuple[int | None, int | None]]) -> Leaders:
    found: Leaders = defaultdict(frozenset)
    for led, therapist in pairs:
        if led and therapist:
            found[led] |= {therapist}
    return found


def open_or_ended(since: datetime.datetime | None) -> FlagQuerySet:
    """The open cases and those closed since an instant; without one only the open."""
    ended = Q(closed_at__gt=since) if since else Q(pk__in=[])
    return Flag.objects.filter(Q(closed_at=None) | ended)


def begun_or_ended(first: datetime.datetime, until: datetime.datetime) -> FlagQuerySet:
    """Cases opened or closed between two instants, half-open."""
    between = Q(opened_at__gte=first, opened_at__lt=until)
    return Flag.objects.filter(between | Q(closed_at__gte=first, closed_at__lt=until))
