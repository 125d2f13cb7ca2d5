"""Bad input for the importer: every problem with its place, and nothing written."""

# ruff: noqa: E501 - a line of a file stays one line

import datetime

import pytest

from attendance.imports.problems import ImportRefused
from attendance.imports.services import import_clinic
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import AuditEvent, Clinic, User
from tests.attendance import folders
from tests.attendance.folders import first_added, with_line

NOW = datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC)

pytestmark = pytest.mark.django_db


def problems(folder):
    """What a refused import says; it wrote nothing, not even an audit row."""
    before = [model.objects.count() for model in (Clinic, User, AuditEvent)]
    with pytest.raises(ImportRefused) as refused:
        import_clinic(folder=folder, by=Job("import"), now=NOW)
    assert [model.objects.count() for model in (Clinic, User, AuditEvent)] == before
    return [str(problem) for problem in refused.value.problems]


# --- cells -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "line", "said"),
    [
        ("patients", "H-9,Zed,Zinn,1990-02-30,,", "birth_date: “1990-02-30” is not in the calendar"),
        (
            "patients",
            "H-9,Zed,Zinn,30.1.1990,,",
            "birth_date: “30.1.1990” is not a date such as 2026-03-31",
        ),
        (
            "patients",
            "H-9,Zed,Zinn,1890-01-01,,",
            "birth_date: Enter a birth date between 1900 and today.",
        ),
        ("patients", "H-9,Zed,,1990-01-01,,", "last_name: must be filled"),
        ("patients", "H-9,Zed,Zinn,1990-01-01,,perhaps", "phone_is_safe: “perhaps” is neither yes nor no"),
        (
            "patients",
            "H-9,=cmd(),Zinn,1990-01-01,,",
            "first_name: starts with '=', as a spreadsheet formula does",
        ),
        ("patients", "H-9,+A1,Zinn,1990-01-01,,", "first_name: starts with '+', as a spreadsheet formula does"),
        ("patients", "H-9, -A1,Zinn,1990-01-01,,", "first_name: starts with '-', as a spreadsheet formula does"),
        ("patients", "H-9,@A1,Zinn,1990-01-01,,", "first_name: starts with '@', as a spreadsheet formula does"),
        (
            "patients",
            "H-9,\tZed,Zinn,1990-01-01,,",
            "first_name: starts with '\\t', as a spreadsheet formula does",
        ),
        ("patients", "H-9,Zed,Zinn,1990-01-01,=1+1,", "phone: starts with '=', as a spreadsheet formula does"),
        ("patients", "H-9,Ze\0d,Zinn,1990-01-01,,", "first_name: holds a control character, such as NUL"),
        ("patients", f"H-9,{'Z' * 61},Zinn,1990-01-01,,", "first_name: longer than 60 characters"),
        ("patients", "H-9,Zed", "has 2 cells where the first line has 6"),
        ("patients", "H-9,Zed,Zinn,1990-01-01,,,more", "has 7 cells where the first line has 6"),
        ("patients", "H-1,Zed,Zinn,1990-01-01,,", "record_number: the same record_number as in line 2"),
        ("patients", "h-1,Zed,Zinn,1990-01-01,,", "record_number: the same record_number as in line 2"),
        ("rooms", "Red,0", "seats: 0 is not between 1 and 500"),
        ("rooms", "Red,twelve", "seats: “twelve” is not a whole number"),
        (
            "programs",
            "Night,jazz,no",
            "kind: “jazz” is none of substance_use, mental_health, co_occurring, eating_disorder, adolescent",
        ),
        ("groups", "Harbor B,Day program,16,5", "capacity: 16 is not between 8 and 15"),
        ("groups", "Harbor B,Night program,8,5", "program: unknown program “Night program”"),
        ("memberships", "Harbor X,H-1,2026-03-02,", "group: unknown group “Harbor X”"),
        ("memberships", "Harbor A,H-9,2026-03-02,", "record_number: unknown patient “H-9”"),
        (
            "memberships",
            "Harbor A,H-1,2026-04-01,2062-03-05",
            "ends_on: 2062-03-05 lies three years or more ahead",
        ),
        (
            "memberships",
            "Harbor A,H-1,2026-01-02,",
            "starts_on: the patient has no episode of care on 2026-01-02",
        ),
        (
            "memberships",
            "Harbor A,H-2,2026-03-04,2026-03-03",
            "ends_on: 2026-03-03 lies before starts_on 2026-03-04",
        ),
        (
            "memberships",
            "Harbor A,H-2,2026-03-04,2026-03-31",
            "ends_on: 2026-03-31 lies after the discharge on 2026-03-06",
        ),
        (
            "memberships",
            "Harbor A,H-1,2026-03-20,",
            "The patient is already in this group on these dates.",
        ),
        (
            "blocks",
            "Harbor A,,friday,09:00,10:00,,Group therapy,nobody@example.com,,2026-03-02",
            "facilitator: unknown therapist “nobody@example.com”",
        ),
        (
            "blocks",
            "Harbor A,,friday,09:00,10:00,,Group therapy,lead@example.com,Green,2026-03-02",
            "room: unknown room “Green”",
        ),
        (
            "blocks",
            "Harbor A,,friday,09:00,08:00,,Group therapy,lead@example.com,,2026-03-02",
            "ends: 08:00 lies before starts 09:00",
        ),
        (
            "blocks",
            "Harbor A,,friday,23:00,01:00,,Group therapy,lead@example.com,,2026-03-02",
            "ends: 01:00 lies before starts 23:00",
        ),
        (
            "blocks",
            "Harbor A,,monday,09:30,10:30,,Group therapy,lead@example.com,,2026-04-01",
            "starts: The group has another weekly block then: Monday 9:00 AM. Choose another time, or change that one.",
        ),
        (
            "blocks",
            ",H-1,monday,09:30,10:30,,Individual,lead@example.com,,2026-03-02",
            "facilitator: The facilitator has another weekly block then: Monday 9:00 AM of Harbor A. Choose another time, or change that one.",
        ),
        (
            "blocks",
            "Harbor A,,friday,09:00,10:00,50-70,Group therapy,lead@example.com,,2026-03-02",
            "breaks: the last break ends after the session",
        ),
        (
            "blocks",
            "Harbor A,,friday,09:00,10:00,0-60,Group therapy,lead@example.com,,2026-03-02",
            "breaks: are as long as the whole block",
        ),
        (
            "blocks",
            "Harbor A,,friday,09:00,10:00,,Group therapy,lead@example.com,,2027-03-26",
            "valid_from: 2027-03-26 lies a year or more ahead",
        ),
        (
            "blocks",
            "Harbor A,H-1,friday,09:00,10:00,,Group therapy,lead@example.com,,2026-03-02",
            "group: give exactly one of group and record_number",
        ),
        (
            "plans",
            "H-1,2026-03-20,IOP,adult,540,3",
            "Another plan of the episode covers these dates.",
        ),
        (
            "plans",
            "H-2,2026-03-05,IOP,adult,300,3",
            "weekly_minutes: IOP 2.1 for an adult takes 540 to 1200 minutes a week.",
        ),
        (
            "authorizations",
            "H-1,Granite Health,AU-2,day,10,2026-05-01,2026-06-30",
            "Another authorization of this payer and level covers these dates.",
        ),
        (
            "episodes",
            "H-1,Day program,2026-02-21,,2026-03-05,,,,2026-02-27,F10.20,2026-03-02,",
            "admitted_on: the patient has another episode on these dates",
        ),
        (
            "episodes",
            "H-2,Day program,2026-03-07,,2026-03-10,,,,2026-03-09,F10.20,,",
            "agreement_signed_on: must be filled for an admitted episode",
        ),
        (
            "episodes",
            "H-2,Day program,2026-03-07,,,2026-03-08,completed,,,,,",
            "discharge_reason: must be not_admitted or deceased for a referral that was never admitted",
        ),
        (
            "episodes",
            "H-2,Day program,2026-03-07,,2026-03-08,2026-03-09,not_admitted,,2026-03-07,F10.20,2026-03-08,",
            "discharge_reason: not_admitted is for a referral that was never admitted",
        ),
        (
            "staff",
            "x@example.com,Ex,therapist,LPC,LPC,,,",
            "license_state: must be filled when other columns of the license are",
        ),
        ("staff", "x@example.com,Ex,auditor,,,,,", "access_until: An auditor's access needs a last day."),
        ("time_off", "lead@example.com,soon,2026-03-18 10:00,", None),
        (
            "attendance",
            "H-1,2026-03-02,08:00,yes,,,,",
            "start: the patient has no session at 08:00 on 2026-03-02",
        ),
        ("attendance", "H-1,2026-03-09,09:00,yes,,,,", "start: the session was cancelled (Snow day)"),
        ("attendance", "H-1,2026-03-16,09:00,yes,,,,", "date: the session has not begun"),
        (
            "attendance",
            "H-1,2026-03-10,13:00,no,13:10,,,",
            "arrived: an absent patient neither arrives nor leaves",
        ),
        (
            "attendance",
            "H-1,2026-03-10,13:00,yes,13:30,13:10,,",
            "left: 13:10 lies before arrived 13:30",
        ),
    ],
)  # fmt: skip
def test_one_bad_line(tmp_path, table, line, said):
    folders.write(tmp_path, **{table: with_line(table, line)})
    (only,) = problems(tmp_path)
    place = f"{table}.csv, line {first_added(table)}"
    if said is None:
        assert only.startswith(f"{place}, starts: ")
    else:
        assert only in (f"{place}, {said}", f"{place}: {said}")


def test_sixteen_members_of_a_full_group(tmp_path):
    """Eight seats, sixteen patients of one day: the nine who find none are named, by line."""
    numbers = range(10, 24)
    folders.write(
        tmp_path,
        patients=with_line("patients", *(f"P-{n},A,B,1990-01-01,," for n in numbers)),
        episodes=with_line(
            "episodes",
            *(
                f"P-{n},Day program,2026-02-20,,2026-03-02,,,,2026-02-27,F10.20,2026-03-02,"
                for n in numbers
            ),
        ),
        plans=with_line("plans", *(f"P-{n},2026-03-02,IOP,adult,540,3" for n in numbers)),
        memberships=with_line("memberships", *(f"Harbor A,P-{n},2026-03-02," for n in numbers)),
    )
    # Two members stand in the good file, six more fit.
    assert problems(tmp_path) == [
        f"memberships.csv, line {line}, group: the group is full: "
        "all 8 seats are taken on 2026-03-02"
        for line in range(first_added("memberships") + 6, first_added("memberships") + 14)
    ]


def test_every_problem_of_every_file_in_one_pass(tmp_path):
    folders.write(
        tmp_path,
        rooms="name,seats\nBlue,many\nRed,14",
        groups="name,program,capacity\nHarbor A,Day program,sixteen\nHarbor B,Moon,8",
        patients=with_line("patients", "H-3,=1,Z,2999-01-01,x,maybe"),
        attendance=with_line("attendance", "H-9,2026-03-02,9 o'clock,yes,,,,", "H-1,,,,,,,"),
    )
    # What names the bad room or the bad group is not reported once more.
    assert problems(tmp_path) == [
        "attendance.csv, line 5, record_number: unknown patient “H-9”",
        "attendance.csv, line 5, start: “9 o'clock” is not a time such as 09:00",
        "attendance.csv, line 6, attended: must be filled",
        "attendance.csv, line 6, date: must be filled",
        "attendance.csv, line 6, start: must be filled",
        "groups.csv, line 2, capacity: “sixteen” is not a whole number",
        "groups.csv, line 3, program: unknown program “Moon”",
        "patients.csv, line 4, first_name: starts with '=', as a spreadsheet formula does",
        "patients.csv, line 4, phone: “x” is not a phone number",
        "patients.csv, line 4, phone_is_safe: “maybe” is neither yes nor no",
        "rooms.csv, line 2, seats: “many” is not a whole number",
    ]


def test_a_minor_never_joins_adults(tmp_path):
    folders.write(
        tmp_path,
        patients=with_line("patients", "H-3,Kit,Young,2012-01-01,,"),
        episodes=with_line(
            "episodes",
            "H-3,Day program,2026-02-20,,2026-03-02,,,,2026-02-27,F10.20,2026-03-02,",
        ),
        plans=with_line("plans", "H-3,2026-03-02,IOP,adolescent,360,3"),
        memberships=with_line("memberships", "Harbor A,H-3,2026-03-02,"),
    )
    assert problems(tmp_path) == [
        "memberships.csv, line 4, group: Harbor A is for another age bracket. Choose another group."
    ]


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("name", ["rooms.csv, line 1, seats: this column is missing"]),
        ("name,seats,colour", ["rooms.csv, line 1, colour: no such column; the file may have: name, seats"]),
        ("name,seats,seats", ["rooms.csv, line 1, seats: stands twice in the first line"] ),
        (
            "name;seats",
            ["rooms.csv, line 1: columns are separated by semicolons; save it with commas"],
        ),
    ],
)  # fmt: skip
def test_first_line(tmp_path, header, said):
    assert problems(folders.write(tmp_path, rooms=header)) == said


def test_missing_column_hides_no_other_problem(tmp_path):
    folders.write(
        tmp_path,
        patients="record_number,first_name,birth_date\nH-1,Ada,yesterday\nH-2,Ben,1988-02-29",
    )
    assert problems(tmp_path) == [
        "patients.csv, line 1, last_name: this column is missing",
        "patients.csv, line 2, birth_date: “yesterday” is not a date such as 2026-03-31",
    ]


def test_wrong_encoding_cell_by_cell(tmp_path):
    folders.write(tmp_path)
    text = "record_number,first_name,last_name,birth_date\nH-1,Renée,A,1990-01-01\nH-2,B,Müller,1990-01-01\n"
    (tmp_path / "patients.csv").write_bytes(text.encode("latin-1"))
    assert problems(tmp_path) == [
        "patients.csv, line 2, first_name: not UTF-8 text; save the file as “CSV UTF-8”",
        "patients.csv, line 3, last_name: not UTF-8 text; save the file as “CSV UTF-8”",
    ]


def test_utf_16(tmp_path):
    folders.write(tmp_path)
    (tmp_path / "rooms.csv").write_bytes("name,seats\nBlue,14".encode("utf-16"))
    # The blocks name a room that is nowhere: that follows from the file, and is not said again.
    assert problems(tmp_path) == ["rooms.csv, line 1: is UTF-16 text; save the file as “CSV UTF-8”"]


def test_a_quotation_mark_that_never_closes(tmp_path):
    folders.write(tmp_path, payers='name,phone\nGranite Health,\n"Other,203-555-0103')
    assert problems(tmp_path) == [
        "payers.csv, line 3: cannot be read from here on: unexpected end of data"
    ]


def test_a_line_of_a_hundred_thousand_characters(tmp_path):
    folders.write(tmp_path, payers=f"name,phone\nGranite Health,\n{'x' * 200_000},")
    assert problems(tmp_path) == [
        "payers.csv, line 3: cannot be read from here on: field larger than field limit (131072)"
    ]


def test_empty_file(tmp_path):
    folders.write(tmp_path)
    (tmp_path / "closures.csv").write_text("")
    assert problems(tmp_path) == [
        "closures.csv, line 1: has no first line with the names of the columns"
    ]


def test_a_file_that_is_not_of_the_format(tmp_path):
    folders.write(tmp_path)
    (tmp_path / "patient.csv").write_text("record_number\nH-1\n")
    (tmp_path / "notes.txt").write_text("not looked at")
    (only,) = problems(tmp_path)
    assert only.startswith("patient.csv: is none of clinic.csv, staff.csv, rooms.csv")


@pytest.mark.parametrize(
    ("clinic", "said"),
    [
        ("name,zone", "clinic.csv, line 1: must hold one clinic, not 0"),
        (
            "name,zone\nA,America/New_York\nB,America/New_York",
            "clinic.csv, line 1: must hold one clinic, not 2",
        ),
        (
            "name,zone\nA,Mars/Olympus",
            "clinic.csv, line 2, zone: “Mars/Olympus” is not a time zone. Use a name such as America/New_York.",
        ),
    ],
)
def test_the_clinic_itself(tmp_path, clinic, said):
    """The other files are checked all the same."""
    folders.write(tmp_path, clinic=clinic, rooms="name,seats\nBlue,14\nRed,many")
    assert problems(tmp_path) == [
        said,
        "rooms.csv, line 3, seats: “many” is not a whole number",
    ]
