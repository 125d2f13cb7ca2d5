"""The cast of the access matrix (see access.py), for the files that ask about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import transaction

from tests.api import AFTER, contents
from tests.project.access import Cast, build


@pytest.fixture(scope="module")
def cast(django_db_setup: None, django_db_blocker: Any) -> Iterator[Cast]:
    """Built once for a file, in a transaction that is never committed; a test is a savepoint in it.

    It is eleven o'clock of the Monday on which the sessions took place.
    """
    with (
        django_db_blocker.unblock(),
        time_machine.travel(AFTER, tick=False),
        transaction.atomic(),
    ):
        yield build()
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def before(cast: Cast) -> dict[str, Any]:
    """What every table holds, the notes of reads included."""
    return contents(reads=False)
