"""Handing work to the workers: ids and dates only, for arguments appear in logs.

The broker is never the memory of what must happen. Every task queued here also follows from rows
that the tick looks at, so a broker that is down costs time, not work. An unheard message expires
when the next tick would send it again, so that a backlog never doubles.
"""

import datetime
import logging
from collections.abc import Sequence

from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError

TICK = "attendance.reports.tasks.tick"
RUN_NIGHT = "attendance.reports.tasks.run_night"
DELIVER = "attendance.reports.tasks.deliver"

logger = logging.getLogger(__name__)


def queue_tick() -> bool:
    return _queue(TICK, [[]])


def queue_night(clinic_id: int, local_date: datetime.date) -> bool:
    return queue_nights([(clinic_id, local_date)])


def queue_nights(nights: Sequence[tuple[int, datetime.date]]) -> bool:
    return _queue(RUN_NIGHT, [[clinic, day.isoformat()] for clinic, day in nights])


def queue_deliveries(delivery_ids: Sequence[int]) -> bool:
    return _queue(DELIVER, [[delivery] for delivery in delivery_ids])


def _queue(task: str, calls: Sequence[list[int | str]]) -> bool:
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
