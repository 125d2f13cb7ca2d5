"""What a standard and a rule do, in plain sentences with the clinic's own numbers."""

from __future__ import annotations

from attendance.admin.absence_rules import due_said
from attendance.compliance.due import PRIORITY_HOURS
from attendance.models import AbsenceRule, CreditRule, Standard
from attendance.models.records import AbsenceReason
from iop_clinic.accounts.models import Weekday
from iop_clinic.accounts.roles import Role
from iop_clinic.accounts.weeks import hours_and_minutes
from patients.models import AgeBracket

Kind = AbsenceRule.Kind


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


# --- rules that open cases -----------------------------------------------------------------------

WHO: dict[int, str] = {
    Kind.HOURS: "A patient who is short of a standard’s minimum, or cannot reach it any more with "
    "what is booked,",
    Kind.NO_CALL_DAY: "A patient who misses a treatment day without a call",
    Kind.CONSECUTIVE: "A patient with {times} in a row",
    Kind.COUNT_IN_DAYS: "A patient with {times} in {window}",
    Kind.UNRECORDED: "A roster that is not in when the night is judged, an hour or more after its "
    "session,",
    Kind.BELOW_PLAN: "A patient whose week stays below the plan’s own target",
    Kind.OVER_MAXIMUM: "A patient with more hours in a week than a standard’s maximum",
    Kind.TOO_FEW_DAYS: "A patient with the hours of the week but too few qualifying days",
    Kind.LEFT_SHORT: "A patient who came, but left short of a qualifying day",
    Kind.MISSED_OF_LAST: "A patient who missed {n} of the last {window} of treatment unexcused",
    Kind.PERCENT_IN_DAYS: "A patient who attended under {n} % of the treatment days in {window}",
    Kind.TARDIES: "A patient with {times} in {window}",
    Kind.EXCUSED_DAYS: "A patient with {times} in {window}",
    Kind.SILENT_DAYS: "A patient whom nobody saw or heard for {times}{priority}",
    Kind.FIRST_DAYS: "A patient who misses a day unexcused within {window} of the first attended "
    "session",
    Kind.NO_FIRST_SESSION: "A patient without an attended session {times} after admission",
    Kind.PLAN_DUE: "A treatment plan that is due within {times}",
    Kind.VERIFICATION_DUE: "An insurance verification that is due within {times}",
    Kind.AUTHORIZATION_ENDING: "An authorization that ends within {times}{units}",
    Kind.CERTIFICATION_DUE: "A certification that is due within {times}",
    Kind.LICENSE_ENDING: "A therapist whose last valid license ends within {times}",
    Kind.CASELOAD: "A therapist with more than {times} in treatment, or more than their own limit,",
    Kind.GROUP_TOO_SMALL: "A group that meets with fewer members than its viable size",
    Kind.UNDER_SCHEDULED: "A patient, or a group, whose next week cannot reach the minimum even "
    "with every session attended",
    Kind.AGE_BRACKET: "A patient whose birthday crosses the age bracket within {times}",
}
"""Of whom or what a case is opened."""

TIMES: dict[int, str] = {
    Kind.CONSECUTIVE: "unexcused treatment day",
    Kind.COUNT_IN_DAYS: "unexcused day",
    Kind.TARDIES: "day of late arrival",
    Kind.EXCUSED_DAYS: "excused day",
    Kind.NO_FIRST_SESSION: "business day",
    Kind.CASELOAD: "patient",
}
"""What the first number counts, where it is not days."""

_ABSENCES = (
    "Days count, never sessions. Excused, cancelled and unrecorded days are left out; a make-up "
    "does not take an unexcused day back."
)
_PAPERS = "It grows louder as the date comes nearer, and closes by itself once the new one is in."
_SCHEDULE = "The timetable is to be put right; nothing is held against a patient."
MORE: dict[int, str] = {
    Kind.HOURS: "One case for each week and standard, from the day the week cannot be met any more "
    "until it is. It is only a notice while excused absences explain all that is missing.",
    Kind.NO_CALL_DAY: "Each such day is a case of its own. A day that nobody recorded is not a "
    "missed one.",
    Kind.CONSECUTIVE: f"A day attended breaks the row. {_ABSENCES}",
    Kind.COUNT_IN_DAYS: _ABSENCES,
    Kind.UNRECORDED: "Unrecorded is not absent: it is never held against the patient.",
    Kind.BELOW_PLAN: "The plan is what was agreed with the patient; it may ask for more than the "
    "standard.",
    Kind.OVER_MAXIMUM: "More than the maximum is the next level of care. Exactly the maximum is "
    "within.",
    Kind.TOO_FEW_DAYS: "A day qualifies from the standard’s minutes on; exactly as many are "
    "enough.",
    Kind.LEFT_SHORT: "Looked at where the week itself is not short: hours go before a single day.",
    Kind.MISSED_OF_LAST: _ABSENCES,
    Kind.PERCENT_IN_DAYS: "Fewer than 6 treatment days in the window say nothing yet.",
    Kind.TARDIES: "The credit rule says how many minutes are still on time. Minutes are credited "
    "as attended all the same.",
    Kind.EXCUSED_DAYS: "So that somebody who always calls in is seen. Excused days are no fault.",
    Kind.SILENT_DAYS: "A session attended or a word from the patient ends the silence.",
    Kind.FIRST_DAYS: "Most who leave do so in the first weeks: a welcome-back call helps.",
    Kind.NO_FIRST_SESSION: "A roster that is not in yet may hold the session: it opens nothing.",
    Kind.PLAN_DUE: _PAPERS,
    Kind.VERIFICATION_DUE: _PAPERS,
    Kind.AUTHORIZATION_ENDING: _PAPERS,
    Kind.CERTIFICATION_DUE: _PAPERS,
    Kind.LICENSE_ENDING: "Another license that is valid for longer is enough.",
    Kind.CASELOAD: "Patients on hold count; the lower of the two limits is taken.",
    Kind.GROUP_TOO_SMALL: "A group that never had a member is still being filled.",
    Kind.UNDER_SCHEDULED: _SCHEDULE,
    Kind.AGE_BRACKET: "From the birthday on another standard judges the weeks.",
}
"""What people ask about a rule."""

SOONER = (Kind.NO_CALL_DAY, Kind.FIRST_DAYS)
"""Missed days that ask for a call."""
CLOSES = "Corrected facts close a case by themselves; otherwise a person closes it with an outcome."

OWNERS: dict[str, str] = {
    Role.THERAPIST: "the primary therapist",
    Role.ADMINISTRATOR: "the administrator",
    Role.AUDITOR: "the auditor",
    Role.COORDINATOR: "the coordinator",
    Role.FRONT_DESK: "the front desk",
    Role.UTILIZATION_REVIEW: "utilization review",
}


def rule_sentence(rule: AbsenceRule) -> str:
    """ "A patient with 2 unexcused treatment days in a row is a case for the coordinator, due 24
    hours after it opens." """
    due = due_said(rule)
    owner = OWNERS[rule.owner_role]
    return f"{_who(rule)} is a case for {owner}, {due[0].lower()}{due[1:]}."


def rule_explained(rule: AbsenceRule) -> str:
    """What it does, what people ask about it, and how its cases end."""
    said = [rule_sentence(rule), MORE[rule.kind], CLOSES]
    if rule.kind in SOONER and rule.due == AbsenceRule.Due.SAME_BUSINESS_DAY:
        said.insert(1, f"For a priority patient it is due {PRIORITY_HOURS} hours into the day.")
    return " ".join(said)


def _who(rule: AbsenceRule) -> str:
    window = rule.window_days
    return WHO[rule.kind].format(
        n=rule.times,
        times=_many(rule.times, TIMES.get(rule.kind, "day")),
        window=_many(window, "day"),
        priority=f" ({window} for priority patients)" if window else "",
        units=f", or has {_many(window, 'unit')} left," if window else "",
    )


# --- standards -----------------------------------------------------------------------------------


def standard_sentence(row: Standard) -> str:
    """What a standard asks of whose week. Reads `program` and `payer`: select them along."""
    return f"{_whose(row)}: {_asked(row)}."


def standard_explained(row: Standard) -> str:
    said = [standard_sentence(row), _over(row), _basis(row), _prorated(row), _week(row)]
    return " ".join(one for one in said if one)


def _whose(row: Standard) -> str:
    young = row.age_bracket == AgeBracket.ADOLESCENT
    who = f"{'Adolescents' if young else 'Adults'} in {row.get_level_display()}"
    if row.program is not None:
        who += f" of {row.program}"
    if row.source == Standard.Source.PAYER:
        who += f" whom {row.payer} pays for" if row.payer else " whoever pays for them"
    if row.source == Standard.Source.COURT:
        who += " whom a court sent"
    return who


def _asked(row: Standard) -> str:
    said = f"at least {hours_and_minutes(row.min_minutes)} a week"
    if row.max_minutes is not None:
        said += f" and at most {hours_and_minutes(row.max_minutes)}"
    return f"{said}, {_days_asked(row)}" if row.min_days else said


def _days_asked(row: Standard) -> str:
    what = [f"{hours_and_minutes(row.day_threshold)} or more"] if row.day_threshold else []
    if row.services_per_day:
        what.append(f"{_many(row.services_per_day, 'service')} or more")
    each = f" with {' and '.join(what)}" if what else ""
    return f"on {_many(row.min_days, 'day')}{each}"


def _over(row: Standard) -> str:
    return "More than the maximum is the next level of care." if row.max_minutes else ""


def _basis(row: Standard) -> str:
    kinds = {
        Standard.Basis.SCHEDULED: "Scheduled minutes are judged, whoever came.",
        Standard.Basis.ATTENDED: "Minutes attended are judged, before the credit rule.",
        Standard.Basis.CREDITED: "Credited minutes are judged: what was attended, by the clinic’s "
        "credit rule, without breaks.",
    }
    return kinds[Standard.Basis(row.basis)]


def _prorated(row: Standard) -> str:
    if row.prorate:
        return (
            "A week of admission, discharge or hold asks for its share only, and what the clinic "
            "cancels comes off."
        )
    return "Nothing comes off in a part of a week: the full figure is shown."


def _week(row: Standard) -> str:
    return f"Its weeks begin on {Weekday(row.week_starts_on).label}."


# --- credit rules --------------------------------------------------------------------------------


def credit_sentence(row: CreditRule) -> str:
    """How presence becomes minutes."""
    match CreditRule.Kind(row.kind):
        case CreditRule.Kind.EXACT:
            return "Every whole minute attended is credited, without breaks."
        case CreditRule.Kind.ROUND_DOWN:
            return f"Minutes of a session are rounded down to a multiple of {row.round_to}."
        case CreditRule.Kind.ALL_OR_NOTHING:
            return (
                f"Attendance under {row.min_percent} % of a session credits nothing; from there "
                "on every minute attended."
            )


def credit_explained(row: CreditRule) -> str:
    return " ".join((credit_sentence(row), _late(row), *_excused(row)))


def _late(row: CreditRule) -> str:
    return (
        f"An arrival more than {_many(row.grace_minutes, 'minute')} after the start is late: a "
        "word on the roster that takes no minute away."
    )


def _excused(row: CreditRule) -> list[str]:
    listed = [AbsenceReason(one).label.lower() for one in row.excused_reasons]
    notice = hours_and_minutes(row.notice_minutes)
    said = [f"An absence is excused when the patient told the clinic {notice} ahead."]
    if listed:
        said.append(f"Told before the day’s first session it is for: {', '.join(listed)}.")
    said.append(f"A court’s patient has {_many(row.proof_hours, 'hour')} to bring proof.")
    return said
