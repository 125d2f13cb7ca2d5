"""What this floor adds to the page of a group: what its week is worth, and its open cases."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from attendance.admin.case_lines import cases_panel
from attendance.admin.feasibility import at_most_said, closures_panel, room_panel
from attendance.admin.judged_by import standard_link
from attendance.admin.wording import day_worth, days_asked
from attendance.compliance.closed_weeks import closed_weeks
from attendance.compliance.rules.weeks import DayJudgement, StandardTerms
from attendance.compliance.settings import clinic_settings
from attendance.compliance.template_weeks import Template, TemplateWeek, template_of
from attendance.models import Standard
from iop_clinic.accounts.admin.panels import Panel, anchor, link
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date, hours_and_minutes
from scheduling.admin.group_seats import template_blocks
from scheduling.admin.weekly_template import (
    Meeting,
    begins_later,
    in_force,
    leaders,
    meetings,
    template_said,
    to_come,
)
from scheduling.admin.wording import places_linked
from scheduling.models import Group, WeeklyBlock


def group_panels(request: Any, row: Group) -> Iterable[Panel]:
    """Open cases, the weekly template with what it credits, what it reaches; five statements."""
    today = timezone.localdate()
    every = list(template_blocks().filter(group=row))
    blocks = in_force(every, today)
    later = begins_later(blocks, today)
    settings = clinic_settings(row.clinic_id)
    template = template_of(settings, row, blocks, on=later or today)
    if request.user.may(Can.VIEW_FLAGS, row.clinic_id):
        yield from cases_panel(request, row.clinic_id, group=row)
    yield Panel(
        "Weekly template",
        ("Day", "Time", "Sessions", "Led by", "Room", "Full presence credits"),
        [tuple(line) for line in _days(blocks, template)],
        empty="No weekly block yet: add them, and the next 4 weeks are planned at once.",
        note=_template_note(request, row, later),
    )
    yield from _to_come(every, today)
    if blocks:
        yield reached_panel(template)
        yield room_panel(template, blocks)
        starts_on = template.week_starts_on
        weeks = closed_weeks(settings, every, template.terms, starts_on=starts_on, on=today)
        yield closures_panel(weeks, template)


def _to_come(blocks: Sequence[WeeklyBlock], today: datetime.date) -> Iterator[Panel]:
    """A term that is planned already, or the end of this one."""
    rows = [
        (
            full_date(day),
            template_said(then) or "no weekly block any more",
            format_html_join("; ", "{}", ((link(one, one.name),) for one in leaders(then))),
            places_linked(then),
        )
        for day, then in to_come(blocks, today)
    ]
    if rows:
        yield Panel("Weekly template to come", ("From", "Meets", "Led by", "Room"), rows)


def _template_note(request: Any, row: Group, later: datetime.date | None) -> str:
    said = f"It begins on {full_date(later)}. " if later else ""
    if not request.user.may(Can.MANAGE_SCHEDULE, row.clinic_id):
        return said
    address = f"{reverse('admin:scheduling_weeklyblock_new')}?group={row.pk}"
    return format_html("{}{}", said, anchor(address, "Add weekly blocks"))


def _days(blocks: Sequence[WeeklyBlock], template: Template) -> Iterator[Iterator[object]]:
    """One line for each weekday of the clinic's week."""
    found = meetings(blocks)
    for day in sorted(template.days, key=lambda one: one.local_date.weekday()):
        weekday = day.local_date.weekday()
        yield _day([one for one in found if one.weekday == weekday], day, template.terms)


def _day(found: Sequence[Meeting], day: DayJudgement, terms: StandardTerms) -> Iterator[object]:
    blocks = [block for one in found for block in one.blocks]
    yield f"{day.local_date:%A}"
    yield "; ".join(one.times for one in found)
    yield _types(blocks)
    yield format_html_join("; ", "{}", ((link(one, one.name),) for one in leaders(blocks)))
    yield places_linked(blocks)
    yield _worth(day, terms)


def _worth(day: DayJudgement, terms: StandardTerms) -> str:
    if not terms.days:
        return hours_and_minutes(day.at_least)
    if day.qualifies:
        return f"{hours_and_minutes(day.at_least)}, counts as a day"
    return format_html('<strong class="clinic-late">{}</strong>', day_worth(day, terms))


def _types(blocks: Iterable[WeeklyBlock]) -> str:
    """ "2 × Group therapy, Education"."""
    names = [block.session_type.name for block in blocks]
    counted = {name: names.count(name) for name in names}
    return ", ".join(f"{n} × {name}" if n > 1 else name for name, n in counted.items())


# --- what it reaches -----------------------------------------------------------------------------


def reached_panel(template: Template) -> Panel:
    rule = anchor(reverse("admin:attendance_creditrule_changelist"), "credit rule")
    return Panel(
        "What a full week reaches",
        ("Standard", "Asked for by", "Minutes", "Days", "Verdict"),
        [_line(one) for one in template.weeks],
        empty="No standard judges weeks of this program, level and age: any hours are enough.",
        note=format_html(
            "{}For somebody who attends every session, by the clinic’s {}. Individual and family "
            "sessions come on top.",
            at_most_said(template),
            rule,
        ),
    )


def _line(one: TemplateWeek) -> tuple[object, ...]:
    week = one.judgement
    minutes = f"{hours_and_minutes(week.at_least)} of {hours_and_minutes(week.minimum)}"
    return (
        standard_link(one.standard),
        Standard.Source(one.standard.source).label,
        minutes,
        f"{week.days_qualifying} of {days_asked(one.standard.terms)}",
        "reaches it" if one.reaches else _missing(one),
    )


def _missing(one: TemplateWeek) -> str:
    week = one.judgement
    parts = [hours_and_minutes(week.minutes_to_go)] if week.minutes_to_go else []
    if week.days_short_by:
        parts.append(f"{week.days_short_by} day{'' if week.days_short_by == 1 else 's'}")
    said = f"{' and '.join(parts)} short: the timetable, not the patients"
    return format_html('<strong class="clinic-late">{}</strong>', said)
