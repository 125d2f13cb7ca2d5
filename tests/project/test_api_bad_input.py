"""Input that no client should send: a clear 4xx with code and place, and an unchanged database."""

from __future__ import annotations

import io
import json
import time
import uuid
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.exceptions import ParseError
from rest_framework.test import APIClient

from iop_clinic.accounts.api.parsers import parse_object
from tests.api import AFTER, API, Roster, nothing_written, roster

pytestmark = pytest.mark.django_db


@pytest.fixture
def r(time_machine: Any) -> Roster:
    time_machine.move_to(AFTER, tick=False)
    return roster(2)


@pytest.fixture
def client(r: Roster) -> APIClient:
    return r.client


def send(client: APIClient, r: Roster, body: Any, content_type: str = "application/json") -> Any:
    raw: Any = body if isinstance(body, (str, bytes)) else json.dumps(body)
    with nothing_written():
        answer = client.generic("PATCH", f"{r.url}attendance/", raw, content_type)
    assert answer["Content-Type"] == "application/problem+json"
    return answer


NOT_AN_OBJECT = {
    "not JSON": "attended",
    "a list": "[]",
    "a text": '"all_present"',
    "a number": "7",
    "nothing": " ",
    "cut off": '{"all_present": tr',
    "not UTF-8": b'{"mode": "\xff"}',
    "raw NUL": '{"mode": "\x00"}',
    "a million digits": '{"all_present": ' + "9" * 1_000_000 + "}",
    "a large number": '{"all_present": 1e400}',
    "a large integer": '{"all_present": 9223372036854775808}',
    "NaN": '{"all_present": NaN}',
    "Infinity": '{"all_present": -Infinity}',
    "100,000 brackets": "[" * 100_000,
    "deep objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "33 levels": '{"records":' + "[" * 32 + "]" * 32 + "}",
    "a field twice": '{"all_present": true, "all_present": false}',
}


@pytest.mark.parametrize("name", NOT_AN_OBJECT)
def test_a_body_that_is_no_sound_object_is_400(client: APIClient, r: Roster, name: str) -> None:
    answer = send(client, r, NOT_AN_OBJECT[name])
    assert (answer.status_code, answer.json()["code"]) == (
        (413, "too_large") if name == "a million digits" else (400, "invalid_body")
    )


class Severed(io.BytesIO):
    """What a server reads from once its client has gone."""

    def read(self, size: int | None = -1) -> bytes:
        raise ConnectionResetError


def test_a_body_that_breaks_off_is_400(client: APIClient, r: Roster) -> None:
    extra: Any = {"wsgi.input": Severed()}
    with nothing_written():
        answer = client.generic("PATCH", f"{r.url}attendance/", "{}", "application/json", **extra)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_body")


def test_a_text_without_an_end_takes_no_longer_than_one_with(parsed: Any) -> None:
    """Each quote begins nothing anew: 40 kB of them took nine seconds of a processor."""
    began = time.thread_time()
    assert parsed(b'{"u": "' + b'\\"' * 20_000) == parsed(b'{"u": "' + b"[" * 500_000)
    assert time.thread_time() - began < 1


def test_brackets_are_counted_outside_texts_alone(parsed: Any) -> None:
    inside = b'"\\"' + b"[" * 40 + b'"'
    assert parsed(b'{"u": ' + inside + b"}") == "accepted"
    deep = parsed(b'{"u": [' + inside + b", " + b"[" * 31 + b"]" * 32 + b"}")
    assert deep == "The body is nested more than 32 levels deep."


@pytest.fixture
def parsed() -> Any:
    """What the parser says to a body."""

    def parse(body: bytes) -> str:
        try:
            parse_object(body)
        except ParseError as error:
            return str(error.detail)
        return "accepted"

    return parse


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "a\\udfffb"])
@pytest.mark.parametrize("place", ["value", "name"])
def test_text_that_cannot_be_stored_is_400(
    client: APIClient, r: Roster, text: str, place: str
) -> None:
    booking = r.bookings[0].public_id
    body = {
        "value": f'{{"records": [{{"booking": "{booking}", "correction_reason": "{text}"}}]}}',
        "name": f'{{"records": [{{"correction_reason": {{"{text}": 1}}}}]}}',
    }[place]
    answer = send(client, r, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_text")
    assert answer.json()["errors"][0]["loc"] == ["records", 0, "correction_reason"]


def test_a_sound_pair_of_surrogates_is_a_character(client: APIClient, r: Roster) -> None:
    body = '{"all_present": true, "mode": "\\ud83d\\ude00"}'
    assert send(client, r, body).json()["code"] == "invalid_choice"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_another_content_type_is_415(client: APIClient, r: Roster, content_type: str) -> None:
    answer = send(client, r, '{"all_present": true}', content_type)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


WRONG_ENTRIES: dict[str, tuple[dict[str, Any], list[str | int], str]] = {
    "no booking": ({"booking": None}, ["booking"], "null"),
    "booking of digits": ({"booking": 7}, ["booking"], "invalid"),
    "attended as text": ({"attended": "yes"}, ["attended"], "invalid"),
    "attended as 1": ({"attended": 1}, ["attended"], "invalid"),
    "attended as a list": ({"attended": []}, ["attended"], "invalid"),
    "no offset": ({"arrived_at": "2026-03-02T09:00:00"}, ["arrived_at"], "no_offset"),
    "a bare date": ({"arrived_at": "2026-03-02"}, ["arrived_at"], "invalid"),
    "25 o'clock": ({"arrived_at": "2026-03-02T25:00:00Z"}, ["arrived_at"], "invalid"),
    "year 1": ({"left_at": "0001-01-01T00:00:00+14:00"}, ["left_at"], "out_of_range"),
    "year 9999": ({"left_at": "9999-12-31T23:59:59-14:00"}, ["left_at"], "out_of_range"),
    "a number as time": ({"notified_at": 1767225600}, ["notified_at"], "invalid"),
    "reason unknown": ({"absence_reason": "hangover"}, ["absence_reason"], "invalid_choice"),
    "reason as object": ({"absence_reason": {"a": 1}}, ["absence_reason"], "invalid_choice"),
    "proof unknown": ({"proof": "maybe"}, ["proof"], "invalid_choice"),
    "version as text": ({"version": "1"}, ["version"], "invalid"),
    "version as true": ({"version": True}, ["version"], "invalid"),
    "version 0": ({"version": 0}, ["version"], "min_value"),
    "version negative": ({"version": -(2**62)}, ["version"], "min_value"),
    "away as text": ({"away": "all day"}, ["away"], "not_a_list"),
    "away open": ({"away": [["2026-03-02T09:00:00Z"]]}, ["away", 0], "min_length"),
    "reason too long": (
        {"correction_reason": "x" * 201}, ["correction_reason"], "max_length",
    ),
    "reason as number": ({"correction_reason": 5}, ["correction_reason"], "invalid"),
    "a field too many": ({"credited_minutes": 600}, ["credited_minutes"], "unknown_field"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_ENTRIES)
def test_a_wrong_entry_is_400_at_its_place(client: APIClient, r: Roster, name: str) -> None:
    change, place, code = WRONG_ENTRIES[name]
    good, bad = r.entries()
    answer = send(client, r, {"records": [good, bad | change]})
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["loc"], error["code"]) == (["records", 1, *place], code)


WRONG_BODIES: dict[str, tuple[Any, list[str | int], str]] = {
    "500 records": (
        {"records": [{"booking": str(uuid.uuid4()), "attended": True}] * 500},
        ["records"],
        "max_length",
    ),
    "records as object": ({"records": {}}, ["records"], "not_a_list"),
    "records of texts": ({"records": ["x"]}, ["records", 0], "invalid"),
    "records null": ({"records": None}, ["records"], "null"),
    "mode unknown": ({"all_present": True, "mode": "some"}, ["mode"], "invalid_choice"),
    "unknown field": ({"all_present": True, "force": True}, ["force"], "unknown_field"),
}


@pytest.mark.parametrize("name", WRONG_BODIES)
def test_a_wrong_body_is_400_at_its_place(client: APIClient, r: Roster, name: str) -> None:
    body, place, code = WRONG_BODIES[name]
    answer = send(client, r, body)
    assert answer.status_code == 400
    assert {(tuple(e["loc"]), e["code"]) for e in answer.json()["errors"]} == {(tuple(place), code)}


def test_an_empty_request_says_what_is_missing(client: APIClient, r: Roster) -> None:
    answer = send(client, r, {})
    assert (answer.status_code, answer.json()["code"]) == (400, "required")


def test_every_wrong_entry_is_named_at_once(client: APIClient, r: Roster) -> None:
    body = {"records": [{"booking": "x", "attended": True}, r.entries()[1] | {"attended": 2}]}
    answer = send(client, r, body)
    places = [error["loc"] for error in answer.json()["errors"]]
    assert places == [["records", 0, "booking"], ["records", 1, "attended"]]
    assert answer.json()["code"] == "invalid"


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing/", "/api/", "/api/v1/sessions/7/", "/api/v2/me/", "/api/v1/me"]
)
def test_no_such_path_is_a_problem_document(client: APIClient, path: str) -> None:
    answer = client.get(path, follow=False)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("method", ["put", "options", "delete"])
def test_a_method_that_is_not_offered_is_405(client: APIClient, method: str) -> None:
    answer = getattr(client, method)(f"{API}/me/")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("method", ["TRACE", "PUT", "DELETE"])
def test_a_method_that_is_not_offered_is_405_whatever_the_query(
    client: APIClient, method: str
) -> None:
    answer = client.generic(method, f"{API}/flags/?state=open&nothing=7")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def test_a_token_request_is_checked_too(client: APIClient) -> None:
    for body in ({}, {"username": 7, "password": "x"}, {"username": "a", "password": ["x"]}):
        with nothing_written():
            answer = APIClient().post(f"{API}/auth/token/", body)
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.parametrize("q", ["", "   ", "x" * 101, None, 7, ["a"]])
def test_a_search_needs_some_letters(client: APIClient, q: Any) -> None:
    answer = client.post(f"{API}/patients/search/", {"q": q})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["loc"] == ["q"]


@pytest.mark.parametrize("start", ["2026-03-03", "1999-12-27", "2026-02-30", "0000-00-00"])
def test_a_week_that_is_none_is_404(client: APIClient, r: Roster, start: str) -> None:
    patient = r.bookings[0].patient.public_id
    assert client.get(f"{API}/patients/{patient}/weeks/{start}/").status_code == 404


def test_a_body_of_unknown_length_is_not_taken_for_none(client: APIClient, r: Roster) -> None:
    """A chunked one: REST framework reads nothing of it."""
    with nothing_written():
        answer = client.generic("PATCH", f"{r.url}attendance/", HTTP_TRANSFER_ENCODING="chunked")
    assert (answer.status_code, answer.json()["code"]) == (411, "length_required")


def test_a_head_has_the_length_and_no_body(client: APIClient, r: Roster) -> None:
    read, head = client.get(r.url), client.head(r.url)
    assert (head.status_code, head.content) == (200, b"")
    assert head["Content-Length"] == read["Content-Length"]


def test_nobody_in_between_keeps_an_answer(client: APIClient, r: Roster) -> None:
    assert client.get(r.url)["Cache-Control"] == "private, no-cache"
    assert client.get(f"{API}/sessions/{uuid4()}/")["Cache-Control"] == "no-store"
    body = {"username": "nobody@example.org", "password": "x"}
    assert APIClient().post(f"{API}/auth/token/", body)["Cache-Control"] == "no-store"
