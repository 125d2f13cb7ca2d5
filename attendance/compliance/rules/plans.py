"""A week against what is prescribed and what is allowed: below the plan, over the maximum, left
short of a qualifying day. Milder than the minimum, and never against it. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from attendance.compliance.rules.weeks import DayJudgement, DayMinutes, Share
from iop_clinic.accounts.weeks import hours_and_minutes


@dataclass(frozen=True, slots=True)
class PlanWeek:
    """A week, or the part of it under one plan, in creditable minutes of every session type."""

    target: int
    prorated_target: int
    credited: int
    at_most: int
    scheduled: int

    @property
    def below(self) -> bool:
        """Nothing booked or unrecorded could reach the target any more."""
        return self.at_most < self.prorated_target

    @property
    def short_by(self) -> int:
        return self.prorated_target - self.at_most


@dataclass(frozen=True, slots=True)
class LeftShort:
    """A date on which the patient came and did not stay for a qualifying day, in minutes."""

    local_date: date
    minutes: int


def plan_week(lines: Sequence[DayMinutes], target: int, share: Share) -> PlanWeek:
    """The plan's target, reduced as the program's minimum is: by the share of the week's template
    days, and by what the clinic cancelled itself.
    """
    credited = sum(line.credited for line in lines)
    reduced = share.of(target) - sum(line.cancelled for line in lines)
    return PlanWeek(
        target=target,
        prorated_target=max(reduced, 0),
        credited=credited,
        at_most=credited + sum(line.credited_open for line in lines),
        scheduled=sum(line.scheduled for line in lines),
    )


def plan_sentence(week: PlanWeek) -> str:
    """ "credited 9 h 50 of the plan's 12 h; scheduled 12 h 50; 2 h 10 below the plan"."""
    wanted = hours_and_minutes(week.prorated_target)
    reduced = week.prorated_target < week.target
    note = f" (prorated {week.prorated_target} of {week.target})" if reduced else ""
    return (
        f"credited {hours_and_minutes(week.credited)} of the plan's {wanted}{note}; "
        f"scheduled {hours_and_minutes(week.scheduled)}; "
        f"{hours_and_minutes(week.short_by)} below the plan"
    )


def over_maximum_sentence(basis: str, minutes: int, maximum: int) -> str:
    """ "credited 20 h 30, 30 min over the maximum of 20 h"."""
    over, most = hours_and_minutes(minutes - maximum), hours_and_minutes(maximum)
    return f"{basis} {hours_and_minutes(minutes)}, {over} over the maximum of {most}"


def left_short(
    days: Iterable[DayJudgement],
    *,
    threshold: int,
    in_full: Mapping[date, int],
    excused: Mapping[date, int],
) -> tuple[LeftShort, ...]:
    """The dates on which staying throughout would have made a qualifying day and the patient,
    late, away or gone early, was credited less (R4).

    `in_full` holds what full presence would have credited on each date attended: a date that is
    missing was not attended. `excused` minutes of the same date are not held against anybody, and
    a roster that could still make the day leaves it out.
    """
    if not threshold:
        return ()
    return tuple(
        LeftShort(day.local_date, day.at_least)
        for day in days
        if day.at_most + excused.get(day.local_date, 0)
        < threshold
        <= in_full.get(day.local_date, 0)
    )


def left_short_sentence(found: Sequence[LeftShort], threshold: int) -> str:
    """ "came, but short of a day of 3 h: Mon 2 h 40, Wed 50 min"."""
    named = ", ".join(f"{d.local_date:%a} {hours_and_minutes(d.minutes)}" for d in found)
    return f"came, but short of a day of {hours_and_minutes(threshold)}: {named}"
