"""A therapist logs a roster over REST."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from attendance.models import AttendanceRecord
from iop_clinic.accounts.models import AuditEvent
from scheduling.models import Booking, Session
from tests import factories
from tests.api import AFTER, API, DAY, Roster, exactly, nothing_written, roster

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock(time_machine: Any) -> None:
    time_machine.move_to(AFTER, tick=False)


def patch(r: Roster, **body: Any) -> Any:
    return r.client.patch(f"{r.url}attendance/", body)


def rows_of(r: Roster) -> list[dict[str, Any]]:
    return r.client.get(r.url).json()["roster"]


def test_a_session_shows_its_roster_with_field_names_of_the_contract() -> None:
    r = roster(1)
    answer = r.client.get(r.url)
    body = answer.json()
    assert answer["ETag"].startswith('"')
    assert {"id", "title", "kind", "starts_at", "ends_at", "zone", "local_date", "room", "staff",
            "state", "capacity", "expected", "recorded"} < set(body)  # fmt: skip
    assert (body["starts_at"], body["zone"]) == ("2026-03-02T09:00:00-05:00", "America/New_York")
    assert (body["state"], body["expected"], body["recorded"]) == ("unrecorded", 1, 0)
    row = body["roster"][0]
    assert {
        "booking",
        "patient",
        "seat",
        "booking_state",
        "status",
        "late",
        "left_early",
        "arrived_at",
        "left_at",
        "away",
        "credited_minutes",
        "version",
        "week",
    } < set(row)
    assert (row["status"], row["version"]) == ("unrecorded", None)
    assert set(row["week"]) == {"credited", "at_least", "at_most", "minimum", "minutes_to_go",
                                "day_credited", "day_at_most", "day_to_go", "day_counts",
                                "day_threshold"}  # fmt: skip


def test_an_unchanged_session_is_304_and_a_changed_one_is_not() -> None:
    r = roster(1)
    client = r.client
    etag = client.get(r.url)["ETag"]
    assert client.get(r.url, HTTP_IF_NONE_MATCH=etag).status_code == 304
    patch(r, all_present=True)
    assert client.get(r.url, HTTP_IF_NONE_MATCH=etag).status_code == 200


@pytest.mark.parametrize("known", ["*", "W/{}", '"x", {}'])
def test_any_and_weak_and_one_of_several_tags_are_known(known: str) -> None:
    r = roster(1)
    client = r.client
    tag = client.get(r.url)["ETag"]
    answer = client.get(r.url, HTTP_IF_NONE_MATCH=known.format(tag))
    assert (answer.status_code, answer["ETag"], answer.content) == (304, tag, b"")


def test_looking_at_a_roster_is_noted() -> None:
    r = roster(2)
    r.client.get(r.url)
    event = AuditEvent.objects.get(operation="R")
    assert (event.table_name, event.row_id) == ("scheduling_session", r.session.pk)
    assert (event.actor, event.clinic_id) == (r.user.actor, r.clinic.pk)


def test_the_whole_roster_in_one_request() -> None:
    r = roster(3)
    late = {"arrived_at": "2026-03-02T09:20:00-05:00", "left_at": None}
    away = [["2026-03-02T09:30:00-05:00", "2026-03-02T09:40:00-05:00"]]
    entries = r.entries()
    entries[0] |= late
    entries[1] |= {"away": away}
    entries[2] = {"booking": entries[2]["booking"], "attended": False}
    answer = patch(r, records=entries)
    assert answer.status_code == 200
    assert [row["credited_minutes"] for row in answer.json()["saved"]] == [40, 50, 0]
    rows = rows_of(r)
    assert [row["status"] for row in rows] == ["present", "present", "no_show"]
    assert [row["late"] for row in rows] == [True, False, False]
    assert rows[1]["away"] == away
    assert rows[0]["week"]["day_credited"] == 40


def test_all_present_takes_everybody_who_is_not_named() -> None:
    r = roster(3)
    absent = {"booking": str(r.bookings[1].public_id), "attended": False}
    assert patch(r, all_present=True, records=[absent]).status_code == 200
    assert [row["status"] for row in rows_of(r)] == ["present", "no_show", "present"]


def test_the_writer_is_the_user_of_the_token() -> None:
    r = roster(1)
    patch(r, all_present=True)
    record = AttendanceRecord.objects.get()
    assert (record.recorded_by, record.source) == (r.user, "api")
    event = AuditEvent.objects.get(table_name="attendance_attendancerecord")
    assert (event.operation, event.actor) == ("I", r.user.actor)


def test_the_same_request_again_is_a_no_op_whatever_its_version() -> None:
    r = roster(3)
    patch(r, records=r.entries())
    client = r.client
    with nothing_written():
        answer = client.patch(f"{r.url}attendance/", {"records": r.entries(version=7)})
    assert answer.json() == {"saved": [], "unchanged": 3, "conflicts": []}


def test_a_departure_is_filled_in_without_a_reason_a_change_is_not() -> None:
    r = roster(1)
    patch(r, records=r.entries(arrived_at="2026-03-02T09:10:00-05:00"))
    left = r.entries(version=1, left_at="2026-03-02T09:50:00-05:00")
    assert patch(r, records=left).json()["saved"][0]["credited_minutes"] == 40
    earlier = r.entries(version=2, left_at="2026-03-02T09:45:00-05:00")
    answer = patch(r, records=earlier)
    assert (answer.status_code, answer.json()["code"]) == (409, "correction_reason_required")
    earlier[0]["correction_reason"] = "Wrong clock"
    assert patch(r, records=earlier).json()["saved"][0]["credited_minutes"] == 35


def test_a_stale_entry_is_a_conflict_with_the_current_state_and_nothing_is_saved() -> None:
    r = roster(3)
    patch(r, records=r.entries()[1:2])
    client, entries = r.client, r.entries(attended=False)
    with nothing_written():
        answer = client.patch(f"{r.url}attendance/", {"records": entries})
    body = answer.json()
    assert (answer.status_code, body["code"]) == (409, "stale_version")
    assert body["errors"][0]["loc"] == ["records", 1]
    (conflict,) = body["conflicts"]
    assert (conflict["index"], conflict["booking"]) == (1, entries[1]["booking"])
    assert (conflict["current"]["status"], conflict["current"]["version"]) == ("present", 1)


def test_partial_mode_saves_the_good_ones() -> None:
    r = roster(3)
    patch(r, records=r.entries()[1:2])
    answer = patch(r, records=r.entries(attended=False), mode="partial")
    body = answer.json()
    assert answer.status_code == 200
    assert (len(body["saved"]), body["unchanged"]) == (2, 0)
    assert [(c["index"], c["code"]) for c in body["conflicts"]] == [(1, "stale_version")]


def test_a_roster_is_open_from_half_an_hour_before_and_credits_nothing_yet(
    time_machine: Any,
) -> None:
    r = roster(1)
    time_machine.move_to(factories.at(r.clinic, DAY, "08:29"), tick=False)
    client = r.client
    with nothing_written():
        early = client.patch(f"{r.url}attendance/", {"all_present": True})
    assert (early.status_code, early.json()["code"]) == (409, "session_in_future")
    time_machine.move_to(factories.at(r.clinic, DAY, "08:30"), tick=False)
    assert patch(r, all_present=True).status_code == 200
    assert rows_of(r)[0]["credited_minutes"] == 0
    time_machine.move_to(factories.at(r.clinic, DAY, "10:00"), tick=False)
    assert rows_of(r)[0]["credited_minutes"] == 60


def test_signing_needs_everybody_and_may_be_repeated() -> None:
    r = roster(2)
    client = r.client
    patch(r, records=r.entries()[:1])
    refused = client.post(f"{r.url}sign/")
    assert (refused.status_code, refused.json()["code"]) == (409, "roster_incomplete")
    assert refused.json()["unrecorded"] == [str(r.bookings[1].public_id)]
    patch(r, all_present=True)
    signed = client.post(f"{r.url}sign/", {})
    assert (signed.status_code, signed.json()["state"]) == (200, "signed")
    assert client.post(f"{r.url}sign/").status_code == 200
    assert Session.objects.get().signed_by == r.user


def test_a_session_that_is_not_seen_is_looked_for_before_the_body_is_read() -> None:
    theirs, client = roster(1), roster(1).client
    with nothing_written():
        answer = client.post(f"{theirs.url}sign/", {"note": "x"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_unknown_duplicate_and_backwards_are_400_at_their_place() -> None:
    r = roster(2)
    cases = {
        "unknown_booking": [{"booking": str(uuid.uuid4()), "attended": True}],
        "duplicate_record": [r.entries()[0], r.entries()[0]],
        "departure_before_arrival": [
            r.entries()[0]
            | {"arrived_at": "2026-03-02T09:50:00-05:00", "left_at": "2026-03-02T09:10:00-05:00"}
        ],
        "absent_with_times": [
            r.entries(attended=False)[0] | {"arrived_at": "2026-03-02T09:50:00-05:00"}
        ],
    }
    client = r.client
    for code, records in cases.items():
        with nothing_written():
            answer = client.patch(f"{r.url}attendance/", {"records": records})
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert answer.json()["errors"][0]["loc"][:2] == ["records", 0]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("size", [1, 12, 15])
def test_a_roster_of_any_size_takes_the_same_statements(size: int) -> None:
    r = roster(size)
    client, entries = r.client, r.entries()
    with exactly(9):
        answer = client.patch(f"{r.url}attendance/", {"records": entries})
    assert len(answer.json()["saved"]) == size


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("size", [1, 12, 15])
def test_correcting_a_roster_of_any_size_takes_the_same_statements(size: int) -> None:
    r = roster(size)
    client = r.client
    client.patch(f"{r.url}attendance/", {"records": r.entries()})
    changed = r.entries(attended=False, version=1, correction_reason="Mixed up")
    with exactly(9):
        answer = client.patch(f"{r.url}attendance/", {"records": changed})
    assert len(answer.json()["saved"]) == size


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("size", [1, 12, 15])
def test_a_session_of_any_size_is_read_with_the_same_statements(size: int) -> None:
    r = roster(size)
    client = r.client
    with exactly(8):
        assert len(client.get(r.url).json()["roster"]) == size


def test_withdrawn_patients_are_not_on_the_roster() -> None:
    r = roster(2)
    Booking.objects.filter(pk=r.bookings[0].pk).update(state="withdrawn", withdrawn_reason="Moved")
    assert [row["booking"] for row in rows_of(r)] == [str(r.bookings[1].public_id)]
    answer = patch(r, records=r.entries()[:1])
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_booking")


def test_a_cancelled_session_is_refused() -> None:
    r = roster(1)
    Session.objects.update(state="cancelled", cancelled_reason="Snow", cancelled_at=AFTER)
    client = r.client
    with nothing_written():
        answer = client.patch(f"{r.url}attendance/", {"all_present": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "session_cancelled")
    assert client.get(f"{API}/sessions/?from={DAY}").json()["results"][0]["state"] == "cancelled"
