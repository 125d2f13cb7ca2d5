"""Who papers are asked of: patients in treatment, of clinics with a rule in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from attendance.compliance.findings import CaseKey, Finding, Night, Nights
from attendance.compliance.settings import Rule
from attendance.models import Flag
from iop_clinic.accounts.models import Membership
from iop_clinic.accounts.roles import Role
from patients.models import Episode, EpisodeHold, TreatmentPlan

Ruled = Mapping[int, tuple[Night, Rule]]
"""By clinic id, the night and the rule in force on the judged date."""


def ruled(nights: Nights, kind: int) -> Ruled:
    """The clinics that have this rule; without any, a finder reads nothing.

    A role that nobody holds owns nothing: what is theirs is the coordinators' (the administrators'
    where there are none).
    """
    found = {}
    for clinic_id, night in nights.items():
        rule = next(night.settings.rules_on(kind, night.through), None)
        if rule is not None:
            found[clinic_id] = (night, replace(rule, owner_role=_owner(night, rule)))
    return found


def _owner(night: Night, rule: Rule) -> str:
    here = night.settings.roles
    heirs = (rule.owner_role, Role.COORDINATOR.value, Role.ADMINISTRATOR.value)
    return next((role for role in heirs if role in here), rule.owner_role)


def today_of(nights: Ruled) -> date:
    """The local date on which people act, the morning after the judged one: the same everywhere."""
    return next(iter(nights.values()))[0].today


def longest(nights: Ruled) -> timedelta:
    """The longest notice that any of the clinics wants, in calendar days."""
    return timedelta(days=max(rule.times for _, rule in nights.values()))


def on(day: date, prefix: str = "") -> Q:
    """Dated rows in force on a local date."""
    open_end = Q(**{f"{prefix}ends_on__isnull": True}) | Q(**{f"{prefix}ends_on__gte": day})
    return Q(**{f"{prefix}starts_on__lte": day}) & open_end


def in_treatment(nights: Ruled) -> QuerySet[Any]:
    """Admitted, alive, and neither on hold on the judged date nor on the day after (2b)."""
    today = today_of(nights)
    held = EpisodeHold.objects.filter(
        on(today) | on(today - timedelta(days=1)),
        clinic=OuterRef("clinic"),
        episode=OuterRef("pk"),
    )
    return Episode.objects.filter(
        ~Exists(held),
        clinic__in=nights,
        state=Episode.State.ADMITTED,
        admitted_on__lte=today,
        patient__deceased_on__isnull=True,
    )


def with_owner(rows: QuerySet[Any], episode: str = "") -> QuerySet[Any]:
    """With the user who signs in as the primary therapist; by key, so that nights are alike."""
    own = Membership.objects.filter(
        clinic=OuterRef("clinic"), therapist=OuterRef(f"{episode}primary_therapist"), active=True
    )
    return rows.annotate(therapist_user=Subquery(own.values("user")[:1])).order_by("pk")


def plans_on(day: date, episode: str = "pk") -> QuerySet[TreatmentPlan]:
    """The plan in force of the outer episode."""
    return TreatmentPlan.objects.filter(
        on(day), clinic=OuterRef("clinic"), episode=OuterRef(episode)
    ).order_by("-starts_on")


def of_episode(
    rule: Rule, row: Any, *, evidence_key: str, episode_id: int | None = None, **rest: Any
) -> Finding:
    """A finding about an episode's papers: loud as the paper is due, whoever the patient is."""
    subject = row.pk if episode_id is None else episode_id
    return Finding(
        **{
            "key": CaseKey(rule.kind, Flag.Subject.EPISODE, subject, evidence_key),
            "severity": rule.severity,
            "rule": rule,
            "clinic_id": row.clinic_id,
            "owner_id": row.therapist_user if rule.owner_role == Role.THERAPIST else None,
            **rest,
        }
    )


def earliest(rows: Iterable[Any], field: str) -> dict[int, Any]:
    """One row for each key, the one with the earliest date in `field`."""
    found: dict[int, Any] = {}
    for row in rows:
        if row.pk not in found or getattr(row, field) < getattr(found[row.pk], field):
            found[row.pk] = row
    return found
