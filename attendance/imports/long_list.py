"""A past that is one long list: record number, date, start, end, attended."""

from __future__ import annotations

import datetime
from collections import defaultdict

from attendance.imports.columns import folded
from attendance.imports.history import credit, credit_once, policy_for
from attendance.imports.intake import Draft, Intake
from attendance.imports.reading import Row
from attendance.imports.tables import LONG_LIST, PATIENTS
from attendance.models import AttendanceRecord, CreditRule
from iop_clinic.accounts.acting import Job
from patients.models import Episode, Patient
from scheduling.models import Booking, Session, SessionType
from scheduling.rules import LONGEST, SHORTEST, Span
from scheduling.services.seating import new_booking

Placed = tuple[Row, Span, Episode]
GROUP, ALONE = SessionType.Kind.GROUP, SessionType.Kind.INDIVIDUAL


def load_list(intake: Intake) -> None:
    """Rows of one date, start and end become one past session, unless the patient is booked then.

    The session has no group and no leader: the list names none. The patients are known already.
    """
    if not intake.reading.of(LONG_LIST):
        return
    placed = _placed(intake)
    bookings = _bookings(intake, placed)
    rules = list(CreditRule.objects.filter(clinic=intake.clinic))
    stored = {
        record.booking_id: record
        for record in AttendanceRecord.objects.filter(
            clinic=intake.clinic, booking__in=[booking.pk for booking in bookings.values()]
        )
    }
    drafts = [
        _record(intake, row, bookings[episode.patient_id, span], rules)
        for row, span, episode in placed
        if not row.bad
    ]
    written = intake.settle(LONG_LIST, drafts, stored)
    credit_once(written)


def know_patients(intake: Intake) -> None:
    """What the clinic has, for a list that comes alone."""
    for patient in Patient.objects.filter(clinic=intake.clinic):
        intake.known[PATIENTS.name][folded(patient.record_number)] = patient
    for episode in Episode.objects.filter(clinic=intake.clinic).select_related("patient"):
        intake.episodes[folded(episode.patient.record_number)].append(episode)


def _placed(intake: Intake) -> list[Placed]:
    """The good rows with their times and episodes; the others are judged as far as they go."""
    placed = []
    for row in intake.told(intake.readable(LONG_LIST)):
        span = _span(intake, row)
        episode = intake.episode_on(row, "date")
        if span is not None and episode is not None and not row.bad:
            placed.append((row, span, episode))
    return placed


def _span(intake: Intake, row: Row) -> Span | None:
    if row["date"] is None or row["start"] is None or row["end"] is None:
        return None
    for column in ("start", "end"):
        skipped = intake.skipped(datetime.datetime.combine(row["date"], row[column]))
        if skipped:
            intake.refuse(row, column, skipped)
            return None
    starts, ends = (
        intake.instant(datetime.datetime.combine(row["date"], row[column]))
        for column in ("start", "end")
    )
    if row["end"] < row["start"]:
        return None  # said already
    if not SHORTEST <= ends - starts <= LONGEST:
        intake.refuse(row, "end", "a session lasts 15 minutes to 6 hours")
    elif ends > intake.now:
        intake.refuse(row, "date", "the session is not over")
    return None if row.bad else Span(starts, ends)


def _bookings(intake: Intake, placed: list[Placed]) -> dict[tuple[int, Span], Booking]:
    """The booking of each row: one that is there already, or in a session made for the list."""
    found = Booking.objects.filter(
        clinic=intake.clinic, patient__in={episode.patient_id for _, _, episode in placed}
    )
    bookings = {
        (booking.patient_id, Span(booking.starts_at, booking.ends_at)): booking
        for booking in found.expected().select_related("session__session_type")
    }
    missing: dict[Span, list[Placed]] = defaultdict(list)
    for item in placed:
        if (item[2].patient_id, item[1]) not in bookings:
            missing[item[1]].append(item)
    drafts = []
    for span, items in sorted(missing.items()):
        session, seat = _session(intake, span, items)
        for number, (row, _, episode) in enumerate(items, start=seat + 1):
            draft = Draft(
                row, new_booking(session, episode, seat=number), (episode.patient_id, span)
            )
            drafts.append(draft)
    for draft in intake.attempt(drafts, Booking.objects.bulk_create):
        bookings[draft.key] = draft.instance
    return bookings


def _session(intake: Intake, span: Span, items: list[Placed]) -> tuple[Session, int]:
    """The list's session at this time, made or widened to hold these rows; seats taken so far."""
    made = Session.objects.live().filter(
        clinic=intake.clinic, starts_at=span.starts_at, ends_at=span.ends_at,
        block=None, group=None, room=None, staff=None,
    )  # fmt: skip
    session = made.select_related("session_type").first()
    taken = session.capacity if session else 0
    seats = taken + len(items)
    if session is None:
        kind = ALONE if seats == 1 else GROUP
        types = SessionType.objects.filter(clinic=intake.clinic, kind=kind)
        session = Session(
            clinic=intake.clinic,
            session_type=types.order_by("pk")[0],
            starts_at=span.starts_at,
            ends_at=span.ends_at,
            zone=intake.clinic.zone,
            local_date=items[0][0]["date"],
            live=True,
        )
    session.capacity, session.ceiling = seats, max(seats, session.session_type.ceiling)
    session.save()
    return session, taken


def _record(intake: Intake, row: Row, booking: Booking, rules: list[CreditRule]) -> Draft | None:
    draft = intake.draft(
        row,
        AttendanceRecord,
        booking.pk,
        booking=booking,
        source=AttendanceRecord.Source.IMPORT,
        recorded_at=intake.now,
        recorded_by=None if isinstance(intake.by, Job) else intake.by,
    )
    if draft is not None:
        credit(draft.instance, booking.session, policy_for(rules, booking.session.local_date))
    return draft
