"""Every route with a cast of three: whose rows they are, a colleague, a stranger in another clinic.

The routes are read from the URL resolver: one without an entry here fails.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.urls import URLResolver, get_resolver, reverse
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate

from attendance.models import Flag
from iop_clinic.accounts.api.views import View
from iop_clinic.accounts.models import Device, User
from iop_clinic.accounts.roles import Role
from scheduling.models import CallIn
from tests import factories
from tests.api import AFTER, DAY, Roster, client_of, nothing_written, roster

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Route:
    """What the three get. `lists`: everybody gets 200, only the first sees the row of this kind."""

    of: str = ""
    own: int = 200
    colleague: int = 404
    stranger: int = 404
    lists: str = ""
    denied: Role | None = Role.AUDITOR
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, Any] = field(default_factory=dict)


def everybody(own: int = 200, **extra: Any) -> Route:
    """About the person alone: each of the three does it to themselves."""
    return Route(own=own, colleague=own, stranger=own, denied=None, **extra)


def listing(kind: str, denied: Role | None = None) -> Route:
    return Route(colleague=200, stranger=200, lists=kind, denied=denied)


def reading(of: str, denied: Role | None = None, **extra: Any) -> Route:
    return Route(of=of, denied=denied, **extra)


MATCH = {"HTTP_IF_MATCH": '"0"'}
FIRST = {"HTTP_IF_MATCH": '"1"'}
NOTICE = {"reason": "illness", "notified_at": "2026-03-02T07:00:00-05:00"}
ROUTES: dict[tuple[str, str], Route] = {
    ("token", "DELETE"): everybody(204),
    ("tokens", "GET"): everybody(),
    ("token-detail", "DELETE"): Route(of="device", own=204, denied=None),
    ("me", "GET"): everybody(),
    ("groups", "GET"): listing("group"),
    ("group-detail", "GET"): reading("group"),
    ("patients", "GET"): listing("patient"),
    ("patient-search", "POST"): Route(
        colleague=200, stranger=200, lists="patient", denied=None, body={"q": "R"}
    ),
    ("patient-detail", "GET"): reading("patient"),
    ("weeks", "GET"): reading("patient"),
    ("week-detail", "GET"): reading("patient"),
    ("minutes", "GET"): reading("patient"),
    ("make-ups", "GET"): reading("patient"),
    ("call-ins", "POST"): Route(
        of="patient", own=201, body={"from": "2026-03-03", "to": "2026-03-04", **NOTICE}
    ),
    ("take-back", "POST"): Route(of="call_in"),
    ("sessions", "GET"): listing("session"),
    ("session-detail", "GET"): reading("session"),
    ("attendance", "PATCH"): Route(of="session", body={"all_present": True}),
    ("candidates", "POST"): Route(of="session", body={"q": "R"}),
    ("additions", "POST"): Route(of="session", own=201, body={"patient": "patient"}),
    ("sign", "POST"): Route(of="session", own=409),  # roster_incomplete
    ("bookings", "POST"): Route(own=201, body={"session": "session", "patient": "patient"}),
    ("release", "POST"): Route(of="booking", body=NOTICE),
    ("withdraw", "POST"): Route(of="booking", body={"reason": "Plan changed"}),
    ("record", "GET"): reading("booking"),
    ("record", "PATCH"): Route(of="booking", body={"attended": True}, headers=MATCH),
    ("record", "DELETE"): Route(
        of="booking", own=204, body={"correction_reason": "Mixed up"}, headers=MATCH
    ),
    ("history", "GET"): reading("booking"),
    ("flags", "GET"): listing("flag", denied=Role.FRONT_DESK),
    ("flag-detail", "GET"): reading("flag", denied=Role.FRONT_DESK),
    ("flag-acknowledge", "POST"): Route(of="flag", headers=FIRST),
    ("flag-assign", "POST"): Route(of="flag", body={"owner": "owner"}, headers=FIRST),
    ("flag-outreach", "POST"): Route(
        of="flag", body={"method": "in_person", "result": "reached"}, headers=FIRST
    ),
    ("flag-snooze", "POST"): Route(
        of="flag", body={"until": "2026-03-04", "reason": "On holiday"}, headers=FIRST
    ),
    ("flag-resolve", "POST"): Route(of="flag", body={"outcome": "reached"}, headers=FIRST),
    ("flag-week-note", "PUT"): Route(
        of="flag",
        own=409,  # not_a_week
        body={"reason": "illness", "make_up_offered": "None fits"},
        headers=FIRST,
    ),
}
PUBLIC = {("token", "POST"), ("schema", "GET"), ("docs", "GET")}


@dataclass(frozen=True)
class Cast:
    roster: Roster
    rows: dict[str, Any]
    own: APIClient
    colleague: APIClient
    stranger: APIClient


@pytest.fixture
def cast(time_machine: Any) -> Cast:
    time_machine.move_to(AFTER, tick=False)
    group = factories.GroupFactory()
    r = roster(1, clinic=group.clinic, group=group)
    factories.WeeklyBlockFactory(group=group, facilitator=r.therapist)
    own = r.client
    rows = {
        "session": r.session,
        "group": group,
        "booking": r.bookings[0],
        "patient": r.bookings[0].patient,
        "flag": flag_on(r),
        "call_in": call_in_of(r),
        "device": Device.objects.get(),
    }
    colleague = factories.staff(r.clinic, Role.THERAPIST)
    stranger = factories.staff(factories.ClinicFactory(), Role.ADMINISTRATOR)
    return Cast(r, rows, own, client_of(colleague), client_of(stranger))


def flag_on(r: Roster) -> Flag:
    episode = r.bookings[0].episode
    return Flag.objects.create(
        clinic=r.clinic, rule=2, subject_type=1, subject_id=episode.pk, episode=episode,
        evidence_key="2026-03-02", sentence="Missed without a call", severity=3,
        owner_role=Role.THERAPIST, opened_for="2026-03-02", due_at=AFTER,
    )  # fmt: skip


def call_in_of(r: Roster) -> CallIn:
    return CallIn.objects.create(
        clinic=r.clinic, episode=r.bookings[0].episode, from_date=DAY, to_date=DAY,
        reason="illness", notified_at=AFTER, taken_by=r.user,
    )  # fmt: skip


def send(client: APIClient, cast: Cast, name: str, method: str) -> Any:
    route = ROUTES[name, method]
    kwargs: dict[str, Any] = {"public_id": cast.rows[route.of].public_id} if route.of else {}
    if name in ("week-detail", "minutes", "make-ups"):
        kwargs["start"] = datetime.date.fromisoformat(DAY)
    body = dict(route.body)
    if "owner" in body:
        body["owner"] = str(cast.roster.user.public_id)
    for kind in {"patient", "session"} & body.keys():
        body[kind] = str(cast.rows[kind].public_id)
    url = reverse(f"api:{name}", kwargs=kwargs)
    return client.generic(method, url, _json(body), "application/json", **route.headers)


def _json(body: dict[str, Any]) -> str:
    return json.dumps(body) if body else ""


def api_routes() -> Iterator[tuple[str, str]]:
    (api,) = (r for r in get_resolver().url_patterns if getattr(r, "namespace", "") == "api")
    for pattern in patterns_of(api):
        view = pattern.callback.cls
        for method in ("get", "post", "put", "patch", "delete"):
            if hasattr(view, method) and method in view.http_method_names:
                yield str(pattern.name), method.upper()


def patterns_of(resolver: Any) -> Iterator[Any]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from patterns_of(entry)
        else:
            yield entry


def test_every_route_has_an_entry() -> None:
    assert set(api_routes()) == set(ROUTES) | PUBLIC


@pytest.mark.parametrize(("name", "method"), ROUTES)
def test_without_a_token_it_is_401(cast: Cast, name: str, method: str) -> None:
    with nothing_written():
        assert send(APIClient(), cast, name, method).status_code == 401


@pytest.mark.parametrize(("name", "method"), ROUTES)
def test_the_therapist_whose_rows_they_are(cast: Cast, name: str, method: str) -> None:
    answer = send(cast.own, cast, name, method)
    assert answer.status_code == ROUTES[name, method].own, answer.content
    if kind := ROUTES[name, method].lists:
        assert [row["id"] for row in answer.json()["results"]] == [str(cast.rows[kind].public_id)]


@pytest.mark.parametrize("who", ["colleague", "stranger"])
@pytest.mark.parametrize(("name", "method"), ROUTES)
def test_colleague_and_stranger_see_nothing(cast: Cast, name: str, method: str, who: str) -> None:
    route = ROUTES[name, method]
    expected = getattr(route, who)
    if expected == 404:
        with nothing_written():
            answer = send(getattr(cast, who), cast, name, method)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    else:
        answer = send(getattr(cast, who), cast, name, method)
        assert answer.status_code == expected
    if route.lists:
        assert answer.json()["results"] == []


@pytest.mark.parametrize(
    ("name", "method"), [key for key, route in ROUTES.items() if route.denied is not None]
)
def test_visible_but_not_allowed_is_403(cast: Cast, name: str, method: str) -> None:
    role = ROUTES[name, method].denied
    assert role is not None
    client = client_of(factories.staff(cast.roster.clinic, role))
    with nothing_written():
        answer = send(client, cast, name, method)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


@pytest.mark.parametrize(("name", "method"), [key for key, r in ROUTES.items() if r.of])
def test_unknown_is_the_same_as_invisible(cast: Cast, name: str, method: str) -> None:
    hidden = send(cast.stranger, cast, name, method)
    for kind in cast.rows:
        cast.rows[kind].public_id = "00000000-0000-4000-8000-000000000000"
    unknown = send(cast.stranger, cast, name, method)
    assert (unknown.status_code, unknown.json()) == (hidden.status_code, hidden.json())


def test_a_view_that_says_nothing_is_refused(cast: Cast) -> None:
    class Forgotten(View):
        def get(self, request: Any) -> Any:
            raise AssertionError("must not be reached")

    request = APIRequestFactory().get("/api/v1/forgotten/")
    force_authenticate(request, cast.roster.user)
    assert Forgotten.as_view()(request).status_code == 403


def test_head_is_a_get(cast: Cast) -> None:
    assert cast.own.head(cast.roster.url).status_code == 200
    assert cast.own.head("/api/v1/sessions/?from=2026-03-02").status_code == 200


def test_a_substitute_sees_the_session_while_covering(cast: Cast, time_machine: Any) -> None:
    substitute = factories.TherapistFactory(clinic=cast.roster.clinic)
    user: User = factories.staff(cast.roster.clinic, Role.THERAPIST, therapist=substitute)
    session = cast.roster.session
    session.staff.create(
        clinic=session.clinic, therapist=substitute, role="substitute",
        access_until="2026-03-03T00:00Z", starts_at=session.starts_at,
        ends_at=session.ends_at, live=True,
    )  # fmt: skip
    client = client_of(user)
    assert client.get(cast.roster.url).status_code == 200
    time_machine.move_to("2026-03-03T00:00Z", tick=False)
    assert client.get(cast.roster.url).status_code == 404
