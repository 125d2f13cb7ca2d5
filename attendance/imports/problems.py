"""What is wrong with the files, said once for every cell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One cell (or, without a column, one row or file) that cannot be read or stored."""

    file: str
    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}"
        return (
            f"{place}, {self.column}: {self.reason}" if self.column else f"{place}: {self.reason}"
        )


class ImportRefused(Exception):
    """Nothing was written; `problems` says why, in the order of files and lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__(f"{len(self.problems)} problems")
