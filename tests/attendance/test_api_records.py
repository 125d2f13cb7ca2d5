"""One record over REST: read, corrected with If-Match, cleared, and its history."""

from __future__ import annotations

from typing import Any

import pytest

from attendance.models import AttendanceRecord
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from scheduling.models import Session
from tests import factories
from tests.api import AFTER, API, DAY, Roster, client_of, nothing_written, roster
from tests.attendance.group_days import at

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock(time_machine: Any) -> None:
    time_machine.move_to(AFTER, tick=False)


@pytest.fixture
def r() -> Roster:
    return roster(2)


@pytest.fixture
def client(r: Roster) -> Any:
    return r.client


@pytest.fixture
def url(r: Roster) -> str:
    return f"{API}/bookings/{r.bookings[0].public_id}/attendance/"


def record_everybody(r: Roster, client: Any) -> None:
    assert client.patch(f"{r.url}attendance/", {"all_present": True}).status_code == 200


def test_an_unrecorded_booking_reads_as_such(client: Any, url: str) -> None:
    answer = client.get(url)
    assert (answer.json()["status"], answer.json()["version"]) == ("unrecorded", None)
    assert answer["ETag"] == '"0"'


def test_recording_one_through_its_own_address(client: Any, url: str) -> None:
    with nothing_written():
        missing = client.patch(url, {"proof": "none"}, HTTP_IF_MATCH='"0"')
    assert (missing.status_code, missing.json()["errors"][0]["loc"]) == (400, ["attended"])
    answer = client.patch(url, {"attended": True}, HTTP_IF_MATCH='"0"')
    assert (answer.status_code, answer["ETag"]) == (200, '"1"')
    assert answer.json()["credited_minutes"] == 60


def test_a_correction_needs_the_etag_last_read(r: Roster, client: Any, url: str) -> None:
    record_everybody(r, client)
    change = {"left_at": "2026-03-02T09:30:00-05:00", "correction_reason": "Left at half past"}
    with nothing_written():
        absent = client.patch(url, change)
        stale = client.patch(url, change, HTTP_IF_MATCH='"9"')
        foreign = client.patch(url, change, HTTP_IF_MATCH='"abc"')
    assert (absent.status_code, absent.json()["code"]) == (428, "precondition_required")
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    assert foreign.status_code == 412
    answer = client.patch(url, change, HTTP_IF_MATCH='W/"1"')
    assert (answer.status_code, answer["ETag"], answer.json()["credited_minutes"]) == (
        200, '"2"', 30,
    )  # fmt: skip


CHANGE = {"attended": False, "correction_reason": "Was not there"}


def test_an_asterisk_matches_whatever_stands(r: Roster, client: Any, url: str) -> None:
    first = client.patch(url, {"attended": True}, HTTP_IF_MATCH="*")
    second = client.patch(url, CHANGE, HTTP_IF_MATCH=" * ")
    assert [(a.status_code, a["ETag"]) for a in (first, second)] == [(200, '"1"'), (200, '"2"')]
    gone = client.delete(url, {"correction_reason": "Wrong patient"}, HTTP_IF_MATCH="*")
    assert (gone.status_code, client.get(url)["ETag"]) == (204, '"0"')


def test_an_asterisk_is_no_way_round_the_reason(r: Roster, client: Any, url: str) -> None:
    record_everybody(r, client)
    with nothing_written():
        answer = client.patch(url, {"attended": False}, HTTP_IF_MATCH="*")
    assert (answer.status_code, answer.json()["code"]) == (409, "correction_reason_required")


def test_who_writes_in_between_is_not_overwritten_by_an_asterisk(
    r: Roster, client: Any, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_everybody(r, client)
    monkeypatch.setattr("attendance.api.records.version_of", lambda booking: 0)  # as it was before
    with nothing_written():
        answer = client.patch(url, CHANGE, HTTP_IF_MATCH="*")
    assert (answer.status_code, answer.json()["code"]) == (412, "stale_version")


@pytest.mark.parametrize("tags", ['W/"1"', '"7", "1"', 'W/"7" , W/"1"', '"abc", "1"'])
def test_a_weak_tag_and_one_of_several_match(r: Roster, client: Any, url: str, tags: str) -> None:
    """Compression on the way makes a tag weak; it names the same version."""
    record_everybody(r, client)
    assert client.patch(url, CHANGE, HTTP_IF_MATCH=tags)["ETag"] == '"2"'


@pytest.mark.parametrize("tags", ["1", '""', '"7", "8"', '"1', '"1" "1"', '"*"', "*, *", ""])
def test_a_tag_of_something_else_is_412(r: Roster, client: Any, url: str, tags: str) -> None:
    record_everybody(r, client)
    with nothing_written():
        answer = client.patch(url, CHANGE, HTTP_IF_MATCH=tags)
    assert (answer.status_code, answer.json()["code"]) == (412, "stale_version")


def test_a_correction_needs_a_reason(r: Roster, client: Any, url: str) -> None:
    record_everybody(r, client)
    with nothing_written():
        answer = client.patch(url, {"attended": False}, HTTP_IF_MATCH='"1"')
    assert (answer.status_code, answer.json()["code"]) == (409, "correction_reason_required")
    assert answer.json()["errors"][0]["loc"] == ["correction_reason"]


def test_correcting_a_signed_roster_reopens_it(r: Roster, client: Any, url: str) -> None:
    record_everybody(r, client)
    client.post(f"{r.url}sign/")
    change = {"attended": False, "correction_reason": "Was not there"}
    assert client.patch(url, change, HTTP_IF_MATCH='"1"').status_code == 200
    assert Session.objects.get().signed_at is None


def test_clearing_takes_it_back_to_unrecorded(r: Roster, client: Any, url: str) -> None:
    record_everybody(r, client)
    with nothing_written():
        assert client.delete(url).status_code == 428
        assert client.delete(url, {}, HTTP_IF_MATCH='"1"').status_code == 409
    answer = client.delete(url, {"correction_reason": "Wrong patient"}, HTTP_IF_MATCH='"1"')
    assert answer.status_code == 204
    assert client.get(url).json()["status"] == "unrecorded"
    assert AttendanceRecord.objects.count() == 1


def test_the_history_says_who_when_what_and_why(r: Roster, client: Any, url: str) -> None:
    record_everybody(r, client)
    change = {"attended": False, "correction_reason": "Was not there"}
    client.patch(url, change, HTTP_IF_MATCH='"1"')
    first, second = client.get(f"{url}history/").json()["results"]
    assert (first["version"], second["version"]) == (1, 2)
    assert (second["who"], second["reason"]) == (r.user.name, "Was not there")
    assert {"field": "attended", "old": True, "new": False} in second["changes"]


def test_times_in_the_history_are_the_clinics(r: Roster, client: Any, url: str) -> None:
    away = [[at("09:20"), at("09:30")]]
    told = {"attended": True, "arrived_at": at("09:05"), "away": away}
    client.patch(url, told, HTTP_IF_MATCH='"0"')
    (step,) = client.get(f"{url}history/").json()["results"]
    assert (step["zone"], step["at"][-6:]) == ("America/New_York", "-05:00")
    changes = {change["field"]: (change["old"], change["new"]) for change in step["changes"]}
    assert (changes["arrived_at"], changes["away"]) == ((None, at("09:05")), (None, away))


def test_a_reason_that_looks_like_a_time_stays_as_it_is(client: Any, url: str) -> None:
    told = {"attended": False, "excused_override": True, "correction_reason": "2026-03-02"}
    client.patch(url, told, HTTP_IF_MATCH='"0"')
    (step,) = client.get(f"{url}history/").json()["results"]
    changes = {change["field"]: change["new"] for change in step["changes"]}
    assert changes["override_reason"] == "2026-03-02"


def test_the_history_tells_no_minutes_before_the_end(
    r: Roster, client: Any, url: str, time_machine: Any
) -> None:
    told = []
    for clock in ("09:59", "10:00"):
        time_machine.move_to(factories.at(r.clinic, DAY, clock), tick=False)
        client.patch(url, {"attended": True}, HTTP_IF_MATCH='"0"')
        (step,) = client.get(f"{url}history/").json()["results"]
        told.append([c["new"] for c in step["changes"] if "minutes" in c["field"]])
    assert told == [[], [60, 60]]


# --- who sees a record, and who writes it ---------------------------------------------------------


@pytest.fixture
def primary(r: Roster) -> Any:
    """The client of the first patient's primary therapist, who has no part in the session."""
    episode, therapist = r.bookings[0].episode, factories.TherapistFactory(clinic=r.clinic)
    episode.primary_therapist = therapist
    episode.save()
    return client_of(factories.staff(r.clinic, Role.THERAPIST, therapist=therapist))


def test_a_primary_therapist_reads_the_record_in_a_colleagues_session(
    r: Roster, client: Any, primary: Any, url: str
) -> None:
    record_everybody(r, client)
    assert primary.get(url).json()["status"] == "present"
    assert len(primary.get(f"{url}history/").json()["results"]) == 1


@pytest.mark.parametrize("known", ['"0"', '"1"', '"7"', "*", None])
def test_and_writes_none_of_it(
    r: Roster, client: Any, primary: Any, url: str, known: str | None
) -> None:
    record_everybody(r, client)
    assert client.post(f"{r.url}sign/").status_code == 200
    headers = {} if known is None else {"HTTP_IF_MATCH": known}
    change = {"attended": False, "correction_reason": "Was with me"}
    with nothing_written():
        answers = [primary.patch(url, change, **headers), primary.delete(url, {}, **headers)]
    assert [(a.status_code, a.json()["code"]) for a in answers] == [(403, "not_allowed")] * 2


def test_who_covers_the_session_writes_it(r: Roster, primary: Any, url: str) -> None:
    therapist = r.bookings[0].episode.primary_therapist
    r.session.staff.create(
        clinic=r.clinic, therapist=therapist, role="substitute", live=True,
        starts_at=r.session.starts_at, ends_at=r.session.ends_at, access_until=at("13:00"),
    )  # fmt: skip
    answer = primary.patch(url, {"attended": True}, HTTP_IF_MATCH='"0"')
    assert (answer.status_code, answer.json()["status"]) == (200, "present")


def test_a_stale_correction_shows_a_name_and_is_noted_as_a_read(
    r: Roster, client: Any, url: str
) -> None:
    record_everybody(r, client)
    answer = client.patch(url, {"arrived_at": at("09:20")}, HTTP_IF_MATCH='"9"')
    name = answer.json()["conflicts"][0]["current"]["patient"]["name"]
    seen = AuditEvent.objects.filter(operation="R").values_list("table_name", "row_id", "actor")
    assert (answer.status_code, name) == (412, str(r.bookings[0].patient))
    assert list(seen) == [("scheduling_booking", r.bookings[0].pk, r.user.actor)]


def test_a_withdrawn_booking_has_no_record(r: Roster, client: Any, url: str) -> None:
    booking = r.bookings[0]
    booking.state, booking.withdrawn_reason = "withdrawn", "Moved away"
    booking.save()
    assert client.get(url).status_code == 404
