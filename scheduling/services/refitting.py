"""Sessions to come take the form of their changed weekly block, row by row."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from django.db import connection
from django.utils import timezone

from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import Therapist
from iop_clinic.accounts.weeks import DAYS_IN_WEEK, long_date, week_of
from scheduling.leading import LICENSE
from scheduling.locks import lock
from scheduling.models import (
    Booking,
    Decision,
    GroupMembership,
    Session,
    SessionStaff,
    WeeklyBlock,
)
from scheduling.rules import Span, occurrences, span_on
from scheduling.services.bookings import ON_HOLD, untie_visits, withdraw_all
from scheduling.services.busy import Busy, busy_between
from scheduling.services.diary import (
    WITHOUT_LEADER,
    WITHOUT_ROOM,
    Diary,
    attend,
    without,
)
from scheduling.services.placing import last_seats
from scheduling.services.seating import Expected, plan_seating, who_leaves
from scheduling.services.sessions import SUBSTITUTE_ACCESS
from scheduling.services.visits import let_in

Role = SessionStaff.Role
NOT_PLANNED = "The weekly block does not meet in this week any more"
ANOTHER_DAY = "The weekly block meets on another day"


@dataclass(slots=True)
class Refitted:
    """What became of the sessions to come; each is in one list at most, in order of time."""

    changed: list[Session] = field(default_factory=list)
    kept: list[Session] = field(default_factory=list)
    """Moved by hand before: they stay as they are."""
    cancelled: list[Session] = field(default_factory=list)
    was: dict[int, Span] = field(default_factory=dict)
    """By session: when it was to take place before. In no list: was cancelled before."""
    findings: list[str] = field(default_factory=list)
    """What a person must look at; names no patient."""


def refit(*, old: WeeklyBlock, new: WeeklyBlock, since: datetime.date) -> Refitted:
    """Give the sessions of `old` from the original date `since` on to `new`, in its form.

    The clinic's calendar and the group are locked. Raises Refused `nested_visit` or `patient_busy`.
    """
    own = Session.objects.filter(
        clinic=old.clinic_id, block=old.pk, original_local_date__gte=since
    ).order_by("pk")
    parts = SessionStaff.objects.filter(session__in=own).values_list("therapist", flat=True)
    lock(
        therapists=[*parts, *(leader.pk for leader in new.leaders)],
        rooms=[old.room_id, new.room_id, *own.values_list("room", flat=True)],
        moving=own.values_list("pk", flat=True),
    )
    sessions = list(own.select_related("clinic", "group", "session_type", "room"))
    if not sessions:
        return Refitted()
    lock(episodes=_episodes(sessions))
    return _Refit(old, new, sessions).run()


def _episodes(sessions: Sequence[Session]) -> set[int]:
    booked = Booking.objects.filter(session__in=[one.pk for one in sessions])
    days = [one.local_date for one in sessions]
    members = GroupMembership.objects.during(
        min(days) - datetime.timedelta(days=DAYS_IN_WEEK),
        max(days) + datetime.timedelta(days=DAYS_IN_WEEK),
    ).filter(group=sessions[0].group_id)
    return {*booked.values_list("episode", flat=True), *members.values_list("episode", flat=True)}


class _Refit:
    """One change of a block, on all of its sessions to come at once."""

    def __init__(self, old: WeeklyBlock, new: WeeklyBlock, sessions: Sequence[Session]) -> None:
        self.old, self.new, self.sessions = old, new, sessions
        self.zone = old.clinic.tz
        self.result = Refitted()
        self.days = {one.pk: one.local_date for one in sessions}
        self.last_seats = last_seats(sessions)
        self.parts: dict[int, list[SessionStaff]] = defaultdict(list)
        for part in SessionStaff.objects.filter(session__in=sessions).select_related("therapist"):
            self.parts[part.session_id].append(part)

    def run(self) -> Refitted:
        moving = self._sort()
        retimed = [one for one in moving if self._was(one) != _span(one)]
        untie_visits(one.pk for one in retimed)
        ties = _check_patients([one for one in retimed if one.live])
        if moving:
            self._arrange(moving)
        with let_in([one for one in ties if one[1].session.live]):  # or it is closed then
            self._save()
        self._seat([one for one in moving if one.local_date != self.days[one.pk]])
        return self.result

    def _was(self, session: Session) -> Span:
        return self.result.was[session.pk]

    # --- which session takes which date ---

    def _sort(self) -> list[Session]:
        """Give each its date in the same week; answers those that take the block's new time."""
        meets = self._meetings()
        moving = []
        for session in self.sessions:
            self.result.was[session.pk] = _span(session)
            day = meets.get(self._week(session.original_local_date))
            by_hand = self._by_hand(session)
            session.block = self.new
            if day is None:
                self._cancel(session)
                continue
            session.original_local_date = day
            if by_hand:
                self.result.kept.append(session)
                continue
            session.session_type = self.new.session_type
            span = span_on(day, self.new.starts_at, self.new.ends_at, self.zone)
            session.starts_at, session.ends_at = span
            session.local_date, session.zone = day, str(self.zone)
            session.breaks = self.new.breaks
            moving.append(session)
        return moving

    def _meetings(self) -> dict[datetime.date, datetime.date]:
        """By the first date of a week, the date in it on which the new block meets."""
        dates = [one.original_local_date for one in self.sessions if one.original_local_date]
        found = occurrences(
            weekday=self.new.weekday,
            every_weeks=self.new.every_weeks,
            valid_from=self.new.valid_from,
            valid_until=self.new.valid_until,
            first=self.new.valid_from,
            last=max(dates) + datetime.timedelta(days=DAYS_IN_WEEK),
        )
        return {self._week(day): day for day in found}

    def _week(self, day: datetime.date | None) -> datetime.date:
        assert day is not None  # a session of a block has its original date
        return week_of(day, week_start=self.old.clinic.week_starts_on).start

    def _by_hand(self, session: Session) -> bool:
        """Whether somebody gave it another time than its block's."""
        day = session.original_local_date
        assert day is not None
        return _span(session) != span_on(day, self.old.starts_at, self.old.ends_at, session.tz)

    def _cancel(self, session: Session) -> None:
        if session.live:
            session.state, session.live = Session.State.CANCELLED, False
            session.cancelled_reason, session.cancelled_at = NOT_PLANNED, timezone.now()
            self.result.cancelled.append(session)

    # --- what stands in the way of the new time ---

    def _arrange(self, moving: Sequence[Session]) -> None:
        diary, held = self._diary(moving), _held_all_the_same(moving)
        for session in moving:
            if not session.live:
                continue
            closure = diary.closure(_span(session), but=held[session.pk])
            if closure is not None:
                self._cancel(session)
                session.cancelled_reason, session.closure = closure.reason, closure
                continue
            session.needs_attention = without(
                session.needs_attention, WITHOUT_ROOM, WITHOUT_LEADER, LICENSE
            )
            self._find_room(session, diary)
            leaders = self._find_leaders(session, diary)
            diary.take(_span(session), therapists=leaders, room=session.room)
            self.result.changed.append(session)

    def _diary(self, moving: Sequence[Session]) -> Diary:
        """Whatever there is then beside these sessions."""
        led = [part.therapist_id for parts in self.parts.values() for part in parts]
        rooms = [self.new.room_id, *(one.room_id for one in self.sessions)]
        span = Span(min(one.starts_at for one in moving), max(one.ends_at for one in moving))
        return Diary.of(
            self.old.clinic,
            span,
            therapists=[*led, *(leader.pk for leader in self.new.leaders)],
            rooms=rooms,
            ignoring=moving,
        )

    def _find_room(self, session: Session, diary: Diary) -> None:
        """The block's place, unless a person chose another one; no room where it is not free."""
        if _place(session) in (NOWHERE, _place(self.old)):
            session.room, session.off_site = self.new.room, self.new.off_site
            session.by_video = self.new.by_video
        room = session.room
        seats = max(session.capacity, self.last_seats.get(session.pk, 0))
        trouble = room and diary.room_trouble(room, _span(session), seats)
        if trouble:
            session.room = None
            attend(session, f"{WITHOUT_ROOM}{trouble}")

    def _find_leaders(self, session: Session, diary: Diary) -> list[Therapist]:
        """Who leads it: a substitute who can, or else the block's own."""
        span, parts = _span(session), self.parts[session.pk]
        leading = []
        for part in parts:
            if part.active and part.role == Role.SUBSTITUTE:
                part.active = not diary.therapist_trouble(part.therapist, span)
                part.access_until = span.ends_at + SUBSTITUTE_ACCESS
                leading += [part.therapist] if part.active else []
        wanted = [(self.new.facilitator, Role.FACILITATOR)] if not leading else []
        if self.new.co_facilitator:
            wanted.append((self.new.co_facilitator, Role.CO_FACILITATOR))
        for part in parts:
            part.active = part.active and part.role == Role.SUBSTITUTE
        for therapist, role in wanted:
            if therapist in leading:
                continue
            trouble = diary.therapist_trouble(therapist, span)
            self._part(session, therapist, role, active=not trouble)
            attend(session, f"{WITHOUT_LEADER}{trouble}" if trouble else "")
            leading += [] if trouble else [therapist]
        for therapist in leading:
            asked = None if therapist == self.new.co_facilitator else self.new.session_type
            attend(session, diary.license_trouble(therapist, span, asked))
        return leading

    def _part(self, session: Session, therapist: Therapist, role: str, *, active: bool) -> None:
        """The therapist's part in it, as it was or a new one."""
        parts = self.parts[session.pk]
        part = next((one for one in parts if one.therapist_id == therapist.pk), None)
        if part is None:
            part = SessionStaff(clinic_id=session.clinic_id, session=session, therapist=therapist)
            parts.append(part)
        part.role, part.active, part.access_until = role, active, None

    # --- what is written ---

    def _save(self) -> None:
        """While rows change places, two may be in one: it is looked at again at the end."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SET CONSTRAINTS session_room_free, sessionstaff_therapist_free, "
                "booking_patient_free, booking_patient_free_nested DEFERRED"
            )
        own = {leader.pk for leader in self.new.leaders}
        parts = [part for one in self.result.changed for part in self.parts[one.pk]]
        gone = [one for one in parts if one.role != Role.SUBSTITUTE and one.therapist_id not in own]
        known = [one for one in parts if one.pk and one not in gone]
        SessionStaff.objects.filter(pk__in=[one.pk for one in gone]).delete()
        SessionStaff.objects.filter(pk__in=[one.pk for one in known]).update(active=False)
        for session in self.sessions:
            session.version += 1
        Session.objects.bulk_update(self.sessions, REFITTED)
        SessionStaff.objects.bulk_update(known, ["role", "active", "access_until"])
        new = [one for one in parts if not one.pk and one not in gone]
        for part in new:
            part.starts_at, part.ends_at = _span(part.session)
            part.live = part.session.live
        SessionStaff.objects.bulk_create(new)

    def _seat(self, moved: Sequence[Session]) -> None:
        """On another day others may be members, on hold or in treatment."""
        if not moved:
            return
        left = who_leaves(moved)
        withdraw_all(left.gone, reason=ANOTHER_DAY)
        withdraw_all(left.paused, reason=ON_HOLD)
        left.write()
        was = {one.pk: self.days[one.pk] for one in moved}
        live = [one for one in moved if one.live]
        plan_seating(live, self._people(moved), was=was).write()

    def _people(self, moved: Sequence[Session]) -> list[Expected]:
        if self.new.episode is not None:
            return [Expected(self.new.episode)]
        days = [one.local_date for one in moved]
        held = GroupMembership.objects.during(min(days), max(days)).filter(group=self.new.group_id)
        return [Expected(row.episode, row) for row in held.select_related("episode")]


REFITTED = [
    "block",
    "original_local_date",
    "session_type",
    "starts_at",
    "ends_at",
    "local_date",
    "zone",
    "breaks",
    "room",
    "by_video",
    "off_site",
    "needs_attention",
    "state",
    "cancelled_reason",
    "cancelled_at",
    "closure",
    "version",
]


def _span(session: Session) -> Span:
    return Span(session.starts_at, session.ends_at)


def _held_all_the_same(sessions: Sequence[Session]) -> dict[int, set[int]]:
    """By session: the closures in which it takes place, as a person decided."""
    found: dict[int, set[int]] = defaultdict(set)
    rows = Decision.objects.filter(clinic=sessions[0].clinic_id, session__in=sessions)
    held = rows.filter(choice__in=[Decision.Choice.KEPT, Decision.Choice.BY_VIDEO])
    held = held.filter(closure__isnull=False)
    for session, closure in held.values_list("session", "closure"):
        found[session].add(closure)
    return found


NOWHERE = (None, False, "")


def _place(row: Session | WeeklyBlock) -> tuple[int | None, bool, str]:
    return row.room_id, row.by_video, row.off_site


def _check_patients(sessions: Sequence[Session]) -> list[tuple[Booking, Booking]]:
    """Refuse, with the dates, where somebody booked is elsewhere at the new time.

    Answers the visits that lie inside it, each with the booking around it as that will be.
    """
    if not sessions:
        return []
    seated = Booking.objects.seated().filter(session__in=sessions)
    by_session: dict[int, dict[int, Booking]] = defaultdict(dict)
    for row in seated.order_by("pk"):
        by_session[row.session_id][row.patient_id] = row
    busy = _elsewhere(sessions, {patient for rows in by_session.values() for patient in rows})
    met = [
        (one, row, other)
        for one in sessions
        for patient, row in by_session[one.pk].items()
        for other in busy[patient]
        if _span(one).overlaps(other.span) and not other.nested  # the one around it is in the way
    ]
    stuck = [(one, other) for one, _, other in met if not other.may_interrupt(one)]
    if dates := sorted({one.local_date for one, _ in stuck}):
        days = ", ".join(long_date(day) for day in dates)
        message = f"Patients are booked elsewhere at the new time on {days}. Change that first."
        keys = sorted({other.booking for _, other in stuck if other.booking})
        raise Refused("patient_busy", message, field="starts_at", dates=dates, bookings=keys)
    return _ties(met)


def _ties(met: Iterable[tuple[Session, Booking, Busy]]) -> list[tuple[Booking, Booking]]:
    around = {}
    for session, row, visit in met:
        row.session = session
        row.starts_at, row.ends_at = _span(session)
        around[visit.booking] = row
    found = Booking.objects.filter(pk__in=around) if around else ()
    return [(visit, around[visit.pk]) for visit in found]


def _elsewhere(sessions: Sequence[Session], patients: Collection[int]) -> dict[int, list[Busy]]:
    """By patient: where they are expected beside these sessions."""
    first, last = min(one.starts_at for one in sessions), max(one.ends_at for one in sessions)
    return busy_between(
        Span(first, last), sessions[0].clinic_id, patients, but=[one.pk for one in sessions]
    )
