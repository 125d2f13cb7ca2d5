"""A therapist records a group's whole day over REST, one line a patient."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from attendance.models import AttendanceRecord
from tests import factories
from tests.api import API, DAY, exactly, nothing_written
from tests.attendance.group_days import NOON, SIZES, Day, a_day, at

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock(time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)


@pytest.fixture
def day() -> Day:
    return a_day()


def test_a_session_after_the_departure_is_present_with_nothing(day: Day) -> None:
    answer = day.patch(day.line(left_at=at("10:40")), all_present=True)
    assert (answer.status_code, answer.json()["conflicts"]) == (200, [])
    assert len(answer.json()["saved"]) == 6
    assert (day.minutes(0), day.minutes(1)) == ([60, 30, 0], [60, 60, 60])
    assert day.get()["roster"][0]["bookings"][2]["status"] == "present"


def test_the_same_day_again_is_a_no_op_whatever_its_versions(day: Day) -> None:
    lines = [day.line(arrived_at=at("09:20")), day.line(1, attended=False)]
    day.patch(*lines)
    lines[0]["versions"] = {str(row[0].public_id): 7 for row in day.bookings}
    with nothing_written():
        answer = day.patch(*lines)
    assert answer.json() == {"saved": [], "unchanged": 6, "conflicts": []}


def test_a_departure_is_filled_in_with_the_versions_read(day: Day) -> None:
    day.patch(all_present=True)
    left = day.line(0, 1, 1, 1, left_at=at("11:00"))
    assert [row["version"] for row in day.patch(left).json()["saved"]] == [2, 2, 2]
    earlier = day.line(0, 2, 2, 2, left_at=at("10:50"))
    with nothing_written():
        answer = day.patch(earlier)
    assert (answer.status_code, answer.json()["code"]) == (409, "correction_reason_required")
    assert [error["loc"] for error in answer.json()["errors"]] == [
        ["records", 0, "correction_reason"]
    ]
    assert len(day.patch(earlier | {"correction_reason": "Wrong clock"}).json()["saved"]) == 3
    assert day.minutes() == [60, 40, 0]


def test_versions_as_read_are_taken_as_they_are(day: Day) -> None:
    day.patch(day.line(), all_present=True)
    day.client.delete(
        f"{API}/bookings/{day.bookings[2][0].public_id}/attendance/",
        {"correction_reason": "Mixed up"}, HTTP_IF_MATCH='"1"',
    )  # fmt: skip
    read = {b["booking"]: b["version"] for b in day.get()["roster"][0]["bookings"]}
    assert list(read.values()) == [1, 1, None]
    answer = day.patch(day.line(left_at=at("11:00")) | {"versions": read})
    assert [row["credited_minutes"] for row in answer.json()["saved"]] == [60, 50, 0]


def test_a_stale_line_is_a_conflict_with_what_is_stored_and_nothing_is_saved(day: Day) -> None:
    day.patch(day.line(0))
    with nothing_written():
        answer = day.patch(day.line(1), day.line(0, 1, 9, 1, left_at=at("11:00")))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (409, "stale_version")
    assert [error["loc"] for error in body["errors"]] == [["records", 1]]
    (conflict,) = body["conflicts"]
    assert (conflict["index"], conflict["booking"]) == (1, str(day.bookings[1][0].public_id))
    assert (conflict["current"]["status"], conflict["current"]["version"]) == ("present", 1)


def test_partial_mode_holds_back_the_whole_day_of_one_patient_only(day: Day) -> None:
    day.patch(day.line(0))
    answer = day.patch(day.line(0, 1, 9, 1, left_at=at("11:00")), day.line(1), mode="partial")
    body = answer.json()
    assert (answer.status_code, len(body["saved"]), body["unchanged"]) == (200, 3, 0)
    assert [(c["index"], c["code"]) for c in body["conflicts"]] == [(0, "stale_version")]
    assert (day.minutes(0), day.minutes(1)) == ([60, 60, 60], [60, 60, 60])


def test_queued_lines_keep_their_time_and_may_come_again(day: Day) -> None:
    queued = [
        day.line(0, recorded_at=at("09:05")),
        day.line(1, attended=False, recorded_at=at("23:00")),
    ]
    day.patch(*queued, mode="partial")
    with nothing_written():
        assert day.patch(*queued, mode="partial").json()["unchanged"] == 6
    stored = AttendanceRecord.objects.order_by("attended").distinct("attended")
    # A device whose clock runs ahead recorded it now at the latest.
    assert [record.recorded_at for record in stored] == [
        NOON, factories.at(day.clinic, DAY, "09:05"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"left_at": at("11:30")},
        {"away": [[at("10:20"), at("10:30")]], "recorded_at": at("12:00")},
        {"attended": False, "correction_reason": "Wrong line"},
        {"arrived_at": at("09:10"), "correction_reason": "Wrong clock"},
    ],
)
@pytest.mark.parametrize("signed", [False, True])
def test_a_line_whose_answer_was_lost_may_come_again(day: Day, change: Any, signed: bool) -> None:
    first = day.bookings[0][0]
    late = {"booking": str(first.public_id), "attended": True, "arrived_at": at("09:20")}
    url = f"{API}/sessions/{day.sessions[0].public_id}/"
    day.client.patch(f"{url}attendance/", {"records": [late], "all_present": True})
    if signed:
        assert day.client.post(f"{url}sign/").status_code == 200
    line = day.line(0, 1) | change
    assert day.patch(line).status_code == 200
    with nothing_written():
        answer = day.patch(line)
    assert answer.json() == {"saved": [], "unchanged": 3, "conflicts": []}


def test_an_excuse_told_later_holds_with_its_reason_for_a_session_unrecorded(day: Day) -> None:
    booking = str(day.bookings[0][0].public_id)
    url = f"{API}/sessions/{day.sessions[0].public_id}/attendance/"
    day.client.patch(url, {"records": [{"booking": booking, "attended": False}]})
    line = day.line(0, 1, attended=False, excused_override=True, correction_reason="Bus strike")
    assert day.patch(line).status_code == 200
    assert set(AttendanceRecord.objects.values_list("override_reason", flat=True)) == {"Bus strike"}


def test_open_from_half_an_hour_before_the_first_session_and_credits_what_has_ended(
    day: Day, time_machine: Any
) -> None:
    time_machine.move_to(factories.at(day.clinic, DAY, "08:29"), tick=False)
    with nothing_written():
        early = day.patch(all_present=True)
    assert (early.status_code, early.json()["code"]) == (409, "session_in_future")
    time_machine.move_to(factories.at(day.clinic, DAY, "08:30"), tick=False)
    seen, saved = {}, []
    for clock in ("08:30", "10:00", "12:19", "12:20"):
        time_machine.move_to(factories.at(day.clinic, DAY, clock), tick=False)
        saved += day.patch(all_present=True).json()["saved"]
        seen[clock] = (day.minutes(), day.get()["roster"][0]["week"]["day_credited"])
    assert [row["credited_minutes"] for row in saved] == [0, 0, 0, 0, 0, 0]
    assert seen == {
        "08:30": ([0, 0, 0], 0), "10:00": ([60, 0, 0], 60),
        "12:19": ([60, 60, 0], 120), "12:20": ([60, 60, 60], 180),
    }  # fmt: skip


def test_a_change_of_a_signed_session_needs_a_reason_and_reopens_it(day: Day) -> None:
    day.patch(all_present=True)
    day.client.post(f"{API}/sessions/{day.sessions[0].public_id}/sign/", {})
    assert [s["signed"] for s in day.get()["sessions"]] == [True, False, False]
    late = day.line(0, 1, 1, 1, arrived_at=at("09:30"))
    with nothing_written():
        answer = day.patch(late)
    assert (answer.status_code, answer.json()["code"]) == (409, "roster_signed")
    day.patch(late | {"correction_reason": "Came late"})
    assert [s["signed"] for s in day.get()["sessions"]] == [False, False, False]


def test_a_departure_told_after_a_signature_is_the_days_all_the_same(day: Day) -> None:
    day.patch(all_present=True)
    day.client.post(f"{API}/sessions/{day.sessions[0].public_id}/sign/", {})
    answer = day.patch(day.line(0, 1, 1, 1, left_at=at("12:00")))
    assert (len(answer.json()["saved"]), answer.json()["unchanged"]) == (2, 1)
    body = day.get()
    assert [s["signed"] for s in body["sessions"]] == [True, False, False]
    assert (body["roster"][0]["uniform"], body["roster"][0]["left_at"]) == (True, at("12:00"))


def test_an_overruled_excuse_keeps_its_own_reason(day: Day) -> None:
    line = day.line(attended=False, excused_override=True, correction_reason="Bus strike")
    assert day.patch(line).status_code == 200
    assert set(AttendanceRecord.objects.values_list("override_reason", flat=True)) == {"Bus strike"}
    assert [b["status"] for b in day.get()["roster"][0]["bookings"]] == ["absent_excused"] * 3


# --- what no client should send --------------------------------------------------------------


WRONG: dict[str, tuple[dict[str, Any], list[str | int], str]] = {
    "no patient": ({"patient": None}, ["patient"], "null"),
    "a stranger": ({"patient": str(uuid.UUID(int=4))}, ["patient"], "unknown_booking"),
    "attended as text": ({"attended": "yes"}, ["attended"], "invalid"),
    "a booking": ({"booking": str(uuid.UUID(int=4))}, ["booking"], "unknown_field"),
    "versions as a list": ({"versions": [1]}, ["versions"], "not_a_dict"),
    "versions of no booking": ({"versions": {"first": 1}}, ["versions", "first"], "invalid"),
    "version 0": (
        {"versions": {str(uuid.UUID(int=4)): 0}}, ["versions", str(uuid.UUID(int=4))], "min_value",
    ),
    "gone before coming": (
        {"arrived_at": at("11:00"), "left_at": at("10:00")},
        ["left_at"],
        "departure_before_arrival",
    ),
    "absent with times": ({"attended": False, "left_at": at("10:00")}, ["left_at"],
                          "absent_with_times"),
    "a version of a stranger": (
        {"versions": {str(uuid.UUID(int=4)): 1}}, ["versions"], "unknown_booking",
    ),
    "nothing known of a stranger": (
        {"versions": {str(uuid.UUID(int=4)): None}}, ["versions"], "unknown_booking",
    ),
    "two spellings of a booking": (
        {"versions": {str(uuid.UUID(int=10)): 1, str(uuid.UUID(int=10)).upper(): 1}},
        ["versions", str(uuid.UUID(int=10)).upper()],
        "given_twice",
    ),
    "tonight already": ({"left_at": at("21:30")}, ["left_at"], "time_in_future"),
    "another day": ({"left_at": "2026-03-01T23:00:00-05:00"}, ["left_at"], "time_out_of_range"),
    "away backwards": ({"away": [[at("09:20"), at("09:10")]]}, ["away"], "away_out_of_order"),
    "a reason too long": ({"correction_reason": "x" * 201}, ["correction_reason"], "max_length"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_line_is_400_at_its_place_and_nothing_is_saved(day: Day, name: str) -> None:
    change, place, code = WRONG[name]
    with nothing_written():
        answer = day.patch(day.line(0), day.line(1) | change)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["loc"], error["code"]) == (["records", 1, *place], code)


def test_a_patient_twice_is_400_at_both_places(day: Day) -> None:
    with nothing_written():
        answer = day.patch(day.line(), day.line(attended=False), all_present=True)
    assert (answer.status_code, answer.json()["code"]) == (400, "duplicate_record")
    assert [error["loc"] for error in answer.json()["errors"]] == [
        ["records", 0, "patient"], ["records", 1, "patient"],
    ]  # fmt: skip


def test_an_empty_request_says_what_is_missing(day: Day) -> None:
    with nothing_written():
        answer = day.client.patch(day.url, {})
    assert (answer.status_code, answer.json()["code"]) == (400, "required")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("size", "sessions"), SIZES)
def test_a_day_of_any_size_takes_the_same_statements(size: int, sessions: int) -> None:
    day = a_day(size, sessions)
    lines = [day.line(who) for who in range(size)]
    with exactly(9):
        answer = day.client.patch(day.url, {"records": lines})
    assert len(answer.json()["saved"]) == size * sessions
    versions = [1] * sessions
    changed = [
        day.line(who, *versions, attended=False, correction_reason="Mixed up")
        for who in range(size)
    ]
    with exactly(9):
        answer = day.client.patch(day.url, {"records": changed})
    assert len(answer.json()["saved"]) == size * sessions
