"""The cases a report counts, and whose they are."""

from __future__ import annotations

import datetime
from collections.abc import Collection

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Q, QuerySet

from attendance.models import Flag
from attendance.querysets import FlagQuerySet
from attendance.reports.tally import Case
from iop_clinic.accounts.models import Therapist
from patients.models import Episode
from scheduling.models import SessionStaff, WeeklyBlock

_FIELDS = (
    *("rule", "severity", "state", "opened_at", "changed_at", "due_at", "closed_at"),
    *("escalated_at", "closed_by_facts"),
)


def cases(rows: FlagQuerySet, clinic_id: int, today: datetime.date) -> list[Case]:
    """Some cases of a clinic with the therapists they belong to on `today`; 1 statement."""
    found = rows.filter(clinic=clinic_id).annotate(
        therapists=ArraySubquery(_whose(today).values("pk"))
    )
    return [
        Case(
            **{name: row[name] for name in _FIELDS},
            on_hold=row["episode__state"] == Episode.State.ON_HOLD,
            therapists=frozenset(row["therapists"]),
        )
        for row in found.values(*_FIELDS, "therapists", "episode__state")
    ]


def of_caseload(
    rows: FlagQuerySet, therapists: Collection[int], today: datetime.date
) -> FlagQuerySet:
    """Those that belong to one of the therapists: exactly what their mail counts."""
    return rows.filter(Exists(_whose(today).filter(pk__in=therapists)))


def _whose(today: datetime.date) -> QuerySet[Therapist]:
    """The therapists to whom the case around this query belongs.

    A patient's case is the primary therapist's, a roster's that of whoever leads the session, a
    group's that of whoever leads it on `today`, a therapist's their own.
    """
    outside = {"clinic": OuterRef(OuterRef("clinic"))}
    parts = SessionStaff.objects.filter(
        **outside, session=OuterRef(OuterRef("session")), therapist=OuterRef("pk"), active=True
    )
    blocks = WeeklyBlock.objects.filter(
        Q(facilitator=OuterRef("pk")) | Q(co_facilitator=OuterRef("pk")),
        Q(valid_until__isnull=True) | Q(valid_until__gte=today),
        **outside,
        group=OuterRef(OuterRef("group")),
    )
    own = Q(pk=OuterRef("therapist")) | Q(pk=OuterRef("episode__primary_therapist"))
    return Therapist.objects.filter(own | Exists(parts) | Exists(blocks), clinic=OuterRef("clinic"))


def open_or_ended(since: datetime.datetime | None) -> FlagQuerySet:
    """The open cases and those closed since an instant; without one only the open."""
    ended = Q(closed_at__gt=since) if since else Q(pk__in=[])
    return Flag.objects.filter(Q(closed_at=None) | ended)


def begun_or_ended(first: datetime.datetime, until: datetime.datetime) -> FlagQuerySet:
    """Cases opened or closed between two instants, half-open."""
    between = Q(opened_at__gte=first, opened_at__lt=until)
    return Flag.objects.filter(between | Q(closed_at__gte=first, closed_at__lt=until))
