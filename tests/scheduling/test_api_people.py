"""Patients and groups over REST."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.utils import timezone

from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from scheduling.models import Group, GroupMembership, WaitlistEntry
from tests import factories
from tests.api import AFTER, API, client_of, exactly, nothing_written, treated

pytestmark = pytest.mark.django_db

PATIENTS, GROUPS = f"{API}/patients/", f"{API}/groups/"


@pytest.fixture
def coordinator(time_machine: Any) -> Any:
    time_machine.move_to(AFTER, tick=False)
    clinic = factories.ClinicFactory()
    user = factories.staff(clinic)
    user.current_clinic = clinic
    user.save()
    return user


def group_of(clinic: Any, members: int, **extra: Any) -> Group:
    group = factories.GroupFactory(clinic=clinic, **extra)
    therapist = factories.TherapistFactory(clinic=clinic)
    for seat, episode in enumerate(treated(clinic, members, therapist), 1):
        GroupMembership.objects.create(
            clinic=clinic, group=group, episode=episode, seat=seat, starts_on="2026-01-05"
        )
    return group


def test_a_patient_has_the_fields_of_the_contract(coordinator: Any) -> None:
    group = group_of(coordinator.current_clinic, 1, name="Maple")
    episode = group.memberships.get().episode
    client = client_of(coordinator)
    body = client.get(f"{PATIENTS}{episode.patient.public_id}/").json()
    assert body == {
        "id": str(episode.patient.public_id),
        "name": str(episode.patient),
        "record_number": episode.patient.record_number,
        "program": episode.program.name,
        "level": "IOP 2.1",
        "group": "Maple",
        "episode": str(episode.public_id),
    }
    assert client.get(PATIENTS).json()["results"] == [body]
    seen = AuditEvent.objects.filter(operation="R")
    assert [(e.table_name, e.row_id) for e in seen] == [
        ("patients_patient", episode.patient.pk)
    ] * 2


def test_the_group_of_a_patient_is_that_of_the_clinics_today(
    coordinator: Any, time_machine: Any
) -> None:
    """At 20:00 in New York it is tomorrow in UTC, and the seat that ends today still theirs."""
    group = group_of(coordinator.current_clinic, 1, name="Maple")
    GroupMembership.objects.update(ends_on="2026-03-02")
    time_machine.move_to(datetime.datetime(2026, 3, 3, 1, tzinfo=datetime.UTC), tick=False)
    patient = group.memberships.get().episode.patient
    body = client_of(coordinator).get(f"{PATIENTS}{patient.public_id}/").json()
    assert body["group"] == "Maple"


def test_a_patient_without_an_episode_has_empty_fields(coordinator: Any) -> None:
    patient = factories.PatientFactory(clinic=coordinator.current_clinic)
    client = client_of(coordinator)
    body = client.get(f"{PATIENTS}{patient.public_id}/").json()
    assert [body[name] for name in ("program", "level", "group", "episode")] == [None] * 4
    assert client.get(PATIENTS).json()["results"] == []


def test_the_list_can_be_one_groups(coordinator: Any) -> None:
    clinic = coordinator.current_clinic
    group, _ = group_of(clinic, 2), group_of(clinic, 3)
    client = client_of(coordinator)
    assert len(client.get(PATIENTS).json()["results"]) == 5
    assert len(client.get(f"{PATIENTS}?group={group.public_id}").json()["results"]) == 2
    foreign = factories.GroupFactory()
    assert client.get(f"{PATIENTS}?group={foreign.public_id}").status_code == 404


def test_search_finds_by_beginnings_of_names_and_record_number(coordinator: Any) -> None:
    clinic = coordinator.current_clinic
    found = factories.PatientFactory(
        clinic=clinic, first_name="Zoé", last_name="Ångström", record_number="ZX-17"
    )
    factories.PatientFactory(first_name="Zoé", last_name="Ångström")
    client = client_of(coordinator)
    for q in ("ångs", "zoé ång", "zx-1", "Z", "Ångström, Zoé"):
        rows = client.post(f"{PATIENTS}search/", {"q": q}).json()["results"]
        assert [row["id"] for row in rows] == [str(found.public_id)]
    assert client.post(f"{PATIENTS}search/", {"q": "%"}).json()["results"] == []


def test_a_therapist_finds_the_caseload_only(coordinator: Any) -> None:
    clinic = coordinator.current_clinic
    therapist = factories.TherapistFactory(clinic=clinic)
    (mine,) = treated(clinic, 1, therapist)
    treated(clinic, 1, factories.TherapistFactory(clinic=clinic))
    client = client_of(factories.staff(clinic, Role.THERAPIST, therapist=therapist))
    rows = client.post(f"{PATIENTS}search/", {"q": "last"}).json()["results"]
    assert [row["id"] for row in rows] == [str(mine.patient.public_id)]


def test_a_search_notes_whom_it_showed(coordinator: Any) -> None:
    clinic = coordinator.current_clinic
    shown = [factories.PatientFactory(clinic=clinic, last_name=f"Quill{n}") for n in range(3)]
    factories.PatientFactory(clinic=clinic, last_name="Reed")
    client = client_of(coordinator)
    client.post(f"{PATIENTS}search/", {"q": "quill"})
    seen = AuditEvent.objects.filter(operation="R").order_by("row_id")
    assert [(e.table_name, e.row_id, e.clinic_id, e.actor) for e in seen] == [
        ("patients_patient", patient.pk, clinic.pk, coordinator.actor) for patient in shown
    ]


def test_a_search_that_finds_nobody_notes_nothing(coordinator: Any) -> None:
    factories.PatientFactory(last_name="Quill")
    client = client_of(coordinator)
    with nothing_written(reads=False):
        assert client.post(f"{PATIENTS}search/", {"q": "quill"}).json()["results"] == []


@pytest.mark.parametrize("number", [1, 50])
def test_a_search_takes_the_same_statements(coordinator: Any, number: int) -> None:
    for start in range(0, number, 10):
        group_of(coordinator.current_clinic, min(number - start, 10))
    client = client_of(coordinator)
    with exactly(8):  # token and roles, patients, episodes, plans, memberships; the note, three
        found = client.post(f"{PATIENTS}search/", {"q": "last"}).json()["results"]
    assert len(found) == number


@pytest.mark.parametrize("number", [1, 50])
def test_a_list_of_patients_takes_the_same_statements(coordinator: Any, number: int) -> None:
    for start in range(0, number, 10):
        group_of(coordinator.current_clinic, min(number - start, 10))
    client = client_of(coordinator)
    with exactly(8):  # token, patients, episodes, plans, memberships; the note, three
        assert len(client.get(PATIENTS).json()["results"]) == number


def test_a_group_shows_members_free_seats_and_waitlist(coordinator: Any) -> None:
    clinic = coordinator.current_clinic
    group = group_of(clinic, 2, name="Maple", capacity=8)
    gone = group.memberships.get(seat=1)
    gone.ends_on = datetime.date(2026, 3, 1)
    gone.save()
    for state in ("waiting", "offered", "declined"):
        WaitlistEntry.objects.create(
            clinic=clinic, group=group, episode=factories.admitted(clinic), state=state,
            added_at=timezone.now(),
        )  # fmt: skip
    (row,) = client_of(coordinator).get(GROUPS).json()["results"]
    assert (row["name"], row["capacity"], row["free_seats"], row["waitlist_length"]) == (
        "Maple", 8, 7, 2,
    )  # fmt: skip
    (member,) = row["members"]
    assert (member["seat"], set(member["patient"])) == (2, {"id", "name"})
    detail = client_of(coordinator).get(f"{GROUPS}{group.public_id}/").json()
    assert detail == row


def noted() -> list[tuple[str, int]]:
    events = AuditEvent.objects.filter(operation="R").order_by("id")
    return list(events.values_list("table_name", "row_id"))


def test_who_is_shown_in_a_list_is_noted_and_nobody_else(coordinator: Any) -> None:
    clinic = coordinator.current_clinic
    maple, oak = group_of(clinic, 1, name="Maple"), group_of(clinic, 1, name="Oak")
    group_of(factories.ClinicFactory(), 1)
    shown = [group.memberships.get().episode.patient.pk for group in (maple, oak)]
    client = client_of(coordinator)
    client.get(f"{PATIENTS}?page_size=1&page=2")
    assert noted() == [("patients_patient", shown[1])]
    client.get(f"{PATIENTS}?group={maple.public_id}")
    assert noted()[1:] == [("patients_patient", shown[0])]
    client.get(GROUPS)
    client.get(f"{GROUPS}{oak.public_id}/")
    assert noted()[2:] == [("scheduling_group", row.pk) for row in (maple, oak, oak)]


def test_a_group_that_is_not_shown_is_not_noted(coordinator: Any) -> None:
    closed = group_of(coordinator.current_clinic, 1, active=False)
    foreign = group_of(factories.ClinicFactory(), 1)
    client = client_of(coordinator)
    with nothing_written():
        answers = [client.get(f"{GROUPS}{one.public_id}/") for one in (closed, foreign)]
        answers.append(client.get(f"{GROUPS}?page=7"))
    assert [answer.status_code for answer in answers] == [404, 404, 200]


@pytest.mark.parametrize("number", [1, 50])
def test_a_list_of_groups_takes_the_same_statements(coordinator: Any, number: int) -> None:
    for n in range(number):
        group_of(coordinator.current_clinic, n % 3)
    client = client_of(coordinator)
    with exactly(6):  # token, groups, members; the note, three
        assert len(client.get(GROUPS).json()["results"]) == number
