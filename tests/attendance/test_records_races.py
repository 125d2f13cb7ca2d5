"""The same roster at the same time, through connections of their own."""

import time

import pytest
from django.db import transaction

from attendance.models import AttendanceRecord
from attendance.records import sheet as sheets
from attendance.records.entries import RosterRefused, RosterResult
from attendance.records.services import correct
from iop_clinic.accounts.models import AuditEvent
from scheduling.locks import lock
from scheduling.models import Booking
from tests import factories as f
from tests.attendance.rosters import Roster, roster
from tests.attendance.together import together

pytestmark = pytest.mark.django_db(transaction=True)

PAUSE = 0.15


@pytest.fixture
def unhurried(monkeypatch):
    """Every write thinks for a moment between reading and saving, so that two would meet."""
    save = sheets.Sheet.save

    def save_later(sheet):
        time.sleep(PAUSE)
        save(sheet)

    monkeypatch.setattr(sheets.Sheet, "save", save_later)


@pytest.fixture
def sheet() -> Roster:
    return roster(f.ClinicFactory(), size=12)


def test_two_therapists_record_the_same_roster_at_once(sheet, unhurried):
    everybody = range(len(sheet.bookings))
    on_time = [sheet.entry(who) for who in everybody]
    late = [sheet.entry(who, arrived_at="09:30") for who in everybody]
    one, other = (f.staff(sheet.clinic) for _ in range(2))
    answers = together(
        lambda: sheet.record(*on_time, by=one), lambda: sheet.record(*late, by=other)
    )
    [won] = [answer for answer in answers if isinstance(answer, RosterResult)]
    [lost] = [answer for answer in answers if isinstance(answer, RosterRefused)]
    assert len(won.saved) == len(lost.conflicts) == 12
    assert {conflict.code for conflict in lost.conflicts} == {"stale_version"}
    minutes = 60 if won is answers[0] else 30
    assert {row["credited_minutes"] for row in sheet.facts()} == {minutes}
    assert {c.current.credited_minutes for c in lost.conflicts if c.current} == {minutes}


def test_the_same_request_ten_times_at_once_is_one_result(sheet):
    entries = [sheet.entry(who, left_at="09:40") for who in range(12)]
    answers = together(*[lambda: sheet.record(*entries)] * 10)
    assert sorted(len(answer.saved) for answer in answers) == [0] * 9 + [12]
    assert sorted(answer.unchanged for answer in answers) == [0] + [12] * 9
    assert {(row["version"], row["credited_minutes"]) for row in sheet.facts()} == {(1, 40)}
    trail = AuditEvent.objects.filter(table_name="attendance_attendancerecord")
    assert trail.count() == 12


def test_all_present_ten_times_at_once_is_one_roster(sheet):
    answers = together(*[lambda: sheet.record(all_present=True)] * 10)
    assert sorted(len(answer.saved) for answer in answers) == [0] * 9 + [12]
    assert sheet.count() == 12


def test_of_two_corrections_of_one_version_one_is_stale(sheet, unhurried):
    sheet.record(all_present=True)

    def corrected(left):
        return correct(
            booking=sheet.bookings[0], changes={"left_at": sheet.at(left)}, version=1,
            correction_reason="seen", by=sheet.by, now=sheet.at("11:00"),
        )  # fmt: skip

    answers = together(lambda: corrected("09:20"), lambda: corrected("09:40"))
    [won] = [answer for answer in answers if isinstance(answer, AttendanceRecord)]
    [lost] = [answer for answer in answers if isinstance(answer, RosterRefused)]
    assert (lost.code, sheet.stored().version) == ("stale_version", 2)
    assert sheet.stored().credited_minutes == won.credited_minutes


def test_group_and_nested_visit_recorded_at_once_lose_no_minute(sheet, unhurried):
    """Each of the two reads the other's record; without the group's lock one would miss it."""
    outer = sheet.bookings[0]
    inner = f.session(sheet.clinic, "2026-03-04", "09:20", "09:40", capacity=1)
    booking = f.booking(
        inner, outer.episode, nested_in=outer,
        outer_starts_at=outer.starts_at, outer_ends_at=outer.ends_at,
    )  # fmt: skip
    visit = Roster(sheet.clinic, inner, [booking], sheet.by)
    together(lambda: sheet.record(all_present=True), lambda: visit.record(visit.entry(0)))
    assert (visit.stored().credited_minutes, sheet.stored().credited_minutes) == (20, 40)


def test_two_visits_of_one_group_session_at_once_lose_no_minute(sheet, unhurried):
    outer = sheet.bookings[0]
    sheet.record(all_present=True)
    visits = []
    for starts, ends in (("09:05", "09:20"), ("09:30", "09:50")):
        inner = f.session(sheet.clinic, "2026-03-04", starts, ends, capacity=1)
        booking = f.booking(
            inner, outer.episode, nested_in=outer,
            outer_starts_at=outer.starts_at, outer_ends_at=outer.ends_at,
        )  # fmt: skip
        visits.append(Roster(sheet.clinic, inner, [booking], sheet.by))
    together(*[lambda one=one: one.record(one.entry(0)) for one in visits])
    assert sheet.stored().credited_minutes == 25


def test_a_patient_withdrawn_meanwhile_is_not_recorded(sheet):
    """The roster waits for the session; what it then finds is what counts."""

    def withdraw():
        with transaction.atomic():
            lock(sessions=[sheet.session.pk])
            time.sleep(2 * PAUSE)
            Booking.objects.filter(pk=sheet.bookings[0].pk).update(
                state="withdrawn", withdrawn_reason="plan changed"
            )

    def record():
        time.sleep(PAUSE)
        return sheet.record(all_present=True)

    _, answer = together(withdraw, record)
    assert len(answer.saved) == 11
    assert not AttendanceRecord.objects.filter(booking=sheet.bookings[0]).exists()
