"""What a group's weekly template credits to somebody who is always there, under each standard that
may judge its members (R5, R9). Closures and cancellations are left out: the template is judged, not
a week of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date

from attendance.compliance.rules.weeks import (
    DayJudgement,
    DayMinutes,
    StandardTerms,
    WeekJudgement,
    judge_week,
)
from attendance.compliance.settings import ClinicSettings, DatedStandard
from attendance.models import Standard
from attendance.records.rules import (
    SessionFacts,
    full_presence_minutes,
    scheduled_minutes,
    session_minutes,
)
from iop_clinic.accounts.weeks import Week, week_of
from scheduling.models import Group, WeeklyBlock
from scheduling.rules import occurrences, span_on

WEEKS = 2
"""After so many weeks a block of every second week has met as well."""
ASKS_NOTHING = StandardTerms(minimum=0, maximum=None, day_threshold=0, days=0)


@dataclass(frozen=True, slots=True)
class TemplateWeek:
    """The poorer of two coming weeks under one standard, were every session attended."""

    standard: DatedStandard
    judgement: WeekJudgement

    @property
    def reaches(self) -> bool:
        return self.judgement.met


@dataclass(frozen=True, slots=True)
class Template:
    """`days` holds one date for each weekday on which the group meets, as the program judges it;
    without a standard of the program any minute counts. `offered` are the dates of two weeks on
    which the program counts a service."""

    terms: StandardTerms
    week_starts_on: int
    days: tuple[DayJudgement, ...]
    offered: tuple[date, ...]
    weeks: tuple[TemplateWeek, ...]


def template_of(
    settings: ClinicSettings, group: Group, blocks: Sequence[WeeklyBlock], *, on: date
) -> Template:
    """Judge the template of a group from the week after a local date on; no statement.

    `blocks` are those in force on the date, with their session types.
    """
    standards = list(_standards(settings, group, on))
    program = program_standard(settings, group.program_id, group.level, group.age_bracket, on)
    terms = program.terms if program else ASKS_NOTHING
    starts_on = program.week_starts_on if program else settings.week_starts_on
    return Template(
        terms,
        starts_on,
        days=tuple(_weekdays(settings, blocks, terms, on)),
        offered=tuple(_offered(settings, blocks, terms, weeks_after(starts_on, on))),
        weeks=tuple(TemplateWeek(one, _poorest(settings, blocks, one, on)) for one in standards),
    )


def _standards(settings: ClinicSettings, group: Group, day: date) -> Iterator[DatedStandard]:
    """Those in force for the group's program, level and bracket: the program's first. One that
    names the program goes before one that means any."""
    best: dict[tuple[int, int | None], DatedStandard] = {}
    for one in settings.standards:
        fits = one.level == group.level and one.age_bracket == group.age_bracket
        if fits and day in one.span and one.program_id in (None, group.program_id):
            key = (one.source, one.payer_id)
            if key not in best or one.program_id is not None:
                best[key] = one
    yield from sorted(best.values(), key=lambda one: (one.source, one.id))


def program_standard(
    settings: ClinicSettings, program: int, level: int, bracket: int, day: date
) -> DatedStandard | None:
    """The program's standard for a level and age bracket in force on a local date."""
    asked = Group(program_id=program, level=level, age_bracket=bracket)
    found = _standards(settings, asked, day)
    return next((one for one in found if one.source == Standard.Source.PROGRAM), None)


def _poorest(
    settings: ClinicSettings, blocks: Sequence[WeeklyBlock], standard: DatedStandard, on: date
) -> WeekJudgement:
    judged = (
        judge_week(_lines(settings, blocks, week), standard.terms)
        for week in weeks_after(standard.week_starts_on, on)
    )
    return min(judged, key=lambda one: (one.met, one.at_least, one.days_qualifying))


def _weekdays(
    settings: ClinicSettings, blocks: Sequence[WeeklyBlock], terms: StandardTerms, on: date
) -> Iterator[DayJudgement]:
    seen = set()
    for week in weeks_after(settings.week_starts_on, on):
        for day in judge_week(_lines(settings, blocks, week), terms).days:
            if day.local_date.weekday() not in seen:
                seen.add(day.local_date.weekday())
                yield day


def _offered(
    settings: ClinicSettings,
    blocks: Sequence[WeeklyBlock],
    terms: StandardTerms,
    weeks: Iterable[Week],
) -> Iterator[date]:
    for week in weeks:
        for day in judge_week(_lines(settings, blocks, week), terms).days:
            if day.services:
                yield day.local_date


def weeks_after(starts_on: int, on: date) -> list[Week]:
    """The full weeks to come in which every block meets once at least."""
    this = week_of(on, week_start=starts_on)
    return [this.shifted(number + 1) for number in range(WEEKS)]


def _lines(
    settings: ClinicSettings, blocks: Iterable[WeeklyBlock], week: Week
) -> Iterator[DayMinutes]:
    for block in blocks:
        for day in _dates(block, week):
            yield attended_line(settings, block, day)


def _dates(block: WeeklyBlock, week: Week) -> list[date]:
    """When the block meets in the week; that it may end is left out as well."""
    return occurrences(
        weekday=block.weekday,
        every_weeks=block.every_weeks,
        valid_from=block.valid_from,
        valid_until=None,
        first=week.start,
        last=week.end,
    )


def attended_line(settings: ClinicSettings, block: WeeklyBlock, day: date) -> DayMinutes:
    """What a block credits on a local date to somebody who is there throughout."""
    span = span_on(day, block.starts_at, block.ends_at, settings.zone)
    session = SessionFacts(
        span.starts_at,
        span.ends_at,
        tuple((start, end) for start, end in block.breaks),
        block.session_type.creditable,
    )
    return DayMinutes(
        local_date=day,
        session_type_id=block.session_type_id,
        scheduled=scheduled_minutes(session),
        attended=session_minutes(session),
        credited=full_presence_minutes(session, settings.policy_on(day)),
        services=int(session.creditable),
    )


def led_minutes(blocks: Iterable[WeeklyBlock]) -> int:
    """What blocks take of a week of whoever leads them, breaks left out; a block of every second
    week takes half of its own."""
    day = date(2001, 1, 1)  # any: a length by the wall clock
    spans = ((span_on(day, one.starts_at, one.ends_at, UTC), one) for one in blocks)
    return sum(
        session_minutes(SessionFacts(*span, tuple((a, b) for a, b in one.breaks)))
        // one.every_weeks
        for span, one in spans
    )
