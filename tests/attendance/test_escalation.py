"""Overdue cases go to the next role, in the clinic's opening hours (8:00 to 17:00 here)."""

import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.compliance.cases import acknowledge
from attendance.compliance.escalation import (
    ESCALATION,
    days_more,
    escalate,
    escalates_at,
    next_role,
)
from attendance.compliance.settings import BusinessHours
from attendance.compliance.spans import Span
from attendance.models import Flag, JobTick
from attendance.models.standards import Severity
from attendance.reports import queue, tasks
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from patients.models import Episode, Patient
from scheduling.models import Closure, WaitlistEntry, WaitlistOffer
from tests import factories as f
from tests.attendance.house import FRI, MON, THU, TUE, WED, House
from tests.attendance.nights import case

ZONE = ZoneInfo("America/New_York")
NEXT_MON = MON + datetime.timedelta(days=7)
SNOW = Span(NEXT_MON, NEXT_MON)


def at(day: datetime.date, clock: str) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time.fromisoformat(clock), tzinfo=ZONE)


def hours(*closures: Span) -> BusinessHours:
    days = frozenset(range(5))
    return BusinessHours(ZONE, datetime.time(8), datetime.time(17), days, closures)


@pytest.mark.parametrize(
    ("since", "days", "expected"),
    [
        (at(TUE, "10:00"), 0, at(TUE, "11:00")),
        (at(TUE, "16:00"), 0, at(TUE, "17:00")),
        (at(TUE, "16:30"), 0, at(WED, "08:30")),
        (at(FRI, "17:00"), 0, at(NEXT_MON, "09:00")),
        (at(FRI, "17:00"), 1, at(NEXT_MON + datetime.timedelta(days=1), "09:00")),
        (at(MON, "17:00"), 2, at(THU, "09:00")),
        (at(MON, "10:00"), 2, at(THU, "09:00")),
    ],
)
def test_time_is_counted_while_the_clinic_is_open(since, days, expected):
    assert escalates_at(since, days=days, hours=hours()) == expected


@pytest.mark.parametrize(
    ("severity", "taken_on", "again", "days"),
    [
        (Severity.URGENT, False, False, 0),
        (Severity.URGENT, False, True, 0),
        (Severity.URGENT, True, False, 2),
        (Severity.ACT, False, False, 0),
        (Severity.ACT, False, True, 1),
        (Severity.ACT, True, True, 2),
        (Severity.WATCH, False, False, 2),
        (Severity.NOTICE, False, True, 2),
    ],
)
def test_the_louder_a_case_the_sooner_it_goes_on(severity, taken_on, again, days):
    assert days_more(severity, taken_on=taken_on, again=again) == days


def test_a_closed_day_does_not_count():
    due = at(FRI, "17:00")
    tuesday = NEXT_MON + datetime.timedelta(days=1)
    assert escalates_at(due, days=0, hours=hours(SNOW)) == at(tuesday, "09:00")


BOTH = {"administrator", "coordinator"}


@pytest.mark.parametrize(
    ("asked", "holder", "staffed", "expected"),
    [
        ("therapist", None, BOTH, "coordinator"),
        ("therapist", "therapist", BOTH, "coordinator"),
        ("front_desk", None, BOTH, "coordinator"),
        ("coordinator", None, BOTH, "administrator"),
        ("therapist", "coordinator", BOTH, "administrator"),
        ("therapist", "administrator", BOTH, None),
        ("therapist", None, {"administrator"}, "administrator"),
        ("coordinator", None, {"coordinator"}, None),
        ("administrator", None, BOTH, None),
    ],
)
def test_the_next_role_is_above_who_was_asked_and_who_has_it(asked, holder, staffed, expected):
    assert next_role(asked, holder, staffed) == expected


# Rows


@pytest.fixture
def house(db):
    house = House()
    for role in (Role.COORDINATOR, Role.ADMINISTRATOR):
        f.staff(house.clinic, role)
    return house


def overdue(house: House, **extra: Any) -> Flag:
    """A therapist's case, due on Tuesday at 10:00."""
    values: dict[str, Any] = {
        "owner": house.user,
        "due_at": at(TUE, "10:00"),
        "opened_at": at(TUE, "05:00"),
    }
    if "episode" not in extra:
        values["episode"] = house.patient(seat=None)
    return case(house.clinic, **{**values, **extra})


def step(day: datetime.date, clock: str, **extra: Any) -> int:
    return escalate(now=at(day, clock), by=ESCALATION, **extra)


def test_a_case_nobody_took_on_goes_to_the_coordinator(house):
    flag = overdue(house)
    assert (step(TUE, "10:59"), step(TUE, "11:00")) == (0, 1)
    flag.refresh_from_db()
    assert (flag.owner_role, flag.owner, flag.state) == ("coordinator", house.user, "open")
    assert flag.escalated_at == flag.changed_at == at(TUE, "11:00")
    assert (flag.due_at, flag.version) == (at(TUE, "10:00"), 2)
    event = AuditEvent.objects.filter(table_name="attendance_flag", operation="U").get()
    assert event.actor == "job:escalation"


def test_each_step_happens_once(house):
    flag = overdue(house)
    steps = [step(TUE, "11:00"), step(TUE, "11:05"), step(THU, "08:55"), step(THU, "09:00")]
    assert steps == [1, 0, 0, 1]
    assert step(FRI, "12:00") == 0
    flag.refresh_from_db()
    assert (flag.owner_role, flag.escalated_at) == ("administrator", at(THU, "09:00"))


def test_a_case_that_is_worked_has_two_business_days_more(house):
    flag = overdue(house, state="in_outreach")
    assert (step(THU, "16:59"), step(FRI, "08:59"), step(FRI, "09:00")) == (0, 0, 1)
    flag.refresh_from_db()
    assert (flag.owner_role, flag.state, flag.owner) == ("coordinator", "open", house.user)


def test_taking_it_on_in_time_stops_it_and_afterwards_takes_it_over(house):
    flag, late = overdue(house), overdue(house)
    acknowledge(flag=flag, by=house.user)
    assert step(TUE, "11:00") == 1
    coordinator = f.staff(house.clinic)
    acknowledge(flag=late, by=coordinator)
    flag.refresh_from_db()
    assert (flag.owner_role, flag.owner, flag.escalated_at) == ("therapist", house.user, None)
    assert (late.owner, late.state) == (coordinator, "acknowledged")
    assert step(WED, "12:30") == 0


@pytest.mark.parametrize(("day", "clock"), [(FRI, "17:05"), (FRI, "23:00"), (MON, "07:59")])
def test_nothing_goes_to_a_clinic_where_nobody_is_there(house, day, clock):
    overdue(house, due_at=at(MON, "05:00") - datetime.timedelta(days=30))
    assert step(day, clock) == 0


def test_a_snow_day_hands_nothing_on(house):
    overdue(house)
    Closure.objects.create(clinic=house.clinic, starts_on=WED, ends_on=WED, reason="Snow")
    assert (step(WED, "12:00"), step(THU, "12:00")) == (0, 1)


@pytest.mark.parametrize(
    "facts",
    [
        {"state": "snoozed", "snoozed_until": THU},
        {"state": "closed", "outcome": "reached", "closed_at": at(TUE, "10:30")},
        {"state": "lapsed", "closed_at": at(TUE, "10:30")},
        {"owner_role": "administrator"},
    ],
)
def test_what_is_put_off_or_settled_stays(house, facts):
    flag = overdue(house, **facts)
    assert step(WED, "12:00") == 0
    assert Flag.objects.get(pk=flag.pk).version == 1


def test_a_hold_and_a_death_are_left_alone(house):
    held, died = house.patient(seat=None), house.patient(seat=None)
    for episode in (held, died):
        overdue(house, episode=episode)
    other = overdue(house)
    Episode.objects.filter(pk=held.pk).update(state="on_hold")
    Patient.objects.filter(pk=died.patient_id).update(deceased_on=MON)
    assert step(WED, "12:00") == 1
    assert Flag.objects.exclude(escalated_at=None).get() == other


def test_a_roster_or_a_group_without_a_patient_goes_on_too(house):
    session = house.day(MON, [])
    case(house.clinic, session=session, due_at=at(TUE, "10:00"), opened_at=at(TUE, "05:00"))
    assert step(TUE, "11:00") == 1


def test_a_coordinators_own_case_goes_to_the_administrator(house):
    flag = overdue(house, owner=f.staff(house.clinic))
    assert step(TUE, "11:00") == 1
    flag.refresh_from_db()
    assert flag.owner_role == "administrator"


def test_each_clinic_by_its_own_clock(house):
    west = House("America/Los_Angeles")
    f.staff(west.clinic)
    overdue(house)
    overdue(west)
    assert step(TUE, "10:30") == 0
    assert step(WED, "09:00", clinics=[west.clinic.pk]) == 0  # 6:00 in Los Angeles
    assert step(WED, "09:00") == 1
    assert step(WED, "12:00", clinics=[west.clinic.pk]) == 1


def theirs(user):
    """What this person owns, and what waits for anybody of their role."""
    return {*Flag.objects.open().owned_by(user), *Flag.objects.waiting_for_role_of(user)}


def test_an_escalated_case_waits_for_everybody_of_the_role(house):
    flag = overdue(house)
    coordinator, therapist = f.staff(house.clinic), house.user
    assert theirs(coordinator) == set()
    step(TUE, "11:00")
    assert Flag.objects.waiting_for_role_of(coordinator).get() == flag
    assert theirs(therapist) == {flag}
    acknowledge(flag=flag, by=f.staff(house.clinic))
    assert theirs(coordinator) == set()


@pytest.mark.parametrize("number", [1, 30])
def test_any_number_of_cases_takes_the_same_statements(house, number):
    episode = house.patient()
    for _ in range(number):
        overdue(house, episode=episode)
        overdue(house, episode=episode, owner_role=Role.COORDINATOR)
    with CaptureQueriesContext(connection) as sent:
        assert step(TUE, "11:00") == 2 * number
    assert len([one for one in sent if "SAVEPOINT" not in one["sql"]]) == 8


def offered(house: House, until: datetime.datetime) -> WaitlistOffer:
    entry = WaitlistEntry.objects.create(
        clinic=house.clinic, group=house.group, episode=house.patient(seat=None),
        added_at=until, state="offered",
    )  # fmt: skip
    return entry.offers.create(
        clinic=house.clinic, starts_on=until.date(), made_at=until - datetime.timedelta(days=1),
        made_by=f.staff(house.clinic), expires_at=until,
    )  # fmt: skip


def test_the_tick_hands_overdue_cases_on_and_ends_offers_in_time(house, time_machine, monkeypatch):
    flag = overdue(house)
    for name in ("queue_nights", "queue_deliveries"):
        monkeypatch.setattr(queue, name, lambda *_, **__: True)
    offer = offered(house, until=at(TUE, "11:00"))
    time_machine.move_to(at(TUE, "11:00"), tick=False)
    tasks.tick()
    flag.refresh_from_db()
    offer.refresh_from_db()
    assert (flag.owner_role, flag.escalated_at) == ("coordinator", at(TUE, "11:00"))
    assert (offer.answer, offer.entry.state) == ("expired", "waiting")
    assert JobTick.objects.get(name="tick").at == at(TUE, "11:00")
