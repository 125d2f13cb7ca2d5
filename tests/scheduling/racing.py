"""Several clients at once, each on a database connection of its own."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any

from django.db import connection


@dataclass
class Outcome:
    """What one client got: a value or an exception, and after how many seconds."""

    value: Any
    seconds: float


def race(clients: Sequence[Callable[[], Any]]) -> list[Outcome]:
    """Run all clients at the same moment; each answers with its value or its exception."""
    start = Barrier(len(clients))

    def run(client: Callable[[], Any]) -> Outcome:
        try:
            connection.ensure_connection()
            start.wait(timeout=60)
            began = time.perf_counter()
            try:
                value = client()
            except Exception as error:  # noqa: BLE001 - the answer of this client, looked at later
                value = error
            return Outcome(value, time.perf_counter() - began)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=len(clients)) as pool:
        return list(pool.map(run, clients))


def wait_for_an_open_transaction() -> None:
    _wait_until("state = 'idle in transaction'")


def wait_for_somebody_who_waits() -> None:
    _wait_until("wait_event_type = 'Lock'")


def _wait_until(condition: str, *, seconds: float = 10) -> None:
    """Until this database has such a connection."""
    until = time.perf_counter() + seconds
    query = f"SELECT count(*) FROM pg_stat_activity WHERE {condition}"
    while time.perf_counter() < until:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # or a transaction sees the first one
            cursor.execute(f"{query} AND datname = current_database()")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise AssertionError("nobody came")
