"""Combining a session with another group's: before it is done, who moves along and who does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone
from django.utils.html import format_html

from attendance.admin.calling import CALL_AGAIN, CallListForm, call_panels
from attendance.admin.cancelling import change_said, effects_said
from attendance.call_list import call_list
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
from scheduling.admin.session_lines import session_times
from scheduling.admin.sessions import SessionForm
from scheduling.admin.wording import session_when
from scheduling.cover import Cover
from scheduling.models import Booking, Session
from scheduling.rules import Span
from scheduling.services.fitting import Fit, combinable_with

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
    into = row_field(
        Session.objects.select_related("clinic", "group", "session_type", "room"), "With"
    )

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
        field.choices = [(key, offer_said(one)) for key, one in fits.items()]
        self.start_with(into=next(iter(fits)))

    def ahead(self) -> Sequence[Panel]:
        into = self.cleaned_data.get("into")
        if into is None:
            raise Refused("nobody_fits", NOBODY_TAKES)
        note_read(self.row, by=self.user)
        sides = combine_impact(session=self.row, into=into, by=self.user)
        return [_there(into), _panel("Who moves along", sides)]

    def run(self) -> str:
        into = self.cleaned_data["into"]
        done = combine_sessions(session=self.row, into=into, by=self.user)
        left = f" {len(done.left)} did not fit." if done.left else ""
        return format_html(
            "{} in {} now.{} {} {}",
            _sit(len(done.moved)),
            session_when(into),
            left,
            verb_link(self.row, CombinedCallListForm.path, "Whom to call"),
            verb_link(self.row, PartForm.path, PartForm.title),
        )


class PartForm(SessionForm):
    """On the page of the cancelled session, and on that of the one it was combined with."""

    title = "Part again"
    path = "part"
    looks_ahead = True
    explanation = (
        "The session takes place by itself after all, with everybody who came from it and still "
        "fits. Whoever is recorded in the other session stays there."
    )
    whose = row_field(Session.objects.select_related("group", "session_type"), "Which")
    after: Sequence[Panel] = ()

    @classmethod
    def offered(cls, row: Any) -> bool:
        combined = getattr(row, "received" if row.live else "combined", False)
        return combined and row.ends_at > timezone.now()

    def narrow(self) -> None:
        if not self.row.live:
            del self.fields["whose"]
            return
        field: Any = self.fields["whose"]
        came = self.row.bookings.exclude(state=Booking.State.WITHDRAWN)
        here = came.filter(combined_from__live=False).values("combined_from__session")
        field.queryset = field.queryset.filter(pk__in=here).order_by("starts_at", "pk")
        field.label_from_instance = session_when
        self.start_with(whose=field.queryset.first())

    @property
    def _parted(self) -> Session:
        return self.cleaned_data.get("whose", self.row)

    def _told(self) -> list[Panel]:
        """Once it is parted there is no list that they are on."""
        calls = [one for one in call_list(self._parted, user=self.user).calls if one.tick]
        return call_panels(CALL_AGAIN, calls) if calls else []

    def ahead(self) -> Sequence[Panel]:
        note_read(self._parted, by=self.user)
        sides = part_impact(session=self._parted, by=self.user)
        return [_panel("Who comes back", sides), *self._told()]

    def shown_once(self) -> Sequence[Panel]:
        return self.after

    def run(self) -> str:
        self.after = self._told()
        done = part_sessions(session=self._parted, by=self.user)
        stay = f" {len(done.left)} did not fit any more and stay." if done.left else ""
        return f"{_sit(len(done.moved))} in {session_when(self._parted)} again.{stay}"


class CombinedCallListForm(CallListForm):
    """Of a closure's or time off's decision there is one list, with that."""

    order = 9

    @classmethod
    def offered(cls, row: Any) -> bool:
        return not row.live and getattr(row, "combined", False) and not row.decided


def combined_panels(request: Any, row: Session) -> Iterator[Panel]:
    """With which sessions it is combined, and how many sit where; at most two statements."""
    came = Booking.objects.exclude(state=Booking.State.WITHDRAWN).filter(
        Q(session=row) | Q(combined_from__session=row),
        clinic=row.clinic_id,
        combined_from__live=False,
    )
    pairs = came.order_by().values_list("session", "combined_from__session")
    counted = {
        origin if into == row.pk else into: _guests(n, here=into == row.pk)
        for into, origin, n in pairs.annotate(n=Count("pk"))
    }
    if counted:
        rows = Session.objects.visible_to(request.user).filter(pk__in=counted)
        others = rows.select_related("group", "session_type").order_by("starts_at", "pk")
        lines = [(link(one, session_when(one)), counted[one.pk]) for one in others]
        yield Panel("Combined", ("With", "Patients"), lines, empty="With sessions of others.")


def _guests(number: int, *, here: bool) -> str:
    who = "1 patient" if number == 1 else f"{number} patients"
    if here:
        return f"{who} of it, as {'a guest' if number == 1 else 'guests'} here"
    return f"{who} of this one, there"


def _there(into: Session) -> Panel:
    """Where those who move along are to go, and to whom."""
    cover = Cover.of(into.clinic, Span(into.starts_at, into.ends_at), [into])
    led = ", ".join(one.name for one in cover.leaders(into))
    trouble = cover.missing(into, timezone.now())
    return Panel(
        "Together with",
        ("Session", "When", "Where", "Led by"),
        [(link(into, into.title), session_times(into), into.place or "no place yet",
          f"{led or 'nobody'}{f' ({trouble})' if trouble and led else ''}")],
    )  # fmt: skip


def offer_said(fit: Fit) -> str:
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
