"""The base of every API view: who may, in which clinic, with which query parameters.

Deny by default: a method without an entry in `needs` is refused. A row is looked for among the
visible ones first (404), then the permission is asked in the row's own clinic (403), and only then
is the body read (400), so that a refusal never tells whether something exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from iop_clinic.accounts.api.fields import PublicId, Strict
from iop_clinic.accounts.api.pagination import MAX_PAGE, MAX_PAGE_SIZE, PAGE_SIZE, Pages
from iop_clinic.accounts.api.problems import Problem
from iop_clinic.accounts.models import Clinic, ClinicModel, User
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can

M = TypeVar("M", bound=Model)


class Anyone:
    """In `needs`: whoever is signed in; the view itself shows only what is theirs."""


class PageQuery(Strict):
    page = serializers.IntegerField(default=1, min_value=1, max_value=MAX_PAGE)
    page_size = serializers.IntegerField(default=PAGE_SIZE, min_value=1, max_value=MAX_PAGE_SIZE)


class ListQuery(PageQuery):
    clinic = PublicId(required=False, help_text="Default: the current clinic.")


class View(GenericAPIView):
    needs: ClassVar[dict[str, Can | type[Anyone]]] = {}
    queries: ClassVar[dict[str, type[Strict]]] = {}
    pagination_class = Pages
    metadata_class = None  # OPTIONS describes nothing; /api/v1/schema/ does
    http_method_names = ["get", "head", "post", "patch", "delete"]
    query: dict[str, Any]

    @property
    def user(self) -> User:
        assert isinstance(self.request.user, User)
        return self.request.user

    @property
    def method(self) -> str:
        """HEAD is a GET whose body nobody reads."""
        return "GET" if self.request.method == "HEAD" else str(self.request.method)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if "Transfer-Encoding" in request.headers and "Content-Length" not in request.headers:
            # REST framework would take the body for empty.
            raise Problem(411, "length_required", "Send the body with its Content-Length.")
        if self.offered:  # or else it is 405, whatever the query says
            self.query = self._validated_query(request)

    def perform_authentication(self, request: Request) -> None:
        try:
            super().perform_authentication(request)
        finally:  # whoever tries dead tokens is counted too, by address
            super().check_throttles(request)

    def check_throttles(self, request: Request) -> None:
        """Done already: REST framework would count only those who pass the permissions."""

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        if self.offered and self.method not in self.needs:
            raise PermissionDenied

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Answers name patients or hold tokens: nobody in between keeps one, and a browser asks
        again before it shows what it has read."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        read = self.method == "GET" and answer.status_code in (200, 304)
        answer.headers.setdefault("Cache-Control", "private, no-cache" if read else "no-store")
        return answer

    @property
    def offered(self) -> bool:
        """Whether this view has the method at all."""
        handler = self.method.lower()
        return handler in self.http_method_names and hasattr(self, handler)

    def _validated_query(self, request: Request) -> dict[str, Any]:
        given = request.query_params
        twice = [name for name in given if len(given.getlist(name)) > 1]
        if twice:
            raise serializers.ValidationError(
                dict.fromkeys(twice, "Give this parameter once."), code="given_twice"
            )
        shape = self.queries.get(self.method, Strict)(data=given.dict())
        shape.is_valid(raise_exception=True)
        return dict(shape.validated_data)

    # --- who and where ---

    @cached_property
    def clinic(self) -> Clinic:
        """The clinic asked for, or the current one; 403 when it does not allow this method."""
        wanted = self.query.get("clinic")
        clinic = self._clinic_named(wanted) if wanted else self._current_clinic()
        self.allow(clinic)
        return clinic

    def _clinic_named(self, public_id: UUID) -> Clinic:
        mine = Clinic.objects.filter(pk__in=self.user.scope.roles)
        return self.one(mine, public_id)

    def _current_clinic(self) -> Clinic:
        current = self.user.working_clinic()
        if current is None:
            raise PermissionDenied("You have no role in any clinic.")
        return current

    def allow(self, clinic: Clinic | int) -> None:
        """Raise 403 unless the role in `clinic` allows this method."""
        need = self.needs[self.method]
        if isinstance(need, Can) and not self.user.may(need, clinic):
            raise PermissionDenied

    def note(self, rows: Sequence[ClinicModel]) -> None:
        """Write down that the user was shown these rows, which name patients."""
        if rows:
            with transaction.atomic():  # one row or fifty: the same statements
                note_read(*rows, by=self.user)

    # --- rows and bodies ---

    def one(self, rows: QuerySet[M], public_id: UUID) -> M:
        """The row of this id among `rows`; unknown and not visible are the same 404."""
        row = rows.filter(public_id=public_id).first()
        if row is None:
            raise Http404
        return row

    def own(self, rows: QuerySet[M], public_id: UUID) -> M:
        """`one`, then the permission in the row's clinic."""
        return self.allowed([self.one(rows, public_id)])

    def allowed(self, found: Sequence[M]) -> M:
        """The one visible row that was found, or 404; then the permission in its clinic."""
        if not found:
            raise Http404
        (row,) = found
        self.allow(row.clinic_id)  # type: ignore[attr-defined]
        return row

    def body(self, shape: type[serializers.Serializer]) -> dict[str, Any]:
        """The validated body."""
        filled = shape(data=self.request.data, context={"view": self})
        filled.is_valid(raise_exception=True)
        return dict(filled.validated_data)

    def pages(
        self,
        rows: QuerySet[Any] | Callable[[range], list[Any]],
        shape: type[serializers.Serializer],
        *,
        noted: bool = False,
        **context: Any,
    ) -> Response:
        """One page of `rows`, or of what answers for positions, in the list form; `noted`: each row
        of it as read."""
        found: Any = self.paginate_queryset(rows)  # type: ignore[arg-type]  # see pagination.py
        if noted:
            self.note(found)
        return self.get_paginated_response(shape(found, many=True, context=context).data)

    def everything(
        self, rows: Iterable[Any], shape: type[serializers.Serializer], **context: Any
    ) -> Response:
        """All of a short list, in the list form."""
        shown = shape(rows, many=True, context=context).data
        return Response({"results": shown, "next": None, "previous": None})


class NoSuchPath(View):
    """What lies under /api/ and is not a route: a problem document, not a page."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise Http404
