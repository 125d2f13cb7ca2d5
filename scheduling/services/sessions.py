"""Single sessions: create, move, cancel, revive."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence

from django.core.exceptions import ValidationError
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import Clinic, Therapist, User
from iop_clinic.accounts.weeks import local_date
from patients.models import Episode
from patients.validators import validate_clinical_date
from scheduling.eligibility import check_first_day, check_may_come, check_together
from scheduling.locks import lock, lock_session
from scheduling.models import (
    Booking,
    Closure,
    Group,
    GroupMembership,
    Room,
    Session,
    SessionStaff,
    SessionType,
)
from scheduling.rules import END_AFTER_START, LASTS, LONGEST, MOST_SEATS, SHORTEST, Span
from scheduling.services.bookings import (
    check_reason,
    check_takes_place,
    combined_bookings,
    untie_visits,
)
from scheduling.services.diary import Diary, attend, check_patients_free
from scheduling.services.placing import ONE_PATIENT, PLACE, check_one_place, place, seats_needed
from scheduling.services.seating import Expected, new_booking, plan_seating
from scheduling.services.visits import (
    let_in,
    nest,
    seats_around,
    stays_inside,
    tie_again,
    tied_with,
    ties_at,
    visits_inside,
)

LATE_ENTRY = datetime.timedelta(days=31)
"""How long after it a person may still enter a session that took place."""

COMBINED_WITH = "Combined with"
"""How the reason of a session begins that is held together with another one."""

FIND_COVER = "Choose another time, or find cover first."

SUBSTITUTE_ACCESS = datetime.timedelta(days=7)
"""How long after the session a substitute may still complete its roster."""


@service
def create_session(
    *,
    clinic: Clinic,
    session_type: SessionType,
    therapist: Therapist,
    starts_at: datetime.datetime,
    ends_at: datetime.datetime,
    room: Room | None = None,
    by_video: bool = False,
    off_site: str = "",
    episodes: Sequence[Episode] = (),
    group: Group | None = None,
    by: User | Job,
) -> Session:
    """An individual or one-off session with its leader and, booked in one step, its patients.

    A short visit may lie inside another session of its patient, and a session around a visit (see
    `visits`). Raises Refused `session_length`, `session_date`, `first_day` a year or more ahead,
    `one_place`, `clinic_closed`, `therapist_busy`, `not_qualified`, `room_busy`, `room_too_small`,
    `patient_busy`, `session_full`, `not_active`, `on_hold` or `not_suitable`.
    """
    span = Span(starts_at, ends_at)
    _check_length(span)
    _check_date(span, clinic, by)
    check_first_day(local_date(starts_at, clinic.tz), clinic, "starts_at")
    check_one_place(room, by_video, off_site)
    session = _unsaved(clinic, session_type, span, group)
    patients = [episode.patient_id for episode in episodes]
    lock(
        clinics=[clinic.pk],
        groups=[group.pk if group else None],
        therapists=[therapist.pk],
        rooms=[room.pk if room else None],
        sessions=tied_with(session, patients),
        episodes=[episode.pk for episode in episodes],
    )
    around, inside = seats_around(session, patients), visits_inside(session, patients)
    diary = Diary.of(clinic, span, therapists=[therapist.pk], rooms=[room.pk if room else None])
    diary.check_open(span)
    diary.check_therapist(therapist, span, instead="Choose another time, or somebody else.")
    if is_plan(span, by):
        diary.check_qualified(therapist, span, session_type)
    _give_seats(session, len(episodes))
    place(session, room=room, by_video=by_video, off_site=off_site)
    diary.check_room(room, span, session.capacity)
    attend(session, diary.license_trouble(therapist, span, session_type))
    members = _check_patients(session, episodes, span, around, inside) if episodes else {}
    session.save()
    add_staff(session, therapist, SessionStaff.Role.FACILITATOR)
    _book_first(session, episodes, members, around, inside)
    return session


def _check_length(span: Span) -> None:
    if not SHORTEST <= span.ends_at - span.starts_at <= LONGEST:
        said = LASTS if span.starts_at < span.ends_at else END_AFTER_START
        raise Refused("session_length", said, field="ends_at")
    for name, at in (("starts_at", span.starts_at), ("ends_at", span.ends_at)):
        if at.second or at.microsecond:
            raise Refused("session_length", "Sessions begin and end at whole minutes.", field=name)


def _check_date(span: Span, clinic: Clinic, by: User | Job) -> None:
    try:
        validate_clinical_date(local_date(span.starts_at, clinic.tz))
    except ValidationError as error:
        raise Refused("session_date", error.messages[0], field="starts_at") from error
    if isinstance(by, User) and span.ends_at < timezone.now() - LATE_ENTRY:
        message = f"A session is entered at most {LATE_ENTRY.days} days after it took place."
        raise Refused("session_date", message, field="starts_at")


def is_plan(span: Span, by: User | Job) -> bool:
    """Whether a person says who is to lead. What took place was led by whoever led it, and a job
    has nobody to ask: both are marked instead."""
    return isinstance(by, User) and span.ends_at > timezone.now()


def _unsaved(clinic: Clinic, session_type: SessionType, span: Span, group: Group | None) -> Session:
    return Session(
        clinic=clinic,
        session_type=session_type,
        group=group,
        starts_at=span.starts_at,
        ends_at=span.ends_at,
        zone=clinic.zone,
        local_date=local_date(span.starts_at, clinic.tz),
    )


def _give_seats(session: Session, patients: int) -> None:
    """An individual session has as many seats as patients (at least one), a group's extra session
    the group's, which is locked, any other its type's ceiling, or its room's where that has fewer
    (see `place`)."""
    session.capacity = session.ceiling = session.session_type.ceiling
    if session.group is not None:
        session.group.refresh_from_db(fields=["capacity"])
        session.capacity, session.ceiling = session.group.capacity, MOST_SEATS
    elif session.session_type.kind in ONE_PATIENT:
        session.capacity = max(1, patients)


def _check_capacity(session: Session, patients: int) -> None:
    if session.capacity > session.ceiling or patients > session.capacity:
        most = min(session.capacity, session.ceiling)
        message = f"{session.session_type} takes at most {most} patients there."
        raise Refused("session_full", message)


def _check_patients(
    session: Session,
    episodes: Sequence[Episode],
    span: Span,
    around: Mapping[int, Booking],
    inside: Sequence[Booking],
) -> dict[int, int]:
    """By episode, the membership of the session's group by which it comes."""
    _check_capacity(session, len(episodes))
    members = check_may_come(episodes=episodes, session=session)
    for nested in (False, True):
        patients = [one.patient_id for one in episodes if (one.patient_id in around) == nested]
        if patients:
            check_patients_free(patients, span, ignoring=session, nested=nested, but=inside)
    return members


def _book_first(
    session: Session,
    episodes: Sequence[Episode],
    members: Mapping[int, int],
    around: Mapping[int, Booking],
    inside: Sequence[Booking],
) -> None:
    rows = {}
    for seat, episode in enumerate(episodes, start=1):
        row = new_booking(session, episode, seat=seat)
        row.membership_id = members.get(episode.pk)
        nest(row, around.get(episode.patient_id))
        rows[episode.patient_id] = row
    with let_in([(visit, rows[visit.patient_id]) for visit in inside]):
        Booking.objects.bulk_create(rows.values())


def add_staff(session: Session, therapist: Therapist, role: str) -> SessionStaff:
    """A therapist's part in a session, with the copies its keys ask for."""
    return SessionStaff.objects.create(
        clinic_id=session.clinic_id,
        session=session,
        therapist=therapist,
        role=role,
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        live=session.live,
    )


# --- moving --------------------------------------------------------------------------------------


@service
def move_session(
    *,
    session: Session,
    starts_at: datetime.datetime,
    ends_at: datetime.datetime,
    by: User | Job,
    room: Room | None = None,
    off_site: str = "",
) -> Session:
    """Move a session that has not begun, with its staff and bookings; it keeps its place unless a
    `room` is given, or where else it meets.

    The occurrence stays the same one: its original local date is kept. Visits of its patients that
    lie inside the new time interrupt it then. Raises Refused `session_cancelled`, `session_begun`,
    `session_length`, `session_date`, `session_breaks_inside`, `nested_visit`, `one_place`,
    `clinic_closed`, `therapist_busy`, `not_qualified` where the leader's license reaches the old
    date and not the new one, `room_busy`, `room_too_small` or `patient_busy`.
    """
    span = Span(starts_at, ends_at)
    _check_length(span)
    check_one_place(room, False, off_site)
    diary = lock_for_move(session, span, room)
    check_takes_place(session)
    _check_not_begun(session, span)
    _check_date(span, session.clinic, by)
    if session.breaks and session.breaks[-1][1] > (span.ends_at - span.starts_at).seconds // 60:
        raise Refused("session_breaks_inside", "A break lies after the new end.", field="ends_at")
    if span != (session.starts_at, session.ends_at) and not stays_inside(session, span):
        untie_visits([session.pk])
    if room is not None or off_site:
        place(session, room=room, off_site=off_site)
    diary.check_open(span)
    ties = ties_at(session, span)
    _check_free(session, diary, span, [visit for visit, _ in ties])
    session.starts_at, session.ends_at = starts_at, ends_at
    session.local_date = local_date(starts_at, session.clinic.tz)
    session.zone = session.clinic.zone
    session.version += 1
    with let_in(ties):
        session.save(
            update_fields=["starts_at", "ends_at", "local_date", "zone", *PLACE, "version"]
        )
    session.staff.filter(role=SessionStaff.Role.SUBSTITUTE).update(
        access_until=ends_at + SUBSTITUTE_ACCESS
    )
    return session


def lock_for_move(session: Session, span: Span, room: Room | None = None) -> Diary:
    """Lock all that a change of this session's time or state touches, and read what is known."""
    therapists = list(
        SessionStaff.objects.filter(session=session, active=True).values_list(
            "therapist", flat=True
        )
    )
    rooms = [session.room_id, room.pk if room else None]
    lock(
        clinics=[session.clinic_id],
        groups=[session.group_id],
        therapists=therapists,
        rooms=rooms,
        sessions=[visit.session_id for visit, _ in ties_at(session, span)],
        moving=[session.pk],
    )
    lock_session(session)
    members = GroupMembership.objects.on(session.local_date).filter(group=session.group_id)
    lock(
        episodes=[
            *session.bookings.values_list("episode", flat=True),
            *members.values_list("episode", flat=True),
        ]
    )
    return Diary.of(session.clinic, span, therapists=therapists, rooms=rooms, ignoring=[session])


def _check_not_begun(session: Session, span: Span) -> None:
    now = timezone.now()
    if session.starts_at <= now:
        raise Refused("session_begun", "The session has begun: its time stays as it was.")
    if span.starts_at <= now:
        raise Refused("session_date", "A session cannot be moved into the past.", field="starts_at")


def _check_free(session: Session, diary: Diary, span: Span, visits: Iterable[Booking] = ()) -> None:
    parts = session.staff.filter(active=True).select_related("therapist")
    for part in parts:
        diary.check_therapist(part.therapist, span, instead=FIND_COVER)
        if part.role != SessionStaff.Role.CO_FACILITATOR:
            _check_stays_qualified(session, diary, part.therapist, span)
    diary.check_room(session.room, span, seats_needed(session))
    seated = session.bookings.filter(state=Booking.State.BOOKED)
    for nested in (False, True):
        patients = seated.filter(nested_in__isnull=not nested).values_list("patient", flat=True)
        check_patients_free(patients, span, ignoring=session, nested=nested, but=visits)


def _check_stays_qualified(
    session: Session, diary: Diary, therapist: Therapist, span: Span
) -> None:
    """Who was not qualified before is no reason to leave the session where it is."""
    was = Span(session.starts_at, session.ends_at)
    if not diary.license_trouble(therapist, was, session.session_type):
        diary.check_qualified(therapist, span, session.session_type)


# --- cancelling ----------------------------------------------------------------------------------


@service
def cancel_session(
    *, session: Session, reason: str, by: User | Job, closure: Closure | None = None
) -> Session:
    """The clinic cancels a session: it leaves both sides of every count (R24), its row stays.

    Cancelled already: no change. Raises Refused `reason_required` or, after signing,
    `roster_signed`.
    """
    check_reason(reason)
    lock(moving=[session.pk])
    lock_session(session)
    if not session.live:
        return session
    check_not_signed(session)
    session.state, session.cancelled_reason = Session.State.CANCELLED, reason
    session.cancelled_at, session.closure = timezone.now(), closure
    return _save_state(session)


def check_not_signed(session: Session) -> None:
    """Raise Refused `roster_signed` for a session that took place."""
    if session.signed_at is not None:
        raise Refused("roster_signed", "The roster is signed: it cannot be cancelled any more.")


@service
def revive_session(*, session: Session, by: User | Job) -> Session:
    """A cancelled session takes place after all, with its bookings and members enrolled since.

    Raises Refused `clinic_closed`, `therapist_busy`, `room_busy` or `patient_busy` for what has
    taken the time meanwhile, `not_suitable` where patients who are kept apart would meet, or
    `combined` for one whose patients sit in another session.
    """
    diary = lock_for_move(session, Span(session.starts_at, session.ends_at))
    if session.live:
        return session
    combined = session.cancelled_reason.startswith(COMBINED_WITH)
    if combined and combined_bookings(session).exists():
        message = f"{session.cancelled_reason}: part the two, so that its patients come back."
        raise Refused("combined", message)
    return bring_back(session, diary)


def bring_back(session: Session, diary: Diary) -> Session:
    """Let a locked, cancelled session take place; raises what `revive_session` does of the time.

    Whoever was told that it is combined was told so in vain.
    """
    span = Span(session.starts_at, session.ends_at)
    diary.check_open(span)
    tie_again(session)
    _check_free(session, diary, span)
    if session.cancelled_reason.startswith(COMBINED_WITH):
        session.told.all().delete()
    session.state, session.cancelled_reason = Session.State.SCHEDULED, ""
    session.cancelled_at, session.closure = None, None
    _save_state(session)
    if session.group_id:
        held = GroupMembership.objects.on(session.local_date).filter(group=session.group_id)
        members = [Expected(row.episode, row) for row in held.select_related("episode")]
        plan_seating([session], members).write()
    check_together(session)
    return session


def _save_state(session: Session) -> Session:
    session.version += 1
    session.save(update_fields=["state", "cancelled_reason", "cancelled_at", "closure", "version"])
    session.refresh_from_db(fields=["live"])
    return session
