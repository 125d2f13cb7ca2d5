"""What happened to a case, in words: from the audit trail, the outreach and the week's note.

The trail is written by the database, so that what a job or a query by hand has changed is told
as well. What the row itself says about when something happened goes before the database's clock:
a night that is judged late, and the days that the demo plays, are told at their own time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from django.db.models import Q

from attendance.models import Flag, OutreachAttempt, WeekNote
from attendance.models.standards import Severity
from iop_clinic.accounts.models import AuditEvent, User
from iop_clinic.accounts.roles import Role
from iop_clinic.accounts.weeks import long_date

JOBS = {
    "job:nightly": "the nightly run",
    "job:escalation": "the escalation",
    "job:import": "the import",
    "job:demo": "the demo",
    "job:simulation": "the simulation",
}
SHOWN = 200

_HAPPENED = {
    "opened": "opened_at",
    "closed": "closed_at",
    "lapsed": "closed_at",
    "escalated": "escalated_at",
    "reopened": "changed_at",
    "woken": "changed_at",
    "changed": "changed_at",
    "week_note": "written_at",
}
"""Where the row of the case or the note says when a step happened, by what it was."""

State, Outcome = Flag.State, Flag.Outcome


@dataclass(frozen=True, slots=True)
class CaseStep:
    """One thing that happened: when, who (a person or a job), what in one word, and the line."""

    at: datetime
    by: str
    what: str
    text: str


def case_history(flag: Flag, tried: Iterable[OutreachAttempt]) -> list[CaseStep]:
    """Every change of a case and every attempt, oldest first; 2 statements.

    At most the last 200 changes. `tried` are the attempts, with their authors. Who may see the case
    may see its history: it is the working record, not the audit of the table.
    """
    events = _events(flag)
    names = _names(events)
    changes = _changes(events, names)
    # What is entered at the same moment: an attempt comes before what came of it.
    steps = [*map(_attempt_step, tried), *changes]
    return sorted(steps, key=lambda step: (step.at, step.what != "opened"))


def _changes(events: Iterable[AuditEvent], names: dict[str, str]) -> list[CaseStep]:
    """The steps of the trail; none comes after one that followed it."""
    steps = [step for event in events if (step := _step(event, names)) is not None]
    for n in range(len(steps) - 2, -1, -1):
        steps[n] = replace(steps[n], at=min(steps[n].at, steps[n + 1].at))
    return steps


def _events(flag: Flag) -> list[AuditEvent]:
    """Changes of the case and of its note, oldest first."""
    case = Q(table_name=Flag._meta.db_table, row_id=flag.pk)
    notes = WeekNote.objects.filter(clinic=flag.clinic_id, flag=flag).values("pk")
    note = Q(table_name=WeekNote._meta.db_table, row_id__in=notes)
    rows = AuditEvent.objects.filter(
        case | note, clinic_id=flag.clinic_id, operation__in=["I", "U"]
    )
    return list(rows.order_by("-at", "-id")[:SHOWN])[::-1]


def _names(events: Iterable[AuditEvent]) -> dict[str, str]:
    """The people who acted, and those who were given the case, by actor."""
    actors = {event.actor for event in events}
    owners = {(event.new or {}).get("owner_id") for event in events}
    actors |= {f"user:{owner}" for owner in owners if owner}
    ids = [actor.removeprefix("user:") for actor in actors if actor.startswith("user:")]
    return JOBS | {user.actor: str(user) for user in User.objects.filter(pk__in=ids)}


def _attempt_step(attempt: OutreachAttempt) -> CaseStep:
    said = f"{attempt}. {attempt.note}".strip()
    return CaseStep(attempt.attempted_at, str(attempt.attempted_by), "outreach", said)


def _step(event: AuditEvent, names: dict[str, str]) -> CaseStep | None:
    of_note = event.table_name == WeekNote._meta.db_table
    said = _note_words(event) if of_note else _case_words(event, names)
    if said is None:
        return None
    what, text = said
    return CaseStep(_at(event, what), names.get(event.actor, event.actor), what, text)


def _at(event: AuditEvent, what: str) -> datetime:
    told = (event.new or {}).get(_HAPPENED.get(what, ""))
    return datetime.fromisoformat(told) if told else event.at


def _note_words(event: AuditEvent) -> tuple[str, str]:
    new = event.new or {}
    parts = [dict(WeekNote.Reason.choices).get(new.get("reason", ""), "")]
    parts += [new.get("detail", ""), new.get("make_up_offered", "")]
    verb = "Week's note" if event.operation == "I" else "Week's note rewritten"
    return "week_note", f"{verb}: {'; '.join(filter(None, parts)) or 'as it was'}."


def _case_words(event: AuditEvent, names: dict[str, str]) -> tuple[str, str] | None:
    """What the change was about; None for one that says nothing (a version)."""
    old, new = event.old or {}, event.new or {}
    if event.operation == "I":
        return "opened", f"Opened for {_role(new)}: {new['sentence']}"
    if new.get("escalated_at"):
        return "escalated", _escalated(old, new)
    if "state" in new and (said := _state_words(old, new)):
        return said
    if new.get("owner_id") and new.get("state") != State.IN_OUTREACH:
        owner = names.get(f"user:{new['owner_id']}", "a colleague")
        return "assigned", f"Handed to {owner}."
    return _facts_words(old, new)


def _escalated(old: dict[str, Any], new: dict[str, Any]) -> str:
    late = "nobody had taken it on" if "state" not in old else "its due time was long past"
    return f"Overdue, {late}: gone to {_role(new)}."


def _state_words(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, str] | None:
    note = new.get("outcome_note", "")
    match new["state"]:
        case State.ACKNOWLEDGED:
            return "acknowledged", "Taken on."
        case State.SNOOZED:
            return "snoozed", f"Put off until {_day(new['snoozed_until'])}: {note}"
        case State.CLOSED:
            by_facts = new.get("closed_by_facts", False)
            label = dict(Outcome.choices).get(new.get("outcome", ""), "")
            how = "Closed by facts" if by_facts else f"Closed: {label}"
            return "closed", f"{how}. {note}".strip()
        case State.LAPSED:
            return "lapsed", f"Lapsed. {note}".strip()
        case State.OPEN if old["state"] in (State.CLOSED, State.LAPSED):
            return "reopened", f"Open again: {new.get('sentence', 'the facts came back.')}"
        case State.OPEN if old["state"] == State.SNOOZED:
            return "woken", "Awake again."
    return None  # in outreach: the attempt itself tells it


def _facts_words(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, str] | None:
    """Other facts, another severity or another due time; None for what says nothing."""
    said = []
    if "sentence" in new:
        said.append(f"Now: {new['sentence']}")
    if "severity" in new:
        before, after = (Severity(row["severity"]).label.lower() for row in (old, new))
        said.append(f"Severity: {after}, before {before}.")
    return ("changed", " ".join(said)) if said else None


def _role(new: dict[str, Any]) -> str:
    role = new.get("owner_role", "")
    label = str(dict(Role.choices).get(role, "next role")).lower()
    return label if role == Role.UTILIZATION_REVIEW else f"the {label}"


def _day(iso: str) -> str:
    return long_date(date.fromisoformat(iso))
