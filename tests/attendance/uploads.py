"""Files as a coordinator brings them, and a worker that is not there but asked by hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from openpyxl import Workbook

from attendance.clinics import open_clinic
from attendance.imports import runs
from attendance.models import DataImport
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic
from tests.admin import Answer, Desk
from tests.attendance import folders

BRING = "admin:attendance_dataimport_bring"
TABLES = {name: text for name, text in folders.GOOD.items() if name != "clinic"}
"""The good clinic without its own row."""
OF_COORDINATORS = {name: text for name, text in TABLES.items() if name != "staff"}


def harbor(name: str = "Harbor IOP") -> Clinic:
    clinic = open_clinic(name=name, zone="America/New_York", by=Job("test"))
    clinic.refresh_from_db()
    return clinic


def csv_file(name: str, text: str | bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text.encode() if isinstance(text, str) else text)


def csv_files(tables: Mapping[str, str]) -> list[SimpleUploadedFile]:
    return [csv_file(f"{name}.csv", text) for name, text in tables.items()]


def zip_file(parts: Mapping[str, Any], name: str = "tables.zip") -> SimpleUploadedFile:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, text in parts.items():
            archive.writestr(part, text)
    return SimpleUploadedFile(name, data.getvalue())


def workbook(sheets: Mapping[str, Sequence[Any]], name: str = "clinic.xlsx") -> Any:
    book = Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    data = io.BytesIO()
    book.save(data)
    return SimpleUploadedFile(name, data.getvalue())


def bring(at: Desk, *files: SimpleUploadedFile) -> Answer:
    return at.send(reverse(BRING), {"uploads": list(files)})


def checked(at: Desk, *files: SimpleUploadedFile) -> DataImport:
    """Brought and checked, as by a worker."""
    answer = bring(at, *files)
    assert answer.status == 302, answer.errors
    row = DataImport.objects.latest("pk")
    runs.run(row.pk)
    row.refresh_from_db()
    return row


def imported(at: Desk, row: DataImport) -> DataImport:
    """Confirmed by the button of its page, and imported, as by a worker."""
    press(at, row, "import", digest=row.digest)
    runs.run(row.pk)
    row.refresh_from_db()
    return row


def press(at: Desk, row: DataImport, button: str, **data: str) -> Answer:
    return at.send(reverse(f"admin:attendance_dataimport_{button}", args=[row.pk]), data)


def problems(row: DataImport) -> list[str]:
    """As the page lists them: where, row, column: what."""
    return [
        f"{file}, {line}, {column}: {reason}"
        for file, line, column, reason in row.report.get("problems", ())
    ]
