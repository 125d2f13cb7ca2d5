"""A therapist looks at a group's whole day over REST: what it shows, and to whom."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from attendance.models import AttendanceRecord
from iop_clinic.accounts.models import AuditEvent, Therapist, User
from iop_clinic.accounts.roles import Role
from scheduling.models import Session
from tests import factories
from tests.api import API, DAY, client_of, exactly, nothing_written, treated
from tests.attendance.group_days import HOURS, NOON, SIZES, Day, a_day, at

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock(time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)


@pytest.fixture
def day() -> Day:
    return a_day()


def part_in(session: Session, therapist: Therapist, role: str, until: str | None = None) -> None:
    session.staff.create(
        clinic=session.clinic, therapist=therapist, role=role, access_until=until,
        starts_at=session.starts_at, ends_at=session.ends_at, live=True,
    )  # fmt: skip


def substitute(day: Day, session: Session) -> APIClient:
    """Covers one session until 12:45."""
    therapist = factories.TherapistFactory(clinic=day.clinic)
    part_in(session, therapist, "substitute", until=at("12:45"))
    user: User = factories.staff(day.clinic, Role.THERAPIST, therapist=therapist)
    return client_of(user)


def cancel(*sessions: Session) -> None:
    rows = Session.objects.filter(pk__in=[session.pk for session in sessions])
    rows.update(state="cancelled", cancelled_reason="Snow", cancelled_at=NOON)


# --- reading ---------------------------------------------------------------------------------


def test_a_day_shows_its_sessions_and_one_line_a_patient(day: Day) -> None:
    body = day.get()
    assert (body["group"], body["local_date"], body["zone"]) == (
        {"id": str(day.group.public_id), "name": day.group.name}, DAY, "America/New_York",
    )  # fmt: skip
    assert [(s["id"], s["starts_at"], s["state"], s["signed"]) for s in body["sessions"]] == [
        (str(session.public_id), at(starts), "unrecorded", False)
        for session, (starts, _) in zip(day.sessions, HOURS, strict=True)
    ]
    row = body["roster"][0]
    patient = day.people[0].patient
    assert row["patient"] == {
        "id": str(patient.public_id), "name": str(patient), "short_name": patient.short_name,
    }  # fmt: skip
    assert (row["uniform"], row["attended"], row["arrived_at"], row["away"]) == (
        True, None, None, [],
    )  # fmt: skip
    assert [(b["booking"], b["session"], b["status"], b["version"]) for b in row["bookings"]] == [
        (str(row[0].public_id), str(session.public_id), "unrecorded", None)
        for session, row in zip(day.sessions, day.bookings, strict=True)
    ]
    assert set(row["week"]) == {"credited", "at_least", "at_most", "minimum", "minutes_to_go",
                                "day_credited", "day_at_most", "day_to_go", "day_counts",
                                "day_threshold"}  # fmt: skip


def test_a_line_says_what_all_records_say(day: Day) -> None:
    away = [[at("10:30"), at("10:40")]]
    day.patch(day.line(arrived_at=at("09:20"), left_at=at("12:00"), away=away))
    row = day.get()["roster"][0]
    assert (row["uniform"], row["attended"], row["away"]) == (True, True, away)
    assert (row["arrived_at"], row["left_at"]) == (at("09:20"), at("12:00"))
    assert [(b["status"], b["late"], b["left_early"]) for b in row["bookings"]] == [
        ("present", True, False), ("present", False, False), ("present", False, True),
    ]  # fmt: skip
    assert [b["credited_minutes"] for b in row["bookings"]] == [40, 50, 40]
    assert [b["version"] for b in row["bookings"]] == [1, 1, 1]
    assert row["week"]["day_credited"] == 130


def test_a_line_whose_records_differ_says_so_and_each_has_its_own(day: Day) -> None:
    day.patch(day.line(absence_reason="work", attended=False))
    booking = day.bookings[1][0].public_id
    day.client.patch(
        f"{API}/bookings/{booking}/attendance/",
        {"attended": True, "arrived_at": at("10:20"), "correction_reason": "Came late"},
        HTTP_IF_MATCH='"1"',
    )
    row = day.get()["roster"][0]
    shown = ("uniform", "attended", "arrived_at", "left_at", "away", "absence_reason", "proof")
    assert [row[name] for name in shown] == [False, *[None] * 6]
    assert [b["arrived_at"] for b in row["bookings"]] == [None, at("10:20"), None]
    assert [b["absence_reason"] for b in row["bookings"]] == ["work", "", "work"]


def test_a_patient_of_the_second_session_only_has_one_booking(day: Day) -> None:
    (late,) = treated(day.clinic, 1, day.therapist)
    factories.booking(day.sessions[1], late, 3)
    rows = day.get()["roster"]
    assert [len(row["bookings"]) for row in rows] == [3, 3, 1]
    patient = str(late.patient.public_id)
    assert day.patch({"patient": patient, "attended": True}).json()["unchanged"] == 0
    assert day.minutes(2) == [60]


def test_a_cancelled_session_is_shown_and_has_no_part_in_the_lines(day: Day) -> None:
    cancel(day.sessions[0])
    body = day.get()
    assert [s["state"] for s in body["sessions"]] == ["cancelled", "unrecorded", "unrecorded"]
    assert len(day.patch(day.line()).json()["saved"]) == 2
    assert day.minutes() == [60, 60]


def test_a_day_that_was_cancelled_is_shown_and_refused(day: Day) -> None:
    cancel(*day.sessions)
    assert day.get()["roster"] == []
    with nothing_written():
        answer = day.patch(day.line())
    assert (answer.status_code, answer.json()["code"]) == (409, "session_cancelled")


def test_an_unchanged_day_is_304_and_a_changed_one_is_not(day: Day) -> None:
    etag = day.client.get(day.url)["ETag"]
    again = day.client.get(day.url, HTTP_IF_NONE_MATCH=f'W/{etag}, "other"')
    assert (again.status_code, again["ETag"], again.content) == (304, etag, b"")
    day.patch(day.line())
    assert day.client.get(day.url, HTTP_IF_NONE_MATCH=etag).status_code == 200


def test_looking_at_a_day_is_noted_for_every_session(day: Day) -> None:
    day.get()
    events = AuditEvent.objects.filter(operation="R", table_name="scheduling_session")
    assert set(events.values_list("row_id", flat=True)) == {s.pk for s in day.sessions}


# --- who may ---------------------------------------------------------------------------------


def test_a_substitute_reads_and_records_the_covered_session_alone(day: Day) -> None:
    client = substitute(day, day.sessions[1])
    (session,) = client.get(day.url).json()["sessions"]
    assert session["id"] == str(day.sessions[1].public_id)
    answer = client.patch(day.url, {"all_present": True})
    assert [row["booking"] for row in answer.json()["saved"]] == [
        str(booking.public_id) for booking in day.bookings[1]
    ]
    assert set(AttendanceRecord.objects.values_list("booking__session", flat=True)) == {
        day.sessions[1].pk
    }


def test_a_version_of_a_session_one_cannot_see_is_of_no_booking(day: Day) -> None:
    day.patch(day.line(absence_reason="work", attended=False))
    client = substitute(day, day.sessions[1])
    entry = day.line(0, 1, 1, 1, correction_reason="Came")
    with nothing_written():
        answer = client.patch(day.url, {"records": [entry]})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_booking")
    own = str(day.bookings[1][0].public_id)
    entry["versions"] = {own: 1}
    assert len(client.patch(day.url, {"records": [entry]}).json()["saved"]) == 1
    assert day.minutes() == [0, 60, 0]


def test_a_substitute_of_a_later_session_waits_for_that_one(day: Day, time_machine: Any) -> None:
    client = substitute(day, day.sessions[1])
    time_machine.move_to(factories.at(day.clinic, DAY, "09:39"), tick=False)
    with nothing_written():
        answer = client.patch(day.url, {"all_present": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "session_in_future")


def test_the_day_is_gone_when_the_cover_is(day: Day, time_machine: Any) -> None:
    client = substitute(day, day.sessions[1])
    assert client.get(day.url).status_code == 200
    time_machine.move_to(factories.at(day.clinic, DAY, "12:45"), tick=False)
    with nothing_written():
        answers = [client.get(day.url), client.patch(day.url, {"all_present": True})]
    assert [(a.status_code, a.json()["code"]) for a in answers] == [(404, "not_found")] * 2


def test_who_leads_the_group_but_no_session_of_the_day_sees_none(day: Day) -> None:
    leader = factories.TherapistFactory(clinic=day.clinic)
    factories.WeeklyBlockFactory(group=day.group, facilitator=leader)
    client = client_of(factories.staff(day.clinic, Role.THERAPIST, therapist=leader))
    assert client.get(f"{API}/groups/{day.group.public_id}/").status_code == 200
    assert client.get(day.url).status_code == 404


@pytest.mark.parametrize(
    "date", ["2026-03-03", "2026-02-30", "2026-13-01", "1999-03-02", "2026-3-2", "today", "0"]
)
@pytest.mark.parametrize("method", ["get", "patch"])
def test_a_date_without_sessions_and_no_date_are_404(day: Day, method: str, date: str) -> None:
    url = f"{API}/group-days/{day.group.public_id}/{date}/"
    with nothing_written():
        answer = getattr(day.client, method)(url, {})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.UTILIZATION_REVIEW, Role.AUDITOR])
def test_who_may_look_may_not_record(day: Day, role: Role) -> None:
    client = client_of(factories.staff(day.clinic, role))
    assert client.get(day.url).status_code == 200
    with nothing_written():
        answer = client.patch(day.url, {"all_present": True})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("size", "sessions"), SIZES)
def test_a_day_of_any_size_is_read_with_the_same_statements(size: int, sessions: int) -> None:
    day = a_day(size, sessions)
    with exactly(10):
        body = day.client.get(day.url).json()
    assert [len(row["bookings"]) for row in body["roster"]] == [sessions] * size
