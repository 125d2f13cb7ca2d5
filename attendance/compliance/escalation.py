"""Overdue cases go to the next role: therapist, coordinator, administrator.

Time is counted in the clinic's opening hours, so that a case due on Friday at closing goes to
somebody who is there to act: on Monday, an hour after the clinic opens, when whoever was asked
first could have taken it on. A case to act on that nobody took on goes on after one such hour, and
a day later to the last role (an urgent one after an hour again); a quiet one, and one that is being
worked, after two business days. Then it is open again, at the next role; the owner stays visible
until somebody there takes it on. Each step happens once and the last one is the administrator's. A
case put off, a patient on hold and a closed clinic are left alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from attendance.compliance.due import business_moment, due_at
from attendance.compliance.settings import BusinessHours, business_hours, with_closures
from attendance.models import AbsenceRule, Flag
from attendance.models.standards import Severity
from iop_clinic.accounts.acting import Job, service
from iop_clinic.accounts.models import Clinic, Membership
from iop_clinic.accounts.roles import Role
from patients.models import Episode

ESCALATION = Job("escalation")
UNSEEN = timedelta(hours=1)
"""Opening hours that an overdue case waits for somebody to take it on."""
WORKED_DAYS = 2
"""Business days more for a case that is being worked, or is no louder than a watch."""
AGAIN_DAYS = 1
"""Business days more for the second step, unless the case is urgent."""

State = Flag.State
LADDER = (Role.COORDINATOR, Role.ADMINISTRATOR)


@dataclass(frozen=True, slots=True)
class Staffed:
    """When somebody is there to act in a clinic, and the roles above that somebody has."""

    hours: BusinessHours
    roles: frozenset[str]


@service
def escalate(*, now: datetime, by: Job, clinics: Collection[int] | None = None) -> int:
    """Hand every case that waited too long to the next role; how many.

    For all active clinics, or those given; at most 5 statements however many there are. A case
    that somebody works at this moment is left to the next call. `changed_at` moves, so the next
    report tells it.
    """
    open_now = _open_clinics(now, clinics)
    steps = dict(_steps(_overdue(open_now, now), open_now, now))
    if not steps:
        return 0
    rows = _overdue(open_now, now).filter(pk__in=steps)
    locked = rows.select_for_update(of=("self",), no_key=True, skip_locked=True)
    by_role: defaultdict[Role, list[int]] = defaultdict(list)
    for pk, role in _steps(locked, open_now, now):
        by_role[role].append(pk)
    for role, ids in by_role.items():
        Flag.objects.filter(pk__in=ids).update(
            owner_role=role,
            state=State.OPEN,
            escalated_at=now,
            changed_at=now,
            version=F("version") + 1,
        )
    return sum(len(ids) for ids in by_role.values())


def escalates_at(since: datetime, *, days: int, hours: BusinessHours) -> datetime:
    """When a case goes on that has been due, or with its role, since an instant and may wait for so
    many business days more."""
    if days:
        since = due_at(since, hours, AbsenceRule.Due.BUSINESS_DAYS, days)
    return _after_open_time(since, UNSEEN, hours)


def days_more(severity: int, *, taken_on: bool, again: bool) -> int:
    """Business days that a case may wait beside the one opening hour."""
    if taken_on or severity <= Severity.WATCH:
        return WORKED_DAYS
    return AGAIN_DAYS if again and severity < Severity.URGENT else 0


def next_role(owner_role: str, holder: str | None, staffed: Collection[str]) -> Role | None:
    """The next role above the one that was asked, and above that of the person who has the case;
    one that nobody in the clinic has is passed over."""
    height = max(_height(owner_role), _height(holder or ""))
    return next((role for role in LADDER[height:] if role in staffed), None)


def _height(role: str) -> int:
    return LADDER.index(Role(role)) + 1 if role in LADDER else 0


def _after_open_time(since: datetime, wait: timedelta, hours: BusinessHours) -> datetime:
    start = business_moment(since, hours)
    closes = due_at(start, hours, AbsenceRule.Due.SAME_BUSINESS_DAY)
    if start + wait <= closes:
        return start + wait
    return _after_open_time(closes, wait - (closes - start), hours)


def _steps(
    rows: Iterable[Any], clinics: Mapping[int, Staffed], now: datetime
) -> Iterator[tuple[int, Role]]:
    """The cases whose time has come, each with the role that it goes to."""
    for row in rows:
        clinic = clinics[row.clinic_id]
        again = row.escalated_at is not None
        days = days_more(row.severity, taken_on=row.state != State.OPEN, again=again)
        since = max(row.due_at, row.escalated_at or row.due_at)
        if now < escalates_at(since, days=days, hours=clinic.hours):
            continue
        role = next_role(row.owner_role, row.holder, clinic.roles)
        if role is not None:
            yield row.pk, role


def _overdue(clinics: Iterable[int], now: datetime) -> QuerySet[Any]:
    """Cases that could go on, by key, with the role of the person who has each."""
    holder = Membership.objects.filter(user=OuterRef("owner"), clinic=OuterRef("clinic"))
    silent = Q(episode__state=Episode.State.ON_HOLD) | Q(
        episode__patient__deceased_on__isnull=False
    )
    return (
        Flag.objects.filter(
            clinic__in=list(clinics),
            state__in=[State.OPEN, State.ACKNOWLEDGED, State.IN_OUTREACH],
            due_at__lte=now - UNSEEN,
        )
        .exclude(owner_role=Role.ADMINISTRATOR)
        .exclude(silent)
        .annotate(holder=Subquery(holder.values("role")[:1]))
        .only("clinic_id", "due_at", "escalated_at", "severity", "state", "owner_role")
        .order_by("pk")
    )


def _open_clinics(now: datetime, clinics: Collection[int] | None) -> dict[int, Staffed]:
    """The clinics that are open at an instant; 1 statement."""
    staff = Membership.objects.live().filter(
        clinic=OuterRef("pk"), role__in=LADDER, user__is_active=True
    )
    rows = with_closures(Clinic.objects.filter(active=True)).annotate(
        staffed=ArraySubquery(staff.order_by("role").values("role").distinct())
    )
    if clinics is not None:
        rows = rows.filter(pk__in=clinics)
    found = {}
    for row in rows:
        try:
            staffed = Staffed(business_hours(row), frozenset(row.staffed))
        except (LookupError, ValueError):  # a zone that is not known here: the night says so
            continue
        if business_moment(now, staffed.hours) == now:
            found[row.pk] = staffed
    return found
