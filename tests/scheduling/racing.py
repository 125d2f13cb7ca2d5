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
