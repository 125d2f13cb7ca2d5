"""What one session adds up to for one patient: minutes attended and credited, labels, status.

Facts go in as told and are clamped only here: an early arrival or a late departure adds nothing.
All arithmetic is done on UTC instants, because two wall times of one zone subtract wrongly on the
days the clocks change. Minutes come out as whole numbers: the seconds of one session are summed
first and cut once, downwards, so that no minute is credited that was not wholly attended, and so
that being cut into pieces by breaks costs nobody a minute.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import chain
from typing import assert_never

_MINUTE = timedelta(minutes=1)


class CreditKind(StrEnum):
    EXACT = "exact"
    ROUND_DOWN = "round_down"
    ALL_OR_NOTHING = "all_or_nothing"


class Proof(StrEnum):
    NONE = "none"
    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Status(StrEnum):
    UNRECORDED = "unrecorded"
    PRESENT = "present"
    ABSENT_EXCUSED = "absent_excused"
    ABSENT_PENDING = "absent_pending"
    NO_SHOW = "no_show"
    LATE_CANCEL = "late_cancel"


@dataclass(frozen=True, slots=True)
class Interval:
    """A half-open stretch of time in UTC. One that ends before it starts holds no time."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        # Two datetimes of one zone compare and subtract by wall time: only UTC may stay.
        object.__setattr__(self, "start", _in_utc(self.start))
        object.__setattr__(self, "end", _in_utc(self.end))

    @property
    def length(self) -> timedelta:
        return max(self.end - self.start, timedelta())

    def clipped_to(self, other: "Interval") -> "Interval":
        return Interval(max(self.start, other.start), min(self.end, other.end))


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A session as far as minutes go. Breaks are [from, to) in minutes from its start (R8)."""

    starts_at: datetime
    ends_at: datetime
    breaks: tuple[tuple[int, int], ...] = ()
    creditable: bool = True

    @property
    def span(self) -> Interval:
        return Interval(self.starts_at, self.ends_at)

    @property
    def break_spans(self) -> tuple[Interval, ...]:
        start = self.span.start
        return tuple(Interval(start + a * _MINUTE, start + b * _MINUTE) for a, b in self.breaks)


@dataclass(frozen=True, slots=True)
class AttendanceFacts:
    """What was recorded of one patient at one session, as told.

    No arrival means from the start, no departure means to the end.
    """

    attended: bool
    arrived_at: datetime | None = None
    left_at: datetime | None = None
    away: tuple[Interval, ...] = ()
    notified_at: datetime | None = None
    absence_reason: str = ""
    proof: Proof = Proof.NONE
    excused_override: bool | None = None


@dataclass(frozen=True, slots=True)
class CreditPolicy:
    """A clinic's credit rule and excuse settings in force on a date (R10, R17).

    `round_to` counts minutes and `min_percent` percent of the session; each is read by its own
    kind only. Notice of `notice_minutes` before the start is in time whatever the reason; None
    means that notice without a listed reason never is.
    """

    kind: CreditKind = CreditKind.EXACT
    round_to: int = 15
    min_percent: int = 80
    grace_minutes: int = 5
    excused_reasons: frozenset[str] = frozenset()
    notice_minutes: int | None = 1440
    proof_hours: int = 72

    def __post_init__(self) -> None:
        if self.round_to < 1:
            raise ValueError(f"round_to is at least 1 minute, not {self.round_to}")
        if not 0 <= self.min_percent <= 100:
            raise ValueError(f"min_percent runs from 0 to 100, not {self.min_percent}")


@dataclass(frozen=True, slots=True)
class Labels:
    """How a patient who attended came and went. Both can be true; neither changes a minute."""

    late: bool = False
    left_early: bool = False


FULL_PRESENCE = AttendanceFacts(attended=True)


# Minutes


def session_minutes(session: SessionFacts, nested: Iterable[Interval] = ()) -> int:
    """Length minus breaks, minus the nested visits that take the patient out of it."""
    cuts = chain(session.break_spans, nested)
    return _whole_minutes(subtract([session.span], cuts))


def scheduled_minutes(session: SessionFacts, nested: Iterable[Interval] = ()) -> int:
    """What a live booking of the session adds to the scheduled minutes (R3, R8)."""
    return session_minutes(session, nested) if session.creditable else 0


def time_inside(session: SessionFacts, facts: AttendanceFacts) -> tuple[Interval, ...]:
    """When the patient was in the session: presence clamped to it, without the times away.

    Breaks are still in it. This is what a nested visit takes out of the session around it.
    """
    if not facts.attended:
        return ()
    span = session.span
    presence = Interval(facts.arrived_at or span.start, facts.left_at or span.end)
    return subtract([presence.clipped_to(span)], facts.away)


def attended_minutes(
    session: SessionFacts, facts: AttendanceFacts, nested: Iterable[Interval] = ()
) -> int:
    """Presence inside the session minus the breaks inside the presence, before any rule (R3).

    `nested` holds the `time_inside` of every visit nested in this session: those minutes leave
    it and count under the visit's own type. A minute cut twice is cut once.
    """
    cuts = chain(session.break_spans, nested)
    return _whole_minutes(subtract(time_inside(session, facts), cuts))


def credited_minutes(
    session: SessionFacts,
    facts: AttendanceFacts,
    policy: CreditPolicy,
    nested: Sequence[Interval] = (),
) -> int:
    """Attended minutes after the clinic's credit rule; 0 for a type that is not creditable (R10).

    Never more than was attended: all-or-nothing credits the attended minutes or none. Its share
    is measured on the session without breaks and nested visits (a pull-out by the clinic must
    not cost the patient the rest); exactly `min_percent` is enough.
    """
    if not session.creditable:
        return 0
    attended = attended_minutes(session, facts, nested)
    match policy.kind:
        case CreditKind.EXACT:
            return attended
        case CreditKind.ROUND_DOWN:
            return attended - attended % policy.round_to
        case CreditKind.ALL_OR_NOTHING:
            length = session_minutes(session, nested)
            return attended if attended * 100 >= policy.min_percent * length else 0
        case _:
            assert_never(policy.kind)


def full_presence_minutes(
    session: SessionFacts, policy: CreditPolicy, nested: Sequence[Interval] = ()
) -> int:
    """What the session credits to someone who is there throughout: its share of a projection."""
    return credited_minutes(session, FULL_PRESENCE, policy, nested)


# Labels and status


def labels(session: SessionFacts, facts: AttendanceFacts, policy: CreditPolicy) -> Labels:
    """Late is *more* than the grace minutes after the start; left early is any time before the end.

    A session after the patient's departure is left early with 0 minutes, never a miss.
    """
    if not facts.attended:
        return Labels()
    span = session.span
    presence = Interval(facts.arrived_at or span.start, facts.left_at or span.end)
    return Labels(
        late=presence.start - span.start > policy.grace_minutes * _MINUTE,
        left_early=presence.end < span.end,
    )


def status(
    session: SessionFacts,
    facts: AttendanceFacts | None,
    policy: CreditPolicy,
    *,
    day_starts_at: datetime,
    court_involved: bool,
    now: datetime,
) -> Status:
    """The one word for a booking; None for `facts` means that nothing was recorded (R17, R24).

    `day_starts_at` is the start of the patient's first session of the local date. A court-involved
    patient's pending proof holds the verdict for `proof_hours` after the session's end. Notice
    that comes once the session has begun is no notice.
    """
    if facts is None:
        return Status.UNRECORDED
    if facts.attended:
        return Status.PRESENT
    if is_excused(session, facts, policy, day_starts_at=day_starts_at):
        return Status.ABSENT_EXCUSED
    if court_involved and _awaits_proof(session, facts, policy, now):
        return Status.ABSENT_PENDING
    told = _told_before(session.starts_at, facts)
    return Status.LATE_CANCEL if told else Status.NO_SHOW


def is_excused(
    session: SessionFacts,
    facts: AttendanceFacts,
    policy: CreditPolicy,
    *,
    day_starts_at: datetime,
) -> bool:
    """Whether an absence is excused: it stops the absence counters and adds no minute (R17).

    A staff override decides alone. Otherwise: accepted proof, or a listed reason told before the
    day's first session, or the notice the clinic asks for.
    """
    if facts.excused_override is not None:
        return facts.excused_override
    if facts.proof == Proof.ACCEPTED:
        return True
    listed = facts.absence_reason in policy.excused_reasons
    return (listed and _told_before(day_starts_at, facts)) or _told_in_time(session, facts, policy)


def _told_before(instant: datetime, facts: AttendanceFacts) -> bool:
    return facts.notified_at is not None and _in_utc(facts.notified_at) < _in_utc(instant)


def _told_in_time(session: SessionFacts, facts: AttendanceFacts, policy: CreditPolicy) -> bool:
    if facts.notified_at is None or policy.notice_minutes is None:
        return False
    notice = session.span.start - _in_utc(facts.notified_at)
    return notice >= policy.notice_minutes * _MINUTE


def _awaits_proof(
    session: SessionFacts, facts: AttendanceFacts, policy: CreditPolicy, now: datetime
) -> bool:
    undecided = facts.excused_override is None and facts.proof == Proof.PENDING
    return undecided and _in_utc(now) < session.span.end + timedelta(hours=policy.proof_hours)


# Intervals


def merge(spans: Iterable[Interval]) -> tuple[Interval, ...]:
    """The same time as sorted stretches that neither overlap nor touch."""
    merged: list[Interval] = []
    for span in sorted((s for s in spans if s.length), key=lambda s: s.start):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)


def subtract(spans: Iterable[Interval], cuts: Iterable[Interval]) -> tuple[Interval, ...]:
    """The time of `spans` that lies in none of `cuts`, merged."""
    cuts = merge(cuts)
    return tuple(rest for span in merge(spans) for rest in _without(span, cuts))


def _without(span: Interval, cuts: Sequence[Interval]) -> Iterable[Interval]:
    start = span.start
    for cut in cuts:
        if cut.end <= start or cut.start >= span.end:
            continue
        if cut.start > start:
            yield Interval(start, cut.start)
        start = cut.end
    if start < span.end:
        yield Interval(start, span.end)


def _whole_minutes(spans: Iterable[Interval]) -> int:
    return sum((span.length for span in spans), timedelta()) // _MINUTE


def _in_utc(instant: datetime) -> datetime:
    if instant.utcoffset() is None:
        raise ValueError("a naive datetime has no instant: give it a zone at the edge")
    return instant.astimezone(UTC)
