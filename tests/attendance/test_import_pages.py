"""Files brought into a running clinic in the admin site: checked, confirmed, imported."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.urls import reverse

from attendance.admin.import_words import panels_of
from attendance.admin.imports import page_of
from attendance.imports import runs
from attendance.imports.naming import FOLLOWS
from attendance.models import AttendanceRecord, DataImport
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from patients.models import Patient
from scheduling.models import Room, Session
from tests.admin import Desk, actors, desk
from tests.attendance import folders
from tests.attendance.uploads import (
    BRING,
    OF_COORDINATORS,
    TABLES,
    bring,
    checked,
    csv_file,
    csv_files,
    harbor,
    imported,
    press,
    problems,
    zip_file,
)

pytestmark = pytest.mark.django_db
State = DataImport.State
NOW = datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def march(time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def administrator() -> Desk:
    return desk(harbor(), Role.ADMINISTRATOR)


def html_of(at: Desk, row: DataImport) -> str:
    return at.client.get(page_of(row)).content.decode()


def test_a_check_says_what_would_be_created_and_writes_nothing(administrator):
    before = AuditEvent.objects.count()
    row = checked(administrator, *csv_files(TABLES))
    assert (row.state, Patient.objects.count(), Session.objects.count()) == (State.CHECKED, 0, 0)
    assert row.report["counts"][0] == ["staff", 2, 0, 0]
    assert sum(one[1] for one in row.report["counts"]) == 24
    page = html_of(administrator, row)
    assert "24 rows would be created. Nothing is imported yet." in page
    assert "Import 24 rows" in page
    own = AuditEvent.objects.filter(table_name="attendance_dataimport").exclude(operation="R")
    assert AuditEvent.objects.exclude(operation="R").count() == before + own.count()


def test_thousands_are_told_apart_on_the_button_and_in_the_table(administrator):
    row = checked(administrator, csv_file("rooms.csv", TABLES["rooms"]))
    row.report["counts"] = [["rooms", 20000, 1000, 0]]
    row.save(update_fields=["report"])
    page = html_of(administrator, row)
    assert "Import 20,000 rows" in page
    assert [panel.rows for panel in panels_of(row)] == [[("rooms", "20,000", "1,000", "0")]]


def test_the_import_is_the_persons_and_the_files_go(administrator):
    row = imported(administrator, checked(administrator, *csv_files(TABLES)))
    assert (row.state, row.content) == (State.IMPORTED, None)
    ada = Patient.objects.get(record_number="H-1")
    assert actors(ada, "I") == {administrator.user.actor}
    assert AttendanceRecord.objects.filter(recorded_by=administrator.user).count() == 3
    assert "24 rows created." in html_of(administrator, row)


def test_the_same_files_again_have_nothing_new(administrator):
    imported(administrator, checked(administrator, *csv_files(TABLES)))
    row = checked(administrator, *csv_files(TABLES))
    assert (row.state, row.content) == (State.NOTHING_NEW, None)
    page = html_of(administrator, row)
    assert "Every row of these files is in the clinic already." in page
    assert "Import 0" not in page


def test_a_row_that_differs_stays_as_the_clinic_has_it(administrator):
    imported(administrator, checked(administrator, *csv_files(TABLES)))
    changed = folders.GOOD["patients"].replace("Birch", "Beech") + "\nH-3,Cy,Cedar,1991-01-01,,"
    row = checked(administrator, csv_file("patients.csv", changed))
    assert problems(row) == [
        (
            "patients.csv, 3, last_name: Beech in the file, Birch in the clinic. "
            "Kept as it is in the clinic"
        )
    ]
    assert "1 row differs and stays as the clinic has it." in html_of(administrator, row)
    imported(administrator, row)
    assert Patient.objects.get(record_number="H-2").last_name == "Birch"
    assert Patient.objects.filter(record_number="H-3").exists()


def test_every_problem_of_every_file_is_told_at_once(administrator):
    bad = "record_number,first_name,last_name,birth_date\nH-8,A,,1990-13-01"
    rooms = "name,seats\nBlue,many"
    row = checked(administrator, csv_file("patients.csv", bad), csv_file("rooms.csv", rooms))
    assert (row.state, row.content) == (State.REFUSED, None)
    assert problems(row) == [
        "patients.csv, 2, birth_date: “1990-13-01” is not in the calendar",
        "patients.csv, 2, last_name: must be filled",
        "rooms.csv, 2, seats: “many” is not a whole number",
    ]
    assert "3 problems" in html_of(administrator, row)


def test_all_problems_come_as_a_file_without_formulas(administrator):
    lines = "\n".join(f"R{n},=1" for n in range(250))
    row = checked(administrator, csv_file("rooms.csv", f"name,seats,=cmd\n{lines}"))
    address = reverse("admin:attendance_dataimport_problems", args=[row.pk])
    told = administrator.client.get(address).content.decode("utf-8-sig").splitlines()
    assert told[0] == "file,line,column,problem"
    assert "rooms.csv,1,'=cmd,no such column; the file may have: " in told[1].replace('"', "")
    assert len(told) == 1 + 251
    assert "These are the first 200 of 251." in html_of(administrator, row)
    assert actors(row, "R") == {administrator.user.actor}


def test_a_file_named_with_a_date_or_a_number_is_known(administrator):
    row = checked(
        administrator,
        csv_file("Patients 2026-11.csv", TABLES["patients"]),
        csv_file("PROGRAMS (1).csv", TABLES["programs"]),
        csv_file("our rooms.csv", TABLES["rooms"]),
    )
    assert [one[0] for one in row.report["counts"]] == ["rooms", "programs", "patients"]


def test_a_file_that_nothing_tells_is_asked_for_its_name(administrator):
    row = checked(administrator, csv_file("list.csv", "name,kind\nDay,substance_use"))
    (told,) = problems(row)
    assert told.startswith("list.csv, 0, : nothing tells which table this is; name it after one of")
    assert "session_types, programs" in told


def test_an_export_that_is_only_for_reading_says_where_its_rows_come_from(administrator):
    files = [csv_file(f"harbor-iop-{name}-2026-03-11.csv", "date\n") for name in FOLLOWS]
    assert problems(checked(administrator, *files)) == [
        f"harbor-iop-{name}-2026-03-11.csv, 0, : {said}" for name, said in sorted(FOLLOWS.items())
    ]


def test_two_files_for_one_table_are_refused(administrator):
    row = checked(
        administrator,
        csv_file("rooms.csv", TABLES["rooms"]),
        csv_file("Rooms (1).csv", "name,seats\nRed,10"),
    )
    assert problems(row) == [
        "Rooms (1).csv, 0, : holds rooms as well as rooms.csv; bring them in one"
    ]


def test_the_long_list_comes_with_its_patients(administrator):
    imported(administrator, checked(administrator, *csv_files(TABLES)))
    patients = "record_number,first_name,last_name,birth_date\nH-9,Di,Dogwood,1992-02-02"
    past = "record_number,date,start,end,attended\nH-1,2026-03-04,10:00,11:00,yes"
    row = checked(
        administrator, csv_file("patients.csv", patients), csv_file("attendance.csv", past)
    )
    assert row.report["counts"] == [["patients", 1, 0, 0], ["long_list", 1, 0, 0]]
    imported(administrator, row)
    assert AttendanceRecord.objects.filter(booking__session__group=None).count() == 2


def test_another_clinics_files_are_refused(administrator):
    other = "name,zone\nElsewhere IOP,America/Chicago"
    row = checked(
        administrator, csv_file("clinic.csv", other), csv_file("rooms.csv", TABLES["rooms"])
    )
    assert problems(row) == [
        "clinic.csv, 2, name: these files are of another clinic; this one is Harbor IOP"
    ]


def test_this_clinics_own_row_is_compared(administrator):
    row = checked(administrator, csv_file("clinic.csv", folders.GOOD["clinic"]), *csv_files(TABLES))
    assert ["clinic", 0, 0, 1] in row.report["counts"]
    assert problems(row) == [
        (
            "clinic.csv, 2, state, phone: state: CT in the file, empty in the clinic; "
            "phone: 203-555-0100 in the file, empty in the clinic. Kept as it is in the clinic"
        )
    ]


def test_files_may_come_as_a_zip_with_a_folder(administrator):
    parts: dict[str, str | bytes] = {f"clinic/{n}.csv": text for n, text in TABLES.items()}
    parts |= {"__MACOSX/clinic/._rooms.csv": b"\0", "clinic/.DS_Store": b"\0"}
    row = checked(administrator, zip_file(parts))
    assert sum(one[1] for one in row.report["counts"]) == 24


# --- who may -------------------------------------------------------------------------------------


def test_staff_come_from_an_administrator(administrator):
    coordinator = desk(administrator.user.working_clinic())
    row = checked(coordinator, *csv_files(TABLES))
    assert row.state == State.REFUSED
    assert problems(row)[0] == (
        "staff.csv, 0, : staff are brought in by an administrator: leave this table out, or ask one"
    )
    assert len(problems(row)) == 1


def test_a_coordinator_brings_the_rest(administrator):
    imported(administrator, checked(administrator, csv_file("staff.csv", TABLES["staff"])))
    coordinator = desk(administrator.user.working_clinic())
    row = imported(coordinator, checked(coordinator, *csv_files(OF_COORDINATORS)))
    assert row.state == State.IMPORTED
    assert actors(Patient.objects.get(record_number="H-1"), "I") == {coordinator.user.actor}


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMINISTRATOR, Role.COORDINATOR}))
def test_no_other_role_brings_files_or_confirms(role, administrator):
    row = checked(administrator, csv_file("rooms.csv", TABLES["rooms"]))
    other = desk(administrator.user.working_clinic(), role)
    before = contents()
    assert bring(other, csv_file("rooms.csv", TABLES["rooms"])).status == 403
    gone = 404 if role == Role.THERAPIST else 403
    for button in ("import", "again", "discard"):
        assert press(other, row, button, digest=row.digest).status == gone
    for page in ("progress", "problems"):
        address = reverse(f"admin:attendance_dataimport_{page}", args=[row.pk])
        assert other.client.get(address).status_code == gone
    assert other.client.get(reverse("admin:attendance_dataimport_template")).status_code == 403
    assert contents() == before


def contents() -> list[Any]:
    return [*DataImport.objects.values(), *AuditEvent.objects.exclude(operation="R").values("pk")]


def test_another_clinics_upload_does_not_exist(administrator):
    row = checked(administrator, csv_file("rooms.csv", TABLES["rooms"]))
    stranger = desk(harbor("Other IOP"), Role.ADMINISTRATOR)
    before = contents()
    for button in ("import", "again", "discard"):
        assert press(stranger, row, button, digest=row.digest).status == 404
    assert stranger.client.get(page_of(row)).status_code == 404
    assert contents() == before


def test_whoever_lost_the_role_meanwhile_imports_nothing(administrator):
    row = checked(administrator, csv_file("rooms.csv", TABLES["rooms"]))
    page = administrator.client.get(page_of(row)).content.decode()
    assert f'name="digest" value="{row.digest}"' in page  # what its button sends
    press(administrator, row, "import", digest=row.digest)
    administrator.user.memberships.update(role=Role.FRONT_DESK)
    runs.run(row.pk)
    row.refresh_from_db()
    assert (row.state, Room.objects.count()) == (State.REFUSED, 0)


# --- the page ------------------------------------------------------------------------------------


def test_what_is_in_the_files_does_not_get_into_the_trail(administrator):
    row = imported(
        administrator, checked(administrator, csv_file("Ada Alder.csv", TABLES["rooms"]))
    )
    trail = AuditEvent.objects.filter(table_name="attendance_dataimport", row_id=row.pk)
    told = {name for event in trail for name in (event.new or {})}
    assert told & {"content", "report", "listing", "files"} == set()
    assert {"state", "digest", "uploaded_by_id"} <= told


def test_the_page_takes_the_same_statements_however_long_the_report_is(
    administrator, django_assert_num_queries
):
    rooms = [f"name,seats\n{lines}" for lines in ("A,x", "\n".join(f"R{n},x" for n in range(300)))]
    rows = [checked(administrator, csv_file("rooms.csv", text)) for text in rooms]
    html_of(administrator, rows[0])  # Django remembers the kind of row after the first page
    for row in rows:
        with django_assert_num_queries(7):
            administrator.client.get(page_of(row))
    for row in rows:
        with django_assert_num_queries(6):
            administrator.client.get(reverse("admin:attendance_dataimport_progress", args=[row.pk]))


def test_the_form_takes_the_same_statements_after_one_upload_as_after_five(
    administrator, django_assert_num_queries
):
    for uploads in (1, 4):
        for _ in range(uploads):
            checked(administrator, csv_file("rooms.csv", TABLES["rooms"]))
        administrator.client.get(reverse(BRING))  # shows what was said of the upload
        with django_assert_num_queries(5):
            administrator.client.get(reverse(BRING))


def test_the_form_shows_every_table_and_the_last_uploads(administrator):
    row = checked(administrator, csv_file("rooms.csv", TABLES["rooms"]))
    answer = administrator.client.get(reverse(BRING))
    page = answer.content.decode()
    assert [one.file for one in answer.context["guides"]][:3] == [
        "staff", "rooms", "session_types"
    ]  # fmt: skip
    assert "patients" in page
    assert page_of(row) in page
    assert "1 row to create" in page


def test_the_menu_and_the_first_steps_lead_to_it(administrator):
    page = administrator.client.get(reverse("admin:index")).content.decode()
    assert page.count(reverse(BRING)) == 2
    front_desk = desk(administrator.user.working_clinic(), Role.FRONT_DESK)
    assert reverse(BRING) not in front_desk.client.get(reverse("admin:index")).content.decode()


def test_make_ups_are_written_with_their_hyphen(administrator):
    html = administrator.open(DataImport, "bring").content.decode()
    assert "Make-ups" in html
    assert "Make ups" not in html
