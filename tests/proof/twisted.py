"""The demo clinic made hard: everything that its own stories leave out, by seed.

Standards of payers and courts with weeks of their own, other credit rules, holds, changes of plan
and payer, visits nested in groups, times away, sessions on the night the clocks change,
cancellations, missing rosters.
"""

from __future__ import annotations

import datetime
import random
from typing import Any

from django.db.models import Exists, OuterRef, Q

from attendance.models import AttendanceRecord, CreditRule, Standard
from attendance.records.entries import Entry
from attendance.records.services import clear, correct, record_roster
from attendance.records.sheet import locked_sheet
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic, User, Weekday
from patients.models import (
    AgeBracket,
    CourtReferral,
    Coverage,
    Episode,
    EpisodeHold,
    Level,
    Payer,
    Program,
    TreatmentPlan,
)
from scheduling.models import Booking, Session, SessionType, WeeklyBlock
from scheduling.services import cancel_session, release
from scheduling.services.bookings import book
from tests import factories as f

JOB = Job("twist")
DAY = datetime.timedelta(days=1)
MINUTE = datetime.timedelta(minutes=1)
SATURDAY, SUNDAY = 5, 6


class Twist:
    def __init__(self, clinic: Clinic, seed: int, now: datetime.datetime) -> None:
        self.clinic, self.now = clinic, now
        self.rng = random.Random(seed)
        self.today = now.astimezone(clinic.tz).date()
        self.monday = self.today - self.today.weekday() * DAY
        self.user = User.objects.get(email="coordinator@example.com")
        self.types = {row.name: row for row in SessionType.objects.filter(clinic=clinic)}

    def all(self) -> None:
        self.standards()
        self.holds()
        self.plans()
        self.payers_and_courts()
        self.workshops()
        self.nights_of_the_clock()
        self.visits()
        self.corrections()
        self.missing()
        self.cancellations()
        self.notices()
        self.templates()
        self.credit_rules()

    def some(self, rows: Any, count: int) -> list[Any]:
        """So many rows of a query, the same ones for the same seed."""
        found = list(rows.order_by("pk"))
        return self.rng.sample(found, min(count, len(found)))

    def a_day(self, first: int = -70, last: int = -1) -> datetime.date:
        return self.today + self.rng.randint(first, last) * DAY

    def episodes(self, **extra: Any) -> Any:
        return Episode.objects.filter(clinic=self.clinic, admitted_on__isnull=False, **extra)

    # --- what judges -----------------------------------------------------------------------------

    def standards(self) -> None:
        """A new version of the program's, one program's own, four payers', two courts'."""
        changed = self.monday - 38 * DAY  # a Friday
        own = Standard.objects.filter(clinic=self.clinic, level=Level.IOP, source=1)
        own.filter(age_bracket=AgeBracket.ADULT).update(ends_on=changed - DAY)
        granite, bluestone, nutmeg = (
            Payer.objects.get(clinic=self.clinic, name=name)
            for name in ("Granite Health Plan", "Bluestone Mutual", "Nutmeg Care")
        )
        sud = Program.objects.get(clinic=self.clinic, kind="substance_use")
        mental = Program.objects.get(clinic=self.clinic, kind="co_occurring")
        groups = [self.types["Group therapy"].pk, self.types["Education"].pk]
        self._standard("Tighter", prorate=True, min_minutes=570, starts_on=changed)
        self._standard("Mental", prorate=True, program=mental, min_minutes=600, min_days=4)
        self._standard("Granite", source=2, payer=granite, week_starts_on=Weekday.SUNDAY)
        self._standard(
            "Any payer", source=2, basis="attended", counted_types=groups, max_minutes=600
        )
        self._standard(
            "Nutmeg", source=2, payer=nutmeg, services_per_day=3, week_starts_on=Weekday.WEDNESDAY
        )
        self._standard(
            "Bluestone", source=2, payer=bluestone, age_bracket=2, basis="scheduled",
            min_minutes=300, day_threshold=60,
        )  # fmt: skip
        self._standard("Court", source=3, min_minutes=300, week_starts_on=Weekday.SUNDAY)
        self._standard("Court of SUD", source=3, program=sud, min_days=2, starts_on=changed)
        self._standard("PHP payer", source=2, level=Level.PHP, min_minutes=900, max_minutes=None)

    def _standard(self, name: str, **extra: Any) -> None:
        extra = {"starts_on": datetime.date(2020, 1, 1), "prorate": False, **extra}
        Standard.objects.create(clinic=self.clinic, name=name, **extra)

    def credit_rules(self) -> None:
        """Quarters for two weeks, then all or nothing for two, then exact minutes again."""
        first = self.monday - 42 * DAY
        kinds = CreditRule.Kind
        CreditRule.objects.filter(clinic=self.clinic).update(ends_on=first - DAY)
        for kind, begins, ends in (
            (kinds.ROUND_DOWN, first, first + 13 * DAY),
            (kinds.ALL_OR_NOTHING, first + 14 * DAY, first + 27 * DAY),
            (kinds.EXACT, first + 28 * DAY, None),
        ):
            CreditRule.objects.create(clinic=self.clinic, kind=kind, starts_on=begins, ends_on=ends)
        sessions = Session.objects.filter(clinic=self.clinic, live=True)
        for session in sessions.filter(
            local_date__range=(first, first + 27 * DAY), bookings__attendance__isnull=False
        ).distinct():
            sheet = locked_sheet([session.pk])
            if sheet.recompute():
                sheet.save()

    # --- who is treated how ----------------------------------------------------------------------

    def holds(self) -> None:
        for number, episode in enumerate(self.some(self.episodes(), 24)):
            first = max(self.a_day(), episode.admitted_on)
            last = None if number < 3 else first + self.rng.randint(0, 16) * DAY
            EpisodeHold.objects.create(
                clinic=self.clinic, episode=episode, reason="hospital",
                starts_on=first, ends_on=last,
            )  # fmt: skip

    def plans(self) -> None:
        """Some days of PHP or outpatient care within a stay; days without any plan; a death."""
        for number, episode in enumerate(self.some(self.episodes(state="admitted"), 14)):
            plan = TreatmentPlan.objects.filter(episode=episode, ends_on=None).get()
            first = max(self.a_day(), plan.starts_on + DAY)
            last = first + self.rng.randint(0, 20) * DAY
            after = last + DAY if number % 4 else last + 4 * DAY
            plan.ends_on = first - DAY
            plan.save()
            level = self.rng.choice([Level.PHP, Level.PHP, Level.OP, Level.IOP])
            target = {Level.PHP: 1200, Level.OP: 60, Level.IOP: 600}[level]
            same = {"clinic": self.clinic, "episode": episode, "age_bracket": plan.age_bracket}
            TreatmentPlan.objects.create(
                **same, level=level, weekly_minutes_target=target, starts_on=first, ends_on=last
            )
            TreatmentPlan.objects.create(**same, weekly_minutes_target=540, starts_on=after)
        [gone] = self.some(self.episodes(state="admitted"), 1)
        gone.patient.deceased_on = self.a_day(-20)
        gone.patient.save()

    def payers_and_courts(self) -> None:
        payers = list(Payer.objects.filter(clinic=self.clinic).order_by("pk"))
        for coverage in self.some(Coverage.objects.filter(clinic=self.clinic), 30):
            first = self.a_day()
            coverage.ends_on = max(first - self.rng.randint(0, 3) * DAY, coverage.starts_on)
            coverage.save()
            others = [payer for payer in payers if payer.pk != coverage.payer_id]
            Coverage.objects.create(
                clinic=self.clinic, patient=coverage.patient, payer=self.rng.choice(others),
                starts_on=max(first, coverage.ends_on + DAY),
            )  # fmt: skip
        for episode in self.some(self.episodes(), 12):
            first = self.a_day()
            CourtReferral.objects.create(
                clinic=self.clinic, episode=episode, court="County", starts_on=first,
                ends_on=first + self.rng.randint(0, 40) * DAY,
            )  # fmt: skip

    def templates(self) -> None:
        """Some standing hours only every second week."""
        own = WeeklyBlock.objects.filter(clinic=self.clinic, episode__isnull=False)
        for block in self.some(own, 30):
            block.every_weeks = 2
            block.save()

    # --- what was held ---------------------------------------------------------------------------

    def workshops(self) -> None:
        """Long Saturdays with two breaks; the last ones lie ahead."""
        for weeks in (-7, -5, -3, -1, 0, 1):
            day = self.monday + (7 * weeks + SATURDAY) * DAY
            self._held(day, "10:00", "13:20", breaks=[[60, 70], [130, 140]])

    def nights_of_the_clock(self) -> None:
        """Over the hour that is skipped or had twice, and the same hours a week before."""
        for n in range(-84, 0):
            day = self.today + n * DAY
            midnight, next_midnight = (
                f.at(self.clinic, str(day), "00:00"),
                f.at(self.clinic, str(day + DAY), "00:00"),
            )
            if next_midnight - midnight != DAY:
                for night in (day - 7 * DAY, day):
                    self._held(night, "00:30", "04:00", breaks=[[45, 75], [100, 130]])

    def _held(self, day: datetime.date, starts: str, ends: str, **extra: Any) -> None:
        kind = self.types[self.rng.choice(["Multi-family", "Education", "Recreation"])]
        session = f.session(
            self.clinic, str(day), starts, ends, session_type=kind, capacity=40, **extra
        )
        there = self.episodes(admitted_on__lte=day).exclude(discharged_on__lt=day)
        for seat, episode in enumerate(self.some(there, 14), start=1):
            f.booking(session, episode, seat)
        if session.ends_at <= self.now:
            record_roster(session=session, by=JOB, all_present=True, now=self.now)

    def visits(self) -> None:
        """Pull-outs to the prescriber or a drug screen: seen, in part, missed, not recorded."""
        rows = Booking.objects.filter(clinic=self.clinic, live=True, state="booked")
        held = EpisodeHold.objects.filter(
            Q(ends_on=None) | Q(ends_on__gte=OuterRef("session__local_date")),
            episode=OuterRef("episode"),
            starts_on__lte=OuterRef("session__local_date"),
        )
        rows = rows.filter(~Exists(held), patient__deceased_on=None).exclude(session__capacity=1)
        rows = rows.select_related("session", "episode")
        past = self.some(rows.filter(ends_at__lte=self.now), 60)
        long = self.some(rows.filter(session__breaks__len__gt=0, ends_at__lte=self.now), 12)
        ahead = self.some(rows.filter(starts_at__gt=self.now), 16)
        for outer in dict.fromkeys([*past, *long, *ahead]):
            self._visit(outer)

    def _visit(self, outer: Booking) -> None:
        kind = self.rng.choice(["Prescriber visit", "Drug screen"])
        length = (outer.ends_at - outer.starts_at) // MINUTE
        minutes = self.rng.randint(15, 40)
        begins = outer.starts_at + self.rng.randint(0, length - minutes) * MINUTE
        session = Session.objects.create(
            clinic=self.clinic, session_type=self.types[kind], capacity=1, ceiling=1,
            starts_at=begins, ends_at=begins + minutes * MINUTE, zone=self.clinic.zone,
            local_date=begins.astimezone(self.clinic.tz).date(),
        )  # fmt: skip
        visit = book(session=session, episode=outer.episode, nested_in=outer, by=JOB)
        if session.ends_at > self.now:
            if self.rng.random() < 0.3:
                release(booking=visit, notified_at=self.now, reason="work", by=self.user)
            return
        told = self.rng.choice(["seen", "late", "left", "missed", "unrecorded"])
        facts: dict[str, Any] = {"attended": told != "missed"}
        if told == "late":
            facts["arrived_at"] = begins + self.rng.randint(-9, 14) * MINUTE
        if told == "left":
            facts["left_at"] = begins + self.rng.randint(1, 60) * MINUTE
        if told != "unrecorded":
            entry = Entry(booking=visit.public_id, **facts)
            record_roster(session=session, entries=[entry], by=JOB, now=self.now)

    # --- what happened ---------------------------------------------------------------------------

    def corrections(self) -> None:
        """Other arrivals, departures and times away, told freely around the session."""
        rows = AttendanceRecord.objects.filter(clinic=self.clinic).select_related("booking")
        for record in self.some(rows, 160):
            start, end = record.booking.starts_at, record.booking.ends_at
            length = (end - start) // MINUTE
            at = sorted(self.rng.sample(range(-20, length + 20), 2))
            facts: dict[str, Any] = {"attended": True}
            if self.rng.random() < 0.6:
                facts["arrived_at"] = start + at[0] * MINUTE
            if self.rng.random() < 0.6:
                facts["left_at"] = start + at[1] * MINUTE
            if self.rng.random() < 0.5:
                facts["away"] = self._away(start, length)
            changes = {"arrived_at": None, "left_at": None, "away": [], **facts}
            correct(
                booking=record.booking, changes=changes, version=record.version,
                correction_reason="Told later", by=JOB, now=self.now,
            )  # fmt: skip

    def _away(self, start: datetime.datetime, length: int) -> list[tuple[Any, Any]]:
        """One to three times out of the room, told in order, some of them around the session."""
        times = self.rng.randint(1, 3)
        marks = sorted(self.rng.sample(range(-10, length + 10), 2 * times))
        at = [start + mark * MINUTE for mark in marks]
        return list(zip(at[::2], at[1::2], strict=True))

    def missing(self) -> None:
        rows = AttendanceRecord.objects.filter(clinic=self.clinic).select_related("booking")
        for record in self.some(rows.filter(booking__starts_at__gte=self.now - 40 * DAY), 12):
            self._clear(record)

    def _clear(self, record: AttendanceRecord) -> None:
        clear(
            booking=record.booking, version=record.version, correction_reason="Wrong sheet",
            by=JOB, now=self.now,
        )  # fmt: skip

    def cancellations(self) -> None:
        """Single sessions called off by the clinic: of groups, of one patient, past and ahead."""
        rows = Session.objects.filter(clinic=self.clinic, live=True)
        groups = rows.filter(group__isnull=False)
        chosen = self.some(groups.filter(ends_at__lte=self.now), 5)
        chosen += self.some(groups.filter(starts_at__gt=self.now), 3)
        chosen += self.some(rows.filter(group__isnull=True, ends_at__lte=self.now), 8)
        for session in chosen:
            for record in AttendanceRecord.objects.filter(booking__session=session):
                self._clear(record)
            cancel_session(session=session, reason="Leader ill", by=JOB)

    def notices(self) -> None:
        """Patients who gave up seats of days to come."""
        rows = Booking.objects.filter(clinic=self.clinic, live=True, state="booked")
        for booking in self.some(rows.filter(starts_at__gt=self.now), 25):
            release(booking=booking, notified_at=self.now, reason="illness", by=self.user)
