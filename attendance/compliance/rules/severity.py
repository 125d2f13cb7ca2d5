"""How loud a case is: tiers, because a bare "below 9 h" floods the people who must act (R25)."""

from enum import IntEnum

from attendance.compliance.rules.weeks import WeekJudgement


class Severity(IntEnum):
    NOTICE = 1
    WATCH = 2
    ACT = 3
    URGENT = 4


def absence_severity(base: int, *, priority: bool) -> Severity:
    """The clinic's severity for an absence rule, one tier up for a priority patient (R18)."""
    return Severity(min(base + priority, Severity.URGENT))


def hours_severity(
    week: WeekJudgement,
    *,
    base: int,
    excused_minutes: int,
    excused_days: int,
    repairable: bool,
) -> Severity:
    """A notice when excused absences explain the whole shortfall, no more than a watch while a
    make-up can repair it, otherwise the clinic's severity for the rule (R17, R25).

    `excused_minutes` and `excused_days` are what full presence would have added at the week's
    excused absences: they lower the alarm and add nothing to the week.
    """
    explained = (
        week.at_most + excused_minutes >= week.prorated_minimum
        and week.days_at_most + excused_days >= week.prorated_days
    )
    if explained:
        return Severity.NOTICE
    return Severity(min(base, Severity.WATCH)) if repairable else Severity(base)
