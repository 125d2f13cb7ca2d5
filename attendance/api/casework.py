"""Working a case over REST: seen, handed on, tried, put off, closed. Each with `If-Match`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from attendance.api.flags import FlagView, FlagWithOutreach
from attendance.compliance import cases
from attendance.models import Flag, OutreachAttempt
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.api.fields import Instant, LocalDate, PublicId, Strict, Text
from iop_clinic.accounts.api.idempotency import idempotent
from iop_clinic.accounts.api.problems import Problem
from iop_clinic.accounts.api.versions import etag, version_matched
from iop_clinic.accounts.models import User
from iop_clinic.accounts.roles import Can


class AssignBody(Strict):
    owner = PublicId()


class OutreachBody(Strict):
    method = serializers.ChoiceField(OutreachAttempt.Method.choices)
    result = serializers.ChoiceField(OutreachAttempt.Result.choices)
    note = Text(required=False, allow_blank=True, max_length=2000)
    next_step = Text(required=False, allow_blank=True, max_length=200)
    attempted_at = Instant(required=False)


class SnoozeBody(Strict):
    until = LocalDate()
    reason = Text(max_length=300)


class ResolveBody(Strict):
    outcome = serializers.ChoiceField(Flag.Outcome.choices)
    note = Text(required=False, allow_blank=True, max_length=300)


class Step(FlagView):
    """One kind of work; `body_shape` says what it takes, `take` does it."""

    needs: ClassVar = {"POST": Can.WORK_FLAGS}
    if_match = ("POST",)
    made = "id"
    body_shape: ClassVar[type[Strict]] = Strict

    def work(self, public_id: UUID) -> Response:
        flag = self.own(self.flags(), public_id)
        version = version_matched(self.request)
        given = self.body(self.body_shape)
        try:
            self.take(flag, version=version, by=self.user, **given)
        except Refused as refusal:
            if refusal.code == "stale_version":
                raise Problem(412, refusal.code, refusal.message) from refusal
            raise
        body = self.representation(public_id)
        return Response(body, headers=etag(body["version"]))

    def take(self, flag: Flag, **given: Any) -> None:
        raise NotImplementedError  # each step below calls its service

    def representation(self, public_id: Any) -> Mapping[str, Any]:
        flag = self.own(self.worked_flags(), public_id)
        return FlagWithOutreach(flag, context={"zone": flag.clinic.tz}).data


class Acknowledge(Step):
    @extend_schema(summary="Take it on", request=None, responses={200: FlagWithOutreach})
    @idempotent
    def post(self, request: Request, public_id: UUID) -> Response:
        """A case without an owner becomes yours."""
        return self.work(public_id)

    def take(self, flag: Flag, **given: Any) -> None:
        cases.acknowledge(flag=flag, **given)


class Assign(Step):
    body_shape = AssignBody

    @extend_schema(summary="Hand it on", request=AssignBody, responses={200: FlagWithOutreach})
    @idempotent
    def post(self, request: Request, public_id: UUID) -> Response:
        """To a person who works cases in the clinic; anybody else is 409 `not_staff`."""
        return self.work(public_id)

    def take(self, flag: Flag, **given: Any) -> None:
        staff = User.objects.filter(memberships__clinic=flag.clinic)
        cases.assign(flag=flag, **given | {"owner": self.one(staff, given["owner"])})


class Outreach(Step):
    body_shape = OutreachBody

    @extend_schema(summary="Log a try", request=OutreachBody, responses={200: FlagWithOutreach})
    @idempotent
    def post(self, request: Request, public_id: UUID) -> Response:
        """409 `method_not_allowed` for a channel the patient did not allow."""
        return self.work(public_id)

    def take(self, flag: Flag, **given: Any) -> None:
        cases.log_outreach(flag=flag, **given)


class Snooze(Step):
    body_shape = SnoozeBody

    @extend_schema(summary="Put it off", request=SnoozeBody, responses={200: FlagWithOutreach})
    @idempotent
    def post(self, request: Request, public_id: UUID) -> Response:
        """Until a local date after today, with a reason."""
        return self.work(public_id)

    def take(self, flag: Flag, **given: Any) -> None:
        cases.snooze(flag=flag, **given)


class Resolve(Step):
    body_shape = ResolveBody

    @extend_schema(summary="Close it", request=ResolveBody, responses={200: FlagWithOutreach})
    @idempotent
    def post(self, request: Request, public_id: UUID) -> Response:
        """With an outcome, for good: the same evidence never opens it again."""
        return self.work(public_id)

    def take(self, flag: Flag, **given: Any) -> None:
        cases.resolve(flag=flag, **given)
