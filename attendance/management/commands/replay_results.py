"""`manage.py replay_results [--clinic NAME]`: judge stored weeks again and report what differs."""

from __future__ import annotations

import datetime
import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from attendance.compliance.replays import Replayed, in_words, replayed_weeks
from iop_clinic.accounts.models import Clinic
from patients.models import Episode, Patient


class Command(BaseCommand):
    help = (
        "Judge stored week results again, from their inputs and from today's facts. Results are "
        "named by number, patients never. Ends with 1 when anything differs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--clinic", help="the clinic's name; all of them by default")
        parser.add_argument("--patient", type=uuid.UUID, help="one patient, by public id")
        for name, what in (("from", "first"), ("to", "last")):
            parser.add_argument(
                f"--{name}",
                dest=what,
                type=datetime.date.fromisoformat,
                help=f"the {what} week is the one that holds this date (YYYY-MM-DD)",
            )

    def handle(self, *args: Any, **options: Any) -> None:
        first, last = options["first"], options["last"]
        if first and last and first > last:
            raise CommandError("--from lies after --to.")
        results = differing = 0
        for clinic, episodes in _where(options["clinic"], options["patient"]):
            self.stdout.write(f"{clinic.name}:")
            for week in replayed_weeks(
                clinic=clinic, now=timezone.now(), first=first, last=last, episode_ids=episodes
            ):
                self._tell(week)
                results += week.results
                differing += len(week.differing)
        if differing:
            raise CommandError(f"{differing} of {results} results differ.")
        self.stdout.write(f"{results} results replayed, none differs.")

    def _tell(self, week: Replayed) -> None:
        self.stdout.write(
            f"  {week.week.label}: {week.results} replayed, {len(week.differing)} differ"
        )
        for row, differences in week.differing:
            self.stdout.write(f"    result {row.pk} ({row.standard.name}, no. {row.amendment})")
            for one in differences:
                self.stdout.write(f"      {in_words(one)}")
        self.stdout.flush()


def _where(name: str | None, patient: uuid.UUID | None) -> list[tuple[Clinic, list[int] | None]]:
    """The clinics to replay, with the episodes when one patient is asked for."""
    clinics = Clinic.objects.order_by("pk")
    if name:
        clinics = clinics.filter(name__iexact=name)
        if not clinics:
            raise CommandError(f"There is no clinic “{name}”.")
    if patient is None:
        return [(clinic, None) for clinic in clinics]
    row = Patient.objects.filter(public_id=patient, clinic__in=clinics).first()
    if row is None:
        raise CommandError("There is no such patient.")
    episodes = Episode.objects.filter(patient=row).values_list("pk", flat=True)
    return [(row.clinic, list(episodes))]
