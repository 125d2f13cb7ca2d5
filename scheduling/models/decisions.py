"""What was decided for each session that a closure or time off touches, and who was told."""

from __future__ import annotations

import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q

from iop_clinic.accounts.constraints import same_clinic
from iop_clinic.accounts.fields import ClinicForeignKey
from iop_clinic.accounts.models import ClinicModel, Therapist, User
from patients.models import Episode
from scheduling.models.places import Closure, Room, TimeOff
from scheduling.models.sessions import Session

_OF_ONE_CAUSE = Q(closure__isnull=True, time_off__isnull=False) | Q(
    closure__isnull=False, time_off__isnull=True
)


class Decision(ClinicModel):
    """One session, what happens to it instead, and what it was before: the undo reads it.

    `to_...` is where a moved session was put: whatever was changed later is not undone. What is
    kept loses the closed room, or the leader who is away; in a closed clinic it takes place.
    """

    class Choice(models.TextChoices):
        CANCELLED = "cancelled", "Cancelled"
        MOVED = "moved", "Moved"
        COVERED = "covered", "Covered"
        COMBINED = "combined", "Combined"
        BY_VIDEO = "by_video", "By video"
        KEPT = "kept", "Kept"

    closure = ClinicForeignKey(
        Closure, models.CASCADE, null=True, blank=True, related_name="decisions"
    )
    time_off = ClinicForeignKey(
        TimeOff, models.CASCADE, null=True, blank=True, related_name="decisions"
    )
    session = ClinicForeignKey(Session, related_name="decisions")
    choice = models.CharField(max_length=9, choices=Choice.choices)
    decided_at = models.DateTimeField()
    was_starts_at = models.DateTimeField()
    was_ends_at = models.DateTimeField()
    was_room = ClinicForeignKey(Room, null=True, blank=True, related_name="+")
    was_by_video = models.BooleanField(default=False)
    was_off_site = models.CharField(max_length=80, blank=True)
    was_needs_attention = models.CharField(max_length=200, blank=True)
    to_starts_at = models.DateTimeField(null=True, blank=True)
    to_ends_at = models.DateTimeField(null=True, blank=True)
    to_room = ClinicForeignKey(Room, null=True, blank=True, related_name="+")
    substitute = ClinicForeignKey(Therapist, null=True, blank=True, related_name="+")
    into = ClinicForeignKey(
        Session, null=True, blank=True, related_name="+", help_text="The session it joined."
    )

    class Meta(ClinicModel.Meta):
        ordering = ("was_starts_at", "id")
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic(
                "decision",
                *("closure", "time_off", "session", "was_room", "to_room", "substitute", "into"),
            ),
            models.CheckConstraint(name="decision_of_one_cause", condition=_OF_ONE_CAUSE),
            models.UniqueConstraint(
                fields=["clinic", "closure", "session"],
                name="decision_once_per_closure",
                violation_error_message="It is decided already what happens to this session.",
            ),
            models.UniqueConstraint(
                fields=["clinic", "time_off", "session"],
                name="decision_once_per_time_off",
                violation_error_message="It is decided already what happens to this session.",
            ),
            models.CheckConstraint(
                name="decision_choice_known",
                condition=Q(
                    choice__in=["cancelled", "moved", "covered", "combined", "by_video", "kept"]
                ),
            ),
            models.CheckConstraint(
                name="decision_moved_has_time",
                condition=Q(choice="moved", to_starts_at__isnull=False, to_ends_at__isnull=False)
                | (~Q(choice="moved") & Q(to_starts_at__isnull=True, to_ends_at__isnull=True)),
                violation_error_message="Say when a moved session takes place.",
            ),
            models.CheckConstraint(
                name="decision_covered_has_substitute",
                condition=Q(choice="covered", substitute__isnull=False)
                | (~Q(choice="covered") & Q(substitute__isnull=True)),
                violation_error_message="Say who covers the session.",
            ),
            models.CheckConstraint(
                name="decision_combined_has_other",
                condition=Q(choice="combined", into__isnull=False)
                | (~Q(choice="combined") & Q(into__isnull=True)),
                violation_error_message="Say with which session it is combined.",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "session"], name="decision_by_session"),
        ]

    def __str__(self) -> str:
        return self.get_choice_display()

    @property
    def was_local_date(self) -> datetime.date:
        """The date that the session had; reads the session."""
        return self.was_starts_at.astimezone(self.session.tz).date()


class Told(ClinicModel):
    """That a patient, or a therapist who covers, was told what happens. It may be taken back.

    `session` is one that was combined with another, without a closure or time off. `said` are pairs
    of a session's key and what was said of it: whatever changes later was not said.
    `again`: that they were told what holds since the closure or time off was taken back.
    """

    closure = ClinicForeignKey(Closure, models.CASCADE, null=True, blank=True, related_name="told")
    time_off = ClinicForeignKey(TimeOff, models.CASCADE, null=True, blank=True, related_name="told")
    session = ClinicForeignKey(Session, null=True, blank=True, related_name="told")
    episode = ClinicForeignKey(Episode, null=True, blank=True, related_name="+")
    therapist = ClinicForeignKey(Therapist, null=True, blank=True, related_name="+")
    again = models.BooleanField(default=False)
    said = models.JSONField(default=list, blank=True)
    told_at = models.DateTimeField()
    told_by = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)

    class Meta(ClinicModel.Meta):
        verbose_name = verbose_name_plural = "told"
        ordering = ("told_at", "id")
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("told", "closure", "time_off", "session", "episode", "therapist"),
            models.CheckConstraint(
                name="told_of_one_cause",
                condition=Q(_OF_ONE_CAUSE, session__isnull=True)
                | Q(closure__isnull=True, time_off__isnull=True, session__isnull=False),
            ),
            models.CheckConstraint(
                name="told_to_one_person",
                condition=Q(episode__isnull=True, therapist__isnull=False)
                | Q(episode__isnull=False, therapist__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["clinic", "closure", "episode", "therapist", "again"],
                condition=Q(closure__isnull=False),
                nulls_distinct=False,
                name="told_once_of_closure",
            ),
            models.UniqueConstraint(
                fields=["clinic", "time_off", "episode", "therapist", "again"],
                condition=Q(time_off__isnull=False),
                nulls_distinct=False,
                name="told_once_of_time_off",
            ),
            models.UniqueConstraint(
                fields=["clinic", "session", "episode", "therapist"],
                condition=Q(session__isnull=False),
                nulls_distinct=False,
                name="told_once_of_session",
            ),
        ]

    def __str__(self) -> str:
        return f"Told by {self.told_by}"
