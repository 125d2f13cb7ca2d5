"""The calls a therapist waits for: statements (exact) and milliseconds (of this machine, now)."""

from __future__ import annotations

import datetime
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from attendance.clinics import open_clinic
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic
from scheduling.models import Session
from tests import factories
from tests.api import API, Roster, client_of, roster, treated
from tests.bench import bare

ROUNDS = 15
BARE = "  bare:"
BENCH = Job("bench")

Call = Callable[[int], Any]


def run() -> list[str]:
    """One line a call; each is measured in turn, round by round, reads beside a bare view."""
    with override_settings(ROOT_URLCONF=bare.__name__):
        return list(_lines(_calls()))


def _calls() -> dict[str, Call]:
    clinic = _clinic("One")
    today = timezone.localdate(timezone=clinic.tz)
    yesterday = str(today - datetime.timedelta(days=1))
    days = [str(today - datetime.timedelta(days=7 * (n + 1))) for n in range(ROUNDS + 1)]
    rosters = [roster(12, clinic=clinic, day=day) for day in days]
    clients = [r.client for r in rosters]
    of_ten = _day_of_ten(_clinic("Ten"), yesterday, patients=12)
    of_hundred = _day_of_ten(_clinic("Hundred"), yesterday, patients=100)
    desk, booker = (client_of(factories.staff(one)) for one in (of_hundred.clinic, clinic))
    therapist = of_ten.client
    for client in (*clients, desk, booker, therapist):
        client.get(f"{API}/me/")  # a client's first call loads its middleware
    bookings = [_free_seat(clinic, str(today + datetime.timedelta(days=1))) for _ in days]
    return {
        "roster of 12, one PATCH": lambda n: clients[n].patch(
            f"{rosters[n].url}attendance/", {"records": _mixed(rosters[n])}
        ),
        "session with its roster": lambda n: clients[n].get(rosters[n].url),
        f"{BARE} session with its roster": lambda n: clients[n].get(
            f"/bare/sessions/{rosters[n].session.public_id}/"
        ),
        "a day of 10 sessions": lambda _: therapist.get(
            f"{API}/sessions/?from={yesterday}&mine=true"
        ),
        f"{BARE} a day of 10 sessions": lambda _: therapist.get(f"/bare/days/{yesterday}/"),
        "a facility's day, 100 booked": lambda _: desk.get(f"{API}/sessions/?from={yesterday}"),
        "one booking": lambda n: booker.post(f"{API}/bookings/", bookings[n]),
    }


def _lines(calls: dict[str, Call]) -> Iterator[str]:
    for call in calls.values():
        call(ROUNDS)  # the first call of each pays for imports
    times: dict[str, list[float]] = {name: [] for name in calls}
    counts: dict[str, int] = {}
    for n in range(ROUNDS):
        answers = {}
        for name, call in calls.items():
            started = time.perf_counter()
            with CaptureQueriesContext(connection) as captured:
                answers[name] = call(n)
            times[name].append(time.perf_counter() - started)
            assert answers[name].status_code in (200, 201), answers[name].content
            counts[name] = len(captured)
        for name, answer in answers.items():
            if name.startswith(BARE):
                assert answer.json() == answers[name.removeprefix(BARE).strip()].json()
    for name, taken in times.items():
        yield f"{name:<34} {counts[name]:4} statements {statistics.median(taken) * 1000:8.1f} ms"


def _clinic(name: str) -> Clinic:
    """With its standards, rules and session types."""
    return open_clinic(name=name, zone="America/New_York", by=BENCH)


def _free_seat(clinic: Clinic, day: str) -> dict[str, str]:
    """The body that books an admitted patient into a session with a free seat."""
    session = factories.session(
        clinic, day, "15:00", "16:00", therapist=factories.TherapistFactory(clinic=clinic)
    )
    (episode,) = treated(clinic, 1, factories.TherapistFactory(clinic=clinic))
    return {"session": str(session.public_id), "patient": str(episode.patient.public_id)}


def _mixed(r: Roster) -> list[dict[str, Any]]:
    """Most came, one late, one left early, two did not come."""
    entries = r.entries()
    start = r.session.starts_at
    entries[0]["arrived_at"] = (start + datetime.timedelta(minutes=10)).isoformat()
    entries[1]["left_at"] = (start + datetime.timedelta(minutes=40)).isoformat()
    for entry in entries[2:4]:
        entry["attended"] = False
    return entries


def _day_of_ten(clinic: Clinic, day: str, *, patients: int) -> Roster:
    """Ten sessions of one therapist, with so many bookings in all."""
    first = roster(12, clinic=clinic, day=day)
    episodes = [booking.episode for booking in first.bookings]
    booked = len(episodes)
    for hour in range(10, 19):
        row = factories.session(clinic, day, f"{hour}:00", f"{hour}:50", therapist=first.therapist)
        for seat, episode in enumerate(episodes[: patients - booked], start=1):
            factories.booking(row, episode, seat)
            booked += 1
    assert booked == patients
    assert Session.objects.filter(staff__therapist=first.therapist).count() == 10
    return first
