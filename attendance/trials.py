"""What a write would take from one patient: it is made, read and taken back.

So what is told beforehand is what comes of it, and what would be refused is refused already here.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from attendance.cancel_impact import Loss, loss_on
from attendance.compliance.settings import clinic_settings
from attendance.models import Flag
from attendance.move_impact import weeks_around
from iop_clinic.accounts.acting import service
from iop_clinic.accounts.models import User
from patients.models import Episode
from scheduling import services as calendar
from scheduling.models import Booking


@dataclass(frozen=True, slots=True)
class Taken:
    """Bookings that would be withdrawn, in order; of the cases that the person sees, those that
    would open, close or go silent."""

    bookings: list[Booking]
    opened: list[Flag]
    closed: list[Flag]
    silent: list[Flag]


@service
def tried(
    *,
    episode: Episode,
    write: Callable[[], object],
    by: User,
    since: datetime.datetime | None = None,
) -> Taken:
    """What `write` would take from an episode's calendar. Raises what it raises.

    Bookings are those that begin at `since` or later; not given: from now.
    """
    of_it = {"clinic": episode.clinic_id, "episode": episode}
    coming = Booking.objects.filter(**of_it, starts_at__gte=since or timezone.now())
    before = set(coming.exclude(state=Booking.State.WITHDRAWN).values_list("pk", flat=True))
    cases = Flag.objects.visible_to(by).filter(**of_it).open()
    were = {one.pk: one for one in cases}
    heard = set(cases.not_silent().values_list("pk", flat=True))
    with transaction.atomic():
        write()
        gone = coming.filter(pk__in=before, state=Booking.State.WITHDRAWN)
        named = gone.select_related("session__group", "session__session_type")
        bookings = list(named.order_by("starts_at", "pk"))
        then = {one.pk: one for one in cases.all()}
        hears = set(cases.not_silent().values_list("pk", flat=True))
        transaction.set_rollback(True)
    return Taken(
        bookings,
        [case for key, case in then.items() if key not in were],
        [case for key, case in were.items() if key not in then],
        [case for key, case in then.items() if key in heard - hears],
    )


@service
def withdraw_impact(*, booking: Booking, by: User) -> Loss:
    """What the week of a booking would lose if it was withdrawn. Raises what `withdraw` raises."""
    now, settings = timezone.now(), clinic_settings(booking.clinic_id)
    row = Booking.objects.select_related("session", "episode", "patient").get(pk=booking.pk)
    day, key = row.session.local_date, row.episode_id
    before = weeks_around([row], settings, day, now)
    with transaction.atomic():
        calendar.withdraw(booking=row, reason="-", by=by)
        after = weeks_around([row], settings, day, now)
        transaction.set_rollback(True)
    return loss_on(row.patient, before[key], after[key], day)
