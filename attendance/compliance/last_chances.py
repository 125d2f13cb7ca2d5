"""Until when each short week can still be repaired, and by what: for all cases of a clinic at once.

The latest sessions that would do are named, not the best: `find_make_ups` says those.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from attendance.compliance.make_up_facts import MID_WEEK, Asked, Facts, facts_of, sessions_between
from attendance.compliance.make_up_refusals import troubles_of
from attendance.compliance.make_ups import Candidate, candidates_in, combined
from attendance.compliance.rules.make_ups import Repair, effect, standing
from attendance.models import Flag
from iop_clinic.accounts.weeks import Week
from scheduling.models import Session


@dataclass(frozen=True, slots=True)
class LastChance:
    """What is missing in the week of a case, and the latest sessions with a free seat that together
    repair it; none where no sessions do."""

    flag: Flag
    missing: tuple[Repair, ...]
    plan: tuple[Candidate, ...]

    @property
    def until(self) -> datetime | None:
        """When the first of them begins: whoever is not booked by then stays short."""
        return min((one.offer.starts_at for one in self.plan), default=None)


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
    refused = troubles_of(every, sessions)
    return [
        LastChance(flag, standing(facts.needs), _latest(facts, [s for s in some if s.pk not in no]))
        for flag, facts, some, no in zip(flags, every, sessions, refused, strict=True)
    ]


def _latest(facts: Facts, sessions: Sequence[Session]) -> tuple[Candidate, ...]:
    """The combination that begins on the latest date on which one still repairs the week."""
    candidates = candidates_in(facts, sessions)
    for day in sorted({one.offer.local_date for one in candidates}, reverse=True):
        plan = combined(facts, [one for one in candidates if one.offer.local_date >= day])
        if plan and effect(facts.needs, [one.offer for one in plan]).repaired:
            return tuple(plan)
    return ()
