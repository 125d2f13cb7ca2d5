"""How the tables are emptied after a test that committed.

Django truncates them, which makes new files for every table and index: a third of a second, for
tables that hold a few rows. Three hundred tests wait for that.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.test import TransactionTestCase

KEPT = {"django_migrations", "django_content_type", "auth_permission"}

truncate_tables = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]


def empty_tables(case: Any) -> None:
    """Delete what there is, without triggers; Django's own way where that is not allowed.

    The lock waits, as truncating does, for what another process has not committed yet.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        row = cursor.fetchone()
        if not (row and row[0]):
            truncate_tables(case)
            return
        tables = [
            connection.ops.quote_name(name)
            for name in connection.introspection.django_table_names(only_existing=True)
            if name not in KEPT
        ]
        with transaction.atomic():
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
            cursor.execute("; ".join(f"DELETE FROM {name}" for name in tables))
