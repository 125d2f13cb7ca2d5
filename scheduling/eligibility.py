"""Who may sit where: the one test behind every door into a group or a session.

A patient is in treatment on the date; group and plan agree in program, level and age bracket; a
group for one population is the patient's own choice; minors never sit with adults; two patients who
are kept apart never meet. A refusal never names another patient.

The same test answers for many sessions at once: what it asks about is read first, in a number of
statements that does not depend on how many there are.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from django.db.models import Q

from iop_clinic.accounts.acting import Refused
from patients.models import AgeBracket, Episode, KeepApart, Patient, TreatmentPlan
from patients.rules import age_on
from scheduling.models import Booking, Group, GroupMembership, Session

OF_AGE = 18
"""Years. A plan may treat an older patient as an adolescent (R2), never a minor as an adult."""


class Fit(NamedTuple):
    """What a group or a session asks of one patient on one date; no plan in force: no level."""

    episode: Episode
    level: int | None
    bracket: AgeBracket


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


def check_eligible(
    *,
    episode: Episode,
    group: Group | None = None,
    session: Session | None = None,
    on: datetime.date,
    until: datetime.date | None = None,
    population_opt_in: bool = False,
) -> None:
    """Refuse an episode that may not join `group` from `on` to `until`, or sit in `session`.

    Raises Refused `not_active` outside admission and discharge, `not_suitable` otherwise. A member
    of the session's group passes for its program, level and population, as when it was enrolled.
    Nobody sits in a session that is not saved yet.
    """
    check_all_eligible(
        episodes=[episode],
        group=group,
        session=session,
        on=on,
        until=until,
        population_opt_in=population_opt_in,
    )


def check_all_eligible(
    *,
    episodes: Sequence[Episode],
    group: Group | None = None,
    session: Session | None = None,
    on: datetime.date,
    until: datetime.date | None = None,
    population_opt_in: bool = False,
) -> None:
    """`check_eligible` for several episodes that will sit together, in the queries of one."""
    place = Place(group or (session.group if session else None), session, on, until)
    _check(_Known.of(episodes, [place]), episodes, place, population_opt_in)


def refusals(*, episode: Episode, sessions: Iterable[Session]) -> dict[int, Refused]:
    """By key, why the episode may not sit in a session; those where it may are left out.

    The answers of `check_eligible` on each session's date, in at most 8 statements for any number
    of sessions. Reads `session.group`: select it along.
    """
    places = [Place(session.group, session, session.local_date) for session in sessions]
    known = _Known.of([episode], places)
    refused: dict[int, Refused] = {}
    for place in places:
        try:
            _check(known, [episode], place, population_opt_in=False)
        except Refused as refusal:
            assert place.session is not None
            refused[place.session.pk] = refusal
    return refused


def check_active(episode: Episode, on: datetime.date) -> None:
    """Refuse a date before the admission, after the discharge or after the patient's death."""
    if not is_active(episode, on):
        raise Refused("not_active", f"The patient is not in treatment on {on}.", field="episode")


def is_active(episode: Episode, on: datetime.date) -> bool:
    admitted, discharged = episode.admitted_on, episode.discharged_on
    return admitted is not None and admitted <= on and (discharged is None or on <= discharged)


# --- what is known ------------------------------------------------------------------------------


@dataclass(slots=True)
class _Known:
    """Everything the test asks of some episodes and places."""

    people: dict[int, Patient]
    plans: dict[int, list[TreatmentPlan]]
    memberships: list[GroupMembership]
    seated: dict[int, list[Episode]]
    """By session without a group: who is expected there."""
    pairs: list[tuple[int, int, datetime.date | None]]
    """Patients kept apart, one of them asked about, and the last date of it."""
    others: dict[int, set[int]] = field(default_factory=dict)
    """By session: the patients expected there from whom one asked about is kept apart."""

    @classmethod
    def of(cls, episodes: Sequence[Episode], places: Sequence[Place]) -> Self:
        if not places:
            return cls({}, {}, [], {}, [])
        first, last = min(p.on for p in places), max(p.on for p in places)
        seated = _seated(p.session for p in places if p.saved_session and p.group is None)
        everyone = [*episodes, *(one for rows in seated.values() for one in rows)]
        known = cls(
            people=Patient.objects.in_bulk({episode.patient_id for episode in everyone}),
            plans=_plans(everyone, first, last),
            memberships=_memberships(episodes, places, first, last),
            seated=seated,
            pairs=_pairs(episodes, first),
        )
        known.others = _others_there(known, episodes, places)
        return known

    def plan_on(self, episode: Episode, on: datetime.date) -> TreatmentPlan | None:
        plans = self.plans.get(episode.pk, ())
        return next((plan for plan in plans if _holds(plan, on)), None)

    def memberships_on(self, on: datetime.date) -> Iterable[GroupMembership]:
        return (row for row in self.memberships if _holds(row, on))


def _holds(row: TreatmentPlan | GroupMembership, on: datetime.date) -> bool:
    return row.starts_on <= on and (row.ends_on is None or on <= row.ends_on)


def _seated(sessions: Iterable[Session | None]) -> dict[int, list[Episode]]:
    keys = [session.pk for session in sessions if session is not None]
    seated: defaultdict[int, list[Episode]] = defaultdict(list)
    if keys:
        rows = Booking.objects.expected().filter(session__in=keys).select_related("episode")
        for row in rows:
            seated[row.session_id].append(row.episode)
    return seated


def _plans(
    episodes: Iterable[Episode], first: datetime.date, last: datetime.date
) -> dict[int, list[TreatmentPlan]]:
    plans: defaultdict[int, list[TreatmentPlan]] = defaultdict(list)
    rows = TreatmentPlan.objects.filter(
        Q(ends_on__isnull=True) | Q(ends_on__gte=first),
        episode__in={episode.pk for episode in episodes},
        starts_on__lte=last,
    )
    for plan in rows:
        plans[plan.episode_id].append(plan)
    return plans


def _memberships(
    episodes: Sequence[Episode],
    places: Iterable[Place],
    first: datetime.date,
    last: datetime.date,
) -> list[GroupMembership]:
    """Seats of these episodes in groups, where a place asks for them."""
    if not any(p.group and (p.session is not None or p.group.population) for p in places):
        return []
    held = GroupMembership.objects.during(first, last).filter(episode__in=episodes)
    return list(held.select_related("group"))


def _pairs(
    episodes: Iterable[Episode], first: datetime.date
) -> list[tuple[int, int, datetime.date | None]]:
    own = {episode.patient_id for episode in episodes}
    rows = KeepApart.objects.filter(
        Q(ends_on__isnull=True) | Q(ends_on__gte=first),
        Q(patient__in=own) | Q(other__in=own),
        clinic__in={episode.clinic_id for episode in episodes},
    )
    return list(rows.values_list("patient", "other", "ends_on"))


def _others_there(
    known: _Known, episodes: Sequence[Episode], places: Sequence[Place]
) -> dict[int, set[int]]:
    own = {episode.patient_id for episode in episodes}
    others = {key for pair in known.pairs for key in pair[:2]} - own
    sessions = [p.saved_session for p in places if p.saved_session is not None]
    there: defaultdict[int, set[int]] = defaultdict(set)
    if others and sessions:
        rows = Booking.objects.expected().filter(patient__in=others, session__in=sessions)
        for session, patient in rows.values_list("session", "patient"):
            there[session].add(patient)
    return there


# --- the test -----------------------------------------------------------------------------------


def _check(
    known: _Known, episodes: Sequence[Episode], place: Place, population_opt_in: bool
) -> None:
    fits = _fits(known, episodes, place.on)
    for fit in fits:
        check_active(fit.episode, place.on)
    if place.group:
        _check_group(known, fits, place, place.group, population_opt_in)
    else:
        _check_ages(known, fits, place)
    _check_apart(known, fits, place)


def _fits(known: _Known, episodes: Sequence[Episode], on: datetime.date) -> list[Fit]:
    fits = []
    for episode in episodes:
        patient, plan = known.people[episode.patient_id], known.plan_on(episode, on)
        if patient.deceased_on is not None and patient.deceased_on <= on:
            raise Refused("not_active", f"The patient is not in treatment on {on}.")
        bracket = plan.age_bracket if plan else AgeBracket.ADULT
        if age_on(patient.birth_date, on) < OF_AGE:
            bracket = AgeBracket.ADOLESCENT
        fits.append(Fit(episode, plan.level if plan else None, AgeBracket(bracket)))
    return fits


def _check_group(
    known: _Known, fits: Sequence[Fit], place: Place, group: Group, population_opt_in: bool
) -> None:
    members: Collection[int] = ()
    if place.session is not None:
        held = known.memberships_on(place.on)
        members = {row.episode_id for row in held if row.group_id == group.pk}
    for fit in fits:
        if fit.bracket != group.age_bracket:
            raise _unsuitable(f"{group} is for another age bracket.")
        if fit.episode.pk in members:
            continue
        if fit.episode.program_id != group.program_id:
            raise _unsuitable(f"{group} belongs to another program.")
        if fit.level is None:
            raise _unsuitable(f"The patient has no treatment plan in force on {place.on}.")
        if fit.level != group.level:
            raise _unsuitable(f"{group} is for another level of care than the patient's plan.")
        if group.population and not population_opt_in and not _has_chosen(known, fit, place):
            raise _unsuitable(
                f"{group} is for one population: the patient must have chosen such a group."
            )


def _has_chosen(known: _Known, fit: Fit, place: Place) -> bool:
    """Whether the patient sits by choice in a group for the same population."""
    assert place.group is not None
    return any(
        row.population_opt_in and row.group.population == place.group.population
        for row in known.memberships_on(place.on)
        if row.episode_id == fit.episode.pk
    )


def _check_ages(known: _Known, fits: Sequence[Fit], place: Place) -> None:
    session = place.saved_session
    there = known.seated.get(session.pk, []) if session else []
    seated = _fits(known, there, place.on)
    if len({fit.bracket for fit in [*fits, *seated]}) > 1:
        raise _unsuitable("Minors are never seated with adults.")


def _check_apart(known: _Known, fits: Sequence[Fit], place: Place) -> None:
    own = {fit.episode.patient_id for fit in fits}
    pairs = [(a, b) for a, b, last in known.pairs if last is None or place.on <= last]
    others = {key for pair in pairs for key in pair if not own.issuperset(pair)} - own
    together = any(own.issuperset(pair) for pair in pairs)
    if together or (others and _are_there(known, others, place)):
        raise _unsuitable("The patient cannot be seated here. Ask the coordinator.")


def _are_there(known: _Known, patients: Collection[int], place: Place) -> bool:
    if place.session is not None:
        return not known.others.get(place.session.pk, set()).isdisjoint(patients)
    if place.group is None:
        return False
    members = GroupMembership.objects.during(place.on, place.until).filter(
        group=place.group, episode__patient__in=patients
    )
    sessions = Session.objects.on(place.on, place.until).filter(group=place.group)
    guests = Booking.objects.expected().filter(patient__in=patients, session__in=sessions)
    return members.exists() or guests.exists()


def _unsuitable(message: str) -> Refused:
    return Refused("not_suitable", message, field="episode")
