"""Clinics for the benchmark: 40 active patients each, in four groups of nine sessions a week."""

from __future__ import annotations

import datetime
import random
from typing import Any

from attendance.clinics import open_clinic
from attendance.models import AttendanceRecord
from iop_clinic.accounts.acting import Job, acting
from iop_clinic.accounts.models import Clinic, License, Membership, Therapist, User
from iop_clinic.accounts.roles import Role
from patients.models import (
    AgeBracket,
    Diagnosis,
    Episode,
    Evaluation,
    Patient,
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
WEEKDAYS = (0, 2, 4)
STARTS = (datetime.time(9), datetime.time(10, 10), datetime.time(11, 20))
HOUR = datetime.timedelta(hours=1)


def build(number: int, *, today: datetime.date, weeks: int) -> Clinic:
    """One clinic with `weeks` of recorded history before the week of `today`, and that week."""
    clinic = open_clinic(name=f"Bench clinic {number}", zone="America/New_York", by=BENCH)
    with acting(BENCH):
        monday = today - datetime.timedelta(days=today.weekday())
        _fill(clinic, random.Random(number), monday, weeks, today)
    return clinic


def _fill(
    clinic: Clinic, dice: random.Random, monday: datetime.date, weeks: int, today: datetime.date
) -> None:
    first = monday - datetime.timedelta(weeks=weeks)
    program = Program.objects.create(clinic=clinic, name="IOP", kind=Program.Kind.CO_OCCURRING)
    kind = SessionType.objects.get(clinic=clinic, name="Group therapy")
    _coordinator(clinic)
    for index in range(GROUPS):
        therapist = _therapist(clinic, index)
        group = Group.objects.create(clinic=clinic, name=f"G{index}", program=program, capacity=12)
        blocks = _blocks(group, kind, therapist, first)
        members = _members(group, therapist, first, index)
        sessions = _sessions(group, blocks, kind, first, weeks + 1)
        _staff(sessions, therapist)
        _book(sessions, members, dice, today)


def _coordinator(clinic: Clinic) -> None:
    user = User.objects.create(email=f"coordinator@bench{clinic.pk}.example", name="Coordinator")
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
    return therapist


def _blocks(
    group: Group, kind: SessionType, therapist: Therapist, first: datetime.date
) -> list[WeeklyBlock]:
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
    group: Group, therapist: Therapist, first: datetime.date, index: int
) -> list[GroupMembership]:
    clinic = group.clinic
    same: dict[str, Any] = {"clinic": clinic}
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
        TreatmentPlan(**row, age_bracket=AgeBracket.ADULT, weekly_minutes_target=540, starts_on=on)
        for row in rows
    ]
    for plan in plans:
        plan.copy_level_range()
    TreatmentPlan.objects.bulk_create(plans)


def _sessions(
    group: Group, blocks: list[WeeklyBlock], kind: SessionType, first: datetime.date, weeks: int
) -> list[Session]:
    rows = []
    for block in blocks:
        for week in range(weeks):
            day = first + datetime.timedelta(weeks=week, days=block.weekday)
            start = datetime.datetime.combine(day, block.starts_at, tzinfo=group.clinic.tz)
            rows.append(
                Session(
                    clinic=group.clinic,
                    block=block,
                    group=group,
                    session_type=kind,
                    starts_at=start,
                    ends_at=start + HOUR,
                    zone=group.clinic.zone,
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


def _book(
    sessions: list[Session],
    members: list[GroupMembership],
    dice: random.Random,
    today: datetime.date,
) -> None:
    bookings = Booking.objects.bulk_create(
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
    days = {session.pk: session.local_date for session in sessions}
    came: dict[tuple[int, datetime.date], bool] = {}
    records = []
    for booking in bookings:
        day = days[booking.session_id]
        if day < today:
            key = booking.episode_id, day
            came.setdefault(key, dice.random() < 0.82)
            records.append(_record(booking, attended=came[key]))
    AttendanceRecord.objects.bulk_create(records)


def _record(booking: Booking, *, attended: bool) -> AttendanceRecord:
    minutes = 60 if attended else 0
    return AttendanceRecord(
        clinic=booking.clinic,
        booking=booking,
        attended=attended,
        attended_minutes=minutes,
        credited_minutes=minutes,
        recorded_by=None,
    )
