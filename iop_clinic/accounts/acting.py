"""One transaction, one actor: the frame of every service.

`@service` opens the transaction, tells the database who acts (the audit triggers read it), sees to
it that deferred checks raise inside the service, and runs the whole of it again, at most three
times, when PostgreSQL reports a deadlock, a serialization failure or a lock that did not come. A
service called by another joins its transaction and never retries.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from django.db import OperationalError, connection, transaction

if TYPE_CHECKING:
    from iop_clinic.accounts.models import User

P = ParamSpec("P")
R = TypeVar("R")

ATTEMPTS = 3
TRY_AGAIN = frozenset({"40001", "40P01", "55P03"})  # serialization, deadlock, lock timeout


@dataclass(frozen=True, slots=True)
class Job:
    """A named job that acts without a person, such as the nightly run."""

    name: str

    @property
    def actor(self) -> str:
        return f"job:{self.name}"


_acting: ContextVar[str | None] = ContextVar("iop_acting", default=None)


class Busy(Exception):
    """The rows stayed locked through every attempt; the caller may try again later."""


@contextmanager
def acting(by: User | Job) -> Iterator[None]:
    """A transaction whose writes are audited as `by`.

    The name is set for this transaction only (`set_config(..., true)`), so it is gone before the
    next request uses the connection.
    """
    nested = connection.in_atomic_block
    with transaction.atomic():
        _set_actor(by.actor)
        token = _acting.set(by.actor)
        try:
            yield
        finally:  # before the commit: what runs after it must not think that it is inside
            _acting.reset(token)
        if nested:  # or else this block commits, which checks, and forgets the actor
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            _set_actor("")


def _set_actor(actor: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('iop.actor', %s, true)", [actor])


def service(function: Callable[P, R]) -> Callable[P, R]:
    """Make a write a service: keyword-only arguments, `by=` the actor, atomic, audited, retried.

    Raises Busy when the rows stayed locked through every attempt.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if _acting.get() is not None:
            return function(*args, **kwargs)
        by = kwargs["by"]
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with acting(by):  # type: ignore[arg-type]
                    return function(*args, **kwargs)
            except OperationalError as error:
                if getattr(error.__cause__, "sqlstate", None) not in TRY_AGAIN:
                    raise
                if attempt == ATTEMPTS:
                    raise Busy("Someone else is changing the same rows. Try again.") from error
                time.sleep(0.05 * attempt)
        raise AssertionError("unreachable")

    return run


class Refused(Exception):
    """A service's refusal: a code for clients, a sentence for people, the field it concerns.

    Raised before anything is written, for what a person can put right.
    """

    def __init__(self, code: str, message: str, *, field: str = "", **details: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.details = details
