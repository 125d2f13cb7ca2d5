"""How a patient's week is said to people: four kinds of minutes, each standard's judgement."""

from __future__ import annotations

from attendance.compliance.rules.plans import plan_week
from attendance.compliance.rules.weeks import DayJudgement, StandardTerms, WeekStatus
from attendance.compliance.status import JudgedStandard, PatientWeek
from attendance.models import Standard
from iop_clinic.accounts.weeks import hours_and_minutes


def minutes_said(judged: JudgedStandard) -> str:
    """ "met", "short 2 h 10", or "open" with what is out of reach already."""
    week = judged.judgement
    if judged.minutes_status == WeekStatus.SHORT:
        return f"short {hours_and_minutes(week.minutes_short_by)}"
    if judged.minutes_status == WeekStatus.OPEN and week.make_up_minutes:
        return f"open, {hours_and_minutes(week.make_up_minutes)} not booked"
    return judged.minutes_status.value


def days_said(judged: JudgedStandard) -> str:
    """ "met", "short 1 day", or "open" with the days that are out of reach already."""
    week = judged.judgement
    if judged.days_status == WeekStatus.SHORT:
        return f"short {_days(week.days_short_by)}"
    missing = week.prorated_days - week.days_at_most
    if judged.days_status == WeekStatus.OPEN and missing > 0:
        return f"open, {_days(missing)} not booked"
    return judged.days_status.value


def minimum_said(judged: JudgedStandard) -> str:
    """The minimum, and what it was before it was reduced: "prorated 6 h of 9 h"."""
    least = hours_and_minutes(judged.prorated_minimum)
    if judged.prorated_minimum == judged.minimum:
        return least
    return f"prorated {least} of {hours_and_minutes(judged.minimum)}"


def days_counted(judged: JudgedStandard) -> str:
    """Qualifying days of those asked for, and what makes one: "2 of 3, from 3 h a day"."""
    week, terms = judged.judgement, judged.terms
    said = f"{week.days_qualifying} of {week.prorated_days}"
    if week.prorated_days != week.days_required:
        said += f" (prorated from {week.days_required})"
    return said + _day_asked(terms)


def days_asked(terms: StandardTerms) -> str:
    """ "3, from 3 h a day"."""
    return f"{terms.days}{_day_asked(terms)}"


def _day_asked(terms: StandardTerms) -> str:
    said = f", from {hours_and_minutes(terms.day_threshold)} a day" if terms.day_threshold else ""
    if terms.services_per_day:
        said += f", from {terms.services_per_day} services a day"
    return said


def judged_part(judged: JudgedStandard) -> str:
    """The dates judged by themselves, when they are not the whole week."""
    if (judged.first, judged.last) == (judged.week.start, judged.week.end):
        return ""
    return f"{judged.first:%b %-d} – {judged.last:%b %-d}"


def plan_said(week: PatientWeek) -> str:
    """The plan's target, prorated as the minimum is, and what is missing of it.

    "Below" only once the week is settled. Of a week whose parts have plans of their own the last
    one's target alone.
    """
    if week.plan_target is None:
        return "no plan"
    target = hours_and_minutes(week.plan_target)
    parts = [one for one in week.standards if one.standard.source == Standard.Source.PROGRAM]
    if len(parts) > 1:
        return target
    wanted = week.plan_target
    for one in parts:
        wanted = plan_week(one.lines, week.plan_target, one.share).prorated_target
    said = (
        target
        if wanted == week.plan_target
        else f"prorated {hours_and_minutes(wanted)} of {target}"
    )
    if week.credited >= wanted:
        return said
    missing = hours_and_minutes(wanted - week.credited)
    return f"{said}, below by {missing}" if week.final else f"{said}, {missing} to go"


def day_said(day: DayJudgement, terms: StandardTerms, *, cancelled: bool = False) -> str:
    """What a date is worth under a standard: "Mon 50 min, 2 h 10 short of a day"."""
    return f"{day.local_date:%a} {day_worth(day, terms, cancelled=cancelled)}"


def day_worth(day: DayJudgement, terms: StandardTerms, *, cancelled: bool = False) -> str:
    """The same without the weekday, for where the date stands beside it."""
    so_far = hours_and_minutes(day.at_least)
    if day.qualifies:
        return f"{so_far} counts"
    if day.can_qualify:
        return f"{so_far} so far, may still count"
    if cancelled:
        return "cancelled by the clinic"
    if not day.at_most:
        return f"{so_far}, no qualifying day"
    more = f"at most {hours_and_minutes(day.at_most)}, " if day.at_most > day.at_least else ""
    missing = terms.qualifying_minutes - day.at_most
    if missing > 0:
        return f"{so_far}, {more}{hours_and_minutes(missing)} short of a day"
    return f"{so_far}, {more}{day.services} of {terms.services_per_day} services of a day"


def verdict(judged: JudgedStandard) -> str:
    """Minutes and days in one line: "minutes met, days short 1 day"."""
    said = f"minutes {minutes_said(judged)}, days {days_said(judged)}"
    return f"{said}, over the maximum" if judged.judgement.over_maximum else said


def _days(count: int) -> str:
    return f"{count} day" if count == 1 else f"{count} days"
