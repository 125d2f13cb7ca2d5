"""What an upload's page says: how it stands, what comes next, and what was found."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from attendance.imports.columns import in_words
from attendance.imports.progress import Progress
from attendance.models import DataImport
from iop_clinic.accounts.admin.panels import Panel

State = DataImport.State
NOTHING, NOT_YET = "Nothing was imported.", "Nothing is imported yet."
STALLED = (
    "The worker that had these files has not answered in its time: it was stopped or restarted. "
    f"{NOTHING} Try again."
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an upload stands, in a title and a sentence; which buttons its page has."""

    title: str
    said: str
    busy: bool = False
    progress: Progress | None = None
    new_rows: int = 0
    """Rows that a confirmation would create; 0: there is none to give."""
    again: bool = False
    discard: bool = False
    bring: bool = False
    listing: str = ""
    """What the file with all that was found is called; empty: there is none."""


def standing_of(row: DataImport, progress: Progress | None, now: datetime.datetime) -> Standing:
    if row.is_stalled(now):
        return Standing("Stopped", STALLED, again=True, discard=True)
    if row.is_busy:
        kept = row.state != State.IMPORTING
        return Standing(*_busy(row, progress), busy=True, progress=progress, discard=kept)
    if row.state == State.STOPPED:
        said = f"{row.report['stopped']} {NOTHING}"
        return Standing("Stopped", said, again=True, discard=True)
    return _over(row)


def _busy(row: DataImport, progress: Progress | None) -> tuple[str, str]:
    rows = f"{progress.rows:,} of {progress.of:,} rows." if progress else ""
    if row.state == State.WAITING:
        return "Waiting", f"Waiting for a free worker. {NOT_YET}"
    if row.state == State.CHECKING:
        return "Checking", f"{rows or 'Reading the files.'} {NOT_YET}"
    if row.state == State.CONFIRMED:
        return "Waiting", "Confirmed; waiting for a free worker. You may leave this page."
    return "Importing", f"{rows or 'Reading the files.'} You may leave this page."


def _over(row: DataImport) -> Standing:
    report, found = row.report, row.report.get("found", 0)
    listing = "Differences as a CSV file" if found else ""
    if row.state == State.REFUSED:
        return Standing(
            f"{_many(found, 'problem')}",
            f"{NOTHING} Put them right in your files, then bring all of the files again.",
            bring=True,
            listing="All problems as a CSV file",
        )
    if row.state == State.DISCARDED:
        return Standing("Discarded", f"The files are gone. {NOTHING}", bring=True)
    new, unchanged, differs = totals(report)
    said = _sums(new, unchanged, differs, imported=row.state == State.IMPORTED)
    if row.state == State.CHECKED:
        said = f"{said} {NOT_YET} The files are kept for a day."
        return Standing("Ready to import", said, new_rows=new, discard=True, listing=listing)
    if row.state == State.NOTHING_NEW:
        said = f"Every row of these files is in the clinic already. {_kept(differs)}".strip()
        return Standing("Nothing new", said, bring=True, listing=listing)
    return Standing("Imported", said, bring=True, listing=listing)


def totals(report: dict[str, Any]) -> tuple[int, int, int]:
    """Rows created, unchanged, different, over all tables."""
    counts = report.get("counts", ())
    return (
        sum(one[1] for one in counts), sum(one[2] for one in counts), sum(one[3] for one in counts)
    )  # fmt: skip


def _sums(new: int, unchanged: int, differs: int, *, imported: bool) -> str:
    said = f"{_many(new, 'row')} {'created' if imported else 'would be created'}."
    if unchanged:
        said += f" {_many(unchanged, 'row')} {_is(unchanged)} in the clinic already."
    return f"{said} {_kept(differs)}".strip()


def _kept(differs: int) -> str:
    if not differs:
        return ""
    verbs = "differs and stays" if differs == 1 else "differ and stay"
    return f"{_many(differs, 'row')} {verbs} as the clinic has {'it' if differs == 1 else 'them'}."


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def took(row: DataImport, now: datetime.datetime) -> str:
    """A few words for lists."""
    if row.is_stalled(now):
        return "stopped: try again"
    if row.state == State.REFUSED:
        return _many(row.report.get("found", 0), "problem")
    new, unchanged, _ = totals(row.report)
    if row.state == State.IMPORTED:
        return f"{_many(new, 'row')} created"
    if row.state == State.NOTHING_NEW:
        return f"{_many(unchanged, 'row')} in the clinic already"
    return f"{_many(new, 'row')} to create" if row.state == State.CHECKED else ""


# --- tables --------------------------------------------------------------------------------------


def panels_of(row: DataImport) -> Iterator[Panel]:
    report = row.report
    if report.get("counts"):
        did = "Created" if row.state == State.IMPORTED else "New"
        yield Panel(
            "By table",
            ("Table", did, "In the clinic already", "Different, kept"),
            [
                (in_words(name), *(f"{count:,}" for count in counts))
                for name, *counts in report["counts"]
            ],
        )
    if report.get("problems"):
        yield _problems(row)
    if report.get("notes"):
        more = report["noted"] - len(report["notes"])
        yield Panel(
            "To look at afterwards",
            ("What",),
            [(note,) for note in report["notes"]],
            note=f"And {more:,} more." if more else "",
        )


def _problems(row: DataImport) -> Panel:
    shown, found = row.report["problems"], row.report["found"]
    more = f"These are the first {len(shown)} of {found:,}." if found > len(shown) else ""
    refused = row.state == State.REFUSED
    return Panel(
        "Problems" if refused else "Different from the clinic, which stays as it is",
        ("Where", "Row", "Column", "Problem" if refused else "What happens"),
        [(file, line or "", column, reason) for file, line, column, reason in shown],
        note=more,
    )
