"""A patient's weeks: four kinds of minutes, each standard's judgement, and every line behind."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Q
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from attendance.api.shapes import STATUSES, times_away
from attendance.compliance.rules.weeks import WeekStatus
from attendance.compliance.settings import ClinicSettings
from attendance.compliance.status import (
    PatientWeek,
    WeekFacts,
    minutes_detail,
    week_statuses,
    weeks_of,
)
from iop_clinic.accounts.api.fields import InOwnZone, Instant, LocalDate, PublicId, Strict
from iop_clinic.accounts.api.problems import Problem
from iop_clinic.accounts.api.views import View
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import Week, week_of, weeks_touching
from patients.models import Episode, Patient
from scheduling.models import Booking

SOURCES = ["program", "payer", "court"]
WEEK_STATUSES = [status.value for status in WeekStatus]
MOST_WEEKS = 53
DEFAULT_WEEKS = 4


class WeeksQuery(Strict):
    to = LocalDate(required=False, help_text="The last week is the one that holds it.")

    def get_fields(self) -> dict[str, serializers.Field]:
        # `from` cannot be written as an attribute of a class.
        first = LocalDate(required=False, help_text="Default: four weeks up to the current one.")
        return {"from": first, **super().get_fields()}


class StandardOut(serializers.Serializer):
    """A week, or the segment of it between two dates, under one standard."""

    name = serializers.CharField()
    version = serializers.DateField(help_text="The date the standard starts on.")
    starts_on = serializers.DateField(source="first")
    ends_on = serializers.DateField(source="last")
    minimum = serializers.IntegerField()
    prorated_minimum = serializers.IntegerField()
    minutes_status = serializers.ChoiceField(WEEK_STATUSES)
    days_status = serializers.ChoiceField(WEEK_STATUSES)
    final = serializers.BooleanField(help_text="Nothing can change it any more.")

    def get_fields(self) -> dict[str, serializers.Field]:
        # `source` is an attribute of every field, so it cannot be one of the class.
        return {**super().get_fields(), "source": serializers.ChoiceField(SOURCES)}


class WeekOut(serializers.Serializer):
    """Minutes, and beside them what each standard makes of them."""

    start = serializers.DateField(source="week.start")
    end = serializers.DateField(source="week.end", help_text="Inclusive.")
    episode = serializers.SerializerMethodField()
    plan = serializers.IntegerField(source="plan_target", allow_null=True)
    scheduled = serializers.IntegerField()
    attended = serializers.IntegerField()
    credited = serializers.IntegerField()
    at_least = serializers.IntegerField()
    at_most = serializers.IntegerField(help_text="If all that is unrecorded or booked is attended.")
    days = serializers.IntegerField(help_text="Qualifying days.")
    services = serializers.IntegerField()
    standards = StandardOut(many=True)
    final = serializers.BooleanField(help_text="All standards are final.")

    def get_episode(self, week: PatientWeek) -> UUID:
        return self.context["episodes"][week.episode_id].public_id


class MinutesOut(InOwnZone):
    """One booking and what it adds. `breaks` are minutes [from, to) from the session's start."""

    booking = PublicId()
    session = PublicId()
    title = serializers.CharField()
    session_type = serializers.CharField()
    creditable = serializers.BooleanField()
    local_date = serializers.DateField()
    starts_at = Instant()
    ends_at = Instant()
    zone = serializers.CharField()
    cancelled = serializers.BooleanField()
    booking_state = serializers.ChoiceField(Booking.State.choices)
    status = serializers.ChoiceField(STATUSES, allow_null=True)
    arrived_at = Instant(allow_null=True)
    left_at = Instant(allow_null=True)
    away = times_away()
    breaks = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))
    nested_visits = times_away()
    length = serializers.IntegerField()
    scheduled = serializers.IntegerField()
    attended = serializers.IntegerField()
    credited = serializers.IntegerField()
    rule = serializers.CharField(help_text="The credit rule in words.")
    recorded_by = serializers.CharField()
    recorded_at = Instant(allow_null=True)
    correction_reason = serializers.CharField()
    makes_up = serializers.BooleanField()


def roster_weeks(
    day: datetime.date,
    episode_ids: Collection[int],
    now: datetime.datetime,
    settings: ClinicSettings,
) -> dict[int, WeekFacts]:
    """The week of a roster's local date, for each of its patients; 3 statements."""
    weeks = weeks_of(settings, [settings.week(day)], episode_ids, now=now)
    return {week.episode_id: week.facts(day) for week in weeks}


class PatientWeeksView(View):
    needs: ClassVar = {"GET": Can.VIEW_PATIENTS}

    def patient(self, public_id: UUID) -> Patient:
        patients = Patient.objects.visible_to(self.user).select_related("clinic")
        patient = self.own(patients, public_id)
        note_read(patient, by=self.user)
        return patient

    def episodes(self, patient: Patient, first: Week, last: Week) -> dict[int, Episode]:
        """The visible episodes in treatment on a day of these weeks, oldest first."""
        rows = Episode.objects.visible_to(self.user).filter(
            Q(discharged_on__isnull=True) | Q(discharged_on__gte=first.start),
            patient=patient,
            admitted_on__lte=last.end,
        )
        return {row.pk: row for row in rows.order_by("admitted_on", "id")}

    def week(self, patient: Patient, start: datetime.date) -> Week:
        week = week_of(start, week_start=patient.clinic.week_starts_on)
        if week.start != start:
            raise Http404
        return week


class PatientWeeks(PatientWeeksView):
    queries: ClassVar = {"GET": WeeksQuery}

    @extend_schema(summary="Weeks of a patient", responses=WeekOut(many=True))
    def get(self, request: Request, public_id: UUID) -> Response:
        """Oldest first; a week with a discharge and a readmission has a line for each episode."""
        patient = self.patient(public_id)
        weeks = self._weeks(patient)
        episodes = self.episodes(patient, weeks[0], weeks[-1])
        found = week_statuses(
            clinic=patient.clinic,
            episode_ids=list(episodes),
            weeks=[week.start for week in weeks],
            now=timezone.now(),
        )
        shown = [
            found[key, week.start]
            for week in weeks
            for key, episode in episodes.items()
            if treated_in(episode, week)
        ]
        return self.everything(shown, WeekOut, episodes=episodes)

    def _weeks(self, patient: Patient) -> list[Week]:
        week_start = patient.clinic.week_starts_on
        last: Any = self.query.get("to") or timezone.localdate(timezone=patient.clinic.tz)
        current = week_of(last, week_start=week_start)
        first = self.query.get("from") or current.shifted(1 - DEFAULT_WEEKS).start
        if first > last:
            raise Problem.at(["from"], "range_reversed", "`from` lies after `to`.")
        weeks = list(weeks_touching(first, last, week_start=week_start))
        if len(weeks) > MOST_WEEKS:
            raise Problem.at(["from"], "range_too_long", f"Ask for {MOST_WEEKS} weeks at most.")
        return weeks


class PatientWeekDetail(PatientWeeksView):
    @extend_schema(summary="One week of a patient", responses=WeekOut)
    def get(self, request: Request, public_id: UUID, start: datetime.date) -> Response:
        """The week that begins on `start`; 404 when no week begins then or none was treated."""
        patient = self.patient(public_id)
        week = self.week(patient, start)
        episode = latest(self.episodes(patient, week, week))
        found = week_statuses(
            clinic=patient.clinic, episode_ids=[episode.pk], weeks=[start], now=timezone.now()
        )
        context = {"episodes": {episode.pk: episode}}
        return Response(WeekOut(found[episode.pk, start], context=context).data)


class PatientMinutes(PatientWeeksView):
    @extend_schema(summary="The lines behind a week's minutes", responses=MinutesOut(many=True))
    def get(self, request: Request, public_id: UUID, start: datetime.date) -> Response:
        """In order of time; their sums are the week's."""
        patient = self.patient(public_id)
        week = self.week(patient, start)
        episodes = self.episodes(patient, week, week)
        latest(episodes)
        now = timezone.now()
        lines = [
            line
            for episode in episodes.values()
            for line in minutes_detail(episode=episode, week_start=start, now=now)
        ]
        return self.everything(lines, MinutesOut)


def treated_in(episode: Episode, week: Week) -> bool:
    begun = episode.admitted_on is not None and episode.admitted_on <= week.end
    return begun and (episode.discharged_on is None or episode.discharged_on >= week.start)


def latest(episodes: dict[int, Episode]) -> Episode:
    if not episodes:
        raise Http404
    return list(episodes.values())[-1]
