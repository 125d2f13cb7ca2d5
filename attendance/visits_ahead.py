"""What a short visit inside another session would change, told before it is planned.

The session is planned as it would be, read, and taken back: what planning refuses is refused here.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from attendance.cancel_impact import Loss, loss_on
from attendance.compliance.settings import clinic_settings
from attendance.move_impact import weeks_between
from iop_clinic.accounts.acting import service
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.weeks import local_date
from patients.models import Episode
from scheduling import services as calendar
from scheduling.models import Booking


@dataclass(frozen=True, slots=True)
class StepsOut:
    """The bookings for which the patient leaves another session, each with that one at hand, and
    what it makes of the week."""

    visits: tuple[Booking, ...]
    week: Loss


@service
def visit_impact(
    *, clinic: Clinic, episode: Episode, starts_at: datetime.datetime, by: User, **plan: Any
) -> StepsOut | None:
    """What planning a session for a patient would make of a session around or inside it; None where
    each stands alone. Raises what `create_session` raises."""
    now, settings = timezone.now(), clinic_settings(clinic)
    day = local_date(starts_at, clinic.tz)
    before = weeks_between([episode.pk], settings, day, day, now)
    with transaction.atomic():
        session = calendar.create_session(
            clinic=clinic, episodes=[episode], starts_at=starts_at, by=by, **plan
        )
        tied = Q(session=session, nested_in__isnull=False) | Q(nested_in__session=session)
        rows = Booking.objects.filter(tied, clinic=clinic).select_related(
            "session__group", "session__session_type",
            "nested_in__session__group", "nested_in__session__session_type",
        )  # fmt: skip
        visits = tuple(rows.order_by("starts_at", "pk"))
        after = weeks_between([episode.pk], settings, day, day, now) if visits else before
        transaction.set_rollback(True)
    if not visits:
        return None
    return StepsOut(visits, loss_on(episode.patient, before[episode.pk], after[episode.pk], day))
