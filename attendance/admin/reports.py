"""The nights and what they told, read only."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, F, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst

from attendance.admin.deliveries import (
    MailedFilter,
    SendAgainForm,
    mail_of,
    mailed,
    mailed_panel,
    with_deliveries,
)
from attendance.admin.weekly import short_panels, weekly_panels
from attendance.models import (
    AbsenceRule,
    ComplianceReport,
    NightlyRun,
    WeekResult,
)
from attendance.models.standards import Severity
from attendance.reports.mail import subject
from attendance.reports.measures import short_results
from attendance.reports.weekly import told_between
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.panels import Panel, page_url
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import Week

Kind = ComplianceReport.Kind


@admin.register(ComplianceReport)
class ComplianceReportAdmin(ClinicModelAdmin):
    view = Can.VIEW_FLAGS  # whoever works cases; a therapist only their caseload's reports
    list_display = ("name", "scope", "built_at", "mailed")
    list_filter = ("kind", MailedFilter, "local_date")
    related = ("clinic", "therapist")
    ordering = ("-local_date", "pk")
    fields = (("local_date", "kind"), ("scope", "built_at"))
    readonly_fields = ("scope",)

    @admin.display(description="About")
    def scope(self, row: ComplianceReport) -> str:
        return f"caseload of {row.therapist}" if row.therapist else "the whole clinic"

    @admin.display(description="Report", ordering="local_date")
    def name(self, row: ComplianceReport) -> str:
        return str(row)

    @admin.display(description="Mailed")
    def mailed(self, row: ComplianceReport) -> str:
        return mailed(row)

    def shows_mail(self, request: Any) -> bool:
        return self.may(request, Can.VIEW_REPORTS)

    def get_list_display(self, request: Any) -> Any:
        return self.list_display if self.shows_mail(request) else self.list_display[:-1]

    def get_queryset(self, request: Any) -> Any:
        return with_deliveries(super().get_queryset(request), request.user)

    def get_urls(self) -> list[Any]:
        name = "attendance_compliancereport"
        views = (self.weekly_view, self.short_view, self.mail_view)
        weekly, short, mail = map(self.admin_site.admin_view, views)
        return [
            path("<int:object_id>/mail/", mail, name=f"{name}_mail"),
            path("weekly/<str:start>/", weekly, name=f"{name}_weekly"),
            path("weekly/<str:start>/short/", short, name=f"{name}_short"),
            *super().get_urls(),
        ]

    def weekly_view(self, request: HttpRequest, start: str) -> HttpResponse:
        """Where a mail's link leads: the week's report, the clinic's before a caseload's."""
        return redirect(page_url(self._report_of(request, start)))

    def short_view(self, request: Any, start: str) -> HttpResponse:
        """Who was short in a week that was told: all that its report counts, as it stands now."""
        report = self._report_of(request, start)
        week = Week(datetime.date.fromisoformat(start))
        rows = short_results(report.clinic_id, week)
        if report.therapist_id:
            rows = rows.filter(episode__primary_therapist=report.therapist_id)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Short in the week {week.label}",
            "opts": self.opts,
            "original": capfirst(self.scope(report)),
            "links": [("The week’s report", page_url(report))],
            "panels": list(short_panels(rows.visible_to(request.user))),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/week.html", context)

    def mail_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The mail alone, as it went out: for a frame, a new tab or a printer."""
        report = self.get_object(request, str(object_id))
        if report is None:
            raise Http404
        if not self.has_view_permission(request, report):
            raise PermissionDenied
        return mail_of(report, text="text" in request.GET)

    def _report_of(self, request: HttpRequest, start: str) -> ComplianceReport:
        if not self.has_view_permission(request):
            raise Http404
        try:
            nights = told_between(Week(datetime.date.fromisoformat(start)))
        except (ValueError, OverflowError) as error:
            raise Http404 from error
        rows = self.get_queryset(request).filter(kind=Kind.WEEKLY, local_date__range=nights)
        report: ComplianceReport | None = rows.order_by(
            F("therapist").asc(nulls_first=True), "pk"
        ).first()
        if report is None:
            raise Http404
        return report

    def render_change_form(
        self, request: Any, context: Any, add: bool = False, change: bool = False,
        form_url: str = "", obj: Any = None,
    ) -> Any:  # fmt: skip
        """The mail stands in a frame of its own address; its subject above it."""
        if obj is not None:
            context["about"] = f"{capfirst(self.scope(obj))}, {obj.clinic}"
            context["mail_subject"] = subject(obj)
            context["mail_url"] = reverse("admin:attendance_compliancereport_mail", args=[obj.pk])
        return super().render_change_form(request, context, add, change, form_url, obj)

    def panels(self, request: Any, row: ComplianceReport) -> Iterable[Panel]:
        if self.shows_mail(request):
            yield mailed_panel(row, may_send=self.may(request, SendAgainForm.can))
        yield from weekly_panels(row) if row.kind == Kind.WEEKLY else _nightly_panels(row)


def _nightly_panels(row: ComplianceReport) -> Iterable[Panel]:
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
        [(AbsenceRule.Kind(one["rule"]).label, one["open"]) for one in content.get("rules", ())],
    )
    told = ("changed", "escalated", "closed", "lapsed", "amended_weeks")
    yield Panel(
        "Since the last report",
        ("Changed", "Escalated", "Closed", "Lapsed, not worked", "Week results amended"),
        [[content.get(name, 0) for name in told]],
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


class AmendedFilter(admin.SimpleListFilter):
    """`?amended=ever`, or since an instant (ISO 8601): the link of a nightly mail."""

    title = "amended"
    parameter_name = "amended"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [("ever", "Ever")]

    def queryset(self, request: Any, queryset: QuerySet[WeekResult]) -> QuerySet[WeekResult]:
        """The last amendment of each result that has one."""
        value = self.value()
        if value is None:
            return queryset
        later = WeekResult.objects.filter(
            clinic=OuterRef("clinic"),
            episode=OuterRef("episode"),
            standard=OuterRef("standard"),
            segment_starts_on=OuterRef("segment_starts_on"),
            amendment__gt=OuterRef("amendment"),
        )
        amended = queryset.filter(~Exists(later), amendment__gt=0)
        return amended if value == "ever" else amended.filter(judged_at__gt=_instant(value))


def _instant(value: str) -> datetime.datetime:
    try:
        instant = parse_datetime(value)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise IncorrectLookupParameters
    return instant
