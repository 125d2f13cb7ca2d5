"""A group with one seat left: who could sit in another one, before somebody is turned away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from attendance.compliance.filling import Mover, who_could_move
from iop_clinic.accounts.admin.panels import Panel, anchor, link, verb_link
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date, hours_and_minutes
from scheduling.admin.group_seats import Seats, kept
from scheduling.models import Group

SHOWN = 3
"""Members who are named; to make room one of them is enough."""


def last_seat_panels(request: Any, row: Group) -> Iterator[Panel]:
    """For whoever may move somebody; one statement where more seats are free, at most 14 else."""
    if not (row.active and request.user.may(Can.BOOK, row.clinic_id)):
        return
    today = timezone.localdate()
    held = list(kept(today, request.user).filter(group=row).select_related("episode__patient"))
    if Seats.of(row, held, today).free != 1:
        return
    others = Group.objects.visible_to(request.user).filter(
        clinic=row.clinic_id, program=row.program_id, active=True
    )
    movers = who_could_move(
        group=row,
        seats=[one for one in held if one.starts_on <= today and one.ends_on is None],
        others=list(others.exclude(pk=row.pk).select_related("clinic").order_by("name", "pk")),
        on=today,
        now=timezone.now(),
    )
    yield Panel(
        "One seat is left: who could sit in another group",
        ("Member", "Could sit in", "A full week there", "Next"),
        [tuple(_line(one)) for one in movers[:SHOWN]],
        empty="Nobody would reach in another group of the program what the plan asks for.",
        note=_note(request, row),
    )


def _note(request: Any, row: Group) -> str:
    said = "Whoever is enrolled next fills the group."
    if not request.user.may(Can.MANAGE_SCHEDULE, row.clinic_id):
        return said
    return format_html("{} {}", said, verb_link(row, "second", "Open a second group"))


def _line(one: Mover) -> Iterator[object]:
    yield link(one.seat.episode, one.seat.episode.patient)
    free = "1 seat free" if one.free_seats == 1 else f"{one.free_seats} seats free"
    yield format_html("{}, from {}, {}", link(one.group), full_date(one.first), free)
    asked = f"{hours_and_minutes(one.then.at_least)} of {hours_and_minutes(one.then.minimum)}"
    yield f"{asked} on {one.then.days_qualifying} of {one.then.days_required} days"
    transfer = reverse("admin:scheduling_groupmembership_transfer", args=[one.seat.pk])
    yield anchor(f"{transfer}?to_group={one.group.pk}&on={one.first}", "Transfer")
