"""Closing the clinic or a room, and a therapist's time off: entered, and taken back in one step."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from attendance import closures
from attendance.admin.calling import CALL_AGAIN, call_panels
from attendance.admin.deciding import DecidingForm
from attendance.admin.deciding_words import whose
from attendance.call_list import call_list
from iop_clinic.accounts.acting import service
from iop_clinic.accounts.admin.forms import (
    ServiceForm,
    date_field,
    moment_field,
    row_field,
    text_field,
    time_field,
)
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.models import Therapist, User
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import day_instants
from scheduling.admin.wording import session_when
from scheduling.models import Closure, Room, Session, TimeOff
from scheduling.services import Decided, Undone, affected_sessions, uncovered_sessions

CALL_NEXT = "Next: call those on the call list."
UNTOUCHED = "No session is touched."


class CloseForm(DecidingForm):
    title = "Add a closure"
    button = "See what it touches"
    explanation = "On these days, or between two times on each of them. Empty room: the clinic."
    reason = text_field(max_length=120)
    starts_on = date_field("First day")
    ends_on = date_field("Last day")
    from_time = time_field("From", required=False, help_text="Empty: all day.")
    to_time = time_field("To", required=False)
    room = row_field(Room.objects.all(), required=False, help_text="Empty: the whole clinic.")

    def draft(self, facts: Mapping[str, Any]) -> Closure:
        return Closure(clinic=self.clinic, **facts)

    def affected(self, cause: Any) -> list[Session]:
        return affected_sessions(cause)

    def save(self, decided: Sequence[Decided] | None) -> Closure:
        facts = {name: self.cleaned_data[name] for name in self.own}
        return closures.close(clinic=self.clinic, decided=decided, by=self.user, **facts)

    def done(self) -> str:
        what = "The room is closed." if self.row.room_id else "The closure is saved."
        return f"{what} {CALL_NEXT if self.sessions else UNTOUCHED}"


class TimeOffForm(DecidingForm):
    title = "Add time off"
    button = "See what it touches"
    therapist = row_field(Therapist.objects.filter(active=True))
    starts_at = moment_field("From")
    ends_at = moment_field("To")
    reason = text_field(required=False, max_length=120)

    def narrow(self) -> None:
        """A sick call in the morning is for the whole of today."""
        zone = self.clinic.tz
        begins, next_day = day_instants(timezone.localdate(timezone=zone), zone)
        ends = next_day - datetime.timedelta(minutes=1)
        self.start_with(starts_at=begins, ends_at=ends)
        super().narrow()

    def draft(self, facts: Mapping[str, Any]) -> TimeOff:
        return TimeOff(clinic=self.clinic, **facts)

    def affected(self, cause: Any) -> list[Session]:
        return uncovered_sessions(cause)

    def save(self, decided: Sequence[Decided] | None) -> TimeOff:
        facts = {name: self.cleaned_data[name] for name in self.own}
        return closures.add_time_off(decided=decided, by=self.user, **facts)

    def done(self) -> str:
        return f"The time off is saved. {CALL_NEXT if self.sessions else UNTOUCHED}"


# --- taken back ----------------------------------------------------------------------------------


class TakeBackForm(ServiceForm):
    """What would come of it is done, read and taken back; who was told already is called again.

    The row stays, and its call list says what holds then.
    """

    path = "take-back"
    can = Can.MANAGE_SCHEDULE
    danger = True
    looks_ahead = True
    after: Sequence[Panel] = ()

    def take_back(self) -> Undone:
        raise NotImplementedError

    @classmethod
    def offered(cls, row: Any) -> bool:
        return row.taken_back_at is None

    @service
    def _tried(self, *, by: User) -> Undone:
        with transaction.atomic():
            done = self.take_back()
            transaction.set_rollback(True)
        return done

    def _told(self) -> list[Panel]:
        """With phones: they know only what was decided."""
        calls = [one for one in call_list(self.row, user=self.user).calls if one.tick]
        return call_panels(CALL_AGAIN, calls) if calls else []

    def ahead(self) -> Sequence[Panel]:
        return [*undone_panels(self._tried(by=self.user), self.user), *self._told()]

    def run(self) -> str:
        undone = self.take_back()
        self.after = list(undone_panels(undone, self.user)) if undone.left else []
        number = len(undone.back)
        sessions = "1 session is" if number == 1 else f"{number} sessions are"
        self.row.refresh_from_db()
        calls = f" {CALL_NEXT}" if call_list(self.row, user=self.user).calls else ""
        return f"It is taken back: {sessions} as before.{calls}"

    def shown_once(self) -> Sequence[Panel]:
        return self.after


def undone_panels(undone: Undone, user: User) -> Iterable[Panel]:
    """What is as it was, and what stays as it is with the reason."""
    keys = [one.pk for one in (*undone.back, *(one for one, _ in undone.left))]
    who = whose(Session.objects.filter(pk__in=keys), user)
    if undone.left:
        yield Panel(
            "These stay as they are",
            ("Session", "Who", "Why"),
            [(link(one, session_when(one)), who[one.pk], why) for one, why in undone.left],
            note="Open one to move it, to find cover, or to revive it once nothing is in its way.",
        )
    yield Panel(
        "As before",
        ("Session", "Who"),
        [(link(one, session_when(one)), who[one.pk]) for one in undone.back],
        empty="No session.",
        folded=len(undone.back) > 12,
    )


class TakeClosureBackForm(TakeBackForm):
    title = "Take the closure back"
    explanation = "Each session is again what it was before, where nothing stands in the way."
    row: Closure

    def take_back(self) -> Undone:
        return closures.take_back_closure(closure=self.row, by=self.user)


class TakeTimeOffBackForm(TakeBackForm):
    title = "Take the time off back"
    explanation = "The therapist leads again, and each session is what it was before."
    row: TimeOff

    @classmethod
    def offered(cls, row: TimeOff) -> bool:
        return super().offered(row) and row.ends_at > timezone.now()

    def take_back(self) -> Undone:
        return closures.take_back_time_off(time_off=self.row, by=self.user)
