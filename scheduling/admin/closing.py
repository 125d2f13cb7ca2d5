"""Closing the clinic or a room, and a therapist's time off: before it is saved, what it touches."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from iop_clinic.accounts.admin.forms import (
    ServiceForm,
    date_field,
    moment_field,
    row_field,
    text_field,
    time_field,
)
from iop_clinic.accounts.admin.panels import Panel, link, page_url, verb_link
from iop_clinic.accounts.models import Therapist
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import day_instants
from scheduling import services
from scheduling.admin.session_lines import with_booked
from scheduling.admin.wording import session_when
from scheduling.models import Closure, Room, Session, TimeOff
from scheduling.services.closures import losing_leader

SHOWN = 12
"""Sessions that a sentence leads to."""


class TouchingForm(ServiceForm):
    """Looked at before it is saved where it touches sessions."""

    can = Can.MANAGE_SCHEDULE
    wants_row = False
    note = ""
    row: Any = None

    def touched(self) -> QuerySet[Session]:
        """The sessions that it changes; the form's values are valid."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if not self.errors:
            rows = with_booked(self.touched().select_related("group", "session_type"))
            self.sessions = list(rows.order_by("starts_at", "pk"))
            self.looks_ahead = bool(self.sessions)
        return given

    def ahead(self) -> Sequence[Panel]:
        lines = [(link(one, session_when(one)), one.booked) for one in self.sessions]
        number = len(lines)
        title = "1 session" if number == 1 else f"{number} sessions"
        return [Panel(title, ("Session", "Booked"), lines, note=self.note)]

    def next_url(self) -> str:
        return page_url(self.row) if self.row is not None else ""


class CloseForm(TouchingForm):
    """`close` is the service, `refuse_closing` raises what it refuses for what was recorded; a
    higher floor that knows who attended puts its own there."""

    title = "Add a closure"
    path = "new"
    button = "Close"
    explanation = "On these days, or between two times on each of them. Empty room: the clinic."
    close: Callable[..., Closure] = staticmethod(services.add_closure)
    refuse_closing: Callable[[Closure], None] = staticmethod(lambda closure: None)
    reason = text_field()
    starts_on = date_field("First day")
    ends_on = date_field("Last day")
    from_time = time_field("From", required=False, help_text="Empty: all day.")
    to_time = time_field("To", required=False)
    room = row_field(Room.objects.all(), required=False, help_text="Empty: the whole clinic.")

    @property
    def note(self) -> str:  # type: ignore[override]
        if self.cleaned_data.get("room"):
            return "These lose their room and need attention; nobody loses a session."
        return "These are cancelled; they count against nobody. Who falls short needs a make-up."

    def closure(self) -> Closure:
        return Closure(clinic=self.clinic, **self.given)

    def touched(self) -> QuerySet[Session]:
        keys = [one.pk for one in services.affected_sessions(self.closure())]
        return Session.objects.filter(clinic=self.clinic, pk__in=keys)

    def ahead(self) -> Sequence[Panel]:
        type(self).refuse_closing(self.closure())
        return super().ahead()

    def run(self) -> str:
        self.row = type(self).close(clinic=self.clinic, by=self.user, **self.given)
        if self.row.room_id:
            return "The room is closed. Sessions without a room need attention."
        return "The clinic's sessions in this time are cancelled; they count against nobody."


class TakeBackForm(ServiceForm):
    title = "Take the closure back"
    path = "take-back"
    explanation = (
        "The closure goes, and its history stays. Each session that it cancelled is let take place "
        "on its own: somebody may have taken its time, its room or its leader."
    )
    can = Can.MANAGE_SCHEDULE
    danger = True
    row: Closure

    def before(self) -> Iterable[Panel]:
        yield cancelled_panel(self.row)

    def run(self) -> str:
        sessions = services.take_back_closure(closure=self.row, by=self.user)
        links = [(verb_link(one, "revive", session_when(one)),) for one in sessions[:SHOWN]]
        if not links:
            return "The closure is taken back."
        said = format_html_join("; ", "{}", links)
        more = f", and {len(sessions) - SHOWN} more" if len(sessions) > SHOWN else ""
        return format_html("The closure is taken back. Let take place: {}{}.", said, more)

    def next_url(self) -> str:
        return reverse("admin:scheduling_closure_changelist")


def cancelled_panel(row: Closure) -> Panel:
    """The sessions that were cancelled for a closure."""
    rows = row.sessions.filter(clinic=row.clinic_id).select_related("group", "session_type")
    rows = rows.order_by("starts_at", "pk")
    lines = [(link(one, session_when(one)), one.get_state_display()) for one in rows]
    return Panel("Cancelled for it", ("Session", "Now"), lines, empty="No session.")


class TimeOffForm(TouchingForm):
    title = "Add time off"
    path = "new"
    therapist = row_field(Therapist.objects.filter(active=True))
    starts_at = moment_field("From")
    ends_at = moment_field("To")
    reason = text_field(required=False)
    note = "These lose this leader and need a substitute; they stay as they are."

    def narrow(self) -> None:
        """A sick call in the morning is for the whole of today."""
        zone = self.clinic.tz
        begins, next_day = day_instants(timezone.localdate(timezone=zone), zone)
        ends = next_day - datetime.timedelta(minutes=1)
        self.start_with(starts_at=begins, ends_at=ends)

    def touched(self) -> QuerySet[Session]:
        given = self.cleaned_data
        parts = losing_leader(given["therapist"], given["starts_at"], given["ends_at"])
        return Session.objects.filter(clinic=self.clinic, pk__in=parts.values("session"))

    def run(self) -> str:
        self.row = services.add_time_off(by=self.user, **self.given)
        return "Sessions without a leader now need attention: give each a substitute."


class TakeTimeOffBackForm(ServiceForm):
    title = "Take the time off back"
    path = "take-back"
    explanation = (
        "The therapist works after all, and leads again what nobody else leads yet. Sessions with "
        "a substitute keep them."
    )
    can = Can.MANAGE_SCHEDULE
    danger = True
    row: TimeOff

    @classmethod
    def offered(cls, row: TimeOff) -> bool:
        return row.ends_at > timezone.now()

    def run(self) -> str:
        back, left = services.take_back_time_off(time_off=self.row, by=self.user)
        again = "1 session" if len(back) == 1 else f"{len(back)} sessions"
        said = f"The time off is taken back: {self.row.therapist.name} leads {again} again."
        if not left:
            return said
        links = [(verb_link(one, "substitute", session_when(one)),) for one in left[:SHOWN]]
        more = f", and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
        named = format_html_join("; ", "{}", links)
        return format_html("{} Still without this leader: {}{}.", said, named, more)

    def next_url(self) -> str:
        return page_url(self.row.therapist)
