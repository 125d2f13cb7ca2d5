"""Cases: what somebody must act on, and what was tried."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from attendance.models.standards import AbsenceRule, Severity
from attendance.querysets import FlagQuerySet
from iop_clinic.accounts.constraints import same_clinic
from iop_clinic.accounts.fields import ClinicForeignKey
from iop_clinic.accounts.models import ClinicModel, Therapist, User
from iop_clinic.accounts.roles import Role
from patients.models import Episode
from scheduling.models import Group, Session


class Flag(ClinicModel):
    """A case: one row for each (rule, subject, evidence key), for ever.

    The evidence key names what the case is about (the week's start, the day that reached the limit,
    the session), so the same evidence never opens a second case and next week's is another. A
    person closes a case with an outcome; corrected facts close it with a note, and it reopens as
    the same row if the facts return; a window that slid past leaves it lapsed.
    """

    class Subject(models.IntegerChoices):
        EPISODE = 1, "Patient"
        SESSION = 2, "Session"
        GROUP = 3, "Group"
        THERAPIST = 4, "Therapist"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        IN_OUTREACH = "in_outreach", "In outreach"
        SNOOZED = "snoozed", "Snoozed"
        CLOSED = "closed", "Closed"
        LAPSED = "lapsed", "Lapsed, not worked"

    class Outcome(models.TextChoices):
        REACHED = "reached", "Reached, coming back"
        MAKE_UP = "make_up", "Make-up booked"
        EXCUSED = "excused", "Excused after review"
        PLAN_CHANGED = "plan_changed", "Plan changed"
        DISCHARGED = "discharged", "Discharged"
        NOT_REACHED = "not_reached", "Not reached after every step"
        RECORDED = "recorded", "Roster recorded"
        FACTS = "facts", "Closed by facts"
        OTHER = "other", "Other"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    rule = models.PositiveSmallIntegerField(choices=AbsenceRule.Kind.choices)
    subject_type = models.PositiveSmallIntegerField(choices=Subject.choices)
    subject_id = models.BigIntegerField()
    episode = ClinicForeignKey(Episode, null=True, blank=True, related_name="flags")
    session = ClinicForeignKey(Session, null=True, blank=True, related_name="flags")
    group = ClinicForeignKey(Group, null=True, blank=True, related_name="flags")
    therapist = ClinicForeignKey(Therapist, null=True, blank=True, related_name="flags")
    evidence_key = models.CharField(max_length=60)
    evidence = models.JSONField(default=dict)
    sentence = models.CharField(max_length=300, help_text="What happened, with the numbers.")
    state = models.CharField(max_length=12, choices=State.choices, default=State.OPEN)
    severity = models.PositiveSmallIntegerField(choices=Severity.choices)
    owner_role = models.CharField(max_length=20, choices=Role.choices)
    owner = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    opened_at = models.DateTimeField(default=timezone.now)
    reopened_at = models.DateTimeField(
        null=True, blank=True, help_text="When its facts came back after it was settled."
    )
    opened_for = models.DateField(help_text="The local date whose facts opened it.")
    due_at = models.DateTimeField()
    escalated_at = models.DateTimeField(
        null=True, blank=True, help_text="When it went to the next role, being overdue."
    )
    snoozed_until = models.DateField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=14, choices=Outcome.choices, blank=True)
    outcome_note = models.CharField(max_length=300, blank=True)
    closed_by_facts = models.BooleanField(default=False)
    changed_at = models.DateTimeField(default=timezone.now, help_text="Last change of the facts.")
    version = models.PositiveIntegerField(default=1)

    objects: ClassVar = FlagQuerySet.as_manager()

    class Meta(ClinicModel.Meta):
        ordering = ("-severity", "due_at", "id")
        verbose_name = "case"
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("flag", "episode", "session", "group", "therapist"),
            models.UniqueConstraint(
                fields=["clinic", "rule", "subject_type", "subject_id", "evidence_key"],
                name="flag_once_per_evidence",
                violation_error_code="duplicate_case",
                violation_error_message="This evidence already has a case.",
            ),
            models.CheckConstraint(
                name="flag_subject_is_its_key",
                # An empty key would make the comparison unknown, which passes: ask for it first.
                condition=Q(subject_type=1, episode__isnull=False, episode=models.F("subject_id"))
                | Q(subject_type=2, session__isnull=False, session=models.F("subject_id"))
                | Q(subject_type=3, group__isnull=False, group=models.F("subject_id"))
                | Q(subject_type=4, therapist__isnull=False, therapist=models.F("subject_id")),
            ),
            models.CheckConstraint(
                name="flag_state_known",
                condition=Q(
                    state__in=[
                        "open",
                        "acknowledged",
                        "in_outreach",
                        "snoozed",
                        "closed",
                        "lapsed",
                    ]
                ),
            ),
            models.CheckConstraint(
                name="flag_closed_has_outcome",
                condition=(Q(state="closed", closed_at__isnull=False) & ~Q(outcome=""))
                | Q(state="lapsed", closed_at__isnull=False)
                | (~Q(state__in=["closed", "lapsed"]) & Q(closed_at__isnull=True, outcome="")),
                violation_error_code="outcome_required",
                violation_error_message="A case is closed with an outcome.",
            ),
            models.CheckConstraint(
                name="flag_snoozed_until_a_date",
                condition=~Q(state="snoozed") | Q(snoozed_until__isnull=False),
                violation_error_message="A snoozed case needs a date.",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "state", "due_at"], name="flag_by_state"),
            models.Index(fields=["clinic", "episode"], name="flag_by_episode"),
            models.Index(fields=["clinic", "session"], name="flag_by_session"),
        ]

    def __str__(self) -> str:
        return self.sentence

    @property
    def is_open(self) -> bool:
        return self.state not in (self.State.CLOSED, self.State.LAPSED)


class OutreachAttempt(ClinicModel):
    """One try to reach a patient: when, how, what came of it (R19)."""

    class Method(models.TextChoices):
        CALL = "call", "Call"
        VOICEMAIL = "voicemail", "Voicemail"
        TEXT = "text", "Text message"
        EMERGENCY_CONTACT = "emergency_contact", "Emergency contact"
        IN_PERSON = "in_person", "In person"
        GUARDIAN = "guardian", "Guardian"
        WELFARE_CHECK = "welfare_check", "Welfare check"

    class Result(models.TextChoices):
        REACHED = "reached", "Reached"
        NO_ANSWER = "no_answer", "No answer"
        LEFT_MESSAGE = "left_message", "Left a message"
        WRONG_NUMBER = "wrong_number", "Wrong number"
        DECLINED = "declined", "Declined to talk"
        REQUESTED = "requested", "Decided: asked for"
        NOT_NEEDED = "not_needed", "Decided: not asked for"

    flag = ClinicForeignKey(Flag, related_name="outreach")
    episode = ClinicForeignKey(Episode, related_name="outreach")
    method = models.CharField(max_length=20, choices=Method.choices)
    result = models.CharField(max_length=14, choices=Result.choices)
    note = models.TextField(blank=True)
    next_step = models.CharField(max_length=200, blank=True)
    attempted_at = models.DateTimeField(default=timezone.now)
    attempted_by = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)

    class Meta(ClinicModel.Meta):
        ordering = ("-attempted_at",)
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("outreachattempt", "flag", "episode"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "flag"], name="outreach_by_flag"),
            models.Index(fields=["clinic", "episode"], name="outreach_by_episode"),
        ]

    def __str__(self) -> str:
        return f"{self.get_method_display()}: {self.get_result_display().lower()}"


class WeekNote(ClinicModel):
    """Why a week was short, what was done about it, which make-up was offered (R7).

    One for each case of a week's hours; written and rewritten by staff, audited.
    """

    class Reason(models.TextChoices):
        ILLNESS = "illness", "Illness or medical care"
        COURT = "court", "Court or custody"
        WORK = "work", "Work"
        FAMILY = "family", "Childcare or family"
        TRANSPORT = "transport", "Transport"
        CLINIC = "clinic", "The clinic cancelled or could not offer the hours"
        DECLINED = "declined", "The patient declined"
        UNKNOWN = "unknown", "Not known: the patient was not reached"
        OTHER = "other", "Other"

    flag = ClinicForeignKey(Flag, related_name="week_notes")
    reason = models.CharField(max_length=10, choices=Reason.choices)
    detail = models.CharField(max_length=300, blank=True)
    make_up_offered = models.CharField(max_length=300, help_text="Which make-up, or why none.")
    written_at = models.DateTimeField(default=timezone.now)
    written_by = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    version = models.PositiveIntegerField(default=1)

    class Meta(ClinicModel.Meta):
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("weeknote", "flag"),
            models.UniqueConstraint(
                fields=["clinic", "flag"],
                name="weeknote_one_per_case",
                violation_error_message="This week already has a note.",
            ),
            models.CheckConstraint(
                name="weeknote_other_has_detail",
                condition=~Q(reason="other") | ~Q(detail=""),
                violation_error_message="Say what the other reason is.",
            ),
        ]

    def __str__(self) -> str:
        return self.get_reason_display()
