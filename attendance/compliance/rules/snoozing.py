"""How long a case may be put off. Pure."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

MOST_DAYS = 14
MOST_DAYS_AWAY = 7
"""For a patient who stays away."""
MOST_DAYS_SILENT = 2
"""For one of whom nothing has been heard for days."""
MOST_DAYS_ROSTER = 3

DEADLINES = ("ends_on", "runs_out_on", "due_on", "review_due_on", "expires_on", "adult_on")
"""Where the evidence of a paper says when it ends, runs out or is due."""


def latest_snooze(today: date, *, most_days: int, deadline: date | None = None) -> date:
    """The last local date on which the case may wake: before its deadline has passed.

    The deadline is the last day of a week that can still be repaired, or of a paper. On that day
    itself nothing can be put off; once it has passed it is none.
    """
    latest = today + timedelta(days=most_days)
    if deadline is None or deadline < today:
        return latest
    return min(latest, deadline)


def deadline_in(evidence: Mapping[str, Any]) -> date | None:
    """The first date in a paper's evidence on which it runs out."""
    dates = [evidence[key] for key in DEADLINES if evidence.get(key)]
    return min((date.fromisoformat(one) for one in dates), default=None)
