"""Recording a roster: what is saved, what changes nothing, what is refused."""

import datetime
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.models import AttendanceRecord, CreditRule
from attendance.records.entries import Entry, RosterRefused
from attendance.records.services import record_roster
from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.models import AuditEvent
from scheduling.models import Booking, CallIn
from tests import factories as f
from tests.attendance.rosters import Roster, roster

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic():
    return f.ClinicFactory()


@pytest.fixture
def sheet(clinic) -> Roster:
    return roster(clinic, size=3)


def refused(sheet: Roster, *entries: Entry, code: str, index: int | None = 0, **options):
    """Recording raises one conflict and stores nothing; the conflict is returned."""
    before = sheet.facts()
    with pytest.raises(RosterRefused) as refusal:
        sheet.record(*entries, **options)
    [conflict] = refusal.value.conflicts
    assert (conflict.code, conflict.index, refusal.value.code) == (code, index, code)
    assert sheet.facts() == before
    return conflict


# First recordings


def test_some_of_the_roster(sheet):
    result = sheet.record(sheet.entry(0), sheet.entry(1, arrived_at="09:20", left_at="09:50"))
    assert [record.booking for record in result.saved] == sheet.bookings[:2]
    assert (result.unchanged, result.conflicts) == (0, ())
    late = sheet.stored(1)
    assert (late.arrived_at, late.left_at) == (sheet.at("09:20"), sheet.at("09:50"))
    assert (late.attended_minutes, late.credited_minutes, late.version) == (30, 30, 1)
    assert sheet.count() == 2


def test_who_and_when_stand_in_the_record_and_the_trail(sheet):
    sheet.record(sheet.entry(0), source="roster")
    record = sheet.stored()
    assert (record.recorded_by, record.source) == (sheet.by, "roster")
    assert record.recorded_at == sheet.at("10:05")
    event = AuditEvent.objects.get(table_name="attendance_attendancerecord")
    assert (event.operation, event.row_id, event.actor) == ("I", record.pk, sheet.by.actor)


def test_a_job_signs_the_trail_alone(sheet):
    sheet.record(sheet.entry(0), by=Job("import"), source="import")
    assert sheet.stored().recorded_by is None
    event = AuditEvent.objects.get(table_name="attendance_attendancerecord")
    assert event.actor == "job:import"


def test_away_and_breaks_leave_the_minutes(clinic):
    sheet = roster(clinic, ends="11:00", breaks=[[60, 70]])
    sheet.record(sheet.entry(0, away=["09:30-09:40", "09:55-10:05"]))
    record = sheet.stored()
    assert record.away == [
        ["2026-03-04T14:30:00+00:00", "2026-03-04T14:40:00+00:00"],
        ["2026-03-04T14:55:00+00:00", "2026-03-04T15:05:00+00:00"],
    ]
    assert (record.attended_minutes, record.credited_minutes) == (95, 95)


def test_a_type_that_is_not_creditable_is_attended_without_credit(clinic):
    lecture = f.SessionTypeFactory(clinic=clinic, creditable=False)
    sheet = roster(clinic, session_type=lecture)
    sheet.record(sheet.entry(0))
    assert (sheet.stored().attended_minutes, sheet.stored().credited_minutes) == (60, 0)


def test_the_clinics_rule_of_that_date_makes_the_credit(clinic):
    rule = {"clinic": clinic, "kind": "round_down", "round_to": 15}
    CreditRule.objects.create(**rule, starts_on="2026-03-01", ends_on="2026-03-31")
    CreditRule.objects.create(clinic=clinic, starts_on="2026-04-01")
    sheet = roster(clinic)
    sheet.record(sheet.entry(0, left_at="09:50"))
    assert (sheet.stored().attended_minutes, sheet.stored().credited_minutes) == (50, 45)


def test_a_device_clock_that_runs_ahead_is_cut(sheet):
    sheet.record(sheet.entry(0, recorded_at="10:30"), sheet.entry(1, recorded_at="09:58"))
    assert sheet.stored(0).recorded_at == sheet.at("10:05")
    assert sheet.stored(1).recorded_at == sheet.at("09:58")


# All present


def test_all_present_fills_everyone_unrecorded(sheet):
    sheet.record(sheet.entry(1, attended=False))
    result = sheet.record(sheet.entry(0, arrived_at="09:20"), all_present=True)
    assert len(result.saved) == 2
    assert [sheet.stored(who).attended for who in range(3)] == [True, False, True]
    assert sheet.stored(0).credited_minutes == 40


def test_all_present_never_assumes_a_patient_who_gave_notice(sheet):
    Booking.objects.filter(pk=sheet.bookings[2].pk).update(
        state="released", released_at=sheet.at("07:00")
    )
    sheet.record(all_present=True)
    assert not AttendanceRecord.objects.filter(booking=sheet.bookings[2]).exists()
    sheet.record(sheet.entry(2))
    assert sheet.stored(2).attended


def test_all_present_twice_changes_nothing(sheet):
    sheet.record(all_present=True)
    before = sheet.facts()
    assert sheet.record(all_present=True).saved == ()
    assert sheet.facts() == before


# Absences that were called in


def called_in(sheet: Roster, who: int, reason: str = "illness") -> CallIn:
    booking = sheet.bookings[who]
    call = CallIn.objects.create(
        clinic=sheet.clinic, episode=booking.episode, from_date="2026-03-04",
        to_date="2026-03-05", reason=reason, notified_at=sheet.at("07:10"), taken_by=sheet.by,
    )  # fmt: skip
    Booking.objects.filter(pk=booking.pk).update(
        state="released", released_at=call.notified_at, call_in=call
    )
    return call


def test_a_call_in_fills_notice_and_reason_of_the_absence(sheet):
    called_in(sheet, 0)
    sheet.record(sheet.entry(0, attended=False))
    record = sheet.stored()
    assert (record.notified_at, record.absence_reason) == (sheet.at("07:10"), "illness")


def test_what_the_therapist_says_wins_over_the_call_in(sheet):
    called_in(sheet, 0)
    sheet.record(sheet.entry(0, attended=False, absence_reason="transport"))
    assert sheet.stored().absence_reason == "transport"
    assert sheet.stored().notified_at == sheet.at("07:10")


def test_a_reason_the_records_do_not_know_becomes_other(sheet):
    called_in(sheet, 0, reason="dentist")
    sheet.record(sheet.entry(0, attended=False))
    assert sheet.stored().absence_reason == "other"


def test_a_released_booking_without_call_in_keeps_the_time_of_its_notice(sheet):
    Booking.objects.filter(pk=sheet.bookings[0].pk).update(
        state="released", released_at=sheet.at("08:15")
    )
    sheet.record(sheet.entry(0, attended=False))
    assert sheet.stored().notified_at == sheet.at("08:15")


def test_who_called_in_and_came_all_the_same_carries_no_absence(sheet):
    called_in(sheet, 0)
    sheet.record(sheet.entry(0))
    assert (sheet.stored().notified_at, sheet.stored().absence_reason) == (None, "")


# Again, and later


def test_the_same_request_again_changes_nothing(sheet):
    entries = [sheet.entry(0, arrived_at="09:20"), sheet.entry(1, attended=False)]
    sheet.record(*entries)
    before, events = sheet.facts(), AuditEvent.objects.count()
    result = sheet.record(*entries)
    assert (result.saved, result.unchanged) == ((), 2)
    assert (sheet.facts(), AuditEvent.objects.count()) == (before, events)


@pytest.mark.parametrize("version", [1, 2, 99])
def test_an_entry_equal_to_what_is_stored_is_a_no_op_whatever_its_version(sheet, version):
    sheet.record(sheet.entry(0, left_at="09:50"))
    assert sheet.record(sheet.entry(0, left_at="09:50", version=version)).unchanged == 1
    assert sheet.stored().version == 1


def test_the_departure_is_filled_without_a_reason(sheet):
    sheet.record(sheet.entry(0, arrived_at="09:10"), now="09:15")
    sheet.record(sheet.entry(0, left_at="09:40", version=1))
    record = sheet.stored()
    assert (record.arrived_at, record.left_at) == (sheet.at("09:10"), sheet.at("09:40"))
    assert (record.credited_minutes, record.version) == (30, 2)


def test_a_stored_value_changes_with_version_and_reason(sheet):
    sheet.record(sheet.entry(0, left_at="09:50"))
    sheet.record(sheet.entry(0, left_at="09:30", version=1, correction_reason="misread clock"))
    record = sheet.stored()
    assert (record.credited_minutes, record.version) == (30, 2)
    assert record.correction_reason == "misread clock"


def test_present_becomes_absent_without_its_times(sheet):
    sheet.record(sheet.entry(0, arrived_at="09:10", left_at="09:50", away=["09:20-09:25"]))
    sheet.record(sheet.entry(0, attended=False, version=1, correction_reason="wrong line"))
    record = sheet.stored()
    assert (record.attended, record.arrived_at, record.left_at, record.away) == (
        False, None, None, [],
    )  # fmt: skip
    assert (record.attended_minutes, record.credited_minutes) == (0, 0)


def test_absent_becomes_present_without_its_excuse(sheet):
    sheet.record(sheet.entry(0, attended=False, absence_reason="illness", notified_at="08:00"))
    sheet.record(sheet.entry(0, version=1, correction_reason="came after all"))
    record = sheet.stored()
    assert (record.absence_reason, record.notified_at) == ("", None)
    assert record.credited_minutes == 60


def test_staff_overrule_with_a_reason(sheet):
    sheet.record(sheet.entry(0, attended=False, excused_override=True, correction_reason="funeral"))
    assert (sheet.stored().excused_override, sheet.stored().override_reason) == (True, "funeral")


# Conflicts


def test_no_version_means_i_expect_unrecorded(sheet):
    sheet.record(sheet.entry(0, arrived_at="09:20"))
    conflict = refused(sheet, sheet.entry(0), code="stale_version")
    assert conflict.current is not None
    assert (conflict.current.version, conflict.current.arrived_at) == (1, sheet.at("09:20"))


def test_a_stale_version_shows_the_current_state(sheet):
    sheet.record(sheet.entry(0))
    sheet.record(sheet.entry(0, left_at="09:30", version=1))
    late = sheet.entry(0, left_at="09:45", version=1, correction_reason="mine")
    conflict = refused(sheet, late, code="stale_version")
    assert conflict.current is not None
    assert (conflict.current.version, conflict.current.credited_minutes) == (2, 30)


def test_a_version_of_nothing_is_stale(sheet):
    conflict = refused(sheet, sheet.entry(0, version=1), code="stale_version")
    assert conflict.current is not None
    assert (conflict.current.status, conflict.current.version) == ("unrecorded", None)


@pytest.mark.parametrize("facts", [{"left_at": "09:40"}, {"attended": False}, {"left_at": None}])
def test_changing_a_stored_value_needs_a_reason(sheet, facts):
    sheet.record(sheet.entry(0, left_at="09:50"))
    refused(sheet, sheet.entry(0, **facts, version=1), code="correction_reason_required")


def test_a_booking_of_another_session_is_unknown(sheet, clinic):
    other = roster(clinic, day="2026-03-05")
    stranger = Entry(booking=other.bookings[0].public_id, attended=True)
    refused(sheet, sheet.entry(0), stranger, code="unknown_booking", index=1)
    refused(sheet, Entry(booking=uuid.uuid4(), attended=True), code="unknown_booking")


def test_a_withdrawn_booking_is_not_expected(sheet):
    Booking.objects.filter(pk=sheet.bookings[0].pk).update(
        state="withdrawn", withdrawn_reason="plan changed"
    )
    refused(sheet, sheet.entry(0), code="unknown_booking")
    assert len(sheet.record(all_present=True).saved) == 2


def test_duplicates_in_one_body_are_refused_each(sheet):
    with pytest.raises(RosterRefused) as refusal:
        sheet.record(sheet.entry(0), sheet.entry(1), sheet.entry(0, attended=False))
    assert [(c.index, c.code) for c in refusal.value.conflicts] == [
        (0, "duplicate_record"), (2, "duplicate_record"),
    ]  # fmt: skip
    assert sheet.count() == 0


def test_partial_saves_the_good_ones(sheet):
    sheet.record(sheet.entry(0, arrived_at="09:20"))
    result = sheet.record(sheet.entry(0), sheet.entry(1), mode="partial")
    assert [record.booking for record in result.saved] == [sheet.bookings[1]]
    [conflict] = result.conflicts
    assert (conflict.index, conflict.booking) == (0, sheet.bookings[0].public_id)
    assert sheet.stored(0).arrived_at == sheet.at("09:20")


# Bad facts


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"arrived_at": "09:30", "left_at": "09:30"}, "departure_before_arrival"),
        ({"arrived_at": "09:30", "left_at": "09:10"}, "departure_before_arrival"),
        ({"arrived_at": "2026-03-03 20:59"}, "time_out_of_range"),
        ({"left_at": "22:01"}, "time_out_of_range"),
        ({"away": ["09:10-22:30"]}, "time_out_of_range"),
        ({"away": ["09:20-09:10"]}, "away_out_of_order"),
        ({"away": ["09:10-09:30", "09:20-09:40"]}, "away_out_of_order"),
        ({"attended": False, "arrived_at": "09:10"}, "absent_with_times"),
        ({"attended": False, "left_at": "09:10"}, "absent_with_times"),
        ({"attended": False, "away": ["09:10-09:20"]}, "absent_with_times"),
        ({"attended": False, "notified_at": "10:06"}, "notified_in_future"),
        ({"attended": False, "absence_reason": "dog"}, "unknown_reason"),
        ({"attended": False, "proof": "maybe"}, "unknown_proof"),
        ({"attended": False, "excused_override": True}, "correction_reason_required"),
        ({"correction_reason": "x" * 201}, "too_long"),
    ],
)
def test_bad_facts_are_refused(sheet, facts, code):
    refused(sheet, sheet.entry(1), sheet.entry(0, **facts), code=code, index=1)
    assert sheet.count() == 0


@pytest.mark.parametrize(
    ("facts", "now"),
    [
        ({"arrived_at": "2026-03-03 21:00", "left_at": "22:00"}, "22:00"),
        ({"attended": False, "notified_at": "10:05"}, "10:05"),
        ({"away": ["09:10-09:20", "09:20-09:30"]}, "10:05"),
    ],
)
def test_facts_at_the_edge_are_kept(sheet, facts, now):
    sheet.record(sheet.entry(0, **facts), now=now)
    assert sheet.count() == 1


# When


def test_not_before_30_minutes_to_the_start(sheet):
    with pytest.raises(Refused) as refusal:
        sheet.record(sheet.entry(0), now="08:29")
    assert (refusal.value.code, sheet.count()) == ("session_in_future", 0)
    assert len(sheet.record(sheet.entry(0), now="08:30").saved) == 1


def test_a_cancelled_session_has_no_roster(sheet):
    sheet.session.state, sheet.session.cancelled_reason = "cancelled", "snow"
    sheet.session.cancelled_at = sheet.at("07:00")
    sheet.session.save()
    with pytest.raises(Refused) as refusal:
        sheet.record(sheet.entry(0))
    assert (refusal.value.code, sheet.count()) == ("session_cancelled", 0)


# How many statements


@pytest.mark.django_db(transaction=True)
def test_a_roster_costs_the_same_at_every_size(clinic):
    """Begin, actor, setting, lock, roster, insert, deferred checks, commit; an update one more."""
    first, second = [], []
    for size in (1, 12, 15):
        sheet = roster(clinic, size=size, day=f"2026-03-{size:02}")
        now = f"2026-03-{size:02} 10:05"
        with CaptureQueriesContext(connection) as statements:
            sheet.record(*[sheet.entry(who) for who in range(1, size)], sheet.entry(0), now=now)
        first.append(len(statements))
        AttendanceRecord.objects.filter(booking=sheet.bookings[0]).delete()
        left = [
            sheet.entry(who, left_at=f"2026-03-{size:02} 09:40", version=1)
            for who in range(1, size)
        ]
        with CaptureQueriesContext(connection) as statements:
            sheet.record(*left, all_present=True, now=now)
        second.append(len(statements))
    assert (first, second) == ([7, 7, 7], [7, 8, 8])


def test_minutes_never_come_from_the_wall_clock(clinic):
    """Four hours by the wall, five on the night the clocks go back."""
    sheet = roster(clinic, day="2026-11-01", starts="00:30", ends="04:30")
    now = datetime.timedelta(hours=8) + sheet.session.starts_at
    record_roster(session=sheet.session, by=sheet.by, all_present=True, now=now)
    assert sheet.stored().credited_minutes == 300
