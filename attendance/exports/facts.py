"""What happened: attendance and make-ups as the importer reads them, sessions and cases to read."""

from __future__ import annotations

from typing import Any

from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    OuterRef,
    Q,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Concat, NullIf

from attendance.exports.planned import comes_back
from attendance.exports.sources import Asked, Source
from attendance.imports import cells, tables
from attendance.imports.cells import Choice, Text
from attendance.imports.columns import Column, Table
from attendance.models import AbsenceRule, AttendanceRecord, Flag
from attendance.models.standards import Severity
from iop_clinic.accounts.roles import Can, Role
from scheduling.models import Booking, Session, SessionStaff

WITHDRAWN, BOOKED = Booking.State.WITHDRAWN, Booking.State.BOOKED


def _records(asked: Asked) -> Any:
    """Without those of cancelled sessions and withdrawn bookings: they count nowhere."""
    rows = asked.rows(AttendanceRecord).filter(booking__live=True)
    rows = asked.within(rows.exclude(booking__state=WITHDRAWN), "booking__session__local_date")
    if asked.whole:
        rows = rows.filter(comes_back("booking__")).exclude(Exists(_sooner_meant()))
    return rows.order_by("booking__starts_at", "booking__seat", "pk")


def _sooner_meant() -> Any:
    """Another record of the patient at the same time, which the importer would take instead."""
    same = AttendanceRecord.objects.filter(
        clinic=OuterRef("clinic"),
        booking__patient=OuterRef("booking__patient"),
        booking__starts_at=OuterRef("booking__starts_at"),
        booking__live=True,
        booking__state=BOOKED,
        booking__nested_in__isnull=True,
    )
    return same.exclude(pk=OuterRef("pk"))


def apart(asked: Asked) -> int:
    """How many records the importer could not place elsewhere; two statements."""
    every = _records(Asked(asked.user, asked.clinic)).count()
    return int(every - _records(asked).count())


def _make_ups(asked: Asked) -> Any:
    rows = asked.rows(Booking).filter(makes_up__isnull=False).exclude(state=WITHDRAWN)
    rows = rows.exclude(makes_up__state=WITHDRAWN)
    rows = asked.within(rows, "session__local_date")
    if asked.whole:
        rows = rows.filter(comes_back(), comes_back("makes_up__"), live=True)
    return rows.order_by("starts_at", "pk")


OF_BOOKING = Q(episode__program__part2=True)
ATTENDANCE = Source(
    tables.ATTENDANCE,
    "Attendance",
    Can.VIEW_SCHEDULE,
    _records,
    {
        "record_number": "booking__patient__record_number",
        "date": "booking__starts_at",
        "start": "booking__starts_at",
    },
    dated=True,
    part2=Q(booking__episode__program__part2=True),
)
MAKE_UPS = Source(
    tables.MAKE_UPS,
    "Make-ups",
    Can.VIEW_SCHEDULE,
    _make_ups,
    {
        "record_number": "patient__record_number",
        "date": "starts_at",
        "start": "starts_at",
        "missed_date": "makes_up__starts_at",
        "missed_start": "makes_up__starts_at",
        "group": Case(When(membership__isnull=True, then="session__group__name")),
    },
    dated=True,
    part2=OF_BOOKING,
)


# --- to read -------------------------------------------------------------------------------------


def _labels(choices: Any) -> Choice:
    """The words of the site for stored values."""
    return Choice({str(label): value for value, label in choices.choices})


def _sessions(asked: Asked) -> Any:
    seated = Q(bookings__live=True, bookings__state=BOOKED)
    rows = asked.within(asked.rows(Session), "local_date")
    return rows.annotate(seated=Count("bookings", filter=seated)).order_by("starts_at", "pk")


def _leader() -> Subquery:
    """The substitute, or else the facilitator."""
    parts = SessionStaff.objects.filter(session=OuterRef("pk"), active=True)
    parts = parts.exclude(role=SessionStaff.Role.CO_FACILITATOR).order_by("-role", "pk")
    return Subquery(parts.values("therapist__name")[:1])


SESSIONS = Source(
    Table(
        "sessions",
        (
            Column("date", cells.date),
            Column("start", cells.time),
            Column("end", cells.time),
            Column("group", Text(40)),
            Column("type", Text(60)),
            Column("leader", Text(120)),
            Column("room", Text(60)),
            Column("by_video", cells.yes_no),
            Column("off_site", Text(80)),
            Column("seats_taken", Text(3)),
            Column("seats", Text(3)),
            Column("state", _labels(Session.State)),
            Column("cancelled_reason", Text(200)),
        ),
    ),
    "Sessions",
    Can.VIEW_SCHEDULE,
    _sessions,
    {
        "date": "starts_at",
        "start": "starts_at",
        "end": "ends_at",
        "group": "group__name",
        "type": "session_type__name",
        "leader": _leader(),
        "room": "room__name",
        "seats_taken": "seated",
        "seats": "capacity",
    },
    dated=True,
)


def _cases(asked: Asked) -> Any:
    return asked.within(asked.rows(Flag), "opened_for").order_by("opened_at", "pk")


def _owner() -> Case:
    """As the queue says it: the person, or else the role; of a case that went on, both."""
    name = NullIf("owner__name", Value(""))
    person = Coalesce(name, "owner__email", output_field=CharField())
    role = Case(*(When(owner_role=one.value, then=Value(str(one.label))) for one in Role))
    went_on = Concat(role, Value(" (went on)"), output_field=CharField())
    return Case(
        When(
            owner__isnull=False,
            escalated_at__isnull=False,
            then=Concat(person, Value("; "), went_on, output_field=CharField()),
        ),
        When(owner__isnull=False, then=person),
        When(escalated_at__isnull=False, then=went_on),
        default=role,
        output_field=CharField(),
    )


CASES = Source(
    Table(
        "cases",
        (
            Column("opened", cells.moment),
            Column("rule", _labels(AbsenceRule.Kind)),
            Column("record_number", Text(30)),
            Column("about", Text(120)),
            Column("state", _labels(Flag.State)),
            Column("assignee", Text(200)),
            Column("due", cells.moment),
            Column("severity", _labels(Severity)),
            Column("closed", cells.moment),
            Column("outcome", _labels(Flag.Outcome)),
        ),
    ),
    "Cases",
    Can.VIEW_FLAGS,
    _cases,
    {
        "opened": "opened_at",
        "record_number": "episode__patient__record_number",
        "about": Coalesce(
            "group__name",
            "therapist__name",
            "session__group__name",
            "session__session_type__name",
        ),
        "assignee": _owner(),
        "due": "due_at",
        "closed": "closed_at",
    },
    dated=True,
    part2=OF_BOOKING,
)
