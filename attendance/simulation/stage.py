"""The clinic a play is about: the demo's as of some Monday, with nobody's address taken twice."""

from __future__ import annotations

import datetime
import tempfile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management import call_command
from django.db import connection

from attendance.demo import files
from attendance.demo.files import Rows, demo_tables, write_tables
from attendance.imports.services import import_clinic
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic

PLAY = Job("simulation")
NIGHTLY_AT = datetime.time(5)


def enter_stage(database: str) -> None:
    """Let this process play in an empty database of the same server."""
    connection.close()
    connection.settings_dict["NAME"] = database
    call_command("migrate", verbosity=0)


def open_stage(*, name: str, seed: int, monday: datetime.date) -> Clinic:
    """The demo clinic with its twelve weeks of history before a Monday."""
    tables = {file: _own(rows, name) for file, rows in demo_tables(seed, monday).items()}
    tables["clinic"] = [{**row, "name": name} for row in tables["clinic"]]
    now = datetime.datetime.combine(monday, NIGHTLY_AT, tzinfo=ZoneInfo(files.ZONE))
    with tempfile.TemporaryDirectory() as folder:
        import_clinic(folder=write_tables(tables, Path(folder)), by=PLAY, now=now)
    return Clinic.objects.get(name=name)


def _own(rows: Rows, name: str) -> Rows:
    """The rows with addresses of their own: one address is one person in every clinic."""
    domain = f"@{name}.example.com".lower()
    return [{column: _renamed(value, domain) for column, value in row.items()} for row in rows]


def _renamed(value: Any, domain: str) -> Any:
    return value.replace("@example.com", domain) if isinstance(value, str) else value
