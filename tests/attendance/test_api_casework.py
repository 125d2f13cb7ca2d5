"""Working a case over REST: each step names the version it was made on."""

from __future__ import annotations

from typing import Any

import pytest

from attendance.models import Flag, OutreachAttempt
from iop_clinic.accounts.roles import Role
from tests import factories
from tests.api import AFTER, API, client_of, nothing_written

pytestmark = pytest.mark.django_db


@pytest.fixture
def flag(time_machine: Any) -> Flag:
    time_machine.move_to(AFTER, tick=False)
    episode = factories.admitted(factories.ClinicFactory())
    return Flag.objects.create(
        clinic=episode.clinic, rule=2, severity=3, sentence="Missed Monday without a call",
        owner_role=Role.COORDINATOR, opened_for="2026-03-02", due_at=AFTER,
        subject_type=1, subject_id=episode.pk, episode=episode, evidence_key="2026-03-02",
    )  # fmt: skip


@pytest.fixture
def worker(flag: Flag) -> Any:
    return factories.staff(flag.clinic)


def step(client: Any, flag: Flag, verb: str, version: int, **body: Any) -> Any:
    url = f"{API}/flags/{flag.public_id}/{verb}/"
    return client.post(url, body, HTTP_IF_MATCH=f'"{version}"')


def test_from_seen_to_closed(flag: Flag, worker: Any) -> None:
    client = client_of(worker)
    seen = step(client, flag, "acknowledge", 1)
    assert (seen.status_code, seen.json()["state"], seen["ETag"]) == (200, "acknowledged", '"2"')
    assert seen.json()["owner"]["id"] == str(worker.public_id)
    tried = step(client, flag, "outreach", 2, method="in_person", result="no_answer", note="Door")
    assert tried.json()["outreach"][0]["note"] == "Door"
    asleep = step(
        client, flag, "snooze", tried.json()["version"], until="2026-03-05", reason="Holiday"
    )
    assert (asleep.json()["state"], asleep.json()["snoozed_until"]) == ("snoozed", "2026-03-05")
    closed = step(client, flag, "resolve", asleep.json()["version"], outcome="reached")
    assert (closed.json()["state"], closed.json()["outcome"]) == ("closed", "reached")
    again = step(client, flag, "resolve", closed.json()["version"], outcome="reached")
    assert (again.status_code, again.json()["code"]) == (409, "case_closed")


def test_a_case_is_handed_to_somebody_who_works_cases(flag: Flag, worker: Any) -> None:
    client, other = client_of(worker), factories.staff(flag.clinic)
    answer = step(client, flag, "assign", 1, owner=str(other.public_id))
    assert answer.json()["owner"]["id"] == str(other.public_id)
    desk = factories.staff(flag.clinic, Role.FRONT_DESK)
    with nothing_written():
        refused = step(client, flag, "assign", 2, owner=str(desk.public_id))
    assert (refused.status_code, refused.json()["code"]) == (409, "not_staff")
    stranger = factories.staff(factories.ClinicFactory())
    assert step(client, flag, "assign", 2, owner=str(stranger.public_id)).status_code == 404


@pytest.mark.parametrize("verb", ["acknowledge", "assign", "outreach", "snooze", "resolve"])
def test_without_the_current_version_nothing_happens(flag: Flag, worker: Any, verb: str) -> None:
    body = {
        "assign": {"owner": str(worker.public_id)},
        "outreach": {"method": "in_person", "result": "reached"},
        "snooze": {"until": "2026-03-05", "reason": "Holiday"},
        "resolve": {"outcome": "reached"},
    }.get(verb, {})
    client = client_of(worker)
    with nothing_written():
        absent = client.post(f"{API}/flags/{flag.public_id}/{verb}/", body)
        stale = step(client, flag, verb, 9, **body)
    assert (absent.status_code, absent.json()["code"]) == (428, "precondition_required")
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")


def test_a_channel_the_patient_did_not_allow_is_409(flag: Flag, worker: Any) -> None:
    client = client_of(worker)
    with nothing_written():
        answer = step(client, flag, "outreach", 1, method="text", result="left_message")
    assert (answer.status_code, answer.json()["code"]) == (409, "method_not_allowed")
    assert answer.json()["errors"][0]["loc"] == ["method"]


def test_a_try_sent_twice_is_logged_once(flag: Flag, worker: Any) -> None:
    client, url = client_of(worker), f"{API}/flags/{flag.public_id}/outreach/"
    body = {"method": "in_person", "result": "reached"}
    sent: dict[str, Any] = {"HTTP_IF_MATCH": '"1"', "HTTP_IDEMPOTENCY_KEY": "once"}
    first, again = client.post(url, body, **sent), client.post(url, body, **sent)
    assert first.json() == again.json()
    assert OutreachAttempt.objects.count() == 1


@pytest.mark.parametrize(
    ("verb", "body", "place"),
    [
        ("assign", {}, "owner"),
        ("outreach", {"method": "pigeon", "result": "reached"}, "method"),
        ("snooze", {"until": "2026-03-02", "reason": "Now"}, "until"),
        ("snooze", {"until": "2026-03-05", "reason": " "}, "reason"),
        ("resolve", {"outcome": "facts"}, "outcome"),
        ("resolve", {"outcome": "other"}, "note"),
        ("acknowledge", {"note": "x"}, "note"),
    ],
)
def test_what_is_missing_is_named(
    flag: Flag, worker: Any, verb: str, body: dict[str, Any], place: str
) -> None:
    client = client_of(worker)
    with nothing_written():
        answer = step(client, flag, verb, 1, **body)
    assert answer.status_code in (400, 409)
    assert answer.json()["errors"][0]["loc"] == [place]
