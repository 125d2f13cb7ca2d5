"""Rooms, session types, and when the clinic or a therapist is away."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone

from iop_clinic.accounts.constraints import SameClinic, SameValue, TimeSpan, Trigger, same_clinic
from iop_clinic.accounts.fields import ClinicForeignKey
from iop_clinic.accounts.models import ClinicModel, Therapist
from iop_clinic.accounts.weeks import full_date
from patients.validators import validate_clinical_date
from scheduling.querysets import DaysOffQuerySet

if TYPE_CHECKING:
    from scheduling.models import Session, WeeklyBlock

CREDITABLE_STAYS = (
    "Sessions of this type exist: whether their minutes count stays as it is. Make a new type."
)

CODE = re.compile("[A-Z][A-Z0-9-]{0,19}")
CREDENTIALS = "Credentials are a list of codes in capital letters, such as LCSW or LPC."


def credentials_in(text: str) -> list[str]:
    """ "lcsw, LPC" as a list of codes, each once; whether they are some is not asked."""
    return list(dict.fromkeys(re.findall(r"[^\s,;/]+", text.upper())))


class CredentialsListed(models.Func):
    """Whether a JSON value is a list of codes of 1 to 20 capital letters, digits and dashes."""

    function = "jsonb_path_match"
    template = (
        """%(function)s(%(expressions)s, 'strict $.type() == "array" && !exists($[*] ? """
        """((@ like_regex "^[A-Z][A-Z0-9-]{0,19}$") is unknown """
        """|| !(@ like_regex "^[A-Z][A-Z0-9-]{0,19}$")))')"""
    )
    output_field = models.BooleanField()


def validate_credentials(value: object) -> None:
    codes = value if isinstance(value, list) else [None]
    if not all(isinstance(one, str) and CODE.fullmatch(one) for one in codes):
        raise ValidationError(CREDENTIALS, code="credentials")


BY_VIDEO = "by video"
ONE_PLACE = "It meets in a room, by video or off site: choose one of them."
ROOM_IN_USE = "Sessions to come have more seats than that: give them a larger room first."


class Room(ClinicModel):
    name = models.CharField(max_length=60)
    seats = models.PositiveSmallIntegerField(default=12)
    active = models.BooleanField(default=True)

    class Meta(ClinicModel.Meta):
        ordering = (Lower("name"),)
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            models.UniqueConstraint(
                "clinic",
                Lower("name"),
                name="room_name_unique",
                violation_error_message="The clinic already has a room of this name.",
            ),
            models.CheckConstraint(
                name="room_has_seats",
                condition=Q(seats__gte=1),
                violation_error_message="A room has at least one seat.",
            ),
            Trigger(
                name="room_holds_its_sessions",
                function="scheduling_room_seats",
                events="AFTER UPDATE OF seats",
                violation_error_code="room_too_small",
                violation_error_message=ROOM_IN_USE,
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        coming = self.sessions.filter(live=True, ends_at__gt=timezone.now()) if self.pk else None
        if coming is not None and coming.filter(capacity__gt=self.seats).exists():
            error = ValidationError(ROOM_IN_USE, code="room_too_small")
            raise ValidationError({"seats": error})


def one_place(name: str) -> models.CheckConstraint:
    """Something meets in a room, by video or off site, or nowhere yet: never in two of them."""
    return models.CheckConstraint(
        name=name,
        condition=Q(by_video=False, off_site="")
        | Q(room__isnull=True, off_site="")
        | Q(room__isnull=True, by_video=False),
        violation_error_code="one_place",
        violation_error_message=ONE_PLACE,
    )


def place_said(row: Session | WeeklyBlock) -> str:
    """Where it meets in words, empty without a place. Reads `room`: select it along."""
    if row.by_video:
        return BY_VIDEO
    return row.off_site or (row.room.name if row.room else "")


class SessionType(ClinicModel):
    """What kind of service a session is, and whether its minutes count as treatment (R8).

    That stays as it is once a session of the type exists: weeks and records are judged by it.
    """

    class Kind(models.TextChoices):
        GROUP = "group", "Group"
        INDIVIDUAL = "individual", "Individual"
        FAMILY = "family", "Family"
        MULTI_FAMILY = "multi_family", "Multi-family"
        EDUCATION = "education", "Education"
        PRESCRIBER = "prescriber", "Prescriber visit"
        CASE_MANAGEMENT = "case_management", "Case management"
        DRUG_SCREEN = "drug_screen", "Drug screen"
        OTHER = "other", "Other"

    name = models.CharField(max_length=60)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    creditable = models.BooleanField(default=True, help_text="Its minutes count as treatment.")
    ceiling = models.PositiveSmallIntegerField(
        default=15, help_text="Most seats a session of this type may ever have."
    )
    credentials = models.JSONField(
        "led by",
        default=list,
        blank=True,
        validators=[validate_credentials],
        help_text="Credentials of which its leader holds one, as licenses carry them. Empty: any.",
    )
    active = models.BooleanField(default=True)

    class Meta(ClinicModel.Meta):
        ordering = ("name",)
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            models.UniqueConstraint(
                "clinic",
                Lower("name"),
                name="sessiontype_name_unique",
                violation_error_message="The clinic already has a session type of this name.",
            ),
            models.CheckConstraint(
                name="sessiontype_ceiling_1_to_200", condition=Q(ceiling__range=(1, 200))
            ),
            models.CheckConstraint(
                name="sessiontype_credentials_listed",
                condition=CredentialsListed(F("credentials")),
                violation_error_message=CREDENTIALS,
            ),
            Trigger(
                name="sessiontype_creditable_stays",
                function="scheduling_creditable_stays",
                events="BEFORE UPDATE OF creditable",
                violation_error_code="type_in_use",
                violation_error_message=CREDITABLE_STAYS,
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        stored = SessionType.objects.filter(clinic=self.clinic_id, pk=self.pk)
        changed = stored.exclude(creditable=self.creditable).exists()
        if changed and self.sessions.exists():
            error = ValidationError(CREDITABLE_STAYS, code="type_in_use")
            raise ValidationError({"creditable": error})


class Closure(ClinicModel):
    """Local dates, or a part of each, on which the clinic or one room is closed.

    One that was taken back stays, for those who were told, and closes nothing any more.
    """

    starts_on = models.DateField(validators=[validate_clinical_date])
    ends_on = models.DateField(validators=[validate_clinical_date])
    from_time = models.TimeField(null=True, blank=True, help_text="Empty: from opening.")
    to_time = models.TimeField(null=True, blank=True, help_text="Empty: until closing.")
    room = ClinicForeignKey(Room, null=True, blank=True, related_name="closures")
    reason = models.CharField(max_length=120)
    taken_back_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = DaysOffQuerySet.as_manager()

    class Meta(ClinicModel.Meta):
        ordering = ("-starts_on",)
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("closure", "room"),
            models.CheckConstraint(
                name="closure_ends_after_start",
                condition=Q(ends_on__gte=F("starts_on")),
                violation_error_message="The closure ends before it starts.",
            ),
            models.CheckConstraint(
                name="closure_times_in_order",
                condition=Q(from_time__isnull=True)
                | Q(to_time__isnull=True)
                | Q(to_time__gt=F("from_time")),
                violation_error_message="The closure's times are in the wrong order.",
            ),
            models.UniqueConstraint(
                fields=["clinic", "room", "starts_on", "ends_on", "from_time", "to_time"],
                condition=Q(taken_back_at__isnull=True),
                nulls_distinct=False,
                name="closure_once",
                violation_error_message="It is closed then already.",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["clinic", "ends_on"], name="closure_by_date")]

    def __str__(self) -> str:
        return f"{self.reason}, {full_date(self.starts_on)}"


class TimeOff(ClinicModel):
    """Instants at which a therapist does not work; taken back, it stays as a closure does."""

    therapist = ClinicForeignKey(Therapist, models.CASCADE, related_name="time_off")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=120, blank=True)
    taken_back_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = DaysOffQuerySet.as_manager()

    class Meta(ClinicModel.Meta):
        ordering = ("-starts_at",)
        verbose_name_plural = "time off"
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            SameClinic(field="therapist", name="timeoff_therapist_same_clinic"),
            models.CheckConstraint(
                name="timeoff_ends_after_start",
                condition=Q(ends_at__gt=F("starts_at")),
                violation_error_message="The time off ends before it starts.",
            ),
            ExclusionConstraint(
                name="timeoff_once",
                expressions=[(SameValue("therapist"), "&&"), (TimeSpan(), "&&")],
                condition=Q(taken_back_at__isnull=True),
                deferrable=models.Deferrable.IMMEDIATE,
                violation_error_code="off_already",
                violation_error_message="The therapist has time off then already.",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["clinic", "ends_at"], name="timeoff_by_end")]

    def __str__(self) -> str:
        return f"{self.therapist} off from {full_date(timezone.localtime(self.starts_at))}"
