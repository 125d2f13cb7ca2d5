"""The clinic itself, its staff, and when and where it meets, as the importer reads it."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from attendance.exports.people import OF_EPISODE, RECORD
from attendance.exports.planned import SINGLES
from attendance.exports.sources import Asked, Source
from attendance.imports import tables
from iop_clinic.accounts.models import Clinic, License, Membership
from iop_clinic.accounts.roles import Can
from scheduling.models import (
    WAITING,
    Closure,
    Group,
    GroupMembership,
    Room,
    SessionType,
    TimeOff,
    WaitlistEntry,
    WeeklyBlock,
)

Table = partial(Source, needs=Can.VIEW_SCHEDULE)


def _email(therapist: str) -> str:
    """Therapists are known by the address with which they sign in."""
    return f"{therapist}__memberships__user__email"


def _license(place: str) -> Subquery:
    """Of the license that is worth most: one that allows a diagnosis, and lasts longest."""
    own = License.objects.filter(clinic=OuterRef("clinic"), therapist=OuterRef("therapist"))
    return Subquery(own.order_by("-may_diagnose", "-expires_on", "-pk").values(place)[:1])


def _clinic(asked: Asked) -> Any:
    return Clinic.objects.filter(pk=asked.clinic.pk)


def _staff(asked: Asked) -> Any:
    """Who has access, and every therapist: past sessions and episodes name them.

    Who else has access, and as what, only they see who manage staff.
    """
    if not asked.user.may(Can.MANAGE_STAFF, asked.clinic):
        rows = asked.rows(Membership).filter(therapist__isnull=False)
        return rows.order_by("user__email", "pk")
    today = timezone.localdate(timezone=asked.clinic.tz)
    has_access = Q(active=True) & (Q(ends_on__isnull=True) | Q(ends_on__gte=today))
    rows = asked.rows(Membership).filter(has_access | Q(therapist__isnull=False))
    return rows.order_by("user__email", "pk")


def _blocks(asked: Asked) -> Any:
    return asked.rows(WeeklyBlock).order_by("pk")  # in this order they are expanded


def _memberships(asked: Asked) -> Any:
    return asked.rows(GroupMembership).order_by("starts_on", "group__name", "seat", "pk")


def _waitlist(asked: Asked) -> Any:
    return asked.rows(WaitlistEntry).filter(state__in=WAITING).order_by("added_at", "pk")


def _by(model: Any, *order: str) -> Any:
    return lambda asked: asked.rows(model).order_by(*order, "pk")


def _in_force(model: Any, order: str) -> Any:
    return lambda asked: asked.rows(model).filter(taken_back_at=None).order_by(order, "pk")


CLINIC = Table(tables.CLINIC, "Clinic", rows=_clinic)
STAFF = Table(
    tables.STAFF,
    "Staff",
    rows=_staff,
    places={
        "email": "user__email",
        "name": "user__name",
        "credentials": "therapist__credentials",
        "phone": "therapist__phone",
        "license_credential": _license("credential"),
        "license_state": _license("state"),
        "license_number": _license("number"),
        "license_expires_on": _license("expires_on"),
        "license_may_diagnose": _license("may_diagnose"),
        "access_until": "ends_on",
    },
)
ROOMS = Table(tables.ROOMS, "Rooms", rows=_by(Room, "name"))
SESSION_TYPES = Table(tables.SESSION_TYPES, "Session types", rows=_by(SessionType, "name"))
GROUPS = Table(
    tables.GROUPS, "Groups", rows=_by(Group, "name"), places={"program": "program__name"}
)
BLOCKS = Table(
    tables.BLOCKS,
    "Weekly blocks",
    rows=_blocks,
    places={
        "group": "group__name",
        "record_number": RECORD,
        "session_type": "session_type__name",
        "facilitator": _email("facilitator"),
        "co_facilitator": _email("co_facilitator"),
        "room": "room__name",
    },
    part2=OF_EPISODE,
    beside=SINGLES,
)
MEMBERSHIPS = Table(
    tables.MEMBERSHIPS,
    "Group memberships",
    rows=_memberships,
    places={"group": "group__name", "record_number": RECORD},
    part2=OF_EPISODE,
)
WAITLIST = Table(
    tables.WAITLIST,
    "Waitlist",
    rows=_waitlist,
    places={"group": "group__name", "record_number": RECORD},
    part2=OF_EPISODE,
)
CLOSURES = Table(
    tables.CLOSURES, "Closures", rows=_in_force(Closure, "starts_on"), places={"room": "room__name"}
)
TIME_OFF = Table(
    tables.TIME_OFF,
    "Time off",
    rows=_in_force(TimeOff, "starts_at"),
    places={"therapist": _email("therapist")},
)
