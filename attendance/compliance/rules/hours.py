"""The hours case: one per patient, week and standard, from "projected short" to repaired.

A case exists while its facts hold. When they no longer hold it closes with a note, and it reopens
as the same row if they return.
"""

from dataclasses import dataclass
from enum import StrEnum

from attendance.compliance.rules.weeks import WeekJudgement, WeekStatus
from iop_clinic.accounts.weeks import hours_and_minutes


class HoursStage(StrEnum):
    PROJECTED_SHORT = "projected_short"
    SHORT = "short"
    WITHIN_REACH = "within_reach"
    REPAIRED = "repaired"


@dataclass(frozen=True, slots=True)
class HoursCase:
    """Where a week's case stands, and the sentence that says so with its numbers."""

    stage: HoursStage
    sentence: str

    @property
    def is_open(self) -> bool:
        return self.stage in (HoursStage.PROJECTED_SHORT, HoursStage.SHORT)


def hours_case(week: WeekJudgement, *, ended: bool, case_open: bool) -> HoursCase | None:
    """What a judged week says about its case; None opens none and leaves none behind (R7, R25).

    `ended` says whether the week's last local date is over: until then a week is only projected
    short, because a make-up can still be booked. `case_open` says whether a case stands open; one
    whose facts are gone comes back as within reach (booked or unrecorded hours could meet the
    week) or as repaired (they have).
    """
    stage = _stage(week, ended=ended, case_open=case_open)
    return None if stage is None else HoursCase(stage, hours_sentence(week, stage))


def hours_sentence(week: WeekJudgement, stage: HoursStage) -> str:
    """ "credited 6 h 50 of 9 h; 2 h 10 to go", with the days where they are what is missing."""
    parts = [_credited_of(week)]
    match stage:
        case HoursStage.REPAIRED:
            parts.append("repaired")
        case HoursStage.SHORT:
            parts += _short_parts(week)
        case HoursStage.PROJECTED_SHORT:
            parts += _to_go_parts(week)
        case HoursStage.WITHIN_REACH:
            parts += [*_to_go_parts(week), "within reach"]
    return "; ".join(parts)


def _stage(week: WeekJudgement, *, ended: bool, case_open: bool) -> HoursStage | None:
    if WeekStatus.SHORT in (week.minutes_status, week.days_status) and ended:
        return HoursStage.SHORT
    if week.projected_short or week.projected_days_short:
        return HoursStage.PROJECTED_SHORT
    if not case_open:
        return None
    return HoursStage.REPAIRED if week.met else HoursStage.WITHIN_REACH


def _credited_of(week: WeekJudgement) -> str:
    done, wanted = hours_and_minutes(week.at_least), hours_and_minutes(week.prorated_minimum)
    note = f" ({week.proration_note})" if week.proration_note else ""
    return f"{week.basis} {done} of {wanted}{note}"


def _short_parts(week: WeekJudgement) -> list[str]:
    parts = []
    if week.minutes_short_by:
        parts.append(f"short {hours_and_minutes(week.minutes_short_by)}")
    if week.days_short_by:
        parts.append(f"{week.days_qualifying} of {week.prorated_days} days")
    return parts


def _to_go_parts(week: WeekJudgement) -> list[str]:
    parts = []
    if week.minutes_to_go:
        parts.append(f"{hours_and_minutes(week.minutes_to_go)} to go")
    if week.make_up_minutes:
        parts.append(f"{hours_and_minutes(week.make_up_minutes)} of it only by make-up")
    if week.projected_days_short:
        parts.append(f"at most {week.days_at_most} of {week.prorated_days} days")
    elif week.days_qualifying < week.prorated_days:
        parts.append(f"{week.days_qualifying} of {week.prorated_days} days so far")
    return parts
