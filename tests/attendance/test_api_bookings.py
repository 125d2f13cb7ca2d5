"""Single bookings over REST: what they cost, and what they refuse once a patient is recorded."""

from __future__ import annotations

from typing import Any

import pytest

from attendance.clinics import open_clinic
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic
from scheduling.models import Booking, Session
from tests import factories as f
from tests.api import API, client_of, exactly, nothing_written, roster, treated
from tests.attendance.house import FRI
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db


def body_of(session: Session, patient: Any) -> dict[str, str]:
    return {"session": str(session.public_id), "patient": str(patient.public_id)}


@pytest.fixture
def client(week: ShortWeek) -> Any:
    return client_of(week.by)


def booked(week: ShortWeek, client: Any, session: Session, **extra: Any) -> Any:
    body = {**body_of(session, week.patient.patient), **extra}
    return client.post(f"{API}/bookings/", body)


@pytest.fixture
def clinic() -> Clinic:
    """As it is on its first day: no night has judged anything."""
    return open_clinic(name="Riverside", zone="America/New_York", by=Job("test"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seated", [0, 1, 12])
def test_a_booking_takes_the_same_statements(clinic: Clinic, seated: int) -> None:
    r = roster(seated, clinic=clinic, day="2026-11-25")
    (episode,) = treated(clinic, 1, r.therapist)
    client, body = client_of(f.staff(clinic)), body_of(r.session, episode.patient)
    with exactly(12):
        answer = client.post(f"{API}/bookings/", body)
    assert (answer.status_code, answer.json()["seat"]) == (201, seated + 1)


def test_the_answer_is_what_is_stored(week: ShortWeek, client: Any) -> None:
    answer = booked(week, client, week.session())
    row = Booking.objects.get(public_id=answer.json()["id"])
    again = booked(week, client, row.session)
    assert (answer.status_code, again.status_code) == (201, 201)
    assert again.json() == answer.json()
    assert (answer.json()["patient"]["id"], answer.json()["version"]) == (
        str(week.patient.patient.public_id), row.version,
    )  # fmt: skip


def test_whoever_is_booked_already_may_say_what_it_makes_up(week: ShortWeek, client: Any) -> None:
    session = week.session()
    Booking.objects.filter(episode=week.patient, session=session).delete()
    row = f.booking(session, week.patient)
    answer = booked(week, client, session, makes_up=str(week.missed.public_id))
    row.refresh_from_db()
    assert (answer.status_code, answer.json()["makes_up"]) == (201, str(week.missed.public_id))
    assert (row.makes_up, row.version) == (week.missed, 2)


def test_no_missed_booking_may_be_said_as_null(week: ShortWeek, client: Any) -> None:
    answer = booked(week, client, week.session(), makes_up=None)
    assert (answer.status_code, answer.json()["makes_up"]) == (201, None)


def test_a_make_up_does_not_change_sides(week: ShortWeek, client: Any) -> None:
    session = week.session()
    other = f.booking(week.session(FRI, "18:00"), week.patient)
    row = f.booking(session, week.patient, makes_up=other)
    with nothing_written():
        answer = booked(week, client, session, makes_up=str(week.missed.public_id))
    assert (answer.status_code, answer.json()["code"]) == (409, "already_booked")
    assert answer.json()["errors"][0]["loc"] == ["makes_up"]
    assert Booking.objects.get(pk=row.pk).makes_up == other


@pytest.mark.parametrize("came", [True, False])
@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("release", {"reason": "illness", "notified_at": "2026-03-04T20:00:00-05:00"}),
        ("withdraw", {"reason": "Moved away"}),
    ],
)
def test_what_is_recorded_is_neither_given_up_nor_withdrawn(
    week: ShortWeek, client: Any, came: bool, verb: str, body: dict[str, str]
) -> None:
    """A notice that comes to light later is entered in the record; a record is cleared first."""
    row = week.missed
    if came:
        row.attendance.delete()
        week.house.came(week.patient, row.session.local_date)
    with nothing_written():
        answer = client.post(f"{API}/bookings/{row.public_id}/{verb}/", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "attendance_recorded")
