"""What the files of an export say, whatever their form."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

from openpyxl import load_workbook

from attendance.exports.services import Export, export
from attendance.exports.sources import Asked
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.roles import Role
from tests import factories

Rows = list[list[str]]


def taken(clinic: Clinic, kind: str, form: str = "csv", **asked: Any) -> Export:
    """An export by an administrator of the clinic."""
    by = asked.pop("by", None) or factories.staff(clinic, Role.ADMINISTRATOR)
    return export(kind=kind, form=form, asked=Asked(by, clinic, **asked))


def tables(made: Export) -> dict[str, Rows]:
    """The lines of every table of a file, the headers first."""
    with made.file as file:
        content = file.read()
    if made.name.endswith(".xlsx"):
        return _sheets(content)
    if made.name.endswith(".csv"):
        return {"": _lines(content)}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {Path(name): archive.read(name) for name in archive.namelist()}
    return {path.stem: _lines(data) for path, data in files.items() if path.suffix == ".csv"}


def only(made: Export) -> Rows:
    (rows,) = tables(made).values()
    return rows


def _lines(content: bytes) -> Rows:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def _sheets(content: bytes) -> dict[str, Rows]:
    book = load_workbook(io.BytesIO(content))
    return {
        sheet.title: [["" if cell is None else cell for cell in row] for row in sheet.values]
        for sheet in book.worksheets
    }


def unpacked(made: Export, folder: Path) -> Path:
    """The files of a zip in a folder, as the importer takes them."""
    folder.mkdir()
    with made.file as file, zipfile.ZipFile(file) as archive:
        archive.extractall(folder)
    return folder
