"""The nightly run, what it reports, and to whom it was delivered."""

from __future__ import annotations

import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from iop_clinic.accounts.constraints import same_clinic
from iop_clinic.accounts.fields import ClinicForeignKey
from iop_clinic.accounts.models import ClinicModel, Therapist, User
from iop_clinic.accounts.weeks import Week, full_date


class JobTick(models.Model):
    """When the tick last ran; an old one means that beat or the worker hangs."""

    name = models.CharField(max_length=20, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class NightlyRun(ClinicModel):
    """The judgement of one local date in one clinic. Claimed by one worker at a time."""

    class State(models.TextChoices):
        CLAIMED = "claimed", "Claimed"
        EVALUATED = "evaluated", "Evaluated"
        FINISHED = "finished", "Finished"
        FAILED = "failed", "Failed"

    local_date = models.DateField(help_text="The day that is judged.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.CLAIMED)
    attempts = models.PositiveSmallIntegerField(default=1)
    lease_until = models.DateTimeField()
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    counts = models.JSONField(default=dict)
    findings = models.JSONField(default=list)
    error = models.CharField(max_length=200, blank=True, help_text="Exception class, no values.")

    class Meta(ClinicModel.Meta):
        ordering = ("-local_date",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["clinic", "id"], name="nightlyrun_clinic_id_key"),
            models.UniqueConstraint(
                fields=["clinic", "local_date"], name="nightlyrun_once_per_night"
            ),
            models.CheckConstraint(
                name="nightlyrun_finished_has_time",
                condition=~Q(state="finished") | Q(finished_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"Night of {full_date(self.local_date)}"


class ComplianceReport(ClinicModel):
    """What one night tells: of the whole clinic, or of one therapist's caseload. Counts only."""

    class Kind(models.TextChoices):
        NIGHTLY = "nightly", "Nightly"
        WEEKLY = "weekly", "Weekly"

    run = ClinicForeignKey(NightlyRun, models.CASCADE, related_name="reports")
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.NIGHTLY)
    therapist = ClinicForeignKey(
        Therapist, null=True, blank=True, related_name="+", help_text="Empty: the whole clinic."
    )
    local_date = models.DateField()
    content = models.JSONField(help_text="Counts and links; never an identity (R15).")
    built_at = models.DateTimeField(default=timezone.now)

    class Meta(ClinicModel.Meta):
        ordering = ("-local_date", "id")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["clinic", "id"], name="compliancereport_clinic_id_key"),
            *same_clinic("compliancereport", "run", "therapist"),
            models.UniqueConstraint(
                fields=["run", "kind", "therapist"],
                nulls_distinct=False,
                name="compliancereport_once_per_scope",
            ),
        ]

    def __str__(self) -> str:
        if self.kind == self.Kind.WEEKLY and "week" in self.content:
            week = Week(datetime.date.fromisoformat(self.content["week"]))
            return f"Weekly report, {week.label}"
        return f"{self.get_kind_display()} report of {full_date(self.local_date)}"


class ReportDelivery(ClinicModel):
    """One report to one recipient; every attempt is counted before it is made.

    A delivery in `sending` whose lease has run out was interrupted: it is tried again, with the
    same Message-ID, as one of the 6 attempts.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"
        DROPPED = "dropped", "Not sent: no longer a recipient"

    report = ClinicForeignKey(ComplianceReport, models.CASCADE, related_name="deliveries")
    recipient = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    state = models.CharField(max_length=8, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True, blank=True)
    message_id = models.CharField(max_length=120, unique=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=120, blank=True, help_text="SMTP code or exception class.")

    class Meta(ClinicModel.Meta):
        ordering = ("-due_at",)
        verbose_name_plural = "report deliveries"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["clinic", "id"], name="reportdelivery_clinic_id_key"),
            *same_clinic("reportdelivery", "report"),
            models.UniqueConstraint(
                fields=["report", "recipient"], name="reportdelivery_once_per_recipient"
            ),
            models.CheckConstraint(
                name="reportdelivery_attempts_at_most_6", condition=Q(attempts__lte=6)
            ),
            models.CheckConstraint(
                name="reportdelivery_sending_has_lease",
                condition=~Q(state="sending") | Q(lease_until__isnull=False),
            ),
            models.CheckConstraint(
                name="reportdelivery_sent_has_time",
                condition=~Q(state="sent") | Q(sent_at__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"],
                condition=Q(state__in=["pending", "sending"]),
                name="delivery_to_send",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.report} to {self.recipient}"
