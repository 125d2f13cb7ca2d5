"""The day's list of sessions over REST."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from iop_clinic.accounts.roles import Role
from tests import factories
from tests.api import AFTER, API, DAY, client_of, exactly, roster, treated

pytestmark = pytest.mark.django_db

SESSIONS = f"{API}/sessions/"


@pytest.fixture(autouse=True)
def _clock(time_machine: Any) -> None:
    time_machine.move_to(AFTER, tick=False)


def titles(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.json()
    return [row["title"] for row in answer.json()["results"]]


@pytest.fixture
def clinic() -> Any:
    return factories.ClinicFactory()


@pytest.fixture
def coordinator(clinic: Any) -> Any:
    user = factories.staff(clinic)
    user.current_clinic = clinic
    user.save()
    return user


def day_of(clinic: Any, sessions: int, patients: int) -> Any:
    """So many sessions one after the other, each with its own patients and therapist."""
    group = factories.GroupFactory(clinic=clinic)
    for n in range(sessions):
        therapist = factories.TherapistFactory(clinic=clinic)
        session = factories.session(
            clinic, DAY, f"{9 + n % 8:02}:00", f"{9 + n % 8:02}:50", therapist=therapist,
            group=group, room=factories.RoomFactory(clinic=clinic),
        )  # fmt: skip
        for seat, episode in enumerate(treated(clinic, patients, therapist), 1):
            factories.booking(session, episode, seat)
    return group


def test_today_is_the_clinics_day(clinic: Any, coordinator: Any, time_machine: Any) -> None:
    factories.session(clinic, DAY, "20:00", "21:00", session_type=_type(clinic, "Evening"))
    factories.session(clinic, "2026-03-03", "09:00", "10:00")
    time_machine.move_to(datetime.datetime(2026, 3, 3, 3, tzinfo=datetime.UTC), tick=False)
    assert titles(client_of(coordinator).get(SESSIONS)) == ["Evening"]


def _type(clinic: Any, name: str) -> Any:
    return factories.SessionTypeFactory(clinic=clinic, name=name)


def test_a_range_of_days_is_inclusive(clinic: Any, coordinator: Any) -> None:
    for day in ("2026-03-01", "2026-03-02", "2026-03-03"):
        factories.session(clinic, day, "09:00", "10:00", session_type=_type(clinic, day))
    client = client_of(coordinator)
    found = titles(client.get(f"{SESSIONS}?from=2026-03-02&to=2026-03-03"))
    assert found == ["2026-03-02", "2026-03-03"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("from=2026-03-02&to=2026-03-01", "range_reversed"),
        ("from=2026-01-01&to=2026-12-31", "range_too_long"),
        ("from=yesterday", "invalid"),
        ("from=0001-01-01", "out_of_range"),
        ("state=lost", "invalid_choice"),
        ("page_size=201", "max_value"),
        ("page_size=1e400", "invalid"),
        ("page=0", "min_value"),
        ("mine=perhaps", "invalid"),
        ("colour=blue", "unknown_field"),
        ("state=signed&state=recorded", "given_twice"),
    ],
)
def test_a_wrong_parameter_is_400(coordinator: Any, query: str, code: str) -> None:
    answer = client_of(coordinator).get(f"{SESSIONS}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["errors"][0]["loc"] != []


def test_the_five_states(clinic: Any, coordinator: Any) -> None:
    r = roster(1, clinic=clinic)
    client = r.client
    wanted = {
        "upcoming": factories.session(clinic, DAY, "14:00", "15:00"),
        "unrecorded": r.session,
        "cancelled": factories.session(
            clinic, DAY, "12:00", "13:00", state="cancelled", cancelled_reason="Snow",
            cancelled_at=AFTER,
        ),
    }  # fmt: skip
    for state, session in wanted.items():
        (row,) = _listed(coordinator, state)
        assert row["id"] == str(session.public_id)
    client.patch(f"{r.url}attendance/", {"all_present": True})
    assert [row["id"] for row in _listed(coordinator, "recorded")] == [str(r.session.public_id)]
    client.post(f"{r.url}sign/")
    assert [row["id"] for row in _listed(coordinator, "signed")] == [str(r.session.public_id)]


def _listed(user: Any, state: str) -> list[dict[str, Any]]:
    return client_of(user).get(f"{SESSIONS}?state={state}").json()["results"]


def test_mine_are_those_i_have_a_part_in(clinic: Any) -> None:
    therapist = factories.TherapistFactory(clinic=clinic)
    lead = factories.staff(clinic, Role.ADMINISTRATOR, therapist=therapist)
    factories.session(
        clinic, DAY, "09:00", "10:00", therapist=therapist, session_type=_type(clinic, "Mine")
    )
    factories.session(clinic, DAY, "09:00", "10:00", session_type=_type(clinic, "Other"))
    client = client_of(lead)
    assert titles(client.get(f"{SESSIONS}?mine=true")) == ["Mine"]
    assert titles(client.get(f"{SESSIONS}?mine=false")) == ["Other"]
    assert len(titles(client.get(SESSIONS))) == 2


def test_a_group_filter_takes_visible_groups_only(clinic: Any, coordinator: Any) -> None:
    group = factories.GroupFactory(clinic=clinic, name="Maple")
    factories.session(clinic, DAY, "09:00", "10:00", group=group)
    factories.session(clinic, DAY, "09:00", "10:00")
    other = factories.GroupFactory()
    client = client_of(coordinator)
    assert titles(client.get(f"{SESSIONS}?group={group.public_id}")) == ["Maple"]
    assert client.get(f"{SESSIONS}?group={other.public_id}").status_code == 404


def test_another_of_my_clinics_can_be_asked_for(clinic: Any, coordinator: Any) -> None:
    second, third = factories.ClinicFactory(zone="America/Los_Angeles"), factories.ClinicFactory()
    factories.staff(second, user=coordinator)
    factories.session(second, DAY, "09:00", "10:00")
    client = client_of(coordinator)
    (row,) = client.get(f"{SESSIONS}?clinic={second.public_id}").json()["results"]
    assert row["starts_at"] == "2026-03-02T09:00:00-08:00"
    assert titles(client.get(SESSIONS)) == []
    assert client.get(f"{SESSIONS}?clinic={third.public_id}").status_code == 404


def test_pages_are_stable_and_linked(clinic: Any, coordinator: Any) -> None:
    names = [f"Session {n}" for n in range(5)]
    for name in names:
        factories.session(clinic, DAY, "09:00", "10:00", session_type=_type(clinic, name))
    client, found, url = client_of(coordinator), [], f"{SESSIONS}?page_size=2"
    while url:
        page = client.get(url).json()
        found += [row["title"] for row in page["results"]]
        previous, url = page["previous"], page["next"]
    assert found == names
    assert client.get(previous).json()["results"][0]["title"] == "Session 2"


@pytest.mark.parametrize("sessions", [1, 10, 50])
def test_a_day_takes_the_same_statements(clinic: Any, coordinator: Any, sessions: int) -> None:
    day_of(clinic, sessions, 1)
    client = client_of(coordinator)
    with exactly(2):  # token and roles, sessions
        assert len(titles(client.get(SESSIONS))) == sessions


def test_a_clinics_day_with_100_bookings(clinic: Any, coordinator: Any) -> None:
    group = day_of(clinic, 10, 10)
    client = client_of(coordinator)
    with exactly(3):
        rows = client.get(f"{SESSIONS}?group={group.public_id}").json()["results"]
    assert sum(row["expected"] for row in rows) == 100
