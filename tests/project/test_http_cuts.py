"""Connections cut in the middle, of clients and of the database: all or nothing, and then on."""

from __future__ import annotations

import datetime
import http.client
import json
import random
import socket
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from attendance.models import AttendanceRecord
from scheduling.models import Booking
from tests import factories as f
from tests.project.morning import Morning, morning
from tests.web import Answer, Caller, WebProcess, serving

pytestmark = pytest.mark.django_db(transaction=True)

AT_WORK = 10
"""Seconds; far less than a key stays taken whose request has died (two minutes)."""
SEVERED = struct.pack("ii", 1, 0)
"""SO_LINGER: close at once with a reset, as a lost network or a killed application does."""


@pytest.fixture(scope="module")
def web(django_db_setup: None, django_db_blocker: Any) -> Iterator[WebProcess]:
    with django_db_blocker.unblock(), serving(2) as server:
        yield server


@dataclass(frozen=True)
class Write:
    """A request that may be sent again, and the rows that it makes: all of them or none."""

    caller: Caller
    method: str
    path: str
    body: dict[str, Any]
    made: QuerySet[Any]
    all: int
    key: str = field(default_factory=lambda: str(uuid.uuid4()))

    def send(self) -> Answer:
        return self.caller.send(self.method, self.path, body=self.body, key=self.key)

    def send_until_done(self) -> Answer:
        """Again while the first request is still at work, which is soon over."""
        until = time.monotonic() + AT_WORK
        while (answer := self.send()).code == "in_flight" and time.monotonic() < until:
            time.sleep(0.05)
        return answer


def day_sheet(here: Morning) -> Write:
    path = f"/api/v1/group-days/{here.group.public_id}/{here.sessions[0].local_date}/"
    return _recording(here, path, rows=len(here.bookings))


def roster(here: Morning) -> Write:
    path = f"/api/v1/sessions/{here.sessions[0].public_id}/attendance/"
    return _recording(here, path, rows=len(here.bookings) // 2)


def _recording(here: Morning, path: str, rows: int) -> Write:
    records = AttendanceRecord.objects.filter(clinic=here.group.clinic)
    records.delete()  # the turn before
    return Write(here.callers[0], "PATCH", path, {"all_present": True}, records, rows)


def booking(here: Morning) -> Write:
    clinic = here.group.clinic
    day = timezone.localdate(timezone=clinic.tz) + datetime.timedelta(days=1)
    session = f.session(clinic, day.isoformat(), "09:00", "10:00")
    patient = f.admitted(clinic, program=here.group.program).patient
    body = {"session": str(session.public_id), "patient": str(patient.public_id)}
    made = Booking.objects.filter(session=session)
    return Write(here.callers[0], "POST", "/api/v1/bookings/", body, made, 1)


WRITES = pytest.mark.parametrize("write", [day_sheet, roster, booking])
TURNS = pytest.mark.parametrize("turns", [6, pytest.param(200, marks=pytest.mark.soak)])
"""How often a connection is cut, each time at a moment drawn by lot."""


# --- the database's connections --------------------------------------------------------------


@WRITES
@TURNS
def test_database_connections_cut_in_the_middle(
    web: WebProcess, write: Callable[[Morning], Write], turns: int
) -> None:
    here = morning(web, clients=1)
    draw, told = random.Random(turns), 0
    usual = write(here).send().seconds
    for _ in range(turns):
        request = write(here)
        with ThreadPoolExecutor(1) as pool:
            sent = pool.submit(request.send)
            time.sleep(draw.uniform(0, 0.8 * usual))
            end_backends(unless=sent)
        answer = sent.result()
        assert answer.code in ("ok", "busy"), answer
        assert request.made.count() in ([request.all] if answer.code == "ok" else [0, request.all])
        assert_sent_again_it_is_one_result(request)
        told += answer.status == 503
    assert told > 0


def end_backends(*, unless: Future[Answer]) -> None:
    """End the server's connections to this test's database that are at work, as soon as one is."""
    ended = 0
    while not ended and not unless.done():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE state <>"
                " 'idle' AND datname = current_database() AND pid <> pg_backend_pid()"
            )
            ended = cursor.fetchone()[0]


def assert_sent_again_it_is_one_result(request: Write) -> None:
    assert request.send_until_done().status in (200, 201)
    assert request.made.count() == request.all
    assert {row.version for row in request.made} == {1}


# --- the client's ----------------------------------------------------------------------------


@WRITES
@TURNS
def test_clients_that_go_away_in_the_middle(
    web: WebProcess, write: Callable[[Morning], Write], turns: int
) -> None:
    here, draw = morning(web, clients=1), random.Random(turns)
    usual = write(here).send().seconds
    for _ in range(turns):
        request = write(here)
        leave(request, after=draw.uniform(0, 1.2 * usual))
        assert request.made.count() in (0, request.all)
        assert_sent_again_it_is_one_result(request)


@WRITES
def test_a_request_of_which_half_arrives_is_none(
    web: WebProcess, write: Callable[[Morning], Write]
) -> None:
    request = write(morning(web, clients=1))
    leave(request, after=0.2, sent=0.5)
    assert request.caller.get("/api/v1/me/")["current_clinic"]
    assert request.made.count() == 0
    assert_sent_again_it_is_one_result(request)


def leave(request: Write, *, after: float, sent: float = 1) -> None:
    """Send this part of the body and close the connection after so many seconds."""
    body = json.dumps(request.body).encode()
    headers = {
        "Authorization": f"Bearer {request.caller.token}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Idempotency-Key": request.key,
    }
    link = http.client.HTTPConnection("127.0.0.1", request.caller.web.port)
    link.request(request.method, request.path, body[: int(sent * len(body))], headers)
    time.sleep(after)
    link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, SEVERED)
    link.close()
