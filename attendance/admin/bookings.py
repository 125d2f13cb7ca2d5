"""Recording and correcting one patient's attendance, and its history."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from attendance.models import AttendanceRecord
from attendance.models.records import AbsenceReason
from attendance.records import services
from attendance.records.entries import Entry
from attendance.records.facts import spans
from attendance.records.history import history
from attendance.records.rules import Interval
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.forms import (
    ServiceForm,
    choice_field,
    moment_field,
    text_field,
    time_field,
)
from iop_clinic.accounts.admin.history import events_of
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.admin.untouched import as_seen
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import hours_and_minutes
from scheduling.models import Booking, Session

SOURCE = AttendanceRecord.Source.ADMIN
PRESENCE = (("present", "Present"), ("absent", "Absent"))
EXCUSED = (("yes", "Excused by staff"), ("no", "Not excused, by staff"))
CLOCKS = ("arrived_at", "left_at")
AWAY = ("away_from", "away_to")


def record_of(row: Booking) -> AttendanceRecord | None:
    """The booking's record; none means unrecorded, which is not absent."""
    return getattr(row, "attendance", None)


def instant_at(session: Session, clock: datetime.time) -> datetime.datetime:
    """The instant of a wall time that lies nearest to the session's start."""
    zone = session.clinic.tz
    day = session.local_date
    near = (day + datetime.timedelta(days=n) for n in (-1, 0, 1))
    found = (datetime.datetime.combine(one, clock, tzinfo=zone) for one in near)
    return min(found, key=lambda at: abs(at - session.starts_at))


class WriterForm(ServiceForm):
    """The roster is its session's: who sees the patient in a colleague's session writes nothing."""

    can = Can.RECORD_ATTENDANCE
    row: Booking

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not Session.objects.visible_to(self.user).filter(pk=self.row.session_id).exists():
            raise PermissionDenied

    def versioned_row(self, row: Booking) -> AttendanceRecord | None:
        """The record: a booking does not change with what is recorded."""
        return AttendanceRecord.objects.filter(booking=row).first()

    def as_seen(self, row: Booking) -> Any:
        """With its record as it was, if there was one."""
        was, record = super().as_seen(row), self.versioned_row(row)
        version = self.cleaned_data.get("version")
        if was is not None and record is not None and version:
            steps = events_of(record).filter(new__version__gt=version)
            was.attendance = as_seen(record, steps)
        return was


class AttendanceForm(WriterForm):
    """The facts as told. Minutes and labels follow from them."""

    attended = choice_field(PRESENCE, "The patient was")
    arrived_at = time_field("Arrived", required=False, help_text="Empty: from the start.")
    left_at = time_field("Left", required=False, help_text="Empty: to the end.")
    away_from = time_field("Away from", required=False, help_text="Left the room, and came back.")
    away_to = time_field("Away to", required=False)
    notified_at = moment_field("Told us at", required=False)
    absence_reason = choice_field(AbsenceReason.choices, "Reason of the absence", required=False)
    proof = choice_field(AttendanceRecord.Proof.choices, initial="none")
    excused_override = choice_field(
        EXCUSED, "Overrule the excuse rule", required=False, help_text="Empty: the rule decides."
    )
    correction_reason = text_field(
        "Why",
        required=False,
        help_text="Needed when a recorded value changes or a rule is overruled.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if (cleaned.get("away_from") is None) != (cleaned.get("away_to") is None):
            empty = "away_from" if cleaned.get("away_from") is None else "away_to"
            if empty not in self.errors:
                self.add_error(empty, "Say both: from when to when the patient was away.")
        return cleaned

    def facts(self) -> dict[str, Any]:
        """The form's values as the service names them."""
        given = dict(self.cleaned_data)
        given.pop("version", None)
        given["attended"] = given["attended"] == "present"
        for name in (*CLOCKS, *AWAY):
            clock = given.get(name)
            given[name] = instant_at(self.row.session, clock) if clock else None
        span = tuple(given.pop(name) for name in AWAY)
        given["away"] = [span] if all(span) else []
        given["excused_override"] = {"yes": True, "no": False}.get(given["excused_override"])
        return given

    def refuse(self, refused: Refused) -> None:
        if refused.field == "away":
            refused.field = AWAY[0]
        super().refuse(refused)

    def happened(self, record: AttendanceRecord) -> str:
        minutes = f"{hours_and_minutes(record.credited_minutes)} credited"
        if self.row.ends_at > timezone.now():
            minutes += " once the session has ended"
        said = f"{self.row.patient} is recorded as {record}: {minutes}."
        return f"{said} {_outside(record, self.row)}".strip()


def _outside(record: AttendanceRecord, row: Booking) -> str:
    """Why a presence outside the session adds no minute: nobody should find out later."""
    if record.left_at and record.left_at <= row.starts_at:
        told = f"The departure at {_clock(record.left_at)} is not after the start"
        return f"{told} at {_clock(row.starts_at)}: look again if that is not meant."
    if record.arrived_at and record.arrived_at >= row.ends_at:
        told = f"The arrival at {_clock(record.arrived_at)} is not before the end"
        return f"{told} at {_clock(row.ends_at)}: look again if that is not meant."
    return ""


class RecordForm(AttendanceForm):
    title = "Record attendance"
    path = "record"
    order = 10

    @classmethod
    def offered(cls, row: Booking) -> bool:
        return record_of(row) is None and row.live and row.state != Booking.State.WITHDRAWN

    def run(self) -> str:
        entry = Entry(booking=self.row.public_id, **self._told())
        result = services.record_roster(
            session=self.row.session, entries=[entry], by=self.user, source=SOURCE
        )
        if not result.saved:
            return "This is what is recorded already."
        return self.happened(result.saved[0])

    def _told(self) -> dict[str, Any]:
        """What was left empty is not told, so that a call-in's notice fills it."""
        return {
            name: value
            for name, value in self.facts().items()
            if value not in (None, "", []) and (name, value) != ("proof", "none")
        }


class CorrectForm(AttendanceForm):
    title = "Correct attendance"
    path = "correct"
    order = 10
    explanation = "Minutes, day and week follow at once. What was said before stays in the history."

    @classmethod
    def offered(cls, row: Booking) -> bool:
        return record_of(row) is not None

    def narrow(self) -> None:
        self.fields["version"] = forms.IntegerField(widget=forms.HiddenInput, required=False)
        record = record_of(self.row)
        if record is not None:
            self.start_with(**self._stored(record))
            self._keep_several(spans(record.away))

    def _keep_several(self, away: Sequence[Interval]) -> None:
        """Several times away do not fit the two fields: they stay as they are stored."""
        if len(away) > 1:
            for name in AWAY:
                del self.fields[name]
            self.fields["left_at"].help_text += f" Away, as it stays: {away_said(away)}."

    def _stored(self, record: AttendanceRecord) -> dict[str, Any]:
        clocks = {name: getattr(record, name) for name in CLOCKS}
        if len(record.away) == 1:
            (span,) = spans(record.away)
            clocks |= dict(zip(AWAY, (span.start, span.end), strict=True))
        overruled = {True: "yes", False: "no", None: ""}[record.excused_override]
        return {
            "attended": "present" if record.attended else "absent",
            "notified_at": record.notified_at,
            "absence_reason": record.absence_reason,
            "proof": record.proof,
            "excused_override": overruled,
            "version": record.version,
            **{name: timezone.localtime(at).time() for name, at in clocks.items() if at},
        }

    def run(self) -> str:
        facts = self.facts()
        why = facts.pop("correction_reason")
        names = {"away" if name in AWAY else name for name in self.changed_data}
        changed = {name: facts[name] for name in facts if name in names}
        record = services.correct(
            booking=self.row,
            changes=changed,
            version=self.cleaned_data.get("version") or 0,
            correction_reason=why,
            by=self.user,
            source=SOURCE,
        )
        return self.happened(record)


class ClearForm(WriterForm):
    title = "Take back to unrecorded"
    path = "clear"
    order = 60
    danger = True
    explanation = "For a record made by mistake. What it said stays in the history."
    correction_reason = text_field("Why", required=False)

    @classmethod
    def offered(cls, row: Booking) -> bool:
        return record_of(row) is not None

    def narrow(self) -> None:
        record = record_of(self.row)
        self.fields["version"] = forms.IntegerField(
            widget=forms.HiddenInput, required=False, initial=record.version if record else 0
        )

    def run(self) -> str:
        services.clear(
            booking=self.row,
            version=self.cleaned_data.get("version") or 0,
            correction_reason=self.cleaned_data["correction_reason"],
            by=self.user,
        )
        return f"{self.row.patient} is unrecorded again. Next: record what happened."

    def refuse(self, refused: Refused) -> None:
        if refused.code == "correction_reason_required":
            refused.field = "correction_reason"
        super().refuse(refused)


BOOKING_VERBS = (RecordForm, CorrectForm, ClearForm)


def booking_panels(request: Any, row: Booking) -> Iterable[Panel]:
    """What is recorded now, and every version before."""
    record = record_of(row)
    yield Panel(
        "Attendance",
        ("Status", "Arrived", "Left", "Away", "Attended", "Credited", "Recorded by"),
        [] if record is None else [
            (str(record), _clock(record.arrived_at), _clock(record.left_at),
             away_said(spans(record.away)) or "none", hours_and_minutes(record.attended_minutes),
             hours_and_minutes(record.credited_minutes), record.recorded_by or "a job")
        ],
        empty="Unrecorded. That is not absent: nothing is held against the patient.",
    )  # fmt: skip
    versions = history(row)
    if versions:
        yield Panel(
            "History of the record",
            ("When", "Who", "What", "Why"),
            [
                (f"{timezone.localtime(one.at):%a %b %-d, %-I:%M %p %Z}", one.who,
                 "; ".join(f"{c.field.replace('_', ' ')}: {_said(c.old)} → {_said(c.new)}"
                           for c in one.changes if _said(c.old) != _said(c.new)),
                 one.reason)
                for one in reversed(versions)
            ],
        )  # fmt: skip


def away_said(away: Iterable[Interval]) -> str:
    """ "9:10 AM – 9:20 AM (10 min)"."""
    return ", ".join(
        f"{timezone.localtime(one.start):%-I:%M %p} – {timezone.localtime(one.end):%-I:%M %p} "
        f"({hours_and_minutes(int(one.length.total_seconds()) // 60)})"
        for one in away
    )


def _clock(moment: datetime.datetime | None) -> str:
    return f"{timezone.localtime(moment):%-I:%M %p %Z}" if moment else ""


def _said(value: Any) -> str:
    """A stored value as people read it: instants in the clinic's wall time."""
    if value in (None, "", []):
        return "empty"
    if isinstance(value, bool):  # asked by its type: 0 and 1 are minutes
        return "yes" if value else "no"
    if isinstance(value, list):  # times away, as pairs of instants
        return ", ".join(" to ".join(_said(instant) for instant in pair) for pair in value)
    try:
        return _clock(datetime.datetime.fromisoformat(value))
    except (TypeError, ValueError):
        return str(value)
