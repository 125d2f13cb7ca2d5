"""Where the rows of an exported table come from: whose, of which dates, and each cell's place."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from attendance.exports.texts import writer
from attendance.imports.columns import Table
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.roles import Can

AT_ONCE = 2000
"""Rows in memory at a time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is taken along: of which clinic, by whom, and for dated tables from when until when.

    `whole`: to be imported elsewhere, where sessions follow from the weekly blocks alone.
    """

    user: User
    clinic: Clinic
    first: datetime.date | None = None
    last: datetime.date | None = None
    whole: bool = False

    def rows(self, model: Any) -> Any:
        return model.objects.visible_to(self.user).filter(clinic=self.clinic)

    def within(self, rows: Any, day: str) -> Any:
        """Those whose local date lies in the range, its ends inside."""
        if self.first is not None:
            rows = rows.filter(**{f"{day}__gte": self.first})
        return rows if self.last is None else rows.filter(**{f"{day}__lte": self.last})


@dataclass(frozen=True, slots=True)
class Source:
    """The rows of a table in their order, and where its columns are found from them.

    A column without a place of its own is the field it fills. `part2` finds the rows that tell of
    a patient in a Part 2 program.
    """

    table: Table
    title: str
    needs: Can
    rows: Callable[[Asked], Any]
    places: Mapping[str, Any] = field(default_factory=dict)
    dated: bool = False
    part2: Q | None = None
    beside: Source | None = None
    """Rows of the same table from another place, when the whole clinic is taken."""

    @property
    def headers(self) -> list[str]:
        return [column.name for column in self.table.columns]

    def count(self, asked: Asked) -> int:
        """One statement."""
        found: int = self.rows(asked).count()
        return found

    def is_protected(self, asked: Asked) -> bool:
        """Whether a row is of a Part 2 program (R15); one statement at most."""
        return self.part2 is not None and bool(self.rows(asked).filter(self.part2).exists())

    def lines(self, asked: Asked) -> Iterator[list[str]]:
        """The rows as texts, read in one statement as they are taken."""
        columns = self.table.columns
        places = [self.places.get(column.name, column.fills) for column in columns]
        writers = [writer(column, asked.clinic.tz) for column in columns]
        for values in self.rows(asked).values_list(*places).iterator(chunk_size=AT_ONCE):
            yield [
                "" if value is None or value == "" else write(value)
                for write, value in zip(writers, values, strict=True)
            ]
        if self.beside is not None and asked.whole:
            yield from self.beside.lines(asked)
