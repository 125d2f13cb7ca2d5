"""What a weekly report measures, read for a whole clinic: one statement each, whatever its size.

The rows carry the primary therapist, so that a caseload is a part of what was read once.
"""

from __future__ import annotations

import datetime

from django.db.models import Count, F, Q, QuerySet

from attendance.models import WeekResult
from attendance.querysets import WeekResultQuerySet
from attendance.reports.figures import (
    COHORT_DAYS,
    DAY,
    RETAINED_AFTER,
    JudgedWeek,
    PatientDay,
    Stay,
)
from iop_clinic.accounts.weeks import Week
from patients.models import Episode
from scheduling.models import Booking

HALF_WEEK = 3 * DAY
"""A standard's own week may begin up to three days before or after the clinic's."""


def patient_days(clinic_id: int, week: Week) -> list[PatientDay]:
    """The week's scheduled bookings: expected, attended and absent, by patient, date and group."""
    rows = (
        Booking.objects.expected()
        .filter(clinic=clinic_id, session__local_date__range=(week.start, week.end))
        .order_by()
        .values_list(
            "episode",
            "episode__primary_therapist",
            "episode__program",
            "session__group",
            "session__local_date",
        )
        .annotate(
            expected=Count("pk"),
            attended=Count("pk", filter=Q(attendance__attended=True)),
            absent=Count("pk", filter=Q(attendance__attended=False)),
        )
    )
    return [PatientDay(*row) for row in rows]


def judged_weeks(clinic_id: int, week: Week) -> list[JudgedWeek]:
    """The stored results of a week as last amended; those taken back are left out."""
    latest = (
        results_of(clinic_id, week)
        .order_by("episode", "standard", "segment_starts_on")
        .values_list(
            "episode",
            "episode__primary_therapist",
            "standard",
            "standard__source",
            "minutes_status",
            "days_status",
            "minimum",
            "prorated_minimum",
        )
    )
    met = WeekResult.Status.MET
    return [
        JudgedWeek(episode, therapist, standard, source, hours == met, days == met, own < whole)
        for episode, therapist, standard, source, hours, days, whole, own in latest
    ]


def results_of(clinic_id: int, week: Week) -> WeekResultQuerySet:
    """What stands of a clinic's week: neither amended since nor taken back."""
    around = (week.start - HALF_WEEK, week.start + HALF_WEEK)
    rows: WeekResultQuerySet = WeekResult.objects.standing()
    return rows.filter(clinic=clinic_id, week_starts_on__range=around)


def short_results(clinic_id: int, week: Week) -> WeekResultQuerySet:
    """Those of a week that lack hours, days or both: what its report counts as short."""
    met = WeekResult.Status.MET
    return results_of(clinic_id, week).exclude(minutes_status=met, days_status=met)


def stays(clinic_id: int, week: Week) -> list[Stay]:
    """Courses of treatment that the week's census, retention or discharges are counted from."""
    oldest = week.end - (COHORT_DAYS + max(RETAINED_AFTER)) * DAY
    recently = week.end - COHORT_DAYS * DAY
    rows = Episode.objects.filter(
        Q(discharged_on__isnull=True)
        | Q(discharged_on__gt=min(recently, week.start))
        | Q(admitted_on__gt=oldest),
        clinic=clinic_id,
        admitted_on__lte=week.end,
    )
    dates = ("admitted_on", "discharged_on")
    fields = ("pk", "primary_therapist", *dates, "discharge_reason", "planned_weeks")
    return [Stay(*row) for row in rows.order_by("pk").values_list(*fields)]


def amended_results(
    clinic_id: int, since: datetime.datetime, until: datetime.datetime | None = None
) -> dict[int | None, int]:
    """How many stored results were amended or taken back after an instant, by primary therapist.

    A result that was amended twice is one.
    """
    rows = amendments_since(since).filter(clinic=clinic_id)
    if until is not None:
        rows = rows.filter(judged_at__lte=until)
    counted = (
        rows.order_by()
        .values("episode", "standard", "segment_starts_on")
        .annotate(therapist=F("episode__primary_therapist"))
        .distinct()
    )
    found: dict[int | None, int] = {}
    for row in counted:
        found[row["therapist"]] = found.get(row["therapist"], 0) + 1
    return found


def amendments_since(since: datetime.datetime) -> QuerySet[WeekResult]:
    """Results of any clinic that were amended, or taken back, after an instant."""
    return WeekResult.objects.filter(amendment__gt=0, judged_at__gt=since)
