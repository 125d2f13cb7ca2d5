"""Until when each short week can still be repaired, and by what: for all cases of a clinic at once.

The latest sessions that would do are named, not the best: `find_make_ups` says those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from itertools import groupby

from attendance.compliance.make_up_facts import (
    MID_WEEK,
    Asked,
    Facts,
    facts_of,
    offer_of,
    sessions_between,
)
from attendance.compliance.make_up_refusals import checks, pays
from attendance.compliance.rules.make_ups import Offer, Repair, combination, effect, standing
from attendance.compliance.rules.weeks import DayMinutes
from attendance.models import Flag
from iop_clinic.accounts.weeks import Week
from scheduling.models import Session


@dataclass(frozen=True, slots=True)
class LastChance:
    """What is missing in the week of a case, and the latest sessions with a free seat that together
    repair it; none where no sessions do."""

    flag: Flag
    missing: tuple[Repair, ...]
    plan: tuple[Session, ...]

    @property
    def until(self) -> datetime | None:
        """When the first of them begins: whoever is not booked by then stays short."""
        return min((one.starts_at for one in self.plan), default=None)


def last_chances(flags: Iterable[Flag], *, now: datetime) -> list[LastChance]:
    """Of open cases of a running week, the soonest chance first; what is not short any more is left
    out, and so is a patient's second case of a week: one call repairs both.

    The cases come loudest first, of one clinic, with their episodes and patients. At most 12
    statements for any number.
    """
    cases = [(flag, flag.episode) for flag in flags if flag.episode is not None]
    if not cases:
        return []
    every = facts_of([Asked(episode, _day(flag)) for flag, episode in cases], now=now)
    short: dict[tuple[int, Week], tuple[Flag, Facts]] = {}
    for (flag, episode), facts in zip(cases, every, strict=True):
        if facts.needs:
            short.setdefault((episode.pk, facts.week), (flag, facts))
    if not short:
        return []
    chances = _chances([flag for flag, _ in short.values()], [one for _, one in short.values()])
    return sorted(chances, key=lambda one: (one.until is None, one.until or now, one.flag.pk))


def _day(flag: Flag) -> date:
    """A local date of the clinic week that the case is about."""
    return date.fromisoformat(flag.evidence_key[:10]) + MID_WEEK


def _chances(flags: Sequence[Flag], every: Sequence[Facts]) -> list[LastChance]:
    sessions = sessions_between(every)
    all_of_them = {session.pk: session for some in sessions for session in some}
    troubles = checks(every, list(all_of_them.values()))
    return [
        LastChance(flag, standing(facts.needs), _latest(facts, some, trouble))
        for flag, facts, some, trouble in zip(flags, every, sessions, troubles, strict=True)
    ]


def _latest(
    facts: Facts, sessions: Sequence[Session], trouble: Callable[[Session], object]
) -> tuple[Session, ...]:
    """The combination that begins on the latest date on which one still repairs the week.

    From the last date back, and no further than needed: sessions before it are not looked at.
    """
    offers: list[Offer] = []
    helps: dict[DayMinutes, bool] = {}  # of groups side by side one is as good as another
    for _, day in groupby(reversed(sessions), key=lambda one: one.local_date):
        for one in (offer_of(facts, session) for session in day if trouble(session) is None):
            if one.line not in helps:
                helps[one.line] = effect(facts.needs, [one]).helps
            offers += [one] if helps[one.line] else []
        if plan := _repairing(facts, offers):
            kept = {one.key for one in plan}
            return tuple(one for one in sessions if one.pk in kept)
    return ()


def _repairing(facts: Facts, offers: Sequence[Offer]) -> Sequence[Offer]:
    """Some of these that repair the week together; none where not even all of them would."""
    if not offers or not effect(facts.needs, offers).repaired:
        return ()
    plan = combination(facts.needs, offers, facts.visited, allowed=partial(pays, facts))
    return plan if plan and effect(facts.needs, plan).repaired else ()
