"""An entry that is refused comes back in both versions: as it was sent, and as it is stored."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.test import Client
from jsonschema import Draft202012Validator

from iop_clinic.accounts.models import AuditEvent
from tests.api import AFTER, API, Roster, nothing_written, roster
from tests.attendance.group_days import NOON, a_day, at

pytestmark = pytest.mark.django_db

SENT_LATER = "2026-03-02T15:30:00+00:00"  # 10:30 of the clinic


@pytest.fixture
def r(time_machine: Any) -> Roster:
    time_machine.move_to(AFTER, tick=False)
    return roster(3)


def test_a_queued_entry_comes_back_beside_what_is_stored(r: Roster) -> None:
    client = r.client
    client.patch(f"{r.url}attendance/", {"records": r.entries()[:1]})
    late = {"arrived_at": "2026-03-02T14:05:00Z", "left_at": None, "recorded_at": SENT_LATER}
    answer = client.patch(
        f"{r.url}attendance/", {"records": r.entries(**late)[:2], "mode": "partial"}
    )
    assert (answer.status_code, len(answer.json()["saved"])) == (200, 1)
    (conflict,) = answer.json()["conflicts"]
    assert (conflict["index"], conflict["code"]) == (0, "stale_version")
    assert conflict["sent"] == {
        "booking": str(r.bookings[0].public_id),
        "attended": True,
        "arrived_at": "2026-03-02T09:05:00-05:00",
        "left_at": None,
        "recorded_at": "2026-03-02T10:30:00-05:00",
    }
    stored = conflict["current"]
    assert (stored["status"], stored["arrived_at"], stored["version"]) == ("present", None, 1)


def test_so_does_each_one_of_a_roster_that_is_refused_as_a_whole(r: Roster) -> None:
    client = r.client
    client.patch(f"{r.url}attendance/", {"all_present": True})
    away = [[at("09:10"), at("09:20")]]
    entries = r.entries(version=9, away=away, correction_reason="Left the room")
    with nothing_written():
        answer = client.patch(f"{r.url}attendance/", {"records": entries})
    assert answer.status_code == 409
    assert [conflict["sent"] for conflict in answer.json()["conflicts"]] == entries


def test_an_unknown_and_a_doubled_entry_too(r: Roster) -> None:
    strange = {"booking": str(uuid.uuid4()), "attended": False}
    twice = r.entries()[:1] * 2
    answer = r.client.patch(f"{r.url}attendance/", {"records": [strange, *twice]})
    found = answer.json()["conflicts"]
    assert [(c["code"], c["sent"]) for c in found] == [
        ("unknown_booking", strange),
        *(("duplicate_record", entry) for entry in twice),
    ]
    assert found[0]["current"] is None


def test_what_all_present_adds_was_sent_by_nobody(r: Roster) -> None:
    """Signed while one was unrecorded, as an import may leave it."""
    r.client.patch(f"{r.url}attendance/", {"records": r.entries()[1:]})
    r.session.signed_at, r.session.signed_by = AFTER, r.user
    r.session.save()
    answer = r.client.patch(f"{r.url}attendance/", {"all_present": True})
    (conflict,) = answer.json()["conflicts"]
    assert (conflict["code"], conflict["index"], conflict["sent"]) == ("roster_signed", None, None)


def test_a_line_of_the_day_sheet_comes_back_whole(time_machine: Any) -> None:
    """Once for each session that refuses it, each time as the one line that was sent."""
    time_machine.move_to(NOON, tick=False)
    day = a_day(1, 2)
    day.patch(day.line())
    line = day.line(0, 9, 9, left_at=at("10:30"), correction_reason="Left early")
    answer = day.patch(line, mode="partial")
    conflicts = answer.json()["conflicts"]
    assert [c["booking"] for c in conflicts] == list(line["versions"])
    assert [c["sent"] for c in conflicts] == [line, line]


def test_a_correction_that_is_stale_shows_both(r: Roster) -> None:
    client, url = r.client, f"{API}/bookings/{r.bookings[0].public_id}/attendance/"
    client.patch(f"{r.url}attendance/", {"all_present": True})
    change = {"attended": False, "proof": "pending", "correction_reason": "Was not there"}
    changed = client.patch(url, change, HTTP_IF_MATCH='"9"')
    cleared = client.delete(url, {"correction_reason": "Wrong line"}, HTTP_IF_MATCH='"9"')
    assert (changed.status_code, cleared.status_code) == (412, 412)
    sent = [answer.json()["conflicts"][0]["sent"] for answer in (changed, cleared)]
    assert sent == [change, {"correction_reason": "Wrong line"}]


@pytest.mark.parametrize("mode", ["all", "partial"])
def test_whoever_is_shown_their_names_has_read_the_roster(r: Roster, mode: str) -> None:
    client, seen = r.client, AuditEvent.objects.filter(operation="R")
    client.patch(f"{r.url}attendance/", {"all_present": True})
    late = r.entries(arrived_at=at("09:20"))
    answer = client.patch(f"{r.url}attendance/", {"records": late, "mode": mode})
    names = [conflict["current"]["patient"]["name"] for conflict in answer.json()["conflicts"]]
    assert names == [str(booking.patient) for booking in r.bookings]
    assert [(e.table_name, e.row_id) for e in seen] == [("scheduling_session", r.session.pk)]


def test_and_where_no_name_is_shown_nothing_was_read(r: Roster) -> None:
    client, strange = r.client, {"booking": str(uuid.uuid4()), "attended": True}
    client.patch(f"{r.url}attendance/", {"records": [strange]})
    client.patch(f"{r.url}attendance/", {"all_present": True, "mode": "partial"})
    assert not AuditEvent.objects.filter(operation="R").exists()


def test_names_of_a_day_are_read_in_each_of_its_sessions(time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)
    day = a_day()
    day.patch(all_present=True)
    day.patch(day.line(0, 9, left_at=at("11:00")))
    seen = AuditEvent.objects.filter(operation="R", table_name="scheduling_session")
    assert sorted(seen.values_list("row_id", flat=True)) == [row.pk for row in day.sessions]


def test_every_conflict_fits_the_document(r: Roster, time_machine: Any) -> None:
    client, url = r.client, f"{API}/bookings/{r.bookings[0].public_id}/attendance/"
    client.patch(f"{r.url}attendance/", {"all_present": True})
    reason = {"correction_reason": "Mixed up"}
    entries = r.entries(attended=False, version=9, recorded_at=SENT_LATER, **reason)
    found = [
        client.patch(f"{r.url}attendance/", {"records": entries}),
        client.patch(url, {"attended": False, **reason}, HTTP_IF_MATCH='"9"'),
    ]
    time_machine.move_to(NOON, tick=False)
    found.append(a_day(1, 2).patch(a_day(1, 1).line()))
    document = json.loads(Client().get(f"{API}/schema/").content)
    shape = {"$ref": "#/components/schemas/Problem", "components": document["components"]}
    for answer in found:
        assert answer.json()["conflicts"]
        assert list(Draft202012Validator(shape).iter_errors(answer.json())) == []
