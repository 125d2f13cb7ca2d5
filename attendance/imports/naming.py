"""Which table a file or a sheet is: told by its name, or else by its first line."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from contextlib import suppress

from attendance.imports.columns import Table, in_words
from attendance.imports.reading import Reading, Source, cells_of, column_name
from attendance.imports.tables import ABOUT, ATTENDANCE, LONG_LIST, TABLES

KNOWN = (*TABLES, LONG_LIST)
ENDING = re.compile(r"\.[a-z]{3,4}$", re.IGNORECASE)
NO_WORD = re.compile(r"[^a-z]+")


def read_sources(sources: Sequence[Source]) -> Reading:
    """Every source as the table it is. One that is none, or one too many, is a problem."""
    reading = Reading()
    told: dict[str, Source] = {}
    strangers = []
    for source in sources:
        if source.called == ABOUT:
            continue
        table = table_of(source)
        if table is None:
            strangers.append(source)
            continue
        first = told.setdefault(table.name, source)
        if first is source:
            reading.read(table, source)
        else:
            sentence = f"holds {_said(table)} as well as {first.name}; bring them in one"
            reading.break_off(table, source.name, 0, sentence)
    for source in strangers:
        reading.refuse_unknown(source.name, _followed(source) or UNKNOWN)
    return reading


def _followed(source: Source) -> str:
    """Of an export that is only for reading: from which tables its rows follow."""
    letters = _letters(source.called or source.name)
    return next((said for name, said in FOLLOWS.items() if letters.endswith(name)), "")


FOLLOWS = {
    "sessions": "sessions are not brought in: they follow from blocks; leave this table out",
    "cases": "cases are not brought in: they follow from attendance; leave this table out",
}


UNKNOWN = (
    "nothing tells which table this is; name it after one of "
    f"{', '.join(table.name for table in KNOWN)}"
)


def table_of(source: Source) -> Table | None:
    """By name: case, blanks, dates and numbers make no difference. By header: if only one fits."""
    header = _header(source)
    named = _named(source.called or source.name)
    if named is ATTENDANCE and _fits(LONG_LIST, header):
        return LONG_LIST  # a past that is one list is most often called so
    if named is not None:
        return named
    fitting = [table for table in KNOWN if _fits(table, header)]
    return fitting[0] if len(fitting) == 1 else None


def _named(name: str) -> Table | None:
    letters = _letters(name)
    return next((table for table in KNOWN if NO_WORD.sub("", table.name) == letters), None)


def _letters(name: str) -> str:
    return NO_WORD.sub("", ENDING.sub("", name).lower())


def _fits(table: Table, header: set[str]) -> bool:
    """Whether the table has every one of these columns, and none of its own is missing."""
    required = {column.name for column in table.columns if column.required}
    return required <= header <= table.by_name.keys()


def _header(source: Source) -> set[str]:
    with suppress(csv.Error, StopIteration):
        return {column_name(text) for text in next(cells_of(source.data))} - {""}
    return set()


def _said(table: Table) -> str:
    return in_words(table.name)
