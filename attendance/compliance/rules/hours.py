"""The case of a week: one per patient, week and standard, from "projected short" to repaired.

It opens for minutes. Days alone open a case of their own (`only_days_are_short`), but only where
none stands open for the minutes: a week whose minutes were repaired and whose days were not keeps
its one case until both are. A case exists while its facts hold; when they no longer hold it closes
with a note, and it reopens as the same row if they return.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from attendance.compliance.rules.weeks import WeekJudgement, WeekStatus
from iop_clinic.accounts.weeks import hours_and_minutes, long_date

MOST_NAMED = 3
"""How many dates a sentence names before it says how many more there are."""


class HoursStage(StrEnum):
    PROJECTED_SHORT = "projected_short"
    SHORT = "short"
    TOO_FEW_DAYS = "too_few_days"
    WITHIN_REACH = "within_reach"
    REPAIRED = "repaired"

    @property
    def is_open(self) -> bool:
        return self not in (HoursStage.WITHIN_REACH, HoursStage.REPAIRED)


Dated = tuple[date, int]
"""A local date and its minutes; 0 where they are not known."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a week, in minutes of full presence by date.

    `unbooked` dates are scheduled and given up by notice, or the group meets and the patient is not
    booked; `repair_by` is the last date on which a make-up could still be attended, None when too
    few are left.
    """

    unrecorded: Sequence[Dated] = ()
    booked: Sequence[Dated] = ()
    unbooked: Sequence[Dated] = ()
    repair_by: date | None = None


NOTHING_LEFT = Rest()


def hours_stage(week: WeekJudgement, *, ended: bool, case_open: bool) -> HoursStage | None:
    """What a judged week says about its case; None opens none and leaves none behind (R7, R25).

    `ended` says whether the week's last local date is over: until then a week is only projected
    short, because a make-up can still be booked. `case_open` says whether a case stands open; one
    whose minutes are back stays for the days that are still missing, and otherwise comes back as
    within reach (booked or unrecorded hours could meet the week) or as repaired (they have).
    """
    if minutes_are_short(week, ended=ended):
        over = ended and week.minutes_status == WeekStatus.SHORT
        return HoursStage.SHORT if over else HoursStage.PROJECTED_SHORT
    if not case_open:
        return None
    if days_are_short(week, ended=ended):
        return HoursStage.TOO_FEW_DAYS
    return HoursStage.REPAIRED if week.met else HoursStage.WITHIN_REACH


def only_days_are_short(week: WeekJudgement, *, ended: bool) -> bool:
    """Qualifying days short, or out of reach, while the minutes are not (R4)."""
    return days_are_short(week, ended=ended) and not minutes_are_short(week, ended=ended)


def minutes_are_short(week: WeekJudgement, *, ended: bool) -> bool:
    return week.projected_short or (ended and week.minutes_status == WeekStatus.SHORT)


def days_are_short(week: WeekJudgement, *, ended: bool) -> bool:
    return week.projected_days_short or (ended and week.days_status == WeekStatus.SHORT)


def hours_sentence(week: WeekJudgement, stage: HoursStage, rest: Rest = NOTHING_LEFT) -> str:
    """ "credited 6 h of 9 h; 3 h to go; Fri 3 h not booked; 3 h to make up by Fri Mar 6"."""
    parts = [_credited_of(week)]
    match stage:
        case HoursStage.REPAIRED:
            parts.append("repaired")
        case HoursStage.SHORT:
            parts += _short_parts(week)
        case HoursStage.TOO_FEW_DAYS:
            parts.append(_days_part(week))
        case HoursStage.PROJECTED_SHORT:
            parts += [*_to_go_parts(week), *_rest_parts(rest), _make_up_part(week, rest)]
            parts += [_days_part(week)] if week.days_qualifying < week.prorated_days else []
        case HoursStage.WITHIN_REACH:
            parts += [*_to_go_parts(week), *_rest_parts(rest), "within reach"]
            parts += [_days_part(week)] if week.days_qualifying < week.prorated_days else []
    return "; ".join(parts)


def _credited_of(week: WeekJudgement) -> str:
    done, wanted = hours_and_minutes(week.at_least), hours_and_minutes(week.prorated_minimum)
    note = f" ({week.proration_note})" if week.proration_note else ""
    return f"{week.basis} {done} of {wanted}{note}"


def _short_parts(week: WeekJudgement) -> list[str]:
    parts = [f"short {hours_and_minutes(week.minutes_short_by)}"]
    if week.days_short_by:
        parts.append(f"{week.days_qualifying} of {week.prorated_days} days")
    return parts


def _to_go_parts(week: WeekJudgement) -> list[str]:
    return [f"{hours_and_minutes(week.minutes_to_go)} to go"] if week.minutes_to_go else []


def _days_part(week: WeekJudgement) -> str:
    wanted = f"{week.prorated_days} days"
    if week.projected_days_short:
        left = "" if week.days_at_most == week.days_qualifying else "at most "
        return f"{left}{week.days_at_most} of {wanted}"
    return f"{week.days_qualifying} of {wanted} so far"


def _rest_parts(rest: Rest) -> list[str]:
    parts = []
    if rest.unrecorded:
        parts.append(f"{_named(rest.unrecorded)} not recorded")
    if rest.booked:
        parts.append(f"booked {_named(rest.booked)}")
    if rest.unbooked:
        parts.append(f"{_named(rest.unbooked)} not booked")
    return parts


def _make_up_part(week: WeekJudgement, rest: Rest) -> str:
    if rest.repair_by is None:
        return f"{hours_and_minutes(week.make_up_minutes)} out of reach"
    return f"{hours_and_minutes(week.make_up_minutes)} to make up by {long_date(rest.repair_by)}"


def _named(dated: Sequence[Dated]) -> str:
    """ "Wed 3 h, Fri 3 h"; of more than three dates the first two and how many more."""
    kept = dated if len(dated) <= MOST_NAMED else dated[: MOST_NAMED - 1]
    words = ", ".join(
        f"{day:%a} {hours_and_minutes(minutes)}" if minutes else f"{day:%a}"
        for day, minutes in kept
    )
    return words if kept is dated else f"{words} and {len(dated) - len(kept)} more"
