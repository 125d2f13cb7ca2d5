"""What a write to a weekly block would do to its sessions: it is made, read and taken back.

So what is told beforehand is what comes of it, and what would be refused is refused already here.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from attendance import blocks
from attendance.closures_ahead import WeekLoss, losses_ahead
from attendance.compliance.settings import clinic_settings
from attendance.compliance.template_weeks import Template, template_of
from iop_clinic.accounts.acting import service
from iop_clinic.accounts.models import User
from scheduling.admin.group_seats import template_blocks
from scheduling.admin.session_lines import with_booked
from scheduling.admin.weekly_template import in_force
from scheduling.models import Booking, Session, SessionStaff, WeeklyBlock
from scheduling.services import Expansion, Refitted


@dataclass(frozen=True, slots=True)
class Told:
    """A session as a person reads it; `booked` of `seats`."""

    starts_at: datetime.datetime
    ends_at: datetime.datetime
    live: bool
    kind: str
    leaders: tuple[str, ...]
    room: str
    booked: int
    seats: int
    reason: str
    look: str


@dataclass(frozen=True, slots=True)
class Line:
    """A session before and after; `before` None: it is new."""

    session: Session
    before: Told | None
    after: Told


@dataclass(frozen=True, slots=True)
class Trial:
    """`lost` are bookings that nobody or no seat would be kept for; `kept` were moved by hand.

    `losses` are the weeks that lose minutes by it.
    """

    lines: list[Line]
    lost: list[Booking]
    losses: list[WeekLoss]
    refitted: Refitted

    @property
    def kept(self) -> set[int]:
        return {one.pk for one in self.refitted.kept}


@dataclass(frozen=True, slots=True)
class NewBlocks:
    """`template` is what the group reaches with them; None for blocks of one patient."""

    sessions: list[Told]
    findings: list[str]
    template: Template | None


@service
def tried_new(*, new: Sequence[WeeklyBlock], by: User) -> NewBlocks:
    """What new blocks of one owner would plan, and what a week of the group reaches with them.

    Raises what `add_blocks` raises.
    """
    with transaction.atomic():
        done: Expansion = blocks.add_blocks(new=new, by=by)
        told = list(_told(Q(block__in=new)).values())
        findings, template = done.findings_of({one.pk for one in new}), _template(new[0])
        transaction.set_rollback(True)
    return NewBlocks([after for _, after in told], findings, template)


def _template(block: WeeklyBlock) -> Template | None:
    if block.group is None:
        return None
    today = max(block.valid_from, timezone.localdate(timezone=block.clinic.tz))
    rows = in_force(template_blocks().filter(group=block.group), today)
    return template_of(clinic_settings(block.clinic_id), block.group, rows, on=today)


@service
def tried_change(*, block: WeeklyBlock, write: Callable[[], Refitted], by: User) -> Trial:
    """What `write` would do to the sessions to come of a block. Raises what it raises."""
    coming = Q(starts_at__gt=timezone.now())
    of_it = coming & (Q(block=block.pk) | Q(block__continues=block.pk))
    before = _told(of_it)
    booked = Booking.objects.filter(session__in=before, state=Booking.State.BOOKED)
    were = list(booked.values_list("pk", flat=True))
    done = []

    def change() -> None:
        refitted = write()
        after = _told(of_it | Q(pk__in=before))
        gone = Booking.objects.filter(pk__in=were).exclude(state=Booking.State.BOOKED)
        named = gone.select_related("patient", "session__group", "session__session_type")
        done.append((refitted, after, list(named.order_by("starts_at", "patient", "pk"))))

    losses = losses_ahead(sessions=[one for one, _ in before.values()], write=change, by=by)
    refitted, after, lost = done[-1]
    lines = [
        Line(session, before[key][1] if key in before else None, told)
        for key, (session, told) in after.items()
    ]
    return Trial(lines, lost, losses, refitted)


def _told(which: Q) -> dict[int, tuple[Session, Told]]:
    """By key, in order of time; two statements."""
    rows = with_booked(Session.objects.filter(which).order_by("starts_at", "pk"))
    found = list(rows.select_related("group", "session_type", "room"))
    leaders: dict[int, list[str]] = {one.pk: [] for one in found}
    parts = SessionStaff.objects.filter(session__in=list(leaders), active=True)
    for part in parts.select_related("therapist").order_by("-role", "pk"):
        leaders[part.session_id].append(part.therapist.name)
    return {one.pk: (one, _said(one, leaders[one.pk])) for one in found}


def _said(one: Session, leaders: list[str]) -> Told:
    booked: int = one.booked  # type: ignore[attr-defined]  # annotated
    return Told(
        one.starts_at,
        one.ends_at,
        one.live,
        one.session_type.name,
        tuple(leaders),
        one.place or "no room",
        booked,
        one.capacity,
        one.cancelled_reason,
        one.needs_attention,
    )
