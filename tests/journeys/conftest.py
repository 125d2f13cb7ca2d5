"""A web server for the journeys; the worker and the mail server are those of every test."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.web import WebProcess


@pytest.fixture(scope="package")
def web(django_db_setup: None, django_db_blocker: Any) -> Iterator[WebProcess]:
    """Real web processes on the test database."""
    with django_db_blocker.unblock():
        server = WebProcess()
    yield server
    server.stop()
