"""What is wrong with the files, said once for every cell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One cell (without a column one row, with line 0 one file) that cannot be read or stored."""

    file: str
    line: int
    column: str
    reason: str

    @property
    def place(self) -> tuple[bool, str, int, str, str]:
        """What is wrong with whole files comes first: other problems may follow from it."""
        return (self.line > 0, self.file, self.line, self.column, self.reason)

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else self.file
        return (
            f"{place}, {self.column}: {self.reason}" if self.column else f"{place}: {self.reason}"
        )


class ImportRefused(Exception):
    """Nothing was written; `problems` says why, in the order of files and lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems), key=lambda problem: problem.place)
        super().__init__(f"{len(self.problems)} problems")
