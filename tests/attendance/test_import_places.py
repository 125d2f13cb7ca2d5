"""Where weekly blocks meet, in the files of a clinic and back from them."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from attendance.imports.problems import ImportRefused, Problem
from attendance.imports.services import import_clinic
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic
from scheduling.models import WeeklyBlock
from tests.attendance import folders
from tests.attendance.exported import taken, unpacked

NOW = datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC)
HEADER = (
    "group,record_number,weekday,starts,ends,breaks,session_type,facilitator,room,by_video,off_site,"
    "valid_from,valid_until"
)
MONDAYS = "Harbor A,,monday,09:00,10:00,50-60,Group therapy,lead@example.com"
TUESDAYS = ",H-1,tuesday,13:00,13:50,,Individual,lead@example.com"

pytestmark = pytest.mark.django_db


def bring(folder: Path) -> None:
    import_clinic(folder=folder, by=Job("import"), now=NOW)


def write(folder: Path, *blocks: str, seats: int = 14) -> Path:
    return folders.write(
        folder,
        blocks="\n".join([HEADER, *blocks]),
        rooms=f"name,seats\nBlue,{seats}",
        attendance="",
    )


def meets(clinic: str) -> list[str]:
    rows = WeeklyBlock.objects.filter(clinic__name=clinic).order_by("weekday")
    return [row.place for row in rows.select_related("room")]


def test_by_video_and_off_site_come_in_and_out(tmp_path):
    (tmp_path / "good").mkdir()
    bring(write(
        tmp_path / "good",
        f"{MONDAYS},,,Main St clinic,2026-03-02,",
        f"{TUESDAYS},,yes,,2026-03-02,",
    ))  # fmt: skip
    assert meets("Harbor IOP") == ["Main St clinic", "by video"]
    files = unpacked(taken(Clinic.objects.get(name="Harbor IOP"), "whole"), tmp_path / "there")
    row = files / "clinic.csv"
    row.write_text(row.read_text(encoding="utf-8-sig").replace("Harbor IOP", "Elsewhere"))
    bring(files)
    assert meets("Elsewhere") == ["Main St clinic", "by video"]


@pytest.mark.parametrize(
    ("block", "column", "reason"),
    [
        (
            f"{MONDAYS},Blue,,,2026-03-02,",
            "room",
            "Blue has 7 seats, and 8 are planned. Choose a larger room.",
        ),
        (
            f"{TUESDAYS},Blue,yes,,2026-03-02,",
            "room",
            "It meets in a room, by video or off site: choose one of them.",
        ),
        (
            f"{TUESDAYS},,yes,Main St,2026-03-02,",
            "off_site",
            "It meets in a room, by video or off site: choose one of them.",
        ),
    ],
)
def test_a_place_that_cannot_be_is_told_with_its_line(tmp_path, block, column, reason):
    with pytest.raises(ImportRefused) as refused:
        bring(write(tmp_path, block, seats=7))
    assert refused.value.problems == [Problem("blocks.csv", 2, column, reason)]
    assert not Clinic.objects.exists()


def test_what_met_in_a_small_room_comes_back_with_it(tmp_path):
    bring(write(tmp_path, f"{MONDAYS},Blue,,,2026-03-02,2026-03-09", f"{TUESDAYS},,,,2026-03-02,",
                seats=7))  # fmt: skip
    assert meets("Harbor IOP") == ["Blue", ""]
