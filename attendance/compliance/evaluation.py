"""Evaluation: the one function that judges a clinic's day and opens, changes and closes cases.

The nightly run calls `evaluate` for a clinic; the correction of a day already judged calls
`reevaluate` for the roster's episodes, in the transaction of the correction. Both read everything
in a constant number of statements, judge it with pure rules, and write only what changed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from attendance.compliance.absences import NOTHING, Attendance, attendances
from attendance.compliance.casebook import Changes, Judge, sessions_of, stored_cases
from attendance.compliance.courses import Course, courses, judged_episodes, locked
from attendance.compliance.days import by_episode, day_lines
from attendance.compliance.finders.absences import absence_findings
from attendance.compliance.finders.hours import hours_findings
from attendance.compliance.finders.rosters import roster_findings
from attendance.compliance.findings import Findings, Night
from attendance.compliance.results import latest_results, new_results
from attendance.compliance.settings import ClinicSettings, clinic_settings
from attendance.compliance.status import PatientWeek, judge_weeks, reach
from attendance.models import AbsenceRule, WeekResult
from iop_clinic.accounts.acting import Job, service
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.weeks import Week, local_date, weeks_touching
from patients.models import Episode

WEEKS_BACK = 5
"""How many weeks before the current one a night looks at: rosters and plans may come late."""
MOST_WEEKS_BACK = 26
"""An open case keeps an older week under watch, up to half a year."""


@dataclass(frozen=True, slots=True)
class EvaluationCounts:
    """What one evaluation looked at and wrote."""

    patients: int = 0
    opened: int = 0
    updated: int = 0
    closed: int = 0
    reopened: int = 0
    lapsed: int = 0
    results: int = 0
    amendments: int = 0


@service
def evaluate(
    *, clinic: Clinic, local_date: date, by: User | Job, now: datetime | None = None
) -> EvaluationCounts:
    """Judge a clinic's local date: its weeks, absences and rosters; at most 11 statements.

    Facts count as they stand at `now`, the clock by default, so that a night run late tells the
    truth; evidence later than `local_date` is left to the next night. Running it again changes
    nothing.
    """
    settings = clinic_settings(clinic)
    now = now or timezone.now()
    weeks = _weeks(settings, local_date)
    known = courses(locked(judged_episodes(settings.clinic_id, weeks[0].start)))
    return _evaluate(settings, known, weeks, local_date, now, rosters=True)


@service
def reevaluate(
    *,
    clinic: Clinic,
    episode_ids: Collection[int],
    by: User | Job,
    now: datetime | None = None,
    since: date | None = None,
) -> EvaluationCounts:
    """Judge some episodes again after a correction, through yesterday; at most 10 statements.

    Weeks are judged from the one that holds `since`, or else from the first admission, so that a
    stored result of any age is amended. Rosters are left to the night.
    """
    settings = clinic_settings(clinic)
    now = now or timezone.now()
    yesterday = local_date(now, settings.zone) - timedelta(days=1)
    rows = Episode.objects.filter(clinic=settings.clinic_id, pk__in=episode_ids)
    known = courses(locked(rows))
    first = since or min((c.treated.first for c in known if c.treated), default=yesterday)
    weeks = _weeks(settings, yesterday, since=first)
    return _evaluate(settings, known, weeks, yesterday, now, rosters=False)


def _weeks(settings: ClinicSettings, through: date, *, since: date | None = None) -> list[Week]:
    """The clinic weeks to judge, through the one that begins or goes on the day after."""
    today = through + timedelta(days=1)
    usual = today - timedelta(weeks=WEEKS_BACK)
    oldest = today - timedelta(weeks=MOST_WEEKS_BACK)
    watched = max(settings.watched_from or usual, oldest)
    first = min(usual, since or watched)
    return list(weeks_touching(first, today, week_start=settings.week_starts_on))


def _evaluate(
    settings: ClinicSettings,
    known: list[Course],
    weeks: list[Week],
    through: date,
    now: datetime,
    *,
    rosters: bool,
) -> EvaluationCounts:
    by_id = {course.episode_id: course for course in known}
    since = _cases_since(settings, weeks[0].start, through)
    stored = stored_cases(settings.clinic_id, since, by_id.keys(), rosters=rosters)
    open_keys = {key for key, flag in stored.items() if flag.is_open}
    night = Night(settings, through, now, open_keys)
    judged = _judged(settings, known, weeks, now)
    attended = attendances(settings=settings, courses=known, through=through, now=now)
    findings = _found(night, known, judged, attended)
    if rosters:
        waiting = sessions_of(stored.values())
        findings.add(
            roster_findings({settings.clinic_id: night}, first=weeks[0].start, also=waiting)
        )
    judge = Judge(settings, by_id, through, night.today, now, weeks[0].start)
    changes = judge.compare(stored, findings)
    changes.write()
    results = _store_results(settings, by_id, weeks, judged, now)
    return _counts(known, changes, results)


def _cases_since(settings: ClinicSettings, first: date, through: date) -> date:
    """Settled cases are read back to the oldest evidence that could still open one (runs apart)."""
    windows = (r.window_days for r in settings.rules if r.kind == AbsenceRule.Kind.COUNT_IN_DAYS)
    longest = timedelta(days=max(windows, default=0))
    return min(first, through - longest) - timedelta(days=7)


def _judged(
    settings: ClinicSettings, known: list[Course], weeks: list[Week], now: datetime
) -> dict[int, list[PatientWeek]]:
    first, last = reach(settings, weeks)
    lines = day_lines(
        clinic=settings.clinic_id,
        first=first,
        last=last,
        now=now,
        episode_ids=[course.episode_id for course in known],
        settings=settings,
    )
    found: dict[int, list[PatientWeek]] = {course.episode_id: [] for course in known}
    for week in judge_weeks(settings, known, weeks, by_episode(lines), now):
        found[week.episode_id].append(week)
    return found


def _found(
    night: Night,
    known: list[Course],
    judged: dict[int, list[PatientWeek]],
    attended: dict[int, Attendance],
) -> Findings:
    findings = Findings()
    for course in known:
        attendance = attended.get(course.episode_id, NOTHING)
        hours = hours_findings(night, course, judged[course.episode_id], attendance)
        findings.add(hours.by_key.values())
        findings.gone.update(hours.gone)
        findings.add(absence_findings(night, course, attendance))
    return findings


def _store_results(
    settings: ClinicSettings,
    known: dict[int, Course],
    weeks: list[Week],
    judged: dict[int, list[PatientWeek]],
    now: datetime,
) -> list[WeekResult]:
    # A standard's own week may begin up to three days before the clinic's.
    first = weeks[0].start - timedelta(days=3)
    stored = latest_results(settings.clinic_id, known, first)
    every = (week for rows in judged.values() for week in rows)
    results = new_results(every, stored, known, now=now)
    if results:
        WeekResult.objects.bulk_create(results)
    return results


def _counts(known: list[Course], changes: Changes, results: list[WeekResult]) -> EvaluationCounts:
    return EvaluationCounts(
        patients=len(known),
        opened=len(changes.opened),
        updated=len(changes.updated),
        closed=len(changes.closed),
        reopened=len(changes.reopened),
        lapsed=len(changes.lapsed),
        results=sum(not result.amendment for result in results),
        amendments=sum(bool(result.amendment) for result in results),
    )
