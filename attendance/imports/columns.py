"""What a file's columns are: how cells are read, what must be filled, what a value names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from attendance.imports.cells import Number, Reader


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    read: Reader
    required: bool = False
    key: bool = False
    names: str = ""
    """The table whose key this value is, such as `rooms`."""
    field: str = ""
    """The model's field; empty: the column's own name."""
    plus: bool = False
    """Whether a cell may start with + (phone numbers)."""

    @property
    def fills(self) -> str:
        return self.field or self.name

    @property
    def may_start_with(self) -> str:
        """Signs of a formula that are none here: a number says itself what is wrong with a sign."""
        if isinstance(self.read, Number):
            return "+-"
        return "+" if self.plus else ""


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    columns: tuple[Column, ...]
    in_order: tuple[tuple[str, str], ...] = ()
    """Pairs of columns of which the second may not lie before the first."""
    one_of: tuple[str, ...] = ()
    """Key columns of which exactly one is given."""
    by_name: dict[str, Column] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {column.name: column for column in self.columns})

    @property
    def file(self) -> str:
        return f"{self.name}.csv"

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.key)


def in_words(table: str) -> str:
    """ "session types" of `session_types`; make-ups are one word."""
    return table.replace("make_ups", "make-ups").replace("_", " ")


def folded(value: Any) -> Any:
    """How two values of a key are compared: names without regard to case."""
    return value.casefold() if isinstance(value, str) else value


def folded_key(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(folded(value) for value in values)
