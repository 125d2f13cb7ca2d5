"""One attendance record: read it, correct it with `If-Match`, take it back, see its versions."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from attendance.api.roster import roster_problem
from attendance.api.shapes import FactsIn, RecordOut
from attendance.records import services
from attendance.records.entries import Entry, RosterRefused
from attendance.records.roster import RosterRow, roster_rows
from iop_clinic.accounts.api.fields import Instant, Strict, Text
from iop_clinic.accounts.api.problems import Problem
from iop_clinic.accounts.api.versions import etag, version_matched
from iop_clinic.accounts.api.views import View
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from scheduling.models import Booking

UNRECORDED = 0  # the version, in an ETag, of what has no record yet


class Clearing(Strict):
    correction_reason = Text(required=False, allow_blank=True, max_length=200, default="")


class ChangeOut(serializers.Serializer):
    field = serializers.CharField()
    old = serializers.JSONField(help_text="Any value, null as well.")
    new = serializers.JSONField(help_text="Any value, null as well.")


class VersionOut(serializers.Serializer):
    """One step of a record's life; `version` is null where it was cleared."""

    at = Instant()
    who = serializers.CharField()
    operation = serializers.CharField()
    version = serializers.IntegerField(allow_null=True)
    changes = ChangeOut(many=True)
    reason = serializers.CharField()


class BookingView(View):
    def booking(self, public_id: UUID) -> Booking:
        """A visible booking that stands on its session's roster."""
        rows = Booking.objects.visible_to(self.user).exclude(state=Booking.State.WITHDRAWN)
        return self.own(rows.select_related("clinic", "session__clinic"), public_id)


class Record(BookingView):
    needs: ClassVar = {
        "GET": Can.VIEW_SCHEDULE,
        "PATCH": Can.RECORD_ATTENDANCE,
        "DELETE": Can.RECORD_ATTENDANCE,
    }
    if_match = ("PATCH", "DELETE")
    etags = ("GET", "PATCH")

    @extend_schema(summary="One record", responses=RecordOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        """The `ETag` is for `If-Match`; nothing recorded yet is `"0"`."""
        booking = self.booking(public_id)
        note_read(booking, by=self.user)
        return self._answer(booking)

    @extend_schema(summary="Correct one record", request=FactsIn, responses=RecordOut)
    def patch(self, request: Request, public_id: UUID) -> Response:
        """At any time, also when signed (the roster is reopened); what is left out stays."""
        booking = self.booking(public_id)
        version = version_matched(request)
        changes = self.body(FactsIn)
        try:
            if version == UNRECORDED:
                self._record(booking, changes)
            else:
                reason = changes.pop("correction_reason", "")
                services.correct(
                    booking=booking,
                    changes=changes,
                    version=version,
                    correction_reason=reason,
                    by=self.user,
                )
        except RosterRefused as refusal:
            raise self._problem(booking, refusal) from refusal
        return self._answer(booking)

    @extend_schema(summary="Back to unrecorded", request=Clearing, responses={204: None})
    def delete(self, request: Request, public_id: UUID) -> Response:
        """Needs a `correction_reason`; what was recorded stays in the history."""
        booking = self.booking(public_id)
        version = version_matched(request)
        reason = self.body(Clearing)["correction_reason"]
        try:
            services.clear(booking=booking, version=version, correction_reason=reason, by=self.user)
        except RosterRefused as refusal:
            raise self._problem(booking, refusal) from refusal
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _record(self, booking: Booking, facts: dict[str, Any]) -> None:
        if "attended" not in facts:
            raise Problem.at(["attended"], "required", "Say whether the patient attended.")
        entry = Entry(booking=booking.public_id, **facts)
        services.record_roster(session=booking.session, entries=[entry], by=self.user)

    def _problem(self, booking: Booking, refusal: RosterRefused) -> Problem:
        return roster_problem(refusal.conflicts, booking.clinic.tz, [], stale=412)

    def _answer(self, booking: Booking) -> Response:
        row = roster_row(booking)
        body = RecordOut(row, context={"zone": booking.clinic.tz}).data
        return Response(body, headers=etag(row.version or UNRECORDED))


class History(BookingView):
    needs: ClassVar = {"GET": Can.VIEW_SCHEDULE}

    @extend_schema(summary="Every version of a record", responses=VersionOut(many=True))
    def get(self, request: Request, public_id: UUID) -> Response:
        """Who, when, what and why, oldest first."""
        booking = self.booking(public_id)
        note_read(booking, by=self.user)
        return self.everything(services.history(booking), VersionOut, zone=booking.clinic.tz)


def roster_row(booking: Booking) -> RosterRow:
    rows = roster_rows(booking.session, now=timezone.now())
    row = next((row for row in rows if row.booking_id == booking.pk), None)
    if row is None:  # withdrawn in between
        raise Http404
    return row
