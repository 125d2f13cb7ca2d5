"""Dated sessions and who leads them."""

from __future__ import annotations

import uuid
from typing import ClassVar
from zoneinfo import ZoneInfo

from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import models
from django.db.models import BooleanField, Case, DateField, F, Func, Q, Value, When
from django.db.models.functions import Cast

from iop_clinic.accounts.constraints import (
    SameClinic,
    SameValue,
    TimeSpan,
    Trigger,
    same_clinic,
)
from iop_clinic.accounts.fields import ClinicForeignKey
from iop_clinic.accounts.models import ClinicModel, Therapist, User, validate_zone
from iop_clinic.accounts.weeks import long_date
from scheduling.models.groups import Group, WeeklyBlock
from scheduling.models.places import Closure, Room, SessionType, one_place, place_said
from scheduling.querysets import SessionQuerySet, SessionStaffQuerySet
from scheduling.rules import LONGEST, SHORTEST

_MINUTES = Func(
    F("starts_at"),
    F("ends_at"),
    function="scheduling_minutes",
    output_field=models.IntegerField(),
)


class Session(ClinicModel):
    """One dated occurrence. Instants are UTC; `zone` and `local_date` are the clinic's, frozen.

    An occurrence of a weekly block is known by (block, original local date) for ever: it is moved
    or cancelled, never duplicated or deleted. `capacity` seats can be booked, up to `ceiling` with
    an overflow reason. `breaks` are minute offsets [from, to) from the start.
    """

    class State(models.TextChoices):
        SCHEDULED = "scheduled", "Scheduled"
        CANCELLED = "cancelled", "Cancelled"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    block = ClinicForeignKey(WeeklyBlock, null=True, blank=True, related_name="sessions")
    group = ClinicForeignKey(Group, null=True, blank=True, related_name="sessions")
    session_type = ClinicForeignKey(SessionType, related_name="sessions")
    room = ClinicForeignKey(Room, null=True, blank=True, related_name="sessions")
    by_video = models.BooleanField(default=False)
    off_site = models.CharField(
        max_length=80, blank=True, help_text="Where else it meets, such as Main St clinic."
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.SCHEDULED)
    live = models.GeneratedField(
        expression=Case(
            When(state="cancelled", then=Value(False)),
            default=Value(True),
            output_field=BooleanField(),
        ),
        output_field=BooleanField(),
        db_persist=True,
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    zone = models.CharField(max_length=60, validators=[validate_zone])
    local_date = models.DateField()
    original_local_date = models.DateField(null=True, blank=True)
    breaks = models.JSONField(default=list, blank=True)
    capacity = models.PositiveSmallIntegerField(default=1)
    ceiling = models.PositiveSmallIntegerField(default=1)
    cancelled_reason = models.CharField(max_length=200, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    closure = ClinicForeignKey(Closure, null=True, blank=True, related_name="sessions")
    needs_attention = models.CharField(
        max_length=200, blank=True, help_text="Why a person must look: no room, expired license …"
    )
    signed_at = models.DateTimeField(null=True, blank=True)
    signed_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    version = models.PositiveIntegerField(default=1)

    objects: ClassVar = SessionQuerySet.as_manager()

    class Meta(ClinicModel.Meta):
        ordering = ("starts_at", "id")
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("session", "block", "group", "session_type", "room", "closure"),
            models.UniqueConstraint(
                fields=["clinic", "id", "starts_at", "ends_at", "live"],
                name="session_when_key",
            ),
            one_place("session_in_one_place"),
            Trigger(
                name="session_fits_its_room",
                function="scheduling_session_room",
                events="AFTER INSERT OR UPDATE OF room_id, capacity, state",
                violation_error_code="room_too_small",
                violation_error_message="The room has fewer seats. Choose a larger room.",
            ),
            models.UniqueConstraint(
                fields=["block", "original_local_date"],
                name="session_occurrence_unique",
                violation_error_message="This occurrence of the weekly block exists already.",
            ),
            models.CheckConstraint(
                name="session_lasts_15_minutes_to_6_hours",
                condition=Q(ends_at__gte=F("starts_at") + SHORTEST)
                & Q(ends_at__lte=F("starts_at") + LONGEST),
                violation_error_message="A session lasts 15 minutes to 6 hours.",
            ),
            models.CheckConstraint(
                name="session_local_date_of_start",
                condition=Q(
                    local_date=Cast(
                        Func(
                            F("zone"),
                            F("starts_at"),
                            function="timezone",
                            output_field=models.DateTimeField(),
                        ),
                        DateField(),
                    )
                ),
                violation_error_message="The local date is not the date of the start.",
            ),
            models.CheckConstraint(
                name="session_breaks_inside",
                condition=Func(
                    F("breaks"),
                    _MINUTES,
                    function="scheduling_breaks_ok",
                    output_field=BooleanField(),
                ),
                violation_error_message="Breaks are pairs of minutes inside the session, in order.",
            ),
            models.CheckConstraint(
                name="session_block_has_original_date",
                condition=Q(block__isnull=True, original_local_date__isnull=True)
                | Q(block__isnull=False, original_local_date__isnull=False),
            ),
            models.CheckConstraint(
                name="session_state_known", condition=Q(state__in=["scheduled", "cancelled"])
            ),
            models.CheckConstraint(
                name="session_cancelled_has_reason",
                condition=Q(state="scheduled", cancelled_at__isnull=True)
                | (Q(state="cancelled", cancelled_at__isnull=False) & ~Q(cancelled_reason="")),
                violation_error_message="A cancelled session needs a reason.",
            ),
            models.CheckConstraint(
                name="session_signed_by_someone",
                condition=Q(signed_at__isnull=True, signed_by__isnull=True)
                | Q(signed_at__isnull=False, signed_by__isnull=False),
            ),
            models.CheckConstraint(
                name="session_capacity_within_ceiling",
                condition=Q(capacity__gte=1) & Q(ceiling__gte=F("capacity")) & Q(ceiling__lte=200),
                violation_error_message="Capacity lies between 1 and the type's ceiling.",
            ),
            ExclusionConstraint(
                name="session_room_free",
                expressions=[(SameValue("room"), "&&"), (TimeSpan(), "&&")],
                condition=Q(live=True, room__isnull=False),
                deferrable=models.Deferrable.IMMEDIATE,
                violation_error_code="room_busy",
                violation_error_message="The room is taken at this time.",
            ),
            Trigger(
                name="session_capacity_covers_bookings",
                function="scheduling_session_capacity",
                events="AFTER UPDATE OF capacity, ceiling",
                violation_error_code="session_full",
                violation_error_message="More patients are booked than the new capacity.",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "local_date", "starts_at"], name="session_by_date"),
            models.Index(fields=["clinic", "group", "local_date"], name="session_by_group"),
        ]

    def __str__(self) -> str:
        return f"{self.title}, {long_date(self.local_date)}"

    @property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    @property
    def title(self) -> str:
        """Group's code name or session type: neutral, never a patient."""
        return self.group.name if self.group else self.session_type.name

    @property
    def place(self) -> str:
        return place_said(self)


class SessionStaff(ClinicModel):
    """A therapist's part in a session. Times and `live` are the session's own, by cascade."""

    class Role(models.TextChoices):
        FACILITATOR = "facilitator", "Facilitator"
        CO_FACILITATOR = "co_facilitator", "Co-facilitator"
        SUBSTITUTE = "substitute", "Substitute"

    session = ClinicForeignKey(Session, models.CASCADE, related_name="staff")
    therapist = ClinicForeignKey(Therapist, related_name="session_staff")
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.FACILITATOR)
    active = models.BooleanField(default=True)
    access_until = models.DateTimeField(
        null=True, blank=True, help_text="When a substitute's access to the session ends."
    )
    starts_at = models.DateTimeField(editable=False)
    ends_at = models.DateTimeField(editable=False)
    live = models.BooleanField(editable=False)

    objects: ClassVar = SessionStaffQuerySet.as_manager()

    class Meta(ClinicModel.Meta):
        ordering = ("session", "role")
        verbose_name_plural = "session staff"
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            SameClinic(
                field="session",
                name="sessionstaff_session_same_clinic",
                copies={"starts_at": "starts_at", "ends_at": "ends_at", "live": "live"},
            ),
            *same_clinic("sessionstaff", "therapist"),
            models.UniqueConstraint(
                fields=["session", "therapist"],
                name="sessionstaff_once_per_session",
                violation_error_message="The therapist already has a part in this session.",
            ),
            models.UniqueConstraint(
                fields=["session"],
                condition=Q(role="facilitator", active=True),
                name="sessionstaff_one_facilitator",
                violation_error_message="The session already has a facilitator.",
            ),
            models.CheckConstraint(
                name="sessionstaff_role_known",
                condition=Q(role__in=["facilitator", "co_facilitator", "substitute"]),
            ),
            models.CheckConstraint(
                name="sessionstaff_substitute_access_ends",
                condition=~Q(role="substitute") | Q(access_until__isnull=False),
                violation_error_message="A substitute's access needs an end.",
            ),
            ExclusionConstraint(
                name="sessionstaff_therapist_free",
                expressions=[(SameValue("therapist"), "&&"), (TimeSpan(), "&&")],
                condition=Q(live=True, active=True),
                deferrable=models.Deferrable.IMMEDIATE,
                violation_error_code="therapist_busy",
                violation_error_message="The therapist leads another session at this time.",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "therapist", "starts_at"], name="staff_by_therapist"),
        ]

    def __str__(self) -> str:
        return f"{self.therapist}, {self.get_role_display().lower()}"
