"""Entering and ending the rule that turns presence into minutes (R10, R17).

A record keeps the minutes that the rule of its day made of it. So a rule changes nothing that is
recorded: it begins, and ends, where no record lies behind it.
"""

from __future__ import annotations

import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from attendance.models import AttendanceRecord, CreditRule
from attendance.records.entries import EARLY
from attendance.records.facts import rules_in_force
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.editing import check
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.weeks import full_date
from scheduling.locks import lock
from scheduling.models import Session

_DAY = datetime.timedelta(days=1)


@service
def set_credit_rule(
    *,
    clinic: Clinic,
    starts_on: datetime.date,
    by: User | Job,
    ends_on: datetime.date | None = None,
    **figures: Any,
) -> CreditRule:
    """Credit by new figures from a local date on; the rule in force ends the day before.

    `figures` are fields of CreditRule (kind, round_to, grace_minutes …). Raises Refused
    `dates_in_order`, `rule_in_past` when attendance is recorded on that date or later,
    `creditrule_one_at_a_time` when a rule begins on that day or later, or what is wrong with a
    figure.
    """
    _check_order(starts_on, ends_on)
    _refuse_recorded(clinic, starts_on, field="starts_on")
    rule = CreditRule(clinic=clinic, starts_on=starts_on, ends_on=ends_on, **figures)
    with transaction.atomic():  # a refusal leaves the rule in force as it was, in any caller
        before = rules_in_force(clinic, starts_on).exclude(starts_on=starts_on)
        before.update(ends_on=starts_on - _DAY)
        check(rule)
        rule.save()
    return rule


@service
def end_credit_rule(
    *, rule: CreditRule, ends_on: datetime.date | None, by: User | Job
) -> CreditRule:
    """Give a rule another last day, or None: until the next one.

    Raises Refused `dates_in_order`, `rule_in_past` when a recorded date would change its rule, or
    `creditrule_one_at_a_time`.
    """
    if ends_on == rule.ends_on:
        return rule
    _check_order(rule.starts_on, ends_on)
    first = min(day for day in (ends_on, rule.ends_on) if day is not None) + _DAY
    _refuse_recorded(rule.clinic, first, field="ends_on")
    rule.refresh_from_db()
    rule.ends_on = ends_on
    check(rule)
    rule.save(update_fields=["ends_on"])
    return rule


def _check_order(starts_on: datetime.date, ends_on: datetime.date | None) -> None:
    if ends_on is not None and ends_on < starts_on:
        raise Refused("dates_in_order", "The rule ends before it starts.", field="ends_on")


def _refuse_recorded(clinic: Clinic, first: datetime.date, *, field: str) -> None:
    """Refuse when a record lies on `first` or later; nobody records there until the commit."""
    _check(clinic, first, field)  # before any lock, for most refusals need none
    lock(clinics=[clinic.pk])
    begun = Session.objects.in_clinic(clinic).on(first, None)
    lock(sessions=begun.filter(starts_at__lte=timezone.now() + EARLY).values_list("pk", flat=True))
    _check(clinic, first, field)


def _check(clinic: Clinic, first: datetime.date, field: str) -> None:
    records = AttendanceRecord.objects.in_clinic(clinic).filter(
        booking__session__local_date__gte=first
    )
    days = records.order_by("-booking__session__local_date")
    last = days.values_list("booking__session__local_date", flat=True).first()
    if last is not None:
        raise Refused(
            "rule_in_past",
            f"Attendance is recorded up to {full_date(last)}, by the rule of those days. "
            "Choose a later day.",
            field=field,
        )
