"""Cases: the morning list, and the page of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import display

from attendance.admin.case_forms import CASE_VERBS
from attendance.admin.case_panels import case_panels, due, whose
from attendance.compliance.outreach import attempts_for
from attendance.models import Flag
from attendance.reports.casework import of_caseload
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.roles import Can


class OpenFilter(admin.SimpleListFilter):
    """Open cases unless others are asked for: the list is a queue of work."""

    title = "state"
    parameter_name = "case"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("mine", "Mine"),
            ("role", "Waiting for my role"),
            ("overdue", "Overdue"),
            ("asleep", "Put off"),
            ("settled", "Closed and lapsed"),
            ("all", "All"),
        ]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Open"}
        yield from others

    def queryset(self, request: Any, rows: Any) -> Any:
        ways = {
            "mine": lambda: rows.open().owned_by(request.user),
            "role": lambda: rows.waiting_for_role_of(request.user),
            "overdue": lambda: rows.overdue(timezone.now()),
            "asleep": rows.asleep,
            "settled": rows.settled,
            "all": lambda: rows,
        }
        return ways.get(self.value() or "", rows.open)()


class CaseloadFilter(admin.SimpleListFilter):
    """What the mail of a therapist counts: for those who are one."""

    title = "whose"
    parameter_name = "whose"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [("caseload", "My caseload")] if request.user.scope.therapist_ids else []

    def queryset(self, request: Any, rows: Any) -> Any:
        if self.value() != "caseload":
            return rows
        therapists = request.user.scope.therapist_ids
        return of_caseload(rows, therapists, timezone.localdate())


COLORS = {"Urgent": "danger", "Act today": "warning", "Watch": "info", "Notice": "default"}


@admin.register(Flag)
class FlagAdmin(ClinicModelAdmin):
    view = Can.VIEW_FLAGS
    reads_are_noted = True
    panels_first = True
    list_display = ("what", "loudness", "about", "due", "state", "whose")
    list_display_links = ("what",)
    list_filter = (OpenFilter, CaseloadFilter, "severity", "rule", "owner_role")
    related = (
        *("clinic", "episode__patient", "session__group", "session__session_type"),
        *("group", "therapist", "owner"),
    )
    ordering = ("-severity", "due_at", "pk")
    search_fields = (
        "episode__patient__last_name__istartswith",
        "episode__patient__first_name__istartswith",
        "episode__patient__preferred_name__istartswith",
        "episode__patient__record_number__istartswith",
        "group__name__istartswith",
        "therapist__name__istartswith",
    )
    search_help_text = "Record number or the beginning of a name"
    verbs = CASE_VERBS
    fields = (
        ("episode", "session", "group", "therapist"),
        ("owner", "owner_role"),
        ("opened_for", "opened_at"),
        ("due_at", "escalated_at"),
    )

    def get_fields(self, request: Any, obj: Any = None) -> Any:
        """What the case has."""
        lines = (line if isinstance(line, tuple) else (line,) for line in self.fields)
        shown = (tuple(name for name in line if obj and getattr(obj, name)) for line in lines)
        return tuple(line for line in shown if line) if obj else self.fields

    def get_list_display(self, request: Any) -> Any:
        """With a button to take a case on, for those who may."""
        if not self.may(request, Can.WORK_FLAGS):
            return self.list_display
        return (*self.list_display, _take_on(request))

    @admin.display(description="Case")
    def what(self, row: Flag) -> str:
        return row.sentence

    @display(description="Severity", ordering="severity", label=COLORS)
    def loudness(self, row: Flag) -> str:
        return row.get_severity_display()

    @admin.display(description="About")
    def about(self, row: Flag) -> str:
        patient = row.episode.patient if row.episode else None
        return str(patient or row.session or row.group or row.therapist)

    @admin.display(description="Due", ordering="due_at")
    def due(self, row: Flag) -> str:
        return due(row)

    @admin.display(description="Owner")
    def whose(self, row: Flag) -> str:
        return whose(row)

    def panels(self, request: Any, row: Flag) -> Iterable[Panel]:
        return case_panels(row, list(attempts_for(row).visible_to(request.user)))


def _take_on(request: Any) -> Callable[[Flag], str]:
    """One click from the list: the button posts the version it was shown with."""
    back = request.GET.urlencode()

    @admin.display(description="")
    def take_on(row: Flag) -> str:
        if row.state != Flag.State.OPEN:
            return ""
        address = reverse("admin:attendance_flag_acknowledge", args=[row.pk])
        return format_html(
            '<button type="submit" name="version" value="{}" formaction="{}?{}" '
            'class="clinic-take">Take on</button>',
            row.version,
            address,
            urlencode({"back": back}),
        )

    return take_on
