"""A play: so many weeks of one clinic, every day lived, judged and worked, and then forgotten."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction

from attendance.compliance.evaluation import evaluate
from attendance.compliance.make_ups import find_make_ups
from attendance.compliance.rules.severity import Severity
from attendance.compliance.status import PatientWeek, week_statuses
from attendance.models import AbsenceRule, Flag
from attendance.simulation.desk import Staff
from attendance.simulation.figures import Figures, Tally, figures
from attendance.simulation.patients import Patients
from attendance.simulation.stage import PLAY, open_stage
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.weeks import week_of
from patients.models import Episode
from scheduling.services import expand

DAY = datetime.timedelta(days=1)
WARM_UP = 2
"""Weeks played first and not counted: a clinic that just began has everything new."""


@dataclass(frozen=True, slots=True)
class Script:
    """`show_rate` is a share, 0 to 1; `weeks` are those that are counted."""

    show_rate: float
    seed: int
    weeks: int

    @property
    def name(self) -> str:
        return f"play-{round(self.show_rate * 100)}-{self.seed}"


def play(
    script: Script, *, monday: datetime.date, tick: Callable[[], object] = lambda: None
) -> Figures:
    """Play a script from a Monday on; nothing of it stays in the database.

    The last day must not lie ahead: what is written carries the clock's time, and a change that is
    older than the night before would look like no news. `tick` is called after each day.
    """
    with transaction.atomic():
        try:
            clinic = open_stage(name=script.name, seed=script.seed, monday=monday)
            return _Play(script, clinic, monday, tick).run()
        finally:
            transaction.set_rollback(True)


class _Play:
    def __init__(
        self, script: Script, clinic: Clinic, monday: datetime.date, tick: Callable[[], object]
    ) -> None:
        self.clinic = clinic
        self.tick = tick
        self.first = monday
        self.days = [monday + n * DAY for n in range(7 * (script.weeks + WARM_UP))]
        self.counted_from = monday + 7 * WARM_UP * DAY
        self.patients = Patients(clinic, show_rate=script.show_rate, seed=script.seed)
        self.staff = Staff(clinic, seed=script.seed)
        self.tally = Tally()
        self.short: set[tuple[int, datetime.date]] = set()
        self.repairable: set[tuple[int, datetime.date]] = set()
        self.seen: set[tuple[int, datetime.date]] = set()

    def run(self) -> Figures:
        for day in self.days:
            if day.weekday() == 0:
                expand(clinic=self.clinic, today=day, by=PLAY)
            self.patients.live_through(day)
            self._morning(day + DAY)
            self.tick()
        self._settle()
        return figures(self.tally)

    def _morning(self, today: datetime.date) -> None:
        now = datetime.datetime.combine(today, self.clinic.nightly_at, tzinfo=self.clinic.tz)
        evaluate(clinic=self.clinic, local_date=today - DAY, by=PLAY, now=now)
        business = today.weekday() < 5
        if today > self.counted_from:
            self._count(now, business=business)
            self._look_for_short_weeks(today, now)
        if business:
            self.staff.work(now)

    def _count(self, now: datetime.datetime, *, business: bool) -> None:
        """Last night's new items by rule, and how many patients they are about."""
        rows = Flag.objects.filter(clinic=self.clinic, opened_at=now)
        opened = list(rows.values_list("episode", "rule", "severity"))
        items = Counter(AbsenceRule.Kind(rule).label for _, rule, _ in opened)
        patients = len({episode for episode, _, _ in opened if episode})
        self.tally.morning(items, patients=patients, business=business)
        self.tally.notices += sum(severity == Severity.NOTICE for _, _, severity in opened)

    def _look_for_short_weeks(self, today: datetime.date, now: datetime.datetime) -> None:
        """Which weeks cannot be met as booked, which a free seat repairs, which are on the list."""
        listed = self._listed(today)
        for week in self._weeks(today, now):
            key = (week.episode_id, week.week.start)
            judged = week.program()
            if judged is None or not judged.judgement.projected_short:
                continue
            # Nobody gives a seat back here and days only run out: the first morning tells.
            if key not in self.short and self._seat_is_free(week, now):
                self.repairable.add(key)
            self.short.add(key)
            if key in self.repairable and key in listed:
                self.seen.add(key)

    def _weeks(self, today: datetime.date, now: datetime.datetime) -> list[PatientWeek]:
        there = Episode.objects.filter(clinic=self.clinic).active_on(today)
        found = week_statuses(
            clinic=self.clinic,
            episode_ids=list(there.values_list("pk", flat=True)),
            weeks=[today],
            now=now,
        )
        return list(found.values())

    def _listed(self, today: datetime.date) -> set[tuple[int, datetime.date]]:
        week = week_of(today, week_start=self.clinic.week_starts_on).start
        rows = Flag.objects.filter(
            clinic=self.clinic,
            rule=AbsenceRule.Kind.HOURS,
            evidence_key__startswith=week.isoformat(),
        ).waiting(today)
        return {(episode, week) for episode in rows.values_list("episode", flat=True) if episode}

    def _seat_is_free(self, week: PatientWeek, now: datetime.datetime) -> bool:
        """Whether make-ups in seats that are free would repair the week."""
        episode = Episode.objects.get(pk=week.episode_id)
        return find_make_ups(episode=episode, day=week.week.start, now=now).repairable

    def _settle(self) -> None:
        settled = Flag.objects.filter(clinic=self.clinic).settled()
        counted = settled.filter(opened_for__gte=self.counted_from)
        self.tally.lapsed = counted.filter(state=Flag.State.LAPSED).count()
        closed = counted.filter(state=Flag.State.CLOSED)
        self.tally.by_facts = closed.filter(closed_by_facts=True).count()
        self.tally.by_work = closed.filter(closed_by_facts=False).count()
        self.tally.short = len(self.short)
        self.tally.repairable = len(self.repairable)
        self.tally.seen_in_time = len(self.seen)
