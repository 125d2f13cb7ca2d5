"""A session with its roster, and everything that is done to a roster at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from attendance.api.sessions import SessionOut, one_session, session_shown
from attendance.api.shapes import ConflictOut, RecordIn, RosterRowOut, SavedOut, entry
from attendance.api.weeks import roster_weeks
from attendance.compliance.settings import clinic_settings
from attendance.models import AttendanceRecord
from attendance.records import services
from attendance.records.entries import Conflict, RosterRefused
from attendance.records.roster import roster_rows
from iop_clinic.accounts.api.fields import Flag, Instant, Strict
from iop_clinic.accounts.api.idempotency import idempotent
from iop_clinic.accounts.api.problems import STATUS_OF_REFUSAL, Problem, error_at
from iop_clinic.accounts.api.versions import unless_known
from iop_clinic.accounts.api.views import View
from iop_clinic.accounts.models import User
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from scheduling.models import Booking, Session

MOST_RECORDS = 200  # no session has more seats
_SOURCE = AttendanceRecord.Source
SOURCES = [(one.value, one.label) for one in (_SOURCE.API, _SOURCE.ROSTER, _SOURCE.PAPER)]


class RosterIn(Strict):
    never_empty = True

    all_present = Flag(default=False, help_text="Everybody booked and not named is present.")
    records = RecordIn(many=True, required=False, max_length=MOST_RECORDS)  # type: ignore[call-arg]
    mode = serializers.ChoiceField(["all", "partial"], default="all")
    source = serializers.ChoiceField(  # type: ignore[assignment]  # see RecordOut
        SOURCES,
        default=_SOURCE.API,
        help_text="Where it was written down first: `paper` for a sheet that somebody copies. "
        "Whoever leads the session confirms such a roster with the signature.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs["all_present"] and "records" not in attrs:
            raise serializers.ValidationError("Give `records` or `all_present`.", code="required")
        return attrs


class RosterSaved(serializers.Serializer):
    """`conflicts` can only hold something in mode `partial`."""

    saved = SavedOut(many=True)
    unchanged = serializers.IntegerField(help_text="Entries equal to what was stored.")
    conflicts = ConflictOut(many=True)


class SessionWithRoster(SessionOut):
    signed_at = Instant(allow_null=True)
    roster = RosterRowOut(many=True)


class SessionView(View):
    def session(self, public_id: UUID) -> Session:
        """A visible session in whose clinic this method is allowed."""
        rows = Session.objects.visible_to(self.user).select_related("clinic", "session_type")
        return self.own(rows, public_id)


class SessionDetail(SessionView):
    needs: ClassVar = {"GET": Can.VIEW_SCHEDULE}
    etags = if_none_match = ("GET",)

    @extend_schema(
        summary="One session with its roster", responses={200: SessionWithRoster, 304: None}
    )
    def get(self, request: Request, public_id: UUID) -> Response:
        """`If-None-Match` with the last `ETag`: 304 when nothing has changed."""
        now = timezone.now()
        session = self.allowed(one_session(self.user.sight, public_id))
        day, settings = session.local_date, clinic_settings(session.clinic_id)
        rows = roster_rows(session, now=now, policy=settings.policy_on(day))
        weeks = roster_weeks(day, [row.episode_id for row in rows], now, settings)
        note_read(session, by=self.user)
        session.roster = rows  # type: ignore[attr-defined]
        context = {"weeks": weeks}
        body = SessionWithRoster(session, context=context).data
        return unless_known(request, body)


class Attendance(SessionView):
    needs: ClassVar = {"PATCH": Can.RECORD_ATTENDANCE}

    @extend_schema(
        summary="Record a roster",
        request=RosterIn,
        responses=RosterSaved,
    )
    def patch(self, request: Request, public_id: UUID) -> Response:
        """Some or all of the roster in one transaction, from 30 minutes before the start.

        An entry equal to what is stored is a no-op. An existing record needs its `version`, and a
        `correction_reason` unless it only fills an empty field of an unsigned record. Any conflict
        is 409 with `conflicts` and nothing is saved; in mode `partial` the good ones are.
        """
        session = self.session(public_id)
        given = self.body(RosterIn)
        try:
            result = services.record_roster(
                session=session,
                entries=[entry(record) for record in given.get("records", ())],
                all_present=given["all_present"],
                mode=given["mode"],
                source=given["source"],
                by=self.user,
            )
        except RosterRefused as refusal:
            note_shown(refusal.conflicts, session, by=self.user)
            raise roster_problem(refusal.conflicts, session.tz, ["records"]) from refusal
        note_shown(result.conflicts, session, by=self.user)
        return Response(RosterSaved(result, context={"zone": session.tz}).data)


class Signature(SessionView):
    needs: ClassVar = {"POST": Can.SIGN_ROSTERS}
    made = "id"

    @extend_schema(summary="Sign a complete roster", request=None, responses={200: SessionOut})
    @idempotent
    def post(self, request: Request, public_id: UUID) -> Response:
        """409 `roster_incomplete` while somebody is unrecorded; signed already: 200 again."""
        session = self.session(public_id)
        self.body(Strict)
        services.sign(session=session, by=self.user)
        return Response(self.representation(public_id))

    def representation(self, public_id: Any) -> Mapping[str, Any]:
        return session_shown(self, public_id)


def note_shown(conflicts: Sequence[Conflict], *rows: Session | Booking, by: User) -> None:
    """Conflicts show names as a roster does: the rows they are of count as read."""
    if any(conflict.current for conflict in conflicts):
        with transaction.atomic():  # one session or three: the same statements
            note_read(*rows, by=by)


def roster_problem(
    conflicts: Sequence[Conflict], zone: Any, loc: Sequence[str], *, stale: int = 409
) -> Problem:
    """Every refused entry at its place, with what is stored now; 400 if all are plainly wrong."""
    codes = {conflict.code for conflict in conflicts}
    wrong = all(STATUS_OF_REFUSAL.get(code) == 400 for code in codes)
    is_stale = codes == {"stale_version"}
    return Problem(
        400 if wrong else stale if is_stale else 409,
        conflicts[0].code,
        conflicts[0].message,
        errors=[error_at(_loc(c, loc), c.code, c.message) for c in conflicts],
        conflicts=ConflictOut(conflicts, many=True, context={"zone": zone}).data,
    )


def _loc(conflict: Conflict, loc: Sequence[str]) -> list[str | int]:
    index = [] if conflict.index is None or not loc else [conflict.index]
    return [*loc, *index, *([conflict.field] if conflict.field else [])]
