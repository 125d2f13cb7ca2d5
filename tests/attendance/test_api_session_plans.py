"""Planning one session over REST."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

import pytest

from iop_clinic.accounts.roles import Role
from patients.models import AgeBracket
from scheduling.models import Closure, Room, Session
from tests import factories as f
from tests.api import API, client_of, exactly, nothing_written
from tests.attendance.house import MON, THU, WED, House
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db

SESSIONS = f"{API}/sessions/"


@pytest.fixture
def client(week: ShortWeek) -> Any:
    return client_of(week.by)


def plan(week: ShortWeek, client: Any, key: str = "", **body: Any) -> Any:
    """An hour of individual work on Thursday with the patient of the week."""
    given = {
        "type": "individual",
        "therapist": str(week.house.therapist.public_id),
        "starts_at": "2026-03-05T14:00:00-05:00",
        "ends_at": "2026-03-05T15:00:00-05:00",
        "patients": [str(week.patient.patient.public_id)],
        **body,
    }
    given = {name: value for name, value in given.items() if value is not ...}
    header = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
    return client.post(SESSIONS, given, **header)


def problem(answer: Any) -> tuple[int, str, Any]:
    body = answer.json()
    places = [error["loc"] for error in body.get("errors", [])]
    return answer.status_code, body["code"], places[0] if len(places) == 1 else places


# --- planning ---------------------------------------------------------------------------------


def test_a_planned_session_is_answered_as_the_list_shows_it(week: ShortWeek, client: Any) -> None:
    f.RoomFactory(clinic=week.clinic, name="Office 1")
    answer = plan(week, client, room="office 1")
    assert answer.status_code == 201, answer.json()
    session = Session.objects.get(public_id=answer.json()["id"])
    assert answer.json() == {
        "id": str(session.public_id),
        "title": "Individual",
        "kind": "individual",
        "starts_at": "2026-03-05T14:00:00-05:00",
        "ends_at": "2026-03-05T15:00:00-05:00",
        "zone": "America/New_York",
        "local_date": "2026-03-05",
        "room": "Office 1",
        "by_video": False,
        "off_site": "",
        "staff": [{"name": week.house.therapist.name, "role": "facilitator"}],
        "state": "upcoming",
        "capacity": 1,
        "expected": 1,
        "recorded": 0,
    }
    listed = client.get(f"{SESSIONS}?from=2026-03-05").json()["results"]
    assert listed == [answer.json()]
    assert [row.episode for row in session.bookings.all()] == [week.patient]


@pytest.mark.parametrize(
    "place", [{"by_video": True, "off_site": ""}, {"by_video": False, "off_site": "Main St clinic"}]
)
def test_it_is_planned_by_video_or_off_site(week: ShortWeek, client: Any, place: Any) -> None:
    answer = plan(week, client, room=None, **place).json()
    assert {name: answer[name] for name in ("room", *place)} == {"room": None, **place}


def test_a_name_goes_before_a_kind(week: ShortWeek, client: Any) -> None:
    f.SessionTypeFactory(clinic=week.clinic, name="Long hour", kind="individual")
    by_name = plan(week, client, type="INDIVIDUAL", therapist=week.house.therapist.name.upper())
    assert (by_name.status_code, by_name.json()["title"]) == (201, "Individual")


def test_a_kind_names_its_only_type(week: ShortWeek, client: Any) -> None:
    assert plan(week, client, type="case_management").json()["title"] == "Case management"


def test_a_free_hour_can_be_planned_as_it_is_told(week: ShortWeek, client: Any) -> None:
    f.RoomFactory(clinic=week.clinic, name="Office 1")
    patient = str(week.patient.patient.public_id)
    url = f"{API}/patients/{patient}/weeks/{MON}/make-ups/"
    hour = client.get(url).json()["hours"][0]
    body = {name: hour[name] for name in ("therapist", "room", "starts_at", "ends_at")}
    answer = plan(week, client, type=hour["session_type"], **body)
    assert answer.status_code == 201
    assert {name: answer.json()[name] for name in ("room", "starts_at", "ends_at")} == {
        name: hour[name] for name in ("room", "starts_at", "ends_at")
    }


@pytest.mark.parametrize("people", [0, 2])
def test_a_groups_extra_session_has_its_capacity(week: ShortWeek, client: Any, people: int) -> None:
    others = [week.other() for _ in range(people)]
    ids = [str(one.patient.public_id) for one in others]
    group = week.house.group
    body = plan(week, client, type="education", group=str(group.public_id), patients=ids).json()
    assert (body["title"], body["capacity"], body["expected"]) == (group.name, 12, people)


def test_the_week_is_judged_with_it(week: ShortWeek, client: Any) -> None:
    assert plan(week, client).status_code == 201
    assert week.flag.evidence["at_most"] == 420


def test_the_same_key_plans_once(week: ShortWeek, client: Any) -> None:
    first = plan(week, client, key="tablet-1")
    with nothing_written():
        again = plan(week, client, key="tablet-1")
    assert (again.status_code, again.json()) == (201, first.json())


def test_another_of_my_clinics_can_be_named(week: ShortWeek, client: Any) -> None:
    there = House()
    f.staff(there.clinic, user=week.by)
    body: dict[str, Any] = {"clinic": str(there.clinic.public_id), "patients": []}
    with nothing_written():
        unknown = plan(week, client, **body)
    assert problem(unknown) == (404, "not_found", ["therapist"])
    found = plan(week, client, therapist=str(there.therapist.public_id), **body)
    assert (found.status_code, Session.objects.get(public_id=found.json()["id"]).clinic) == (
        201, there.clinic,
    )  # fmt: skip


# --- planning refused -------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.THERAPIST, Role.FRONT_DESK, Role.AUDITOR])
def test_planning_is_for_who_manages_the_schedule(week: ShortWeek, role: Role) -> None:
    client = client_of(week.house.user if role == Role.THERAPIST else f.staff(week.clinic, role))
    with nothing_written():
        answers = [plan(week, client), plan(week, client, type=...)]
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(403, "not_allowed")] * 2


def test_a_clinic_that_is_not_mine_is_as_unknown_as_none(week: ShortWeek, client: Any) -> None:
    other = f.ClinicFactory()
    with nothing_written():
        hidden = plan(week, client, clinic=str(other.public_id))
        none = plan(week, client, clinic=str(uuid.uuid4()))
    assert (hidden.status_code, hidden.json()) == (404, none.json())


NOTHING = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize("kind", ["type", "therapist", "room", "group", "patients"])
def test_rows_elsewhere_are_as_unknown_as_none(week: ShortWeek, client: Any, kind: str) -> None:
    there = House()
    theirs: dict[str, Any] = {
        "type": f.SessionTypeFactory(clinic=there.clinic, name="Equine").name,
        "therapist": there.therapist.public_id,
        "room": f.RoomFactory(clinic=there.clinic, name="Stable").name,
        "group": there.group.public_id,
        "patients": [str(there.patient(seat=None).patient.public_id)],
    }
    said = theirs[kind] if kind == "patients" else str(theirs[kind])
    unknown: dict[str, Any] = {kind: [NOTHING] if kind == "patients" else NOTHING}
    with nothing_written():
        hidden = plan(week, client, **{kind: said})
        none = plan(week, client, **unknown)
    place = ["patients", 0] if kind == "patients" else [kind]
    assert problem(hidden) == (404, "not_found", place)
    assert hidden.json() == none.json()


@pytest.mark.parametrize("kind", ["type", "therapist", "room", "group"])
def test_what_is_used_no_longer_is_not_found(week: ShortWeek, client: Any, kind: str) -> None:
    rows: dict[str, Any] = {
        "type": f.SessionTypeFactory(clinic=week.clinic, active=False),
        "therapist": f.TherapistFactory(clinic=week.clinic, active=False),
        "room": f.RoomFactory(clinic=week.clinic, active=False),
        "group": f.GroupFactory(clinic=week.clinic, active=False),
    }
    row = rows[kind]
    with nothing_written():
        answer = plan(week, client, **{kind: str(row.public_id if kind == "group" else row.name)})
    assert problem(answer) == (404, "not_found", [kind])


def test_the_second_of_two_patients_is_named(week: ShortWeek, client: Any) -> None:
    ids = [str(week.patient.patient.public_id), NOTHING]
    with nothing_written():
        answer = plan(week, client, patients=ids)
    assert problem(answer) == (404, "not_found", ["patients", 1])


def test_a_name_of_two_therapists_is_ambiguous_and_their_ids_are_told(
    week: ShortWeek, client: Any
) -> None:
    other = f.TherapistFactory(clinic=week.clinic, name=week.house.therapist.name.upper())
    with nothing_written():
        answer = plan(week, client, therapist=other.name)
    assert problem(answer) == (400, "ambiguous", ["therapist"])
    ids = [str(week.house.therapist.public_id), str(other.public_id)]
    assert answer.json()["choices"] == ids
    assert [plan(week, client, therapist=ids[0]).status_code] == [201]


def test_a_kind_of_several_types_is_ambiguous(week: ShortWeek, client: Any) -> None:
    for name in ("Art", "Music"):
        f.SessionTypeFactory(clinic=week.clinic, name=name, kind="other")
    with nothing_written():
        answer = plan(week, client, type="other")
    assert problem(answer) == (400, "ambiguous", ["type"])
    assert {"Art", "Music"} <= set(answer.json()["choices"])


def at_thursday(week: ShortWeek, **extra: Any) -> Session:
    return week.house.day(THU, [], "14:30", "15:30", **extra)


def closed(week: ShortWeek) -> None:
    Closure.objects.create(clinic=week.clinic, starts_on=THU, ends_on=THU, reason="Snow")


def busy(week: ShortWeek) -> None:
    f.booking(at_thursday(week), week.patient)


def on_hold(week: ShortWeek) -> None:
    week.patient.holds.create(clinic=week.clinic, starts_on=THU, reason="hospital")


def discharged(week: ShortWeek) -> None:
    week.patient.state, week.patient.discharged_on = "discharged", WED
    week.patient.discharge_reason = "completed"
    week.patient.save()


CONFLICTS: dict[str, tuple[Any, Any]] = {
    "clinic_closed": (closed, ["starts_at"]),
    "therapist_busy": (lambda w: at_thursday(w, therapist=w.house.therapist), ["therapist"]),
    "room_busy": (lambda w: at_thursday(w, room=Room.objects.get(clinic=w.clinic)), ["room"]),
    "patient_busy": (busy, ["patients", 0]),
    "on_hold": (on_hold, ["patients", 0]),
    "not_active": (discharged, ["patients", 0]),
}


@pytest.mark.parametrize("code", CONFLICTS)
def test_what_stands_in_the_way_is_409_at_its_place(
    week: ShortWeek, client: Any, code: str
) -> None:
    f.RoomFactory(clinic=week.clinic, name="Office 1")
    arrange, place = CONFLICTS[code]
    arrange(week)
    with nothing_written():
        answer = plan(week, client, room="Office 1")
    assert problem(answer) == (409, code, place)


def test_two_in_an_individual_session_are_too_many(week: ShortWeek, client: Any) -> None:
    ids = [str(one.patient.public_id) for one in (week.patient, week.other())]
    with nothing_written():
        answer = plan(week, client, patients=ids)
    assert problem(answer) == (409, "session_full", ["patients"])


def test_a_minor_is_not_planned_with_an_adult(week: ShortWeek, client: Any) -> None:
    born = datetime.date(2010, 1, 1)
    minor = week.other(
        patient=f.PatientFactory(clinic=week.clinic, birth_date=born),
        bracket=AgeBracket.ADOLESCENT, target=360,
    )  # fmt: skip
    ids = [str(one.patient.public_id) for one in (week.patient, minor)]
    with nothing_written():
        answer = plan(week, client, type="family", patients=ids)
    assert problem(answer) == (409, "not_suitable", ["patients"])


WRONG: dict[str, tuple[dict[str, Any], list[Any], str]] = {
    "too short": ({"ends_at": "2026-03-05T14:14:00-05:00"}, ["ends_at"], "session_length"),
    "too long": ({"ends_at": "2026-03-05T20:01:00-05:00"}, ["ends_at"], "session_length"),
    "backwards": ({"ends_at": "2026-03-05T13:00:00-05:00"}, ["ends_at"], "session_length"),
    "long ago": (
        {"starts_at": "2026-01-05T14:00:00-05:00", "ends_at": "2026-01-05T15:00:00-05:00"},
        ["starts_at"], "session_date",
    ),
    "no offset": ({"starts_at": "2026-03-05T14:00:00"}, ["starts_at"], "no_offset"),
    "no therapist": ({"therapist": ...}, ["therapist"], "required"),
    "type as number": ({"type": 7}, ["type"], "invalid"),
    "type empty": ({"type": " "}, ["type"], "blank"),
    "room too long": ({"room": "x" * 61}, ["room"], "max_length"),
    "two places": ({"by_video": True, "off_site": "Main St"}, ["off_site"], "one_place"),
    "off site too long": ({"off_site": "x" * 81}, ["off_site"], "max_length"),
    "by video as text": ({"by_video": "yes"}, ["by_video"], "invalid"),
    "group as name": ({"group": "Maple"}, ["group"], "invalid"),
    "patients as text": ({"patients": "all"}, ["patients"], "not_a_list"),
    "a patient as number": ({"patients": [NOTHING, 7]}, ["patients", 1], "invalid"),
    "a patient twice": ({"patients": [NOTHING, NOTHING]}, ["patients", 1], "given_twice"),
    "too many": ({"patients": [NOTHING] * 201}, ["patients"], "max_length"),
    "clinic as name": ({"clinic": "Main"}, ["clinic"], "invalid"),
    "a field too many": ({"breaks": []}, ["breaks"], "unknown_field"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_plan_is_400_at_its_place(week: ShortWeek, client: Any, name: str) -> None:
    change, place, code = WRONG[name]
    with nothing_written():
        answer = plan(week, client, **change)
    assert answer.status_code == 400
    assert [(e["loc"], e["code"]) for e in answer.json()["errors"]] == [(place, code)]


@pytest.mark.parametrize("people", [1, 15])
def test_planning_takes_the_same_statements(week: ShortWeek, client: Any, people: int) -> None:
    ids = [str(week.other().patient.public_id) for _ in range(people)]
    with exactly(35):
        assert plan(week, client, type="education", patients=ids).status_code == 201
