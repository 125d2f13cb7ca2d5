"""A group's morning of two sessions, and what clients of a real web server do to it.

    here = morning(web, clients=40)
    here.whole(7)            # client 7 reads the first session's roster and writes all of it

Each client tells times and a reason of its own, so that a stored row shows whose it is.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from iop_clinic.accounts import devices
from scheduling.models import Booking, Group, Session
from tests import factories as f
from tests.web import Answer, Caller, WebProcess

PATIENTS = 12
HOURS = [("09:00", "10:00"), ("10:10", "11:10")]


@dataclass
class Morning:
    """Two sessions of a group yesterday, the same twelve patients in both."""

    group: Group
    sessions: list[Session]
    bookings: list[Booking]
    """By session and seat."""
    callers: list[Caller]

    def said(self, n: int) -> dict[str, Any]:
        """What client `n` tells of everybody: times and a reason that nobody else gives."""
        return {
            "attended": True,
            "arrived_at": self._at(f"09:{n % 25:02}"),
            "left_at": self._at(f"09:{30 + n // 25:02}"),
            "correction_reason": f"client {n}",
        }

    def _at(self, clock: str) -> str:
        one = self.sessions[0]
        instant = f.at(one.clinic, str(one.local_date), clock)
        return instant.astimezone(one.clinic.tz).isoformat()

    # What one client does

    def same_key(self, n: int) -> Answer:
        """The very same request again and again, as a device that repeats itself."""
        return self._roster(n, self._lines(0), key="tablet-0")

    def other_key(self, n: int) -> Answer:
        return self._roster(n, self._lines(0), key=f"tablet-{n}")

    def one_patient(self, n: int) -> Answer:
        """With the version just read, which may have gone by when the change arrives."""
        return self._roster(n, [self._read_lines(n)[n % PATIENTS]])

    def whole(self, n: int) -> Answer:
        return self._roster(n, self._read_lines(n))

    def partial(self, n: int) -> Answer:
        lines = self._read_lines(n)
        return self._roster(n, lines[: n % PATIENTS + 1], mode="partial")

    def day(self, n: int, **body: Any) -> Answer:
        caller, path = self._caller(n), self._day
        lines = [
            self.said(n)
            | {"patient": row["patient"]["id"]}
            | {"versions": {b["booking"]: b["version"] for b in row["bookings"]}}
            for row in caller.get(path)["roster"][n % PATIENTS :]
        ]
        return caller.send("PATCH", path, body={"records": lines, **body})

    def partial_day(self, n: int) -> Answer:
        return self.day(n, mode="partial")

    def correction(self, n: int) -> Answer:
        booking = self.bookings[n % (2 * PATIENTS)]
        path = f"/api/v1/bookings/{booking.public_id}/attendance/"
        version = self._caller(n).get(path)["version"] or 0
        return self._caller(n).send("PATCH", path, body=self.said(n), if_match=version)

    def _lines(self, n: int, versions: list[int | None] | None = None) -> list[dict[str, Any]]:
        versions = versions or [None] * PATIENTS
        return [
            self.said(n) | {"booking": str(booking.public_id), "version": version}
            for booking, version in zip(self.bookings[:PATIENTS], versions, strict=True)
        ]

    def _read_lines(self, n: int) -> list[dict[str, Any]]:
        roster = self._caller(n).get(f"/api/v1/sessions/{self.sessions[0].public_id}/")["roster"]
        return self._lines(n, [row["version"] for row in roster])

    def _caller(self, n: int) -> Caller:
        return self.callers[n % len(self.callers)]

    def _roster(self, n: int, lines: list[dict[str, Any]], *, key: str = "", **body: Any) -> Answer:
        path = f"/api/v1/sessions/{self.sessions[0].public_id}/attendance/"
        sent = {"records": lines, **body}
        return self._caller(n).send("PATCH", path, body=sent, key=key or f"own-{n}")

    @property
    def _day(self) -> str:
        return f"/api/v1/group-days/{self.group.public_id}/{self.sessions[0].local_date}/"


def morning(web: WebProcess, clients: int) -> Morning:
    clinic = f.ClinicFactory()
    group, user = f.GroupFactory(clinic=clinic), f.staff(clinic)
    program = f.ProgramFactory(clinic=clinic)
    people = [f.admitted(clinic, program=program) for _ in range(PATIENTS)]
    day = timezone.localdate(timezone=clinic.tz) - datetime.timedelta(days=1)
    sessions = [f.session(clinic, day.isoformat(), *hours, group=group) for hours in HOURS]
    bookings = [f.booking(row, one, seat) for row in sessions for seat, one in enumerate(people, 1)]
    tokens = [devices.sign_in(device="Tablet", by=user)[1] for _ in range(clients)]
    return Morning(group, sessions, bookings, [Caller(web, token) for token in tokens])
