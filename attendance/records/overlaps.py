"""Bookings of one episode at the same time: presence that overlaps counts once.

A short visit is booked inside a group (`nested_in`). Once the group is released or cancelled the
visit stands alone in the schedule, and who gave notice may be booked elsewhere; the patient can
still come to both. So it is the times that tell whose minutes leave whose, not the link.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import combinations
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, Func, OuterRef, Q, QuerySet

from scheduling.models import Booking

ANY_SESSION = timedelta(days=1)
"""No session lasts longer: how far back one that still goes on may have begun."""


class Unnest(Func):
    """The elements of an array, a row each."""

    function = "unnest"
    set_returning = True


def at_the_same_time() -> QuerySet[Booking]:
    """The other bookings of an outer booking's episode that overlap it and count like it."""
    return (
        Booking.objects.filter(
            clinic=OuterRef("clinic"),
            episode=OuterRef("episode"),
            live=OuterRef("live"),
            starts_at__gt=OuterRef("starts_at") - ANY_SESSION,
            starts_at__lt=OuterRef("ends_at"),
            ends_at__gt=OuterRef("starts_at"),
        )
        .exclude(state=Booking.State.WITHDRAWN)
        .exclude(pk=OuterRef("pk"))
    )


def overlapping(rows: QuerySet[Booking]) -> QuerySet[Booking]:
    """Those of some bookings that overlap another one.

    One of every such pair is nested, released or cancelled: the others exclude each other. They
    are few, and lead to the rest.
    """
    few = Q(nested_in__isnull=False) | Q(live=False) | Q(state=Booking.State.RELEASED)
    others = ArraySubquery(at_the_same_time().order_by().values("pk"))
    led_to = rows.filter(few).order_by().values_list(Unnest(others))
    return rows.filter(Q(pk__in=led_to) | (few & Exists(at_the_same_time())))


def sessions_at_the_same_time(session: Any) -> ArraySubquery:
    """The keys of the sessions that overlapping bookings of a session (an OuterRef) are in."""
    others = ArraySubquery(at_the_same_time().order_by().values("session"))
    seated = Booking.objects.filter(session=session).exclude(state=Booking.State.WITHDRAWN)
    return ArraySubquery(seated.order_by().values(others=Unnest(others)))


def visits_inside(bookings: Iterable[Booking]) -> dict[int, list[Booking]]:
    """By booking, those whose minutes leave it: shorter ones of the same episode that overlap it.

    Of two that are as long as each other the later booked one leaves. What takes place and what
    the clinic cancelled never overlap.
    """
    alike: defaultdict[tuple[int, bool], list[Booking]] = defaultdict(list)
    for booking in bookings:
        if booking.state != Booking.State.WITHDRAWN:
            alike[booking.episode_id, booking.live].append(booking)
    inside: defaultdict[int, list[Booking]] = defaultdict(list)
    for outer, inner in (pair for some in alike.values() for pair in _pairs(some)):
        inside[outer.pk].append(inner)
    return dict(inside)


def _pairs(bookings: list[Booking]) -> Iterator[tuple[Booking, Booking]]:
    """(outer, inner), the longer one first."""
    for outer, inner in combinations(sorted(bookings, key=_longest_first), 2):
        if outer.starts_at < inner.ends_at and inner.starts_at < outer.ends_at:
            yield outer, inner


def _longest_first(booking: Booking) -> tuple[timedelta, bool, int]:
    return booking.starts_at - booking.ends_at, booking.nested_in_id is not None, booking.pk
