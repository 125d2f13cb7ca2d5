"""Cases: the queue, and what people do with one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.utils import timezone
from unfold import widgets
from unfold.decorators import display

from attendance.compliance import cases
from attendance.models import Flag, OutreachAttempt
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.forms import (
    ServiceForm,
    choice_field,
    date_field,
    moment_field,
    note_field,
    text_field,
)
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.models import User
from iop_clinic.accounts.roles import PERMISSIONS, Can


class CaseForm(ServiceForm):
    """A verb for cases that are still open."""

    can = Can.WORK_FLAGS
    versioned = True
    row: Flag

    @classmethod
    def offered(cls, row: Flag) -> bool:
        return row.is_open

    def call(self, verb: Any) -> Any:
        return verb(flag=self.row, by=self.user, **self.given, **self.version)


class AcknowledgeForm(CaseForm):
    title = "Take it on"
    path = "acknowledge"
    order = 10
    explanation = "Says that you have seen it and act; a case without an owner becomes yours."

    @classmethod
    def offered(cls, row: Flag) -> bool:
        return row.state == Flag.State.OPEN

    def run(self) -> str:
        flag = self.call(cases.acknowledge)
        return f"{flag.owner} works on this case. Next: reach the patient and log the attempt."


class OutreachForm(CaseForm):
    title = "Log an outreach attempt"
    path = "outreach"
    order = 11
    method = choice_field(OutreachAttempt.Method.choices)
    result = choice_field(OutreachAttempt.Result.choices)
    attempted_at = moment_field("When", required=False, help_text="Empty: now.")
    note = note_field()
    next_step = text_field(required=False)

    def introduction(self) -> str:
        if self.row.episode is None:
            return "This case is about a roster: there is nobody to reach."
        allowed = cases.allowed_methods(self.row.episode.patient)
        return f"The patient allowed: {', '.join(m.label.lower() for m in allowed) or 'nothing'}."

    def run(self) -> str:
        attempt = self.call(cases.log_outreach)
        return f"Logged: {attempt}. Next: close the case with an outcome, or try again."


class AssignForm(CaseForm):
    title = "Hand over"
    path = "assign"
    order = 12
    owner = forms.ModelChoiceField(
        User.objects.none(), label="To", widget=widgets.UnfoldAdminSelectWidget()
    )

    def narrow(self) -> None:
        roles = [role for role, allowed in PERMISSIONS.items() if Can.WORK_FLAGS in allowed]
        staff = self.clinic_staff().filter(memberships__role__in=roles)
        self.fields["owner"].queryset = staff  # type: ignore[attr-defined]

    def clinic_staff(self) -> Any:
        return User.objects.filter(
            memberships__clinic=self.clinic, memberships__active=True, is_active=True
        )

    def run(self) -> str:
        flag = self.call(cases.assign)
        return f"The case is {flag.owner}'s now."


class SnoozeForm(CaseForm):
    title = "Let it wait"
    path = "snooze"
    order = 13
    until = date_field("Until")
    reason = text_field("Why it can wait", max_length=300, required=False)

    def run(self) -> str:
        self.cleaned_data.setdefault("reason", "")
        flag = cases.snooze(
            flag=self.row,
            until=self.cleaned_data["until"],
            reason=self.cleaned_data["reason"],
            by=self.user,
            **self.version,
        )
        return f"The case sleeps until {flag.snoozed_until}."


class ResolveForm(CaseForm):
    title = "Close the case"
    path = "resolve"
    order = 14
    explanation = "For good: the same evidence never opens it again."
    outcome = choice_field((), "What came of it", required=False)
    note = note_field()

    def narrow(self) -> None:
        outcomes = [(one.value, one.label) for one in cases.outcomes_for(self.row)]
        self.fields["outcome"].choices = [("", "Select …"), *outcomes]  # type: ignore[attr-defined]

    def run(self) -> str:
        flag = cases.resolve(
            flag=self.row,
            outcome=self.cleaned_data["outcome"],
            note=self.cleaned_data["note"],
            by=self.user,
            **self.version,
        )
        return f"The case is closed: {flag.get_outcome_display()}."


class OpenFilter(admin.SimpleListFilter):
    """Open cases unless others are asked for: the list is a queue of work."""

    title = "state"
    parameter_name = "case"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("mine", "Mine"),
            ("overdue", "Overdue"),
            ("settled", "Closed and lapsed"),
            ("all", "All"),
        ]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Open"}
        yield from others

    def queryset(self, request: Any, rows: Any) -> Any:
        ways = {
            "mine": lambda: rows.open_for(request.user),
            "overdue": lambda: rows.overdue(timezone.now()),
            "settled": rows.settled,
            "all": lambda: rows,
        }
        return ways.get(self.value() or "", rows.open)()


COLORS = {"Urgent": "danger", "Act today": "warning", "Watch": "info", "Notice": "default"}


@admin.register(Flag)
class FlagAdmin(ClinicModelAdmin):
    view = Can.VIEW_FLAGS
    reads_are_noted = True
    panels_first = True
    list_display = ("what", "loudness", "about", "due_at", "state", "owner")
    list_display_links = ("what",)
    list_filter = (OpenFilter, "severity", "rule", "owner_role")
    related = ("episode__patient", "session__group", "session__session_type", "owner")
    ordering = ("-severity", "due_at", "pk")
    search_fields = (
        "episode__patient__last_name__istartswith",
        "episode__patient__record_number__istartswith",
    )
    verbs = (AcknowledgeForm, OutreachForm, AssignForm, SnoozeForm, ResolveForm)
    fields = (
        "sentence",
        ("severity", "rule"),
        ("episode", "session"),
        ("state", "owner"),
        ("opened_for", "due_at"),
        "snoozed_until",
        ("outcome", "closed_at"),
        "outcome_note",
    )

    def get_fields(self, request: Any, obj: Any = None) -> Any:
        """What the case has; a new one has no outcome yet."""
        lines = (line if isinstance(line, tuple) else (line,) for line in self.fields)
        shown = (tuple(name for name in line if obj and getattr(obj, name)) for line in lines)
        return tuple(line for line in shown if line) if obj else self.fields

    @admin.display(description="Case")
    def what(self, row: Flag) -> str:
        return row.sentence

    @display(description="Severity", ordering="severity", label=COLORS)
    def loudness(self, row: Flag) -> str:
        return row.get_severity_display()

    @admin.display(description="About")
    def about(self, row: Flag) -> str:
        return str(row.episode.patient if row.episode else row.session)

    def panels(self, request: Any, row: Flag) -> Iterable[Panel]:
        if row.episode is not None:
            yield self._contact(row)
        attempts = row.outreach.visible_to(request.user).select_related("attempted_by")
        yield Panel(
            "Outreach",
            ("When", "How", "Result", "By", "Note"),
            [
                (f"{timezone.localtime(one.attempted_at):%a %b %-d, %-I:%M %p %Z}",
                 one.get_method_display(), one.get_result_display(), one.attempted_by, one.note)
                for one in attempts
            ],
            empty="Nobody has tried yet.",
        )  # fmt: skip

    def _contact(self, row: Flag) -> Panel:
        assert row.episode is not None
        patient = row.episode.patient
        allowed = ", ".join(one.label.lower() for one in cases.allowed_methods(patient))
        told = "may be named" if patient.may_say_clinic_name else "must not be named"
        return Panel(
            "How to reach the patient",
            ("Patient", "Phone", "Allowed", "Best time", "The clinic"),
            [(link(row.episode, patient), patient.phone if patient.phone_is_safe else "not safe",
              allowed or "nothing", patient.best_time_to_call, told)],
        )  # fmt: skip
