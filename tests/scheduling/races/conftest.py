"""Real transactions, each client on a connection of its own, and not one deadlock."""

from collections.abc import Iterator

import pytest

from tests.scheduling.conftest import World, build
from tests.web import deadlocks


@pytest.fixture
def world(transactional_db: None) -> World:
    return build()


@pytest.fixture(autouse=True)
def _no_deadlock(world: World) -> Iterator[None]:
    """Not even one that a retry hides."""
    before = deadlocks()
    yield
    assert deadlocks() == before
