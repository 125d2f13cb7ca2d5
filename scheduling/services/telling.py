"""Ticks of a call list: who was told what became of the sessions of a closure or time off, or of
one that was combined with another."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from iop_clinic.accounts.acting import Refused, service
from iop_clinic.accounts.models import Therapist, User
from patients.models import Episode
from scheduling.models import Session, Told
from scheduling.services.deciding import Cause, key_of

Person = Episode | Therapist
Said = Mapping[int, str]
"""By the key of a session what is said of it."""


@service
def note_told(
    *,
    cause: Cause | Session,
    told: Mapping[Person, Said],
    untold: Collection[Person] = (),
    by: User,
) -> None:
    """Keep what these were told, and that those were not after all. Noted already: no change.

    What is to be said says the list of `cause` (`attendance.call_list`): a tick counts for what was
    said only. Raises Refused `taken_back` where the closure or time off was taken back since, or
    the session parted.
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
    known = {(one.episode_id, one.therapist_id): one.said for one in of_it}
    noted = {one: _row(cause, one, said, by) for one, said in told.items()}
    new = {
        one: row for one, row in noted.items()
        if known.get((row.episode_id, row.therapist_id)) != row.said
    }  # fmt: skip
    gone = [*untold, *new]
    of_it.filter(episode__in=_keys(gone, Episode)).delete()
    of_it.filter(therapist__in=_keys(gone, Therapist)).delete()
    Told.objects.bulk_create(new.values())


def _keys(people: Collection[Person], kind: type[Person]) -> list[int]:
    return [one.pk for one in people if isinstance(one, kind)]


def _row(cause: Cause | Session, person: Person, said: Said, by: User) -> Told:
    return Told(
        clinic_id=cause.clinic_id,
        **key_of(cause),
        **{"episode" if isinstance(person, Episode) else "therapist": person},
        said=[list(one) for one in said.items()],
        again=is_taken_back(cause),
        told_at=timezone.now(),
        told_by=by,
    )


def is_taken_back(cause: Cause | Session) -> bool:
    """Whether people are told what holds again; a session that is parted has no list any more."""
    return not isinstance(cause, Session) and cause.taken_back_at is not None
