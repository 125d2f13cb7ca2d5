"""A client with a device's token, and a session whose roster is worth recording."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from iop_clinic.accounts import devices
from iop_clinic.accounts.models import AuditEvent, Clinic, Therapist, User
from iop_clinic.accounts.roles import Role
from patients.models import Episode
from scheduling.models import Booking, Session
from tests import factories

DAY = "2026-03-02"  # a Monday
AFTER = datetime.datetime(2026, 3, 2, 16, tzinfo=datetime.UTC)  # 11:00 of that day in New York
API = "/api/v1"


def client_of(user: User) -> APIClient:
    """A client signed in on a device of its own."""
    _, token = devices.sign_in(device="Test device", by=user)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


@dataclass(frozen=True)
class Roster:
    """A session of one group, led by `user`, and its bookings by seat."""

    clinic: Clinic
    therapist: Therapist
    user: User
    session: Session
    bookings: list[Booking]

    @property
    def url(self) -> str:
        return f"{API}/sessions/{self.session.public_id}/"

    @property
    def client(self) -> APIClient:
        return client_of(self.user)

    def entries(self, **facts: Any) -> list[dict[str, Any]]:
        return [
            {"booking": str(booking.public_id), "attended": True, **facts}
            for booking in self.bookings
        ]


def roster(size: int = 3, *, clinic: Clinic | None = None, day: str = DAY, **extra: Any) -> Roster:
    """A session from 9 to 10 with `size` adults booked; one therapist leads it."""
    clinic = clinic or factories.ClinicFactory()
    therapist = extra.pop("therapist", None) or factories.TherapistFactory(clinic=clinic)
    user = extra.pop("user", None) or factories.staff(clinic, Role.THERAPIST, therapist=therapist)
    session = factories.session(
        clinic, day, "09:00", "10:00", therapist=therapist, capacity=15, **extra
    )
    episodes = treated(clinic, size, therapist)
    bookings = [
        factories.booking(session, episode, seat) for seat, episode in enumerate(episodes, 1)
    ]
    return Roster(clinic, therapist, user, session, bookings)


def treated(clinic: Clinic, number: int, therapist: Therapist) -> list[Episode]:
    """Admitted adults under an IOP plan, in one program."""
    program = factories.ProgramFactory(clinic=clinic)
    return [
        factories.admitted(clinic, program=program, primary_therapist=therapist)
        for _ in range(number)
    ]


@contextmanager
def exactly(number: int) -> Iterator[None]:
    """So many statements from authentication to commit, savepoints and the actor included."""
    with CaptureQueriesContext(connection) as queries:
        yield
    sent = "\n".join(query["sql"][:160] for query in queries.captured_queries)
    assert len(queries) == number, f"{len(queries)} statements:\n{sent}"


@contextmanager
def nothing_written(*, reads: bool = True) -> Iterator[None]:
    """No row is added, changed or gone in any table; `reads`: but the notes of who read what."""
    before = contents(reads=reads)
    yield
    assert contents(reads=reads) == before


def contents(*, reads: bool = True) -> dict[str, tuple[int, Any]]:
    """Every table's number of rows and the sum of their hashes, whatever their order."""
    tables = connection.introspection.django_table_names()
    unread = " WHERE operation <> 'R'" if reads else ""
    sums = [
        f"SELECT '{table}', count(*), sum(hashtextextended(t::text, 0)) FROM \"{table}\" t"
        + (unread if table == AuditEvent._meta.db_table else "")
        for table in tables
    ]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(sums))
        return {table: (rows, total) for table, rows, total in cursor.fetchall()}
