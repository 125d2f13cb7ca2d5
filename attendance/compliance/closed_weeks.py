"""What a group's coming weeks lose to the closures that are entered, by its weekly blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from attendance.compliance.rules.feasibility import Loss, loss
from attendance.compliance.rules.weeks import DayMinutes, StandardTerms, judge_week
from attendance.compliance.settings import ClinicSettings
from attendance.compliance.template_weeks import attended_line
from iop_clinic.accounts.weeks import Week, week_of
from scheduling.models import Closure, WeeklyBlock
from scheduling.rules import occurrences, span_on
from scheduling.services.diary import Diary

WEEKS_AHEAD = 4


@dataclass(frozen=True, slots=True)
class ClosedWeek:
    """A week with what it loses, and the closures that take it."""

    week: Week
    loss: Loss
    closures: tuple[Closure, ...]


def closed_weeks(
    settings: ClinicSettings,
    blocks: Sequence[WeeklyBlock],
    terms: StandardTerms,
    *,
    starts_on: int,
    on: date,
) -> list[ClosedWeek]:
    """Of the week of a local date and the next four, those that lose something; 1 statement.

    `blocks` are all of a group's, with their session types: each counts on its own dates. Sessions
    that were moved or cancelled one by one are left out, as everywhere where a template is judged.
    """
    this = week_of(on, week_start=starts_on)
    weeks = [this.shifted(number) for number in range(WEEKS_AHEAD + 1)]
    diary = _closures(settings, weeks[0].start, weeks[-1].end)
    found = (_closed(settings, blocks, terms, diary, week) for week in weeks)
    return [one for one in found if one is not None]


def _closures(settings: ClinicSettings, first: date, last: date) -> Diary:
    """A day more on either side: a span ends on its own local date only in the clinic's zone."""
    day = timedelta(days=1)
    rows = Closure.objects.in_force().filter(
        clinic=settings.clinic_id, room=None, starts_on__lte=last + day, ends_on__gte=first - day
    )
    return Diary(zone=settings.zone, closures=list(rows.order_by("starts_on", "pk")))


def _closed(
    settings: ClinicSettings,
    blocks: Sequence[WeeklyBlock],
    terms: StandardTerms,
    diary: Diary,
    week: Week,
) -> ClosedWeek | None:
    if not diary.closures:
        return None
    lines = list(_lines(settings, blocks, diary, week))
    closures = {one.pk: one for _, one in lines if one is not None}
    whole = judge_week([line for line, _ in lines], terms)
    left = judge_week([_left(line) if closed else line for line, closed in lines], terms)
    found = loss(whole, left)
    return ClosedWeek(week, found, tuple(closures.values())) if found else None


def _lines(
    settings: ClinicSettings, blocks: Sequence[WeeklyBlock], diary: Diary, week: Week
) -> Iterator[tuple[DayMinutes, Closure | None]]:
    for block in blocks:
        for day in dates_of(block, week):
            span = span_on(day, block.starts_at, block.ends_at, settings.zone)
            yield attended_line(settings, block, day), diary.closure(span)


def dates_of(block: WeeklyBlock, week: Week) -> list[date]:
    """The local dates of a week on which a block meets, between its first and its last."""
    return occurrences(
        weekday=block.weekday,
        every_weeks=block.every_weeks,
        valid_from=block.valid_from,
        valid_until=block.valid_until,
        first=week.start,
        last=week.end,
    )


def _left(line: DayMinutes) -> DayMinutes:
    """The same day line with the session cancelled by the clinic (2b, proration)."""
    return DayMinutes(line.local_date, line.session_type_id, cancelled=line.scheduled)
