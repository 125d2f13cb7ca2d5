"""Taking a call-in for days of which something is recorded already: the record stays."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from attendance.admin.bookings import record_of
from attendance.compliance.settings import ClinicSettings, clinic_settings
from attendance.records.facts import attendance_facts, session_facts
from attendance.records.rules import is_excused
from iop_clinic.accounts.admin.forms import ServiceForm
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.reads import note_read
from patients.models import Episode
from scheduling.admin import call_ins, episodes
from scheduling.admin.wording import session_when
from scheduling.models import Booking


class ShowsRecords(ServiceForm):
    """What the forms of the floor below do not know: that something is recorded already."""

    expected: Sequence[Booking] = ()

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if {"from_date", "to_date", "reason", "notified_at"} <= given.keys():
            episode = given.get("episode", self.row)  # chosen here, or that of the page
            self.expected = self._expected(episode, given["from_date"], given["to_date"])
            self.looks_ahead = any(record_of(row) for row in self.expected)
        return given

    def _expected(
        self, episode: Episode | None, first: datetime.date, last: datetime.date
    ) -> Sequence[Booking]:
        rows = Booking.objects.expected().visible_to(self.user).filter(live=True)
        days = rows.filter(
            clinic=self.clinic, episode=episode, session__local_date__range=(first, last)
        )
        related = ("attendance", "episode", "session__group", "session__session_type")
        return list(days.select_related(*related).order_by("starts_at"))

    def ahead(self) -> Sequence[Panel]:
        note_read(self.expected[0].episode, by=self.user)
        settings = clinic_settings(self.clinic.pk)
        first: dict[datetime.date, datetime.datetime] = {}
        for row in self.expected:
            first.setdefault(row.session.local_date, row.starts_at)
        rows = [
            (
                link(row, session_when(row.session)),
                record,
                self._follows(row, settings, first[row.session.local_date]),
            )
            for row in self.expected
            if (record := record_of(row))
        ]
        note = "What is recorded stays as it is: a call-in never overrules it. "
        note += "The other seats of these days are freed."
        return [Panel("Recorded already", ("Session", "Recorded as", "Then"), rows, note=note)]

    def _follows(
        self, row: Booking, settings: ClinicSettings, day_starts_at: datetime.datetime
    ) -> str:
        """What the call means for a record, by the rule that excuses absences (R17)."""
        record, given = record_of(row), self.cleaned_data
        assert record is not None
        if record.attended:
            return "Stays present."
        facts, session = attendance_facts(record), session_facts(row.session)
        policy = settings.policy_on(row.session.local_date)
        if is_excused(session, facts, policy, day_starts_at=day_starts_at):
            return "Stays excused."
        told = replace(facts, notified_at=given["notified_at"], absence_reason=given["reason"])
        if is_excused(session, told, policy, day_starts_at=day_starts_at):
            return (
                "Stays unexcused as it is recorded. With this notice it would be excused: open it "
                "and correct the attendance."
            )
        return (
            "Stays unexcused: the notice came too late, or its reason is none that the clinic "
            "excuses."
        )


class CallInForm(ShowsRecords, episodes.CallInForm):
    """On the page of an episode."""


class TakeCallForm(ShowsRecords, call_ins.TakeCallForm):
    """For whoever answers the phone, and types a name."""
