"""One attendance record: read it, correct it with `If-Match`, take it back, see its versions."""

from __future__ import annotations

import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from attendance.api.roster import note_shown, roster_problem
from attendance.api.shapes import FactsIn, OneRecordOut
from attendance.models import AttendanceRecord
from attendance.records import services
from attendance.records.entries import Entry, RosterRefused
from attendance.records.history import Change, history
from attendance.records.roster import RosterRow, roster_rows
from iop_clinic.accounts.api.fields import Instant, Strict, Text, Zone
from iop_clinic.accounts.api.problems import Problem
from iop_clinic.accounts.api.versions import etag, version_matched
from iop_clinic.accounts.api.views import View
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from scheduling.models import Booking, Session
from scheduling.querysets import BookingQuerySet

UNRECORDED = 0  # the version, in an ETag, of what has no record yet
TIMES = {"arrived_at", "left_at", "away", "notified_at"}


class Clearing(Strict):
    correction_reason = Text(required=False, allow_blank=True, max_length=200, default="")


class ChangeOut(serializers.Serializer):
    field = serializers.CharField()
    old = serializers.JSONField(help_text="Any value, null as well.")
    new = serializers.JSONField(help_text="Any value, null as well.")

    def to_representation(self, change: Change) -> dict[str, Any]:
        shown = self._in_zone if change.field in TIMES else lambda value: value
        return {"field": change.field, "old": shown(change.old), "new": shown(change.new)}

    def _in_zone(self, value: Any) -> Any:
        """The trail keeps instants as text, in UTC."""
        if isinstance(value, list):
            return [self._in_zone(one) for one in value]
        if value is None:
            return None
        return datetime.datetime.fromisoformat(value).astimezone(self.context["zone"]).isoformat()


class VersionOut(serializers.Serializer):
    """One step of a record's life; `version` is null where it was cleared."""

    at = Instant()
    zone = Zone()
    who = serializers.CharField()
    operation = serializers.CharField()
    version = serializers.IntegerField(allow_null=True)
    changes = ChangeOut(many=True)
    reason = serializers.CharField()


class RecordView(View):
    def bookings(self) -> BookingQuerySet:
        """Visible ones that stand on their session's roster."""
        rows = Booking.objects.visible_to(self.user).exclude(state=Booking.State.WITHDRAWN)
        return rows.select_related("session")


class Record(RecordView):
    needs: ClassVar = {
        "GET": Can.VIEW_SCHEDULE,
        "PATCH": Can.RECORD_ATTENDANCE,
        "DELETE": Can.RECORD_ATTENDANCE,
    }
    if_match = ("PATCH", "DELETE")
    etags = ("GET", "PATCH")

    @extend_schema(summary="One record", responses=OneRecordOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        """The `ETag` is for `If-Match`; nothing recorded yet is `"0"`."""
        booking = self.own(self.bookings(), public_id)
        note_read(booking, by=self.user)
        return self._answer(booking)

    @extend_schema(summary="Correct one record", request=FactsIn, responses=OneRecordOut)
    def patch(self, request: Request, public_id: UUID) -> Response:
        """At any time, also when signed (the roster is reopened); what is left out stays.

        403 for whoever sees the patient's record but not the session.
        """
        booking = self.to_write(public_id)
        version = version_matched(request, lambda: version_of(booking))
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
        """Needs a `correction_reason`; what was recorded stays in the history. 403 for whoever
        sees the patient's record but not the session."""
        booking = self.to_write(public_id)
        version = version_matched(request, lambda: version_of(booking))
        reason = self.body(Clearing)["correction_reason"]
        try:
            services.clear(booking=booking, version=version, correction_reason=reason, by=self.user)
        except RosterRefused as refusal:
            raise self._problem(booking, refusal) from refusal
        return Response(status=status.HTTP_204_NO_CONTENT)

    def to_write(self, public_id: UUID) -> Booking:
        """The roster is its session's: a primary therapist reads it in a colleague's, no more."""
        sessions = Session.objects.visible_to(self.user).filter(pk=OuterRef("session"))
        booking = self.own(self.bookings().annotate(seen=Exists(sessions)), public_id)
        if not booking.seen:  # type: ignore[attr-defined]
            raise PermissionDenied("Whoever leads or covers the session records in it.")
        return booking

    def _record(self, booking: Booking, facts: dict[str, Any]) -> None:
        if "attended" not in facts:
            raise Problem.at(["attended"], "required", "Say whether the patient attended.")
        entry = Entry(booking=booking.public_id, **facts)
        services.record_roster(session=booking.session, entries=[entry], by=self.user)

    def _problem(self, booking: Booking, refusal: RosterRefused) -> Problem:
        note_shown(refusal.conflicts, booking, by=self.user)
        return roster_problem(refusal.conflicts, booking.session.tz, [], stale=412)

    def _answer(self, booking: Booking) -> Response:
        row = roster_row(booking)
        body = OneRecordOut(row, context={"zone": booking.session.tz}).data
        return Response(body, headers=etag(row.version or UNRECORDED))


class History(RecordView):
    needs: ClassVar = {"GET": Can.VIEW_SCHEDULE}

    @extend_schema(summary="Every version of a record", responses=VersionOut(many=True))
    def get(self, request: Request, public_id: UUID) -> Response:
        """Who, when, what and why, oldest first."""
        booking = self.own(self.bookings(), public_id)
        note_read(booking, by=self.user)
        return self.everything(history(booking), VersionOut, zone=booking.session.tz)


def version_of(booking: Booking) -> int:
    """Of its record, as it stands."""
    record = AttendanceRecord.objects.filter(booking=booking).first()
    return record.version if record else UNRECORDED


def roster_row(booking: Booking) -> RosterRow:
    rows = roster_rows(booking.session, now=timezone.now())
    row = next((row for row in rows if row.booking_id == booking.pk), None)
    if row is None:  # withdrawn in between
        raise Http404
    return row
