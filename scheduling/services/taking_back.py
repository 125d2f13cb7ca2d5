"""A closure or time off taken back: whatever still fits is what it was before, in one step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import Therapist, User
from scheduling.locks import lock
from scheduling.models import Closure, Decision, Session, SessionStaff, TimeOff
from scheduling.rules import Span
from scheduling.services.bookings import combined_bookings
from scheduling.services.combining import part_sessions
from scheduling.services.deciding import Cause, Choice, key_of, lock_touched
from scheduling.services.diary import WITHOUT_ROOM, Diary, attend
from scheduling.services.leading_again import (
    lead_again,
    lead_revived,
    miss_facilitator,
    waiting_for,
)
from scheduling.services.placing import PLACE, hold_in_room, place
from scheduling.services.sessions import bring_back, move_session, revive_session
from scheduling.services.substitutes import assign_substitute


@dataclass(slots=True)
class Undone:
    """What came of it, in order of time."""

    back: list[Session] = field(default_factory=list)
    """As they were before."""
    left: list[tuple[Session, str]] = field(default_factory=list)
    """Those that stay as they are now, and why."""

    def sort(self) -> None:
        self.back.sort(key=lambda one: (one.starts_at, one.pk))
        self.left.sort(key=lambda one: (one[0].starts_at, one[0].pk))


@service
def take_back_closure(
    *, closure: Closure, by: User | Job, recorded: Collection[int] = ()
) -> Undone:
    """The clinic, or the room, is open after all: each session is what it was before.

    Cancelled ones take place with their bookings, moved ones move back, a room is given back.
    Whatever no longer fits (time, room, leader or patient taken meanwhile, begun, changed since)
    stays; so does what happened in the bookings of `recorded`, by key. Raises Refused `taken_back`
    for one that somebody took back already.
    """
    lock_decided(closure)
    cancelled = Session.objects.filter(clinic=closure.clinic_id, closure=closure)
    keys = set(cancelled.values_list("pk", flat=True))
    cancelled.update(closure=None, version=F("version") + 1)
    _end(closure)
    decisions = _decisions(closure)
    undo = _Undo(closure, by, recorded, cancelled=keys)
    undo.run([*decisions, *_cancelled_when_planned(keys, decisions)])
    undo.found.sort()
    return undo.found


@service
def take_back_time_off(
    *, time_off: TimeOff, by: User | Job, recorded: Collection[int] = ()
) -> Undone:
    """The therapist works after all: sessions to come are theirs again, as they were before.

    Substitutes end, moved sessions move back, cancelled ones take place. Whatever no longer fits
    stays, and what happened in the bookings of `recorded`, by key. Raises Refused `time_off_over`
    or `taken_back`.
    """
    if time_off.ends_at <= timezone.now():
        raise Refused("time_off_over", "This time off is over: it stays as it was.")
    lock_decided(time_off)
    decisions = _decisions(time_off)
    kept = {one.session_id for one in decisions if one.choice == Choice.KEPT}
    _end(time_off)
    undo = _Undo(time_off, by, recorded)
    undo.run([one for one in decisions if one.choice != Choice.KEPT])
    back, left = lead_again(time_off, kept)
    undo.found.back += back
    undo.found.left += left
    undo.found.sort()
    return undo.found


def lock_decided(cause: Cause) -> None:
    """Lock all that taking it back touches, in the one order."""
    lock(clinics=[cause.clinic_id])
    decisions = _decisions(cause)
    sessions = [*(one.session for one in decisions), *_also_touched(cause)]
    sessions += [one.into for one in decisions if one.into]
    away = [cause.therapist_id] if isinstance(cause, TimeOff) else []
    lock_touched(
        sessions,
        therapists=[*away, *(one.substitute_id for one in decisions)],
        rooms=[one.was_room_id for one in decisions],
        days=[one.was_local_date for one in decisions],
    )


def _decisions(cause: Cause) -> list[Decision]:
    rows = Decision.objects.filter(clinic=cause.clinic_id, **key_of(cause))
    related = rows.select_related("session__clinic", "session__group", "session__session_type")
    also = related.select_related(
        "session__room", "was_room", "substitute", "into__group", "into__session_type"
    )
    return list(also.order_by("pk"))


def _also_touched(cause: Cause) -> list[Session]:
    """Sessions about which nobody decided: planned into the closed time, or from before there were
    decisions."""
    if isinstance(cause, Closure):
        return list(Session.objects.filter(clinic=cause.clinic_id, closure=cause))
    return list(waiting_for(cause))


def _cancelled_when_planned(
    cancelled: Collection[int], decisions: Iterable[Decision]
) -> list[Decision]:
    """Unsaved decisions of what was cancelled because it was planned into the closed time."""
    known = {one.session_id for one in decisions}
    rows = Session.objects.filter(pk__in=set(cancelled) - known, live=False)
    named = rows.select_related("clinic", "group", "session_type", "room")
    return [
        Decision(
            clinic_id=one.clinic_id, session=one, choice=Choice.CANCELLED,
            decided_at=one.cancelled_at or timezone.now(),
        )
        for one in named.order_by("pk")
    ]  # fmt: skip


def _end(cause: Cause) -> None:
    """The row stays, with its decisions and who was told: they are to be called again."""
    rows = type(cause).objects.in_force().filter(pk=cause.pk)
    if not rows.update(taken_back_at=timezone.now()):
        raise Refused("taken_back", "It is taken back already: nothing is left to take back.")


@dataclass(slots=True)
class _Undo:
    """One step back for each decision; what stands in the way of another is tried again."""

    cause: Cause
    by: User | Job
    recorded: Collection[int]
    cancelled: Collection[int] = ()
    """Sessions, by key, that the closure had cancelled, whoever or whatever did it."""
    found: Undone = field(default_factory=Undone)
    diary: Diary | None = None
    leaders: Mapping[int, list[Therapist]] = field(default_factory=dict)

    def run(self, decisions: Sequence[Decision]) -> None:
        """What was cancelled comes first in each round: what is in its way is read once."""
        waiting = sorted(decisions, key=lambda one: one.choice != Choice.CANCELLED)
        cancelled = [one.session for one in decisions if not one.session.live]
        refused = dict[int, Refused]()
        while waiting:
            self._look([one.session for one in waiting if one.choice == Choice.CANCELLED])
            left = [one for one in waiting if not self._try(one, refused)]
            if len(left) == len(waiting):
                break
            waiting = left
        lead_revived([one for one in cancelled if one.live])
        for one in waiting:
            error = refused[one.session_id]
            self.found.left.append((one.session, error.message))
            if error.code == "clinic_closed" and one.choice == Choice.CANCELLED:
                _wait_for_other_closure(one.session)

    def _look(self, cancelled: Sequence[Session]) -> None:
        """Read for all of them who leads and what is planned then: all of it is locked."""
        if not cancelled:
            return
        parts = SessionStaff.objects.filter(session__in=cancelled, active=True)
        leaders: defaultdict[int, list[Therapist]] = defaultdict(list)
        for part in parts.select_related("therapist"):
            leaders[part.session_id].append(part.therapist)
        self.leaders = leaders
        self.diary = Diary.of(
            self.cause.clinic,
            Span(min(one.starts_at for one in cancelled), max(one.ends_at for one in cancelled)),
            therapists={one.pk for found in leaders.values() for one in found},
            rooms=[one.room_id for one in cancelled],
        )

    def _try(self, one: Decision, refused: dict[int, Refused]) -> bool:
        """Whether the session is as it was; a refusal leaves it as it is."""
        try:
            with transaction.atomic():
                changed = _STEPS[one.choice](self, one)
        except Refused as error:
            refused[one.session_id] = error
            one.session.refresh_from_db()  # for the next time: what was undone in it is not written
            return False
        if changed:
            self.found.back.append(one.session)
        return True

    def _check_to_come(self, session: Session) -> None:
        if not session.live:
            raise Refused("changed", f"Cancelled since: {session.cancelled_reason}.")
        if session.starts_at <= timezone.now():
            raise Refused("session_begun", "It has begun: it stays as it was.")
        if session.bookings.filter(pk__in=self.recorded).exists():
            raise Refused("attendance_recorded", "Attendance is recorded: it stays as it is.")

    # --- one step for each choice; whether anything was changed ---

    def _revive(self, one: Decision) -> bool:
        if one.session.live:
            return False
        if one.session.cancelled_at != one.decided_at:
            raise Refused("changed", f"Cancelled again since: {one.session.cancelled_reason}.")
        if isinstance(self.cause, TimeOff) and one.session.starts_at <= timezone.now():
            raise Refused("session_begun", "Its time has come: it stays as it is.")
        assert self.diary is not None
        bring_back(one.session, self.diary)
        span = Span(one.session.starts_at, one.session.ends_at)
        leaders = self.leaders.get(one.session_id, [])
        self.diary.take(span, therapists=leaders, room=one.session.room)
        return True

    def _move_back(self, one: Decision) -> bool:
        session = one.session
        now = (session.starts_at, session.ends_at, session.room_id)
        if now != (one.to_starts_at, one.to_ends_at, one.to_room_id):
            raise Refused("changed", "Moved again since.")
        self._check_to_come(session)
        if session.room_id != one.was_room_id:  # where it was before, but for the room at that time
            _place(one)
        move_session(
            session=session,
            starts_at=one.was_starts_at,
            ends_at=one.was_ends_at,
            room=one.was_room,
            by=self.by,
        )
        _attend_again(one)
        return True

    def _part(self, one: Decision) -> bool:
        """Whoever cannot come back stays with the other group, and is told of."""
        if one.session.live:
            return False
        parted = part_sessions(session=one.session, staying=self.recorded, by=self.by)
        stay = combined_bookings(one.session).count()
        if stay:
            who = "1 patient stays" if stay == 1 else f"{stay} patients stay"
            said = f"It meets by itself again; {who} with {one.into}."
            self.found.left.append((one.session, said))
        return bool(parted.moved) and not stay

    def _revive_held(self, one: Decision) -> bool:
        """It was to be held in the closed clinic, and was cancelled for the closure all the same
        when its weekly block was changed."""
        if one.session.live or one.session_id not in self.cancelled:
            return False
        revive_session(session=one.session, by=self.by)
        return True

    def _into_room(self, one: Decision) -> bool:
        self._revive_held(one)
        if not one.session.by_video:
            raise Refused("changed", "It has another place by now.")
        self._check_to_come(one.session)
        self._give_place(one)
        return True

    def _give_place(self, one: Decision) -> None:
        if one.was_room is None:
            _place(one)
        else:
            hold_in_room(session=one.session, room=one.was_room, by=self.by)
        _attend_again(one)

    def _end_cover(self, one: Decision) -> bool:
        assert isinstance(self.cause, TimeOff)
        self._check_to_come(one.session)
        if not one.session.staff.filter(active=True, therapist=one.substitute_id).exists():
            raise Refused("changed", "Somebody else leads it since.")
        assign_substitute(session=one.session, therapist=self.cause.therapist, by=self.by)
        miss_facilitator(one.session)
        return True

    def _keep(self, one: Decision) -> bool:
        """Back into the room that was closed. In a closed clinic it has its place; who lost the
        leader is led again by `lead_again`."""
        if not (isinstance(self.cause, Closure) and self.cause.room_id):
            return self._revive_held(one)
        if one.session.place:
            raise Refused("changed", "It has another place by now.")
        self._check_to_come(one.session)
        self._give_place(one)
        return True


_STEPS: Mapping[str, Callable[[_Undo, Decision], bool]] = {
    Choice.CANCELLED: _Undo._revive,
    Choice.MOVED: _Undo._move_back,
    Choice.COMBINED: _Undo._part,
    Choice.BY_VIDEO: _Undo._into_room,
    Choice.COVERED: _Undo._end_cover,
    Choice.KEPT: _Undo._keep,
}


def _wait_for_other_closure(session: Session) -> None:
    """It stays cancelled for the closure that stands in the way: the undo of that finds it."""
    span = Span(session.starts_at, session.ends_at)
    closure = Diary.of(session.clinic, span, therapists=[], rooms=[]).closure(span)
    assert closure is not None  # or else it would not have been refused
    session.closure, session.cancelled_reason = closure, closure.reason
    session.version += 1
    session.save(update_fields=["closure", "cancelled_reason", "version"])


def _place(one: Decision) -> None:
    """By video, off site or nowhere yet, as it was."""
    session = one.session
    place(session, by_video=one.was_by_video, off_site=one.was_off_site)
    session.version += 1
    session.save(update_fields=[*PLACE, "version"])


def _attend_again(one: Decision) -> None:
    """Where a room was missing before, it is missing again."""
    said = [part for part in one.was_needs_attention.split("; ") if part.startswith(WITHOUT_ROOM)]
    for part in said:
        attend(one.session, part)
    if said:
        one.session.save(update_fields=["needs_attention"])
