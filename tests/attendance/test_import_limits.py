"""What a file may take of a worker: rows, cells, problems."""

from __future__ import annotations

import pytest

from attendance.imports import findings, reading, runs, uploads
from attendance.models import DataImport
from tests.admin import Desk, desk
from tests.attendance.uploads import (
    bring,
    checked,
    csv_file,
    harbor,
    press,
    problems,
    zip_file,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def at() -> Desk:
    return desk(harbor())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_more_rows_than_a_worker_can_hold_are_refused(at, monkeypatch, end):
    """However the program that wrote the file ends its lines."""
    rooms = csv_file("rooms.csv", end.join(["name,seats", "Blue,5", "Red,6"]))
    monkeypatch.setattr(uploads, "MOST_ROWS", 2)
    assert problems(checked(at, rooms)) == []
    monkeypatch.setattr(uploads, "MOST_ROWS", 1)
    rooms.seek(0)
    assert problems(checked(at, rooms)) == [
        "the files, 0, : hold more than 1 rows: bring them in several times"
    ]


def test_a_line_of_endless_cells_is_refused_unread(at, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_CELLS", 8)
    row = checked(at, csv_file("rooms.csv", f"name,seats\nBlue,5{',' * 8}"))
    assert problems(row) == ["the files, 0, : hold more than 8 cells: bring them in several times"]


def test_a_file_with_endless_problems_is_read_no_further(at, monkeypatch):
    monkeypatch.setattr(reading, "MOST_PROBLEMS", 2)
    row = checked(at, csv_file("rooms.csv", "name,seats\nA,x\nB,x\nC,x\nD,x"))
    assert [one.partition(":")[0] for one in problems(row)] == [
        "rooms.csv, 2, seats", "rooms.csv, 3, ", "rooms.csv, 3, seats"
    ]  # fmt: skip


def test_a_long_cell_is_quoted_whole_in_the_file_alone(at):
    """Two hundred of them would be read with every row of the list."""
    long = "x" * 9000
    row = checked(at, csv_file("closures.csv", f"starts_on,ends_on,reason\n{long},2026-03-09,Snow"))
    shown = f"“{long}"[: findings.LONGEST]
    assert problems(row)[0] == f"closures.csv, 2, starts_on: {shown}…"
    assert long.encode() in findings.unlisted(bytes(row.listing or b""))


@pytest.mark.parametrize("name", ["tables.zip", "clinic.xlsx"])
def test_an_archive_of_endless_files_is_refused_unopened(at, monkeypatch, name):
    parts = zip_file({f"{number}.csv": "name" for number in range(3)}, name)
    monkeypatch.setattr(uploads, "MOST_PARTS", 2)
    monkeypatch.setattr("zipfile.ZipFile", None)
    assert bring(at, parts).refusal == f"{name}: holds more than 2 files."
    assert not DataImport.objects.exists()


def test_no_more_files_wait_than_the_database_should_hold(at, monkeypatch):
    monkeypatch.setattr(runs, "MOST_KEPT", 1)
    rooms = "name,seats\nBlue,5"
    assert bring(at, csv_file("rooms.csv", rooms)).status == 302
    assert bring(at, csv_file("rooms.csv", rooms)).refusal == (
        "The files of 1 imports wait already: import or discard some first."
    )
    press(at, DataImport.objects.get(), "discard")
    assert bring(at, csv_file("rooms.csv", rooms)).status == 302
