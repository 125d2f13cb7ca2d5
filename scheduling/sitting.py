"""Who sits in groups and sessions: asked for patients who are kept apart from each other."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import NamedTuple

from scheduling.models import Booking, GroupMembership, Session


class Sitting(NamedTuple):
    """A patient in a group on inclusive local dates; no last date: without end."""

    patient: int
    starts_on: datetime.date
    ends_on: datetime.date | None

    def during(self, first: datetime.date, last: datetime.date | None) -> bool:
        begins = last is None or self.starts_on <= last
        return begins and (self.ends_on is None or first <= self.ends_on)


def sitting_in(
    groups: Collection[int], patients: Collection[int], first: datetime.date
) -> Mapping[int, list[Sitting]]:
    """By group: which of these patients sit there from a local date on; 2 statements, or none."""
    there: defaultdict[int, list[Sitting]] = defaultdict(list)
    if not groups or not patients:
        return there
    members = GroupMembership.objects.during(first, None).filter(
        group__in=groups, episode__patient__in=patients
    )
    seats = members.values_list("group", "episode__patient", "starts_on", "ends_on")
    for group, patient, first_day, last_day in seats.order_by():
        there[group].append(Sitting(patient, first_day, last_day))
    sessions = Session.objects.on(first, None).filter(group__in=groups)
    guests = Booking.objects.expected().filter(patient__in=patients, session__in=sessions)
    visits = guests.values_list("session__group", "patient", "session__local_date")
    for group, patient, day in visits.order_by():
        there[group].append(Sitting(patient, day, day))
    return there


def expected_in(sessions: Collection[int], patients: Collection[int]) -> Mapping[int, set[int]]:
    """By session: which of these patients are expected there; 1 statement, or none."""
    there: defaultdict[int, set[int]] = defaultdict(set)
    if not sessions or not patients:
        return there
    rows = Booking.objects.expected().filter(patient__in=patients, session__in=sessions)
    for session, patient in rows.values_list("session", "patient"):
        there[session].add(patient)
    return there
