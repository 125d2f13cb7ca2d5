"""What a play showed, and the median and the worst of many plays. Pure."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counted while a play goes on. Weeks are patient-weeks under the program's standard."""

    mornings: list[int] = field(default_factory=list)
    """New items on each business morning; a weekend's wait for Monday."""
    patients: list[int] = field(default_factory=list)
    """The patients whom those are about, each once a night."""
    notices: int = 0
    """The new items that are no more than a notice: read when there is time."""
    opened: Counter[str] = field(default_factory=Counter)
    """New items, by rule."""
    short: int = 0
    repairable: int = 0
    """Short weeks for which a seat that repairs them was free on some morning of the week."""
    seen_in_time: int = 0
    """Of those, the weeks that were on the list on such a morning."""
    by_work: int = 0
    by_facts: int = 0
    lapsed: int = 0
    _waiting: tuple[int, int] = (0, 0)

    def morning(self, opened: Counter[str], *, patients: int, business: bool) -> None:
        items, people = self._waiting
        self.opened += opened
        self._waiting = items + opened.total(), people + patients
        if business:
            self.mornings.append(self._waiting[0])
            self.patients.append(self._waiting[1])
            self._waiting = 0, 0


@dataclass(frozen=True, slots=True)
class Figures:
    """One play, as shares (0 to 1) and items a business day."""

    short_weeks: int
    repairable_weeks: int
    seen_in_time: float
    opened_a_day: float
    notices_a_day: float
    patients_a_day: float
    most_in_a_day: int
    by_work: float
    by_facts: float
    lapsed: float
    by_rule: dict[str, float]


def figures(tally: Tally) -> Figures:
    settled = tally.by_work + tally.by_facts + tally.lapsed
    return Figures(
        short_weeks=tally.short,
        repairable_weeks=tally.repairable,
        seen_in_time=_share(tally.seen_in_time, tally.repairable, empty=1.0),
        opened_a_day=_share(sum(tally.mornings), len(tally.mornings)),
        notices_a_day=_share(tally.notices, len(tally.mornings)),
        patients_a_day=_share(sum(tally.patients), len(tally.patients)),
        most_in_a_day=max(tally.mornings, default=0),
        by_work=_share(tally.by_work, settled),
        by_facts=_share(tally.by_facts, settled),
        lapsed=_share(tally.lapsed, settled),
        by_rule={rule: _share(n, len(tally.mornings)) for rule, n in tally.opened.items()},
    )


def _share(part: int, whole: int, *, empty: float = 0.0) -> float:
    return part / whole if whole else empty


LINES: tuple[tuple[str, str, bool], ...] = (
    ("short patient-weeks", "short_weeks", False),
    ("of them with a free seat that repairs", "repairable_weeks", False),
    ("of those on the list in time, %", "seen_in_time", True),
    ("items opened a business day", "opened_a_day", False),
    ("of those, notices", "notices_a_day", False),
    ("patients they are about", "patients_a_day", False),
    ("most items on one morning", "most_in_a_day", False),
    ("closed by work, %", "by_work", True),
    ("closed by facts, %", "by_facts", True),
    ("lapsed, not worked, %", "lapsed", True),
)
HIGH_IS_BETTER = {"seen_in_time", "by_work"}


def report(plays: Sequence[Figures]) -> list[str]:
    """A line for each figure, its median and its worst over the plays, then items by rule."""
    lines = [f"{'':<40}{'median':>8}{'worst':>8}"]
    for label, name, percent in LINES:
        values = [getattr(play, name) * (100 if percent else 1) for play in plays]
        worst = min(values) if name in HIGH_IS_BETTER else max(values)
        lines.append(f"{label:<40}{statistics.median(values):>8.1f}{worst:>8.1f}")
    return lines + _by_rule(plays)


def _by_rule(plays: Sequence[Figures]) -> list[str]:
    rules = sorted({rule for play in plays for rule in play.by_rule})
    medians = {r: statistics.median(play.by_rule.get(r, 0.0) for play in plays) for r in rules}
    loudest = sorted(medians.items(), key=lambda pair: -pair[1])
    return [f"  {rule:<38}{value:>8.2f}" for rule, value in loudest if value]
