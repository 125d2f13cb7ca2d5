"""What the workers do when beat or another task rings: take ids, call one function.

Nothing here decides whether work is needed: the functions ask the rows, so a message that comes
twice, late or never changes nothing. Time limits are seconds.
"""

import datetime

from celery import shared_task
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from attendance.compliance.escalation import ESCALATION, escalate
from attendance.imports.runs import IMPORT, forget_old, to_do
from attendance.models import JobTick
from attendance.reports import delivery, due_nights, nightly, queue
from iop_clinic.accounts.api.idempotency import purge_keys
from scheduling.services import expire_offers
from scheduling.services.waitlist import WAITLIST


@shared_task(name=queue.TICK, soft_time_limit=240, time_limit=270)
def tick() -> None:
    """Find what is due and ring for it; only a tick that came through writes its time.

    Ringing comes first: a fault in what else a tick does keeps no night from being judged.
    """
    now = timezone.now()
    fresh, begun = due_nights.next_nights(now=now)
    due = list(delivery.waiting(now=now).values_list("pk", flat=True)[: delivery.SWEEP_AT_MOST])
    rung = (
        queue.queue_nights(fresh)
        and queue.queue_nights(begun, together=1)
        and queue.queue_deliveries(due)
        and queue.queue_imports(to_do())
    )
    escalate(now=now, by=ESCALATION)
    expire_offers(now=now, by=WAITLIST)
    purge_keys(now=now)
    SessionStore.clear_expired()  # what somebody searched for goes with the login
    forget_old(by=IMPORT, now=now)
    if rung:
        JobTick.objects.update_or_create(name="tick", defaults={"at": timezone.now()})


@shared_task(name=queue.RUN_NIGHTS)
def run_nights(clinic_ids: list[int], iso_date: str) -> None:
    """Judge one local date (YYYY-MM-DD) of some clinics, where it is due and free."""
    day = datetime.date.fromisoformat(iso_date)
    nightly.run_nights([due_nights.Night(clinic_id, day) for clinic_id in clinic_ids])


@shared_task(name=queue.DELIVER, soft_time_limit=60, time_limit=75)
def deliver(delivery_id: int) -> None:
    """Send one report to one recipient, if it is due and free."""
    delivery.deliver(delivery_id)
