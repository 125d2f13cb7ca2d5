"""Many clients of real web processes want the same thing at once; and the database after it."""

import datetime
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from django.utils import timezone

from attendance.models import AttendanceRecord
from iop_clinic.accounts import devices
from iop_clinic.accounts.models import AuditEvent, Clinic
from scheduling.models import Booking, Session
from tests import factories as f
from tests.attendance.nights import case as open_case
from tests.web import Answer, Caller, WebProcess, at_once, serving

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS = 50
SLOWEST = 2.0
"""Seconds from request to answer, waiting for a free thread included."""

Row = dict[str, Any]


@pytest.fixture(scope="module", params=[2, 8], ids=["2 workers", "8 workers"])
def web(request: Any, django_db_setup: None, django_db_blocker: Any) -> Iterator[WebProcess]:
    with django_db_blocker.unblock(), serving(request.param) as server:
        yield server


@pytest.fixture
def clinic(transactional_db: None) -> Clinic:
    return f.ClinicFactory()


@pytest.fixture
def callers(web: WebProcess, clinic: Clinic) -> list[Caller]:
    """Fifty signed-in devices of one coordinator."""
    user = f.staff(clinic)
    return [Caller(web, devices.sign_in(device="Tablet", by=user)[1]) for _ in range(CLIENTS)]


def session_of(clinic: Clinic, days_ago: int, seated: int) -> Session:
    """A session of 12 seats, so many of them taken."""
    day = timezone.localdate(timezone=clinic.tz) - datetime.timedelta(days=days_ago)
    session = f.session(clinic, day.isoformat(), "09:00", "10:00", capacity=12, ceiling=12)
    for seat, episode in enumerate(_episodes(clinic, seated), start=1):
        f.booking(session, episode, seat)
    return session


def _episodes(clinic: Clinic, number: int) -> list[Any]:
    program = f.ProgramFactory(clinic=clinic)
    return [f.admitted(clinic, program=program) for _ in range(number)]


def rows(*models: Any) -> list[list[Row]]:
    """Every stored column of these tables."""
    return [list(model.objects.order_by("pk").values()) for model in models]


def codes(answers: list[Answer]) -> Counter[tuple[int, str]]:
    return Counter((answer.status, answer.code) for answer in answers)


def assert_nobody_waits_long(answers: list[Answer], calls: list[Any]) -> None:
    """On a machine that is busy with other things: no longer than all of them take in a row."""
    longest = max(answer.seconds for answer in answers)
    if longest >= SLOWEST:
        assert longest < 2 * sum(call().seconds for call in calls)


def test_fifty_clients_add_fifty_patients_to_the_last_seat(
    clinic: Clinic, callers: list[Caller]
) -> None:
    session = session_of(clinic, days_ago=-1, seated=11)
    before = rows(Booking, Session)
    path = f"/api/v1/sessions/{session.public_id}/roster/"
    calls = [
        partial(caller.send, "POST", path, body={"patient": str(episode.patient.public_id)})
        for caller, episode in zip(callers, _episodes(clinic, CLIENTS), strict=True)
    ]
    answers = at_once(calls)
    assert codes(answers) == {(201, "ok"): 1, (409, "session_full"): CLIENTS - 1}
    refused = [answer.body for answer in answers if answer.status == 409]
    assert {(body["status"], body["capacity"], body["ceiling"]) for body in refused} == {
        (409, 12, 12)
    }
    (won,) = [answer.body for answer in answers if answer.status == 201]
    winner = Booking.objects.get(public_id=won["booking"])
    assert (won["seat"], winner.seat, winner.session_id) == (12, 12, session.pk)
    assert str(winner.patient.public_id) == won["patient"]["id"]
    bookings, sessions = rows(Booking, Session)
    assert ([row for row in bookings if row["id"] != winner.pk], sessions) == tuple(before)
    assert_nobody_waits_long(answers, calls)


def roster_calls(callers: list[Caller], session: Session, arrivals: list[str]) -> list[Any]:
    """One PATCH of the whole roster for each arrival (a wall time of the session's day)."""
    bookings = Booking.objects.filter(session=session)
    path, day = f"/api/v1/sessions/{session.public_id}/attendance/", str(session.local_date)
    bodies = [
        {
            "records": [
                {
                    "booking": str(booking.public_id),
                    "attended": True,
                    "arrived_at": f.at(session.clinic, day, arrival).isoformat(),
                }
                for booking in bookings
            ]
        }
        for arrival in arrivals
    ]
    return [
        partial(caller.send, "PATCH", path, body=body)
        for caller, body in zip(callers, bodies, strict=False)
    ]


def test_one_roster_sent_ten_times_at_once_is_one_result(
    clinic: Clinic, callers: list[Caller]
) -> None:
    session = session_of(clinic, days_ago=2, seated=12)
    calls = roster_calls(callers, session, ["09:20"] * 10)
    answers = at_once(calls)
    assert codes(answers) == {(200, "ok"): 10}
    outcomes = Counter((len(a.body["saved"]), a.body["unchanged"]) for a in answers)
    assert outcomes == {(12, 0): 1, (0, 12): 9}
    records = AttendanceRecord.objects.values_list("version", "credited_minutes")
    assert list(records) == [(1, 40)] * 12
    trail = AuditEvent.objects.filter(table_name="attendance_attendancerecord")
    assert trail.count() == 12
    assert_nobody_waits_long(answers, calls)


def test_of_ten_different_rosters_at_once_one_is_stored_whole(
    clinic: Clinic, callers: list[Caller]
) -> None:
    session = session_of(clinic, days_ago=2, seated=12)
    arrivals = [f"09:{minute:02}" for minute in range(1, 11)]
    calls = roster_calls(callers, session, arrivals)
    answers = at_once(calls)
    assert codes(answers) == {(200, "ok"): 1, (409, "stale_version"): 9}
    stored = {
        (record.version, record.credited_minutes, record.arrived_at)
        for record in AttendanceRecord.objects.all()
    }
    assert len(stored) == 1
    ((version, minutes, _),) = stored
    (won,) = [i for i, answer in enumerate(answers, start=1) if answer.status == 200]
    assert (AttendanceRecord.objects.count(), version, minutes) == (12, 1, 60 - won)
    refused = [answer.body["conflicts"] for answer in answers if answer.status == 409]
    lost = [[conflict["current"] for conflict in conflicts] for conflicts in refused]
    assert all(one == other for one, other in pairwise(lost))
    assert {len(conflicts) for conflicts in lost} == {12}
    assert_nobody_waits_long(answers, calls)


def test_one_request_sent_ten_times_at_once_is_done_once(
    clinic: Clinic, callers: list[Caller]
) -> None:
    """A device that repeats itself: each answer is the one booking, or "still at it"."""
    session = session_of(clinic, days_ago=-1, seated=0)
    (episode,) = _episodes(clinic, 1)
    path = f"/api/v1/sessions/{session.public_id}/roster/"
    body = {"patient": str(episode.patient.public_id)}
    answers = at_once(
        [partial(callers[n].send, "POST", path, body=body, key="tablet-7") for n in range(10)]
    )
    counted = codes(answers)
    assert counted[201, "ok"] >= 1
    assert counted[201, "ok"] + counted[409, "in_flight"] == 10
    booking = Booking.objects.get()
    made = {answer.body["booking"] for answer in answers if answer.status == 201}
    assert made == {str(booking.public_id)}
    assert AuditEvent.objects.filter(table_name="scheduling_booking").count() == 1


def test_ten_people_take_one_case_at_once(clinic: Clinic, callers: list[Caller]) -> None:
    flag = open_case(clinic)
    path = f"/api/v1/flags/{flag.public_id}/resolve/"
    body = {"outcome": "reached"}
    answers = at_once(
        [partial(callers[n].send, "POST", path, body=body, if_match=1) for n in range(10)]
    )
    assert codes(answers) == {(200, "ok"): 1, (412, "stale_version"): 9}
    flag.refresh_from_db()
    assert (flag.state, flag.outcome, flag.version) == ("closed", "reached", 2)


def test_a_roster_is_signed_while_it_is_changed(clinic: Clinic, callers: list[Caller]) -> None:
    """Nothing changes under a signature: it is put after the change, or taken off by it."""
    session = session_of(clinic, days_ago=2, seated=12)
    (record,) = roster_calls(callers, session, ["09:00"])
    assert record().status == 200
    sign = f"/api/v1/sessions/{session.public_id}/sign/"
    booking = Booking.objects.filter(session=session).first()
    assert booking
    path = f"/api/v1/bookings/{booking.public_id}/attendance/"
    left = f.at(clinic, str(session.local_date), "09:30").isoformat()
    body = {"left_at": left, "correction_reason": "Seen leaving."}
    answers = at_once(
        [partial(callers[n].send, "POST", sign) for n in range(5)]
        + [partial(callers[n].send, "PATCH", path, body=body, if_match=1) for n in range(5)]
    )
    assert {answer.status for answer in answers[:5]} == {200}
    # Whoever finds the departure already told has nothing to change.
    assert {answer.status for answer in answers[5:]} == {200}
    stored = AttendanceRecord.objects.get(booking=booking)
    assert (stored.version, stored.credited_minutes) == (2, 30)
    trail = AuditEvent.objects.filter(operation="U").order_by("pk")
    assert trail.values_list("table_name", flat=True).last() == "scheduling_session"
