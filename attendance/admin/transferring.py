"""Before a patient changes groups: the seats, the bookings, and the weeks as they would be."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from django.utils import timezone

from attendance.admin.leaving import taken_panels, waiting_said
from attendance.admin.patient.planned import planned
from attendance.trials import tried_transfer
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.weeks import full_date
from scheduling.admin import episodes, groups
from scheduling.admin.enrolling import EnrollingForm
from scheduling.models import GroupMembership

_DAY = datetime.timedelta(days=1)


class LooksAhead(EnrollingForm):
    """What `tried_transfer` finds, before either form saves it."""

    looks_ahead = True

    def ahead(self) -> Sequence[Panel]:
        note_read(self.row, by=self.user)
        given = {"membership": self.row, **self.given}
        moved = tried_transfer(by=self.user, **given)
        old, today = given["membership"], timezone.localdate(timezone=self.clinic.tz)
        waiting = waiting_said(old.group, self.user)
        return [
            _seats_panel(old, moved.seat),
            planned(moved.weeks, today, title="Plan and schedule then"),
            *taken_panels(moved.taken, self.user, self.clinic, waiting),
        ]


def _seats_panel(old: GroupMembership, new: GroupMembership) -> Panel:
    lines = [
        (link(old.group), f"seat {old.seat} ends", full_date(new.starts_on - _DAY)),
        (link(new.group), f"seat {new.seat} begins", full_date(new.starts_on)),
    ]
    return Panel("Seats in groups", ("Group", "What", "When"), lines)


class TransferForm(LooksAhead, groups.TransferForm):
    """From the page of the seat."""


class TransferHereForm(LooksAhead, episodes.TransferHereForm):
    """From the page of the patient, where the seat is chosen."""
