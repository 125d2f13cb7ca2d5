"""A clinic leaves with its files, and comes back as the same clinic."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from attendance.demo.loading import load_demo
from attendance.imports.services import Outcome, import_clinic
from attendance.models import AttendanceRecord
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic
from scheduling.models import Booking
from tests.attendance import folders
from tests.attendance.exported import Rows, tables, taken, unpacked

NOW = datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC)
DEMO_NOW = datetime.datetime(2026, 11, 21, 20, tzinfo=datetime.UTC)
JOB = Job("import")

pytestmark = pytest.mark.django_db


def bring(folder: Path, now: datetime.datetime = NOW) -> Outcome:
    return import_clinic(folder=folder, by=JOB, now=now)


def elsewhere(clinic: Clinic, folder: Path, now: datetime.datetime = NOW) -> Clinic:
    """The clinic as it comes back where it is not known: under another name, beside itself."""
    files = unpacked(taken(clinic, "whole"), folder)
    row = files / "clinic.csv"
    row.write_text(row.read_text(encoding="utf-8-sig").replace(clinic.name, "Elsewhere"))
    bring(files, now)
    return Clinic.objects.get(name="Elsewhere")


def files_of(clinic: Clinic) -> dict[str, Rows]:
    """Without the coordinator who exports."""
    found = tables(taken(clinic, "whole"))
    found["staff"] = [row for row in found["staff"] if not row[0].startswith("person")]
    return {name: rows for name, rows in found.items() if name != "clinic"}


def minutes(clinic: Clinic) -> dict[tuple[Any, ...], tuple[int, int]]:
    rows = AttendanceRecord.objects.filter(clinic=clinic).select_related("booking__patient")
    return {
        (row.booking.patient.record_number, row.booking.starts_at, row.booking.ends_at): (
            row.attended_minutes,
            row.credited_minutes,
        )
        for row in rows
    }


def seats(clinic: Clinic) -> list[tuple[Any, ...]]:
    rows = Booking.objects.filter(clinic=clinic).order_by("starts_at", "seat", "patient")
    return list(rows.values_list("patient__record_number", "starts_at", "seat", "live"))


@pytest.fixture
def harbor(tmp_path: Path) -> Clinic:
    (tmp_path / "good").mkdir()
    bring(folders.write(tmp_path / "good"))
    return Clinic.objects.get(name="Harbor IOP")


def test_the_demo_clinic_there_and_back(tmp_path):
    load_demo(folder=tmp_path / "demo", now=DEMO_NOW)
    clinic = Clinic.objects.get(name="Riverside IOP")
    again = bring(unpacked(taken(clinic, "whole"), tmp_path / "files"), DEMO_NOW)
    assert (again.total.created, again.total.differs) == (0, 0)
    assert again.counts["attendance.csv"].unchanged == len(minutes(clinic)) > 5000
    other = elsewhere(clinic, tmp_path / "there", DEMO_NOW)
    assert files_of(other) == files_of(clinic)
    assert minutes(other) == minutes(clinic)


def test_a_small_clinic_there_and_back(harbor, tmp_path):
    other = elsewhere(harbor, tmp_path / "there")
    assert files_of(other) == files_of(harbor)
    assert (minutes(other), seats(other)) == (minutes(harbor), seats(harbor))
