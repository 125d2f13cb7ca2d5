"""Who is expected at a session, on which seat."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import models
from django.db.models import F, Q

from iop_clinic.accounts.constraints import (
    SameClinic,
    SameValue,
    TimeSpan,
    Trigger,
    same_clinic,
)
from iop_clinic.accounts.fields import ClinicForeignKey
from iop_clinic.accounts.models import ClinicModel, User
from iop_clinic.accounts.weeks import date_span
from patients.models import Episode, Patient
from patients.validators import validate_clinical_date
from scheduling.models.groups import GroupMembership
from scheduling.models.sessions import Session
from scheduling.querysets import BookingQuerySet, CallInQuerySet


class CallIn(ClinicModel):
    """A patient's notice of absence for inclusive local dates; the facts of R17.

    `whole_days` holds for bookings that come later as well; a notice about one session does not.
    One that was taken back stays, and holds for nothing any more.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    episode = ClinicForeignKey(Episode, related_name="call_ins")
    from_date = models.DateField(validators=[validate_clinical_date])
    to_date = models.DateField(validators=[validate_clinical_date])
    reason = models.CharField(max_length=20)
    note = models.CharField(max_length=200, blank=True)
    notified_at = models.DateTimeField()
    taken_by = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    whole_days = models.BooleanField(default=True)
    taken_back_at = models.DateTimeField(null=True, blank=True)
    taken_back_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )

    objects: ClassVar = CallInQuerySet.as_manager()

    class Meta(ClinicModel.Meta):
        verbose_name = "call-in"
        ordering = ("-from_date",)
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("callin", "episode"),
            models.CheckConstraint(
                name="callin_taken_back_by_someone",
                condition=Q(taken_back_at__isnull=True, taken_back_by__isnull=True)
                | Q(taken_back_at__isnull=False, taken_back_by__isnull=False),
            ),
            models.CheckConstraint(
                name="callin_dates_in_order",
                condition=Q(to_date__gte=F("from_date")),
                violation_error_message="The call-in ends before it starts.",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["clinic", "episode"], name="callin_by_episode")]

    def __str__(self) -> str:
        return f"Call-in for {date_span(self.from_date, self.to_date)}"

    def covers(self, session: Session) -> bool:
        """Whether its dates hold the session; one that had begun when the patient called is not
        covered."""
        inside = self.from_date <= session.local_date <= self.to_date
        return inside and self.notified_at < session.starts_at


class Booking(ClinicModel):
    """An episode expected at a session. Times and `live` are the session's own, by cascade.

    `booked` holds the seat; `released`: the patient gave notice, the seat is free, still expected;
    `withdrawn`: the clinic or the plan changed, counts nowhere. `nested_in` is the booking that a
    short visit (prescriber, drug screen) lies inside: the only overlap a patient may have. It is
    empty again once that booking is no longer booked.
    """

    class State(models.TextChoices):
        BOOKED = "booked", "Booked"
        RELEASED = "released", "Released"
        WITHDRAWN = "withdrawn", "Withdrawn"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    session = ClinicForeignKey(Session, related_name="bookings")
    episode = ClinicForeignKey(Episode, related_name="bookings")
    patient = ClinicForeignKey(Patient, related_name="bookings")
    membership = ClinicForeignKey(GroupMembership, null=True, blank=True, related_name="bookings")
    seat = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.BOOKED)
    starts_at = models.DateTimeField(editable=False)
    ends_at = models.DateTimeField(editable=False)
    live = models.BooleanField(editable=False)
    released_at = models.DateTimeField(null=True, blank=True)
    call_in = ClinicForeignKey(CallIn, null=True, blank=True, related_name="bookings")
    withdrawn_reason = models.CharField(max_length=200, blank=True)
    makes_up = ClinicForeignKey(
        "self", null=True, blank=True, related_name="made_up_by", help_text="The missed booking."
    )
    combined_from = ClinicForeignKey(
        "self",
        null=True,
        blank=True,
        related_name="combined_into",
        help_text="The booking in the session that was combined with this one.",
    )
    nested_in = ClinicForeignKey("self", null=True, blank=True, related_name="nested")
    outer_starts_at = models.DateTimeField(null=True, blank=True, editable=False)
    outer_ends_at = models.DateTimeField(null=True, blank=True, editable=False)
    overflow_reason = models.CharField(max_length=200, blank=True)
    overflow_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    version = models.PositiveIntegerField(default=1)

    objects: ClassVar = BookingQuerySet.as_manager()

    class Meta(ClinicModel.Meta):
        ordering = ("session", "seat", "id")
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["clinic", "id", "patient", "starts_at", "ends_at"],
                name="booking_when_key",
            ),
            SameClinic(
                field="session",
                name="booking_session_same_clinic",
                copies={"starts_at": "starts_at", "ends_at": "ends_at", "live": "live"},
            ),
            SameClinic(
                field="episode", name="booking_episode_same_clinic", copies={"patient": "patient"}
            ),
            SameClinic(
                field="nested_in",
                name="booking_nested_in_same_clinic",
                copies={
                    "patient": "patient",
                    "outer_starts_at": "starts_at",
                    "outer_ends_at": "ends_at",
                },
            ),
            # `patient` needs no key of its own: the episode's key carries it.
            *same_clinic("booking", "membership", "call_in", "makes_up", "combined_from"),
            models.UniqueConstraint(
                fields=["session", "episode"],
                name="booking_once_per_session",
                violation_error_code="already_booked",
                violation_error_message="The patient is already on this roster.",
            ),
            models.CheckConstraint(
                name="booking_state_known",
                condition=Q(state__in=["booked", "released", "withdrawn"]),
            ),
            models.CheckConstraint(name="booking_seat_1_to_200", condition=Q(seat__range=(1, 200))),
            models.CheckConstraint(
                name="booking_released_has_time",
                condition=~Q(state="released") | Q(released_at__isnull=False),
                violation_error_message="A released booking needs the time of the notice.",
            ),
            models.CheckConstraint(
                name="booking_withdrawn_has_reason",
                condition=~Q(state="withdrawn") | ~Q(withdrawn_reason=""),
                violation_error_message="A withdrawn booking needs a reason.",
            ),
            models.CheckConstraint(
                name="booking_overflow_has_author",
                condition=Q(overflow_reason="", overflow_by__isnull=True)
                | (~Q(overflow_reason="") & Q(overflow_by__isnull=False)),
                violation_error_message="A seat above capacity needs a reason and an author.",
            ),
            models.CheckConstraint(
                name="booking_nested_inside_outer",
                condition=Q(
                    nested_in__isnull=True,
                    outer_starts_at__isnull=True,
                    outer_ends_at__isnull=True,
                )
                | Q(
                    nested_in__isnull=False,
                    # Without these a CHECK on an empty time is unknown, which passes.
                    outer_starts_at__isnull=False,
                    outer_ends_at__isnull=False,
                    outer_starts_at__lte=F("starts_at"),
                    outer_ends_at__gte=F("ends_at"),
                ),
                violation_error_message="A nested visit lies inside the session it interrupts.",
            ),
            ExclusionConstraint(
                name="booking_seat_taken_once",
                expressions=[(SameValue("session"), "&&"), (SameValue("seat"), "&&")],
                condition=Q(live=True, state="booked"),
                deferrable=models.Deferrable.IMMEDIATE,
                violation_error_code="session_full",
                violation_error_message="The seat is taken.",
            ),
            ExclusionConstraint(
                name="booking_patient_free",
                expressions=[(SameValue("patient"), "&&"), (TimeSpan(), "&&")],
                condition=Q(live=True, state="booked", nested_in__isnull=True),
                deferrable=models.Deferrable.IMMEDIATE,
                violation_error_code="patient_busy",
                violation_error_message="The patient is booked elsewhere at this time.",
            ),
            ExclusionConstraint(
                name="booking_patient_free_nested",
                expressions=[(SameValue("patient"), "&&"), (TimeSpan(), "&&")],
                condition=Q(live=True, state="booked", nested_in__isnull=False),
                deferrable=models.Deferrable.IMMEDIATE,
                violation_error_code="patient_busy",
                violation_error_message="The patient has another visit at this time.",
            ),
            Trigger(
                name="booking_within_capacity",
                function="scheduling_booking_seat",
                events="BEFORE INSERT OR UPDATE OF seat, state, session_id, overflow_reason",
                violation_error_code="session_full",
                violation_error_message="The session is full.",
            ),
            Trigger(
                name="booking_within_room",
                function="scheduling_booking_room",
                events="BEFORE INSERT OR UPDATE OF seat, state, session_id, overflow_reason",
                violation_error_code="session_full",
                violation_error_message="The room has no more seats.",
            ),
            Trigger(
                name="booking_visits_stand_alone",
                function="scheduling_booking_visits",
                events="AFTER UPDATE OF state, live",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "episode", "starts_at"], name="booking_by_episode"),
            models.Index(fields=["clinic", "starts_at"], name="booking_by_time"),
            # Moving a session looks for the visits nested in each of its bookings.
            models.Index(
                fields=["clinic", "nested_in"],
                condition=Q(nested_in__isnull=False),
                name="booking_by_outer",
            ),
            # Few are of a call-in: the answer to one, and taking it back, look for them.
            models.Index(
                fields=["clinic", "call_in"],
                condition=Q(call_in__isnull=False),
                name="booking_by_call_in",
            ),
            models.Index(
                fields=["clinic", "combined_from"],
                condition=Q(combined_from__isnull=False),
                name="booking_by_combined",
            ),
        ]

    def __str__(self) -> str:
        return f"Seat {self.seat}, {self.get_state_display().lower()}"
