"""What a night's reports say: counts, and nothing that could name anybody (R15).

A report covers everything since the previous finished night's, whenever it happened, so a case
opened by a correction at noon is new in the next morning's mail. The number of statements does not
depend on how many patients, cases, therapists or recipients a clinic has.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q

from attendance.models import ComplianceReport, NightlyRun
from attendance.reports.casework import cases, open_or_ended
from attendance.reports.figures import DAY
from attendance.reports.finality import newly_final
from attendance.reports.measures import amended_results
from attendance.reports.picture import DayTotals, week_picture
from attendance.reports.recipients import recipients
from attendance.reports.tally import Case, tally
from attendance.reports.writing import Scope, concerns, write_reports
from iop_clinic.accounts.weeks import Week, week_of
from scheduling.models import Booking

NOBODY = "Nobody receives the nightly report."


def build(*, run: NightlyRun, now: datetime.datetime) -> list[int]:
    """Write the night's reports and their deliveries; the keys of the deliveries."""
    told = recipients(run.clinic_id)
    if not told:
        run.findings = [*run.findings, NOBODY]
    material = _gather(run, now)
    kind = ComplianceReport.Kind.NIGHTLY
    return write_reports(run=run, kind=kind, told=told, content=material.content, now=now)


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
    final_weeks: list[Week]

    def content(self, scope: Scope) -> dict[str, Any]:
        """What the report of one scope stores."""
        own = [case for case in self.cases if concerns(scope, case.therapists)]
        days = [day for day in self.days if concerns(scope, [day.therapist_id])]
        return {
            **tally(own, since=self.since, now=self.now),
            "since": self.since.isoformat() if self.since else None,
            "amended_weeks": sum(n for t, n in self.amended.items() if concerns(scope, [t])),
            "final_weeks": [week.start.isoformat() for week in self.final_weeks],
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
        cases=cases(open_or_ended(since), run.clinic_id, run.local_date + DAY),
        amended=amended_results(run.clinic_id, since) if since else {},
        days=_day_totals(run.clinic_id, week),
        findings=len(run.findings),
        final_weeks=newly_final(run, now),
    )


def _previous_report(run: NightlyRun) -> datetime.datetime | None:
    """When the clinic's staff were last told; None for the first night."""
    reports = ComplianceReport.objects.filter(
        clinic=run.clinic_id, therapist=None, kind=ComplianceReport.Kind.NIGHTLY
    )
    return reports.order_by("-pk").values_list("built_at", flat=True).first()


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
