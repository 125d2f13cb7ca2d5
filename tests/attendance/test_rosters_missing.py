"""Whose screen a missing roster is on, and when: first its leader's, then everybody's."""

from __future__ import annotations

import datetime

import pytest
import time_machine

from attendance.admin.sessions import named, rosters_missing, with_leaders
from attendance.models import AttendanceRecord
from iop_clinic.accounts.roles import Role
from scheduling.models import Session
from tests import factories as f
from tests.attendance.house import MON, House

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return House()


def led(house: House) -> Session:
    """A session that the house's therapist leads, over at 12:20, with a patient unrecorded."""
    return house.day(MON, [house.patient()], therapist=house.therapist)


def on_screen(user, minutes: int, house: House) -> bool:
    now = house.at(MON, "12:20") + datetime.timedelta(minutes=minutes)
    with time_machine.travel(now, tick=False):
        return rosters_missing(Session.objects.all(), user=user, now=now).exists()


@pytest.mark.parametrize(
    ("minutes", "leader", "others"), [(14, False, False), (15, True, False), (59, True, False),
                                      (60, True, True)],
)  # fmt: skip
def test_a_missing_roster_is_the_leaders_first(house, minutes, leader, others):
    led(house)
    coordinator = f.staff(house.clinic, Role.COORDINATOR)
    assert on_screen(house.user, minutes, house) == leader
    assert on_screen(coordinator, minutes, house) == others


def test_a_roster_that_is_in_is_on_no_screen(house):
    session = led(house)
    booking = session.bookings.get()
    AttendanceRecord.objects.create(clinic=house.clinic, booking=booking, attended=False)
    assert not on_screen(house.user, 90, house)


def test_a_session_without_a_group_is_named_with_its_therapist(house):
    alone = led(house)
    in_group = house.day(MON, [], "14:00", "15:00", group=house.group)
    nobodys = house.day(MON, [], "16:00", "17:00")
    rows = with_leaders(Session.objects.order_by("starts_at"))
    assert [named(row) for row in rows] == [
        f"{alone.title}, {house.therapist.name}", in_group.title, nobodys.title,
    ]  # fmt: skip


def test_a_substitute_is_named_and_a_co_facilitator_is_not(house):
    session = led(house)
    session.staff.update(active=False)
    substitute = f.TherapistFactory(clinic=house.clinic)
    helper = f.TherapistFactory(clinic=house.clinic)
    part = {"clinic": house.clinic, "starts_at": session.starts_at, "ends_at": session.ends_at,
            "live": True, "access_until": session.ends_at}  # fmt: skip
    session.staff.create(therapist=helper, role="co_facilitator", **part)
    session.staff.create(therapist=substitute, role="substitute", **part)
    (row,) = with_leaders(Session.objects.all())
    assert named(row) == f"{session.title}, {substitute.name}"
