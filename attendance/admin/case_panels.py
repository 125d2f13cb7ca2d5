"""The tables on the page of a case: what comes next, what it rests on, what was done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from attendance.admin.judged_by import rule_of, standard_link
from attendance.admin.wording import days_counted, days_said, minimum_said, minutes_said
from attendance.compliance import outreach, week_notes
from attendance.compliance.case_history import CaseStep, case_history
from attendance.compliance.rules.evidence import evidence_lines
from attendance.compliance.rules.ladder import Contact
from attendance.compliance.status import JudgedStandard, PatientWeek, week_statuses
from attendance.models import Flag, OutreachAttempt
from iop_clinic.accounts.admin.panels import Panel, anchor, link, phone_link
from iop_clinic.accounts.weeks import hours_and_minutes, long_date
from patients.models import Episode, Patient

RELATED = (
    *("clinic", "episode__patient", "session__group", "session__session_type"),
    *("group", "therapist", "owner"),
)
"""What it takes to name what a case is about, and whose it is."""


def case_panels(row: Flag, tried: list[OutreachAttempt]) -> Iterator[Panel]:
    """In the order of use: what to do, how, what it rests on, what was done.

    Of a settled case first what came of it; nobody is called for it any more.
    """
    if row.closed_at is not None:
        tried = [one for one in tried if one.flag_id == row.pk or one.attempted_at <= row.closed_at]
    steps = case_history(row, [one for one in tried if one.flag_id == row.pk])
    yield from [_head(row)] if row.is_open else _settled(row, steps)
    if row.episode is not None:
        if row.is_open:
            yield from _next(row, tried)
            yield contact_panel(row.episode)
        yield outreach_panel(row, tried)
    yield _evidence(row)
    if row.episode is not None and row.rule in outreach.ABOUT_ATTENDANCE:
        yield from _week(row)
    if row.rule in week_notes.OF_A_WEEK:
        yield _note(row)
    yield _history(steps)


def when(instant: Any) -> str:
    return f"{timezone.localtime(instant):%a %b %-d, %-I:%M %p %Z}"


def due(row: Flag) -> str:
    """The clinic's wall time, and whether nobody did anything until then."""
    late = row.is_open and row.state != Flag.State.SNOOZED and row.due_at < timezone.now()
    if not late:
        return when(row.due_at)
    return format_html('{} <strong class="clinic-late">overdue</strong>', when(row.due_at))


def whose(row: Flag) -> str:
    """The person, or else the role; of a case that went on, both."""
    role = row.get_owner_role_display()
    if row.escalated_at is not None:
        role = f"{role} (went on)"
        return f"{row.owner}; {role}" if row.owner else role
    return str(row.owner or role)


def about(row: Flag) -> str:
    return str((row.episode and row.episode.patient) or row.session or row.group or row.therapist)


def case_called(row: Flag) -> str:
    """Whom the case is about, then what it says; a group's name stands in the sentence already."""
    whom = about(row)
    return row.sentence if row.sentence.startswith(whom) else f"{whom}: {row.sentence}"


def _about_link(row: Flag) -> str:
    return link(row.episode, about(row)) if row.episode else about(row)


def _head(row: Flag) -> Panel:
    state = row.get_state_display()
    said = (_about_link(row), row.get_severity_display(), state, due(row), whose(row))
    headers = ("About", "Severity", "State", "Due", "Owner", "Rule")
    asleep = ""
    if row.state == Flag.State.SNOOZED and row.snoozed_until is not None:
        asleep = f"Put off until {long_date(row.snoozed_until)}: {row.outcome_note}"
    return Panel(row.sentence, headers, [(*said, rule_of(row))], note=asleep)


def _settled(row: Flag, steps: list[CaseStep]) -> Iterator[Panel]:
    """The outcome, by whom, when and why; then what the case said until then."""
    by = next((step.by for step in reversed(steps) if step.what in ("closed", "lapsed")), "")
    how = row.get_state_display()
    if row.outcome:
        how = f"Closed: {row.get_outcome_display()}"
        if row.outcome == Flag.Outcome.FACTS:
            how = row.get_outcome_display()
    yield Panel(
        how, ("When", "By", "Note"), [(when(row.closed_at), by, row.outcome_note or "none")]
    )
    headers = ("About", "Severity", "Opened", "Owner", "Rule")
    severity, opened = row.get_severity_display(), when(row.opened_at)
    told = (_about_link(row), severity, opened, whose(row), rule_of(row))
    yield Panel("What it said then", headers, [told], note=row.sentence)


def _next(row: Flag, tried: list[OutreachAttempt]) -> Iterator[Panel]:
    step = outreach.step_for(row, tried, timezone.now())
    if step is not None:
        yield Panel("Next step", (), [], empty=step.said(row.clinic.tz))


def contact_panel(episode: Episode, *, missed: bool = True) -> Panel:
    """Whom to call how; the emergency contact only of somebody who is `missed`."""
    contact = outreach.contact_of(episode, timezone.localdate())
    if not missed:
        contact = replace(contact, emergency=False)
    return Panel(
        "How to reach the patient",
        ("Whom", "Phone", "Allowed", "Best time", "The clinic"),
        list(_people(episode, episode.patient, contact)),
    )


def _people(episode: Episode, patient: Patient, contact: Contact) -> Iterator[tuple[Any, ...]]:
    told = "may be named" if patient.may_say_clinic_name else "must not be named"
    allowed = outreach.allowed_methods(patient, timezone.localdate())
    others = (outreach.Method.EMERGENCY_CONTACT, outreach.Method.GUARDIAN)
    own = ", ".join(one.label.lower() for one in allowed if one not in others)
    phone = _phone(patient.phone) if patient.phone_is_safe else "not safe"
    if contact.guardian and patient.phone_is_safe:  # the guardian is called in the patient's place
        phone = patient.phone or "none"
    whom = link(episode, patient)
    yield whom, phone, own or "nothing", patient.best_time_to_call, told
    if contact.guardian:
        yield _other(patient.guardian_name, patient.guardian_relation or "guardian",
                     patient.guardian_phone, "as guardian", told)  # fmt: skip
    if contact.emergency:
        yield _other(patient.emergency_name, patient.emergency_relation or "emergency contact",
                     patient.emergency_phone, "as the patient agreed", told)  # fmt: skip


def _other(name: str, relation: str, phone: str, allowed: str, told: str) -> tuple[str, ...]:
    whom = f"{name} ({relation})" if name else relation
    return whom, _phone(phone), allowed, "", told


def _phone(number: str) -> str:
    return phone_link(number) if number else "none"


def _evidence(row: Flag) -> Panel:
    lines = evidence_lines(row.evidence)
    return Panel("What it rests on", ("Fact", "Value"), lines, empty="The sentence says it all.")


def _week(row: Flag) -> Iterator[Panel]:
    assert row.episode_id is not None
    own = week_notes.week_of_case(row)
    day = own.days()[3] if own else row.opened_for
    found = week_statuses(
        clinic=row.clinic_id, episode_ids=[row.episode_id], weeks=[day], now=timezone.now()
    )
    for week in found.values():
        goes_on = week.week.end >= timezone.localdate()
        yield Panel(
            f"The week {week.week.label}",
            ("Standard", "Minimum", "Credited", *(["At most"] if goes_on else []), "Minutes",
             "Qualifying days", "Days"),
            [_standard(one, goes_on=goes_on) for one in week.standards],
            empty="No standard judges this week.",
            note=_line_by_line(row, week, goes_on=goes_on),
        )  # fmt: skip
        yield Panel(
            "Its days",
            ("Day", "Scheduled", "Attended", "Credited", *(["Still open"] if goes_on else []),
             "Not recorded"),
            list(_days(week, goes_on=goes_on)),
            empty="Nothing was scheduled.",
        )  # fmt: skip


def _line_by_line(row: Flag, week: PatientWeek, *, goes_on: bool) -> str:
    """The way to every minute, and how the columns of an open week add up."""
    where = reverse("admin:attendance_weekresult_week", args=[row.episode_id, week.week.start])
    most = ""
    if goes_on:
        most = (
            "“At most” adds what is still open to what is credited: booked, or not recorded yet. "
        )
    return format_html("{}{}", most, anchor(where, "Minutes line by line"))


def _standard(judged: JudgedStandard, *, goes_on: bool) -> tuple[str, ...]:
    week = judged.judgement
    most = [hours_and_minutes(week.at_most)] if goes_on else []
    amounts = minimum_said(judged), hours_and_minutes(week.at_least), *most
    name = standard_link(judged.standard)
    return name, *amounts, minutes_said(judged), days_counted(judged), days_said(judged)


def _days(week: PatientWeek, *, goes_on: bool) -> Iterator[tuple[str, ...]]:
    names = ("scheduled", "attended", "credited", *(["credited_open"] if goes_on else []))
    for day in week.week.days():
        lines = [line for line in week.lines if line.local_date == day]
        if not lines:
            continue
        minutes = (sum(getattr(line, name) for line in lines) for name in names)
        open_rosters = sum(line.unrecorded for line in lines)
        amounts = (hours_and_minutes(one) for one in minutes)
        yield f"{day:%a %b} {day.day}", *amounts, str(open_rosters or "")


def _note(row: Flag) -> Panel:
    note = week_notes.note_of(row)
    rows: Iterable[Any] = []
    if note is not None:
        said = (note.get_reason_display(), note.detail, note.make_up_offered)
        rows = [(*said, note.written_by, when(note.written_at))]
    headers = ("Reason", "In words", "Make-up offered", "By", "When")
    return Panel("The week's note", headers, list(rows), empty="Not written yet.")


def outreach_panel(row: Flag, tried: list[OutreachAttempt]) -> Panel:
    return Panel(
        "Outreach",
        ("When", "How", "Result", "By", "Note", "Next", "Case"),
        [
            (when(one.attempted_at), one.get_method_display(), one.get_result_display(),
             one.attempted_by, one.note, one.next_step,
             "this" if one.flag_id == row.pk else link(one.flag, "another"))
            for one in tried
        ],
        empty="Nobody has tried yet.",
    )  # fmt: skip


def _history(steps: list[CaseStep]) -> Panel:
    return Panel(
        "What happened",
        ("When", "Who", "What"),
        [(when(step.at), step.by, step.text) for step in reversed(steps)],
    )
