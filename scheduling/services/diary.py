"""What stands in the way of a session: closures, time off, licenses, other sessions."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self

from django.db.models import QuerySet

from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import Clinic, License, Therapist
from iop_clinic.accounts.weeks import local_date
from scheduling.leading import check_qualified, not_qualified
from scheduling.models import Booking, Closure, Room, Session, SessionStaff, SessionType, TimeOff
from scheduling.rules import Span, closed_span
from scheduling.services.visits import VISITS

WITHOUT_LEADER = "No leader: "
WITHOUT_ROOM = "No room: "

Spans = dict[int, list[Span]]


@dataclass
class Diary:
    """All that is known about a stretch of time in one clinic, read in five queries.

    Read it after the therapists and rooms are locked, or it may be out of date at once.
    """

    zone: datetime.tzinfo
    closures: list[Closure]
    state: str = ""
    away: Spans = field(default_factory=lambda: defaultdict(list))
    leading: Spans = field(default_factory=lambda: defaultdict(list))
    in_room: Spans = field(default_factory=lambda: defaultdict(list))
    licenses: dict[int, list[License]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(
        cls,
        clinic: Clinic,
        span: Span,
        *,
        therapists: Iterable[int],
        rooms: Iterable[int | None],
        ignoring: Collection[Session] = (),
    ) -> Self:
        """What is known of `span`; `ignoring` are sessions that are about to move."""
        first, last = local_date(span.starts_at, clinic.tz), local_date(span.ends_at, clinic.tz)
        therapists = set(therapists)
        closures = Closure.objects.in_force().filter(
            clinic=clinic, starts_on__lte=last, ends_on__gte=first
        )
        diary = cls(zone=clinic.tz, closures=list(closures), state=clinic.state)
        inside = {"starts_at__lt": span.ends_at, "ends_at__gt": span.starts_at}
        away = TimeOff.objects.in_force().filter(clinic=clinic, therapist__in=therapists, **inside)
        for off in away:
            diary.away[off.therapist_id].append(Span(off.starts_at, off.ends_at))
        parts = SessionStaff.objects.taking_place().overlapping(*span)
        parts = parts.filter(clinic=clinic, therapist__in=therapists)
        sessions = Session.objects.live().overlapping(*span)
        sessions = sessions.filter(clinic=clinic, room__in={key for key in rooms if key})
        if ignoring:
            parts = parts.exclude(session__in=ignoring)
            sessions = sessions.exclude(pk__in=[one.pk for one in ignoring])
        for part in parts.values_list("therapist", "starts_at", "ends_at"):
            diary.leading[part[0]].append(Span(*part[1:]))
        for row in sessions.values_list("room", "starts_at", "ends_at"):
            diary.in_room[row[0]].append(Span(*row[1:]))
        for license_ in License.objects.filter(clinic=clinic, therapist__in=therapists):
            diary.licenses[license_.therapist_id].append(license_)
        return diary

    def closure(
        self, span: Span, room_id: int | None = None, *, but: Collection[int] = ()
    ) -> Closure | None:
        """The closure of the clinic (or, with `room_id`, of that room) that touches the span, `but`
        for those with these keys."""
        for closure in self.closures:
            if closure.pk in but or closure.room_id != room_id:
                continue
            if any(span.overlaps(closed) for closed in closed_spans(closure, self.zone, span)):
                return closure
        return None

    def absence(self, therapist: Therapist, span: Span) -> str:
        """Why the therapist is not here at this time; empty when they are."""
        if not therapist.active:
            return f"{therapist.name} works here no longer"
        if any(span.overlaps(other) for other in self.away[therapist.pk]):
            return f"{therapist.name} has time off"
        return ""

    def therapist_trouble(self, therapist: Therapist, span: Span) -> str:
        """Why the therapist cannot lead at this time; empty when they can."""
        if absence := self.absence(therapist, span):
            return absence
        if any(span.overlaps(other) for other in self.leading[therapist.pk]):
            return f"{therapist.name} leads another session"
        return ""

    def license_trouble(
        self, therapist: Therapist, span: Span, session_type: SessionType | None
    ) -> str:
        """Why the therapist is not qualified to lead on the date; empty when they are.

        A co-facilitator is asked without a type (see `scheduling.leading`).
        """
        day, own = local_date(span.starts_at, self.zone), self.licenses[therapist.pk]
        return not_qualified(therapist, own, session_type, self.state, day)

    def room_trouble(self, room: Room, span: Span, seats: int) -> str:
        """Why the room cannot be used at this time by so many; empty when it can."""
        if not room.active:
            return f"{room} is not in use"
        if room.seats < seats:
            return seats_said(room)
        closure = self.closure(span, room.pk)
        if closure is not None:
            return f"{room} is closed ({closure.reason})"
        if any(span.overlaps(other) for other in self.in_room[room.pk]):
            return f"{room} is taken"
        return ""

    def take(self, span: Span, *, therapists: Iterable[Therapist], room: Room | None) -> None:
        """Note a session that was just planned."""
        for therapist in therapists:
            self.leading[therapist.pk].append(span)
        if room is not None:
            self.in_room[room.pk].append(span)

    # --- the same answers as refusals ---

    def check_open(self, span: Span) -> None:
        closure = self.closure(span)
        if closure is not None:
            raise Refused(
                "clinic_closed",
                f"The clinic is closed then: {closure.reason}. Choose another time.",
            )

    def check_therapist(self, therapist: Therapist, span: Span, *, instead: str) -> None:
        """`instead` is what the person can do there."""
        trouble = self.therapist_trouble(therapist, span)
        if trouble:
            raise Refused("therapist_busy", f"{trouble}. {instead}", field="therapist")

    def check_qualified(self, therapist: Therapist, span: Span, session_type: SessionType) -> None:
        day, own = local_date(span.starts_at, self.zone), self.licenses[therapist.pk]
        check_qualified(therapist, own, session_type, self.state, day, field="therapist")

    def check_room(self, room: Room | None, span: Span, seats: int) -> None:
        if room is None:
            return
        check_seats(room, seats)
        if trouble := self.room_trouble(room, span, seats):
            message = f"{trouble}. Choose another time, or another room."
            raise Refused("room_busy", message, field="room")


def check_seats(room: Room, seats: int) -> None:
    """Refuse (`room_too_small`) a room with fewer seats than are planned."""
    if room.seats < seats:
        message = f"{seats_said(room)}, and {seats} are planned. Choose a larger room."
        raise Refused("room_too_small", message, field="room")


def seats_said(room: Room) -> str:
    """ "Oak has 10 seats"."""
    return f"{room} has 1 seat" if room.seats == 1 else f"{room} has {room.seats} seats"


def closed_spans(closure: Closure, zone: datetime.tzinfo, around: Span) -> Iterator[Span]:
    """The closed parts of the dates that `around` touches."""
    day = max(closure.starts_on, local_date(around.starts_at, zone))
    last = min(closure.ends_on, local_date(around.ends_at, zone))
    while day <= last:
        yield closed_span(day, closure.from_time, closure.to_time, zone)
        day += datetime.timedelta(days=1)


def check_patients_free(
    patient_ids: Iterable[int],
    span: Span,
    *,
    ignoring: Session,
    nested: bool = False,
    but: Iterable[Booking] = (),
) -> None:
    """Refuse when one of the patients is booked elsewhere than in `ignoring` at this time, `but`
    for these bookings."""
    elsewhere = (
        Booking.objects.seated()
        .overlapping(*span)
        .filter(
            clinic=ignoring.clinic_id,
            patient__in=set(patient_ids),
            nested_in__isnull=not nested,
        )
    )
    if ignoring.pk is not None:
        elsewhere = elsewhere.exclude(session=ignoring)
    elsewhere = elsewhere.exclude(pk__in=[one.pk for one in but])
    busy = elsewhere.values("patient").distinct().count()
    if busy == 1 and is_across_a_visit(ignoring, elsewhere):
        raise Refused("patient_busy", ACROSS_A_VISIT)
    if busy == 1:
        raise Refused(
            "patient_busy", "The patient is booked elsewhere at this time. Choose another time."
        )
    if busy:
        raise Refused(
            "patient_busy",
            f"{busy} patients are booked elsewhere at this time. Choose another one.",
        )


ACROSS_A_VISIT = (
    "A visit of the patient lies in a part of this time. Move the visit wholly inside the session "
    "or out of it first, or choose another time."
)


def is_across_a_visit(session: Session, elsewhere: QuerySet[Booking]) -> bool:
    """Whether only visits are in the way of a session that could have them inside."""
    others = elsewhere.exclude(session__session_type__kind__in=VISITS)
    return session.session_type.kind not in VISITS and not others.exists()


def without(text: str, *prefixes: str) -> str:
    """What still needs attention once the matters with these prefixes are settled."""
    return "; ".join(part for part in text.split("; ") if part and not part.startswith(prefixes))


def with_also(text: str, part: str) -> str:
    """What needs attention, with one matter more; cut to the column's length."""
    known = text.split("; ") if text else []
    return "; ".join([*known, *([part] if part not in known else [])])[:200]


def attend(session: Session, part: str) -> None:
    """Note a matter that a person must look at; nothing for an empty one."""
    if part:
        session.needs_attention = with_also(session.needs_attention, part)
