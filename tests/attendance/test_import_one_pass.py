"""Every problem of a folder in one pass: what is said, and what only follows from it."""

import datetime

import pytest

from attendance.imports.problems import ImportRefused, Problem
from attendance.imports.services import import_clinic
from attendance.management.commands.import_clinic import complaint
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic
from tests.attendance import folders
from tests.attendance.folders import GOOD, with_line

NOW = datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC)
BAD_ATTENDANCE = with_line(
    "attendance",
    "H-1,2020-01-01,09:00,yes,,,,",
    "NOPE,2026-03-02,09:00,yes,,,,",
    "H-1,2026-03-10,25:99,yes,,,,",
    "H-1,2026-03-10,13:00,maybe,,,,",
)
SAID_OF_ATTENDANCE = [
    "attendance.csv, line 5, start: the patient has no session at 09:00 on 2020-01-01",
    "attendance.csv, line 6, record_number: unknown patient “NOPE”",
    "attendance.csv, line 7, start: “25:99” is not on the clock",
    "attendance.csv, line 8, attended: “maybe” is neither yes nor no",
]

pytestmark = pytest.mark.django_db


def problems(folder):
    """What a refused import says; it wrote nothing."""
    with pytest.raises(ImportRefused) as refused:
        import_clinic(folder=folder, by=Job("import"), now=NOW)
    assert not Clinic.objects.exists()
    return [str(problem) for problem in refused.value.problems]


# --- nothing is hidden ---------------------------------------------------------------------------


def test_four_bad_rows_of_attendance(tmp_path):
    folders.write(tmp_path, attendance=BAD_ATTENDANCE)
    assert problems(tmp_path) == SAID_OF_ATTENDANCE


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("rooms", "Red,many"),
        ("patients", "H-3,Cy,Cedar,soon,,"),
        ("patients", "H-3,Cy"),
        ("groups", "Harbor B,Moon program,8,5"),
        ("blocks", ",H-2,friday,09:00,10:00,,Individual,nobody@example.com,,2026-03-02"),
        ("memberships", "Harbor A,H-2,2026-02-01,"),
        ("closures", "2026-03-20,2026-03-10,Mistyped"),
        ("plans", "H-1,2026-03-20,IOP,adult,540,3"),
        ("clinic", "Other,America/New_York,,"),
    ],
)
def test_a_typo_elsewhere_hides_no_lookup(tmp_path, table, line):
    folders.write(tmp_path, **{"attendance": BAD_ATTENDANCE, table: with_line(table, line)})
    said = problems(tmp_path)
    assert [one for one in said if one.startswith("attendance.csv")] == SAID_OF_ATTENDANCE
    assert (
        [one for one in said if one not in SAID_OF_ATTENDANCE]
        == [one for one in said if one.startswith(f"{table}.csv")]
        != []
    )


def test_lookups_of_make_ups(tmp_path):
    folders.write(
        tmp_path,
        rooms="name,seats\nBlue,14\nRed,many",
        make_ups="record_number,date,start,missed_date,missed_start\n"
        "H-1,2026-03-10,13:00,2026-03-05,09:00\nNOPE,2026-03-10,13:00,2026-03-02,09:00",
    )
    assert problems(tmp_path) == [
        "make_ups.csv, line 2, missed_start: the patient has no session at 09:00 on 2026-03-05",
        "make_ups.csv, line 3, record_number: unknown patient “NOPE”",
        "rooms.csv, line 3, seats: “many” is not a whole number",
    ]


def test_two_bad_cells_of_one_row(tmp_path):
    line = "Harbor X,H-9,soon,"
    folders.write(tmp_path, memberships=with_line("memberships", line))
    assert problems(tmp_path) == [
        "memberships.csv, line 4, group: unknown group “Harbor X”",
        "memberships.csv, line 4, record_number: unknown patient “H-9”",
        "memberships.csv, line 4, starts_on: “soon” is not a date such as 2026-03-31",
    ]


def test_front_desk_does_not_lead_a_session(tmp_path):
    line = "Harbor A,,friday,09:00,10:00,,Group therapy,desk@example.com,,2026-03-02"
    folders.write(tmp_path, blocks=with_line("blocks", line))
    assert problems(tmp_path) == [
        "blocks.csv, line 4, facilitator: “desk@example.com” is no therapist"
    ]


# --- what follows is not said again --------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "right", "wrong", "said"),
    [
        (
            "episodes",
            "completed,,2026",
            "completed,who@example.com,2026",
            "episodes.csv, line 3, primary_therapist: unknown therapist “who@example.com”",
        ),
        (
            "episodes",
            "H-2,Day",
            "H-22,Day",
            "episodes.csv, line 3, record_number: unknown patient “H-22”",
        ),
        (
            "blocks",
            "13:00,13:50",
            "1300,13:50",
            "blocks.csv, line 3, starts: “1300” is not a time such as 09:00",
        ),
        (
            "blocks",
            "monday",
            "Mondya",
            (
                "blocks.csv, line 2, weekday: “Mondya” is none of monday, tuesday, wednesday, "
                "thursday, friday, saturday, sunday"
            ),
        ),
        (
            "blocks",
            "Harbor A,,",
            "Harbor Z,,",
            "blocks.csv, line 2, group: unknown group “Harbor Z”",
        ),
        (
            "memberships",
            "H-2",
            "H-22",
            "memberships.csv, line 3, record_number: unknown patient “H-22”",
        ),
        (
            "memberships",
            "Harbor A,H-2",
            "Harbor Z,H-2",
            "memberships.csv, line 3, group: unknown group “Harbor Z”",
        ),
        ("plans", "H-2,2026-03-02,IOP", "H-2,2026-03-02,IPO", None),
        ("staff", "C-1,2030-01-31", "C-1,soon", None),
    ],
)
def test_one_mistake_is_said_once(tmp_path, table, right, wrong, said):
    assert right in GOOD[table]
    folders.write(tmp_path, **{table: GOOD[table].replace(right, wrong)})
    (only,) = problems(tmp_path)
    assert only == said or (said is None and only.startswith(f"{table}.csv"))


def test_misnamed_file_is_said_first_and_alone(tmp_path):
    folders.write(tmp_path, rooms="name,seats\nBlue,14\nRed,many")
    (tmp_path / "patients.csv").rename(tmp_path / "patient.csv")
    first, second = problems(tmp_path)
    assert first.startswith("patient.csv: is none of clinic.csv, staff.csv")
    assert second == "rooms.csv, line 3, seats: “many” is not a whole number"


def test_folder_in_place_of_a_file(tmp_path):
    folders.write(tmp_path, rooms="")
    (tmp_path / "rooms.csv").mkdir()
    assert problems(tmp_path) == ["rooms.csv: is a folder, not a file"]


def test_two_files_of_one_name(tmp_path):
    folders.write(tmp_path)
    (tmp_path / "ROOMS.CSV").write_text(GOOD["rooms"])
    assert problems(tmp_path) == ["rooms.csv: is there twice, also as ROOMS.CSV"]


# --- wording -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first_name", "said"),
    [
        ('"Ze\nd"', "first_name: holds a line break; keep it on one line"),
        ("Ze\td", "first_name: holds a tab"),
        ("Ze\x85d", "first_name: holds a line break; keep it on one line"),
        ("Ze\u202ed", "first_name: holds an invisible character that turns the direction of text"),
        ("Ze\u2066d", "first_name: holds an invisible character that turns the direction of text"),
    ],
)
def test_hidden_characters(tmp_path, first_name, said):
    folders.write(tmp_path, patients=with_line("patients", f"H-9,{first_name},Z,1990-01-01,,"))
    assert problems(tmp_path) == [f"patients.csv, line 4, {said}"]


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        ("-540", "give a whole number of minutes, 0 or more"),
        ("9" * 20, f"“{'9' * 20}” is too large; the most is 2400"),
        ("+A1", "“+A1” is not a whole number"),
        ("=A1", "starts with '=', as a spreadsheet formula does"),
    ],
)
def test_numbers(tmp_path, minutes, said):
    folders.write(tmp_path, plans=with_line("plans", f"H-1,2026-05-04,IOP,adult,{minutes},3"))
    assert problems(tmp_path) == [f"plans.csv, line 4, weekly_minutes: {said}"]


def test_utf_16_without_a_mark(tmp_path):
    folders.write(tmp_path)
    (tmp_path / "rooms.csv").write_bytes("name,seats\nBlue,14".encode("utf-16-le"))
    assert problems(tmp_path) == ["rooms.csv, line 1: is UTF-16 text; save the file as “CSV UTF-8”"]


@pytest.mark.parametrize(
    ("born", "bracket", "minutes", "said"),
    [
        ("2012-01-01", "adult", 540, "the patient is 14 on 2026-03-02; below 18 it is adolescent"),
        ("2005-03-02", "adolescent", 360, "the patient is 21 on 2026-03-02; from 21 it is adult"),
    ],
)
def test_age_bracket_of_a_plan(tmp_path, born, bracket, minutes, said):
    patients = GOOD["patients"].replace("1988-02-29", born)
    plans = GOOD["plans"].replace(
        "H-2,2026-03-02,IOP,adult,540", f"H-2,2026-03-02,IOP,{bracket},{minutes}"
    )
    folders.write(tmp_path, patients=patients, plans=plans)
    assert problems(tmp_path) == [f"plans.csv, line 3, age_bracket: {said}"]


def test_time_that_the_clocks_leave_out(tmp_path):
    line = "H-1,2026-03-08,02:30,yes,,,,"
    folders.write(tmp_path, attendance=with_line("attendance", line))
    assert problems(tmp_path) == [
        (
            "attendance.csv, line 5, start: 2:30 AM does not exist on Mar 8, 2026: the clocks go "
            "from 2:00 AM to 3:00 AM. Enter another time."
        )
    ]


def test_long_list_of_problems_is_cut():
    refused = ImportRefused(Problem("rooms.csv", line, "seats", "bad") for line in range(2, 252))
    lines = complaint(refused).splitlines()
    assert len(lines) == 202
    assert lines[-2:] == ["and 50 more", "250 problem(s); nothing was written."]
