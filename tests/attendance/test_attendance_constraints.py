"""Every named rule of this floor, broken by raw SQL: it refuses, and it alone."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DatabaseError

from attendance import models as attendance
from iop_clinic.accounts.models import AuditEvent
from tests import factories as f
from tests.breaking import delete, drop, insert_copy, named_constraints, refused_by, update

DAY = datetime.date(2026, 3, 2)
NEXT, BEFORE = DAY + datetime.timedelta(1), DAY - datetime.timedelta(1)
SUNDAY = DAY + datetime.timedelta(6)


@pytest.fixture
def rows(db) -> SimpleNamespace:
    """One row in every table, of one clinic; the standard has judged the week of 2 March."""
    clinic = f.ClinicFactory()
    same: dict[str, Any] = {"clinic": clinic}
    user, episode = f.staff(clinic), f.admitted(clinic)
    session = f.session(clinic, "2026-03-02", "09:00", "10:00")
    now = session.ends_at
    standard = attendance.Standard.objects.create(**same, name="Adult IOP", starts_on="2026-01-01")
    case: dict[str, Any] = {
        "sentence": "Missed Monday.", "severity": 3, "owner_role": "therapist",
        "opened_for": DAY, "due_at": now, "evidence_key": str(DAY), **same,
    }  # fmt: skip
    flag = attendance.Flag.objects.create(
        **case, rule=2, subject_type=1, subject_id=episode.pk, episode=episode
    )
    run = attendance.NightlyRun.objects.create(**same, local_date=DAY, lease_until=now)
    record = attendance.AttendanceRecord.objects.create(
        **same, booking=f.booking(session, episode), attended=True,
        attended_minutes=60, credited_minutes=45,
    )  # fmt: skip
    withdrawn = {"state": "withdrawn", "withdrawn_reason": "Booked twice"}
    report = attendance.ComplianceReport.objects.create(**same, run=run, local_date=DAY, content={})
    return SimpleNamespace(
        user=user,
        session=session,
        record=record,
        booking=record.booking,
        absence=attendance.AttendanceRecord.objects.create(
            **same, booking=f.booking(session, f.admitted(clinic), 2, **withdrawn), attended=False
        ),
        withdrawn=f.booking(session, f.admitted(clinic), 3, **withdrawn),
        credit=attendance.CreditRule.objects.create(**same, starts_on="2026-01-01"),
        standard=standard,
        payer=f.PayerFactory(clinic=clinic),
        result=attendance.WeekResult.objects.create(
            **same, episode=episode, standard=standard, week_starts_on=DAY, segment_starts_on=DAY,
            segment_ends_on=SUNDAY, minutes_status="met", days_status="met",
            scheduled_minutes=540, attended_minutes=540, credited_minutes=540, judged_minutes=540,
            qualifying_days=3, minimum=540, prorated_minimum=540, prorated_days=3, inputs={},
        ),
        rule=attendance.AbsenceRule.objects.create(
            **same, kind=4, times=3, window_days=30, starts_on="2026-01-01"
        ),
        flag=flag,
        roster_flag=attendance.Flag.objects.create(
            **case, rule=5, subject_type=2, subject_id=session.pk, session=session
        ),
        outreach=attendance.OutreachAttempt.objects.create(
            **same, flag=flag, episode=episode, method="call", result="reached", attempted_by=user
        ),
        run=run,
        note=attendance.WeekNote.objects.create(
            **same, flag=flag, reason="illness", make_up_offered="Friday's family session",
            written_by=user,
        ),
        share=attendance.AbsenceRule.objects.create(
            **same, kind=11, times=75, window_days=30, starts_on="2026-01-01"
        ),
        files=attendance.DataImport.objects.create(
            **same, uploaded_by=user, files=["rooms.csv"], digest="0" * 64, content=b"PK"
        ),
        report=report,
        delivery=attendance.ReportDelivery.objects.create(
            **same, report=report, recipient=user, message_id="<1@example.com>"
        ),
    )  # fmt: skip


def payers(r: Any, **columns: Any) -> None:
    """A standard beside the clinic's own, so that only the columns in question can be wrong."""
    insert_copy(r.standard, **{"level": 3, "max_minutes": None, **columns})


CASES: dict[str, Callable[[Any], None]] = {
    "attendancerecord_left_after_arrival": lambda r: update(
        r.record, arrived_at="2026-03-02T14:30Z", left_at="2026-03-02T14:30Z"
    ),
    "attendancerecord_absent_has_no_presence": lambda r: update(
        r.record, attended=False, attended_minutes=0, credited_minutes=0,
        arrived_at="2026-03-02T14:30Z",
    ),
    "attendancerecord_credit_within_attended": lambda r: update(r.record, credited_minutes=61),
    "attendancerecord_override_has_reason": lambda r: update(r.record, excused_override=False),
    "attendancerecord_proof_known": lambda r: update(r.record, proof="maybe"),
    "booking_attended_stays": lambda r: update(
        r.booking, state="withdrawn", withdrawn_reason="Booked twice"
    ),
    "attendancerecord_on_the_roster": lambda r: update(r.absence, attended=True),
    "creditrule_one_at_a_time": lambda r: insert_copy(r.credit, starts_on=NEXT),
    "creditrule_ends_after_start": lambda r: update(r.credit, ends_on="2025-12-31"),
    "creditrule_round_to_1_to_60": lambda r: update(r.credit, round_to=0),
    "creditrule_percent_1_to_100": lambda r: update(r.credit, min_percent=101),
    "standard_minimum_within_maximum": lambda r: payers(r, max_minutes=539),
    "standard_days_0_to_7": lambda r: payers(r, min_days=8),
    "standard_ends_after_start": lambda r: payers(r, ends_on="2025-12-31"),
    "standard_payer_matches_source": lambda r: payers(r, payer_id=r.payer.pk),
    "standard_proration_is_the_programs": lambda r: payers(r, source=3),
    "standard_no_overlap": lambda r: insert_copy(r.standard, starts_on=NEXT),
    "standard_immutable": lambda r: update(r.standard, min_minutes=500),
    "weekresult_amendment_unique": lambda r: insert_copy(r.result, minutes_status="short"),
    "weekresult_insert_only": lambda r: update(r.result, minutes_status="short"),
    "absencerule_times_positive": lambda r: update(r.rule, times=0),
    "absencerule_window_holds_times": lambda r: update(r.rule, window_days=2),
    "absencerule_window_needed": lambda r: update(r.share, window_days=0),
    "absencerule_percent_within_100": lambda r: update(r.share, times=101),
    "absencerule_ends_after_start": lambda r: update(r.rule, ends_on="2025-12-31"),
    "absencerule_no_overlap": lambda r: insert_copy(r.rule, starts_on=NEXT),
    "flag_once_per_evidence": lambda r: insert_copy(r.flag, severity=1),
    "flag_subject_is_its_key": lambda r: update(r.flag, subject_id=r.flag.subject_id + 1),
    "flag_state_known": lambda r: update(r.flag, state="lost"),
    "flag_closed_has_outcome": lambda r: update(
        r.flag, state="closed", closed_at="2026-03-03T12:00Z"
    ),
    "flag_snoozed_until_a_date": lambda r: update(r.flag, state="snoozed"),
    "weeknote_one_per_case": lambda r: insert_copy(r.note, reason="work"),
    "weeknote_other_has_detail": lambda r: update(r.note, reason="other"),
    "dataimport_running_has_lease": lambda r: update(r.files, state="checking"),
    "dataimport_over_has_time_and_no_files": lambda r: update(r.files, state="refused"),
    "dataimport_to_do_has_files": lambda r: update(r.files, content=None),
    "dataimport_confirmed_by_somebody": lambda r: update(r.files, state="confirmed"),
    "nightlyrun_once_per_night": lambda r: insert_copy(r.run, attempts=2),
    "nightlyrun_finished_has_time": lambda r: update(r.run, state="finished"),
    "compliancereport_once_per_scope": lambda r: insert_copy(r.report),
    "reportdelivery_once_per_recipient": lambda r: insert_copy(
        r.delivery, message_id="<2@example.com>"
    ),
    "reportdelivery_attempts_at_most_6": lambda r: update(r.delivery, attempts=7),
    "reportdelivery_sending_has_lease": lambda r: update(r.delivery, state="sending"),
    "reportdelivery_sent_has_time": lambda r: update(r.delivery, state="sent"),
}  # fmt: skip

GUARDED_TWICE = {
    # The date range refuses a reversed one as well.
    "creditrule_ends_after_start",
    "standard_ends_after_start",
    "absencerule_ends_after_start",
}


@pytest.mark.parametrize("name", CASES)
def test_raw_sql_is_refused_by_the_constraint(name, rows):
    assert refused_by(lambda: CASES[name](rows)) == name


@pytest.mark.parametrize("name", sorted(set(CASES) - GUARDED_TWICE))
def test_without_the_constraint_it_goes_through(name, rows):
    drop(name)
    assert refused_by(lambda: CASES[name](rows)) is None


@pytest.mark.parametrize("name", sorted(GUARDED_TWICE))
def test_without_the_constraint_the_date_range_still_refuses(name, rows):
    drop(name)
    with pytest.raises(DatabaseError, match="range lower bound"):
        CASES[name](rows)


def test_every_named_constraint_has_a_case():
    assert set(CASES) == named_constraints("attendance")


# --- what may never change ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"ends_on": SUNDAY, "min_minutes": 500},
        {"ends_on": SUNDAY - datetime.timedelta(1)},
        {"ends_on": DAY},
        {"prorate": False},
        {"counted_types": "[1]"},
        {"week_starts_on": 6},
    ],
)
def test_a_standard_is_only_ever_ended_after_the_last_week_it_judged(change, rows):
    assert refused_by(lambda: update(rows.standard, **change)) == "standard_immutable"


@pytest.mark.parametrize("ends_on", [SUNDAY, None])
def test_a_standard_may_be_ended_and_reopened(ends_on, rows):
    assert refused_by(lambda: update(rows.standard, ends_on=ends_on)) is None


def test_a_standard_that_never_judged_may_end_on_any_day_but_not_go(rows):
    fresh = attendance.Standard.objects.create(
        clinic=rows.standard.clinic, name="PHP", level=3, starts_on=DAY
    )
    assert refused_by(lambda: update(fresh, ends_on=DAY)) is None
    assert refused_by(lambda: delete(fresh)) == "standard_immutable"


def test_a_week_result_is_never_deleted_and_an_amendment_goes_beside_it(rows):
    assert refused_by(lambda: delete(rows.result)) == "weekresult_insert_only"
    assert refused_by(lambda: insert_copy(rows.result, amendment=1)) is None


# --- who attended stays on the roster -------------------------------------------------------------

ABSENT = {"attended": False, "attended_minutes": 0, "credited_minutes": 0}
CANCELLED = {
    "state": "cancelled", "cancelled_reason": "Snow", "cancelled_at": "2026-03-02T12:00Z",
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        lambda r: update(r.session, **CANCELLED),
        lambda r: update(r.booking, state="withdrawn", withdrawn_reason="Moved away"),
    ],
)
def test_only_a_record_of_presence_keeps_a_booking_on_the_roster(change, rows):
    assert refused_by(lambda: change(rows)) == "booking_attended_stays"
    update(rows.record, **ABSENT)
    assert refused_by(lambda: change(rows)) is None
    delete(rows.record)
    assert refused_by(lambda: change(rows)) is None


def test_a_session_that_somebody_attended_may_move_and_its_booking_be_released(rows):
    moved = {"starts_at": "2026-03-02T15:00Z", "ends_at": "2026-03-02T16:00Z"}
    assert refused_by(lambda: update(rows.session, **moved)) is None
    released = {"state": "released", "released_at": "2026-03-02T12:00Z"}
    assert refused_by(lambda: update(rows.booking, **released)) is None


def test_nobody_attends_a_cancelled_session_or_moves_to_a_withdrawn_booking(rows):
    moved = refused_by(lambda: update(rows.record, booking_id=rows.withdrawn.pk))
    entered = refused_by(lambda: insert_copy(rows.record, booking_id=rows.withdrawn.pk))
    assert moved == entered == "attendancerecord_on_the_roster"
    update(rows.record, **ABSENT)
    update(rows.session, **CANCELLED)
    refused = refused_by(lambda: update(rows.record, attended=True))
    assert refused == "attendancerecord_on_the_roster"
    assert refused_by(lambda: insert_copy(rows.absence, booking_id=rows.withdrawn.pk)) is None


# --- the edges ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda r: insert_copy(r.standard, source=2, prorate=False),
        lambda r: insert_copy(r.standard, source=2, prorate=False, payer_id=r.payer.pk),
        lambda r: insert_copy(r.standard, age_bracket=2),
        lambda r: insert_copy(r.standard, level=3),
        lambda r: insert_copy(r.rule, times=4),
        lambda r: insert_copy(r.flag, evidence_key="2026-03-09"),
        lambda r: insert_copy(r.flag, rule=3),
        lambda r: insert_copy(r.report, kind="weekly"),
        lambda r: insert_copy(r.run, local_date=NEXT),
        lambda r: update(r.delivery, attempts=6),
        lambda r: update(r.flag, state="lapsed", closed_at="2026-03-03T12:00Z"),
    ],
)
def test_what_differs_in_one_thing_fits_beside(change, rows):
    assert refused_by(lambda: change(rows)) is None


def test_the_day_after_the_last_one_is_free(rows):
    update(rows.credit, ends_on=DAY)
    assert refused_by(lambda: insert_copy(rows.credit, starts_on=NEXT, ends_on=None)) is None
    assert refused_by(lambda: insert_copy(rows.credit, starts_on=DAY)) == "creditrule_one_at_a_time"


@pytest.mark.parametrize(
    ("flag", "columns"),
    [
        ("flag", {"episode_id": None}),
        ("roster_flag", {"session_id": None}),
        ("flag", {"subject_type": 2}),
        ("roster_flag", {"subject_type": 3}),
    ],
)
def test_a_case_always_names_its_subject(flag, columns, rows):
    refused = refused_by(lambda: update(getattr(rows, flag), **columns))
    assert refused == "flag_subject_is_its_key"


@pytest.mark.parametrize(
    "columns",
    [
        {"state": "closed", "outcome": "reached"},
        {"outcome": "reached"},
        {"closed_at": "2026-03-03T12:00Z"},
        {"state": "lapsed"},
    ],
)
def test_outcome_and_time_come_with_the_closing_only(columns, rows):
    assert refused_by(lambda: update(rows.flag, **columns)) == "flag_closed_has_outcome"


@pytest.mark.parametrize("minutes", ["attended_minutes", "credited_minutes", "left_at"])
def test_an_absent_patient_has_neither_minutes_nor_times(minutes, rows):
    absent = {"attended": False, "attended_minutes": 0, "credited_minutes": 0}
    update(rows.record, **absent)
    value = "2026-03-02T14:30Z" if minutes == "left_at" else 1
    columns = {minutes: value} | ({"attended_minutes": 1} if minutes != "left_at" else {})
    refused = refused_by(lambda: update(rows.record, **columns))
    assert refused == "attendancerecord_absent_has_no_presence"


def test_one_record_for_a_booking(rows):
    with pytest.raises(DatabaseError, match="booking_id"):
        insert_copy(rows.record)


# --- the trail ------------------------------------------------------------------------------------

FACTS = ["record", "credit", "standard", "rule", "flag", "outreach", "files"]
DERIVED = ["result", "run", "report", "delivery"]


@pytest.mark.parametrize("name", FACTS + DERIVED)
def test_facts_are_audited_and_what_is_derived_is_not(name, rows):
    row = getattr(rows, name)
    trail = AuditEvent.objects.filter(table_name=row._meta.db_table, row_id=row.pk)
    assert trail.filter(operation="I").exists() is (name in FACTS)


def test_raw_sql_leaves_the_old_and_the_new_value(rows):
    update(rows.record, credited_minutes=30)
    event = AuditEvent.objects.filter(row_id=rows.record.pk, operation="U").latest("id")
    assert (event.old, event.new) == ({"credited_minutes": 45}, {"credited_minutes": 30})
    assert event.actor.startswith("database:")


@pytest.mark.parametrize("name", ["flag", "delivery"])
def test_identities_are_unique(name, rows):
    row = getattr(rows, name)
    twin = {"public_id": row.public_id} if name == "flag" else {"message_id": row.message_id}
    other = {"evidence_key": "x"} if name == "flag" else {"recipient_id": f.UserFactory().pk}
    with pytest.raises(DatabaseError, match=next(iter(twin))):
        insert_copy(row, **twin, **other)
    assert uuid.UUID(str(rows.flag.public_id)).version == 4
