"""The demo clinic behind a real web server, on one day at one time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.test.utils import override_settings
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from attendance.demo.loading import load_demo
from attendance.models import JobTick
from attendance.reports import nightly
from tests.attendance.nights import behind

COORDINATOR = "coordinator@example.com"


def load_and_judge() -> None:
    """The demo clinic with every due night judged, and its reports waiting to be mailed."""
    with tempfile.TemporaryDirectory() as folder:
        load_demo(folder=Path(folder), now=timezone.now())
    for nights in behind():
        for night in nights:
            nightly.run_nights([night])
    JobTick.objects.update_or_create(name="tick", defaults={"at": timezone.now()})


@contextmanager
def served() -> Iterator[str]:
    """The address of the site as the demo shows it."""
    with override_settings(MODE="demo"):
        server = LiveServer("localhost")
        try:
            yield server.url
        finally:
            server.stop()
