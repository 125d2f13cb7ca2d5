"""How seats and calls are said to people."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils import timezone
from django.utils.html import format_html, format_html_join

from iop_clinic.accounts.admin.panels import link
from iop_clinic.accounts.weeks import date_span
from scheduling.models import Booking, CallIn, Session, WeeklyBlock


def session_when(session: Session) -> str:
    """ "Group A, Mon Nov 23, 9:00 AM"."""
    return f"{session.title}, {timezone.localtime(session.starts_at):%a %b %-d, %-I:%M %p}"


def places_linked(rows: Iterable[WeeklyBlock]) -> str:
    """Each place once, a room as a link; reads `room`: select it along."""
    found = {one.place: link(one.room) if one.room else one.place for one in rows if one.place}
    return format_html_join("; ", "{}", ((said,) for said in found.values())) or "none"


def whose_seat(row: Booking) -> str:
    """Whom a booking is about, and when. Reads patient and session: select them along."""
    return f"{row.patient}: {session_when(row.session)}"


def bookings_counted(number: int) -> str:
    return f"{number} booking" if number == 1 else f"{number} bookings"


def call_in_noted(call: CallIn) -> str:
    """What came of a call, with a link to where it is taken back."""
    return format_html(
        "Noted for {}: {} released. The patient stays on the rosters as expected. {}",
        date_span(call.from_date, call.to_date),
        bookings_counted(call.bookings.count()),
        link(call, "Open the call-in, or take it back"),
    )
