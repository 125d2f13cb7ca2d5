"""`ETag` with `If-Match` and `If-None-Match`: a request names the version it knows."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from rest_framework import status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from iop_clinic.accounts.api.problems import Problem

_ETAG = re.compile(r'(?:W/)?"(\d{1,9})"')  # compression makes a strong tag weak


def etag(version: int) -> dict[str, str]:
    """The header of an answer that shows this version."""
    return {"ETag": f'"{version}"'}


def version_matched(request: Request) -> int:
    """The version that `If-Match` names: 428 without the header, 412 when it cannot be one."""
    given = request.headers.get("If-Match")
    if given is None:
        raise Problem(428, "precondition_required", "Send the ETag last read as If-Match.")
    found = _ETAG.fullmatch(given.strip())
    if found is None:
        raise Problem(412, "stale_version", "This ETag is not of this record.")
    return int(found[1])


def unless_known(request: Request, body: Any) -> Response:
    """The answer with an `ETag` of its own content: 304 when `If-None-Match` names it."""
    tag = f'"{hashlib.sha256(JSONRenderer().render(body)).hexdigest()[:32]}"'
    if tag in request.headers.get("If-None-Match", ""):
        return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": tag})
    return Response(body, headers={"ETag": tag})
