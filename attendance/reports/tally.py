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
    therapists: frozenset[int]

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    def is_new(self, since: datetime.datetime | None) -> bool:
        """Opened since the previous report; before the first report everything is new."""
        return self.is_open and (since is None or self.opened_at > since)

    def has_changed(self, since: datetime.datetime | None) -> bool:
        """Known from an earlier report, with other facts since: worth telling again."""
        return self.is_open and since is not None and self.opened_at <= since < self.changed_at

    def is_overdue(self, now: datetime.datetime) -> bool:
        """Past its due time, unless somebody put it off with a reason."""
        return self.is_open and self.state != Flag.State.SNOOZED and self.due_at < now


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
