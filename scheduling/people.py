"""Whom a test of eligibility asks about: their plans, seats and holds, and who is kept apart.

Read for many places at once, in a number of statements that does not depend on how many there are.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Q, QuerySet
from django.db.models.functions import JSONObject

from iop_clinic.accounts.prepared import prepared
from patients.models import Episode, EpisodeHold, KeepApart, Patient, TreatmentPlan
from scheduling.models import Booking, Group, GroupMembership, Session
from scheduling.sitting import Sitting, expected_in, sitting_in


class Place(NamedTuple):
    """A group on some dates, or a session on its own date; a session's `group` is its own."""

    group: Group | None
    session: Session | None
    on: datetime.date
    until: datetime.date | None = None

    @property
    def saved_session(self) -> Session | None:
        """Nobody sits in a session that is not saved yet."""
        return self.session if self.session is not None and self.session.pk is not None else None


class Held(NamedTuple):
    """Something that holds from one local date to another, both inside, or without end."""

    starts_on: datetime.date
    ends_on: datetime.date | None
    told: dict[str, Any]

    def on(self, day: datetime.date) -> bool:
        return self.starts_on <= day and (self.ends_on is None or day <= self.ends_on)


@dataclass(slots=True)
class Person:
    """An episode as it is stored, with its patient and what is dated about both."""

    episode: Episode
    plans: list[Held]
    memberships: list[Held]
    holds: list[Held]
    kept_apart: list[tuple[int, datetime.date | None]]
    """From which patients, and the last date of it."""

    @property
    def patient(self) -> Patient:
        return self.episode.patient


@dataclass(slots=True)
class Known:
    """Everything the test asks of some episodes and places."""

    people: dict[int, Person]
    """By episode: those asked about, and those who are expected in a session without a group."""
    seated: Mapping[int, Sequence[int]]
    """By session without a group: the episodes expected there."""
    others: Mapping[int, set[int]] = field(default_factory=dict)
    """By session: the patients expected there from whom one asked about is kept apart."""
    in_groups: Mapping[int, list[Sitting]] = field(default_factory=dict)
    """By group: the same of its members and guests."""

    @classmethod
    def of(
        cls,
        episodes: Sequence[Episode],
        places: Sequence[Place],
        there: Sequence[int] | None = None,
    ) -> Self:
        if not places:
            return cls({}, {})
        first, last = min(p.on for p in places), max(p.on for p in places)
        asked = [episode.pk for episode in episodes]
        alone = [p.session for p in places if p.saved_session and p.group is None]
        seated = _seated(alone) if there is None else {s.pk: there for s in alone if s}
        everyone = {*asked, *(one for rows in seated.values() for one in rows)}
        rows = _people(tuple(sorted(everyone)), first, last)
        known = cls(people={row.pk: _person(row) for row in rows}, seated=seated)
        own = [known.people[key] for key in asked]
        sessions = [one.pk for p in places if (one := p.saved_session)]
        known.others = expected_in(sessions, _others(own))
        groups = [p.group.pk for p in places if p.session is None and p.group is not None]
        known.in_groups = sitting_in(groups, _others(own), first)
        return known


def _seated(sessions: Iterable[Session | None]) -> dict[int, list[int]]:
    keys = [session.pk for session in sessions if session is not None]
    seated: defaultdict[int, list[int]] = defaultdict(list)
    if keys:
        rows = Booking.objects.expected().filter(session__in=keys).order_by()
        for session, episode in rows.values_list("session", "episode"):
            seated[session].append(episode)
    return seated


@prepared
def _people(episodes: tuple[int, ...], first: datetime.date, last: datetime.date) -> QuerySet[Any]:
    """Episodes with their patients and what holds on one of these dates."""
    rows: QuerySet[Any] = Episode.objects.filter(pk__in=episodes).select_related("patient")
    plans = TreatmentPlan.objects.filter(starts_on__lte=last)
    memberships = GroupMembership.objects.filter(starts_on__lte=last)
    holds = EpisodeHold.objects.filter(starts_on__lte=last)
    apart = KeepApart.objects.filter(
        Q(patient=OuterRef("patient")) | Q(other=OuterRef("patient")),
        not_over(first),
        clinic=OuterRef("clinic"),
    )
    return rows.annotate(
        plan_rows=_of_episode(plans, first, level="level", age_bracket="age_bracket"),
        membership_rows=_of_episode(
            memberships,
            first,
            id="pk",
            group="group_id",
            population="group__population",
            opted_in="population_opt_in",
        ),
        hold_rows=_of_episode(holds, first),
        apart_rows=ArraySubquery(
            apart.values(row=JSONObject(patient="patient_id", other="other_id", ends_on="ends_on"))
        ),
    )


def _of_episode(rows: QuerySet[Any], first: datetime.date, **told: str) -> ArraySubquery:
    own = rows.filter(not_over(first), clinic=OuterRef("clinic"), episode=OuterRef("pk"))
    row = JSONObject(starts_on="starts_on", ends_on="ends_on", **told)
    return ArraySubquery(own.order_by("starts_on", "pk").values(row=row))


def not_over(first: datetime.date) -> Q:
    return Q(ends_on__isnull=True) | Q(ends_on__gte=first)


def _person(row: Any) -> Person:
    pairs = [({one["patient"], one["other"]}, _date(one["ends_on"])) for one in row.apart_rows]
    return Person(
        episode=row,
        plans=[_held(one) for one in row.plan_rows],
        memberships=[_held(one) for one in row.membership_rows],
        holds=[_held(one) for one in row.hold_rows],
        kept_apart=[(key, last) for pair, last in pairs for key in pair - {row.patient_id}],
    )


def _held(row: dict[str, Any]) -> Held:
    return Held(datetime.date.fromisoformat(row["starts_on"]), _date(row["ends_on"]), row)


def _date(text: str | None) -> datetime.date | None:
    return datetime.date.fromisoformat(text) if text else None


def _others(people: Iterable[Person]) -> set[int]:
    return {key for person in people for key, _ in person.kept_apart}
