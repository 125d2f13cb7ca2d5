"""Make-ups, single bookings and the sick call over REST."""

from __future__ import annotations

import datetime
from functools import partial
from typing import Any

import pytest

from attendance.compliance.make_ups import find_make_ups
from iop_clinic.accounts.roles import Role
from scheduling.models import Booking, CallIn, Closure, Session
from tests import factories as f
from tests.api import API, client_of, nothing_written
from tests.attendance.house import FRI, MON, SAT, THU, WED
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(week: ShortWeek) -> Any:
    return client_of(week.by)


def listed(week: ShortWeek, client: Any, start: datetime.date = MON) -> Any:
    patient = week.patient.patient.public_id
    return client.get(f"{API}/patients/{patient}/weeks/{start}/make-ups/")


def book(week: ShortWeek, client: Any, session: Session, key: str = "", **body: Any) -> Any:
    body = {
        "session": str(session.public_id),
        "patient": str(week.patient.patient.public_id),
        **body,
    }
    header = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
    return client.post(f"{API}/bookings/", body, **header)


def call(week: ShortWeek, client: Any, **body: Any) -> Any:
    body = {
        "from": str(THU), "to": str(FRI), "reason": "illness",
        "notified_at": week.now.isoformat(), **body,
    }  # fmt: skip
    return client.post(f"{API}/patients/{week.patient.patient.public_id}/call-ins/", body)


# --- the list ---------------------------------------------------------------------------------


def test_a_make_up_keeps_the_zone_it_was_planned_in(week: ShortWeek, client: Any) -> None:
    week.session()
    week.clinic.zone = "America/Chicago"
    week.clinic.save()
    body = listed(week, client).json()
    (one,) = body["results"]
    assert (one["starts_at"], one["zone"]) == ("2026-03-05T14:00:00-05:00", "America/New_York")
    assert body["zone"] == "America/Chicago"


def test_each_make_up_says_what_it_repairs(week: ShortWeek, client: Any) -> None:
    session = week.session()
    body = listed(week, client).json()
    (one,) = body["results"]
    assert (one["session"], one["free_seats"], one["makes_up"], one["local_date"]) == (
        str(session.public_id), 12, str(week.missed.public_id), "2026-03-05",
    )  # fmt: skip
    assert one["starts_at"] == "2026-03-05T14:00:00-05:00"
    assert one["repairs"] == [
        {
            "standard": "Adult IOP 2.1",
            "minutes": 180,
            "days": [
                {"local_date": "2026-03-05", "minutes": 180, "threshold": 180, "qualifies": True}
            ],
            "minutes_to_go": 0,
            "days_to_go": 0,
            "repaired": True,
            "sentence": "adds 3 h; brings Thursday to 3 h: a qualifying day; repairs the week",
        }
    ]
    assert (body["short"], body["plan"], body["hours"]) == (True, [str(session.public_id)], [])
    assert [(one["minutes_to_go"], one["days_to_go"]) for one in body["missing"]] == [(180, 1)]


def test_if_none_repairs_it_says_what_would(week: ShortWeek, client: Any) -> None:
    f.RoomFactory(clinic=week.clinic, name="Office 1")
    week.fill(session := week.session())
    body = listed(week, client).json()
    assert (body["results"], body["plan"], body["plan_repairs"]) == ([], [], [])
    assert [one["session"] for one in body["full"]] == [str(session.public_id)]
    first = body["hours"][0]
    assert (first["therapist"], first["room"], first["starts_at"]) == (
        week.house.therapist.name, "Office 1", "2026-03-06T08:00:00-05:00",
    )  # fmt: skip


def test_only_weeks_of_the_clinic_that_were_treated(week: ShortWeek, client: Any) -> None:
    assert listed(week, client, THU).status_code == 404
    assert listed(week, client, MON - datetime.timedelta(days=7)).status_code == 404


# --- booking ----------------------------------------------------------------------------------


def test_a_make_up_is_booked_and_the_case_closes(week: ShortWeek, client: Any) -> None:
    session = week.session()
    answer = book(week, client, session, makes_up=str(week.missed.public_id))
    row = Booking.objects.get(session=session)
    body = answer.json()
    assert (answer.status_code, body["id"], body["makes_up"], body["state"]) == (
        201, str(row.public_id), str(week.missed.public_id), "booked",
    )  # fmt: skip
    assert body["session"]["starts_at"] == "2026-03-05T14:00:00-05:00"
    assert week.flag.state == "closed"


def test_the_same_key_books_once(week: ShortWeek, client: Any) -> None:
    session = week.session()
    first = book(week, client, session, key="tablet-1")
    with nothing_written():
        again = book(week, client, session, key="tablet-1")
    assert (again.status_code, again.json()) == (201, first.json())


def test_whoever_comes_second_gets_the_list_again(week: ShortWeek, client: Any) -> None:
    last, spare = week.session(), week.session(SAT, "09:00")
    week.fill(last)
    with nothing_written():
        answer = book(week, client, last)
    body = answer.json()
    assert (answer.status_code, body["code"], body["capacity"]) == (409, "session_full", 1)
    assert [one["session"] for one in body["make_ups"]] == [str(spare.public_id)]


def test_another_patients_booking_is_not_made_up(week: ShortWeek, client: Any) -> None:
    strangers = f.booking(week.session(SAT), week.other())
    session = week.session()
    with nothing_written():
        answer = book(week, client, session, makes_up=str(strangers.public_id))
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_booking")
    assert answer.json()["errors"][0]["loc"] == ["makes_up"]


def refused(week: ShortWeek, client: Any, session: Session, missed: Booking) -> tuple[str, Any]:
    with nothing_written():
        body = book(week, client, session, makes_up=str(missed.public_id)).json()
    return body["code"], body["errors"][0]["loc"]


def test_only_what_was_missed_is_made_up_and_once(week: ShortWeek, client: Any) -> None:
    monday = Booking.objects.get(episode=week.patient, session__local_date=MON)
    first, second = week.session(), week.session(SAT, "09:00")
    assert refused(week, client, first, monday) == ("unknown_booking", ["makes_up"])
    assert refused(week, client, first, week.friday) == ("unknown_booking", ["makes_up"])
    assert book(week, client, first, makes_up=str(week.missed.public_id)).status_code == 201
    assert refused(week, client, second, week.missed) == ("unknown_booking", ["makes_up"])


def test_a_make_up_that_was_withdrawn_leaves_it_missed(week: ShortWeek, client: Any) -> None:
    session, missed = week.session(), {"makes_up": str(week.missed.public_id)}
    made = book(week, client, session, **missed).json()
    client.post(f"{API}/bookings/{made['id']}/withdraw/", {"reason": "Wrong day"})
    again = book(week, client, session, **missed).json()
    assert (again["id"], again["state"], again["makes_up"]) == (
        made["id"], "booked", missed["makes_up"],
    )  # fmt: skip


def test_a_make_up_is_checked_like_one_from_the_list(week: ShortWeek, client: Any) -> None:
    past, closed = week.session(WED, "14:00"), week.session(SAT, "09:00")
    Closure.objects.create(clinic=week.clinic, starts_on=SAT, ends_on=SAT, reason="Flood")
    assert refused(week, client, past, week.missed) == ("session_begun", ["session"])
    assert refused(week, client, closed, week.missed) == ("clinic_closed", ["session"])
    week.insure(ends_on=WED)
    assert refused(week, client, week.session(), week.missed) == ("not_authorized", ["session"])


def test_nobody_on_hold_is_booked(week: ShortWeek, client: Any) -> None:
    session = week.session()
    week.patient.holds.create(clinic=week.clinic, reason="hospital", starts_on=THU, ends_on=THU)
    assert refused(week, client, session, week.missed) == ("on_hold", ["session"])
    with nothing_written():
        body = book(week, client, session).json()
    assert (body["code"], body["errors"][0]["loc"]) == ("on_hold", ["patient"])
    assert book(week, client, week.session(SAT, "09:00")).status_code == 201


def test_a_therapist_books_a_make_up_in_a_colleagues_session(week: ShortWeek) -> None:
    """The own patient's list opens it; a session that is not on the list does not exist."""
    therapist = client_of(week.house.user)
    group = f.GroupFactory(clinic=week.clinic, program=week.patient.program)
    on_the_list = week.session(group=group)
    another = week.session(FRI, group=f.GroupFactory(clinic=week.clinic))
    with nothing_written():
        hidden = book(week, therapist, another)
    assert (hidden.status_code, hidden.json()["errors"][0]["loc"]) == (404, ["session"])
    assert [book(week, therapist, on_the_list).status_code for _ in range(2)] == [201, 201]


def test_a_therapist_books_nobody_elses_patient(week: ShortWeek) -> None:
    colleague = client_of(f.staff(week.clinic, Role.THERAPIST))
    session = week.session()
    with nothing_written():
        answer = book(week, colleague, session)
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (404, ["patient"])


def test_release_and_withdraw_answer_with_the_booking(week: ShortWeek, client: Any) -> None:
    url = f"{API}/bookings/{week.friday.public_id}/"
    notice = {"notified_at": week.now.isoformat(), "reason": "court"}
    released = client.post(f"{url}release/", notice).json()
    assert (released["state"], released["released_at"]) == (
        "released", "2026-03-05T05:00:00-05:00",
    )  # fmt: skip
    assert client.post(f"{url}withdraw/", {"reason": "New plan"}).json()["state"] == "withdrawn"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (
            {"notified_at": "2026-03-05T05:01:00-05:00", "reason": "court"},
            409,
            "notified_in_future",
        ),
        ({"notified_at": "2026-03-05T04:00:00-05:00", "reason": "bored"}, 400, "invalid_choice"),
        ({"reason": "court"}, 400, "required"),
    ],
)
def test_a_notice_that_cannot_be(
    week: ShortWeek, client: Any, body: dict[str, Any], status: int, code: str
) -> None:
    with nothing_written():
        answer = client.post(f"{API}/bookings/{week.friday.public_id}/release/", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


# --- the sick call ----------------------------------------------------------------------------


def test_a_sick_call_is_one_request(week: ShortWeek, client: Any) -> None:
    answer = call(week, client, note="Flu")
    body = answer.json()
    assert (answer.status_code, body["from"], body["to"], body["note"], body["taken_back_at"]) == (
        201, "2026-03-05", "2026-03-06", "Flu", None,
    )  # fmt: skip
    assert [row["id"] for row in body["released"]] == [str(week.friday.public_id)]
    roster = client.get(f"{API}/sessions/{week.friday.session.public_id}/").json()["roster"]
    assert (roster[0]["status"], roster[0]["absence_reason"], roster[0]["booking_state"]) == (
        "unrecorded", "illness", "released",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "status", "code", "place"),
    [
        ({"to": "2026-03-04"}, 400, "dates_in_order", "to"),
        ({"to": "2026-08-04"}, 400, "call_in_too_long", "to"),
        ({"from": "2026-02-01", "to": "2026-02-02"}, 409, "not_active", "from"),
        ({"notified_at": "2026-03-05T05:01:00-05:00"}, 409, "notified_in_future", "notified_at"),
    ],
)
def test_a_call_that_is_refused_names_the_field(
    week: ShortWeek, client: Any, wrong: dict[str, str], status: int, code: str, place: str
) -> None:
    with nothing_written():
        answer = call(week, client, **wrong)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["errors"][0]["loc"] == [place]


def test_taking_it_back_tells_what_found_no_place(week: ShortWeek, client: Any) -> None:
    thursday = f.booking(week.session(), week.patient)
    body = call(week, client).json()
    week.fill(week.friday.session)
    take_back = partial(client.post, f"{API}/call-ins/{body['id']}/take-back/")
    answer = take_back()
    assert [row["id"] for row in answer.json()["released"]] == [str(week.friday.public_id)]
    assert answer.json()["taken_back_at"] == "2026-03-05T05:00:00-05:00"
    thursday.refresh_from_db()
    assert thursday.state == "booked"
    with nothing_written():
        assert take_back().json() == answer.json()
    assert CallIn.objects.count() == 1


def test_the_list_and_the_service_agree(week: ShortWeek, client: Any) -> None:
    for starts in ("14:00", "18:00"):
        week.session(starts=starts)
    found = find_make_ups(episode=week.patient, day=MON, now=week.now)
    shown = [one["session"] for one in listed(week, client).json()["results"]]
    assert shown == [str(one.session.public_id) for one in found.candidates]
