"""A clinic with a group that meets on Mondays, on a fixed day, ready to be enrolled into."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import time_machine

from iop_clinic.accounts.models import Clinic, Therapist, User
from patients.models import Episode, Program
from scheduling.models import Group, Room, Session, SessionType, WeeklyBlock
from tests import factories as f

TODAY = datetime.date(2026, 3, 2)
"""A Monday. The clocks of New York change on the Sunday after it."""


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    """Five o'clock in the morning of TODAY in New York."""
    with time_machine.travel(datetime.datetime(2026, 3, 2, 10, tzinfo=datetime.UTC), tick=True):
        yield


@dataclass
class World:
    clinic: Clinic
    program: Program
    group: Group
    kind: SessionType
    therapist: Therapist
    room: Room
    by: User

    def episode(self, **extra: Any) -> Episode:
        """An admitted adult in the group's program, with a plan of the group's level."""
        extra.setdefault("program", self.program)
        return f.admitted(self.clinic, **extra)

    def episodes(self, count: int) -> list[Episode]:
        return [self.episode() for _ in range(count)]

    def block(self, **extra: Any) -> WeeklyBlock:
        """A weekly meeting of the group, Mondays at nine."""
        defaults = {
            "group": self.group,
            "session_type": self.kind,
            "facilitator": self.therapist,
            "room": self.room,
            "weekday": 0,
        }
        return f.WeeklyBlockFactory(**{**defaults, **extra})

    def session(
        self, day: str = "2026-03-02", starts: str = "09:00", ends: str = "10:00", **extra: Any
    ) -> Session:
        extra.setdefault("session_type", self.kind)
        return f.session(self.clinic, day, starts, ends, **extra)

    def group_session(self, day: str = "2026-03-02", **extra: Any) -> Session:
        return self.session(day, group=self.group, capacity=self.group.capacity, **extra)

    def at(self, day: str, time: str) -> datetime.datetime:
        return f.at(self.clinic, day, time)


def build(zone: str = "America/New_York") -> World:
    clinic = f.ClinicFactory(zone=zone)
    program = f.ProgramFactory(clinic=clinic)
    return World(
        clinic=clinic,
        program=program,
        group=f.GroupFactory(clinic=clinic, program=program, capacity=8),
        kind=f.SessionTypeFactory(clinic=clinic),
        therapist=f.TherapistFactory(clinic=clinic),
        room=f.RoomFactory(clinic=clinic),
        by=f.staff(clinic),
    )


@pytest.fixture
def world(db: None) -> World:
    return build()
