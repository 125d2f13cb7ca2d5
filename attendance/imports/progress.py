"""How far a worker has come with an upload: told through the cache, which may lose it."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import NamedTuple

from django.core.cache import cache
from redis.exceptions import RedisError

OFTEN = 0.5
"""Seconds between two words of it."""
KEPT = 3600


class Progress(NamedTuple):
    """Rows dealt with, of how many."""

    rows: int
    of: int


class Teller:
    """Hears of rows and passes it on, not more often than anybody looks."""

    def __init__(self, import_id: int, of: int) -> None:
        self._key, self._of, self._rows, self._last = _key(import_id), of, 0, 0.0
        self._tell()

    def __call__(self, rows: int) -> None:
        self._rows += rows
        if time.monotonic() - self._last >= OFTEN:
            self._tell()

    def _tell(self) -> None:
        self._last = time.monotonic()
        with suppress(RedisError):  # an import is not worth less because nobody can watch it
            cache.set(self._key, (min(self._rows, self._of), self._of), KEPT)


def progress_of(import_id: int) -> Progress | None:
    """None while the files are still being read, or when nobody knows."""
    with suppress(RedisError):
        told = cache.get(_key(import_id))
        return Progress(*told) if told else None
    return None


def forget(import_id: int) -> None:
    with suppress(RedisError):
        cache.delete(_key(import_id))


def _key(import_id: int) -> str:
    return f"attendance.import.{import_id}"
