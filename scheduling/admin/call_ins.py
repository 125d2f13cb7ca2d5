"""Call-ins: who said they will be absent and when, and taking a call back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin
from django.utils import timezone

from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.forms import ServiceForm, found_field
from iop_clinic.accounts.admin.panels import Panel, link, verb_link
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import date_span
from patients.models import Episode
from scheduling.admin.episodes import REASONS, CallInForm
from scheduling.admin.seats import Seats
from scheduling.admin.wording import bookings_counted, call_in_noted, session_when
from scheduling.models import Booking, CallIn, Session

SHOWN = 10
"""Calls on the page of an episode; the others are found by the patient's name."""


class TakeCallForm(CallInForm):
    """The sick call without the way over the patient's page: whoever answers types a name."""

    wants_row = False
    field_order = ("episode",)
    episode = found_field(
        CallIn, "episode", "Patient", help_text="The beginning of the last name, or a record number"
    )

    def run(self) -> str:
        return call_in_noted(Seats.call_in(by=self.user, **self.given))


class TakeBackForm(ServiceForm):
    title = "Take the call-in back"
    path = "take-back"
    button = "Book the patient again"
    explanation = (
        "The patient comes after all. What was released and has not begun is booked again where "
        "there is still a place; recorded attendance stays as it is."
    )
    can = Can.TAKE_CALL_INS
    row: CallIn

    @classmethod
    def offered(cls, row: CallIn) -> bool:
        return row.taken_back_at is None

    def run(self) -> str:
        back = Seats.take_back_call_in(call_in=self.row, by=self.user)
        said = f"Taken back: {bookings_counted(len(back.booked))} again."
        if back.still_absent:
            said += f" Another call-in stands for {_named(back.still_absent)}."
        if back.without_place:
            said += f" No place is left in {_named(back.without_place)}: find a make-up."
        return said


def _named(sessions: Iterable[Session]) -> str:
    return "; ".join(session_when(session) for session in sessions)


class StandingFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [("stands", "Stands"), ("taken-back", "Taken back")]

    def queryset(self, request: Any, rows: Any) -> Any:
        if self.value() is None:
            return rows
        return rows.filter(taken_back_at__isnull=self.value() == "stands")


@admin.register(CallIn)
class CallInAdmin(ClinicModelAdmin):
    """Calls are taken here or on the page of an episode, and taken back here."""

    view = Can.VIEW_SCHEDULE
    list_display = ("patient", "dates", "why", "notified_at", "taken_by", "standing")
    list_filter = (StandingFilter,)
    related = ("episode__patient", "taken_by", "taken_back_by")
    ordering = ("-from_date", "pk")
    search_fields = ("episode__patient__last_name__istartswith",)
    search_help_text = "The beginning of a last name"
    fields = (
        "episode",
        ("from_date", "to_date"),
        "why",
        "note",
        ("notified_at", "taken_by"),
        ("taken_back_at", "taken_back_by"),
    )
    verbs = (TakeBackForm,)
    list_verbs = (TakeCallForm,)
    readonly_fields = ("why",)

    def called(self, row: CallIn) -> str:
        return f"{row.episode.patient}: {date_span(row.from_date, row.to_date)}"

    @admin.display(description="Patient", ordering="episode__patient__last_name")
    def patient(self, row: CallIn) -> str:
        return str(row.episode.patient)

    @admin.display(description="Absent", ordering="from_date")
    def dates(self, row: CallIn) -> str:
        return _dates(row)

    @admin.display(description="Reason")
    def why(self, row: CallIn) -> str:
        return _why(row)

    @admin.display(description="State", ordering="taken_back_at")
    def standing(self, row: CallIn) -> str:
        return _standing(row)

    def panels(self, request: Any, row: CallIn) -> Iterable[Panel]:
        freed = row.bookings.visible_to(request.user).filter(state=Booking.State.RELEASED)
        sessions = freed.select_related("session__group", "session__session_type")
        yield Panel(
            "Bookings released for it",
            ("Session",),
            [(link(one, session_when(one.session)),) for one in sessions.order_by("starts_at")],
            empty="None." if row.taken_back_at is None else "None any more.",
        )


def call_in_panels(request: Any, row: Episode) -> Iterable[Panel]:
    """What the patient of an episode called in for, the latest first; one statement."""
    calls = row.call_ins.visible_to(request.user).select_related("taken_by", "taken_back_by")
    may = request.user.may(Can.TAKE_CALL_INS, row.clinic_id)
    yield Panel(
        "Call-ins",
        ("Absent", "Reason", "Told us at", "Noted by", "State", ""),
        [tuple(_line(one, may=may)) for one in calls.order_by("-from_date", "-pk")[:SHOWN]],
        empty="The patient has not called in.",
    )


def booking_panels(request: Any, row: Booking) -> Iterable[Panel]:
    """The call that a booking was released for."""
    call = row.call_in
    if call is not None and CallIn.objects.visible_to(request.user).filter(pk=call.pk).exists():
        yield Panel(
            "Released for a call-in",
            ("Absent", "Reason", "State"),
            [(link(call, _dates(call)), _why(call), _standing(call))],
        )


def _line(row: CallIn, *, may: bool) -> Iterator[object]:
    yield from (link(row, _dates(row)), _why(row))
    yield f"{timezone.localtime(row.notified_at):%a %b %-d, %-I:%M %p %Z}"
    yield from (row.taken_by, _standing(row))
    yield (
        verb_link(row, TakeBackForm.path, "Take back") if may and TakeBackForm.offered(row) else ""
    )


def _dates(row: CallIn) -> str:
    said = date_span(row.from_date, row.to_date)
    return said if row.whole_days else f"{said}, one session"


def _why(row: CallIn) -> str:
    return dict(REASONS).get(row.reason, row.reason)


def _standing(row: CallIn) -> str:
    if row.taken_back_at is None:
        return "stands"
    return f"taken back {timezone.localtime(row.taken_back_at):%b %-d} by {row.taken_back_by}"
