"""A session with its roster, in few words.

    sheet = roster(clinic, size=3)
    sheet.record(sheet.entry(0, arrived_at="09:20"))

Times are wall times of the session's day; the session is Wednesday 09:00-10:00 in New York.
"""

import datetime
from dataclasses import dataclass
from typing import Any

from attendance.models import AttendanceRecord
from attendance.records.entries import Entry, RosterResult
from attendance.records.services import record_roster
from iop_clinic.accounts.models import Clinic, User
from patients.models import Episode
from scheduling.models import Booking, Session
from tests import factories as f

DAY = "2026-03-04"
INSTANTS = ("arrived_at", "left_at", "notified_at", "recorded_at")


def told(clinic: Clinic, day: str = DAY, **facts: Any) -> dict[str, Any]:
    """Wall times ("09:20", or "2026-03-03 18:00") as instants; everything else as it is."""

    def instant(clock: str) -> datetime.datetime:
        on, _, time = clock.rpartition(" ")
        return f.at(clinic, on or day, time)

    for name in INSTANTS:
        if isinstance(facts.get(name), str):
            facts[name] = instant(facts[name])
    if "away" in facts:
        facts["away"] = [tuple(instant(c) for c in pair.split("-")) for pair in facts["away"]]
    return facts


@dataclass
class Roster:
    clinic: Clinic
    session: Session
    bookings: list[Booking]
    by: User

    def at(self, clock: str, day: str = DAY) -> datetime.datetime:
        return f.at(self.clinic, day, clock)

    def entry(self, who: int, attended: bool = True, **facts: Any) -> Entry:
        booking = self.bookings[who].public_id
        return Entry(booking=booking, attended=attended, **told(self.clinic, **facts))

    def record(self, *entries: Entry, now: str = "10:05", **options: Any) -> RosterResult:
        options.setdefault("by", self.by)
        instant = told(self.clinic, recorded_at=now)["recorded_at"]
        return record_roster(session=self.session, entries=entries, now=instant, **options)

    def stored(self, who: int = 0) -> AttendanceRecord:
        return AttendanceRecord.objects.get(booking=self.bookings[who])

    def count(self) -> int:
        return AttendanceRecord.objects.filter(booking__session=self.session).count()

    def facts(self) -> list[dict[str, Any]]:
        """Every stored column of the roster's records: equal before and after a refusal."""
        records = AttendanceRecord.objects.filter(booking__session=self.session)
        return [dict(row) for row in records.order_by("pk").values()]


def roster(
    clinic: Clinic, size: int = 1, day: str = DAY, starts: str = "09:00", ends: str = "10:00",
    episodes: list[Episode] | None = None, **session: Any,
) -> Roster:  # fmt: skip
    """A session of `size` booked patients, seats 1 to `size`, and a coordinator who records it."""
    session.setdefault("capacity", 15)
    row = f.session(clinic, day, starts, ends, **session)
    people = episodes or [f.admitted(clinic) for _ in range(size)]
    bookings = [f.booking(row, one, seat) for seat, one in enumerate(people, start=1)]
    return Roster(clinic, row, bookings, f.staff(clinic))
