"""Reads of this floor, in clinic words."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Self

from django.db.models import Q

from iop_clinic.accounts.visibility import ClinicQuerySet

if TYPE_CHECKING:
    from attendance.models import Flag  # noqa: F401 - the base class below names it in a string
    from iop_clinic.accounts.models import User

SETTLED = ("closed", "lapsed")


class FlagQuerySet(ClinicQuerySet["Flag"]):
    def open(self) -> Self:
        """Cases somebody still has to work, snoozed ones included."""
        return self.exclude(state__in=SETTLED)

    def settled(self) -> Self:
        return self.filter(state__in=SETTLED)

    def waiting(self, today: datetime.date) -> Self:
        """Open and not asleep on the clinic's local date."""
        return self.open().exclude(state="snoozed", snoozed_until__gt=today)

    def overdue(self, now: datetime.datetime) -> Self:
        return self.open().filter(due_at__lt=now).exclude(state="snoozed")

    def open_for(self, user: User) -> Self:
        """Open cases this person owns, or that wait for anyone in their role."""
        unowned = Q(pk__in=[])
        for clinic, role in user.scope.roles.items():
            unowned |= Q(clinic=clinic, owner_role=role, owner__isnull=True)
        return self.open().filter(Q(owner=user, clinic__in=user.scope.roles) | unowned)

    def of_rule(self, *rules: int) -> Self:
        return self.filter(rule__in=rules)

    def loudest_first(self) -> Self:
        return self.order_by("-severity", "due_at", "pk")
