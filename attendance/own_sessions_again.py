"""A patient's own weekly blocks and sessions, after the discharge that ended them is taken back.

Each comes back where its leader, its room and the patient are still free; of the others it is said
what stands in the way.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator

from django.db import transaction
from django.db.models import Q, QuerySet

from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.models import User
from patients.models import Episode
from scheduling import services as calendar
from scheduling.models import Booking, Session, SessionStaff, WeeklyBlock


def own_cancelled(episode: Episode, reason: str) -> QuerySet[Session]:
    """Sessions of this patient alone that were cancelled for a reason, in order of time."""
    booked = Booking.objects.filter(episode=episode).values("session")
    rows = Session.objects.filter(
        Q(block__episode=episode) | Q(pk__in=booked),
        clinic=episode.clinic_id,
        state=Session.State.CANCELLED,
        cancelled_reason=reason,
    )
    return rows.select_related("group", "session_type").order_by("starts_at", "pk")


def all_they_take(sessions: QuerySet[Session]) -> dict[str, list[int | None]]:
    """What reviving these sessions locks, as `lock` takes it."""
    keys = list(sessions.order_by().values_list("pk", "room"))
    moving = [session for session, _ in keys]
    parts = SessionStaff.objects.filter(session__in=moving, active=True)
    booked = Booking.objects.filter(session__in=moving)
    return {
        "therapists": list(parts.values_list("therapist", flat=True)),
        "rooms": [room for _, room in keys],
        "moving": [*moving],
        "episodes": list(booked.values_list("episode", flat=True)),
    }


def blocks_go_on(
    ended: Iterable[tuple[WeeklyBlock, datetime.date | None]], *, by: User | Job
) -> Iterator[str]:
    """Let each block meet until its date again, None: for good; what to do where it cannot."""
    for block, last in ended:
        try:
            with transaction.atomic():
                calendar.end_block(block=block, last=last, by=by)
        except Refused as refused:
            yield f"The patient's own weekly block, {block}, has ended. {refused.message}"


def sessions_take_place(sessions: Iterable[Session], *, by: User | Job) -> list[Session]:
    """Revive sessions; those that something stands in the way of are answered."""
    left = []
    for session in sessions:
        try:
            with transaction.atomic():
                calendar.revive_session(session=session, by=by)
        except Refused:
            left.append(session)
    return left
