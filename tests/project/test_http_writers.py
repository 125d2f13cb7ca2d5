"""Many clients write one morning at once; every answer, row and version is accounted for."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from attendance.models import AttendanceRecord
from scheduling.models import Booking
from tests.project.morning import Morning, morning
from tests.web import Answer, WebProcess, at_once, serving

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def web(django_db_setup: None, django_db_blocker: Any) -> Iterator[WebProcess]:
    with django_db_blocker.unblock(), serving(2) as server:
        yield server


KINDS: list[Callable[[Morning, int], Answer]] = [
    Morning.same_key, Morning.other_key, Morning.one_patient, Morning.whole, Morning.partial,
    Morning.day, Morning.partial_day, Morning.correction,
]  # fmt: skip
REPEATED = (Morning.same_key, Morning.other_key)


def written_at_once(here: Morning, *, clients: int, seed: int) -> list[tuple[int, Answer]]:
    """Each request's number (0 for those who repeat its request) and answer, after two rounds.

    The first round meets an empty roster, the second what the first has stored.
    """
    draw = random.Random(seed)
    answers: list[tuple[int, Answer]] = []
    for numbers in (range(clients), range(clients, 2 * clients)):
        chosen = [(draw.choice(KINDS), n) for n in numbers]
        told = [0 if kind in REPEATED else n for kind, n in chosen]
        calls = [partial(kind, here, n) for kind, n in chosen]
        answers += zip(told, at_once(calls), strict=True)
    return answers


def test_forty_clients_write_one_morning_at_once(web: WebProcess) -> None:
    here = morning(web, clients=40)
    assert_accounted_for(here, written_at_once(here, clients=40, seed=1))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_two_hundred_clients_write_one_morning_at_once(web: WebProcess, seed: int) -> None:
    here = morning(web, clients=200)
    assert_accounted_for(here, written_at_once(here, clients=200, seed=seed))


def assert_accounted_for(here: Morning, answers: list[tuple[int, Answer]]) -> None:
    """Nothing but changes, no-ops and conflicts; the rows and their history are the changes."""
    assert {answer.status for _, answer in answers} <= {200, 409, 412}
    trails = {str(b.public_id): trail_of(here, b) for b in here.bookings}
    assert accepted(here, answers) == {
        booking: Counter(trail) for booking, trail in trails.items() if trail
    }
    for record in AttendanceRecord.objects.select_related("booking"):
        trail = trails[str(record.booking.public_id)]
        assert record.version == len(trail)
        assert stored(here, record) == here.said(trail[-1])
    for _, answer in answers:
        for conflict in answer.body.get("conflicts", ()):
            assert_stood(here, conflict, trails)


def trail_of(here: Morning, booking: Booking) -> list[int]:
    """Which client made each version, oldest first."""
    path = f"/api/v1/bookings/{booking.public_id}/attendance/history/"
    rows = here.callers[0].get(path)["results"]
    assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
    return [int(row["reason"].removeprefix("client ")) for row in rows]


def accepted(here: Morning, answers: list[tuple[int, Answer]]) -> dict[str, Counter[int]]:
    """By booking: whose changes were answered as made."""
    found: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for who, answer in answers:
        if answer.status == 200:
            corrected = [answer.body] if "seat" in answer.body else []
            for row in answer.body.get("saved", corrected):
                found[row["booking"]][who] += 1
    return dict(found)


def stored(here: Morning, record: AttendanceRecord) -> dict[str, Any]:
    zone = here.sessions[0].clinic.tz
    assert record.arrived_at is not None
    assert record.left_at is not None
    return {
        "attended": record.attended,
        "arrived_at": record.arrived_at.astimezone(zone).isoformat(),
        "left_at": record.left_at.astimezone(zone).isoformat(),
        "correction_reason": record.correction_reason,
    }


def assert_stood(here: Morning, conflict: dict[str, Any], trails: dict[str, list[int]]) -> None:
    """A conflict shows a version that there was, with what that version said."""
    shown = conflict["current"]
    assert conflict["code"] == "stale_version"
    said = here.said(trails[conflict["booking"]][shown["version"] - 1])
    assert (shown["arrived_at"], shown["left_at"]) == (said["arrived_at"], said["left_at"])
