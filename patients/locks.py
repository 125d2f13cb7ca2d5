"""Row locks of this floor. The order over all floors is in scheduling/locks.py: episodes last."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from django.db.models import Model

from patients.models import Episode

M = TypeVar("M", bound=Model)


def lock_episodes(ids: Iterable[int]) -> None:
    """Lock these episodes until the transaction ends, by ascending key, in one statement.

    FOR NO KEY UPDATE: a plain FOR UPDATE would block every foreign-key check against them.
    """
    if wanted := set(ids):
        rows = Episode.objects.filter(pk__in=wanted).order_by("pk")
        list(rows.select_for_update(no_key=True).values_list("pk", flat=True))


def lock_and_refresh(row: M) -> M:
    """Lock one row that no other service locks together with a second one, and read it again."""
    manager = type(row)._default_manager
    row.refresh_from_db(from_queryset=manager.select_for_update(no_key=True))
    return row
