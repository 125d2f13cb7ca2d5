"""One record over REST: read, corrected with If-Match, cleared, and its history."""

from __future__ import annotations

from typing import Any

import pytest

from attendance.models import AttendanceRecord
from scheduling.models import Session
from tests.api import AFTER, API, Roster, nothing_written, roster

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock(time_machine: Any) -> None:
    time_machine.move_to(AFTER, tick=False)


@pytest.fixture
def r() -> Roster:
    return roster(2)


@pytest.fixture
def client(r: Roster) -> Any:
    return r.client


@pytest.fixture
def url(r: Roster) -> str:
    return f"{API}/bookings/{r.bookings[0].public_id}/attendance/"


def record_everybody(r: Roster, client: Any) -> None:
    assert client.patch(f"{r.url}attendance/", {"all_present": True}).status_code == 200


def test_an_unrecorded_booking_reads_as_such(client: Any, url: str) -> None:
    answer = client.get(url)
    assert (answer.json()["status"], answer.json()["version"]) == ("unrecorded", None)
    assert answer["ETag"] == '"0"'


def test_recording_one_through_its_own_address(client: Any, url: str) -> None:
    with nothing_written():
        missing = client.patch(url, {"proof": "none"}, HTTP_IF_MATCH='"0"')
    assert (missing.status_code, missing.json()["errors"][0]["loc"]) == (400, ["attended"])
    answer = client.patch(url, {"attended": True}, HTTP_IF_MATCH='"0"')
    assert (answer.status_code, answer["ETag"]) == (200, '"1"')
    assert answer.json()["credited_minutes"] == 60


def test_a_correction_needs_the_etag_last_read(r: Roster, client: Any, url: str) -> None:
    record_everybody(r, client)
    change = {"left_at": "2026-03-02T09:30:00-05:00", "correction_reason": "Left at half past"}
    with nothing_written():
        absent = client.patch(url, change)
        stale = client.patch(url, change, HTTP_IF_MATCH='"9"')
        foreign = client.patch(url, change, HTTP_IF_MATCH='"abc"')
    assert (absent.status_code, absent.json()["code"]) == (428, "precondition_required")
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    assert foreign.status_code == 412
    answer = client.patch(url, change, HTTP_IF_MATCH='W/"1"')
    assert (answer.status_code, answer["ETag"], answer.json()["credited_minutes"]) == (
        200, '"2"', 30,
    )  # fmt: skip


def test_a_correction_needs_a_reason(r: Roster, client: Any, url: str) -> None:
    record_everybody(r, client)
    with nothing_written():
        answer = client.patch(url, {"attended": False}, HTTP_IF_MATCH='"1"')
    assert (answer.status_code, answer.json()["code"]) == (409, "correction_reason_required")
    assert answer.json()["errors"][0]["loc"] == ["correction_reason"]


def test_correcting_a_signed_roster_reopens_it(r: Roster, client: Any, url: str) -> None:
    record_everybody(r, client)
    client.post(f"{r.url}sign/")
    change = {"attended": False, "correction_reason": "Was not there"}
    assert client.patch(url, change, HTTP_IF_MATCH='"1"').status_code == 200
    assert Session.objects.get().signed_at is None


def test_clearing_takes_it_back_to_unrecorded(r: Roster, client: Any, url: str) -> None:
    record_everybody(r, client)
    with nothing_written():
        assert client.delete(url).status_code == 428
        assert client.delete(url, {}, HTTP_IF_MATCH='"1"').status_code == 409
    answer = client.delete(url, {"correction_reason": "Wrong patient"}, HTTP_IF_MATCH='"1"')
    assert answer.status_code == 204
    assert client.get(url).json()["status"] == "unrecorded"
    assert AttendanceRecord.objects.count() == 1


def test_the_history_says_who_when_what_and_why(r: Roster, client: Any, url: str) -> None:
    record_everybody(r, client)
    change = {"attended": False, "correction_reason": "Was not there"}
    client.patch(url, change, HTTP_IF_MATCH='"1"')
    first, second = client.get(f"{url}history/").json()["results"]
    assert (first["version"], second["version"]) == (1, 2)
    assert (second["who"], second["reason"]) == (r.user.name, "Was not there")
    assert {"field": "attended", "old": True, "new": False} in second["changes"]


def test_a_withdrawn_booking_has_no_record(r: Roster, client: Any, url: str) -> None:
    booking = r.bookings[0]
    booking.state, booking.withdrawn_reason = "withdrawn", "Moved away"
    booking.save()
    assert client.get(url).status_code == 404
