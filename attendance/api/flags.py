"""Cases with their evidence: what somebody must act on."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from attendance.models import AbsenceRule, Flag, OutreachAttempt
from attendance.models.standards import Severity
from iop_clinic.accounts.api.fields import Instant, PersonRef, PublicId
from iop_clinic.accounts.api.versions import etag
from iop_clinic.accounts.api.views import ListQuery, View
from iop_clinic.accounts.models import User
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can, Role

RULES = {kind.name.lower(): kind for kind in AbsenceRule.Kind}
SEVERITIES = {severity.name.lower(): severity for severity in Severity}


class FlagQuery(ListQuery):
    state = serializers.ChoiceField(Flag.State.choices, required=False)
    rule = serializers.ChoiceField(list(RULES), required=False)
    owner = PublicId(required=False)
    severity = serializers.ChoiceField(list(SEVERITIES), required=False)


class FlagOut(serializers.Serializer):
    id = PublicId(source="public_id")
    rule = serializers.SerializerMethodField()
    severity = serializers.SerializerMethodField()
    state = serializers.ChoiceField(Flag.State.choices)
    sentence = serializers.CharField(help_text="What happened, with the numbers.")
    patient = PersonRef(source="episode.patient", default=None, allow_null=True)
    session = PublicId(source="session.public_id", default=None, allow_null=True)
    owner_role = serializers.ChoiceField(Role.choices)
    owner = PersonRef(allow_null=True)
    opened_at = Instant()
    opened_for = serializers.DateField(help_text="The local date whose facts opened it.")
    due_at = Instant()
    snoozed_until = serializers.DateField(allow_null=True)
    closed_at = Instant(allow_null=True)
    outcome = serializers.CharField()
    outcome_note = serializers.CharField()
    closed_by_facts = serializers.BooleanField()
    evidence = serializers.JSONField()
    version = serializers.IntegerField()

    def get_rule(self, flag: Flag) -> str:
        return AbsenceRule.Kind(flag.rule).name.lower()

    def get_severity(self, flag: Flag) -> str:
        return Severity(flag.severity).name.lower()


class OutreachOut(serializers.Serializer):
    method = serializers.ChoiceField(OutreachAttempt.Method.choices)
    result = serializers.ChoiceField(OutreachAttempt.Result.choices)
    note = serializers.CharField()
    next_step = serializers.CharField()
    attempted_at = Instant()
    attempted_by = serializers.CharField(source="attempted_by.name")


class FlagWithOutreach(FlagOut):
    outreach = OutreachOut(many=True)


class FlagView(View):
    needs: ClassVar[dict[str, Any]] = {"GET": Can.VIEW_FLAGS}

    def flags(self) -> QuerySet[Flag]:
        related = ("clinic", "episode__patient", "session", "owner")
        return Flag.objects.visible_to(self.user).select_related(*related)

    def worked_flags(self) -> QuerySet[Flag]:
        """With what was tried, oldest first."""
        tried = OutreachAttempt.objects.select_related("attempted_by").order_by("attempted_at")
        return self.flags().prefetch_related(Prefetch("outreach", tried))


class Flags(FlagView):
    queries: ClassVar = {"GET": FlagQuery}

    @extend_schema(summary="Cases", responses=FlagOut(many=True))
    def get(self, request: Request) -> Response:
        """The most severe first, then by due time."""
        rows = self.flags().filter(clinic=self.clinic, **self._filters())
        return self.pages(rows.order_by("-severity", "due_at", "id"), FlagOut, zone=self.clinic.tz)

    def _filters(self) -> dict[str, Any]:
        query, found = self.query, {}
        if "state" in query:
            found["state"] = query["state"]
        if "rule" in query:
            found["rule"] = RULES[query["rule"]]
        if "severity" in query:
            found["severity"] = SEVERITIES[query["severity"]]
        if "owner" in query:
            staff = User.objects.filter(memberships__clinic=self.clinic)
            found["owner"] = self.one(staff, query["owner"])
        return found


class FlagDetail(FlagView):
    @extend_schema(summary="One case", responses=FlagWithOutreach)
    def get(self, request: Request, public_id: UUID) -> Response:
        """With its evidence and what was tried; the `ETag` is its version."""
        flag = self.own(self.worked_flags(), public_id)
        note_read(flag, by=self.user)
        body = FlagWithOutreach(flag, context={"zone": flag.clinic.tz}).data
        return Response(body, headers=etag(flag.version))
