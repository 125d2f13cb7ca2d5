"""The pages of standards and rules: dated rows that are entered and ended, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.urls import reverse

from attendance.absence_rules import end_absence_rule
from attendance.admin.absence_rules import AddRuleForm, ReplaceRuleForm, due_said
from attendance.admin.explained import (
    credit_explained,
    credit_sentence,
    rule_explained,
    rule_sentence,
    standard_explained,
    standard_sentence,
)
from attendance.admin.standards import AddStandardForm, EndStandardForm, ReplaceStandardForm
from attendance.models import AbsenceRule, CreditRule, Flag, Standard
from attendance.models.records import AbsenceReason
from attendance.records.credit_rules import end_credit_rule, set_credit_rule
from attendance.standards import SUBJECT
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.forms import many_field
from iop_clinic.accounts.admin.panels import Panel, anchor, link
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import hours_and_minutes
from scheduling.models import SessionType


class DatedAdmin(ClinicModelAdmin):
    """Everything but the last day is fixed once entered: past weeks were judged by it."""

    view = Can.VIEW_SCHEDULE
    add: Can | None = Can.MANAGE_CLINIC
    change = Can.MANAGE_CLINIC
    panels_first = True

    def get_readonly_fields(self, request: Any, obj: Any = None) -> Any:
        if obj is None:
            return ()
        return tuple(name for name in self.get_form_names() if name != "ends_on")

    def get_form_names(self) -> list[str]:
        names: list[str] = []
        for line in self.fields or ():
            names += [line] if isinstance(line, str) else list(line)
        return names


@admin.register(Standard)
class StandardAdmin(DatedAdmin):
    list_display = (
        "name",
        "asks",
        "source",
        "starts_on",
        "ends_on",
    )
    list_filter = ("source", "level", "age_bracket")
    related = ("program", "payer")
    ordering = ("source", "level", "age_bracket", "-starts_on", "pk")
    fields = (
        "name",
        "source",
        ("program", "payer"),
        ("level", "age_bracket"),
        ("min_minutes", "max_minutes"),
        ("day_threshold", "min_days"),
        "services_per_day",
        "basis",
        "counts",
        ("week_starts_on", "prorate"),
        ("starts_on", "ends_on"),
    )
    add = None  # a form with presets and a look ahead enters it
    verbs = (ReplaceStandardForm, EndStandardForm)
    list_verbs = (AddStandardForm,)

    @admin.display(description="In words")
    def asks(self, row: Standard) -> str:
        return standard_sentence(row)

    @admin.display(description="Counted types")
    def counts(self, row: Standard) -> str:
        types = SessionType.objects.filter(clinic=row.clinic_id, pk__in=row.counted_types)
        return ", ".join(types.values_list("name", flat=True)) or "all"

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False  # it is replaced and ended, after a look at what changes

    def panels(self, request: Any, row: Standard) -> Iterable[Panel]:
        """What it does, then every version of the same standard, newest first."""
        yield Panel("What it does", empty=standard_explained(row))
        versions = Standard.objects.visible_to(request.user).filter(
            clinic=row.clinic_id, **{name: getattr(row, name) for name in SUBJECT}
        )
        yield Panel(
            "Versions",
            ("Name", "Minutes a week", "Days", "From", "Until"),
            [
                (link(one), _minutes(one),
                 f"{one.min_days} of {hours_and_minutes(one.day_threshold)}", one.starts_on,
                 one.ends_on or "open")
                for one in versions.order_by("-starts_on")
            ],
        )  # fmt: skip


def _minutes(row: Standard) -> str:
    most = hours_and_minutes(row.max_minutes) if row.max_minutes is not None else "any"
    return f"{hours_and_minutes(row.min_minutes)} to {most}"


@admin.register(CreditRule)
class CreditRuleAdmin(DatedAdmin):
    list_display = ("kind", "does", "grace_minutes", "starts_on", "ends_on")
    ordering = ("-starts_on", "pk")
    fields = (
        "kind",
        ("round_to", "min_percent"),
        "grace_minutes",
        "excused_reasons",
        ("notice_minutes", "proof_hours"),
        ("starts_on", "ends_on"),
    )
    next_step = "It counts from its first day on; the rule before ends the day before."

    @admin.display(description="In words")
    def does(self, row: CreditRule) -> str:
        return credit_sentence(row)

    @admin.display(description="Excused reasons")
    def excused(self, row: CreditRule) -> str:
        return ", ".join(AbsenceReason(one).label for one in row.excused_reasons) or "none"

    def get_fields(self, request: Any, obj: Any = None) -> Any:
        """Of an entered rule the reasons in words."""
        names = self.fields or ()
        return [("excused" if obj and one == "excused_reasons" else one) for one in names]

    def get_readonly_fields(self, request: Any, obj: Any = None) -> Any:
        names = super().get_readonly_fields(request, obj)
        return (*names, "excused") if obj else names

    def panels(self, request: Any, row: CreditRule) -> Iterable[Panel]:
        yield Panel("What it does", empty=credit_explained(row))

    def enter(self, clinic: Clinic, facts: dict[str, Any], row: CreditRule, by: User) -> CreditRule:
        return set_credit_rule(clinic=clinic, by=by, **facts)

    def edit(self, row: CreditRule, facts: dict[str, Any], version: int | None, by: User) -> None:
        end_credit_rule(rule=row, by=by, **facts)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "excused_reasons":
            reasons = AbsenceReason.choices
            return many_field(reasons, "Excused reasons", initial=db_field.default)
        return super().formfield_for_dbfield(db_field, request, **kwargs)


def _opened(request: Any, row: AbsenceRule) -> Panel:
    """How many cases of the rule's kind are open, with the way to them; one statement."""
    open_cases = Flag.objects.visible_to(request.user).filter(clinic=row.clinic_id, rule=row.kind)
    count = open_cases.open().count()
    queue = f"{reverse('admin:attendance_flag_changelist')}?rule__exact={row.kind}"
    said = f"{count} open {'case' if count == 1 else 'cases'} of this kind"
    return Panel("Cases", empty=anchor(queue, said) if count else "No open case of this kind.")


@admin.register(AbsenceRule)
class AbsenceRuleAdmin(DatedAdmin):
    list_display = ("said", "does", "severity", "starts_on", "ends_on")
    list_filter = ("kind", "severity")
    ordering = ("kind", "-starts_on", "pk")
    fields = ("said", "severity", "owner_role", "due_on", ("starts_on", "ends_on"))
    add = None  # a form that asks for the numbers of one kind enters it
    verbs = (ReplaceRuleForm,)
    list_verbs = (AddRuleForm,)

    @admin.display(description="Rule", ordering="kind")
    def said(self, row: AbsenceRule) -> str:
        return str(row)

    @admin.display(description="In words")
    def does(self, row: AbsenceRule) -> str:
        return rule_sentence(row)

    def panels(self, request: Any, row: AbsenceRule) -> Iterable[Panel]:
        """What it does, and what it has opened."""
        yield Panel("What it does", empty=rule_explained(row))
        if self.may(request, Can.VIEW_FLAGS):
            yield _opened(request, row)

    @admin.display(description="Due")
    def due_on(self, row: AbsenceRule) -> str:
        return due_said(row)

    def edit(self, row: AbsenceRule, facts: dict[str, Any], version: int | None, by: User) -> None:
        end_absence_rule(rule=row, by=by, **facts)
