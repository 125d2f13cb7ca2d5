"""Combining a session with another group's: before it is done, who moves along and who does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.utils import timezone
from django.utils.html import format_html

from attendance.admin.cancelling import change_said, effects_said
from attendance.combining import (
    Side,
    combine_impact,
    combine_sessions,
    part_impact,
    part_sessions,
)
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.forms import row_field
from iop_clinic.accounts.admin.panels import Panel, link, verb_link
from iop_clinic.accounts.reads import note_read
from scheduling.admin.sessions import SessionForm
from scheduling.admin.wording import session_when
from scheduling.models import Session
from scheduling.services.combining import Fit, combinable_with

NOBODY_TAKES = "No other group's session on this day could take anybody who is expected in it."


class CombineForm(SessionForm):
    title = "Combine with another group"
    path = "combine"
    button = "Combine"
    leave = "Back to the session"
    looks_ahead = True
    explanation = (
        "Two groups meet as one session. Whoever fits sits in the other session from then on; this "
        "one is cancelled by the clinic, and whoever does not fit is to be called."
    )
    into = row_field(Session.objects.select_related("group", "session_type"), "With")

    @classmethod
    def offered(cls, row: Session) -> bool:
        return row.live and row.group_id is not None and row.ends_at > timezone.now()

    def narrow(self) -> None:
        fits = {one.session.pk: one for one in combinable_with(self.row)}
        if not fits:
            self.submits, self.explanation = False, NOBODY_TAKES
            del self.fields["into"]
            return
        field: Any = self.fields["into"]
        field.queryset = field.queryset.filter(pk__in=fits)
        field.choices = [(key, _offer(one)) for key, one in fits.items()]
        self.start_with(into=next(iter(fits)))

    def ahead(self) -> Sequence[Panel]:
        into = self.cleaned_data.get("into")
        if into is None:
            raise Refused("nobody_fits", NOBODY_TAKES)
        note_read(self.row, by=self.user)
        sides = combine_impact(session=self.row, into=into, by=self.user)
        return [_panel("Who moves along", sides)]

    def run(self) -> str:
        into = self.cleaned_data["into"]
        done = combine_sessions(session=self.row, into=into, by=self.user)
        called = f" To be called: {len(done.left)}, who did not fit." if done.left else ""
        return format_html(
            "{} in {} now.{} {}",
            _sit(len(done.moved)),
            session_when(into),
            called,
            verb_link(self.row, PartForm.path, PartForm.title),
        )


class PartForm(SessionForm):
    title = "Part again"
    path = "part"
    looks_ahead = True
    explanation = (
        "The session takes place by itself after all, with everybody who came from it and still "
        "fits. Whoever is recorded in the other session stays there."
    )

    @classmethod
    def offered(cls, row: Any) -> bool:
        return getattr(row, "combined", False) and row.ends_at > timezone.now()

    def ahead(self) -> Sequence[Panel]:
        note_read(self.row, by=self.user)
        return [_panel("Who comes back", part_impact(session=self.row, by=self.user))]

    def run(self) -> str:
        done = part_sessions(session=self.row, by=self.user)
        stay = f" {len(done.left)} did not fit any more and stay." if done.left else ""
        return f"{_sit(len(done.moved))} in {session_when(self.row)} again.{stay}"


def _offer(fit: Fit) -> str:
    """ "Group B, Mon Nov 23, 9:00 AM: takes 6 of 8, 4 seats free"."""
    people = len(fit.coming) + len(fit.left)
    seats = "1 seat" if fit.free_seats == 1 else f"{fit.free_seats} seats"
    return f"{session_when(fit.session)}: takes {len(fit.coming)} of {people}, {seats} free"


def _sit(number: int) -> str:
    return "1 patient sits" if number == 1 else f"{number} patients sit"


def _panel(title: str, sides: Iterable[Side]) -> Panel:
    """Those who stay behind first: somebody calls them."""
    found = sorted(sides, key=lambda one: one.there is not None)
    rows = [
        (
            link(one.patient),
            _seat(one),
            change_said(one.week.first.at_most_before, one.week.first.at_most_after),
            change_said(one.week.first.minimum_before, one.week.first.minimum),
            "; ".join(effects_said(one.week)),
        )
        for one in found
    ]
    headers = ("Patient", "Seat there", "Week can reach", "Asked for", "Then")
    return Panel(title, headers, rows, note=_summary(found))


def _summary(sides: Sequence[Side]) -> str:
    there = [one.there for one in sides if one.there is not None]
    over = sum(bool(row.overflow_reason) for row in there)
    crowded = f", {over} of them above the capacity" if over else ""
    return f"{len(there)} of {len(sides)} fit{crowded}."


def _seat(side: Side) -> str:
    if side.there is None:
        return side.why
    if side.there.state != "booked":
        return "gave notice: expected there"
    over = ", above the capacity" if side.there.overflow_reason else ""
    return f"seat {side.there.seat}{over}"
