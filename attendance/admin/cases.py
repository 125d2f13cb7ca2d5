"""Cases: the queue, and the page of one."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import OuterRef, Q, Subquery
from django.db.models.functions import JSONObject
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from attendance.admin.case_forms import CASE_VERBS
from attendance.admin.case_panels import RELATED, about, case_called, case_panels, due, whose
from attendance.admin.case_views import CaseloadFilter, ViewFilter, view_links
from attendance.admin.make_ups import MakeUpForm, make_up_panels
from attendance.compliance import outreach
from attendance.compliance.week_notes import OF_A_WEEK
from attendance.models import Flag, OutreachAttempt
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.panels import Panel, anchor
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import Week

COLORS = {"Urgent": "danger", "Act today": "warning", "Watch": "info", "Notice": "default"}


@admin.register(Flag)
class FlagAdmin(ClinicModelAdmin):
    view = Can.VIEW_FLAGS
    reads_are_noted = True
    panels_first = True
    list_display = ("about", "what", "loudness", "due", "so_far", "whose")
    list_display_links = ("about",)
    list_before_template = "admin/case_views.html"
    list_filter = (ViewFilter, CaseloadFilter, "severity", "rule", "owner_role")
    related = RELATED
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
    verbs = (MakeUpForm, *CASE_VERBS)
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
        """With the next step, for those who may take it."""
        if not self.may(request, Can.WORK_FLAGS):
            return self.list_display
        return (*self.list_display, _next_step(request))

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).annotate(last_attempt=_last_attempt())

    def changelist_view(self, request: Any, extra_context: Any = None) -> Any:
        return super().changelist_view(request, {"views": view_links(request)})

    def called(self, row: Flag) -> str:
        return case_called(row)

    @admin.display(description="So far")
    def so_far(self, row: Any) -> str:
        """The last attempt in words; without one, what has become of the case."""
        if row.last_attempt is None:
            return "" if row.state == Flag.State.OPEN else row.get_state_display()
        method = OutreachAttempt.Method(row.last_attempt["method"]).label
        result = OutreachAttempt.Result(row.last_attempt["result"]).label.lower()
        at = timezone.localtime(datetime.datetime.fromisoformat(row.last_attempt["at"]))
        return f"{method}: {result}, {at:%a %b %-d}"

    @admin.display(description="Case")
    def what(self, row: Flag) -> str:
        return row.sentence

    @display(description="Severity", ordering="severity", label=COLORS)
    def loudness(self, row: Flag) -> str:
        return row.get_severity_display()

    @admin.display(description="About")
    def about(self, row: Flag) -> str:
        return about(row)

    @admin.display(description="Due", ordering="due_at")
    def due(self, row: Flag) -> str:
        return due(row)

    @admin.display(description="Owner")
    def whose(self, row: Flag) -> str:
        return whose(row)

    def panels(self, request: Any, row: Flag) -> Iterable[Panel]:
        tried = list(outreach.attempts_for(row).visible_to(request.user))
        head, *others = case_panels(row, tried)
        return [head, *make_up_panels(request, row), *others]


def _last_attempt() -> Subquery:
    """How the patient was last tried since the case opened: on this case or on another one."""
    about = Q(flag=OuterRef("pk")) | Q(
        episode=OuterRef("episode"), attempted_at__gte=OuterRef("opened_at")
    )
    tried = OutreachAttempt.objects.filter(about, clinic=OuterRef("clinic"))
    told = JSONObject(method="method", result="result", at="attempted_at")
    return Subquery(tried.order_by("-attempted_at", "-pk").values(told=told)[:1])


def _next_step(request: Any) -> Callable[[Flag], str]:
    """One click from the list: take it on (the button posts the version it was shown with), log
    an attempt, book a make-up."""
    back = request.GET.urlencode()
    books = request.user.has_perm(Can.BOOK)

    @admin.display(description="Next")
    def next_step(row: Flag) -> str:
        steps = []
        if row.state == Flag.State.OPEN:
            steps.append(_take_on(row, back))
        if row.is_open and row.rule in outreach.ABOUT_ATTENDANCE:
            steps.append(_verb(row, "outreach", "Log outreach"))
        if books and row.is_open and _goes_on(row):
            steps.append(_verb(row, "make_ups", "Make-up"))
        return format_html(
            '<span class="clinic-steps">{}</span>', format_html_join(" ", "{}", zip(steps))
        )

    return next_step


def _goes_on(row: Flag) -> bool:
    """Whether the case is about a week that is not over."""
    if row.rule not in OF_A_WEEK:
        return False
    week = Week(datetime.date.fromisoformat(row.evidence_key[:10]))
    return week.end >= timezone.localdate()


def _take_on(row: Flag, back: str) -> str:
    return format_html(
        '<button type="submit" name="version" value="{}" formaction="{}?{}" '
        'class="clinic-take">Take on</button>',
        row.version,
        reverse("admin:attendance_flag_acknowledge", args=[row.pk]),
        urlencode({"back": back}),
    )


def _verb(row: Flag, verb: str, text: str) -> str:
    return anchor(reverse(f"admin:attendance_flag_{verb}", args=[row.pk]), text)
