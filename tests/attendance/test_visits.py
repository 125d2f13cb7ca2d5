"""A visit inside a group, from planning it to the minutes of the day: each minute counts once."""

from __future__ import annotations

import datetime
from typing import Any, NamedTuple

import pytest
from django.test import Client

from attendance.closures import close
from attendance.compliance.days import day_lines
from attendance.compliance.ledger import minutes_detail
from attendance.records.entries import Entry
from attendance.records.services import record_roster
from attendance.sessions import create_session
from patients.models import Episode
from scheduling.models import Booking, Session, SessionType
from scheduling.services import call_in
from tests import factories as f
from tests.admin import Desk
from tests.api import API, client_of, nothing_written
from tests.attendance.house import JOB, MON, House
from tests.lists import lines, panels

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def pat(house: House) -> Episode:
    return house.patient()


def kind(house: House, name: str = "Prescriber visit") -> SessionType:
    return SessionType.objects.get(clinic=house.clinic, name=name)


def visit(house: House, pat: Episode, starts: str, ends: str, name: str = "Prescriber visit"):
    session = create_session(
        clinic=house.clinic, session_type=kind(house, name), episodes=[pat], by=JOB,
        therapist=f.TherapistFactory(clinic=house.clinic), now=house.at(MON, "08:00"),
        starts_at=house.at(MON, starts), ends_at=house.at(MON, ends),
    )  # fmt: skip
    return session.bookings.get()


def record(house: House, booking: Booking, *told: str) -> None:
    """ "absent", or arrival and departure; nothing: all the time."""
    times: dict[str, Any] = {
        name: house.at(MON, clock)
        for name, clock in zip(("arrived_at", "left_at"), told, strict=False)
        if ":" in clock
    }
    entry = Entry(booking=booking.public_id, attended="absent" not in told, **times)
    now = house.morning(MON)
    record_roster(session=booking.session, entries=[entry], by=JOB, now=now)


class Case(NamedTuple):
    """A group from nine to ten with a break from 9:50; what each of visits and group credits."""

    says: str
    visits: tuple[tuple[str, str], ...]
    came: tuple[str, ...]
    at_visits: tuple[tuple[str, ...], ...]
    group: int
    visit: int
    breaks: Any = ()


CASES = [
    Case("20 of 60 minutes", (("09:20", "09:40"),), (), ((),), 40, 20),
    Case("at the beginning", (("09:00", "09:20"),), (), ((),), 40, 20),
    Case("at the end", (("09:40", "10:00"),), (), ((),), 40, 20),
    Case("over a break", (("09:20", "09:45"),), (), ((),), 35, 25, ([30, 40],)),
    Case("into a break", (("09:20", "09:35"),), (), ((),), 40, 15, ([30, 40],)),
    Case("in a break", (("09:20", "09:40"),), (), ((),), 40, 20, ([20, 40],)),
    Case("two visits", (("09:00", "09:15"), ("09:30", "09:50")), (), ((), ()), 25, 35),
    Case("the whole hour", (("09:00", "10:00"),), (), ((),), 0, 60),
    Case("absent from the visit", (("09:20", "09:40"),), (), (("absent",),), 60, 0),
    Case("absent from the group", (("09:20", "09:40"),), ("absent",), ((),), 0, 20),
    Case("absent from both", (("09:20", "09:40"),), ("absent",), (("absent",),), 0, 0),
    Case("late to the visit", (("09:20", "09:40"),), (), (("09:30", ""),), 50, 10),
    Case("late to the group", (("09:20", "09:40"),), ("09:10", ""), ((),), 30, 20),
    Case("left the group before the visit", (("09:20", "09:40"),), ("", "09:15"), ((),), 15, 20),
    Case("left the group during the visit", (("09:20", "09:40"),), ("", "09:30"), ((),), 20, 20),
    Case("left the group after it", (("09:20", "09:40"),), ("", "09:45"), ((),), 25, 20),
    Case("left the visit early", (("09:20", "09:40"),), (), (("", "09:30"),), 50, 10),
]


@pytest.mark.parametrize("reverse", [False, True], ids=["group first", "visit first"])
@pytest.mark.parametrize("case", CASES, ids=[one.says for one in CASES])
def test_minutes(house: House, pat: Episode, case: Case, reverse: bool) -> None:
    group = house.day(MON, [pat], "09:00", "10:00", breaks=list(case.breaks)).bookings.get()
    visits = [visit(house, pat, *times) for times in case.visits]
    assert {one.nested_in for one in visits} == {group}
    facts = [(group, case.came), *zip(visits, case.at_visits, strict=True)]
    for booking, told in reversed(facts) if reverse else facts:
        record(house, booking, *told)
    detail = minutes_detail(episode=pat, week_start=MON, now=house.morning(MON))
    shown = {line.starts_at: line.credited for line in detail}
    of_visits = sum(Booking.objects.get(pk=one.pk).attendance.credited_minutes for one in visits)
    group.refresh_from_db()
    assert (group.attendance.credited_minutes, of_visits) == (case.group, case.visit)
    assert sum(shown.values()) <= case.group + case.visit
    days = day_lines(clinic=house.clinic, first=MON, last=MON, now=house.morning(MON))
    assert sum(line.credited for line in days) == case.group + case.visit


def test_a_drug_screen_takes_minutes_and_gives_none(house, pat):
    group = house.day(MON, [pat], "09:00", "10:00").bookings.get()
    screen = visit(house, pat, "09:20", "09:40", "Drug screen")
    for booking in (group, screen):
        record(house, booking)
    days = day_lines(clinic=house.clinic, first=MON, last=MON, now=house.morning(MON))
    assert sum(line.credited for line in days) == 40


# --- doors ---------------------------------------------------------------------------------------


@pytest.fixture
def ahead(house: House, pat: Episode) -> Booking:
    """A group next Monday, in which the patient sits, as seen from now on."""
    day = datetime.date(2026, 3, 9)
    return house.day(day, [pat], "09:00", "10:00", group=house.group).bookings.get()


@pytest.fixture(autouse=True)
def _thursday(time_machine: Any, house: House) -> None:
    time_machine.move_to(house.at("2026-03-05", "12:00"))


def body(house: House, pat: Episode, starts: str, ends: str) -> dict[str, Any]:
    return {
        "type": "prescriber",
        "therapist": str(house.therapist.public_id),
        "patients": [str(pat.patient.public_id)],
        "starts_at": f"2026-03-09T{starts}:00-04:00",
        "ends_at": f"2026-03-09T{ends}:00-04:00",
    }


def test_over_rest(house, pat, ahead):
    client = client_of(f.staff(house.clinic))
    answer = client.post(f"{API}/sessions/", body(house, pat, "09:20", "09:40"))
    assert answer.status_code == 201, answer.json()
    assert Booking.objects.get(session__public_id=answer.json()["id"]).nested_in == ahead
    (row,) = client.get(f"{API}/sessions/{ahead.session.public_id}/").json()["roster"]
    (day,) = client.get(f"{API}/group-days/{house.group.public_id}/2026-03-09/").json()["roster"]
    out = {"starts_at": "2026-03-09T09:20:00-04:00", "ends_at": "2026-03-09T09:40:00-04:00"}
    assert (
        row["visits"] == day["bookings"][0]["visits"] == [out | {"therapist": house.therapist.name}]
    )
    with nothing_written():
        refused = client.post(f"{API}/sessions/", body(house, pat, "09:50", "10:10"))
    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["code"], error["loc"]) == (
        409, "patient_busy", ["patients", 0],
    )  # fmt: skip


def planned(house: House, pat: Episode, starts: str, ends: str) -> dict[str, Any]:
    return {
        "session_type": kind(house), "therapist": house.therapist, "episode": pat,
        "day": "2026-03-09", "starts": starts, "ends": ends,
    }  # fmt: skip


def test_at_the_admin_site(house, pat, ahead):
    coordinator = Desk(f.staff(house.clinic), Client())
    shown = coordinator.look(Session, "plan", **planned(house, pat, "09:20", "09:40"))
    assert not ahead.nested.exists()
    assert [(one.title, one.rows) for one in shown.panels] == [(
        "The patient steps out",
        [(f"{house.group}, Mon Mar 9, 9:00 AM", "Prescriber visit", "9:20 AM – 9:40 AM")],
    )]  # fmt: skip
    assert shown.panels[0].note == (
        "These minutes leave the session and count once, as Prescriber visit. The week can reach: "
        "1 h; short already."
    )
    answer = coordinator.save(shown)
    assert answer.status == 302, answer.errors
    assert answer.sentences[0].endswith(" is planned.")
    assert ahead.nested.count() == 1
    (line,) = lines(panels(coordinator, ahead.session)["Roster"])
    assert line[2] == f"unrecorded, with {house.therapist.name} 9:20 AM – 9:40 AM"
    (line,) = lines(panels(coordinator, ahead.nested.get().session)["Roster"])
    assert line[2] == f"unrecorded, out of {house.group} 9:00 AM – 10:00 AM"
    told = panels(coordinator, ahead)["Visits during it"]
    assert lines(told) == [("Prescriber visit, Mon Mar 9, 9:20 AM",)]
    assert f"/plan/?episode={pat.pk}&amp;day=2026-03-09" in told.note
    told = panels(coordinator, ahead.nested.get())["Inside another session"]
    assert lines(told) == [(f"{house.group}, Mon Mar 9, 9:00 AM",)]
    answer = coordinator.fill(Session, "plan", **planned(house, pat, "09:45", "10:15"))
    assert "Choose a time wholly inside that session, or outside of it." in answer.refusal
    assert ahead.nested.count() == 1


def test_one_that_stands_alone_is_planned_at_once_and_one_that_is_over_is_entered(house, pat):
    coordinator = Desk(f.staff(house.clinic), Client())
    answer = coordinator.fill(Session, "plan", **planned(house, pat, "09:20", "09:40"))
    assert answer.sentences[0].endswith(" is planned.")
    over = planned(house, pat, "09:20", "09:40") | {"day": "2026-03-02"}
    (said,) = coordinator.fill(Session, "plan", **over).sentences
    assert said.endswith(" is entered: it took place. Record who came.")


# --- what becomes of both ------------------------------------------------------------------------


def inside(house: House, pat: Episode) -> Booking:
    session = create_session(
        clinic=house.clinic, session_type=kind(house), episodes=[pat], by=JOB,
        therapist=house.therapist, starts_at=house.at("2026-03-09", "09:20"),
        ends_at=house.at("2026-03-09", "09:40"),
    )  # fmt: skip
    return session.bookings.get()


def test_a_sick_call_releases_both(house, pat, ahead):
    own, day = inside(house, pat), datetime.date(2026, 3, 9)
    call_in(
        episode=pat, from_date=day, to_date=day, reason="illness",
        notified_at=house.at("2026-03-05", "10:00"), by=house.user,
    )  # fmt: skip
    for row in (ahead, own):
        row.refresh_from_db()
    assert (ahead.state, own.state, own.nested_in) == ("released", "released", None)


def test_a_closure_cancels_both(house, pat, ahead):
    own, day = inside(house, pat), datetime.date(2026, 3, 9)
    close(clinic=house.clinic, starts_on=day, ends_on=day, reason="Snow", by=JOB)
    for row in (ahead, own):
        row.refresh_from_db()
    assert (ahead.live, own.live, own.nested_in) == (False, False, None)
