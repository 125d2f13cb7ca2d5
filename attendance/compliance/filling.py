"""Who could fill a group: patients who wait or are short, whom it suits, and who are free then.

And who could make room in it: members who would have what their plan asks for in another group.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from attendance.compliance.placement import first_sentence
from attendance.compliance.placement_facts import blocks_from, by_group, judged_by, option_of
from attendance.compliance.rules.placement import Option, Reach, reached
from attendance.compliance.rules.weeks import StandardTerms, WeekJudgement
from attendance.compliance.settings import ClinicSettings, clinic_settings
from attendance.compliance.template_weeks import weeks_after
from iop_clinic.accounts.acting import Refused
from patients.models import Episode, TreatmentPlan
from scheduling.eligibility import group_refusals
from scheduling.models import WAITING, Group, GroupMembership, WaitlistEntry, WeeklyBlock
from scheduling.openings import SOON, Opening, openings

CLASHES = "They come for something else at its times."


@dataclass(frozen=True, slots=True)
class Candidate:
    """A patient who could be enrolled from the date `first` on: the poorest of their full weeks as
    it is planned `now`, and `then`, with the group."""

    episode: Episode
    waits_since: datetime | None
    """For this group."""
    waits_elsewhere: bool
    first: date
    out_before: str
    """What keeps them from beginning earlier."""
    now: WeekJudgement
    then: WeekJudgement


@dataclass(frozen=True, slots=True)
class Filling:
    """Who could fill it, in the order in which to ask; how many of the others who wait or are short
    could not, by the reason; and how many have what their plan asks for."""

    candidates: tuple[Candidate, ...]
    reasons: tuple[tuple[str, int], ...]
    enough: int


@dataclass(frozen=True, slots=True)
class Mover:
    """A member who could sit in `group` from the date `first` on, with so many seats free there,
    and the poorest of the full weeks `then`."""

    seat: GroupMembership
    group: Group
    first: date
    free_seats: int
    then: WeekJudgement


@dataclass(frozen=True, slots=True)
class _Facts:
    group: Group
    settings: ClinicSettings
    on: date
    blocks: Sequence[WeeklyBlock]
    of_group: Mapping[int, Sequence[WeeklyBlock]]
    plans: Mapping[int, TreatmentPlan]
    seats: Mapping[int, Sequence[GroupMembership]]
    waiting: Mapping[int, Sequence[WaitlistEntry]]


@dataclass(frozen=True, slots=True)
class _Need:
    """An episode that waits or is short, with what its plan asks of a week."""

    episode: Episode
    terms: StandardTerms
    base: Option
    group: Option
    now: Reach


def who_could_fill(
    *, group: Group, episodes: Sequence[Episode], on: date, now: datetime
) -> Filling:
    """Among some episodes in treatment, from the local date `on` on; at most 12 statements.

    Whether a patient can come at the group's times at all is not known here: they are asked.
    """
    facts = _facts(group, episodes, on)
    needs = [one for row in episodes if (one := _need(facts, row)) is not None]
    rows = [one.episode for one in needs]
    told = openings(groups=[group], episodes=rows, on=on, now=now)
    dates = {group: on}
    opt_in = bool(group.population)
    unfit = group_refusals(episodes=rows, groups=dates, population_opt_in=opt_in) if rows else {}
    found, reasons = [], Counter[str]()
    for one in needs:
        key = one.episode.pk
        opening = told[key][group.pk]
        then = reached([one.base, one.group], one.terms)
        why = _why_not(one, opening, unfit[key].get(group.pk), then)
        if why:
            reasons[why] += 1
        elif opening.first is not None:
            found.append(_candidate(facts, one, opening, opening.first, then))
    found.sort(key=_order)
    return Filling(tuple(found), tuple(reasons.most_common()), len(episodes) - len(needs))


def _why_not(one: _Need, opening: Opening, refused: Refused | None, then: Reach) -> str:
    if refused is not None:
        return first_sentence(refused.message, opening.group)
    if opening.why:
        return opening.why
    if one.group.clashes(one.base.slots):
        return CLASHES
    return "With it their week is over the maximum." if then.over else ""


def _candidate(facts: _Facts, one: _Need, opening: Opening, first: date, then: Reach) -> Candidate:
    entries = facts.waiting.get(one.episode.pk, ())
    here = [entry.added_at for entry in entries if entry.group_id == facts.group.pk]
    return Candidate(
        episode=one.episode,
        waits_since=min(here, default=None),
        waits_elsewhere=len(here) < len(entries),
        first=first,
        out_before=opening.out_before,
        now=one.now.week,
        then=then.week,
    )


def _order(one: Candidate) -> tuple[object, ...]:
    """Who waits longest for this group, who waits for another, then who lacks most."""
    since = one.waits_since.timestamp() if one.waits_since else 0.0
    return (
        one.waits_since is None,
        since,
        not one.waits_elsewhere,
        -one.now.minutes_to_go,
        one.episode.pk,
    )


# --- who could make room --------------------------------------------------------------------------


def who_could_move(
    *,
    group: Group,
    seats: Sequence[GroupMembership],
    others: Sequence[Group],
    on: date,
    now: datetime,
) -> list[Mover]:
    """Of some members those who reach in one of the `others` what their plan asks for, each with
    the best place, who has most room there first; at most 12 statements."""
    if not seats or not others:
        return []
    episodes = [one.episode for one in seats]
    facts = _facts(group, episodes, on)
    told = openings(groups=others, episodes=episodes, on=on, now=now, leaving=group)
    unfit = group_refusals(episodes=episodes, groups=dict.fromkeys(others, on))
    found = []
    for seat in seats:
        key = seat.episode_id
        fitting = (one for one in told[key].values() if one.group.pk not in unfit[key])
        places = [one for opening in fitting if (one := _place(facts, seat, opening)) is not None]
        if places:
            found.append(min(places, key=_room))
    return sorted(found, key=_room)


def _place(facts: _Facts, seat: GroupMembership, opening: Opening) -> Mover | None:
    plan = facts.plans.get(seat.episode_id)
    blocks = facts.of_group.get(opening.group.pk, ())
    if plan is None or opening.first is None or not blocks:
        return None
    terms, starts_on = _asked(facts, seat.episode, plan)
    weeks = weeks_after(starts_on, facts.on + SOON)
    own = _own(facts, seat.episode, weeks[-1].end, without=facts.group.pk)
    base = option_of("", facts.settings, weeks, list(own))
    option = option_of("g", facts.settings, weeks, blocks)
    then = reached([base, option], terms)
    if option.clashes(base.slots) or not then.does:
        return None
    return Mover(seat, opening.group, opening.first, opening.free_seats, then.week)


def _room(one: Mover) -> tuple[object, ...]:
    return -one.free_seats, one.first, one.seat.pk, one.group.pk


# --- what is known --------------------------------------------------------------------------------


def _facts(group: Group, episodes: Sequence[Episode], on: date) -> _Facts:
    """Read in 5 statements."""
    blocks = blocks_from(group.clinic_id, on)
    plans = TreatmentPlan.objects.in_force(on).filter(episode__in=episodes)
    seats: defaultdict[int, list[GroupMembership]] = defaultdict(list)
    for seat in GroupMembership.objects.during(on + SOON, None).filter(episode__in=episodes):
        seats[seat.episode_id].append(seat)
    waiting: defaultdict[int, list[WaitlistEntry]] = defaultdict(list)
    entries = WaitlistEntry.objects.filter(clinic=group.clinic_id, state__in=WAITING)
    for entry in entries.filter(episode__in=episodes):
        waiting[entry.episode_id].append(entry)
    return _Facts(
        group,
        clinic_settings(group.clinic_id),
        on,
        blocks,
        by_group(blocks),
        {plan.episode_id: plan for plan in plans},
        seats,
        waiting,
    )


def _need(facts: _Facts, episode: Episode) -> _Need | None:
    """None for who has what the plan asks for and waits for nothing, or has no plan to be short
    of."""
    plan, waits = facts.plans.get(episode.pk), episode.pk in facts.waiting
    if plan is None and not waits:
        return None
    terms, starts_on = _asked(facts, episode, plan)
    weeks = weeks_after(starts_on, facts.on + SOON)
    base = option_of("", facts.settings, weeks, list(_own(facts, episode, weeks[-1].end)))
    now = reached([base], terms)
    if now.does and not waits:
        return None
    group = option_of("g", facts.settings, weeks, facts.of_group.get(facts.group.pk, ()))
    return _Need(episode, terms, base, group, now)


def _asked(
    facts: _Facts, episode: Episode, plan: TreatmentPlan | None
) -> tuple[StandardTerms, int]:
    """What the plan asks of a week of the program's standard, and on which weekday it begins."""
    terms, starts_on = judged_by(facts.settings, episode, plan, facts.on)
    if plan is not None:
        terms = replace(terms, minimum=plan.weekly_minutes_target, days=plan.days_per_week)
    return terms, starts_on


def _own(
    facts: _Facts, episode: Episode, last: date, *, without: int | None = None
) -> Iterable[WeeklyBlock]:
    """The patient's standing hours and groups that go on, `without` one of the groups."""
    yield from (one for one in facts.blocks if one.episode_id == episode.pk)
    for seat in facts.seats.get(episode.pk, ()):
        if seat.group_id != without and (seat.ends_on is None or seat.ends_on >= last):
            yield from facts.of_group.get(seat.group_id, ())
