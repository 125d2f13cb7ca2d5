"""Single bookings, with what they change about the week: booked, made up, given up, taken away.

The floor below writes them. Here each write is followed, in the same transaction, by judging the
week again, so that a case which a make-up repairs closes with it, and one that a notice opens is
there at once.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from django.utils import timezone

from attendance.compliance.again import judge_again
from attendance.compliance.free_hours import free_hours
from attendance.compliance.make_up_facts import Facts, offer_of, session_for
from attendance.compliance.make_up_refusals import troubles, unpaid
from attendance.compliance.make_ups import facts_for, missed_booking
from attendance.compliance.week_notes import OF_A_WEEK
from attendance.models import AttendanceRecord, Flag
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import local_date, long_moment
from patients.models import Episode
from scheduling import services as calendar
from scheduling.locks import lock
from scheduling.models import Booking, Session

Moment = datetime.datetime | None
ALREADY = "already_booked"


@service
def book(
    *,
    session: Session,
    episode: Episode,
    by: User | Job,
    overflow_reason: str = "",
    makes_up: Booking | None = None,
    now: Moment = None,
) -> Booking:
    """Book a session (see `scheduling.services.book`, which says what is refused)."""
    row = calendar.book(
        session=session, episode=episode, overflow_reason=overflow_reason, makes_up=makes_up, by=by
    )
    judge_booking(row, by=by, now=now)
    return row


@service
def release(
    *,
    booking: Booking,
    notified_at: datetime.datetime,
    reason: str,
    by: User | Job,
    now: Moment = None,
) -> Booking:
    """The patient gave notice of one session (see `scheduling.services.release`).

    Raises what that raises, or Refused `attendance_recorded` once there is a record: a notice that
    comes to light later belongs in it.
    """
    _check_unrecorded(
        booking, "Attendance is recorded. Correct the record: the notice is part of it."
    )
    row = calendar.release(booking=booking, notified_at=notified_at, reason=reason, by=by)
    judge_booking(row, by=by, now=now)
    return row


@service
def withdraw(*, booking: Booking, reason: str, by: User | Job, now: Moment = None) -> Booking:
    """The clinic or the plan changed (see `scheduling.services.withdraw`).

    Raises what that raises, or Refused `attendance_recorded`: what was recorded would count
    nowhere, and come back with the seat.
    """
    _check_unrecorded(booking, "Attendance is recorded. Clear the record first.")
    row = calendar.withdraw(booking=booking, reason=reason, by=by)
    judge_booking(row, by=by, now=now)
    return row


def _check_unrecorded(booking: Booking, message: str) -> None:
    lock(sessions=[booking.session_id])
    if AttendanceRecord.objects.filter(booking=booking).exists():
        raise Refused("attendance_recorded", message)


def judge_booking(row: Booking, *, by: User | Job, now: Moment) -> None:
    _judge(row.episode, [row.session], by=by, now=now)


def _judge(episode: Episode, sessions: Sequence[Session], *, by: User | Job, now: Moment) -> None:
    """The weeks of these sessions, or the current one where it is older."""
    clinic = sessions[0].clinic
    today = local_date(now or timezone.now(), clinic.tz)
    since = min([today, *(session.local_date for session in sessions)])
    judge_again(clinic=clinic, episode_ids=[episode.pk], since=since, by=by, now=now)


# --- make-ups -------------------------------------------------------------------------------------


@service
def book_make_up(
    *,
    episode: Episode,
    session: Session,
    by: User | Job,
    makes_up: Booking | None = None,
    flag: Flag | None = None,
    now: Moment = None,
) -> Booking:
    """Book a make-up, or take back what the patient gave up, in one step with all that follows.

    The booking names the missed one it stands for, which is `makes_up` or else chosen here; the
    week is judged again, and the case of a week that is repaired closes with a note. Again: the
    booking as it is. Raises Refused for whatever keeps the session off the list of make-ups:
    `session_full` when the last seat went to somebody else, `session_begun`, `outside_week`,
    `on_hold`, `not_authorized`, `clinic_closed`, `patient_busy`, `not_suitable`, `not_active`,
    `not_counted`; or `unknown_booking` when `makes_up` was not missed in this week or stands made
    up already.
    """
    (row,) = book_make_ups(
        episode=episode, sessions=[session], makes_up=makes_up, flag=flag, by=by, now=now
    )
    return row


@service
def book_make_ups(
    *,
    episode: Episode,
    sessions: Sequence[Session],
    by: User | Job,
    makes_up: Booking | None = None,
    flag: Flag | None = None,
    now: Moment = None,
) -> list[Booking]:
    """Book a combination of make-ups, all of it or nothing; see `book_make_up`."""
    now = now or timezone.now()
    lock(sessions=[session.pk for session in sessions], episodes=[episode.pk])
    facts = facts_for(episode=episode, day=sessions[0].local_date, now=now, flag=flag)
    _check_make_ups(facts, sessions)
    rows: list[Booking] = []
    used: set[int] = set()
    for session in sessions:
        missed = _stands_for(facts, session, chosen=makes_up, used=used)
        used |= {missed.pk} if missed else set()
        row = calendar.book(session=session, episode=episode, makes_up=missed, by=by)
        rows.append(_linked(row, missed))
    _judge(episode, sessions, by=by, now=now)
    _note_on_cases(episode, rows, now)
    return rows


def _stands_for(
    facts: Facts, session: Session, *, chosen: Booking | None, used: set[int]
) -> Booking | None:
    """The missed booking a make-up is for; a session given up and taken back keeps its own."""
    own = facts.own(session)
    if own is not None and own.state != Booking.State.WITHDRAWN:
        kept = own.makes_up if own.makes_up_id else None
        if chosen in (None, kept):
            return kept
        if kept is not None and own.state == Booking.State.BOOKED:
            message = "The patient is booked into this session to make up another booking."
            raise Refused(ALREADY, message, field="makes_up")
    missed = missed_booking(facts, session, without=used, chosen=chosen)
    if chosen is not None and missed is None:
        message = "This booking was not missed in this week, or is made up already."
        raise Refused("unknown_booking", message, field="makes_up")
    return missed


def _linked(row: Booking, missed: Booking | None) -> Booking:
    """With what it makes up: whoever was booked already may say so later."""
    if missed is not None and row.makes_up_id is None:
        row.makes_up = missed
        row.version += 1
        row.save(update_fields=["makes_up", "version"])
    return row


def is_offered(*, episode: Episode, session: Session, now: datetime.datetime) -> bool:
    """Whether a session is on the patient's list of make-ups, or was until its last seat went."""
    facts = facts_for(episode=episode, day=session.local_date, now=now)
    refused = troubles(facts, [session_for(session)]).get(session.pk)
    if refused is None:
        return bool(facts.needs)
    return refused.code == ALREADY or (bool(facts.needs) and refused.code == "session_full")


def _check_make_ups(facts: Facts, sessions: Sequence[Session]) -> None:
    """Each of the sessions, then the authorization's units over all that are not booked yet."""
    shown = [session_for(session) for session in sessions]
    refused = troubles(facts, shown)
    for session in shown:
        if session.pk in refused and refused[session.pk].code != ALREADY:
            raise refused[session.pk]
    new = [offer_of(facts, session) for session in shown if session.pk not in refused]
    without_units = unpaid(facts, new)
    if without_units is not None:
        raise without_units


def _note_on_cases(episode: Episode, rows: Sequence[Booking], now: datetime.datetime) -> None:
    """The cases that have just closed by these facts say which make-ups closed them."""
    closed = Flag.objects.filter(
        clinic=episode.clinic_id,
        episode=episode,
        rule__in=OF_A_WEEK,
        closed_by_facts=True,
        closed_at=now,
    )
    zone = episode.clinic.tz
    named = ", ".join(f"{long_moment(row.starts_at.astimezone(zone))}" for row in rows)
    for flag in closed:
        flag.outcome_note = f"Make-up booked: {named}. {flag.outcome_note}"[:300]
        flag.save(update_fields=["outcome_note"])


@service
def plan_make_up(
    *, episode: Episode, hour: str, by: User | Job, flag: Flag | None = None, now: Moment = None
) -> Booking:
    """Plan an individual session in a free hour (its `key`) and book it as a make-up.

    Raises Refused `hour_taken` when it is no longer free, or what `create_session` raises.
    """
    now = now or timezone.now()
    today = local_date(now, episode.clinic.tz)
    facts = facts_for(episode=episode, day=today, now=now, flag=flag)
    found = next((one for one in free_hours(facts, most=None) if one.key == hour), None)
    if found is None:
        raise Refused(
            "hour_taken", "This hour is not free any more. Choose another one.", field="choice"
        )
    session = calendar.create_session(
        clinic=episode.clinic,
        session_type=found.session_type,
        therapist=found.therapist,
        room=found.room,
        starts_at=found.offer.starts_at,
        ends_at=found.offer.ends_at,
        episodes=[episode],
        by=by,
    )
    row = session.bookings.get()
    _linked(row, missed_booking(facts, session))
    _judge(episode, [session], by=by, now=now)
    _note_on_cases(episode, [row], now)
    return row
