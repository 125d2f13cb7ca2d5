"""What a night's reports say: counts, and nothing that could name anybody (R15).

A report covers everything since the previous finished night's, whenever it happened, so a case
opened by a correction at noon is new in the next morning's mail. The number of statements does not
depend on how many patients, cases, therapists or recipients a clinic has.
"""

from __future__ import annotations

import datetime
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Count, Q

from attendance.models import ComplianceReport, Flag, NightlyRun, ReportDelivery, WeekResult
from attendance.reports.picture import DayTotals, week_picture
from attendance.reports.recipients import recipients
from attendance.reports.tally import Case, tally
from iop_clinic.accounts.weeks import Week, week_of
from scheduling.models import Booking, SessionStaff

Scope = int | None  # a therapist's key; None is the whole clinic


def build(*, run: NightlyRun, now: datetime.datetime) -> list[int]:
    """Write the night's reports and their deliveries; the keys of the deliveries.

    The clinic's report is written even if nobody receives it; a caseload's only for its therapist.
    """
    told = recipients(run.clinic_id)
    if not told:
        run.findings = [*run.findings, "Nobody receives the nightly report."]
    material = _gather(run, now)
    scopes: list[Scope] = [None, *sorted({r.therapist_id for r in told if r.therapist_id})]
    reports = ComplianceReport.objects.bulk_create(
        ComplianceReport(
            clinic_id=run.clinic_id,
            run=run,
            therapist_id=scope,
            local_date=run.local_date,
            content=material.content(scope),
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


# --- the material, read once for every scope -------------------------------------------------


@dataclass(frozen=True, slots=True)
class Material:
    """A night's counts, by the therapist whose they are."""

    now: datetime.datetime
    since: datetime.datetime | None
    week: Week
    local_date: datetime.date
    cases: list[Case]
    amended: dict[Scope, int]
    days: list[DayTotals]
    findings: int

    def content(self, scope: Scope) -> dict[str, Any]:
        """What the report of one scope stores."""

        def mine(therapists: Iterable[Scope]) -> bool:
            return scope is None or scope in therapists

        cases = [case for case in self.cases if mine(case.therapists)]
        amended = sum(n for owner, n in self.amended.items() if mine([owner]))
        days = [day for day in self.days if mine([day.therapist_id])]
        return {
            **tally(cases, since=self.since, now=self.now),
            "amended_weeks": amended,
            "findings": self.findings if scope is None else 0,
            "week": week_picture(days, self.week, self.local_date),
        }


def _gather(run: NightlyRun, now: datetime.datetime) -> Material:
    since = _previous_report(run)
    week = week_of(run.local_date, week_start=run.clinic.week_starts_on)
    return Material(
        now=now,
        since=since,
        week=week,
        local_date=run.local_date,
        cases=_cases(run.clinic_id, since),
        amended=_amended_weeks(run.clinic_id, since),
        days=_day_totals(run.clinic_id, week),
        findings=len(run.findings),
    )


def _previous_report(run: NightlyRun) -> datetime.datetime | None:
    """When the clinic's staff were last told; None for the first night."""
    reports = ComplianceReport.objects.filter(clinic=run.clinic_id, therapist=None)
    return reports.order_by("-pk").values_list("built_at", flat=True).first()


def _cases(clinic_id: int, since: datetime.datetime | None) -> list[Case]:
    """The open cases and those closed since the previous report."""
    ended = Q(closed_at__gt=since) if since else Q(pk__in=[])
    rows = Flag.objects.filter(Q(closed_at=None) | ended, clinic=clinic_id).values_list(
        "rule",
        "severity",
        "state",
        "opened_at",
        "changed_at",
        "due_at",
        "closed_at",
        "session",
        "episode__primary_therapist",
        named=True,
    )
    leaders = _leaders(clinic_id, {row.session for row in rows if row.session})
    return [
        Case(
            rule=row.rule,
            severity=row.severity,
            state=row.state,
            opened_at=row.opened_at,
            changed_at=row.changed_at,
            due_at=row.due_at,
            closed_at=row.closed_at,
            therapists=leaders[row.session]
            if row.session
            else frozenset(filter(None, [row.episode__primary_therapist])),
        )
        for row in rows
    ]


def _leaders(clinic_id: int, sessions: set[int]) -> defaultdict[int, frozenset[int]]:
    """Who leads each session: a roster that is not in is theirs to record."""
    parts = SessionStaff.objects.filter(clinic=clinic_id, session__in=sessions, active=True)
    leaders: defaultdict[int, frozenset[int]] = defaultdict(frozenset)
    for session, therapist in parts.values_list("session", "therapist"):
        leaders[session] |= {therapist}
    return leaders


def _amended_weeks(clinic_id: int, since: datetime.datetime | None) -> dict[Scope, int]:
    """How many stored weeks were judged anew since the previous report, by primary therapist."""
    rows = WeekResult.objects.filter(clinic=clinic_id, amendment__gt=0)
    rows = rows.filter(judged_at__gt=since) if since else rows.none()
    owners = rows.order_by().values_list("episode__primary_therapist", flat=True)
    return dict(Counter(owners))


def _day_totals(clinic_id: int, week: Week) -> list[DayTotals]:
    """Expected, attended and absent bookings of the week's days, by primary therapist."""
    rows = (
        Booking.objects.expected()
        .filter(clinic=clinic_id, session__local_date__range=(week.start, week.end))
        .order_by()
        .values_list("session__local_date", "episode__primary_therapist")
        .annotate(
            expected=Count("pk"),
            came=Count("pk", filter=Q(attendance__attended=True)),
            absent=Count("pk", filter=Q(attendance__attended=False)),
            patients=Count("episode", distinct=True),
        )
    )
    return [DayTotals(*row) for row in rows]
