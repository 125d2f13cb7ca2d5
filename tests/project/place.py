"""A clinic in which one rule at a time can be broken, the doors to it, and the table of attempts.

A case prepares its rows and returns the attempt. The answer is a service's code, the name of the
constraint where only the database knows the rule, or an API answer's status and code.
"""

import datetime
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from attendance.clinics import open_clinic
from attendance.models import Flag, Standard, WeekResult
from attendance.records.entries import Entry
from attendance.records.services import record_roster
from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.constraints import violation
from patients import services as care
from patients.models import Episode
from scheduling import services as calendar
from scheduling.models import Booking, Session
from tests import factories as f
from tests.api import API, DAY, client_of
from tests.attendance.nights import case as open_case

TODAY = datetime.date.fromisoformat(DAY)
TOMORROW = TODAY + datetime.timedelta(days=1)
Attempt = Callable[[], Any]


class Place:
    """A clinic at eleven o'clock of a Monday; its rows come into being when they are asked for."""

    def __init__(self) -> None:
        self.clinic = open_clinic(name="Harbor", zone="America/New_York", by=Job("setup"))
        self.clinic.refresh_from_db()
        self.by = f.staff(self.clinic)

    @cached_property
    def client(self) -> Any:
        return client_of(self.by)

    @cached_property
    def program(self) -> Any:
        return f.ProgramFactory(clinic=self.clinic)

    @cached_property
    def therapist(self) -> Any:
        return f.TherapistFactory(clinic=self.clinic)

    @cached_property
    def kind(self) -> Any:
        return f.SessionTypeFactory(clinic=self.clinic)

    @cached_property
    def episode(self) -> Episode:
        return self.admitted()

    @cached_property
    def stranger(self) -> Episode:
        """A patient of another clinic."""
        return f.admitted(f.ClinicFactory())

    @cached_property
    def past(self) -> Booking:
        """`episode` at nine o'clock this morning."""
        return f.booking(self.session(), self.episode)

    @cached_property
    def recorded(self) -> Booking:
        record_roster(session=self.past.session, all_present=True, by=self.by)
        return self.past

    @cached_property
    def case(self) -> Flag:
        return open_case(self.clinic, episode=self.episode)

    @cached_property
    def standard(self) -> Standard:
        return Standard.objects.filter(clinic=self.clinic).earliest("pk")

    def admitted(self, **extra: Any) -> Episode:
        return f.admitted(self.clinic, program=self.program, **extra)

    def session(self, starts: str = "09:00", ends: str = "10:00", **extra: Any) -> Session:
        extra.setdefault("session_type", self.kind)
        return f.session(self.clinic, DAY, starts, ends, **extra)

    def full_session(self) -> Session:
        """One seat and no more, taken."""
        session = self.session(capacity=1, ceiling=1)
        f.booking(session, self.admitted())
        return session

    def group(self, members: int = 0, capacity: int = 8) -> Any:
        group = f.GroupFactory(clinic=self.clinic, program=self.program, capacity=capacity)
        for _ in range(members):
            self.enrol(group, self.admitted())()
        return group

    def enrol(self, group: Any, episode: Episode, **extra: Any) -> Attempt:
        extra.setdefault("by", self.by)
        return partial(calendar.enrol, group=group, episode=episode, starts_on=TODAY, **extra)

    def create(self, starts: str, ends: str, **extra: Any) -> Attempt:
        extra.setdefault("therapist", self.therapist)
        return partial(
            calendar.create_session, clinic=self.clinic, session_type=self.kind, by=self.by,
            starts_at=f.at(self.clinic, DAY, starts), ends_at=f.at(self.clinic, DAY, ends),
            **extra,
        )  # fmt: skip

    def book(self, session: Session, episode: Episode, **extra: Any) -> Attempt:
        extra.setdefault("by", self.by)
        return partial(calendar.book, session=session, episode=episode, **extra)

    def add(self, session: Session, episode: Episode, **body: Any) -> Attempt:
        """The API's door to a roster."""
        body |= {"patient": str(episode.patient.public_id)}
        return partial(self.client.post, f"{API}/sessions/{session.public_id}/roster/", body)

    def told(self, clock: str) -> datetime.datetime:
        return f.at(self.clinic, DAY, clock)

    def record(self, **facts: Any) -> Attempt:
        entry = Entry(booking=self.past.public_id, **facts)
        return partial(record_roster, session=self.past.session, entries=[entry], by=self.by)

    def send(self, *records: dict[str, Any], session: Session | None = None) -> Attempt:
        """The API's door to the attendance of a session."""
        path = f"{API}/sessions/{(session or self.past.session).public_id}/attendance/"
        return partial(self.client.patch, path, {"records": list(records)})

    def line(self, **facts: Any) -> dict[str, Any]:
        return {"booking": str(self.past.public_id), **facts}

    def plan(self, minutes: int, starts_on: datetime.date) -> Attempt:
        return partial(
            care.set_plan, episode=self.episode, starts_on=starts_on, level=2, age_bracket=1,
            weekly_minutes_target=minutes, days_per_week=3, by=self.by,
        )  # fmt: skip

    def result(self) -> WeekResult:
        return WeekResult.objects.create(
            clinic=self.clinic, episode=self.episode, standard=self.standard,
            week_starts_on=TODAY, segment_starts_on=TODAY, segment_ends_on=TODAY,
            minutes_status="short", days_status="short", scheduled_minutes=0, attended_minutes=0,
            credited_minutes=0, judged_minutes=0, qualifying_days=0, minimum=540,
            prorated_minimum=540, prorated_days=3, inputs={},
        )  # fmt: skip

    def correct(self, version: int | None = None, **body: Any) -> Attempt:
        """The API's door to the record of this morning; without a version, no If-Match."""
        header = {} if version is None else {"HTTP_IF_MATCH": f'"{version}"'}
        path = f"{API}/bookings/{self.recorded.public_id}/attendance/"
        return partial(self.client.patch, path, body, **header)

    def work(self, verb: str, **body: Any) -> Attempt:
        """The API's door to the case, as it was when it opened."""
        path = f"{API}/flags/{self.case.public_id}/{verb}/"
        return partial(self.client.post, path, body, HTTP_IF_MATCH='"1"')


# --- the table -----------------------------------------------------------------------------------

TABLE: list[Any] = []


def broken(invariant: int, answer: str) -> Callable[[Any], Any]:
    """Enter a case: the number of the invariant, and what its door answers."""

    def enter(case: Callable[[Place], Attempt]) -> Callable[[Place], Attempt]:
        name = f"{invariant} {case.__name__.replace('_', ' ')}"
        TABLE.append(pytest.param(case, answer, id=name))
        return case

    return enter


def answer_to(attempt: Attempt) -> str:
    try:
        with transaction.atomic():
            answer = attempt()
    except Refused as refusal:
        return refusal.code
    except DatabaseError as error:
        known = violation(error)
        return known.name if known else repr(error)
    code = getattr(answer, "status_code", None)
    return f"{code} {answer.json().get('code')}" if code else "done"
