"""Entering, replacing and ending the rules that open cases (R17-R21).

A rule begins after the last night that was judged, and ends there at the earliest: cases of the
past neither appear nor vanish because a rule was changed.
"""

from __future__ import annotations

import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from attendance.models import AbsenceRule, NightlyRun
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.editing import check
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.weeks import long_date
from scheduling.locks import lock

_DAY = datetime.timedelta(days=1)
FIGURES = ("times", "window_days", "severity", "owner_role", "due", "due_amount")
"""What another version of a rule may have differently."""


@service
def add_absence_rule(
    *,
    clinic: Clinic,
    kind: int,
    starts_on: datetime.date,
    by: User | Job,
    ends_on: datetime.date | None = None,
    **figures: Any,
) -> AbsenceRule:
    """Open cases by one more rule from a local date on; `figures` are fields of AbsenceRule.

    Raises Refused `nights_judged`, or what is wrong with a figure, such as a window of 0 days.
    """
    rule = AbsenceRule(clinic=clinic, kind=kind, starts_on=starts_on, ends_on=ends_on, **figures)
    lock(clinics=[clinic.pk])
    _refuse_judged(rule, starts_on, field="starts_on", verb="Start")
    check(rule)
    rule.save()
    return rule


@service
def replace_absence_rule(
    *, rule: AbsenceRule, starts_on: datetime.date, by: User | Job, **figures: Any
) -> AbsenceRule:
    """Another version of a rule from a local date on; the one in force ends on the eve.

    `figures` are those that change (see FIGURES). Raises what `add_absence_rule` raises,
    `before_start` or `rule_ended` when this version is not in force on the eve.
    """
    if unknown := sorted(figures.keys() - set(FIGURES)):
        raise TypeError(f"another version of a rule cannot change {', '.join(unknown)}")
    lock(clinics=[rule.clinic_id])
    rule.refresh_from_db()
    same = {name: getattr(rule, name) for name in ("kind", *FIGURES)}
    row = AbsenceRule(clinic=rule.clinic, starts_on=starts_on, **{**same, **figures})
    _refuse_succession(rule, starts_on)
    _refuse_judged(row, starts_on, field="starts_on", verb="Start")
    with transaction.atomic():  # a refusal leaves the one in force as it was, in any caller
        rule.ends_on = starts_on - _DAY
        rule.save(update_fields=["ends_on"])
        check(row)
        row.save()
    return row


@service
def end_absence_rule(
    *, rule: AbsenceRule, ends_on: datetime.date | None, by: User | Job
) -> AbsenceRule:
    """Give a rule another last day, or None: until it is ended.

    Raises Refused `nights_judged` when a night would have judged otherwise.
    """
    lock(clinics=[rule.clinic_id])
    rule.refresh_from_db()
    if ends_on == rule.ends_on:
        return rule
    first = min(day for day in (ends_on, rule.ends_on) if day is not None) + _DAY
    rule.ends_on = ends_on
    _refuse_judged(rule, first, field="ends_on", verb="End")
    check(rule)
    rule.save(update_fields=["ends_on"])
    return rule


def beside(rule: AbsenceRule) -> QuerySet[AbsenceRule]:
    """Rules of the kind of one not yet entered, with other numbers, on some of its dates: both
    would open cases. The same numbers are refused."""
    rules = AbsenceRule.objects.in_clinic(rule.clinic_id).filter(kind=rule.kind)
    if rule.ends_on is not None:
        rules = rules.exclude(starts_on__gt=rule.ends_on)
    same = {"times": rule.times, "window_days": rule.window_days}
    return rules.exclude(ends_on__lt=rule.starts_on).exclude(**same).order_by("starts_on", "pk")


def _refuse_judged(rule: AbsenceRule, first: datetime.date, *, field: str, verb: str) -> None:
    """Refuse a change on or before the last local date that a night has judged."""
    runs = NightlyRun.objects.in_clinic(rule.clinic_id).filter(
        state__in=[NightlyRun.State.EVALUATED, NightlyRun.State.FINISHED]
    )
    last = runs.order_by("-local_date").values_list("local_date", flat=True).first()
    if last is not None and first <= last:
        day = last + _DAY if field == "starts_on" else last
        raise Refused(
            "nights_judged",
            f"Nights up to {long_date(last)} have been judged. "
            f"{verb} it on {long_date(day)} or later.",
            field=field,
            dates=[day],
        )


def _refuse_succession(before: AbsenceRule, starts_on: datetime.date) -> None:
    if starts_on <= before.starts_on:
        raise Refused(
            "before_start",
            f"The rule itself begins on {before.starts_on:%b %-d, %Y}. Choose a later day.",
            field="starts_on",
        )
    if before.ends_on is not None and before.ends_on < starts_on - _DAY:
        raise Refused(
            "rule_ended",
            f"The rule ends on {long_date(before.ends_on)}. "
            "Choose the day after, or add a rule of its own.",
            field="starts_on",
        )
