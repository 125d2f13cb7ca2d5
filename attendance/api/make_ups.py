"""What would repair a patient's week: sessions with a free seat, or what could be planned."""

from __future__ import annotations

import datetime
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from attendance.api.weeks import PatientWeeksView, latest
from attendance.compliance.make_ups import find_make_ups
from iop_clinic.accounts.api.fields import InOwnZone, Instant, PublicId, Zone


class BroughtOut(serializers.Serializer):
    local_date = serializers.DateField()
    minutes = serializers.IntegerField(help_text="What the date could reach.")
    threshold = serializers.IntegerField()
    qualifies = serializers.BooleanField(help_text="It becomes a qualifying day.")


class RepairOut(serializers.Serializer):
    """What it does to the week under one standard, in minutes and days."""

    standard = serializers.CharField(source="name")
    minutes = serializers.IntegerField(help_text="Added to what the week can reach.")
    days = BroughtOut(many=True)
    minutes_to_go = serializers.IntegerField(help_text="Still only by further make-ups.")
    days_to_go = serializers.IntegerField()
    repaired = serializers.BooleanField()
    sentence = serializers.CharField()


class MakeUpOut(InOwnZone):
    """One session; `again`: the patient gave it up and could take it back."""

    path_to_zone: ClassVar = ["session", "zone"]
    session = PublicId(source="session.public_id")
    title = serializers.CharField(source="session.title")
    session_type = serializers.CharField(source="session.session_type.name")
    starts_at = Instant(source="session.starts_at")
    ends_at = Instant(source="session.ends_at")
    zone = serializers.CharField(source="session.zone")
    local_date = serializers.DateField(source="session.local_date")
    room = serializers.CharField(source="session.room.name", default=None, allow_null=True)
    free_seats = serializers.IntegerField()
    again = serializers.BooleanField()
    called_in = serializers.BooleanField(
        source="offer.called_in", help_text="The patient called in for this day."
    )
    makes_up = PublicId(
        source="makes_up.public_id",
        default=None,
        allow_null=True,
        help_text="The missed booking it would stand for.",
    )
    repairs = RepairOut(source="effect.repairs", many=True)


class FreeHourOut(serializers.Serializer):
    """An individual session that could be planned: therapist, room and patient are free."""

    therapist = serializers.CharField(source="therapist.name")
    room = serializers.CharField(source="room.name")
    session_type = serializers.CharField(source="session_type.name")
    starts_at = Instant(source="offer.starts_at")
    ends_at = Instant(source="offer.ends_at")
    repairs = RepairOut(source="effect.repairs", many=True)


class MakeUpsOut(serializers.Serializer):
    """`results` is empty when nothing is missing (`short` is false) or nothing would help."""

    start = serializers.DateField(source="week.start")
    end = serializers.DateField(source="week.end", help_text="Inclusive.")
    short = serializers.BooleanField(source="is_short")
    over = serializers.BooleanField(help_text="Its last day has passed.")
    zone = Zone(help_text="The clinic's, of `hours`.")
    missing = RepairOut(source="standing", many=True)
    results = MakeUpOut(source="candidates", many=True)
    plan = serializers.SerializerMethodField(help_text="Sessions that together repair most.")
    plan_repairs = RepairOut(source="plan_effect.repairs", many=True, default=())
    full = MakeUpOut(many=True, help_text="Would help if a seat became free.")
    hours = FreeHourOut(many=True, help_text="Only when the sessions do not repair the week.")

    def get_plan(self, found: Any) -> list[UUID]:
        return [one.session.public_id for one in found.plan]


class PatientMakeUps(PatientWeeksView):
    @extend_schema(summary="What would repair a week", responses=MakeUpsOut)
    def get(self, request: Request, public_id: UUID, start: datetime.date) -> Response:
        """Best first: qualifying days, then what repairs alone, the fewest visits, the earliest."""
        patient = self.patient(public_id)
        week = self.week(patient, start)
        episode = latest(self.episodes(patient, week, week))
        found = find_make_ups(episode=episode, day=start)
        return Response(MakeUpsOut(found, context={"zone": patient.clinic.tz}).data)
