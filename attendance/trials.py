"""What a write would take from one patient: it is made, read and taken back.

So what is told beforehand is what comes of it, and what would be refused is refused already here.
"""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from attendance.cancel_impact import Loss, loss_on
from attendance.compliance.settings import clinic_settings
from attendance.compliance.status import PatientWeek, week_statuses
from attendance.memberships import transfer
from attendance.models import Flag
from attendance.move_impact import weeks_around
from iop_clinic.accounts.acting import service
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import day_instants, local_date
from patients.models import Episode
from scheduling import services as calendar
from scheduling.models import Booking, GroupMembership

_WEEK = datetime.timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class Taken:
    """Bookings that would be withdrawn, in order, and those that would be `made`; of the cases that
    the person sees, those that would open, close or go silent."""

    bookings: list[Booking]
    opened: list[Flag]
    closed: list[Flag]
    silent: list[Flag]
    made: list[Booking]


@dataclass(frozen=True, slots=True)
class Transferred:
    """The new seat, what changes with it, and the weeks as they would be: the running one, the next
    one and that of a first day to come."""

    seat: GroupMembership
    taken: Taken
    weeks: list[PatientWeek]


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
        changed = coming.select_related("session__group", "session__session_type")
        changed = changed.order_by("starts_at", "pk")
        gone = list(changed.filter(pk__in=before, state=Booking.State.WITHDRAWN))
        made = list(changed.exclude(pk__in=before).exclude(state=Booking.State.WITHDRAWN))
        then = {one.pk: one for one in cases.all()}
        hears = set(cases.not_silent().values_list("pk", flat=True))
        transaction.set_rollback(True)
    return Taken(
        gone,
        [case for key, case in then.items() if key not in were],
        [case for key, case in were.items() if key not in then],
        [case for key, case in then.items() if key in heard - hears],
        made,
    )


@service
def tried_transfer(
    *, membership: GroupMembership, on: datetime.date, by: User, **to: Any
) -> Transferred:
    """What moving a member to another group from a local date on would change. Raises what
    `transfer` raises."""
    episode, now = membership.episode, timezone.now()
    zone = episode.clinic.tz
    today = local_date(now, zone)
    days = [today, today + _WEEK, max(on, today)]
    done = []

    def move() -> None:
        seat = transfer(membership=copy.copy(membership), on=on, by=by, now=now, **to)
        weeks = week_statuses(
            clinic=episode.clinic_id, episode_ids=[episode.pk], weeks=days, now=now
        )
        done.append((seat, list(weeks.values())))

    taken = tried(episode=episode, write=move, by=by, since=day_instants(on, zone)[0])
    seat, weeks = done[-1]
    return Transferred(seat, taken, weeks)


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
