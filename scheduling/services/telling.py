"""Ticks of a call list: who was told what became of the sessions of a closure or time off, or of
one that was combined with another."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from iop_clinic.accounts.acting import Refused, service
from iop_clinic.accounts.models import Therapist, User
from patients.models import Episode
from scheduling.models import Session, Told
from scheduling.services.deciding import Cause, key_of

Person = Episode | Therapist


@service
def note_told(
    *, cause: Cause | Session, told: Collection[Person], untold: Collection[Person] = (), by: User
) -> None:
    """Keep that these were told, and that those were not after all. Noted already: no change.

    What they were told is what the list of `cause`, as it was read, says (`attendance.call_list`).
    Raises Refused `taken_back` where the closure or time off was taken back since, or the session
    parted.
    """
    rows: QuerySet[Any] = type(cause)._default_manager.filter(pk=cause.pk)
    if isinstance(cause, Session):
        rows = rows.filter(live=False)
    else:
        rows = rows.filter(taken_back_at=cause.taken_back_at)
    if not rows.select_for_update(no_key=True).exists():
        message = "It was taken back meanwhile. Open the call list again: it says what holds now."
        raise Refused("taken_back", message)
    again = is_taken_back(cause)
    of_it = Told.objects.filter(clinic=cause.clinic_id, again=again, **key_of(cause))
    of_it.filter(episode__in=_keys(untold, Episode)).delete()
    of_it.filter(therapist__in=_keys(untold, Therapist)).delete()
    known = set(of_it.values_list("episode", "therapist"))
    new = [_row(cause, one, by) for one in told]
    Told.objects.bulk_create(
        [row for row in new if (row.episode_id, row.therapist_id) not in known]
    )


def _keys(people: Collection[Person], kind: type[Person]) -> list[int]:
    return [one.pk for one in people if isinstance(one, kind)]


def _row(cause: Cause | Session, person: Person, by: User) -> Told:
    to = {"episode" if isinstance(person, Episode) else "therapist": person}
    now = timezone.now()
    again = is_taken_back(cause)
    return Told(
        clinic_id=cause.clinic_id, again=again, told_at=now, told_by=by, **key_of(cause), **to
    )


def is_taken_back(cause: Cause | Session) -> bool:
    """Whether people are told what holds again; a session that is parted has no list any more."""
    return not isinstance(cause, Session) and cause.taken_back_at is not None
