"""How decisions about sessions, and what they cost, are said to people."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from attendance.admin.cancelling import change_said, effects_said
from attendance.closures_ahead import WeekLoss
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import hours_and_minutes, long_moment
from scheduling.models import Booking, Closure, Decision, Session, SessionStaff, TimeOff
from scheduling.services import Decided, choices_of
from scheduling.services.deciding import Cause, key_of

Choice = Decision.Choice
LABELS = {
    Choice.CANCELLED: "Cancel",
    Choice.MOVED: "Move",
    Choice.COVERED: "Cover",
    Choice.COMBINED: "Combine with another group",
    Choice.BY_VIDEO: "Hold by video",
}
KEPT_IN_CLOSED_CLINIC = "Keep: it takes place all the same"
KEPT_WITHOUT_ROOM = "Keep, without a room for now"
KEPT_WITHOUT_LEADER = "Keep, without this leader for now"


def labels_of(cause: Cause) -> dict[Choice, str]:
    """What can be decided, the usual first, as a person chooses it."""
    if isinstance(cause, TimeOff):
        kept = KEPT_WITHOUT_LEADER
    else:
        kept = KEPT_WITHOUT_ROOM if cause.room_id else KEPT_IN_CLOSED_CLINIC
    return {one: {**LABELS, Choice.KEPT: kept}[one] for one in choices_of(cause)}


def usual_said(cause: Cause) -> str:
    """What is done with all sessions where nobody decides about each."""
    if isinstance(cause, TimeOff):
        return "all of them take place, without this leader for now"
    if cause.room_id:
        return "all of them take place, without a room for now"
    return "all of them are cancelled"


# --- what is done, and what it costs --------------------------------------------------------------

HEADERS = ("Patient", "Week", "Loses", "Week can reach", "Asked for", "Then")


def happens_panel(cause: Cause, decided: Sequence[Decided]) -> Panel:
    """How many sessions each choice was made for; reads how many are `booked` in each."""
    counts = Counter(one.choice for one in decided)
    rows = [
        (said, counts[choice], sum(_booked(one) for one in decided if one.choice == choice))
        for choice, said in labels_of(cause).items()
        if counts[choice]
    ]
    number = len(decided)
    titles = {0: "No session is touched", 1: "What happens to 1 session"}
    return Panel(
        titles.get(number, f"What happens to {number} sessions"),
        ("What happens", "Sessions", "Bookings"),
        rows,
        note=_past_said(cause),
        empty="",
    )


def _booked(one: Any) -> int:
    return int(one.session.booked)


def _past_said(cause: Cause) -> str:
    if isinstance(cause, TimeOff):
        return "What is over stays as it was." if cause.starts_at <= timezone.now() else ""
    if cause.starts_on >= timezone.localdate(timezone=cause.clinic.tz):
        return ""
    if cause.room_id:
        return "What is over stays as it was."
    return "It has begun: sessions whose roster is signed stay as they were."


def losses_panels(losses: Sequence[WeekLoss]) -> list[Panel]:
    """Who would fall short in sight, the others folded."""
    short = [one for one in losses if one.falls]
    others = [one for one in losses if not one.falls]
    panels = [
        Panel(
            f"Would fall short: {_number(short)}" if short else "Nobody would fall short by it",
            HEADERS,
            [_loss(one) for one in short],
            empty="",
        )
    ]
    if others:
        title = f"Others who would lose minutes: {_number(others)}"
        panels.append(Panel(title, HEADERS, [_loss(one) for one in others], folded=True))
    return panels


def _number(losses: Sequence[WeekLoss]) -> int:
    return len({one.loss.patient.pk for one in losses})


def _loss(one: WeekLoss) -> tuple[object, ...]:
    loss = one.loss
    return (
        link(loss.patient), one.week.label, hours_and_minutes(loss.minutes_lost),
        change_said(loss.first.at_most_before, loss.first.at_most_after),
        change_said(loss.first.minimum_before, loss.first.minimum),
        "; ".join(effects_said(loss)),
    )  # fmt: skip


# --- what was decided ----------------------------------------------------------------------------


def decided_panels(request: Any, row: Cause) -> Iterator[Panel]:
    """The sessions that this person sees, what was decided and how each stands."""
    seen = Session.objects.visible_to(request.user).filter(clinic=row.clinic_id)
    rows = Decision.objects.filter(clinic=row.clinic_id, session__in=seen, **key_of(row))
    related = ("session__group", "session__session_type", "session__room", "substitute")
    found = list(rows.select_related(*related, "into__group", "into__session_type"))
    later = _planned_closed(row, seen).exclude(pk__in=rows.values("session"))
    who = whose(seen.filter(pk__in=rows.values("session")) | later, request.user)
    lines = [
        (link(one.session, _was(one)), who[one.session_id], _decided(one), _now(one))
        for one in found
    ]
    planned = later.select_related("group", "session_type").order_by("starts_at", "pk")
    lines += [(link(one, _when(one)), who[one.pk], "Cancelled", "cancelled") for one in planned]
    headers = ("Session", "Who", "Decided", "Now")
    yield Panel("What was decided", headers, lines, empty="No session.")


def _planned_closed(row: Cause, seen: Any) -> Any:
    """What was planned into a closed time later."""
    return seen.filter(closure=row) if isinstance(row, Closure) else seen.none()


def whose(sessions: QuerySet[Session], user: User) -> Mapping[int, str]:
    """By session: who was to lead it, and of one without a group the patients this person sees.

    Sessions of one type at one time are told apart by it. Two statements for any number.
    """
    keys = sessions.order_by().values("pk")
    named: defaultdict[int, list[str]] = defaultdict(list)
    booked = Booking.objects.visible_to(user).exclude(state=Booking.State.WITHDRAWN)
    alone = booked.filter(session__in=keys, session__group=None).select_related("patient")
    for row in alone.order_by("seat", "pk"):
        named[row.session_id].append(str(row.patient))
    parts = SessionStaff.objects.filter(session__in=keys, role=SessionStaff.Role.FACILITATOR)
    for part in parts.select_related("therapist"):
        named[part.session_id].append(f"with {part.therapist.name}")
    return defaultdict(str, {key: "; ".join(said) for key, said in named.items()})


def _was(one: Decision) -> str:
    return f"{one.session.title}, {long_moment(timezone.localtime(one.was_starts_at))}"


def _when(session: Session) -> str:
    return f"{session.title}, {long_moment(timezone.localtime(session.starts_at))}"


def _decided(one: Decision) -> str:
    said = one.get_choice_display()
    if one.substitute:
        return f"{said} by {one.substitute.name}"
    if one.into:
        return f"{said} with {_when(one.into)}"
    if one.to_starts_at:
        return f"{said} to {long_moment(timezone.localtime(one.to_starts_at))}"
    return said


def _now(one: Decision) -> str:
    session = one.session
    if not session.live:
        return "cancelled"
    when = long_moment(timezone.localtime(session.starts_at))
    return ", ".join(part for part in (when, session.place, session.needs_attention) if part)
