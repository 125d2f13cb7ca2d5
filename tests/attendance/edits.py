"""A clinic to which anything happens: random facts, day by day, written past every service."""

import datetime
import random
from typing import Any

from django.utils import timezone

from attendance.models import AbsenceRule, AttendanceRecord, Flag, OutreachAttempt, Standard
from patients.models import CourtReferral, Coverage, Episode, EpisodeHold, Level, TreatmentPlan
from scheduling.models import Booking, CallIn, Session
from tests import factories as f
from tests.attendance.house import MON, House

DAY = datetime.timedelta(days=1)
PEOPLE = 10


class Edits:
    """`before(day)` writes what happened up to the night that judges a local date."""

    def __init__(self, house: House, dice: random.Random) -> None:
        self.house, self.dice = house, dice
        self.people = [house.patient(on=MON - 21 * DAY, seat=n + 1) for n in range(PEOPLE)]
        self.same: dict[str, Any] = {"clinic": house.clinic}
        for week in range(-2, 7):
            self._week(MON + 7 * week * DAY)
        for n in range(-14, 0):
            self._record(MON + n * DAY, unrecorded=2)

    def _week(self, monday: datetime.date) -> None:
        for weekday in (0, 2, 4):
            self.house.day(monday + weekday * DAY, self.people)
            self.house.day(monday + weekday * DAY, self.people[:4], "13:00", "13:50")
        self.house.day(monday + DAY, self.people[:3], "13:00", "14:00", capacity=12)

    def before(self, day: datetime.date) -> None:
        self._record(day, unrecorded=8)
        for _ in range(self.dice.randrange(4)):
            getattr(self, self.dice.choice(CHANGES))(day)

    def _record(self, day: datetime.date, *, unrecorded: int) -> None:
        """Most come; some late, some away with or without a call, some rosters not in."""
        for pat in self.people:
            match self.dice.randrange(100):
                case n if n < unrecorded:
                    continue
                case n if n < 72:
                    self._write(pat, day, attended=True)
                case n if n < 78:
                    self._write(pat, day, attended=True, arrived="09:30")
                case n if n < 82:
                    self._write(pat, day, attended=True, left="11:00")
                case n if n < 90:
                    told = {"absence_reason": "illness", "notified_at": self.house.at(day, "07:00")}
                    self._write(pat, day, attended=False, **told)
                case _:
                    self._write(pat, day, attended=False)

    def _write(self, pat: Episode, day: datetime.date, **facts: Any) -> None:
        if "arrived" in facts or "left" in facts:
            rows = Booking.objects.filter(episode=pat, session__local_date=day, live=True)
            if rows.exclude(starts_at=self.house.at(day, "09:00")).exists():
                facts = {"attended": True}  # the clock of one session does not fit the other
        write = self.house.came if facts.pop("attended") else self.house.missed
        rows = Booking.objects.filter(episode=pat, session__local_date=day, state="withdrawn")
        if not rows.exists():
            write(pat, day, **facts)

    def _pat(self) -> Episode:
        return self.dice.choice(self.people)

    def _past(self, day: datetime.date) -> datetime.date:
        return day - self.dice.randrange(1, 16) * DAY

    # What may happen on any day

    def late_roster(self, day: datetime.date) -> None:
        for pat in self.people:
            for n in range(1, 15):
                then = day - n * DAY
                rows = Booking.objects.filter(episode=pat, session__local_date=then, live=True)
                if rows.filter(attendance=None).exists():
                    self._write(pat, then, attended=self.dice.random() < 0.5)

    def correction(self, day: datetime.date) -> None:
        self._write(self._pat(), self._past(day), attended=self.dice.random() < 0.5)

    def proof(self, day: datetime.date) -> None:
        rows = AttendanceRecord.objects.filter(
            **self.same, attended=False, booking__session__local_date__gte=day - 5 * DAY
        )
        for record in rows[:2]:
            record.proof = self.dice.choice(["pending", "accepted", "none"])
            record.save()

    def cleared_record(self, day: datetime.date) -> None:
        rows = AttendanceRecord.objects.filter(
            booking__episode=self._pat(), booking__session__local_date__gte=self._past(day)
        )
        rows.filter(pk__in=list(rows.values_list("pk", flat=True)[:1])).delete()

    def withdrawn(self, day: datetime.date) -> None:
        self._bookings(day).update(state="withdrawn", withdrawn_reason="Changed")

    def released(self, day: datetime.date) -> None:
        self._bookings(day).update(state="released", released_at=self.house.at(day, "12:00"))

    def _bookings(self, day: datetime.date) -> Any:
        rows = Booking.objects.filter(
            episode=self._pat(),
            session__local_date=day + self.dice.randrange(1, 7) * DAY,
            state="booked",
            live=True,
        )
        return Booking.objects.filter(pk__in=list(rows.values_list("pk", flat=True)))

    def cancelled(self, day: datetime.date) -> None:
        then = day + self.dice.randrange(1, 5) * DAY
        for session in Session.objects.filter(**self.same, local_date=then, state="scheduled")[:1]:
            self.house.cancel(session)

    def make_up(self, day: datetime.date) -> None:
        self._more(self._pat(), day + DAY, "18:00", "21:00")

    def more_hours(self, day: datetime.date) -> None:
        pat = self._pat()
        for n in range(3):
            self._more(pat, day + n * DAY, "14:30", "17:30")

    def _more(self, pat: Episode, day: datetime.date, starts: str, ends: str) -> None:
        held = Booking.objects.filter(episode=pat, starts_at=self.house.at(day, starts))
        if not held.exists():  # the same may be drawn again
            self.house.day(day, [pat], starts, ends)

    def hold(self, day: datetime.date) -> None:
        pat, first = self._pat(), day + self.dice.randrange(-3, 3) * DAY
        if not pat.holds.exists():
            last = first + self.dice.randrange(5) * DAY
            EpisodeHold.objects.create(
                **self.same, episode=pat, reason="leave", starts_on=first, ends_on=last
            )

    def priority(self, day: datetime.date) -> None:
        until = self.dice.choice([None, day, day + DAY, day + 3 * DAY])
        rows = Episode.objects.filter(pk=self._pat().pk)
        rows.update(priority=self.dice.choice(["", "suicide_risk"]), priority_until=until)

    def discharge(self, day: datetime.date) -> None:
        rows = Episode.objects.filter(pk=self._pat().pk, state="admitted")
        rows.update(state="discharged", discharged_on=day, discharge_reason="completed")

    def death(self, day: datetime.date) -> None:
        if self.dice.random() < 0.2:
            pat = self._pat().patient
            pat.deceased_on = day
            pat.save()

    def plan(self, day: datetime.date) -> None:
        pat, first = self._pat(), day + self.dice.randrange(-8, 5) * DAY
        if pat.plans.count() == 1 and pat.plans.get().starts_on < first:
            pat.plans.update(ends_on=first - DAY)
            more = {"level": Level.PHP, "weekly_minutes_target": 1200}
            chosen = self.dice.choice([more, {"weekly_minutes_target": 720}])
            TreatmentPlan.objects.create(**self.same, episode=pat, starts_on=first, **chosen)

    def court(self, day: datetime.date) -> None:
        CourtReferral.objects.create(
            **self.same, episode=self._pat(), court="District", starts_on=self._past(day)
        )

    def payer(self, day: datetime.date) -> None:
        payer = f.PayerFactory(clinic=self.house.clinic)
        patient = self._pat().patient
        Coverage.objects.create(**self.same, patient=patient, payer=payer, starts_on=day)
        if not Standard.objects.filter(**self.same, source=Standard.Source.PAYER).exists():
            Standard.objects.create(
                **self.same, name="Payer", source=Standard.Source.PAYER, min_minutes=480,
                starts_on=MON - 21 * DAY, prorate=False, week_starts_on=6,
            )  # fmt: skip

    def severity(self, day: datetime.date) -> None:
        kind = self.dice.choice(list(AbsenceRule.Kind))
        rules = AbsenceRule.objects.filter(**self.same, kind=kind)
        rules.update(severity=self.dice.randrange(1, 5))

    def call(self, day: datetime.date) -> None:
        CallIn.objects.create(
            **self.same, episode=self._pat(), from_date=day, to_date=day,
            notified_at=self.house.at(day, "08:00"), taken_by=self.house.user,
        )  # fmt: skip

    # What staff do with the cases

    def closed(self, day: datetime.date) -> None:
        self._cases(
            state="closed", outcome="reached", closed_at=timezone.now(), closed_by_facts=False
        )

    def snoozed(self, day: datetime.date) -> None:
        self._cases(state="snoozed", snoozed_until=day + self.dice.randrange(1, 4) * DAY)

    def reached(self, day: datetime.date) -> None:
        for flag in Flag.objects.filter(**self.same, episode__isnull=False).open()[:1]:
            OutreachAttempt.objects.create(
                **self.same, flag=flag, episode=flag.episode, method="call", result="reached",
                attempted_by=self.house.user, attempted_at=self.house.at(day, "12:00"),
            )  # fmt: skip

    def _cases(self, **changes: Any) -> None:
        keys = list(Flag.objects.filter(**self.same).open().values_list("pk", flat=True))
        some = self.dice.sample(keys, min(len(keys), 4))
        Flag.objects.filter(pk__in=some).update(**changes)


CHANGES = [
    *("late_roster", "correction", "proof", "cleared_record", "withdrawn", "released", "cancelled"),
    *("make_up", "more_hours", "hold", "priority", "discharge", "death", "plan", "court", "payer"),
    *("severity", "call", "closed", "closed", "snoozed", "reached"),
]
