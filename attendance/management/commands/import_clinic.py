"""`manage.py import_clinic FOLDER [--dry-run]`: a clinic from CSV files (docs/import.md)."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from attendance.imports.problems import ImportRefused
from attendance.imports.services import Outcome, import_clinic
from iop_clinic.accounts.acting import Job

MOST_LINES = 200
"""More problems than this have one cause, and would only scroll away."""


class Command(BaseCommand):
    help = "Read a clinic from a folder of CSV files: all of it, or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="the folder with clinic.csv and the others")
        parser.add_argument(
            "--dry-run", action="store_true", help="check everything, write nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # disable=None: no bar where stderr is not a terminal.
        with tqdm(desc="rows", unit=" rows", disable=None, leave=False) as bar:
            try:
                outcome = import_clinic(
                    folder=options["folder"],
                    by=Job("import"),
                    dry_run=options["dry_run"],
                    progress=bar.update,
                )
            except ImportRefused as refused:
                bar.close()
                raise CommandError(complaint(refused)) from None
        for line in report(outcome, dry_run=options["dry_run"]):
            self.stdout.write(line)


def complaint(refused: ImportRefused) -> str:
    """The first problems, each on a line of its own, and how many there are."""
    found = len(refused.problems)
    lines = [str(problem) for problem in refused.problems[:MOST_LINES]]
    if found > MOST_LINES:
        lines.append(f"and {found - MOST_LINES} more")
    return "\n".join([*lines, f"{found} problem(s); nothing was written."])


def report(outcome: Outcome, *, dry_run: bool = False) -> list[str]:
    lines = [str(problem) for problem in outcome.differing]
    lines += [f"To look at: {note}" for note in outcome.notes]
    lines += [f"  {file:<20} {counts}" for file, counts in outcome.counts.items()]
    done = "would be imported (dry run, nothing was written)" if dry_run else "imported"
    return [*lines, f"{outcome.clinic} {done}: {outcome.total}"]
