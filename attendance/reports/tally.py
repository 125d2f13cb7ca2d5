"""Counting cases for a report: what is new, open, overdue, changed and closed."""

import datetime
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from attendance.models import AbsenceRule, Flag
from attendance.models.standards import Severity


@dataclass(frozen=True, slots=True)
class Case:
    """A case as a report needs it; `therapists` are those it belongs to."""

    rule: int
    severity: int
    state: str
    opened_at: datetime.datetime
    changed_at: datetime.datetime
    due_at: datetime.datetime
    closed_at: datetime.datetime | None
    escalated_at: datetime.datetime | None
    closed_by_facts: bool
    therapists: frozenset[int]
    on_hold: bool = False

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    def is_new(self, since: datetime.datetime | None) -> bool:
        """Opened since the previous report; before the first report everything is new."""
        return self.is_open and (since is None or self.opened_at > since)

    def has_changed(self, since: datetime.datetime | None) -> bool:
        """Known from an earlier report, with other facts since: worth telling again."""
        return self.is_open and since is not None and self.opened_at <= since < self.changed_at

    def has_escalated(self, since: datetime.datetime | None) -> bool:
        """Went to the next role since the previous report, and is still open."""
        at = self.escalated_at
        return self.is_open and at is not None and (since is None or at > since)

    def is_overdue(self, now: datetime.datetime) -> bool:
        """Past its due time, unless somebody put it off with a reason or the patient is on hold."""
        waits = self.state == Flag.State.SNOOZED or self.on_hold
        return self.is_open and not waits and self.due_at < now


def tally(
    cases: Iterable[Case], *, since: datetime.datetime | None, now: datetime.datetime
) -> dict[str, Any]:
    """The counts by severity (loudest first) and by rule, ready to be stored."""
    cases = list(cases)
    return {
        "severities": [
            _severity(severity, [c for c in cases if c.severity == severity], since, now)
            for severity in sorted(Severity.values, reverse=True)
        ],
        "rules": _open_by_rule(cases),
        "changed": sum(case.has_changed(since) for case in cases),
        "escalated": sum(case.has_escalated(since) for case in cases),
        "closed": sum(case.state == Flag.State.CLOSED for case in cases),
        "lapsed": sum(case.state == Flag.State.LAPSED for case in cases),
    }


def _severity(
    severity: int,
    cases: list[Case],
    since: datetime.datetime | None,
    now: datetime.datetime,
) -> dict[str, int]:
    return {
        "severity": severity,
        "new": sum(case.is_new(since) for case in cases),
        "open": sum(case.is_open for case in cases),
        "overdue": sum(case.is_overdue(now) for case in cases),
    }


def _open_by_rule(cases: Iterable[Case]) -> list[dict[str, int]]:
    counts = Counter(case.rule for case in cases if case.is_open)
    return [
        {"rule": rule, "open": counts[rule]} for rule in AbsenceRule.Kind.values if counts[rule]
    ]


def casework(
    cases: Iterable[Case], *, first: datetime.datetime, until: datetime.datetime
) -> dict[str, int]:
    """How many cases were opened between two instants (half-open), and how others ended."""
    cases = list(cases)
    ended = [case for case in cases if case.closed_at and first <= case.closed_at < until]
    closed = [case for case in ended if case.state == Flag.State.CLOSED]
    return {
        "opened": sum(first <= case.opened_at < until for case in cases),
        "by_work": sum(not case.closed_by_facts for case in closed),
        "by_facts": sum(case.closed_by_facts for case in closed),
        "lapsed": len(ended) - len(closed),
    }
