"""How seats and calls are said to people."""

from __future__ import annotations

from django.utils import timezone
from django.utils.html import format_html

from iop_clinic.accounts.admin.panels import link
from iop_clinic.accounts.weeks import date_span
from scheduling.models import Booking, CallIn, Session


def session_when(session: Session) -> str:
    """ "Group A, Mon Nov 23, 9:00 AM"."""
    return f"{session.title}, {timezone.localtime(session.starts_at):%a %b %-d, %-I:%M %p}"


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
