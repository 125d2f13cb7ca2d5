"""Episodes of care with everything that hangs on them, and their treatment plans."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin

from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.filters import ClinicRelatedFilter
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date, hours_and_minutes
from patients import services
from patients.admin.care import Care
from patients.admin.verbs import EPISODE_VERBS
from patients.models import Episode, EpisodeHold, TreatmentPlan


@admin.register(Episode)
class EpisodeAdmin(ClinicModelAdmin):
    view = Can.VIEW_PATIENTS
    add = change = Can.MANAGE_EPISODES
    reads_are_noted = True
    list_display = (
        "patient",
        "state",
        "program",
        "primary_therapist",
        "admitted_on",
        "planned_weeks",
        "priority",
        "discharged_on",
    )
    list_filter = (
        "state",
        ("program", ClinicRelatedFilter),
        ("primary_therapist", ClinicRelatedFilter),
    )
    related = ("patient", "program", "primary_therapist")
    ordering = ("patient__last_name", "patient__first_name", "pk")
    search_fields = (
        "patient__record_number__istartswith",
        "patient__last_name__istartswith",
        "patient__first_name__istartswith",
        "patient__preferred_name__istartswith",
    )
    search_help_text = "Record number or the beginning of a name"
    autocomplete_fields = ("patient",)
    sought_by: ClassVar[dict[str, tuple[str, ...]]] = {}
    """The states of the episodes that search boxes of other tables offer; all, where none stand."""
    verbs = EPISODE_VERBS
    panels_first = True
    next_step = "Next: evaluation, diagnosis and program agreement; then admit."
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "patient",
                    "program",
                    "primary_therapist",
                    ("referred_on", "referral_source"),
                    "planned_weeks",
                    ("priority", "priority_until"),
                )
            },
        ),
        (
            "Course",
            {
                "fields": (
                    "state",
                    ("admitted_on", "discharged_on"),
                    "discharge_reason",
                    "discharge_note",
                )
            },
        ),
    )
    readonly_fields = (
        "state",
        "admitted_on",
        "discharged_on",
        "discharge_reason",
        "discharge_note",
    )
    fixed_fields = ("patient",)

    def get_search_results(self, request: Any, queryset: Any, search_term: str) -> Any:
        if states := self.sought_by.get(request.GET.get("model_name", "")):
            queryset = queryset.filter(state__in=states)
        return super().get_search_results(request, queryset, search_term)

    def get_fieldsets(self, request: Any, obj: Any = None) -> Any:
        return super().get_fieldsets(request, obj) if obj else self.fieldsets[:1]

    def enter(self, clinic: Clinic, facts: dict[str, Any], row: Any, by: User) -> Episode:
        return services.refer(clinic=clinic, by=by, **facts)

    def edit(self, row: Episode, facts: dict[str, Any], version: int | None, by: User) -> None:
        Care.edit_episode(episode=row, by=by, version=version, **facts)

    def panels(self, request: Any, row: Episode) -> Iterable[Panel]:
        user = request.user
        yield Panel(
            "Treatment plans",
            ("Plan", "From", "Until", "Days a week", "Review by"),
            [
                (link(one, f"{one.get_level_display()}, {_weekly(one.weekly_minutes_target)}"),
                 one.starts_on, one.ends_on or "open", one.days_per_week, one.review_due_on or "")
                for one in row.plans.visible_to(user)
            ],
        )  # fmt: skip
        yield self._papers(user, row)
        yield Panel(
            "Authorizations",
            ("Payer and number", "Covers", "From", "Until", "Next review"),
            [
                (link(one), f"{one.units} {one.get_unit_display()}", one.starts_on, one.ends_on,
                 one.next_review_on or "")
                for one in row.authorizations.visible_to(user).select_related("payer")
            ],
        )  # fmt: skip
        holds = row.holds.visible_to(user)
        if holds:
            yield Panel(
                "Holds",
                ("Reason", "From", "Until"),
                [(h.get_reason_display(), h.starts_on, h.ends_on or "open") for h in holds],
            )

    def _papers(self, user: User, row: Episode) -> Panel:
        papers = [
            *(("Evaluation", one.evaluated_on, one.evaluator)
              for one in row.evaluations.visible_to(user).select_related("evaluator")),
            *((f"Diagnosis {one}", one.diagnosed_on, one.license.therapist)
              for one in row.diagnoses.visible_to(user).select_related("license__therapist")),
            *((f"Agreement: {_weekly(one.weekly_minutes)}", one.signed_on, "patient")
              for one in row.agreements.visible_to(user)),
            *((f"Court mandate: {one}", one.starts_on, one.reference)
              for one in row.court_referrals.visible_to(user)),
            *((f"Certification, due again {full_date(one.due_again_on)}", one.certified_on,
               one.certified_by)
              for one in row.certifications.visible_to(user)),
        ]  # fmt: skip
        return Panel("Papers", ("Paper", "Date", "By"), papers)


def _weekly(minutes: int) -> str:
    return f"{hours_and_minutes(minutes)} a week"


@admin.register(TreatmentPlan)
class TreatmentPlanAdmin(ClinicModelAdmin):
    """A plan entered wrongly is corrected here; a new prescription is set on the episode's page."""

    view = Can.VIEW_PATIENTS
    change = Can.MANAGE_EPISODES
    list_display = (
        "patient",
        "level",
        "weekly_minutes_target",
        "days_per_week",
        "starts_on",
        "ends_on",
        "review_due_on",
    )
    list_filter = ("level", "age_bracket")
    related = ("episode__patient",)
    ordering = ("-starts_on", "pk")
    search_fields = ("episode__patient__last_name__istartswith",)
    fields = (
        "episode",
        ("level", "age_bracket"),
        ("weekly_minutes_target", "days_per_week"),
        ("starts_on", "ends_on"),
        "review_due_on",
    )
    autocomplete_fields = ("episode",)
    fixed_fields = ("episode",)

    @admin.display(description="Patient", ordering="episode__patient__last_name")
    def patient(self, row: TreatmentPlan) -> str:
        return str(row.episode.patient)

    def edit(
        self, row: TreatmentPlan, facts: dict[str, Any], version: int | None, by: User
    ) -> None:
        Care.edit_plan(plan=row, by=by, version=version, **facts)


@admin.register(EpisodeHold)
class EpisodeHoldAdmin(ClinicModelAdmin):
    """Read only: holds are put and ended on the episode's page."""

    view = Can.VIEW_PATIENTS
    list_display = ("episode", "reason", "starts_on", "ends_on")
    list_filter = ("reason",)
    related = ("episode__patient",)
    ordering = ("-starts_on", "pk")
    fields = ("episode", "reason", "note", "starts_on", "ends_on")
