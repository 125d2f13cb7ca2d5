"""A group's day of three sessions with a client, in few words.

day = a_day(size=2)
day.patch(day.line(0, left_at=at("11:00")), all_present=True)
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from rest_framework.test import APIClient

from iop_clinic.accounts.models import Clinic, Therapist
from iop_clinic.accounts.roles import Role
from patients.models import Episode
from scheduling.models import Booking, Group, Session
from tests import factories
from tests.api import API, DAY, client_of, treated

HOURS = [("09:00", "10:00"), ("10:10", "11:10"), ("11:20", "12:20")]
SIZES = [(1, 1), (1, 3), (12, 1), (12, 3)]
"""Patients and sessions; the numbers of statements must not tell them apart."""
NOON = datetime.datetime(2026, 3, 2, 17, 30, tzinfo=datetime.UTC)  # 12:30 in New York


def at(clock: str) -> str:
    return f"{DAY}T{clock}:00-05:00"


@dataclass(frozen=True)
class Day:
    """Sessions of 60 minutes of one group, led by one therapist; `bookings` by session."""

    clinic: Clinic
    group: Group
    therapist: Therapist
    client: APIClient
    people: list[Episode]
    sessions: list[Session]
    bookings: list[list[Booking]]

    @property
    def url(self) -> str:
        return f"{API}/group-days/{self.group.public_id}/{DAY}/"

    def line(self, who: int = 0, *versions: int | None, **facts: Any) -> dict[str, Any]:
        ids = [str(row[who].public_id) for row in self.bookings]
        entry = {"patient": str(self.people[who].patient.public_id), "attended": True, **facts}
        return entry | {"versions": dict(zip(ids, versions, strict=False))}

    def patch(self, *records: dict[str, Any], **body: Any) -> Any:
        return self.client.patch(self.url, {"records": list(records), **body})

    def get(self) -> dict[str, Any]:
        answer = self.client.get(self.url)
        assert answer.status_code == 200, answer.content
        body: dict[str, Any] = answer.json()
        return body

    def minutes(self, who: int = 0) -> list[int]:
        row = self.get()["roster"][who]
        return [booking["credited_minutes"] for booking in row["bookings"]]


def a_day(size: int = 2, sessions: int = 3) -> Day:
    clinic = factories.ClinicFactory()
    group = factories.GroupFactory(clinic=clinic)
    therapist = factories.TherapistFactory(clinic=clinic)
    user = factories.staff(clinic, Role.THERAPIST, therapist=therapist)
    people = treated(clinic, size, therapist)
    rows = [
        factories.session(clinic, DAY, *hours, group=group, therapist=therapist, capacity=15)
        for hours in HOURS[:sessions]
    ]
    bookings = [[factories.booking(row, one, n) for n, one in enumerate(people, 1)] for row in rows]
    return Day(clinic, group, therapist, client_of(user), people, rows, bookings)
