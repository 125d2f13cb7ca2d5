"""Files that somebody brings into a clinic, from the upload to what became of them."""

from __future__ import annotations

import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from iop_clinic.accounts.constraints import Audited
from iop_clinic.accounts.models import ClinicModel, User


class DataImport(ClinicModel):
    """One upload: checked by a worker, confirmed by a person, imported by a worker.

    `content` is what was uploaded; it is kept only as long as somebody may still import it. What
    was found in it (`report`, `listing`) may quote cells, so neither gets into the audit trail.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting to be checked"
        CHECKING = "checking", "Being checked"
        REFUSED = "refused", "Problems found"
        CHECKED = "checked", "Ready to import"
        CONFIRMED = "confirmed", "Waiting to be imported"
        IMPORTING = "importing", "Being imported"
        IMPORTED = "imported", "Imported"
        NOTHING_NEW = "nothing_new", "Nothing new in it"
        STOPPED = "stopped", "Stopped"
        DISCARDED = "discarded", "Discarded"

    state = models.CharField(max_length=11, choices=State.choices, default=State.WAITING)
    uploaded_at = models.DateTimeField(default=timezone.now)
    uploaded_by = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    confirmed_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    files = models.JSONField(help_text="The names of the files.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of what was uploaded.")
    content = models.BinaryField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    report = models.JSONField(default=dict)
    listing = models.BinaryField(null=True, help_text="Every problem as CSV text, compressed.")

    class Meta(ClinicModel.Meta):
        ordering = ("-uploaded_at", "-id")
        verbose_name = "import"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["clinic", "id"], name="dataimport_clinic_id_key"),
            models.CheckConstraint(
                name="dataimport_running_has_lease",
                condition=~Q(state__in=["checking", "importing"]) | Q(lease_until__isnull=False),
            ),
            models.CheckConstraint(
                name="dataimport_over_has_time_and_no_files",
                condition=~Q(state__in=["refused", "imported", "nothing_new", "discarded"])
                | Q(finished_at__isnull=False, content__isnull=True),
            ),
            models.CheckConstraint(
                name="dataimport_to_do_has_files",
                condition=~Q(state__in=["waiting", "checking", "checked", "confirmed", "importing"])
                | Q(content__isnull=False),
            ),
            models.CheckConstraint(
                name="dataimport_confirmed_by_somebody",
                condition=~Q(state__in=["confirmed", "importing", "imported"])
                | Q(confirmed_by__isnull=False),
            ),
            Audited(
                name="dataimport_audit",
                hidden=["content", "report", "listing", "files", "lease_until"],
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "uploaded_at"], name="dataimport_by_time"),
        ]

    def __str__(self) -> str:
        return f"Import of {timezone.localtime(self.uploaded_at):%b %-d, %Y, %-I:%M %p}"

    @property
    def is_busy(self) -> bool:
        """Whether a worker has it, or is to have it."""
        State = self.State
        return self.state in (State.WAITING, State.CHECKING, State.CONFIRMED, State.IMPORTING)

    def is_stalled(self, now: datetime.datetime) -> bool:
        """Whether the worker that had it is gone: its time is over and it said nothing."""
        running = self.state in (self.State.CHECKING, self.State.IMPORTING)
        return running and self.lease_until is not None and self.lease_until < now
