"""What patients do on a day: draws about days, because people miss days and not sessions."""

from __future__ import annotations

import datetime
import random
from collections import defaultdict
from collections.abc import Iterator

from attendance.models import AttendanceRecord
from attendance.records.facts import policy_on, session_facts
from attendance.records.rules import (
    AttendanceFacts,
    CreditPolicy,
    attended_minutes,
    credited_minutes,
)
from iop_clinic.accounts.models import Clinic
from scheduling.models import Booking

LATE, LEFT = 5, 3
"""Percent of attended days."""
ABSENCES = {"excused": 45, "late_cancel": 20, "no_show": 35}
"""Percent of missed days."""
UNRECORDED = 2
"""Percent of sessions whose roster comes a day late."""
QUARTER = datetime.timedelta(minutes=15)
SPREAD = 0.12
"""How far a patient's own show rate lies from the clinic's, either way."""


class Patients:
    """Draws the facts of each day, the same ones for the same seed and show rate."""

    def __init__(self, clinic: Clinic, *, show_rate: float, seed: int) -> None:
        self.clinic = clinic
        self.show_rate = show_rate
        self.seed = seed

    def live_through(self, day: datetime.date) -> None:
        """Record every session of a local date, and those of the day before that came late."""
        before = day - datetime.timedelta(days=1)
        late, today = self._unrecorded(before), self._unrecorded(day)
        in_time = [booking for booking in today if self._in_time(booking)]
        AttendanceRecord.objects.bulk_create([*self._records(late), *self._records(in_time)])

    def _unrecorded(self, day: datetime.date) -> list[Booking]:
        rows = Booking.objects.expected().filter(
            clinic=self.clinic, session__local_date=day, attendance__isnull=True
        )
        rows = rows.select_related("session__session_type", "session__group", "patient")
        return list(rows.order_by("starts_at", "pk"))

    def _in_time(self, booking: Booking) -> bool:
        group = booking.session.group
        whose = group.name if group else booking.patient.record_number
        draw = self._draw("roster", booking.session.starts_at.isoformat(), whose)
        return draw.random() >= UNRECORDED / 100

    def _records(self, bookings: list[Booking]) -> Iterator[AttendanceRecord]:
        days: defaultdict[tuple[str, datetime.date], list[Booking]] = defaultdict(list)
        for booking in bookings:
            days[booking.patient.record_number, booking.session.local_date].append(booking)
        for (patient, day), own in days.items():
            policy = policy_on(self.clinic, day)
            facts = self._facts(patient, day, own)
            yield from (self._record(booking, facts, policy) for booking in own)

    def _record(
        self, booking: Booking, facts: AttendanceFacts, policy: CreditPolicy
    ) -> AttendanceRecord:
        if booking.state == Booking.State.RELEASED:
            facts = AttendanceFacts(
                attended=False, notified_at=booking.released_at, absence_reason="illness"
            )
        session = session_facts(booking.session)
        return AttendanceRecord(
            clinic=self.clinic,
            booking=booking,
            attended=facts.attended,
            arrived_at=facts.arrived_at,
            left_at=facts.left_at,
            notified_at=facts.notified_at,
            absence_reason=facts.absence_reason,
            attended_minutes=attended_minutes(session, facts),
            credited_minutes=credited_minutes(session, facts, policy),
        )

    def _facts(self, patient: str, day: datetime.date, own: list[Booking]) -> AttendanceFacts:
        """One draw for the day: told once, arriving late or leaving early once."""
        draw = self._draw(patient, day.isoformat())
        first, last = own[0].starts_at, max(booking.ends_at for booking in own)
        if draw.random() >= self._own_rate(patient):
            kind = draw.choices(list(ABSENCES), list(ABSENCES.values()))[0]
            return _absent(kind, first)
        how = draw.random() * 100
        if how < LATE:
            return AttendanceFacts(attended=True, arrived_at=first + QUARTER)
        if how < LATE + LEFT:
            return AttendanceFacts(attended=True, left_at=last - QUARTER)
        return AttendanceFacts(attended=True)

    def _own_rate(self, patient: str) -> float:
        drawn = self._draw("rate", patient).uniform(-SPREAD, SPREAD)
        return min(self.show_rate + drawn, 0.99)

    def _draw(self, *about: str) -> random.Random:
        """By names, never by keys: those are others in the next run."""
        return random.Random(f"{self.seed} {about}")  # noqa: S311  a play, not a secret


def _absent(kind: str, first: datetime.datetime) -> AttendanceFacts:
    match kind:
        case "excused":
            told = first - datetime.timedelta(hours=25)
            return AttendanceFacts(attended=False, notified_at=told, absence_reason="illness")
        case "late_cancel":
            told = first - datetime.timedelta(minutes=30)
            return AttendanceFacts(attended=False, notified_at=told, absence_reason="transport")
        case _:
            return AttendanceFacts(attended=False)
