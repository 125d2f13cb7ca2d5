"""An attendance summary in words: the sheet that its page shows and its PDF prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date

from django.utils import timezone

from attendance.admin.wording import day_said, judged_part, minimum_said, verdict
from attendance.compliance.rules.absences import DayKind
from attendance.compliance.summary import Approved, AttendanceSummary, SummaryDay, SummaryWeek
from attendance.documents.sheet import PART2_NOTICE, Cells, Group, Sheet
from attendance.models.records import AbsenceReason
from attendance.records.rules import Status
from iop_clinic.accounts.weeks import full_date, hours_and_minutes
from patients.models import Authorization, Level, Patient

HEADERS = ("Date", "Scheduled", "Attended", "Credited", "Qualifying day", "Services", "Remarks")
WIDTHS = (0.185, 0.095, 0.09, 0.09, 0.1, 0.085, 0.355)


def sheet_of(summary: AttendanceSummary, *, made_by: str) -> Sheet:
    """Everything that is said, once for both."""
    clinic = summary.episode.clinic
    return Sheet(
        title=f"Attendance summary, {_span(summary.first, summary.last)}",
        facts=tuple(_facts(summary)),
        headers=HEADERS,
        widths=WIDTHS,
        groups=tuple(_group(week, summary) for week in summary.weeks if _says_something(week)),
        total=_total(summary),
        notes=tuple(_notes(summary)),
        notice=PART2_NOTICE if summary.episode.program.part2 else "",
        made=f"{clinic}, {_moment(summary)}, by {made_by}. Times are of {clinic.zone}.",
    )


# --- who, in which program, who pays -------------------------------------------------------------


def _facts(summary: AttendanceSummary) -> Iterator[tuple[str, str]]:
    episode = summary.episode
    patient = episode.patient
    yield "Patient", _legal_name(patient)
    yield "Record number", patient.record_number
    yield "Born", full_date(patient.birth_date)
    yield "Program", episode.program.name
    yield "Level and plan", _plan(summary)
    yield "In treatment", _stay(summary)
    for hold in summary.holds:
        yield (
            "On hold",
            _span(hold.first, hold.last) if hold.last else f"{full_date(hold.first)} on",
        )
    for one in summary.approved:
        yield "Authorization", _authorization(one, summary)
    if not summary.approved:
        yield "Authorization", "none for these dates"
    yield "In all", _in_all(summary)


def _legal_name(patient: Patient) -> str:
    """As the payer knows the patient, not as friends do."""
    return f"{patient.last_name}, {patient.first_name}"


def _plan(summary: AttendanceSummary) -> str:
    plan = summary.plan
    if plan is None:
        return "no plan on these dates"
    target = hours_and_minutes(plan.weekly_minutes_target)
    days = _counted(plan.days_per_week, "day")
    return f"{Level(plan.level).label}, {target} a week on {days}"


def _stay(summary: AttendanceSummary) -> str:
    episode = summary.episode
    admitted = f"since {full_date(episode.admitted_on)}" if episode.admitted_on else ""
    if episode.discharged_on is None:
        return admitted
    return f"{admitted}, discharged {full_date(episode.discharged_on)}"


def _authorization(one: Approved, summary: AttendanceSummary) -> str:
    row, reach = one.row, one.reach
    unit = Authorization.Unit(row.unit).label
    dates = _span(row.starts_on, row.ends_on)
    used = f"{reach.used} of {row.units} {unit} used, {reach.left} left"
    said = [f"{row.payer} {row.number}, {dates}: {used}"]
    if reach.uncovered_on and reach.runs_out_on and not reach.exhausted:
        said.append(f"by what is booked they run out on {full_date(reach.runs_out_on)}")
    said.append(_until_its_end(one, timezone.localdate(summary.now)))
    return "; ".join(said)


def _until_its_end(one: Approved, today: date) -> str:
    if one.row.ends_on < today:
        return "ended"
    if not one.days_left:
        return "ends today"
    return f"ends in {_counted(one.days_left, 'day')}"


# --- the table -----------------------------------------------------------------------------------


def _says_something(week: SummaryWeek) -> bool:
    """Not a part of a week without a session of which nothing is asked, such as a hold."""
    if week.days or week.judged is None:
        return True
    judged = week.judged.judgement
    return bool(judged.prorated_minimum or judged.prorated_days)


def _group(week: SummaryWeek, summary: AttendanceSummary) -> Group:
    rows = tuple(_day(day, week) for day in week.days)
    return Group(_week(week, summary), rows)


def _week(week: SummaryWeek, summary: AttendanceSummary) -> Cells:
    """The whole week under its standard, also where the dates asked for cut it."""
    label = _week_label(week, summary)
    if week.judged is None:
        return (label, "", "", "", "", "", "no minimum on these dates")
    judged = week.judged.judgement
    minutes = (judged.scheduled, judged.attended, judged.credited)
    return (
        label,
        *(hours_and_minutes(one) for one in minutes),
        f"{judged.days_qualifying} of {judged.prorated_days}",
        str(judged.services),
        f"{minimum_said(week.judged)} asked for: {verdict(week.judged)}",
    )


def _week_label(week: SummaryWeek, summary: AttendanceSummary) -> str:
    """ "Week Mar 2 – Mar 8", or the dates of the part that is judged by itself."""
    first, last = (f"{day:%b} {day.day}" for day in (week.first, week.last))
    part = first if first == last else f"{first} – {last}"
    if week.judged is None:
        return part
    label = part if judged_part(week.judged) else f"Week {part}"
    cut = week.first < summary.first or week.last > summary.last
    return f"{label} (whole)" if cut else label


def _day(day: SummaryDay, week: SummaryWeek) -> Cells:
    minutes = (day.scheduled, day.attended, day.credited)
    return (
        f"{day.local_date:%a %b} {day.local_date.day}",
        *(hours_and_minutes(one) for one in minutes),
        _qualifies(day),
        str(day.services),
        "; ".join(_remarks(day, week)),
    )


def _qualifies(day: SummaryDay) -> str:
    if day.qualifies:
        return "yes"
    if day.judged is not None and day.judged.can_qualify:
        return "open"
    return "no" if day.judged is not None else "–"


def _remarks(day: SummaryDay, week: SummaryWeek) -> Iterator[str]:
    match day.kind:
        case DayKind.CANCELLED:
            yield "cancelled by the clinic"
        case DayKind.MISSED_UNEXCUSED | DayKind.MISSED_EXCUSED | DayKind.MISSED_PENDING:
            yield f"missed, {_missed(day)}"
        case DayKind.UNRECORDED:
            yield _waiting(day)
        case DayKind.ATTENDED:
            yield from _attended(day, week)


UNTOLD = {AbsenceReason.COURT}
"""A court's mandate is told nobody: neither as a reason nor by the proof that it alone awaits."""
MISSED = {
    DayKind.MISSED_UNEXCUSED: "unexcused",
    DayKind.MISSED_EXCUSED: "excused",
    DayKind.MISSED_PENDING: "unexcused",
}
ABSENCES = {
    Status.NO_SHOW: "no-show",
    Status.LATE_CANCEL: "late cancellation",
    Status.ABSENT_EXCUSED: "excused",
    Status.ABSENT_PENDING: "no-show",
}


def _missed(day: SummaryDay) -> str:
    """ "unexcused (no-show)", "excused: illness"."""
    word = MISSED[day.kind]
    kinds = [ABSENCES[one.status] for one in day.absences if one.status is not None]
    more = [one for one in dict.fromkeys(kinds) if one != word]
    said = f"{word} ({', '.join(more)})" if more else word
    return said + _reasons(day)


def _reasons(day: SummaryDay) -> str:
    told = (one.absence_reason for one in day.absences if one.absence_reason)
    given = dict.fromkeys(AbsenceReason(one) for one in told)
    listed = dict.fromkeys(AbsenceReason.OTHER if one in UNTOLD else one for one in given)
    named = ", ".join(one.label.lower() for one in listed)
    return f": {named}" if named else ""


def _waiting(day: SummaryDay) -> str:
    ended = all(one.ended for one in day.lines)
    return "not recorded yet" if ended else "still to come or not recorded yet"


def _attended(day: SummaryDay, week: SummaryWeek) -> Iterator[str]:
    """What is out of the ordinary with a day that was attended; mostly nothing."""
    held = sum(not one.cancelled for one in day.lines)
    for word, count in Counter(ABSENCES[one.status] for one in day.absences if one.status).items():
        yield f"{count} of {held} sessions missed, {word}{_reasons(day)}"
    unrecorded = sum(one.status == Status.UNRECORDED for one in day.lines)
    if unrecorded:
        yield f"{unrecorded} of {held} sessions not recorded yet"
    if any(one.makes_up for one in day.lines):
        yield "make-up"
    if week.judged is not None and day.judged is not None and not day.qualifies:
        yield from _short_of_a_day(day, week)


def _short_of_a_day(day: SummaryDay, week: SummaryWeek) -> Iterator[str]:
    """The end of what a standard says of the date: "1 h 40 short of a day"."""
    if week.judged is not None and day.judged is not None and week.judged.terms.days:
        yield day_said(day.judged, week.judged.terms).rpartition(", ")[2]


def _in_all(summary: AttendanceSummary) -> str:
    """The last line of the table, said first: what a reviewer on the phone asks for."""
    total = _total(summary)
    days, scheduled, _, credited, qualifying, _, kinds = total
    return f"{days}: {kinds}; {qualifying} qualifying; credited {credited} of {scheduled} scheduled"


def _total(summary: AttendanceSummary) -> Cells:
    days = summary.days
    minutes = (
        sum(day.scheduled for day in days),
        sum(day.attended for day in days),
        sum(day.credited for day in days),
    )
    return (
        f"{_counted(len(days), 'day')} listed",
        *(hours_and_minutes(one) for one in minutes),
        str(sum(day.qualifies for day in days)),
        str(sum(day.services for day in days)),
        ", ".join(_kinds(summary)) or "no session on these dates",
    )


def _kinds(summary: AttendanceSummary) -> Iterable[str]:
    words = {
        DayKind.ATTENDED: "attended",
        DayKind.MISSED_EXCUSED: "missed excused",
        DayKind.MISSED_UNEXCUSED: "missed unexcused",
        DayKind.MISSED_PENDING: "missed unexcused",
        DayKind.CANCELLED: "cancelled by the clinic",
        DayKind.UNRECORDED: "not recorded yet",
    }
    counts: Counter[str] = Counter()
    for kind, word in words.items():
        counts[word] += summary.count(kind)
    return (f"{count} {word}" for word, count in counts.items() if count)


# --- how it was counted --------------------------------------------------------------------------


def _notes(summary: AttendanceSummary) -> Iterator[str]:
    rules = " or ".join(summary.credit_rules)
    yield (
        "How minutes are counted: scheduled is the sessions’ length without breaks; attended is "
        "the time present, without breaks and times away; credited is what is attended of sessions "
        f"that count, {rules}. Excused absences add no minutes."
    )
    yield from _days_note(summary)
    if summary.until < summary.last:
        yield f"Days after {full_date(summary.until)} are not listed: they are still to come."


def _days_note(summary: AttendanceSummary) -> Iterator[str]:
    """Which standards judged, and what makes a day under each."""
    terms = {week.judged.name: week.judged.terms for week in summary.weeks if week.judged}
    for name, asked in terms.items():
        day = f"a day qualifies from {hours_and_minutes(asked.day_threshold)} {asked.basis}"
        if asked.services_per_day:
            day += f" and {asked.services_per_day} services"
        yield f"Judged by {name}: {day}; weeks are judged whole."


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _span(first: date, last: date) -> str:
    """Inclusive dates of any year: "Oct 24 – Nov 22, 2026"."""
    begins = full_date(first) if first.year != last.year else f"{first:%b} {first.day}"
    return f"{begins} – {full_date(last)}"


def _moment(summary: AttendanceSummary) -> str:
    return f"{timezone.localtime(summary.now):%a %b %-d, %Y, %-I:%M %p %Z}"
