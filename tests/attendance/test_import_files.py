"""Files from elsewhere: workbooks with typed cells, archives, and what only looks like either."""

from __future__ import annotations

import datetime
import io
import tracemalloc
import zipfile
import zlib
from typing import Any

import pytest
from django.urls import reverse
from openpyxl import Workbook, load_workbook

from attendance.imports import uploads, workbooks
from attendance.imports.guide import GUIDED
from attendance.imports.template import template
from attendance.imports.workbooks import sheets
from attendance.models import AttendanceRecord, DataImport
from iop_clinic.accounts.roles import Role
from patients.models import Patient
from scheduling.models import Room
from tests.admin import Desk, desk
from tests.attendance import folders
from tests.attendance.uploads import (
    TABLES,
    bring,
    checked,
    csv_file,
    csv_files,
    harbor,
    imported,
    problems,
    workbook,
    zip_file,
)

pytestmark = pytest.mark.django_db
State = DataImport.State
NOW = datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100)
DATE, TIME = datetime.date, datetime.time


@pytest.fixture(autouse=True)
def march(time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def at() -> Desk:
    return desk(harbor(), Role.ADMINISTRATOR)


# --- workbooks -----------------------------------------------------------------------------------


def typed(text: str) -> Any:
    """The value that a spreadsheet stores for what somebody types into a cell."""
    for read in (
        int,
        datetime.date.fromisoformat,
        lambda t: datetime.datetime.strptime(t, "%H:%M").time(),  # noqa: DTZ007  a wall time
        lambda t: datetime.datetime.strptime(t, "%Y-%m-%d %H:%M"),  # noqa: DTZ007
        {"yes": True, "no": False}.__getitem__,
    ):
        try:
            return read(text)
        except (ValueError, KeyError):
            pass
    return text or None


def as_sheets(tables: dict[str, str]) -> dict[str, list[list[Any]]]:
    return {
        name.title(): [[typed(cell) for cell in line.split(",")] for line in text.splitlines()]
        for name, text in tables.items()
    }


def test_a_workbook_with_typed_cells_is_the_same_clinic(at):
    row = imported(at, checked(at, workbook(as_sheets(TABLES))))
    assert (row.state, sum(one[1] for one in row.report["counts"])) == (State.IMPORTED, 24)
    assert Patient.objects.get(record_number="H-1").birth_date == DATE(1990, 5, 1)
    assert checked(at, *csv_files(TABLES)).state == State.NOTHING_NEW


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (DATE(2026, 3, 2), None, "2026-03-02"),
        (datetime.datetime(2026, 3, 2, 9, 20), None, "2026-03-02 09:20"),  # noqa: DTZ001
        (datetime.datetime(2026, 3, 2), "mm/dd/yy", "2026-03-02"),  # noqa: DTZ001
        (TIME(9, 20), None, "09:20"),
        (TIME(9, 20, 30), None, "09:20:30"),
        (datetime.timedelta(hours=9, minutes=5), "[h]:mm", "09:05"),
        (9.333333333333333 / 24, "h:mm", "09:20"),
        (True, None, "yes"),
        (False, None, "no"),
        (540, None, "540"),
        (540.0, None, "540"),
        (12.5, None, "12.5"),
        (123, "00000", "00123"),
        (2035550102, None, "2035550102"),
        (" Ada ", None, "Ada"),
        ("=1+1", None, "=1+1"),
    ],
)
def test_a_typed_cell_becomes_the_text_that_its_reader_expects(value, form, text):
    book = Workbook()
    cell = book.worksheets[0].cell(1, 1, value)
    cell.number_format = form or cell.number_format
    data = io.BytesIO()
    book.save(data)
    (sheet,) = sheets("x.xlsx", data.getvalue())
    assert sheet.data.decode() == f"{text}\n"


def test_rows_keep_their_numbers_and_empty_ones_at_the_end_do_not_count(at):
    lines = [["name", "seats"], [], ["Blue", "many"], [None, None], ["  ", None]]
    row = checked(at, workbook({"rooms": lines, "Sheet2": []}))
    assert problems(row) == ["clinic.xlsx, sheet rooms, 3, seats: “many” is not a whole number"]


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("=HYPERLINK(A1)", "starts with '=', as a spreadsheet formula does"),
        ("#REF!", "“#REF!” is a spreadsheet’s error, not a value"),
        ("Blue\nroom", "holds a line break; keep it on one line"),
    ],
)
def test_formulas_errors_and_line_breaks_in_a_sheet_are_refused(at, cell, sentence):
    row = checked(at, workbook({"rooms": [["name", "seats"], [cell, 5], ["Red", 6]]}))
    assert problems(row) == [f"clinic.xlsx, sheet rooms, 2, name: {sentence}"]
    assert not Room.objects.exists()


def test_a_sheet_is_told_by_its_first_line_where_its_name_says_nothing(at):
    row = checked(at, workbook({"Sheet1": [["Name", "Seats*"], ["Blue", 5]]}))
    assert row.report["counts"] == [["rooms", 1, 0, 0]]


def test_a_sheet_of_another_name_and_other_columns_is_asked_for(at):
    row = checked(at, workbook({"Notes": [["call them"]], "rooms": [["name", "seats"]]}))
    (told,) = problems(row)
    assert told.startswith("clinic.xlsx, sheet Notes, 0, : nothing tells which table this is;")


def test_a_sheet_that_nobody_sees_is_named_as_such(at):
    book = Workbook()
    book.worksheets[0].append(["choices"])
    book.worksheets[0].sheet_state = "hidden"
    book.create_sheet("rooms").append(["name", "seats"])
    data = io.BytesIO()
    book.save(data)
    (told,) = problems(checked(at, csv_file("clinic.xlsx", data.getvalue())))
    assert told.startswith("clinic.xlsx, hidden sheet Sheet, 0, : nothing tells which table")


def test_a_merged_cell_holds_its_value_once(at):
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "rooms"
    for line in (["name", "seats"], ["Blue", 5]):
        sheet.append(line)
    sheet.merge_cells("A2:B2")
    data = io.BytesIO()
    book.save(data)
    row = checked(at, csv_file("clinic.xlsx", data.getvalue()))
    assert problems(row) == ["clinic.xlsx, sheet rooms, 2, seats: must be filled"]


def test_the_empty_workbook_has_every_table_and_reads_as_nothing(at):
    book = load_workbook(io.BytesIO(template()))
    assert book.sheetnames == [table.name for table in GUIDED]
    for table in GUIDED:
        names = [cell.value for cell in book[table.name][1]]
        assert names == [one.name + "*" * one.required for one in table.columns]
    assert checked(at, csv_file("empty.xlsx", template())).state == State.NOTHING_NEW


def test_the_empty_workbook_is_a_download_that_can_be_filled(at):
    answer = at.client.get(reverse("admin:attendance_dataimport_template"))
    assert answer["Content-Disposition"] == 'attachment; filename="iop-clinic-tables.xlsx"'
    book = load_workbook(io.BytesIO(answer.content))
    for number, value in enumerate(("Blue", 14), start=1):
        book["rooms"].cell(2, number, value)
    data = io.BytesIO()
    book.save(data)
    row = checked(at, csv_file("iop-clinic-tables.xlsx", data.getvalue()))
    assert row.report["counts"] == [["rooms", 1, 0, 0]]


def test_ten_thousand_rows_of_a_workbook(at):
    lines: list[list[Any]] = [["record_number", "first_name", "last_name", "birth_date"]]
    lines += [[f"R{n:05}", "Ada", "Alder", DATE(1990, 5, 1)] for n in range(10_000)]
    row = checked(at, workbook({"patients": lines}))
    assert row.report["counts"] == [["patients", 10_000, 0, 0]]
    assert imported(at, row).state == State.IMPORTED
    assert Patient.objects.count() == 10_000


# --- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"name;seats\nBlue;5", "1, : columns are separated by semicolons; save it with commas"),
        (
            "name,seats\nBlue,5".encode("utf-16"),
            "1, : is UTF-16 text; save the file as “CSV UTF-8”",
        ),
        (
            "name,seats\nCafé,5".encode("latin-1"),
            "2, name: not UTF-8 text; save the file as “CSV UTF-8”",
        ),
        (b"name,seats\nBlue,5,x", "2, : has 3 cells where the first line has 2"),
    ],
)
def test_text_that_other_programs_save_is_told_how_to_save_it(at, data, told):
    assert problems(checked(at, csv_file("rooms.csv", data))) == [f"rooms.csv, {told}"]


def test_a_column_s_name_with_a_nul_is_told_without_it(at):
    (told,) = problems(checked(at, csv_file("rooms.csv", "name,seats,no\0te\nBlue,5,x")))
    assert told.startswith("rooms.csv, 1, note: no such column; ")


def test_a_header_alone_is_nothing_new(at):
    assert checked(at, csv_file("rooms.csv", "name,seats\n")).state == State.NOTHING_NEW


def test_midnight_after_a_date_is_a_database_s(at):
    text = "starts_on,ends_on,reason\n2026-03-09 00:00:00,3/9/2026 0:00,Snow day"
    row = checked(at, csv_file("closures.csv", text))
    assert row.report["counts"] == [["closures", 1, 0, 0]]


# --- what is refused at once ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("clinic.xlsx", PNG, "is no CSV file, no Excel workbook (.xlsx) and no zip of CSV files"),
        ("photo.png", PNG, "is no CSV file, no Excel workbook (.xlsx) and no zip of CSV files"),
        ("clinic.xlsx", b"PK\x03\x04 damaged", "is no CSV file, no Excel workbook (.xlsx) and"),
        ("clinic.xls", OLD_EXCEL, "is an old Excel file (.xls) or is locked by a password"),
        ("clinic.xlsx", OLD_EXCEL, "is an old Excel file (.xls) or is locked by a password"),
        ("rooms.csv", b"", "is empty"),
    ],
)
def test_what_is_no_table_is_refused_at_the_form(at, name, data, sentence):
    assert f"{name}: {sentence}" in bring(at, csv_file(name, data)).refusal
    assert not DataImport.objects.exists()


def test_no_file_at_all_is_refused_at_the_form(at):
    assert bring(at).refusal == "Choose one file or more."


def test_too_much_at_once_is_refused_at_the_form(at, monkeypatch):
    for limit, said in (("MOST_BYTES", "larger than 0 MB"), ("MOST_FILES", "more than 1")):
        with monkeypatch.context() as patch:
            patch.setattr(uploads, limit, 1)
            refusal = bring(at, *csv_files(folders.GOOD)).refusal
            assert f"the files: {said}: bring them in several times." in refusal
    assert not DataImport.objects.exists()


def test_an_archive_that_unpacks_to_too_much_is_refused_unread(at):
    bomb = zip_file({f"{n}.csv": bytes(uploads.MOST_UNPACKED // 20) for n in range(21)})
    assert 0 < (bomb.size or 0) < uploads.MEGABYTE
    assert "the files: larger than 100 MB when they are unpacked" in bring(at, bomb).refusal
    assert not DataImport.objects.exists()


def test_an_archive_that_lies_about_its_size_is_read_no_further(at):
    honest = zip_file({"rooms.csv": "name,seats\n" + "Blue,5\n" * 1000}).read()
    size = len("name,seats\n" + "Blue,5\n" * 1000).to_bytes(4, "little")
    row = checked(at, csv_file("rooms.zip", honest.replace(size, (11).to_bytes(4, "little"))))
    assert problems(row) == [
        "rooms.zip, rooms.csv, 0, : cannot be unpacked: the archive is damaged"
    ]


def lying(parts: dict[str, bytes], said: int, packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive that says of its first part that it holds the first bytes alone."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", packed) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    told, start = next(iter(parts.values()))[:said], data.getvalue().index(b"PK\x01\x02")
    sums = zlib.crc32(told).to_bytes(4, "little"), said.to_bytes(4, "little")
    listed = bytearray(data.getvalue())
    listed[start + 16 : start + 20], listed[start + 24 : start + 28] = sums
    return bytes(listed)


LARGE = b"name,seats\nBlue,5\n" + bytes(64 * uploads.MEGABYTE)


def test_more_than_an_archive_states_is_never_unpacked(at):
    bomb = uploads.Upload("rooms.zip", lying({"rooms.csv": LARGE}, 18))
    tracemalloc.start()
    (source,) = uploads.sources_of([bomb])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (source.data, peak < 4 * uploads.MEGABYTE) == (LARGE[:18], True)


def test_what_can_only_be_unpacked_whole_is_not(at):
    row = checked(at, csv_file("rooms.zip", lying({"rooms.csv": LARGE}, 18, zipfile.ZIP_BZIP2)))
    assert problems(row) == [
        "rooms.zip, rooms.csv, 0, : cannot be unpacked: the archive is damaged"
    ]


def test_more_than_a_workbook_states_is_never_unpacked(at):
    with zipfile.ZipFile(io.BytesIO(workbook({"rooms": [["name"]]}).read())) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    book = parts.pop("xl/workbook.xml")
    bomb = lying({"xl/workbook.xml": book + bytes(len(LARGE)), **parts}, len(book))
    tracemalloc.start()
    (source,) = sheets("clinic.xlsx", bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (source.data, peak < 4 * uploads.MEGABYTE) == (b"name\n", True)


def test_cells_that_share_a_long_text_do_not_fill_the_memory(at, monkeypatch):
    monkeypatch.setattr(workbooks, "MOST_TEXT", uploads.MEGABYTE)
    row = checked(at, workbook({"rooms": [["name"], *([["x" * 30_000]] * 200)]}))
    (told,) = problems(row)
    assert told.startswith("clinic.xlsx, 0, : cannot be read as a workbook")


def test_the_last_moment_of_the_calendar_is_no_fault_of_ours(at):
    last = datetime.datetime(9999, 12, 31, 23, 59, 59, 900_000)  # noqa: DTZ001  a wall time
    (told,) = problems(checked(at, workbook({"rooms": [["name", "seats"], ["Blue", last]]})))
    assert told.startswith("clinic.xlsx, 0, : cannot be read as a workbook")


def test_a_folder_without_a_name_is_of_no_account(at):
    row = checked(at, zip_file({".": "", "rooms.csv": "name,seats\nBlue,5"}))
    assert problems(row) == [
        "tables.zip, ?, 0, : is no CSV file; put nothing else into the archive"
    ]


def test_what_does_not_belong_into_an_archive_is_named(at):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("rooms.csv", "name,seats\nBlue,5")
    parts = {
        "rooms.csv": "name,seats\nBlue,5",
        "more.zip": inner.getvalue(),
        "../../patients.csv": TABLES["patients"],
        "/etc/payers.csv": "name\nX",
    }
    assert problems(checked(at, zip_file(parts))) == [
        "tables.zip, more.zip, 0, : is no CSV file; put nothing else into the archive",
        "tables.zip, patients.csv, 0, : has a name that leads out of the archive",
        "tables.zip, payers.csv, 0, : has a name that leads out of the archive",
    ]
    assert not AttendanceRecord.objects.exists()


def test_a_name_that_misleads_is_shown_without_what_misleads(at):
    row = checked(at, csv_file("a\u202egpj.rooms.csv", "name,seats\nBlue,5"))
    assert row.files == ["agpj.rooms.csv"]


def test_a_damaged_workbook_is_told(at):
    data = io.BytesIO(workbook({"rooms": [["name", "seats"], ["Blue", 5]]}).read())
    with zipfile.ZipFile(data) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    parts["xl/workbook.xml"] = b"<workbook"
    row = checked(at, zip_file(parts, "clinic.xlsx"))
    (told,) = problems(row)
    assert told.startswith("clinic.xlsx, 0, : cannot be read as a workbook: open it in")
