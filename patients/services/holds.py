"""Days on which the program pauses for a patient.

What that does to bookings is known on a higher floor, which calls these (attendance/episodes.py).
"""

from __future__ import annotations

import datetime

from django.db.models import F, Q
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.editing import check
from iop_clinic.accounts.models import Clinic, User
from patients.locks import lock_episodes
from patients.models import Episode, EpisodeHold
from patients.services.episodes import locked, refuse_before

ACTIVE = (Episode.State.ADMITTED, Episode.State.ON_HOLD)


@service
def put_on_hold(
    *,
    episode: Episode,
    starts_on: datetime.date,
    reason: str,
    by: User | Job,
    ends_on: datetime.date | None = None,
    note: str = "",
) -> EpisodeHold:
    """Pause an admitted episode from `starts_on` to `ends_on`, both inside, or until it resumes.

    Refused: `not_active`, `before_admission`, a hold that overlaps another.
    """
    locked(episode)
    if episode.state not in ACTIVE:
        raise Refused("not_active", "Only a patient in treatment can be put on hold.")
    refuse_before(starts_on, episode.admitted_on, field="starts_on", event="admission")
    if ends_on is not None:
        refuse_before(ends_on, starts_on, field="ends_on", event="start")
    hold = EpisodeHold(
        clinic=episode.clinic,
        episode=episode,
        reason=reason,
        note=note,
        starts_on=starts_on,
        ends_on=ends_on,
    )
    check(hold)
    hold.save()
    settle(episode)
    return hold


@service
def resume(*, episode: Episode, resumes_on: datetime.date, by: User | Job) -> Episode:
    """End the hold on the day before `resumes_on`; a hold that had not begun by then is removed.

    Refused: `not_on_hold`.
    """
    locked(episode)
    hold = hold_to_end(episode, resumes_on)
    if hold.starts_on >= resumes_on:
        hold.delete()
    else:
        hold.ends_on = resumes_on - datetime.timedelta(days=1)
        hold.save()
    settle(episode)
    return episode


def next_hold(episode: Episode, day: datetime.date) -> EpisodeHold | None:
    """The hold in force on this date, or else the next to come; one statement."""
    holds = episode.holds.filter(Q(ends_on__isnull=True) | Q(ends_on__gte=day))
    return holds.order_by("starts_on").first()


def hold_to_end(episode: Episode, resumes_on: datetime.date) -> EpisodeHold:
    """The hold that a return on this date ends. Refused: `not_on_hold`."""
    hold = next_hold(episode, resumes_on)
    if hold is None:
        message = "The patient is not on hold then. Look at the dates of the hold."
        raise Refused("not_on_hold", message, field="resumes_on")
    return hold


def settle(episode: Episode) -> None:
    """Let the state of a locked episode say whether a hold is in force today."""
    today = timezone.localdate(timezone=episode.clinic.tz)
    held = Episode.objects.on_hold_on(today).filter(pk=episode.pk).exists()
    state = Episode.State.ON_HOLD if held else Episode.State.ADMITTED
    if episode.state != state:
        episode.state = state
        episode.version += 1
        episode.save()


@service
def settle_holds(*, clinic: Clinic, today: datetime.date, by: User | Job) -> int:
    """Let every episode's state follow its holds on this local date; how many changed.

    A hold begins and ends by its dates. Rules read the dates; the state is what lists show.
    """
    active = Episode.objects.in_clinic(clinic).filter(state__in=ACTIVE)
    held = active.on_hold_on(today).values("pk")
    begins = active.filter(state=Episode.State.ADMITTED, pk__in=held)
    ended = active.filter(state=Episode.State.ON_HOLD).exclude(pk__in=held)
    changes = {
        Episode.State.ON_HOLD: list(begins.values_list("pk", flat=True)),
        Episode.State.ADMITTED: list(ended.values_list("pk", flat=True)),
    }
    lock_episodes(pk for keys in changes.values() for pk in keys)
    return sum(
        Episode.objects.filter(pk__in=keys, state__in=ACTIVE)
        .exclude(state=state)
        .update(state=state, version=F("version") + 1)
        for state, keys in changes.items()
        if keys
    )
