"""What is put together once answers what its queryset would, for each call of a day over REST."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from django.db.models import Model

from iop_clinic.accounts import prepared
from tests.project.api_story import NOW, Story

PRODUCT = ("iop_clinic", "patients", "scheduling", "attendance")
Read = Callable[..., list[Any]]


def test_every_read_answers_what_its_queryset_does(db, time_machine, monkeypatch):
    time_machine.move_to(NOW, tick=False)
    asked: set[Read] = set()
    known = [*_reads()]
    for module, name, read in known:
        monkeypatch.setattr(module, name, _compared(read, asked))
    Story().tell()
    assert {read for _, _, read in known} == asked


def _compared(read: Any, asked: set[Read]) -> Read:
    def compared(*given: Any) -> list[Any]:
        found = read(*given)
        assert [_told(row) for row in found] == [_told(row) for row in read.__wrapped__(*given)]
        asked.add(read)
        return found

    return compared


def _reads() -> Iterator[tuple[ModuleType, str, Any]]:
    """Wherever the product names one."""
    for module in [m for name, m in sys.modules.items() if name.split(".")[0] in PRODUCT]:
        for name, thing in [*vars(module).items()]:
            code = getattr(thing, "__code__", None)
            own = code is not None and code.co_filename == prepared.__file__
            if own and hasattr(thing, "__wrapped__"):
                yield module, name, thing


def _told(row: Any, *, back: bool = True) -> Any:
    """All that was read of a row and of the rows selected along."""
    if not isinstance(row, Model):
        return row
    parts = {name: value for name, value in vars(row).items() if name != "_state"}
    along = row._state.fields_cache if back else {}
    return {**parts, **{name: _told(one, back=False) for name, one in along.items()}}
