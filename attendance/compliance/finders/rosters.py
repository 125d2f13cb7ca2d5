"""Rosters that nobody recorded: an item of the staff's, never of the patient's (R24)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from attendance.compliance.findings import CaseKey, Finding, Night, Nights
from attendance.models import AbsenceRule, Flag
from iop_clinic.accounts.models import Membership
from iop_clinic.accounts.roles import Role
from iop_clinic.accounts.weeks import long_moment
from scheduling.models import Booking, Session, SessionStaff

COORDINATOR_AFTER = timedelta(minutes=60)
"""A roster is on its leader's screen 15 minutes after the end, on the coordinator's after 60."""


def roster_findings(nights: Nights, *, first: date, also: Collection[int]) -> Iterator[Finding]:
    """Sessions from `first` through the judged date, and those of the ids `also`, with somebody
    expected who has no record yet; 1 statement for all the clinics."""
    for session in _unrecorded(nights, first, also):
        night = nights[session.clinic_id]
        rule = next(night.settings.rules_on(AbsenceRule.Kind.UNRECORDED, session.local_date), None)
        if rule is not None:
            yield _finding(night, rule, session)


def _unrecorded(nights: Nights, first: date, also: Collection[int]) -> QuerySet[Session]:
    one = next(iter(nights.values()))
    expected = ~Q(bookings__state=Booking.State.WITHDRAWN) & Q(bookings__isnull=False)
    missing = expected & Q(bookings__attendance__isnull=True)
    rows = Session.objects.filter(
        Q(local_date__range=(first, one.through)) | Q(pk__in=also),
        clinic__in=nights,
        live=True,
        ends_at__lte=one.now - COORDINATOR_AFTER,
    )
    counted = rows.annotate(
        expected=Count("bookings", filter=expected),
        missing=Count("bookings", filter=missing),
        leader=Subquery(_leader()),
    )
    return counted.filter(missing__gt=0).order_by("pk")


def _leader() -> QuerySet[Any, Any]:
    """Who signs in as the substitute, or else as the facilitator."""
    part = SessionStaff.objects.filter(session=OuterRef(OuterRef("pk")), active=True)
    first = part.order_by("-role").values("therapist")[:1]
    return Membership.objects.filter(therapist=Subquery(first), active=True).values("user")[:1]


def _finding(night: Night, rule: Any, session: Any) -> Finding:
    starts = session.starts_at.astimezone(night.settings.zone)
    return Finding(
        key=CaseKey(
            AbsenceRule.Kind.UNRECORDED, Flag.Subject.SESSION, session.pk, str(session.public_id)
        ),
        evidence={
            "session": str(session.public_id),
            "local_date": session.local_date.isoformat(),
            "expected": session.expected,
            "missing": session.missing,
        },
        sentence=f"Roster of {long_moment(starts)} not recorded: "
        f"{session.missing} of {session.expected} patients.",
        severity=rule.severity,
        rule=rule,
        clinic_id=session.clinic_id,
        owner_id=session.leader if rule.owner_role == Role.THERAPIST else None,
    )
