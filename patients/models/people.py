"""Who is treated, where they were referred from, and how they may be reached."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from iop_clinic.accounts.constraints import same_clinic
from iop_clinic.accounts.fields import ClinicForeignKey
from iop_clinic.accounts.models import ClinicModel
from patients.querysets import PatientQuerySet
from patients.validators import validate_birth_date


class Program(ClinicModel):
    class Kind(models.TextChoices):
        SUBSTANCE_USE = "substance_use", "Substance use"
        MENTAL_HEALTH = "mental_health", "Mental health"
        CO_OCCURRING = "co_occurring", "Co-occurring"
        EATING_DISORDER = "eating_disorder", "Eating disorder"
        ADOLESCENT = "adolescent", "Adolescent"

    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    part2 = models.BooleanField(
        "42 CFR Part 2",
        default=False,
        help_text="Federally protected substance-use records: documents carry the notice (R15).",
    )
    active = models.BooleanField(default=True)

    class Meta(ClinicModel.Meta):
        ordering = ("name",)
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            models.UniqueConstraint(
                "clinic",
                Lower("name"),
                name="program_name_unique",
                violation_error_message="The clinic already has a program of this name.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ReferralSource(ClinicModel):
    class Kind(models.TextChoices):
        SELF = "self", "Self or family"
        HOSPITAL = "hospital", "Hospital"
        RESIDENTIAL = "residential", "Residential or PHP"
        OUTPATIENT = "outpatient", "Outpatient clinician"
        COURT = "court", "Court or probation"
        SCHOOL = "school", "School"
        OTHER = "other", "Other"

    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.OTHER)
    phone = models.CharField(max_length=30, blank=True)

    class Meta(ClinicModel.Meta):
        ordering = ("name",)
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            models.UniqueConstraint(
                "clinic",
                Lower("name"),
                name="referralsource_name_unique",
                violation_error_message="The clinic already has a referral source of this name.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Patient(ClinicModel):
    """A person in treatment. Contact facts say which channels the patient allowed (R15, R19)."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    record_number = models.CharField(max_length=30)
    first_name = models.CharField(max_length=60)
    last_name = models.CharField(max_length=60)
    preferred_name = models.CharField(max_length=60, blank=True)
    pronouns = models.CharField(max_length=30, blank=True)
    birth_date = models.DateField(validators=[validate_birth_date])

    phone = models.CharField(max_length=30, blank=True)
    phone_is_safe = models.BooleanField("may be called at this number", default=False)
    may_leave_voicemail = models.BooleanField(default=False)
    may_text = models.BooleanField(default=False)
    may_say_clinic_name = models.BooleanField(default=False)
    best_time_to_call = models.CharField(max_length=60, blank=True)
    email = models.EmailField(blank=True)

    emergency_name = models.CharField("emergency contact", max_length=120, blank=True)
    emergency_phone = models.CharField(max_length=30, blank=True)
    emergency_relation = models.CharField(max_length=40, blank=True)
    emergency_consent = models.BooleanField(
        "patient agreed that this contact may be called", default=False
    )
    guardian_name = models.CharField(max_length=120, blank=True)
    guardian_phone = models.CharField(max_length=30, blank=True)
    guardian_relation = models.CharField(max_length=40, blank=True)

    deceased_on = models.DateField(null=True, blank=True, help_text="Stops every rule and call.")
    version = models.PositiveIntegerField(default=1)

    objects: ClassVar = PatientQuerySet.as_manager()

    class Meta(ClinicModel.Meta):
        ordering = (Lower("last_name"), Lower("first_name"), "id")
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["clinic", "record_number"],
                name="patient_record_number_unique",
                violation_error_message="Another patient of the clinic has this record number.",
            ),
            models.CheckConstraint(
                name="patient_record_number_given",
                condition=~Q(record_number=""),
                violation_error_message="Give the patient a record number.",
            ),
            models.CheckConstraint(
                name="patient_born_1900_or_later",
                condition=Q(birth_date__gte="1900-01-01"),
                violation_error_message="The birth date must be 1900 or later.",
            ),
        ]
        indexes: ClassVar = [
            models.Index("clinic", Lower("last_name"), Lower("first_name"), name="patient_by_name")
        ]

    def __str__(self) -> str:
        return f"{self.last_name}, {self.display_first_name}"

    @property
    def display_first_name(self) -> str:
        return self.preferred_name or self.first_name

    @property
    def short_name(self) -> str:
        """Preferred name and initial: what a sign-in sheet or an open screen may show."""
        return f"{self.display_first_name} {self.last_name[:1]}."


class KeepApart(ClinicModel):
    """Two patients who must not sit in one session; the reason is never shown to either's group."""

    patient = ClinicForeignKey(Patient, models.CASCADE, related_name="kept_apart_from")
    other = ClinicForeignKey(Patient, models.CASCADE, related_name="+")
    reason = models.CharField(max_length=200)
    ends_on = models.DateField(null=True, blank=True)

    class Meta(ClinicModel.Meta):
        verbose_name_plural = "keep-apart pairs"
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("keepapart", "patient", "other"),
            models.CheckConstraint(
                name="keepapart_lower_id_first",
                condition=Q(patient__lt=F("other")),
                violation_error_message="Enter each pair once, with two different patients.",
            ),
            models.UniqueConstraint(
                fields=["clinic", "patient", "other"],
                name="keepapart_pair_unique",
                violation_error_message="This pair is already entered.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.patient_id} and {self.other_id}"
