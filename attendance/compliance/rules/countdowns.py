"""How near the end of a paper is: stages that grow louder, counted in calendar days."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from attendance.compliance.rules.severity import Severity


class Stage(StrEnum):
    AHEAD = "ahead"
    NEAR = "near"
    NOW = "now"
    OVER = "over"


ORDER = tuple(Stage)


@dataclass(frozen=True, slots=True)
class Countdown:
    """So many days before the end a case opens, is near, is due now: 7/3/1 (R23), 14/7/0 (R6).

    Each figure is inside: 7 days before the end a case opens that 8 days before was none.
    """

    first: int
    near: int
    now: int

    def stage(self, days_left: int) -> Stage | None:
        """Where the countdown stands; None before it begins. The last day itself is day 0."""
        if days_left < 0:
            return Stage.OVER
        if days_left <= self.now:
            return Stage.NOW
        if days_left <= self.near:
            return Stage.NEAR
        return Stage.AHEAD if days_left <= self.first else None


def paper_severity(base: int, stage: Stage) -> Severity:
    """The clinic's severity once it is due, one tier less while near, two while ahead."""
    quieter = {Stage.AHEAD: 2, Stage.NEAR: 1}.get(stage, 0)
    return Severity(max(base - quieter, Severity.NOTICE))


def later(*stages: Stage | None) -> Stage | None:
    """The stage that is furthest on."""
    return max((one for one in stages if one), key=ORDER.index, default=None)
