"""Dates and times in sentences are written as the pages write them, never as machines do.

Read from the source: an f-string prints a date as ISO where a date's name stands in it alone, or
where its format asks for that.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ("attendance", "iop_clinic", "patients", "scheduling")
FILES = sorted(
    path
    for app in APPS
    for path in (ROOT / app).rglob("*.py")
    if not {"migrations", "imports", "exports", "demo", "simulation", "management"}
    & set(path.parts)
)
"""Imports, exports and the demo speak the form of files, commands that of a terminal."""

A_DATE = re.compile(r"(^|_)(?<!per_)(day|date|today|on|monday|earliest|latest)$")
MACHINE_FORMAT = re.compile(r"%Y-|%F|%H:")
NOT_MEANT = {
    ("attendance/compliance/free_hours.py", "self.offer.starts_at"): "key of an offered hour",
    ("attendance/compliance/finders/papers.py", "adult_on"): "evidence key",
    ("attendance/compliance/finders/papers.py", "row.admitted_on"): "evidence key",
    ("attendance/compliance/finders/papers.py", "row.due_on"): "evidence key",
    ("attendance/compliance/finders/patterns.py", "reached.reached_on"): "evidence key",
    ("attendance/compliance/finders/absences.py", "run.reached_on"): "evidence key",
    ("attendance/discharges_taken_back.py", "day"): "as the audit trail has it",
    ("attendance/seats_again.py", "day"): "as the audit trail has it",
    ("attendance/discharges_taken_back.py", "episode.discharged_on"): "as the audit trail has it",
    ("attendance/admin/exports.py", "latest"): "in words already",
    ("attendance/admin/level_change.py", "day"): "in words already",
    ("scheduling/eligibility.py", "day"): "in words already",
    ("attendance/admin/summary_words.py", "day"): "in words already",
}


def machine_dates(source: str) -> Iterator[str]:
    """The expressions of the source that are printed as ISO dates or 24-hour times."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FormattedValue(value=value, format_spec=None) if _is_date(value):
                yield ast.unparse(value)
            case ast.FormattedValue(value=value, format_spec=ast.JoinedStr() as spec):
                if MACHINE_FORMAT.search(ast.unparse(spec)):
                    yield ast.unparse(value)
            case ast.Call(func=ast.Name(id="str"), args=[value]) if _is_date(value):
                yield ast.unparse(value)


def _is_date(value: ast.expr) -> bool:
    """By its name alone; `day.day` is a number."""
    name = value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")
    return A_DATE.search(name) is not None and not ast.unparse(value).endswith(".day")


@pytest.mark.parametrize(
    "printed",
    ["{day}", "{plan.starts_on}", "{str(day)}", "{at:%Y-%m-%d}", "{at:%H:%M}", "{to_date}"],
)
def test_a_machine_date_is_found(printed: str) -> None:
    assert len(list(machine_dates(f'f"The patient is on hold on {printed}."'))) == 1


@pytest.mark.parametrize(
    "printed", ["{long_date(day)}", "{at:%-I:%M %p}", "{day:%b}", "{day.day}", "{services_per_day}"]
)
def test_what_people_write_passes(printed: str) -> None:
    assert list(machine_dates(f'f"The patient is on hold on {printed}."')) == []


def test_no_sentence_prints_a_machine_date() -> None:
    found = {
        (str(path.relative_to(ROOT)), value)
        for path in FILES
        for value in machine_dates(path.read_text())
    }
    assert found == set(NOT_MEANT)
