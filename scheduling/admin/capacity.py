"""A group's seats: before there are fewer, who changes seats, or who stands in the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from django.db import transaction
from django.utils import timezone

from iop_clinic.accounts.acting import Refused, service
from iop_clinic.accounts.admin.forms import ServiceForm, number_field
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.models import User
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date
from scheduling import services
from scheduling.admin.session_lines import with_booked
from scheduling.admin.wording import session_when
from scheduling.models import Group, GroupMembership, Session


@service
def seats_moved(*, group: Group, capacity: int, by: User) -> list[tuple[GroupMembership, int]]:
    """Members who would change seats, with the seat they would have; nothing of it stays.

    Raises what `set_capacity` raises.
    """
    held = GroupMembership.objects.during(timezone.localdate(), None).filter(group=group)
    rows = list(held.select_related("episode__patient").order_by("seat", "pk"))
    with transaction.atomic():
        row = Group.objects.select_related("clinic").get(pk=group.pk)
        services.set_capacity(group=row, capacity=capacity, by=by)
        seats = dict(held.order_by().values_list("pk", "seat"))
        transaction.set_rollback(True)
    return [(row, seats[row.pk]) for row in rows if seats[row.pk] != row.seat]


class CapacityForm(ServiceForm):
    title = "Set the capacity"
    path = "capacity"
    button = "Set the capacity"
    explanation = "8 to 15 seats. Members are seated anew where they must be; nobody loses a seat."
    can = Can.MANAGE_SCHEDULE
    capacity = number_field("Seats")
    looks_ahead = True
    in_the_way: Sequence[Panel] = ()

    def narrow(self) -> None:
        self.start_with(capacity=self.row.capacity)

    def before(self) -> Iterable[Panel]:
        return self.in_the_way

    def ahead(self) -> Sequence[Panel]:
        try:
            moved = seats_moved(group=self.row, by=self.user, **self.given)
        except Refused as refused:
            self.in_the_way = list(_in_the_way(self.row, refused, **self.given))
            note_read(self.row, by=self.user)
            raise
        if not moved:
            return []
        note_read(self.row, by=self.user)
        rows = [(link(one, one.episode.patient), one.seat, seat) for one, seat in moved]
        return [Panel("Who changes seats", ("Member", "Seat now", "Seat then"), rows)]

    def run(self) -> str:
        seats = self.cleaned_data["capacity"]
        services.set_capacity(group=self.row, capacity=seats, by=self.user)
        return f"{self.row} has {seats} seats, in every planned session too."


def _in_the_way(group: Group, refused: Refused, capacity: int) -> Iterator[Panel]:
    """Whom or what the refusal is about: members on its day, or sessions with too many."""
    if refused.code == "group_full":
        day = refused.details["date"]
        rows = GroupMembership.objects.on(day).filter(group=group)  # type: ignore[arg-type]
        lines = [
            (one.seat, link(one, one.episode.patient),
             full_date(one.ends_on) if one.ends_on else "open")
            for one in rows.select_related("episode__patient").order_by("seat", "pk")
        ]  # fmt: skip
        yield Panel(f"Members on {full_date(day)}", ("Seat", "Member", "Until"), lines)  # type: ignore[arg-type]
    elif refused.code == "session_full":
        rows_ = Session.objects.live().filter(group=group, local_date__in=refused.details["dates"])
        named = with_booked(rows_.select_related("group", "session_type"))
        full = named.filter(booked__gt=capacity).order_by("starts_at", "pk")
        found = [(link(one, session_when(one)), one.booked) for one in full]
        yield Panel("Booked beyond it", ("Session", "Booked"), found)
