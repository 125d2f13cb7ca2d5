"""Rows that a request names in its body or its query: as hidden as the one in its path."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest

from iop_clinic.accounts.api.fields import PublicId, Strict
from tests.api import nothing_written
from tests.project.access import Cast, Route, ask, filled, offered, told
from tests.project.test_api_access import ROUTES

pytestmark = pytest.mark.django_db

STRANGERS = ("bob", "dan")
POINTERS: list[tuple[str, str, dict[str, Any], str, tuple[str, ...]]] = [
    ("bookings", "POST", {"session": "<session>"}, "not_found", STRANGERS),
    ("bookings", "POST", {"makes_up": "<missed>"}, "unknown_booking", STRANGERS),
    ("flag-resolve", "POST", {"outcome": "make_up", "make_up": "<missed>"}, "not_found", STRANGERS),
    ("sessions", "POST", {"type": "<type>"}, "not_found", ("dan",)),
    ("sessions", "POST", {"therapist": "<therapist>"}, "not_found", ("dan",)),
    ("sessions", "POST", {"room": "<room>"}, "not_found", ("dan",)),
    ("sessions", "POST", {"group": "<group>"}, "not_found", ("dan",)),
    # Anybody may add a patient of the clinic to a roster, and hand a case to its staff.
    ("additions", "POST", {"patient": "<patient>"}, "not_found", ("dan",)),
    ("flag-assign", "POST", {"owner": "<owner>"}, "not_found", ("dan",)),
]
"""Bodies that name a row beside the one that the route is `of`, the code, and whose it is."""


@pytest.mark.parametrize(("name", "method", "body", "code", "whose"), POINTERS)
def test_a_row_named_in_a_body_is_as_unknown_as_one_that_does_not_exist(
    cast: Cast, name: str, method: str, body: dict[str, Any], code: str, whose: tuple[str, ...]
) -> None:
    alice, person = cast.parties["alice"], cast.people["therapist"]
    if not person.may(ROUTES[name, method].needs, alice.clinic.pk):
        person = cast.people["coordinator"]
    for other in (cast.parties[one] for one in whose):
        hidden, none = (pointing(name, method, body, ids) for ids in (other.ids, other.unknown))
        with nothing_written(reads=False):
            answer = ask(person, name, method, hidden, alice.ids)
            assert told(answer) == told(ask(person, name, method, none, alice.ids))
        assert answer.json()["code"] == code


def pointing(name: str, method: str, body: dict[str, Any], ids: dict[str, str]) -> Route:
    route = ROUTES[name, method]
    return dataclasses.replace(route, body=route.body | filled(body, ids))


def test_every_row_named_in_a_body_is_tried() -> None:
    named = {
        (name, method, kind)
        for (name, method), route in ROUTES.items()
        for kind in placeholders(route.body)
        if kind != route.of
    }
    tried = {(n, m, kind) for n, m, body, *_ in POINTERS for kind in placeholders(body)}
    assert named <= tried


def placeholders(body: Any) -> set[str]:
    return set(re.findall(r"<(\w+)>", json.dumps(body)))


FILTERS = [
    ("sessions", "group", STRANGERS),
    ("patients", "group", STRANGERS),
    ("flags", "owner", ("dan",)),  # the staff of one's clinic are no secret
]


@pytest.mark.parametrize(("name", "kind", "whose"), FILTERS)
def test_a_filter_by_a_row_one_does_not_see_finds_no_such_row(
    cast: Cast, name: str, kind: str, whose: tuple[str, ...]
) -> None:
    person, route = cast.people["therapist"], ROUTES[name, "GET"]
    for other in (cast.parties[one] for one in whose):
        hidden, none = (
            ask(person, name, "GET", route, {}, f"?{kind}={ids[kind]}")
            for ids in (other.ids, other.unknown)
        )
        assert told(hidden) == told(none)
        assert none.status_code == 404


def test_every_filter_by_a_row_is_tried() -> None:
    named = {
        (name, parameter)
        for (name, method), view in offered().items()
        for parameter, shown in getattr(view, "queries", {}).get(method, Strict)().fields.items()
        if isinstance(shown, PublicId)
    }
    assert {key for key in named if key[1] != "clinic"} == {key[:2] for key in FILTERS}
