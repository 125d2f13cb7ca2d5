"""From files to rows of typed values; every bad cell of every file becomes a problem."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attendance.imports import cells
from attendance.imports.cells import CONTROL, BadCell
from attendance.imports.columns import Column, Table, folded_key
from attendance.imports.problems import Problem
from attendance.imports.tables import EPISODES, TABLES

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
NO_HEADER = "has no first line with the names of the columns"
MOST_PROBLEMS = 100_000
"""So many have one cause, and would only fill the memory."""
TOO_MANY = f"is not read beyond this line: {MOST_PROBLEMS:,} problems are enough"
BYTE_ORDER_MARK = "\ufeff"
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True, slots=True)
class Source:
    """One table as CSV text, still undecoded, under the name that problems call it by."""

    name: str
    data: bytes
    called: str = ""
    """The sheet's or file's own name, where `name` says more."""

    @property
    def lines(self) -> int:
        """How often a line ends in it; some programs write a lone carriage return for that."""
        ends = self.data.count(b"\n") + self.data.count(b"\r")
        return ends - self.data.count(b"\r\n")


@dataclass(slots=True)
class Row:
    """One line of a file: the values of the cells that are filled, by column."""

    table: Table
    file: str
    line: int
    values: dict[str, Any] = field(default_factory=dict)
    bad: bool = False
    torn: bool = False
    """Whether it has another number of cells than the first line: only its key was tried."""

    def __getitem__(self, column: str) -> Any:
        return self.values.get(column)

    @property
    def key(self) -> tuple[Any, ...]:
        return folded_key(self[name] for name in self.table.key)

    def problem(self, column: str, reason: str) -> Problem:
        self.bad = True
        return Problem(self.file, self.line, column, reason)


@dataclass(slots=True)
class Reading:
    """What the files hold, and everything in them that cannot be read."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    columns: dict[str, set[str]] = field(default_factory=dict)
    """By table: the columns that its file has."""
    problems: list[Problem] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    """Tables whose file as a whole cannot be read: nobody knows which rows it would have."""

    def of(self, table: Table) -> list[Row]:
        return self.rows.get(table.name, [])

    def read_file(self, table: Table, path: Path) -> None:
        """Add the rows of a file, as `read` does."""
        try:
            source = Source(path.name, path.read_bytes())
        except OSError as error:
            self.break_off(table, path.name, 0, f"cannot be opened: {error.strerror}")
            return
        self.read(table, source)

    def read(self, table: Table, source: Source) -> None:
        """Add the rows of one table; one with a good first line is read to its end."""
        known = len(self.problems)
        lines = self._lines(table, source)
        header = next(lines, None)
        if header is None:
            if table.name not in self.broken:
                self.break_off(table, source.name, 1, NO_HEADER)
            return
        separator = _separator(table, header[1])
        if separator:
            sentence = f"columns are separated by {separator}; save it with commas"
            self.break_off(table, source.name, 1, sentence)
            return
        columns = self._header(table, source.name, header[1])
        self.columns[table.name] = {column.name for column in columns if column}
        complete = not any(column.required and column not in columns for column in table.columns)
        rows = self.rows.setdefault(table.name, [])
        for line, texts in lines:
            if not any(text.strip() for text in texts):
                continue
            row = Row(table, source.name, line, bad=not complete)
            self._fill(row, columns, texts)
            rows.append(row)
            if len(self.problems) >= MOST_PROBLEMS:
                self.break_off(table, source.name, line, TOO_MANY)
                break
        if not rows and len(self.problems) > known:
            self.broken.add(table.name)
        self._refuse_duplicates(rows)

    # --- a file ---

    def _lines(self, table: Table, source: Source) -> Iterator[tuple[int, list[str]]]:
        """Line number (of the first line, where a quoted cell has several) and cells."""
        # Without a mark, every other byte of plain text is 0.
        if source.data.startswith(UTF_16) or source.data[:4].count(0) > 1:
            sentence = "is UTF-16 text; save the file as “CSV UTF-8”"
            self.break_off(table, source.name, 1, sentence)
            return
        reader = cells_of(source.data)
        line = 1
        try:
            for texts in reader:
                yield line, texts
                line = reader.line_num + 1
        except csv.Error as error:
            self.break_off(table, source.name, line, f"cannot be read from here on: {error}")

    def _header(self, table: Table, file: str, texts: Sequence[str]) -> list[Column | None]:
        columns: list[Column | None] = []
        names = [column_name(text) for text in texts]
        for name in names:
            column = table.by_name.get(name)
            columns.append(column)
            if column is None and name:
                known = ", ".join(table.by_name)
                shown = CONTROL.sub("", name.encode(errors="replace").decode())[:60]
                self._note(file, 1, shown, f"no such column; the file may have: {known}")
                if table is EPISODES:  # it may be the admission that is misspelt
                    self.broken.add(table.name)
            elif column is not None and names.count(name) > 1:
                self._note(file, 1, name, "stands twice in the first line")
                self.broken.add(table.name)
        for column in table.columns:
            if column.required and column.name not in names:
                self._note(file, 1, column.name, "this column is missing")
                if column.key:
                    self.broken.add(table.name)
        return columns

    def _refuse_duplicates(self, rows: Sequence[Row]) -> None:
        lines: dict[tuple[Any, ...], int] = {}
        for row in rows:
            if row.torn or not _has_key(row):
                continue
            first = lines.setdefault(row.key, row.line)
            if first != row.line:
                column = next(name for name in row.table.key if row[name] is not None)
                same = " and ".join(name for name in row.table.key if row[name] is not None)
                self.problems.append(row.problem(column, f"the same {same} as in line {first}"))

    # --- a row ---

    def _fill(self, row: Row, columns: Sequence[Column | None], texts: Sequence[str]) -> None:
        beyond = [text for text in texts[len(columns) :] if text.strip()]
        if beyond or len(texts) < len(columns):
            sentence = f"has {len(texts)} cells where the first line has {len(columns)}"
            self.problems.append(row.problem("", sentence))
            row.torn = True
            self._try_key(row, columns, texts)
            return
        for column, text in zip(columns, texts, strict=False):
            if column is not None:
                self._cell(row, column, text)
        for column in row.table.columns:
            if (
                column.required
                and column in columns
                and self._is_empty(row, column, columns, texts)
            ):
                self.problems.append(row.problem(column.name, "must be filled"))
        self._check_together(row)

    @staticmethod
    def _try_key(row: Row, columns: Sequence[Column | None], texts: Sequence[str]) -> None:
        """What the row seems to be called, so that rows that name it are not blamed."""
        for column, text in zip(columns, texts, strict=False):
            if column is not None and column.key:
                with suppress(BadCell):
                    row.values[column.name] = column.read(text.strip())

    @staticmethod
    def _is_empty(
        row: Row, column: Column, columns: Sequence[Column | None], texts: Sequence[str]
    ) -> bool:
        return column.name not in row.values and not texts[columns.index(column)].strip()

    def _cell(self, row: Row, column: Column, text: str) -> None:
        try:
            value = cells.clean(text, may_start_with=column.may_start_with)
            if value:
                row.values[column.name] = column.read(value)
        except BadCell as bad:
            self.problems.append(row.problem(column.name, str(bad)))

    def _check_together(self, row: Row) -> None:
        for first, second in row.table.in_order:
            if row[first] is not None and row[second] is not None and row[second] < row[first]:
                sentence = f"{_shown(row[second])} lies before {first} {_shown(row[first])}"
                self.problems.append(row.problem(second, sentence))
        given = [name for name in row.table.one_of if row[name] is not None]
        if row.table.one_of and len(given) != 1 and not row.bad:
            sentence = f"give exactly one of {' and '.join(row.table.one_of)}"
            self.problems.append(row.problem((given or row.table.one_of)[0], sentence))

    def break_off(self, table: Table, file: str, line: int, reason: str) -> None:
        """Note that a table cannot be read as a whole, and why."""
        self._note(file, line, "", reason)
        self.broken.add(table.name)

    def refuse_unknown(self, file: str, reason: str) -> None:
        """Note a file that is no known table: it may be any of those that are not there."""
        self._note(file, 0, "", reason)
        self.broken |= {table.name for table in TABLES if table.name not in self.rows}

    def _note(self, file: str, line: int, column: str, reason: str) -> None:
        self.problems.append(Problem(file, line, column, reason))


def read_folder(folder: Path) -> Reading:
    """Every file of a clinic's folder. A file that is not part of the format is a problem."""
    reading = Reading()
    if not folder.is_dir():
        reading.problems.append(Problem(str(folder), 0, "", "is not a folder"))
        return reading
    paths: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        name = path.name.lower()
        if not name.endswith(".csv"):
            continue
        first = paths.setdefault(name, path)
        if first is not path:
            _refuse_file(reading, path, f"is there twice, also as {first.name}")
    for table in TABLES:
        found = paths.pop(table.file, None)
        if found is not None and found.is_dir():
            _refuse_file(reading, found, "is a folder, not a file")
            reading.broken.add(table.name)
        elif found is not None:
            reading.read_file(table, found)
    known = ", ".join(table.file for table in TABLES)
    for path in paths.values():
        reading.refuse_unknown(path.name, f"is none of {known}")
    return reading


def _refuse_file(reading: Reading, path: Path, reason: str) -> None:
    reading.problems.append(Problem(path.name, 0, "", reason))


def cells_of(data: bytes) -> Any:
    """The lines of a CSV file as cells. What is not UTF-8 goes on as a mark that `cells.clean`
    refuses: cell by cell."""
    text = data.decode(errors="surrogateescape").lstrip(BYTE_ORDER_MARK)
    return csv.reader(io.StringIO(text, newline=""), strict=True)


def column_name(text: str) -> str:
    """The column that a cell of the first line names. The * is this format's own, for columns
    that must be filled."""
    return text.strip(" *").lower().replace(" ", "_")


def _separator(table: Table, texts: Sequence[str]) -> str:
    """What stands between the columns of the first line instead of a comma."""
    for mark, name in SEPARATORS.items():
        if len(texts) == 1 and texts[0].count(mark):
            parts = {column_name(part.strip(' "')) for part in texts[0].split(mark)}
            if parts & table.by_name.keys():
                return name
    return ""


def _has_key(row: Row) -> bool:
    """Whether every cell of its key could be read."""
    given = [name for name in row.table.one_of if row[name] is not None]
    if row.table.one_of and len(given) != 1:
        return False
    return all(row[column.name] is not None for column in row.table.columns
               if column.key and column.required)  # fmt: skip


def _shown(value: Any) -> str:
    return f"{value:%H:%M}" if hasattr(value, "hour") and not hasattr(value, "year") else f"{value}"
