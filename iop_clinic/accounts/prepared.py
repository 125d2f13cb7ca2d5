"""Reads that Django puts together once: from then on only their values are new.

Turning a large queryset into SQL takes Python many times as long as PostgreSQL takes to answer it,
and the text is the same for every request. `@prepared` makes it with stand-ins for the arguments,
finds these again among the statement's parameters, and puts each call's values in their place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import QuerySet
from django.db.models.sql.compiler import SQLCompiler

Given = TypeVarTuple("Given")
R = TypeVar("R")
Arguments = tuple[Any, ...]
Place = tuple[bool, Any]
"""(True, which argument) or (False, what it is for every call)."""

MOST_VALUES = 100
"""A read of more than these, such as a night's, is worth its own text."""
MOST_SHAPES = 64


def prepared(
    make: Callable[[*Given], QuerySet[Any, R]],
) -> Callable[[*Given], list[R]]:
    """Let a function that makes a queryset answer with its rows instead.

    It takes positional arguments: keys, UUIDs, texts, dates, instants, and tuples and frozen
    dataclasses of them, which may differ from call to call; anything else (None, a truth, a choice,
    a range) is part of the statement's text. A TypeError says where it depends on anything else
    that changes: a date or instant of its own, or what Python makes of an argument.
    """

    @functools.lru_cache(maxsize=MOST_SHAPES)
    def statement(arguments: Arguments) -> _Statement:
        values: list[Any] = []
        others = _put(arguments, values, _OTHERS)
        return _Statement(make(*arguments), make(*others), len(values))

    @functools.wraps(make)
    def rows(*given: *Given) -> list[R]:
        values: list[Any] = []
        arguments = _put(given, values, _STAND_INS)
        if len(values) <= MOST_VALUES:
            try:
                return statement(arguments).rows(values)
            except EmptyResultSet:  # Django saw without asking that these can match nothing
                pass
        return list(make(*given))

    return rows


class _Statement:
    """The SQL of a queryset, and where among its parameters each argument goes.

    Made twice, with other stand-ins: what is not the same then depends on more than is given.
    """

    def __init__(self, rows: QuerySet[Any], again: QuerySet[Any], count: int) -> None:
        self._made = rows
        self._compiler = rows.query.get_compiler(rows.db)
        self._sql, parameters = self._compiler.as_sql()
        sql, others = again.query.get_compiler(again.db).as_sql()
        self._places = _places(parameters, _STAND_INS, count)
        if (sql, _places(others, _OTHERS, count)) != (self._sql, self._places):
            raise TypeError("Python has made something of an argument that would never change.")

    def rows(self, values: Sequence[Any]) -> list[Any]:
        bound = [values[place] if mine else place for mine, place in self._places]
        asked: Any = self._made.all()
        asked.query.get_compiler = lambda *_a, **_k: self._bound(asked.db, bound)
        return list(asked)

    def _bound(self, alias: str, parameters: list[Any]) -> SQLCompiler:
        compiler = copy(self._compiler)
        compiler.connection = connections[alias]
        compiler.as_sql = lambda *_a, **_k: (self._sql, parameters)
        return compiler


Kinds = dict[type, Callable[[int], Any]]
_DAY = date(9301, 1, 1)
_MOMENT = datetime(9301, 1, 1, 11, 13, 17, 19, UTC)
_STAND_INS: Kinds = {
    int: lambda n: 7_346_502_918_000_000_000 + n,
    str: lambda n: f"stands in for argument {n}",
    UUID: lambda n: UUID(int=7_346_502_918_000_000_000 + n),
    date: lambda n: _DAY + timedelta(days=n),
    datetime: lambda n: _MOMENT + timedelta(days=n),
}
# In another order and at other distances, on the other side of 0.
_OTHERS: Kinds = {
    int: lambda n: -1_918_203_847_000_000_000 - 3 * n * n - 7 * n,
    str: lambda n: f"argument {n} goes here",
    UUID: lambda n: UUID(int=1_918_203_847_000_000_000 - n),
    date: lambda n: _DAY - timedelta(days=3 * n * n + 7 * n + 5),
    datetime: lambda n: _MOMENT - timedelta(days=3 * n * n + 7 * n + 5),
}


def _put(value: Any, values: list[Any], kinds: Kinds) -> Any:
    """The same structure with stand-ins; what they stand for is appended to `values`."""
    if isinstance(value, tuple):
        return tuple(_put(one, values, kinds) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: _put(getattr(value, f.name), values, kinds) for f in fields(value)}
        return type(value)(**parts)
    kind = kinds.get(type(value))
    if kind is None:
        return value
    values.append(value)
    return kind(len(values) - 1)


def _places(parameters: Sequence[Any], kinds: Kinds, count: int) -> list[Place]:
    known = {kind(n): n for n in range(count) for kind in kinds.values()}
    return [(True, known[one]) if one in known else (False, _literal(one)) for one in parameters]


def _literal(parameter: Any) -> Any:
    """Raises TypeError for a date or instant: nobody means today's to hold for every call."""
    if isinstance(parameter, date | list):
        raise TypeError(f"{parameter!r} would be the same for every call: make it an argument.")
    return parameter
