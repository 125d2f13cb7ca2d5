"""Which patients' weeks are still open, and which weeks became final after they were reported.

A week is final for everyone once no outcome of an unrecorded session can change a status in it.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from django.db.models import Q

from attendance.compliance.status import week_statuses
from attendance.models import ComplianceReport, NightlyRun, Standard
from attendance.reports.figures import DAY, JudgedWeek
from attendance.reports.measures import HALF_WEEK
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.weeks import Week, local_date, week_of
from patients.models import Episode
from scheduling.models import Booking

WATCHED_WEEKS = 5
"""So long a week that was reported open is watched: as far back as a night looks (evaluation)."""


def open_weeks(
    clinic: Clinic, weeks: Sequence[Week], now: datetime.datetime
) -> list[tuple[Week, JudgedWeek]]:
    """Patients' weeks that are not final, one for each standard; at most 7 statements.

    Only patients with something unrecorded are judged, and everyone while a payer's or a court's
    own week still runs: all others are final.
    """
    if not weeks:
        return []
    first, last = min(weeks).start - HALF_WEEK, max(weeks).end + HALF_WEEK
    maybe = _in_doubt(clinic, first, last, now)
    judged = week_statuses(
        clinic=clinic, episode_ids=maybe, weeks=[week.start for week in weeks], now=now
    )
    return [
        (
            row.week,
            JudgedWeek(
                row.episode_id,
                maybe[row.episode_id],
                one.standard.id,
                one.standard.source,
                prorated=one.prorated_minimum < one.minimum,
                open=True,
            ),
        )
        for row in judged.values()
        for one in row.standards
        if not (one.ended and one.final)
    ]


def _in_doubt(
    clinic: Clinic, first: datetime.date, last: datetime.date, now: datetime.datetime
) -> dict[int, int | None]:
    """Episodes whose weeks may be open, with their primary therapists."""
    unrecorded = Booking.objects.expected().filter(
        clinic=clinic, session__local_date__range=(first, last), ends_at__lte=now, attendance=None
    )
    doubtful = Q(pk__in=unrecorded.values("episode"))
    if _a_standards_week_runs(clinic, last, local_date(now, clinic.tz)):
        doubtful |= Q(admitted_on__lte=last) & (
            Q(discharged_on__isnull=True) | Q(discharged_on__gte=first)
        )
    rows = Episode.objects.filter(doubtful, clinic=clinic)
    return dict(rows.order_by("pk").values_list("pk", "primary_therapist"))


def _a_standards_week_runs(clinic: Clinic, last: datetime.date, today: datetime.date) -> bool:
    """Whether a standard's own week, begun on another weekday, is not over yet."""
    others = Standard.objects.filter(clinic=clinic).exclude(week_starts_on=clinic.week_starts_on)
    starts = others.order_by().values_list("week_starts_on", flat=True).distinct()
    return any(week_of(last - HALF_WEEK - HALF_WEEK, week_start=s).end >= today for s in starts)


# --- weeks that were reported open -----------------------------------------------------------


def newly_final(run: NightlyRun, now: datetime.datetime) -> list[Week]:
    """Weeks whose report was sent while something was open, final now and not yet said to be.

    One statement on nearly every night: nothing was open.
    """
    since = run.local_date - WATCHED_WEEKS * 7 * DAY
    reports = ComplianceReport.objects.filter(
        clinic=run.clinic_id, therapist=None, local_date__range=(since, run.local_date)
    )
    waiting = reports.filter(kind=ComplianceReport.Kind.WEEKLY, content__final=False)
    weeks = [_week(start) for start in waiting.values_list("content__week", flat=True)]
    still_open = {week for week, _ in open_weeks(run.clinic, weeks, now)}
    final = sorted(set(weeks) - still_open)
    if not final:
        return []
    nightly = reports.filter(kind=ComplianceReport.Kind.NIGHTLY, local_date__gte=final[0].end)
    told = nightly.values_list("content__final_weeks", flat=True)
    said = {_week(start) for starts in told for start in starts or ()}
    return [week for week in final if week not in said]


def _week(start: str) -> Week:
    return Week(datetime.date.fromisoformat(start))
