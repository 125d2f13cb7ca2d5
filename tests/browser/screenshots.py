"""`make screenshots`: pictures of the demo clinic's pages, taken in a real browser.

Without arguments it writes those of the README to docs/images. `--all FOLDER` takes every page,
wide and on a phone, light and dark, to be looked at.
"""

from __future__ import annotations

import argparse
import datetime
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests import services

services.provide(os.environ)
os.environ["DJANGO_SETTINGS_MODULE"] = "iop_clinic.settings"

import django  # noqa: E402
import time_machine  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.test.runner import DiscoverRunner  # noqa: E402
from django.test.utils import override_settings  # noqa: E402
from django.urls import reverse  # noqa: E402
from django.utils import timezone  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from pytest_django.live_server_helper import LiveServer  # noqa: E402

from attendance.demo.loading import PASSWORD, load_demo  # noqa: E402
from attendance.models import Flag, JobTick  # noqa: E402
from attendance.reports import nightly  # noqa: E402
from patients.models import Episode  # noqa: E402
from scheduling.models import Group, Session  # noqa: E402
from tests.attendance.nights import behind  # noqa: E402
from tests.browser.site import PHONE, WIDE, chromium, sign_in  # noqa: E402

IMAGES = settings.BASE_DIR / "docs" / "images"
COORDINATOR = "coordinator@example.com"
README = ("dashboard", "episode", "week", "sheet")
ZONE = ZoneInfo("America/New_York")


@contextmanager
def demo_site() -> Iterator[tuple[str, dict[str, str]]]:
    """The demo with every due night judged; its address, and the paths of pages by name."""
    runner = DiscoverRunner(interactive=False, verbosity=0)
    databases = runner.setup_databases()
    try:
        with tempfile.TemporaryDirectory() as folder:
            load_demo(folder=Path(folder), now=timezone.now())
        for nights in behind():
            for night in nights:
                nightly.run_nights([night])
        JobTick.objects.update_or_create(name="tick", defaults={"at": timezone.now()})
        with override_settings(MODE="demo"):
            server = LiveServer("localhost")
            try:
                yield server.url, pages()
            finally:
                server.stop()
    finally:
        runner.teardown_databases(databases)


def pages() -> dict[str, str]:
    """One page of each kind, with a row that has something to show."""
    flag = Flag.objects.exclude(episode=None).open().loudest_first()[0]
    episode = Episode.objects.get(flags=flag)
    clinic = episode.clinic_id
    held = Session.objects.live().filter(clinic=clinic, group__isnull=False)
    past = held.filter(ends_at__lt=timezone.now()).latest("starts_at")
    group = Group.objects.filter(clinic=clinic)[0]
    return {
        "login": reverse("admin:login"),
        "dashboard": reverse("admin:index"),
        "cases": reverse("admin:attendance_flag_changelist"),
        "case": reverse("admin:attendance_flag_change", args=[flag.pk]),
        "patients": reverse("admin:patients_patient_changelist"),
        "patient": reverse("admin:patients_patient_change", args=[episode.patient_id]),
        "episode": reverse("admin:patients_episode_change", args=[episode.pk]),
        "plan": reverse("admin:patients_episode_plan", args=[episode.pk]),
        "call-in": reverse("admin:patients_episode_call-in", args=[episode.pk]),
        "sessions": reverse("admin:scheduling_session_changelist"),
        "week": reverse("admin:scheduling_session_week"),
        "session": reverse("admin:scheduling_session_change", args=[past.pk]),
        "rosters": reverse("roster:list"),
        "sheet": reverse("roster:day", args=[past.group.public_id, past.local_date]),
        "group": reverse("admin:scheduling_group_change", args=[group.pk]),
    }


def shoot(address: str, paths: dict[str, str], folder: Path, *, size: Any, scheme: str) -> None:
    """Every page at one size in one color scheme, as NAME-WIDTH-SCHEME.png."""
    with sync_playwright() as playwright, chromium(playwright) as browser:
        page = browser.new_page(viewport=size, color_scheme=scheme, timezone_id="America/New_York")
        for name, path in paths.items():
            if name == "dashboard":  # what stands before it in the list needs no sign-in
                sign_in(page, address, COORDINATOR, PASSWORD)
            page.goto(address + path)
            page.wait_for_load_state("networkidle")
            shot = folder / f"{name}-{size['width']}-{scheme}.png"
            page.screenshot(path=shot, full_page=size is PHONE)


def last_wednesday() -> datetime.datetime:
    """Half past eight in the morning of a day on which the demo clinic is busy."""
    today = timezone.localdate(timezone=ZONE)
    day = today - datetime.timedelta(days=(today.weekday() - 2) % 7 or 7)
    return datetime.datetime.combine(day, datetime.time(8, 30), tzinfo=ZONE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", metavar="FOLDER", type=Path)
    wanted = parser.parse_args().all
    with time_machine.travel(last_wednesday()), demo_site() as (address, paths):
        if wanted:
            wanted.mkdir(parents=True, exist_ok=True)
            for size in (WIDE, PHONE):
                for scheme in ("light", "dark"):
                    shoot(address, paths, wanted, size=size, scheme=scheme)
            return
        IMAGES.mkdir(parents=True, exist_ok=True)
        few = {name: paths[name] for name in README}
        shoot(address, few, IMAGES, size=WIDE, scheme="light")
        for name in README:
            (IMAGES / f"{name}-1440-light.png").replace(IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
