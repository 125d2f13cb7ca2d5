"""Who works where, as what, with which license."""

from __future__ import annotations

import uuid
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.db.models.lookups import Exact
from django.utils import timezone

from iop_clinic.accounts.constraints import Audited, SameClinic
from iop_clinic.accounts.fields import ClinicForeignKey
from iop_clinic.accounts.models.clinics import Clinic, ClinicModel
from iop_clinic.accounts.roles import PERMISSIONS, Can, Role
from iop_clinic.accounts.visibility import ClinicQuerySet, Scope, Sight, clinic_today
from iop_clinic.accounts.weeks import full_date


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
        live = Membership.objects.filter(user=self).live().order_by("pk")
        return Scope.of(live.values_list("clinic_id", "role", "therapist"))

    @property
    def sight(self) -> Sight:
        """What this person sees now."""
        return self.scope.sight(timezone.now())

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

    def working_clinic(self) -> Clinic | None:
        current = self.working_clinic_id
        if current is None:
            return None
        if self.current_clinic is not None and self.current_clinic_id == current:
            return self.current_clinic
        return Clinic.objects.get(pk=current)


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
    def live(self, now: datetime | None = None) -> MembershipQuerySet:
        """Memberships that let a person in at a moment, or now (an auditor's ends by itself)."""
        return self.filter(
            Q(ends_on__isnull=True) | Q(ends_on__gte=clinic_today(now or timezone.now())),
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
        return f"{self.credential} {self.state}, until {full_date(self.expires_on)}"
