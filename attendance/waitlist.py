"""Reaching who waits for a seat, only by channels the patient allowed (R15).

The floor below keeps the list; it knows nothing of what may be tried.
"""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from attendance.compliance.outreach import check_allowed
from iop_clinic.accounts.acting import service
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import local_date
from scheduling import services as calendar
from scheduling.models import WaitlistEntry, WaitlistOffer, WaitlistStep


@service
def offer_seat(
    *, entry: WaitlistEntry, method: str, by: User, **offer: Any
) -> WaitlistOffer:  # fmt: skip
    """Offer a seat (see `scheduling.services.offer_seat`). Also refused: `channel_not_allowed`."""
    _check(entry, method)
    return calendar.offer_seat(entry=entry, method=method, by=by, **offer)


@service
def log_attempt(*, entry: WaitlistEntry, method: str, by: User, **told: Any) -> WaitlistStep:
    """Record a try (see `scheduling.services.log_attempt`). Refused: `channel_not_allowed`."""
    _check(entry, method)
    return calendar.log_attempt(entry=entry, method=method, by=by, **told)


def _check(entry: WaitlistEntry, method: str) -> None:
    today = local_date(timezone.now(), entry.group.clinic.tz)
    check_allowed(entry.episode.patient, method, today)
