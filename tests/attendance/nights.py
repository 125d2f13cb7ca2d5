"""Clinics with a night to judge, cases to report and people to tell."""

import datetime
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from django.db import connection
from django.utils import timezone

from attendance.clinics import open_clinic
from attendance.models import AbsenceRule, AttendanceRecord, Flag, NightlyRun, ReportDelivery
from attendance.models.standards import Severity
from attendance.reports import due_nights, nightly
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic, Therapist, User
from iop_clinic.accounts.roles import Role
from patients.models import Episode
from scheduling.models import Group, Session
from tests import factories, services

Kind = AbsenceRule.Kind
HOUR = datetime.timedelta(hours=1)
_numbers = itertools.count()


def clinic_with_timetable(**extra: Any) -> Clinic:
    clinic: Clinic = factories.ClinicFactory.create(**extra)
    factories.WeeklyBlockFactory(group__clinic=clinic)
    return clinic


def staffed_clinic(therapists: int = 2, **extra: Any) -> tuple[Clinic, list[User]]:
    """A clinic with a timetable whose coordinator, administrator and therapists get reports."""
    clinic = clinic_with_timetable(**extra)
    roles = [Role.COORDINATOR, Role.ADMINISTRATOR, *[Role.THERAPIST] * therapists]
    return clinic, [factories.staff(clinic, role) for role in roles]


def judged_clinic(patients: int) -> tuple[Clinic, list[User]]:
    """A clinic with its standards and rules, and a first patient who stayed away without a call.

    The others came, to the same hour of the night last due; each has another therapist.
    """
    clinic = open_clinic(name=f"Clinic {next(_numbers)}", zone="America/New_York", by=Job("test"))
    clinic.refresh_from_db()
    people = [factories.staff(clinic, Role.COORDINATOR)]
    people += [factories.staff(clinic, Role.THERAPIST) for _ in range(patients)]
    day = night(clinic).local_date
    held = factories.session(clinic, day.isoformat(), "09:00", "10:00", capacity=12)
    for seat, person in enumerate(people[1:], start=1):
        therapist = person.memberships.get().therapist
        admitted_on = day - 14 * due_nights.DAY
        episode = factories.admitted(clinic, on=admitted_on, primary_therapist=therapist)
        booked = factories.booking(held, episode, seat)
        minutes = {} if seat == 1 else {"attended_minutes": 60, "credited_minutes": 60}
        AttendanceRecord.objects.create(clinic=clinic, booking=booked, attended=seat > 1, **minutes)
    return clinic, people


def night(clinic: Clinic, days_ago: int = 0) -> due_nights.Night:
    """The night last due, or one so many days before it."""
    last = due_nights.last_due(clinic, timezone.now())
    return due_nights.Night(clinic.pk, last - days_ago * due_nights.DAY)


def behind() -> list[list[due_nights.Night]]:
    """For each active clinic that is behind, its unfinished nights, oldest first."""
    now = timezone.now()
    rows = due_nights.clinics_with_progress(now)
    return [nights for clinic in rows if (nights := due_nights.due_nights_of(clinic, now))]


def run_row(night: due_nights.Night, state: str = "finished", **extra: Any) -> NightlyRun:
    now = timezone.now()
    if state == "finished":
        extra.setdefault("finished_at", now)
    extra.setdefault("lease_until", now)
    return NightlyRun.objects.create(
        clinic_id=night.clinic_id, local_date=night.local_date, state=state, **extra
    )


def case(
    clinic: Clinic,
    *,
    episode: Episode | None = None,
    session: Session | None = None,
    group: Group | None = None,
    therapist: Therapist | None = None,
    severity: int = Severity.ACT,
    **extra: Any,
) -> Flag:
    """An open case about an episode of its own, unless a subject is given."""
    subjects: list[Any] = [episode, session, group, therapist]
    if not any(subjects):
        subjects[0] = factories.EpisodeFactory.create(
            patient__clinic=clinic, program__clinic=clinic
        )
    kind, subject = next((n, row) for n, row in enumerate(subjects, start=1) if row)
    rules = (Kind.NO_CALL_DAY, Kind.UNRECORDED, Kind.GROUP_TOO_SMALL, Kind.CASELOAD)
    now = timezone.now()
    defaults: dict[str, Any] = {
        "rule": rules[kind - 1],
        "opened_for": now.date(),
        "opened_at": now,
        "changed_at": extra.get("opened_at", now),
        "due_at": now + 8 * HOUR,
        "owner_role": Role.THERAPIST,
        "evidence_key": f"key {next(_numbers)}",
        "sentence": "Missed a day without a call.",
    }
    return Flag.objects.create(
        clinic=clinic,
        subject_type=kind,
        subject_id=subject.pk,
        **dict(zip(("episode", "session", "group", "therapist"), subjects, strict=True)),
        severity=severity,
        **{**defaults, **extra},
    )


def reported_night(clinic: Clinic) -> list[ReportDelivery]:
    """Report the last due night as if it had just been judged; its deliveries, by recipient.

    The judgement is left out: it would close cases that no facts stand behind. The weekly report
    that a first night may bring is left out as well.
    """
    run_row(night(clinic), "evaluated")
    nightly.run_nights([night(clinic)])
    nightly_ones = ReportDelivery.objects.filter(clinic=clinic, report__kind="nightly")
    return list(nightly_ones.order_by("recipient"))


def until(condition: Callable[[], Any], what: str, seconds: float = 40) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"Waited {seconds} s for: {what}"
        time.sleep(0.05)


@contextmanager
def blocked(table: str) -> Iterator[None]:
    """Nobody else writes to the table: whoever tries waits in the middle of its transaction."""
    with psycopg.connect(services._conninfo(services.database_url(connection.settings_dict))) as c:
        c.execute(f"LOCK TABLE {table} IN SHARE MODE")
        yield
        with suppress(psycopg.OperationalError):  # gone when the test restarts the database
            c.rollback()
