"""The head of the page: who, in which program, under which plan, how long, paid until when."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from attendance.admin.patient.facts import Head
from attendance.compliance.approvals import Reach, reach_of
from attendance.compliance.finders.treatment import on
from iop_clinic.accounts.admin.panels import link, verb_link
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date, hours_and_minutes
from patients.models import AgeBracket, Authorization, Episode, EpisodeHold, TreatmentPlan
from patients.rules import age_on
from patients.services import next_hold

WEEK = 7


def head(row: Episode, user: Any, now: datetime.datetime) -> Head:
    """At most seven statements: plan, hold, and the authorizations with what is used of them."""
    today = timezone.localdate(now)
    plan = row.plans.in_force(today).first()
    hold = next_hold(row, today)
    state = row.get_state_display()
    if hold is not None and hold.starts_on <= today:
        state = "On hold"
    return Head(
        str(row.patient),
        state=state,
        note=_who(row, today),
        facts=[
            ("Program", row.program),
            ("Plan", _plan(plan)),
            ("Week", weeks_said(row, today)),
            ("Primary therapist", row.primary_therapist or "nobody yet"),
            ("Authorization", _authorization(row, plan, today, now)),
            ("Priority", _priority(row, today)),
            ("Hold", _hold(hold, today, may_end=user.may(Can.MANAGE_EPISODES, row.clinic_id))),
        ],
    )


def _who(row: Episode, today: datetime.date) -> str:
    patient = row.patient
    age = f"{age_on(patient.birth_date, today)} years"
    said = (link(patient, f"Record {patient.record_number}"), age, patient.pronouns)
    return format_html_join(" · ", "{}", ((one,) for one in said if one))


def plan_in_words(plan: TreatmentPlan) -> str:
    """ "IOP 2.1, 9 h on 3 days a week"."""
    hours, days = hours_and_minutes(plan.weekly_minutes_target), plan.days_per_week
    said = f"{plan.get_level_display()}, {hours} on {days} day{'' if days == 1 else 's'} a week"
    if plan.age_bracket != AgeBracket.ADULT:
        said += f", {plan.get_age_bracket_display()}"
    return said


def _plan(plan: TreatmentPlan | None) -> str:
    if plan is None:
        return "none in force"
    review = f"; review by {full_date(plan.review_due_on)}" if plan.review_due_on else ""
    return f"{plan_in_words(plan)}, since {full_date(plan.starts_on)}{review}"


def weeks_said(row: Episode, today: datetime.date) -> str:
    """ "3 of 12, since Nov 6, 2026". A week is seven days from the admission on."""
    if row.admitted_on is None:
        return f"referred on {full_date(row.referred_on)}, not admitted"
    if row.discharged_on is not None:
        weeks = (row.discharged_on - row.admitted_on).days // WEEK + 1
        when = f"{full_date(row.admitted_on)} to {full_date(row.discharged_on)}"
        return f"{weeks} of {row.planned_weeks}, {when}: {row.get_discharge_reason_display()}"
    if today < row.admitted_on:
        return f"begins on {full_date(row.admitted_on)}, {row.planned_weeks} weeks planned"
    week = (today - row.admitted_on).days // WEEK + 1
    return f"{week} of {row.planned_weeks}, since {full_date(row.admitted_on)}"


def _priority(row: Episode, today: datetime.date) -> str:
    if not row.is_priority_on(today):
        return "none"
    until = f", until {full_date(row.priority_until)}" if row.priority_until else ""
    return f"{row.get_priority_display()}{until}"


def _hold(hold: EpisodeHold | None, today: datetime.date, *, may_end: bool) -> str:
    """One to come as well: its way back stands here, for the patient is not on hold yet."""
    if hold is None:
        return "none"
    to_come = hold.starts_on > today
    until = f"until {full_date(hold.ends_on)}" if hold.ends_on else "until the patient resumes"
    since = f"{'from' if to_come else 'since'} {full_date(hold.starts_on)}"
    said = f"{hold.get_reason_display()}, {since}, {until}"
    if not (to_come and may_end):
        return said
    return format_html("{}. {}", said, verb_link(hold.episode, "resume", "Take it back"))


# --- authorizations -------------------------------------------------------------------------------


def _authorization(
    row: Episode, plan: TreatmentPlan | None, today: datetime.date, now: datetime.datetime
) -> str:
    reaches = reach_of(row, now=now)
    if not reaches:
        return "; ".join(_out_of_force(row, today)) or _needed(row, today)
    lines: list[str] = [
        format_html("{}: {}", link(one.authorization), _left(one, today)) for one in reaches
    ]
    if plan is not None and all(one.authorization.level != plan.level for one in reaches):
        lines.append(f"None of it is for {plan.get_level_display()}, the plan’s level.")
    return format_html_join(mark_safe("<br>"), "{}", ((one,) for one in lines))


def _left(reach: Reach, today: datetime.date) -> str:
    row, runway = reach.authorization, reach.runway
    days = (row.ends_on - today).days
    ends = f"until {full_date(row.ends_on)} ({days} day{'' if days == 1 else 's'})"
    said = f"{runway.left} of {row.units} {row.get_unit_display()} left, {ends}"
    if runway.uncovered_on is None or runway.runs_out_on is None or runway.exhausted:
        return said
    return f"{said}; by what is booked they run out on {full_date(runway.runs_out_on)}"


def _out_of_force(row: Episode, today: datetime.date) -> Iterator[str]:
    """The last one that ended, and the next to begin."""
    rows: Any = row.authorizations.select_related("payer")
    ended: Authorization | None = rows.filter(ends_on__lt=today).order_by("-ends_on").first()
    coming: Authorization | None = rows.filter(starts_on__gt=today).order_by("starts_on").first()
    if ended is not None:
        yield f"{ended} ended on {full_date(ended.ends_on)}"
    if coming is not None:
        yield f"{coming} begins on {full_date(coming.starts_on)}"


def _needed(row: Episode, today: datetime.date) -> str:
    insured = row.patient.coverages.filter(on(today)).order_by("payer__name")
    payers = dict(insured.values_list("payer__name", "payer__needs_authorization"))
    if not payers:
        return "not known: no insurance in force is entered"
    asking = [name for name, needs in payers.items() if needs]
    return f"none, and {', '.join(asking)} needs one" if asking else "none needed"
