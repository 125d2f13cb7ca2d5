"""Forms for the rules that open cases: each asks for the numbers that its kind of rule has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django import forms

from attendance.absence_rules import FIGURES, add_absence_rule, beside, replace_absence_rule
from attendance.clinics import ABSENCE_RULES
from attendance.models import AbsenceRule
from attendance.models.standards import Severity
from iop_clinic.accounts.admin.forms import (
    ServiceForm,
    choice_field,
    date_field,
    level_field,
    number_field,
)
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.roles import Can, Role
from iop_clinic.accounts.weeks import long_date

Kind = AbsenceRule.Kind
WINDOW = "In how many days"


class Numbers(NamedTuple):
    """What the two numbers of a kind of rule are called; empty: the kind does not use it."""

    times: str = ""
    window_days: str = ""


NUMBERS: dict[int, Numbers] = {
    Kind.CONSECUTIVE: Numbers("Unexcused treatment days in a row"),
    Kind.COUNT_IN_DAYS: Numbers("Unexcused days", WINDOW),
    Kind.MISSED_OF_LAST: Numbers("Missed treatment days", "Of the last so many treatment days"),
    Kind.PERCENT_IN_DAYS: Numbers("Attended under so many percent of the days", WINDOW),
    Kind.TARDIES: Numbers("Late arrivals", WINDOW),
    Kind.EXCUSED_DAYS: Numbers("Excused days", WINDOW),
    Kind.SILENT_DAYS: Numbers("Silent days", "Silent days of a priority patient"),
    Kind.FIRST_DAYS: Numbers("", "Days from the first session"),
    Kind.NO_FIRST_SESSION: Numbers("Business days after admission"),
    Kind.PLAN_DUE: Numbers("Days before the plan is due"),
    Kind.VERIFICATION_DUE: Numbers("Days before the verification is due"),
    Kind.AUTHORIZATION_ENDING: Numbers("Days before it ends", "Units left"),
    Kind.CERTIFICATION_DUE: Numbers("Days before the certification is due"),
    Kind.LICENSE_ENDING: Numbers("Days before it ends"),
    Kind.CASELOAD: Numbers("Patients of one primary therapist"),
    Kind.AGE_BRACKET: Numbers("Days before the birthday"),
}
"""Kinds that are not here have no number."""


def due_said(rule: AbsenceRule) -> str:
    """ "Due 1 business day after it opens"."""
    amount, one = rule.due_amount, rule.due_amount == 1
    match AbsenceRule.Due(rule.due):
        case AbsenceRule.Due.SAME_BUSINESS_DAY:
            return "Due the business day it opens"
        case AbsenceRule.Due.HOURS:
            return f"Due {amount} {'hour' if one else 'hours'} after it opens"
        case AbsenceRule.Due.BUSINESS_DAYS:
            return f"Due {amount} business {'day' if one else 'days'} after it opens"


class RuleForm(ServiceForm):
    """The numbers of one kind of rule. A second one of the kind is looked at before it is saved."""

    can = Can.MANAGE_CLINIC
    times = number_field(min_value=1, max_value=366)
    window_days = number_field(min_value=0, max_value=366)
    severity = level_field(Severity.choices)
    owner_role = choice_field(
        Role.choices, "Whose", help_text="Therapist means the patient's primary therapist."
    )
    due = choice_field(AbsenceRule.Due.choices)
    due_amount = number_field(
        "How many hours or business days", initial=0, min_value=0, max_value=366, required=False,
        help_text="Not used when it is due the business day it opens.",
    )  # fmt: skip
    starts_on = date_field("From")

    def ask_for(self, kind: int) -> None:
        """Label the numbers that a kind has; leave out those that it has not."""
        for name, label in NUMBERS.get(kind, Numbers())._asdict().items():
            if label:
                self.fields[name].label = label
            else:
                del self.fields[name]

    def clean_due_amount(self) -> int:
        return self.cleaned_data["due_amount"] or 0

    def others(self) -> Sequence[AbsenceRule]:
        """Rules of the kind, with other numbers, that would open cases on the same dates."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        facts = super().clean() or self.cleaned_data
        self.looks_ahead = bool("starts_on" in facts and self.others())
        return facts

    def ahead(self) -> Sequence[Panel]:
        rows = [(link(one), one.get_severity_display(), due_said(one)) for one in self.others()]
        note = "Both would open cases, each with its own severity. Save it if both are wanted."
        return [Panel("In force on the same dates", ("Rule", "Severity", "Due"), rows, note=note)]


class AddRuleForm(RuleForm):
    """First the kind alone is asked for, then what a rule of that kind needs."""

    title = "Add a rule"
    path = "new"
    wants_row = False
    kind = level_field(Kind.choices, "Opens cases for")
    ends_on = date_field("Until", required=False, help_text="Empty: until it is ended.")
    field_order = ("kind",)

    def __init__(self, data: Mapping[str, Any] | None = None, *args: Any, **kwargs: Any) -> None:
        if data is not None and "starts_on" not in data:  # the kind has just been chosen
            first = dict(kwargs.pop("initial", None) or {})
            kwargs["initial"] = {**first, "kind": data.get("kind", "")}
            data = kwargs["files"] = None
        super().__init__(data, *args, **kwargs)

    @property
    def chosen(self) -> int | None:
        said = str(self.data.get("kind") or self.initial.get("kind") or "")
        return next((one for one in Kind.values if str(one) == said), None)

    def narrow(self) -> None:
        if self.chosen is None:
            self.button = "Go on"
            self.fields = {"kind": self.fields["kind"]}
            return
        self.fields["kind"].widget = forms.HiddenInput()
        self.ask_for(self.chosen)
        usual = next((one for one in ABSENCE_RULES if one["kind"] == self.chosen), {})
        self.start_with(**usual)

    def introduction(self) -> str:
        if self.chosen is None:
            return "Choose what it is to open cases for; its numbers come next."
        return f"{Kind(self.chosen).label}. It opens cases from the night of its first day on."

    def others(self) -> Sequence[AbsenceRule]:
        names = ("kind", "times", "window_days", "starts_on", "ends_on")
        facts = {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}
        return list(beside(AbsenceRule(clinic=self.clinic, **facts)))

    def run(self) -> str:
        row = add_absence_rule(clinic=self.clinic, by=self.user, **self.cleaned_data)
        return f"“{row}” opens cases from the night of {long_date(row.starts_on)} on."


class ReplaceRuleForm(RuleForm):
    title = "Replace from a date"
    path = "replace"
    explanation = "The rule in force ends on the eve. Its cases stay as they are."
    row: AbsenceRule
    field_order = ("starts_on",)

    def narrow(self) -> None:
        self.ask_for(self.row.kind)
        self.start_with(**{name: getattr(self.row, name) for name in FIGURES})

    def others(self) -> Sequence[AbsenceRule]:
        figures = {name: getattr(self.row, name) for name in ("kind", *FIGURES)}
        row = AbsenceRule(clinic=self.clinic, **{**figures, **self.cleaned_data})
        return [one for one in beside(row) if one.pk != self.row.pk]

    def run(self) -> str:
        row = replace_absence_rule(rule=self.row, by=self.user, **self.cleaned_data)
        return (
            f"“{row}” opens cases from {long_date(row.starts_on)} on; the rule before ends on the "
            "eve."
        )
