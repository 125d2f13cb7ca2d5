"""What this floor knows of reaching somebody who waits for a seat: how, and what is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils import timezone

from attendance.admin.case_panels import contact_panel
from attendance.compliance.outreach import allowed_methods
from iop_clinic.accounts.admin.forms import ServiceForm
from iop_clinic.accounts.admin.panels import Panel
from scheduling.admin import waitlist
from scheduling.models import WaitlistStep


class ReachForm(ServiceForm):
    """Only what the patient allowed is there to choose."""

    def narrow(self) -> None:
        super().narrow()
        allowed = allowed_methods(self.row.episode.patient, timezone.localdate())
        names = {one.value for one in allowed}
        methods = [choice for choice in WaitlistStep.Method.choices if choice[0] in names]
        field: Any = self.fields["method"]
        field.choices = [("", "Select …"), *methods]

    def before(self) -> Iterator[Panel]:
        yield contact_panel(self.row.episode, missed=False)
        yield from super().before()


class OfferForm(ReachForm, waitlist.OfferForm):
    """An offer, with whom to call."""


class AttemptForm(ReachForm, waitlist.AttemptForm):
    """An attempt, with whom to call."""
