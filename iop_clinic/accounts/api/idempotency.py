"""`Idempotency-Key`: a POST sent again after a lost answer is done once.

A key belongs to one user and one route for 24 hours. The row keeps the answer's status and the id
of what was made, never the body: a repeat is answered by reading the row anew, so it shows nothing
that the user may no longer see. Both are written in the transaction that does the work, which the
services within join: whatever fails, the key says what was done.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.db import Error, IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from iop_clinic.accounts.api.problems import Problem
from iop_clinic.accounts.api.versions import etag
from iop_clinic.accounts.models import IdempotencyKey, User

KEPT = timedelta(hours=24)
# Longer than any statement may take: a request whose process died does not hold its key all day.
IN_FLIGHT_AT_MOST = timedelta(minutes=2)
_KEY = re.compile(r"[\x21-\x7e]{1,200}")

Handler = Callable[..., Response]


def idempotent(post: Handler) -> Handler:
    """Let a POST handler take the header. Its view offers `representation(public_id)`;
    `made` names the field of the answer that holds the id."""

    @functools.wraps(post)
    def handler(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return post(view, request, *args, **kwargs)
        if not _KEY.fullmatch(key):
            raise Problem(400, "invalid_key", "An idempotency key has 1 to 200 visible characters.")
        row, mine = claim(user=view.user, route=request.path, key=key, body=request.data)
        if not mine:
            return _answer_again(view, request, row)
        try:
            with transaction.atomic():  # the work and what is kept of it: both or neither
                response = post(view, request, *args, **kwargs)
                _keep(row, response.status_code, str(response.data[view.made]))
        except Exception:
            _give_back(row)
            raise
        return response

    handler.idempotent = True  # type: ignore[attr-defined]
    return handler


def claim(*, user: User, route: str, key: str, body: Any) -> tuple[IdempotencyKey, bool]:
    """The key's row, and whether this request is the one to do the work.

    Raises a 422 problem for another body, 409 while the first request is still at it.
    """
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    names = {"user": user, "route": route, "key": key}
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(**names, body_hash=digest), True
    except IntegrityError:
        row = IdempotencyKey.objects.filter(**names).first()
    if row is not None and _taken_over(row, digest):
        return row, True
    if row is not None and row.body_hash != digest:
        raise Problem(422, "key_reused", "This key was used with another body.")
    if row is None or row.status is None:  # None: refused just now, and the key is free again
        raise _in_flight()
    return row, False


def _in_flight() -> Problem:
    message = "The first request is still at work."
    return Problem(409, "in_flight", message, headers={"Retry-After": "1"})


def _answer_again(view: Any, request: Request, row: IdempotencyKey) -> Response:
    """What was made, read anew: under the status of the first answer, with an `ETag` like it."""
    body = view.representation(row.location)
    tagged = request.method in getattr(view, "etags", ())
    return Response(body, status=row.status, headers=etag(body["version"]) if tagged else None)


def _held(row: IdempotencyKey) -> QuerySet[IdempotencyKey]:
    """The row while it is this request's and its work not done."""
    return IdempotencyKey.objects.filter(pk=row.pk, created_at=row.created_at, status=None)


def _keep(row: IdempotencyKey, status: int, location: str) -> None:
    """Raises the 409 problem when another request has taken the key over: what this one did, late,
    is then undone."""
    if not _held(row).update(status=status, location=location):
        raise _in_flight()


def _give_back(row: IdempotencyKey) -> None:
    """Free the key of what was refused or failed. Of what was done nothing is freed, even when the
    connection was lost in the commit and nobody was told."""
    with suppress(Error):  # without a database it is free in two minutes
        _held(row).delete()


def _taken_over(row: IdempotencyKey, digest: str) -> bool:
    """Whether the row is out of date and now this request's: of several, one update wins."""
    now = timezone.now()
    stale = Q(created_at__lt=now - KEPT) | Q(
        created_at__lt=now - IN_FLIGHT_AT_MOST, status__isnull=True, body_hash=digest
    )
    changed = IdempotencyKey.objects.filter(stale, pk=row.pk, created_at=row.created_at).update(
        created_at=now, body_hash=digest, status=None, location=""
    )
    if changed:
        row.created_at = now
    return bool(changed)


def purge_keys(*, now: datetime) -> None:
    """Delete the keys that are kept no longer."""
    IdempotencyKey.objects.filter(created_at__lt=now - KEPT).delete()
