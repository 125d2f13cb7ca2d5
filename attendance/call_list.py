"""Who is to be told what became of the sessions of a closure or time off, the soonest first; or of
one that was combined with another."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from django.db.models import Q

from iop_clinic.accounts.models import Therapist, User
from iop_clinic.accounts.weeks import long_moment
from patients.models import Episode
from scheduling.models import Booking, Decision, Session, SessionStaff, Told
from scheduling.models.places import BY_VIDEO
from scheduling.services.deciding import Cause, Choice, key_of
from scheduling.services.telling import Person, is_taken_back

NEWS = (Choice.CANCELLED, Choice.MOVED, Choice.COMBINED, Choice.BY_VIDEO, Choice.KEPT)
"""What changes something for patients, a kept session by its room; that somebody else leads it
does not."""


@dataclass(frozen=True, slots=True)
class Call:
    """Whom to call, what to say of each session, and that it was said."""

    person: Person
    news: tuple[str, ...]
    told: Told | None


@dataclass(frozen=True, slots=True)
class CallList:
    patients: list[Call]
    therapists: list[Call]

    @property
    def calls(self) -> list[Call]:
        return [*self.patients, *self.therapists]

    @property
    def told(self) -> str:
        """ "2 of 5 told."."""
        return f"{sum(one.told is not None for one in self.calls)} of {len(self.calls)} told."


def call_list(cause: Cause | Session, *, user: User) -> CallList:
    """Patients this person sees who are booked into a session that changed, and who covers.

    Whoever gave notice of an absence does not wait for the session. What was changed since is told
    as it is now. Of one that was taken back, whoever had been told hears what is as before again.
    The statements do not grow with sessions or people.
    """
    decisions = [_combined(cause)] if isinstance(cause, Session) else _decisions(cause)
    ticks = _Ticks.of(cause)
    return CallList(_patients(cause, decisions, ticks, user), _therapists(decisions, ticks))


def _decisions(cause: Cause) -> list[Decision]:
    rows = Decision.objects.filter(clinic=cause.clinic_id, **key_of(cause))
    related = ("session__group", "session__session_type", "session__room", "was_room", "substitute")
    into = ("into__group", "into__session_type", "into__room")
    return list(rows.select_related(*related, *into).order_by("was_starts_at", "pk"))


def _combined(session: Session) -> Decision:
    """As if somebody had decided it: a cancelled session keeps its time."""
    return Decision(
        session=session,
        choice=Choice.COMBINED,
        was_starts_at=session.starts_at,
        was_ends_at=session.ends_at,
    )


Key = tuple[int | None, int | None]
"""The episode, or the therapist, who is told."""


@dataclass(frozen=True, slots=True)
class _Ticks:
    told: Mapping[Key, Told]
    before: Collection[Key]
    """Who was told before it was taken back."""

    @classmethod
    def of(cls, cause: Cause | Session) -> Self:
        again = is_taken_back(cause)
        rows = Told.objects.filter(clinic=cause.clinic_id, **key_of(cause))
        found = list(rows.select_related("told_by"))
        told = {_key(one): one for one in found if one.again == again}
        return cls(told, {_key(one) for one in found if not one.again} if again else set())


def _key(one: Told) -> Key:
    return one.episode_id, one.therapist_id


def _patients(
    cause: Cause | Session, decisions: Sequence[Decision], ticks: _Ticks, user: User
) -> list[Call]:
    booked, came = _booked(cause, decisions, user)
    news: defaultdict[int, list[str]] = defaultdict(list)
    episodes: dict[int, Episode] = {}
    for one in decisions:
        for row in booked[one.session_id]:
            knew = (row.episode_id, None) in ticks.before
            news[row.episode_id] += _as_before(one) if knew else _news(one)
            episodes[row.episode_id] = row.episode
        for row in came[one.session_id]:
            if (row.episode_id, None) not in ticks.before:
                news[row.episode_id].append(f"{_was(one)}: now {_now(row.session)}")
            episodes[row.episode_id] = row.episode
    return [
        Call(episodes[key], tuple(said), ticks.told.get((key, None)))
        for key, said in news.items()
        if said
    ]


Booked = Mapping[int, list[Booking]]


def _booked(
    cause: Cause | Session, decisions: Iterable[Decision], user: User
) -> tuple[Booked, Booked]:
    """By decided session, by name: who is booked there, and who was until it was combined."""
    keys = [one.session_id for one in decisions if one.choice in NEWS]
    rows = Booking.objects.filter(
        Q(session__in=keys) | Q(combined_from__session__in=keys, live=True),
        clinic=cause.clinic_id,
        state=Booking.State.BOOKED,
        episode__in=Episode.objects.visible_to(user).filter(clinic=cause.clinic_id),
    )
    related = ("episode__patient", "session__group", "session__session_type", "session__room")
    named = rows.select_related(*related, "combined_from")
    booked: defaultdict[int, list[Booking]] = defaultdict(list)
    came: defaultdict[int, list[Booking]] = defaultdict(list)
    for row in named.order_by("patient__last_name", "patient__first_name", "pk"):
        if row.combined_from and row.combined_from.session_id in keys:
            came[row.combined_from.session_id].append(row)
        else:
            booked[row.session_id].append(row)
    return booked, came


def _news(one: Decision) -> Iterator[str]:
    """What differs from what the patient knew."""
    session = one.session
    if not session.live:
        yield f"{_was(one)}: cancelled"
    elif session.starts_at != one.was_starts_at or session.ends_at != one.was_ends_at:
        yield f"{_was(one)}: now {_now(session)}"
    elif session.place and session.place != _place_before(one):
        yield f"{_was(one)}: now {session.place}"


def _as_before(one: Decision) -> Iterator[str]:
    """What holds again for somebody who was told otherwise; a kept session held all the time."""
    if one.choice != Choice.KEPT and not any(_news(one)):
        yield f"{_now(one.session)}: takes place as it was planned"


def _place_before(one: Decision) -> str:
    if one.was_by_video:
        return BY_VIDEO
    return one.was_off_site or (one.was_room.name if one.was_room else "")


def _was(one: Decision) -> str:
    return f"{one.session.title}, {_when(one.was_starts_at, one.session)}"


def _now(session: Session) -> str:
    return ", ".join(
        part for part in (session.title, _when(session.starts_at, session), session.place) if part
    )


def _when(at: datetime.datetime, session: Session) -> str:
    return long_moment(at.astimezone(session.tz))


def _therapists(decisions: Sequence[Decision], ticks: _Ticks) -> list[Call]:
    """Who covers a session that still takes place; and who was told so, and does not any more."""
    covers = SessionStaff.objects.taking_place().filter(
        session__in=[one.session_id for one in decisions if one.substitute_id]
    )
    active = set(covers.values_list("session", "therapist"))
    news: defaultdict[Therapist, list[str]] = defaultdict(list)
    for one in decisions:
        if one.substitute is None:
            continue
        now = (one.session_id, one.substitute_id) in active
        knew = (None, one.substitute_id) in ticks.before
        if now != knew:
            said = "covers" if now else "does not cover any more:"
            news[one.substitute].append(f"{said} {_now(one.session)}")
    return [Call(one, tuple(said), ticks.told.get((None, one.pk))) for one, said in news.items()]
