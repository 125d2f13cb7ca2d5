"""Opening a clinic: the session types, standards and rules it can work with from the first day.

Every figure is a dated row of the clinic's own, to be ended and replaced there (R1-R4, R10,
R17-R19); none is a constant that judging falls back on.
"""

from __future__ import annotations

import datetime
from typing import Any

from django.core.exceptions import ValidationError

from attendance.models import AbsenceRule, CreditRule, Standard
from attendance.models.standards import Severity
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import Clinic, User, Weekday
from iop_clinic.accounts.roles import Role
from patients.models import AgeBracket, Level
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

STANDARDS: tuple[dict[str, Any], ...] = (
    {
        "name": "Adult IOP 2.1",
        "level": Level.IOP,
        "age_bracket": AgeBracket.ADULT,
        "min_minutes": 540,
        "max_minutes": 1200,
        "day_threshold": 180,
        "min_days": 3,
    },
    {
        "name": "Adolescent IOP 2.1",
        "level": Level.IOP,
        "age_bracket": AgeBracket.ADOLESCENT,
        "min_minutes": 360,
        "max_minutes": 1200,
        "day_threshold": 120,
        "min_days": 3,
    },
    {
        "name": "Adult PHP 2.5",
        "level": Level.PHP,
        "age_bracket": AgeBracket.ADULT,
        "min_minutes": 1200,
        "max_minutes": None,
        "day_threshold": 240,
        "min_days": 5,
    },
    {
        "name": "Adolescent PHP 2.5",
        "level": Level.PHP,
        "age_bracket": AgeBracket.ADOLESCENT,
        "min_minutes": 1200,
        "max_minutes": None,
        "day_threshold": 240,
        "min_days": 5,
    },
)
"""R1, R2, R4. Outpatient treatment (OP 1) has no weekly minimum, so no standard."""

Due = AbsenceRule.Due

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
        "kind": AbsenceRule.Kind.UNRECORDED,
        "severity": Severity.NOTICE,
        "owner_role": Role.COORDINATOR,
        "due": Due.SAME_BUSINESS_DAY,
    },
)
"""The first rules of the nightly run, with who acts and by when (R18, R19, R24)."""


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
        Standard(clinic=clinic, starts_on=rules_from, week_starts_on=week_starts_on, **row)
        for row in STANDARDS
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
