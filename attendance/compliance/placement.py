"""Which groups and times fit a patient: from level, program, population, availability and target.

Everything is read once, in a number of statements that depends neither on that of the groups nor on
that of the patients in them; whoever is proposed a group could be enrolled in it as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from attendance.compliance.placement_facts import PlaceFacts, StandingHour, Wish, place_facts
from attendance.compliance.rules.placement import Found, Option, Reach, combined, reached
from attendance.compliance.rules.weeks import StandardTerms, WeekJudgement
from iop_clinic.accounts.models import Weekday
from iop_clinic.accounts.weeks import clock_time, hours_and_minutes
from patients.models import Episode
from scheduling.eligibility import group_refusals
from scheduling.models import Group, WeeklyBlock
from scheduling.openings import Opening, openings

MOST = 3
_NAME = "\0"


@dataclass(frozen=True, slots=True)
class Proposal:
    """Groups with the first date of a seat in each, standing hours beside them, and the poorest
    week that comes of it, were every session attended. `key` is what a request finds it by."""

    key: str
    groups: tuple[Opening, ...]
    hours: tuple[StandingHour, ...]
    week: WeekJudgement
    first: date


@dataclass(frozen=True, slots=True)
class Placement:
    """The best few, and why each other group is none of them; `now` is the patient's week as it is
    planned already."""

    wish: Wish
    terms: StandardTerms
    now: Reach
    proposals: tuple[Proposal, ...]
    reasons: tuple[tuple[Group, str], ...]
    blocks: Mapping[int, Sequence[WeeklyBlock]]
    """By group: the weekly blocks that still meet."""

    @property
    def reached_already(self) -> bool:
        return self.now.does

    def find(self, key: str) -> Proposal | None:
        return next((one for one in self.proposals if one.key == key), None)


def proposals(*, episode: Episode, wish: Wish, groups: Sequence[Group], now: datetime) -> Placement:
    """At most three proposals for a patient among some active groups of the clinic.

    Fewer only where `reasons` says of every other group why it is none. At most 20 statements.
    """
    facts = place_facts(episode=episode, wish=wish, groups=groups, now=now)
    terms = replace(facts.terms, minimum=wish.minutes, days=wish.days)
    told = openings(groups=groups, episodes=[episode], on=wish.starts_on, now=now)[episode.pk]
    dates = {one: told[one.pk].first or wish.starts_on for one in groups}
    opt_in = wish.population_opt_in
    unfit = group_refusals(episodes=[episode], groups=dates, population_opt_in=opt_in)[episode.pk]
    reasons: dict[int, str] = {}
    options = []
    for group in groups:
        opening = told[group.pk]
        option = facts.option(group, opening)
        refused = unfit.get(group.pk)
        why = first_sentence(refused.message, group) if refused else ""
        why = why or opening.why or _clash(facts, option)
        if why:
            reasons[group.pk] = why
        else:
            options.append(option)
    base = reached([facts.base], terms)
    hours = [one.option for one in facts.hours]
    found = [] if base.does else combined(facts.base, options, hours, terms)
    best = found[:MOST]
    named = {one.key for each in best for one in each.groups}
    for option in options:
        if option.key not in named:
            reasons[facts.group_key(option)] = _left_out(facts, option, found, base, terms)
    return Placement(
        wish,
        terms,
        base,
        tuple(_proposal(facts, one, told) for one in best),
        tuple((group, reasons[group.pk]) for group in groups if group.pk in reasons),
        facts.blocks,
    )


def first_sentence(message: str, group: Group) -> str:
    """What is wrong, without what to do about it; the group's name may hold any sign."""
    nameless = message.replace(str(group), _NAME)
    said = nameless.split(". ")[0].rstrip(".").split(":")[0]
    return f"{said.replace(_NAME, str(group))}."


def _proposal(facts: PlaceFacts, found: Found, told: dict[int, Opening]) -> Proposal:
    own = tuple(told[facts.group_key(one)] for one in found.groups)
    by_key = {one.option.key: one for one in facts.hours}
    first = min((one.first for one in own if one.first), default=facts.wish.starts_on)
    hours = tuple(by_key[one.key] for one in found.hours)
    return Proposal(found.key, own, hours, found.reach.week, first)


# --- why a group is none -------------------------------------------------------------------------


def _clash(facts: PlaceFacts, option: Option) -> str:
    if not option.slots:
        return "It has no weekly block."
    for slots, why in (
        (facts.wish.away, "the patient cannot come"),
        (facts.base.slots, "the patient comes for something else"),
    ):
        slot = option.clash(slots)
        if slot is not None:
            times = f"{clock_time(slot.starts)} – {clock_time(slot.ends)}"
            return f"It meets {Weekday(slot.weekday).label} {times}, when {why}."
    return ""


def _left_out(
    facts: PlaceFacts, option: Option, found: Iterable[Found], base: Reach, terms: StandardTerms
) -> str:
    if base.does:
        return "It is not needed: what the patient has reaches the target."
    if any(option.key == part.key for one in found for part in one.groups):
        return "It would do too, and others come nearer to what is asked for."
    reach = reached([facts.base, option], terms)
    if reach.over and terms.maximum is not None:
        most = hours_and_minutes(terms.maximum)
        return f"With it a week has more than the maximum of {most}."
    week = reach.week
    brought = f"{hours_and_minutes(week.at_least)} of {hours_and_minutes(week.minimum)}"
    days = f"{week.days_qualifying} of {week.days_required} days"
    return f"It gives {brought} on {days}, and nothing free beside it makes up the rest."
