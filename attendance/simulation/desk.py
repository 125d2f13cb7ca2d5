"""The staff of a play: the demo's, who also find make-ups and renew papers."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from attendance.bookings import book_make_ups
from attendance.compliance.make_ups import find_make_ups
from attendance.demo.desk import WEEKS, Desk, Kind
from attendance.models import Flag
from patients.models import Authorization, Certification, TreatmentPlan

AGREES = 60
"""Percent of make-ups that the patient takes."""
DAY = datetime.timedelta(days=1)
RENEWED_FOR = datetime.timedelta(days=60)


class Staff(Desk):
    """A week that make-ups can repair gets them if the patient agrees; a paper is renewed."""

    # A roster comes by itself, a day late.
    takes = frozenset(Kind.values) - {Kind.UNRECORDED}

    def handle(self, flag: Flag, now: datetime.datetime) -> None:
        if flag.rule in WEEKS and self._repaired(flag, now):
            return
        renew = _RENEWALS.get(flag.rule)
        if renew is not None and flag.episode_id is not None:
            renew(flag.episode_id, now.date())  # these facts close the case in the next night
        else:
            super().handle(flag, now)

    def _repaired(self, flag: Flag, now: datetime.datetime) -> bool:
        assert flag.episode is not None  # a week's case is a patient's
        if not self.lucky(AGREES, "agrees", *self.about(flag)):
            return False
        found = find_make_ups(episode=flag.episode, day=now.date(), now=now, flag=flag)
        sessions = [one.session for one in found.plan]
        if not sessions or not found.repairable:
            return False
        book_make_ups(episode=flag.episode, sessions=sessions, flag=flag, by=self.person, now=now)
        return True


def _renew_plan(episode: int, today: datetime.date) -> None:
    TreatmentPlan.objects.filter(episode=episode, ends_on__isnull=True).update(
        review_due_on=today + RENEWED_FOR
    )


def _renew_authorization(episode: int, today: datetime.date) -> None:
    last = Authorization.objects.filter(episode=episode).order_by("ends_on").last()
    if last is not None and last.ends_on < today + RENEWED_FOR:
        last.pk, last.number, last.units = None, f"{last.number}+", 60
        last.starts_on, last.ends_on = max(last.ends_on, today) + DAY, today + RENEWED_FOR
        last.save(force_insert=True)


def _certify(episode: int, today: datetime.date) -> None:
    row = Certification.objects.filter(episode=episode).order_by("certified_on").last()
    if row is not None:
        row.pk, row.certified_on, row.due_again_on = None, today, today + RENEWED_FOR
        row.save(force_insert=True)


_RENEWALS: dict[int, Callable[[int, datetime.date], None]] = {
    Kind.PLAN_DUE: _renew_plan,
    Kind.AUTHORIZATION_ENDING: _renew_authorization,
    Kind.CERTIFICATION_DUE: _certify,
}
