"""`manage.py simulate`: what the rules ask of a clinic's people over half a year."""

from __future__ import annotations

import datetime
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from itertools import cycle
from multiprocessing import get_context
from typing import Any

import django
from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError, connection
from django.utils import timezone
from tqdm import tqdm

from attendance.simulation.figures import Figures, report
from attendance.simulation.play import WARM_UP, Script, play
from attendance.simulation.stage import enter_stage


class Command(BaseCommand):
    help = (
        "Play weeks of the demo clinic through the production evaluation and print how many items "
        "a day its rules open, and how many short weeks are seen while a free seat can repair "
        "them. It plays in databases of its own, which are dropped at the end."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--weeks", type=_at_least_one, default=26)
        parser.add_argument("--seeds", type=_at_least_one, default=20, help="plays for each rate")
        parser.add_argument("--show-rates", type=_percent, nargs="+", default=[75, 82, 88])
        parser.add_argument("--jobs", type=_at_least_one, default=2, help="plays at the same time")

    def handle(self, *args: Any, **options: Any) -> None:
        weeks, seeds = options["weeks"], range(1, options["seeds"] + 1)
        failed = False
        with _stages(options["jobs"]) as stages:
            for rate in options["show_rates"]:
                scripts = [Script(rate / 100, seed, weeks) for seed in seeds]
                plays, errors = _played(stages, scripts)
                self.stdout.write(f"\nShow rate {rate} %, {weeks} weeks, {len(plays)} seeds")
                self.stdout.write("\n".join(report(plays) if plays else []))
                self.stdout.flush()
                for error in errors:
                    self.stderr.write(error)
                failed = failed or bool(errors)
        if failed:
            raise CommandError("Some plays failed; the figures are those of the others.")


def _played(stages: Sequence[Executor], scripts: list[Script]) -> tuple[list[Figures], list[str]]:
    """The figures of the plays that reached their end, and what stopped each other one: it takes
    hours, and one fault in the last play must not cost the nineteen before it."""
    monday = first_monday(max(script.weeks for script in scripts))
    plays = [
        stage.submit(play, script, monday=monday)
        for stage, script in zip(cycle(stages), scripts, strict=False)
    ]
    with tqdm(total=len(scripts), desc="plays", leave=False) as bar:
        for _ in as_completed(plays):
            bar.update()
    errors = [
        f"Seed {script.seed} failed: {one.exception()!r}"
        for script, one in zip(scripts, plays, strict=True)
        if one.exception()
    ]
    return [one.result() for one in plays if not one.exception()], errors


@contextmanager
def _stages(jobs: int) -> Iterator[list[Executor]]:
    """Processes with an empty database each: plays in one database would wait for each other, and
    its planner would know the rows of none."""
    names = [f"{connection.settings_dict['NAME']}_play_{n}" for n in range(jobs)]
    try:
        with ExitStack() as opened:
            for name in names:
                _drop(name)
                _in_server("CREATE DATABASE {}", name)
            yield [opened.enter_context(_stage(name)) for name in names]
    except ProgrammingError as error:
        raise CommandError(
            "The simulation plays in databases of its own: run it on a server where this role may "
            "create them, such as the demo's."
        ) from error
    finally:
        for name in names:
            _drop(name)


def _stage(name: str) -> Executor:
    stage = ProcessPoolExecutor(1, get_context("spawn"), initializer=django.setup)
    stage.submit(enter_stage, name).result()
    return stage


def _drop(name: str) -> None:
    _in_server("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _in_server(statement: str, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement.format(connection.ops.quote_name(name)))


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
