"""The sessions of a week as the calendar shows them: who leads, how full, what state."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.db.models import Count, Q

from attendance.admin.sessions import OF_LEADERS, OF_OTHERS, named, with_leaders
from iop_clinic.accounts.admin.panels import page_url
from iop_clinic.accounts.models import Clinic, Therapist, User
from iop_clinic.accounts.weeks import Week
from scheduling.cover import Cover
from scheduling.models import Booking, Session
from scheduling.rules import Span


class State(Enum):
    """What is known of a session now; the icon is decoration beside the word."""

    CANCELLED = "cancelled", "block"
    UPCOMING = "upcoming", "schedule"
    RUNNING = "now", "play_circle"
    ENDED = "ended", "hourglass_bottom"
    EMPTY = "nobody expected", "person_off"
    UNRECORDED = "not recorded", "pending_actions"
    RECORDED = "recorded", "check"
    SIGNED = "signed", "verified"

    @property
    def word(self) -> str:
        return self.value[0]

    @property
    def icon(self) -> str:
        return self.value[1]

    @property
    def usual(self) -> bool:
        """Nothing to do: the icon says it, with the word for who points at it or hears it."""
        return self in USUAL


USUAL = (State.UPCOMING, State.RECORDED, State.SIGNED)
TO_COME = (State.UPCOMING, State.RUNNING)


@dataclass(frozen=True, slots=True)
class Entry:
    """A session with what the calendar says of it. `uncovered`: why nobody can lead it; of one that
    somebody leads `to_look_at` is what else needs attention: no room, a license …"""

    session: Any
    leaders: Sequence[Therapist]
    uncovered: str
    to_look_at: str
    state: State

    @property
    def url(self) -> str:
        return page_url(self.session)

    @property
    def name(self) -> str:
        return named(self.session)

    @property
    def seats(self) -> str:
        """ "11 of 12"; a cancelled session holds none."""
        return f"{self.session.seated} of {self.session.capacity}" if self.session.live else ""

    @property
    def state_said(self) -> str:
        """The state; of a roster that is partly in how much is missing."""
        missing = self.session.expected - self.session.recorded
        if self.state == State.UNRECORDED and self.session.recorded:
            return f"{missing} of {self.session.expected} not recorded"
        return self.state.word

    @property
    def movable(self) -> bool:
        """To come, and nobody recorded in it yet."""
        return self.state == State.UPCOMING and not self.session.recorded


def week_sessions(user: User, clinic: Clinic, week: Week) -> list[Any]:
    """The sessions of the clinic's week that the person may see, in order of time; one statement.

    Each with how many hold a seat, are expected and are recorded.
    """
    booked = Q(bookings__live=True)
    expected = booked & ~Q(bookings__state=Booking.State.WITHDRAWN)
    rows = Session.objects.visible_to(user).filter(clinic=clinic).on(week.start, week.end)
    rows = rows.select_related("group", "session_type", "room")
    counted = rows.annotate(
        seated=Count("bookings", filter=booked & Q(bookings__state=Booking.State.BOOKED)),
        expected=Count("bookings", filter=expected),
        recorded=Count("bookings__attendance", filter=expected),
    )
    return list(with_leaders(counted).order_by("starts_at", "pk"))


def week_cover(
    clinic: Clinic, week: Week, sessions: Iterable[Any], therapists: Iterable[int] = ()
) -> Cover:
    """Who leads them, who is away and what is closed on the dates of the week."""
    starts_at, ends_at = week.instants(clinic.tz)
    # A session may run past midnight of the last date.
    until = max([ends_at, *(session.ends_at for session in sessions)])
    return Cover.of(clinic, Span(starts_at, until), sessions, therapists)


def entries_of(
    sessions: Iterable[Any], cover: Cover, user: User, now: datetime.datetime
) -> list[Entry]:
    return [_entry(session, cover, user, now) for session in sessions]


def _entry(session: Any, cover: Cover, user: User, now: datetime.datetime) -> Entry:
    leaders = cover.leaders(session)
    own = any(one.pk in user.scope.therapist_ids for one in leaders)
    state = state_of(session, now, patience=OF_LEADERS if own else OF_OTHERS)
    look = cover.to_look_at(session, now) if state in TO_COME else ""
    return Entry(session, leaders, cover.missing(session, now), look, state)


def state_of(session: Any, now: datetime.datetime, *, patience: datetime.timedelta) -> State:
    """A session is recorded once everybody expected is, even before it ends. One without records
    is called so when the patience after its end is over."""
    if not session.live:
        return State.CANCELLED
    if session.signed_at is not None:
        return State.SIGNED
    if session.expected and session.recorded == session.expected:
        return State.RECORDED
    if session.starts_at > now:
        return State.UPCOMING
    if session.ends_at > now:
        return State.RUNNING
    if not session.expected:
        return State.EMPTY
    return State.ENDED if session.ends_at + patience > now else State.UNRECORDED
