"""A group with a few free seats, and everybody who wants one of them at the same time.

    here = rush(web, clients=50, seed=1)
    here.wants               # one for each client, in an order that the seed draws; call them

Two groups meet at the same hours, so that one patient can be wanted at two places; some patients
are kept apart from each other; some are offered a seat; guests want single sessions.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from django.utils import timezone

from attendance.clinics import open_clinic
from attendance.models import NightlyRun
from iop_clinic.accounts import devices
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import User
from patients.models import Episode, KeepApart
from scheduling import services
from scheduling.models import Booking, Group, GroupMembership, Session, WaitlistEntry
from tests import factories as f
from tests.admin import url
from tests.web import Answer, Caller, Visitor, WebProcess

FREE = 3
"""Seats of each group that nobody holds at first."""
CROWD = FREE + 1
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Want:
    """One client: which patient it wants where, and how it asks."""

    way: Callable[[Episode, Any], Answer]
    episode: Episode
    place: Session | Group

    def __call__(self) -> Answer:
        return self.way(self.episode, self.place)

    @property
    def has_it(self) -> bool:
        """Whether the patient has the seat, whoever asked for it."""
        if isinstance(self.place, Group):
            held = GroupMembership.objects.filter(group=self.place, episode=self.episode)
            return held.exists()
        booked = Booking.objects.filter(session=self.place, episode=self.episode, state="booked")
        return booked.exists()


@dataclass
class Rush:
    caller: Caller
    visitor: Visitor
    groups: tuple[Group, Group]
    sessions: list[Session]
    """Three of each group, at the same hours."""
    missed: dict[int, Booking]
    """By episode: what a make-up is for."""
    entries: dict[int, WaitlistEntry]
    """By episode: those to whom a seat of the first group is offered."""
    apart: list[tuple[int, int]] = field(default_factory=list)
    """Patients who must not meet."""
    wants: list[Want] = field(default_factory=list)

    # What one client does

    def books(self, episode: Episode, session: Session) -> Answer:
        body = {"session": str(session.public_id), "patient": str(episode.patient.public_id)}
        return self.caller.send("POST", "/api/v1/bookings/", body=body)

    def adds(self, episode: Episode, session: Session) -> Answer:
        path = f"/api/v1/sessions/{session.public_id}/roster/"
        return self.caller.send("POST", path, body={"patient": str(episode.patient.public_id)})

    def makes_up(self, episode: Episode, session: Session) -> Answer:
        missed = self.missed[episode.pk]
        return self.visitor.fill(url(episode, "book"), session=session.pk, makes_up=missed.pk)

    def enrols(self, episode: Episode, group: Group) -> Answer:
        return self.visitor.fill(url(episode, "enrol"), group=group.pk, starts_on=self._today)

    def enrols_here(self, episode: Episode, group: Group) -> Answer:
        return self.visitor.fill(url(group, "enrol"), episode=episode.pk, starts_on=self._today)

    def accepts(self, episode: Episode, group: Group) -> Answer:
        return self.visitor.fill(url(self.entries[episode.pk], "accept"), starts_on=self._today)

    @property
    def _today(self) -> str:
        return f"{timezone.localdate():%m/%d/%Y}"


def rush(web: WebProcess, *, clients: int, seed: int) -> Rush:
    clinic = open_clinic(name=f"Riverside {seed}", zone="America/New_York", by=Job("test"))
    user, today = f.staff(clinic), timezone.localdate(timezone=clinic.tz)
    NightlyRun.objects.create(
        clinic=clinic, local_date=today - DAY, state="evaluated", lease_until=timezone.now()
    )
    program = f.ProgramFactory(clinic=clinic)
    people = iter(lambda: f.admitted(clinic, program=program), None)
    kind = f.SessionTypeFactory(clinic=clinic)
    groups = tuple(f.GroupFactory(clinic=clinic, program=program, capacity=8) for _ in range(2))
    sessions = [
        f.session(
            clinic, (today + n * DAY).isoformat(), "09:00", "12:00",
            group=group, session_type=kind, capacity=8,
        )
        for group in groups for n in (7, 9, 11)
    ]  # fmt: skip
    for group in groups:
        for _ in range(8 - FREE):
            services.enrol(group=group, episode=next(people), starts_on=today, by=user)
    token = devices.sign_in(device="Tablet", by=user)[1]
    here = Rush(Caller(web, token), Visitor.of(web, user), (groups[0], groups[1]), sessions, {}, {})
    for _ in range(FREE):
        _offer(here, next(people), user)
    past = f.session(clinic, (today - DAY).isoformat(), "09:00", "12:00", capacity=200, ceiling=200)
    seats = iter(range(1, 200))
    guests = [_guest(here, next(people), past, next(seats)) for _ in range(clients // 2)]
    here.apart = [_apart(*pair) for pair in _pairs(guests)]
    here.wants = _wants(here, guests, clients, random.Random(seed))
    return here


def _offer(here: Rush, episode: Episode, user: User) -> None:
    entry = services.put_on_waitlist(group=here.groups[0], episode=episode, by=user)
    here.entries[episode.pk] = entry
    services.offer_seat(
        entry=entry, starts_on=timezone.localdate(), method="call", result="reached",
        expires_at=timezone.now() + DAY, by=user,
    )  # fmt: skip


def _guest(here: Rush, episode: Episode, past: Session, seat: int) -> Episode:
    here.missed[episode.pk] = f.booking(past, episode, seat)
    return episode


def _apart(one: Episode, other: Episode) -> tuple[int, int]:
    KeepApart.objects.create(
        clinic=one.clinic, patient=one.patient, other=other.patient, reason="Confidential"
    )
    return one.patient_id, other.patient_id


def _wants(here: Rush, guests: list[Episode], clients: int, draw: random.Random) -> list[Want]:
    """Every offer is accepted twice; two who are kept apart want each session of the first group,
    and more guests than it has seats each of the second; the others want to be members."""
    offered = [entry.episode for entry in here.entries.values()]
    wants = [Want(here.accepts, one, here.groups[0]) for one in offered * 2]
    ways = cycle([here.books, here.adds, here.makes_up])
    crowds = [guests[n : n + CROWD] for n in range(6, 6 + 3 * CROWD, CROWD)]
    for session, visitors in zip(here.sessions, [*_pairs(guests), *crowds], strict=True):
        wants += [Want(next(ways), one, session) for one in visitors]
    joining = guests[:6] + guests[6 + 3 * CROWD :]
    while len(wants) < clients:
        way = draw.choice([here.enrols, here.enrols_here])
        wants.append(Want(way, draw.choice(joining), draw.choice(here.groups)))
    draw.shuffle(wants)
    return wants


def _pairs(guests: list[Episode]) -> list[tuple[Episode, Episode]]:
    return list(zip(guests[0:6:2], guests[1:6:2], strict=True))


def seated(session: Session) -> list[int]:
    """The seats that are taken, in order."""
    rows = Booking.objects.filter(session=session, state=Booking.State.BOOKED)
    return sorted(rows.values_list("seat", flat=True))


def members(group: Group) -> list[int]:
    return sorted(GroupMembership.objects.filter(group=group).values_list("seat", flat=True))
