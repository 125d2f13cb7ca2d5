"""Cases over REST: the list with its filters, one with its evidence."""

from __future__ import annotations

from typing import Any

import pytest

from attendance.models import Flag, OutreachAttempt
from iop_clinic.accounts.roles import Role
from tests import factories
from tests.api import AFTER, API, client_of, exactly

pytestmark = pytest.mark.django_db

FLAGS = f"{API}/flags/"


@pytest.fixture
def coordinator(time_machine: Any) -> Any:
    time_machine.move_to(AFTER, tick=False)
    clinic = factories.ClinicFactory()
    user = factories.staff(clinic)
    user.current_clinic = clinic
    user.save()
    return user


def flag(user: Any, key: str = "2026-03-02", **extra: Any) -> Flag:
    episode = extra.pop("episode", None) or factories.admitted(user.current_clinic)
    values = {
        "rule": 2, "severity": 3, "sentence": "Missed Monday without a call",
        "owner_role": Role.THERAPIST, "opened_for": "2026-03-02", "due_at": AFTER,
        "evidence": {"day": "2026-03-02"},
    }  # fmt: skip
    return Flag.objects.create(
        clinic=user.current_clinic, subject_type=1, subject_id=episode.pk, episode=episode,
        evidence_key=key, **values | extra,
    )  # fmt: skip


def listed(user: Any, query: str = "") -> list[str]:
    answer = client_of(user).get(f"{FLAGS}{query}")
    assert answer.status_code == 200, answer.json()
    return [row["id"] for row in answer.json()["results"]]


def test_a_case_with_evidence_and_what_was_tried(coordinator: Any) -> None:
    row = flag(coordinator)
    OutreachAttempt.objects.create(
        clinic=row.clinic, flag=row, episode=row.episode, method="call", result="no_answer",
        attempted_by=coordinator,
    )  # fmt: skip
    answer = client_of(coordinator).get(f"{FLAGS}{row.public_id}/")
    body = answer.json()
    assert answer["ETag"] == '"1"'
    assert (body["rule"], body["severity"], body["state"]) == ("no_call_day", "act", "open")
    assert body["evidence"] == {"day": "2026-03-02"}
    assert body["patient"] == {
        "id": str(row.episode.patient.public_id), "name": str(row.episode.patient),
    }  # fmt: skip
    assert body["due_at"] == "2026-03-02T11:00:00-05:00"
    assert [tried["result"] for tried in body["outreach"]] == ["no_answer"]


def test_a_case_of_a_roster_names_the_session_and_no_patient(coordinator: Any) -> None:
    session = factories.session(coordinator.current_clinic, "2026-03-02", "09:00", "10:00")
    Flag.objects.create(
        clinic=session.clinic, subject_type=2, subject_id=session.pk, session=session, rule=5,
        evidence_key="roster", severity=2, sentence="Not recorded", owner_role=Role.THERAPIST,
        opened_for="2026-03-02", due_at=AFTER,
    )  # fmt: skip
    (row,) = client_of(coordinator).get(FLAGS).json()["results"]
    assert (row["session"], row["patient"]) == (str(session.public_id), None)


def test_the_most_severe_come_first(coordinator: Any) -> None:
    low, high = flag(coordinator, severity=1), flag(coordinator, severity=4)
    assert listed(coordinator) == [str(high.public_id), str(low.public_id)]


def test_filters(coordinator: Any) -> None:
    hours = flag(coordinator, rule=1, severity=2)
    owned = flag(coordinator, owner=coordinator, state="acknowledged")
    assert listed(coordinator, "?rule=hours") == [str(hours.public_id)]
    assert listed(coordinator, "?severity=act") == [str(owned.public_id)]
    assert listed(coordinator, "?state=acknowledged") == [str(owned.public_id)]
    assert listed(coordinator, f"?owner={coordinator.public_id}") == [str(owned.public_id)]
    assert listed(coordinator, "?state=open&rule=no_call_day") == []


@pytest.mark.parametrize("query", ["?rule=bad", "?severity=9", "?state=lost", "?owner=me"])
def test_a_filter_that_means_nothing_is_400(coordinator: Any, query: str) -> None:
    assert client_of(coordinator).get(f"{FLAGS}{query}").status_code == 400


def test_an_owner_of_another_clinic_is_404(coordinator: Any) -> None:
    other = factories.staff(factories.ClinicFactory())
    answer = client_of(coordinator).get(f"{FLAGS}?owner={other.public_id}")
    assert answer.status_code == 404


@pytest.mark.parametrize("number", [1, 50])
def test_a_list_of_any_length_takes_the_same_statements(coordinator: Any, number: int) -> None:
    for n in range(number):
        flag(coordinator, key=str(n))
    client = client_of(coordinator)
    with exactly(3):
        assert len(client.get(FLAGS).json()["results"]) == number
