"""What the OpenAPI document says beyond the serializers: queries, headers, problems, security."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
)
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework.serializers import ListSerializer

EXAMPLES = Path(__file__).with_name("examples.json")
"""By "METHOD path": what was sent and answered when a test told the story of a day."""

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[!-~]{1,200}$"},
    OpenApiParameter.HEADER,
    description="Sent again within 24 hours, the request is done once. Another body: 422; still "
    "at work: 409.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="The `ETag` last read, or `*` for whichever is current. Absent: 428; no longer "
    "current: 412.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` last read: 304 without a body while nothing has changed.",
)
ETAG = OpenApiParameter(
    "ETag",
    str,
    OpenApiParameter.HEADER,
    response=[200],
    description="What was answered, to be named by `If-Match` or `If-None-Match`.",
)

PROBLEM = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; `loc` is the path of names and list positions.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:iop-clinic:problem:stale_version"]},
        "title": {"type": "string", "examples": ["Conflict"]},
        "status": {"type": "integer", "examples": [409]},
        "detail": {"type": "string"},
        "code": {"type": "string", "examples": ["stale_version"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["loc", "message", "code"],
                "properties": {
                    "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
                    "message": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
        "conflicts": {
            "type": "array",
            "description": "Of a roster: each refused entry, as sent and as it is stored now.",
            "items": {"$ref": "#/components/schemas/ConflictOut"},
        },
        "unrecorded": {
            "type": "array",
            "description": "Of a roster that cannot be signed: the bookings without a record.",
            "items": {"type": "string", "format": "uuid"},
        },
        "choices": {
            "type": "array",
            "description": "Of a name that several share: what else tells them apart.",
            "items": {"type": "string"},
        },
        "make_ups": {
            "type": "array",
            "description": "Of a full session: the patient's other make-ups.",
            "items": {"$ref": "#/components/schemas/MakeUpOut"},
        },
        "capacity": {"type": "integer", "description": "Of a full session: its seats."},
        "ceiling": {"type": "integer", "description": "Of a full session: with a reason."},
    },
}
PROBLEM_RESPONSE = {
    "description": "A problem document.",
    "headers": {
        "Retry-After": {
            "description": "Of 429, 503 and 409 `in_flight`: after how many seconds.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "WWW-Authenticate": {"description": "Of 401.", "schema": {"type": "string"}},
    },
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


class Schema(AutoSchema):
    """Reads a view's `queries`, idempotent POSTs, `if_match` and `etags` methods."""

    def _get_serializer(self) -> None:
        """Views name what each method takes and gives; there is no serializer of the view."""

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation and self.method == "DELETE" and self.get_request_serializer():
            self.method = "PATCH"  # drf-spectacular describes no body of a DELETE
            operation["requestBody"] = self._get_request_body()  # type: ignore[no-untyped-call]
            self.method = "DELETE"
        if operation and getattr(self.get_request_serializer(), "never_empty", False):
            operation["requestBody"]["required"] = True
        return operation

    def get_override_parameters(self) -> list[Any]:
        view: Any = self.view
        found: list[Any] = []
        if shape := getattr(view, "queries", {}).get(self.method):
            found.append(shape)
        handler = getattr(view, self.method.lower(), None)
        if getattr(handler, "idempotent", False):
            found.append(IDEMPOTENCY_KEY)
        if self.method in getattr(view, "if_match", ()):
            found.append(IF_MATCH)
        if self.method in getattr(view, "etags", ()):
            found.append(ETAG)
        if self.method in getattr(view, "if_none_match", ()):
            found.append(IF_NONE_MATCH)
        return found


class StrictShape(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A body with a field that is not declared is refused, and so is a list of too many records;
    the document says so."""

    target_class = "iop_clinic.accounts.api.fields.Strict"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        shape: dict[str, Any] = auto_schema._map_serializer(
            self.target, direction, bypass_extensions=True
        )
        if type(self.target).__doc__ is None:
            shape.pop("description", None)  # that of the base, which is about every body
        for name, field in self.target.fields.items():
            most = getattr(field, "max_length", None)  # missing in the stubs
            if isinstance(field, ListSerializer) and most is not None:
                shape["properties"][name]["maxItems"] = most
        least = {"minProperties": 1} if self.target.never_empty and direction == "request" else {}
        return shape | least | {"additionalProperties": False}


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "iop_clinic.accounts.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "`Authorization: Bearer <token>`, from POST /api/v1/auth/token/.",
        }


def show_examples(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Every operation with a call of it: what was sent, what came back."""
    calls = json.loads(EXAMPLES.read_text())
    for path, methods in result["paths"].items():
        for method, operation in methods.items():
            call = calls.get(f"{method.upper()} {path}")
            if call:
                _show(operation.get("requestBody"), call["request"])
                _show(operation["responses"].get(str(call["status"])), call["response"])
    return result


def _show(part: dict[str, Any] | None, example: Any) -> None:
    shown = (part or {}).get("content", {}).get("application/json")
    if shown is not None and example is not None:
        shown["example"] = example


def describe_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Every operation may answer with a problem document."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    for path in result["paths"].values():
        for operation in path.values():
            if "responses" in operation:
                operation["responses"]["default"] = PROBLEM_RESPONSE
    return result
