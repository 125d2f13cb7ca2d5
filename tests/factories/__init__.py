"""Rows for tests with one call each. Everything is built in one clinic: the given one.

Times are the clinic's wall times (`at`), so that a test reads like a timetable. Numbers in names
are padded: most lists are sorted by name, and the tenth must come after the ninth.
"""

from __future__ import annotations

import datetime
from typing import Any

import factory
from factory.django import DjangoModelFactory

from iop_clinic.accounts import models as accounts
from iop_clinic.accounts.roles import Role
from patients import models as patients
from scheduling import models as scheduling

PASSWORD = "a-long-test-password"


class ClinicFactory(DjangoModelFactory[accounts.Clinic]):
    class Meta:
        model = accounts.Clinic

    name = factory.Sequence(lambda n: f"Clinic {n:05}")
    zone = "America/New_York"
    state = "NY"


class UserFactory(DjangoModelFactory[accounts.User]):
    class Meta:
        model = accounts.User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"person{n:05}@example.com")
    name = factory.Sequence(lambda n: f"Person {n:05}")
    password = factory.django.Password(PASSWORD)


class TherapistFactory(DjangoModelFactory[accounts.Therapist]):
    class Meta:
        model = accounts.Therapist

    clinic = factory.SubFactory(ClinicFactory)
    name = factory.Sequence(lambda n: f"Therapist {n:05}")
    credentials = "LCSW"


class LicenseFactory(DjangoModelFactory[accounts.License]):
    class Meta:
        model = accounts.License

    therapist = factory.SubFactory(TherapistFactory)
    clinic = factory.SelfAttribute("therapist.clinic")
    credential = "LCSW"
    state = "NY"
    number = factory.Sequence(lambda n: f"L{n:05}")
    expires_on = datetime.date(2030, 12, 31)


class MembershipFactory(DjangoModelFactory[accounts.Membership]):
    class Meta:
        model = accounts.Membership

    clinic = factory.SubFactory(ClinicFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.COORDINATOR


def staff(clinic: accounts.Clinic, role: Role = Role.COORDINATOR, **extra: Any) -> accounts.User:
    """A user with this role in the clinic; a therapist gets (or is given) a therapist row."""
    if role == Role.THERAPIST and "therapist" not in extra:
        extra["therapist"] = TherapistFactory(clinic=clinic)
    if role == Role.AUDITOR:
        extra.setdefault("ends_on", datetime.date(2030, 12, 31))
    return MembershipFactory(clinic=clinic, role=role, **extra).user


class ProgramFactory(DjangoModelFactory[patients.Program]):
    class Meta:
        model = patients.Program

    clinic = factory.SubFactory(ClinicFactory)
    name = factory.Sequence(lambda n: f"Program {n:05}")
    kind = patients.Program.Kind.CO_OCCURRING


class PayerFactory(DjangoModelFactory[patients.Payer]):
    class Meta:
        model = patients.Payer

    clinic = factory.SubFactory(ClinicFactory)
    name = factory.Sequence(lambda n: f"Payer {n:05}")


class PatientFactory(DjangoModelFactory[patients.Patient]):
    class Meta:
        model = patients.Patient

    clinic = factory.SubFactory(ClinicFactory)
    record_number = factory.Sequence(lambda n: f"R{n:05}")
    first_name = factory.Sequence(lambda n: f"First{n:05}")
    last_name = factory.Sequence(lambda n: f"Last{n:05}")
    birth_date = datetime.date(1990, 1, 1)


class EpisodeFactory(DjangoModelFactory[patients.Episode]):
    """A referral; `admitted(...)` makes a documented admission of it."""

    class Meta:
        model = patients.Episode

    patient = factory.SubFactory(PatientFactory)
    clinic = factory.SelfAttribute("patient.clinic")
    program = factory.SubFactory(ProgramFactory, clinic=factory.SelfAttribute("..clinic"))
    referred_on = datetime.date(2026, 1, 2)


def document(episode: patients.Episode, on: datetime.date) -> None:
    """The papers an admission stands on: evaluation, diagnosis, agreement."""
    therapist = episode.primary_therapist or TherapistFactory(clinic=episode.clinic)
    license_ = therapist.licenses.first() or LicenseFactory(therapist=therapist)
    same: dict[str, Any] = {"clinic": episode.clinic, "episode": episode}
    patients.Evaluation.objects.create(**same, evaluated_on=on, evaluator=therapist)
    patients.Diagnosis.objects.create(**same, code="F10.20", diagnosed_on=on, license=license_)
    patients.ProgramAgreement.objects.create(**same, signed_on=on, weekly_minutes=540)


def admitted(
    clinic: accounts.Clinic,
    *,
    on: datetime.date = datetime.date(2026, 1, 5),
    target: int = 540,
    days: int = 3,
    bracket: int = patients.AgeBracket.ADULT,
    **extra: Any,
) -> patients.Episode:
    """An admitted, documented episode with a plan of `target` minutes from the admission on."""
    extra.setdefault("patient", PatientFactory(clinic=clinic))
    episode = EpisodeFactory(clinic=clinic, referred_on=on, **extra)
    document(episode, on)
    episode.state, episode.admitted_on = patients.Episode.State.ADMITTED, on
    episode.save()
    patients.TreatmentPlan.objects.create(
        clinic=clinic,
        episode=episode,
        age_bracket=bracket,
        weekly_minutes_target=target,
        days_per_week=days,
        starts_on=on,
    )
    return episode


class RoomFactory(DjangoModelFactory[scheduling.Room]):
    class Meta:
        model = scheduling.Room

    clinic = factory.SubFactory(ClinicFactory)
    name = factory.Sequence(lambda n: f"Room {n:05}")
    seats = 16


class SessionTypeFactory(DjangoModelFactory[scheduling.SessionType]):
    class Meta:
        model = scheduling.SessionType

    clinic = factory.SubFactory(ClinicFactory)
    name = factory.Sequence(lambda n: f"Type {n:05}")
    kind = scheduling.SessionType.Kind.GROUP


class GroupFactory(DjangoModelFactory[scheduling.Group]):
    class Meta:
        model = scheduling.Group

    clinic = factory.SubFactory(ClinicFactory)
    name = factory.Sequence(lambda n: f"Group {n:05}")
    program = factory.SubFactory(ProgramFactory, clinic=factory.SelfAttribute("..clinic"))
    capacity = 12


class WeeklyBlockFactory(DjangoModelFactory[scheduling.WeeklyBlock]):
    class Meta:
        model = scheduling.WeeklyBlock

    group = factory.SubFactory(GroupFactory)
    clinic = factory.SelfAttribute("group.clinic")
    session_type = factory.SubFactory(SessionTypeFactory, clinic=factory.SelfAttribute("..clinic"))
    weekday = accounts.Weekday.MONDAY
    starts_at = datetime.time(9)
    ends_at = datetime.time(10)
    facilitator = factory.SubFactory(TherapistFactory, clinic=factory.SelfAttribute("..clinic"))
    valid_from = datetime.date(2026, 1, 5)


def at(clinic: accounts.Clinic, day: str, time: str) -> datetime.datetime:
    """The instant of a wall time in the clinic: `at(clinic, "2026-03-02", "09:00")`."""
    naive = datetime.datetime.fromisoformat(f"{day}T{time}")
    return naive.replace(tzinfo=clinic.tz).astimezone(datetime.UTC)


def session(
    clinic: accounts.Clinic,
    day: str,
    starts: str,
    ends: str,
    *,
    therapist: accounts.Therapist | None = None,
    capacity: int = 12,
    **extra: Any,
) -> scheduling.Session:
    """A session in wall time of the clinic, led by `therapist` when one is given."""
    extra.setdefault("session_type", SessionTypeFactory(clinic=clinic))
    row = scheduling.Session.objects.create(
        clinic=clinic,
        starts_at=at(clinic, day, starts),
        ends_at=at(clinic, day, ends),
        zone=clinic.zone,
        local_date=datetime.date.fromisoformat(day),
        capacity=capacity,
        ceiling=extra.pop("ceiling", max(capacity, 15)),
        **extra,
    )
    if therapist is not None:
        scheduling.SessionStaff.objects.create(
            clinic=clinic,
            session=row,
            therapist=therapist,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            live=True,
        )
    return row


def booking(
    row: scheduling.Session, episode: patients.Episode, seat: int = 1, **extra: Any
) -> scheduling.Booking:
    """A booking on a seat of the session, with the copies its keys ask for."""
    return scheduling.Booking.objects.create(
        clinic=row.clinic,
        session=row,
        episode=episode,
        patient=episode.patient,
        seat=seat,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        live=row.live,
        **extra,
    )
