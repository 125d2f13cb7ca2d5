"""What an import makes anew from the tables, and single sessions as the blocks they are there."""

from __future__ import annotations

from typing import Any

from django.db.models import CharField, Exists, F, IntegerField, OuterRef, Q, Subquery, Value
from django.db.models.functions import ExtractIsoWeekDay

from attendance.exports.sources import Asked, Source
from attendance.imports import tables
from attendance.imports.singles import planned_alone, wall_time
from iop_clinic.accounts.roles import Can
from scheduling.models import Booking, Closure, SessionStaff


def comes_back(path: str = "") -> Q:
    """Bookings that an import of blocks, seats and make-ups makes anew.

    Not those of sessions that were moved or planned for several, nor of guests who make up for
    nothing: the form has no place for them.
    """
    return (_of_a_block(path) | planned_alone(path)) & Q(~Exists(_closed(path)))


def _of_a_block(path: str) -> Q:
    session, block = f"{path}session", f"{path}session__block"
    own = Q(**{f"{block}__episode": F(f"{path}episode")})
    seat = Q(**{f"{path}membership__isnull": False})
    guest = Q(**{f"{path}makes_up__isnull": False, f"{session}__group__isnull": False})
    open_end = Q(**{f"{block}__valid_until__isnull": True})
    return (own | seat | guest) & Q(
        open_end | Q(**{f"{block}__valid_until__gte": F(f"{session}__local_date")}),
        **{
            f"{block}__starts_at": wall_time(session, "starts_at"),
            f"{block}__ends_at": wall_time(session, "ends_at"),
            f"{block}__valid_from__lte": F(f"{session}__local_date"),
            f"{block}__weekday": ExtractIsoWeekDay(f"{session}__local_date") - 1,
            f"{session}__original_local_date": F(f"{session}__local_date"),
        },
    )


def _closed(path: str) -> Any:
    """Closures of the day that were entered after the session was held: elsewhere they come first,
    and would cancel it."""
    return Closure.objects.in_force().filter(
        clinic=OuterRef("clinic"),
        room__isnull=True,
        starts_on__lte=OuterRef(f"{path}session__local_date"),
        ends_on__gte=OuterRef(f"{path}session__local_date"),
    )


def _singles(asked: Asked) -> Any:
    return asked.rows(Booking).filter(planned_alone()).order_by("starts_at", "pk")


def _led_by(co_facilitator: bool) -> Subquery:
    """The address of who leads a session, a substitute first; or of who leads it with them."""
    second = Q(role=SessionStaff.Role.CO_FACILITATOR)
    parts = SessionStaff.objects.filter(
        second if co_facilitator else ~second, session=OuterRef("session"), active=True
    )
    address = "therapist__memberships__user__email"
    return Subquery(parts.order_by("-role", "pk").values(address)[:1])


SINGLES = Source(
    tables.BLOCKS,
    "Single sessions",
    Can.VIEW_SCHEDULE,
    _singles,
    {
        "group": Value(None, output_field=CharField()),
        "record_number": "patient__record_number",
        "weekday": ExtractIsoWeekDay("session__local_date") - 1,
        "starts": "starts_at",
        "ends": "ends_at",
        "breaks": "session__breaks",
        "session_type": "session__session_type__name",
        "facilitator": _led_by(co_facilitator=False),
        "co_facilitator": _led_by(co_facilitator=True),
        "room": "session__room__name",
        "by_video": "session__by_video",
        "off_site": "session__off_site",
        "every_weeks": Value(1, output_field=IntegerField()),
        "valid_from": "session__local_date",
        "valid_until": "session__local_date",
    },
)
