"""Who changed what: every path that writes a row leaves an event with old and new values."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction

from iop_clinic.accounts import devices
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import AuditEvent, Clinic, Device, User
from patients.models import Patient, Program
from patients.services import save_patient
from tests import factories
from tests.breaking import delete, execute, update

DATABASE = "database:postgres"
FACTS = {"record_number": "R1", "first_name": "Ada", "last_name": "Quinn"}


@pytest.fixture
def patient(db) -> Patient:
    return factories.PatientFactory(**FACTS)


@pytest.fixture
def coordinator(patient) -> User:
    return factories.staff(patient.clinic)


def events(row, operation: str | None = None) -> list[Any]:
    """The row's events, oldest first."""
    found = AuditEvent.objects.filter(table_name=row._meta.db_table, row_id=row.pk)
    return list((found.filter(operation=operation) if operation else found).order_by("id"))


def last(row) -> tuple[str, Any, Any, str]:
    event = events(row)[-1]
    return event.operation, event.old, event.new, event.actor


# --- every path ----------------------------------------------------------------------------------


def test_a_service_leaves_its_actor_with_old_and_new(patient, coordinator):
    save_patient(clinic=patient.clinic, patient=patient, first_name="Eve", by=coordinator)
    assert last(patient) == (
        "U",
        {"first_name": "Ada", "version": 1},
        {"first_name": "Eve", "version": 2},
        f"user:{coordinator.pk}",
    )


def test_an_insert_keeps_the_whole_row(patient):
    created = events(patient, "I")[0]
    assert created.old is None
    assert FACTS.items() <= created.new.items()
    assert (created.clinic_id, created.actor) == (patient.clinic_id, DATABASE)


def test_a_delete_keeps_the_whole_row(db):
    program = factories.ProgramFactory(name="Evening")
    delete(program)
    operation, old, new, actor = last(program)
    assert (operation, old["name"], new, actor) == ("D", "Evening", None, DATABASE)


def test_a_named_job_is_an_actor(patient):
    job = Job("nightly")
    save_patient(clinic=patient.clinic, patient=patient, first_name="Eve", by=job)
    assert last(patient)[3] == "job:nightly"


def test_raw_sql_is_seen(patient):
    update(patient, pronouns="they")
    assert last(patient) == ("U", {"pronouns": ""}, {"pronouns": "they"}, DATABASE)


def test_a_queryset_update_is_seen_row_by_row(patient):
    other = factories.PatientFactory(clinic=patient.clinic, first_name="Bo")
    Patient.objects.update(first_name="X")
    assert last(patient) == ("U", {"first_name": "Ada"}, {"first_name": "X"}, DATABASE)
    assert last(other) == ("U", {"first_name": "Bo"}, {"first_name": "X"}, DATABASE)


def test_bulk_create_is_seen_row_by_row(db):
    clinic = factories.ClinicFactory()
    kind = Program.Kind.ADOLESCENT
    made = Program.objects.bulk_create(
        Program(clinic=clinic, name=name, kind=kind) for name in ("Day", "Evening")
    )
    assert [last(program)[2]["name"] for program in made] == ["Day", "Evening"]


def test_an_update_that_changes_nothing_leaves_nothing(patient):
    before = AuditEvent.objects.count()
    update(patient, first_name="Ada")
    assert AuditEvent.objects.count() == before


def test_a_clinics_own_events_carry_the_clinic(db):
    clinic = factories.ClinicFactory(state="NY")
    Clinic.objects.filter(pk=clinic.pk).update(state="VT")
    event = events(clinic)[-1]
    assert (event.clinic_id, event.old, event.new) == (clinic.pk, {"state": "NY"}, {"state": "VT"})


def test_an_actor_that_is_not_known_is_the_database_user(patient):
    with transaction.atomic():
        execute("SELECT set_config('iop.actor', '', true)")
        update(patient, pronouns="she")
    assert last(patient)[3] == DATABASE


# --- what is never copied ------------------------------------------------------------------------


def test_password_and_last_login_are_never_copied(db):
    user = factories.UserFactory()
    user.set_password("another-long-password")
    user.save()
    update(user, last_login="2026-03-02T09:00Z", name="New name")
    assert [event.operation for event in events(user)] == ["I", "U"]
    assert events(user)[1].new == {"name": "New name"}
    assert not {"password", "last_login"} & events(user)[0].new.keys()


def test_the_hash_of_a_device_is_never_copied(coordinator):
    device, _ = devices.sign_in(device="Tablet", by=coordinator)
    update(device, last_used_at="2026-03-02T09:00Z")
    assert [event.operation for event in events(device)] == ["I"]
    assert not {"digest", "token_key", "last_used_at"} & events(device)[0].new.keys()
    assert events(device)[0].actor == coordinator.actor


# --- the actor ends with its transaction ---------------------------------------------------------

pages = pytest.mark.urls("tests.accounts.audit_pages")


@pages
@pytest.mark.django_db(transaction=True)
def test_the_actor_of_one_request_is_gone_in_the_next(client):
    patient = factories.PatientFactory(**FACTS)
    coordinator = factories.staff(patient.clinic)
    client.force_login(coordinator)
    first = client.get("/rename/", {"to": "Eve"})
    second = client.get("/rename-without-actor/", {"to": "Bo"})
    assert first.content == second.content  # one connection served both
    assert [event.actor for event in events(patient, "U")] == [coordinator.actor, DATABASE]


@pages
@pytest.mark.django_db(transaction=True)
def test_each_request_acts_as_its_own_user(client):
    patient = factories.PatientFactory(**FACTS)
    people = [factories.staff(patient.clinic) for _ in range(2)]
    for person, name in zip(people, ("Eve", "Bo"), strict=True):
        client.force_login(person)
        client.get("/rename/", {"to": name})
    assert [event.actor for event in events(patient, "U")] == [p.actor for p in people]


@pages
@pytest.mark.django_db(transaction=True)
def test_a_token_acts_as_its_user(client):
    patient = factories.PatientFactory(**FACTS)
    coordinator = factories.staff(patient.clinic)
    _, token = Device.objects.create(user=coordinator, name="Tablet")
    answer = client.get("/api/rename/", {"to": "Eve"}, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert last(patient)[3] == coordinator.actor


@pytest.mark.django_db(transaction=True)
def test_after_a_refused_service_nobody_acts():
    patient = factories.PatientFactory(**FACTS)
    coordinator = factories.staff(patient.clinic)
    with pytest.raises(Refused):
        save_patient(clinic=patient.clinic, patient=patient, record_number="", by=coordinator)
    update(patient, pronouns="she")
    assert last(patient)[3] == DATABASE


def test_inside_an_open_transaction_the_actor_ends_with_the_service(patient, coordinator):
    assert connection.in_atomic_block
    save_patient(clinic=patient.clinic, patient=patient, first_name="Eve", by=coordinator)
    update(patient, pronouns="she")
    assert last(patient)[3] == DATABASE


def test_a_service_within_a_service_keeps_the_outer_actor(patient, coordinator):
    @service
    def outer(*, by):
        save_patient(clinic=patient.clinic, patient=patient, first_name="Eve", by=Job("inner"))
        update(patient, pronouns="she")

    outer(by=coordinator)
    assert [event.actor for event in events(patient, "U")] == [coordinator.actor] * 2


# --- events live and die with their transaction, and never change --------------------------------


def test_a_rollback_leaves_no_event(patient, coordinator):
    before = AuditEvent.objects.count()

    @service
    def half_done(*, by):
        update(patient, first_name="Eve")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        half_done(by=coordinator)
    assert AuditEvent.objects.count() == before
    patient.refresh_from_db()
    assert patient.first_name == "Ada"


def test_the_trail_is_in_the_order_of_the_changes(patient, coordinator):
    for name in ("Eve", "Bo"):
        save_patient(clinic=patient.clinic, patient=patient, first_name=name, by=coordinator)
    first, second = events(patient, "U")
    assert (first.new["first_name"], second.old["first_name"]) == ("Eve", "Eve")
    assert first.at <= second.at
