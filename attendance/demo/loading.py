"""Bring the demo clinic in the way any clinic comes in, give its people logins, and count it."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db.models import Count, Q

from attendance.compliance.evaluation import evaluate
from attendance.compliance.status import WeekStatus, week_statuses
from attendance.demo import files, neighbor
from attendance.demo.courses import WEEKS, Calendar
from attendance.demo.desk import Desk
from attendance.demo.files import demo_tables, write_tables
from attendance.demo.timetable import COHORTS
from attendance.imports.services import Progress, import_clinic
from attendance.models import AttendanceRecord
from iop_clinic.accounts.acting import Job, acting, service
from iop_clinic.accounts.models import Clinic, Membership, Therapist, User
from iop_clinic.accounts.weeks import day_instants
from patients.models import Authorization, CourtReferral, Episode
from scheduling.models import Booking, GroupMembership, Room, Session, WaitlistEntry

PASSWORD = "demo-clinic"  # noqa: S105  published in the README
JOB = Job("demo")
MORNINGS = 14
SATURDAY = 5
Tables = Callable[[int, datetime.date], dict[str, files.Rows]]


class DemoWrong(Exception):
    """The demo in the database is not the one that is described."""


def load_demo(
    *,
    folder: Path,
    now: datetime.datetime,
    seed: int = files.SEED,
    progress: Progress = lambda rows: None,
) -> list[str]:
    """Write the CSV sets under `folder`, import what is not there yet, set passwords.

    Returns what was done, in lines. Raises DemoWrong outside demo and test, and when the counts
    are not those of the demo.
    """
    if settings.MODE not in ("demo", "test"):
        raise DemoWrong("The demo has published passwords: it is loaded in demo mode only.")
    said = []
    for name, zone, tables, place in (
        (files.NAME, files.ZONE, demo_tables, "csv"),
        (neighbor.NAME, neighbor.ZONE, neighbor.neighbor_tables, "csv-neighbor"),
    ):
        if Clinic.objects.filter(name=name).exists():
            said.append(f"{name} is already loaded.")
            continue
        today = now.astimezone(ZoneInfo(zone)).date()
        written = write_tables(tables(seed, today), folder / place)
        outcome = import_clinic(folder=written, by=JOB, now=now, progress=progress)
        said.append(f"{name} from {written}: {outcome.total}")
        if name == files.NAME:
            clinic = Clinic.objects.get(name=name)
            said += check(count(clinic, today, now))
            play_mornings(clinic=clinic, today=today, seed=seed, by=JOB)
    set_passwords(by=JOB)
    return said


@service
def play_mornings(*, clinic: Clinic, today: datetime.date, seed: int, by: Job) -> None:
    """Judge the nights before the last one, and work the list of each business morning.

    So that the list of the first real morning holds what is new, beside what is left, and cases
    have a past.
    """
    desk = Desk(clinic, seed=seed)
    for ago in range(MORNINGS, 0, -1):
        day = today - datetime.timedelta(days=ago)
        now = datetime.datetime.combine(day, clinic.nightly_at, tzinfo=clinic.tz)
        with acting(by):
            evaluate(clinic=clinic, local_date=day - datetime.timedelta(days=1), by=by, now=now)
        if day.weekday() < SATURDAY:
            with acting(desk.person):  # in the trail, a case is worked by whoever works it
                desk.work(datetime.datetime.combine(day, clinic.opens_at, tzinfo=clinic.tz))


@service
def set_passwords(*, by: Job) -> None:
    """The published password for everybody of the two clinics who has none yet."""
    people = User.objects.filter(
        memberships__in=Membership.objects.filter(clinic__name__in=[files.NAME, neighbor.NAME])
    )
    hashed = make_password(PASSWORD)  # slow by design, and the password is no secret: once for all
    for user in people:
        if not user.has_usable_password():
            user.password = hashed
            user.save(update_fields=["password"])


@dataclass(frozen=True, slots=True)
class Expectation:
    """One figure of the demo and the inclusive range it must lie in."""

    what: str
    found: int
    least: int
    most: int

    def __str__(self) -> str:
        return f"{self.what:<42} {self.found}"


def check(expectations: list[Expectation]) -> list[str]:
    """The figures as lines. Raises DemoWrong with all that lie outside their range."""
    wrong = [
        f"{e.what}: {e.found}, not {e.least} to {e.most}"
        for e in expectations
        if not e.least <= e.found <= e.most
    ]
    if wrong:
        raise DemoWrong("The demo is not as described: " + "; ".join(wrong))
    return [f"  {expectation}" for expectation in expectations]


def count(clinic: Clinic, today: datetime.date, now: datetime.datetime) -> list[Expectation]:
    """The figures of the demo clinic, read from the database."""
    return [
        *_people(clinic, today),
        *_groups(clinic, today),
        *_week(clinic, Calendar(today)),
        *_history(clinic, today),
        _short(clinic, Calendar(today), now),
    ]


def _people(clinic: Clinic, today: datetime.date) -> list[Expectation]:
    episodes = Episode.objects.filter(clinic=clinic)
    active = episodes.active_on(today)
    live = Authorization.objects.filter(clinic=clinic)
    soon = live.filter(ends_on__range=(today, today + datetime.timedelta(days=3)))
    return [
        Expectation("patients in treatment", active.count(), 40, 40),
        Expectation("closed episodes", episodes.filter(state="discharged").count(), 70, 90),
        Expectation("therapists", Therapist.objects.filter(clinic=clinic).count(), 6, 6),
        Expectation("people who sign in", Membership.objects.filter(clinic=clinic).count(), 10, 10),
        Expectation("rooms", Room.objects.filter(clinic=clinic).count(), 6, 6),
        Expectation("authorizations", live.count(), 30, 34),
        Expectation("authorizations that end within 3 days", soon.count(), 3, 3),
        Expectation("authorizations lapsed", live.filter(ends_on__lt=today).count(), 1, 1),
        Expectation(
            "court referrals of patients in treatment",
            CourtReferral.objects.filter(clinic=clinic, episode__in=active).count(),
            5,
            5,
        ),
        Expectation(
            "on the waiting list", WaitlistEntry.objects.filter(clinic=clinic).count(), 4, 4
        ),
    ]


def _groups(clinic: Clinic, today: datetime.date) -> list[Expectation]:
    members = GroupMembership.objects.filter(clinic=clinic).on(today)
    sizes = dict(members.values_list("group__name").annotate(Count("pk")).order_by())
    return [
        Expectation(f"members of {cohort.name}", sizes.get(cohort.name, 0), *[cohort.members] * 2)
        for cohort in COHORTS
    ]


def _week(clinic: Clinic, calendar: Calendar) -> list[Expectation]:
    """The coming week, in which nobody begins or leaves."""
    first, last = calendar.day(1, 0), calendar.day(1, 6)
    sessions = Session.objects.live().filter(clinic=clinic).on(first, last)
    kinds = dict(sessions.values_list("session_type__kind").annotate(Count("pk")).order_by())
    booked = Booking.objects.expected().filter(session__in=sessions).count()
    in_groups = sessions.filter(group__isnull=False).count()
    return [
        Expectation("group sessions a week", in_groups, 36, 36),
        Expectation("individual sessions a week", kinds.get("individual", 0), 40, 40),
        Expectation("family sessions a week", kinds.get("family", 0), 6, 6),
        Expectation("expected attendances a week", booked, 410, 430),
    ]


def _history(clinic: Clinic, today: datetime.date) -> list[Expectation]:
    midnight, _ = day_instants(today, clinic.tz)
    past = Booking.objects.expected().filter(clinic=clinic, ends_at__lte=midnight)
    records = AttendanceRecord.objects.filter(clinic=clinic)
    attended = records.filter(attended=True).count()
    missing = past.filter(attendance__isnull=True).values("session").distinct().count()
    excused = Q(notified_at__isnull=False, attended=False)
    percent = round(100 * attended / max(1, past.count()))
    return [
        Expectation("past attendances expected", past.count(), 400 * WEEKS, 500 * (WEEKS + 1)),
        Expectation("percent attended", percent, 80, 84),
        Expectation("absences with notice", records.filter(excused).count(), 300, 900),
        Expectation("rosters not in", missing, 2, 2),
    ]


def _short(clinic: Clinic, calendar: Calendar, now: datetime.datetime) -> Expectation:
    """Whose last closed week is under the program's minutes or days."""
    week = calendar.day(-1, 0)
    there = Episode.objects.filter(clinic=clinic).active_on(calendar.day(-1, 4))
    weeks = week_statuses(
        clinic=clinic, episode_ids=list(there.values_list("pk", flat=True)), weeks=[week], now=now
    )
    short = sum(
        WeekStatus.SHORT in (judged.minutes_status, judged.days_status)
        for one in weeks.values()
        if (judged := one.program()) is not None
    )
    return Expectation("short in the last closed week", short, 14, 18)
