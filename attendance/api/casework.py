"""Working a case over REST: seen, handed on, tried, put off, closed. Each with `If-Match`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from attendance.api.flags import FlagView, FlagWithOutreach
from attendance.compliance import cases
from attendance.compliance.outreach import DECISIONS
from attendance.compliance.week_notes import write_week_note
from attendance.models import Flag, OutreachAttempt, WeekNote
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.api.fields import Instant, LocalDate, PublicId, Strict, Text
from iop_clinic.accounts.api.idempotency import idempotent
from iop_clinic.accounts.api.problems import Problem
from iop_clinic.accounts.api.versions import etag, version_matched
from iop_clinic.accounts.models import User
from iop_clinic.accounts.roles import Can
from scheduling.models import Booking


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
    make_up = PublicId(required=False, help_text="A booking with `makes_up`, for that outcome.")


class WeekNoteBody(Strict):
    reason = serializers.ChoiceField(WeekNote.Reason.choices)
    detail = Text(required=False, allow_blank=True, max_length=300)
    make_up_offered = Text(max_length=300, help_text="Which one, or why none.")


class Step(FlagView):
    """One kind of work; `body_shape` says what it takes, `take` does it."""

    needs: ClassVar = {"POST": Can.WORK_FLAGS}
    if_match: tuple[str, ...] = ("POST",)
    etags: tuple[str, ...] = ("POST",)
    made = "id"
    body_shape: ClassVar[type[Strict]] = Strict

    def work(self, public_id: UUID) -> Response:
        flag = self.own(self.flags(), public_id)
        version = version_matched(self.request, lambda: flag.version)
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
        return self.shown(public_id)[1]


class Acknowledge(Step):
    @extend_schema(summary="Take it on", request=None, responses={200: FlagWithOutreach})
    @idempotent
    def post(self, request: Request, public_id: UUID) -> Response:
        """The case becomes yours, whoever had it."""
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
        """409 `channel_not_allowed` for a channel the patient did not allow.

        A welfare check is decided by a coordinator or an administrator (403 for others): `method`
        is `welfare_check`, `result` is `requested` or `not_needed`, and `note` says why. What it
        found is a try of the same method later.
        """
        return self.work(public_id)

    def take(self, flag: Flag, **given: Any) -> None:
        decides = given["result"] in DECISIONS
        if decides and not self.user.may(Can.MANAGE_EPISODES, flag.clinic_id):
            raise PermissionDenied("A supervisor decides on a welfare check.")
        cases.log_outreach(flag=flag, **given)


class Snooze(Step):
    body_shape = SnoozeBody

    @extend_schema(summary="Put it off", request=SnoozeBody, responses={200: FlagWithOutreach})
    @idempotent
    def post(self, request: Request, public_id: UUID) -> Response:
        """Until a local date after today, with a reason; at most `snooze_until_at_most`."""
        return self.work(public_id)

    def take(self, flag: Flag, **given: Any) -> None:
        cases.snooze(flag=flag, **given)


class Resolve(Step):
    body_shape = ResolveBody

    @extend_schema(summary="Close it", request=ResolveBody, responses={200: FlagWithOutreach})
    @idempotent
    def post(self, request: Request, public_id: UUID) -> Response:
        """With an outcome, for good: the same evidence never opens it again.

        409 `note_required` for a week below its minimum that has no note yet, `outcome_required`
        for what is not a person's to choose: `facts`, and `discharged`, which a discharge brings.
        `make_up` names the booking of the outcome "make-up booked": one that stands for a missed
        one (`makes_up`), in the case's week; any other is 400 `unknown_booking`.
        """
        return self.work(public_id)

    def take(self, flag: Flag, **given: Any) -> None:
        if "make_up" in given:
            bookings = Booking.objects.visible_to(self.user).filter(clinic=flag.clinic)
            given["make_up"] = self.one(bookings, given["make_up"])
        cases.resolve(flag=flag, **given)


class WeekNotes(Step):
    needs: ClassVar = {"PUT": Can.WORK_FLAGS}
    if_match = etags = ("PUT",)
    http_method_names = ["put"]
    body_shape = WeekNoteBody

    @extend_schema(
        summary="Why a week was short", request=WeekNoteBody, responses={200: FlagWithOutreach}
    )
    def put(self, request: Request, public_id: UUID) -> Response:
        """Written, or written anew: the reason and the make-up offered, or why none (R7).

        409 `not_a_week` for a case that is not about a week's hours.
        """
        return self.work(public_id)

    def take(self, flag: Flag, **given: Any) -> None:
        write_week_note(flag=flag, **given)
