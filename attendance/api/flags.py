"""Cases with their evidence: what somebody must act on, what was tried, what comes next."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import F, QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from attendance.compliance import outreach
from attendance.compliance.case_history import case_history
from attendance.compliance.cases import latest_snooze
from attendance.compliance.rules.ladder import NextStep, Step
from attendance.compliance.week_notes import note_of
from attendance.models import AbsenceRule, Flag, OutreachAttempt, WeekNote
from attendance.models.standards import Severity
from iop_clinic.accounts.api.fields import Instant, PersonRef, PublicId, Zone
from iop_clinic.accounts.api.versions import etag
from iop_clinic.accounts.api.views import ListQuery, View
from iop_clinic.accounts.models import User
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can, Role
from iop_clinic.accounts.weeks import local_date

RULES = {kind.name.lower(): kind for kind in AbsenceRule.Kind}
SEVERITIES = {severity.name.lower(): severity for severity in Severity}
SUBJECTS = {
    Flag.Subject.EPISODE: "patient",
    Flag.Subject.SESSION: "session",
    Flag.Subject.GROUP: "group",
    Flag.Subject.THERAPIST: "therapist",
}


class FlagQuery(ListQuery):
    state = serializers.ChoiceField(Flag.State.choices, required=False)
    rule = serializers.ChoiceField(list(RULES), required=False)
    subject = serializers.ChoiceField(list(SUBJECTS.values()), required=False)
    owner = PublicId(required=False)
    severity = serializers.ChoiceField(list(SEVERITIES), required=False)


class GroupRef(serializers.Serializer):
    """A group by id and its neutral code name."""

    id = PublicId(source="public_id")
    name = serializers.CharField()


class FlagOut(serializers.Serializer):
    id = PublicId(source="public_id")
    rule = serializers.SerializerMethodField()
    severity = serializers.SerializerMethodField()
    state = serializers.ChoiceField(Flag.State.choices)
    sentence = serializers.CharField(help_text="What happened, with the numbers.")
    subject = serializers.SerializerMethodField()
    patient = PersonRef(source="episode.patient", default=None, allow_null=True)
    session = PublicId(source="session.public_id", default=None, allow_null=True)
    group = GroupRef(default=None, allow_null=True)
    therapist = PersonRef(default=None, allow_null=True)
    owner_role = serializers.ChoiceField(Role.choices)
    owner = PersonRef(allow_null=True)
    zone = Zone(help_text="The clinic's, of all times in the case.")
    opened_at = Instant()
    opened_for = serializers.DateField(help_text="The local date whose facts opened it.")
    due_at = Instant()
    escalated_at = Instant(allow_null=True, help_text="When it went to the next role, overdue.")
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

    @extend_schema_field(serializers.ChoiceField(list(SUBJECTS.values())))
    def get_subject(self, flag: Flag) -> str:
        return SUBJECTS[Flag.Subject(flag.subject_type)]


class OutreachOut(serializers.Serializer):
    """One try to reach the patient, on this case or on another of theirs since it opened."""

    flag = PublicId(source="flag.public_id")
    method = serializers.ChoiceField(OutreachAttempt.Method.choices)
    result = serializers.ChoiceField(OutreachAttempt.Result.choices)
    note = serializers.CharField()
    next_step = serializers.CharField()
    attempted_at = Instant()
    attempted_by = serializers.CharField(source="attempted_by.name")


class NextStepOut(serializers.Serializer):
    """The ladder's next step; `method` is empty where nobody is called."""

    step = serializers.ChoiceField([step.value for step in Step])
    method = serializers.CharField()
    sentence = serializers.SerializerMethodField()
    hints = serializers.ListField(child=serializers.CharField())
    not_before = Instant(allow_null=True, help_text="Until then an answer is waited for.")

    def get_sentence(self, step: NextStep) -> str:
        return step.said(self.context["zone"])


class WeekNoteOut(serializers.Serializer):
    reason = serializers.ChoiceField(WeekNote.Reason.choices)
    detail = serializers.CharField()
    make_up_offered = serializers.CharField()
    written_at = Instant()
    written_by = serializers.CharField(source="written_by.name")


class HistoryOut(serializers.Serializer):
    """One thing that happened to the case, oldest first."""

    at = Instant()
    by = serializers.CharField()
    what = serializers.CharField()
    text = serializers.CharField()


class FlagWithOutreach(FlagOut):
    snooze_until_at_most = serializers.DateField(allow_null=True)
    next_step = NextStepOut(allow_null=True)
    week_note = WeekNoteOut(allow_null=True)
    outreach = OutreachOut(many=True, source="tried")
    history = HistoryOut(many=True)


class FlagView(View):
    needs: ClassVar[dict[str, Any]] = {"GET": Can.VIEW_FLAGS}

    def flags(self) -> QuerySet[Flag]:
        related = ("clinic", "episode__patient", "session", "group", "therapist", "owner")
        return Flag.objects.visible_to(self.user).select_related(*related)

    def shown(self, public_id: Any) -> tuple[Flag, dict[str, Any]]:
        """A case, and all that its page tells; the statements do not grow with its history."""
        flag = self.own(self.flags(), public_id)
        now = timezone.now()
        today = local_date(now, flag.clinic.tz)
        tried = list(outreach.attempts_for(flag).visible_to(self.user))
        found: Any = flag
        found.snooze_until_at_most = latest_snooze(flag, today) if flag.is_open else None
        found.next_step = outreach.step_for(flag, tried, now)
        found.week_note = note_of(flag)
        found.history = case_history(flag, [one for one in tried if one.flag_id == flag.pk])
        found.tried = tried
        return flag, FlagWithOutreach(found, context={"zone": flag.clinic.tz}).data


class Flags(FlagView):
    queries: ClassVar = {"GET": FlagQuery}

    @extend_schema(summary="Cases", responses=FlagOut(many=True))
    def get(self, request: Request) -> Response:
        """What is open first, the most severe of it before the rest, then by due time; what is
        closed follows, the last closed first. Each case is noted as a read."""
        rows = self.flags().filter(clinic=self.clinic, **self._filters())
        open_first = F("closed_at").desc(nulls_first=True)
        rows = rows.order_by(open_first, "-severity", "due_at", "id")
        return self.pages(rows, FlagOut, noted=True, zone=self.clinic.tz)

    def _filters(self) -> dict[str, Any]:
        query, found = self.query, {}
        if "state" in query:
            found["state"] = query["state"]
        if "rule" in query:
            found["rule"] = RULES[query["rule"]]
        if "subject" in query:
            found["subject_type"] = next(k for k, v in SUBJECTS.items() if v == query["subject"])
        if "severity" in query:
            found["severity"] = SEVERITIES[query["severity"]]
        if "owner" in query:
            staff = User.objects.filter(memberships__clinic=self.clinic)
            found["owner"] = self.one(staff, query["owner"])
        return found


class FlagDetail(FlagView):
    etags = ("GET",)

    @extend_schema(summary="One case", responses=FlagWithOutreach)
    def get(self, request: Request, public_id: UUID) -> Response:
        """With its evidence, what was tried, what comes next; the `ETag` is its version."""
        flag, body = self.shown(public_id)
        note_read(flag, by=self.user)
        return Response(body, headers=etag(flag.version))
