"""Standing groups: who sits in them today, how many seats are free, how many wait."""

from __future__ import annotations

import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Count, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from iop_clinic.accounts.api.fields import PersonRef, PublicId
from iop_clinic.accounts.api.views import ListQuery, View
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from scheduling.models import WAITING, Group, GroupMembership, WaitlistEntry


class MemberOut(serializers.Serializer):
    patient = PersonRef(source="episode.patient")
    episode = PublicId(source="episode.public_id")
    seat = serializers.IntegerField()


class GroupOut(serializers.Serializer):
    id = PublicId(source="public_id")
    name = serializers.CharField()
    program = serializers.CharField(source="program.name")
    level = serializers.CharField(source="get_level_display")
    age_bracket = serializers.CharField(source="get_age_bracket_display")
    capacity = serializers.IntegerField()
    min_size = serializers.IntegerField(help_text="Fewer members: not viable.")
    members = MemberOut(many=True, source="members_today")
    free_seats = serializers.SerializerMethodField()
    waitlist_length = serializers.IntegerField()

    def get_free_seats(self, group: Any) -> int:
        taken = {m.seat for m in group.members_today if m.seat <= group.capacity}
        return group.capacity - len(taken)


def _waiting() -> Coalesce:
    rows = WaitlistEntry.objects.filter(
        clinic=OuterRef("clinic"), group=OuterRef("pk"), state__in=WAITING
    )
    counted = rows.order_by().values("group").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)


class GroupView(View):
    needs: ClassVar = {"GET": Can.VIEW_SCHEDULE}

    def groups(self, today: datetime.date) -> QuerySet[Group]:
        members = (
            GroupMembership.objects.on(today)
            .select_related("episode__patient")
            .order_by("seat", "id")
        )
        return (
            Group.objects.visible_to(self.user)
            .filter(active=True)
            .select_related("program")
            .annotate(waitlist_length=_waiting())
            .prefetch_related(Prefetch("memberships", members, to_attr="members_today"))
        )


class Groups(GroupView):
    queries: ClassVar = {"GET": ListQuery}

    @extend_schema(summary="Groups", responses=GroupOut(many=True))
    def get(self, request: Request) -> Response:
        """Active groups by name; who sits in them is noted as a read of each."""
        today = timezone.localdate(timezone=self.clinic.tz)
        rows = self.groups(today).filter(clinic=self.clinic)
        return self.pages(rows.order_by("name", "id"), GroupOut, noted=True)


class GroupDetail(GroupView):
    @extend_schema(summary="One group", responses=GroupOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        """With who sits in it, noted as a read."""
        group = self.own(Group.objects.visible_to(self.user).select_related("clinic"), public_id)
        today = timezone.localdate(timezone=group.clinic.tz)
        shown = self.one(self.groups(today), public_id)
        note_read(shown, by=self.user)
        return Response(GroupOut(shown).data)
