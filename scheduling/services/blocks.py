"""Weekly blocks: entered, changed from one of their dates on or as a whole, ended.

What has begun stays as it was, under the block as it was until then; a new block continues it. The
sessions to come are the same rows under the new block, with their seats and notices.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from django.db.models import Q
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.editing import check, check_version
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import DAYS_IN_WEEK, Week, full_date, local_date, week_of
from scheduling.eligibility import check_first_day, check_last_day
from scheduling.leading import check_qualified
from scheduling.locks import lock
from scheduling.models import Session, WeeklyBlock
from scheduling.rules import A_YEAR, LASTS, LONGEST, SHORTEST, occurrences, only_breaks, span_on
from scheduling.services.diary import check_seats
from scheduling.services.refitting import Refitted, refit

CHANGEABLE = (
    "session_type",
    "weekday",
    "starts_at",
    "ends_at",
    "breaks",
    "facilitator",
    "co_facilitator",
    "room",
    "by_video",
    "off_site",
    "every_weeks",
)
AT_FIELD = {
    "weeklyblock_of_group_or_episode": "group",
    "one_place": "room",
    "weeklyblock_ends_after_start": "ends_at",
    "weeklyblock_breaks_inside": "breaks",
    "weeklyblock_every_one_or_two_weeks": "every_weeks",
    "weeklyblock_valid_dates_in_order": "valid_until",
    "weeklyblock_two_facilitators_differ": "co_facilitator",
}
"""Where a person mends what a named constraint does not take, by its code."""
_DAY = datetime.timedelta(days=1)
_WEEK = datetime.timedelta(days=DAYS_IN_WEEK)


@service
def add_block(*, block: WeeklyBlock, by: User | Job) -> WeeklyBlock:
    """Save a new weekly block of a group or a patient. Its sessions come with the next expansion.

    Raises Refused for what a field or a named constraint does not take, `session_length`,
    `only_breaks`, `first_day` a year or more away, `last_day` three years or more ahead,
    `never_meets`, `room_too_small`, `not_active` for a patient who is discharged, `not_qualified`
    or `block_overlaps`.
    """
    lock(clinics=[block.clinic_id], groups=[block.group_id])
    _check(block)
    _check_breaks(block)
    _check_first_day(block)
    if block.valid_until is not None:
        check_last_day(block.valid_until, block.clinic, "valid_until")
    _check_meets(block)
    _check_leader(block, by)
    _check_room(block)
    _check_alone(block)
    block.save()
    return block


@service
def change_block(
    *,
    block: WeeklyBlock,
    by: User | Job,
    first: datetime.date | None = None,
    version: int | None = None,
    **changes: Any,
) -> Refitted:
    """Change a block from its meeting on the local date `first` on; None: all that is to come.

    Sessions that were moved by hand keep their time, cancelled ones stay cancelled, and a week that
    has no meeting any more loses its session. A closed date, a leader or room that is not free
    leave a session cancelled, or marked (see `expand`). Raises Refused `stale_version`,
    `block_over`, `not_of_block`, `block_overlaps`, `nested_visit` or `patient_busy` with `dates`,
    or what `add_block` does; then nothing is changed.
    """
    if unknown := sorted(changes.keys() - set(CHANGEABLE)):
        raise TypeError(f"A weekly block is not changed by {', '.join(unknown)}")
    lock(clinics=[block.clinic_id], groups=[block.group_id])
    block.refresh_from_db()
    check_version(block, version)
    since = _first_to_change(block, first)
    new = _continuation(block, since, changes)
    old = WeeklyBlock.objects.get(pk=block.pk)
    _check(new)
    _check_breaks(new)
    if (new.facilitator_id, new.session_type_id) != (old.facilitator_id, old.session_type_id):
        _check_leader(new, by)
    if new.room_id != old.room_id:
        _check_room(new)
    _check_alone(new, besides=old)
    if new.pk is None:
        _end_before(old, _week(old, next_meeting(old, since) or since).start)
    new.save()
    if new != old:  # what followed the old one follows the new one
        later = old.continued_by.filter(valid_from__gt=new.valid_from).exclude(pk=new.pk)
        later.update(continues=new)
    return refit(old=old, new=new, since=since)


@service
def end_block(
    *, block: WeeklyBlock, last: datetime.date | None, by: User | Job, version: int | None = None
) -> Refitted:
    """`last` is the last local date on which a block meets, None: it goes on.

    Sessions to come after it are cancelled, and stay so if it goes on after all. Raises Refused
    `stale_version`, `dates_in_order` for a date before one on which it has met, `block_continued`
    for one that another block continues, `last_day` three years or more ahead, `not_active` or
    `block_overlaps`.
    """
    lock(clinics=[block.clinic_id], groups=[block.group_id])
    block.refresh_from_db()
    check_version(block, version)
    least = _last_begun(block) or block.valid_from
    if last is not None and last < least:
        raise Refused("dates_in_order", f"Choose {full_date(least)} or later.", field="last")
    if last is not None and last != block.valid_until:
        check_last_day(last, block.clinic, "last")
    after = block.continued_by.order_by("valid_from").first()
    if after is not None and (last is None or last >= _week(after, after.valid_from).start):
        message = f"From {full_date(after.valid_from)} on it is another block. Change that one."
        raise Refused("block_continued", message, field="last")
    block.valid_until = last
    block.version += 1
    _check(block)
    _check_alone(block)
    block.save(update_fields=["valid_until", "version"])
    return refit(old=block, new=block, since=last + _DAY) if last else Refitted()


def _check(block: WeeklyBlock) -> None:
    """What a row alone tells, each at its field."""
    try:
        check(block)
    except Refused as refused:
        if refused.field or refused.code not in AT_FIELD:
            raise
        raise Refused(refused.code, refused.message, field=AT_FIELD[refused.code]) from None
    span = span_on(block.valid_from, block.starts_at, block.ends_at, datetime.UTC)
    if not SHORTEST <= span.ends_at - span.starts_at <= LONGEST:
        raise Refused("session_length", LASTS, field="ends_at")
    discharged = block.episode and block.episode.discharged_on
    if discharged and (block.valid_until is None or block.valid_until > discharged):
        message = f"The patient was discharged on {full_date(discharged)}. End it by then."
        raise Refused("not_active", message, field="valid_until")


def _check_breaks(block: WeeklyBlock) -> None:
    span = span_on(block.valid_from, block.starts_at, block.ends_at, datetime.UTC)
    if only_breaks(span.ends_at - span.starts_at, block.breaks):
        message = "The breaks are as long as the whole block. Leave some of its minutes."
        raise Refused("only_breaks", message, field="breaks")


def _check_first_day(block: WeeklyBlock) -> None:
    """A year that was typed wrongly plans nothing, or what nobody meant."""
    check_first_day(block.valid_from, block.clinic, "valid_from")
    if local_date(timezone.now(), block.clinic.tz) - block.valid_from > A_YEAR:
        message = f"{full_date(block.valid_from)} lies a year or more back. Look at the year."
        raise Refused("first_day", message, field="valid_from")


def _check_meets(block: WeeklyBlock) -> None:
    """A block whose dates hold none of its weekday would plan nothing, and say it begins later."""
    if block.valid_until and not occurrences(
        weekday=block.weekday,
        every_weeks=block.every_weeks,
        valid_from=block.valid_from,
        valid_until=block.valid_until,
        first=block.valid_from,
        last=block.valid_until,
    ):
        dates = f"{full_date(block.valid_from)} and {full_date(block.valid_until)}"
        message = (
            f"No {block.get_weekday_display()} lies between {dates}. Choose a later last date."
        )
        raise Refused("never_meets", message, field="valid_until")


def _check_leader(block: WeeklyBlock, by: User | Job) -> None:
    """Whether a person's choice is qualified when the block meets next. Later on the license may
    end: by then it is another one, or the sessions show that they need cover."""
    today = local_date(timezone.now(), block.clinic.tz)
    day = next_meeting(block, max(block.valid_from, today))
    if day is not None and isinstance(by, User):
        leader, state = block.facilitator, block.clinic.state
        own = list(leader.licenses.all())
        check_qualified(leader, own, block.session_type, state, day, field="facilitator")


def _check_room(block: WeeklyBlock) -> None:
    if block.room is not None:
        check_seats(block.room, block.seats)


def _first_to_change(block: WeeklyBlock, first: datetime.date | None) -> datetime.date:
    """The first original date that may change: what has begun or is signed stays before it."""
    frozen = _last_begun(block)
    if first is not None and (next_meeting(block, first) != first or (frozen and first <= frozen)):
        message = f"{block} does not meet, or has met already, on {full_date(first)}."
        raise Refused("not_of_block", message, field="first")
    since = max(filter(None, (first or block.valid_from, frozen and frozen + _DAY)))
    if next_meeting(block, since) is None:  # it may have met in the week in which it ends
        raise Refused("block_over", "Nothing of this block is to come: it stays as it was.")
    return since


def _last_begun(block: WeeklyBlock) -> datetime.date | None:
    """The last original date of a session that has begun or is signed."""
    own = Session.objects.filter(clinic=block.clinic_id, block=block)
    begun = own.filter(Q(starts_at__lte=timezone.now()) | Q(signed_at__isnull=False))
    dates = begun.order_by("-original_local_date").values_list("original_local_date", flat=True)
    return dates.first()


def next_meeting(block: WeeklyBlock, day: datetime.date) -> datetime.date | None:
    """The first date from `day` on on which a block meets."""
    found = occurrences(
        weekday=block.weekday,
        every_weeks=block.every_weeks,
        valid_from=block.valid_from,
        valid_until=block.valid_until,
        first=day,
        last=day + 2 * _WEEK,
    )
    return found[0] if found else None


def _continuation(
    block: WeeklyBlock, since: datetime.date, changes: Mapping[str, Any]
) -> WeeklyBlock:
    """The changed block itself where nothing of it lies before `since`, or one that continues it.

    It keeps the week in which the old one would have met next: every second week stays so.
    """
    met = next_meeting(block, since) or since
    new = block
    if next_meeting(block, block.valid_from) != met:
        new = WeeklyBlock(**_facts(block), continues=block)
    for name, value in changes.items():
        setattr(new, name, value)
    new.version = block.version + 1 if new is block else 1
    week = _week(block, met)
    meets = week.start + (new.weekday - week.start.weekday()) % DAYS_IN_WEEK * _DAY
    while meets < since:
        meets += new.every_weeks * _WEEK
    new.valid_from = meets
    return new


def _facts(block: WeeklyBlock) -> dict[str, Any]:
    own = (field.attname for field in WeeklyBlock._meta.concrete_fields)
    left_out = ("id", "version", "continues_id")
    return {name: getattr(block, name) for name in own if name not in left_out}


def _week(block: WeeklyBlock, day: datetime.date) -> Week:
    return week_of(day, week_start=block.clinic.week_starts_on)


def _end_before(block: WeeklyBlock, day: datetime.date) -> None:
    block.valid_until = day - _DAY
    block.version += 1
    block.save(update_fields=["valid_until", "version"])


# --- beside other blocks -------------------------------------------------------------------------


def _check_alone(block: WeeklyBlock, besides: WeeklyBlock | None = None) -> None:
    """Refuse a block whose group, patient, leader or room meets elsewhere at the same time."""
    whose = Q(room=block.room_id) if block.room_id else Q(pk=None)
    for leader in filter(None, (block.facilitator_id, block.co_facilitator_id)):
        whose |= Q(facilitator=leader) | Q(co_facilitator=leader)
    for owner in ("group", "episode"):
        key = getattr(block, f"{owner}_id")
        whose |= Q(**{owner: key}) if key else Q(pk=None)
    in_use = Q(group__active=True) | Q(episode__isnull=False)  # a discharge ends its blocks
    others = WeeklyBlock.objects.filter(
        whose,
        in_use,
        Q(valid_until__isnull=True) | Q(valid_until__gte=block.valid_from),
        clinic=block.clinic_id,
        weekday=block.weekday,
        starts_at__lt=block.ends_at,
        ends_at__gt=block.starts_at,
    )
    others = others.exclude(pk__in=[one.pk for one in (block, besides) if one and one.pk])
    for other in others.select_related("group").order_by("starts_at", "pk"):
        if refused := overlap(block, other):
            raise refused


def overlap(
    block: WeeklyBlock, other: WeeklyBlock, *, since: datetime.date = datetime.date.min
) -> Refused | None:
    """Why two blocks that share a group, patient, leader or room cannot both be, if they meet at
    the same time on some date from `since` on; reads `other.group`."""
    if block.weekday != other.weekday:
        return None
    if block.starts_at >= other.ends_at or other.starts_at >= block.ends_at:
        return None
    since = max(since, block.valid_from, other.valid_from)
    return _overlap(block, other) if _meet_on_one_date(block, other, since) else None


def _meet_on_one_date(block: WeeklyBlock, other: WeeklyBlock, since: datetime.date) -> bool:
    """Whether two blocks of one weekday meet in the same week: if ever, within the next two."""
    dates = [
        {
            *occurrences(
                weekday=one.weekday,
                every_weeks=one.every_weeks,
                valid_from=one.valid_from,
                valid_until=one.valid_until,
                first=since,
                last=since + 4 * _WEEK,
            )
        }
        for one in (block, other)
    ]
    return not dates[0].isdisjoint(dates[1])


def _overlap(block: WeeklyBlock, other: WeeklyBlock) -> Refused:
    leads = (other.facilitator_id, other.co_facilitator_id)
    shared = {
        "The group": (block.group_id and block.group_id == other.group_id, "starts_at"),
        "The patient": (block.episode_id and block.episode_id == other.episode_id, "starts_at"),
        "The facilitator": (block.facilitator_id in leads, "facilitator"),
        "The co-facilitator": (
            block.co_facilitator_id and block.co_facilitator_id in leads,
            "co_facilitator",
        ),
        "The room": (True, "room"),
    }
    who, field = next((who, field) for who, (is_shared, field) in shared.items() if is_shared)
    whose = ""
    if other.group_id is None:
        whose = " of one patient" if other.episode_id != block.episode_id else ""
    elif other.group_id != block.group_id:
        whose = f" of {other.group}"
    message = f"{who} has another weekly block then: {other}{whose}. "
    message += "Choose another time, or change that one."
    return Refused("block_overlaps", message, field=field)
