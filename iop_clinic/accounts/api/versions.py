"""`ETag` and `If-Match`: a change names the version it was made on."""

from __future__ import annotations

import re

from rest_framework.request import Request

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
