"""How loud a case is: tiers, because a bare "below 9 h" floods the people who must act (R25).

A clinic's rule row names the tier a case begins with; what moves it is here, one pure function for
each kind of case. The limits behind `often` and `new` are the clinic's own rules as well: so many
unexcused days in a window, so many dates after the first session.
"""

from dataclasses import dataclass
from enum import IntEnum

from attendance.compliance.rules.weeks import WeekJudgement


class Severity(IntEnum):
    NOTICE = 1
    WATCH = 2
    ACT = 3
    URGENT = 4


SERIOUS_SHARE = 3
"""More than a third of what a week asks for, out of reach, is far."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What makes a short week serious, and what makes it calm.

    `explained`: excused absences account for all of it. `scheduled_short`: a transfer between
    groups left fewer sessions than the week asks for. `repairable`: days are left this week to
    make it up. `far`: more than a third is out of reach. `often`: the patient's unexcused days
    have reached the clinic's limit. `new`: still within the first days after the first session,
    or not yet there. `priority`: as the episode says.
    """

    explained: bool = False
    scheduled_short: bool = False
    repairable: bool = False
    far: bool = False
    often: bool = False
    new: bool = False
    priority: bool = False


def absence_severity(base: int, *, priority: bool) -> Severity:
    """The clinic's severity for an absence rule, one tier up for a priority patient (R18)."""
    return Severity(min(base + priority, Severity.URGENT))


def hours_severity(base: int, short: Shortfall) -> Severity:
    """A notice when excused absences explain the whole shortfall, at most a watch when the schedule
    is the cause, and while a make-up can repair it; otherwise the clinic's severity: one tier up
    when two of far, often and new are true, and one for a priority patient (R17, R18, R21, R25).
    """
    if short.explained:
        return Severity.NOTICE
    if short.scheduled_short:
        return Severity(min(base, Severity.WATCH))
    serious = short.far + short.often + short.new >= 2
    tier = min(base, Severity.WATCH) if short.repairable else base + serious
    return Severity(min(tier + short.priority, Severity.URGENT))


def is_explained(week: WeekJudgement, *, excused_minutes: int, excused_days: int) -> bool:
    """Whether the week would be met had its excused absences been attended.

    `excused_minutes` and `excused_days` are what full presence would have added there: they lower
    the alarm and add nothing to the week (R17).
    """
    return (
        week.at_most + excused_minutes >= week.prorated_minimum
        and week.days_at_most + excused_days >= week.prorated_days
    )


def is_far(week: WeekJudgement) -> bool:
    """More than a third of the minutes, or of the days, is out of reach of all that is booked."""
    days = max(week.prorated_days - week.days_at_most, 0)
    return (
        week.make_up_minutes * SERIOUS_SHARE > week.prorated_minimum
        or days * SERIOUS_SHARE > week.prorated_days
    )
