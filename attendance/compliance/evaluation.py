"""Evaluation: the one function that judges a clinic's day and opens, changes and closes cases.

The nightly run judges many clinics at once (`evaluate_clinics`); the correction of a day already
judged calls `reevaluate` for the roster's episodes, in the transaction of the correction. Both read
everything in a constant number of statements, judge it with pure rules, and write only what
changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from attendance.compliance.absences import NOTHING, Attendance, attendances
from attendance.compliance.casebook import Changes, Judge, Rosters, sessions_of, stored_cases
from attendance.compliance.courses import Course, courses, judged_episodes, locked
from attendance.compliance.days import DayLine, by_episode, lines_of
from attendance.compliance.finders.absences import absence_findings
from attendance.compliance.finders.hours import hours_findings
from attendance.compliance.finders.patterns import pattern_findings
from attendance.compliance.finders.rosters import roster_findings
from attendance.compliance.finders.weeks import week_findings
from attendance.compliance.findings import CaseKey, Findings, Night
from attendance.compliance.papers_and_places import judge_papers_and_places
from attendance.compliance.results import latest_results, new_results
from attendance.compliance.screening import moved_since
from attendance.compliance.settings import ClinicSettings, clinic_settings, settings_of
from attendance.compliance.status import PatientWeek, judge_weeks, reach
from attendance.models import Flag, WeekResult
from iop_clinic.accounts.acting import Job, service
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.weeks import Week, local_date, weeks_touching
from patients.models import Episode

WEEKS_BACK = 5
"""How many weeks before the current one a night looks at: rosters and plans may come late."""
MOST_WEEKS_BACK = 26
"""An open case keeps an older week under watch, up to half a year."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class EvaluationCounts:
    """What one evaluation looked at and wrote; `patients` are those it judged."""

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
    """Judge a clinic's local date, all of it: its weeks, absences, papers and rosters.

    Facts count as they stand at `now`, the clock by default, so that a night run late tells the
    truth; evidence later than `local_date` is left to the next night. Running it again changes
    nothing. A constant number of statements, whatever the number of patients.
    """
    return _night({clinic.pk: None}, local_date, now or timezone.now())[clinic.pk]


@service
def evaluate_clinics(
    *,
    since: Mapping[int, datetime | None],
    local_date: date,
    by: User | Job,
    now: datetime | None = None,
) -> dict[int, EvaluationCounts]:
    """Judge a local date of several clinics at once, with the statements of one.

    `since` names the clinics by their keys, each with the moment from which changes are unseen:
    when its night before began. Of such a clinic only what moved since then is judged (screening);
    of one that comes with None everything.
    """
    return _night(since, local_date, now or timezone.now())


@service
def reevaluate(
    *,
    clinic: Clinic,
    episode_ids: Collection[int],
    by: User | Job,
    now: datetime | None = None,
    since: date | None = None,
    rosters: Collection[int] = (),
) -> EvaluationCounts:
    """Judge some episodes again after a correction, through yesterday; at most 10 statements.

    Weeks are judged from the one that holds `since`, or else from the first admission, so that a
    stored result of any age is amended. `rosters` are sessions whose recording may be complete now;
    others are left to the night, and so are papers and places.
    """
    rows = Episode.objects.filter(clinic=clinic, pk__in=episode_ids)
    settings = clinic_settings(clinic, locking=rows)
    now = now or timezone.now()
    yesterday = local_date(now, settings.zone) - _DAY
    known = courses(rows)
    first = since or min((c.treated.first for c in known if c.treated), default=yesterday)
    # A standard's own week may end up to three days after the clinic's.
    weeks = _weeks(settings, yesterday, since=first - timedelta(days=3))
    docket = Docket(
        {settings.clinic_id: settings},
        yesterday,
        now,
        [(course, weeks) for course in known],
        Rosters(date.max, rosters) if rosters else None,
    )
    return _evaluate(docket)[settings.clinic_id]


@dataclass(frozen=True, slots=True)
class Docket:
    """What one evaluation has before it: each course with the weeks to judge, and the rosters."""

    settings: Mapping[int, ClinicSettings]
    through: date
    now: datetime
    courses: list[tuple[Course, list[Week]]]
    rosters: Rosters | None = None
    papers: bool = False
    """Whether papers and places are judged too."""

    def by_clinic(self) -> dict[int, dict[int, Course]]:
        found: dict[int, dict[int, Course]] = {pk: {} for pk in self.settings}
        for course, _ in self.courses:
            found[course.clinic_id][course.episode_id] = course
        return found

    @property
    def first_weeks(self) -> dict[int, date]:
        """The first date of the first week judged, by episode."""
        return {course.episode_id: weeks[0].start for course, weeks in self.courses}


def _night(
    since: Mapping[int, datetime | None], through: date, now: datetime
) -> dict[int, EvaluationCounts]:
    settings = settings_of(since)
    weeks = {pk: _weeks(one, through) for pk, one in settings.items()}
    running = {
        pk: [week for week in weeks[pk] if reach(one, [week])[1] >= through]
        for pk, one in settings.items()
    }
    moved = moved_since(settings, since, through=through, now=now)
    rows = moved.among(judged_episodes(settings, _first(weeks, through)))
    docket = Docket(
        settings,
        through,
        now,
        [
            (one, (weeks if moved.is_whole(one) else running)[one.clinic_id])
            for one in courses(locked(rows))
        ],
        Rosters(_first({pk: weeks[pk] for pk in moved.whole}, through - _DAY), moved.sessions),
        papers=True,
    )
    return _evaluate(docket)


def _first(weeks: Mapping[int, list[Week]], through: date) -> date:
    return min((each[0].start for each in weeks.values()), default=through)


def _weeks(settings: ClinicSettings, through: date, *, since: date | None = None) -> list[Week]:
    """The clinic weeks to judge, through the one that begins or goes on the day after."""
    today = through + _DAY
    usual = today - timedelta(weeks=WEEKS_BACK)
    oldest = today - timedelta(weeks=MOST_WEEKS_BACK)
    watched = max(settings.watched_from or usual, oldest)
    first = min(usual, since or watched)
    return list(weeks_touching(first, today, week_start=settings.week_starts_on))


# One evaluation


def _evaluate(docket: Docket) -> dict[int, EvaluationCounts]:
    read_from = {pk: first - timedelta(days=7) for pk, first in docket.first_weeks.items()}
    stored = stored_cases(docket.settings, read_from, docket.rosters)
    nights = {pk: _night_of(docket, one, stored[pk]) for pk, one in docket.settings.items()}
    judged = _judged(docket)
    found = _found(docket, nights, judged)
    if docket.rosters:
        waiting = sessions_of(flag for flags in stored.values() for flag in flags.values())
        rosters = {*docket.rosters.also, *waiting}
        for one in roster_findings(nights, first=docket.rosters.first, also=rosters):
            found[one.clinic_id].add([one])
    changes = _compare(docket, nights, stored, found)
    if docket.papers:
        for pk, papers in judge_papers_and_places(nights).items():
            changes[pk].take(papers)
    results = _store_results(docket, judged)
    return {pk: _counts(docket, pk, changes[pk], results) for pk in nights}


def _night_of(docket: Docket, settings: ClinicSettings, stored: Mapping[CaseKey, Flag]) -> Night:
    open_keys = frozenset(key for key, flag in stored.items() if flag.is_open)
    settled = ((key, flag) for key, flag in stored.items() if not flag.is_open)
    worked = frozenset(key for key, flag in settled if not flag.closed_by_facts)
    return Night(settings, docket.through, docket.now, open_keys, worked)


def _judged(docket: Docket) -> dict[int, list[PatientWeek]]:
    """The weeks of each episode; two statements for each first week there is, at most two."""
    found: dict[int, list[PatientWeek]] = {}
    for group in _by_first_week(docket):
        lines = _lines(docket, group)
        for course, weeks in group:
            settings = docket.settings[course.clinic_id]
            found[course.episode_id] = list(
                judge_weeks(settings, [course], weeks, lines, docket.now)
            )
    return found


def _by_first_week(docket: Docket) -> Iterable[list[tuple[Course, list[Week]]]]:
    """Those with only the running weeks apart from those with earlier ones: they read less."""
    least = min((len(weeks) for _, weeks in docket.courses), default=0)
    few = [entry for entry in docket.courses if len(entry[1]) == least]
    more = [entry for entry in docket.courses if len(entry[1]) > least]
    return (few, more) if more else (few,)


def _lines(docket: Docket, group: list[tuple[Course, list[Week]]]) -> dict[int, list[DayLine]]:
    weeks: dict[int, list[Week]] = {}
    for course, each in group:  # a clinic's courses may have more and fewer of its weeks
        weeks[course.clinic_id] = max(weeks.get(course.clinic_id, []), each, key=len)
    spans = [reach(docket.settings[pk], each) for pk, each in weeks.items()]
    lines = lines_of(
        docket.settings,
        first=min((first for first, _ in spans), default=docket.through),
        last=max((last for _, last in spans), default=docket.through),
        now=docket.now,
        episode_ids=[course.episode_id for course, _ in group],
    )
    return by_episode(lines)


def _found(
    docket: Docket, nights: Mapping[int, Night], judged: Mapping[int, list[PatientWeek]]
) -> dict[int, Findings]:
    found = {pk: Findings() for pk in nights}
    known = [course for course, _ in docket.courses]
    attended = attendances(
        settings=docket.settings, courses=known, through=docket.through, now=docket.now
    )
    for course in known:
        night = nights[course.clinic_id]
        attendance = attended.get(course.episode_id, NOTHING)
        _of_course(found[course.clinic_id], night, course, judged[course.episode_id], attendance)
    return found


def _of_course(
    findings: Findings,
    night: Night,
    course: Course,
    weeks: list[PatientWeek],
    attendance: Attendance,
) -> None:
    hours = hours_findings(night, course, weeks, attendance)
    findings.take(hours)
    findings.take(week_findings(night, course, weeks, attendance, hours=hours.by_key))
    findings.add(absence_findings(night, course, attendance))
    findings.add(pattern_findings(night, course, attendance))


def _compare(
    docket: Docket,
    nights: Mapping[int, Night],
    stored: Mapping[int, Mapping[CaseKey, Flag]],
    found: Mapping[int, Findings],
) -> dict[int, Changes]:
    """What changes in each clinic, written: at most two statements."""
    courses_of = docket.by_clinic()
    changes = {}
    for pk, night in nights.items():
        judge = Judge(
            night.settings,
            courses_of[pk],
            night.through,
            night.today,
            night.now,
            docket.first_weeks,
        )
        changes[pk] = judge.compare(stored[pk], found[pk])
    together = Changes()
    for one in changes.values():
        together.take(one)
    together.write()
    return changes


def _store_results(docket: Docket, judged: Mapping[int, list[PatientWeek]]) -> list[WeekResult]:
    """Of those with an ended week before them; 2 statements at most."""
    ended = [course for course, weeks in docket.courses if weeks[0].end <= docket.through]
    known = {course.episode_id: course for course in ended}
    # A standard's own week may begin up to three days before the clinic's.
    first = min(docket.first_weeks.values(), default=docket.through) - timedelta(days=3)
    stored = latest_results(docket.settings, known, first) if known else {}
    every = (week for episode_id in known for week in judged[episode_id])
    results = new_results(every, stored, known, now=docket.now)
    if results:
        WeekResult.objects.bulk_create(results)
    return results


def _counts(
    docket: Docket, clinic_id: int, changes: Changes, results: list[WeekResult]
) -> EvaluationCounts:
    own = [result for result in results if result.clinic_id == clinic_id]
    return EvaluationCounts(
        patients=sum(course.clinic_id == clinic_id for course, _ in docket.courses),
        opened=len(changes.opened),
        updated=len(changes.updated),
        closed=len(changes.closed),
        reopened=len(changes.reopened),
        lapsed=len(changes.lapsed),
        results=sum(not result.amendment for result in own),
        amendments=sum(bool(result.amendment) for result in own),
    )
