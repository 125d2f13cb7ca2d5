"""What happened to a case, in words: from the audit trail, the outreach and the week's note.

The trail is written by the database, so that what a job or a query by hand has changed is told
as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Q

from attendance.models import Flag, OutreachAttempt, WeekNote
from attendance.models.standards import Severity
from iop_clinic.accounts.models import AuditEvent, User
from iop_clinic.accounts.roles import Role

JOBS = {"job:nightly": "Nightly run", "job:escalation": "Escalation"}
SHOWN = 200

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
    steps = [_step(event, names) for event in events]
    steps += [_attempt_step(one) for one in tried]
    told = [step for step in steps if step is not None]
    return sorted(told, key=lambda step: step.at)


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
    tell = _note_words if event.table_name == WeekNote._meta.db_table else _case_words
    said = tell(event, names)
    if said is None:
        return None
    what, text = said
    return CaseStep(event.at, names.get(event.actor, event.actor), what, text)


def _note_words(event: AuditEvent, names: dict[str, str]) -> tuple[str, str]:
    new = event.new or {}
    parts = [dict(WeekNote.Reason.choices).get(new.get("reason", ""), "")]
    parts += [new.get("detail", ""), new.get("make_up_offered", "")]
    verb = "Week's note" if event.operation == "I" else "Week's note rewritten"
    return "week_note", f"{verb}: {'; '.join(filter(None, parts)) or 'as it was'}."


def _case_words(event: AuditEvent, names: dict[str, str]) -> tuple[str, str] | None:
    """What the change was about; None for one that says nothing (a version)."""
    old, new = event.old or {}, event.new or {}
    if event.operation == "I":
        return "opened", f"Opened for the {_role(new)}: {new['sentence']}"
    if new.get("escalated_at"):
        return "escalated", _escalated(old, new)
    if "state" in new and (said := _state_words(old, new)):
        return said
    if new.get("owner_id"):
        owner = names.get(f"user:{new['owner_id']}", "a colleague")
        return "assigned", f"Handed to {owner}."
    return _facts_words(new)


def _escalated(old: dict[str, Any], new: dict[str, Any]) -> str:
    late = "nobody had taken it on" if "state" not in old else "its due time was long past"
    return f"Overdue, {late}: gone to the {_role(new)}."


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


def _facts_words(new: dict[str, Any]) -> tuple[str, str] | None:
    louder = ""
    if "severity" in new:
        louder = f" ({Severity(new['severity']).label.lower()})"
    if "sentence" in new:
        return "changed", f"Now: {new['sentence']}{louder}"
    return ("changed", f"Now{louder}.") if louder else None


def _role(new: dict[str, Any]) -> str:
    label = dict(Role.choices).get(new.get("owner_role", ""), "next role")
    return str(label).lower()


def _day(iso: str) -> str:
    day = date.fromisoformat(iso)
    return f"{day:%a, %b} {day.day}"
