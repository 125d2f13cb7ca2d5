"""A decision for each session that a closure or time off touches, carried out all or none."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.db.models import F
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.models import Therapist, User
from iop_clinic.accounts.weeks import local_date, long_moment
from scheduling.locks import lock
from scheduling.models import (
    Booking,
    Closure,
    Decision,
    GroupMembership,
    Room,
    Session,
    SessionStaff,
    TimeOff,
)
from scheduling.services.combining import combine_sessions
from scheduling.services.diary import WITHOUT_LEADER, WITHOUT_ROOM, attend
from scheduling.services.placing import hold_by_video
from scheduling.services.sessions import move_session
from scheduling.services.substitutes import assign_substitute
from scheduling.services.visits import visits_on

Cause = Closure | TimeOff
Choice = Decision.Choice

CLOSED = (Choice.CANCELLED, Choice.MOVED, Choice.COMBINED, Choice.BY_VIDEO, Choice.KEPT)
ROOM_CLOSED = (Choice.KEPT, Choice.MOVED, Choice.BY_VIDEO, Choice.COMBINED, Choice.CANCELLED)
AWAY = (Choice.KEPT, Choice.COVERED, Choice.MOVED, Choice.COMBINED, Choice.CANCELLED)
"""What can be decided; the first is done where nobody decides. By video answers where a session is
held, not who leads it; and another leader opens no clinic."""

NAMED = 5
"""Sessions that a refusal names; of the others it tells how many there are."""
LEADS = (SessionStaff.Role.FACILITATOR, SessionStaff.Role.SUBSTITUTE)


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person decided for a session, as they saw it. `room` None: the one that it has."""

    session: Session
    choice: Choice
    starts_at: datetime.datetime | None = None
    ends_at: datetime.datetime | None = None
    room: Room | None = None
    therapist: Therapist | None = None
    into: Session | None = None


def choices_of(cause: Cause) -> tuple[Choice, ...]:
    """What can be decided for a session that this touches, the usual one first."""
    if isinstance(cause, TimeOff):
        return AWAY
    return ROOM_CLOSED if cause.room_id else CLOSED


def key_of(cause: Cause | Session) -> dict[str, Cause | Session]:
    """How rows name it: by `closure`, by `time_off`, or a combined `session` by itself."""
    if isinstance(cause, Session):
        return {"session": cause}
    return {"closure" if isinstance(cause, Closure) else "time_off": cause}


def usual_decisions(cause: Cause, sessions: Iterable[Session]) -> list[Decided]:
    """What is done where nobody decides."""
    return [Decided(one, choices_of(cause)[0]) for one in sessions]


def settle(
    cause: Cause, affected: Callable[[], list[Session]], decided: Sequence[Decided] | None
) -> list[Decided]:
    """A decision for each affected session: those of a person, or else the usual one for each.

    The clinic's calendar is locked; all that the decisions touch is locked here, and the sessions
    are read again. Raises Refused `sessions_changed` where a person decided about other sessions,
    or about one that was changed since they saw it, and `not_decidable` for what is incomplete.
    """
    _check_complete(cause, decided or ())
    given = decided or ()
    away, closed = _away(cause)
    lock_touched(
        [*affected(), *(one.into for one in given if one.into)],
        therapists=[away, *(one.therapist.pk for one in given if one.therapist)],
        rooms=[closed, *(one.room.pk for one in given if one.room)],
        days=[local_date(one.starts_at, cause.clinic.tz) for one in given if one.starts_at],
    )
    now = {one.pk: one for one in affected()}
    if decided is None:
        return usual_decisions(cause, now.values())
    _check_current(now, decided)
    return [replace(one, session=now[one.session.pk]) for one in decided]


def _away(cause: Cause) -> tuple[int | None, int | None]:
    """The therapist, and the room, that is not there."""
    if isinstance(cause, TimeOff):
        return cause.therapist_id, None
    return None, cause.room_id


def lock_touched(
    sessions: Collection[Session],
    *,
    therapists: Iterable[int | None],
    rooms: Iterable[int | None],
    days: Iterable[datetime.date],
) -> None:
    """All that changing these sessions locks later, at once: one after the other they would be
    locked crosswise. `days` are the dates to which some are moved. The clinic's calendar is locked.
    """
    keys = [one.pk for one in sessions]
    groups = {one.group_id for one in sessions if one.group_id}
    held_on = [one.local_date for one in sessions]
    led = SessionStaff.objects.filter(session__in=keys).values_list("therapist", flat=True)
    episodes = set(Booking.objects.filter(session__in=keys).values_list("episode", flat=True))
    if groups:
        held = GroupMembership.objects.during(min(held_on), max(held_on)).filter(group__in=groups)
        episodes |= set(held.values_list("episode", flat=True))
    lock(
        groups=groups,
        therapists=[*led, *therapists],
        rooms=[*(one.room_id for one in sessions), *rooms],
        sessions=visits_on([*held_on, *days], sessions),
        moving=keys,
        episodes=episodes,
    )


# --- what a decision needs -----------------------------------------------------------------------


def _check_complete(cause: Cause, decided: Iterable[Decided]) -> None:
    refused = [(one.session, found) for one in decided if (found := _lacking(cause, one))]
    refuse_sessions(refused)


def _lacking(cause: Cause, one: Decided) -> Refused | None:
    """What is still to be said about a decision."""

    def lacks(message: str, field: str) -> Refused:
        return Refused("not_decidable", message, field=field)

    if one.choice not in choices_of(cause):
        return lacks("This cannot be decided here. Choose one of the list.", "choice")
    if one.choice == Choice.MOVED and one.starts_at is None:
        return lacks("Say when it takes place.", "starts_at")
    if one.choice == Choice.MOVED and one.ends_at is None:
        return lacks("Say until when it lasts.", "ends_at")
    if one.choice == Choice.COVERED and one.therapist is None:
        return lacks("Choose who covers it.", "therapist")
    if one.choice == Choice.COMBINED and one.into is None:
        return lacks("Choose the session that it joins.", "into")
    return None


def _check_current(now: Mapping[int, Session], decided: Sequence[Decided]) -> None:
    """Under the locks: the sessions are those that were decided about, as they were seen."""
    message = "Somebody changed it meanwhile: look again."
    refuse_sessions(
        [
            (one.session, Refused("sessions_changed", message, field="choice"))
            for one in decided
            if one.session.pk not in now or now[one.session.pk].version != one.session.version
        ]
    )
    if len(now) != len(decided):
        message = "Other sessions are planned in this time by now: look again."
        raise Refused("sessions_changed", message)


def _keys(sessions: Iterable[Session]) -> list[int]:
    return [one.pk for one in sessions]


def refuse_sessions(refused: Sequence[tuple[Session, Refused]]) -> None:
    """Raise one refusal for all of them; its `errors` say which session and which of its fields."""
    if not refused:
        return
    named = [f"{_when(session)}: {one.message}" for session, one in refused[:NAMED]]
    if len(refused) > NAMED:
        named.append(f"And {len(refused) - NAMED} more.")
    raise Refused(
        refused[0][1].code,
        " ".join(named),
        errors=errors_of(refused),
    )


def errors_of(refused: Iterable[tuple[Session, Refused]]) -> list[dict[str, object]]:
    """Which session, and which of its fields, each refusal is about."""
    return [
        {"loc": [session.pk, one.field], "message": one.message, "code": one.code}
        for session, one in refused
    ]


def _when(session: Session) -> str:
    return f"{session.title}, {long_moment(session.starts_at.astimezone(session.tz))}"


# --- what is done --------------------------------------------------------------------------------


def carry_out(cause: Cause, decided: Sequence[Decided], *, by: User | Job) -> list[Decision]:
    """Do what was decided and keep it with what each session was before.

    What is cancelled or kept takes the same statements for any number of sessions; each of the
    others is a write of its own, with all that it checks. Raises Refused for all that refuse.
    """
    now = timezone.now()
    rows = [_decision(cause, one, now) for one in decided]
    refused = []
    _cancel(cause, [one.session for one in decided if one.choice == Choice.CANCELLED], now)
    for choice, carry in _ONE_BY_ONE.items():
        for one, row in zip(decided, rows, strict=True):
            if one.choice == choice:
                try:
                    carry(one, row, by)
                except Refused as error:
                    refused.append((one.session, error))
    refuse_sessions(refused)
    _keep(cause, [one.session for one in decided if one.choice == Choice.KEPT])
    return Decision.objects.bulk_create(rows)


def _decision(cause: Cause, one: Decided, now: datetime.datetime) -> Decision:
    session = one.session
    return Decision(
        clinic_id=cause.clinic_id,
        **key_of(cause),
        session=session,
        choice=one.choice,
        decided_at=now,
        was_starts_at=session.starts_at,
        was_ends_at=session.ends_at,
        was_room_id=session.room_id,
        was_by_video=session.by_video,
        was_off_site=session.off_site,
        was_needs_attention=session.needs_attention,
    )


def reason_of(cause: Cause) -> str:
    """Why sessions are cancelled: of a therapist nothing private is said to everybody."""
    if isinstance(cause, Closure):
        return cause.reason
    return f"{cause.therapist.name} has time off"


def _cancel(cause: Cause, sessions: Sequence[Session], now: datetime.datetime) -> None:
    Session.objects.live().filter(pk__in=_keys(sessions)).update(
        state=Session.State.CANCELLED,
        cancelled_reason=reason_of(cause),
        cancelled_at=now,
        closure=cause if isinstance(cause, Closure) else None,
        version=F("version") + 1,
    )


def _move(one: Decided, row: Decision, by: User | Job) -> None:
    assert one.starts_at is not None
    assert one.ends_at is not None
    moved = move_session(
        session=_own(one.session),
        starts_at=one.starts_at,
        ends_at=one.ends_at,
        room=one.room,
        by=by,
    )
    row.to_starts_at, row.to_ends_at, row.to_room = moved.starts_at, moved.ends_at, moved.room


def _combine(one: Decided, row: Decision, by: User | Job) -> None:
    assert one.into is not None
    combine_sessions(session=_own(one.session), into=_own(one.into), by=by)
    row.into = one.into


def _by_video(one: Decided, row: Decision, by: User | Job) -> None:
    hold_by_video(session=_own(one.session), by=by)


def _cover(one: Decided, row: Decision, by: User | Job) -> None:
    assert row.time_off is not None
    assert one.therapist is not None
    leading = one.session.staff.filter(active=True, role__in=LEADS)
    other = leading.exclude(therapist=row.time_off.therapist_id).select_related("therapist")
    if found := other.first():
        message = f"{found.therapist.name} leads it already: keep it as it is."
        raise Refused("not_decidable", message, field="choice")
    assign_substitute(session=_own(one.session), therapist=one.therapist, by=by)
    # A co-facilitator's part would stay, and who is away takes no part either.
    one.session.staff.filter(therapist=row.time_off.therapist_id).update(active=False)
    row.substitute = one.therapist


def _own(session: Session) -> Session:
    """A copy for the service that changes it: what the person saw stays as they saw it."""
    return Session.objects.select_related("clinic", "group", "session_type").get(pk=session.pk)


_ONE_BY_ONE: Mapping[Choice, Callable[[Decided, Decision, User | Job], None]] = {
    Choice.COMBINED: _combine,
    Choice.BY_VIDEO: _by_video,
    Choice.MOVED: _move,
    Choice.COVERED: _cover,
}
"""In the order in which they make room for each other."""


def _keep(cause: Cause, sessions: Sequence[Session]) -> None:
    if isinstance(cause, TimeOff):
        _without_leader(cause.therapist, sessions)
    elif cause.room_id is not None:
        _without_room(cause, sessions)


def _without_room(closure: Closure, sessions: Sequence[Session]) -> None:
    rows = list(Session.objects.filter(pk__in=_keys(sessions)))
    for session in rows:
        session.room = None
        attend(session, f"{WITHOUT_ROOM}{closure.room} is closed ({closure.reason})")
        session.version += 1
    Session.objects.bulk_update(rows, ["room", "needs_attention", "version"])


def _without_leader(therapist: Therapist, sessions: Sequence[Session]) -> None:
    keys = _keys(sessions)
    parts = SessionStaff.objects.filter(session__in=keys, active=True)
    parts.filter(therapist=therapist).update(active=False)
    led = set(parts.filter(role__in=LEADS).values_list("session", flat=True))
    rows = list(Session.objects.filter(pk__in=keys))
    for session in rows:
        if session.pk not in led:
            attend(session, time_off_of(therapist))
        session.version += 1
    Session.objects.bulk_update(rows, ["needs_attention", "version"])


def time_off_of(therapist: Therapist) -> str:
    """What needs attention in the sessions that lose this leader."""
    return f"{WITHOUT_LEADER}{therapist.name} has time off"
