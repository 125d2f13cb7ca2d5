"""Sessions as lines of a table, on the pages of what they belong to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, OuterRef, Prefetch, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.html import format_html

from iop_clinic.accounts.admin.panels import Panel, link
from scheduling.models import Booking, Session, SessionStaff
from scheduling.querysets import SessionQuerySet

HEADERS = ("Session", "Of", "Led by", "Room", "Booked", "To look at")
SHOWN = 10


def with_booked(rows: Any) -> Any:
    """Each session with how many are `booked` on its seats."""
    booked = Booking.objects.seated().filter(session=OuterRef("pk")).order_by()
    counted = booked.values("session").annotate(number=Count("pk")).values("number")
    return rows.annotate(booked=Coalesce(Subquery(counted), 0))


def seen(request: Any, clinic_id: int) -> SessionQuerySet:
    """Sessions of a clinic that this person may see, with what a line names; two statements."""
    parts = (
        SessionStaff.objects.filter(active=True).select_related("therapist").order_by("-role", "pk")
    )
    rows = Session.objects.live().visible_to(request.user).filter(clinic=clinic_id)
    named = rows.select_related("group", "session_type", "room").order_by("starts_at", "pk")
    found: SessionQuerySet = with_booked(named).prefetch_related(
        Prefetch("staff", parts, to_attr="parts")
    )
    return found


def next_sessions(request: Any, clinic_id: int, *, without: str = "", **of: Any) -> Panel:
    """Sessions that are not over, the next ones first; `without` the column the page is about."""
    rows = seen(request, clinic_id).filter(**of).not_over(timezone.now())[:SHOWN]
    empty = "None is planned. “Plan the next 4 weeks” on the list of groups adds what is missing."
    return sessions_panel("Next sessions", rows, empty=empty, without=without)


def sessions_panel(
    title: str, rows: Iterable[Any], *, empty: str, note: str = "", without: str = ""
) -> Panel:
    kept = [place for place, header in enumerate(HEADERS) if header != without]
    lines = [[line[place] for place in kept] for line in map(session_line, rows)]
    return Panel(title, [HEADERS[place] for place in kept], lines, empty=empty, note=note)


def session_line(row: Any) -> tuple[object, ...]:
    """A session of `seen`."""
    led = "; ".join(part.therapist.name for part in row.parts)
    look = format_html('<strong class="clinic-late">{}</strong>', row.needs_attention)
    return (
        link(row, session_times(row)), row.title, led or "nobody",
        row.place or "none", f"{row.booked} of {row.capacity}",
        look if row.needs_attention else "",
    )  # fmt: skip


def session_times(row: Session) -> str:
    """ "Mon Nov 23, 9:00 AM – 10:00 AM", in the clinic's wall time."""
    starts, ends = timezone.localtime(row.starts_at), timezone.localtime(row.ends_at)
    return f"{starts:%a %b %-d, %-I:%M %p} – {ends:%-I:%M %p}"
