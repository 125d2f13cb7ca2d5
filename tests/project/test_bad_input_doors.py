"""The same mistakes at the site, over REST, in a file and in a call: told at the field.

Nothing is written: each door compares all tables before and after.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attendance.closures import close
from attendance.imports.problems import ImportRefused
from attendance.imports.services import import_clinic
from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.roles import Role
from patients.models import Episode
from scheduling.models import Group, Session, WeeklyBlock
from scheduling.services import enrol
from scheduling.services.closures import LEAVE_OUT
from tests import factories as f
from tests.admin import Desk, desk
from tests.api import API, client_of, nothing_written
from tests.attendance import folders
from tests.attendance.house import FRI, MON, SAT, THU, WED
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db

JOB = Job("import")
NOW = datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC)
ZONE = "is not a time zone. Use a name such as America/New_York."
ANOTHER, CHOOSE = "another weekly block then:", "Choose another time, or change that one."
TUESDAY = "Tue Mar 17, 8:00 AM – Tue Mar 17, 6:00 PM"
OR_OTHER_DAYS = "Take that back first, or change the days."
WRONG_WAY = "The block must end after it starts, on the same day."


@pytest.fixture
def week(time_machine: Any) -> ShortWeek:
    """Thursday, five in the morning; Monday was attended."""
    found = ShortWeek()
    time_machine.move_to(found.now)
    return found


# --- at the site ---------------------------------------------------------------------------------


def block(week: ShortWeek, **extra: Any) -> tuple[type, str, dict[str, Any]]:
    return WeeklyBlock, "new", {
        "group": week.house.group, "session_type": week.house.type, "weekday": 5,
        "starts_at": "09:00", "ends_at": "10:00", "facilitator": week.house.therapist,
        "valid_from": SAT, **extra,
    }  # fmt: skip


def seat(week: ShortWeek, starts_on: datetime.date, ends_on: object = "") -> tuple[Any, ...]:
    """Into another group of the same kind."""
    house = week.house
    group = f.GroupFactory(clinic=house.clinic, program=house.group.program)
    values = {"episode": week.patient, "starts_on": starts_on, "ends_on": ends_on}
    return group, "enrol", values


def discharged(week: ShortWeek) -> tuple[Any, ...]:
    Episode.objects.filter(pk=week.patient.pk).update(
        discharged_on=THU, discharge_reason="completed", state="discharged"
    )
    return seat(week, FRI)


def session(week: ShortWeek) -> tuple[Any, ...]:
    return Session, "plan", {
        "session_type": week.house.type, "therapist": week.house.therapist,
        "day": SAT, "starts": "10:00", "ends": "09:00",
    }  # fmt: skip


def zone(week: ShortWeek) -> tuple[Any, ...]:
    return week.clinic, "zone", {"zone": "Mars/Olympus"}


def seats(week: ShortWeek) -> tuple[Any, ...]:
    program = week.house.group.program
    return Group, "add", {"name": "Sixteen", "program": program, "capacity": 16}


Form = Callable[[ShortWeek], tuple[Any, ...]]
FORMS: list[tuple[str, Form, str, str]] = [
    ("end before start", lambda w: block(w, ends_at="08:00"), "ends_at", WRONG_WAY),
    ("end at the start", lambda w: block(w, ends_at="09:00"), "ends_at", WRONG_WAY),
    ("session ends before its start", session, "ends",
     "The session must end after it starts. Look at both times."),
    ("last date before the first", lambda w: block(w, valid_until=FRI), "valid_until",
     "The block's last date lies before its first."),
    ("16 seats", seats, "capacity", "A group has 8 to 15 seats."),
    ("no facilitator", lambda w: block(w, facilitator=""), "facilitator",
     "This field is required."),
    ("across midnight", lambda w: block(w, starts_at="22:00", ends_at="01:00"), "ends_at",
     WRONG_WAY),
    ("overlapping blocks", lambda w: block(w, weekday=4, starts_at="12:00", ends_at="13:00"),
     "starts_at", f"The group has {ANOTHER} Friday 9:00 AM. {CHOOSE}"),
    ("membership before the admission", lambda w: seat(w, MON - datetime.timedelta(days=1)),
     "episode", "The patient is not in treatment on Sun Mar 1."),
    ("membership after the discharge", discharged, "episode",
     "The patient is not in treatment on Fri Mar 6."),
    ("membership that ends before it starts", lambda w: seat(w, FRI, THU), "ends_on",
     "The membership ends before it starts."),
    ("unknown zone", zone, "zone", f"“Mars/Olympus” {ZONE}"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "form", "field", "said"), FORMS, ids=[one[0] for one in FORMS])
def test_at_the_site(week: ShortWeek, what: str, form: Form, field: str, said: str) -> None:
    person: Desk = desk(week.clinic, Role.ADMINISTRATOR)
    row, page, values = form(week)
    person.open(row, page)
    with nothing_written(reads=False):
        answer = person.fill(row, page, **values)
    assert answer.errors == {field: [said]}


# --- over REST -----------------------------------------------------------------------------------


def planned(week: ShortWeek, **extra: Any) -> dict[str, Any]:
    return {
        "type": "individual",
        "therapist": str(week.house.therapist.public_id),
        "patients": [str(week.patient.patient.public_id)],
        "starts_at": "2026-03-06T14:00:00-05:00",
        "ends_at": "2026-03-06T15:00:00-05:00",
        **extra,
    }


def sixteen(week: ShortWeek) -> dict[str, Any]:
    people = [week.house.patient(seat=None).patient for _ in range(16)]
    ids = [str(one.public_id) for one in people]
    return planned(week, type="group therapy", group=str(week.house.group.public_id), patients=ids)


def closed(week: ShortWeek) -> dict[str, Any]:
    close(clinic=week.clinic, starts_on=FRI, ends_on=FRI, reason="Snow", by=JOB)
    return planned(week)


def gone(week: ShortWeek) -> dict[str, Any]:
    discharged(week)
    return planned(week)


Body = Callable[[ShortWeek], dict[str, Any]]
BODIES: list[tuple[str, Body, int, str, list[Any]]] = [
    ("end before start", lambda w: planned(w, ends_at="2026-03-06T13:00:00-05:00"),
     400, "session_length", ["ends_at"]),
    ("too long", lambda w: planned(w, ends_at="2026-03-07T02:00:00-05:00"),
     400, "session_length", ["ends_at"]),
    ("16 patients", sixteen, 409, "session_full", ["patients"]),
    ("no leader", lambda w: planned(w, therapist=None), 400, "null", ["therapist"]),
    ("over a booking", lambda w: planned(w, starts_at="2026-03-06T09:00:00-05:00",
                                         ends_at="2026-03-06T10:00:00-05:00"),
     409, "patient_busy", ["patients", 0]),
    ("on a closed day", closed, 409, "clinic_closed", ["starts_at"]),
    ("before the admission", lambda w: planned(w, starts_at="2026-02-27T14:00:00-05:00",
                                               ends_at="2026-02-27T15:00:00-05:00"),
     409, "not_active", ["patients", 0]),
    ("after the discharge", gone, 409, "not_active", ["patients", 0]),
    ("no offset", lambda w: planned(w, starts_at="2026-03-06T14:00:00"),
     400, "no_offset", ["starts_at"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "body", "status", "code", "loc"), BODIES, ids=[one[0] for one in BODIES]
)
def test_over_rest(
    week: ShortWeek, what: str, body: Body, status: int, code: str, loc: list[Any]
) -> None:
    given, client = body(week), client_of(week.by)
    with nothing_written(reads=False):
        answer = client.post(f"{API}/sessions/", given)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"], error["loc"]) == (status, code, loc)
    if given["ends_at"] < given["starts_at"]:
        assert error["message"] == "The session must end after it starts. Look at both times."


# --- in a file -----------------------------------------------------------------------------------

A = "Harbor A,,"
REST = ",,Group therapy,lead@example.com,,2026-03-02"
FILES: list[tuple[str, str, str, str]] = [
    ("end before start", "blocks", f"{A}friday,10:00,09:00{REST}",
     "ends: 09:00 lies before starts 10:00"),
    ("end at the start", "blocks", f"{A}friday,10:00,10:00{REST}",
     "ends: a session lasts 15 minutes to 6 hours"),
    ("16 seats", "groups", "Harbor B,Day program,16,5", "capacity: 16 is not between 8 and 15"),
    ("no facilitator", "blocks", f"{A}friday,09:00,10:00,,Group therapy,,,2026-03-02",
     "facilitator: must be filled"),
    ("across midnight", "blocks", f"{A}friday,22:00,01:00{REST}",
     "ends: 01:00 lies before starts 22:00"),
    ("overlapping blocks", "blocks", f"{A}monday,09:30,10:30{REST}",
     f"starts: The group has {ANOTHER} Monday 9:00 AM. {CHOOSE}"),
    ("membership before the admission", "memberships", "Harbor A,H-1,2026-03-01,",
     "starts_on: the patient has no episode of care on 2026-03-01"),
    ("membership after the discharge", "memberships", "Harbor A,H-2,2026-03-07,",
     "starts_on: the patient has no episode of care on 2026-03-07"),
    ("membership that ends before it starts", "memberships", "Harbor A,H-1,2026-03-10,2026-03-09",
     "ends_on: 2026-03-09 lies before starts_on 2026-03-10"),
    ("closure that ends before it starts", "closures", "2026-03-20,2026-03-19,Paint",
     "ends_on: 2026-03-19 lies before starts_on 2026-03-20"),
    ("closure of more than a year", "closures", "2026-03-20,2027-03-25,Paint",
     "ends_on: This is a year or longer. Look at the year, or enter it in parts."),
    ("the same closure twice", "closures", "2026-03-09,2026-03-09,Ice",
     f"starts_on: It is closed then already: Snow day, Mar 9, 2026. {OR_OTHER_DAYS}"),
    ("time off that overlaps", "time_off", "lead@example.com,2026-03-17 17:00,2026-03-18 09:00,Ill",
     f"starts: Lee Lead has time off already: {TUESDAY}. {LEAVE_OUT}"),
]  # fmt: skip


def refused(folder: Path, **files: str) -> list[str]:
    written = folders.write(folder, **files)
    with nothing_written(), pytest.raises(ImportRefused) as caught:
        import_clinic(folder=written, by=JOB, now=NOW)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(("what", "table", "line", "said"), FILES, ids=[one[0] for one in FILES])
def test_in_a_file(tmp_path: Path, what: str, table: str, line: str, said: str) -> None:
    found = refused(tmp_path, **{table: folders.with_line(table, line)})
    assert found == [f"{table}.csv, line {folders.first_added(table)}, {said}"]


def test_an_unknown_zone_in_a_file(tmp_path: Path) -> None:
    found = refused(tmp_path, clinic="name,zone\nHarbor IOP,Mars/Olympus")
    assert found == [f"clinic.csv, line 2, zone: “Mars/Olympus” {ZONE}"]


def test_a_closure_over_recorded_sessions_in_a_file(tmp_path: Path) -> None:
    import_clinic(folder=folders.write(tmp_path), by=JOB, now=NOW)
    found = refused(tmp_path, closures="starts_on,ends_on,reason\n2026-03-02,2026-03-03,Flood")
    held = "Harbor A on Mon Mar 2, 9:00 AM; Individual on Tue Mar 3, 1:00 PM"
    (said,) = found
    assert said == (
        f"closures.csv, line 2, starts_on: Patients are recorded as present: {held}. Clear or "
        "correct the records first, or close another time."
    )
    assert Clinic.objects.count() == 1


# --- in a call -----------------------------------------------------------------------------------


def close_over(week: ShortWeek, first: datetime.date, last: datetime.date) -> None:
    close(clinic=week.clinic, starts_on=first, ends_on=last, reason="Flood", by=week.by)


def enrol_on(week: ShortWeek, day: datetime.date) -> None:
    group = Group.objects.exclude(pk=week.house.group.pk).get()
    enrol(episode=week.patient, group=group, starts_on=day, by=week.by)


CALLS: list[tuple[str, Callable[[ShortWeek], None], str]] = [
    ("closure over recorded sessions", lambda w: close_over(w, MON, WED), "attendance_recorded"),
    ("closure that ends before it starts", lambda w: close_over(w, SAT, FRI),
     "dates_in_order"),
    ("closure of more than a year", lambda w: close_over(w, SAT, SAT.replace(year=2027, month=4)),
     "days_off_length"),
    ("membership before the admission",
     lambda w: enrol_on(w, MON - datetime.timedelta(days=1)), "not_active"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "call", "code"), CALLS, ids=[one[0] for one in CALLS])
def test_in_a_call(
    week: ShortWeek, what: str, call: Callable[[ShortWeek], None], code: str
) -> None:
    f.GroupFactory(clinic=week.clinic, program=week.house.group.program)
    with nothing_written(), pytest.raises(Refused) as caught:
        call(week)
    assert caught.value.code == code
