"""Clinics, the people who work there, their credentials, and who changed what."""

from __future__ import annotations

import uuid
import zoneinfo
from datetime import datetime, time
from functools import cached_property
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.db.models.lookups import Exact
from django.utils import timezone
from knox.models import AbstractAuthToken

from iop_clinic.accounts.constraints import Audited, SameClinic, Trigger
from iop_clinic.accounts.fields import ClinicForeignKey
from iop_clinic.accounts.roles import PERMISSIONS, Can, Role
from iop_clinic.accounts.visibility import ClinicQuerySet, Scope, clinic_today


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
    active = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ("name",)
        constraints: ClassVar = [
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


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **extra: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> User:
        return self.create_user(email, password, is_superuser=True, **extra)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(Exact(Lower("email"), (username or "").lower()))


class User(AbstractBaseUser):  # type: ignore[django-manager-missing]  # knox has no types
    """A person who signs in, by email. What they may do follows from their memberships."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120)
    is_active = models.BooleanField(default=True)
    is_superuser = models.BooleanField(
        default=False, help_text="Runs the installation; sees no clinic without a membership."
    )
    current_clinic = models.ForeignKey(
        Clinic, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    date_joined = models.DateTimeField(default=timezone.now)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar = ["name"]

    objects = UserManager()

    class Meta:
        ordering = (Lower("name"), "id")
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("email"),
                name="user_email_unique",
                violation_error_message="Someone already signs in with this email address.",
            ),
            Audited(name="user_audit", hidden=["password", "last_login"]),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def actor(self) -> str:
        return f"user:{self.pk}"

    @cached_property
    def scope(self) -> Scope:
        """Roles and therapist rows, read once for each request (the user object's life)."""
        if not self.is_active or self.pk is None:
            return Scope({}, frozenset())
        rows = (
            Membership.objects.filter(user=self)
            .live()
            .order_by("pk")
            .values_list("clinic_id", "role", "therapist")
        )
        return Scope(
            {clinic: Role(role) for clinic, role, _ in rows},
            frozenset(therapist for *_, therapist in rows if therapist),
        )

    def may(self, can: Can, clinic: Clinic | int) -> bool:
        return self.scope.may(can, clinic if isinstance(clinic, int) else clinic.pk)

    # --- what Django's admin asks ---

    def get_full_name(self) -> str:
        return self.name

    @property
    def is_staff(self) -> bool:
        return self.is_active and bool(self.scope.roles)

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Whether the role in the current clinic has `perm`, a value of `Can`."""
        clinic = self.working_clinic_id
        if clinic is None or perm not in Can.values:
            return False
        return self.scope.may(Can(perm), clinic)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_staff

    @property
    def working_clinic_id(self) -> int | None:
        """The clinic chosen last, or the only (first) one this person works in."""
        roles = self.scope.roles
        if self.current_clinic_id in roles:
            return self.current_clinic_id
        return next(iter(roles), None)  # in the order in which they joined


class Therapist(ClinicModel):
    """A clinician of one clinic: who leads sessions and carries a caseload."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=120)
    credentials = models.CharField(max_length=60, blank=True, help_text="As signed: LCSW, LADC.")
    phone = models.CharField(max_length=30, blank=True)
    max_caseload = models.PositiveSmallIntegerField(default=24)
    active = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1)

    class Meta(ClinicModel.Meta):
        ordering = (Lower("name"), "id")

    def __str__(self) -> str:
        return f"{self.name}, {self.credentials}" if self.credentials else self.name


class MembershipQuerySet(ClinicQuerySet["Membership"]):
    def live(self) -> MembershipQuerySet:
        """Memberships that let a person in today (an auditor's ends by itself)."""
        return self.filter(
            Q(ends_on__isnull=True) | Q(ends_on__gte=clinic_today()),
            active=True,
            clinic__active=True,
        )


class Membership(ClinicModel):
    """A person's role in one clinic; for therapists, which therapist row they are."""

    user = models.ForeignKey(User, models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)
    therapist = ClinicForeignKey(Therapist, null=True, blank=True, related_name="memberships")
    active = models.BooleanField(default=True)
    ends_on = models.DateField(
        null=True, blank=True, help_text="Last day of access; auditors always have one."
    )
    receives_reports = models.BooleanField(default=True)

    objects: ClassVar = MembershipQuerySet.as_manager()

    class Meta(ClinicModel.Meta):
        ordering = ("clinic", "user")
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            SameClinic(field="therapist", name="membership_therapist_same_clinic"),
            models.UniqueConstraint(
                fields=["user", "clinic"],
                name="membership_one_per_person_and_clinic",
                violation_error_message="This person already has a role in this clinic.",
            ),
            models.UniqueConstraint(
                fields=["therapist"],
                name="membership_one_per_therapist",
                violation_error_message="Another person already signs in as this therapist.",
            ),
            models.CheckConstraint(name="membership_role_known", condition=Q(role__in=Role.values)),
            models.CheckConstraint(
                name="membership_auditor_until_a_date",
                condition=~Q(role=Role.AUDITOR) | Q(ends_on__isnull=False),
                violation_error_message="An auditor's access needs a last day.",
            ),
            models.CheckConstraint(
                name="membership_therapist_role_names_therapist",
                condition=~Q(role=Role.THERAPIST) | Q(therapist__isnull=False),
                violation_error_message="Choose which therapist this person is.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.get_role_display()}"

    @property
    def permissions(self) -> frozenset[Can]:
        return PERMISSIONS[Role(self.role)]


class License(ClinicModel):
    """A therapist's license: what it allows, in which state, until when."""

    therapist = ClinicForeignKey(Therapist, models.CASCADE, related_name="licenses")
    credential = models.CharField(max_length=20, help_text="LCSW, LPC, LMFT, LADC, CADC …")
    state = models.CharField("US state", max_length=2)
    number = models.CharField(max_length=40)
    may_diagnose = models.BooleanField(default=True)
    issued_on = models.DateField(null=True, blank=True)
    expires_on = models.DateField()

    class Meta(ClinicModel.Meta):
        ordering = ("therapist", "expires_on")
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            SameClinic(field="therapist", name="license_therapist_same_clinic"),
            models.UniqueConstraint(
                fields=["clinic", "therapist", "credential", "state", "number"],
                name="license_unique",
                violation_error_message="This license is already entered.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.credential} {self.state}, until {self.expires_on}"


class AuditEvent(models.Model):
    """One change of one row: who, when, old and new values. Written by triggers, never edited.

    An update keeps only the columns that changed. `operation` R is a read of a patient's page, a
    roster or an export. Rows may be partitioned by month (docs/operations.md).
    """

    class Operation(models.TextChoices):
        INSERT = "I", "created"
        UPDATE = "U", "changed"
        DELETE = "D", "deleted"
        READ = "R", "read"

    clinic_id = models.BigIntegerField(null=True)
    table_name = models.CharField(max_length=63)
    row_id = models.BigIntegerField()
    operation = models.CharField(max_length=1, choices=Operation.choices)
    old = models.JSONField(null=True)
    new = models.JSONField(null=True)
    actor = models.CharField(max_length=120)
    at = models.DateTimeField()

    class Meta:
        ordering = ("-at", "-id")
        indexes: ClassVar = [
            models.Index(fields=["clinic_id", "table_name", "row_id", "at"], name="audit_row"),
        ]
        constraints: ClassVar = [
            Trigger(
                name="auditevent_append_only",
                function="iop_append_only",
                events="BEFORE UPDATE OR DELETE",
                violation_error_message="The audit trail cannot be changed.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.table_name} {self.row_id} {self.get_operation_display()} by {self.actor}"


class IdempotencyKey(models.Model):
    """A client's key for one POST: a repeat within 24 h gets the first answer's status and id."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    route = models.CharField(max_length=200)
    key = models.CharField(max_length=200)
    body_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True, help_text="Empty while in flight.")
    location = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "route", "key"], name="idempotency_key_unique"),
        ]
        indexes: ClassVar = [models.Index(fields=["created_at"], name="idempotency_key_age")]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"


class Device(AbstractAuthToken):
    """A phone or tablet that someone signed in on: the hash of its API token, until it expires."""

    # The base class carries no types, so the plugin cannot infer these.
    digest: models.CharField[str, str] = models.CharField(max_length=128, unique=True)
    public_id: models.UUIDField[uuid.UUID, uuid.UUID] = models.UUIDField(
        default=uuid.uuid4, unique=True, editable=False
    )
    name: models.CharField[str, str] = models.CharField(max_length=80, blank=True)
    last_used_at: models.DateTimeField[datetime, datetime] = models.DateTimeField(
        default=timezone.now
    )

    class Meta:
        ordering = ("-created", "id")
        constraints: ClassVar = [
            Audited(name="device_audit", hidden=["digest", "token_key", "last_used_at"])
        ]

    def __str__(self) -> str:
        return self.name or "Unnamed device"
