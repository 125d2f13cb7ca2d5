"""Seats in single sessions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.filters import ClinicRelatedFilter
from iop_clinic.accounts.admin.forms import ServiceForm, choice_field, moment_field, text_field
from iop_clinic.accounts.admin.panels import Panel, anchor, link, verb_link
from iop_clinic.accounts.roles import Can
from scheduling.admin.episodes import REASONS
from scheduling.admin.seats import Seats
from scheduling.admin.wording import session_when, whose_seat
from scheduling.models import Booking


class ReleaseForm(ServiceForm):
    title = "Release"
    path = "release"
    button = "Release the seat"
    explanation = "The patient gave notice: the seat is free, the patient stays expected."
    can = Can.TAKE_CALL_INS
    reason = choice_field(REASONS)
    notified_at = moment_field("Told us at")

    @classmethod
    def offered(cls, row: Booking) -> bool:
        return row.state == Booking.State.BOOKED

    def narrow(self) -> None:
        self.start_with(notified_at=timezone.now())

    def run(self) -> str:
        Seats.release(booking=self.row, by=self.user, **self.given)
        return format_html(
            "{} is released. The seat can be booked for somebody else. {}",
            self.row.patient,
            verb_link(self.row.call_in, "take-back", "Take the notice back")
            if self.row.call_in
            else "",
        )


class WithdrawForm(ServiceForm):
    title = "Withdraw"
    path = "withdraw"
    button = "Withdraw the booking"
    explanation = "The clinic or the plan changed: the booking counts nowhere."
    can = Can.BOOK
    danger = True
    reason = text_field()

    @classmethod
    def offered(cls, row: Booking) -> bool:
        return row.state != Booking.State.WITHDRAWN

    def run(self) -> str:
        Seats.withdraw(booking=self.row, reason=self.cleaned_data["reason"], by=self.user)
        return f"The booking of {self.row.patient} is withdrawn."


@admin.register(Booking)
class BookingAdmin(ClinicModelAdmin):
    view = Can.VIEW_SCHEDULE
    reads_are_noted = True
    list_display = ("patient", "session", "starts_at", "seat", "state")
    list_filter = ("state", ("session__group", ClinicRelatedFilter))
    related: tuple[str, ...] = ("patient", "session__group", "session__session_type", "call_in")
    ordering = ("-starts_at", "seat", "pk")
    search_fields = ("patient__record_number__istartswith", "patient__last_name__istartswith")
    verbs = (ReleaseForm, WithdrawForm)
    fields = (
        "patient",
        "session",
        ("starts_at", "ends_at"),
        ("seat", "state"),
        "released_at",
        "withdrawn_reason",
        "overflow_reason",
        "combined_from",
    )

    def called(self, row: Booking) -> str:
        return whose_seat(row)

    def panels(self, request: Any, row: Booking) -> Iterable[Panel]:
        if row.nested_in is not None:
            outer = link(row.nested_in, session_when(row.nested_in.session))
            note = "The minutes of this visit leave that session."
            yield Panel("Inside another session", ("Session",), [(outer,)], note=note)
        elif row.live and row.state == Booking.State.BOOKED and row.ends_at > timezone.now():
            yield visits_panel(row, plans=self.may(request, Can.MANAGE_SCHEDULE))


def visits_panel(row: Booking, *, plans: bool) -> Panel:
    """The short visits for which the patient leaves, and the way to one more; one statement."""
    related = ("session__group", "session__session_type")
    visits = row.nested.seated().select_related(*related).order_by("starts_at")
    note = ""
    if plans:
        day = timezone.localtime(row.starts_at).date()
        address = reverse("admin:scheduling_session_plan")
        note = anchor(
            f"{address}?episode={row.episode_id}&day={day.isoformat()}", "Plan a visit during it"
        )
    return Panel(
        "Visits during it",
        ("Visit",),
        [(link(one, session_when(one.session)),) for one in visits],
        empty="None.",
        note=note,
    )
