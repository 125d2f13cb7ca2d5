"""Patients whom no standard of the program judges: nobody would notice that their weeks are short.

Found for any number of clinics in one statement.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)

from attendance.models import Standard
from iop_clinic.accounts.models import Weekday
from iop_clinic.accounts.weeks import long_date, week_of
from patients.models import AgeBracket, Level, TreatmentPlan

_HALF_WEEK = datetime.timedelta(days=3)
"""A standard's own week that holds the middle of a clinic's week is judged with it."""


def unjudged(clinics: Collection[int], today: datetime.date) -> dict[int, str]:
    """For each clinic that has such patients a sentence without names: how many, and why.

    Patients in treatment with a plan, in the week that runs on a local date. Level 1 has no weekly
    minimum, and so no standard.
    """
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in _counted(_planned(clinics, today)):
        rows.setdefault(row["clinic"], []).append(row)
    return {clinic: _sentence(found) for clinic, found in rows.items()}


def _planned(clinics: Collection[int], today: datetime.date) -> QuerySet[Any]:
    """The plans in force of those in treatment, with the running week and the age bracket in it."""
    weeks = {start: week_of(today, week_start=start) for start in Weekday.values}
    plans = TreatmentPlan.objects.in_force(today).filter(
        Q(episode__discharged_on__isnull=True) | Q(episode__discharged_on__gte=today),
        Q(episode__patient__deceased_on__isnull=True) | Q(episode__patient__deceased_on__gte=today),
        clinic__in=clinics,
        episode__admitted_on__lte=today,
    )
    return plans.exclude(level=Level.OP).annotate(
        week=_by_week_start({start: week.start for start, week in weeks.items()}),
        middle=_by_week_start({start: week.start + _HALF_WEEK for start, week in weeks.items()}),
        bracket=Case(
            When(clinic__adult_at__lte=_Age("week", "episode__patient__birth_date"),
                 then=Value(AgeBracket.ADULT.value)),
            default=Value(AgeBracket.ADOLESCENT.value),
        ),
    )  # fmt: skip


class _Age(Func):
    """Completed years from the second date to the first, as `age_on` counts them."""

    template = "EXTRACT(YEAR FROM AGE(%(expressions)s))::integer"
    output_field = IntegerField()


def _by_week_start(days: dict[int, datetime.date]) -> Case:
    return Case(*(When(clinic__week_starts_on=n, then=Value(day)) for n, day in days.items()))


def _counted(plans: QuerySet[Any]) -> Iterable[dict[str, Any]]:
    """How many patients of a level and bracket nobody judges, and which standard ended last."""
    own = Standard.objects.filter(
        Q(program__isnull=True) | Q(program=OuterRef("episode__program")),
        clinic=OuterRef("clinic"),
        source=Standard.Source.PROGRAM,
        level=OuterRef("level"),
        age_bracket=OuterRef("bracket"),
        starts_on__lte=OuterRef("middle"),
    )
    judging = own.filter(Q(ends_on__isnull=True) | Q(ends_on__gte=OuterRef("middle")))
    last = own.order_by("-ends_on", "-pk")
    return (
        plans.filter(~Exists(judging))
        .annotate(ended=Subquery(last.values("name")[:1]), on=Subquery(last.values("ends_on")[:1]))
        .order_by()
        .values("clinic", "level", "bracket", "ended", "on")
        .annotate(patients=Count("episode__patient", distinct=True))
        .order_by("clinic", F("on").desc(nulls_last=True), "level", "bracket")
    )


def _sentence(rows: list[dict[str, Any]]) -> str:
    reasons = [(_reason(row), row["patients"]) for row in rows]
    said = [f"{why} ({count})" if len(rows) > 1 else why for why, count in reasons]
    total = sum(count for _, count in reasons)
    who = "1 patient is" if total == 1 else f"{total} patients are"
    return f"{who} judged by no standard of the program: {'; '.join(said)}."


def _reason(row: dict[str, Any]) -> str:
    if row["ended"] is None:
        whom = f"{Level(row['level']).label}, {AgeBracket(row['bracket']).label}"
        return f"none is in force for {whom}"
    return f"{row['ended']} ended on {long_date(row['on'])}"
