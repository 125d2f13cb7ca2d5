"""Cancelling one session: who would lose what, and doing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from attendance.api.roster import SessionView
from attendance.api.sessions import SessionOut, one_session, session_shown
from attendance.api.weeks import SOURCES
from attendance.cancel_impact import cancel_impact
from attendance.sessions import cancel_session
from iop_clinic.accounts.api.fields import PublicId, Strict, Text
from iop_clinic.accounts.api.idempotency import idempotent
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can


class CancelBody(Strict):
    reason = Text(max_length=200, help_text="Why the clinic cancels; never about a patient.")


class EffectOut(serializers.Serializer):
    """The week, or the segment of it that holds the session, under one standard. Minutes are those
    that the standard judges. Falling below means: it could be reached, and could be no more."""

    standard = serializers.CharField(help_text="Its name.")
    at_most_before = serializers.IntegerField(help_text="What the week can reach as it is.")
    at_most_after = serializers.IntegerField(help_text="What it could reach then.")
    minimum_before = serializers.IntegerField(help_text="After proration.")
    minimum = serializers.IntegerField(
        help_text="Asked for then: cancelled minutes leave the program's minimum, not a payer's or "
        "a court's."
    )
    falls_below = serializers.BooleanField()
    days_at_most_before = serializers.IntegerField(help_text="Qualifying days.")
    days_at_most_after = serializers.IntegerField()
    days_before = serializers.IntegerField(help_text="Asked for, after proration.")
    days = serializers.IntegerField(help_text="Asked for then.")
    too_few_days = serializers.BooleanField()

    def get_fields(self) -> dict[str, serializers.Field]:
        # `source` is an attribute of every field, so it cannot be one of the class.
        return {**super().get_fields(), "source": serializers.ChoiceField(SOURCES)}


class LossOut(serializers.Serializer):
    """One expected patient. The figures are of the standard that the patient would fall below, or
    else of the program's; without any, of the week, and nothing is asked for."""

    id = PublicId(source="patient.public_id")
    name = serializers.CharField(source="patient.__str__")
    minutes_lost = serializers.IntegerField(help_text="Creditable, of what the week can reach.")
    plan = serializers.IntegerField(
        allow_null=True, help_text="The plan's minutes a week: cancelling changes nothing in it."
    )
    at_most_before = serializers.IntegerField(source="first.at_most_before")
    at_most_after = serializers.IntegerField(source="first.at_most_after")
    minimum_before = serializers.IntegerField(source="first.minimum_before")
    minimum = serializers.IntegerField(source="first.minimum", help_text="Asked for then.")
    falls_below = serializers.BooleanField(source="first.falls_below")
    too_few_days = serializers.BooleanField(source="first.too_few_days")
    standard = serializers.CharField(source="first.standard", allow_null=True)
    standards = EffectOut(source="effects", many=True)


class CancelImpactOut(serializers.Serializer):
    session = SessionOut()
    patients = LossOut(many=True)


class CancelImpact(SessionView):
    needs: ClassVar = {"GET": Can.VIEW_SCHEDULE}

    @extend_schema(
        summary="What cancelling would take",
        responses=CancelImpactOut,
    )
    def get(self, request: Request, public_id: UUID) -> Response:
        """Who would lose how many minutes and fall below what is asked of their week, by seat.
        Cancelled already: nobody. 409 for what `cancel/` would refuse."""
        now = timezone.now()
        session = self.allowed(one_session(self.user.sight, public_id))
        losses = cancel_impact(session=session, now=now)
        note_read(session, by=self.user)
        shown = {"session": session, "patients": losses}
        return Response(CancelImpactOut(shown, context={"zone": session.clinic.tz}).data)


class Cancel(SessionView):
    needs: ClassVar = {"POST": Can.MANAGE_SCHEDULE}
    made = "id"

    @extend_schema(
        summary="Cancel a session",
        request=CancelBody,
        responses={200: SessionOut},
    )
    @idempotent
    def post(self, request: Request, public_id: UUID) -> Response:
        """By the clinic: it never counts against a patient, and the week is judged again at once.
        Again: 200, and the first reason stays. 409 `roster_signed` after signing,
        `attendance_recorded` while somebody is recorded as present."""
        session = self.session(public_id)
        cancel_session(session=session, by=self.user, **self.body(CancelBody))
        return Response(self.representation(public_id))

    def representation(self, public_id: Any) -> Mapping[str, Any]:
        return session_shown(self, public_id)
