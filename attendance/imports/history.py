"""What happened: blocks become booked sessions, and each attendance row finds its booking."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Exists

from attendance.imports.columns import folded
from attendance.imports.differences import another
from attendance.imports.doubts import Doubts
from attendance.imports.intake import Draft, Intake
from attendance.imports.reading import Row
from attendance.imports.tables import ATTENDANCE, BLOCKS, EPISODES, HOLDS, MAKE_UPS, MEMBERSHIPS
from attendance.models import AttendanceRecord, CreditRule
from attendance.records.facts import attendance_facts, policy_of, session_facts
from attendance.records.overlaps import at_the_same_time
from attendance.records.rules import CreditPolicy, attended_minutes, credited_minutes
from attendance.records.sheet import locked_sheet
from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.weeks import DAYS_IN_WEEK
from scheduling.eligibility import check_eligible
from scheduling.leading import LICENSE
from scheduling.locks import lock
from scheduling.models import Booking, GroupMembership, Session, WeeklyBlock
from scheduling.rules import lowest_free
from scheduling.services import Expansion, expand
from scheduling.services.seating import Expected, new_booking, plan_seating

HORIZON = 4
"""Weeks ahead."""
EARLY = datetime.timedelta(minutes=30)
SCHEDULE = (BLOCKS.name, MEMBERSHIPS.name, EPISODES.name, HOLDS.name)

Bookings = dict[tuple[Any, datetime.datetime], Booking]


def expand_history(intake: Intake) -> None:
    """Sessions from the first block's `valid_from` to four weeks ahead, with their bookings."""
    if not any(intake.created[name] for name in SCHEDULE):
        return
    first = min(
        WeeklyBlock.objects.filter(clinic=intake.clinic).values_list("valid_from", flat=True),
        default=intake.today,
    )
    # Whole weeks back from today, so that the last one ends four weeks ahead.
    back = max(0, -((first - intake.today).days // DAYS_IN_WEEK))
    start = intake.today - datetime.timedelta(days=back * DAYS_IN_WEEK)
    done = expand(clinic=intake.clinic, today=start, weeks=back + HORIZON, by=intake.by)
    intake.notes += _notes(done)
    _seat_new_members(intake.created[MEMBERSHIPS.name])


def _notes(done: Expansion) -> list[str]:
    """What a person must look at; a leader who is not licensed is told once for each block."""
    told: dict[Any, list[str]] = {}
    for number, (about, said) in enumerate(done.found):
        if isinstance(about, Session) and about.needs_attention.startswith(LICENSE):
            told.setdefault((LICENSE, about.block_id), []).append(said)
        else:
            told[number] = [said]
    return [
        f"{first}, and for {len(others)} more of its sessions" if others else first
        for first, *others in told.values()
    ]


def _seat_new_members(members: Sequence[GroupMembership]) -> None:
    """In a clinic that had sessions before: expansion seats people in those to come only."""
    people: dict[int, list[Expected]] = {}
    for member in members:
        people.setdefault(member.group_id, []).append(Expected(member.episode, member))
    for group_id, expected in people.items():
        first = min(person.membership.starts_on for person in expected if person.membership)
        sessions = Session.objects.filter(group=group_id, local_date__gte=first)
        plan_seating(
            list(sessions.select_related("group", "session_type", "room")), expected
        ).write()


# --- make-ups ------------------------------------------------------------------------------------


def load_make_ups(intake: Intake) -> None:
    """A booking that repairs a missed one: a session of the patient's own, or a guest's seat."""
    rows = intake.readable(MAKE_UPS)
    if not rows:
        return
    bookings, doubts = _bookings(intake, rows), Doubts(intake)
    for row in intake.told(rows):
        missed = _booking(intake, row, bookings, doubts, "missed_date", "missed_start")
        if row["group"] and not row.bad:
            _seat_guest(intake, row, bookings, doubts)
        if row["group"] and row.bad:
            continue
        repair = _booking(intake, row, bookings, doubts, "date", "start")
        if missed is None or repair is None or row.bad:
            continue
        if repair.makes_up_id is not None:
            same = repair.makes_up_id == missed.pk
            intake.compared(row, {} if same else {"missed_date": another(row["missed_date"])})
            continue
        repair.makes_up = missed
        repair.save(update_fields=["makes_up"])
        intake.created[MAKE_UPS.name].append(repair)
        intake.counts[MAKE_UPS.file].created += 1


def _seat_guest(intake: Intake, row: Row, bookings: Bookings, doubts: Doubts) -> None:
    """Book the patient into the group's session, unless that is done already."""
    key = (folded(row["record_number"]), _starts(intake, row, "date", "start"))
    group, episode = intake.named(row, "group"), intake.episode_on(row, "date")
    if key in bookings or group is None or episode is None:
        return
    session = Session.objects.live().filter(group=group, starts_at=key[1]).first()
    if session is None:
        sentence = f"no session of {group} starts at this time"
        _refuse_unless(doubts.miss(group.name, row["date"]), intake, row, "start", sentence)
        return
    lock(sessions=[session.pk], episodes=[episode.pk])
    try:
        check_eligible(episode=episode, session=session, on=session.local_date)
    except Refused as refused:
        doubtful = intake.plan_unsure(key[0])
        _refuse_unless(doubtful, intake, row, "group", refused.message)
        return
    held = Booking.objects.filter(session=session, state=Booking.State.BOOKED)
    seat = lowest_free(set(held.values_list("seat", flat=True)), session.capacity)
    if seat is None:
        intake.refuse(row, "group", "the session is full")
        return
    draft = Draft(row, new_booking(session, episode, seat=seat), key)
    for written in intake.attempt([draft], Booking.objects.bulk_create):
        bookings[key] = written.instance


# --- attendance ----------------------------------------------------------------------------------


def load_attendance(intake: Intake) -> None:
    """Facts as told, with the minutes that the one credit function makes of them."""
    rows = intake.readable(ATTENDANCE)
    if not rows:
        return
    bookings, doubts = _bookings(intake, rows), Doubts(intake)
    stored = {
        record.booking_id: record
        for record in AttendanceRecord.objects.filter(
            clinic=intake.clinic, booking__in=[booking.pk for booking in bookings.values()]
        )
    }
    rules = list(CreditRule.objects.filter(clinic=intake.clinic))
    drafts = []
    for row in intake.told(rows):
        booking = _booking(intake, row, bookings, doubts, "date", "start")
        if booking is not None and _is_recordable(intake, row, booking):
            drafts.append(_record(intake, row, booking, rules))
    written = intake.settle(ATTENDANCE, drafts, stored)
    credit_once(written)


def _bookings(intake: Intake, rows: Iterable[Row]) -> Bookings:
    """Every booking of the patients of these rows by record number and start."""
    wanted = {folded(row["record_number"]) for row in rows}
    records = {p.pk: record for record, p in intake.known["patients"].items() if record in wanted}
    found = Booking.objects.filter(clinic=intake.clinic, patient__in=list(records))
    found = found.exclude(state=Booking.State.WITHDRAWN)
    # The last one counts: a visit nested in another, or a seat given back, only where no other is.
    bookings = list(found.order_by("nested_in", "-state", "pk"))
    sessions = Session.objects.select_related("session_type").in_bulk(
        {booking.session_id for booking in bookings}
    )
    for booking in bookings:
        booking.session = sessions[booking.session_id]
    return {(records[booking.patient_id], booking.starts_at): booking for booking in bookings}


def _starts(intake: Intake, row: Row, date: str, start: str) -> datetime.datetime:
    return intake.instant(datetime.datetime.combine(row[date], row[start]))


def _booking(
    intake: Intake, row: Row, bookings: Bookings, doubts: Doubts, date: str, start: str
) -> Booking | None:
    """The booking that these cells name; a problem if there is none, whatever else is wrong."""
    if intake.named(row, "record_number") is None or row[date] is None or row[start] is None:
        return None
    record, starts_at = folded(row["record_number"]), _starts(intake, row, date, start)
    found = bookings.get((record, starts_at))
    if found is None:
        skipped = intake.skipped(datetime.datetime.combine(row[date], row[start]))
        sentence = f"the patient has no session at {row[start]:%H:%M} on {row[date]}"
        doubtful = not skipped and doubts.cover(record, starts_at, row[date])
        _refuse_unless(doubtful, intake, row, start, skipped or sentence)
    return found


def _refuse_unless(doubtful: bool, intake: Intake, row: Row, column: str, sentence: str) -> None:
    if doubtful:
        intake.doubt(row)
    else:
        intake.refuse(row, column, sentence)


def _is_recordable(intake: Intake, row: Row, booking: Booking) -> bool:
    if not booking.live:
        reason = booking.session.cancelled_reason
        intake.refuse(row, "start", f"the session was cancelled ({reason})")
    elif booking.starts_at - EARLY > intake.now:
        intake.refuse(row, "date", "the session has not begun")
    if row["attended"] is False:
        for column in ("arrived", "left"):
            if row[column] is not None:
                intake.refuse(row, column, "an absent patient neither arrives nor leaves")
    for column in ("arrived", "left"):
        if row[column] is not None:
            skipped = intake.skipped(datetime.datetime.combine(row["date"], row[column]))
            if skipped:
                intake.refuse(row, column, skipped)
    return not row.bad


def _record(
    intake: Intake, row: Row, booking: Booking, rules: Sequence[CreditRule]
) -> Draft | None:
    times = {
        field: intake.instant(datetime.datetime.combine(row["date"], row[column]))
        for column, field in (("arrived", "arrived_at"), ("left", "left_at"))
        if row[column] is not None
    }
    draft = intake.draft(
        row,
        AttendanceRecord,
        booking.pk,
        booking=booking,
        source=AttendanceRecord.Source.IMPORT,
        recorded_at=intake.now,
        recorded_by=None if isinstance(intake.by, Job) else intake.by,
        **times,
    )
    if draft is not None:
        credit(draft.instance, booking.session, policy_for(rules, booking.session.local_date))
    return draft


def policy_for(rules: Sequence[CreditRule], day: datetime.date) -> CreditPolicy:
    in_force = (
        rule for rule in rules
        if rule.starts_on <= day and (rule.ends_on is None or day <= rule.ends_on)
    )  # fmt: skip
    return policy_of(next(in_force, None))


def credit(record: AttendanceRecord, session: Session, policy: CreditPolicy) -> None:
    facts, about = attendance_facts(record), session_facts(session)
    record.attended_minutes = attended_minutes(about, facts)
    record.credited_minutes = credited_minutes(about, facts, policy)


def credit_once(written: Sequence[Draft]) -> None:
    """Minutes spent in a visit leave the session around it; one statement where nothing overlaps.

    Recorded earlier or by this file: the sessions of both are computed anew.
    """
    rows = Booking.objects.filter(pk__in=[draft.instance.booking_id for draft in written])
    days: dict[datetime.date, set[int]] = {}
    found = rows.filter(Exists(at_the_same_time())).order_by("session__local_date")
    for day, session in found.values_list("session__local_date", "session"):
        days.setdefault(day, set()).add(session)
    for sessions in days.values():
        sheet = locked_sheet(sessions)
        if sheet.recompute():
            sheet.save()
