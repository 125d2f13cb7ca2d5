"""One mail to one person: counted before it is tried, tried at most six times, never twice at once.

The attempt is committed before the mail goes out, so a worker that dies while sending has used one
up, and whoever takes over when the lease is over sends the same Message-ID: a crash between the
server's "250" and the commit can only repeat a mail that mail programs know to be the same.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import smtplib
from dataclasses import dataclass

from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from attendance.models import ReportDelivery
from attendance.reports.mail import compose
from attendance.reports.recipients import still_receives

MOST_ATTEMPTS = 6
LEASE = datetime.timedelta(minutes=2)  # longer than the task may live (tasks.py)
PAUSES = [datetime.timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240)]
SWEEP_AT_MOST = 5000
State = ReportDelivery.State

logger = logging.getLogger(__name__)


def waiting(*, now: datetime.datetime) -> QuerySet[ReportDelivery]:
    """Deliveries whose time has come, or whose worker is gone; longest waiting first."""
    return ReportDelivery.objects.filter(
        Q(state=State.PENDING, due_at__lte=now) | Q(state=State.SENDING, lease_until__lte=now)
    ).order_by("due_at", "pk")


def deliver(delivery_id: int) -> None:
    """Send one report if it is due and free. Safe to call at any time, as often as one likes."""
    delivery = _take(delivery_id, now=timezone.now())
    if delivery is not None:
        _settle(delivery, _send(delivery), now=timezone.now())


# --- transaction 1 ---------------------------------------------------------------------------


@transaction.atomic
def _take(delivery_id: int, *, now: datetime.datetime) -> ReportDelivery | None:
    """The delivery with one more attempt counted; None when it is not due, or not to be sent."""
    free = waiting(now=now).select_for_update(skip_locked=True, no_key=True, of=("self",))
    delivery = free.select_related("report__clinic", "recipient").filter(pk=delivery_id).first()
    if delivery is None:
        return None
    if delivery.attempts >= MOST_ATTEMPTS:
        _close(delivery, State.FAILED, error=delivery.error or "interrupted")
        return None
    if not still_receives(delivery):
        _close(delivery, State.DROPPED)
        return None
    delivery.state = State.SENDING
    delivery.attempts += 1
    delivery.lease_until = now + LEASE
    delivery.save(update_fields=["state", "attempts", "lease_until"])
    return delivery


def _close(delivery: ReportDelivery, state: State, error: str = "") -> None:
    delivery.state, delivery.error = state, error
    delivery.save(update_fields=["state", "error"])
    logger.info("Delivery %s: %s.", delivery.pk, state)


# --- the mail --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt. `error` is an SMTP code or the class of an exception, no text of
    the server's, for that repeats the address."""

    error: str = ""
    final: bool = False

    @property
    def sent(self) -> bool:
        return not self.error


def _send(delivery: ReportDelivery) -> Outcome:
    try:
        _submit(compose(delivery))
    except smtplib.SMTPRecipientsRefused as error:
        return _refusal(*(code for code, _ in error.recipients.values()))
    except (smtplib.SMTPConnectError, smtplib.SMTPHeloError, smtplib.SMTPAuthenticationError) as e:
        # The server refused us, not this mail: it may take it once its operator has looked.
        return Outcome(error=f"{type(e).__name__} {e.smtp_code}")
    except smtplib.SMTPResponseException as error:
        return _refusal(error.smtp_code)
    except Exception as error:  # noqa: BLE001  time-outs, lost connections, a fault in a template
        return Outcome(error=type(error).__name__)
    return Outcome()


def _submit(message: EmailMessage) -> None:
    """Hand the mail to the server. What happens after its "250" no longer matters."""
    connection = get_connection()
    connection.open()
    try:
        connection.send_messages([message])
    finally:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            connection.close()


def _refusal(*codes: int) -> Outcome:
    """4xx is a "not now", 5xx a "never"."""
    return Outcome(error=f"SMTP {max(codes)}", final=max(codes) >= 500)


# --- transaction 2 ---------------------------------------------------------------------------


def _settle(delivery: ReportDelivery, outcome: Outcome, *, now: datetime.datetime) -> None:
    """Write down what came of the attempt, unless the lease was lost and another one counts."""
    mine = ReportDelivery.objects.filter(
        pk=delivery.pk, state=State.SENDING, attempts=delivery.attempts
    )
    if outcome.sent:
        mine.update(state=State.SENT, sent_at=now, error="")
    elif outcome.final or delivery.attempts >= MOST_ATTEMPTS:
        mine.update(state=State.FAILED, error=outcome.error)
        logger.error(
            "Delivery %s failed (%s, attempt %s).", delivery.pk, outcome.error, delivery.attempts
        )
    else:
        pause = PAUSES[delivery.attempts - 1]
        mine.update(state=State.PENDING, due_at=now + pause, error=outcome.error)
        logger.warning("Delivery %s waits %s (%s).", delivery.pk, pause, outcome.error)
