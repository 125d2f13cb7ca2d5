"""`make bench`: speed as ratios within one run, on real servers and a database of its own."""

import os
from argparse import ArgumentParser

from tests import services

services.provide(os.environ)
os.environ["DJANGO_SETTINGS_MODULE"] = "iop_clinic.settings"

import django  # noqa: E402  (the settings need the servers chosen above)

django.setup()

from django.test.utils import setup_databases, teardown_databases  # noqa: E402

from tests.bench import first_page, night, rest  # noqa: E402


def main() -> None:
    parser = ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--clinics", type=int, default=20, help="clinics of 40 active patients")
    parser.add_argument("--skip-demo", action="store_true", help="do not time clone to first page")
    options = parser.parse_args()
    if not options.skip_demo:
        print(*first_page.run(), sep="\n", flush=True)
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        print(*rest.run(), sep="\n", flush=True)
        print(*night.run(clinics=options.clinics), sep="\n")
    finally:
        teardown_databases(databases, verbosity=0)


main()
