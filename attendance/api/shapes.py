"""What a roster's rows look like on the wire: read, told, saved, refused."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from attendance.models import AttendanceRecord
from attendance.models.records import AbsenceReason
from attendance.records.entries import Conflict, Entry
from attendance.records.roster import RosterRow
from attendance.records.rules import Interval, Status
from iop_clinic.accounts.api.fields import Flag, Instant, Integer, PublicId, Strict, Text, Zone
from scheduling.models import Booking

STATUSES = [status.value for status in Status]
_ENTRIES = [
    {"$ref": f"#/components/schemas/{shape}Request"}
    for shape in ("RecordIn", "DayRecordIn", "FactsIn")
]
MOST_TIMES_AWAY = 20


class TimeAway(serializers.ListField):
    """[from, to): a pair of instants inside the session."""

    child = Instant()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=2, max_length=2, **kwargs)

    def to_representation(self, value: Any) -> list[str]:
        span: Interval = value
        return [self.child.to_representation(moment) for moment in (span.start, span.end)]


def times_away(**kwargs: Any) -> serializers.ListField:
    return serializers.ListField(child=TimeAway(), **kwargs)


class FactsIn(Strict):
    """What was told. Left out: unchanged (or empty, in a first record); null: empty."""

    attended = Flag(required=False)
    arrived_at = Instant(required=False, allow_null=True, help_text="Empty: from the start.")
    left_at = Instant(required=False, allow_null=True, help_text="Empty: to the end.")
    away = times_away(required=False, max_length=MOST_TIMES_AWAY)
    notified_at = Instant(required=False, allow_null=True, help_text="When notice was given.")
    absence_reason = serializers.ChoiceField(
        AbsenceReason.choices, required=False, allow_blank=True
    )
    proof = serializers.ChoiceField(AttendanceRecord.Proof.choices, required=False)
    excused_override = Flag(required=False, allow_null=True, help_text="Null: the rule decides.")
    correction_reason = Text(required=False, allow_blank=True, max_length=200)
    recorded_at = Instant(required=False, help_text="By the device's clock, for queued entries.")


class RecordIn(FactsIn):
    booking = PublicId()
    attended = Flag()
    version = Integer(
        required=False, allow_null=True, min_value=1, help_text="Absent: I expect unrecorded."
    )


def entry(record: Mapping[str, Any]) -> Entry:
    return Entry(**record)


class PatientRef(serializers.Serializer):
    id = PublicId(source="patient")
    name = serializers.CharField(source="patient_name")
    short_name = serializers.CharField(
        source="patient_short_name",
        help_text="Preferred name and initial: what an open screen may show.",
    )


class RosterWeek(serializers.Serializer):
    """The patient's week so far under the program's standard, in minutes."""

    credited = serializers.IntegerField()
    at_least = serializers.IntegerField()
    at_most = serializers.IntegerField()
    minimum = serializers.IntegerField(help_text="After proration.")
    minutes_to_go = serializers.IntegerField()
    day_credited = serializers.IntegerField(help_text="On the session's local date.")
    day_at_most = serializers.IntegerField(
        help_text="Of that date: with what is recorded of sessions that have not ended, and full "
        "presence where nothing is recorded of a session that is booked."
    )
    day_to_go = serializers.IntegerField(
        help_text="What a qualifying day would lack then: so many more minutes keep the day."
    )
    day_threshold = serializers.IntegerField(help_text="What makes it a qualifying day.")
    day_counts = serializers.BooleanField(
        help_text="Whether it is one already; a standard may ask for services too."
    )


class VisitOut(serializers.Serializer):
    starts_at = Instant()
    ends_at = Instant()
    therapist = serializers.CharField(help_text="Whom the patient is with; empty: nobody yet.")


class RecordOut(serializers.Serializer):
    """One expected patient. `version` is null while nothing is recorded."""

    booking = PublicId()
    patient = PatientRef(source="*")
    seat = serializers.IntegerField()
    booking_state = serializers.ChoiceField(Booking.State.choices)
    visits = VisitOut(
        many=True, help_text="Short visits inside the session, for which the patient leaves it."
    )
    status = serializers.ChoiceField(STATUSES)
    late = serializers.BooleanField()
    left_early = serializers.BooleanField()
    arrived_at = Instant(allow_null=True)
    left_at = Instant(allow_null=True)
    away = times_away()
    notified_at = Instant(allow_null=True)
    absence_reason = serializers.CharField()
    proof = serializers.CharField()
    excused_override = serializers.BooleanField(allow_null=True)
    credited_minutes = serializers.IntegerField(help_text="0 until the session has ended.")
    recorded_by = serializers.CharField(help_text="Empty while unrecorded, and after a job.")
    # The class takes its fields out of its attributes: a field may bear the name of one.
    source = serializers.ChoiceField(  # type: ignore[assignment]
        AttendanceRecord.Source.choices,
        allow_blank=True,
        help_text="Where it was entered; empty while unrecorded.",
    )
    version = serializers.IntegerField(allow_null=True)


class OneRecordOut(RecordOut):
    """One expected patient, with the zone of the session."""

    zone = Zone()


class RosterRowOut(RecordOut):
    week = serializers.SerializerMethodField()

    @extend_schema_field(RosterWeek(allow_null=True))
    def get_week(self, row: RosterRow) -> dict[str, int] | None:
        week = self.context["weeks"].get(row.episode_id)
        return asdict(week) if week else None


class SavedOut(serializers.Serializer):
    booking = PublicId(source="booking.public_id")
    attended = serializers.BooleanField()
    credited_minutes = serializers.SerializerMethodField(help_text="0 until the session has ended.")
    version = serializers.IntegerField()

    def get_credited_minutes(self, record: AttendanceRecord) -> int:
        return record.credited_minutes if record.booking.ends_at <= timezone.now() else 0


class ConflictOut(serializers.Serializer):
    """One refused entry in both versions, as it was `sent` and as it is stored (`current`). `index`
    counts the request's records from 0; null, as is `sent` then: it came from `all_present`."""

    index = serializers.IntegerField(allow_null=True)
    booking = PublicId(allow_null=True)
    code = serializers.CharField()
    message = serializers.CharField()
    zone = Zone(help_text="Of the times in both.")
    sent = serializers.SerializerMethodField(
        help_text="The entry as it was sent, its times in `zone`; what it left out is left out."
    )
    current = RecordOut(allow_null=True, help_text="What is stored now.")

    @extend_schema_field({"oneOf": [*_ENTRIES, {"type": "null"}]})
    def get_sent(self, conflict: Conflict) -> Any:
        if conflict.sent is None:
            return None
        return _as_json(conflict.sent.said(), self.context["zone"])


def _as_json(told: Any, zone: datetime.tzinfo) -> Any:
    match told:
        case datetime.datetime():
            return told.astimezone(zone).isoformat()
        case uuid.UUID():
            return str(told)
        case Mapping():
            return {str(name): _as_json(value, zone) for name, value in told.items()}
        case list():
            return [_as_json(value, zone) for value in told]
    return told
