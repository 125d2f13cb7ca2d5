"""How lines become files: CSV, one workbook, or a zip; row by row, whatever their number."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from attendance.imports.tables import ABOUT, README

WIDTH, WIDE = 16, 90
"""Of columns, in letters."""


@dataclass
class Sheet:
    """A table on its way out; `rows` counts what was written."""

    name: str
    headers: Sequence[str]
    lines: Iterable[Sequence[str]]
    rows: int = 0

    def counted(self) -> Iterator[Sequence[str]]:
        for line in self.lines:
            self.rows += 1
            yield line


def write_csv(file: IO[bytes], sheet: Sheet) -> None:
    """With a byte order mark, by which spreadsheets know UTF-8."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    writer = csv.writer(text)
    writer.writerow(sheet.headers)
    writer.writerows(sheet.counted())
    text.detach()


def write_zip(file: IO[bytes], sheets: Iterable[Sheet], about: Sequence[str]) -> None:
    """One CSV file a table, and what must be known of them as text."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for sheet in sheets:
            with archive.open(f"{sheet.name}.csv", "w", force_zip64=True) as inside:
                write_csv(inside, sheet)
        if about:
            archive.writestr(README, "\r\n\r\n".join(about) + "\r\n")


def write_workbook(
    file: IO[bytes], sheets: Iterable[Sheet], about: Sequence[str], notice: str
) -> None:
    """A sheet a table, opened on the first of them; the notice also at the foot of printed pages.

    Every cell is text: a spreadsheet neither runs it nor turns a record number into a figure.
    """
    with _workbook() as book:
        if about:
            _write_about(book, about)
        for sheet in sheets:
            _write_sheet(book, sheet, notice)
        book.active = 1 if about else 0
        book.save(file)


@contextmanager
def _workbook() -> Iterator[Workbook]:
    """A workbook that is written row by row; what it keeps on the disk goes, come what may."""
    book = Workbook(write_only=True)
    book.properties.creator = "IOP Clinic"
    try:
        yield book
    except BaseException:
        for sheet in book.worksheets:
            sheet.close()
            sheet._writer.cleanup()
        raise


def _write_about(book: Workbook, about: Sequence[str]) -> None:
    sheet = book.create_sheet(ABOUT)
    sheet.column_dimensions["A"].width = WIDE
    for line in about:
        sheet.append([_text_cell(sheet, line)])


def _write_sheet(book: Workbook, table: Sheet, notice: str) -> None:
    sheet = book.create_sheet(table.name)
    sheet.freeze_panes = "A2"
    sheet.print_title_rows = "1:1"
    sheet.HeaderFooter.oddFooter.center.text = notice or None
    for number, header in enumerate(table.headers, start=1):
        letter = get_column_letter(number)
        sheet.column_dimensions[letter].width = max(WIDTH, len(header) + 2)
    head = [_text_cell(sheet, header) for header in table.headers]
    for cell in head:
        cell.font = Font(bold=True)
    sheet.append(head)
    line = [_text_cell(sheet, "") for _ in table.headers]
    for texts in table.counted():
        for cell, text in zip(line, texts, strict=True):
            _put(cell, text)
        sheet.append(line)  # written at once: the cells serve every line


def _text_cell(sheet: Any, text: str) -> Any:
    cell = WriteOnlyCell(sheet)
    _put(cell, text)
    return cell


def _put(cell: Any, text: str) -> None:
    """As text even where it looks like a formula or an error."""
    cell.value = text or None
    if text:
        cell.data_type = "s"
