"""What every table and module of the product has in common, read from the models and the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import Field, ForeignKey, Index, Model, UniqueConstraint

from iop_clinic.accounts.constraints import Audited, SameClinic, violation
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.roles import OWN_ROWS_ONLY, PERMISSIONS, Can, Role
from iop_clinic.accounts.visibility import labels
from tests import factories
from tests.project.world import (
    CLINIC_MODELS,
    PRODUCT_MODELS,
    Rows,
    clinic_rows,
    therapist_rows,
)

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ["accounts", "patients", "scheduling", "attendance"]
SOURCES = [
    path
    for folder in ("iop_clinic", "patients", "scheduling", "attendance")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "migrations" not in path.parts
]


def parents(model: type[Model]) -> list[ForeignKey]:
    """The model's keys to rows of the same clinic."""
    return [
        field
        for field in model._meta.concrete_fields
        if isinstance(field, ForeignKey) and field.related_model in CLINIC_MODELS
    ]


def same_clinic(model: type[Model]) -> list[SameClinic]:
    return [c for c in model._meta.constraints if isinstance(c, SameClinic)]


def column(model: type[Model], name: str) -> Field:
    return next(field for field in model._meta.concrete_fields if field.name == name)


def guard_of(key: ForeignKey) -> SameClinic | None:
    """The constraint that ties this key to the clinic: its own, or one that copies it along."""
    own = [c for c in same_clinic(key.model) if c.field == key.name]
    carried = [c for c in same_clinic(key.model) if key.name in c.copies and _always(key, c)]
    return next(iter(own + carried), None)


def _always(key: ForeignKey, constraint: SameClinic) -> bool:
    """A copied key is guarded only if the key that carries it is never empty."""
    return not column(key.model, constraint.field).null


KEYS = [key for model in CLINIC_MODELS for key in parents(model)]
GUARDS = {key: guard for key in KEYS if (guard := guard_of(key))}


# --- no key crosses clinics --------------------------------------------------------------------


def test_every_key_between_clinic_rows_names_the_clinic_too():
    assert [str(key) for key in KEYS if key not in GUARDS] == []


@pytest.fixture
def two_clinics(db) -> tuple[Rows, Rows]:
    return _rows_of_a_clinic(), _rows_of_a_clinic()


def _rows_of_a_clinic() -> Rows:
    clinic = factories.ClinicFactory()
    shared = clinic_rows(clinic)
    return shared | therapist_rows(factories.staff(clinic, Role.THERAPIST), shared)


def test_the_world_has_a_row_in_every_table(two_clinics):
    assert set(two_clinics[0]) == set(CLINIC_MODELS)


def test_a_key_to_another_clinics_row_is_refused_by_its_constraint(two_clinics):
    here, there = two_clinics
    refused = {str(key): _refusal(key, here[key.model], there[key.related_model]) for key in KEYS}
    assert refused == {str(key): (GUARDS[key].name, "other_clinic") for key in KEYS}


def _refusal(key: ForeignKey, row: Model, parent: Model) -> tuple[str, str] | None:
    """Name and code of the constraint that stops raw SQL from pointing `key` at `parent`."""
    try:
        with transaction.atomic():
            _leave_only_foreign_keys(key.model)
            _point(row, key, parent, GUARDS[key])
            transaction.set_rollback(True)
    except DatabaseError as error:
        broken = violation(error)
        return (broken.name, broken.code) if broken else None
    return None


def _leave_only_foreign_keys(model: type[Model]) -> None:
    """Other rules of the table would refuse first; they have tests of their own."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(OTHER_RULES, {"table": table})
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)


OTHER_RULES = """
SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname)
FROM pg_constraint WHERE conrelid = %(table)s::regclass AND contype = 'c'
UNION ALL
SELECT CASE WHEN conname IS NULL THEN format('DROP INDEX %%s', indexrelid::regclass)
       ELSE format('ALTER TABLE %%s DROP CONSTRAINT %%I', indrelid::regclass, conname) END
FROM pg_index LEFT JOIN pg_constraint ON conindid = indexrelid AND conrelid = indrelid
WHERE indrelid = %(table)s::regclass AND (indisunique OR indisexclusion) AND NOT indisprimary
  AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conindid = indexrelid)
"""


def _point(row: Model, key: ForeignKey, parent: Model, guard: SameClinic) -> None:
    """Raw SQL: the key names the other clinic's row; what it copies is given when it is empty."""
    values = {key.column: parent.pk}
    for own, theirs in guard.copies.items():
        field = column(key.model, own)
        if guard.field == key.name and field.null:
            values[field.column] = getattr(parent, theirs)
    setting = ", ".join(f"{column} = %s" for column in values)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {key.model._meta.db_table} SET {setting} WHERE id = %s",
            [*values.values(), row.pk],
        )


# --- who changed what, who sees what -----------------------------------------------------------

DERIVED = {"WeekResult", "NightlyRun", "ComplianceReport", "ReportDelivery"}


def test_every_table_of_facts_is_audited():
    unaudited = {
        model.__name__
        for model in CLINIC_MODELS
        if not any(isinstance(c, Audited) for c in model._meta.constraints)
    }
    assert unaudited == DERIVED


SHOWN_TO_NO_THERAPIST = [
    "accounts.Membership",  # roles are the administrator's
    "attendance.DataImport",
    "attendance.NightlyRun",
    "attendance.ReportDelivery",
    "patients.KeepApart",  # the reason names another patient
]


def test_every_table_says_which_rows_a_therapist_sees():
    assert sorted(labels(CLINIC_MODELS)) == SHOWN_TO_NO_THERAPIST


def test_every_role_is_in_the_permission_table():
    assert set(PERMISSIONS) == set(Role)
    assert all(PERMISSIONS[role] <= set(Can) for role in Role)
    assert set.union(*(set(allowed) for allowed in PERMISSIONS.values())) == set(Can)
    assert set(Role) >= OWN_ROWS_ONLY


def test_only_an_administrator_manages_staff():
    assert [r for r in Role if Can.MANAGE_STAFF in PERMISSIONS[r]] == [Role.ADMINISTRATOR]


def test_an_auditor_changes_nothing():
    reads = {"view_patients", "view_schedule", "view_flags", "view_reports", "view_audit"}
    assert PERMISSIONS[Role.AUDITOR] == reads


# --- names and indexes -------------------------------------------------------------------------


def names(model: type[Model]) -> list[str]:
    """Every database name the model's constraints and indexes take, triggers included."""
    taken = [index.name for index in model._meta.indexes]
    for constraint in model._meta.constraints:
        taken.append(constraint.name)
        if isinstance(constraint, Audited):
            taken += [f"{constraint.name}_{event}" for event, _ in Audited.EVENTS]
    return taken


def test_constraint_names_are_unique_and_fit_into_postgresql():
    counted = Counter(name for model in PRODUCT_MODELS for name in names(model))
    assert [name for name, count in counted.items() if count > 1] == []
    assert [name for name in counted if len(name) > 63] == []


READ_FROM_THE_CHILD_ONLY = {
    # Parents that are never deleted and never asked for these children.
    "attendance.ComplianceReport.therapist",
    "attendance.Flag.group",
    "attendance.Flag.therapist",
    "attendance.Standard.payer",
    "attendance.Standard.program",
    "attendance.WeekResult.standard",
    "patients.Coverage.payer",
    "patients.Diagnosis.license",
    "patients.Episode.program",
    "patients.Episode.referral_source",
    "patients.Evaluation.evaluator",
    "patients.KeepApart.other",
    "scheduling.Booking.makes_up",
    "scheduling.Booking.membership",
    "scheduling.Booking.patient",
    "scheduling.Decision.into",
    "scheduling.Decision.substitute",
    "scheduling.Decision.to_room",
    "scheduling.Decision.was_room",
    "scheduling.Group.program",
    "scheduling.GroupMembership.transferred_from",
    "scheduling.Session.closure",
    "scheduling.Session.room",
    "scheduling.Session.session_type",
    "scheduling.TimeOff.therapist",
    "scheduling.Told.episode",
    "scheduling.Told.therapist",
    "scheduling.WeeklyBlock.co_facilitator",
    "scheduling.WeeklyBlock.continues",
    "scheduling.WeeklyBlock.episode",
    "scheduling.WeeklyBlock.room",
    "scheduling.WeeklyBlock.session_type",
}


def leading_columns(model: type[Model]) -> list[tuple[str, ...]]:
    indexed: list[Index | UniqueConstraint] = [
        *model._meta.indexes,
        *(c for c in model._meta.constraints if isinstance(c, UniqueConstraint)),
    ]
    unique: list[Field] = [f for f in model._meta.concrete_fields if f.unique]
    return [tuple(i.fields) for i in indexed] + [(f.name,) for f in unique]


def is_indexed(key: ForeignKey) -> bool:
    return any(
        columns[:2] == ("clinic", key.name) or columns[:1] == (key.name,)
        for columns in leading_columns(key.model)
    )


def test_a_key_that_is_read_from_its_parent_has_an_index():
    unindexed = {f"{key.model._meta.label}.{key.name}" for key in KEYS if not is_indexed(key)}
    assert unindexed == READ_FROM_THE_CHILD_ONLY


def test_indexes_of_clinic_rows_begin_with_the_clinic():
    other = {
        index.name
        for model in CLINIC_MODELS
        for index in model._meta.indexes
        if index.fields and index.fields[0] != "clinic"
    }
    # The tick sweeps every clinic's deliveries and offers at once.
    assert other == {"delivery_to_send", "waitlistoffer_open_by_end"}


# --- the floors of the house -------------------------------------------------------------------


def floor(model: type[Model]) -> int:
    return FLOORS.index(model._meta.app_label)


def test_a_key_never_points_to_a_higher_floor():
    upward = [
        str(field)
        for model in PRODUCT_MODELS
        for field in model._meta.concrete_fields
        if isinstance(field, ForeignKey)
        and field.related_model in PRODUCT_MODELS
        and floor(field.related_model) > floor(model)
    ]
    assert upward == []


def test_imports_point_down():
    linter = Path(sys.executable).with_name("lint-imports")
    checked = subprocess.run(
        [linter, "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_the_ground_floor_is_the_clinic():
    assert floor(Clinic) == 0
    assert {model._meta.app_label for model in PRODUCT_MODELS} == set(FLOORS)


def test_no_module_is_a_drawer_for_everything():
    drawers = {"utils", "helpers", "common", "selectors", "misc", "signals"}
    assert [str(path.relative_to(ROOT)) for path in SOURCES if path.stem in drawers] == []


def test_files_stay_readable():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in SOURCES
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert set(long) <= {"iop_clinic/embedded.py"}


# --- time --------------------------------------------------------------------------------------


NAIVE_CLOCK = re.compile(r"(datetime\.)?(date|datetime)\.(today|utcnow|utcfromtimestamp)")
ZONELESS_CLOCK = re.compile(r"(datetime\.)?datetime\.now")


def naive_clock_calls(path: Path) -> list[str]:
    """Calls that read the machine's own zone: date.today(), datetime.now() without a zone …"""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        source = ast.unparse(node.func)
        if NAIVE_CLOCK.fullmatch(source) or (
            ZONELESS_CLOCK.fullmatch(source) and not node.args and not node.keywords
        ):
            found.append(f"{path.relative_to(ROOT)}:{node.lineno} {source}()")
    return found


def test_no_clock_is_read_without_a_zone():
    assert [call for path in SOURCES for call in naive_clock_calls(path)] == []


@pytest.mark.parametrize("line", ["date.today()", "datetime.now()", "datetime.datetime.utcnow()"])
def test_the_scan_sees_a_naive_clock(line, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    bad = tmp_path / "bad.py"
    bad.write_text(f"x = {line}\n")
    assert naive_clock_calls(bad) == [f"bad.py:1 {line}"]


TEMPLATES = [
    path for floor in ("iop_clinic", *FLOORS[1:]) for path in ROOT.glob(f"{floor}/**/*.html")
]


def test_a_comment_in_a_template_ends_on_its_line():
    """Over several lines it is text, and before the document it empties the document's head."""
    open_ones = re.compile(r"\{#(?!.*#\})")
    found = [path.name for path in TEMPLATES if open_ones.search(path.read_text())]
    assert (found, len(TEMPLATES) > 40) == ([], True)
