"""Files as other programs save them, and a past that is one long list."""

import datetime

import pytest
from django.core.management import CommandError, call_command

from attendance.imports.problems import ImportRefused
from attendance.imports.services import import_attendance, import_clinic
from attendance.models import AttendanceRecord
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic
from patients.models import Patient
from scheduling.models import Booking, Session, WeeklyBlock
from tests.attendance import folders
from tests.factories import at

NOW = datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC)
JOB = Job("import")

pytestmark = pytest.mark.django_db


def bring(folder):
    return import_clinic(folder=folder, by=JOB, now=NOW)


# --- spreadsheets ----------------------------------------------------------------------------


def test_byte_order_mark_and_windows_line_ends(tmp_path):
    folders.write(tmp_path)
    for path in tmp_path.glob("*.csv"):
        text = path.read_text(encoding="utf-8").replace("\n", "\r\n")
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert str(bring(tmp_path).total) == "created 25, unchanged 0, differs 0"


def test_old_mac_line_ends(tmp_path):
    folders.write(tmp_path)
    (tmp_path / "rooms.csv").write_bytes(b"name,seats\rBlue,14\rRed,10\r")
    assert bring(tmp_path).counts["rooms.csv"].created == 2


def test_quoted_commas_quotes_and_last_line_ends(tmp_path):
    patients = (
        "record_number,first_name,last_name,birth_date,best_time_to_call\n"
        'H-1,"Ada ""Ace""","Alder, Jr.",1990-05-01,"mornings, <not> Mondays\n"\n'
        "H-2,Ben,Birch,1988-02-29,maybe later"
    )
    bring(folders.write(tmp_path, patients=patients))
    ada = Patient.objects.get(record_number="H-1")
    assert (ada.first_name, ada.last_name) == ('Ada "Ace"', "Alder, Jr.")
    assert ada.best_time_to_call == "mornings, <not> Mondays"


def test_line_numbers_count_lines_inside_quotes(tmp_path):
    patients = (
        "record_number,first_name,last_name,birth_date,best_time_to_call\n"
        'H-1,Ada,Alder,1990-05-01,"mornings\nnot Mondays"\n'
        "H-2,Ben,Birch,soon,"
    )
    with pytest.raises(ImportRefused) as refused:
        bring(folders.write(tmp_path, patients=patients))
    assert [(p.line, p.column) for p in refused.value.problems] == [
        (2, "best_time_to_call"),
        (4, "birth_date"),
    ]


def test_dates_and_times_as_excel_saves_them(tmp_path):
    patients = folders.GOOD["patients"].replace("1990-05-01", "5/1/1990")
    blocks = folders.GOOD["blocks"].replace("13:00,13:50", "1:00 PM,1:50:00 PM")
    attendance = folders.GOOD["attendance"].replace("2026-03-03,13:00", "3/3/2026,1:00 PM")
    attendance = attendance.replace("2026-03-02 07:30", "3/2/2026 7:30")
    bring(folders.write(tmp_path, patients=patients, blocks=blocks, attendance=attendance))
    assert Patient.objects.get(record_number="H-1").birth_date == datetime.date(1990, 5, 1)
    block = WeeklyBlock.objects.get(group=None)
    assert (block.starts_at, block.ends_at) == (datetime.time(13), datetime.time(13, 50))
    assert AttendanceRecord.objects.count() == 3


def test_columns_in_another_order_and_case_with_empty_ones_behind(tmp_path):
    rooms = "Seats,Name,,\n14,Blue,,\n,,,\n,,,"
    assert bring(folders.write(tmp_path, rooms=rooms)).counts["rooms.csv"].created == 1


def test_names_match_without_regard_to_case(tmp_path):
    memberships = folders.GOOD["memberships"].replace("Harbor A,H-1", "HARBOR a,h-1")
    assert bring(folders.write(tmp_path, memberships=memberships)).total.created == 25


def test_file_names_in_capitals(tmp_path):
    folders.write(tmp_path)
    (tmp_path / "rooms.csv").rename(tmp_path / "ROOMS.CSV")
    assert bring(tmp_path).counts["rooms.csv"].created == 1


# --- one long list ---------------------------------------------------------------------------

LIST = """record_number,date,start,end,attended
H-1,2026-03-05,17:00,18:00,yes
H-2,2026-03-05,17:00,18:00,no
H-1,2026-03-05,18:10,19:00,yes"""


@pytest.fixture
def clinic(tmp_path):
    bring(folders.write(tmp_path))
    return Clinic.objects.get(name="Harbor IOP")


def bring_list(tmp_path, clinic, text=LIST, **options):
    file = tmp_path / "past.txt"
    file.write_text(text + "\n")
    return import_attendance(file=file, clinic=clinic, by=JOB, now=NOW, **options)


def listed(tmp_path, clinic, text):
    before = [model.objects.count() for model in (Session, Booking, AttendanceRecord)]
    with pytest.raises(ImportRefused) as refused:
        bring_list(tmp_path, clinic, text)
    assert [model.objects.count() for model in (Session, Booking, AttendanceRecord)] == before
    return [str(problem) for problem in refused.value.problems]


def test_rows_of_one_time_become_one_session(tmp_path, clinic):
    assert str(bring_list(tmp_path, clinic).total) == "created 3, unchanged 0, differs 0"
    sessions = Session.objects.filter(block=None).order_by("starts_at")
    assert list(sessions.values_list("starts_at", "session_type__name", "capacity")) == [
        (at(clinic, "2026-03-05", "17:00"), "Group therapy", 2),
        (at(clinic, "2026-03-05", "18:10"), "Individual", 1),
    ]
    records = AttendanceRecord.objects.filter(booking__session__block=None).order_by("pk")
    assert list(records.values_list("booking__patient__record_number", "credited_minutes")) == [
        ("H-1", 60),
        ("H-2", 0),
        ("H-1", 50),
    ]


def test_list_again_creates_nothing(tmp_path, clinic):
    bring_list(tmp_path, clinic)
    assert str(bring_list(tmp_path, clinic).total) == "created 0, unchanged 3, differs 0"


def test_row_corrected_since_is_kept(tmp_path, clinic):
    bring_list(tmp_path, clinic)
    outcome = bring_list(tmp_path, clinic, LIST.replace("18:00,no", "18:00,yes"))
    assert str(outcome.total) == "created 0, unchanged 2, differs 1"
    assert [(p.line, p.column) for p in outcome.differing] == [(3, "attended")]
    assert AttendanceRecord.objects.filter(attended=False, booking__session__block=None).exists()


def test_list_widens_its_own_session(tmp_path, clinic):
    first, second, _ = LIST.splitlines()[1:]
    header = LIST.splitlines()[0]
    bring_list(tmp_path, clinic, f"{header}\n{first}")
    assert bring_list(tmp_path, clinic, f"{header}\n{second}").total.created == 1
    assert Session.objects.get(block=None).capacity == 2


def test_list_finds_sessions_that_are_there(tmp_path, clinic):
    text = "record_number,date,start,end,attended\nH-1,2026-03-10,13:00,13:50,yes"
    assert bring_list(tmp_path, clinic, text).total.created == 1
    assert not Session.objects.filter(block=None).exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("H-9,2026-03-05,17:00,18:00,yes", "record_number: unknown patient “H-9”"),
        ("H-2,2026-03-07,17:00,18:00,yes", "date: the patient has no episode of care on 2026-03-07"),  # noqa: E501
        ("H-1,2026-03-05,19:30,19:00,yes", "end: 19:00 lies before start 19:30"),
        (
            "H-1,2026-03-08,02:30,03:30,yes",
            ("start: 2:30 AM does not exist on Mar 8, 2026: the clocks go from 2:00 AM to 3:00 AM. "
            "Enter another time."),
        ),
        ("H-1,2026-03-05,10:00,17:00,yes", "end: a session lasts 15 minutes to 6 hours"),
        ("H-1,2026-03-12,17:00,18:00,yes", "date: the session is not over"),
        ("H-1,2026-03-05,17:30,18:00,yes", "The patient is booked elsewhere at this time."),
        (
            "H-1,2026-03-05,17:00,18:00,no",
            "record_number: the same record_number and date and start as in line 2",
        ),
    ],
)  # fmt: skip
def test_bad_line_of_the_list(tmp_path, clinic, line, said):
    (only,) = listed(tmp_path, clinic, f"{LIST}\n{line}")
    assert only in (f"past.txt, line 5, {said}", f"past.txt, line 5: {said}")


def test_every_problem_of_the_list_in_one_pass(tmp_path, clinic):
    lines = (
        "H-9,2026-03-05,17:00,18:00,maybe",
        "H-2,2026-03-07,17:00,25:99,yes",
        "H-1,2026-03-05,17:30,18:00,yes",
    )
    assert listed(tmp_path, clinic, "\n".join([LIST, *lines])) == [
        "past.txt, line 5, attended: “maybe” is neither yes nor no",
        "past.txt, line 5, record_number: unknown patient “H-9”",
        "past.txt, line 6, date: the patient has no episode of care on 2026-03-07",
        "past.txt, line 6, end: “25:99” is not on the clock",
        "past.txt, line 7: The patient is booked elsewhere at this time.",
    ]


def test_summary_of_the_list_names_the_given_file(tmp_path, clinic):
    assert list(bring_list(tmp_path, clinic).counts) == ["past.txt"]


def test_two_byte_order_marks(tmp_path):
    folders.write(tmp_path)
    (tmp_path / "rooms.csv").write_bytes(b"\xef\xbb\xbf\xef\xbb\xbfname,seats\nBlue,14\n")
    assert bring(tmp_path).counts["rooms.csv"].created == 1


def test_dry_run_of_the_list(tmp_path, clinic):
    assert bring_list(tmp_path, clinic, dry_run=True).total.created == 3
    assert not Session.objects.filter(block=None).exists()


def test_list_command(tmp_path, clinic, capsys):
    (tmp_path / "past.txt").write_text(LIST)
    call_command("import_attendance", str(tmp_path / "past.txt"), "--clinic", "harbor iop")
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "Harbor IOP imported: created 3, unchanged 0, differs 0"


def test_list_command_for_a_clinic_that_is_not_there(tmp_path):
    with pytest.raises(CommandError, match="There is no clinic “Elsewhere”"):
        call_command("import_attendance", str(tmp_path / "past.txt"), "--clinic", "Elsewhere")
