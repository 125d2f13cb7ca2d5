"""Reads of this floor, in clinic words."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Self

from django.db.models import DateTimeField, Q, Value

from iop_clinic.accounts.visibility import ClinicQuerySet
from scheduling.rules import LONGEST

if TYPE_CHECKING:  # named as strings in the bases below, where a linter does not look
    from scheduling.models import (  # noqa: F401
        Booking,
        CallIn,
        GroupMembership,
        Session,
        SessionStaff,
    )


def overlapping(starts_at: datetime.datetime, ends_at: datetime.datetime) -> Q:
    """What has a minute in common with the half-open instants.

    No session lasts longer than `LONGEST`, so an index on the start finds them."""
    earliest = Value(starts_at, output_field=DateTimeField()) - Value(LONGEST)
    return Q(starts_at__gt=earliest, starts_at__lt=ends_at, ends_at__gt=starts_at)


class DaysOffQuerySet(ClinicQuerySet[Any]):
    """Closures, or time off."""

    def in_force(self) -> Self:
        """Those that nobody took back."""
        return self.filter(taken_back_at__isnull=True)


class GroupMembershipQuerySet(ClinicQuerySet["GroupMembership"]):
    def during(self, first: datetime.date, last: datetime.date | None) -> Self:
        """Seats held on any of these inclusive local dates; no last date: from `first` on."""
        held = self.filter(Q(ends_on__isnull=True) | Q(ends_on__gte=first))
        return held if last is None else held.filter(starts_on__lte=last)

    def on(self, day: datetime.date) -> Self:
        return self.during(day, day)


class SessionQuerySet(ClinicQuerySet["Session"]):
    def live(self) -> Self:
        return self.filter(live=True)

    def on(self, first: datetime.date, last: datetime.date | None) -> Self:
        """Sessions on inclusive local dates; no last date: from `first` on."""
        found = self.filter(local_date__gte=first)
        return found if last is None else found.filter(local_date__lte=last)

    def not_over(self, now: datetime.datetime) -> Self:
        return self.filter(ends_at__gt=now)

    def overlapping(self, starts_at: datetime.datetime, ends_at: datetime.datetime) -> Self:
        """Sessions with a minute in common with the half-open instants."""
        return self.filter(overlapping(starts_at, ends_at))


class SessionStaffQuerySet(ClinicQuerySet["SessionStaff"]):
    def with_access(self, now: datetime.datetime) -> Self:
        """Active parts; a substitute's only until its access ends."""
        return self.filter(Q(access_until__isnull=True) | Q(access_until__gt=now), active=True)

    def taking_place(self) -> Self:
        """Active parts in sessions that are not cancelled: when a therapist is busy."""
        return self.filter(live=True, active=True)

    def overlapping(self, starts_at: datetime.datetime, ends_at: datetime.datetime) -> Self:
        return self.filter(overlapping(starts_at, ends_at))


class CallInQuerySet(ClinicQuerySet["CallIn"]):
    def in_force(self, first: datetime.date, last: datetime.date) -> Self:
        """Notices for whole days that touch these inclusive local dates and still stand."""
        return self.filter(
            whole_days=True,
            taken_back_at__isnull=True,
            from_date__lte=last,
            to_date__gte=first,
        )


class BookingQuerySet(ClinicQuerySet["Booking"]):
    def expected(self) -> Self:
        """Booked or released at sessions that take place: the roster."""
        return self.filter(live=True).exclude(state="withdrawn")

    def seated(self) -> Self:
        return self.filter(live=True, state="booked")

    def overlapping(self, starts_at: datetime.datetime, ends_at: datetime.datetime) -> Self:
        return self.filter(overlapping(starts_at, ends_at))
