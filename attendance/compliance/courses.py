"""An episode's dated facts, as far as judging goes: in one statement for any number of episodes.

A *course* is what was true of a patient on which dates: plans, holds, groups, payers, a court.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Greatest, JSONObject

from attendance.compliance.spans import Span
from attendance.models import Flag, OutreachAttempt
from iop_clinic.accounts.models import Membership
from iop_clinic.accounts.prepared import prepared
from patients.models import (
    Authorization,
    CourtReferral,
    Coverage,
    Episode,
    EpisodeHold,
    TreatmentPlan,
)
from scheduling.models import CallIn, GroupMembership


@dataclass(frozen=True, slots=True)
class Plan:
    """What is prescribed on some dates: level of care, weekly minutes, days a week."""

    level: int
    age_bracket: int
    weekly_minutes_target: int
    days_per_week: int
    span: Span


@dataclass(frozen=True, slots=True)
class Seat:
    """A place in a group on some dates."""

    group_id: int
    span: Span


@dataclass(frozen=True, slots=True)
class Paid:
    """A payer on some dates; an authorization names the level it pays, a coverage none."""

    payer_id: int
    level: int | None
    span: Span


@dataclass(frozen=True, slots=True)
class Course:
    clinic_id: int
    episode_id: int
    program_id: int
    state: str
    treated: Span | None
    """Admission to discharge or death, both inside; None for a referral."""
    deceased: bool
    birth_date: date
    priority: bool
    priority_until: date | None
    therapist_user_id: int | None
    plans: tuple[Plan, ...]
    holds: tuple[Span, ...]
    seats: tuple[Seat, ...]
    payers: tuple[Paid, ...]
    courts: tuple[Span, ...]
    heard_at: datetime | None = None
    """The last call-in, or the last outreach that somebody answered."""

    def active_on(self, day: date) -> bool:
        """In treatment: admitted, not yet discharged, alive."""
        return self.treated is not None and day in self.treated

    def on_hold_on(self, day: date) -> bool:
        return any(day in hold for hold in self.holds)

    def is_priority_on(self, day: date) -> bool:
        return self.priority and (self.priority_until is None or day <= self.priority_until)

    def plan_on(self, day: date) -> Plan | None:
        return next((plan for plan in self.plans if day in plan.span), None)

    def in_court_on(self, day: date) -> bool:
        return any(day in court for court in self.courts)


def courses(rows: QuerySet[Episode]) -> list[Course]:
    """The courses of some episodes, by ascending key, in one statement."""
    return [_course(row) for row in _with_facts(rows).order_by("pk")]


def courses_of(clinic: int, episode_ids: Iterable[int]) -> list[Course]:
    """The courses of a clinic's episodes with these keys, by ascending key, in one statement."""
    return [_course(row) for row in _read(clinic, tuple(episode_ids))]


@prepared
def _read(clinic: int, episode_ids: tuple[int, ...]) -> QuerySet[Episode]:
    rows = Episode.objects.filter(clinic=clinic, pk__in=episode_ids)
    return _with_facts(rows).order_by("pk")


def judged_episodes(clinics: Collection[int], since: date) -> QuerySet[Episode]:
    """Whom a whole night looks at: everyone in treatment, everyone discharged on or after `since`,
    and everyone with an open case."""
    waiting = Flag.objects.filter(clinic__in=clinics, episode__isnull=False).open().order_by()
    return Episode.objects.filter(
        Q(state__in=[Episode.State.ADMITTED, Episode.State.ON_HOLD])
        | Q(discharged_on__gte=since, admitted_on__isnull=False)
        | Q(pk__in=waiting.values("episode")),
        clinic__in=clinics,
    )


def locked(rows: QuerySet[Episode]) -> QuerySet[Episode]:
    """Lock the episodes: what is stored about them is read and summed in the statements after.

    One statement that locks and reads would wait for a writer and then tell what was true before.
    """
    held = rows.select_for_update(of=("self",), no_key=True).order_by("pk")
    keys = list(held.values_list("pk", flat=True))
    return Episode.objects.filter(pk__in=keys)


def _with_facts(rows: QuerySet[Episode]) -> QuerySet[Episode]:
    plan = ("level", "age_bracket", "weekly_minutes_target", "days_per_week")
    return rows.annotate(
        birth_date=F("patient__birth_date"),
        deceased_on=F("patient__deceased_on"),
        therapist_user=Subquery(_user_of_therapist()),
        plan_rows=_array(TreatmentPlan.objects.all(), *plan),
        hold_rows=_array(EpisodeHold.objects.all()),
        seat_rows=_array(GroupMembership.objects.all(), "group_id"),
        authorization_rows=_array(Authorization.objects.all(), "payer_id", "level"),
        coverage_rows=_array(Coverage.objects.all(), "payer_id", key="patient"),
        court_rows=_array(CourtReferral.objects.all()),
        # GREATEST leaves out what is empty.
        heard_at=Greatest(Subquery(_last_call_in()), Subquery(_last_answer())),
    )


def _last_call_in() -> QuerySet[Any, Any]:
    own = CallIn.objects.filter(clinic=OuterRef("clinic"), episode=OuterRef("pk"))
    return own.order_by("-notified_at").values("notified_at")[:1]


def _last_answer() -> QuerySet[Any, Any]:
    """A patient who declined to talk was heard; of somebody else only an answer counts."""
    result, method = OutreachAttempt.Result, OutreachAttempt.Method
    others = [method.EMERGENCY_CONTACT, method.GUARDIAN]
    declined = Q(result=result.DECLINED) & ~Q(method__in=others)
    own = OutreachAttempt.objects.filter(
        Q(result=result.REACHED) | declined, clinic=OuterRef("clinic"), episode=OuterRef("pk")
    )
    return own.order_by("-attempted_at").values("attempted_at")[:1]


def _user_of_therapist() -> QuerySet[Any, Any]:
    own = Membership.objects.filter(
        clinic=OuterRef("clinic"), therapist=OuterRef("primary_therapist"), active=True
    )
    return own.values("user")[:1]


def _array(rows: QuerySet[Any], *fields: str, key: str = "episode") -> ArraySubquery:
    outer = "pk" if key == "episode" else key
    own = rows.filter(**{key: OuterRef(outer)}, clinic=OuterRef("clinic"))
    names = (*fields, "starts_on", "ends_on")
    ordered = own.order_by("starts_on", "pk")
    return ArraySubquery(ordered.values(row=JSONObject(**{name: name for name in names})))


def _course(row: Any) -> Course:
    return Course(
        clinic_id=row.clinic_id,
        episode_id=row.pk,
        program_id=row.program_id,
        state=row.state,
        treated=_treated(row),
        deceased=row.deceased_on is not None,
        birth_date=row.birth_date,
        priority=bool(row.priority),
        priority_until=row.priority_until,
        therapist_user_id=row.therapist_user,
        plans=tuple(_plan(one) for one in row.plan_rows),
        holds=tuple(Span.of(one) for one in row.hold_rows),
        seats=tuple(Seat(one["group_id"], Span.of(one)) for one in row.seat_rows),
        payers=tuple(_paid([*row.authorization_rows, *row.coverage_rows])),
        courts=tuple(Span.of(one) for one in row.court_rows),
        heard_at=row.heard_at,
    )


def _treated(row: Any) -> Span | None:
    if row.admitted_on is None:
        return None
    ends = [day for day in (row.discharged_on, row.deceased_on) if day]
    return Span(row.admitted_on, min(ends, default=None))


def _plan(row: dict[str, Any]) -> Plan:
    return Plan(
        level=row["level"],
        age_bracket=row["age_bracket"],
        weekly_minutes_target=row["weekly_minutes_target"],
        days_per_week=row["days_per_week"],
        span=Span.of(row),
    )


def _paid(rows: Iterable[dict[str, Any]]) -> Iterable[Paid]:
    for row in rows:
        yield Paid(row["payer_id"], row.get("level"), Span.of(row))
