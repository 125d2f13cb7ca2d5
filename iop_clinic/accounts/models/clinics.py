"""A clinic, and what every row of a clinic carries."""

from __future__ import annotations

import uuid
import zoneinfo
from datetime import time
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from iop_clinic.accounts.constraints import Audited
from iop_clinic.accounts.visibility import ClinicQuerySet


def validate_zone(value: str) -> None:
    if value not in zoneinfo.available_timezones():
        raise ValidationError(
            f"“{value}” is not a time zone. Use a name such as America/New_York.", code="zone"
        )


class Weekday(models.IntegerChoices):
    MONDAY = 0
    TUESDAY = 1
    WEDNESDAY = 2
    THURSDAY = 3
    FRIDAY = 4
    SATURDAY = 5
    SUNDAY = 6


class Clinic(models.Model):
    """One treatment facility: its zone, its week, its hours. Rows of two clinics never meet."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=120, unique=True)
    zone = models.CharField(
        "time zone", max_length=60, default="America/New_York", validators=[validate_zone]
    )
    state = models.CharField("US state", max_length=2, blank=True)
    phone = models.CharField(max_length=30, blank=True)
    week_starts_on = models.PositiveSmallIntegerField(
        choices=Weekday.choices, default=Weekday.MONDAY
    )
    opens_at = models.TimeField(default=time(8))
    closes_at = models.TimeField(default=time(17))
    business_days = models.JSONField(
        default=list, blank=True, help_text="Weekdays as numbers, Monday 0; empty means 0-4."
    )
    nightly_at = models.TimeField(
        default=time(5),
        help_text="When yesterday is judged. Not between 00:30 and 03:30, when clocks change.",
    )
    adult_at = models.PositiveSmallIntegerField(
        "adult from the age of",
        default=18,
        help_text="Standards for adolescents end at this age, 18 to 21 by state (R2).",
    )
    active = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ("name",)
        constraints: ClassVar = [
            models.CheckConstraint(
                name="clinic_adult_at_18_to_21",
                condition=Q(adult_at__range=(18, 21)),
                violation_error_message="Adolescence ends between 18 and 21.",
            ),
            models.CheckConstraint(
                name="clinic_nightly_outside_clock_changes",
                condition=Q(nightly_at__lt="00:30") | Q(nightly_at__gt="03:30"),
                violation_error_message="Choose a nightly time outside 00:30-03:30.",
            ),
            models.CheckConstraint(
                name="clinic_closes_after_opening",
                condition=Q(closes_at__gt=F("opens_at")),
                violation_error_message="The clinic must close after it opens.",
            ),
            models.CheckConstraint(
                name="clinic_week_starts_on_a_weekday", condition=Q(week_starts_on__lte=6)
            ),
            Audited(name="clinic_audit"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def tz(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.zone)


class ClinicModel(models.Model):
    """A row that belongs to one clinic for ever; audited; a parent for composite keys."""

    clinic = models.ForeignKey(Clinic, models.PROTECT, db_index=False, related_name="+")

    objects = ClinicQuerySet.as_manager()

    class Meta:
        abstract = True
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["clinic", "id"], name="%(class)s_clinic_id_key"),
            Audited(name="%(class)s_audit"),
        ]
