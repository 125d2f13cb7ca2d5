"""How far an episode's authorizations reach, as people are shown it (R23)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F

from attendance.compliance.finders.authorizations import approval_terms, approved_lines
from attendance.compliance.finders.treatment import on
from attendance.compliance.rules.authorizations import Approval, Runway, Unit, runway
from attendance.compliance.settings import clinic_settings
from iop_clinic.accounts.weeks import local_date
from patients.models import Authorization, Episode


@dataclass(frozen=True, slots=True)
class Reach:
    """An authorization in force, and its units: used, left, and when they run out."""

    authorization: Authorization
    runway: Runway


def reach_of(episode: Episode, *, now: datetime) -> Sequence[Reach]:
    """The authorizations in force today, the one that ends first at the head.

    Three statements, one without any. Units used are computed from what was attended, as the night
    computes them.
    """
    settings = clinic_settings(episode.clinic_id)
    today = local_date(now, settings.zone)
    rows = list(_in_force(episode, today))
    lines = approved_lines(rows, now) if rows else {}
    found = []
    for row in rows:
        approval = Approval(Unit(row.unit), row.units, row.starts_on, row.ends_on)
        terms = approval_terms(settings, row, on=today)
        found.append(Reach(row, runway(approval, lines.get(episode.pk, ()), terms)))
    return found


def _in_force(episode: Episode, today: Any) -> Any:
    rows = episode.authorizations.filter(on(today), clinic=episode.clinic_id)
    facts = rows.annotate(
        birth_date=F("episode__patient__birth_date"), program=F("episode__program")
    )
    return facts.select_related("payer").order_by("ends_on", "pk")
