"""Every row lock of this floor, in the one order that keeps writers from waiting in a circle.

Clinic calendar, groups, therapists, rooms, sessions, episodes; each sorted by key. A write locks
the parents first and only then looks and inserts: an exclusion constraint alone lets fifty clients
of one slot deadlock. The locks last until the transaction ends.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Manager, Model

from iop_clinic.accounts.models import Clinic, Therapist
from patients.models import Episode
from scheduling.models import Group, Room, Session

Keys = Iterable[int | None]


def lock(
    *,
    clinics: Keys = (),
    groups: Keys = (),
    therapists: Keys = (),
    rooms: Keys = (),
    sessions: Keys = (),
    moving: Keys = (),
    episodes: Keys = (),
) -> None:
    """Lock these rows by primary key; None among them is passed over.

    `clinics` is the calendar: closures and new sessions wait for each other. `moving` are sessions
    that are moved, cancelled or revived: the keys that bookings and staff refer to change, and a
    weaker lock would be upgraded in the middle of an insert and deadlock with it.
    """
    _lock(Clinic._default_manager, clinics)
    _lock(Group._default_manager, groups)
    _lock(Therapist._default_manager, therapists)
    _lock(Room._default_manager, rooms)
    # One statement for both kinds, or two writers could take them crosswise.
    moving = list(moving)
    _lock(Session._default_manager, [*sessions, *moving], keys_change=bool(moving))
    _lock(Episode._default_manager, episodes)


def lock_session(session: Session) -> None:
    """Lock one session and read it as it is then, with its clinic, group, type and room."""
    rows = Session._default_manager.select_for_update(of=("self",), no_key=True)
    session.refresh_from_db(
        from_queryset=rows.select_related("clinic", "group", "session_type", "room")
    )


def _lock(rows: Manager[Model], keys: Keys, *, keys_change: bool = False) -> None:
    wanted = sorted({key for key in keys if key is not None})
    if wanted:
        locked = rows.select_for_update(no_key=not keys_change)
        list(locked.filter(pk__in=wanted).order_by("pk").values_list("pk", flat=True))
