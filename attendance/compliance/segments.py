"""The parts of a week that are judged by themselves, the standards that judge them, proration."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date

from attendance.compliance.courses import Course
from attendance.compliance.rules.weeks import WHOLE_WEEK, Share, days_inside
from attendance.compliance.settings import ClinicSettings, DatedStandard
from attendance.compliance.spans import dates
from attendance.models import Standard
from iop_clinic.accounts.weeks import Week
from patients.models import AgeBracket
from patients.rules import age_on


@dataclass(frozen=True, slots=True)
class Segment:
    """The dates of a week in treatment at one level of care, in one age bracket."""

    first: date
    last: date
    level: int
    age_bracket: int


def segments(course: Course, week: Week, *, adult_at: int) -> list[Segment]:
    """The week cut where the level changes; admission, discharge and death cut it too.

    The age bracket is that of the week's first day. Dates without a plan are in no segment.
    """
    bracket = _bracket(course, week, adult_at)
    plan = course.plan_on(week.start)
    # Nearly every week: one plan, all of it in treatment.
    if (
        plan
        and week.end in plan.span
        and course.active_on(week.start)
        and course.active_on(week.end)
    ):
        return [Segment(week.start, week.end, plan.level, bracket)]
    found: list[Segment] = []
    for day in week.days():
        plan = course.plan_on(day)
        if plan is None or not course.active_on(day):
            continue
        before = found[-1] if found else None
        if before and before.level == plan.level and (day - before.last).days == 1:
            found[-1] = replace(before, last=day)
        else:
            found.append(Segment(day, day, plan.level, bracket))
    return found


def _bracket(course: Course, week: Week, adult_at: int) -> int:
    adult = age_on(course.birth_date, week.start) >= adult_at
    return AgeBracket.ADULT if adult else AgeBracket.ADOLESCENT


def applying(
    standards: Iterable[DatedStandard], course: Course, segment: Segment
) -> list[DatedStandard]:
    """What judges a segment: the program's standard, one for each payer, the court's.

    In force on the segment's last day; one that names the program or payer goes before one that
    means any.
    """
    payers = _payers(course, segment)
    best: dict[tuple[int, int | None], DatedStandard] = {}
    for standard in standards:
        if not _fits(standard, course, segment):
            continue
        for subject in _subjects(standard, course, segment, payers):
            key = (standard.source, subject)
            if key not in best or _precision(standard) > _precision(best[key]):
                best[key] = standard
    chosen = {standard.id: standard for standard in best.values()}
    return sorted(chosen.values(), key=lambda one: (one.source, one.id))


def _fits(standard: DatedStandard, course: Course, segment: Segment) -> bool:
    return (
        (standard.level, standard.age_bracket) == (segment.level, segment.age_bracket)
        and segment.last in standard.span
        and standard.program_id in (None, course.program_id)
    )


def _subjects(
    standard: DatedStandard, course: Course, segment: Segment, payers: frozenset[int]
) -> Collection[int | None]:
    """Whom a standard speaks for: the payers it means, or once for the program or the court."""
    if standard.source == Standard.Source.PAYER:
        return payers if standard.payer_id is None else payers & {standard.payer_id}
    if standard.source == Standard.Source.COURT:
        return [None] if _in_court(course, segment) else []
    return [None]


def _payers(course: Course, segment: Segment) -> frozenset[int]:
    return frozenset(
        paid.payer_id
        for paid in course.payers
        if paid.level in (None, segment.level) and paid.span.meets(segment.first, segment.last)
    )


def _in_court(course: Course, segment: Segment) -> bool:
    return any(court.meets(segment.first, segment.last) for court in course.courts)


def _precision(standard: DatedStandard) -> tuple[bool, bool]:
    return standard.payer_id is not None, standard.program_id is not None


# Proration


def share(settings: ClinicSettings, course: Course, week: Week, segment: Segment) -> Share:
    """Own template days inside the segment and outside holds, of those of a full week.

    A transfer between groups cuts nothing: days are those of every group sat in, whenever in the
    segment. Without any template the figures stay whole, unless a hold covers it all, or the first
    seat begins in a week after that of the admission: nothing was planned before it.
    """
    whole = (segment.first, segment.last) == (week.start, week.end)
    held = any(hold.meets(segment.first, segment.last) for hold in course.holds)
    if whole and not held:
        return WHOLE_WEEK
    if all(course.on_hold_on(day) for day in dates(segment.first, segment.last)):
        return Share(0, 1)
    template = template_days(settings, course, week, segment)
    if not template:
        return Share(0, 1) if _begins_later(course, week, segment) else WHOLE_WEEK
    holds = [(hold.first, hold.last) for hold in course.holds]
    inside = days_inside(template, first=segment.first, last=segment.last, holds=holds)
    return Share(inside, len(template))


def _begins_later(course: Course, week: Week, segment: Segment) -> bool:
    """Whether the segment is the first of a stay whose first seat lies in a week to come."""
    first = min((seat.span.first for seat in course.seats), default=None)
    admitted = course.treated is not None and course.treated.first == segment.first
    return admitted and first is not None and first > week.end


def template_days(
    settings: ClinicSettings, course: Course, week: Week, segment: Segment
) -> set[date]:
    """The dates of a full week on which the patient's groups meet; without a group, their own
    standing sessions."""
    groups = {s.group_id for s in course.seats if s.span.meets(segment.first, segment.last)}
    of_groups = [block for block in settings.blocks if block.group_id in groups]
    standing = [block for block in settings.blocks if block.episode_id == course.episode_id]
    return {day for block in of_groups or standing for day in block.dates(week.start, week.end)}
