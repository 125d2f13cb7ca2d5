"""The locked sessions of one write, with everything it is checked against and computed from.

A sheet is read in a fixed number of statements, whatever the size of the rosters: what never
changes under the feet (the sessions that overlap for a patient), the locks, then bookings,
records and the credit rule as they stand under the locks. Only bookings that overlap cost one more.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject

from attendance.models import AttendanceRecord, CreditRule, NightlyRun, WeekResult
from attendance.records.facts import (
    attendance_facts,
    policy_of,
    rules_in_force,
    session_facts,
)
from attendance.records.overlaps import (
    ANY_SESSION,
    at_the_same_time,
    sessions_at_the_same_time,
    visits_inside,
)
from attendance.records.rules import (
    CreditPolicy,
    Interval,
    attended_minutes,
    credited_minutes,
    time_inside,
)
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.prepared import prepared
from scheduling.locks import lock
from scheduling.models import Booking, Session

_RULE = (
    "kind", "round_to", "min_percent", "grace_minutes", "excused_reasons", "notice_minutes",
    "proof_hours",
)  # fmt: skip
_MINUTES = ["attended_minutes", "credited_minutes"]
_WRITTEN = [
    "attended", "arrived_at", "left_at", "away", "notified_at", "absence_reason", "proof",
    "excused_override", "override_reason", "correction_reason", "recorded_at", "recorded_by",
    "source", *_MINUTES, "version",
]  # fmt: skip


@dataclass(slots=True)
class Sheet:
    """Sessions of one clinic and local date, locked; their bookings with records, as they stand."""

    clinic: Clinic
    local_date: datetime.date
    sessions: dict[int, Session]
    bookings: list[Booking]
    family: list[Booking]
    policy: CreditPolicy
    judged: bool
    _new: list[AttendanceRecord] = field(default_factory=list)
    _changed: dict[int, AttendanceRecord] = field(default_factory=dict)
    _records: dict[int, AttendanceRecord] = field(default_factory=dict)
    _removed: list[AttendanceRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        for booking in [*self.family, *self.bookings]:
            record = getattr(booking, "attendance", None)
            if record is not None:
                self._records[booking.pk] = record

    @property
    def by_public_id(self) -> dict[uuid.UUID, Booking]:
        return {booking.public_id: booking for booking in self.bookings}

    def record_of(self, booking: Booking) -> AttendanceRecord | None:
        return self._records.get(booking.pk)

    def put(self, booking: Booking, values: dict[str, Any]) -> AttendanceRecord:
        """Note a new or changed record of one booking; `save` writes it."""
        record = self._records.get(booking.pk)
        if record is None:
            # A booking whose record was removed goes on counting, so that a version seen before
            # the removal never fits the record that comes after it.
            record = AttendanceRecord(
                clinic_id=booking.clinic_id, booking=booking, version=booking.version
            )
            self._new.append(record)
            self._records[booking.pk] = record
        else:
            record.version += 1
            self._changed[booking.pk] = record
        for name, value in values.items():
            setattr(record, name, value)
        return record

    def remove(self, booking: Booking) -> None:
        """Note that a booking goes back to unrecorded; `save` writes it."""
        self._removed.append(self._records.pop(booking.pk))

    def recompute(self) -> list[Booking]:
        """Compute the minutes of every record anew; the bookings whose minutes change."""
        before = set(self._changed)
        self._recompute([booking.pk for booking in self.bookings])
        everyone = {booking.pk: booking for booking in [*self.family, *self.bookings]}
        return [everyone[pk] for pk in self._changed if pk not in before]

    def save(self) -> None:
        """Write what was noted, with the minutes that follow, in at most one statement each."""
        touched = {record.booking_id for record in self._new} | set(self._changed)
        touched |= {record.booking_id for record in self._removed}
        self._recompute(touched)
        if self._removed:
            AttendanceRecord.objects.filter(pk__in=[r.pk for r in self._removed]).delete()
        if self._new:
            AttendanceRecord.objects.bulk_create(self._new)
        if self._changed:
            AttendanceRecord.objects.bulk_update(self._changed.values(), _WRITTEN)

    def _recompute(self, touched: Collection[int]) -> None:
        """Minutes of the touched bookings, and of those that a touched visit is nested in."""
        everyone = {booking.pk: booking for booking in [*self.family, *self.bookings]}
        inside = visits_inside(everyone.values())
        outer = {pk for pk, visits in inside.items() if any(v.pk in touched for v in visits)}
        for pk in (set(touched) | outer) & self._records.keys():
            self._compute(everyone[pk], inside.get(pk, ()))

    def _compute(self, booking: Booking, nested: Iterable[Booking]) -> None:
        record = self._records[booking.pk]
        session, facts = session_facts(booking.session), attendance_facts(record)
        inside = [span for visit in nested for span in self._time_inside(visit)]
        minutes = (
            attended_minutes(session, facts, inside),
            credited_minutes(session, facts, self.policy, inside),
        )
        if minutes != (record.attended_minutes, record.credited_minutes):
            record.attended_minutes, record.credited_minutes = minutes
            if record.pk is not None:
                self._changed[booking.pk] = record

    def _time_inside(self, visit: Booking) -> tuple[Interval, ...]:
        record = self._records.get(visit.pk)
        if record is None:
            return ()
        return time_inside(session_facts(visit.session), attendance_facts(record))


def locked_sheet(sessions: Collection[int]) -> Sheet:
    """Lock sessions of one clinic and local date (by key) and read their rosters.

    The sessions that overlap theirs for a patient are locked with them: their minutes follow.
    """
    settings = {row.pk: row for row in _settings(tuple(sorted(sessions)))}
    beside = {pk for row in settings.values() for pk in row.beside}  # type: ignore[attr-defined]
    lock(sessions=sorted({*settings, *beside}))
    one = next(iter(settings.values()))
    day = one.local_date
    bookings = _bookings(one.clinic_id, day, day - SAME_WEEK, tuple(settings))
    current = {booking.session_id: booking.session for booking in bookings}
    return Sheet(
        clinic=one.clinic,
        local_date=one.local_date,
        sessions=settings | current,
        bookings=bookings,
        family=_family(bookings),
        policy=_policy(bookings),
        judged=bool(bookings) and bookings[0].day_is_judged,  # type: ignore[attr-defined]
    )


@prepared
def _settings(sessions: tuple[int, ...]) -> QuerySet[Session]:
    return (
        Session.objects.filter(pk__in=sessions)
        .select_related("session_type", "clinic")
        .annotate(beside=sessions_at_the_same_time(OuterRef("pk")))
        .order_by("pk")
    )


@prepared
def _bookings(
    clinic: int, day: datetime.date, week_since: datetime.date, sessions: tuple[int, ...]
) -> QuerySet[Booking]:
    """Booked and released, by seat. `day_is_judged`, `overlaps` and `rule` come along."""
    rule = rules_in_force(clinic, day)
    return (
        Booking.objects.exclude(state=Booking.State.WITHDRAWN)
        .filter(session__in=sessions)
        .select_related("session__session_type", "patient", "attendance", "call_in")
        .annotate(
            day_is_judged=_judged_day(clinic, day, week_since),
            overlaps=Exists(at_the_same_time()),
            rule=Subquery(rule.values(rule=JSONObject(**{name: F(name) for name in _RULE}))[:1]),
        )
        .order_by("starts_at", "session", "seat", "pk")
    )


def _policy(bookings: Sequence[Booking]) -> CreditPolicy:
    """The rule of the day, read under the locks: `set_credit_rule` waits for them."""
    rule = bookings[0].rule if bookings else None  # type: ignore[attr-defined]
    return policy_of(CreditRule(**rule) if rule else None)


SAME_WEEK = datetime.timedelta(days=6)


def _judged_day(clinic: int, day: datetime.date, week_since: datetime.date) -> Q:
    """Whether a local date has been judged already: by a nightly run, or in a stored week that
    began not before `week_since`."""
    runs = NightlyRun.objects.filter(
        clinic=clinic,
        local_date=day,
        state__in=[NightlyRun.State.EVALUATED, NightlyRun.State.FINISHED],
    )
    weeks = WeekResult.objects.filter(
        clinic=clinic,
        week_starts_on__range=(week_since, day),
        segment_starts_on__lte=day,
        segment_ends_on__gte=day,
    )
    return Q(Exists(runs)) | Q(Exists(weeks))


def _family(bookings: Iterable[Booking]) -> list[Booking]:
    """What overlaps these for their patients, and what overlaps that in turn.

    A visit that was withdrawn or cancelled takes nobody out of a group.
    """
    held = [b for b in bookings if b.overlaps]  # type: ignore[attr-defined]
    if not held:
        return []
    return list(
        Booking.objects.expected()
        .filter(
            clinic=held[0].clinic_id,
            episode__in={booking.episode_id for booking in held},
            starts_at__gt=min(booking.starts_at for booking in held) - ANY_SESSION,
            starts_at__lt=max(booking.ends_at for booking in held) + ANY_SESSION,
        )
        .select_related("session__session_type", "attendance")
    )


def recorded_by(by: User | Job) -> User | None:
    """The person whose name a record carries; a job's stands in the audit trail alone."""
    return by if isinstance(by, User) else None
