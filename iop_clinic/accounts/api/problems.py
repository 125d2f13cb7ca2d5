"""Every error as one document (RFC 9457), from whatever the code below raised.

`code` is what a client relies on, `detail` a sentence for people, `errors` the places in the body
or the query (`loc` is the path of names and list positions). Constraint violations are mapped by
the constraint's name, so a rule that only the database knows answers 409 or 400, never 500.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import DatabaseError, DataError, IntegrityError, OperationalError
from django.db.models import ProtectedError, RestrictedError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.defaults import server_error
from rest_framework import exceptions
from rest_framework.response import Response

from iop_clinic.accounts.acting import Busy, Refused
from iop_clinic.accounts.constraints import violation

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_SECONDS = 1
Loc = Sequence[str | int]

STATUS_OF_REFUSAL: dict[str, int] = {
    # What a client wrote is wrong in itself; every other refusal is a conflict with stored rows.
    "not_found": 404,
    "absent_with_times": 400,
    "away_out_of_order": 400,
    "call_in_too_long": 400,
    "dates_in_order": 400,
    "departure_before_arrival": 400,
    "duplicate_record": 400,
    "first_day": 400,
    "invalid": 400,
    "one_place": 400,
    "reason_required": 400,
    "required": 400,
    "session_date": 400,
    "session_length": 400,
    "time_in_future": 400,
    "time_out_of_range": 400,
    "unknown_booking": 400,
}
_CHECK_VIOLATION = "23514"


class Problem(exceptions.APIException):
    """A problem that has no better exception: raise it with its status and code."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[dict[str, Any]] = (),
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail, code)
        self.status_code = status
        self.code = code
        self.errors = list(errors)
        self.headers = headers or {}
        self.members = members

    @classmethod
    def at(cls, loc: Loc, code: str, message: str, status: int = 400) -> Problem:
        """A problem with one place in the request."""
        return cls(status, code, message, errors=[error_at(loc, code, message)])


def error_at(loc: Loc, code: str, message: str) -> dict[str, Any]:
    return {"loc": list(loc), "message": message, "code": code}


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's hook: the response for `exc`, or None for what is a fault of ours."""
    problem = as_problem(exc)
    if problem is None:
        return None
    return Response(
        document(problem),
        status=problem.status_code,
        headers=problem.headers,
        content_type=CONTENT_TYPE,
    )


def document(problem: Problem) -> dict[str, Any]:
    body = {
        "type": f"urn:iop-clinic:problem:{problem.code}",
        "title": HTTPStatus(problem.status_code).phrase,
        "status": problem.status_code,
        "detail": str(problem.detail),
        "code": problem.code,
        **problem.members,
    }
    if problem.errors:
        body["errors"] = problem.errors
    return body


def as_problem(exc: Exception) -> Problem | None:
    match exc:
        case Problem():
            return exc
        case Refused():
            return from_refusal(exc)
        case Busy():
            return _try_again(str(exc))
        case IntegrityError() | DataError() | OperationalError():
            return _from_database(exc)
        case Http404():
            return Problem(404, "not_found", "There is no such thing here.")
        case PermissionDenied():
            return Problem(403, "not_allowed", str(exc) or "Your role does not allow this.")
        case ModelValidationError():
            return _invalid(list(_model_errors(exc)))
        case ProtectedError() | RestrictedError():
            return Problem(409, "in_use", "Other rows depend on this one.")
        case exceptions.APIException():
            return _from_rest_framework(exc)
    return None


def from_refusal(exc: Refused) -> Problem:
    loc = [int(part) if part.isdigit() else part for part in exc.field.split(".") if part]
    members: dict[str, Any] = dict(exc.details)
    errors: Any = members.pop("errors", [error_at(loc, exc.code, exc.message)] if loc else ())
    return Problem(
        STATUS_OF_REFUSAL.get(exc.code, 409), exc.code, exc.message, errors=errors, **members
    )


def _try_again(detail: str) -> Problem:
    return Problem(503, "busy", detail, headers={"Retry-After": str(RETRY_SECONDS)})


def _from_database(exc: DatabaseError) -> Problem:
    if isinstance(exc, DataError):
        return Problem(400, "out_of_range", "A value is too large or too long to be stored.")
    if isinstance(exc, OperationalError):
        logger.warning("the database refused for now: %s", type(exc.__cause__).__name__)
        return _try_again("The database cannot answer now. Try again.")
    broken = violation(exc)
    if broken is None:
        return Problem(409, "conflict", "This change conflicts with data already stored.")
    check = getattr(exc.__cause__, "sqlstate", None) == _CHECK_VIOLATION
    # A check without a code of its own judges one row's values; the others know other rows.
    own_values = check and broken.code == broken.name
    status = 400 if own_values else STATUS_OF_REFUSAL.get(broken.code, 409)
    return Problem(status, broken.code, broken.message, constraint=broken.name)


def _from_rest_framework(exc: exceptions.APIException) -> Problem:
    if isinstance(exc, exceptions.ValidationError):
        return _invalid(list(_serializer_errors(exc.detail, [])))
    headers = {}
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if challenge := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    code = "invalid_body" if isinstance(exc, exceptions.ParseError) else str(exc.default_code)
    if isinstance(exc, exceptions.PermissionDenied):
        code = "not_allowed"
    return Problem(exc.status_code, code, str(exc.detail), headers=headers)


def _invalid(errors: list[dict[str, Any]]) -> Problem:
    places = [e for e in errors if e["loc"]]
    code = errors[0]["code"] if len(errors) == 1 else "invalid"
    detail = errors[0]["message"] if len(errors) == 1 else f"{len(errors)} values are wrong."
    return Problem(400, code, detail, errors=places or errors)


def _serializer_errors(detail: Any, loc: list[str | int]) -> Iterator[dict[str, Any]]:
    """REST framework's nested lists and dictionaries as flat places."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            step = [] if name == "non_field_errors" else [name]
            yield from _serializer_errors(inner, [*loc, *step])
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            if isinstance(inner, (dict, list)):
                yield from _serializer_errors(inner, [*loc, index])
            else:
                yield from _serializer_errors(inner, loc)
    else:
        yield error_at(loc, getattr(detail, "code", "invalid"), str(detail))


def _model_errors(exc: ModelValidationError) -> Iterator[dict[str, Any]]:
    if hasattr(exc, "error_dict"):
        for field, inner in exc.error_dict.items():
            for error in inner:
                yield from _model_error(error, [] if field == "__all__" else [field])
    else:
        for error in exc.error_list:
            yield from _model_error(error, [])


def _model_error(error: ModelValidationError, loc: Loc) -> Iterator[dict[str, Any]]:
    for message in error.messages:
        yield error_at(loc, error.code or "invalid", message)


def handler500(request: HttpRequest) -> HttpResponse:
    """A fault of ours: a problem document under /api/, a page elsewhere; details are in the log."""
    if not re.match(r"/api/", request.path):
        return server_error(request)
    fault = Problem(500, "server_error", "Something went wrong here. It has been logged.")
    return JsonResponse(document(fault), status=500, content_type=CONTENT_TYPE)
