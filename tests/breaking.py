"""Raw SQL that breaks the database's rules, to see which named constraint refuses it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.db.models import BaseConstraint, GeneratedField, Model, UniqueConstraint
from django.db.models.fields.json import JSONField

from iop_clinic.accounts.constraints import Audited, SameClinic, violation


def execute(sql: str, values: list[Any] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def update(row: Model, **columns: Any) -> None:
    """UPDATE of one row, past every model and service."""
    setting = ", ".join(f"{column} = %s" for column in columns)
    execute(f"UPDATE {row._meta.db_table} SET {setting} WHERE id = %s", [*columns.values(), row.pk])


def insert_copy(row: Model, **columns: Any) -> None:
    """INSERT of a second row like this one, but for the given columns."""
    fields = [
        field
        for field in row._meta.concrete_fields
        if not field.primary_key and not isinstance(field, GeneratedField)
    ]
    values = {field.column: _stored(row, field) for field in fields} | columns
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    execute(f"INSERT INTO {row._meta.db_table} ({names}) VALUES ({marks})", [*values.values()])


def _stored(row: Model, field: Any) -> Any:
    if field.name == "public_id":
        return uuid.uuid4()
    value = getattr(row, field.attname)
    return field.get_db_prep_save(value, connection) if isinstance(field, JSONField) else value


def delete(row: Model) -> None:
    execute(f"DELETE FROM {row._meta.db_table} WHERE id = %s", [row.pk])


def refused_by(change: Callable[[], None]) -> str | None:
    """The name of the constraint that refused the change; None if it went through. It is undone."""
    try:
        with transaction.atomic():
            change()
            execute("SET CONSTRAINTS ALL IMMEDIATE")
            transaction.set_rollback(True)
    except DatabaseError as error:
        broken = violation(error)
        if broken is None:
            raise
        return broken.name
    return None


def constraint(name: str) -> BaseConstraint:
    return next(found for found in _all() if found.name == name)


def named_constraints(app_label: str) -> set[str]:
    """Names that need a case of their own: not the audit's, not the keys that others refer to.

    `SameClinic` is covered over all tables by tests/project/test_architecture.py.
    """
    return {
        found.name
        for found in _all(app_label)
        if not isinstance(found, Audited | SameClinic) and not _is_target(found)
    }


def _is_target(found: BaseConstraint) -> bool:
    return isinstance(found, UniqueConstraint) and found.name.endswith("_key")


def _all(app_label: str | None = None) -> Iterator[BaseConstraint]:
    models = apps.get_app_config(app_label).get_models() if app_label else apps.get_models()
    for model in models:
        yield from model._meta.constraints


def drop(name: str) -> None:
    """Remove a constraint for the rest of the test's transaction."""
    model = next(m for m in apps.get_models() if constraint(name) in m._meta.constraints)
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    with connection.schema_editor() as editor:
        editor.execute(constraint(name).remove_sql(model, editor))
