"""`ETag` with `If-Match` and `If-None-Match`: a request names the version it knows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from rest_framework import status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from iop_clinic.accounts.api.problems import Problem

# A weak tag counts, though `If-Match` compares strongly: a proxy that compresses makes every tag
# weak, and the number names a row's version, whatever the bytes in which it was sent.
_ETAG = re.compile(r'(?:W/)?"(\d{1,9})"')
ANY = "*"


def etag(version: int) -> dict[str, str]:
    """The header of an answer that shows this version."""
    return {"ETag": f'"{version}"'}


def version_matched(request: Request, current: Callable[[], int]) -> int:
    """The version that `If-Match` names: 428 without the header, 412 when it cannot be one.

    `*` is whichever is `current` as the request comes; so is one of several, when it is among them.
    Whoever writes in between is met as by any other version: nothing is overwritten unseen.
    """
    given = request.headers.get("If-Match")
    if given is None:
        raise Problem(428, "precondition_required", "Send the ETag last read as If-Match.")
    if given.strip() == ANY:
        return current()
    found = [_ETAG.fullmatch(tag.strip()) for tag in given.split(",")]
    named = {int(tag[1]) for tag in found if tag}
    if len(named) == 1:
        return named.pop()
    if not named or (version := current()) not in named:
        raise Problem(412, "stale_version", "This ETag is not of this record.")
    return version


def unless_known(request: Request, body: Any) -> Response:
    """The answer with an `ETag` of its own content: 304 when `If-None-Match` names it."""
    tag = f'"{hashlib.sha256(JSONRenderer().render(body)).hexdigest()[:32]}"'
    given = request.headers.get("If-None-Match", "")
    if tag in given or given.strip() == ANY:
        return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": tag})
    return Response(body, headers={"ETag": tag})
