"""Reads of this floor, in clinic words."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Self

from django.db.models import Q
from django.utils import timezone

from iop_clinic.accounts.visibility import ClinicQuerySet

if TYPE_CHECKING:
    from scheduling.models import Booking, Session, SessionStaff


class SessionQuerySet(ClinicQuerySet["Session"]):
    def live(self) -> Self:
        return self.filter(live=True)

    def on(self, first: datetime.date, last: datetime.date) -> Self:
        """Sessions on inclusive local dates."""
        return self.filter(local_date__range=(first, last))


class SessionStaffQuerySet(ClinicQuerySet["SessionStaff"]):
    def with_access(self) -> Self:
        """Active parts; a substitute's only until its access ends."""
        return self.filter(
            Q(access_until__isnull=True) | Q(access_until__gt=timezone.now()), active=True
        )


class BookingQuerySet(ClinicQuerySet["Booking"]):
    def expected(self) -> Self:
        """Booked or released at sessions that take place: the roster."""
        return self.filter(live=True).exclude(state="withdrawn")

    def seated(self) -> Self:
        return self.filter(live=True, state="booked")
