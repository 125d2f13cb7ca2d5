"""Seats of groups: who holds them, which are free, who waits; for the list and for one page."""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from iop_clinic.accounts.admin.panels import Panel, anchor, link
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date, long_date
from scheduling.admin.weekly_template import begins_later, in_force, leaders, template_said
from scheduling.models import WAITING, Group, GroupMembership, WaitlistEntry, WeeklyBlock


@dataclass(frozen=True, slots=True)
class Seats:
    """How a group is filled. `promised` seats are free today and held from a later date on."""

    members: int
    free: int
    promised: int

    @classmethod
    def of(cls, group: Group, held: Sequence[GroupMembership], today: datetime.date) -> Seats:
        """From the memberships that have not ended; a seat above capacity is none to fill."""
        inside = {one.seat for one in held if one.seat <= group.capacity}
        here = [one for one in held if one.starts_on <= today]
        now = {one.seat for one in here if one.seat <= group.capacity}
        return cls(len(here), group.capacity - len(inside), len(inside - now))


def kept(today: datetime.date, user: Any) -> Any:
    """Memberships that have not ended, in the order of their seats."""
    rows = GroupMembership.objects.visible_to(user).during(today, None)
    return rows.order_by("seat", "starts_on", "pk")


def small(group: Group, members: int) -> str:
    """Said of a group that meets with fewer members than make it viable (R11)."""
    if members >= group.min_size:
        return ""
    return f"under its viable size of {group.min_size}"


# --- the list ------------------------------------------------------------------------------------


def tell_groups(request: Any, rows: Sequence[Any]) -> None:
    """Seats, who waits and the weekly template of groups on a list; three statements.

    The template belongs to the group: who sees the group sees all of it, as on its members' plans.
    """
    today = timezone.localdate()
    held, waiting = held_by_group(request.user, rows, today), _waiting(request, rows)
    blocks = _blocks(rows)
    for row in rows:
        row.seats = Seats.of(row, held[row.pk], today)
        row.waiting_now = waiting[row.pk]
        row.template = in_force(blocks[row.pk], today)


def members_said(row: Any) -> str:
    """ "6 of 8", and whether the group is too small for itself."""
    said = f"{row.seats.members} of {row.capacity}"
    trouble = small(row, row.seats.members) if row.begun and row.active else ""
    if not trouble:
        return said
    return format_html('<span>{} <strong class="clinic-late">{}</strong></span>', said, trouble)


def free_said(row: Any) -> str:
    seats = row.seats
    if seats.promised:
        return f"{seats.free}, and {seats.promised} promised"
    return str(last_said(seats.free)) if row.active else str(seats.free)


def last_said(free: int) -> object:
    """A number of free seats; the last one is warned of while there is time to make room."""
    if free != 1:
        return free
    return format_html('<strong class="clinic-late">{}</strong>', "1, the last")


def last_seat_left(group: Group, user: Any) -> str:
    """A warning after an enrolment, where one seat is left; one statement."""
    today = timezone.localdate()
    held = list(kept(today, user).filter(group=group))
    if Seats.of(group, held, today).free != 1:
        return ""
    return format_html("One seat is left in {}: look who could sit in another group.", link(group))


def meets_said(row: Any) -> str:
    later = begins_later(row.template, timezone.localdate())
    said = template_said(row.template) or "no weekly blocks yet"
    return f"from {full_date(later)}: {said}" if later else said


def led_by_said(row: Any) -> str:
    return format_html_join("; ", "{}", ((one.name,) for one in leaders(row.template)))


def named_with_free_seats(rows: Any, user: Any) -> dict[int, str]:
    """ "Group A (1 seat free)", by key, where a group is chosen; two statements."""
    today, groups = timezone.localdate(), list(rows)
    held = held_by_group(user, groups, today)
    free = {one.pk: Seats.of(one, held[one.pk], today).free for one in groups}
    return {one.pk: f"{one} ({_seats_free(free[one.pk])})" for one in groups}


def _seats_free(number: int) -> str:
    if number < 1:
        return "full"
    return "1 seat free" if number == 1 else f"{number} seats free"


def held_by_group(
    user: Any, rows: Sequence[Group], today: datetime.date
) -> Mapping[int, list[GroupMembership]]:
    found: defaultdict[int, list[GroupMembership]] = defaultdict(list)
    for one in kept(today, user).filter(group__in=rows):
        found[one.group_id].append(one)
    return found


def _waiting(request: Any, rows: Sequence[Group]) -> Counter[int]:
    entries = WaitlistEntry.objects.visible_to(request.user).filter(
        group__in=rows, state__in=WAITING
    )
    counted = entries.order_by().values_list("group").annotate(number=Count("pk"))
    return Counter(dict(counted))


def _blocks(rows: Sequence[Group]) -> Mapping[int, list[WeeklyBlock]]:
    found: defaultdict[int, list[WeeklyBlock]] = defaultdict(list)
    for one in template_blocks().filter(group__in=rows):
        assert one.group_id is not None
        found[one.group_id].append(one)
    return found


def template_blocks() -> Any:
    """Blocks with what their lines name."""
    named = ("session_type", "facilitator", "co_facilitator", "room", "group", "episode__patient")
    return WeeklyBlock.objects.select_related(*named).order_by("weekday", "starts_at", "pk")


# --- one page ------------------------------------------------------------------------------------


def seats_panel(request: Any, row: Any) -> Panel:
    """Every seat in its order with who holds it now and who comes next; one statement.

    The row is one of the list's: it knows whether anybody has `begun`, and learns who has seats.
    """
    today = timezone.localdate()
    held = list(kept(today, request.user).filter(group=row).select_related("episode__patient"))
    row.held, seats = held, Seats.of(row, held, today)
    may = request.user.may(Can.BOOK, row.clinic_id) and row.active
    return Panel(
        f"Seats: {seats.members} of {row.capacity} taken, {_free(seats)}",
        ("Seat", "Member", "From – until", "After that", *(("Next",) if may else ())),
        [tuple(line) for line in _lines(row, held, today, may=may)],
        note=_size_note(row, seats),
    )


def _free(seats: Seats) -> str:
    promised = f", {seats.promised} promised" if seats.promised else ""
    return f"{seats.free} free{promised}"


def _size_note(row: Any, seats: Seats) -> str:
    trouble = small(row, seats.members)
    if not trouble or not row.active:
        return ""
    if not row.begun:
        return f"The group is viable from {row.min_size} members on."
    return format_html(
        "<strong>The group is {}.</strong> Enrol from the waitlist, or look for patients whose "
        "plan it fits.",
        trouble,
    )


def _lines(
    row: Group, held: Sequence[GroupMembership], today: datetime.date, *, may: bool
) -> Iterator[Iterator[object]]:
    last = max([row.capacity, *(one.seat for one in held)])
    for number in range(1, last + 1):
        stays = [one for one in held if one.seat == number]
        if stays or number <= row.capacity:
            yield _line(row, number, stays, today, may=may)


def _line(
    row: Group, number: int, stays: Sequence[GroupMembership], today: datetime.date, *, may: bool
) -> Iterator[object]:
    here = next((one for one in stays if one.starts_on <= today), None)
    later = [one for one in stays if one is not here]
    above = f" (above capacity: {stays[0].overflow_reason})" if number > row.capacity else ""
    yield f"Seat {number}{above}"
    yield link(here.episode, here.episode.patient) if here else "free"
    yield _dates(here) if here else _free_until(later)
    yield format_html_join("; ", "{} {}", ((_patient(one), _dates(one)) for one in later))
    if may:
        yield link(here, "Transfer or end") if here else _enrol(row, later)


def _patient(seat: GroupMembership) -> str:
    return link(seat.episode, seat.episode.patient)


def _dates(seat: GroupMembership) -> str:
    until = full_date(seat.ends_on) if seat.ends_on else "open"
    return f"{full_date(seat.starts_on)} – {until}"


def _free_until(later: Sequence[GroupMembership]) -> str:
    if not later:
        return ""
    return f"until {long_date(later[0].starts_on - datetime.timedelta(days=1))}"


def _enrol(row: Group, later: Sequence[GroupMembership]) -> str:
    if later:
        return link(later[0], "Change the seat")
    return anchor(reverse("admin:scheduling_group_enrol", args=[row.pk]), "Enrol a patient")
