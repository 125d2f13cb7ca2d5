"""What people do with a case: one form for each verb."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold import widgets

from attendance.admin.case_panels import contact_panel, outreach_panel
from attendance.compliance import cases, outreach, week_notes
from attendance.models import Flag, OutreachAttempt, WeekNote
from iop_clinic.accounts.admin.forms import (
    ServiceForm,
    choice_field,
    date_field,
    moment_field,
    note_field,
    row_field,
    text_field,
)
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.models import User
from iop_clinic.accounts.roles import PERMISSIONS, Can
from iop_clinic.accounts.weeks import long_date
from scheduling.models import Booking

Method, Result = OutreachAttempt.Method, OutreachAttempt.Result
RESULTS = [(one.value, one.label) for one in Result if one not in outreach.DECISIONS]
DECISIONS = [
    (Result.REQUESTED.value, "Ask for one"),
    (Result.NOT_NEEDED.value, "Do not ask for one"),
]


class CaseForm(ServiceForm):
    """A verb for cases that are still open."""

    can = Can.WORK_FLAGS
    versioned = True
    row: Flag

    @classmethod
    def offered(cls, row: Flag) -> bool:
        return row.is_open

    def call(self, verb: Any, **more: Any) -> Any:
        return verb(flag=self.row, by=self.user, **self.given, **more, version=self.version)


class AcknowledgeForm(CaseForm):
    title = "Take it on"
    path = "acknowledge"
    order = 10
    explanation = "Says that you have seen it and act: the case becomes yours."
    back = forms.CharField(required=False, widget=forms.HiddenInput)

    @classmethod
    def offered(cls, row: Flag) -> bool:
        return row.state == Flag.State.OPEN

    def run(self) -> str:
        flag = cases.acknowledge(flag=self.row, by=self.user, version=self.version)
        return f"{flag.owner} works on this case. Next: reach the patient and log the attempt."

    def next_url(self) -> str:
        """From the list back to the list, with its filters."""
        if "back" not in self.initial:
            return ""
        return f"{reverse('admin:attendance_flag_changelist')}?{self.initial['back']}"


class OutreachForm(CaseForm):
    title = "Log an outreach attempt"
    path = "outreach"
    order = 11
    method = choice_field(Method.choices)
    result = choice_field(RESULTS)
    attempted_at = moment_field("When", required=False, help_text="Empty: now.")
    note = note_field()
    next_step = text_field(required=False)

    @classmethod
    def offered(cls, row: Flag) -> bool:
        return row.is_open and row.episode_id is not None

    def narrow(self) -> None:
        if self.row.episode is None:
            return
        patient, today = self.row.episode.patient, timezone.localdate()
        allowed = outreach.allowed_methods(patient, today)
        self.step = outreach.step_for(
            self.row, list(outreach.attempts_for(self.row)), timezone.now()
        )
        choices = [(one.value, _said(one, allowed)) for one in Method]
        self.fields["method"].choices = [("", "Select …"), *choices]  # type: ignore[attr-defined]
        if self.step is not None:
            self.start_with(method=self.step.method)

    def before(self) -> Iterable[Panel]:
        """Whom to reach how, and what was tried."""
        if self.row.episode is not None:
            yield contact_panel(self.row.episode)
            tried = outreach.attempts_for(self.row).visible_to(self.user)
            yield outreach_panel(self.row, list(tried))

    def introduction(self) -> str:
        if self.row.episode is None:
            return "This case is not about a patient: there is nobody to reach."
        return self.step.said(self.clinic.tz) if self.step else ""

    def run(self) -> str:
        attempt = self.call(cases.log_outreach)
        said = f"Logged: {attempt}."
        if attempt.result == Result.WRONG_NUMBER:
            return f"{said} Next: update the phone on the patient's page, then call again."
        return f"{said} Next: close the case with an outcome, or try again."


class WelfareCheckForm(CaseForm):
    """The ladder's last step: a supervisor decides, never a rule."""

    title = "Decide on a welfare check"
    path = "welfare-check"
    order = 14
    can = Can.MANAGE_EPISODES
    explanation = (
        "The last step, when nobody could be reached. Whoever is asked to look learns that the "
        "person may need help, and nothing about treatment."
    )
    result = choice_field(DECISIONS, "Decision")
    note = note_field("Why", required=True)

    @classmethod
    def offered(cls, row: Flag) -> bool:
        return row.is_open and row.rule in outreach.AWAY

    def run(self) -> str:
        attempt = self.call(cases.log_outreach, method=Method.WELFARE_CHECK)
        if attempt.result == Result.REQUESTED:
            return "Decided: a welfare check is asked for. Next: log what it found."
        return "Decided: no welfare check. Next: try again, or close the case with an outcome."


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

    def introduction(self) -> str:
        today = timezone.localdate()
        latest = cases.latest_snooze(self.row, today)
        if latest <= today:
            return "This is the last day to put it right: it cannot wait."
        return f"It wakes on the morning of that day; {long_date(latest)} at the latest."

    def run(self) -> str:
        self.cleaned_data.setdefault("reason", "")
        until = self.cleaned_data["until"]
        cases.snooze(
            flag=self.row,
            until=until,
            reason=self.cleaned_data["reason"],
            by=self.user,
            version=self.version,
        )
        return f"The case sleeps until {long_date(until)}."


class WeekNoteForm(CaseForm):
    title = "Write the week's note"
    path = "week-note"
    order = 15
    explanation = (
        "Why the week fell short, and which make-up was offered: what a payer or an auditor asks "
        "for. Writing it again replaces it; the audit keeps what was there."
    )
    reason = choice_field(WeekNote.Reason.choices, "Why the week was short")
    detail = text_field("In words", max_length=300, required=False)
    make_up_offered = text_field(
        "Make-up offered", max_length=300, help_text="Which one, or why none."
    )

    @classmethod
    def offered(cls, row: Flag) -> bool:
        return row.rule in week_notes.OF_A_WEEK

    def narrow(self) -> None:
        note = week_notes.note_of(self.row)
        if note is not None:
            names = ("reason", "detail", "make_up_offered")
            self.start_with(**{name: getattr(note, name) for name in names})

    def run(self) -> str:
        self.call(week_notes.write_week_note)
        return "The week's note is written."


class ResolveForm(CaseForm):
    title = "Close the case"
    path = "resolve"
    order = 16
    outcome = choice_field((), "What came of it", required=False)
    make_up = row_field(
        Booking.objects.none(),
        "Which make-up",
        required=False,
        help_text="For “make-up booked”: what stands for a missed session.",
        error_messages={"invalid_choice": cases.NO_MAKE_UP},
    )
    note = note_field()

    def narrow(self) -> None:
        outcomes = [(one.value, one.label) for one in cases.outcomes_for(self.row)]
        self.fields["outcome"].choices = [("", "Select …"), *outcomes]  # type: ignore[attr-defined]
        if self.row.episode_id is None:
            del self.fields["make_up"]
        else:
            field: Any = self.fields["make_up"]
            field.queryset = cases.make_ups_for(self.row).visible_to(self.user)
            field.label_from_instance = _session_of

    def introduction(self) -> str:
        for_good = "For good: the same evidence never opens it again."
        if week_notes.lacks_note(self.row):
            where = reverse("admin:attendance_flag_week-note", args=[self.row.pk])
            said = '{}: <a href="{}">{}</a>. {}'
            return format_html(said, cases.NOTE_FIRST, where, WeekNoteForm.title, for_good)
        return for_good

    def run(self) -> str:
        flag = cases.resolve(
            flag=self.row,
            outcome=self.cleaned_data["outcome"],
            make_up=self.cleaned_data.get("make_up"),
            note=self.cleaned_data["note"],
            by=self.user,
            version=self.version,
        )
        return f"The case is closed: {flag.get_outcome_display()}."


CASE_VERBS = (
    AcknowledgeForm,
    OutreachForm,
    AssignForm,
    SnoozeForm,
    WelfareCheckForm,
    WeekNoteForm,
    ResolveForm,
)


def _said(method: Any, allowed: list[Any]) -> str:
    usable = method in allowed or method == Method.WELFARE_CHECK
    return str(method.label) if usable else f"{method.label} (not allowed)"


def _session_of(booking: Booking) -> str:
    starts = timezone.localtime(booking.starts_at)
    return f"{booking.session.title}, {starts:%a %b %-d, %-I:%M %p}"
