"""A change of the level of care: plan, seats in groups and authorization, in one step.

Which standard judges from then on is nobody's choice: level and age bracket decide (R1, R2), so a
new plan is all it takes.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from attendance.compliance.again import judge_again, judge_papers
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import full_date
from patients import services as papers
from patients.models import Authorization, Episode, TreatmentPlan
from scheduling import services as calendar
from scheduling.eligibility import check_first_day
from scheduling.locks import lock
from scheduling.models import WAITING, Booking, Group, GroupMembership, Session, WaitlistEntry
from scheduling.services.bookings import withdraw_all
from scheduling.services.guests import guests_of, rooms_above
from scheduling.services.offers import Answer, leave, waited_for

LEVEL_OF_CARE = "Level of care: "
"""How the reason of what a change of level withdraws begins."""
_DAY = datetime.timedelta(days=1)
TREATED = (Episode.State.ADMITTED, Episode.State.ON_HOLD)


@dataclass(frozen=True, slots=True)
class LevelChange:
    """What a change of level wrote. `ended` are the seats that end on its eve or never begin,
    `left` the waitlists of other levels that the patient is on no longer."""

    plan: TreatmentPlan
    ended: tuple[GroupMembership, ...]
    left: tuple[WaitlistEntry, ...]
    membership: GroupMembership | None
    authorization: Authorization | None


@service
def change_level(
    *,
    episode: Episode,
    starts_on: datetime.date,
    plan: dict[str, Any],
    by: User | Job,
    group: Group | None = None,
    seat: dict[str, Any] | None = None,
    authorization: Authorization | None = None,
    approval: dict[str, Any] | None = None,
    now: datetime.datetime | None = None,
) -> LevelChange:
    """Put an episode on another level from a local date on, with all that follows, or not at all.

    `plan` holds level, age bracket, minutes and days a week as `set_plan` takes them. Seats in
    groups that serve the new level stay; the others end on the eve, and what has not begun is taken
    back; waitlists of other levels are left, and what was offered there is withdrawn. `group` is
    where the patient sits from that day on, and `seat` what else `enrol` takes.
    `authorization` is one entered before, `approval` a new one as `authorize` takes it; neither is
    an answer too. Bookings follow the seats; weeks judged by the old plan are judged again. From a
    past day on: whoever attended in a group that is left did so, with all the minutes; absences
    there, and what is not recorded of the days before today, count nowhere.

    Raises what `set_plan`, `enrol`, `cancel_membership` and `authorize` raise, and Refused
    `not_active` outside treatment, `first_day` a year or more ahead, `not_covered` where the
    authorization named is not for this level and day, or `membership_begun` for a seat that is left
    and began on that day or since.
    """
    held = _seats_from(episode, starts_on)
    moving = guests_of(episode.clinic_id, (seat or {}).get("guests"))
    _lock_all(episode, starts_on, held, group, moving, seat or {})
    episode.refresh_from_db()
    if episode.state not in TREATED:
        raise Refused(
            "not_active",
            "Only a patient in treatment changes the level of care. Admit the patient first.",
        )
    check_first_day(starts_on, episode.clinic)
    with transaction.atomic():  # a refusal leaves everything as it was, in any caller
        new = papers.set_plan(episode=episode, starts_on=starts_on, by=by, **plan)
        left = [one for one in _seats_from(episode, starts_on) if not serves(one.group, new)]
        _leave(left, new, by=by)
        waited = leave_other_waitlists(episode, new, level_reason(new))
        _withdraw_past(left, new, now or timezone.now())
        taken = _sit_down(episode, group, left, starts_on, seat or {}, by=by)
        paid = _pay(episode, new, authorization, approval, by=by)
    since = max(starts_on, episode.admitted_on or starts_on)
    ids = [episode.pk, *moving]
    judge_again(clinic=episode.clinic, episode_ids=ids, since=since, by=by, now=now)
    judge_papers(clinic=episode.clinic, now=now)
    return LevelChange(new, tuple(left), tuple(waited), taken, paid)


def _seats_from(episode: Episode, day: datetime.date) -> list[GroupMembership]:
    rows = GroupMembership.objects.during(day, None).filter(
        clinic=episode.clinic_id, episode=episode
    )
    return list(rows.select_related("group", "clinic").order_by("starts_on", "pk"))


def serves(group: Group, plan: TreatmentPlan) -> bool:
    return (group.level, group.age_bracket) == (plan.level, plan.age_bracket)


def _lock_all(
    episode: Episode,
    day: datetime.date,
    held: Iterable[GroupMembership],
    group: Group | None,
    moving: Iterable[int],
    seat: Mapping[str, Any],
) -> None:
    """Every group, room, session and episode in the one order, before anything is written."""
    seats = list(held)
    joined = group.pk if group else None
    lock(groups=[*(one.group_id for one in seats), *waited_for(episode), joined])
    sessions = _sessions(seats, day, group)
    lock(
        rooms=rooms_above(sessions, seat.get("guests"), seat.get("overflow_reason", "")),
        sessions=sessions.values_list("pk", flat=True),
        episodes=[episode.pk, *moving],
    )


def _sessions(
    seats: Iterable[GroupMembership], day: datetime.date, group: Group | None
) -> QuerySet[Session]:
    """Those in which a seat is given up, and those to come in which one is taken."""
    booked = Booking.objects.filter(membership__in=[one.pk for one in seats])
    joined = Q(group=group, ends_at__gt=timezone.now()) if group is not None else Q(pk__in=[])
    return Session.objects.on(day, None).filter(Q(pk__in=booked.values("session")) | joined)


def _leave(left: Sequence[GroupMembership], plan: TreatmentPlan, *, by: User | Job) -> None:
    """Seats held before the change end on its eve; one that would begin later never does.

    The last one first: a seat may name the one before it as where it comes from.
    """
    reason = level_reason(plan)
    _check_not_begun(left, plan)
    for one in reversed(left):
        if one.starts_on < plan.starts_on:
            eve = plan.starts_on - _DAY
            calendar.end_membership(membership=one, ends_on=eve, reason=reason, by=by)
        else:
            calendar.cancel_membership(membership=one, reason=reason, by=by)


def leave_other_waitlists(
    episode: Episode, plan: TreatmentPlan, reason: str
) -> list[WaitlistEntry]:
    """The patient waits no longer for groups that do not serve a plan; the groups are locked."""
    served = Q(group__level=plan.level, group__age_bracket=plan.age_bracket)
    rows = WaitlistEntry.objects.filter(
        ~served, clinic=episode.clinic_id, episode=episode, state__in=WAITING
    )
    entries = list(rows.select_related("group").order_by("pk"))
    leave([one.pk for one in entries], WaitlistEntry.State.REMOVED, reason, Answer.WITHDRAWN)
    return entries


def _check_not_begun(left: Iterable[GroupMembership], plan: TreatmentPlan) -> None:
    """A seat in which the patient sits since the day of the change, or a later one, is a fact."""
    today = timezone.localdate(timezone=plan.clinic.tz)
    for one in left:
        if plan.starts_on <= one.starts_on <= today:
            raise Refused(
                "membership_begun",
                f"The patient sits in {one.group} since {full_date(one.starts_on)}. Choose "
                f"{full_date(one.starts_on + _DAY)} or later.",
                field="starts_on",
            )


def _withdraw_past(
    left: Iterable[GroupMembership], plan: TreatmentPlan, now: datetime.datetime
) -> None:
    """Of a change entered late: nobody was expected any more where the seat had ended."""
    ended = [one.pk for one in left if one.ends_on and one.ends_on < plan.starts_on]
    since = Booking.objects.exclude(state=Booking.State.WITHDRAWN).filter(
        membership__in=ended, session__local_date__gte=plan.starts_on
    )
    before_today = Q(session__local_date__lt=timezone.localdate(now, plan.clinic.tz))
    gone = since.filter(Q(attendance__isnull=True) & before_today | Q(attendance__attended=False))
    withdraw_all(list(gone.values_list("pk", flat=True)), reason=level_reason(plan))


def level_reason(plan: TreatmentPlan) -> str:
    return f"{LEVEL_OF_CARE}{plan.get_level_display()}"


def _sit_down(
    episode: Episode,
    group: Group | None,
    left: Iterable[GroupMembership],
    day: datetime.date,
    seat: dict[str, Any],
    *,
    by: User | Job,
) -> GroupMembership | None:
    """The seat in the new group, which names the one it comes from."""
    if group is None:
        return None
    row = calendar.enrol(group=group, episode=episode, starts_on=day, by=by, **seat)
    before = next((one for one in left if one.pk is not None and one.ends_on == day - _DAY), None)
    if before is not None:
        row.transferred_from = before
        row.save(update_fields=["transferred_from"])
    return row


def _pay(
    episode: Episode,
    plan: TreatmentPlan,
    authorization: Authorization | None,
    approval: dict[str, Any] | None,
    *,
    by: User | Job,
) -> Authorization | None:
    if approval is not None:
        facts = {"starts_on": plan.starts_on, "level": plan.level, **approval}
        return papers.authorize(episode=episode, by=by, **facts)
    if authorization is not None:
        _check_covers(authorization, episode, plan)
    return authorization


def _check_covers(row: Authorization, episode: Episode, plan: TreatmentPlan) -> None:
    for_it = (row.episode_id, row.level) == (episode.pk, plan.level)
    if not (for_it and row.starts_on <= plan.starts_on <= row.ends_on):
        raise Refused(
            "not_covered",
            f"{row} does not cover {plan.get_level_display()} on {full_date(plan.starts_on)}. "
            "Enter a new one, or go on without.",
            field="authorization",
        )
