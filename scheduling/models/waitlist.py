"""Who waits for a seat in a group, in order, and what was done about it at each opening (R13)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from iop_clinic.accounts.constraints import same_clinic
from iop_clinic.accounts.fields import ClinicForeignKey
from iop_clinic.accounts.models import ClinicModel, User
from iop_clinic.accounts.weeks import full_date
from patients.models import Episode
from patients.validators import validate_clinical_date
from scheduling.models.groups import Group


class WaitlistEntry(ClinicModel):
    """A patient waiting for a seat in a group, in order (R13)."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        OFFERED = "offered", "Offered"
        ENROLLED = "enrolled", "Enrolled"
        DECLINED = "declined", "Declined"
        REMOVED = "removed", "Removed"

    group = ClinicForeignKey(Group, related_name="waitlist")
    episode = ClinicForeignKey(Episode, models.CASCADE, related_name="waitlist_entries")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    added_at = models.DateTimeField()
    note = models.CharField(max_length=200, blank=True)
    left_reason = models.CharField("why the patient left the list", max_length=200, blank=True)

    class Meta(ClinicModel.Meta):
        ordering = ("added_at", "id")
        verbose_name_plural = "waitlist entries"
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("waitlistentry", "group", "episode"),
            models.UniqueConstraint(
                fields=["clinic", "group", "episode"],
                condition=Q(state__in=["waiting", "offered"]),
                name="waitlistentry_waits_once",
                violation_error_message="The patient already waits for this group.",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["clinic", "episode"], name="waitlist_by_episode")]

    def __str__(self) -> str:
        return f"{self.get_state_display()} since {full_date(timezone.localtime(self.added_at))}"

    @property
    def waits(self) -> bool:
        return self.state in WAITING


WAITING = (WaitlistEntry.State.WAITING, WaitlistEntry.State.OFFERED)


class WaitlistOffer(ClinicModel):
    """A seat offered to somebody who waits: from which day, until when, what came of it.

    It keeps nobody from being enrolled: whoever is enrolled first has the seat, and the offer for
    which none is left is withdrawn.
    """

    class Answer(models.TextChoices):
        OPEN = "open", "Open"
        ACCEPTED = "accepted", "Accepted"
        DECLINED = "declined", "Declined"
        EXPIRED = "expired", "Expired"
        WITHDRAWN = "withdrawn", "Withdrawn"

    entry = ClinicForeignKey(WaitlistEntry, models.CASCADE, related_name="offers")
    starts_on = models.DateField("first day", validators=[validate_clinical_date])
    made_at = models.DateTimeField()
    made_by = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    expires_at = models.DateTimeField("stands until")
    answer = models.CharField(max_length=9, choices=Answer.choices, default=Answer.OPEN)
    answered_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=200, blank=True)

    class Meta(ClinicModel.Meta):
        ordering = ("made_at", "id")
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("waitlistoffer", "entry"),
            models.UniqueConstraint(
                fields=["clinic", "entry"],
                condition=Q(answer="open"),
                name="waitlistoffer_open_once",
                violation_error_message="A seat is offered to this patient already.",
            ),
            models.CheckConstraint(
                name="waitlistoffer_answer_known",
                condition=Q(answer__in=["open", "accepted", "declined", "expired", "withdrawn"]),
            ),
            models.CheckConstraint(
                name="waitlistoffer_open_until_answered",
                condition=Q(answer="open", answered_at__isnull=True)
                | (~Q(answer="open") & Q(answered_at__isnull=False)),
                violation_error_message="An offer is open until it is answered.",
            ),
            models.CheckConstraint(
                name="waitlistoffer_expires_after_made",
                condition=Q(expires_at__gt=F("made_at")),
                violation_error_message="The offer ends before it is made.",
            ),
            models.CheckConstraint(
                name="waitlistoffer_withdrawn_has_reason",
                condition=~Q(answer="withdrawn") | ~Q(reason=""),
                violation_error_message="Say why the offer is withdrawn.",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "entry"], name="waitlistoffer_by_entry"),
            models.Index(  # what the tick of every minute asks
                fields=["expires_at"], condition=Q(answer="open"), name="waitlistoffer_open_by_end"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_answer_display()}, from {full_date(self.starts_on)}"


class WaitlistStep(ClinicModel):
    """One try to reach somebody who waits, or that they were passed over and why (R13)."""

    class Method(models.TextChoices):
        """Channels by the names under which patients allow them."""

        CALL = "call", "Call"
        VOICEMAIL = "voicemail", "Voicemail"
        TEXT = "text", "Text message"
        IN_PERSON = "in_person", "In person"
        GUARDIAN = "guardian", "Guardian"

    class Result(models.TextChoices):
        REACHED = "reached", "Reached"
        LEFT_MESSAGE = "left_message", "Left a message"
        NO_ANSWER = "no_answer", "No answer"
        WRONG_NUMBER = "wrong_number", "Wrong number"
        PASSED_OVER = "passed_over", "Passed over"

    entry = ClinicForeignKey(WaitlistEntry, models.CASCADE, related_name="steps")
    method = models.CharField(max_length=9, choices=Method.choices, blank=True)
    result = models.CharField(max_length=12, choices=Result.choices)
    note = models.CharField(max_length=200, blank=True)
    noted_at = models.DateTimeField()
    noted_by = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)

    class Meta(ClinicModel.Meta):
        ordering = ("noted_at", "id")
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("waitliststep", "entry"),
            models.CheckConstraint(
                name="waitliststep_result_known",
                condition=Q(
                    result__in=[
                        "reached", "left_message", "no_answer", "wrong_number", "passed_over",
                    ]
                ),
            ),
            models.CheckConstraint(
                name="waitliststep_method_of_attempts",
                condition=Q(result="passed_over", method="")
                | (~Q(result="passed_over") & ~Q(method="")),
                violation_error_message="Say how it was tried to reach the patient.",
            ),
            models.CheckConstraint(
                name="waitliststep_passed_over_has_reason",
                condition=~Q(result="passed_over") | ~Q(note=""),
                violation_error_message="Say why the patient was passed over.",
            ),
        ]  # fmt: skip
        indexes: ClassVar = [models.Index(fields=["clinic", "entry"], name="waitliststep_by_entry")]

    def __str__(self) -> str:
        if not self.method:
            return self.get_result_display()
        return f"{self.get_method_display()}: {self.get_result_display().lower()}"
