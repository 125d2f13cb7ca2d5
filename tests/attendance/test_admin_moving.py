"""Moving at the admin site: who could come then, and what it costs, is read before it is saved."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from scheduling.models import Booking, CallIn, Session
from tests import factories as f
from tests.admin import Desk, desk
from tests.attendance.house import FRI, MON, SAT
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db
NEXT_MON = MON + datetime.timedelta(days=7)


@pytest.fixture
def coordinator(week: ShortWeek) -> Desk:
    return Desk(week.by)


def friday(week: ShortWeek) -> Session:
    return Session.objects.get(group=week.house.group, starts_at__gt="2026-03-06T05:00Z")


def told(at: Desk, session: Session, **to: Any) -> tuple[str, list[tuple[str, ...]]]:
    (panel,) = at.look(session, "move", **to).panels
    return str(panel.note), [tuple(row[1:]) for row in panel.rows]


def test_a_day_of_the_same_week_costs_nothing(week, coordinator):
    note, rows = told(coordinator, friday(week), day=SAT)
    assert rows == [("can come", "6 h", "short already")]
    assert note == (
        "1 patient is expected. Nothing else is planned for its staff or its room at the new time. "
        "Everybody can come. Nobody would fall below what is asked of the week."
    )


def test_the_week_it_leaves_loses_its_hours(week, coordinator):
    assert told(coordinator, friday(week), day=NEXT_MON)[1][0][1] == "6 h → 3 h"


def test_a_year_typed_wrongly_is_said_first(week, coordinator):
    note, _ = told(coordinator, friday(week), day=SAT + datetime.timedelta(days=365))
    assert note.startswith("366 days later: look at the date. 1 patient is expected.")
    assert "look at the date" not in told(coordinator, friday(week), day=NEXT_MON)[0]


def test_what_stands_against_the_new_day_is_said_first(week, coordinator):
    guest = week.other()
    f.booking(friday(week), guest, 2)
    CallIn.objects.create(
        clinic=week.clinic, episode=guest, from_date=SAT, to_date=SAT, reason="illness",
        notified_at=friday(week).starts_at, taken_by=week.by,
    )  # fmt: skip
    rows = told(coordinator, friday(week), day=SAT)[1]
    assert [row[0] for row in rows] == ["Has called in absent for the new day.", "can come"]


def test_looking_moves_nothing_and_saving_does(week, coordinator):
    before = AuditEvent.objects.exclude(operation="R").count()
    ahead = coordinator.look(friday(week), "move", day=SAT)
    assert AuditEvent.objects.exclude(operation="R").count() == before
    assert friday(week).local_date == FRI
    assert coordinator.save(ahead).sentences == ["Moved to Sat Mar 7, 9:00 AM EST."]
    assert friday(week).local_date == SAT


def test_whom_it_would_put_into_two_places_is_listed_and_nothing_moves(week, coordinator):
    patient = friday(week).bookings.get().episode
    other = f.session(week.clinic, SAT.isoformat(), "09:30", "10:30")
    f.booking(other, patient)
    answer = coordinator.fill(friday(week), "move", day=SAT)
    assert answer.refusal == (
        "1 patient is booked elsewhere at this time, as shown above. Choose another time, or open "
        "these bookings and withdraw them first."
    )
    assert "Booked elsewhere at this time" in answer.html
    assert friday(week).local_date == FRI


def test_a_visit_that_would_lie_inside_is_not_in_the_way(week, coordinator):
    patient = friday(week).bookings.get().episode
    visit = week.house.drug_screen
    f.booking(
        f.session(week.clinic, SAT.isoformat(), "09:30", "09:45", session_type=visit), patient
    )
    coordinator.save(coordinator.look(friday(week), "move", day=SAT))
    inside = Booking.objects.get(session__session_type=visit)
    assert (friday(week).local_date, inside.nested_in) == (SAT, friday(week).bookings.get())


@pytest.fixture
def inside(week: ShortWeek) -> Session:
    """A visit from 9:30 to 9:45 inside the session on Friday."""
    outer = friday(week).bookings.get()
    visit = f.session(
        week.clinic, FRI.isoformat(), "09:30", "09:45", session_type=week.house.drug_screen
    )
    f.booking(
        visit, outer.episode, nested_in=outer, outer_starts_at=outer.starts_at,
        outer_ends_at=outer.ends_at,
    )  # fmt: skip
    return visit


def test_a_visit_is_moved_inside_its_session(week, coordinator, inside):
    coordinator.save(coordinator.look(inside, "move", starts="10:00 AM", ends="10:15 AM"))
    moved = inside.bookings.get()
    assert moved.starts_at == f.at(week.clinic, FRI.isoformat(), "10:00")
    assert moved.nested_in == friday(week).bookings.get()


def test_a_session_around_a_visit_is_moved_to_another_room(week, coordinator, inside):
    room = f.RoomFactory(clinic=week.clinic)
    coordinator.save(coordinator.look(friday(week), "move", room=room))
    assert friday(week).room == room
    assert inside.bookings.get().nested_in == friday(week).bookings.get()


def test_a_visit_that_would_leave_its_session_is_not_called_a_clash(week, coordinator, inside):
    answer = coordinator.fill(inside, "move", starts="8:30 AM", ends="8:45 AM")
    assert answer.refusal == (
        "The patient leaves another session for this visit on Fri Mar 6. Cancel it and plan it "
        "anew."
    )
    assert inside.bookings.get().nested_in == friday(week).bookings.get()


def test_it_is_looked_at_again_when_somebody_is_booked_meanwhile(week, coordinator):
    ahead = coordinator.look(friday(week), "move", day=SAT)
    f.booking(friday(week), week.other(), 2)
    assert coordinator.save(ahead).status == 200
    assert friday(week).local_date == FRI


def test_a_taken_room_is_refused_with_the_values_kept(week, coordinator):
    room = f.RoomFactory(clinic=week.clinic)
    f.session(week.clinic, SAT.isoformat(), "09:30", "10:30", room=room)
    answer = coordinator.fill(friday(week), "move", day=SAT, room=room)
    assert answer.refusal == f"{room} is taken. Choose another time, or another room."


def statements(at: Desk, session: Session) -> int:
    with CaptureQueriesContext(connection) as captured:
        at.look(session, "move", day=SAT)
    return len(captured)


def test_it_takes_the_same_statements_for_one_and_for_twelve(week, coordinator):
    before = statements(coordinator, friday(week))
    for seat in range(2, 13):
        f.booking(friday(week), week.other(), seat)
    assert statements(coordinator, friday(week)) == before == 59


def test_who_may_not_move_is_told_nothing(week):
    person = desk(week.clinic, Role.FRONT_DESK)
    assert person.open(friday(week), "move").status_code == 403
    assert Booking.objects.filter(session=friday(week)).count() == 1
