"""Reads of this floor, in clinic words."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Self

from django.db.models import Exists, OuterRef, Q

from iop_clinic.accounts.visibility import ClinicQuerySet

if TYPE_CHECKING:
    from attendance.models import Flag, WeekResult  # noqa: F401 - named in strings below
    from iop_clinic.accounts.models import User

SETTLED = ("closed", "lapsed")


class FlagQuerySet(ClinicQuerySet["Flag"]):
    def open(self) -> Self:
        """Cases somebody still has to work, snoozed ones included."""
        return self.exclude(state__in=SETTLED)

    def settled(self) -> Self:
        return self.filter(state__in=SETTLED)

    def waiting(self, today: datetime.date) -> Self:
        """Open, not silent, and not asleep on the clinic's local date."""
        return self.open().not_silent().exclude(state="snoozed", snoozed_until__gt=today)

    def overdue(self, now: datetime.datetime) -> Self:
        return self.open().not_silent().filter(due_at__lt=now).exclude(state="snoozed")

    def not_silent(self) -> Self:
        """Without the cases of patients on hold: they wait for the return."""
        return self.exclude(episode__state="on_hold")

    def owned_by(self, user: User) -> Self:
        return self.filter(_owned_by(user))

    def waiting_for_role_of(self, user: User) -> Self:
        """Open cases that nobody of this person's role has taken on."""
        return self.open().filter(_waits_for_role_of(user))

    def asleep(self) -> Self:
        return self.filter(state="snoozed")

    def loudest_first(self) -> Self:
        return self.order_by("-severity", "due_at", "pk")


class WeekResultQuerySet(ClinicQuerySet["WeekResult"]):
    def standing(self) -> Self:
        """The last word on each part of a week: neither amended since nor taken back (void)."""
        same = ("clinic", "episode", "standard", "segment_starts_on")
        later = self.model._default_manager.filter(
            amendment__gt=OuterRef("amendment"), **{name: OuterRef(name) for name in same}
        )
        return self.filter(~Exists(later), void=False)


def _owned_by(user: User) -> Q:
    return Q(owner=user, clinic__in=user.scope.roles)


def _waits_for_role_of(user: User) -> Q:
    """Without an owner, or gone to this role because its owner was late."""
    waits = Q(pk__in=[])
    for clinic, role in user.scope.roles.items():
        free = Q(owner__isnull=True) | Q(escalated_at__isnull=False, state="open")
        waits |= Q(free, clinic=clinic, owner_role=role)
    return waits
