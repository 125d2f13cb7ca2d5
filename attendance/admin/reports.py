"""The nights and what they told, read only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin

from attendance.models import (
    AbsenceRule,
    ComplianceReport,
    NightlyRun,
    ReportDelivery,
    WeekResult,
)
from attendance.models.standards import Severity
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.roles import Can


@admin.register(ComplianceReport)
class ComplianceReportAdmin(ClinicModelAdmin):
    view = Can.VIEW_REPORTS
    list_display = ("local_date", "kind", "scope", "built_at")
    list_filter = ("kind", "local_date")
    related = ("therapist",)
    ordering = ("-local_date", "pk")
    fields = (("local_date", "kind"), "therapist", "built_at")

    @admin.display(description="About")
    def scope(self, row: ComplianceReport) -> str:
        return f"caseload of {row.therapist}" if row.therapist else "the whole clinic"

    def panels(self, request: Any, row: ComplianceReport) -> Iterable[Panel]:
        content = row.content
        yield Panel(
            "Cases",
            ("Severity", "New", "Overdue", "Open"),
            [
                (Severity(one["severity"]).label, one["new"], one["overdue"], one["open"])
                for one in content.get("severities", ())
            ],
            empty="Nothing new, nothing overdue.",
        )
        yield Panel(
            "By rule",
            ("Rule", "Open"),
            [
                (AbsenceRule.Kind(one["rule"]).label, one["open"])
                for one in content.get("rules", ())
            ],
        )
        sent = row.deliveries.visible_to(request.user).select_related("recipient")
        yield Panel(
            "Sent to",
            ("Recipient", "State", "Attempts"),
            [(one.recipient, one.get_state_display(), one.attempts) for one in sent],
        )


@admin.register(NightlyRun)
class NightlyRunAdmin(ClinicModelAdmin):
    view = Can.VIEW_REPORTS
    list_display = ("local_date", "state", "attempts", "started_at", "finished_at", "error")
    list_filter = ("state",)
    ordering = ("-local_date", "pk")
    fields = (("local_date", "state"), ("started_at", "finished_at"), "attempts", "error")

    def panels(self, request: Any, row: NightlyRun) -> Iterable[Panel]:
        yield Panel(
            "Counts",
            ("What", "How many"),
            [(name.replace("_", " "), count) for name, count in row.counts.items()],
        )
        yield Panel("Findings", ("To look at",), [(one,) for one in row.findings], empty="None.")


@admin.register(ReportDelivery)
class ReportDeliveryAdmin(ClinicModelAdmin):
    view = Can.VIEW_REPORTS
    list_display = ("recipient", "report", "state", "attempts", "sent_at", "error")
    list_filter = ("state",)
    related = ("recipient", "report")
    ordering = ("-due_at", "pk")
    fields = ("recipient", "report", "state", "attempts", "due_at", "sent_at", "error")


@admin.register(WeekResult)
class WeekResultAdmin(ClinicModelAdmin):
    view = Can.VIEW_FLAGS
    reads_are_noted = True
    list_display = (
        "episode",
        "week_starts_on",
        "standard",
        "minutes_status",
        "days_status",
        "credited_minutes",
        "prorated_minimum",
        "qualifying_days",
        "amendment",
    )
    list_filter = ("minutes_status", "days_status", "week_starts_on")
    related = ("episode__patient", "standard")
    ordering = ("-week_starts_on", "episode__patient__last_name", "pk")
    search_fields = ("episode__patient__last_name__istartswith",)
    fields = (
        "episode",
        "standard",
        ("week_starts_on", "amendment"),
        ("segment_starts_on", "segment_ends_on"),
        ("minutes_status", "days_status"),
        ("scheduled_minutes", "attended_minutes"),
        ("credited_minutes", "judged_minutes"),
        ("minimum", "prorated_minimum"),
        ("qualifying_days", "prorated_days"),
        "over_maximum",
        "reason",
        "judged_at",
    )
