"""Who is to be told what became of the sessions of a closure or time off, the soonest first; or of
one that was combined with another."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from django.db.models import Q

from iop_clinic.accounts.models import Therapist, User
from iop_clinic.accounts.weeks import long_moment
from patients.models import Episode
from scheduling.models import Booking, Decision, Session, SessionStaff, Told
from scheduling.models.places import BY_VIDEO
from scheduling.services.deciding import Cause, Choice, key_of
from scheduling.services.telling import Person, Said, is_taken_back

NEWS = (Choice.CANCELLED, Choice.MOVED, Choice.COMBINED, Choice.BY_VIDEO, Choice.KEPT)
"""What changes something for patients, a kept session by its room; that somebody else leads it
does not."""


@dataclass(frozen=True, slots=True)
class Call:
    """Whom to call, what to say of each session, and the last tick of what was said."""

    person: Person
    said: Said
    tick: Told | None

    @property
    def news(self) -> tuple[str, ...]:
        return tuple(self.said.values())

    @property
    def told(self) -> Told | None:
        """The tick, where it was made for this news."""
        known = _known(self.tick)
        return self.tick if all(known.get(key) == one for key, one in self.said.items()) else None

    @property
    def told_otherwise(self) -> tuple[str, ...]:
        """What they were told and holds no longer: they are to be called again."""
        known = _known(self.tick).items()
        return tuple(one for key, one in known if self.said.get(key, one) != one)

    @property
    def was_told(self) -> tuple[str, ...]:
        return tuple(_known(self.tick).values())


def _known(tick: Told | None) -> dict[int, str]:
    return dict(tick.said) if tick else {}


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
    as it is now, to those as well who had been told otherwise, and to them also what is as before
    again.
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
    before: Mapping[Key, Told]
    """Of those who were told before it was taken back."""

    @classmethod
    def of(cls, cause: Cause | Session) -> Self:
        again = is_taken_back(cause)
        rows = Told.objects.filter(clinic=cause.clinic_id, **key_of(cause))
        found = list(rows.select_related("told_by"))
        told, before = (
            {(one.episode_id, one.therapist_id): one for one in found if one.again == which}
            for which in (again, not again)
        )
        return cls(told, before if again else {})

    def to_say(self, who: Person, session: int, news: str, otherwise: str = "") -> str:
        """The `news`; `otherwise` where there is none any more for somebody who heard some. Empty
        for what they knew before it was taken back."""
        told, before = _known(self.told.get(_key(who))), _known(self.before.get(_key(who)))
        said = news or (otherwise if session in told or session in before else "")
        return "" if said == before.get(session) and session not in told else said

    def calls(self, said: Mapping[Any, dict[int, str]]) -> list[Call]:
        """Of those to whom something is to be said."""
        found = {who: {key: one for key, one in own.items() if one} for who, own in said.items()}
        return [Call(who, own, self._last(_key(who))) for who, own in found.items() if own]

    def _last(self, key: Key) -> Told | None:
        return self.told.get(key) or self.before.get(key)


def _key(who: Person) -> Key:
    return (who.pk, None) if isinstance(who, Episode) else (None, who.pk)


def _patients(
    cause: Cause | Session, decisions: Sequence[Decision], ticks: _Ticks, user: User
) -> list[Call]:
    booked, came = _booked(cause, decisions, user)
    said: defaultdict[Episode, dict[int, str]] = defaultdict(dict)
    for one in decisions:
        key = one.session_id
        for row in booked[key]:
            to_say = ticks.to_say(row.episode, key, _news(one), _as_before(one))
            said[row.episode][key] = to_say
        for row in came[key]:
            said[row.episode][key] = ticks.to_say(row.episode, key, _joined(one, row))
    return ticks.calls(said)


Booked = Mapping[int, list[Booking]]


def _booked(
    cause: Cause | Session, decisions: Iterable[Decision], user: User
) -> tuple[Booked, Booked]:
    """By decided session, by name: who is booked there, and who was until it was combined."""
    keys = [one.session_id for one in decisions if one.choice in NEWS]
    rows = Booking.objects.filter(
        Q(session__in=keys) | Q(combined_from__session__in=keys),
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


def _news(one: Decision) -> str:
    """What differs from what the patient knew; empty where nothing does."""
    session = one.session
    if not session.live:
        return f"{_was(one)}: cancelled"
    if session.starts_at != one.was_starts_at or session.ends_at != one.was_ends_at:
        return f"{_was(one)}: now {_now(session)}"
    if session.place and session.place != _place_before(one):
        return f"{_was(one)}: now {session.place}"
    return ""


def _as_before(one: Decision) -> str:
    """What holds again for somebody who was told otherwise."""
    return f"{_now(one.session)}: takes place as it was planned"


def _joined(one: Decision, row: Booking) -> str:
    """Of the session that takes whoever was booked in this one."""
    return f"{_was(one)}: " + (f"now {_now(row.session)}" if row.live else "cancelled")


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
    said: defaultdict[Therapist, dict[int, str]] = defaultdict(dict)
    for one in decisions:
        if one.substitute is None:
            continue
        covering = (one.session_id, one.substitute_id) in active
        news = f"covers {_now(one.session)}" if covering else ""
        gone = f"does not cover any more: {_was(one)}"
        said[one.substitute][one.session_id] = ticks.to_say(
            one.substitute, one.session_id, news, gone
        )
    return ticks.calls(said)
