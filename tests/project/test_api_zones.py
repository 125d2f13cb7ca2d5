"""Every time in an answer has its zone beside it, and the offset of that zone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from attendance.models import AttendanceRecord
from iop_clinic.accounts.api.schema import EXAMPLES
from tests import factories
from tests.api import AFTER, API, DAY, Roster, roster
from tests.attendance.group_days import a_day

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d.*([+-]\d\d:\d\d|Z)")
EASTERN = ("-05:00", "America/New_York")


def times(answer: Any, zone: str | None = None) -> Iterator[tuple[str, str | None]]:
    """Each time with the name of its zone: in the same object, around it, or in its session."""
    if isinstance(answer, dict):
        session = answer.get("session")
        beside = session.get("zone") if isinstance(session, dict) else None
        zone = answer.get("zone", beside or zone)
        for value in answer.values():
            yield from times(value, zone)
    elif isinstance(answer, list):
        for value in answer:
            yield from times(value, zone)
    elif isinstance(answer, str) and TIME.fullmatch(answer):
        yield answer, zone


@pytest.mark.parametrize(("call", "shown"), json.loads(EXAMPLES.read_text()).items())
def test_no_time_of_an_answer_is_without_its_zone(call: str, shown: dict[str, Any]) -> None:
    found = list(times(shown.get("response")))
    assert {zone for _, zone in found} <= {"America/New_York"}
    assert {time[-6:] for time, _ in found} <= {"-05:00", "-04:00"}, call


@pytest.fixture
def moved(db: None, time_machine: Any) -> Roster:
    """A recorded session in New York of a clinic that has gone by Los Angeles since."""
    time_machine.move_to(AFTER, tick=False)
    r = roster(1)
    away = [["2026-03-02T14:20:00Z", "2026-03-02T14:30:00Z"]]
    r.client.patch(f"{r.url}attendance/", {"records": r.entries(away=away)})
    r.clinic.zone = "America/Los_Angeles"
    r.clinic.save()
    return r


@pytest.mark.parametrize(
    "address",
    [
        "sessions/{session}/",
        f"sessions/?from={DAY}",
        "bookings/{booking}/attendance/",
        "bookings/{booking}/attendance/history/",
        "patients/{patient}/weeks/2026-03-02/minutes/",
    ],
)
def test_a_session_keeps_the_zone_it_was_planned_in(moved: Roster, address: str) -> None:
    booking = moved.bookings[0]
    url = address.format(
        session=moved.session.public_id,
        booking=booking.public_id,
        patient=booking.patient.public_id,
    )
    answer = moved.client.get(f"{API}/{url}")
    assert answer.status_code == 200
    assert {(time[-6:], zone) for time, zone in times(answer.json())} == {EASTERN}


def test_so_does_a_conflict_in_it(moved: Roster) -> None:
    late = moved.entries(arrived_at="2026-03-02T14:05:00Z")
    answer = moved.client.patch(f"{moved.url}attendance/", {"records": late})
    (conflict,) = answer.json()["conflicts"]
    assert {(time[-6:], zone) for time, zone in times(conflict)} == {EASTERN}
    assert conflict["sent"]["arrived_at"] == "2026-03-02T09:05:00-05:00"


@pytest.mark.django_db
def test_a_day_sheet_is_in_the_zone_of_its_day(time_machine: Any) -> None:
    time_machine.move_to(AFTER, tick=False)
    day = a_day(1)
    day.patch(day.line(arrived_at="2026-03-02T14:05:00Z"))
    day.clinic.zone = "America/Los_Angeles"
    day.clinic.save()
    found = list(times(day.get()))
    assert (len(found), {(time[-6:], zone) for time, zone in found}) == (10, {EASTERN})


def test_sessions_of_two_zones_each_show_their_own(moved: Roster) -> None:
    later = factories.session(moved.clinic, DAY, "09:00", "10:00", therapist=moved.therapist)
    rows = moved.client.get(f"{API}/sessions/?from={DAY}").json()["results"]
    shown = {row["id"]: (row["starts_at"], row["zone"]) for row in rows}
    assert shown == {
        str(moved.session.public_id): ("2026-03-02T09:00:00-05:00", "America/New_York"),
        str(later.public_id): ("2026-03-02T09:00:00-08:00", "America/Los_Angeles"),
    }
    assert AttendanceRecord.objects.count() == 1
