"""Weekly blocks become dated sessions with staff and bookings: add what is missing, never twice."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from zoneinfo import ZoneInfo

from django.db import DataError, IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from iop_clinic.accounts.acting import Job, service
from iop_clinic.accounts.constraints import violation
from iop_clinic.accounts.models import Clinic, Therapist, User
from iop_clinic.accounts.weeks import DAYS_IN_WEEK, day_instants, long_moment
from patients.models import EpisodeHold
from scheduling.eligibility import is_active
from scheduling.locks import lock
from scheduling.models import Booking, GroupMembership, Session, SessionStaff, WeeklyBlock
from scheduling.rules import MOST_SEATS, Span, occurrences, span_on
from scheduling.services.diary import WITHOUT_LEADER, WITHOUT_ROOM, Diary, attend
from scheduling.services.seating import Expected, plan_seating


@dataclass(slots=True)
class Expansion:
    """What one run added, and what a person must look at; findings name no patient."""

    created: int = 0
    booked: int = 0
    found: list[tuple[Session | WeeklyBlock, str]] = field(default_factory=list)
    """What a finding is about, and its sentence."""

    @property
    def findings(self) -> list[str]:
        return [said for _, said in self.found]

    def findings_of(self, blocks: Collection[int]) -> list[str]:
        """Those about some weekly blocks, by key, or about their sessions."""
        return [said for about, said in self.found if _block_of(about) in blocks]


def _block_of(about: Session | WeeklyBlock) -> int | None:
    return about.pk if isinstance(about, WeeklyBlock) else about.block_id


@dataclass(slots=True)
class _Plan:
    """One block and the local dates on which its session is missing."""

    block: WeeklyBlock
    dates: list[datetime.date]
    people: list[Expected]


@service
def expand(*, clinic: Clinic, today: datetime.date, by: User | Job, weeks: int = 4) -> Expansion:
    """Create the sessions of every weekly block from `today` for `weeks` weeks, and seat people.

    An occurrence (block, original local date) that exists in any state is left alone, so a moved
    or cancelled one never comes back. A closed date becomes a cancelled session. A leader, room or
    license that is missing leaves a session that needs attention, and a finding. Each block stands
    in a savepoint of its own: what fails there is a finding and the others stay.
    """
    last = today + datetime.timedelta(days=weeks * DAYS_IN_WEEK - 1)
    lock(clinics=[clinic.pk])
    blocks = _blocks(clinic, today, last)
    lock(groups=[block.group_id for block in blocks])
    members = _members(clinic, today, last)
    plans = _missing(blocks, members, today, last)
    late = _sessions_without_members(clinic, members, today, last)
    waiting = [session for sessions in late.values() for session in sessions]
    lock(
        therapists=[therapist.pk for plan in plans for therapist in plan.block.leaders],
        rooms=[*(plan.block.room_id for plan in plans), *(one.room_id for one in waiting)],
        sessions=[session.pk for session in waiting],
        episodes=_episodes(plans, members, late),
    )
    result = Expansion()
    if plans:
        diary = _diary(clinic, plans, today, last)
        for plan in plans:
            _apart(result, plan.block, partial(_create, plan, diary, result))
    for group_id, sessions in late.items():
        _apart(result, sessions[0], partial(_seat, sessions, members[group_id], result))
    return result


def _apart(result: Expansion, what: Session | WeeklyBlock, work: Callable[[], None]) -> None:
    """Run `work` in a savepoint; a refusal of the database becomes a finding."""
    created, booked, found = result.created, result.booked, len(result.found)
    try:
        with transaction.atomic():
            work()
    except (IntegrityError, DataError) as error:
        result.created, result.booked = created, booked
        del result.found[found:]
        broken = violation(error)
        said = broken.message if broken else "not expanded"
        result.found.append((what, f"{what}: {said}"))


# --- what is missing -----------------------------------------------------------------------------


def _blocks(clinic: Clinic, first: datetime.date, last: datetime.date) -> list[WeeklyBlock]:
    rows = WeeklyBlock.objects.filter(
        Q(valid_until__isnull=True) | Q(valid_until__gte=first),
        Q(group__active=True) | Q(episode__admitted_on__lte=last),
        clinic=clinic,
        valid_from__lte=last,
    )
    return list(
        rows.select_related(
            "group", "episode", "session_type", "room", "facilitator", "co_facilitator"
        ).order_by("pk")
    )


def _members(
    clinic: Clinic, first: datetime.date, last: datetime.date
) -> dict[int, list[Expected]]:
    """By group: whoever holds a seat on one of these dates, in the order of the seats."""
    rows = GroupMembership.objects.during(first, last).filter(clinic=clinic)
    members: dict[int, list[Expected]] = defaultdict(list)
    for row in rows.select_related("episode").order_by("group", "seat", "pk"):
        members[row.group_id].append(Expected(row.episode, row))
    return members


def _missing(
    blocks: Sequence[WeeklyBlock],
    members: dict[int, list[Expected]],
    first: datetime.date,
    last: datetime.date,
) -> list[_Plan]:
    known = set(
        Session.objects.filter(
            block__in=[block.pk for block in blocks], original_local_date__range=(first, last)
        ).values_list("block", "original_local_date")
    )
    paused = EpisodeHold.objects.filter(episode__in=[b.episode_id for b in blocks if b.episode_id])
    holds: dict[int, list[EpisodeHold]] = defaultdict(list)
    for hold in paused:
        holds[hold.episode_id].append(hold)
    plans = []
    for block in blocks:
        dates = [
            day
            for day in occurrences(
                weekday=block.weekday,
                every_weeks=block.every_weeks,
                valid_from=block.valid_from,
                valid_until=block.valid_until,
                first=first,
                last=last,
            )
            if (block.pk, day) not in known and _meets(block, day, holds)
        ]
        if dates:
            people = [Expected(block.episode)] if block.episode else members[block.group_id or 0]
            plans.append(_Plan(block, dates, people))
    return plans


def _meets(block: WeeklyBlock, day: datetime.date, holds: dict[int, list[EpisodeHold]]) -> bool:
    """Whether a patient's own block has somebody to meet: in treatment and not on hold."""
    if block.episode is None:
        return True
    return is_active(block.episode, day) and not any(
        hold.starts_on <= day and (hold.ends_on is None or day <= hold.ends_on)
        for hold in holds[block.episode.pk]
    )


def _sessions_without_members(
    clinic: Clinic,
    members: dict[int, list[Expected]],
    first: datetime.date,
    last: datetime.date,
) -> dict[int, list[Session]]:
    """By group: planned sessions in which a member has no row at all."""
    planned = (
        Session.objects.live()
        .on(first, last)
        .not_over(timezone.now())
        .filter(clinic=clinic, group__in=list(members), signed_at__isnull=True)
        .select_related("group", "session_type", "room")
        .order_by("pk")
    )
    known = set(Booking.objects.filter(session__in=planned).values_list("session", "episode"))
    late: dict[int, list[Session]] = defaultdict(list)
    for session in planned:
        if session.group_id and any(
            person.on(session.local_date) and (session.pk, person.episode.pk) not in known
            for person in members[session.group_id]
        ):
            late[session.group_id].append(session)
    return late


def _episodes(
    plans: Iterable[_Plan], members: dict[int, list[Expected]], late: Iterable[int]
) -> set[int]:
    """The episodes that may get a booking; locked before it is asked when they are free."""
    people = [person for plan in plans for person in plan.people]
    people += [person for group in late for person in members[group]]
    return {person.episode.pk for person in people}


def _diary(
    clinic: Clinic, plans: Sequence[_Plan], first: datetime.date, last: datetime.date
) -> Diary:
    starts_at, _ = day_instants(first, clinic.tz)
    _, ends_at = day_instants(last, clinic.tz)
    return Diary.of(
        clinic,
        Span(starts_at, ends_at),
        therapists=[therapist.pk for plan in plans for therapist in plan.block.leaders],
        rooms=[plan.block.room_id for plan in plans],
    )


# --- what is added -------------------------------------------------------------------------------


def _create(plan: _Plan, diary: Diary, result: Expansion) -> None:
    """One block's missing sessions: a statement each for sessions, staff and bookings."""
    sessions, parts, taken = [], [], []
    for day in plan.dates:
        block = plan.block
        span = span_on(day, block.starts_at, block.ends_at, diary.zone)
        session = _session(block, day, span)
        leaders = _arrange(session, plan, span, diary)
        sessions.append(session)
        parts += [_part(session, leader, block) for leader in leaders]
        if session.live:
            taken.append((span, leaders, session.room))
        if session.needs_attention:
            result.found.append(_finding(session, session.needs_attention))
    Session.objects.bulk_create(sessions)
    SessionStaff.objects.bulk_create(parts)
    result.created += len(sessions)
    _seat(sessions, plan.people, result)
    for span, leaders, room in taken:
        diary.take(span, therapists=leaders, room=room)


def _session(block: WeeklyBlock, day: datetime.date, span: Span) -> Session:
    group = block.group
    return Session(
        clinic_id=block.clinic_id,
        block=block,
        group=group,
        session_type=block.session_type,
        room=block.room,
        by_video=block.by_video,
        off_site=block.off_site,
        live=True,
        starts_at=span.starts_at,
        ends_at=span.ends_at,
        local_date=day,
        original_local_date=day,
        breaks=block.breaks,
        capacity=block.seats,
        ceiling=MOST_SEATS if group else block.session_type.ceiling,
    )


def _arrange(session: Session, plan: _Plan, span: Span, diary: Diary) -> list[Therapist]:
    """Fit the session to the closures, its room and its leaders; who can lead it."""
    session.zone = str(diary.zone)
    closure = diary.closure(span)
    if closure is not None:
        session.state, session.live = Session.State.CANCELLED, False
        session.cancelled_reason, session.cancelled_at = closure.reason, timezone.now()
        session.closure = closure
        return plan.block.leaders
    if session.room is not None:
        trouble = diary.room_trouble(session.room, span, session.capacity)
        if trouble:
            session.room = None
            attend(session, f"{WITHOUT_ROOM}{trouble}")
    leaders = []
    for leader in plan.block.leaders:
        trouble = diary.therapist_trouble(leader, span)
        if trouble:
            attend(session, f"{WITHOUT_LEADER}{trouble}")
            continue
        leaders.append(leader)
        asked = session.session_type if leader.pk == plan.block.facilitator_id else None
        attend(session, diary.license_trouble(leader, span, asked))
    return leaders


def _part(session: Session, leader: Therapist, block: WeeklyBlock) -> SessionStaff:
    first = leader.pk == block.facilitator_id
    return SessionStaff(
        clinic_id=session.clinic_id,
        session=session,
        therapist=leader,
        role=SessionStaff.Role.FACILITATOR if first else SessionStaff.Role.CO_FACILITATOR,
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        live=session.live,
    )


def _seat(sessions: Sequence[Session], people: Sequence[Expected], result: Expansion) -> None:
    seating = plan_seating(sessions, people)
    result.booked += seating.write()
    for session in seating.busy:
        result.found.append(_finding(session, "a patient is booked elsewhere at this time"))
    for session in seating.full:
        result.found.append(_finding(session, "no seat is free for a member"))


def _finding(session: Session, text: str) -> tuple[Session, str]:
    wall = session.starts_at.astimezone(ZoneInfo(session.zone))
    return session, f"{session.title}, {long_moment(wall)}: {text}"
