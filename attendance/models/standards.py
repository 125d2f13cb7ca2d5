"""What a week is judged by, what it was judged to be, and the rules that open cases."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from attendance.querysets import WeekResultQuerySet
from iop_clinic.accounts.constraints import DateSpan, SameValue, Trigger, same_clinic
from iop_clinic.accounts.fields import ClinicForeignKey
from iop_clinic.accounts.models import ClinicModel, Weekday
from iop_clinic.accounts.roles import Role
from iop_clinic.accounts.weeks import full_date
from patients.models import AgeBracket, Episode, Level, Payer, Program
from patients.validators import validate_clinical_date


class Severity(models.IntegerChoices):
    NOTICE = 1, "Notice"
    WATCH = 2, "Watch"
    ACT = 3, "Act today"
    URGENT = 4, "Urgent"


class Standard(ClinicModel):
    """One dated, immutable requirement on a week: by the program, a payer or a court (R1-R4).

    A change is a new row: only `ends_on` may be set, and not before a week judged by it. An empty
    program, payer or list of counted types means any.
    """

    class Kind(models.IntegerChoices):
        WEEKLY_HOURS = 1, "Weekly hours and days"

    class Source(models.IntegerChoices):
        PROGRAM = 1, "Program"
        PAYER = 2, "Payer"
        COURT = 3, "Court"

    class Basis(models.TextChoices):
        SCHEDULED = "scheduled", "Scheduled"
        ATTENDED = "attended", "Attended"
        CREDITED = "credited", "Credited"

    name = models.CharField(max_length=80)
    kind = models.PositiveSmallIntegerField(choices=Kind.choices, default=Kind.WEEKLY_HOURS)
    source = models.PositiveSmallIntegerField(choices=Source.choices, default=Source.PROGRAM)
    program = ClinicForeignKey(Program, null=True, blank=True, related_name="+")
    payer = ClinicForeignKey(Payer, null=True, blank=True, related_name="+")
    level = models.PositiveSmallIntegerField(choices=Level.choices, default=Level.IOP)
    age_bracket = models.PositiveSmallIntegerField(
        choices=AgeBracket.choices, default=AgeBracket.ADULT
    )
    min_minutes = models.PositiveSmallIntegerField(default=540)
    max_minutes = models.PositiveSmallIntegerField(null=True, blank=True, default=1200)
    day_threshold = models.PositiveSmallIntegerField(
        default=180,
        help_text="Minutes that make a qualifying day.",  # R4
    )
    min_days = models.PositiveSmallIntegerField(default=3)
    services_per_day = models.PositiveSmallIntegerField(  # R6
        default=0, help_text="0: not counted."
    )
    basis = models.CharField(max_length=10, choices=Basis.choices, default=Basis.CREDITED)
    counted_types = models.JSONField(
        default=list, blank=True, help_text="Ids of the session types that count; empty: all."
    )
    week_starts_on = models.PositiveSmallIntegerField(
        choices=Weekday.choices, default=Weekday.MONDAY
    )
    prorate = models.BooleanField(default=True)
    starts_on = models.DateField(validators=[validate_clinical_date])
    ends_on = models.DateField(null=True, blank=True)

    class Meta(ClinicModel.Meta):
        ordering = ("source", "level", "age_bracket", "-starts_on")
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            *same_clinic("standard", "program", "payer"),
            models.CheckConstraint(
                name="standard_minimum_within_maximum",
                condition=Q(max_minutes__isnull=True) | Q(max_minutes__gte=F("min_minutes")),
                violation_error_message="The minimum lies over the maximum.",
            ),
            models.CheckConstraint(
                name="standard_days_0_to_7",
                condition=Q(min_days__lte=7),
                violation_error_message="A week has at most 7 days.",
            ),
            models.CheckConstraint(
                name="standard_ends_after_start",
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                violation_error_message="The standard ends before it starts.",
            ),
            models.CheckConstraint(
                name="standard_payer_matches_source",
                condition=Q(payer__isnull=True) | Q(source=2),
                violation_error_message="Only a payer's standard names a payer.",
            ),
            models.CheckConstraint(
                name="standard_proration_is_the_programs",
                condition=Q(source=1) | Q(prorate=False),
                violation_error_message="Payers and courts see the unreduced figure.",
            ),
            ExclusionConstraint(
                name="standard_no_overlap",
                expressions=[
                    (SameValue("clinic"), "&&"),
                    (SameValue("kind"), "&&"),
                    (SameValue("source"), "&&"),
                    (SameValue(Coalesce(F("program"), 0)), "&&"),
                    (SameValue(Coalesce(F("payer"), 0)), "&&"),
                    (SameValue("level"), "&&"),
                    (SameValue("age_bracket"), "&&"),
                    (DateSpan(), "&&"),
                ],
                deferrable=models.Deferrable.IMMEDIATE,
                violation_error_code="standard_overlap",
                violation_error_message="Another standard of this source, level and bracket "
                "covers these dates.",
            ),
            Trigger(
                name="standard_immutable",
                function="attendance_standard_immutable",
                events="BEFORE UPDATE OR DELETE",
                violation_error_code="standard_immutable",
                violation_error_message="A standard is never changed or deleted: end it after the "
                "last week judged by it and enter a new one.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, from {self.starts_on:%b %-d, %Y}"


class WeekResult(ClinicModel):
    """The final judgement of one week (or plan segment of it) under one standard, with its inputs.

    Insert-only: a later roster or correction adds an amendment with the next number.
    """

    class Status(models.TextChoices):
        MET = "met", "Met"
        SHORT = "short", "Short"

    episode = ClinicForeignKey(Episode, related_name="week_results")
    standard = ClinicForeignKey(Standard, related_name="week_results")
    week_starts_on = models.DateField()
    segment_starts_on = models.DateField()
    segment_ends_on = models.DateField()
    amendment = models.PositiveSmallIntegerField(default=0)
    minutes_status = models.CharField(max_length=5, choices=Status.choices)
    days_status = models.CharField(max_length=5, choices=Status.choices)
    scheduled_minutes = models.PositiveIntegerField()
    attended_minutes = models.PositiveIntegerField()
    credited_minutes = models.PositiveIntegerField()
    judged_minutes = models.PositiveIntegerField(help_text="On the standard's basis and types.")
    qualifying_days = models.PositiveSmallIntegerField()
    minimum = models.PositiveSmallIntegerField()
    prorated_minimum = models.PositiveSmallIntegerField()
    prorated_days = models.PositiveSmallIntegerField()
    over_maximum = models.BooleanField(default=False)
    inputs = models.JSONField(help_text="The days, plan and reductions it was judged from.")
    reason = models.CharField(max_length=200, blank=True, help_text="Why an amendment was made.")
    void = models.BooleanField(
        default=False, help_text="An amendment that takes back a part of a week nobody judges now."
    )
    judged_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar = WeekResultQuerySet.as_manager()

    class Meta(ClinicModel.Meta):
        ordering = ("-week_starts_on", "-amendment")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["clinic", "id"], name="weekresult_clinic_id_key"),
            *same_clinic("weekresult", "episode", "standard"),
            models.UniqueConstraint(
                fields=["clinic", "episode", "standard", "segment_starts_on", "amendment"],
                name="weekresult_amendment_unique",
            ),
            Trigger(
                name="weekresult_insert_only",
                function="iop_append_only",
                events="BEFORE UPDATE OR DELETE",
                violation_error_message="A week's result is never changed: add an amendment.",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "week_starts_on"], name="weekresult_by_week"),
        ]

    def __str__(self) -> str:
        return f"Week of {full_date(self.week_starts_on)}: {self.minutes_status}"


class AbsenceRule(ClinicModel):
    """A dated rule that opens cases (R17-R21), with who acts and by when."""

    class Kind(models.IntegerChoices):
        HOURS = 1, "Short of weekly hours"
        NO_CALL_DAY = 2, "Missed day without a call"
        CONSECUTIVE = 3, "Consecutive unexcused treatment days"
        COUNT_IN_DAYS = 4, "Unexcused days in a window"
        UNRECORDED = 5, "Roster not recorded"
        BELOW_PLAN = 6, "Below the plan's weekly target"
        OVER_MAXIMUM = 7, "Over the weekly maximum"
        TOO_FEW_DAYS = 8, "Too few qualifying days"
        LEFT_SHORT = 9, "Came, but left short of a qualifying day"
        MISSED_OF_LAST = 10, "Missed so many of the last treatment days"
        PERCENT_IN_DAYS = 11, "Attended less than a share of the days in a window"
        TARDIES = 12, "Late so often in a window"
        EXCUSED_DAYS = 13, "Excused so often in a window"
        SILENT_DAYS = 14, "Nothing heard or seen for so many days"
        FIRST_DAYS = 15, "Missed a day soon after the first session"
        NO_FIRST_SESSION = 16, "Admitted, but no session yet"
        PLAN_DUE = 17, "Treatment plan due"
        VERIFICATION_DUE = 18, "Insurance verification due"
        AUTHORIZATION_ENDING = 19, "Authorization ending"
        CERTIFICATION_DUE = 20, "Certification due"
        LICENSE_ENDING = 21, "License ending"
        CASELOAD = 22, "Caseload over the limit"
        GROUP_TOO_SMALL = 23, "Group under its viable size"
        UNDER_SCHEDULED = 24, "Next week's timetable cannot reach the minimum"
        AGE_BRACKET = 25, "Birthday crosses the age bracket"

    class Due(models.TextChoices):
        SAME_BUSINESS_DAY = "same_day", "The business day it opens"
        HOURS = "hours", "Hours after it opens"
        BUSINESS_DAYS = "business_days", "Business days after it opens"

    kind = models.PositiveSmallIntegerField(choices=Kind.choices)
    times = models.PositiveSmallIntegerField("n", default=1)
    window_days = models.PositiveSmallIntegerField("in so many days", default=0)
    severity = models.PositiveSmallIntegerField(choices=Severity.choices, default=Severity.ACT)
    owner_role = models.CharField(
        max_length=20,
        choices=Role.choices,
        default=Role.COORDINATOR,
        help_text="Therapist means the patient's primary therapist.",
    )
    due = models.CharField(max_length=14, choices=Due.choices, default=Due.SAME_BUSINESS_DAY)
    due_amount = models.PositiveSmallIntegerField(default=0)
    starts_on = models.DateField(validators=[validate_clinical_date])
    ends_on = models.DateField(null=True, blank=True)

    class Meta(ClinicModel.Meta):
        ordering = ("kind", "-starts_on")
        constraints: ClassVar = [
            *ClinicModel.Meta.constraints,
            models.CheckConstraint(
                name="absencerule_times_positive",
                condition=Q(times__gte=1),
                violation_error_message="A rule needs at least one day.",
            ),
            models.CheckConstraint(
                name="absencerule_window_holds_times",
                condition=~Q(kind__in=[4, 10, 12, 13]) | Q(window_days__gte=F("times")),
                violation_error_message="The window must hold at least that many days.",
            ),
            models.CheckConstraint(
                name="absencerule_window_needed",
                condition=~Q(kind__in=[11, 15]) | Q(window_days__gte=1),
                violation_error_message="The window must be at least one day.",
            ),
            models.CheckConstraint(
                name="absencerule_percent_within_100",
                condition=~Q(kind=11) | Q(times__lte=100),
                violation_error_message="A share is at most 100 percent.",
            ),
            models.CheckConstraint(
                name="absencerule_ends_after_start",
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                violation_error_message="The rule ends before it starts.",
            ),
            ExclusionConstraint(
                name="absencerule_no_overlap",
                expressions=[
                    (SameValue("clinic"), "&&"),
                    (SameValue("kind"), "&&"),
                    (SameValue("times"), "&&"),
                    (SameValue("window_days"), "&&"),
                    (DateSpan(), "&&"),
                ],
                violation_error_message="The same rule already covers these dates.",
            ),
        ]

    def __str__(self) -> str:
        said = _SENTENCES.get(self.kind, self.get_kind_display())
        if self.window_days:
            said += _WINDOWS.get(self.kind, "")
        return said.format(
            n=self.times,
            s="" if self.times == 1 else "s",
            window=self.window_days,
            ws="" if self.window_days == 1 else "s",
        )


_SENTENCES: dict[int, str] = {
    AbsenceRule.Kind.CONSECUTIVE: "{n} consecutive unexcused treatment day{s}",
    AbsenceRule.Kind.COUNT_IN_DAYS: "{n} unexcused day{s} in {window}",
    AbsenceRule.Kind.MISSED_OF_LAST: "{n} of the last {window} treatment day{ws} missed",
    AbsenceRule.Kind.PERCENT_IN_DAYS: "Attended under {n} % of the days in {window}",
    AbsenceRule.Kind.TARDIES: "{n} late arrival{s} in {window} day{ws}",
    AbsenceRule.Kind.EXCUSED_DAYS: "{n} excused day{s} in {window}",
    AbsenceRule.Kind.SILENT_DAYS: "Silent for {n} day{s}",
    AbsenceRule.Kind.FIRST_DAYS: "Missed a day within {window} day{ws} of the first session",
    AbsenceRule.Kind.NO_FIRST_SESSION: "No session {n} business day{s} after admission",
    AbsenceRule.Kind.PLAN_DUE: "Treatment plan due within {n} day{s}",
    AbsenceRule.Kind.VERIFICATION_DUE: "Insurance verification due within {n} day{s}",
    AbsenceRule.Kind.AUTHORIZATION_ENDING: "Authorization ends within {n} day{s}",
    AbsenceRule.Kind.CERTIFICATION_DUE: "Certification due within {n} day{s}",
    AbsenceRule.Kind.LICENSE_ENDING: "License ends within {n} day{s}",
    AbsenceRule.Kind.CASELOAD: "Caseload over {n} patient{s}",
    AbsenceRule.Kind.AGE_BRACKET: "Birthday crosses the age bracket within {n} day{s}",
}
_WINDOWS: dict[int, str] = {
    AbsenceRule.Kind.SILENT_DAYS: ", {window} for priority patients",
    AbsenceRule.Kind.AUTHORIZATION_ENDING: ", or {window} unit{ws} left",
}
"""What a second number adds, when there is one."""
