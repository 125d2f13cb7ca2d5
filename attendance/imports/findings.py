"""What is kept of a check or an import for people to read: the first of it, and all as a file."""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Sequence
from typing import Any

from attendance.imports.cells import FORMULA
from attendance.imports.naming import KNOWN
from attendance.imports.problems import Problem
from attendance.imports.services import Outcome

SHOWN = 200
LONGEST = 1000
"""Characters of a problem on the page, which may quote a whole cell; the file has all of them."""
HEADER = ("file", "line", "column", "problem")


def refusal(problems: Sequence[Problem]) -> dict[str, Any]:
    return {"problems": _first(problems), "found": len(problems)}


def account(outcome: Outcome) -> dict[str, Any]:
    """Counts by table, rows that the clinic has otherwise, what somebody should look at."""
    return {
        "counts": [
            [table.name, counts.created, counts.unchanged, counts.differs]
            for table in KNOWN
            if (counts := outcome.counts.get(table.file))
        ],
        "problems": _first(outcome.differing),
        "found": len(outcome.differing),
        "notes": outcome.notes[:SHOWN],
        "noted": len(outcome.notes),
    }


def _first(problems: Sequence[Problem]) -> list[list[Any]]:
    return [[one.file, one.line, one.column, _short(one.reason)] for one in problems[:SHOWN]]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def listed(problems: Sequence[Problem]) -> bytes:
    """All of them as a CSV file, compressed. No cell of it is a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADER)
    for one in problems:
        line = one.line or ""
        writer.writerow([_harmless(one.file), line, _harmless(one.column), _harmless(one.reason)])
    return zlib.compress(text.getvalue().encode("utf-8-sig", errors="replace"))


def unlisted(listing: bytes) -> bytes:
    return zlib.decompress(listing)


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
