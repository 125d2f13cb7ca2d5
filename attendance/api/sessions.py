"""The list of sessions: what is upcoming, unrecorded, recorded or signed."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Case, CharField, Count, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce, JSONObject
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from attendance.api.session_plans import (
    ClinicBody,
    SessionPlan,
    place_of,
    planned,
)
from attendance.sessions import create_session
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.api.fields import InOwnZone, Instant, LocalDate, PublicId
from iop_clinic.accounts.api.idempotency import idempotent
from iop_clinic.accounts.api.problems import Problem
from iop_clinic.accounts.api.views import ListQuery, View
from iop_clinic.accounts.prepared import prepared
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.visibility import Sight
from scheduling.branches import sessions_i_lead
from scheduling.models import Booking, Group, Session, SessionStaff, SessionType
from scheduling.querysets import SessionQuerySet

LONGEST_RANGE = datetime.timedelta(days=92)
STATES = ["upcoming", "unrecorded", "recorded", "signed", "cancelled"]


class SessionQuery(ListQuery):
    to = LocalDate(required=False, help_text="Inclusive; default: the same day as `from`.")
    mine = serializers.BooleanField(required=False, help_text="Only those I have a part in.")
    state = serializers.ChoiceField(STATES, required=False)
    group = PublicId(required=False)

    def get_fields(self) -> dict[str, serializers.Field]:
        # `from` cannot be written as an attribute of a class.
        first = LocalDate(required=False, help_text="A local date; default: today.")
        return {"from": first, **super().get_fields()}


class StaffOut(serializers.Serializer):
    name = serializers.CharField()
    role = serializers.ChoiceField(SessionStaff.Role.choices)


class SessionOut(InOwnZone):
    """`expected`: booked or released; `recorded`: of these, with a record."""

    id = PublicId(source="public_id")
    title = serializers.CharField(help_text="The group's code name or the type: never a patient.")
    kind = serializers.ChoiceField(SessionType.Kind.choices, source="session_type.kind")
    starts_at = Instant()
    ends_at = Instant()
    zone = serializers.CharField()
    local_date = serializers.DateField()
    room = serializers.CharField(source="room.name", default=None, allow_null=True)
    by_video = serializers.BooleanField()
    off_site = serializers.CharField(help_text="Where else it meets; empty: in a room or by video.")
    staff = StaffOut(many=True, source="staff_names")
    state = serializers.ChoiceField(STATES, source="roster_state")
    capacity = serializers.IntegerField()
    expected = serializers.IntegerField()
    recorded = serializers.IntegerField()


def sessions_seen_by(sight: Sight) -> SessionQuerySet:
    """Visible sessions with counts, staff and the state of their roster, in one statement."""
    staff = SessionStaff.objects.filter(session=OuterRef("pk"), active=True).order_by("id")
    return (
        Session.objects.seen_by(sight)
        .select_related("clinic", "group", "session_type", "room")
        .annotate(
            staff_names=ArraySubquery(
                staff.values(json=JSONObject(name="therapist__name", role="role"))
            ),
            expected=_number(Q()),
            recorded=_number(Q(attendance__isnull=False)),
        )
        .annotate(roster_state=_roster_state(sight.now))
    )


@prepared
def one_session(sight: Sight, public_id: UUID) -> QuerySet[Session]:
    return sessions_seen_by(sight).filter(public_id=public_id)


def session_shown(view: View, public_id: Any) -> Mapping[str, Any]:
    """A session as the list shows it; 404 or 403 when it is not visible or allowed (any more)."""
    session = view.allowed(one_session(view.user.sight, UUID(str(public_id))))
    return SessionOut(session).data


def _number(of: Q) -> Coalesce:
    bookings = Booking.objects.expected().filter(of, session=OuterRef("pk"))
    counted = bookings.order_by().values("session").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)


def _roster_state(now: datetime.datetime) -> Case:
    missing = Q(recorded__lt=F("expected"))
    return Case(
        When(live=False, then=Value("cancelled")),
        When(signed_at__isnull=False, then=Value("signed")),
        When(Q(starts_at__gt=now) & (missing | Q(expected=0)), then=Value("upcoming")),
        When(missing, then=Value("unrecorded")),
        default=Value("recorded"),
        output_field=CharField(),
    )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Of which clinic, on which local dates, and what narrows it further."""

    clinic: int
    first: datetime.date
    last: datetime.date
    group: int | None
    state: str | None
    mine: bool | None


@prepared
def _sessions(sight: Sight, wanted: _Wanted, part: range) -> QuerySet[Session]:
    rows = sessions_seen_by(sight).filter(clinic=wanted.clinic).on(wanted.first, wanted.last)
    if wanted.group is not None:
        rows = rows.filter(group=wanted.group)
    if wanted.state is not None:
        rows = rows.filter(Q(roster_state=wanted.state))
    if wanted.mine is not None:
        mine = sessions_i_lead(sight)
        rows = rows.filter(mine if wanted.mine else ~mine)
    return rows.order_by("starts_at", "id")[part.start : part.stop]


class Sessions(View):
    needs: ClassVar = {"GET": Can.VIEW_SCHEDULE, "POST": Can.MANAGE_SCHEDULE}
    queries: ClassVar = {"GET": SessionQuery}
    made = "id"

    @extend_schema(summary="Sessions of some days", responses=SessionOut(many=True))
    def get(self, request: Request) -> Response:
        """Without `from` and `to`: today's, in the clinic's zone. At most 92 days at once."""
        wanted = _Wanted(
            self.clinic.pk,
            *self._dates(),
            group=self._group(),
            state=self.query.get("state"),
            mine=self.query.get("mine"),
        )
        rows = partial(_sessions, self.user.sight, wanted)
        return self.pages(rows, SessionOut)

    @extend_schema(
        summary="Plan a session",
        request=SessionPlan,
        responses={201: SessionOut},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """An individual or one-off session beside the weekly blocks, with its leader and, booked
        in the same step, its patients. A visit (prescriber, case management, drug screen) may lie
        inside a session of its patient: its minutes leave that one. 409 `therapist_busy`,
        `not_qualified`, `room_busy`, `patient_busy`, `clinic_closed`, `session_full`, `not_active`,
        `on_hold`, `not_suitable`; 404 `not_found` at the place of what you cannot see; 400
        `ambiguous` with the `choices`."""
        self.query["clinic"] = self.body(ClinicBody).get("clinic")
        clinic = self.clinic
        plan = planned(self.body(SessionPlan), clinic=clinic, user=self.user)
        try:
            session = create_session(clinic=clinic, by=self.user, **plan)
        except Refused as refusal:
            refusal.field = place_of(refusal, patients=len(plan["episodes"]))
            raise
        return Response(self.representation(session.public_id), status=status.HTTP_201_CREATED)

    def representation(self, public_id: Any) -> Mapping[str, Any]:
        return session_shown(self, public_id)

    def _group(self) -> int | None:
        if "group" not in self.query:
            return None
        groups = Group.objects.visible_to(self.user).in_clinic(self.clinic)
        return self.one(groups, self.query["group"]).pk

    def _dates(self) -> tuple[datetime.date, datetime.date]:
        first: Any = self.query.get("from") or self.query.get("to")
        first = first or timezone.localdate(timezone=self.clinic.tz)
        last = self.query.get("to") or first
        if last < first:
            raise Problem.at(["to"], "range_reversed", "`to` lies before `from`.")
        if last - first >= LONGEST_RANGE:
            raise Problem.at(["to"], "range_too_long", "Ask for at most 92 days at once.")
        return first, last
