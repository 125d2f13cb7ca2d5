"""Handing work to the workers: ids and dates only, for arguments appear in logs.

The broker is never the memory of what must happen. Every task queued here also follows from rows
that the tick looks at, so a broker that is down costs time, not work. An unheard message expires
when the next tick would send it again, so that a backlog never doubles.
"""

import datetime
import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError

TICK = "attendance.reports.tasks.tick"
RUN_NIGHTS = "attendance.reports.tasks.run_nights"
DELIVER = "attendance.reports.tasks.deliver"
RUN_IMPORT = "attendance.imports.tasks.run_import"

CLINICS_TOGETHER = 50
"""At most so many share a night's statements: their fixed costs are small then, and locks short."""
SHARES = 8
"""A date's clinics are handed out in at least so many parts, so that several workers have work."""

logger = logging.getLogger(__name__)


def queue_tick() -> bool:
    return _queue(TICK, [[]])


def queue_nights(
    nights: Iterable[tuple[int, datetime.date]], *, together: int = CLINICS_TOGETHER
) -> bool:
    """A message for every few clinics of one local date; at most `together` in one."""
    clinics: defaultdict[datetime.date, list[int]] = defaultdict(list)
    for clinic, day in nights:
        clinics[day].append(clinic)
    calls = [
        [part, day.isoformat()]
        for day in sorted(clinics)
        for part in _parts(clinics[day], together)
    ]
    return _queue(RUN_NIGHTS, calls)


def _parts(ids: list[int], together: int) -> list[list[int]]:
    size = min(together, math.ceil(len(ids) / SHARES))
    return [ids[n : n + size] for n in range(0, len(ids), size)]


def queue_deliveries(delivery_ids: Sequence[int]) -> bool:
    return _queue(DELIVER, [[delivery] for delivery in delivery_ids])


def queue_imports(import_ids: Sequence[int]) -> bool:
    return _queue(RUN_IMPORT, [[one] for one in import_ids])


def _queue(task: str, calls: Sequence[list[Any]]) -> bool:
    """Send one message for each list of arguments; False when the broker did not take them all.

    The first refusal ends it: each further message would wait for the same dead broker again.
    """
    try:
        for arguments in calls:
            current_app.send_task(task, args=arguments, expires=settings.TICK_SECONDS)
    except (OperationalError, OSError) as error:
        logger.warning(
            "The broker takes no %s (%s); a later tick does.", task, type(error).__name__
        )
        return False
    return True
