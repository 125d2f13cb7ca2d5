"""Adding a patient to today's roster over REST, also twice with one key."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from attendance.clinics import open_clinic
from attendance.compliance.replays import replayed_weeks
from attendance.reports.tasks import tick
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import AuditEvent, IdempotencyKey
from iop_clinic.accounts.roles import Role
from patients.models import Patient
from scheduling.models import Booking, Session
from tests import factories
from tests.api import AFTER, Roster, client_of, exactly, nothing_written, roster, treated
from tests.attendance.house import SUN, THU, House
from tests.attendance.short_weeks import ShortWeek

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
def guest(r: Roster) -> Patient:
    """A patient of the clinic on somebody else's caseload."""
    (episode,) = treated(r.clinic, 1, factories.TherapistFactory(clinic=r.clinic))
    episode.patient.first_name, episode.patient.last_name = "Guest", "Guestson"
    episode.patient.save()
    return episode.patient


def add(client: Any, r: Roster, patient: Patient, key: str = "", **body: Any) -> Any:
    header = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
    return client.post(f"{r.url}roster/", {"patient": str(patient.public_id), **body}, **header)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seated", [1, 11])
def test_an_addition_takes_the_same_statements(seated: int) -> None:
    """Twelve to give the seat, eight for the row of the roster in the answer."""
    clinic = open_clinic(name="Riverside", zone="America/New_York", by=Job("test"))
    here = roster(seated, clinic=clinic)
    (episode,) = treated(clinic, 1, here.therapist)
    client = here.client
    body = {"patient": str(episode.patient.public_id)}
    with exactly(20):
        answer = client.post(f"{here.url}roster/", body)
    assert (answer.status_code, answer.json()["seat"]) == (201, seated + 1)


def test_candidates_are_the_clinics_census_by_short_name(
    r: Roster, client: Any, guest: Patient
) -> None:
    answer = client.post(f"{r.url}candidates/", {"q": "guest"})
    assert answer.json() == {
        "results": [{"id": str(guest.public_id), "name": "Guest G.", "mark": ""}],
        "next": None,
        "previous": None,
    }
    seen = AuditEvent.objects.filter(operation="R", table_name="patients_patient")
    assert [event.row_id for event in seen] == [guest.pk]


def test_of_one_name_two_letters_and_the_therapist_tell_apart(
    r: Roster, client: Any, guest: Patient
) -> None:
    (other,) = treated(r.clinic, 1, factories.TherapistFactory(clinic=r.clinic, name="Ana Ito"))
    Patient.objects.filter(pk=other.patient_id).update(first_name="Guest", last_name="Gale")
    results = client.post(f"{r.url}candidates/", {"q": "guest"}).json()["results"]
    led = guest.episodes.get().primary_therapist
    assert [(one["name"], one["mark"]) for one in results] == [
        ("Guest G.", "Ga…, with Ana Ito"), ("Guest G.", f"Gu…, with {led.name}"),
    ]  # fmt: skip


def test_the_seated_the_discharged_and_other_clinics_are_no_candidates(
    r: Roster, client: Any, guest: Patient
) -> None:
    episode = guest.episodes.get()
    episode.state, episode.discharge_reason = "discharged", "completed"
    episode.discharged_on = datetime.date(2026, 3, 1)
    episode.save()
    elsewhere = factories.PatientFactory(first_name="Guest")
    factories.admitted(elsewhere.clinic, patient=elsewhere)
    for q in ("guest", r.bookings[0].patient.last_name):
        assert client.post(f"{r.url}candidates/", {"q": q}).json()["results"] == []


def test_the_answer_is_the_new_roster_row(r: Roster, client: Any, guest: Patient) -> None:
    answer = add(client, r, guest)
    assert answer.status_code == 201
    row = answer.json()
    assert (row["patient"]["id"], row["seat"], row["status"]) == (
        str(guest.public_id), 3, "unrecorded",
    )  # fmt: skip
    assert row["week"]["at_most"] == 60
    assert Booking.objects.get(public_id=row["booking"]).patient == guest


def test_a_full_session_is_409_until_a_reason_is_given(
    r: Roster, client: Any, guest: Patient
) -> None:
    Session.objects.update(capacity=2, ceiling=3)
    with nothing_written():
        full = add(client, r, guest)
    assert (full.status_code, full.json()["code"]) == (409, "session_full")
    assert add(client, r, guest, overflow_reason="Crisis").json()["seat"] == 3


def test_a_patient_who_is_elsewhere_is_busy(r: Roster, client: Any, guest: Patient) -> None:
    elsewhere = factories.session(r.clinic, "2026-03-02", "09:30", "10:30")
    factories.booking(elsewhere, guest.episodes.get())
    with nothing_written():
        answer = add(client, r, guest)
    assert (answer.status_code, answer.json()["code"]) == (409, "patient_busy")


def test_a_roster_is_added_to_for_31_days(r: Roster, guest: Patient, time_machine: Any) -> None:
    last = r.session.ends_at + datetime.timedelta(days=31)
    time_machine.move_to(last + datetime.timedelta(seconds=1), tick=False)
    later = r.client
    with nothing_written():
        late = add(later, r, guest)
    assert (late.status_code, late.json()["code"]) == (400, "session_date")
    time_machine.move_to(last, tick=False)
    assert add(later, r, guest).status_code == 201


def test_unknown_and_other_clinics_patients_are_the_same_404(r: Roster, client: Any) -> None:
    other = factories.PatientFactory()
    unknown = factories.PatientFactory.build(public_id=uuid.uuid4(), clinic=None)
    with nothing_written():
        answers = [add(client, r, patient) for patient in (other, unknown)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["errors"][0]["loc"] == ["patient"]


def test_the_same_key_adds_once_and_answers_alike(r: Roster, client: Any, guest: Patient) -> None:
    first = add(client, r, guest, key="tablet-1")
    with nothing_written():
        again = add(client, r, guest, key="tablet-1")
    assert (again.status_code, again.json()) == (201, first.json())
    row = IdempotencyKey.objects.get()
    assert (row.status, row.location) == (201, first.json()["booking"])


def test_the_same_key_with_another_body_is_422(r: Roster, client: Any, guest: Patient) -> None:
    add(client, r, guest, key="tablet-1")
    with nothing_written():
        answer = add(client, r, guest, key="tablet-1", overflow_reason="Other")
    assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")


def test_a_key_in_flight_is_409_and_is_freed_after_two_minutes(
    r: Roster, client: Any, guest: Patient, time_machine: Any
) -> None:
    first = add(client, r, guest, key="tablet-1")
    IdempotencyKey.objects.update(status=None, location="")
    answer = add(client, r, guest, key="tablet-1")
    assert (answer.status_code, answer.json()["code"]) == (409, "in_flight")
    time_machine.move_to(AFTER + datetime.timedelta(minutes=3), tick=False)
    answer = add(client, r, guest, key="tablet-1")
    assert (answer.status_code, answer.json()["booking"]) == (201, first.json()["booking"])


def test_a_refused_request_leaves_its_key_free(r: Roster, client: Any, guest: Patient) -> None:
    Session.objects.update(capacity=2, ceiling=3)
    assert add(client, r, guest, key="tablet-1").status_code == 409
    Session.objects.update(capacity=3)
    assert add(client, r, guest, key="tablet-1").status_code == 201


def test_a_key_belongs_to_one_user_and_lasts_a_day(
    r: Roster, client: Any, guest: Patient, time_machine: Any
) -> None:
    add(client, r, guest, key="k")
    other = roster(1, clinic=r.clinic, day="2026-03-03")
    assert other.client.post(f"{r.url}roster/", {"patient": str(guest.public_id)},
                             HTTP_IDEMPOTENCY_KEY="k").status_code == 404  # fmt: skip
    time_machine.move_to(AFTER + datetime.timedelta(hours=25), tick=False)
    assert add(client, r, guest, key="k", overflow_reason="Other").status_code == 201


@pytest.mark.parametrize("key", ["", " ", "a" * 201, "é"])
def test_a_key_is_1_to_200_visible_characters(
    r: Roster, client: Any, guest: Patient, key: str
) -> None:
    url, body = f"{r.url}roster/", {"patient": str(guest.public_id)}
    with nothing_written():
        answer = client.post(url, body, HTTP_IDEMPOTENCY_KEY=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_key")


def test_keys_are_kept_for_a_day(r: Roster) -> None:
    for hours in (25, 23):
        created_at = timezone.now() - datetime.timedelta(hours=hours)
        IdempotencyKey.objects.create(
            user=r.user, route="/", key=f"{hours}", body_hash="h", created_at=created_at
        )
    tick()
    assert [row.key for row in IdempotencyKey.objects.all()] == ["23"]


def test_a_key_given_back_while_it_is_looked_up_is_in_flight(
    r: Roster, client: Any, guest: Patient, monkeypatch: Any
) -> None:
    """The first request is refused, and frees its key, between this one's insert and its look."""

    def taken(**_: Any) -> IdempotencyKey:
        raise IntegrityError

    monkeypatch.setattr(IdempotencyKey.objects, "create", taken)
    with nothing_written():
        answer = add(client, r, guest, key="again")
    assert (answer.status_code, answer.json()["code"]) == (409, "in_flight")


def joins(client: Any, session: Session, patient: Patient) -> Any:
    url = f"/api/v1/sessions/{session.public_id}/roster/"
    return client.post(url, {"patient": str(patient.public_id)})


@pytest.fixture
def week(time_machine: Any) -> ShortWeek:
    found = ShortWeek()
    time_machine.move_to(found.now, tick=False)
    return found


def test_who_is_added_has_the_week_judged_at_once(week: ShortWeek) -> None:
    answer = joins(client_of(week.by), week.session(THU), week.patient.patient)
    assert answer.status_code == 201
    assert (week.flag.state, week.flag.closed_by_facts) == ("closed", True)


def test_who_is_refused_keeps_the_case(week: ShortWeek) -> None:
    client, full = client_of(week.by), week.session(THU)
    week.fill(full)
    with nothing_written():
        answer = joins(client, full, week.patient.patient)
    assert (answer.json()["code"], week.flag.state) == ("session_full", "open")


def test_who_is_added_to_a_roster_of_last_week_has_its_result_taken_back(time_machine: Any) -> None:
    house = House()
    patient = house.patient()
    house.full_week(patient)
    thursday = house.day(THU, [])
    house.night(SUN)
    time_machine.move_to(house.morning(SUN), tick=False)
    client = client_of(factories.staff(house.clinic, Role.COORDINATOR))
    assert joins(client, thursday, patient.patient).status_code == 201
    (replayed,) = replayed_weeks(clinic=house.clinic, now=timezone.now())
    assert replayed.differing == ()
