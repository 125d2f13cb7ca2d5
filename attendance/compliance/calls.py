"""Whom to call this morning: each patient once, by the loudest of their cases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from attendance.compliance import outreach
from attendance.compliance.rules.ladder import NextStep, Step
from attendance.models import Flag
from attendance.models.standards import Severity
from attendance.querysets import FlagQuerySet
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.weeks import day_instants, local_date

THIS_MORNING = frozenset(
    {
        *(Step.CALL, Step.SECOND_CALL, Step.UPDATE_PHONE, Step.EMERGENCY_CONTACT),
        *(Step.WELFARE_CHECK, Step.WELFARE_RESULT),
    }
)
"""Rungs that somebody has to take by themselves: the others wait for the next session."""


@dataclass(frozen=True, slots=True)
class Call:
    flag: Flag
    step: NextStep


def calls_due(rows: FlagQuerySet, *, clinic: Clinic, now: datetime) -> list[Call]:
    """Of some cases of a clinic those in which somebody is to be reached today, loudest first.

    Those that are due today or overdue; a notice needs no call. A patient who allowed no channel
    is among them: somebody has to know. Two statements.
    """
    today = local_date(now, clinic.tz)
    found = rows.waiting(today).filter(
        due_at__lt=day_instants(today, clinic.tz)[1],
        severity__gte=Severity.WATCH,
        rule__in=outreach.ABOUT_ATTENDANCE,
    )
    flags = list(found.loudest_first().select_related("clinic", "episode__patient", "owner"))
    tried = list(outreach.attempts_of(flags)) if flags else []
    calls: dict[int | None, Call] = {}
    for flag in flags:
        own = [one for one in tried if outreach.is_about(one, flag)]
        step = outreach.step_for(flag, own, now)
        if step and step.step in THIS_MORNING and step.not_before is None:
            calls.setdefault(flag.episode_id, Call(flag, step))
    return list(calls.values())
