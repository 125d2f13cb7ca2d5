"""The waitlist of a group: who waits, in order, and what is done at each opening (R13).

Each write holds the lock of the group: offers, members and the order of the list are judged
together. Nobody leaves the list by silence: an offer expires and the patient waits on, in place.
"""

from __future__ import annotations

import datetime

from django.db.models import Max, Q
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import User
from iop_clinic.accounts.visibility import ClinicQuerySet
from iop_clinic.accounts.weeks import full_date, local_date, long_moment
from patients.models import Episode
from scheduling.eligibility import check_first_day, check_may_wait
from scheduling.locks import lock
from scheduling.models import (
    WAITING,
    Group,
    GroupMembership,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistStep,
)
from scheduling.services.bookings import check_reason
from scheduling.services.guests import GuestChoice
from scheduling.services.memberships import enrol
from scheduling.services.offers import (
    Answer,
    State,
    end_offers,
    leave,
    seat_is_free,
    standing_offers,
)

WAITLIST = Job("waitlist")
Method, Result = WaitlistStep.Method, WaitlistStep.Result
TOLD = (Result.REACHED, Result.LEFT_MESSAGE)
"""What came of a try by which the patient learns of the offer."""
LONGEST_OFFER = datetime.timedelta(days=14)
DISCHARGED = "This patient is discharged. Choose somebody else."


@service
def put_on_waitlist(
    *, group: Group, episode: Episode, note: str = "", by: User | Job
) -> WaitlistEntry:
    """Let a patient wait for a seat in a group, as the last in order.

    A plan that begins later counts already. Raises Refused `group_closed`, `not_active`,
    `not_suitable`, `already_waiting` or `already_member`.
    """
    lock(groups=[group.pk], episodes=[episode.pk])
    group.refresh_from_db()
    episode.refresh_from_db()
    if not group.active:
        message = f"{group} takes no members any more. Choose another group."
        raise Refused("group_closed", message, field="group")
    if episode.state == Episode.State.DISCHARGED:
        raise Refused("not_active", DISCHARGED, field="episode")
    today = local_date(timezone.now(), group.clinic.tz)
    _check_new(group, episode, today)
    planned = episode.plans.aggregate(first=Max("starts_on"))["first"]
    on = max(today, episode.admitted_on or today, planned or today)
    check_may_wait(episode=episode, group=group, on=on)
    return WaitlistEntry.objects.create(
        clinic_id=group.clinic_id, group=group, episode=episode, note=note, added_at=timezone.now()
    )


def _check_new(group: Group, episode: Episode, today: datetime.date) -> None:
    if WaitlistEntry.objects.filter(group=group, episode=episode, state__in=WAITING).exists():
        message = "The patient already waits for this group."
        raise Refused("already_waiting", message, field="episode")
    seats = GroupMembership.objects.during(today, None).filter(group=group, episode=episode)
    if seats.exists():
        message = "The patient has a seat in this group already."
        raise Refused("already_member", message, field="episode")


# --- offers --------------------------------------------------------------------------------------


@service
def offer_seat(
    *,
    entry: WaitlistEntry,
    starts_on: datetime.date,
    expires_at: datetime.datetime,
    method: str,
    result: str,
    note: str = "",
    skip_reason: str = "",
    by: User,
) -> WaitlistOffer:
    """Tell somebody who waits of a seat from a local date on, and until when the offer stands.

    Whoever waits longest is next; somebody further down only with `skip_reason`, which is noted
    with each who is passed over. Raises Refused `not_waiting`, `offer_open`, `dates_in_order`,
    `first_day` a year or more ahead, `expiry_range`, `not_told`, `not_active`,
    `not_suitable`, `group_full` when each free seat is offered already, or `skip_reason_required`
    with how many `wait_longer`.
    """
    now = timezone.now()
    offers = _take(entry, now)
    if any(one.entry_id == entry.pk for one in offers):
        raise Refused("offer_open", "A seat is offered to this patient already.")
    _check_times(entry, starts_on, expires_at, now)
    if result not in TOLD:
        message = "Nobody heard of the offer. Log the attempt, and offer the seat when told."
        raise Refused("not_told", message, field="result")
    check_may_wait(episode=entry.episode, group=entry.group, on=starts_on)
    if not seat_is_free(entry.group, offers, starts_on):
        raise _no_seat(entry.group, starts_on)
    _pass_over(entry, skip_reason, by, now)
    _note(entry, method, result, note, by, now)
    entry.state = State.OFFERED
    entry.save(update_fields=["state"])
    return WaitlistOffer.objects.create(
        clinic_id=entry.clinic_id,
        entry=entry,
        starts_on=starts_on,
        made_at=now,
        made_by=by,
        expires_at=expires_at,
    )


def waiting_longer(entry: WaitlistEntry) -> ClinicQuerySet[WaitlistEntry]:
    """Who stands before this one in the order of the group, without an offer yet."""
    before = Q(added_at__lt=entry.added_at) | Q(added_at=entry.added_at, pk__lt=entry.pk)
    return WaitlistEntry.objects.filter(
        before, clinic=entry.clinic_id, group=entry.group_id, state=State.WAITING
    )


def _check_times(
    entry: WaitlistEntry,
    starts_on: datetime.date,
    expires_at: datetime.datetime,
    now: datetime.datetime,
) -> None:
    if starts_on < local_date(now, entry.group.clinic.tz):
        raise Refused("dates_in_order", "The first day is over.", field="starts_on")
    check_first_day(starts_on, entry.group.clinic)
    if not now < expires_at <= now + LONGEST_OFFER:
        message = f"An offer stands for at most {LONGEST_OFFER.days} days from now."
        raise Refused("expiry_range", message, field="expires_at")


def _no_seat(group: Group, starts_on: datetime.date) -> Refused:
    message = (
        f"No seat of {group} is free from {full_date(starts_on)} on that is not offered already. "
        "Choose a later day, or wait for an answer."
    )
    return Refused("group_full", message, field="starts_on", capacity=group.capacity)


def _pass_over(entry: WaitlistEntry, reason: str, by: User, now: datetime.datetime) -> None:
    skipped = list(waiting_longer(entry))
    if skipped and not reason.strip():
        number = len(skipped)
        who = "1 patient waits" if number == 1 else f"{number} patients wait"
        message = f"{who} longer. Offer the seat in order, or say why not."
        raise Refused("skip_reason_required", message, field="skip_reason", wait_longer=number)
    same = {"clinic_id": entry.clinic_id, "noted_at": now, "noted_by": by, "note": reason.strip()}
    WaitlistStep.objects.bulk_create(
        [WaitlistStep(entry=one, result=Result.PASSED_OVER, **same) for one in skipped]
    )


@service
def log_attempt(
    *, entry: WaitlistEntry, method: str, result: str, note: str = "", by: User
) -> WaitlistStep:
    """Record one try to reach somebody who waits; they keep their place. Raises `not_waiting`."""
    now = timezone.now()
    _take(entry, now)
    return _note(entry, method, result, note, by, now)


def _note(
    entry: WaitlistEntry, method: str, result: str, note: str, by: User, now: datetime.datetime
) -> WaitlistStep:
    return WaitlistStep.objects.create(
        clinic_id=entry.clinic_id,
        entry=entry,
        method=Method(method),
        result=Result(result),
        note=note,
        noted_at=now,
        noted_by=by,
    )


# --- answers -------------------------------------------------------------------------------------


@service
def accept_offer(
    *,
    entry: WaitlistEntry,
    starts_on: datetime.date | None = None,
    population_opt_in: bool = False,
    guests: GuestChoice | None = None,
    by: User | Job,
) -> GroupMembership:
    """Enrol the patient to whom a seat is offered, from `starts_on` (the day of the offer).

    Raises Refused `no_offer`, `offer_expired`, `offer_withdrawn` when the seat was given to
    somebody else meanwhile, `offer_answered`, and what `enrol` raises.
    """
    now = timezone.now()
    lock(groups=[entry.group_id])
    offer = _open_offer(entry, now)
    today = local_date(now, entry.group.clinic.tz)
    return enrol(
        group=entry.group,
        episode=entry.episode,
        starts_on=starts_on or max(offer.starts_on, today),
        population_opt_in=population_opt_in,
        guests=guests,
        by=by,
    )


@service
def decline_offer(
    *, entry: WaitlistEntry, keeps_place: bool, reason: str = "", by: User | Job
) -> WaitlistEntry:
    """The patient does not want this seat: waits on in place, or leaves the list.

    Raises Refused `no_offer`, `offer_expired`, `offer_withdrawn` or `offer_answered`.
    """
    lock(groups=[entry.group_id], episodes=[entry.episode_id])
    offer = _open_offer(entry, timezone.now())
    if keeps_place:
        end_offers([offer], Answer.DECLINED, reason)
    else:
        leave([entry.pk], State.DECLINED, reason, Answer.DECLINED)
    entry.refresh_from_db()
    return entry


@service
def leave_waitlist(*, entry: WaitlistEntry, reason: str, by: User | Job) -> WaitlistEntry:
    """Take somebody off the list; an open offer is withdrawn.

    Raises Refused `reason_required` or `not_waiting`.
    """
    check_reason(reason)
    _take(entry, timezone.now())
    leave([entry.pk], State.REMOVED, reason, Answer.WITHDRAWN)
    entry.refresh_from_db()
    return entry


@service
def expire_offers(*, now: datetime.datetime, by: Job) -> int:
    """End the offers that nobody answered in time, in every clinic; how many.

    Those who got them wait on in place. One statement when there are none.
    """
    due = WaitlistOffer.objects.filter(answer=Answer.OPEN, expires_at__lte=now)
    groups = set(due.order_by().values_list("entry__group", flat=True))
    if not groups:
        return 0
    lock(groups=groups)
    offers = list(due.filter(entry__group__in=groups))
    end_offers(offers, Answer.EXPIRED)
    return len(offers)


# --- what all of them ask ------------------------------------------------------------------------


def _take(entry: WaitlistEntry, now: datetime.datetime) -> list[WaitlistOffer]:
    """Lock what an entry hangs on and refuse one that waits no longer; the offers that stand."""
    lock(groups=[entry.group_id], episodes=[entry.episode_id])
    entry.group.refresh_from_db()
    offers = standing_offers(entry.group, now)
    entry.refresh_from_db()
    if not entry.waits:
        raise Refused("not_waiting", "The patient waits for this group no longer.")
    return offers


def _open_offer(entry: WaitlistEntry, now: datetime.datetime) -> WaitlistOffer:
    """The entry's open offer; a refusal says what became of the last one."""
    offer = WaitlistOffer.objects.filter(clinic=entry.clinic_id, entry=entry).last()
    if offer is None:
        raise Refused("no_offer", "No seat is offered to this patient. Offer one first.")
    if offer.answer == Answer.OPEN and offer.expires_at > now:
        return offer
    if offer.answer in (Answer.OPEN, Answer.EXPIRED):
        until = long_moment(offer.expires_at.astimezone(entry.group.clinic.tz))
        raise Refused("offer_expired", f"The offer stood until {until}. Offer the seat again.")
    if offer.answer == Answer.WITHDRAWN:
        message = f"The offer is withdrawn. {offer.reason}"
        if entry.waits:
            message += " The patient keeps the place on the waitlist."
        raise Refused("offer_withdrawn", message)
    raise Refused("offer_answered", "This offer is answered already.")
