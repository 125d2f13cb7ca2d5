"""From a value to the text of one cell: what `attendance/imports/cells.py` reads, written.

A cell that a spreadsheet would take for a formula is marked as text with an apostrophe.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from attendance.imports import cells
from attendance.imports.cells import CONTROL, DIRECTION, FORMULA, MARKED, Choice
from attendance.imports.columns import Column

Writer = Callable[[Any], str]

NO_XML = re.compile("[\ufffe\uffff]")
"""What no workbook may hold, although text may."""


def plain(value: str) -> str:
    """Text on one line that nobody's spreadsheet runs: `=`, `+`, `-`, `@`, tab and return at its
    beginning get an apostrophe before them, and so does what already looks marked."""
    text = value
    if not text.isprintable():
        text = CONTROL.sub(" ", DIRECTION.sub("", NO_XML.sub("", text)))
    text = text.strip()
    if value.startswith(FORMULA) or text.startswith(FORMULA) or MARKED.match(text):
        return f"'{text}"
    return text


def writer(column: Column, zone: ZoneInfo) -> Writer:
    """How the values of a column are written; instants become wall times of the zone."""
    read = column.read
    if isinstance(read, Choice):
        words = {value: word for word, value in read.options.items()}
        return lambda value: words[value]
    if read in _TIMES:
        write = _TIMES[read]
        return lambda value: write(_wall(value, zone))
    if read is cells.breaks:
        return lambda value: " ".join(f"{start}-{end}" for start, end in value)
    if read is cells.credentials:
        return ", ".join
    if read is cells.yes_no:
        return lambda value: "yes" if value else "no"
    return lambda value: plain(str(value))


def _wall(value: Any, zone: ZoneInfo) -> Any:
    return value.astimezone(zone) if isinstance(value, datetime.datetime) else value


def _date(value: datetime.date) -> str:
    return f"{value:%Y-%m-%d}"


def _time(value: datetime.time | datetime.datetime) -> str:
    """Seconds where there are any: minutes are reckoned from them."""
    return f"{value:%H:%M:%S}" if value.second else f"{value:%H:%M}"


def _moment(value: datetime.datetime) -> str:
    return f"{_date(value)} {_time(value)}"


_TIMES: dict[Any, Callable[[Any], str]] = {
    cells.date: _date,
    cells.time: _time,
    cells.exact_time: _time,
    cells.moment: _moment,
}
