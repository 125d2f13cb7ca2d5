"""How much room a group's timetable leaves, in words: slack, gaps, services, closures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from django.urls import reverse
from django.utils.html import format_html, format_html_join

from attendance.compliance.closed_weeks import ClosedWeek
from attendance.compliance.rules.feasibility import (
    Gap,
    day_slack,
    largest_gap,
    services_a_day,
    spare_days,
    week_slack,
)
from attendance.compliance.template_weeks import WEEKS, Template, TemplateWeek
from iop_clinic.accounts.admin.panels import Panel, anchor
from iop_clinic.accounts.models import Weekday
from iop_clinic.accounts.weeks import DAYS_IN_WEEK, hours_and_minutes
from scheduling.admin.weekly_template import block_times
from scheduling.models import WeeklyBlock

MOST_DAYS_BETWEEN = 2
"""So many days between services are common; North Carolina allows no more (R5)."""

Line = tuple[object, ...]


def room_panel(template: Template, blocks: Sequence[WeeklyBlock]) -> Panel:
    """What may be missed of a week before it is lost, and how the week is spread; no statement."""
    return Panel(
        "How much room it leaves",
        ("What", "How much", "What that means"),
        [*_days(template), *_weeks(template), *_spread(template, blocks)],
        empty="Nothing: no weekly block is in force.",
    )


def at_most_said(template: Template) -> str:
    """ "This group can credit at most 7 h 30 of 9 h. ", of the standard that lacks most (R9)."""
    short = [one.judgement for one in template.weeks if one.judgement.minutes_to_go]
    if not short:
        return ""
    worst = max(short, key=lambda week: week.minutes_to_go)
    least, minimum = hours_and_minutes(worst.at_least), hours_and_minutes(worst.minimum)
    return f"This group can credit at most {least} of {minimum}. "


# --- slack ---------------------------------------------------------------------------------------


def _days(template: Template) -> Iterator[Line]:
    """Weekdays with the same slack share a line."""
    slacks: defaultdict[int, list[str]] = defaultdict(list)
    for day in sorted(template.days, key=lambda one: one.local_date.weekday()):
        slack = day_slack(day, template.terms)
        if slack is not None:
            slacks[slack].append(f"{day.local_date:%A}")
    for slack, names in slacks.items():
        yield ", ".join(names), slack_said(slack), slack_meaning(slack, "day")


def _weeks(template: Template) -> Iterator[Line]:
    for one in template.weeks:
        yield f"Week, {one.standard.name}", *_week(one)


def _week(one: TemplateWeek) -> tuple[object, object]:
    slack, days = week_slack(one.judgement), spare_days(one.judgement)
    if slack < 0 or days < 0:
        return "none", "out of reach: the timetable is too short"
    parts = [slack_meaning(slack, "week")] if one.judgement.minimum else []
    if one.standard.terms.days:
        parts.append("no day to spare" if not days else f"{_number(days, 'day')} to spare")
    return slack_said(slack), "; ".join(part for part in parts if part)


def slack_said(minutes: int) -> str:
    return f"slack {hours_and_minutes(minutes)}"


def slack_meaning(minutes: int, what: str) -> str:
    """ "one late minute loses the day"."""
    return "" if minutes else f"one late minute loses the {what}"


# --- spread --------------------------------------------------------------------------------------


def _spread(template: Template, blocks: Sequence[WeeklyBlock]) -> Iterator[Line]:
    gap = largest_gap(template.offered, cycle=WEEKS * DAYS_IN_WEEK)
    if gap is None:
        return
    yield "Largest gap", _number(gap.days, "day") + " without a service", _gap(gap)
    fewest, most = services_a_day(template.days)
    yield "Services a day", str(most) if fewest == most else f"{fewest} to {most}", ""
    last = last_meeting(template, blocks)
    if last is not None:
        when = f"{Weekday(last.weekday).label}, {block_times(last)}"
        yield "Last chance of the week", when, "after it nothing of this group repairs the week"


def _gap(gap: Gap) -> str:
    if not gap.days:
        return "a service every day"
    names = f"{gap.first:%A}" if gap.days == 1 else f"{gap.first:%A} – {gap.last:%A}"
    if gap.days <= MOST_DAYS_BETWEEN:
        return names
    told = f"more than {MOST_DAYS_BETWEEN} days, which some states do not allow"
    return format_html('{}: <strong class="clinic-late">{}</strong>', names, told)


def last_meeting(template: Template, blocks: Sequence[WeeklyBlock]) -> WeeklyBlock | None:
    """The last counted meeting of the week, as the program counts its weeks."""
    types, starts_on = template.terms.counted_types, template.week_starts_on
    counted = [
        one
        for one in blocks
        if one.session_type.creditable and (not types or one.session_type_id in types)
    ]
    return max(
        counted,
        key=lambda one: ((one.weekday - starts_on) % DAYS_IN_WEEK, one.ends_at, one.pk),
        default=None,
    )


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


# --- closures ------------------------------------------------------------------------------------


def closures_panel(weeks: Sequence[ClosedWeek], template: Template) -> Panel:
    return Panel(
        "What closures take of the next 4 weeks",
        ("Week", "Closed for", "Lost", "Left at most"),
        [tuple(_closed(one, template)) for one in weeks],
        empty="Nothing: neither this week nor the next four lose a session.",
        note=_proration_note(weeks, template),
    )


def _closed(one: ClosedWeek, template: Template) -> Iterator[object]:
    lost, left = one.loss, one.loss.left
    yield one.week.label
    links = ((_closure_link(row.pk, row.reason),) for row in one.closures)
    yield format_html_join("; ", "{}", links)
    yield _lost(lost.minutes, lost.days)
    said = hours_and_minutes(left.at_least)
    if not template.terms.minimum:
        yield said
        return
    days = f", {left.days_qualifying} of {_number(left.prorated_days, 'day')}"
    wanted = hours_and_minutes(left.prorated_minimum)
    yield f"{said} of {wanted}{days if template.terms.days else ''}"


def _closure_link(key: int, reason: str) -> str:
    return anchor(reverse("admin:scheduling_closure_change", args=[key]), reason)


def _lost(minutes: int, days: int) -> str:
    said = hours_and_minutes(minutes)
    return f"{said} and {_number(days, 'qualifying day')}" if days else said


def _proration_note(weeks: Sequence[ClosedWeek], template: Template) -> str:
    if not weeks or not template.terms.prorate:
        return ""
    return (
        "What the clinic cancels is taken off the program’s minimum; payers and courts are shown "
        "the unreduced figures."
    )
