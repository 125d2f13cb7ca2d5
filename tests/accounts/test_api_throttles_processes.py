"""Limits of real web processes: one count for all of them, and none of them stops without Redis."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from iop_clinic.accounts.models import User
from tests import factories
from tests.api import API
from tests.factories import PASSWORD
from tests.web import WebProcess, at_once, sign_in

pytestmark = pytest.mark.django_db(transaction=True)

GUESSES, ALLOWED, PROCESSES = 30, 5, 2
LIMITS: dict[str, Any] = {
    "LIMIT_SIGN_IN": f"{ALLOWED}/86400",
    "LIMIT_SIGN_IN_ADDRESS": "1000000/86400",  # every test here asks from this machine
}


@pytest.fixture(params=["", "redis://127.0.0.1:1"], ids=["with Redis", "without Redis"])
def web(request: Any, transactional_db: None) -> Iterator[WebProcess]:
    gone: dict[str, Any] = {"REDIS_URL": request.param} if request.param else {}
    server = WebProcess(workers=PROCESSES, **LIMITS, **gone)
    server.counts = 1 if not gone else PROCESSES  # type: ignore[attr-defined]
    yield server
    log = server.log
    server.stop()
    assert "Traceback" not in log


@pytest.fixture
def user(transactional_db: None) -> User:
    person = factories.UserFactory(email=f"{uuid.uuid4()}@example.com")
    return factories.staff(factories.ClinicFactory(), user=person)


def test_guesses_at_once_are_counted_by_all_processes_together(web: Any, user: User) -> None:
    """Without Redis by each for itself: so many times as many, and nobody else is held up."""
    body = {"username": user.email, "password": "wrong"}
    guess = partial(web.call, "POST", f"{API}/auth/token/", body=body)
    codes = [answer.code for answer in at_once([guess] * GUESSES)]
    assert set(codes) == {"invalid_credentials", "throttled"}
    wrong = codes.count("invalid_credentials")
    assert ALLOWED <= wrong <= ALLOWED * web.counts
    other = factories.staff(
        factories.ClinicFactory(), user=factories.UserFactory(email=f"{uuid.uuid4()}@example.com")
    )
    assert sign_in(web, other.email, PASSWORD).get(f"{API}/me/")["id"] == str(other.public_id)
