"""One course of treatment from referral to discharge, and the papers it stands on."""

from __future__ import annotations

import datetime
import uuid
from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from iop_clinic.accounts.constraints import (
    DateSpan,
    SameClinic,
    SameValue,
    Trigger,
    same_clinic,
)
from iop_clinic.accounts.fields import ClinicForeignKey
from iop_clinic.accounts.models import ClinicModel, License, Therapist
from iop_clinic.accounts.weeks import full_date, hours_and_minutes
from patients import rules
from patients.models.people import Patient, Program, ReferralSource
from patients.querysets import DatedQuerySet, EpisodeQuerySet
from patients.validators import validate_clinical_date


class Level(models.IntegerChoices):
    """ASAM level of care."""

    OP = rules.OP, "OP 1"
    IOP = rules.IOP, "IOP 2.1"
    PHP = rules.PHP, "PHP 2.5"


class AgeBracket(models.IntegerChoices):
    ADULT = rules.ADULT, "adult"
    ADOLESCENT = rules.ADOLESCENT, "adolescent"


class Episode(ClinicModel):
    """A patient's course of care in one program. Admission and discharge dates are inside."""

    class State(models.TextChoices):
        REFERRED = "referred", "Referred"
        ADMITTED = "admitted", "Admitted"
        ON_HOLD = "on_hold", "On hold"
        DISCHARGED = "discharged", "Discharged"

    class DischargeReason(models.TextChoices):
        COMPLETED = "completed", "Completed treatment"
        STEPPED_UP = "stepped_up", "Stepped up"
        STEPPED_DOWN = "stepped_down", "Stepped down"
        TRANSFERRED = "transferred", "Transferred"
        ACA = "aca", "Left against clinical advice"
        DROPPED_OUT = "dropped_out", "Dropped out"
        TERMINATED = "terminated", "Terminated by the clinic"
        DECEASED = "deceased", "Deceased"
        NOT_ADMITTED = "not_admitted", "Not admitted"
        OTHER = "other", "Other"

    class Priority(models.TextChoices):
        """Why a missed day needs a call within two hours (R19)."""

        NONE = "", "None"
        INPATIENT_DISCHARGE = "inpatient_discharge", "Inpatient discharge under 30 days ago"
        SUICIDE_OR_OVERDOSE = "suicide_overdose", "Suicide or overdose risk"
        MOUD = "moud", "Medication for opioid use disorder"
        MINOR = "minor", "Minor"
        UNSTABLE_HOUSING = "unstable_housing", "Unstable housing"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    patient = ClinicForeignKey(Patient, related_name="episodes")
    program = ClinicForeignKey(Program, related_name="+")
    referral_source = ClinicForeignKey(
        ReferralSource, null=True, blank=True, related_name="episodes"
    )
    primary_therapist = ClinicForeignKey(Therapist, null=True, blank=True, related_name="caseload")
    state = models.CharField(max_length=12, choices=State.choices, default=State.REFERRED)
    referred_on = models.DateField(validators=[validate_clinical_date])
    admitted_on = models.DateField(null=True, blank=True, validators=[validate_clinical_date])
    discharged_on = models.DateField(null=True, blank=True, validators=[validate_clinical_date])
    discharge_reason = models.CharField(max_length=20, choices=DischargeReason.choices, blank=True)
    discharge_note = models.TextField(blank=True)
    planned_weeks = models.PositiveSmallIntegerField(default=12)
    priority = models.CharField(max_length=24, choices=Priority.choices, blank=True)
    priority_until = models.DateField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)

    objects: ClassVar = EpisodeQuerySet.as_manager()

    class Meta(ClinicModel.Meta):
        ordering = ("-admitted_on", "id")
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("episode", "patient", "program", "referral_source", "primary_therapist"),
            models.UniqueConstraint(
                fields=["clinic", "id", "patient"], name="episode_with_patient_key"
            ),
            ExclusionConstraint(
                name="episode_no_overlap_for_patient",
                expressions=[
                    (SameValue("patient"), "&&"),
                    (DateSpan("admitted_on", "discharged_on"), "&&"),
                ],
                condition=Q(admitted_on__isnull=False),
                violation_error_code="episode_overlap",
                violation_error_message="The patient has another episode on these dates.",
            ),
            models.UniqueConstraint(
                fields=["patient"],
                condition=Q(state="referred"),
                name="episode_one_open_referral",
                violation_error_message="The patient already has an open referral.",
            ),
            models.CheckConstraint(
                name="episode_state_known",
                condition=Q(state__in=["referred", "admitted", "on_hold", "discharged"]),
            ),
            models.CheckConstraint(
                name="episode_state_matches_dates",
                condition=Q(state="referred", admitted_on__isnull=True, discharged_on__isnull=True)
                | Q(
                    state__in=["admitted", "on_hold"],
                    admitted_on__isnull=False,
                    discharged_on__isnull=True,
                )
                | Q(state="discharged", discharged_on__isnull=False),
                violation_error_message="State and dates disagree: an admitted episode has an "
                "admission date and no discharge date, a discharged one a discharge date.",
            ),
            models.CheckConstraint(
                name="episode_discharge_has_reason",
                condition=Q(discharged_on__isnull=True, discharge_reason="")
                | Q(discharged_on__isnull=False) & ~Q(discharge_reason=""),
                violation_error_message="A discharge needs a date and a reason.",
            ),
            models.CheckConstraint(
                name="episode_not_admitted_is_a_referral",
                condition=~Q(discharge_reason="not_admitted") | Q(admitted_on__isnull=True),
                violation_error_code="discharge_reason",
                violation_error_message="The patient was admitted. Choose another reason.",
            ),
            models.CheckConstraint(
                name="episode_discharged_after_admission",
                condition=Q(discharged_on__gte=F("admitted_on"))
                | Q(admitted_on__isnull=True)
                | Q(discharged_on__isnull=True),
                violation_error_message="The discharge lies before the admission.",
            ),
            models.CheckConstraint(
                name="episode_planned_weeks_1_to_52",
                condition=Q(planned_weeks__range=(1, 52)),
                violation_error_message="Plan between 1 and 52 weeks.",
            ),
            Trigger(
                name="episode_admission_documented",
                function="patients_admission_documented",
                events="AFTER INSERT OR UPDATE OF state, admitted_on",
                violation_error_code="admission_incomplete",
                violation_error_message="An admission needs an evaluation, a diagnosis by a "
                "clinician with a valid license, and the signed program agreement.",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "patient"], name="episode_by_patient"),
            models.Index(fields=["clinic", "state"], name="episode_by_state"),
            models.Index(fields=["clinic", "primary_therapist"], name="episode_by_therapist"),
        ]

    def __str__(self) -> str:
        return f"{self.patient} ({self.get_state_display().lower()})"

    def is_priority_on(self, day: datetime.date) -> bool:
        return bool(self.priority) and (self.priority_until is None or day <= self.priority_until)


def _admission_paper(model: str) -> list[Trigger]:
    return [
        Trigger(
            name=f"{model}_needed_by_admission",
            function="patients_admission_paper_kept",
            events="AFTER DELETE OR UPDATE",
            violation_error_code="admission_incomplete",
            violation_error_message="An admitted episode stands on this document. "
            "Enter its replacement first.",
        )
    ]


class Evaluation(ClinicModel):
    """The initial evaluation that led to this episode."""

    episode = ClinicForeignKey(Episode, models.CASCADE, related_name="evaluations")
    evaluated_on = models.DateField(validators=[validate_clinical_date])
    evaluator = ClinicForeignKey(Therapist, related_name="+")
    recommended_level = models.PositiveSmallIntegerField(choices=Level.choices, default=Level.IOP)
    summary = models.TextField(blank=True)

    class Meta(ClinicModel.Meta):
        ordering = ("-evaluated_on",)
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("evaluation", "episode", "evaluator"),
            *_admission_paper("evaluation"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "episode"], name="evaluation_by_episode")
        ]

    def __str__(self) -> str:
        return f"Evaluation of {full_date(self.evaluated_on)}"


class Diagnosis(ClinicModel):
    """A diagnosis, by ICD-10 code, under the license that allowed it."""

    episode = ClinicForeignKey(Episode, models.CASCADE, related_name="diagnoses")
    code = models.CharField("ICD-10 code", max_length=10)
    description = models.CharField(max_length=200, blank=True)
    diagnosed_on = models.DateField(validators=[validate_clinical_date])
    license = ClinicForeignKey(License, related_name="+")

    class Meta(ClinicModel.Meta):
        ordering = ("diagnosed_on", "id")
        verbose_name_plural = "diagnoses"
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("diagnosis", "episode", "license"),
            *_admission_paper("diagnosis"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "episode"], name="diagnosis_by_episode")
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.description}".strip()


class ProgramAgreement(ClinicModel):
    """The patient's signed commitment to the program's hours."""

    episode = ClinicForeignKey(Episode, models.CASCADE, related_name="agreements")
    signed_on = models.DateField(validators=[validate_clinical_date])
    weekly_minutes = models.PositiveSmallIntegerField(help_text="Minutes a week agreed to.")
    guardian_signed = models.BooleanField(default=False)

    class Meta(ClinicModel.Meta):
        ordering = ("-signed_on",)
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("programagreement", "episode"),
            *_admission_paper("programagreement"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "episode"], name="agreement_by_episode")
        ]

    def __str__(self) -> str:
        return f"Agreement of {full_date(self.signed_on)}"


class EpisodeHold(ClinicModel):
    """Days on which the program pauses for a patient; absence rules are silent (2b)."""

    class Reason(models.TextChoices):
        HOSPITAL = "hospital", "Hospital"
        JAIL = "jail", "Jail"
        LEAVE = "leave", "Leave"
        OTHER = "other", "Other"

    episode = ClinicForeignKey(Episode, models.CASCADE, related_name="holds")
    reason = models.CharField(max_length=12, choices=Reason.choices)
    note = models.CharField(max_length=200, blank=True)
    starts_on = models.DateField(validators=[validate_clinical_date])
    ends_on = models.DateField(
        null=True, blank=True, help_text="Last day of the hold; empty while it lasts."
    )

    class Meta(ClinicModel.Meta):
        ordering = ("-starts_on",)
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("episodehold", "episode"),
            models.CheckConstraint(
                name="episodehold_ends_after_start",
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                violation_error_message="The hold ends before it starts.",
            ),
            ExclusionConstraint(
                name="episodehold_no_overlap",
                expressions=[(SameValue("episode"), "&&"), (DateSpan(), "&&")],
                violation_error_message="The episode is already on hold on these dates.",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["clinic", "episode"], name="hold_by_episode")]

    def __str__(self) -> str:
        return f"{self.get_reason_display()} from {full_date(self.starts_on)}"


class TreatmentPlan(ClinicModel):
    """What is prescribed from one date to the next: level of care, weekly minutes, days."""

    episode = ClinicForeignKey(Episode, models.CASCADE, related_name="plans")
    level = models.PositiveSmallIntegerField(choices=Level.choices, default=Level.IOP)
    age_bracket = models.PositiveSmallIntegerField(
        choices=AgeBracket.choices, default=AgeBracket.ADULT
    )
    weekly_minutes_target = models.PositiveSmallIntegerField(help_text="Minutes a week.")
    days_per_week = models.PositiveSmallIntegerField(default=3)
    least_weekly_minutes = models.PositiveSmallIntegerField(editable=False)
    most_weekly_minutes = models.PositiveSmallIntegerField(editable=False)
    starts_on = models.DateField(validators=[validate_clinical_date])
    ends_on = models.DateField(null=True, blank=True)
    review_due_on = models.DateField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)

    objects: ClassVar = DatedQuerySet.as_manager()

    class Meta(ClinicModel.Meta):
        ordering = ("-starts_on",)
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("treatmentplan", "episode"),
            models.CheckConstraint(
                name="treatmentplan_target_in_level_range",
                condition=Q(weekly_minutes_target__gte=F("least_weekly_minutes"))
                & Q(weekly_minutes_target__lte=F("most_weekly_minutes")),
                violation_error_code="target_outside_level",
                violation_error_message="The weekly target lies outside the level's range.",
            ),
            models.CheckConstraint(
                name="treatmentplan_days_1_to_7",
                condition=Q(days_per_week__range=(1, 7)),
                violation_error_message="Plan between 1 and 7 days a week.",
            ),
            models.CheckConstraint(
                name="treatmentplan_ends_after_start",
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                violation_error_message="The plan ends before it starts.",
            ),
            ExclusionConstraint(
                name="treatmentplan_no_overlap",
                expressions=[(SameValue("episode"), "&&"), (DateSpan(), "&&")],
                deferrable=models.Deferrable.IMMEDIATE,
                violation_error_code="plan_overlap",
                violation_error_message="Another plan of the episode covers these dates.",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["clinic", "episode"], name="plan_by_episode")]

    def __str__(self) -> str:
        hours, since = hours_and_minutes(self.weekly_minutes_target), full_date(self.starts_on)
        return f"{self.get_level_display()}, {hours} a week from {since}"

    def save(self, **kwargs: object) -> None:
        self.copy_level_range()
        super().save(**kwargs)  # type: ignore[arg-type]

    def clean(self) -> None:
        if (self.level, self.age_bracket) not in rules.WEEKLY_MINUTES:
            return  # the choice fields have said so
        self.copy_level_range()
        if self.weekly_minutes_target is None:
            return
        if not self.least_weekly_minutes <= self.weekly_minutes_target <= self.most_weekly_minutes:
            sentence = (
                f"{self.get_level_display()} for an {self.get_age_bracket_display()} takes "
                f"{self.least_weekly_minutes} to {self.most_weekly_minutes} minutes a week."
            )
            error = ValidationError(sentence, code="target_outside_level")
            raise ValidationError({"weekly_minutes_target": error})

    def copy_level_range(self) -> None:
        """Keep the level's range in the row, so that its CHECK needs no other table."""
        least, most = rules.WEEKLY_MINUTES[self.level, self.age_bracket]
        self.least_weekly_minutes, self.most_weekly_minutes = least, most


class CourtReferral(ClinicModel):
    """A court's or probation's mandate on an episode (R14)."""

    episode = ClinicForeignKey(Episode, models.CASCADE, related_name="court_referrals")
    court = models.CharField(max_length=120)
    reference = models.CharField(max_length=60, blank=True)
    starts_on = models.DateField(validators=[validate_clinical_date])
    ends_on = models.DateField(null=True, blank=True)

    class Meta(ClinicModel.Meta):
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            SameClinic(field="episode", name="courtreferral_episode_same_clinic"),
        ]
        indexes: ClassVar = [models.Index(fields=["clinic", "episode"], name="court_by_episode")]

    def __str__(self) -> str:
        return self.court
