"""A change of level that was entered by mistake: the plan of before is in force again.

The audit trail knows what the change ended. Seats run on as they did where nobody has taken their
place since; the seat that began with the change is taken back. Whoever attended in it did so: such
a booking stays, as a guest's, with its record and its minutes.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from attendance.compliance.again import judge_again, judge_papers
from attendance.levels import LEVEL_OF_CARE, TREATED, leave_other_waitlists, serves
from attendance.seats_again import (
    Resumption,
    all_it_takes,
    groups_of,
    seat_again,
    seats_run_on,
)
from attendance.trail import UPDATE, deleted, restore
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import AuditEvent, User
from iop_clinic.accounts.weeks import full_date, local_date
from patients.models import Authorization, Episode, EpisodeHold, TreatmentPlan
from scheduling.locks import lock
from scheduling.models import Booking, Group, GroupMembership, WaitlistEntry
from scheduling.services.bookings import ON_HOLD
from scheduling.services.offers import last_entries

NO_CHANGE = "There is no change of level to take back."
TAKEN_BACK = "Change of level taken back"
_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LevelTakenBack:
    """`plan` is in force again, and the seats that `run_on`; `given_up` are gone, and `kept` the
    bookings in them that stay as a guest's. `waits` are the waitlists where the patient is again,
    `left` those of the level that is left, `authorizations` that level's, which stay, `to_do`
    sentences."""

    plan: TreatmentPlan
    run_on: tuple[GroupMembership, ...]
    given_up: tuple[GroupMembership, ...]
    kept: tuple[Booking, ...]
    seats: Resumption
    waits: tuple[WaitlistEntry, ...]
    left: tuple[WaitlistEntry, ...]
    authorizations: tuple[Authorization, ...]
    to_do: tuple[str, ...]


@service
def take_back_level(
    *, plan: TreatmentPlan, by: User | Job, now: datetime.datetime | None = None
) -> LevelTakenBack:
    """Take back the plan that began a change of level, and what followed from it.

    The plan before runs on as it did, and so do the seats that the change ended, where they are
    free; what it withdrew is booked again where there is still a place. Seats of the level that is
    left go with the bookings in them, but for those in which the patient attended or which have
    begun today; absences there count nowhere. Weeks judged since are judged again. An authorization
    stays: somebody may have entered it for another reason.

    Raises Refused `not_active` outside treatment, `taken_back` when it was already, `later_change`
    when another plan begins later, `no_change` when no plan was in force on the eve, or
    `not_in_the_trail` when the change came with an import.
    """
    now = now or timezone.now()
    episode = plan.episode
    away = _away(plan)
    _lock_all(plan, away)
    episode.refresh_from_db()
    ended = change_of(plan)
    back = _plan_of_before(plan, ended)
    given_up = _given_up(plan, back)
    kept = _give_up(given_up, local_date(now, episode.clinic.tz), now)
    waits = _wait_again(plan, ended)
    left = leave_other_waitlists(episode, back, TAKEN_BACK)
    seated = _ended_seats(plan)
    held = list(seated.values_list("pk", flat=True))
    to_do = [*seats_run_on(seated, ended, plan.starts_on - _DAY), *_gone(plan, ended)]
    run_on = GroupMembership.objects.during(plan.starts_on, None).filter(pk__in=held)
    seats = seat_again(episode, away, plan.starts_on, None)
    _leave_to_hold(plan)
    since = max(plan.starts_on, episode.admitted_on or plan.starts_on)
    judge_again(clinic=episode.clinic, episode_ids=[episode.pk], since=since, by=by, now=now)
    judge_papers(clinic=episode.clinic, now=now)
    stay = _of_the_level(plan) if plan.level != back.level else ()
    return LevelTakenBack(
        back,
        tuple(run_on.select_related("group")),
        tuple(given_up),
        tuple(kept),
        seats,
        tuple(one for one in waits if one not in left),
        tuple(one for one in left if one not in waits),
        tuple(stay),
        tuple(to_do),
    )


def _lock_all(plan: TreatmentPlan, away: QuerySet[Booking]) -> None:
    """All that comes back and all that is given up, in the one order."""
    episode = plan.episode
    waited = WaitlistEntry.objects.filter(clinic=plan.clinic_id, episode=episode)
    held = Booking.objects.filter(
        clinic=plan.clinic_id, episode=episode, session__local_date__gte=plan.starts_on
    )
    back = all_it_takes(episode, away, plan.starts_on, None)
    lock(
        groups=[*groups_of(episode), *waited.values_list("group", flat=True)],
        rooms=back["rooms"],
        sessions=[
            *back["sessions"],
            *held.filter(membership__isnull=False).values_list("session", flat=True),
        ],
        episodes=[episode.pk],
    )


def last_plan(episode: Episode) -> TreatmentPlan:
    """The plan that a take-back is about. Raises Refused `no_change` where there is none."""
    plan: TreatmentPlan | None = episode.plans.order_by("starts_on").last()
    if plan is None:
        raise Refused("no_change", NO_CHANGE)
    plan.episode = episode
    return plan


def change_of(plan: TreatmentPlan) -> AuditEvent:
    """The step by which a plan ended the one before it. Raises as `take_back_level` says."""
    episode = plan.episode
    if episode.state not in TREATED:
        message = "The patient is not in treatment: take the discharge back first."
        raise Refused("not_active", message)
    plans = list(episode.plans.order_by("starts_on"))
    if plan not in plans:
        raise Refused("taken_back", "This change of level is taken back already.")
    later = next((one for one in plans if one.starts_on > plan.starts_on), None)
    if later is not None:
        raise Refused(
            "later_change",
            f"The level changes again on {full_date(later.starts_on)}. Take that back first.",
        )
    eve = plan.starts_on - _DAY
    before = next((one for one in plans if one.ends_on == eve), None)
    if before is None:
        raise Refused("no_change", NO_CHANGE)
    trail = AuditEvent.objects.filter(
        clinic_id=plan.clinic_id, table_name=TreatmentPlan._meta.db_table, row_id=before.pk
    ).filter(operation=UPDATE, new__contains={"ends_on": str(eve)})
    step = trail.order_by("pk").last()
    if step is None:
        message = "This change of level was imported. Change the level again instead."
        raise Refused("not_in_the_trail", message)
    return step


def _plan_of_before(plan: TreatmentPlan, ended: AuditEvent) -> TreatmentPlan:
    before: TreatmentPlan = TreatmentPlan.objects.get(pk=ended.row_id)
    last = (ended.old or {})["ends_on"]
    before.ends_on = last and datetime.date.fromisoformat(last)
    before.version += 1
    TreatmentPlan.objects.filter(pk=plan.pk).delete()
    before.save()
    return before


def _of_the_level(plan: TreatmentPlan) -> QuerySet[Authorization]:
    rows = plan.episode.authorizations.filter(level=plan.level, ends_on__gte=plan.starts_on)
    return rows.select_related("payer").order_by("ends_on", "pk")


# --- what is given up -----------------------------------------------------------------------------


def _given_up(plan: TreatmentPlan, back: TreatmentPlan) -> list[GroupMembership]:
    """Seats begun since the change, in groups that do not serve the plan of before."""
    rows = GroupMembership.objects.filter(
        clinic=plan.clinic_id, episode=plan.episode, starts_on__gte=plan.starts_on
    )
    found = rows.select_related("group").order_by("starts_on", "pk")
    return [one for one in found if not serves(one.group, back)]


def _give_up(
    seats: Sequence[GroupMembership], today: datetime.date, now: datetime.datetime
) -> list[Booking]:
    """Delete seats; of the bookings in them, those that stay."""
    if not seats:
        return []
    rows = Booking.objects.filter(clinic=seats[0].clinic_id, membership__in=seats)
    begun = Q(attendance__isnull=True, starts_at__lte=now, session__local_date=today)
    expected = rows.exclude(state=Booking.State.WITHDRAWN)
    stays = expected.filter(Q(attendance__attended=True) | begun)
    kept = list(stays.select_related("session__group").order_by("starts_at", "pk"))
    rows.exclude(pk__in=[one.pk for one in kept]).update(
        state=Booking.State.WITHDRAWN, withdrawn_reason=TAKEN_BACK, version=F("version") + 1
    )
    rows.update(membership=None)
    keys = [one.pk for one in seats]
    GroupMembership.objects.filter(transferred_from__in=keys).update(transferred_from=None)
    GroupMembership.objects.filter(pk__in=keys).delete()
    return kept


# --- what comes back ------------------------------------------------------------------------------


def _away(plan: TreatmentPlan) -> QuerySet[Booking]:
    """What the change withdrew of seats that it ended, or a hold that went on then and is over;
    longest first. In a signed roster only who has a record: it stays complete."""
    rows = _withdrawn(plan).filter(
        ~_on_hold(plan), Q(session__signed_at__isnull=True) | Q(attendance__isnull=False)
    )
    return rows.order_by("starts_at", "-ends_at", "pk")


def _leave_to_hold(plan: TreatmentPlan) -> None:
    """On the dates of a hold it is the hold that keeps the patient away, and ends that."""
    rows = _withdrawn(plan).exclude(withdrawn_reason=ON_HOLD)
    rows.filter(_on_hold(plan)).update(withdrawn_reason=ON_HOLD)


def _withdrawn(plan: TreatmentPlan) -> QuerySet[Booking]:
    same = Q(membership__group__level=plan.level, membership__group__age_bracket=plan.age_bracket)
    by_change = Q(withdrawn_reason__startswith=LEVEL_OF_CARE)
    return Booking.objects.filter(
        by_change | Q(~same, withdrawn_reason=ON_HOLD),
        clinic=plan.clinic_id,
        episode=plan.episode_id,
        membership__isnull=False,
        state=Booking.State.WITHDRAWN,
        session__local_date__gte=plan.starts_on,
    )


def _on_hold(plan: TreatmentPlan) -> Exists:
    day = OuterRef("session__local_date")
    rows = EpisodeHold.objects.filter(episode=plan.episode_id, starts_on__lte=day)
    return Exists(rows.filter(Q(ends_on__isnull=True) | Q(ends_on__gte=day)))


def _ended_seats(plan: TreatmentPlan) -> QuerySet[GroupMembership]:
    """Those that a change ended: whatever serves its level was not ended by it."""
    same = Q(group__level=plan.level, group__age_bracket=plan.age_bracket)
    rows = GroupMembership.objects.filter(
        ~same, clinic=plan.clinic_id, episode=plan.episode, ends_on=plan.starts_on - _DAY
    )
    return rows.order_by("pk")


def _wait_again(plan: TreatmentPlan, ended: AuditEvent) -> list[WaitlistEntry]:
    """Those whom the change took off a list wait again, unless they were entered anew."""
    removed = WaitlistEntry.State.REMOVED
    rows = last_entries(plan.episode)
    gone = rows.filter(state=removed, left_reason__startswith=LEVEL_OF_CARE)
    keys = list(gone.values_list("pk", flat=True))
    restore(rows.filter(pk__in=keys), ended, state=removed)
    waiting = rows.filter(pk__in=keys, state=WaitlistEntry.State.WAITING)
    return list(waiting.select_related("group").order_by("pk"))


def _gone(plan: TreatmentPlan, ended: AuditEvent) -> Iterator[str]:
    """Seats that were to begin later were taken back by the change: they are entered again."""
    for old in deleted(GroupMembership, plan.episode, ended):
        group = Group.objects.filter(clinic=plan.clinic_id, pk=old["group_id"]).first()
        first = datetime.date.fromisoformat(old["starts_on"])
        if group is not None and not serves(group, plan):
            yield f"Enrol the patient again in {group} from {full_date(first)} on."
