"""Every list that a client may send has an end, and the document names the one that is checked."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from tests import factories
from tests.api import API, client_of, nothing_written
from tests.attendance.group_days import NOON, Day, a_day, at

pytestmark = pytest.mark.django_db

AWAY = [at("09:10"), at("09:20")]
Call = tuple[str, str, dict[str, Any], list[str | int]]


def roster_records(day: Day, number: int) -> Call:
    records = [{"booking": str(day.bookings[0][0].public_id), "attended": True}] * number
    return "patch", session_url(day), {"records": records}, ["records"]


def roster_away(day: Day, number: int) -> Call:
    method, url, body, _ = roster_records(day, 1)
    return method, url, with_away(body, number), ["records", 0, "away"]


def day_records(day: Day, number: int) -> Call:
    return "patch", day.url, {"records": [day.line()] * number}, ["records"]


def day_away(day: Day, number: int) -> Call:
    return "patch", day.url, with_away({"records": [day.line()]}, number), ["records", 0, "away"]


def record_away(day: Day, number: int) -> Call:
    url = f"{API}/bookings/{day.bookings[0][0].public_id}/attendance/"
    return "patch", url, {"attended": True, "away": [AWAY] * number}, ["away"]


def planned_patients(day: Day, number: int) -> Call:
    patients = [str(uuid.uuid4()) for _ in range(number)]
    plan = {"type": "x", "therapist": "x", "starts_at": at("13:00"), "ends_at": at("14:00")}
    return "post", f"{API}/sessions/", plan | {"patients": patients}, ["patients"]


def session_url(day: Day) -> str:
    return f"{API}/sessions/{day.sessions[0].public_id}/attendance/"


def with_away(body: dict[str, Any], number: int) -> dict[str, Any]:
    return {"records": [record | {"away": [AWAY] * number} for record in body["records"]]}


LISTS: dict[str, Any] = {
    "RosterInRequest.records": roster_records,
    "RecordInRequest.away": roster_away,
    "DayInRequest.records": day_records,
    "DayRecordInRequest.away": day_away,
    "FactsInRequest.away": record_away,
    "SessionPlanRequest.patients": planned_patients,
}
PAIRS = {name for name in (f"{name}.items" for name in LISTS) if ".away" in name}


@pytest.fixture(scope="module")
def sent() -> dict[str, dict[str, Any]]:
    """Every array in the shapes of request bodies."""
    document = json.loads(Client().get(f"{API}/schema/").content)
    shapes = document["components"]["schemas"]
    return {
        name: array
        for shape in shapes
        if shape.endswith("Request")
        for name, array in arrays(shape, shapes[shape])
    }


def arrays(name: str, shape: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if "array" in shape.get("type", ()):
        yield name, shape
        yield from arrays(f"{name}.items", shape["items"])
    for field, inner in shape.get("properties", {}).items():
        yield from arrays(f"{name}.{field}", inner)


def test_every_list_in_a_body_has_its_end_in_the_document(sent: dict[str, Any]) -> None:
    assert set(sent) == {*LISTS, *PAIRS}, "a new list needs a limit, and a case here"
    assert [name for name, array in sent.items() if "maxItems" not in array] == []
    assert {(sent[name]["minItems"], sent[name]["maxItems"]) for name in PAIRS} == {(2, 2)}


@pytest.fixture
def day(time_machine: Any) -> Day:
    time_machine.move_to(NOON, tick=False)
    return a_day(1, 1)


@pytest.mark.parametrize("name", LISTS)
def test_the_end_in_the_document_is_the_one_that_is_checked(
    day: Day, sent: dict[str, Any], name: str
) -> None:
    client, most = client_of(factories.staff(day.clinic)), sent[name]["maxItems"]
    found = []
    for number in (most, most + 1):
        method, url, body, place = LISTS[name](day, number)
        with nothing_written():
            answer = getattr(client, method)(url, body, HTTP_IF_MATCH="*").json()
        wrong = [(error["loc"], error["code"]) for error in answer["errors"]]
        found.append((place, "max_length") in wrong)
    assert found == [False, True]
