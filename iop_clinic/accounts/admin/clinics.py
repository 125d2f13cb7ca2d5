"""The clinic's own settings, and changing over to another clinic one works in."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.urls import reverse

from iop_clinic.accounts import services
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.forms import ServiceForm, many_field, row_field
from iop_clinic.accounts.admin.working import working_clinic
from iop_clinic.accounts.models import Clinic, Weekday
from iop_clinic.accounts.roles import Can


class SwitchForm(ServiceForm):
    title = "Change clinic"
    path = "switch"
    button = "Work in this clinic"
    can = Can.VIEW_SCHEDULE
    wants_row = False
    clinic_choice = row_field(Clinic.objects.none(), "Clinic")

    def _limit(self, field: Any) -> None:
        """The only list that reaches over clinics: those this person works in."""

    def narrow(self) -> None:
        field: Any = self.fields["clinic_choice"]
        field.queryset = Clinic.objects.filter(pk__in=self.user.scope.roles)
        field.initial = self.clinic.pk

    def run(self) -> str:
        clinic = self.cleaned_data["clinic_choice"]
        services.switch_clinic(user=self.user, clinic=clinic, by=self.user)
        return f"You now work in {clinic}."

    def next_url(self) -> str:
        return reverse("admin:index")


@admin.register(Clinic)
class ClinicAdmin(ClinicModelAdmin):
    """Exactly one row: the clinic one works in. Clinics are opened by the installation.

    Another time zone moves what is planned: a verb of a higher floor.
    """

    view = Can.MANAGE_CLINIC
    change = Can.MANAGE_CLINIC
    list_display = ("name", "zone", "state", "nightly_at")
    list_verbs = (SwitchForm,)
    fixed_fields = ("zone",)
    fields = (
        "name",
        ("zone", "state"),
        "phone",
        "week_starts_on",
        ("opens_at", "closes_at"),
        "business_days",
        "nightly_at",
        "adult_at",
    )

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "business_days":
            return many_field(
                Weekday.choices, "Business days", coerce=int, help_text="None: Monday to Friday."
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_queryset(self, request: Any) -> Any:
        return Clinic.objects.filter(pk=working_clinic(request).pk)
