"""What the files of an export hold, table by table."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import connection

from attendance.documents.sheet import PART2_NOTICE
from attendance.exports import services
from attendance.exports.kinds import SOURCES
from attendance.exports.sources import Source
from attendance.imports.services import import_clinic
from attendance.imports.tables import TABLES
from attendance.models import AttendanceRecord, Flag
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import AuditEvent, Clinic
from iop_clinic.accounts.roles import Role
from patients.models import Episode, Patient, Program
from scheduling.models import Room, Session
from tests import factories as f
from tests.attendance import folders
from tests.attendance.exported import only, tables, taken

NOW = datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC)
DAY = datetime.date

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    with time_machine.travel(NOW, tick=False):
        import_clinic(folder=folders.write(tmp_path), by=Job("import"), now=NOW)
        yield Clinic.objects.get(name="Harbor IOP")


def told(clinic: Clinic, kind: str, *columns: str, **asked: object) -> list[tuple[str, ...]]:
    """Some columns of a table without its headers."""
    headers, *rows = only_table(clinic, kind, **asked)
    places = [headers.index(column) for column in columns]
    return [tuple(row[place] for place in places) for row in rows]


def only_table(clinic: Clinic, kind: str, **asked: object) -> list[list[str]]:
    return tables(taken(clinic, kind, "xlsx", **asked))[kind]


# --- contents --------------------------------------------------------------------------------


def test_patients_as_they_are_stored(clinic):
    columns = ("record_number", "first_name", "birth_date", "phone", "phone_is_safe", "may_text")
    assert told(clinic, "patients", *columns) == [
        ("H-1", "Ada", "1990-05-01", "203-555-0102", "yes", "no"),
        ("H-2", "Ben", "1988-02-29", "", "no", "no"),
    ]


def test_episodes_with_the_papers_they_stand_on(clinic):
    columns = (
        *("record_number", "program", "referral_source", "admitted_on", "discharge_reason"),
        *("primary_therapist", "evaluated_on", "diagnosis", "agreement_signed_on", "court"),
    )
    assert told(clinic, "episodes", *columns) == [
        ("H-1", "Day program", "Lakeside Hospital", "2026-03-02", "", "lead@example.com",
         "2026-02-27", "F10.20", "2026-03-02", "Drug Court"),
        ("H-2", "Day program", "", "2026-03-02", "completed", "", "2026-02-27", "F10.20",
         "2026-03-02", ""),
    ]  # fmt: skip


def test_blocks_in_wall_time_with_their_breaks(clinic):
    columns = ("group", "record_number", "weekday", "starts", "ends", "breaks", "facilitator")
    assert told(clinic, "blocks", *columns) == [
        ("Harbor A", "", "monday", "09:00", "10:00", "50-60", "lead@example.com"),
        ("", "H-1", "tuesday", "13:00", "13:50", "", "lead@example.com"),
    ]


def test_attendance_of_the_dates_asked_for(clinic):
    columns = ("record_number", "date", "start", "attended", "arrived", "notified", "reason")
    assert told(clinic, "attendance", *columns) == [
        ("H-1", "2026-03-02", "09:00", "yes", "09:20", "", ""),
        ("H-2", "2026-03-02", "09:00", "no", "", "2026-03-02 07:30", "illness"),
        ("H-1", "2026-03-03", "13:00", "yes", "", "", ""),
    ]
    one_day = {"first": DAY(2026, 3, 3), "last": DAY(2026, 3, 3)}
    assert told(clinic, "attendance", "date", **one_day) == [("2026-03-03",)]


def test_an_arrival_keeps_its_seconds(clinic):
    came = AttendanceRecord.objects.filter(clinic=clinic, arrived_at__isnull=False)
    came.update(arrived_at=f.at(clinic, "2026-03-02", "09:20:07"))
    assert told(clinic, "attendance", "arrived")[0] == ("09:20:07",)


def test_attendance_of_a_cancelled_session_stays_here(clinic):
    session = Session.objects.get(clinic=clinic, local_date=DAY(2026, 3, 2))
    AttendanceRecord.objects.filter(booking__session=session, attended=True).delete()
    session.state, session.cancelled_reason, session.cancelled_at = "cancelled", "Flood", NOW
    session.save()
    assert told(clinic, "attendance", "date") == [("2026-03-03",)]


def test_sessions_as_people_read_them(clinic):
    march = {"first": DAY(2026, 3, 2), "last": DAY(2026, 3, 9)}
    rows = only_table(clinic, "sessions", **march)[1:]
    assert rows == [
        ["2026-03-02", "09:00", "10:00", "Harbor A", "Group therapy", "Lee Lead", "Blue", "no", "",
         "2", "8", "Scheduled", ""],
        ["2026-03-03", "13:00", "13:50", "", "Individual", "Lee Lead", "", "no", "",
         "1", "1", "Scheduled", ""],
        ["2026-03-09", "09:00", "10:00", "Harbor A", "Group therapy", "Lee Lead", "Blue", "no", "",
         "0", "8", "Cancelled", "Snow day"],
    ]  # fmt: skip


def test_cases_in_the_words_of_the_queue(clinic):
    owner = f.staff(clinic, Role.COORDINATOR, user__name="Cora Coordinator")
    episode = Episode.objects.get(patient__record_number="H-1")
    Flag.objects.create(
        clinic=clinic, rule=3, subject_type=1, subject_id=episode.pk, episode=episode,
        evidence_key="2026-03-09", sentence="x", severity=3, owner_role=Role.COORDINATOR,
        owner=owner, opened_at=f.at(clinic, "2026-03-10", "05:00"), opened_for=DAY(2026, 3, 9),
        due_at=f.at(clinic, "2026-03-11", "17:00"), escalated_at=NOW, state="in_outreach",
    )  # fmt: skip
    assert only_table(clinic, "cases")[1:] == [
        ["2026-03-10 05:00", "Consecutive unexcused treatment days", "H-1", "", "In outreach",
         "Cora Coordinator; Coordinator (went on)", "2026-03-11 17:00", "Act today", "", ""]
    ]  # fmt: skip


def test_a_case_about_a_group_names_it_and_without_an_owner_the_role(clinic):
    group = f.GroupFactory(clinic=clinic, name="Harbor B")
    Flag.objects.create(
        clinic=clinic, rule=23, subject_type=3, subject_id=group.pk, group=group,
        evidence_key="x", sentence="x", severity=2, owner_role=Role.COORDINATOR,
        opened_for=DAY(2026, 3, 9), due_at=NOW, state="closed", closed_at=NOW, outcome="facts",
    )  # fmt: skip
    columns = ("record_number", "about", "assignee", "closed", "outcome")
    assert told(clinic, "cases", *columns) == [
        ("", "Harbor B", "Coordinator", "2026-03-11 08:00", "Closed by facts")
    ]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_of_the_import_has_its_columns(clinic, table):
    found = tables(taken(clinic, "whole"))[table.name]
    assert found[0] == [column.name for column in table.columns]
    lines = len(folders.GOOD.get(table.name, "headers").splitlines())
    more = {"staff": 1, "session_types": 11}.get(table.name, 0)  # who exports; what each clinic has
    assert len(found) == lines + more


@pytest.mark.parametrize("kind", SOURCES)
def test_both_forms_say_the_same(clinic, kind):
    Program.objects.update(part2=False)
    assert only(taken(clinic, kind, "csv")) == only(taken(clinic, kind, "xlsx"))


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_nothing_found_is_a_file_of_headers(form):
    rows = only(taken(f.ClinicFactory(), "attendance", form))
    assert rows == [[column.name for column in SOURCES["attendance"].table.columns]]


# --- the file --------------------------------------------------------------------------------


def test_names_of_files_say_clinic_kind_and_date(clinic):
    Program.objects.update(part2=False)
    made = [taken(clinic, *asked) for asked in (("time_off", "csv"), ("whole", "xlsx"))]
    for one in made:
        one.file.close()
    assert [one.name for one in made] == [
        "harbor-iop-time-off-2026-03-11.csv",
        "harbor-iop-whole-2026-03-11.xlsx",
    ]


def test_spreadsheets_know_the_letters(clinic):
    Room.objects.filter(clinic=clinic).update(name="Señal – Ü")
    with taken(clinic, "rooms").file as file:
        content = file.read()
    assert content.startswith(b"\xef\xbb\xbfname,seats")
    assert "Señal – Ü".encode() in content


def test_a_clinic_gets_its_own_rows_only(clinic):
    f.admitted(f.ClinicFactory())
    f.RoomFactory()
    assert Patient.objects.count() == 3
    whole = tables(taken(clinic, "whole"))
    assert [row[0] for row in whole["patients"]] == ["record_number", "H-1", "H-2"]
    assert [row[0] for row in whole["rooms"]] == ["name", "Blue"]


@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.UTILIZATION_REVIEW])
def test_who_has_access_is_told_to_those_who_manage_staff(clinic, role):
    by = f.staff(clinic, role)
    everybody = {row[0] for row in tables(taken(clinic, "whole"))["staff"][1:]}
    therapists = {row[0] for row in tables(taken(clinic, "whole", by=by))["staff"][1:]}
    assert therapists == {"lead@example.com"}
    assert {by.email, "desk@example.com"} < everybody


def test_who_sees_nothing_gets_nothing(clinic):
    stranger = f.staff(f.ClinicFactory())
    assert only_table(clinic, "rooms", by=stranger)[1:] == []


def test_it_is_noted_with_what_was_taken_and_no_name(clinic):
    dates = {"first": DAY(2026, 3, 2), "last": DAY(2026, 3, 2)}
    taken(clinic, "attendance", "xlsx", **dates).file.close()
    (event,) = AuditEvent.objects.filter(operation="R", table_name="accounts_clinic")
    assert (event.clinic_id, event.row_id) == (clinic.pk, clinic.pk)
    assert event.new == {
        "exported": "attendance (XLSX)",
        "from": "2026-03-02",
        "until": "2026-03-02",
        "rows": "2",
    }


def test_dates_are_for_what_is_dated(clinic):
    dates: dict[str, Any] = {"first": DAY(2020, 1, 1), "last": DAY(2020, 1, 2)}
    assert len(told(clinic, "patients", "record_number", **dates)) == 2
    assert len(tables(taken(clinic, "whole", **dates))["attendance"]) == 4
    assert set(AuditEvent.objects.latest("pk").new or ()) == {"exported", "rows"}


def test_what_fails_is_neither_noted_nor_left_behind(clinic, monkeypatch, tmp_path):
    """A workbook keeps its sheets on the disk until it is saved."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def broken(asked):
        yield ["H-1"] * 20
        raise RuntimeError("the connection is gone")

    monkeypatch.setattr(Source, "lines", lambda source, asked: broken(asked))
    with pytest.raises(RuntimeError):
        taken(clinic, "patients", "xlsx")
    assert not AuditEvent.objects.filter(operation="R", table_name="accounts_clinic").exists()
    assert list(tmp_path.glob("openpyxl*")) == []


# --- the notice of Part 2 ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["patients", "coverages", "attendance", "blocks", "whole"])
def test_the_notice_goes_along_with_a_part_2_program(clinic, kind):
    (first, *_), *_ = tables(taken(clinic, kind, "xlsx"))["About"]
    assert first == PART2_NOTICE
    made = taken(clinic, kind, "csv")
    with made.file as file, zipfile.ZipFile(file) as archive:
        assert archive.read("README.txt").decode().splitlines()[0] == PART2_NOTICE
        assert f"{'patients' if kind == 'whole' else kind}.csv" in archive.namelist()


@pytest.mark.parametrize("kind", ["patients", "coverages", "attendance", "blocks", "whole"])
def test_the_notice_is_not_told_of_another_program(clinic, kind):
    """It would tell what the program treats."""
    Program.objects.update(part2=False)
    about = tables(taken(clinic, kind, "xlsx")).get("About", [])
    assert [row for row in about if PART2_NOTICE in row[0]] == []
    with taken(clinic, kind, "csv").file as file:
        content = file.read()
    if kind == "whole":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read("README.txt")
    assert b"42 CFR" not in content


def test_rows_that_name_no_patient_carry_no_notice(clinic):
    assert list(tables(taken(clinic, "rooms", "xlsx"))) == ["rooms"]
    assert list(tables(taken(clinic, "sessions", "xlsx"))) == ["sessions"]


# --- one instant -------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_every_table_is_read_in_one_transaction_that_sees_one_instant():
    with services._one_moment(), connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("repeatable read",)
        cursor.execute("SHOW transaction_read_only")
        assert cursor.fetchone() == ("on",)
    whole = tables(taken(f.ClinicFactory(), "whole"))
    assert len(whole) == len(TABLES)
