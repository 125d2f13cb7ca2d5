"""Week results: what a week was finally judged to be, stored with everything it was judged from.

Insert-only. A roster that comes later, a correction or a changed plan adds an amendment, so that a
report already sent can be explained, and any result can be replayed. What nobody judges any more,
because its part of the week is gone or is open again, is taken back by a void amendment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timedelta
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

CARE_CHANGED = "Plan, hold or dates of treatment changed."
NOT_JUDGED = "Taken back: this part of the week is no longer judged by this standard."
OPEN_AGAIN = "Taken back: a record is missing, so the week is open again."
JUDGED_AGAIN = "Judged again after it was taken back."

_LINE = tuple(field.name for field in fields(DayMinutes))


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a stored result and a replay of it disagree."""

    replayed_from: str
    field: str
    stored: Any
    replayed: Any


def latest_results(
    clinics: Iterable[int], episode_ids: Iterable[int], first: date
) -> dict[Key, WeekResult]:
    """The last amendment of every result of weeks from a date on, void ones too; 1 statement."""
    rows = WeekResult.objects.filter(
        clinic__in=clinics, episode__in=episode_ids, week_starts_on__gte=first
    )
    return {_key(row): row for row in rows.order_by("amendment")}


def new_results(
    weeks: Iterable[PatientWeek],
    stored: Mapping[Key, WeekResult],
    courses: Mapping[int, Course],
    *,
    now: datetime,
) -> list[WeekResult]:
    """Results of ended, final weeks that are not stored yet or are judged differently now.

    Stored results of these weeks that are not judged to an end any more are taken back.
    """
    found = []
    rows_of = _by_episode(stored.values())
    for week in weeks:
        judged = {_judged_key(week, one): one for one in week.standards if one.ended and one.final}
        course = courses[week.episode_id]
        for key, one in judged.items():
            before = stored.get(key)
            if before is None or before.void or _changed(before, one):
                found.append(_result(course, one, before, now))
        for row in rows_of[week.episode_id]:
            stands = not row.void and row.judged_at <= now
            if stands and _key(row) not in judged and _lies_in(row, week):
                found.append(_taken_back(row, week, now))
    return found


def replay(result: WeekResult, *, now: datetime) -> list[Difference]:
    """Judge a stored week again, from its own inputs and from today's facts; [] when both agree.

    Facts differ from an amended result, or once a plan, hold or record was changed afterwards.
    """
    return replay_inputs(result) + replay_facts(result, _current(result, now))


def replay_inputs(result: WeekResult) -> list[Difference]:
    """Where the figures do not follow from the inputs beside them; no statement."""
    if "terms" not in result.inputs:
        return [Difference("inputs", "inputs", "none", "needed")]
    again = _figures(judge_week(*inputs_of(result)))
    return _differences("inputs", _figures_of(result), again)


def replay_facts(result: WeekResult, judged: JudgedStandard | None) -> list[Difference]:
    """Where a result differs from the judgement of its part of the week as facts stand now."""
    settled = judged if judged and judged.ended and judged.final else None
    if result.void or settled is None:
        stands = not result.void
        same = stands == (settled is not None)
        return [] if same else [Difference("facts", "judged", stands, settled is not None)]
    stored = {**_figures_of(result), "segment_ends_on": result.segment_ends_on}
    now = {**_figures(settled.judgement), "segment_ends_on": settled.last}
    found = _differences("facts", stored, now)
    if found or not _changed(result, settled):
        return found
    return [Difference("facts", "inputs", "as stored", "changed")]


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
    return (stored.get("days"), stored.get("share"), before.segment_ends_on) != now


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


def _taken_back(before: WeekResult, week: PatientWeek, now: datetime) -> WeekResult:
    """An amendment with the figures of the result before it, which nobody stands by any more."""
    still = {(one.standard.id, one.first) for one in week.standards}
    same = (before.standard_id, before.segment_starts_on) in still
    return WeekResult(
        clinic_id=before.clinic_id,
        episode_id=before.episode_id,
        standard_id=before.standard_id,
        week_starts_on=before.week_starts_on,
        segment_starts_on=before.segment_starts_on,
        segment_ends_on=before.segment_ends_on,
        amendment=before.amendment + 1,
        inputs=before.inputs,
        reason=OPEN_AGAIN if same else NOT_JUDGED,
        void=True,
        judged_at=now,
        **_figures_of(before),
    )


def _reason(before: WeekResult, judged: JudgedStandard) -> str:
    if before.void:
        return JUDGED_AGAIN
    lines, _, share = inputs_of(before)
    if share != judged.share or before.segment_ends_on != judged.last:
        return CARE_CHANGED
    if any(line.unrecorded for line in lines):
        return "A roster came later."
    if _total(lines, "cancelled") != _total(judged.lines, "cancelled"):
        return "The clinic cancelled sessions, or took that back."
    if _total(lines, "scheduled") != _total(judged.lines, "scheduled"):
        return "Sessions were booked or withdrawn."
    return "Attendance was corrected."


def _total(lines: Iterable[DayMinutes], name: str) -> int:
    return sum(getattr(line, name) for line in lines)


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
        weeks=[result.week_starts_on + _HALF_WEEK],
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


def _judged_key(week: PatientWeek, judged: JudgedStandard) -> Key:
    return week.episode_id, judged.standard.id, judged.first


_HALF_WEEK = timedelta(days=3)


def _lies_in(row: WeekResult, week: PatientWeek) -> bool:
    """A standard's own week goes with the clinic's week that shares most days with it."""
    return row.week_starts_on + _HALF_WEEK in week.week


def _by_episode(rows: Iterable[WeekResult]) -> Mapping[int, list[WeekResult]]:
    found: defaultdict[int, list[WeekResult]] = defaultdict(list)
    for row in rows:
        found[row.episode_id].append(row)
    return found
