"""A house whose papers are all in order, and the nights that look at them.

Every helper leaves one paper to the test: who is seen, planned and paid for opens nothing.
"""

import datetime
from typing import Any

from django.db.models import Model

from attendance.compliance.findings import PAPERS_AND_PLACES, Night
from attendance.compliance.papers_and_places import judge_papers_and_places
from attendance.compliance.settings import clinic_settings
from attendance.models import AbsenceRule, Flag
from iop_clinic.accounts.acting import acting
from iop_clinic.accounts.roles import Role
from patients.models import Authorization, Coverage, Episode, Payer
from tests import factories as f
from tests.attendance.house import BEFORE, JOB, House, iso

Kind = AbsenceRule.Kind
DAY = datetime.timedelta(days=1)
JAN_5 = BEFORE
TODAY = datetime.date(2026, 3, 4)
"""A Wednesday; the night that looks at it judges the Tuesday before."""


class Office(House):
    """A house with everybody who owns papers, and no group that meets."""

    def __init__(self, **extra: Any) -> None:
        super().__init__(**extra)
        f.staff(self.clinic, Role.COORDINATOR)
        f.staff(self.clinic, Role.UTILIZATION_REVIEW)
        f.staff(self.clinic, Role.ADMINISTRATOR)

    def seen(self, on: datetime.date = JAN_5, **extra: Any) -> Episode:
        """Admitted and seen on the first day."""
        extra.setdefault("seat", None)
        episode = self.patient(on, **extra)
        self.day(on, [episode], "08:00", "08:30")
        self.came(episode, on)
        return episode

    def payer(self, **extra: Any) -> Payer:
        extra.setdefault("needs_authorization", False)
        row: Payer = f.PayerFactory(clinic=self.clinic, **extra)
        return row

    def insured(self, episode: Episode, payer: Payer | None = None, **extra: Any) -> Coverage:
        extra.setdefault("starts_on", JAN_5)
        return Coverage.objects.create(
            clinic=self.clinic, patient=episode.patient, payer=payer or self.payer(), **extra
        )

    def authorized(self, episode: Episode, ends_on: datetime.date, **extra: Any) -> Authorization:
        """30 days from the admission on, by a payer that needs it."""
        if "payer" not in extra:
            extra["payer"] = self.payer(needs_authorization=True)
        number = f"A{Authorization.objects.count() + 1}"
        given = {"units": 30, "starts_on": JAN_5, "number": number, **extra}
        return Authorization.objects.create(
            clinic=self.clinic, episode=episode, ends_on=ends_on, **given
        )

    def morning_of(self, today: datetime.date | str) -> None:
        """The night whose findings people read on this date."""
        self.night(datetime.date.fromisoformat(iso(today)) - DAY)

    def found(self, kind: int, today: datetime.date = TODAY) -> list[tuple[str, str, int]]:
        """State, stage and severity of every case of a rule, after the night before `today`."""
        self.morning_of(today)
        return [(c.state, c.evidence.get("stage", ""), c.severity) for c in self.flags(kind)]

    def flags(self, *rules: int) -> list[Flag]:
        """Cases of papers and places; a patient without sessions is short of hours besides."""
        return super().flags(*rules or sorted(PAPERS_AND_PLACES))

    def only(self, kind: int) -> Flag:
        (flag,) = self.flags(kind)
        return flag


def save(row: Model, **facts: Any) -> None:
    """Change a row the way a person at the desk would, without the service's own rules."""
    for name, value in facts.items():
        setattr(row, name, value)
    row.save()


def look(*houses: House, today: datetime.date = TODAY) -> None:
    """One look at the papers and places of several clinics at once."""
    nights = {
        h.clinic.pk: Night(clinic_settings(h.clinic), today - DAY, h.morning(today - DAY))
        for h in houses
    }
    with acting(JOB):
        judge_papers_and_places(nights)
