"""The sick call in one request, and taking it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from attendance import call_ins
from attendance.api.bookings import SHOWN, BookingOut
from attendance.models.records import AbsenceReason
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.api.fields import (
    Instant,
    LocalDate,
    PersonRef,
    PublicId,
    Strict,
    Text,
    Zone,
)
from iop_clinic.accounts.api.idempotency import idempotent
from iop_clinic.accounts.api.views import View
from iop_clinic.accounts.roles import Can
from patients.models import Episode, Patient
from scheduling.eligibility import is_active
from scheduling.models import Booking, CallIn

ERROR_FIELDS = {"from_date": "from", "to_date": "to"}


class CallInBody(Strict):
    to = LocalDate(help_text="The last day of absence.")
    reason = serializers.ChoiceField(AbsenceReason.choices)
    notified_at = Instant(help_text="When the patient told; never in the future.")
    note = Text(required=False, allow_blank=True, max_length=200)

    def get_fields(self) -> dict[str, serializers.Field]:
        # `from` cannot be written as an attribute of a class.
        return {"from": LocalDate(help_text="The first day of absence."), **super().get_fields()}


class CallInOut(serializers.Serializer):
    """`released`: the bookings it frees; after it was taken back, those without a place left."""

    id = PublicId(source="public_id")
    patient = PersonRef(source="episode.patient")
    to = serializers.DateField(source="to_date")
    reason = serializers.CharField()
    note = serializers.CharField()
    notified_at = Instant()
    zone = Zone()
    taken_by = PersonRef()
    taken_back_at = Instant(allow_null=True)
    released = BookingOut(many=True)

    def get_fields(self) -> dict[str, serializers.Field]:
        return {**super().get_fields(), "from": serializers.DateField(source="from_date")}


class CallInView(View):
    needs: ClassVar = {"POST": Can.TAKE_CALL_INS}
    made = "id"

    def call_ins(self) -> QuerySet[CallIn]:
        freed = Booking.objects.filter(
            clinic__in=self.user.scope.roles, state=Booking.State.RELEASED
        ).select_related(*SHOWN)
        return (
            CallIn.objects.visible_to(self.user)
            .select_related("clinic", "episode__patient", "taken_by")
            .prefetch_related(Prefetch("bookings", freed.order_by("starts_at", "pk"), "released"))
        )

    def representation(self, public_id: Any) -> Mapping[str, Any]:
        row = self.own(self.call_ins(), public_id)
        return CallInOut(row, context={"zone": row.clinic.tz}).data


class CallIns(CallInView):
    @extend_schema(summary="Take a sick call", request=CallInBody, responses={201: CallInOut})
    @idempotent
    def post(self, request: Request, public_id: UUID) -> Response:
        """Releases the bookings of these days, those planned later too; rosters show the notice."""
        patient = self.own(Patient.objects.visible_to(self.user), public_id)
        given = self.body(CallInBody)
        dates = {"from_date": given.pop("from"), "to_date": given.pop("to")}
        try:
            row = call_ins.call_in(
                episode=self._episode(patient, *dates.values()), by=self.user, **dates, **given
            )
        except Refused as refusal:
            refusal.field = ERROR_FIELDS.get(refusal.field, refusal.field)
            raise
        return Response(self.representation(row.public_id), status=status.HTTP_201_CREATED)

    def _episode(self, patient: Patient, *days: Any) -> Episode:
        """The episode in treatment on one of the days, or else the latest, which is refused."""
        rows = Episode.objects.visible_to(self.user).filter(patient=patient)
        episodes = list(rows.select_related("clinic").order_by("-referred_on", "-id"))
        if not episodes:
            raise Refused("not_active", "The patient is not in treatment.", field="from_date")
        active = (one for one in episodes if any(is_active(one, day) for day in days))
        return next(active, episodes[0])


class TakeBack(CallInView):
    @extend_schema(summary="Take a sick call back", request=None, responses={200: CallInOut})
    @idempotent
    def post(self, request: Request, public_id: UUID) -> Response:
        """The patient comes after all: booked again where a place is left."""
        row = self.own(self.call_ins(), public_id)
        self.body(Strict)
        call_ins.take_back_call_in(call_in=row, by=self.user)
        return Response(self.representation(public_id))
