"""Offers of seats to those who wait: which of them stand, and which no seat is left for.

An offer takes no seat: whoever is enrolled first has it. Callers hold the lock of the group.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from iop_clinic.accounts.weeks import local_date
from patients.models import Episode
from scheduling.models import WAITING, Group, GroupMembership, WaitlistEntry, WaitlistOffer
from scheduling.rules import Stay, crowded_on, free_from

Answer, State = WaitlistOffer.Answer, WaitlistEntry.State
SEAT_GIVEN = "The seat was given to somebody else."


def standing_offers(group: Group, now: datetime.datetime) -> list[WaitlistOffer]:
    """The group's open offers, who waits longest first. Those whose time is over expire."""
    rows = WaitlistOffer.objects.filter(
        clinic=group.clinic_id, entry__group=group, answer=Answer.OPEN
    )
    offers = list(rows.select_related("entry").order_by("entry__added_at", "entry", "pk"))
    end_offers([one for one in offers if one.expires_at <= now], Answer.EXPIRED)
    return [one for one in offers if one.expires_at > now]


def end_offers(
    offers: Sequence[WaitlistOffer], answer: WaitlistOffer.Answer, reason: str = ""
) -> None:
    """Give offers their answer; those to whom they were made wait again. Two statements."""
    if not offers:
        return
    WaitlistOffer.objects.filter(pk__in=[one.pk for one in offers]).update(
        answer=answer, answered_at=timezone.now(), reason=reason
    )
    WaitlistEntry.objects.filter(
        pk__in=[one.entry_id for one in offers], state=State.OFFERED
    ).update(state=State.WAITING)


def seat_is_free(group: Group, offers: Sequence[WaitlistOffer], starts_on: datetime.date) -> bool:
    """Whether from a local date on one seat more could be held beside members and offers."""
    stays = [*_members(group), *(_stay(one.starts_on) for one in offers), _stay(starts_on)]
    return crowded_on(stays, group.capacity) is None


def first_free_day(group: Group) -> datetime.date | None:
    """From which local date on a seat is free that is not offered to somebody; None: from none.

    Two statements, and nothing is written.
    """
    now = timezone.now()
    today = local_date(now, group.clinic.tz)
    offers = WaitlistOffer.objects.filter(
        clinic=group.clinic_id, entry__group=group, answer=Answer.OPEN, expires_at__gt=now
    )
    stays = [*_members(group), *(_stay(one.starts_on) for one in offers)]
    return free_from(stays, group.capacity, today)


def settle_offers(
    group: Group, offers: Sequence[WaitlistOffer] | None = None, reason: str = SEAT_GIVEN
) -> None:
    """Withdraw offers for which no seat is left; who waits longest keeps theirs."""
    if offers is None:
        offers = standing_offers(group, timezone.now())
    if not offers:
        return
    stays, lost = _members(group), []
    for offer in offers:
        stay = _stay(offer.starts_on)
        if crowded_on([*stays, stay], group.capacity) is None:
            stays.append(stay)
        else:
            lost.append(offer)
    end_offers(lost, Answer.WITHDRAWN, reason)


def seats_given(group: Group, members: Sequence[GroupMembership]) -> None:
    """New members wait no longer; offers to others for which no seat is left are withdrawn.

    A seat that has ended already is none to wait for.
    """
    now = timezone.now()
    today = local_date(now, group.clinic.tz)
    there = {row.episode_id for row in members if row.ends_on is None or row.ends_on >= today}
    if not there:
        return
    offers = standing_offers(group, now)
    end_offers([one for one in offers if one.entry.episode_id in there], Answer.ACCEPTED)
    WaitlistEntry.objects.filter(group=group, episode__in=there, state__in=WAITING).update(
        state=State.ENROLLED
    )
    settle_offers(group, [one for one in offers if one.entry.episode_id not in there])


def waited_for(episode: Episode) -> list[int]:
    """The groups for which the patient waits."""
    entries = WaitlistEntry.objects.filter(
        clinic=episode.clinic_id, episode=episode, state__in=WAITING
    )
    return list(entries.order_by().values_list("group", flat=True))


def last_entries(episode: Episode) -> QuerySet[WaitlistEntry]:
    """Of each group for which the patient ever waited, the entry that was made last."""
    rows = WaitlistEntry.objects.filter(clinic=episode.clinic_id, episode=episode)
    later = rows.filter(group=OuterRef("group"), pk__gt=OuterRef("pk"))
    return rows.exclude(Exists(later))


def leave_waitlists(episode: Episode, reason: str) -> None:
    """The patient waits for no group any more."""
    entries = WaitlistEntry.objects.filter(
        clinic=episode.clinic_id, episode=episode, state__in=WAITING
    )
    keys = list(entries.order_by("pk").values_list("pk", flat=True))
    leave(keys, State.REMOVED, reason, Answer.WITHDRAWN)


def leave(
    entries: Sequence[int], state: WaitlistEntry.State, reason: str, answer: WaitlistOffer.Answer
) -> None:
    """Take entries off their lists, with the answer that their open offers get."""
    offers = WaitlistOffer.objects.filter(entry__in=entries, answer=Answer.OPEN)
    end_offers(list(offers), answer, reason)
    WaitlistEntry.objects.filter(pk__in=entries).update(state=state, left_reason=reason)


def _members(group: Group) -> list[Stay]:
    """Those who sit or will sit within the capacity."""
    today = local_date(timezone.now(), group.clinic.tz)
    rows = GroupMembership.objects.during(today, None).filter(group=group, overflow_reason="")
    return [Stay(row.seat, row.starts_on, row.ends_on) for row in rows]


def _stay(starts_on: datetime.date) -> Stay:
    return Stay(0, starts_on, None)
