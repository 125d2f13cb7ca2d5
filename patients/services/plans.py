"""Treatment plans: one after the other, never two on one day."""

from __future__ import annotations

import datetime
from typing import Any

from django.db import transaction

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.editing import check, edit
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import full_date
from patients.models import Episode, TreatmentPlan
from patients.rules import NO_ADOLESCENT, OF_AGE, age_on, bracket_fits
from patients.services.episodes import locked, refuse_before

PLAN_FACTS = frozenset(
    {
        "level",
        "age_bracket",
        "weekly_minutes_target",
        "days_per_week",
        "starts_on",
        "ends_on",
        "review_due_on",
    }
)


@service
def set_plan(
    *,
    episode: Episode,
    starts_on: datetime.date,
    level: int,
    age_bracket: int,
    weekly_minutes_target: int,
    days_per_week: int,
    by: User | Job,
    review_due_on: datetime.date | None = None,
    ends_on: datetime.date | None = None,
) -> TreatmentPlan:
    """Prescribe level, minutes and days a week from a date on; the plan before ends that eve.

    Refused: `target_outside_level` (names the field), `before_referral`, `before_admission`,
    `after_discharge`, `age_bracket` against the birth date, `plan_overlap` when a plan begins on
    that day or later.
    """
    locked(episode)
    _refuse_outside_episode(episode, starts_on)
    _refuse_age(episode, age_bracket, starts_on)
    if ends_on is not None:
        refuse_before(ends_on, starts_on, field="ends_on", event="start")
    plan = TreatmentPlan(
        clinic=episode.clinic,
        episode=episode,
        starts_on=starts_on,
        level=level,
        age_bracket=age_bracket,
        weekly_minutes_target=weekly_minutes_target,
        days_per_week=days_per_week,
        review_due_on=review_due_on,
        ends_on=ends_on,
    )
    with transaction.atomic():  # a refusal leaves the plan in force as it was, in any caller
        _end_plan_in_force(episode, starts_on)
        check(plan)
        plan.save()
    return plan


def _refuse_outside_episode(episode: Episode, starts_on: datetime.date) -> None:
    refuse_before(starts_on, episode.referred_on, field="starts_on", event="referral")
    refuse_before(starts_on, episode.admitted_on, field="starts_on", event="admission")
    if episode.discharged_on is not None and starts_on > episode.discharged_on:
        raise Refused(
            "after_discharge",
            f"The patient was discharged on {full_date(episode.discharged_on)}.",
            field="starts_on",
        )


def _refuse_age(episode: Episode, age_bracket: int, day: datetime.date) -> None:
    """By the age on the plan's first day: a birthday later on ends no plan (R2)."""
    age = age_on(episode.patient.birth_date, day)
    if bracket_fits(age_bracket, age):
        return
    rule = f"below {OF_AGE} choose adolescent" if age < OF_AGE else f"from {NO_ADOLESCENT} on adult"
    message = f"The patient is {age} on {full_date(day)}: {rule}, or correct the birth date."
    raise Refused("age_bracket", message, field="age_bracket")


def _end_plan_in_force(episode: Episode, starts_on: datetime.date) -> None:
    plan = episode.plans.in_force(starts_on).exclude(starts_on=starts_on).first()
    if plan is not None:
        plan.ends_on = starts_on - datetime.timedelta(days=1)
        plan.version += 1
        plan.save()


@service
def edit_plan(
    *, plan: TreatmentPlan, by: User | Job, version: int | None = None, **facts: Any
) -> TreatmentPlan:
    """Correct a plan that was entered wrongly; a new prescription is `set_plan`.

    Refused as by `set_plan`, and `stale_version`.
    """
    episode = locked(plan.episode)
    plan.refresh_from_db()
    if "starts_on" in facts:
        _refuse_outside_episode(episode, facts["starts_on"])
    if {"starts_on", "age_bracket"} & facts.keys():
        bracket = facts.get("age_bracket", plan.age_bracket)
        _refuse_age(episode, bracket, facts.get("starts_on", plan.starts_on))
    edit(plan, facts, allowed=PLAN_FACTS, version=version)
    return plan
