"""No cell of an export is run by a spreadsheet, and each comes back as it was."""

from __future__ import annotations

import datetime
import io
from pathlib import Path

import pytest
from openpyxl import load_workbook

from attendance.exports.texts import plain
from attendance.imports.services import import_clinic
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic
from patients.models import Patient, Payer
from scheduling.models import Room
from tests import factories as f
from tests.attendance import folders
from tests.attendance.exported import only, taken, unpacked

NOW = datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC)
SIGNS = ["=", "+", "-", "@", "\t", "\r"]

pytestmark = pytest.mark.django_db


def room(name: str) -> Clinic:
    return f.RoomFactory(name=name).clinic


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("sign", SIGNS)
def test_a_cell_that_begins_with_a_sign_is_marked(sign, form):
    (_, (name, _)) = only(taken(room(f"{sign}1+1|x"), "rooms", form))
    assert name == f"'{sign.strip()}1+1|x"  # a tab or a return goes, its mark stays


@pytest.mark.parametrize("sign", [*SIGNS, ""])
def test_every_cell_of_a_workbook_is_a_string(sign):
    with taken(room(f"{sign}1+1"), "rooms", "xlsx").file as file:
        book = load_workbook(io.BytesIO(file.read()))
    (sheet,) = book.worksheets
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} == {"s"}


@pytest.mark.parametrize("text", ["#N/A", "#REF!", "00123", "1E5", "TRUE", "2026-03-02"])
def test_what_only_looks_like_something_else_stays_text(text):
    assert only(taken(room(text), "rooms", "xlsx"))[1][0] == text


@pytest.mark.parametrize(
    ("stored", "written"),
    [
        ("O'Neil", "O'Neil"),
        ("'Twas", "'Twas"),
        ("'=1", "''=1"),
        ("''-x", "'''-x"),
        ("' @x", "'' @x"),
        ("  =1", "'=1"),
        ("a\nb\x00c", "a b c"),
        ("\u202eevil\ufffe", "evil"),
        ("", ""),
        ("two-part, \"said\"", "two-part, \"said\""),
    ],
)  # fmt: skip
def test_marks_can_be_told_from_text(stored, written):
    assert plain(stored) == written


@pytest.mark.parametrize("name", ["=Ada", "+Ada", "-Ada", "@Ada", "'=Ada", "''+Ada", "O'Neil"])
def test_names_and_phones_with_signs_come_back(tmp_path: Path, name):
    (tmp_path / "good").mkdir()
    import_clinic(folder=folders.write(tmp_path / "good"), by=Job("import"), now=NOW)
    Patient.objects.filter(record_number="H-1").update(first_name=name, phone="+1 203 555 0102")
    made = taken(Clinic.objects.get(), "whole")
    outcome = import_clinic(folder=unpacked(made, tmp_path / "out"), by=Job("import"), now=NOW)
    assert (outcome.total.created, outcome.total.differs) == (0, 0)
    row = tmp_path / "out" / "clinic.csv"
    row.write_text(row.read_text(encoding="utf-8-sig").replace("Harbor IOP", "Elsewhere"))
    import_clinic(folder=tmp_path / "out", by=Job("import"), now=NOW)
    there = Patient.objects.get(clinic__name="Elsewhere", record_number="H-1")
    assert (there.first_name, there.phone) == (name, "+1 203 555 0102")
    assert Payer.objects.get(clinic=there.clinic).phone == "+1 203 555 0101"


def test_a_cell_with_an_apostrophe_is_text_to_the_importer(tmp_path: Path):
    rooms = "name,seats\nBlue,14\n'=HYPERLINK(x),5\n'-2,6\n ''@x,7"
    import_clinic(folder=folders.write(tmp_path, rooms=rooms), by=Job("import"), now=NOW)
    names = Room.objects.order_by("seats").values_list("name", flat=True)
    assert list(names) == ["=HYPERLINK(x)", "-2", "'@x", "Blue"]
