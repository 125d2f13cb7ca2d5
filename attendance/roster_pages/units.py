"""What a therapist opens at once: a group's whole day, or a session that has no group."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, Case, Value, When
from django.urls import reverse

from attendance.api.sessions import sessions_seen_by
from iop_clinic.accounts.models import Clinic, User
from scheduling.branches import sessions_i_lead
from scheduling.models import Session
from scheduling.querysets import SessionQuerySet

STATE_WORDS = {
    "cancelled": "Cancelled",
    "signed": "Signed",
    "recorded": "Recorded, to be signed",
    "unrecorded": "To be recorded",
    "upcoming": "Upcoming",
}
_MOST_URGENT_FIRST = ("unrecorded", "recorded", "upcoming", "signed", "cancelled")


def cancelled_said(*sessions: Session) -> str:
    """ "Cancelled: Snow. There is nothing to record." """
    reasons = dict.fromkeys(session.cancelled_reason.rstrip(".") for session in sessions)
    said = ": ".join(filter(None, ("Cancelled", "; ".join(filter(None, reasons)))))
    return f"{said}. There is nothing to record."


@dataclass(frozen=True, slots=True)
class Unit:
    """Sessions of one local date that are recorded together, at least one, in order of time.

    They carry what `sessions_seen_by` adds, and `led`: whether the person has a part in them.
    """

    sessions: tuple[Session, ...]

    @property
    def first(self) -> Session:
        return self.sessions[0]

    @property
    def held(self) -> list[Session]:
        return [session for session in self.sessions if session.live]

    @property
    def cancelled(self) -> str:
        """Why none of it takes place; empty when some of it does."""
        return "" if self.held else cancelled_said(*self.sessions)

    @property
    def title(self) -> str:
        return self.first.title

    @property
    def ends_at(self) -> datetime.datetime:
        return self.sessions[-1].ends_at

    @property
    def places(self) -> str:
        return ", ".join(dict.fromkeys(filter(None, (s.place for s in self.sessions))))

    @property
    def staff(self) -> str:
        sessions: Iterable[Any] = self.sessions
        return ", ".join(dict.fromkeys(part["name"] for s in sessions for part in s.staff_names))

    @property
    def led(self) -> bool:
        sessions: Iterable[Any] = self.sessions
        return any(session.led for session in sessions)

    @property
    def state(self) -> str:
        """In words; what must be done about one of the sessions counts for all."""
        sessions: Iterable[Any] = self.sessions
        states = {session.roster_state for session in sessions}
        return STATE_WORDS[next(state for state in _MOST_URGENT_FIRST if state in states)]

    @property
    def expected(self) -> int:
        sessions: Iterable[Any] = self.held
        return max((session.expected for session in sessions), default=0)

    @property
    def to_record(self) -> int:
        """How many lines of the rosters say nothing yet."""
        sessions: Iterable[Any] = self.held
        return sum(session.expected - session.recorded for session in sessions)

    @property
    def url(self) -> str:
        return self._page("day", "session")

    @property
    def sign_in_url(self) -> str:
        return self._page("day-sign-in", "session-sign-in")

    @property
    def api_url(self) -> str:
        return self._page("group-day", "session-detail", "api")

    def _page(self, of_group: str, of_session: str, place: str = "roster") -> str:
        if self.first.group is not None:
            names: list[Any] = [self.first.group.public_id, self.first.local_date]
            return reverse(f"{place}:{of_group}", args=names)
        return reverse(f"{place}:{of_session}", args=[self.first.public_id])


def sessions_for(user: User, clinic: Clinic) -> SessionQuerySet:
    """What the person sees in the clinic they work in, and which of it they lead."""
    sight = user.sight
    led = Case(
        When(sessions_i_lead(sight), then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )
    rows = sessions_seen_by(sight).filter(clinic=clinic).annotate(led=led)
    return rows.order_by("starts_at", "id")


def units_of(sessions: Sequence[Session]) -> list[Unit]:
    """Sessions of one local date, a group's together, in order of time."""
    days: dict[int | uuid.UUID, list[Session]] = {}
    for session in sessions:
        days.setdefault(session.group_id or session.public_id, []).append(session)
    return [Unit(tuple(rows)) for rows in days.values()]
