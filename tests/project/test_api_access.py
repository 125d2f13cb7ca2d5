"""Every route, every role, every row: whose it is, a colleague's, another clinic's (see access.py).

The routes are read from the URL resolver: one without an entry here fails. To add one, write what
it needs and of which row it is.
"""

from __future__ import annotations

import dataclasses
import uuid
from itertools import product
from typing import Any

import pytest
from django.db import transaction
from rest_framework.test import APIRequestFactory, force_authenticate

from iop_clinic.accounts.api.views import Anyone, View
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.roles import PERMISSIONS
from tests.api import contents, nothing_written
from tests.project.access import (
    MAY,
    PATTERNS,
    Cast,
    Party,
    Person,
    Route,
    ask,
    offered,
    told,
)

pytestmark = pytest.mark.django_db

PEOPLE = [*MAY, "in two clinics", "auditor past the date", "deactivated", "nobody"]
PARTIES = ["alice", "bob", "carol", "dan"]

MATCH = {"HTTP_IF_MATCH": '"0"'}
FIRST = {"HTTP_IF_MATCH": '"1"'}
NOTICE = {"reason": "illness", "notified_at": "2026-03-02T07:00:00-05:00"}
ROUTES: dict[tuple[str, str], Route] = {
    ("token", "DELETE"): Route("", gives=204),
    ("tokens", "GET"): Route(""),
    ("token-detail", "DELETE"): Route("", of="device", gives=204),
    ("me", "GET"): Route(""),
    ("groups", "GET"): Route("view_schedule", lists="group", notes=True),
    ("group-detail", "GET"): Route("view_schedule", of="group"),
    ("patients", "GET"): Route("view_patients", lists="patient", notes=True),
    ("patient-search", "POST"): Route(
        "view_patients", lists="patient", notes=True, body={"q": "R"}
    ),
    ("patient-detail", "GET"): Route("view_patients", of="patient"),
    ("weeks", "GET"): Route("view_patients", of="patient"),
    ("week-detail", "GET"): Route("view_patients", of="patient"),
    ("minutes", "GET"): Route("view_patients", of="patient"),
    ("make-ups", "GET"): Route("view_patients", of="patient"),
    ("call-ins", "POST"): Route(
        "take_call_ins",
        of="patient",
        gives=201,
        body={"from": "2026-03-03", "to": "2026-03-04", **NOTICE},
    ),
    ("take-back", "POST"): Route("take_call_ins", of="call_in"),
    ("sessions", "GET"): Route("view_schedule", lists="session"),
    ("sessions", "POST"): Route(
        "manage_schedule",
        of="patient",
        gives=201,
        current=True,
        body={
            "type": "<type>",
            "therapist": "<therapist>",
            "room": "<room>",
            "group": "<group>",
            "patients": ["<patient>"],
            "starts_at": "2026-03-04T14:00:00-05:00",
            "ends_at": "2026-03-04T14:50:00-05:00",
        },
    ),
    ("session-detail", "GET"): Route("view_schedule", of="session"),
    ("attendance", "PATCH"): Route("record_attendance", of="session", body={"all_present": True}),
    ("group-day", "GET"): Route("view_schedule", of="group"),
    ("group-day", "PATCH"): Route("record_attendance", of="group", body={"all_present": True}),
    ("candidates", "POST"): Route("book", of="session", census=True, body={"q": "R"}),
    ("additions", "POST"): Route("book", of="session", gives=201, body={"patient": "<patient>"}),
    ("sign", "POST"): Route("sign_rosters", of="session", gives=409),  # roster_incomplete
    ("cancel-impact", "GET"): Route("view_schedule", of="session"),
    ("cancel", "POST"): Route("manage_schedule", of="session", body={"reason": "Snow"}),
    ("bookings", "POST"): Route(
        "book", of="patient", gives=201, body={"session": "<session>", "patient": "<patient>"}
    ),
    ("release", "POST"): Route("take_call_ins", of="booking", body=NOTICE),
    ("withdraw", "POST"): Route("book", of="booking", body={"reason": "Plan changed"}),
    ("record", "GET"): Route("view_schedule", of="booking"),
    ("record", "PATCH"): Route(
        "record_attendance", of="booking", body={"attended": True}, headers=MATCH
    ),
    ("record", "DELETE"): Route(
        "record_attendance",
        of="booking",
        gives=204,
        body={"correction_reason": "Mixed up"},
        headers=MATCH,
    ),
    ("history", "GET"): Route("view_schedule", of="booking"),
    ("flags", "GET"): Route("view_flags", lists="flag", notes=True),
    ("flag-detail", "GET"): Route("view_flags", of="flag"),
    ("flag-acknowledge", "POST"): Route("work_flags", of="flag", headers=FIRST),
    ("flag-assign", "POST"): Route(
        "work_flags", of="flag", body={"owner": "<owner>"}, headers=FIRST
    ),
    ("flag-outreach", "POST"): Route(
        "work_flags",
        of="flag",
        body={"method": "in_person", "result": "reached"},
        headers=FIRST,
    ),
    ("flag-snooze", "POST"): Route(
        "work_flags", of="flag", body={"until": "2026-03-04", "reason": "On holiday"}, headers=FIRST
    ),
    ("flag-resolve", "POST"): Route(
        "work_flags", of="flag", body={"outcome": "reached"}, headers=FIRST
    ),
    ("flag-week-note", "PUT"): Route(
        "work_flags",
        of="flag",
        gives=409,  # not_a_week
        body={"reason": "illness", "make_up_offered": "None fits"},
        headers=FIRST,
    ),
}
PUBLIC = {("token", "POST"), ("schema", "GET"), ("docs", "GET")}
OF_ROWS = [key for key, route in ROUTES.items() if route.of]
LISTS = [key for key, route in ROUTES.items() if route.lists]
ABOUT_ONESELF = [key for key, route in ROUTES.items() if not (route.of or route.lists)]


def answered(*request: Any) -> Any:
    """The answer to `ask`; whatever it wrote is undone."""
    with transaction.atomic():
        answer = ask(*request)
        transaction.set_rollback(True)
    return answer


# --- the tables ----------------------------------------------------------------------------------


def test_every_route_has_an_entry() -> None:
    assert set(offered()) == set(ROUTES) | PUBLIC


def test_the_role_table_is_the_one_written_out_for_this_test() -> None:
    assert {role.value: {can.value for can in PERMISSIONS[role]} for role in PERMISSIONS} == MAY


def test_every_view_asks_for_the_permission_of_its_entry() -> None:
    views = offered()
    asked = {(name, method): views[name, method].needs[method] for name, method in ROUTES}
    assert {k: "" if v is Anyone else str(v) for k, v in asked.items()} == {
        k: route.needs for k, route in ROUTES.items()
    }


def test_whatever_could_leak_is_told_apart(cast: Cast) -> None:
    told = [secret for party in cast.parties.values() for secret in party.secrets]
    assert not [a for a in told for b in told if a != b and a in b]


# --- one row -------------------------------------------------------------------------------------


def expected(person: Person, party: Party, route: Route) -> int:
    if person.dead:
        return 401
    if route.current and not person.may(route.needs, current(person)):
        return 403
    if route.of == "device":
        return route.gives if person.user == party.user else 404
    if not person.sees(party):
        return 404
    return route.gives if person.may(route.needs, party.clinic.pk) else 403


def current(person: Person) -> int | None:
    """The clinic that a request without a `clinic` is about."""
    assert person.user is not None
    clinic = person.user.current_clinic_id
    return clinic if clinic in person.roles else next(iter(person.roles), None)


@pytest.mark.parametrize(("name", "method"), OF_ROWS)
def test_one_row(cast: Cast, before: dict[str, Any], name: str, method: str) -> None:
    """Whoever sees it and may gets what the route gives; nobody else changes or learns anything."""
    route = ROUTES[name, method]
    wanted, found, learned = {}, {}, set()
    for (who, person), (whose, party) in product(cast.people.items(), cast.parties.items()):
        wanted[who, whose] = expected(person, party, route)
        asked = answered if wanted[who, whose] == route.gives else ask
        answer = asked(person, name, method, route, party.ids)
        found[who, whose] = answer.status_code
        learned |= leaked(answer, cast, person, route)
    assert found == wanted
    assert learned == set()
    assert contents(reads=False) == before  # by those who were refused


@pytest.mark.parametrize(("name", "method"), OF_ROWS)
def test_not_visible_is_answered_like_what_does_not_exist(
    cast: Cast, name: str, method: str
) -> None:
    """Status, body and headers; asked by a person of each scope about a row just outside of it."""
    route = ROUTES[name, method]
    outside = [("therapist", "bob"), ("administrator", "dan"), ("in two clinics", "dan")]
    for who, whose in [*outside, ("auditor past the date", "alice")]:
        person, party = cast.people[who], cast.parties[whose]
        hidden = ask(person, name, method, route, party.ids)
        assert hidden.status_code == expected(person, party, route)
        assert told(hidden) == told(ask(person, name, method, route, party.unknown)), who


def leaked(answer: Any, cast: Cast, person: Person, route: Route) -> set[str]:
    """What the answer tells of rows that this person must not see."""
    text = answer.content.decode()
    hidden = [party for party in cast.parties.values() if not person.sees(party)]
    census = {clinic for clinic in person.roles if route.census}
    return {
        secret
        for party in hidden
        for secret in party.secrets - (party.census if party.clinic.pk in census else set())
        if secret in text
    }


@pytest.mark.parametrize(("name", "method"), [key for key in ROUTES if key[1] == "GET"])
def test_reading_changes_nothing_but_the_notes_of_who_read(
    cast: Cast, name: str, method: str
) -> None:
    route, alice = ROUTES[name, method], cast.parties["alice"]
    head = ask(cast.people["therapist"], name, "HEAD", route, alice.ids)
    with nothing_written():
        answer = ask(cast.people["therapist"], name, method, route, alice.ids)
    assert (head.status_code, answer.status_code) == (200, 200)
    assert head.content == b""


# --- lists ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize(("name", "method"), LISTS)
def test_a_list_shows_exactly_the_visible_rows_of_the_clinic(
    cast: Cast, before: dict[str, Any], name: str, method: str, who: str
) -> None:
    person, route, noted = cast.people[who], ROUTES[name, method], 0
    for wanted in (None, cast.parties["alice"].clinic, cast.parties["carol"].clinic):
        answer = listed(person, name, method, route, wanted)
        status = listing_status(person, route, wanted)
        assert answer.status_code == status
        assert leaked(answer, cast, person, route) == set()
        if status == 200:
            shown = [row["id"] for row in answer.json()["results"]]
            clinic = wanted.pk if wanted else current(person)
            seen = [p for p in cast.parties.values() if p.clinic.pk == clinic and person.sees(p)]
            assert sorted(shown) == sorted(p.ids[route.lists] for p in seen)
            assert seen
            noted += len(shown) if route.notes else 0
    after = contents(reads=False)
    grown = {table: after[table][0] - before[table][0] for table in after
             if after[table] != before[table]}  # fmt: skip
    assert grown == ({"accounts_auditevent": noted} if noted else {})


def listed(person: Person, name: str, method: str, route: Route, clinic: Clinic | None) -> Any:
    if clinic is None:
        return ask(person, name, method, route, {})
    if method == "GET":
        return ask(person, name, method, route, {}, f"?clinic={clinic.public_id}")
    body = route.body | {"clinic": str(clinic.public_id)}
    return ask(person, name, method, dataclasses.replace(route, body=body), {})


def listing_status(person: Person, route: Route, wanted: Clinic | None) -> int:
    if person.dead:
        return 401
    clinic = wanted.pk if wanted else current(person)
    if wanted and clinic not in person.roles:
        return 404
    return 200 if person.may(route.needs, clinic) else 403


@pytest.mark.parametrize(("name", "method"), LISTS)
def test_another_clinic_is_as_unknown_as_one_that_does_not_exist(
    cast: Cast, name: str, method: str
) -> None:
    route, there = ROUTES[name, method], cast.parties["carol"].clinic
    hidden = listed(cast.people["coordinator"], name, method, route, there)
    nowhere = Clinic(public_id=uuid.UUID(int=7))
    none = listed(cast.people["coordinator"], name, method, route, nowhere)
    assert told(hidden) == told(none)


# --- oneself, and nobody -------------------------------------------------------------------------


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize(("name", "method"), ABOUT_ONESELF)
def test_about_oneself_everybody_who_may_sign_in_may_ask(
    cast: Cast, name: str, method: str, who: str
) -> None:
    person, route = cast.people[who], ROUTES[name, method]
    answer = ask(person, name, method, route, cast.parties["alice"].ids)
    assert answer.status_code == (401 if person.dead else route.gives)
    assert leaked(answer, cast, person, route) == set()


@pytest.mark.parametrize("who", ["administrator", "auditor past the date", "nobody"])
@pytest.mark.parametrize("name", sorted(PATTERNS.keys() - {"schema", "docs"}))
def test_a_method_that_is_not_offered_does_nothing(cast: Cast, name: str, who: str) -> None:
    person, alice = cast.people[who], cast.parties["alice"]
    route = next((r for (n, _), r in ROUTES.items() if n == name), Route(""))
    methods = {m for n, m in offered() if n == name}
    closed = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - methods
    closed -= {"HEAD"} if "GET" in methods else set()
    with nothing_written(reads=False):
        found = {m: ask(person, name, m, route, alice.ids).status_code for m in closed}
    assert found == dict.fromkeys(closed, 401 if person.dead else 405)


def test_a_view_that_says_nothing_is_refused(cast: Cast) -> None:
    class Forgotten(View):
        def get(self, request: Any) -> Any:
            raise AssertionError("must not be reached")

    request = APIRequestFactory().get("/api/v1/forgotten/")
    force_authenticate(request, cast.people["administrator"].user)
    assert Forgotten.as_view()(request).status_code == 403
