"""Seats in single sessions, and the calls that free them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils import timezone

from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.filters import ClinicRelatedFilter
from iop_clinic.accounts.admin.forms import ServiceForm, choice_field, moment_field, text_field
from iop_clinic.accounts.roles import Can
from scheduling.admin.episodes import REASONS
from scheduling.admin.seats import Seats
from scheduling.models import Booking, CallIn, Session


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
        return f"{self.row.patient} is released. The seat can be booked for somebody else."


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
    )


class TakeBackForm(ServiceForm):
    title = "Take the call-in back"
    path = "take-back"
    button = "Book the patient again"
    explanation = (
        "The patient comes after all. What was released and has not begun is booked again where "
        "there is still a place; recorded attendance stays as it is."
    )
    can = Can.TAKE_CALL_INS

    @classmethod
    def offered(cls, row: CallIn) -> bool:
        return row.taken_back_at is None

    def run(self) -> str:
        back = Seats.take_back_call_in(call_in=self.row, by=self.user)
        said = f"Taken back: {len(back.booked)} bookings again."
        if not back.without_place:
            return said
        named = "; ".join(_when(session) for session in back.without_place)
        return f"{said} No place is left in {named}: find a make-up."


def _when(session: Session) -> str:
    return f"{session.title}, {timezone.localtime(session.starts_at):%a %b %-d, %-I:%M %p}"


@admin.register(CallIn)
class CallInAdmin(ClinicModelAdmin):
    """Calls are taken on the patient's page; here they are taken back."""

    view = Can.VIEW_SCHEDULE
    list_display = ("patient", "from_date", "to_date", "why", "notified_at", "taken_by")
    related = ("episode__patient", "taken_by", "taken_back_by")
    ordering = ("-from_date", "pk")
    search_fields = ("episode__patient__last_name__istartswith",)
    fields = (
        "episode",
        ("from_date", "to_date"),
        "why",
        "note",
        ("notified_at", "taken_by"),
        ("taken_back_at", "taken_back_by"),
    )
    verbs = (TakeBackForm,)
    readonly_fields = ("why",)

    @admin.display(description="Patient", ordering="episode__patient__last_name")
    def patient(self, row: CallIn) -> str:
        return str(row.episode.patient)

    @admin.display(description="Reason")
    def why(self, row: CallIn) -> Any:
        return dict(REASONS).get(row.reason, row.reason)
