"""Where else in a week a session fits: its leaders, a room and everybody booked are free.

A place that fits leads to the move itself, which shows what comes of it before it is saved.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from attendance.admin.week_calendar.entries import Entry
from attendance.admin.week_calendar.grid import By, Opening, Place, places_of
from iop_clinic.accounts.models import Clinic, Therapist, User
from iop_clinic.accounts.weeks import day_instants
from scheduling.admin.wording import session_when
from scheduling.models import Booking, Room, Session, SessionStaff
from scheduling.querysets import overlapping
from scheduling.rules import Span
from scheduling.services.diary import Diary
from scheduling.services.placing import is_open_to_all, last_seats

STEP = datetime.timedelta(minutes=30)


@dataclass(frozen=True)
class Moving:
    """A session to come that somebody looks for another time for.

    `back` is where they go on afterwards, as the query of the calendar's address.
    """

    session: Any
    leaders: Sequence[Therapist]
    asked: Sequence[Therapist]
    """Those of the leaders who have to be qualified for it: not who only co-leads."""
    back: str

    @property
    def when(self) -> str:
        return session_when(self.session)

    @property
    def url(self) -> str:
        """The move's own page: any time may be entered there."""
        return self.url_of()

    def url_of(self, **first: Any) -> str:
        page = reverse("admin:scheduling_session_move", args=[self.session.pk])
        return f"{page}?{urlencode({**first, 'back': self.back})}"

    @property
    def span(self) -> Span:
        return Span(self.session.starts_at, self.session.ends_at)

    def openings(
        self,
        clinic: Clinic,
        days: Sequence[datetime.date],
        rooms: Sequence[Room],
        entries: Iterable[Entry],
        by: By,
    ) -> Iterator[tuple[Place, datetime.date, Opening]]:
        """By row and day; eight statements for any number of rooms, sessions and patients."""
        span = Span(day_instants(days[0], clinic.tz)[0], day_instants(days[-1], clinic.tz)[1])
        free = self._freedom(clinic, span, rooms)
        times = list(_times(self.span, clinic, days, entries))
        for place, room in self._rows(rooms, by):
            for day, stretch in _stretches(times, partial(free, room)):
                if opening := self._opening(stretch, room, clinic):
                    yield place, day, opening

    def _rows(self, rooms: Iterable[Room], by: By) -> Iterator[tuple[Place, Room | None]]:
        """A row for each room that it may have; by therapist or group those it stands in."""
        session = self.session
        if by == By.ROOM and not (session.by_video or session.off_site):
            yield from ((Place.of(room), room) for room in rooms)
        else:
            places = places_of(session, self.leaders, by)
            yield from ((place, session.room) for place in places)

    def _freedom(
        self, clinic: Clinic, span: Span, rooms: Iterable[Room]
    ) -> Callable[[Room | None, Span], bool]:
        """Whether the session could be held in a room then; what is known of people is kept."""
        diary = Diary.of(
            clinic,
            span,
            therapists=[one.pk for one in self.leaders],
            rooms=[self.session.room_id, *(one.pk for one in rooms)],
            ignoring=[self.session],
        )
        session, kind = self.session, self.session.session_type
        booked = list(_patients_elsewhere(session, span))
        qualified = [one for one in self.asked if not diary.license_trouble(one, self.span, kind)]
        visits_stay, seats = _visits_stay(session), _seats(session)

        @cache
        def people_are_free(at: Span) -> bool:
            return (
                diary.closure(at) is None
                and not any(diary.therapist_trouble(one, at) for one in self.leaders)
                and not any(diary.license_trouble(one, at, kind) for one in qualified)
                and not any(at.overlaps(other) for other in booked)
                and (at == self.span or visits_stay(at))
            )

        def free(room: Room | None, at: Span) -> bool:
            return people_are_free(at) and (
                room is None or not diary.room_trouble(room, at, seats(room))
            )

        return free

    def _opening(
        self, stretch: Sequence[Span], room: Room | None, clinic: Clinic
    ) -> Opening | None:
        """The same time of the day where it fits; none where the session is already."""
        stays = room is None or room.pk == self.session.room_id
        others = [span for span in stretch if not (stays and span == self.span)]
        if not others:
            return None
        clock = self.span.starts_at.astimezone(clinic.tz).time()
        same = (one for one in others if one.starts_at.astimezone(clinic.tz).time() == clock)
        proposed = next(same, others[0])
        starts, ends = (at.astimezone(clinic.tz) for at in proposed)
        clocks = {"starts": starts.time(), "ends": ends.time()}
        first: dict[str, Any] = {name: at.isoformat("minutes") for name, at in clocks.items()}
        first["day"] = starts.date()
        if room is not None and not stays:
            first["room"] = room.pk
        url = self.url_of(**first)
        return Opening(stretch[0].starts_at, stretch[-1].ends_at, proposed.starts_at, url)


def moving_of(user: User, clinic: Clinic, key: int, back: str) -> Moving | None:
    """The session with that key, if the person sees it and it may be moved; two statements."""
    rows = Session.objects.visible_to(user).live().filter(clinic=clinic, pk=key)
    rows = rows.filter(starts_at__gt=timezone.now())
    session = rows.select_related("group", "session_type", "room").first()
    if session is None:
        return None
    parts = session.staff.filter(active=True).select_related("therapist").order_by("-role", "pk")
    leaders = [part.therapist for part in parts]
    asked = [one.therapist for one in parts if one.role != SessionStaff.Role.CO_FACILITATOR]
    return Moving(session, leaders, asked, back)


def _patients_elsewhere(session: Session, span: Span) -> Iterator[Span]:
    """When whoever is booked into the session sits in another one, or is at another visit where it
    is one itself; one statement."""
    here = Booking.objects.seated().filter(session=session)
    whose = Q()
    for outer in (True, False):
        patients = here.filter(nested_in__isnull=outer).values("patient")
        whose |= Q(nested_in__isnull=outer, patient__in=patients)
    rows = Booking.objects.seated().filter(
        whose, overlapping(*span), clinic=session.clinic_id, live=True
    )
    for times in rows.exclude(session=session).values_list("starts_at", "ends_at").distinct():
        yield Span(*times)


def _visits_stay(session: Session) -> Callable[[Span], bool]:
    """Whether the session may have another time: not around a visit, and as a visit only inside the
    session that it interrupts; one statement."""
    tied = Booking.objects.exclude(state=Booking.State.WITHDRAWN).filter(
        Q(session=session, nested_in__isnull=False) | Q(nested_in__session=session)
    )
    rows = list(tied.values_list("session", "outer_starts_at", "outer_ends_at"))
    around = [
        Span(first, last) for key, first, last in rows if key == session.pk and first and last
    ]

    def stay(at: Span) -> bool:
        inside = all(one.starts_at <= at.starts_at and at.ends_at <= one.ends_at for one in around)
        return inside if around else not rows

    return stay


def _seats(session: Session) -> Callable[[Room], int]:
    """How many seats a room needs: of a lecture that changes rooms, as many as are taken."""
    last = last_seats([session]).get(session.pk, 0)

    def seats(room: Room) -> int:
        follows = room.pk != session.room_id and is_open_to_all(session)
        return last if follows else max(session.capacity, last)

    return seats


def _times(
    own: Span, clinic: Clinic, days: Iterable[datetime.date], entries: Iterable[Entry]
) -> Iterator[tuple[datetime.date, list[Span]]]:
    """By day: the half hours to come at which the session could begin, and its own time of day.

    From the clinic's opening to its closing, or as early and as late as anything in the week.
    """
    now, length = timezone.now(), own.ends_at - own.starts_at
    clock = own.starts_at.astimezone(clinic.tz).time()
    opens, closes = _hours(clinic, [clock], entries)
    for day in days:
        at, last, same = (_instant(day, wall, clinic) for wall in (opens, closes, clock))
        begins = {same}
        while at + length <= last:
            begins.add(at)
            at += STEP
        yield day, [Span(one, one + length) for one in sorted(begins) if one > now]


def _hours(
    clinic: Clinic, clocks: Iterable[datetime.time], entries: Iterable[Entry]
) -> tuple[datetime.time, datetime.time]:
    live = [one.session for one in entries if one.session.live]
    starts = [one.starts_at.astimezone(clinic.tz) for one in live]
    ends = [one.ends_at.astimezone(clinic.tz) for one in live]
    late = [
        end.time() for start, end in zip(starts, ends, strict=True) if start.date() == end.date()
    ]
    early = [start.time() for start in starts]
    return min([clinic.opens_at, *early, *clocks]), max([clinic.closes_at, *late])


def _instant(day: datetime.date, wall: datetime.time, clinic: Clinic) -> datetime.datetime:
    return datetime.datetime.combine(day, wall, tzinfo=clinic.tz).astimezone(datetime.UTC)


def _stretches(
    days: Iterable[tuple[datetime.date, Sequence[Span]]], fits: Callable[[Span], bool]
) -> Iterator[tuple[datetime.date, list[Span]]]:
    """Of each day, the times that fit one after another without one between that does not."""
    for day, times in days:
        for fit, stretch in groupby(times, key=fits):
            if fit:
                yield day, list(stretch)
