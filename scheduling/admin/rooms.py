"""Rooms: what is in them now, what comes, and how much of the week they are used."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils import timezone

from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.admin.working import working_clinic
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.weeks import Week, hours_and_minutes, week_of
from scheduling.admin.session_lines import seen, sessions_panel
from scheduling.models import Room, Session


def this_week(clinic: Clinic) -> Week:
    return week_of(timezone.localdate(), week_start=clinic.week_starts_on)


def tell_rooms(request: Any, rows: Sequence[Any]) -> None:
    """This week's sessions of some rooms; one statement.

    That a room is taken is no secret in the clinic; by whom is told to who sees the session.
    """
    clinic = working_clinic(request)
    week, now = this_week(clinic), timezone.now()
    own = Session.objects.visible_to(request.user).filter(pk=OuterRef("pk"))
    found = (
        Session.objects.live()
        .filter(clinic=clinic, room__in=rows)
        .on(week.start, week.end)
        .select_related("group", "session_type")
        .annotate(own=Exists(own))
        .order_by("starts_at", "pk")
    )
    held: defaultdict[int | None, list[Any]] = defaultdict(list)
    for one in found:
        held[one.room_id].append(one)
    for row in rows:
        row.told_now = _now(held[row.pk], now)
        row.told_next = _next(held[row.pk], now)
        row.told_used = used(held[row.pk])


def _now(sessions: Iterable[Any], now: datetime.datetime) -> str:
    for one in sessions:
        if one.starts_at <= now < one.ends_at:
            return f"{_whose(one)} until {_clock(one.ends_at)}"
    return "free"


def _next(sessions: Iterable[Any], now: datetime.datetime) -> str:
    today = timezone.localdate(now)
    for one in sessions:
        if one.starts_at > now and one.local_date == today:
            return f"{_whose(one)} from {_clock(one.starts_at)}"
    return "nothing more today"


def used(sessions: Iterable[Session]) -> str:
    """How long sessions keep a room, breaks and all."""
    spent = sum(((one.ends_at - one.starts_at) for one in sessions), datetime.timedelta())
    return hours_and_minutes(spent // datetime.timedelta(minutes=1))


def _whose(row: Any) -> str:
    return row.title if row.own else "in use"


def _clock(at: datetime.datetime) -> str:
    return f"{timezone.localtime(at):%-I:%M %p}"


def room_panels(request: Any, row: Room) -> Iterator[Panel]:
    """Today's sessions in a room, then those of the rest of the week; two statements."""
    clinic, today = working_clinic(request), timezone.localdate()
    week = this_week(clinic)
    found = list(seen(request, clinic.pk).filter(room=row).on(week.start, week.end))
    here = [one for one in found if one.local_date == today]
    rest = [one for one in found if one.local_date != today]
    all_seen = clinic.pk in request.user.sight.whole_clinics
    note = "" if all_seen else "Your own sessions; others may be in the room as well."
    yield sessions_panel(
        _counted("Today", here), here, empty="No session today.", note=note, without="Room"
    )
    title = _counted(f"Other days of the week {week.label}", rest)
    yield sessions_panel(title, rest, empty="No other session.", without="Room")


def _counted(title: str, sessions: Sequence[Session]) -> str:
    return f"{title}: {used(sessions)}" if sessions else title
