"""Recorded hours never vanish: who attended is not withdrawn, and their session not cancelled."""

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError

from attendance import sessions
from attendance.closures import PRESENT, close
from attendance.imports.problems import ImportRefused
from attendance.imports.services import import_clinic
from attendance.models import AttendanceRecord
from attendance.records.services import clear
from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.constraints import violation
from scheduling import services
from scheduling.models import Booking, Closure, Decision, GroupMembership, Session
from scheduling.services import Decided
from tests import factories as f
from tests.admin import Desk
from tests.attendance import folders
from tests.attendance.rosters import Roster, roster
from tests.attendance.together import together

DAY = datetime.date(2026, 3, 4)
SENTENCE = "The record says that a patient attended. Clear or correct it first."


@pytest.fixture(autouse=True)
def _just_before_the_session() -> Iterator[None]:
    """08:45 in New York: the roster may be recorded, the session has not begun."""
    with time_machine.travel(datetime.datetime(2026, 3, 4, 13, 45, tzinfo=datetime.UTC), tick=True):
        yield


@pytest.fixture
def sheet(db: None) -> Roster:
    clinic = f.ClinicFactory()
    sheet = roster(clinic, size=2, group=f.GroupFactory(clinic=clinic))
    for seat, booking in enumerate(sheet.bookings, 1):
        booking.membership = GroupMembership.objects.create(
            clinic=clinic, group=sheet.session.group, episode=booking.episode, seat=seat,
            starts_on="2026-01-05",
        )  # fmt: skip
        booking.save()
    sheet.record(sheet.entry(0), now="08:45")
    return sheet


def close_the_day(sheet: Roster, **extra: Any) -> Closure:
    asked = {"starts_on": DAY, "ends_on": DAY, "reason": "Snow", "by": sheet.by, **extra}
    return close(clinic=sheet.clinic, **asked)


WAYS: dict[str, Callable[[Roster], object]] = {
    "withdraw": lambda s: services.withdraw(booking=s.bookings[0], reason="Moved", by=s.by),
    "cancel": lambda s: services.cancel_session(session=s.session, reason="Snow", by=s.by),
    "closure": lambda s: services.add_closure(
        clinic=s.clinic, starts_on=DAY, ends_on=DAY, reason="Snow", by=s.by
    ),
    "end": lambda s: services.end_membership(
        membership=s.bookings[0].membership, ends_on=DAY - datetime.timedelta(1), reason="Left",
        by=s.by,
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_every_way_off_the_roster_is_refused_until_the_record_is_cleared(way, sheet):
    with pytest.raises(IntegrityError) as refused:
        WAYS[way](sheet)
    broken = violation(refused.value)
    assert broken == ("booking_attended_stays", "attendance_recorded", SENTENCE)
    assert Booking.objects.expected().count() == 2
    assert GroupMembership.objects.filter(ends_on__isnull=True).count() == 2
    assert not Closure.objects.exists()
    clear(booking=sheet.bookings[0], version=1, by=sheet.by, correction_reason="Other patient")
    WAYS[way](sheet)
    assert Booking.objects.expected().count() < 2


def test_a_transfer_does_not_leave_a_recorded_session_behind(sheet):
    other = f.GroupFactory(clinic=sheet.clinic, program=sheet.bookings[0].episode.program)
    with pytest.raises(IntegrityError):
        services.transfer(
            membership=sheet.bookings[0].membership, to_group=other, on=DAY, by=sheet.by
        )
    assert GroupMembership.objects.filter(group=sheet.session.group, ends_on=None).count() == 2


def test_a_closure_names_the_sessions_that_took_place(sheet):
    elsewhere = f.session(sheet.clinic, "2026-03-04", "13:00", "14:00")
    with pytest.raises(Refused) as refused:
        close_the_day(sheet)
    assert refused.value.code == "attendance_recorded"
    errors: Any = refused.value.details["errors"]
    (error,) = errors
    assert (error["loc"], error["message"]) == ([sheet.session.pk, "choice"], PRESENT)
    assert refused.value.message == (
        f"Patients are recorded as present: {sheet.session.group} on Wed Mar 4, 9:00 AM. Clear or "
        "correct the records first, or close another time."
    )
    assert Session.objects.live().count() == 2
    close_the_day(sheet, from_time=datetime.time(12), to_time=datetime.time(18))
    elsewhere.refresh_from_db()
    assert not elsewhere.live


def test_a_room_may_close_after_somebody_was_there(sheet):
    assert close_the_day(sheet, room=f.RoomFactory(clinic=sheet.clinic)).pk


def test_in_a_closed_room_a_recorded_session_takes_another_one(sheet):
    row, room = sheet.session, f.RoomFactory(clinic=sheet.clinic, seats=16)
    Session.objects.filter(pk=row.pk).update(room=f.RoomFactory(clinic=sheet.clinic, seats=16))
    row.refresh_from_db()
    to = {"starts_at": row.starts_at, "ends_at": row.ends_at, "room": room}
    later = {**to, "starts_at": sheet.at("13:00"), "ends_at": sheet.at("14:00")}
    with pytest.raises(Refused) as refused:
        close_the_day(sheet, room=row.room, decided=[Decided(row, Decision.Choice.MOVED, **later)])
    assert refused.value.code == "attendance_recorded"
    close_the_day(sheet, room=row.room, decided=[Decided(row, Decision.Choice.MOVED, **to)])
    assert Session.objects.get().room == room


def test_a_recorded_session_does_not_move_away_from_its_records(sheet):
    later = {"starts_at": sheet.at("13:00"), "ends_at": sheet.at("14:00"), "by": sheet.by}
    with pytest.raises(Refused) as refused:
        sessions.move_session(session=sheet.session, **later)
    sheet.session.refresh_from_db()
    assert (refused.value.code, sheet.session.starts_at) == (
        "attendance_recorded",
        sheet.at("09:00"),
    )
    clear(booking=sheet.bookings[0], version=1, by=sheet.by, correction_reason="Too early")
    sessions.move_session(session=sheet.session, **later)
    assert Session.objects.get().starts_at == sheet.at("13:00")


def test_a_recorded_session_may_change_its_room(sheet):
    room, row = f.RoomFactory(clinic=sheet.clinic), sheet.session
    times = {"starts_at": row.starts_at, "ends_at": row.ends_at}
    sessions.move_session(session=row, room=room, by=sheet.by, **times)
    assert Session.objects.get().room == room


def test_the_admin_site_says_what_to_do_first(sheet):
    desk = Desk(sheet.by)
    said = desk.fill(sheet.session, "cancel", reason="Snow").refusal
    assert said == SENTENCE
    withdrawn = desk.fill(sheet.bookings[0], "withdraw", reason="Moved").refusal
    assert withdrawn == "Attendance is recorded. Clear the record first."
    moved = desk.fill(sheet.session, "move", day=DAY + datetime.timedelta(1)).refusal
    assert moved == "Attendance is recorded already. Clear the records first."
    closed = desk.fill(Closure, "new", reason="Snow", starts_on=DAY, ends_on=DAY).refusal
    assert closed == PRESENT
    assert Booking.objects.expected().count() == 2
    assert not Closure.objects.exists()


def test_a_closure_in_a_file_is_refused_with_its_line(tmp_path, db):
    now = datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC)
    import_clinic(folder=folders.write(tmp_path), by=Job("import"), now=now)
    closures = folders.with_line("closures", "2026-03-03,2026-03-03,Flood")
    with pytest.raises(ImportRefused) as refused:
        import_clinic(folder=folders.write(tmp_path, closures=closures), by=Job("import"), now=now)
    [problem] = refused.value.problems
    assert "closures.csv, line 3" in str(problem)
    assert "Individual on Tue Mar 3, 1:00 PM" in str(problem)
    assert Closure.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_record_and_a_raw_withdrawal_at_once_never_both_stand(transactional_db):
    """Past the services and their locks: only the two triggers stand between them."""
    for _ in range(10):
        sheet = roster(f.ClinicFactory())
        row = sheet.bookings[0]
        record = AttendanceRecord(clinic=sheet.clinic, booking=row, attended=True)
        off = {"state": "withdrawn", "withdrawn_reason": "Moved"}
        answers = together(record.save, lambda: Booking.objects.filter(pk=row.pk).update(**off))  # noqa: B023
        assert sum(isinstance(answer, IntegrityError) for answer in answers) == 1
