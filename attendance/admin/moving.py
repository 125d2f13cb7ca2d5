"""Moving a session: before anybody confirms it, who could come then, and what weeks it costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpResponse, QueryDict

from attendance.admin.cancelling import change_said, effects_said, falls
from attendance.move_impact import Moved, clashes, move_impact
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.admin.refusing import REFUSALS, refusal_of
from iop_clinic.accounts.admin.untouched import as_sent
from iop_clinic.accounts.admin.views import ServiceView
from iop_clinic.accounts.reads import note_read
from scheduling.admin import sessions
from scheduling.admin.wording import session_when
from scheduling.models import Booking

A_MONTH = 31
"""Days."""
FREE = "Nothing else is planned for its staff or its room at the new time."


class MovePage(ServiceView):
    """An address that names the whole time, as a place in the week's calendar does, shows at once
    what comes of it: as if the form had been sent as it is shown first."""

    def get(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.GET.keys() >= {"day", "starts", "ends"}:
            return super().get(request, *args, **kwargs)
        sent = QueryDict(mutable=True)
        for bound in self.get_form():
            for name, texts in as_sent(bound).items():
                sent.setlist(name, texts)
        form = self.form_class(**self.get_form_kwargs(), data=sent)
        if not form.is_valid():
            return self.form_invalid(form)
        try:
            return self.told_ahead(form) or self.form_invalid(form)
        except REFUSALS as error:
            form.refuse(refusal_of(error))
        return self.form_invalid(form)


class MoveForm(sessions.MoveForm):
    """Takes the place of the form below, which does not know what a week adds up to."""

    page = MovePage
    looks_ahead = True
    elsewhere: Sequence[Booking] = ()

    def before(self) -> Iterable[Panel]:
        """Whom the move would put into two places: they are moved or withdrawn first."""
        if self.elsewhere:
            yield Panel(
                "Booked elsewhere at this time",
                ("Patient", "Where"),
                [(link(one.patient), link(one, session_when(one.session)))
                 for one in self.elsewhere],
            )  # fmt: skip

    def ahead(self) -> Sequence[Panel]:
        span = self.span()
        note_read(self.row, by=self.user)
        self.elsewhere = clashes(self.row, span.starts_at, span.ends_at)
        if self.elsewhere:
            raise booked_elsewhere(self.elsewhere, "starts")
        moved = move_impact(
            session=self.row,
            starts_at=span.starts_at,
            ends_at=span.ends_at,
            by=self.user,
            **self.to_place(),
        )
        moved.sort(key=lambda one: (not one.hindrances, not falls(one.week)))
        return [_panel(moved, _far((span.starts_at - self.row.starts_at).days))]


def booked_elsewhere(rows: Sequence[Booking], field: str) -> Refused:
    """The refusal of a move that clashes with these bookings, which the page shows."""
    who = len({one.patient_id for one in rows})
    said = "1 patient is" if who == 1 else f"{who} patients are"
    return Refused(
        "patient_busy",
        f"{said} booked elsewhere at this time, as shown above. Choose another time, or open these "
        "bookings and withdraw them first.",
        field=field,
        bookings=[one.pk for one in rows],
    )


def _far(days: int) -> str:
    """A move out of the month may be a year that was typed wrongly."""
    if abs(days) <= A_MONTH:
        return ""
    return f"{abs(days)} days {'later' if days > 0 else 'earlier'}: look at the date. "


def _panel(moved: Sequence[Moved], far: str) -> Panel:
    rows = [
        (
            link(one.patient),
            " ".join(one.hindrances) or "can come",
            change_said(one.week.first.at_most_before, one.week.first.at_most_after),
            "; ".join(effects_said(one.week)),
        )
        for one in moved
    ]
    headers = ("Patient", "On the new day", "Week can reach", "Then")
    return Panel("Who moves along", headers, rows, note=far + _summary(moved), empty="")


def _summary(moved: Sequence[Moved]) -> str:
    """How many are expected, who could not come, and for whom the week is out of reach then."""
    if not moved:
        return f"Nobody is expected. {FREE}"
    hindered = sum(bool(one.hindrances) for one in moved)
    falling = sum(falls(one.week) for one in moved)
    expected = "1 patient is" if len(moved) == 1 else f"{len(moved)} patients are"
    able = f"Something stands against it for {hindered} of them." if hindered else ""
    return (
        f"{expected} expected. {FREE} {able or 'Everybody can come.'} {falling or 'Nobody'} would "
        "fall below what is asked of the week."
    )
