"""The invariants of the house, each broken once through every door that leads to it.

Whatever the door, no row of any table is more, less or changed afterwards. Raw SQL and the admin's
forms have tables of their own beside the models.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api import AFTER, nothing_written
from tests.project import broken_care, broken_judgement
from tests.project.place import TABLE, Attempt, Place, answer_to

pytestmark = pytest.mark.django_db

FILES = (broken_care, broken_judgement)
"""Importing them fills the table."""


@pytest.mark.parametrize(("case", "answer"), TABLE)
def test_an_invariant_holds_and_nothing_changes(
    case: Callable[[Place], Attempt], answer: str, time_machine: Any
) -> None:
    time_machine.move_to(AFTER, tick=False)
    attempt = case(Place())
    with nothing_written():
        assert answer_to(attempt) == answer


def test_every_invariant_of_the_house_is_tried() -> None:
    assert sorted({int(str(row.id).split()[0]) for row in TABLE}) == [*range(1, 9)]
