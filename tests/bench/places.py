"""Proposals for one patient: statements (exact) and milliseconds, by the number of groups."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.compliance.placement_facts import Wish
from tests.attendance.towns import STARTS, Town

ROUNDS = 9
GROUPS = (1, 20)
SEED = 7


def run() -> Iterator[str]:
    """A line for each number of groups; some of the groups suit the patient, some do not."""
    for number in GROUPS:
        town = Town(SEED, groups=number - 1)
        episode, wish = town.newcomer(), Wish(starts_on=STARTS, minutes=540, days=3)
        taken = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            with CaptureQueriesContext(connection) as captured:
                found = town.placement(episode, wish)
            taken.append(time.perf_counter() - started)
        name = f"{len(found.proposals)} proposals among {number} groups"
        milliseconds = statistics.median(taken) * 1000
        yield f"{name:<34} {len(captured):4} statements {milliseconds:8.1f} ms"
