"""Working a case over REST: each step names the version it was made on."""

from __future__ import annotations

from typing import Any

import pytest

from attendance.models import Flag, OutreachAttempt
from iop_clinic.accounts.roles import Role
from scheduling.models import Booking
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


def test_an_asterisk_is_whichever_version_stands(flag: Flag, worker: Any) -> None:
    client, url = client_of(worker), f"{API}/flags/{flag.public_id}/acknowledge/"
    assert client.post(url, {}, HTTP_IF_MATCH="*")["ETag"] == '"2"'
    body = {"method": "in_person", "result": "no_answer"}
    tried = client.post(url.replace("acknowledge", "outreach"), body, HTTP_IF_MATCH="*")
    assert (tried.status_code, tried["ETag"]) == (200, '"3"')


def test_a_channel_the_patient_did_not_allow_is_409(flag: Flag, worker: Any) -> None:
    client = client_of(worker)
    with nothing_written():
        answer = step(client, flag, "outreach", 1, method="text", result="left_message")
    assert (answer.status_code, answer.json()["code"]) == (409, "channel_not_allowed")
    assert answer.json()["errors"][0]["loc"] == ["method"]


def test_a_try_sent_twice_is_logged_once(flag: Flag, worker: Any) -> None:
    client, url = client_of(worker), f"{API}/flags/{flag.public_id}/outreach/"
    body = {"method": "in_person", "result": "reached"}
    sent: dict[str, Any] = {"HTTP_IF_MATCH": '"1"', "HTTP_IDEMPOTENCY_KEY": "once"}
    first, again = client.post(url, body, **sent), client.post(url, body, **sent)
    assert first.json() == again.json()
    assert first["ETag"] == again["ETag"] == '"2"'
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


# The week's note, welfare checks, make-ups

NOTE = {"reason": "work", "make_up_offered": "Saturday, declined"}


def note(client: Any, flag: Flag, version: int, **body: Any) -> Any:
    url = f"{API}/flags/{flag.public_id}/week-note/"
    return client.put(url, body, HTTP_IF_MATCH=f'"{version}"')


@pytest.fixture
def short(flag: Flag) -> Flag:
    """The case of a week that ended short: the Monday a week before."""
    flag.rule, flag.evidence_key = 1, "2026-02-23:program"
    flag.save()
    return flag


def test_a_week_that_ended_short_is_closed_with_its_note(short: Flag, worker: Any) -> None:
    client = client_of(worker)
    with nothing_written():
        early = step(client, short, "resolve", 1, outcome="excused")
    assert (early.status_code, early.json()["code"]) == (409, "note_required")
    assert early.json()["errors"][0]["loc"] == ["week_note"]
    written = note(client, short, 1, **NOTE)
    assert (written.status_code, written["ETag"]) == (200, '"2"')
    assert written.json()["week_note"] == {
        **NOTE, "detail": "", "written_by": worker.name, "written_at": "2026-03-02T11:00:00-05:00",
    }  # fmt: skip
    assert step(client, short, "resolve", 2, outcome="excused").json()["state"] == "closed"


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"reason": "lazy"}, "reason"),
        ({"reason": "other"}, "detail"),
        ({"make_up_offered": " "}, "make_up_offered"),
        ({"make_up_offered": 7}, "make_up_offered"),
        ({"week": "2026-02-23"}, "week"),
    ],
)
def test_a_note_that_lacks_something_names_it(
    short: Flag, worker: Any, wrong: dict[str, Any], place: str
) -> None:
    client = client_of(worker)
    with nothing_written():
        answer = note(client, short, 1, **{**NOTE, **wrong})
    assert answer.status_code in (400, 409)
    assert answer.json()["errors"][0]["loc"] == [place]


def test_a_note_from_an_old_page_is_412_and_without_a_version_428(short: Flag, worker: Any) -> None:
    client = client_of(worker)
    with nothing_written():
        stale = note(client, short, 9, **NOTE)
        absent = client.put(f"{API}/flags/{short.public_id}/week-note/", NOTE)
    assert (stale.status_code, absent.status_code) == (412, 428)


def test_an_auditor_reads_the_note_and_writes_none(short: Flag, worker: Any) -> None:
    note(client_of(worker), short, 1, **NOTE)
    auditor = client_of(factories.staff(short.clinic, Role.AUDITOR))
    body = auditor.get(f"{API}/flags/{short.public_id}/").json()
    assert body["week_note"]["reason"] == "work"
    with nothing_written():
        assert note(auditor, short, 2, **NOTE).status_code == 403


def test_a_supervisor_decides_on_a_welfare_check(flag: Flag, worker: Any) -> None:
    therapist = factories.staff(flag.clinic, Role.THERAPIST)
    flag.episode.primary_therapist = therapist.memberships.get().therapist
    flag.episode.save()
    body = {"method": "welfare_check", "result": "requested", "note": "Silent for days"}
    client = client_of(therapist)
    with nothing_written():
        denied = step(client, flag, "outreach", 1, **body)
    assert (denied.status_code, denied.json()["code"]) == (403, "not_allowed")
    decided = step(client_of(worker), flag, "outreach", 1, **body)
    assert decided.json()["next_step"]["step"] == "welfare_result"
    found = {"method": "welfare_check", "result": "reached"}
    found_by = step(client, flag, "outreach", 2, **found)
    assert found_by.json()["next_step"]["step"] == "close"


def test_a_make_up_is_named_by_its_booking(flag: Flag, worker: Any) -> None:
    missed, planned, booking = (
        factories.booking(factories.session(flag.clinic, day, "09:00", "10:00"), flag.episode)
        for day in ("2026-03-02", "2026-03-04", "2026-03-05")
    )
    Booking.objects.filter(pk=booking.pk).update(makes_up=missed)
    client = client_of(worker)
    named = {"outcome": "make_up", "make_up": str(planned.public_id)}
    with nothing_written():
        unnamed = step(client, flag, "resolve", 1, outcome="make_up")
        ordinary = step(client, flag, "resolve", 1, **named)
    assert (unnamed.status_code, unnamed.json()["code"]) == (409, "make_up_required")
    assert (ordinary.status_code, ordinary.json()["code"]) == (400, "unknown_booking")
    assert ordinary.json()["errors"][0]["loc"] == ["make_up"]
    closed = step(client, flag, "resolve", 1, outcome="make_up", make_up=str(booking.public_id))
    assert closed.json()["outcome_note"] == "Thu Mar 5, 9:00 AM."
    assert closed.json()["evidence"] == {"make_up": str(booking.public_id)}


def test_a_discharge_is_not_chosen(flag: Flag, worker: Any) -> None:
    client = client_of(worker)
    with nothing_written():
        answer = step(client, flag, "resolve", 1, outcome="discharged")
    assert (answer.status_code, answer.json()["code"]) == (409, "outcome_required")
    assert answer.json()["errors"][0]["loc"] == ["outcome"]


def test_another_clinics_booking_is_404(flag: Flag, worker: Any) -> None:
    elsewhere = factories.admitted(factories.ClinicFactory())
    session = factories.session(elsewhere.clinic, "2026-03-05", "09:00", "10:00")
    booking = factories.booking(session, elsewhere)
    body = {"outcome": "make_up", "make_up": str(booking.public_id)}
    client = client_of(worker)
    with nothing_written():
        assert step(client, flag, "resolve", 1, **body).status_code == 404
