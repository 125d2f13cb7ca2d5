"""What a roster says at once of a day under way, and rosters that were entered from paper."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from attendance.models import AttendanceRecord, Standard
from attendance.records.services import sign
from iop_clinic.accounts.models import Membership
from iop_clinic.accounts.roles import Role
from scheduling.models import Booking
from tests import factories as f
from tests.api import client_of, nothing_written
from tests.attendance.group_days import NOON, Day, a_day
from tests.attendance.house import MON, House

pytestmark = pytest.mark.django_db
DAY = datetime.timedelta(days=1)
EVENING = (("18:00", "19:00"), ("19:10", "20:10"), ("20:20", "21:20"))


@pytest.fixture
def house() -> House:
    return House()


def day_of(house: House, patient: Any, now: str) -> tuple[int, int, int, int]:
    """Credited, at most, to go and threshold of Monday, as a roster says them at a wall time."""
    facts = house.week(patient, now=house.at(MON, now)).facts(MON)
    return facts.day_credited, facts.day_at_most, facts.day_to_go, facts.day_threshold


def evening(house: House) -> Any:
    patient = house.patient()
    for hours in EVENING:
        house.day(MON, [patient], *hours)
    return patient


def test_a_departure_told_ahead_says_what_the_day_will_lack(house: House) -> None:
    patient = evening(house)
    assert day_of(house, patient, "20:15") == (0, 180, 0, 180)
    house.came(patient, MON, left="20:45")
    assert day_of(house, patient, "20:15") == (120, 145, 35, 180)


def test_what_is_unrecorded_or_to_come_can_still_be_reached(house: House) -> None:
    patient = evening(house)
    first = Booking.objects.filter(episode=patient).order_by("starts_at")[0]
    house.came(patient, MON, arrived="18:20")
    AttendanceRecord.objects.exclude(booking=first).delete()
    assert day_of(house, patient, "19:30") == (40, 160, 20, 180)


def test_another_session_of_the_day_makes_up_for_it(house: House) -> None:
    patient = evening(house)
    house.came(patient, MON, left="20:45")
    house.day(MON, [patient], "14:00", "14:35")
    assert day_of(house, patient, "20:15") == (120, 180, 0, 180)


def test_somebody_who_gave_notice_is_not_waited_for(house: House) -> None:
    patient = house.patient()
    house.day(MON, [patient], "18:00", "21:00", state=Booking.State.RELEASED)
    assert day_of(house, patient, "17:00") == (0, 0, 180, 180)


def test_a_visit_inside_the_group_leaves_it_and_counts_as_its_own(house: House) -> None:
    patient = house.patient()
    outer = house.day(MON, [patient], "18:00", "21:00")
    inner = f.session(house.clinic, MON.isoformat(), "19:00", "19:30", session_type=house.type)
    around = Booking.objects.get(session=outer)
    f.booking(
        inner, patient, nested_in=around, outer_starts_at=outer.starts_at,
        outer_ends_at=outer.ends_at,
    )  # fmt: skip
    assert day_of(house, patient, "17:00") == (0, 180, 0, 180)


def asks_for(house: House, **terms: Any) -> None:
    """From this week on the program asks for something else."""
    Standard.objects.filter(clinic=house.clinic, ends_on=None).update(ends_on=MON - DAY)
    Standard.objects.create(clinic=house.clinic, name="New", starts_on=MON, **terms)


def test_only_what_the_standard_counts_is_told_of_the_day(house: House) -> None:
    patient = house.patient()
    house.day(MON, [patient], "18:00", "20:00")
    other = f.SessionTypeFactory(clinic=house.clinic, name="Individual talk", kind="individual")
    house.day(MON, [patient], "20:00", "21:00", session_type=other)
    house.came(patient, MON)
    asks_for(house, counted_types=[house.type.pk])
    assert day_of(house, patient, "21:30") == (120, 120, 60, 180)


def test_a_day_counts_once_the_standard_says_so(house: House) -> None:
    patient = evening(house)
    house.came(patient, MON)

    def counts(now: str) -> bool:
        return house.week(patient, now=house.at(MON, now)).facts(MON).day_counts

    assert (counts("20:15"), counts("21:30")) == (False, True)
    asks_for(house, services_per_day=4)
    assert counts("21:30") is False


# --- from paper ------------------------------------------------------------------------------


@pytest.fixture
def day(time_machine: Any) -> Day:
    time_machine.move_to(NOON, tick=False)
    return a_day(size=2, sessions=1)


def enter_from_paper(day: Day) -> Any:
    clerk = f.staff(day.clinic, Role.COORDINATOR, user__name="Cora")
    body = {"records": [day.line(0), day.line(1, attended=False)], "source": "paper"}
    answer = client_of(clerk).patch(day.url, body)
    assert answer.status_code == 200, answer.content
    return clerk


def test_a_record_says_who_entered_it_and_that_it_came_from_paper(day: Day) -> None:
    assert [b["source"] for row in day.get()["roster"] for b in row["bookings"]] == ["", ""]
    enter_from_paper(day)
    rows = [row["bookings"][0] for row in day.get()["roster"]]
    assert [(row["recorded_by"], row["source"]) for row in rows] == [("Cora", "paper")] * 2


def test_what_came_from_paper_is_confirmed_by_whoever_leads_the_session(day: Day) -> None:
    clerk = client_of(enter_from_paper(day))
    url = f"/api/v1/sessions/{day.sessions[0].public_id}/sign/"
    with nothing_written():
        answer = clerk.post(url, {})
        assert (answer.status_code, answer.json()["code"]) == (409, "leader_confirms")
    assert day.client.post(url, {}).status_code == 200
    assert day.get()["sessions"][0]["signed"] is True


def test_a_correction_by_the_clerk_leaves_it_to_be_confirmed(day: Day) -> None:
    clerk = client_of(enter_from_paper(day))
    gone = day.sessions[0].ends_at - datetime.timedelta(minutes=5)
    line = day.line(0, 1, left_at=gone.isoformat(), correction_reason="Misread")
    assert clerk.patch(day.url, {"records": [line]}).status_code == 200
    assert [r["bookings"][0]["source"] for r in day.get()["roster"]] == ["paper", "paper"]
    answer = clerk.post(f"/api/v1/sessions/{day.sessions[0].public_id}/sign/", {})
    assert answer.json()["code"] == "leader_confirms"


def test_where_nobody_who_leads_can_sign_in_somebody_else_confirms(day: Day) -> None:
    clerk = enter_from_paper(day)
    Membership.objects.filter(therapist__isnull=False).update(active=False)
    assert sign(session=day.sessions[0], by=clerk).signed_by == clerk


def test_a_coordinator_signs_what_was_not_entered_from_paper(day: Day) -> None:
    day.patch(day.line(0), day.line(1))
    clerk = f.staff(day.clinic, Role.COORDINATOR)
    assert sign(session=day.sessions[0], by=clerk).signed_by == clerk


@pytest.mark.parametrize("source", ["import", "admin", "", None, 3])
def test_a_client_names_no_other_source(day: Day, source: Any) -> None:
    with nothing_written():
        answer = day.patch(day.line(0), source=source)
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (400, ["source"])
