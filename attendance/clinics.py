"""Opening a clinic: the session types, standards and rules it can work with from the first day.

Every figure is a dated row of the clinic's own, to be ended and replaced there (R1-R4, R10,
R17-R19); none is a constant that judging falls back on.
"""

from __future__ import annotations

import datetime
from typing import Any

from django.core.exceptions import ValidationError

from attendance.compliance.presets import OF_A_NEW_CLINIC
from attendance.models import AbsenceRule, CreditRule, Standard
from attendance.models.standards import Severity
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import Clinic, User, Weekday
from iop_clinic.accounts.roles import Role
from scheduling.models import SessionType

LONG_AGO = datetime.date(2000, 1, 1)
"""The earliest clinical date: history that is imported later is judged by the defaults as well."""

Kind = SessionType.Kind

SESSION_TYPES: tuple[dict[str, Any], ...] = (
    {"name": "Group therapy", "kind": Kind.GROUP, "ceiling": 15},
    {"name": "Individual", "kind": Kind.INDIVIDUAL, "ceiling": 1},
    {"name": "Family", "kind": Kind.FAMILY, "ceiling": 4},
    {"name": "Multi-family", "kind": Kind.MULTI_FAMILY, "ceiling": 40},
    {"name": "Education", "kind": Kind.EDUCATION, "ceiling": 40},
    {"name": "Art, music or movement", "kind": Kind.GROUP, "ceiling": 15},
    {"name": "Prescriber visit", "kind": Kind.PRESCRIBER, "ceiling": 1},
    {"name": "Case management", "kind": Kind.CASE_MANAGEMENT, "ceiling": 1},
    {"name": "Drug screen", "kind": Kind.DRUG_SCREEN, "ceiling": 1, "creditable": False},
    {"name": "Recreation", "kind": Kind.OTHER, "ceiling": 40, "creditable": False},
    {"name": "Peer support", "kind": Kind.OTHER, "ceiling": 40, "creditable": False},
)
"""Recreation and peer support are offered but never counted (R8)."""

Due = AbsenceRule.Due

PAPER_AND_PLACE_RULES: tuple[dict[str, Any], ...] = (
    {
        "kind": AbsenceRule.Kind.NO_FIRST_SESSION,
        "times": 2,  # business days
        "severity": Severity.ACT,
        "owner_role": Role.COORDINATOR,
    },
    {
        "kind": AbsenceRule.Kind.PLAN_DUE,
        "times": 7,  # days before the review
        "severity": Severity.ACT,
        "owner_role": Role.THERAPIST,
    },
    {
        "kind": AbsenceRule.Kind.VERIFICATION_DUE,
        "times": 3,  # days before
        "severity": Severity.ACT,
        "owner_role": Role.UTILIZATION_REVIEW,
    },
    {
        "kind": AbsenceRule.Kind.AUTHORIZATION_ENDING,
        "times": 7,  # days before, then 3 and 1
        "window_days": 3,  # units left
        "severity": Severity.ACT,
        "owner_role": Role.UTILIZATION_REVIEW,
    },
    {
        "kind": AbsenceRule.Kind.CERTIFICATION_DUE,
        "times": 14,  # days before, then 7 and 0
        "severity": Severity.ACT,
        "owner_role": Role.UTILIZATION_REVIEW,
    },
    {
        "kind": AbsenceRule.Kind.LICENSE_ENDING,
        "times": 30,  # days before, then 7 and 0
        "severity": Severity.ACT,
        "owner_role": Role.ADMINISTRATOR,
    },
    {
        "kind": AbsenceRule.Kind.CASELOAD,
        "times": 24,
        "severity": Severity.WATCH,
        "owner_role": Role.COORDINATOR,
        "due": Due.BUSINESS_DAYS,
        "due_amount": 5,
    },
    {
        "kind": AbsenceRule.Kind.GROUP_TOO_SMALL,
        "severity": Severity.WATCH,
        "owner_role": Role.COORDINATOR,
        "due": Due.BUSINESS_DAYS,
        "due_amount": 5,
    },
    {
        "kind": AbsenceRule.Kind.UNDER_SCHEDULED,
        "severity": Severity.WATCH,
        "owner_role": Role.COORDINATOR,
        "due": Due.BUSINESS_DAYS,
        "due_amount": 2,
    },
    {
        "kind": AbsenceRule.Kind.AGE_BRACKET,
        "times": 30,  # days before
        "severity": Severity.ACT,
        "owner_role": Role.THERAPIST,
    },
)
"""Papers, licenses and places (R2, R6, R9, R11, R12, R23): noticed early and quietly, loud on the
day they are due, never urgent by themselves."""

ABSENCE_RULES: tuple[dict[str, Any], ...] = (
    {
        "kind": AbsenceRule.Kind.HOURS,
        "severity": Severity.WATCH,
        "owner_role": Role.COORDINATOR,
        "due": Due.BUSINESS_DAYS,
        "due_amount": 1,
    },
    {
        "kind": AbsenceRule.Kind.NO_CALL_DAY,
        "severity": Severity.ACT,
        "owner_role": Role.THERAPIST,
        "due": Due.SAME_BUSINESS_DAY,
    },
    {
        "kind": AbsenceRule.Kind.CONSECUTIVE,
        "times": 2,
        "severity": Severity.ACT,
        "owner_role": Role.COORDINATOR,
        "due": Due.HOURS,
        "due_amount": 24,
    },
    {
        "kind": AbsenceRule.Kind.COUNT_IN_DAYS,
        "times": 3,
        "window_days": 30,
        "severity": Severity.ACT,
        "owner_role": Role.COORDINATOR,
        "due": Due.BUSINESS_DAYS,
        "due_amount": 2,
    },
    {
        "kind": AbsenceRule.Kind.FIRST_DAYS,
        "window_days": 21,
        "severity": Severity.ACT,
        "owner_role": Role.THERAPIST,
        "due": Due.SAME_BUSINESS_DAY,
    },
    {
        "kind": AbsenceRule.Kind.SILENT_DAYS,
        "times": 5,
        "window_days": 2,  # for a priority patient
        "severity": Severity.ACT,
        "owner_role": Role.COORDINATOR,
        "due": Due.SAME_BUSINESS_DAY,
    },
    {
        "kind": AbsenceRule.Kind.EXCUSED_DAYS,
        "times": 3,
        "window_days": 30,
        "severity": Severity.WATCH,
        "owner_role": Role.THERAPIST,
        "due": Due.BUSINESS_DAYS,
        "due_amount": 2,
    },
    {
        "kind": AbsenceRule.Kind.TOO_FEW_DAYS,
        "severity": Severity.WATCH,
        "owner_role": Role.COORDINATOR,
        "due": Due.BUSINESS_DAYS,
        "due_amount": 1,
    },
    {
        "kind": AbsenceRule.Kind.BELOW_PLAN,
        "severity": Severity.NOTICE,
        "owner_role": Role.THERAPIST,
        "due": Due.BUSINESS_DAYS,
        "due_amount": 2,
    },
    {
        "kind": AbsenceRule.Kind.OVER_MAXIMUM,
        "severity": Severity.WATCH,
        "owner_role": Role.COORDINATOR,
        "due": Due.BUSINESS_DAYS,
        "due_amount": 2,
    },
    {
        "kind": AbsenceRule.Kind.LEFT_SHORT,
        "severity": Severity.NOTICE,
        "owner_role": Role.THERAPIST,
        "due": Due.BUSINESS_DAYS,
        "due_amount": 2,
    },
    {
        "kind": AbsenceRule.Kind.UNRECORDED,
        "severity": Severity.NOTICE,
        "owner_role": Role.COORDINATOR,
        "due": Due.SAME_BUSINESS_DAY,
    },
    *PAPER_AND_PLACE_RULES,
)
"""The rules of a new clinic, with who acts and by when (R18, R19, R21, R24).

A clinic may add the others: so many of the last treatment days, under a share of the days in a
window, late arrivals.
"""


@service
def open_clinic(
    *,
    name: str,
    zone: str,
    by: User | Job,
    state: str = "",
    week_starts_on: int = Weekday.MONDAY,
    rules_from: datetime.date = LONG_AGO,
    **extra: Any,
) -> Clinic:
    """A clinic with default session types, standards, credit rule and absence rules.

    `zone` is an IANA name, `rules_from` the local date from which the defaults judge; `extra` are
    further fields of the clinic (hours, business days, phone). Raises Refused `invalid` with the
    field that a person must put right.
    """
    clinic = Clinic(name=name, zone=zone, state=state, week_starts_on=week_starts_on, **extra)
    _check(clinic)
    clinic.save()
    SessionType.objects.bulk_create(SessionType(clinic=clinic, **row) for row in SESSION_TYPES)
    Standard.objects.bulk_create(
        Standard(clinic=clinic, starts_on=rules_from, week_starts_on=week_starts_on, **one.figures)
        for one in OF_A_NEW_CLINIC
    )
    CreditRule.objects.create(clinic=clinic, starts_on=rules_from)
    AbsenceRule.objects.bulk_create(
        AbsenceRule(clinic=clinic, starts_on=rules_from, **row) for row in ABSENCE_RULES
    )
    return clinic


def _check(clinic: Clinic) -> None:
    try:
        clinic.full_clean()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise Refused("invalid", messages[0], field=field) from error
