"""The calls a therapist waits for: statements (exact) and milliseconds (of this machine, now)."""

from __future__ import annotations

import datetime
import statistics
import time
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from iop_clinic.accounts.models import Clinic
from scheduling.models import Session
from tests import factories
from tests.api import API, Roster, roster

ROUNDS = 15


def run() -> list[str]:
    """One line a call; each is measured in turn, round by round."""
    clinic = factories.ClinicFactory()
    today = timezone.localdate(timezone=clinic.tz)
    yesterday = today - datetime.timedelta(days=1)
    rosters = [
        roster(12, clinic=clinic, day=str(yesterday - datetime.timedelta(days=n)))
        for n in range(ROUNDS + 1)
    ]
    clients = [r.client for r in rosters]
    days_client = _day_of_ten(clinic, yesterday).client
    calls: dict[str, Callable[[int], Any]] = {
        "roster of 12, one PATCH": lambda n: clients[n].patch(
            f"{rosters[n].url}attendance/", {"records": _mixed(rosters[n])}
        ),
        "session with its roster": lambda n: clients[n].get(rosters[n].url),
        "a day of 10 sessions": lambda n: days_client.get(
            f"{API}/sessions/?from={yesterday}&to={yesterday}&mine=true"
        ),
    }
    for call in calls.values():
        call(ROUNDS)  # the first call of each pays for imports
    times: dict[str, list[float]] = {name: [] for name in calls}
    counts: dict[str, int] = {}
    for n in range(ROUNDS):
        for name, call in calls.items():
            started = time.perf_counter()
            with CaptureQueriesContext(connection) as captured:
                answer = call(n)
            times[name].append(time.perf_counter() - started)
            assert answer.status_code == 200, answer.content
            counts[name] = len(captured)
    return [
        f"{name:<26} {counts[name]:4} statements {statistics.median(times[name]) * 1000:8.1f} ms"
        for name in calls
    ]


def _mixed(r: Roster) -> list[dict[str, Any]]:
    """Most came, one late, one left early, two did not come."""
    entries = r.entries()
    start = r.session.starts_at
    entries[0]["arrived_at"] = (start + datetime.timedelta(minutes=10)).isoformat()
    entries[1]["left_at"] = (start + datetime.timedelta(minutes=40)).isoformat()
    for entry in entries[2:4]:
        entry["attended"] = False
    return entries


def _day_of_ten(clinic: Clinic, day: datetime.date) -> Roster:
    first = roster(12, clinic=clinic, day=str(day))
    for hour in range(10, 19):
        factories.session(clinic, str(day), f"{hour}:00", f"{hour}:50", therapist=first.therapist)
    assert Session.objects.filter(staff__therapist=first.therapist).count() == 10
    return first
