"""How the tables are emptied after a test that committed, and kept small after all others.

Django truncates them, which makes new files for every table and index: a third of a second, for
tables that hold a few rows. Three hundred tests wait for that. Rows deleted or rolled back stay in
the files until a vacuum, and no server of a test vacuums by itself: plans have to be the same in
each run.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.test import TransactionTestCase

LARGE = 1024 * 1024  # bytes; a test that fills a table further pays for its own rows
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
    vacuum_large_tables()


def vacuum_large_tables() -> None:
    """Take dead rows out of the tables that have grown. For a connection outside a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > %s",
            [LARGE],
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"VACUUM (SKIP_LOCKED) {name}")
