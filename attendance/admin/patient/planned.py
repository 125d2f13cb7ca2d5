"""Plan against schedule, this week and next: what is prescribed beside what is booked."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import replace

from django.utils.html import format_html

from attendance.compliance.rules.plans import plan_week
from attendance.compliance.rules.weeks import WHOLE_WEEK, Basis, Share, StandardTerms, judge_week
from attendance.compliance.status import PatientWeek
from attendance.compliance.template_weeks import ASKS_NOTHING
from attendance.models import Standard
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.weeks import Week, hours_and_minutes

NOTHING = "nothing"


def planned(
    weeks: Iterable[PatientWeek],
    today: datetime.date,
    way: str = "",
    title: str = "Plan and schedule",
) -> Panel:
    """One line for each week from the running one on, oldest first; no statement.

    `way` is a link to what fills a gap.
    """
    coming = sorted((one for one in weeks if one.week.end >= today), key=lambda one: one.week.start)
    lines = [_line(one, today) for one in coming]
    return Panel(
        title,
        ("Week", "Plan", "Scheduled", "Not scheduled"),
        lines,
        note=format_html("Scheduled is what is booked, called in or not, breaks left out. {}", way)
        if any(line[-1] not in ("", NOTHING) for line in lines)
        else "",
    )


def _line(week: PatientWeek, today: datetime.date) -> tuple[object, ...]:
    terms, share = _judged_by(week)
    minutes = plan_week(week.lines, week.plan_target or 0, share).scheduled
    days = _days_scheduled(week, terms)
    when, scheduled = _when(week.week, today), _said(minutes, days)
    if week.plan_target is None or week.plan_days is None:
        return when, "no plan", scheduled, ""
    target = plan_week(week.lines, week.plan_target, share).prorated_target
    asked = share.of(week.plan_days)
    missing = _missing(target - minutes, asked - days)
    reduced = " (prorated)" if target < week.plan_target else ""
    return when, f"{_said(target, asked)}{reduced}", scheduled, missing


def _when(week: Week, today: datetime.date) -> str:
    if today in week:
        return f"This week, {week.label}"
    return f"Next week, {week.label}" if today in week.shifted(-1) else week.label


def _judged_by(week: PatientWeek) -> tuple[StandardTerms, Share]:
    """By what a day counts, and the patient's share of the week. Parts of a week with plans of
    their own are not added up: the last one's plan stands beside the whole week."""
    parts = [one for one in week.standards if one.standard.source == Standard.Source.PROGRAM]
    if not parts:
        return ASKS_NOTHING, WHOLE_WEEK
    return parts[-1].terms, parts[-1].share if len(parts) == 1 else WHOLE_WEEK


def _days_scheduled(week: PatientWeek, terms: StandardTerms) -> int:
    """Dates that would qualify by their scheduled minutes."""
    by_schedule = replace(terms, basis=Basis.SCHEDULED, services_per_day=0)
    return judge_week(week.lines, by_schedule).days_qualifying


def _said(minutes: int, days: int) -> str:
    return f"{hours_and_minutes(minutes)} on {_days(days)}"


def _missing(minutes: int, days: int) -> str:
    parts = [hours_and_minutes(minutes)] if minutes > 0 else []
    parts += [_days(days)] if days > 0 else []
    return " and ".join(parts) or NOTHING


def _days(count: int) -> str:
    return f"{count} day" if count == 1 else f"{count} days"
