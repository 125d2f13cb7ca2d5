"""Workbooks (XLSX): each sheet becomes a table of text, as the readers of cells expect it.

A typed cell becomes what a spreadsheet would write of it into a CSV file: a date, a time, a whole
number, yes or no. A formula stays one, so that the reader refuses it. Rows keep their numbers.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from openpyxl import load_workbook
from openpyxl.styles.numbers import is_datetime
from openpyxl.utils.exceptions import InvalidFileException

from attendance.imports.archives import DAMAGED, as_stated
from attendance.imports.cells import LONGEST_CELL
from attendance.imports.reading import Source

UNREADABLE = (
    InvalidFileException,
    DefusedXmlException,
    ParseError,
    *DAMAGED,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    OverflowError,
)
"""What openpyxl raises for a file that is damaged or only looks like a workbook."""
LONGEST_NAME = 80
MOST_ROWS = 1_048_576
"""No spreadsheet has more; a row may state any number."""
MOST_TEXT = 100 * 1024 * 1024
"""Characters of all sheets together."""
PADDED = re.compile("0+")
LINE_ENDS = re.compile("\r\n|[\r\n]")
DAY = datetime.timedelta(days=1)
LAST_SECOND = 86_399


NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def shown(name: str) -> str:
    """The name of a file or a sheet as a page may show it: nothing in it misleads."""
    return NOT_SHOWN.sub("", name).strip()[-LONGEST_NAME:] or "?"


class NoWorkbook(ValueError):
    """It cannot be read as a workbook."""


# --- reading -------------------------------------------------------------------------------------


def sheets(name: str, data: bytes) -> Iterator[Source]:
    """Every sheet that holds anything, as CSV text called "name, sheet title"."""
    left = MOST_TEXT
    try:
        book = load_workbook(io.BytesIO(as_stated(data)), read_only=True, data_only=False)
        try:
            for sheet in book.worksheets:
                text = _csv(_lines(sheet), left)
                left -= len(text)
                if text:
                    kind = "sheet" if sheet.sheet_state == "visible" else "hidden sheet"
                    told = f"{name}, {kind} {shown(sheet.title)}"
                    yield Source(told, text, sheet.title)
        finally:
            book.close()
    except UNREADABLE as error:
        raise NoWorkbook from error


def _lines(sheet: Any) -> Iterator[list[str]]:
    """Row by row, also the empty ones in between; what is empty at the end is left out."""
    sheet.reset_dimensions()  # some programs state a size that is not the sheet's
    empty = 0
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        if number > MOST_ROWS:
            raise NoWorkbook
        texts = [text_of(cell) for cell in cells]
        while texts and not texts[-1].strip():
            texts.pop()
        if texts:
            yield from ([] for _ in range(empty))
            yield texts
        empty = 0 if texts else empty + 1


def _csv(lines: Iterator[list[str]], most: int) -> bytes:
    """Every line as wide as the first: in a sheet there is no other number of cells.

    Written line by line: cells that share a text, or stand far to the right, take no room in a
    workbook. Raises NoWorkbook for more than `most` characters.
    """
    width: int | None = None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for line in lines:
        width = len(line) if width is None else width
        writer.writerow(line + [""] * (width - len(line)) if line else [])
        if text.tell() > most:
            raise NoWorkbook
    return text.getvalue().encode(errors="surrogateescape")


def text_of(cell: Any) -> str:
    """A cell as text. Line breaks inside it become a mark of one line, which the reader refuses,
    as it does what is too long: the rest of that is left out."""
    if cell.data_type == "f":
        text = "=" + str(getattr(cell.value, "text", cell.value)).removeprefix("=")
    else:
        text = LINE_ENDS.sub("\x0b", _text(cell.value, cell).strip())
    return text[: LONGEST_CELL + 1]


def _text(value: Any, cell: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):  # before the numbers, of which it is one
        return "yes" if value else "no"
    if isinstance(value, datetime.datetime):
        return _moment(value, cell.number_format)
    if isinstance(value, datetime.timedelta):
        return _span(value)
    if isinstance(value, datetime.time):
        return _clock(value)
    if isinstance(value, int | float):
        return _number(value, cell.number_format)
    return str(value)


def _moment(value: datetime.datetime, form: str) -> str:
    """A date that is shown without a time has none."""
    value = _whole_seconds(value)
    if is_datetime(form) == "date" and value.time() == datetime.time():
        return value.date().isoformat()
    if is_datetime(form) == "time":
        return _clock(value.time())
    return f"{value.date().isoformat()} {_clock(value.time())}"


def _whole_seconds(value: datetime.datetime) -> datetime.datetime:
    """Days are stored as floating-point numbers: 9:20 may be some microseconds before it."""
    return (value + datetime.timedelta(microseconds=500_000)).replace(microsecond=0)


def _clock(value: datetime.time) -> str:
    value = _whole_seconds(datetime.datetime.combine(datetime.date.min, value)).time()
    return f"{value:%H:%M:%S}" if value.second else f"{value:%H:%M}"


def _span(value: datetime.timedelta) -> str:
    """Hours and minutes since midnight, as a cell formatted [h]:mm has them."""
    if datetime.timedelta() <= value < DAY:
        return _clock(datetime.time(*_parts_of(value)))
    return str(value)


def _parts_of(value: datetime.timedelta) -> tuple[int, int, int]:
    minutes, seconds = divmod(min(round(value.total_seconds()), LAST_SECOND), 60)
    return minutes // 60, minutes % 60, seconds


def _number(value: float, form: str) -> str:
    """As it is shown: whole numbers without a point, and 00123 where the format pads with zeros."""
    if float(value).is_integer():
        whole = str(int(value))
        return whole.zfill(len(form)) if PADDED.fullmatch(form or "") else whole
    return format(value, ".15g")
