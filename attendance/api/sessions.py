"""The list of sessions: what is upcoming, unrecorded, recorded or signed."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Case, CharField, Count, Exists, F, OuterRef, Q, Subquery, Value, When
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
from iop_clinic.accounts.api.fields import Instant, LocalDate, PublicId
from iop_clinic.accounts.api.idempotency import idempotent
from iop_clinic.accounts.api.problems import Problem
from iop_clinic.accounts.api.views import ListQuery, View
from iop_clinic.accounts.models import User
from iop_clinic.accounts.roles import Can
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


class SessionOut(serializers.Serializer):
    """`expected`: booked or released; `recorded`: of these, with a record."""

    id = PublicId(source="public_id")
    title = serializers.CharField(help_text="The group's code name or the type: never a patient.")
    kind = serializers.ChoiceField(SessionType.Kind.choices, source="session_type.kind")
    starts_at = Instant()
    ends_at = Instant()
    zone = serializers.CharField()
    local_date = serializers.DateField()
    room = serializers.CharField(source="room.name", default=None, allow_null=True)
    staff = StaffOut(many=True, source="staff_names")
    state = serializers.ChoiceField(STATES, source="roster_state")
    capacity = serializers.IntegerField()
    expected = serializers.IntegerField()
    recorded = serializers.IntegerField()


def sessions_seen_by(user: User, now: datetime.datetime) -> SessionQuerySet:
    """Visible sessions with counts, staff and the state of their roster, in one statement."""
    staff = SessionStaff.objects.filter(session=OuterRef("pk"), active=True).order_by("id")
    return (
        Session.objects.visible_to(user)
        .select_related("clinic", "group", "session_type", "room")
        .annotate(
            staff_names=ArraySubquery(
                staff.values(json=JSONObject(name="therapist__name", role="role"))
            ),
            expected=_number(Q()),
            recorded=_number(Q(attendance__isnull=False)),
        )
        .annotate(roster_state=_roster_state(now))
    )


def session_shown(view: View, public_id: Any) -> Mapping[str, Any]:
    """A session as the list shows it; 404 or 403 when it is not visible or allowed (any more)."""
    session = view.own(sessions_seen_by(view.user, timezone.now()), public_id)
    return SessionOut(session, context={"zone": session.clinic.tz}).data


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


class Sessions(View):
    needs: ClassVar = {"GET": Can.VIEW_SCHEDULE, "POST": Can.MANAGE_SCHEDULE}
    queries: ClassVar = {"GET": SessionQuery}
    made = "id"

    @extend_schema(summary="Sessions of some days", responses=SessionOut(many=True))
    def get(self, request: Request) -> Response:
        """Without `from` and `to`: today's, in the clinic's zone. At most 92 days at once."""
        first, last = self._dates()
        rows = sessions_seen_by(self.user, timezone.now()).in_clinic(self.clinic).on(first, last)
        if wanted := self.query.get("group"):
            groups = Group.objects.visible_to(self.user).in_clinic(self.clinic)
            rows = rows.filter(group=self.one(groups, wanted))
        if "state" in self.query:
            rows = rows.filter(Q(roster_state=self.query["state"]))
        if "mine" in self.query:
            rows = self._mine(rows)
        return self.pages(rows.order_by("starts_at", "id"), SessionOut, zone=self.clinic.tz)

    @extend_schema(
        summary="Plan a session",
        request=SessionPlan,
        responses={201: SessionOut},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """An individual or one-off session beside the weekly blocks, with its leader and, booked
        in the same step, its patients. 409 `therapist_busy`, `room_busy`, `patient_busy`,
        `clinic_closed`, `session_full`, `not_active`, `on_hold`, `not_suitable`; 404 `not_found`
        at the place of what you cannot see; 400 `ambiguous` with the `choices`."""
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

    def _mine(self, rows: SessionQuerySet) -> SessionQuerySet:
        parts = SessionStaff.objects.with_access().filter(
            therapist__in=self.user.scope.therapist_ids, session=OuterRef("pk")
        )
        return rows.filter(Exists(parts) if self.query["mine"] else ~Exists(parts))

    def _dates(self) -> tuple[datetime.date, datetime.date]:
        first: Any = self.query.get("from") or self.query.get("to")
        first = first or timezone.localdate(timezone=self.clinic.tz)
        last = self.query.get("to") or first
        if last < first:
            raise Problem.at(["to"], "range_reversed", "`to` lies before `from`.")
        if last - first >= LONGEST_RANGE:
            raise Problem.at(["to"], "range_too_long", "Ask for at most 92 days at once.")
        return first, last
