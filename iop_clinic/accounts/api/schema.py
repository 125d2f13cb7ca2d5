"""What the OpenAPI document says beyond the serializers: queries, headers, problems, security."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Sent again within 24 hours, the request is done once. Another body: 422; still "
    "at work: 409.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="The `ETag` last read. Absent: 428; no longer current: 412.",
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
    },
}
PROBLEM_RESPONSE = {
    "description": "A problem document.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


class Schema(AutoSchema):
    """Reads a view's `queries`, idempotent POSTs and `if_match` methods."""

    def _get_serializer(self) -> None:
        """Views name what each method takes and gives; there is no serializer of the view."""

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation and self.method == "DELETE" and self.get_request_serializer():
            self.method = "PATCH"  # drf-spectacular describes no body of a DELETE
            operation["requestBody"] = self._get_request_body()  # type: ignore[no-untyped-call]
            self.method = "DELETE"
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
        return found


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "iop_clinic.accounts.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "`Authorization: Bearer <token>`, from POST /api/v1/auth/token/.",
        }


def describe_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Every operation may answer with a problem document."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    for path in result["paths"].values():
        for operation in path.values():
            if "responses" in operation:
                operation["responses"]["default"] = PROBLEM_RESPONSE
    return result
