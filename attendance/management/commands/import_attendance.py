"""`manage.py import_attendance FILE --clinic NAME`: one long list of the past (docs/import.md)."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from attendance.imports.problems import ImportRefused
from attendance.imports.services import import_attendance
from attendance.management.commands.import_clinic import complaint, report
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic


class Command(BaseCommand):
    help = "Read past attendance from one list: record number, date, start, end, attended."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--clinic", required=True, help="the clinic's name")
        parser.add_argument(
            "--dry-run", action="store_true", help="check everything, write nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        clinic = Clinic.objects.filter(name__iexact=options["clinic"]).first()
        if clinic is None:
            raise CommandError(f"There is no clinic “{options['clinic']}”.")
        if not options["file"].is_file():
            raise CommandError(f"{options['file']} is not a file.")
        try:
            outcome = import_attendance(
                file=options["file"], clinic=clinic, by=Job("import"), dry_run=options["dry_run"]
            )
        except ImportRefused as refused:
            raise CommandError(complaint(refused)) from None
        for line in report(outcome, dry_run=options["dry_run"]):
            self.stdout.write(line)
