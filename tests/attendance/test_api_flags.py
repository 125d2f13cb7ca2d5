"""Cases over REST: the list with its filters, one with its evidence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from attendance.models import Flag, OutreachAttempt
from iop_clinic.accounts.models import AuditEvent
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


def test_what_is_closed_comes_last_the_last_closed_first(coordinator: Any) -> None:
    closed = [
        flag(coordinator, severity=4, state="closed", outcome="resolved", closed_at=at)
        for at in (timezone.now(), timezone.now() + timedelta(hours=1))
    ]
    low = flag(coordinator, severity=1)
    assert listed(coordinator) == [str(row.public_id) for row in (low, closed[1], closed[0])]


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
    with exactly(5):  # token, cases; the note, three
        assert len(client.get(FLAGS).json()["results"]) == number


def test_the_cases_that_a_list_shows_are_noted(coordinator: Any) -> None:
    one, other = flag(coordinator, severity=4), flag(coordinator, severity=1)
    listed(coordinator, "?page_size=1")
    listed(coordinator, "?page_size=1&page=2")
    listed(coordinator, "?state=closed")
    seen = AuditEvent.objects.filter(operation="R").order_by("id")
    assert [(e.table_name, e.row_id, e.actor) for e in seen] == [
        ("attendance_flag", row.pk, coordinator.actor) for row in (one, other)
    ]


def about(user: Any, subject: int, **named: Any) -> Flag:
    (row,) = named.values()
    return Flag.objects.create(
        clinic=user.current_clinic, subject_type=subject, subject_id=row.pk, rule=22, severity=2,
        evidence_key="2026-03", sentence="Over the limit", owner_role=Role.ADMINISTRATOR,
        opened_for="2026-03-02", due_at=AFTER, **named,
    )  # fmt: skip


def test_a_case_of_a_group_or_a_therapist_names_it(coordinator: Any) -> None:
    group = factories.GroupFactory(clinic=coordinator.current_clinic)
    therapist = factories.TherapistFactory(clinic=coordinator.current_clinic)
    flag(coordinator)
    of_group, of_therapist = (
        about(coordinator, 3, group=group),
        about(coordinator, 4, therapist=therapist),
    )
    client = client_of(coordinator)
    (row,) = client.get(f"{FLAGS}?subject=group").json()["results"]
    assert (row["id"], row["subject"], row["patient"]) == (str(of_group.public_id), "group", None)
    assert row["group"] == {"id": str(group.public_id), "name": group.name}
    body = client.get(f"{FLAGS}{of_therapist.public_id}/").json()
    assert (body["subject"], body["group"]) == ("therapist", None)
    assert body["therapist"] == {"id": str(therapist.public_id), "name": str(therapist)}
    assert (body["next_step"], body["week_note"]) == (None, None)


def test_a_case_tells_what_comes_next_and_what_happened(coordinator: Any) -> None:
    row = flag(coordinator)
    row.episode.patient.phone, row.episode.patient.phone_is_safe = "555 0100", True
    row.episode.patient.save()
    OutreachAttempt.objects.create(
        clinic=row.clinic, flag=row, episode=row.episode, method="call", result="no_answer",
        attempted_by=coordinator, attempted_at=AFTER,
    )  # fmt: skip
    body = client_of(coordinator).get(f"{FLAGS}{row.public_id}/").json()
    assert body["next_step"] == {
        "step": "second_call", "method": "call", "not_before": None,
        "hints": ["do not say the clinic's name", "leave no voicemail"],
        "sentence": "Next: second call, at another time of day; do not say the clinic's name; "
        "leave no voicemail.",
    }  # fmt: skip
    assert body["snooze_until_at_most"] == "2026-03-09"
    assert {(step["what"], step["by"]) for step in body["history"]} == {
        ("opened", "database:postgres"), ("outreach", str(coordinator)),
    }  # fmt: skip
    assert body["outreach"][0]["flag"] == str(row.public_id)


@pytest.mark.parametrize("number", [1, 30])
def test_a_case_with_any_history_takes_the_same_statements(coordinator: Any, number: int) -> None:
    row = flag(coordinator)
    for n in range(number):
        Flag.objects.filter(pk=row.pk).update(sentence=f"Sentence {n}", owner=coordinator)
        OutreachAttempt.objects.create(
            clinic=row.clinic, flag=row, episode=row.episode, method="call", result="no_answer",
            attempted_by=coordinator,
        )  # fmt: skip
    client = client_of(coordinator)
    with exactly(7):
        body = client.get(f"{FLAGS}{row.public_id}/").json()
    assert (len(body["outreach"]), len(body["history"])) == (number, 2 * number + 1)
