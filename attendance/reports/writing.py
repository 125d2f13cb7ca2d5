"""Writing reports and one delivery for each recipient."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from attendance.models import ComplianceReport, NightlyRun, ReportDelivery
from attendance.reports.recipients import Recipient

Scope = int | None
"""A therapist's key; None is the whole clinic."""


def write_reports(
    *,
    run: NightlyRun,
    kind: ComplianceReport.Kind,
    told: Sequence[Recipient],
    content: Callable[[Scope], dict[str, Any]],
    now: datetime.datetime,
) -> list[int]:
    """Store a report for the clinic and each recipient's caseload; the keys of the deliveries.

    The clinic's report is written even if nobody receives it; a caseload's only for its therapist.
    """
    scopes: list[Scope] = [None, *sorted({r.therapist_id for r in told if r.therapist_id})]
    reports = ComplianceReport.objects.bulk_create(
        ComplianceReport(
            clinic_id=run.clinic_id,
            run=run,
            kind=kind,
            therapist_id=scope,
            local_date=run.local_date,
            content=content(scope),
            built_at=now,
        )
        for scope in scopes
    )
    of_scope = dict(zip(scopes, reports, strict=True))
    deliveries = ReportDelivery.objects.bulk_create(
        ReportDelivery(
            clinic_id=run.clinic_id,
            report=of_scope[recipient.therapist_id],
            recipient_id=recipient.user_id,
            due_at=now,
            message_id=new_message_id(),
        )
        for recipient in told
    )
    return [delivery.pk for delivery in deliveries]


def new_message_id() -> str:
    """Fixed for the life of a delivery: whoever gets it twice sees one mail."""
    return f"<{uuid.uuid4().hex}@{urlsplit(settings.BASE_URL).hostname}>"


def concerns(scope: Scope, therapists: Iterable[Scope]) -> bool:
    """Whether something of these therapists belongs into the report of a scope."""
    return scope is None or scope in therapists
