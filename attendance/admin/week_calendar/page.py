"""The week calendar: every session of a week by room, therapist or group, on one page."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from attendance.admin.week_calendar.entries import (
    USUAL,
    Entry,
    State,
    entries_of,
    week_cover,
    week_sessions,
)
from attendance.admin.week_calendar.grid import (
    By,
    Place,
    closed_on,
    columns,
    laid_out,
    shades_of,
)
from attendance.admin.week_calendar.moving import Moving, moving_of
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.forms import is_key
from iop_clinic.accounts.admin.working import working_clinic
from iop_clinic.accounts.models import Clinic, Therapist, User
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import DAYS_IN_WEEK, Week, week_of
from scheduling.models import Closure, Group, Room

ROWS: Mapping[By, Any] = {By.ROOM: Room, By.THERAPIST: Therapist, By.GROUP: Group}
WRONG_DAY = "That is no date between 2000 and 2199. This is the current week."
STAYS = "That session has begun, is cancelled or is not here: it stays where it is."
WRONG_BY = "Weeks are shown by room, therapist or group. This is the current week by room."


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for; a mistake in it asks for the current week, and is said."""

    by: By
    day: datetime.date
    mistake: str = ""
    move: int | None = None
    """The session that another time is looked for."""

    @classmethod
    def of(cls, query: Mapping[str, str], today: datetime.date) -> Self:
        key = query.get("move", "")
        return replace(cls._of(query, today), move=int(key) if is_key(key) else None)

    @classmethod
    def _of(cls, query: Mapping[str, str], today: datetime.date) -> Self:
        if (by := query.get("by", By.ROOM)) not in list(By):
            return cls(By.ROOM, today, WRONG_BY)
        if not (text := query.get("day", "")):
            return cls(By(by), today)
        try:
            day = datetime.date.fromisoformat(text)
        except ValueError:
            day = datetime.date.min
        if not 2000 <= day.year < 2200:
            return cls(By(by), today, WRONG_DAY)
        return cls(By(by), day)

    def query(self, day: datetime.date | None = None, by: By | None = None) -> str:
        asked = {"by": by or self.by, "day": (day or self.day).isoformat()}
        return urlencode(asked | ({"move": self.move} if self.move else {}))

    def address(self, day: datetime.date | None = None, by: By | None = None) -> str:
        """The page of another day, or of other rows."""
        return f"{reverse('admin:scheduling_session_week')}?{self.query(day, by)}"


def week_page(page: ClinicModelAdmin, request: Any) -> TemplateResponse:
    """What takes place in a week, what is closed, and which sessions need somebody."""
    if not page.has_view_permission(request):
        raise PermissionDenied
    clinic, now = working_clinic(request), timezone.now()
    today = timezone.localdate()
    asked = Asked.of(request.GET, today)
    plans = page.may(request, Can.MANAGE_SCHEDULE)
    shown, asked = asked, replace(asked, move=None)
    moving = None
    if shown.move and plans:
        moving = moving_of(request.user, clinic, shown.move, back=asked.query())
        asked = shown if moving else replace(asked, mistake=STAYS)
    week = week_of(asked.day, week_start=clinic.week_starts_on)
    context = {
        **page.admin_site.each_context(request),
        **_calendar(request.user, clinic, week, asked, now, moving),
        "title": f"Week of {week.label}",
        "opts": page.opts,
        "asked": asked,
        "clinic": clinic,
        "printed_at": now,
        "by_links": [(by, asked.address(by=by), by == asked.by) for by in By],
        "weeks": _weeks(asked, today),
        "back": urlencode({"back": asked.query()}),
        "plans": plans,
        "moving": moving,
        "here": replace(asked, move=None).address(),
    }
    request.current_app = page.admin_site.name
    return TemplateResponse(request, "attendance/week_calendar/page.html", context)


def _weeks(asked: Asked, today: datetime.date) -> list[tuple[str, str]]:
    week = datetime.timedelta(days=DAYS_IN_WEEK)
    return [
        ("Week before", asked.address(day=asked.day - week)),
        ("This week", asked.address(day=today)),
        ("Week after", asked.address(day=asked.day + week)),
    ]


# --- what is on the page -------------------------------------------------------------------------


def _calendar(
    user: User,
    clinic: Clinic,
    week: Week,
    asked: Asked,
    now: datetime.datetime,
    moving: Moving | None,
) -> dict[str, Any]:
    rooms = {room.pk: room for room in Room.objects.visible_to(user).filter(clinic=clinic)}
    known = _known(user, clinic, asked.by, rooms)
    sessions = week_sessions(user, clinic, week)
    therapists = [row.pk for row in known] if asked.by == By.THERAPIST else ()
    cover = week_cover(clinic, week, sessions, therapists)
    entries = entries_of(sessions, cover, user, now)
    closures = cover.diary.closures
    days = columns(week, clinic, entries, closures)
    places = [Place.of(row) for row in known]
    shades = shades_of(
        days,
        clinic.tz,
        _by_room(closures, rooms, asked.by),
        {one: cover.diary.away[one.key] for one in places if asked.by == By.THERAPIST},
    )
    active = [room for room in rooms.values() if room.active]
    openings = list(moving.openings(clinic, days, active, entries, asked.by)) if moving else []
    columns_ = _days(days, entries, closures, rooms, asked, clinic)
    rows = laid_out(asked.by, days, entries, [*shades, *openings], places)
    return {
        "days": columns_,
        "rows": [(row.name, list(zip(row.cells, columns_, strict=True))) for row in rows],
        "uncovered": [one for one in entries if one.uncovered],
        "to_look_at": [one for one in entries if one.to_look_at],
        "counts": _counts(entries),
        "fits": len(openings),
        "own": clinic.pk in user.sight.own_rows_clinics,
        "usual": USUAL,
        "over": week.end < timezone.localdate(now),
    }


def _known(user: User, clinic: Clinic, by: By, rooms: Mapping[int, Room]) -> list[Any]:
    """Rooms, therapists or groups that have a row in any week, so that who is free is seen.

    To a therapist a room in which a colleague works would look free: theirs are rows with sessions,
    and their own.
    """
    own = clinic.pk in user.sight.own_rows_clinics
    if by == By.ROOM:
        return [] if own else [room for room in rooms.values() if room.active]
    rows = ROWS[by].objects.visible_to(user).filter(clinic=clinic, active=True)
    if own and by == By.THERAPIST:
        rows = rows.filter(pk__in=user.scope.therapist_ids)
    return list(rows)


def _by_room(
    closures: Iterable[Closure], rooms: Mapping[int, Room], by: By
) -> dict[Place | None, list[Closure]]:
    """The clinic's under None; those of a room where rooms are the rows."""
    found: dict[Place | None, list[Closure]] = defaultdict(list)
    for closure in closures:
        if closure.room_id is None:
            found[None].append(closure)
        elif by == By.ROOM:
            found[Place.of(rooms[closure.room_id])].append(closure)
    return found


# --- the days ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Day:
    """A column, which on a phone is a page of its own."""

    date: datetime.date
    url: str
    sessions: int
    closed: Sequence[str]
    today: bool
    chosen: bool


def _days(
    days: Sequence[datetime.date],
    entries: Iterable[Entry],
    closures: Iterable[Closure],
    rooms: Mapping[int, Room],
    asked: Asked,
    clinic: Clinic,
) -> list[Day]:
    chosen = next((day for day in days if day >= asked.day), days[-1])
    live = [one.session.local_date for one in entries if one.session.live]
    return [
        Day(
            date=day,
            url=asked.address(day=day),
            sessions=live.count(day),
            closed=[said for one in closures if (said := _closed(one, day, rooms, clinic))],
            today=day == timezone.localdate(),
            chosen=day == chosen,
        )
        for day in days
    ]


def _closed(closure: Closure, day: datetime.date, rooms: Mapping[int, Room], clinic: Clinic) -> str:
    """ "Closed: Snow", "Oak closed 1:00 PM – 5:00 PM: Painting"; empty on other dates."""
    shade = closed_on(closure, day, clinic.tz)
    if shade is None:
        return ""
    what = f"{rooms[closure.room_id]} closed" if closure.room_id else "Closed"
    if not shade.all_day:
        what += f" {shade.times}"
    return f"{what}: {closure.reason}"


def _counts(entries: Sequence[Entry]) -> dict[str, int]:
    states = [one.state for one in entries]
    return {
        "sessions": len(entries) - states.count(State.CANCELLED),
        "cancelled": states.count(State.CANCELLED),
        "unrecorded": states.count(State.UNRECORDED),
    }
