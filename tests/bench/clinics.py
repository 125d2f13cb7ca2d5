"""Clinics for the benchmark: 40 active patients each, 12 sessions a week from Monday to Thursday.

One clinic is built row by row through the models. All others are copies of it, made inside the
database with one INSERT ... SELECT a table, so that thousands take minutes. Attendance is thrown
for each patient-day by a hash of its keys: every run makes the same clinics.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any

from django.db import connection, models
from django.utils import timezone

from attendance.clinics import open_clinic
from attendance.models import AbsenceRule, CreditRule, Standard
from iop_clinic.accounts.acting import Job, acting
from iop_clinic.accounts.models import Clinic, License, Membership, Therapist, User
from iop_clinic.accounts.roles import Role
from patients.models import (
    AgeBracket,
    Coverage,
    Diagnosis,
    Episode,
    Evaluation,
    Patient,
    Payer,
    Program,
    ProgramAgreement,
    TreatmentPlan,
)
from scheduling.models import (
    Booking,
    Group,
    GroupMembership,
    Session,
    SessionStaff,
    SessionType,
    WeeklyBlock,
)

BENCH = Job("bench")
GROUPS = 4
MEMBERS = 10
PATIENTS = GROUPS * MEMBERS
WEEKDAYS = range(4)
STARTS = (datetime.time(9), datetime.time(10, 10), datetime.time(11, 20))
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)

COPIED: tuple[type[models.Model], ...] = (
    Clinic,
    User,
    Therapist,
    License,
    Membership,
    SessionType,
    Standard,
    CreditRule,
    AbsenceRule,
    Program,
    Payer,
    Group,
    WeeklyBlock,
    Patient,
    Episode,
    Evaluation,
    Diagnosis,
    ProgramAgreement,
    TreatmentPlan,
    Coverage,
    GroupMembership,
    Session,
    SessionStaff,
    Booking,
)
"""Every table of the first clinic that has rows, in any order: foreign keys are not checked."""


def build(
    clinics: int,
    first: datetime.date,
    weeks: int,
    say: Callable[[str], None],
    *,
    guarded: bool = True,
) -> None:
    """So many clinics with `weeks` of bookings from the Monday `first`, and nothing recorded.

    Without `guarded` nothing keeps bookings from overlapping any more: those constraints cost most
    of the time of copying, and judging does not read them.
    """
    clinic = open_clinic(name="Bench clinic", zone="America/New_York", by=BENCH)
    with acting(BENCH):
        _fill(clinic, first, weeks)
    if not guarded:
        _drop_exclusions()
    _copy(clinics, say)


# The first clinic


def _fill(clinic: Clinic, first: datetime.date, weeks: int) -> None:
    same: dict[str, Any] = {"clinic": clinic}
    program = Program.objects.create(**same, name="IOP", kind=Program.Kind.CO_OCCURRING)
    payer = Payer.objects.create(**same, name="Payer", needs_authorization=False)
    _coordinator(clinic)
    for index in range(GROUPS):
        therapist = _therapist(clinic, index)
        group = Group.objects.create(**same, name=f"G{index}", program=program, capacity=12)
        blocks = _blocks(group, therapist, first)
        members = _members(group, therapist, payer, first, index)
        sessions = _sessions(blocks, first, weeks)
        _staff(sessions, therapist)
        _book(sessions, members)


def _coordinator(clinic: Clinic) -> None:
    user = User.objects.create(email="coordinator@bench.example", name="Coordinator")
    Membership.objects.create(clinic=clinic, user=user, role=Role.COORDINATOR)


def _therapist(clinic: Clinic, index: int) -> Therapist:
    therapist = Therapist.objects.create(clinic=clinic, name=f"Therapist {index}")
    License.objects.create(
        clinic=clinic,
        therapist=therapist,
        credential="LCSW",
        state="NY",
        number=str(index),
        expires_on=datetime.date(2099, 1, 1),
    )
    user = User.objects.create(email=f"therapist{index}@bench.example", name="Therapist")
    Membership.objects.create(clinic=clinic, user=user, role=Role.THERAPIST, therapist=therapist)
    return therapist


def _blocks(group: Group, therapist: Therapist, first: datetime.date) -> list[WeeklyBlock]:
    kind = SessionType.objects.get(clinic=group.clinic, name="Group therapy")
    return WeeklyBlock.objects.bulk_create(
        WeeklyBlock(
            clinic=group.clinic,
            group=group,
            session_type=kind,
            weekday=weekday,
            starts_at=start,
            ends_at=start.replace(hour=start.hour + 1),
            facilitator=therapist,
            valid_from=first,
        )
        for weekday in WEEKDAYS
        for start in STARTS
    )


def _members(
    group: Group, therapist: Therapist, payer: Payer, first: datetime.date, index: int
) -> list[GroupMembership]:
    same: dict[str, Any] = {"clinic": group.clinic}
    patients = Patient.objects.bulk_create(
        Patient(
            **same,
            record_number=f"{index}-{seat}",
            first_name="Pat",
            last_name=f"Number {seat}",
            birth_date=datetime.date(1990, 1, 1),
        )
        for seat in range(MEMBERS)
    )
    Coverage.objects.bulk_create(
        Coverage(**same, patient=patient, payer=payer, starts_on=first, verified_on=first)
        for patient in patients
    )
    episodes = Episode.objects.bulk_create(
        Episode(
            **same,
            patient=patient,
            program=group.program,
            primary_therapist=therapist,
            referred_on=first,
        )
        for patient in patients
    )
    _admit(episodes, therapist, first)
    return GroupMembership.objects.bulk_create(
        GroupMembership(**same, group=group, episode=episode, seat=seat, starts_on=first)
        for seat, episode in enumerate(episodes, 1)
    )


def _admit(episodes: list[Episode], therapist: Therapist, on: datetime.date) -> None:
    license_ = therapist.licenses.get()
    rows = [{"clinic": therapist.clinic, "episode": episode} for episode in episodes]
    Evaluation.objects.bulk_create(
        Evaluation(**row, evaluated_on=on, evaluator=therapist) for row in rows
    )
    Diagnosis.objects.bulk_create(
        Diagnosis(**row, code="F10.20", diagnosed_on=on, license=license_) for row in rows
    )
    ProgramAgreement.objects.bulk_create(
        ProgramAgreement(**row, signed_on=on, weekly_minutes=540) for row in rows
    )
    Episode.objects.filter(pk__in=[e.pk for e in episodes]).update(
        state=Episode.State.ADMITTED, admitted_on=on
    )
    plans = [
        TreatmentPlan(
            **row,
            age_bracket=AgeBracket.ADULT,
            weekly_minutes_target=540,
            starts_on=on,
            review_due_on=on + 90 * DAY,
        )
        for row in rows
    ]
    for plan in plans:
        plan.copy_level_range()
    TreatmentPlan.objects.bulk_create(plans)


def _sessions(blocks: list[WeeklyBlock], first: datetime.date, weeks: int) -> list[Session]:
    """The blocks' dates; their weekdays count from the Monday `first`."""
    rows = []
    for block in blocks:
        for week in range(weeks):
            day = first + datetime.timedelta(weeks=week, days=block.weekday)
            start = datetime.datetime.combine(day, block.starts_at, tzinfo=block.clinic.tz)
            rows.append(
                Session(
                    clinic=block.clinic,
                    block=block,
                    group=block.group,
                    session_type=block.session_type,
                    starts_at=start,
                    ends_at=start + HOUR,
                    zone=block.clinic.zone,
                    local_date=day,
                    original_local_date=day,
                    capacity=12,
                    ceiling=15,
                )
            )
    return Session.objects.bulk_create(rows)


def _staff(sessions: list[Session], therapist: Therapist) -> None:
    SessionStaff.objects.bulk_create(
        SessionStaff(
            clinic=session.clinic,
            session=session,
            therapist=therapist,
            starts_at=session.starts_at,
            ends_at=session.ends_at,
            live=True,
        )
        for session in sessions
    )


def _book(sessions: list[Session], members: list[GroupMembership]) -> None:
    Booking.objects.bulk_create(
        Booking(
            clinic=session.clinic,
            session=session,
            episode=member.episode,
            patient=member.episode.patient,
            membership=member,
            seat=member.seat,
            starts_at=session.starts_at,
            ends_at=session.ends_at,
            live=True,
        )
        for session in sessions
        for member in members
    )


# The others


def _copy(clinics: int, say: Callable[[str], None]) -> None:
    if clinics < 2:
        return
    strides = {model: _stride(model) for model in COPIED}
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for model in COPIED:
            cursor.execute(_copying(model, strides), {"last": clinics - 1})
            say(f"  {cursor.rowcount:>9} rows of {model._meta.verbose_name_plural}")
            table = model._meta.db_table
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
            )
        cursor.execute("SET session_replication_role = DEFAULT")


def _drop_exclusions() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT conrelid::regclass, conname FROM pg_constraint WHERE contype = 'x'")
        for table, name in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")


def _stride(model: type[models.Model]) -> int:
    """How far apart the keys of two copies of a row lie: as many as the first clinic spans."""
    ends = model._default_manager.aggregate(first=models.Min("pk"), last=models.Max("pk"))
    return int(ends["last"] - ends["first"] + 1) if ends["first"] else 0


def _copying(model: type[models.Model], strides: dict[type[models.Model], int]) -> str:
    """Copies k = 1 .. last of every row, each key moved on by k strides of its own table."""
    fields = [field for field in model._meta.concrete_fields if not field.generated]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(_copied(field, strides) for field in fields)
    return (
        f"INSERT INTO {model._meta.db_table} ({columns}) SELECT {values} "
        f"FROM {model._meta.db_table} AS t, generate_series(1, %(last)s) AS k"
    )


def _copied(field: models.Field[Any, Any], strides: dict[type[models.Model], int]) -> str:
    own = f't."{field.column}"'
    target: Any = field.model if field.primary_key else field.related_model
    if target in strides:
        return f"{own} + k * {strides[target]}"
    if isinstance(field, models.UUIDField):
        return "gen_random_uuid()"
    if (field.model, field.name) in ((Clinic, "name"), (User, "email")):
        return f"k || '-' || {own}"
    return own


# What happened

_RECORD = """
INSERT INTO attendance_attendancerecord (
    clinic_id, booking_id, attended, arrived_at, left_at, away, notified_at, absence_reason, proof,
    override_reason, correction_reason, recorded_at, source,
    attended_minutes, credited_minutes, version)
SELECT clinic_id, id, came, CASE WHEN late THEN starts_at + interval '20 minutes' END,
       CASE WHEN early THEN ends_at - interval '30 minutes' END, '[]',
       CASE WHEN NOT came AND told THEN starts_at - interval '30 hours' END,
       CASE WHEN NOT came AND told THEN 'illness' ELSE '' END, 'none', '', '',
       %(recorded_at)s, 'roster', minutes, minutes, 1
FROM (
    SELECT id, clinic_id, starts_at, ends_at, came, told,
           came AND late AND b.starts_at = day_starts AS late,
           came AND early AND b.starts_at = day_ends AS early,
           CASE WHEN NOT came THEN 0 WHEN late AND b.starts_at = day_starts THEN 40
                WHEN early AND b.starts_at = day_ends THEN 30 ELSE 60 END AS minutes
    FROM (
        SELECT b.id, b.clinic_id, b.starts_at, b.ends_at,
               min(b.starts_at) OVER day AS day_starts, max(b.starts_at) OVER day AS day_ends,
               dice %% 100 < 82 AS came, dice / 100 %% 100 < 4 AS late,
               dice / 10000 %% 100 < 4 AS early, dice / 1000000 %% 100 < 40 AS told
        FROM scheduling_booking b JOIN scheduling_session s ON s.id = b.session_id,
             LATERAL (SELECT (hashint8(b.episode_id * 1000 + (s.local_date - date '2026-01-01'))
                              ::bigint + 2147483648) AS dice) AS thrown
        WHERE s.local_date BETWEEN %(first)s AND %(last)s
        WINDOW day AS (PARTITION BY b.episode_id, s.local_date)
    ) AS b
) AS b
"""


def record(first: datetime.date, last: datetime.date, *, audited: bool) -> int:
    """Record the attendance of inclusive local dates: 82 % of patient-days attended, of those
    4 % late to the day's first session and 4 % leaving its last one early. The rows written.

    With `audited` the triggers run, as they do when staff record a roster.
    """
    with acting(BENCH), connection.cursor() as cursor:
        if not audited:
            cursor.execute("SET LOCAL session_replication_role = replica")
        values = {"first": first, "last": last, "recorded_at": timezone.now()}
        cursor.execute(_RECORD, values)
        return int(cursor.rowcount)


def analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def all_clinics() -> Iterable[Clinic]:
    return Clinic.objects.order_by("pk")
