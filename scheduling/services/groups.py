"""A second group for those for whom the first has no seat."""

from __future__ import annotations

from collections.abc import Sequence

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import User
from scheduling.locks import lock
from scheduling.models import Group, WaitlistEntry


@service
def open_second_group(
    *,
    group: Group,
    name: str,
    capacity: int,
    moving: Sequence[WaitlistEntry] = (),
    by: User | Job,
) -> Group:
    """A group for the same program, level, age and population, still without weekly blocks.

    Those of the waitlist who are `moving` wait for it from then on, in the order in which they
    stood. Raises Refused `not_waiting` when one of them has left the list or is offered a seat, and
    what the constraints of a group refuse.
    """
    lock(groups=[group.pk])
    group.refresh_from_db()
    second = Group.objects.create(
        clinic_id=group.clinic_id,
        name=name,
        program_id=group.program_id,
        level=group.level,
        age_bracket=group.age_bracket,
        population=group.population,
        capacity=capacity,
        min_size=min(group.min_size, capacity),
    )
    waiting = WaitlistEntry.objects.filter(
        group=group, state=WaitlistEntry.State.WAITING, pk__in=[one.pk for one in moving]
    )
    if waiting.update(group=second) != len(moving):
        message = "Somebody of these waits no longer, or is offered a seat. Look again."
        raise Refused("not_waiting", message, field="moving")
    return second
