"""`make screenshots`: pictures of the demo clinic's main pages, taken in a real browser.

Every page, wide and on a phone, light and dark, goes to .local/screenshots to be looked at; those
that the README shows go to docs/images. `ARGS='week reports'` takes these pages only.
"""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
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
from django.urls import reverse  # noqa: E402
from django.utils import timezone  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from attendance.demo.loading import PASSWORD  # noqa: E402
from attendance.models import ComplianceReport, Flag, Standard  # noqa: E402
from iop_clinic.accounts.models import Therapist  # noqa: E402
from patients.models import Episode  # noqa: E402
from scheduling.models import Group, Session  # noqa: E402
from tests.browser.demo import COORDINATOR, load_and_judge, served  # noqa: E402
from tests.browser.site import PHONE, WIDE, chromium, sign_in  # noqa: E402

IMAGES = settings.BASE_DIR / "docs" / "images"
LOOKED_AT = settings.BASE_DIR / ".local" / "screenshots"
README = {
    "morning": "morning-1440-light",
    "patient": "patient-1440-light",
    "week": "week-by-room-1440-dark",
    "roster": "roster-1440-light",
}
"""The pictures of the README, each by the one that is taken."""
ZONE = ZoneInfo("America/New_York")


@contextmanager
def demo_site() -> Iterator[tuple[str, dict[str, str]]]:
    """The demo with every due night judged; its address, and the paths of pages by name."""
    runner = DiscoverRunner(interactive=False, verbosity=0)
    databases = runner.setup_databases()
    try:
        load_and_judge()
        with served() as address:
            yield address, pages()
    finally:
        runner.teardown_databases(databases)


def pages() -> dict[str, str]:
    """One page of each kind, with a row that has something to show."""
    flag = Flag.objects.exclude(episode=None).open().loudest_first()[0]
    episode = Episode.objects.get(flags=flag)
    clinic = episode.clinic_id
    week = reverse("admin:scheduling_session_week")
    return {
        "sign-in": reverse("admin:login"),
        "morning": reverse("admin:index"),
        "queue": reverse("admin:attendance_flag_changelist"),
        "case": _page(flag),
        "outreach": _page(flag, "outreach"),
        "make-ups": _page(flag, "make_ups"),
        "patients": reverse("admin:patients_patient_changelist"),
        "record": _page(episode.patient),
        "patient": _page(episode),
        "call-in": _page(episode, "call-in"),
        "level": _page(episode, "level"),
        "summary": _page(episode, "attendance-summary"),
        "week-by-room": week,
        "week-by-therapist": f"{week}?by=therapist",
        "group": _page(Group.objects.filter(clinic=clinic)[0]),
        "therapist": _page(Therapist.objects.filter(clinic=clinic)[0]),
        "therapists": reverse("admin:accounts_therapist_changelist"),
        "rules": reverse("admin:attendance_absencerule_changelist"),
        "standard": _page(Standard.objects.filter(clinic=clinic)[0]),
        "import": reverse("admin:attendance_dataimport_bring"),
        "export": reverse("admin:accounts_clinic_export"),
        "reports": reverse("admin:attendance_compliancereport_changelist"),
        "report": _page(ComplianceReport.objects.filter(clinic=clinic, therapist=None)[0]),
        **sessions(clinic),
    }


def sessions(clinic: int) -> dict[str, str]:
    """Of a group's last day: the session, what is cancelled next, the roster, the sheet to sign."""
    held = Session.objects.live().filter(clinic=clinic, group__isnull=False)
    past = held.filter(ends_at__lt=timezone.now()).latest("starts_at")
    day = [past.group.public_id, past.local_date]
    return {
        "session": _page(past),
        "cancelling": _page(
            held.filter(starts_at__gt=timezone.now()).earliest("starts_at"), "cancel"
        ),
        "rosters": reverse("roster:list"),
        "roster": reverse("roster:day", args=day),
        "sign-in-sheet": reverse("roster:day-sign-in", args=day),
    }


def _page(row: Any, page: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=[row.pk])


def shoot(address: str, paths: dict[str, str], folder: Path, *, size: Any, scheme: str) -> None:
    """Every page at one size in one color scheme, as NAME-WIDTH-SCHEME.png."""
    with sync_playwright() as playwright, chromium(playwright) as browser:
        page = browser.new_page(viewport=size, color_scheme=scheme, timezone_id="America/New_York")
        signed_in = False
        for name, path in paths.items():
            if name != "sign-in" and not signed_in:
                sign_in(page, address, COORDINATOR, PASSWORD)
                signed_in = True
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
    parser.add_argument("pages", nargs="*", metavar="PAGE")
    wanted = parser.parse_args().pages
    LOOKED_AT.mkdir(parents=True, exist_ok=True)
    with time_machine.travel(last_wednesday()), demo_site() as (address, paths):
        some = {name: path for name, path in paths.items() if name in wanted or not wanted}
        for size in (WIDE, PHONE):
            for scheme in ("light", "dark"):
                shoot(address, some, LOOKED_AT, size=size, scheme=scheme)
    for name, taken in README.items():
        shutil.copyfile(LOOKED_AT / f"{taken}.png", IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
