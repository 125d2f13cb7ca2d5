"""`manage.py run_nightly [--wait] [--date YYYY-MM-DD]`: rings for what is due, as beat does.

The work is the worker's: this command sends the tick through the real broker. With `--wait` it
looks at the rows until every night that is due is finished and every report of it is sent.
"""

from __future__ import annotations

import datetime
import time
from argparse import ArgumentParser
from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from attendance.models import NightlyRun, ReportDelivery
from attendance.reports import due_nights, nightly, queue

LOOK_SECONDS = 0.5
RING_SECONDS = 15  # rings again while waiting, so that no beat is needed
FAILED = "failed"


class Command(BaseCommand):
    help = "Ring for the nightly run; with --wait, until it is finished and every report is sent."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--wait", action="store_true", help="wait until all of it is done")
        parser.add_argument(
            "--date",
            type=datetime.date.fromisoformat,
            help="judge this local date (YYYY-MM-DD) in every active clinic, also if it failed",
        )
        parser.add_argument("--timeout", type=float, default=600, help="seconds to wait (600)")

    def handle(self, *args: Any, **options: Any) -> None:
        nights = wanted_nights(options["date"])
        if options["date"]:
            nightly.retry_failed(options["date"])
        if not nights:
            self.stdout.write("No night is due.")
            return
        if not ring(nights, options["date"]):
            raise CommandError("The broker does not answer. Is REDIS_URL right and Redis running?")
        if options["wait"]:
            self.wait(nights, options["date"], options["timeout"])

    def wait(
        self, nights: list[due_nights.Night], date: datetime.date | None, timeout: float
    ) -> None:
        """Show how far it is until all is done. Raises CommandError on a failure or too late."""
        deadline = time.monotonic() + timeout
        ring_at = time.monotonic() + RING_SECONDS
        shown = ""
        while True:
            progress = look(nights)
            if str(progress) != shown:
                shown = str(progress)
                self.stdout.write(shown)
                self.stdout.flush()
            if progress.complaint:
                raise CommandError(progress.complaint)
            if progress.done:
                return
            if time.monotonic() > deadline:
                raise CommandError(f"Not done after {timeout:.0f} s: {shown}. Is a worker running?")
            if time.monotonic() > ring_at:
                ring(nights, date)
                ring_at += RING_SECONDS
            time.sleep(LOOK_SECONDS)


def wanted_nights(date: datetime.date | None) -> list[due_nights.Night]:
    """The nights to see finished: those due, and the last due one of every clinic that is not
    behind; or one date in every active clinic."""
    now = timezone.now()
    clinics = list(due_nights.clinics_with_progress(now))
    if date:
        late = [clinic for clinic in clinics if date > due_nights.last_due(clinic, now)]
        if late:
            raise CommandError(f"The night of {date} is not due yet in {len(late)} clinic(s).")
        if date < now.date() - due_nights.CATCH_UP_DAYS * due_nights.DAY:
            raise CommandError(
                f"Nights are judged for {due_nights.CATCH_UP_DAYS} days back at most."
            )
        return [due_nights.Night(clinic.pk, date) for clinic in clinics]
    nights = [night for clinic in clinics for night in due_nights.due_nights_of(clinic, now)]
    up_to_date = {clinic.pk: clinic for clinic in clinics if clinic.was_judged}
    for night in nights:
        up_to_date.pop(night.clinic_id, None)
    nights += [due_nights.Night(c.pk, due_nights.last_due(c, now)) for c in up_to_date.values()]
    return nights


def ring(nights: list[due_nights.Night], date: datetime.date | None) -> bool:
    """Send the tick, and for a chosen date its nights as well, which no tick would look for."""
    return queue.queue_tick() and (date is None or queue.queue_nights(nights))


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of the nights, and of their deliveries, are in which state."""

    nights: int
    runs: Counter[str]
    deliveries: Counter[str]
    errors: list[str]

    def __str__(self) -> str:
        sent = self.deliveries[ReportDelivery.State.SENT]
        all_ = self.deliveries.total() - self.deliveries[ReportDelivery.State.DROPPED]
        finished = self.runs[NightlyRun.State.FINISHED]
        return f"nights finished: {finished} of {self.nights}, reports sent: {sent} of {all_}"

    @property
    def done(self) -> bool:
        left = {ReportDelivery.State.PENDING, ReportDelivery.State.SENDING}
        return self.runs[NightlyRun.State.FINISHED] == self.nights and not any(
            self.deliveries[state] for state in left
        )

    @property
    def complaint(self) -> str:
        """What failed for good, in one sentence; empty when nothing did."""
        why = ", ".join(sorted(set(self.errors)))
        if self.runs[NightlyRun.State.FAILED]:
            return f"{self.runs[NightlyRun.State.FAILED]} night(s) failed ({why})."
        if self.deliveries[ReportDelivery.State.FAILED]:
            return f"{self.deliveries[ReportDelivery.State.FAILED]} report(s) not sent ({why})."
        return ""


def look(nights: list[due_nights.Night]) -> Progress:
    """What the rows say about some nights, in two statements."""
    wanted = set(nights)
    dates = {night.local_date for night in nights}
    clinics = {night.clinic_id for night in nights}
    runs = NightlyRun.objects.filter(clinic__in=clinics, local_date__in=dates)
    mails = ReportDelivery.objects.filter(clinic__in=clinics, report__local_date__in=dates)
    run_rows = [
        (state, error)
        for clinic, date, state, error in runs.values_list("clinic", "local_date", "state", "error")
        if (clinic, date) in wanted
    ]
    mail_rows = [
        (state, error)
        for clinic, date, state, error in mails.values_list(
            "clinic", "report__local_date", "state", "error"
        )
        if (clinic, date) in wanted
    ]
    return Progress(
        nights=len(nights),
        runs=Counter(state for state, _ in run_rows),
        deliveries=Counter(state for state, _ in mail_rows),
        errors=[error for state, error in run_rows + mail_rows if state == FAILED],
    )
