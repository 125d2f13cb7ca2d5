"""Who may sit where: the one test behind every door into a group or a session.

A patient is in treatment on the date; group and plan agree in program, level and age bracket; a
group for one population is the patient's own choice; minors never sit with adults; two patients who
are kept apart never meet. A refusal never names another patient.

The same test answers for many sessions at once: what it asks about is read first, in a number of
statements that does not depend on how many there are.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from django.utils import timezone

from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.weeks import full_date, local_date, long_date, no_such_time
from patients.models import AgeBracket, Episode, KeepApart
from patients.rules import OF_AGE, age_on
from scheduling.models import Booking, Group, Session
from scheduling.people import Known, Person, Place, not_over
from scheduling.rules import A_YEAR, THREE_YEARS


class Fit(NamedTuple):
    """What a group or a session asks of one patient on one date; no plan in force: no level."""

    person: Person
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
    place = Place(group or (session.group if session else None), session, on, until)
    _check(Known.of([episode], [place]), [episode], place, population_opt_in)


def check_may_wait(*, episode: Episode, group: Group, on: datetime.date) -> None:
    """Refuse (`not_active`, `not_suitable`) to wait for a seat that would not be given on a date.

    Before the admission there is no plan: only the program and the age are asked then.
    """
    place = Place(group, None, on)
    known = Known.of([episode], [place])
    person = known.people[episode.pk]
    if person.episode.state != Episode.State.REFERRED:
        check_active(person.episode, on)
    _check_group([_fit(person, on)], place, group, population_opt_in=True)
    _check_apart(known, [person], place)


def check_apart(
    *, episode: Episode, group: Group, on: datetime.date, until: datetime.date | None
) -> None:
    """Refuse (`not_suitable`) a seat beside somebody from whom the patient is kept apart.

    For a member who comes back: whatever else has changed about either is no reason.
    """
    place = Place(group, None, on, until)
    known = Known.of([episode], [place])
    _check_apart(known, [known.people[episode.pk]], place)


def check_together(session: Session) -> None:
    """Refuse (`not_suitable`) a session in which patients would meet who are kept apart.

    For one that takes place after all: each was seated while the other was not there.
    """
    there = Booking.objects.expected().filter(session=session).values("patient")
    pairs = KeepApart.objects.filter(
        not_over(session.local_date), clinic=session.clinic_id, patient__in=there, other__in=there
    )
    if pairs.exists():
        raise _unsuitable("Two patients who are kept apart would meet. Withdraw one of them first.")


def check_may_come(
    *, episodes: Sequence[Episode], session: Session, there: Sequence[int] | None = None
) -> dict[int, int]:
    """`check_eligible` for several episodes that will sit together in a session, in the statements
    of one. `there` are the episodes that are expected in it, where the caller knows: one statement
    less. Also refuses `on_hold`: the program
    pauses, and whoever comes all the same is back, so the hold ends first (2b).

    Answers, by episode, the key of the membership of the session's group by which it comes.
    """
    day = session.local_date
    place = Place(session.group, session, day)
    known = Known.of(episodes, [place], there)
    _check(known, episodes, place, population_opt_in=False)
    people = [known.people[episode.pk] for episode in episodes]
    for person in people:
        _check_hold(person, day)
    held = ((one.episode.pk, membership_on(one, session.group_id, day)) for one in people)
    return {episode: membership for episode, membership in held if membership is not None}


def refusals(
    *, episodes: Sequence[Episode], sessions: Iterable[Session]
) -> dict[int, dict[int, Refused]]:
    """By episode and session, why it may not sit there; where it may there is no entry.

    The answers of `check_eligible` on each session's date, in at most 3 statements for any number
    of either. Reads `session.group`: select it along.
    """
    places = [Place(session.group, session, session.local_date) for session in sessions]
    known = Known.of(episodes, places)
    return {episode.pk: dict(_refused(known, episode, places)) for episode in episodes}


def refusals_in_turn(
    *, parties: Mapping[int, Sequence[Episode]], sessions: Iterable[Session]
) -> dict[tuple[int, int], dict[int, Refused]]:
    """By party and session, why an episode may not come with those before it in its party.

    As `check_may_come` for one after the other: also who is on hold, and two who are kept apart
    from each other. Reads `session.group`; as many statements as `refusals`.
    """
    places = [Place(session.group, session, session.local_date) for session in sessions]
    known = Known.of([one for party in parties.values() for one in party], places)
    return {
        (key, place.session.pk): dict(_refused_in_turn(known, party, place))
        for key, party in parties.items()
        for place in places
        if place.session is not None
    }


def _refused_in_turn(
    known: Known, episodes: Sequence[Episode], place: Place
) -> Iterator[tuple[int, Refused]]:
    coming: list[Person] = []
    for episode in episodes:
        person = known.people[episode.pk]
        try:
            _check(known, [episode], place, population_opt_in=False)
            _check_hold(person, place.on)
            _check_apart(known, [*coming, person], place)
        except Refused as refusal:
            yield episode.pk, refusal
        else:
            coming.append(person)


def group_refusals(
    *,
    episodes: Sequence[Episode],
    groups: Mapping[Group, datetime.date],
    population_opt_in: bool = False,
) -> dict[int, dict[int, Refused]]:
    """By episode and group, why it may not join the group from its date on, without end.

    The answers of `check_eligible`, in at most 3 statements for any number of either.
    """
    places = [Place(group, None, day) for group, day in groups.items()]
    known = Known.of(episodes, places)
    return {row.pk: dict(_refused(known, row, places, population_opt_in)) for row in episodes}


def _refused(
    known: Known, episode: Episode, places: Iterable[Place], population_opt_in: bool = False
) -> Iterator[tuple[int, Refused]]:
    """With the key of the session, or of the group where there is none."""
    for place in places:
        try:
            _check(known, [episode], place, population_opt_in)
        except Refused as refusal:
            asked = place.session or place.group
            assert asked is not None
            yield asked.pk, refusal


def check_active(episode: Episode, on: datetime.date) -> None:
    """Refuse a date before the admission, after the discharge or after the patient's death."""
    if not is_active(episode, on):
        message = f"The patient is not in treatment on {long_date(on)}."
        raise Refused("not_active", message, field="episode")


def check_first_day(day: datetime.date, clinic: Clinic, field: str = "starts_on") -> None:
    """Refuse (`first_day`) a year that was typed wrongly: nothing would be planned until then."""
    if day - local_date(timezone.now(), clinic.tz) > A_YEAR:
        message = f"{full_date(day)} lies a year or more ahead. Look at the year."
        raise Refused("first_day", message, field=field)


def check_last_day(day: datetime.date, clinic: Clinic, field: str = "ends_on") -> None:
    """Refuse (`last_day`) the end of a block or a seat in a year that was typed wrongly."""
    if day - local_date(timezone.now(), clinic.tz) > THREE_YEARS:
        message = f"{full_date(day)} lies three years or more ahead. Look at the year."
        raise Refused("last_day", message, field=field)


def check_wall_times(day: datetime.date, zone: datetime.tzinfo, **walls: datetime.time) -> None:
    """Refuse (`no_such_time`) a wall time, named by its field, that the clocks leave out."""
    for field, wall in walls.items():
        if said := no_such_time(day, wall, zone):
            raise Refused("no_such_time", said, field=field)


def is_active(episode: Episode, on: datetime.date) -> bool:
    admitted, discharged = episode.admitted_on, episode.discharged_on
    return admitted is not None and admitted <= on and (discharged is None or on <= discharged)


# --- the test -----------------------------------------------------------------------------------


def _check(
    known: Known, episodes: Sequence[Episode], place: Place, population_opt_in: bool
) -> None:
    people = [known.people[episode.pk] for episode in episodes]
    fits = [_fit(person, place.on) for person in people]
    for person in people:
        check_active(person.episode, place.on)
    if place.group:
        _check_group(fits, place, place.group, population_opt_in)
    else:
        _check_ages(known, fits, place)
    _check_apart(known, people, place)


def _fit(person: Person, on: datetime.date) -> Fit:
    patient = person.patient
    if patient.deceased_on is not None and patient.deceased_on <= on:
        raise Refused("not_active", f"The patient is not in treatment on {long_date(on)}.")
    plan = next((plan.told for plan in person.plans if plan.on(on)), None)
    bracket = plan["age_bracket"] if plan else AgeBracket.ADULT
    if age_on(patient.birth_date, on) < OF_AGE:
        bracket = AgeBracket.ADOLESCENT
    return Fit(person, plan["level"] if plan else None, AgeBracket(bracket))


def _check_group(fits: Sequence[Fit], place: Place, group: Group, population_opt_in: bool) -> None:
    for fit in fits:
        if fit.bracket != group.age_bracket:
            raise _unsuitable(f"{group} is for another age bracket. Choose another group.")
        if place.session is not None and membership_on(fit.person, group.pk, place.on):
            continue
        if fit.person.episode.program_id != group.program_id:
            raise _unsuitable(f"{group} belongs to another program. Choose another group.")
        if fit.person.episode.state == Episode.State.REFERRED:
            continue
        if fit.level is None:
            day = long_date(place.on)
            raise _unsuitable(f"The patient has no treatment plan on {day}. Set the plan first.")
        if fit.level != group.level:
            raise _unsuitable(
                f"{group} is for another level of care than the patient's plan. Choose another "
                "group, or change the level first."
            )
        if group.population and not population_opt_in and not _has_chosen(fit.person, place):
            raise _unsuitable(
                f"{group} is for one population: tick that the patient chose such a group, if so."
            )


def _check_hold(person: Person, day: datetime.date) -> None:
    if any(hold.on(day) for hold in person.holds):
        message = f"The patient is on hold on {long_date(day)}. End the hold first."
        raise Refused("on_hold", message, field="episode")


def membership_on(person: Person, group: int | None, on: datetime.date) -> int | None:
    """The key of the person's membership of a group on a local date."""
    if group is None:
        return None
    held = (row.told for row in person.memberships if row.on(on))
    return next((row["id"] for row in held if row["group"] == group), None)


def _has_chosen(person: Person, place: Place) -> bool:
    """Whether the patient sits by choice in a group for the same population."""
    assert place.group is not None
    held = (row.told for row in person.memberships if row.on(place.on))
    return any(row["opted_in"] and row["population"] == place.group.population for row in held)


def _check_ages(known: Known, fits: Sequence[Fit], place: Place) -> None:
    session = place.saved_session
    there = known.seated.get(session.pk, []) if session else []
    seated = [_fit(known.people[key], place.on) for key in there]
    if len({fit.bracket for fit in [*fits, *seated]}) > 1:
        raise _unsuitable("Minors are never seated with adults. Choose another group or session.")


def _check_apart(known: Known, people: Sequence[Person], place: Place) -> None:
    own = {person.episode.patient_id for person in people}
    apart = {
        key
        for person in people
        for key, last in person.kept_apart
        if last is None or place.on <= last
    }
    if apart & own or (apart and _are_there(known, apart, place)):
        raise _unsuitable("The patient cannot be seated here. Ask the coordinator.")


def _are_there(known: Known, patients: Collection[int], place: Place) -> bool:
    if place.session is not None:
        return not known.others.get(place.session.pk, set()).isdisjoint(patients)
    if place.group is None:
        return False
    there = known.in_groups.get(place.group.pk, ())
    return any(one.patient in patients and one.during(place.on, place.until) for one in there)


def _unsuitable(message: str) -> Refused:
    return Refused("not_suitable", message, field="episode")
