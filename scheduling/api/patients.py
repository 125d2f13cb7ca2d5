"""The caseload (therapist) or the clinic's patients, with the group they sit in now."""

from __future__ import annotations

import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, prefetch_related_objects
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from iop_clinic.accounts.api.fields import PublicId, Strict, Text
from iop_clinic.accounts.api.views import ListQuery, View
from iop_clinic.accounts.models import User
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from patients.models import Episode, Patient, TreatmentPlan
from patients.querysets import PatientQuerySet
from scheduling.models import Group, GroupMembership

MOST_FOUND = 50


class PatientQuery(ListQuery):
    group = PublicId(required=False, help_text="Only members of this group today.")


class SearchBody(Strict):
    q = Text(max_length=100, help_text="The beginnings of names, or of a record number.")
    clinic = PublicId(required=False, help_text="Default: the current clinic.")


class PatientOut(serializers.Serializer):
    """Program, level, group and episode are those of the latest episode."""

    id = PublicId(source="public_id")
    name = serializers.CharField(source="__str__")
    record_number = serializers.CharField()
    program = serializers.SerializerMethodField()
    level = serializers.SerializerMethodField()
    group = serializers.SerializerMethodField()
    episode = serializers.SerializerMethodField()

    def get_program(self, patient: Patient) -> str | None:
        episode = latest_episode(patient)
        return episode.program.name if episode else None

    def get_level(self, patient: Patient) -> str | None:
        episode = latest_episode(patient)
        plans = list(episode.plans.all()) if episode else []
        return plans[0].get_level_display() if plans else None

    def get_group(self, patient: Patient) -> str | None:
        episode = latest_episode(patient)
        memberships = list(episode.memberships.all()) if episode else []
        return memberships[0].group.name if memberships else None

    def get_episode(self, patient: Patient) -> UUID | None:
        episode = latest_episode(patient)
        return episode.public_id if episode else None


def latest_episode(patient: Patient) -> Episode | None:
    """Of the episodes that `episodes_of` read along."""
    episodes = list(patient.episodes.all())
    return episodes[0] if episodes else None


def episodes_of(user: User, today: datetime.date) -> Prefetch:
    """What PatientOut shows of the episodes: three statements, however many patients."""
    in_force = TreatmentPlan.objects.in_force(today)
    seated = GroupMembership.objects.on(today).select_related("group").order_by("starts_on", "id")
    episodes = (
        Episode.objects.visible_to(user)
        .select_related("program")
        .prefetch_related(Prefetch("plans", in_force))
        .prefetch_related(Prefetch("memberships", seated))
        .order_by("-referred_on", "-id")
    )
    return Prefetch("episodes", episodes)


def in_treatment() -> Exists:
    return Exists(
        Episode.objects.filter(patient=OuterRef("pk")).exclude(state=Episode.State.DISCHARGED)
    )


class PatientView(View):
    needs: ClassVar[dict[str, Any]] = {"GET": Can.VIEW_PATIENTS}

    def today(self, zone: datetime.tzinfo) -> datetime.date:
        return timezone.localdate(timezone=zone)

    def visible(self) -> PatientQuerySet:
        return Patient.objects.visible_to(self.user)


class Patients(PatientView):
    queries: ClassVar = {"GET": PatientQuery}

    @extend_schema(summary="Caseload or clinic", responses=PatientOut(many=True))
    def get(self, request: Request) -> Response:
        """Patients who are referred, in treatment or on hold, by name; each is noted as a read."""
        today = self.today(self.clinic.tz)
        rows = self.visible().in_clinic(self.clinic).filter(in_treatment())
        if wanted := self.query.get("group"):
            groups = Group.objects.visible_to(self.user).in_clinic(self.clinic)
            members = GroupMembership.objects.on(today).filter(group=self.one(groups, wanted))
            rows = rows.filter(Exists(members.filter(episode__patient=OuterRef("pk"))))
        shown = rows.prefetch_related(episodes_of(self.user, today))
        return self.pages(shown, PatientOut, noted=True)


class PatientSearch(PatientView):
    needs: ClassVar = {"POST": Can.VIEW_PATIENTS}

    @extend_schema(summary="Search", request=SearchBody, responses={200: PatientOut(many=True)})
    def post(self, request: Request) -> Response:
        """By beginnings of names or record number; in a body, so that no name is in a URL. At most
        50 are answered, and each is noted as a read."""
        body = self.body(SearchBody)
        self.query["clinic"] = body.get("clinic")
        rows = self.visible().in_clinic(self.clinic).matching(body["q"])
        shown = episodes_of(self.user, self.today(self.clinic.tz))
        found = list(rows.prefetch_related(shown)[:MOST_FOUND])
        self.note(found)
        return self.everything(found, PatientOut)


class PatientDetail(PatientView):
    @extend_schema(summary="One patient", responses=PatientOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        patient = self.own(self.visible().select_related("clinic"), public_id)
        today = self.today(patient.clinic.tz)
        prefetch_related_objects([patient], episodes_of(self.user, today))
        note_read(patient, by=self.user)
        return Response(PatientOut(patient).data)
