"""What a closure or time off, and each decision about its sessions, or a change of a weekly block
would take from whom.

It is done as it would be, read and taken back: what is told is what comes of it, and what would be
refused is refused here already. Nothing is left of it.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from attendance.cancel_impact import Loss, Weeks, loss_on
from attendance.compliance.settings import clinic_settings
from attendance.move_impact import weeks_between
from iop_clinic.accounts.acting import service
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import Week
from scheduling.models import Booking, Session


@dataclass(frozen=True, slots=True)
class WeekLoss:
    """What one patient's week loses."""

    week: Week
    loss: Loss
    falls: bool
    """Below what is asked of the week, which could be reached before."""


@service
def losses_ahead(
    *, sessions: Collection[Session], write: Callable[[], object], by: User
) -> list[WeekLoss]:
    """Whose weeks would lose minutes, or fall short, by what `write` does to these sessions.

    Those who fall short come first. Raises what `write` raises. What is read takes the same
    statements for any number of sessions and patients.
    """
    rows = _expected(sessions)
    before = _weeks(rows)
    with transaction.atomic():
        write()
        after = _weeks(rows)
        transaction.set_rollback(True)
    found: dict[tuple[datetime.date, int], WeekLoss] = {}
    for row in rows:
        day, key = row.session.local_date, row.episode_id
        week = next(one.week for one in before[key] if day in one.week)
        loss = loss_on(row.patient, before[key], after[key], day)
        known = found.get((week.start, key))
        if known is None or (_falls(loss) and not known.falls):
            found[week.start, key] = WeekLoss(week, loss, falls=_falls(loss))
    lost = [one for one in found.values() if one.falls or one.loss.minutes_lost > 0]
    return sorted(lost, key=lambda one: (not one.falls, one.week.start))


def _expected(sessions: Collection[Session]) -> list[Booking]:
    rows = Booking.objects.expected().filter(session__in=sessions)
    named = rows.select_related("patient", "session")
    return list(named.order_by("patient__last_name", "patient__first_name", "episode", "pk"))


def _weeks(rows: Sequence[Booking]) -> Weeks:
    """The weeks around the days on which they are booked now, by episode."""
    if not rows:
        return {}
    days = [row.session.local_date for row in rows]
    settings = clinic_settings(rows[0].clinic_id)
    episodes = {row.episode_id for row in rows}
    return weeks_between(episodes, settings, min(days), max(days), timezone.now())


def _falls(loss: Loss) -> bool:
    return any(one.falls_below or one.too_few_days for one in loss.effects)
