"""Who pays, and for how much."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from iop_clinic.accounts.constraints import DateSpan, SameValue, same_clinic
from iop_clinic.accounts.fields import ClinicForeignKey
from iop_clinic.accounts.models import ClinicModel
from iop_clinic.accounts.weeks import full_date
from patients.models.episodes import Episode, Level
from patients.models.people import Patient
from patients.validators import validate_clinical_date


class Payer(ClinicModel):
    name = models.CharField(max_length=120)
    needs_authorization = models.BooleanField(default=True)
    certification_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Days after which the need is certified again, 60 for Medicare; empty: never.",
    )
    phone = models.CharField(max_length=30, blank=True)

    class Meta(ClinicModel.Meta):
        ordering = ("name",)
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            models.UniqueConstraint(
                "clinic",
                Lower("name"),
                name="payer_name_unique",
                violation_error_message="The clinic already has a payer of this name.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Coverage(ClinicModel):
    """A patient's insurance; verification is due by a date (a case, never a wall)."""

    patient = ClinicForeignKey(Patient, models.CASCADE, related_name="coverages")
    payer = ClinicForeignKey(Payer, related_name="coverages")
    member_number = models.CharField(max_length=40, blank=True)
    starts_on = models.DateField(validators=[validate_clinical_date])
    ends_on = models.DateField(null=True, blank=True)
    verified_on = models.DateField(null=True, blank=True)
    verification_due_on = models.DateField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)

    class Meta(ClinicModel.Meta):
        ordering = ("-starts_on",)
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("coverage", "patient", "payer"),
            models.CheckConstraint(
                name="coverage_ends_after_start",
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                violation_error_message="The coverage ends before it starts.",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["clinic", "patient"], name="coverage_by_patient")]

    def __str__(self) -> str:
        return f"{self.payer} from {full_date(self.starts_on)}"


class Authorization(ClinicModel):
    """A payer's approval: so many days, visits or hours between two dates (R23)."""

    class Unit(models.TextChoices):
        DAY = "day", "days"
        VISIT = "visit", "visits"
        HOUR = "hour", "hours"

    episode = ClinicForeignKey(Episode, models.CASCADE, related_name="authorizations")
    payer = ClinicForeignKey(Payer, related_name="authorizations")
    number = models.CharField(max_length=60)
    level = models.PositiveSmallIntegerField(choices=Level.choices, default=Level.IOP)
    unit = models.CharField(max_length=8, choices=Unit.choices, default=Unit.DAY)
    units = models.PositiveSmallIntegerField()
    starts_on = models.DateField(validators=[validate_clinical_date])
    ends_on = models.DateField(validators=[validate_clinical_date])
    next_review_on = models.DateField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)

    class Meta(ClinicModel.Meta):
        ordering = ("-starts_on",)
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("authorization", "episode", "payer"),
            models.UniqueConstraint(
                fields=["clinic", "payer", "number"],
                name="authorization_number_unique",
                violation_error_message="This payer's authorization number is already entered.",
            ),
            models.CheckConstraint(
                name="authorization_ends_after_start",
                condition=Q(ends_on__gte=F("starts_on")),
                violation_error_message="The authorization ends before it starts.",
            ),
            models.CheckConstraint(
                name="authorization_units_positive",
                condition=Q(units__gt=0),
                violation_error_message="An authorization has at least one unit.",
            ),
            ExclusionConstraint(
                name="authorization_no_overlap",
                expressions=[
                    (SameValue("episode"), "&&"),
                    (SameValue("payer"), "&&"),
                    (SameValue("level"), "&&"),
                    (DateSpan(), "&&"),
                ],
                violation_error_code="authorization_overlap",
                violation_error_message="Another authorization of this payer and level covers "
                "these dates.",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "episode"], name="authorization_by_episode"),
            models.Index(fields=["clinic", "ends_on"], name="authorization_by_end"),
        ]

    def __str__(self) -> str:
        return f"{self.payer} {self.number}"


class Certification(ClinicModel):
    """A physician's statement that the level is still needed, due again by a date (R6)."""

    episode = ClinicForeignKey(Episode, models.CASCADE, related_name="certifications")
    certified_on = models.DateField(validators=[validate_clinical_date])
    due_again_on = models.DateField(validators=[validate_clinical_date])
    certified_by = models.CharField(max_length=120, blank=True)

    class Meta(ClinicModel.Meta):
        ordering = ("-certified_on",)
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("certification", "episode"),
            models.CheckConstraint(
                name="certification_due_later",
                condition=Q(due_again_on__gt=F("certified_on")),
                violation_error_message="The next certification is due after this one.",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "episode"], name="certification_by_episode")
        ]

    def __str__(self) -> str:
        return f"Certification of {full_date(self.certified_on)}"
