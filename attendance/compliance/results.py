"""Week results: what a week was finally judged to be, stored with everything it was judged from.

Insert-only. A roster that comes later, a correction or a changed plan adds an amendment, so that a
report already sent can be explained, and any result can be replayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any

from attendance.compliance.courses import Course
from attendance.compliance.rules.weeks import (
    Basis,
    DayMinutes,
    Share,
    StandardTerms,
    WeekJudgement,
    judge_week,
)
from attendance.compliance.status import JudgedStandard, PatientWeek, week_statuses
from attendance.models import WeekResult

Key = tuple[int, int, date]
"""Episode, standard, first date of the segment."""

_LINE = tuple(field.name for field in fields(DayMinutes))


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a stored result and a replay of it disagree."""

    replayed_from: str
    field: str
    stored: Any
    replayed: Any


def latest_results(
    clinic_id: int, episode_ids: Iterable[int], first: date
) -> dict[Key, WeekResult]:
    """The last amendment of every result of weeks from a date on; 1 statement."""
    rows = WeekResult.objects.filter(
        clinic=clinic_id, episode__in=episode_ids, week_starts_on__gte=first
    )
    return {_key(row): row for row in rows.order_by("amendment")}


def new_results(
    weeks: Iterable[PatientWeek],
    stored: Mapping[Key, WeekResult],
    courses: Mapping[int, Course],
    *,
    now: datetime,
) -> list[WeekResult]:
    """Results of ended, final weeks that are not stored yet or are judged differently now."""
    found = []
    for week in weeks:
        for judged in week.standards:
            if not (judged.ended and judged.final):
                continue
            before = stored.get((week.episode_id, judged.standard.id, judged.first))
            if before is None or _changed(before, judged):
                found.append(_result(courses[week.episode_id], judged, before, now))
    return found


def replay(result: WeekResult, *, now: datetime) -> list[Difference]:
    """Judge a stored week again, from its own inputs and from today's facts; [] when both agree.

    Facts differ from an amended result, or once a plan, hold or record was changed afterwards.
    """
    again = judge_week(*inputs_of(result))
    found = _differences("inputs", _figures_of(result), _figures(again))
    current = _current(result, now)
    facts = _figures(current.judgement) if current else {}
    return found + _differences("facts", _figures_of(result), facts)


# Inputs


def inputs_of(result: WeekResult) -> tuple[list[DayMinutes], StandardTerms, Share]:
    """The stored inputs as the values that `judge_week` takes."""
    stored = result.inputs
    terms = {**stored["terms"], "basis": Basis(stored["terms"]["basis"])}
    terms["counted_types"] = frozenset(terms["counted_types"])
    return [_line(row) for row in stored["days"]], StandardTerms(**terms), Share(*stored["share"])


def _inputs(course: Course, judged: JudgedStandard) -> dict[str, Any]:
    """JSON that names everything: the days, the terms, the share, and the plan they came from."""
    terms = asdict(judged.terms)
    plan = course.plan_on(judged.last)
    return {
        "days": _rows(judged.lines),
        "terms": {**terms, "counted_types": sorted(terms["counted_types"])},
        "share": _share(judged.share),
        "plan": {
            "level": plan.level,
            "age_bracket": judged.standard.age_bracket,
            "weekly_minutes_target": plan.weekly_minutes_target,
            "starts_on": plan.span.first.isoformat(),
        }
        if plan
        else None,
        "holds": [
            [hold.first.isoformat(), hold.last.isoformat() if hold.last else None]
            for hold in course.holds
            if hold.meets(judged.first, judged.last)
        ],
    }


def _rows(lines: Iterable[DayMinutes]) -> list[dict[str, Any]]:
    ordered = sorted(lines, key=lambda line: (line.local_date, line.session_type_id))
    return [_row(line) for line in ordered]


def _share(share: Share) -> list[int]:
    return [share.inside, share.full]


def _row(line: DayMinutes) -> dict[str, Any]:
    """A line as JSON, without its zeros."""
    values = {name: getattr(line, name) for name in _LINE}
    kept = {name: value for name, value in values.items() if value}
    return {**kept, "local_date": line.local_date.isoformat()}


def _line(row: Mapping[str, Any]) -> DayMinutes:
    known = {name: value for name, value in row.items() if name in _LINE}
    return DayMinutes(**{**known, "local_date": date.fromisoformat(row["local_date"])})


# Comparing and building


def _changed(before: WeekResult, judged: JudgedStandard) -> bool:
    """Whether a week was judged from something else: the standard itself never changes."""
    stored = before.inputs
    now = (_rows(judged.lines), _share(judged.share), judged.last)
    return (stored["days"], stored["share"], before.segment_ends_on) != now


def _result(
    course: Course, judged: JudgedStandard, before: WeekResult | None, now: datetime
) -> WeekResult:
    return WeekResult(
        clinic_id=course.clinic_id,
        episode_id=course.episode_id,
        standard_id=judged.standard.id,
        week_starts_on=judged.week.start,
        segment_starts_on=judged.first,
        segment_ends_on=judged.last,
        amendment=before.amendment + 1 if before else 0,
        inputs=_inputs(course, judged),
        reason=_reason(before, judged) if before else "",
        judged_at=now,
        **_figures(judged.judgement),
    )


def _reason(before: WeekResult, judged: JudgedStandard) -> str:
    lines, _, share = inputs_of(before)
    if share != judged.share or before.segment_ends_on != judged.last:
        return "Plan, hold or dates of treatment changed."
    if any(line.unrecorded for line in lines):
        return "A roster came later."
    return "Attendance was corrected."


def _figures(week: WeekJudgement) -> dict[str, Any]:
    return {
        "minutes_status": week.minutes_status.value,
        "days_status": week.days_status.value,
        "scheduled_minutes": week.scheduled,
        "attended_minutes": week.attended,
        "credited_minutes": week.credited,
        "judged_minutes": week.at_least,
        "qualifying_days": week.days_qualifying,
        "minimum": week.minimum,
        "prorated_minimum": week.prorated_minimum,
        "prorated_days": week.prorated_days,
        "over_maximum": week.over_maximum,
    }


_FIGURES = (
    *("minutes_status", "days_status", "scheduled_minutes", "attended_minutes"),
    *("credited_minutes", "judged_minutes", "qualifying_days", "minimum", "prorated_minimum"),
    *("prorated_days", "over_maximum"),
)


def _figures_of(result: WeekResult) -> dict[str, Any]:
    return {name: getattr(result, name) for name in _FIGURES}


def _current(result: WeekResult, now: datetime) -> JudgedStandard | None:
    weeks = week_statuses(
        clinic=result.clinic_id,
        episode_ids=[result.episode_id],
        weeks=[result.week_starts_on, result.segment_ends_on],
        now=now,
    )
    segments: Sequence[JudgedStandard] = [s for week in weeks.values() for s in week.standards]
    own = (result.standard_id, result.segment_starts_on)
    return next((s for s in segments if (s.standard.id, s.first) == own), None)


def _differences(source: str, stored: dict[str, Any], again: dict[str, Any]) -> list[Difference]:
    return [
        Difference(source, name, value, again.get(name))
        for name, value in stored.items()
        if again.get(name) != value
    ]


def _key(row: WeekResult) -> Key:
    return row.episode_id, row.standard_id, row.segment_starts_on
