"""`make bench`: speed as ratios within one run, on real servers and a database of its own.

`ARGS="--clinics 1600"` is the whole of it: 64,000 patients, 3.84 million bookings, half an hour.
"""

import os
from argparse import ArgumentParser
from collections.abc import Callable, Iterable

from tests import services

services.provide(os.environ)
os.environ["DJANGO_SETTINGS_MODULE"] = "iop_clinic.settings"

import django  # noqa: E402  (the settings need the servers chosen above)

django.setup()

from django.db import connection  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402

from tests.bench import (  # noqa: E402
    first_bytes,
    first_page,
    night,
    pages,
    places,
    rest,
    timetable,
    whole,
)


def main() -> None:
    parser = ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--clinics", type=int, default=20, help="clinics of 40 active patients")
    parser.add_argument("--pages", type=int, default=20, help="clinics beside one page; 0: none")
    parser.add_argument("--skip-demo", action="store_true", help="do not time clone to first page")
    options = parser.parse_args()
    if not options.skip_demo:
        show(first_page.run())
    measure(rest.run)
    measure(places.run)
    measure(timetable.a_week)
    measure(lambda: timetable.expanding(min(options.clinics, 100)))
    measure(first_bytes.run)
    if options.pages:
        measure(lambda: pages.run(options.pages))
    measure(lambda: whole.run(min(options.clinics, 100)))
    measure(lambda: night.run(options.clinics))


def measure(part: Callable[[], Iterable[str]]) -> None:
    """One part on an empty database."""
    databases = setup_databases(verbosity=0, interactive=False)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")  # clinics by the thousand, in one statement
    try:
        show(part())
    finally:
        teardown_databases(databases, verbosity=0)


def show(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)


main()
