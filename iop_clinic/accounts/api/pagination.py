"""Pages without a count: one query, one row more than shown says whether there is a next page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param
from rest_framework.views import APIView

PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
MAX_PAGE = 10_000


class Pages(BasePagination):
    """`page` and `page_size`; answers `results`, `next` and `previous`.

    The queryset must be ordered by something that ends in a unique key. The two parameters have
    been validated by the view (`ListQuery`).
    """

    def paginate_queryset(
        self,
        queryset: QuerySet[Any] | Callable[[range], list[Any]],
        request: Request,
        view: APIView | None = None,
    ) -> list[Any]:
        query = view.query  # type: ignore[union-attr]
        self.page, size = query["page"], query["page_size"]
        self.url = request.build_absolute_uri()
        first = (self.page - 1) * size
        last = first + size + 1
        rows = queryset(range(first, last)) if callable(queryset) else list(queryset[first:last])
        self.more = len(rows) > size
        return rows[:size]

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self._next(), "previous": self._previous()})

    def _next(self) -> str | None:
        return replace_query_param(self.url, "page", self.page + 1) if self.more else None

    def _previous(self) -> str | None:
        if self.page == 1:
            return None
        if self.page == 2:
            return remove_query_param(self.url, "page")
        return replace_query_param(self.url, "page", self.page - 1)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {
                "results": schema,
                "next": link,
                "previous": link,
            },
        }
