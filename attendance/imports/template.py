"""An empty workbook to fill in: a sheet for each table, with the names of its columns."""

from __future__ import annotations

import io
from typing import Any

from openpyxl import Workbook
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill
from openpyxl.utils import get_column_letter

from attendance.imports.columns import Table
from attendance.imports.guide import GUIDED, lines

BOLD = Font(bold=True)
MUST = PatternFill("solid", fgColor="D9F2EF")
AUTHOR = "IOP Clinic"
TEXT = "@"
"""A cell of this format keeps 00123 as it was typed."""


def template() -> bytes:
    """A * at a name says that the column must be filled; the reader passes over it."""
    book = Workbook()
    book.remove(book.worksheets[0])
    for table in GUIDED:
        _add_sheet(book, table)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _add_sheet(book: Any, table: Table) -> None:
    sheet = book.create_sheet(table.name)
    for number, line in enumerate(lines(table), start=1):
        cell = sheet.cell(1, number, line.name + ("*" if line.must else ""))
        cell.font = BOLD
        cell.comment = Comment(f"{line.what}{'. Must be filled.' if line.must else ''}", AUTHOR)
        if line.must:
            cell.fill = MUST
        column = sheet.column_dimensions[get_column_letter(number)]
        column.width = len(line.name) + 4
        if line.name.endswith(("number", "phone")):
            column.number_format = TEXT
    sheet.freeze_panes = "A2"
