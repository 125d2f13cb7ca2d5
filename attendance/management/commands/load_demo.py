"""`manage.py load_demo`: the demo clinic of the README, relative to today."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from attendance.demo.loading import DemoWrong, load_demo
from attendance.imports.problems import ImportRefused
from attendance.management.commands.import_clinic import complaint


class Command(BaseCommand):
    help = "Load the demo clinic (demo and test mode only); does nothing where it is loaded."

    def handle(self, *args: Any, **options: Any) -> None:
        folder = settings.LOCAL_DIR / "demo"
        with tqdm(desc="rows", unit=" rows", disable=None, leave=False) as bar:
            try:
                said = load_demo(folder=folder, now=timezone.now(), progress=bar.update)
            except ImportRefused as refused:
                raise CommandError(complaint(refused)) from None
            except DemoWrong as wrong:
                raise CommandError(str(wrong)) from None
        for line in said:
            self.stdout.write(line)
