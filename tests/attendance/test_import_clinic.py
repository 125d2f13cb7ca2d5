"""A clinic from a folder of CSV files: what is written, and what a second run does."""

import datetime

import pytest
from django.core.management import CommandError, call_command

from attendance.imports.problems import ImportRefused, Problem
from attendance.imports.services import import_clinic
from attendance.models import AttendanceRecord, Standard
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import AuditEvent, Clinic, Membership, User
from patients.models import (
    Authorization,
    CourtReferral,
    Coverage,
    Diagnosis,
    Episode,
    Patient,
    TreatmentPlan,
)
from scheduling.models import Booking, GroupMembership, Session
from tests.attendance import folders
from tests.factories import at

NOW = datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC)
JOB = Job("import")
DAY = datetime.date

pytestmark = pytest.mark.django_db


def bring(folder, **options):
    return import_clinic(folder=folder, by=JOB, now=NOW, **options)


@pytest.fixture
def good(tmp_path):
    """The folder of the good clinic, imported."""
    bring(folders.write(tmp_path))
    return tmp_path


@pytest.fixture
def clinic(good):
    return Clinic.objects.get(name="Harbor IOP")


# --- what is written -------------------------------------------------------------------------


def test_counts_by_file(tmp_path):
    outcome = bring(folders.write(tmp_path))
    created = {file: counts.created for file, counts in outcome.counts.items()}
    lines = {f"{name}.csv": len(text.splitlines()) - 1 for name, text in folders.GOOD.items()}
    assert created == lines
    assert str(outcome.total) == "created 25, unchanged 0, differs 0"


def test_clinic_has_working_defaults(clinic):
    assert (clinic.zone, clinic.state, clinic.phone) == ("America/New_York", "CT", "203-555-0100")
    assert Standard.objects.filter(clinic=clinic).count() == 4


def test_staff_sign_in_after_setting_a_password(clinic):
    rows = Membership.objects.filter(clinic=clinic).order_by("user__email")
    assert list(rows.values_list("user__email", "role", "therapist__credentials")) == [
        ("desk@example.com", "front_desk", None),
        ("lead@example.com", "therapist", "LCSW"),
    ]
    assert not User.objects.get(email="lead@example.com").has_usable_password()


def test_patient_with_contact_facts_as_told(clinic):
    ada, ben = Patient.objects.filter(clinic=clinic).order_by("record_number")
    assert (ada.first_name, ada.phone, ada.phone_is_safe) == ("Ada", "203-555-0102", True)
    assert (ben.birth_date, ben.phone, ben.phone_is_safe) == (DAY(1988, 2, 29), "", False)


def test_documented_admission_and_discharge(clinic):
    ada, ben = Episode.objects.filter(clinic=clinic).order_by("patient__record_number")
    assert (ada.state, ada.admitted_on, ada.discharged_on) == ("admitted", DAY(2026, 3, 2), None)
    assert (ada.referral_source.name, ada.primary_therapist.name) == (
        "Lakeside Hospital",
        "Lee Lead",
    )
    assert (ben.state, ben.discharged_on, ben.discharge_reason) == (
        "discharged",
        DAY(2026, 3, 6),
        "completed",
    )
    assert CourtReferral.objects.get().court == "Drug Court"
    assert set(Diagnosis.objects.values_list("code", "license__number")) == {("F10.20", "C-1")}


def test_plans_and_coverage_and_authorization(clinic):
    plans = TreatmentPlan.objects.order_by("episode__patient__record_number")
    # Without a last day a plan ends with the episode.
    assert list(plans.values_list("weekly_minutes_target", "ends_on")) == [
        (540, None),
        (540, DAY(2026, 3, 6)),
    ]
    assert Coverage.objects.get().payer.phone == "+1 203 555 0101"
    assert (Authorization.objects.get().number, Authorization.objects.get().units) == ("AU-1", 30)


def test_seats_end_with_the_discharge(clinic):
    rows = GroupMembership.objects.order_by("seat")
    assert list(rows.values_list("episode__patient__record_number", "seat", "ends_on")) == [
        ("H-1", 1, None),
        ("H-2", 2, DAY(2026, 3, 6)),
    ]


def test_blocks_become_sessions_from_the_past_to_four_weeks_ahead(clinic):
    group = Session.objects.filter(group__name="Harbor A")
    assert list(group.values_list("local_date", "state", "cancelled_reason")) == [
        (DAY(2026, 3, 2), "scheduled", ""),
        (DAY(2026, 3, 9), "cancelled", "Snow day"),
        (DAY(2026, 3, 16), "scheduled", ""),
        (DAY(2026, 3, 23), "scheduled", ""),
        (DAY(2026, 3, 30), "scheduled", ""),
        (DAY(2026, 4, 6), "scheduled", ""),
    ]
    # The clocks change on March 8: nine o'clock stays nine o'clock.
    assert group[0].starts_at == at(clinic, "2026-03-02", "09:00")
    assert group[2].starts_at == at(clinic, "2026-03-16", "09:00")


def test_bookings_follow_memberships_and_own_blocks(clinic):
    booked = Booking.objects.filter(starts_at__lt=NOW).order_by("starts_at", "seat")
    assert list(booked.values_list("patient__record_number", "session__local_date", "live")) == [
        ("H-1", DAY(2026, 3, 2), True),
        ("H-2", DAY(2026, 3, 2), True),
        ("H-1", DAY(2026, 3, 3), True),
        ("H-1", DAY(2026, 3, 9), False),
        ("H-1", DAY(2026, 3, 10), True),
    ]


def test_attendance_is_stored_as_told_and_credited(clinic):
    late, absent, alone = AttendanceRecord.objects.order_by("pk")
    assert late.arrived_at == at(clinic, "2026-03-02", "09:20")
    assert (late.attended_minutes, late.credited_minutes, late.source) == (30, 30, "import")
    assert (absent.attended, absent.absence_reason, absent.credited_minutes) == (
        False,
        "illness",
        0,
    )
    assert absent.notified_at == at(clinic, "2026-03-02", "07:30")
    assert alone.credited_minutes == 50


def test_time_off_leaves_the_session_without_a_leader(tmp_path):
    outcome = bring(folders.write(tmp_path))
    assert outcome.notes == ["Individual, Tue Mar 17, 1:00 PM: No leader: Lee Lead has time off"]


def test_everything_is_audited_as_the_import(clinic):
    actors = AuditEvent.objects.filter(clinic_id=clinic.pk).values_list("actor", flat=True)
    assert set(actors) == {"job:import"}


def test_make_up_as_a_guest_of_another_day(tmp_path):
    outcome = bring(
        folders.write(
            tmp_path,
            groups=folders.with_line("groups", "Harbor B,Day program,8,5"),
            blocks=folders.with_line(
                "blocks",
                "Harbor B,,wednesday,09:00,10:00,,Group therapy,lead@example.com,,2026-03-02",
            ),
            make_ups="record_number,date,start,missed_date,missed_start,group\n"
            "H-1,2026-03-04,09:00,2026-03-02,09:00,Harbor B",
        )
    )
    assert outcome.counts["make_ups.csv"].created == 1
    repair = Booking.objects.get(makes_up__isnull=False)
    assert (repair.session.group.name, repair.seat, repair.membership) == ("Harbor B", 1, None)
    assert repair.makes_up.session.local_date == DAY(2026, 3, 2)
    assert bring(tmp_path).counts["make_ups.csv"].unchanged == 1


def test_hold_covering_today_puts_the_episode_on_hold(tmp_path):
    holds = "record_number,reason,starts_on\nH-1,hospital,2026-03-10"
    bring(folders.write(tmp_path, holds=holds))
    assert Episode.objects.get(patient__record_number="H-1").state == "on_hold"
    # Nobody is expected while on hold.
    assert not Booking.objects.filter(session__local_date__gte=DAY(2026, 3, 10)).exists()


def test_readmission_and_open_referral_of_one_patient(tmp_path):
    bring(
        folders.write(
            tmp_path,
            episodes=folders.with_line("episodes", "H-2,Day program,2026-03-09,,,,,,,,,"),
        )
    )
    states = Episode.objects.filter(patient__record_number="H-2").order_by("referred_on")
    assert list(states.values_list("state", flat=True)) == ["discharged", "referred"]


# --- a second run ----------------------------------------------------------------------------


def test_second_run_creates_nothing(good):
    before = rows_of_the_clinic()
    assert str(bring(good).total) == "created 0, unchanged 25, differs 0"
    assert rows_of_the_clinic() == before


def test_row_edited_since_is_listed_and_kept(good):
    Patient.objects.filter(record_number="H-1").update(phone="203-555-0199", phone_is_safe=False)
    outcome = bring(good)
    assert str(outcome.total) == "created 0, unchanged 24, differs 1"
    assert outcome.differing == [
        Problem(
            "patients.csv",
            2,
            "phone, phone_is_safe",
            "phone: 203-555-0102 in the file, 203-555-0199 in the clinic; "
            "phone_is_safe: yes in the file, no in the clinic. Kept as it is in the clinic",
        )
    ]
    assert Patient.objects.get(record_number="H-1").phone == "203-555-0199"


@pytest.mark.parametrize(
    ("model", "change", "place"),
    [
        (Clinic, {"phone": ""}, ("clinic.csv", 2, "phone")),
        (TreatmentPlan, {"days_per_week": 4}, ("plans.csv", 2, "days_per_week")),
        (Episode, {"planned_weeks": 6}, ("episodes.csv", 2, "")),
        (AttendanceRecord, {"absence_reason": "court"}, ("attendance.csv", 2, "reason")),
    ],
)
def test_other_edits_are_listed(good, model, change, place):
    model.objects.filter(pk=model.objects.order_by("pk")[0].pk).update(**change)
    found = [(p.file, p.line, p.column) for p in bring(good).differing]
    # A column that the file does not have is not compared.
    assert found == ([place] if place[2] else [])


def test_new_rows_join_a_clinic_that_runs(good):
    folders.write(
        good,
        patients=folders.with_line("patients", "H-3,Cy,Cedar,1991-01-01,,"),
        episodes=folders.with_line(
            "episodes",
            "H-3,Day program,2026-02-20,,2026-03-02,,,,2026-02-27,F10.20,2026-03-02,",
        ),
        plans=folders.with_line("plans", "H-3,2026-03-02,IOP,adult,540,3"),
        memberships=folders.with_line("memberships", "Harbor A,H-3,2026-03-02,"),
        attendance=folders.with_line("attendance", "H-3,2026-03-02,09:00,yes,,,,"),
    )
    assert str(bring(good).total) == "created 5, unchanged 25, differs 0"
    assert (
        AttendanceRecord.objects.get(booking__patient__record_number="H-3").credited_minutes == 50
    )
    later = Booking.objects.filter(patient__record_number="H-3", starts_at__gt=NOW)
    assert later.count() == 4


# --- a dry run, and the command --------------------------------------------------------------


def rows_of_the_clinic():
    models = (Clinic, User, Patient, Episode, Session, Booking, AttendanceRecord, AuditEvent)
    return [model.objects.count() for model in models]


def test_dry_run_writes_nothing(tmp_path):
    before = rows_of_the_clinic()
    outcome = bring(folders.write(tmp_path), dry_run=True)
    assert str(outcome.total) == "created 25, unchanged 0, differs 0"
    assert rows_of_the_clinic() == before


def test_command_says_what_it_did(tmp_path, capsys):
    call_command("import_clinic", str(folders.write(tmp_path)), "--dry-run")
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == (
        "Harbor IOP would be imported (dry run, nothing was written): "
        "created 25, unchanged 0, differs 0"
    )
    assert "  patients.csv         created 2, unchanged 0, differs 0" in said.out
    assert said.err == ""  # no progress bar without a terminal


def test_command_fails_with_every_problem(tmp_path):
    folders.write(tmp_path, rooms="name,seats\nBlue,many")
    with pytest.raises(CommandError) as failed:
        call_command("import_clinic", str(tmp_path))
    assert str(failed.value).splitlines() == [
        "rooms.csv, line 2, seats: “many” is not a whole number",
        "1 problem(s); nothing was written.",
    ]


def test_folder_that_is_none(tmp_path):
    with pytest.raises(ImportRefused) as refused:
        bring(tmp_path / "absent")
    assert [str(p) for p in refused.value.problems] == [f"{tmp_path / 'absent'}: is not a folder"]
