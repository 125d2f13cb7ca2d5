"""A clinic with its default rules and treatment days through real rows, in few words.

    house = House()
    pat = house.patient()
    house.day("2026-03-02", [pat])           # 09:00-12:20, two breaks of ten: 180 minutes
    house.came(pat, "2026-03-02", left="10:00")

Times are the clinic's wall times. The group of the house meets Monday, Wednesday and Friday.
"""

import datetime
from typing import Any

from attendance.clinics import open_clinic
from attendance.compliance.evaluation import EvaluationCounts, evaluate
from attendance.compliance.status import PatientWeek, week_statuses
from attendance.models import AttendanceRecord, Flag
from attendance.records.facts import attendance_facts, policy_on, session_facts
from attendance.records.rules import attended_minutes, credited_minutes
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.roles import Role
from patients.models import Episode
from scheduling.models import Booking, GroupMembership, Session, SessionType
from tests import factories as f

JOB = Job("nightly")
BREAKS = [[60, 70], [130, 140]]
MON, TUE, WED, THU, FRI, SAT, SUN = (datetime.date(2026, 3, n) for n in range(2, 9))
BEFORE = datetime.date(2026, 1, 5)


def iso(day: datetime.date | str) -> str:
    return day if isinstance(day, str) else day.isoformat()


class House:
    def __init__(self, zone: str = "America/New_York", **extra: Any) -> None:
        extra.setdefault("name", f.ClinicFactory.build().name)
        self.clinic = open_clinic(zone=zone, by=JOB, **extra)
        self.clinic.refresh_from_db()
        types = SessionType.objects.filter(clinic=self.clinic)
        self.type = types.get(name="Group therapy")
        self.drug_screen = types.get(name="Drug screen")
        self.user = f.staff(self.clinic, Role.THERAPIST)
        self.therapist = self.user.memberships.get().therapist
        self.group = f.GroupFactory(clinic=self.clinic, min_size=1)
        for weekday in (0, 2, 4):
            f.WeeklyBlockFactory(
                group=self.group,
                valid_from=BEFORE,
                session_type=self.type,
                weekday=weekday,
                ends_at=datetime.time(12, 20),
                breaks=BREAKS,
                facilitator=self.therapist,
            )

    # People

    def patient(self, on: datetime.date = MON, *, seat: int | None = 1, **extra: Any) -> Episode:
        """Admitted, with a plan, cared for by the house's therapist, in the group."""
        extra.setdefault("primary_therapist", self.therapist)
        episode = f.admitted(self.clinic, on=on, program=self.group.program, **extra)
        if seat is not None:
            GroupMembership.objects.create(
                clinic=self.clinic, group=self.group, episode=episode, seat=seat, starts_on=on
            )
        return episode

    # Days

    def at(self, day: datetime.date | str, clock: str) -> datetime.datetime:
        return f.at(self.clinic, iso(day), clock)

    def day(
        self,
        day: datetime.date | str,
        people: list[Episode],
        starts: str = "09:00",
        ends: str = "12:20",
        *,
        state: str = "booked",
        **extra: Any,
    ) -> Session:
        """A session with everybody booked; a treatment day of 180 minutes unless said otherwise."""
        extra.setdefault("session_type", self.type)
        extra.setdefault("breaks", BREAKS if (starts, ends) == ("09:00", "12:20") else [])
        extra.setdefault("capacity", max(12, len(people)))
        session = f.session(self.clinic, iso(day), starts, ends, **extra)
        for seat, episode in enumerate(people, start=1):
            released = {"released_at": session.starts_at} if state == "released" else {}
            f.booking(session, episode, seat, state=state, **released)
        return session

    def cancel(self, session: Session) -> None:
        session.state, session.cancelled_reason = Session.State.CANCELLED, "Snow"
        session.cancelled_at = session.starts_at
        session.save()

    # Facts

    def came(self, episode: Episode, day: datetime.date | str, **facts: Any) -> None:
        """Present at every session of the day; `arrived` and `left` are wall times."""
        for name in ("arrived", "left"):
            if name in facts:
                facts[f"{name}_at"] = self.at(day, facts.pop(name))
        self.record(episode, day, attended=True, **facts)

    def missed(self, episode: Episode, day: datetime.date | str, **facts: Any) -> None:
        self.record(episode, day, attended=False, **facts)

    def called_in(self, episode: Episode, day: datetime.date | str) -> None:
        """Told with a listed reason before the day's first session: excused."""
        self.missed(episode, day, absence_reason="illness", notified_at=self.at(day, "08:00"))

    def record(self, episode: Episode, day: datetime.date | str, **facts: Any) -> None:
        rows = Booking.objects.filter(episode=episode, session__local_date=iso(day), live=True)
        for booking in rows.select_related("session__session_type"):
            AttendanceRecord.objects.filter(booking=booking).delete()
            record = AttendanceRecord(clinic=self.clinic, booking=booking, **facts)
            session, told = session_facts(booking.session), attendance_facts(record)
            policy = policy_on(self.clinic, booking.session.local_date)
            record.attended_minutes = attended_minutes(session, told)
            record.credited_minutes = credited_minutes(session, told, policy)
            record.save()

    def full_week(self, episode: Episode, *days: datetime.date) -> None:
        for day in days or (MON, WED, FRI):
            self.day(day, [episode])
            self.came(episode, day)

    # Judging

    def morning(self, day: datetime.date) -> datetime.datetime:
        """05:00 on the morning after a local date: when it is judged."""
        return self.at(day + datetime.timedelta(days=1), "05:00")

    def night(self, day: datetime.date) -> EvaluationCounts:
        return evaluate(clinic=self.clinic, local_date=day, by=JOB, now=self.morning(day))

    def week(
        self, episode: Episode, start: datetime.date = MON, now: datetime.datetime | None = None
    ) -> PatientWeek:
        now = now or self.morning(start + datetime.timedelta(days=6))
        found = week_statuses(clinic=self.clinic, episode_ids=[episode.pk], weeks=[start], now=now)
        (week,) = found.values()
        return week

    def flags(self, *rules: int) -> list[Flag]:
        rows = Flag.objects.filter(clinic=self.clinic).order_by("pk")
        return list(rows.filter(rule__in=rules) if rules else rows)
