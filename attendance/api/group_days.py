"""The day sheet: a group's whole day, where one line a patient feeds all its sessions."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from attendance.api.flags import GroupRef
from attendance.api.roster import (
    MOST_RECORDS,
    RosterIn,
    RosterSaved,
    note_shown,
    roster_problem,
)
from attendance.api.sessions import SessionOut, sessions_seen_by
from attendance.api.shapes import FactsIn, PatientRef, RecordOut, RosterWeek, times_away
from attendance.api.weeks import roster_weeks
from attendance.compliance.settings import clinic_settings
from attendance.records.day_rows import DayRow, day_rows
from attendance.records.day_sheet import DayEntry, record_day
from attendance.records.entries import RosterRefused
from iop_clinic.accounts.api.fields import Flag, Instant, Integer, PublicId
from iop_clinic.accounts.api.problems import Problem
from iop_clinic.accounts.api.versions import unless_known
from iop_clinic.accounts.api.views import View
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from scheduling.models import Session
from scheduling.querysets import SessionQuerySet


@extend_schema_field(
    {
        "type": "object",
        "propertyNames": {"type": "string", "format": "uuid"},
        "additionalProperties": {"type": ["integer", "null"], "minimum": 1},
    }
)
class Versions(serializers.DictField):
    """{booking id: version}, null for one that was unrecorded."""

    child = Integer(min_value=1, allow_null=True)

    def to_internal_value(self, data: Any) -> dict[uuid.UUID, int | None]:
        found: dict[uuid.UUID, int | None] = {}
        for name, version in super().to_internal_value(data).items():
            booking = self._booking(name)
            if booking in found:  # an id can be spelled in several ways
                message = "Give one version for each booking."
                raise serializers.ValidationError({name: message}, code="given_twice")
            found[booking] = version
        return found

    def _booking(self, name: str) -> uuid.UUID:
        try:
            return uuid.UUID(name)
        except ValueError:
            message = "The name of each version is the id of a booking."
            raise serializers.ValidationError({name: message}, code="invalid") from None


class DayRecordIn(FactsIn):
    """What was told of one patient's day."""

    patient = PublicId()
    attended = Flag()
    versions = Versions(
        required=False,
        help_text="The versions read, by booking; one left out is expected to be unrecorded.",
    )


class DayIn(RosterIn):
    """`all_present` leaves out, beside whoever is named, those whom a record of the day says to be
    absent; a departure that all their records agree on holds for the sessions after it."""

    records = DayRecordIn(many=True, required=False, max_length=MOST_RECORDS)  # type: ignore[assignment,call-arg]


class DaySaved(RosterSaved):
    """Counted by booking: an entry for three sessions is three. `conflicts` can only hold something
    in mode `partial`; one of them holds back the patient's whole day."""


class DaySessionOut(SessionOut):
    signed = serializers.SerializerMethodField(help_text="A change needs a reason and reopens it.")

    def get_signed(self, session: Session) -> bool:
        return session.signed_at is not None


class DayRecordOut(RecordOut):
    """What one session's roster says. `version` is null while nothing is recorded."""

    patient = None  # type: ignore[assignment]  # the line's

    def get_fields(self) -> dict[str, serializers.Field]:
        own = {"booking": PublicId(), "session": PublicId(help_text="One of `sessions`.")}
        return own | super().get_fields()


class DayRowOut(serializers.Serializer):
    """One patient. The facts stand for every booking while `uniform`; otherwise they are null and
    each booking has its own."""

    patient = PatientRef(source="*")
    uniform = serializers.SerializerMethodField(help_text="One line says what all records say.")
    attended = serializers.BooleanField(
        source="facts.attended", allow_null=True, help_text="Null: unrecorded, or not uniform."
    )
    arrived_at = Instant(source="facts.arrived_at", allow_null=True)
    left_at = Instant(source="facts.left_at", allow_null=True)
    away = times_away(source="facts.away", allow_null=True)
    notified_at = Instant(source="facts.notified_at", allow_null=True)
    absence_reason = serializers.CharField(source="facts.absence_reason", allow_null=True)
    proof = serializers.CharField(source="facts.proof", allow_null=True)
    excused_override = serializers.BooleanField(source="facts.excused_override", allow_null=True)
    bookings = DayRecordOut(many=True)
    week = serializers.SerializerMethodField()

    def get_uniform(self, row: DayRow) -> bool:
        return row.facts is not None

    @extend_schema_field(RosterWeek(allow_null=True))
    def get_week(self, row: DayRow) -> dict[str, int] | None:
        week = self.context["weeks"].get(row.episode_id)
        return RosterWeek(week).data if week else None


class DaySheetOut(serializers.Serializer):
    """Only the sessions that you see, cancelled ones included; lines are of those that are held."""

    group = GroupRef()
    local_date = serializers.DateField()
    zone = serializers.CharField()
    sessions = DaySessionOut(many=True)
    roster = DayRowOut(many=True)


class GroupDay(View):
    """The sessions of the group's day that the person sees: a substitute of one sees that one.

    A day of which nothing is visible, or on which the group does not meet, is no such day: 404.
    """

    needs: ClassVar = {"GET": Can.VIEW_SCHEDULE, "PATCH": Can.RECORD_ATTENDANCE}
    etags = if_none_match = ("GET",)

    def of_day(self, rows: SessionQuerySet, group: UUID, date: datetime.date) -> list[Session]:
        """In order of time, in a clinic where this method is allowed."""
        found = rows.filter(group__public_id=group, local_date=date).order_by("starts_at", "id")
        sessions = list(found)
        if not sessions:
            raise Http404
        self.allow(sessions[0].clinic_id)
        return sessions

    @extend_schema(summary="The day sheet of a group", responses={200: DaySheetOut, 304: None})
    def get(self, request: Request, group: UUID, date: datetime.date) -> Response:
        """One line a patient over the sessions of the day that you see; none: 404.

        Send the line back with the facts changed and the `version` of each booking as `versions`.
        """
        now = timezone.now()
        sessions = self.of_day(sessions_seen_by(self.user.sight), group, date)
        settings = clinic_settings(sessions[0].clinic_id)
        rows = day_rows(sessions, now=now, policy=settings.policy_on(date))
        weeks = roster_weeks(date, [row.episode_id for row in rows], now, settings)
        with transaction.atomic():  # one session or three: the same statements
            note_read(*sessions, by=self.user)
        return unless_known(request, _sheet(sessions, rows, weeks))

    @extend_schema(
        summary="Record a group's day",
        request=DayIn,
        responses=DaySaved,
    )
    def patch(self, request: Request, group: UUID, date: datetime.date) -> Response:
        """One line a patient for all the sessions of the day, in one transaction, from 30 minutes
        before the first; a later session is left unrecorded until 30 minutes before its own start,
        and nothing is credited before a session's end.

        The rules of a roster hold for each session, with the record's version from `versions`. A
        session after the departure is present with 0 minutes. Someone present is not taken to have
        come to a session they gave notice of. Any conflict is 409 with `conflicts` and nothing is
        saved; in mode `partial` the patients without one are.
        """
        rows = Session.objects.visible_to(self.user).select_related("clinic")
        sessions = self.of_day(rows, group, date)
        given = self.body(DayIn)
        zone = sessions[0].tz
        try:
            result = record_day(
                sessions=sessions,
                entries=[DayEntry(**record) for record in given.get("records", ())],
                all_present=given["all_present"],
                mode=given["mode"],
                source=given["source"],
                by=self.user,
            )
        except RosterRefused as refusal:
            note_shown(refusal.conflicts, *sessions, by=self.user)
            raise _problem(refusal, zone) from refusal
        note_shown(result.conflicts, *sessions, by=self.user)
        return Response(DaySaved(result, context={"zone": zone}).data)


def _sheet(sessions: Sequence[Session], rows: Sequence[DayRow], weeks: Any) -> Any:
    first = sessions[0]
    sheet = {
        "group": first.group,
        "local_date": first.local_date,
        "zone": first.zone,
        "sessions": sessions,
        "roster": rows,
    }
    return DaySheetOut(sheet, context={"zone": first.tz, "weeks": weeks}).data


def _problem(refusal: RosterRefused, zone: Any) -> Problem:
    """What is wrong with a line is wrong in each of its sessions: it is said once a place."""
    problem = roster_problem(refusal.conflicts, zone, ["records"])
    problem.errors = list({(*e["loc"], e["code"]): e for e in problem.errors}.values())
    return problem
