"""Inclusive local dates, the way rows carry them: from one date to another, or without end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Span:
    """Local dates, both ends inside; no `last` means without end."""

    first: date
    last: date | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """From a row of JSON with `starts_on` and `ends_on`."""
        ends_on = row["ends_on"]
        return cls(
            date.fromisoformat(row["starts_on"]), date.fromisoformat(ends_on) if ends_on else None
        )

    def __contains__(self, day: date) -> bool:
        return self.first <= day and (self.last is None or day <= self.last)

    def meets(self, first: date, last: date) -> bool:
        """Whether any date lies in both."""
        return self.first <= last and (self.last is None or self.last >= first)


def dates(first: date, last: date) -> Iterator[date]:
    """Every local date between two, both inside."""
    for n in range((last - first).days + 1):
        yield first + timedelta(days=n)
