"""`manage.py simulate`: what the rules ask of a clinic's people over half a year."""

from __future__ import annotations

import datetime
from argparse import ArgumentParser, ArgumentTypeError
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

import django
from django.core.management.base import BaseCommand
from django.db import connection
from django.utils import timezone
from tqdm import tqdm

from attendance.simulation.figures import Figures, report
from attendance.simulation.play import WARM_UP, Script, play


class Command(BaseCommand):
    help = (
        "Play weeks of the demo clinic through the production evaluation and print how many items "
        "a day its rules open, and how many short weeks are seen while a free seat can repair "
        "them. Everything played is rolled back."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--weeks", type=_at_least_one, default=26)
        parser.add_argument("--seeds", type=_at_least_one, default=20, help="plays for each rate")
        parser.add_argument("--show-rates", type=_percent, nargs="+", default=[75, 82, 88])
        parser.add_argument("--jobs", type=_at_least_one, default=2, help="plays at the same time")

    def handle(self, *args: Any, **options: Any) -> None:
        weeks, seeds = options["weeks"], range(1, options["seeds"] + 1)
        monday = first_monday(weeks)
        for rate in options["show_rates"]:
            plays = _played([Script(rate / 100, n, weeks) for n in seeds], monday, options["jobs"])
            self.stdout.write(f"\nShow rate {rate} %, {weeks} weeks, {len(seeds)} seeds")
            self.stdout.write("\n".join(report(plays)))
            self.stdout.flush()


def _played(scripts: list[Script], monday: datetime.date, jobs: int) -> list[Figures]:
    connection.close()  # each process has its own
    with (
        tqdm(total=len(scripts), desc="plays", disable=None, leave=False) as bar,
        ProcessPoolExecutor(jobs, get_context("spawn"), initializer=django.setup) as pool,
    ):
        plays = [pool.submit(play, script, monday=monday) for script in scripts]
        for _ in as_completed(plays):
            bar.update()
    return [one.result() for one in plays]


def first_monday(weeks: int) -> datetime.date:
    """So long ago that the play ends before the present week."""
    today = timezone.now().date()
    return today - datetime.timedelta(days=today.weekday(), weeks=weeks + WARM_UP + 1)


def _at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _percent(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 99:
        raise ArgumentTypeError(f"{text!r} is not a percentage from 1 to 99")
    return int(text)
