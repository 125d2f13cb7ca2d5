"""What happened at a session, as told; and the dated rule that turns it into minutes."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from iop_clinic.accounts.constraints import DateSpan, SameValue, Trigger, same_clinic
from iop_clinic.accounts.models import ClinicModel, User
from iop_clinic.accounts.weeks import full_date
from patients.validators import validate_clinical_date
from scheduling.models import Booking


class AbsenceReason(models.TextChoices):
    ILLNESS = "illness", "Illness"
    MEDICAL = "medical", "Medical appointment or surgery"
    COURT = "court", "Court appearance"
    BEREAVEMENT = "bereavement", "Bereavement"
    CHILDCARE = "childcare", "Child or family care"
    WORK = "work", "Work"
    TRANSPORT = "transport", "Transport"
    WEATHER = "weather", "Weather"
    OTHER = "other", "Other"


EXCUSED_BY_DEFAULT = ["illness", "medical", "court", "bereavement", "childcare", "weather"]


def excused_by_default() -> list[str]:
    return list(EXCUSED_BY_DEFAULT)


class AttendanceRecord(ClinicModel):
    """The facts of one booking, as told; never clamped here, never overwritten in silence.

    `away` holds pairs of instants [from, to). `attended_minutes` and `credited_minutes` are
    computed by one function in the transaction that changes a fact. No record means unrecorded,
    which is not absent (R24).
    """

    class Proof(models.TextChoices):
        NONE = "none", "None"
        PENDING = "pending", "Pending"
        ACCEPTED = "accepted", "Accepted"
        REJECTED = "rejected", "Rejected"

    class Source(models.TextChoices):
        API = "api", "API"
        ADMIN = "admin", "Admin site"
        ROSTER = "roster", "Roster page"
        PAPER = "paper", "Paper sheet"
        IMPORT = "import", "Import"

    booking = models.OneToOneField(
        Booking, models.PROTECT, db_constraint=False, related_name="attendance"
    )
    attended = models.BooleanField()
    arrived_at = models.DateTimeField(null=True, blank=True, help_text="Empty: from the start.")
    left_at = models.DateTimeField(null=True, blank=True, help_text="Empty: to the end.")
    away = models.JSONField(default=list, blank=True)
    notified_at = models.DateTimeField(null=True, blank=True)
    absence_reason = models.CharField(max_length=12, choices=AbsenceReason.choices, blank=True)
    proof = models.CharField(max_length=8, choices=Proof.choices, default=Proof.NONE)
    excused_override = models.BooleanField(
        null=True, blank=True, help_text="Staff decided; empty: the rule decides."
    )
    override_reason = models.CharField(max_length=200, blank=True)
    correction_reason = models.CharField(max_length=200, blank=True)
    recorded_at = models.DateTimeField(default=timezone.now)
    recorded_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", db_index=False
    )
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.API)
    attended_minutes = models.PositiveSmallIntegerField(default=0, editable=False)
    credited_minutes = models.PositiveSmallIntegerField(default=0, editable=False)
    version = models.PositiveIntegerField(default=1)

    class Meta(ClinicModel.Meta):
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("attendancerecord", "booking"),
            models.CheckConstraint(
                name="attendancerecord_left_after_arrival",
                condition=Q(left_at__isnull=True)
                | Q(arrived_at__isnull=True)
                | Q(left_at__gt=F("arrived_at")),
                violation_error_code="departure_before_arrival",
                violation_error_message="The departure must be after the arrival.",
            ),
            models.CheckConstraint(
                name="attendancerecord_absent_has_no_presence",
                condition=Q(attended=True)
                | Q(
                    arrived_at__isnull=True,
                    left_at__isnull=True,
                    attended_minutes=0,
                    credited_minutes=0,
                ),
                violation_error_code="absent_with_times",
                violation_error_message="An absent patient has no arrival or departure.",
            ),
            models.CheckConstraint(
                name="attendancerecord_credit_within_attended",
                condition=Q(credited_minutes__lte=F("attended_minutes")),
            ),
            models.CheckConstraint(
                name="attendancerecord_override_has_reason",
                condition=Q(excused_override__isnull=True) | ~Q(override_reason=""),
                violation_error_message="Say why the rule is overruled.",
            ),
            models.CheckConstraint(
                name="attendancerecord_proof_known",
                condition=Q(proof__in=["none", "pending", "accepted", "rejected"]),
            ),
            Trigger(
                name="booking_attended_stays",
                function="attendance_attended_stays",
                events="BEFORE UPDATE OF state, live",
                on="scheduling.Booking",
                violation_error_code="attendance_recorded",
                violation_error_message="The record says that a patient attended. Clear or "
                "correct it first.",
            ),
            Trigger(
                name="attendancerecord_on_the_roster",
                function="attendance_on_the_roster",
                events="BEFORE INSERT OR UPDATE OF attended, booking_id",
                violation_error_code="unknown_booking",
                violation_error_message="The booking is withdrawn or its session cancelled.",
            ),
        ]

    def __str__(self) -> str:
        return "present" if self.attended else "absent"


class CreditRule(ClinicModel):
    """How a clinic turns presence into minutes and absence into a label, from a date on (R10, R17).

    One rule at a time. Grace decides only the label `late`, never the minutes.
    """

    class Kind(models.TextChoices):
        EXACT = "exact", "Exact minutes"
        ROUND_DOWN = "round_down", "Rounded down to so many minutes a session"
        ALL_OR_NOTHING = "all_or_nothing", "Nothing under so many percent of the session"

    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.EXACT)
    round_to = models.PositiveSmallIntegerField("round down to (minutes)", default=15)
    min_percent = models.PositiveSmallIntegerField("least percent of a session", default=80)
    grace_minutes = models.PositiveSmallIntegerField(default=5)
    excused_reasons = models.JSONField(default=excused_by_default, blank=True)
    notice_minutes = models.PositiveIntegerField(
        default=1440, help_text="Notice that is in time whatever the reason (minutes)."
    )
    proof_hours = models.PositiveSmallIntegerField(
        default=72, help_text="How long a court-involved absence waits for proof."
    )
    starts_on = models.DateField(validators=[validate_clinical_date])
    ends_on = models.DateField(null=True, blank=True)

    class Meta(ClinicModel.Meta):
        ordering = ("-starts_on",)
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            ExclusionConstraint(
                name="creditrule_one_at_a_time",
                expressions=[(SameValue("clinic"), "&&"), (DateSpan(), "&&")],
                deferrable=models.Deferrable.IMMEDIATE,
                violation_error_message="Another credit rule covers these dates.",
            ),
            models.CheckConstraint(
                name="creditrule_ends_after_start",
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                violation_error_message="The rule ends before it starts.",
            ),
            models.CheckConstraint(
                name="creditrule_round_to_1_to_60",
                condition=Q(round_to__range=(1, 60)),
                violation_error_message="Round down to 1 to 60 minutes.",
            ),
            models.CheckConstraint(
                name="creditrule_percent_1_to_100",
                condition=Q(min_percent__range=(1, 100)),
                violation_error_message="The least percent lies between 1 and 100.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} from {full_date(self.starts_on)}"
