"""Who may sit where: the one test behind every door into a group or a session.

A patient is in treatment on the date; group and plan agree in program, level and age bracket; a
group for one population is the patient's own choice; minors never sit with adults; two patients who
are kept apart never meet. A refusal never names another patient.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from typing import NamedTuple

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
    fits = _fits(episodes, on)
    for fit in fits:
        check_active(fit.episode, on)
    group = group or (session.group if session else None)
    if group:
        _check_group(fits, group, on, population_opt_in, of_session=session is not None)
    else:
        _check_ages(fits, session, on)
    _check_apart(fits, group, session, on, until)


def check_active(episode: Episode, on: datetime.date) -> None:
    """Refuse a date before the admission, after the discharge or after the patient's death."""
    if not is_active(episode, on):
        raise Refused("not_active", f"The patient is not in treatment on {on}.", field="episode")


def is_active(episode: Episode, on: datetime.date) -> bool:
    admitted, discharged = episode.admitted_on, episode.discharged_on
    return admitted is not None and admitted <= on and (discharged is None or on <= discharged)


def _fits(episodes: Sequence[Episode], on: datetime.date) -> list[Fit]:
    keys = [episode.pk for episode in episodes]
    plans = {
        plan.episode_id: plan
        for plan in TreatmentPlan.objects.in_force(on).filter(episode__in=keys)
    }
    people = Patient.objects.in_bulk([episode.patient_id for episode in episodes])
    fits = []
    for episode in episodes:
        patient, plan = people[episode.patient_id], plans.get(episode.pk)
        if patient.deceased_on is not None and patient.deceased_on <= on:
            raise Refused("not_active", f"The patient is not in treatment on {on}.")
        bracket = plan.age_bracket if plan else AgeBracket.ADULT
        if age_on(patient.birth_date, on) < OF_AGE:
            bracket = AgeBracket.ADOLESCENT
        fits.append(Fit(episode, plan.level if plan else None, AgeBracket(bracket)))
    return fits


def _check_group(
    fits: Sequence[Fit],
    group: Group,
    on: datetime.date,
    population_opt_in: bool,
    *,
    of_session: bool,
) -> None:
    members: Collection[int] = ()
    if of_session:
        held = GroupMembership.objects.on(on).filter(
            group=group, episode__in=[fit.episode.pk for fit in fits]
        )
        members = set(held.values_list("episode", flat=True))
    for fit in fits:
        if fit.bracket != group.age_bracket:
            raise _unsuitable(f"{group} is for another age bracket.")
        if fit.episode.pk in members:
            continue
        if fit.episode.program_id != group.program_id:
            raise _unsuitable(f"{group} belongs to another program.")
        if fit.level is None:
            raise _unsuitable(f"The patient has no treatment plan in force on {on}.")
        if fit.level != group.level:
            raise _unsuitable(f"{group} is for another level of care than the patient's plan.")
        if group.population and not population_opt_in and not _has_chosen(fit, group, on):
            raise _unsuitable(
                f"{group} is for one population: the patient must have chosen such a group."
            )


def _has_chosen(fit: Fit, group: Group, on: datetime.date) -> bool:
    """Whether the patient sits by choice in a group for the same population."""
    chosen = GroupMembership.objects.on(on).filter(population_opt_in=True)
    return chosen.filter(episode=fit.episode, group__population=group.population).exists()


def _check_ages(fits: Sequence[Fit], session: Session | None, on: datetime.date) -> None:
    seated: list[Fit] = []
    if session is not None and session.pk is not None:
        expected = Booking.objects.expected().filter(session=session)
        seated = _fits(list(Episode.objects.filter(pk__in=expected.values("episode"))), on)
    if len({fit.bracket for fit in [*fits, *seated]}) > 1:
        raise _unsuitable("Minors are never seated with adults.")


def _check_apart(
    fits: Sequence[Fit],
    group: Group | None,
    session: Session | None,
    on: datetime.date,
    until: datetime.date | None,
) -> None:
    own = {fit.episode.patient_id for fit in fits}
    pairs = KeepApart.objects.filter(
        Q(ends_on__isnull=True) | Q(ends_on__gte=on),
        Q(patient__in=own) | Q(other__in=own),
    ).values_list("patient", "other")
    others = {key for pair in pairs for key in pair if not own.issuperset(pair)} - own
    together = any(own.issuperset(pair) for pair in pairs)
    if together or (others and _are_there(others, group, session, on, until)):
        raise _unsuitable("The patient cannot be seated here. Ask the coordinator.")


def _are_there(
    patients: Collection[int],
    group: Group | None,
    session: Session | None,
    on: datetime.date,
    until: datetime.date | None,
) -> bool:
    expected = Booking.objects.expected().filter(patient__in=patients)
    if session is not None:
        return session.pk is not None and expected.filter(session=session).exists()
    if group is None:
        return False
    members = GroupMembership.objects.during(on, until).filter(
        group=group, episode__patient__in=patients
    )
    guests = expected.filter(session__in=Session.objects.on(on, until).filter(group=group))
    return members.exists() or guests.exists()


def _unsuitable(message: str) -> Refused:
    return Refused("not_suitable", message, field="episode")
