"""Patients, and the small tables they lean on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, Subquery
from django.db.models.functions import JSONObject
from django.urls import reverse
from unfold.decorators import display

from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.forms import (
    ServiceForm,
    choice_field,
    date_field,
    found_field,
    number_field,
    row_field,
    text_field,
)
from iop_clinic.accounts.admin.panels import Panel, anchor, link, page_url
from iop_clinic.accounts.models import Clinic, Therapist, User
from iop_clinic.accounts.roles import Can
from patients import services
from patients.admin.care import Care
from patients.models import Episode, KeepApart, Patient, Payer, Program, ReferralSource


class ReferForm(ServiceForm):
    title = "Refer to a program"
    path = "refer"
    button = "Open the episode"
    explanation = "Opens an episode of care. It is admitted once its papers are complete."
    can = Can.MANAGE_EPISODES
    program = row_field(Program.objects.filter(active=True))
    referred_on = date_field()
    referral_source = row_field(ReferralSource.objects.all(), required=False)
    primary_therapist = row_field(Therapist.objects.filter(active=True), required=False)
    planned_weeks = number_field(initial=12)
    priority = choice_field(Episode.Priority.choices, required=False)
    priority_until = date_field(required=False)
    episode: Episode | None = None

    def run(self) -> str:
        self.episode = services.refer(
            clinic=self.clinic, patient=self.row, by=self.user, **self.given
        )
        return "The referral is entered. Next: evaluation, diagnosis and program agreement."

    def next_url(self) -> str:
        return page_url(self.episode) if self.episode else ""


class CoverageForm(ServiceForm):
    title = "Add insurance"
    path = "coverage"
    can = Can.MANAGE_AUTHORIZATIONS
    payer = row_field(Payer.objects.all())
    member_number = text_field(max_length=40, required=False)
    starts_on = date_field()
    ends_on = date_field(required=False)
    verified_on = date_field(required=False)
    verification_due_on = date_field("Verify by", required=False)

    def run(self) -> str:
        coverage = Care.add_coverage(patient=self.row, by=self.user, **self.given)
        if coverage.verified_on:
            return f"{coverage.payer} is entered as verified."
        return f"{coverage.payer} is entered. Next: verify it with the payer."


class KeepApartForm(ServiceForm):
    title = "Keep apart from …"
    path = "keep-apart"
    explanation = "The two are never offered the same group or session. Neither group is told why."
    can = Can.MANAGE_EPISODES
    other = found_field(KeepApart, "other", "Other patient")
    reason = text_field()
    ends_on = date_field("Until", required=False, help_text="Empty: for good.")

    def run(self) -> str:
        services.keep_apart(patient=self.row, by=self.user, **self.given)
        return "The two are kept apart from now on. Seats they hold already are not changed."


@admin.register(Patient)
class PatientAdmin(ClinicModelAdmin):
    view = Can.VIEW_PATIENTS
    add = Can.EDIT_PATIENTS
    change = Can.EDIT_PATIENTS
    reads_are_noted = True
    list_display = (
        "name",
        "record_number",
        "care",
        "birth_date",
        "callable_at",
        "best_time_to_call",
    )
    panels_first = True
    list_display_links = ("name", "record_number")
    search_fields = (
        "record_number__istartswith",
        "last_name__istartswith",
        "first_name__istartswith",
        "preferred_name__istartswith",
    )
    search_help_text = "Record number or the beginning of a name"
    verbs = (ReferForm, CoverageForm, KeepApartForm)
    next_step = "Next: refer the patient to a program."
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "record_number",
                    ("first_name", "last_name"),
                    ("preferred_name", "pronouns"),
                    "birth_date",
                )
            },
        ),
        (
            "How the patient may be reached",
            {
                "fields": (
                    "phone",
                    ("phone_is_safe", "may_leave_voicemail"),
                    ("may_text", "may_say_clinic_name"),
                    "best_time_to_call",
                    "email",
                )
            },
        ),
        (
            "Emergency contact and guardian",
            {
                "fields": (
                    ("emergency_name", "emergency_relation"),
                    ("emergency_phone", "emergency_consent"),
                    ("guardian_name", "guardian_relation"),
                    "guardian_phone",
                )
            },
        ),
        ("After a death", {"fields": ("deceased_on",)}),
    )

    def get_queryset(self, request: Any) -> Any:
        """With the latest episode, whose page tells everything about the care."""
        own = Episode.objects.visible_to(request.user).filter(patient=OuterRef("pk"))
        latest = own.order_by("-referred_on", "-pk")
        told = JSONObject(pk="pk", state="state", program="program__name")
        return (
            super()
            .get_queryset(request)
            .annotate(latest_episode=Subquery(latest.values(row=told)[:1]))
        )

    @display(description="Care")
    def care(self, row: Any) -> str:
        latest = row.latest_episode
        if latest is None:
            return "never referred"
        address = reverse("admin:patients_episode_change", args=[latest["pk"]])
        return anchor(address, f"{Episode.State(latest['state']).label}, {latest['program']}")

    @display(description="Name", ordering="last_name")
    def name(self, row: Patient) -> str:
        return str(row)

    @display(description="May be called at")
    def callable_at(self, row: Patient) -> str:
        return row.phone if row.phone_is_safe else ""

    def enter(self, clinic: Clinic, facts: dict[str, Any], row: Any, by: User) -> Patient:
        return Care.save_patient(clinic=clinic, by=by, **facts)

    def edit(self, row: Patient, facts: dict[str, Any], version: int | None, by: User) -> None:
        Care.save_patient(clinic=row.clinic, patient=row, version=version, by=by, **facts)

    def panels(self, request: Any, row: Patient) -> Iterable[Panel]:
        episodes = row.episodes.visible_to(request.user).select_related("program")
        yield Panel(
            "Episodes of care",
            ("Program", "State", "Referred", "Admitted", "Discharged"),
            [
                (link(one, one.program), one.get_state_display(), one.referred_on,
                 one.admitted_on or "", one.discharged_on or "")
                for one in episodes
            ],
            empty="Never referred to a program.",
            note="Weeks, sessions, cases and papers are on the episode’s own page.",
        )  # fmt: skip
        coverages = row.coverages.visible_to(request.user).select_related("payer")
        yield Panel(
            "Insurance",
            ("Payer", "From", "Until", "Verified"),
            [
                (link(one, one.payer), one.starts_on, one.ends_on or "open",
                 one.verified_on or "not yet")
                for one in coverages
            ],
        )  # fmt: skip


@admin.register(Program)
class ProgramAdmin(ClinicModelAdmin):
    view = Can.VIEW_SCHEDULE
    add = change = Can.MANAGE_CLINIC
    list_display = ("name", "kind", "part2", "active")
    fields = ("name", "kind", "part2", "active")
    search_fields = ("name",)


@admin.register(Payer)
class PayerAdmin(ClinicModelAdmin):
    view = Can.VIEW_PATIENTS
    add = change = Can.MANAGE_AUTHORIZATIONS
    list_display = ("name", "needs_authorization", "certification_days", "phone")
    fields = ("name", "needs_authorization", "certification_days", "phone")
    search_fields = ("name",)


@admin.register(ReferralSource)
class ReferralSourceAdmin(ClinicModelAdmin):
    view = Can.VIEW_PATIENTS
    add = change = Can.EDIT_PATIENTS
    list_display = ("name", "kind", "phone")
    fields = ("name", "kind", "phone")
    search_fields = ("name",)


@admin.register(KeepApart)
class KeepApartAdmin(ClinicModelAdmin):
    """Therapists never see these rows: the reason names another patient."""

    view = Can.MANAGE_EPISODES
    change = Can.MANAGE_EPISODES
    list_display = ("patient", "other", "ends_on")
    related = ("patient", "other")
    ordering = ("patient__last_name", "pk")
    search_fields = ("patient__last_name__istartswith", "other__last_name__istartswith")
    autocomplete_fields = ("patient", "other")
    fields = ("patient", "other", "reason", "ends_on")
    fixed_fields = ("patient", "other")
