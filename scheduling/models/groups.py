"""Standing groups: who sits in them on which seat, and when they meet."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import models
from django.db.models import BooleanField, F, Func, Q
from django.db.models.functions import Lower

from iop_clinic.accounts.constraints import DateSpan, SameValue, Trigger, same_clinic
from iop_clinic.accounts.fields import ClinicForeignKey
from iop_clinic.accounts.models import ClinicModel, Therapist, User, Weekday
from iop_clinic.accounts.weeks import clock_time, full_date
from patients.models import AgeBracket, Episode, Level, Program
from patients.validators import validate_clinical_date
from scheduling.models.places import Room, SessionType, one_place, place_said
from scheduling.querysets import GroupMembershipQuerySet


class Group(ClinicModel):
    """A standing cohort of 8 to 15 seats (R11), under a neutral code name (R15)."""

    class Population(models.TextChoices):
        ANYONE = "", "Anyone"
        WOMEN = "women", "Women"
        MEN = "men", "Men"
        VETERANS = "veterans", "Veterans"
        LGBTQ = "lgbtq", "LGBTQ+"
        SURVIVORS = "survivors", "Survivors"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=40, help_text="A neutral code name.")
    program = ClinicForeignKey(Program, related_name="groups")
    level = models.PositiveSmallIntegerField(choices=Level.choices, default=Level.IOP)
    age_bracket = models.PositiveSmallIntegerField(
        choices=AgeBracket.choices, default=AgeBracket.ADULT
    )
    population = models.CharField(max_length=12, choices=Population.choices, blank=True)
    capacity = models.PositiveSmallIntegerField(default=12)
    min_size = models.PositiveSmallIntegerField(default=5)
    active = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1)

    class Meta(ClinicModel.Meta):
        ordering = (Lower("name"),)
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("group", "program"),
            models.UniqueConstraint(
                "clinic",
                Lower("name"),
                name="group_name_unique",
                violation_error_message="The clinic already has a group of this name.",
            ),
            models.CheckConstraint(
                name="group_capacity_8_to_15",
                condition=Q(capacity__range=(8, 15)),
                violation_error_message="A group has 8 to 15 seats.",
            ),
            models.CheckConstraint(
                name="group_min_size_within_capacity",
                condition=Q(min_size__gte=1) & Q(min_size__lte=F("capacity")),
                violation_error_message="The viable size lies between 1 and the capacity.",
            ),
            Trigger(
                name="group_capacity_covers_members",
                function="scheduling_group_capacity",
                events="AFTER UPDATE OF capacity",
                violation_error_code="group_full",
                violation_error_message="More members sit in the group than the new capacity.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class WeeklyBlock(ClinicModel):
    """One weekly meeting in wall time, of a group or (standing individual sessions) of an episode.

    `breaks` are minute offsets [from, to) from the start. A block split by "this and following"
    names the part it `continues`.
    """

    group = ClinicForeignKey(Group, null=True, blank=True, related_name="blocks")
    episode = ClinicForeignKey(Episode, null=True, blank=True, related_name="blocks")
    session_type = ClinicForeignKey(SessionType, related_name="+")
    weekday = models.PositiveSmallIntegerField(choices=Weekday.choices)
    starts_at = models.TimeField("starts")
    ends_at = models.TimeField("ends")
    breaks = models.JSONField(default=list, blank=True)
    facilitator = ClinicForeignKey(Therapist, related_name="blocks")
    co_facilitator = ClinicForeignKey(Therapist, null=True, blank=True, related_name="co_blocks")
    room = ClinicForeignKey(Room, null=True, blank=True, related_name="blocks")
    by_video = models.BooleanField(default=False)
    off_site = models.CharField(
        max_length=80, blank=True, help_text="Where else it meets, such as Main St clinic."
    )
    every_weeks = models.PositiveSmallIntegerField(default=1, help_text="Every week or every two.")
    valid_from = models.DateField(validators=[validate_clinical_date])
    valid_until = models.DateField(null=True, blank=True, help_text="Last date; empty: open.")
    continues = ClinicForeignKey("self", null=True, blank=True, related_name="continued_by")
    version = models.PositiveIntegerField(default=1)

    class Meta(ClinicModel.Meta):
        ordering = ("weekday", "starts_at", "id")
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic(
                "weeklyblock",
                "group",
                "episode",
                "session_type",
                "facilitator",
                "co_facilitator",
                "room",
                "continues",
            ),
            models.CheckConstraint(
                name="weeklyblock_of_group_or_episode",
                condition=Q(group__isnull=False, episode__isnull=True)
                | Q(group__isnull=True, episode__isnull=False),
                violation_error_message="A weekly block belongs to a group or to one patient.",
            ),
            one_place("weeklyblock_in_one_place"),
            models.CheckConstraint(
                name="weeklyblock_ends_after_start",
                condition=Q(ends_at__gt=F("starts_at")),
                violation_error_message="The block must end after it starts, on the same day.",
            ),
            models.CheckConstraint(
                name="weeklyblock_breaks_inside",
                condition=Func(
                    F("breaks"),
                    Func(
                        F("starts_at"),
                        F("ends_at"),
                        function="scheduling_wall_minutes",
                        output_field=models.IntegerField(),
                    ),
                    function="scheduling_breaks_ok",
                    output_field=BooleanField(),
                ),
                violation_error_message="Breaks are pairs of minutes inside the block, in order.",
            ),
            models.CheckConstraint(name="weeklyblock_weekday_known", condition=Q(weekday__lte=6)),
            models.CheckConstraint(
                name="weeklyblock_every_one_or_two_weeks",
                condition=Q(every_weeks__in=(1, 2)),
                violation_error_message="A block repeats every week or every two weeks.",
            ),
            models.CheckConstraint(
                name="weeklyblock_valid_dates_in_order",
                condition=Q(valid_until__isnull=True) | Q(valid_until__gte=F("valid_from")),
                violation_error_message="The block's last date lies before its first.",
            ),
            models.CheckConstraint(
                name="weeklyblock_two_facilitators_differ",
                condition=Q(co_facilitator__isnull=True) | ~Q(co_facilitator=F("facilitator")),
                violation_error_message="Facilitator and co-facilitator are the same person.",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "group"], name="block_by_group"),
            models.Index(fields=["clinic", "facilitator"], name="block_by_facilitator"),
        ]

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {clock_time(self.starts_at)}"

    @property
    def leaders(self) -> list[Therapist]:
        """The facilitator, then the co-facilitator if there is one."""
        return [self.facilitator, *([self.co_facilitator] if self.co_facilitator else [])]

    @property
    def place(self) -> str:
        return place_said(self)

    @property
    def seats(self) -> int:
        """For how many patients it is planned; reads `group`."""
        return self.group.capacity if self.group else 1


class GroupMembership(ClinicModel):
    """An episode's numbered seat in a group for inclusive local dates."""

    group = ClinicForeignKey(Group, related_name="memberships")
    episode = ClinicForeignKey(Episode, related_name="memberships")
    seat = models.PositiveSmallIntegerField()
    starts_on = models.DateField(validators=[validate_clinical_date])
    ends_on = models.DateField(null=True, blank=True, help_text="Last day; empty: open.")
    population_opt_in = models.BooleanField(
        default=False, help_text="The patient chose a group for one population."
    )
    overflow_reason = models.CharField(max_length=200, blank=True)
    overflow_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    transferred_from = ClinicForeignKey("self", null=True, blank=True, related_name="+")

    objects: ClassVar = GroupMembershipQuerySet.as_manager()

    class Meta(ClinicModel.Meta):
        ordering = ("group", "seat", "starts_on")
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("groupmembership", "group", "episode", "transferred_from"),
            models.CheckConstraint(
                name="groupmembership_seat_1_to_15",
                condition=Q(seat__range=(1, 15)),
                violation_error_message="Seats are numbered 1 to 15.",
            ),
            models.CheckConstraint(
                name="groupmembership_ends_after_start",
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                violation_error_message="The membership ends before it starts.",
            ),
            models.CheckConstraint(
                name="groupmembership_overflow_has_author",
                condition=Q(overflow_reason="", overflow_by__isnull=True)
                | (~Q(overflow_reason="") & Q(overflow_by__isnull=False)),
                violation_error_message="A seat above capacity needs a reason and an author.",
            ),
            ExclusionConstraint(
                name="groupmembership_seat_taken_once",
                expressions=[
                    (SameValue("group"), "&&"),
                    (SameValue("seat"), "&&"),
                    (DateSpan(), "&&"),
                ],
                deferrable=models.Deferrable.IMMEDIATE,
                violation_error_code="group_full",
                violation_error_message="The seat is taken on these dates.",
            ),
            ExclusionConstraint(
                name="groupmembership_once_per_episode",
                expressions=[
                    (SameValue("group"), "&&"),
                    (SameValue("episode"), "&&"),
                    (DateSpan(), "&&"),
                ],
                deferrable=models.Deferrable.IMMEDIATE,
                violation_error_code="already_member",
                violation_error_message="The patient is already in this group on these dates.",
            ),
            Trigger(
                name="groupmembership_within_capacity",
                function="scheduling_membership_seat",
                events="BEFORE INSERT OR UPDATE OF seat, group_id, ends_on, overflow_reason",
                violation_error_code="group_full",
                violation_error_message="The group has no such seat: it is full.",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "group", "ends_on"], name="membership_by_group"),
            models.Index(fields=["clinic", "episode"], name="membership_by_episode"),
        ]

    def __str__(self) -> str:
        return f"Seat {self.seat} from {full_date(self.starts_on)}"
