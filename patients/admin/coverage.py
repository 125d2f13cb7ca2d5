"""Insurance and authorizations."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.filters import ClinicRelatedFilter
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.roles import Can
from patients.admin.care import Care
from patients.models import Authorization, Certification, Coverage


@admin.register(Authorization)
class AuthorizationAdmin(ClinicModelAdmin):
    view = Can.VIEW_PATIENTS
    add = change = Can.MANAGE_AUTHORIZATIONS
    list_display = (
        "number",
        "payer",
        "episode",
        "level",
        "covers",
        "starts_on",
        "ends_on",
        "next_review_on",
    )
    list_filter = (("payer", ClinicRelatedFilter), "unit", "level", "ends_on")
    related = ("payer", "episode__patient")
    ordering = ("ends_on", "pk")
    search_fields = ("number__istartswith", "episode__patient__last_name__istartswith")
    autocomplete_fields = ("episode",)
    fields = (
        "episode",
        ("payer", "number"),
        "level",
        ("units", "unit"),
        ("starts_on", "ends_on"),
        "next_review_on",
    )
    fixed_fields = ("episode",)

    @admin.display(description="Covers", ordering="units")
    def covers(self, row: Authorization) -> str:
        return f"{row.units} {row.get_unit_display()}"

    def enter(self, clinic: Clinic, facts: dict[str, Any], row: Any, by: User) -> Authorization:
        return Care.authorize(by=by, **facts)

    def edit(
        self, row: Authorization, facts: dict[str, Any], version: int | None, by: User
    ) -> None:
        Care.edit_authorization(authorization=row, by=by, version=version, **facts)


@admin.register(Coverage)
class CoverageAdmin(ClinicModelAdmin):
    view = Can.VIEW_PATIENTS
    add = change = Can.MANAGE_AUTHORIZATIONS
    list_display = ("patient", "payer", "member_number", "starts_on", "ends_on", "verified_on")
    list_filter = (("payer", ClinicRelatedFilter), "verification_due_on")
    related = ("patient", "payer")
    ordering = ("-starts_on", "pk")
    search_fields = ("patient__last_name__istartswith", "member_number")
    autocomplete_fields = ("patient",)
    fields = (
        "patient",
        ("payer", "member_number"),
        ("starts_on", "ends_on"),
        ("verified_on", "verification_due_on"),
    )
    fixed_fields = ("patient",)

    def enter(self, clinic: Clinic, facts: dict[str, Any], row: Any, by: User) -> Coverage:
        return Care.add_coverage(by=by, **facts)

    def edit(self, row: Coverage, facts: dict[str, Any], version: int | None, by: User) -> None:
        Care.edit_coverage(coverage=row, by=by, version=version, **facts)


@admin.register(Certification)
class CertificationAdmin(ClinicModelAdmin):
    """Physicians' certifications, the next ones due first; one that is missing is a case (R6)."""

    view = Can.VIEW_PATIENTS
    add = change = Can.MANAGE_AUTHORIZATIONS
    list_display = ("episode", "certified_on", "due_again_on", "certified_by")
    list_filter = ("due_again_on",)
    related = ("episode__patient",)
    ordering = ("due_again_on", "pk")
    search_fields = ("episode__patient__last_name__istartswith",)
    autocomplete_fields = ("episode",)
    fields = ("episode", ("certified_on", "due_again_on"), "certified_by")
    fixed_fields = ("episode",)

    def enter(self, clinic: Clinic, facts: dict[str, Any], row: Any, by: User) -> Certification:
        return Care.certify(by=by, **facts)

    def edit(
        self, row: Certification, facts: dict[str, Any], version: int | None, by: User
    ) -> None:
        Care.edit_certification(certification=row, by=by, **facts)
