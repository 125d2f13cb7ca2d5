"""Standards and rules: dated rows that are entered and ended, never changed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from attendance.models import AbsenceRule, CreditRule, Standard
from attendance.models.records import AbsenceReason
from attendance.records.credit_rules import end_credit_rule, set_credit_rule
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.forms import many_field
from iop_clinic.accounts.admin.working import working_clinic
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.roles import Can
from scheduling.models import SessionType


class DatedAdmin(ClinicModelAdmin):
    """Everything but the last day is fixed once entered: past weeks were judged by it."""

    view = Can.VIEW_SCHEDULE
    add = change = Can.MANAGE_CLINIC

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
        "source",
        "level",
        "age_bracket",
        "min_minutes",
        "max_minutes",
        "min_days",
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
        "counted_types",
        ("week_starts_on", "prorate"),
        ("starts_on", "ends_on"),
    )
    next_step = "It judges weeks from its first day on. To change it, end it and enter a new one."

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "counted_types":
            types = SessionType.objects.visible_to(request.user)
            choices = types.filter(clinic=working_clinic(request)).values_list("pk", "name")
            return many_field(choices, "Counted types", coerce=int, help_text="None: all count.")
        return super().formfield_for_dbfield(db_field, request, **kwargs)


@admin.register(CreditRule)
class CreditRuleAdmin(DatedAdmin):
    list_display = ("kind", "round_to", "min_percent", "grace_minutes", "starts_on", "ends_on")
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

    def enter(self, clinic: Clinic, facts: dict[str, Any], row: CreditRule, by: User) -> CreditRule:
        return set_credit_rule(clinic=clinic, by=by, **facts)

    def edit(self, row: CreditRule, facts: dict[str, Any], version: int | None, by: User) -> None:
        end_credit_rule(rule=row, by=by, **facts)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "excused_reasons":
            reasons = AbsenceReason.choices
            return many_field(reasons, "Excused reasons", initial=db_field.default)
        return super().formfield_for_dbfield(db_field, request, **kwargs)


@admin.register(AbsenceRule)
class AbsenceRuleAdmin(DatedAdmin):
    list_display = (
        "__str__",
        "severity",
        "owner_role",
        "due",
        "due_amount",
        "starts_on",
        "ends_on",
    )
    list_filter = ("kind", "severity")
    ordering = ("kind", "-starts_on", "pk")
    fields = (
        "kind",
        ("times", "window_days"),
        "severity",
        "owner_role",
        ("due", "due_amount"),
        ("starts_on", "ends_on"),
    )
