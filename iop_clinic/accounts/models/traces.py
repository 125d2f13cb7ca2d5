"""What was done and by which device: audit, repeated calls, tokens, calendar links."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar

from django.db import models
from django.utils import timezone
from knox.models import AbstractAuthToken

from iop_clinic.accounts.constraints import Audited, SameClinic, Trigger
from iop_clinic.accounts.fields import ClinicForeignKey
from iop_clinic.accounts.models.clinics import ClinicModel
from iop_clinic.accounts.models.staff import Membership, User
from iop_clinic.accounts.weeks import full_date


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
            # What changed since the night before, table by table (screening).
            models.Index(fields=["clinic_id", "table_name", "at"], name="audit_since"),
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


class CalendarLink(ClinicModel):
    """A person's secret address of their calendar in one clinic: its hash, until it is revoked.

    It hangs on the membership, so that it ends with the access and not with the therapist's row,
    which may become another person's.
    """

    membership = ClinicForeignKey(Membership, models.CASCADE, related_name="calendar_links")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta(ClinicModel.Meta):
        ordering = ("id",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["clinic", "id"], name="calendarlink_clinic_id_key"),
            SameClinic(field="membership", name="calendarlink_membership_same_clinic"),
            models.UniqueConstraint(
                fields=["membership"],
                name="calendarlink_one_per_membership",
                violation_error_message="This person already has a calendar link in this clinic.",
            ),
            Audited(name="calendarlink_audit", hidden=["digest"]),
        ]

    def __str__(self) -> str:
        return f"Calendar link of {full_date(timezone.localtime(self.created_at))}"
