"""Weekly blocks of a file that meet at the same time: refused with their line, where they meet."""

import datetime
from pathlib import Path

import pytest

from attendance.imports.problems import ImportRefused
from attendance.imports.services import import_clinic
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import AuditEvent, Clinic
from scheduling.models import WeeklyBlock
from tests.attendance import folders

NOW = datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC)
COLUMNS = (
    "group,record_number,weekday,starts,ends,session_type,facilitator,room,every_weeks,valid_from,"
    "valid_until"
)

pytestmark = pytest.mark.django_db


def bring(folder: Path, *lines: str) -> None:
    blocks = "\n".join([COLUMNS, *lines])
    folders.write(folder, blocks=blocks, attendance="")
    import_clinic(folder=folder, by=Job("import"), now=NOW)


def meets(weekday: str, starts: str, ends: str, *rest: str, record: str = "") -> str:
    group, kind = ("", "Individual") if record else ("Harbor A", "Group therapy")
    return ",".join([group, record, weekday, starts, ends, kind, "lead@example.com", *rest])


def test_the_later_of_two_lines_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    before = (Clinic.objects.count(), AuditEvent.objects.count())
    with pytest.raises(ImportRefused) as refused:
        bring(
            tmp_path,
            meets("friday", "09:00", "10:00", "Blue", "1", "2026-03-02", ""),
            meets("friday", "10:00", "11:00", "Blue", "1", "2026-03-02", ""),
            meets("friday", "09:59", "10:30", "", "2", "2026-05-01", "", record="H-1"),
        )
    (problem,) = refused.value.problems
    assert str(problem).startswith(
        "blocks.csv, line 4, facilitator: The facilitator has another weekly block then: Friday "
        "9:00 AM of Harbor A."
    )
    assert (Clinic.objects.count(), AuditEvent.objects.count()) == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("1", "2026-03-02", "2026-03-31"), ("1", "2026-04-01", "")),
        (("2", "2026-03-02", ""), ("2", "2026-03-09", "")),
        (("1", "2026-01-05", "2026-03-10"), ("1", "2026-01-06", "2026-03-10")),
    ],
    ids=["one after the other", "in turn", "both are over"],
)
def test_lines_that_never_meet_any_more_stand_beside_each_other(
    tmp_path: Path, one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    bring(
        tmp_path,
        meets("friday", "09:00", "10:00", "", *one),
        meets("friday", "09:00", "10:30", "", *other),
    )
    assert WeeklyBlock.objects.count() == 2


def test_a_single_session_in_a_weekly_hour_is_no_weekly_block(tmp_path: Path) -> None:
    single = ("", "1", "2026-03-20", "2026-03-20")
    bring(
        tmp_path,
        meets("friday", "09:00", "10:00", "", "1", "2026-03-02", ""),
        meets("friday", "09:00", "09:50", *single, record="H-1"),
    )
    assert WeeklyBlock.objects.count() == 2
