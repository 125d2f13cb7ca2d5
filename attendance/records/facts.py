"""From stored rows to the plain values that the credit rules work on."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from django.db.models import Q

from attendance.models import AttendanceRecord, CreditRule
from attendance.models.records import EXCUSED_BY_DEFAULT
from attendance.records.rules import (
    AttendanceFacts,
    CreditKind,
    CreditPolicy,
    Interval,
    Proof,
    SessionFacts,
)
from iop_clinic.accounts.visibility import ClinicQuerySet
from scheduling.models import Session

StoredSpans = list[list[str]]
"""Times away as they are stored: [[from, to], ...], ISO 8601 in UTC, in order."""


def session_facts(session: Session) -> SessionFacts:
    """Reads `session.session_type`: select it along."""
    return SessionFacts(
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        breaks=tuple((start, end) for start, end in session.breaks),
        creditable=session.session_type.creditable,
    )


def attendance_facts(record: AttendanceRecord) -> AttendanceFacts:
    return AttendanceFacts(
        attended=record.attended,
        arrived_at=record.arrived_at,
        left_at=record.left_at,
        away=spans(record.away),
        notified_at=record.notified_at,
        absence_reason=record.absence_reason,
        proof=Proof(record.proof),
        excused_override=record.excused_override,
    )


def spans(stored: Iterable[Iterable[str]]) -> tuple[Interval, ...]:
    return tuple(
        Interval(*(datetime.datetime.fromisoformat(moment) for moment in pair)) for pair in stored
    )


def stored_spans(away: Iterable[tuple[datetime.datetime, datetime.datetime]]) -> StoredSpans:
    return [
        [start.astimezone(datetime.UTC).isoformat(), end.astimezone(datetime.UTC).isoformat()]
        for start, end in sorted(away)
    ]


DEFAULT_POLICY = CreditPolicy(excused_reasons=frozenset(EXCUSED_BY_DEFAULT))
"""What holds before a clinic's first credit rule: exact minutes, the usual reasons."""


def policy_of(rule: CreditRule | None) -> CreditPolicy:
    if rule is None:
        return DEFAULT_POLICY
    return CreditPolicy(
        kind=CreditKind(rule.kind),
        round_to=rule.round_to,
        min_percent=rule.min_percent,
        grace_minutes=rule.grace_minutes,
        excused_reasons=frozenset(rule.excused_reasons),
        notice_minutes=rule.notice_minutes,
        proof_hours=rule.proof_hours,
    )


def rules_in_force(clinic: Any, day: Any) -> ClinicQuerySet[CreditRule]:
    """The credit rule of a clinic on a local date (either may be an OuterRef): at most one row."""
    return CreditRule.objects.filter(
        Q(ends_on__isnull=True) | Q(ends_on__gte=day), clinic=clinic, starts_on__lte=day
    )


def policy_on(clinic: Any, day: datetime.date) -> CreditPolicy:
    """The policy in force in a clinic on a local date; one statement."""
    return policy_of(rules_in_force(clinic, day).first())
