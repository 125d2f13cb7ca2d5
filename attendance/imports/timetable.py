"""When and where the clinic meets: groups, weekly blocks, seats, waiting lists, days off."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from attendance.closures import close
from attendance.imports.columns import folded
from attendance.imports.intake import Draft, Intake
from attendance.imports.overlaps import refuse_overlaps
from attendance.imports.people import last_day
from attendance.imports.places import load_by_key
from attendance.imports.reading import Row
from attendance.imports.singles import single_blocks
from attendance.imports.tables import BLOCKS, CLOSURES, GROUPS, MEMBERSHIPS, TIME_OFF, WAITLIST
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.weeks import day_instants, full_date, long_moment
from scheduling.eligibility import check_eligible
from scheduling.models import (
    Closure,
    Group,
    GroupMembership,
    TimeOff,
    WaitlistEntry,
    WeeklyBlock,
)
from scheduling.rules import (
    A_YEAR,
    LONGEST,
    SHORTEST,
    THREE_YEARS,
    Stay,
    crowded_on,
    lowest_free,
    only_breaks,
    seats_taken,
)
from scheduling.services import add_time_off, affected_sessions
from scheduling.services.closures import losing_leader
from scheduling.services.diary import check_seats
from scheduling.services.offers import seats_given
from scheduling.services.placing import check_one_place


def load_timetable(intake: Intake) -> None:
    load_by_key(intake, GROUPS, Group)
    _load_closures(intake)
    _load_time_off(intake)
    _load_blocks(intake)
    _load_memberships(intake)
    _load_waitlist(intake)
    _give_seats(intake)


# --- blocks --------------------------------------------------------------------------------------


def _load_blocks(intake: Intake) -> None:
    stored = {
        (
            folded(block.group.name) if block.group else None,
            folded(block.episode.patient.record_number) if block.episode else None,
            block.weekday,
            block.starts_at,
            block.valid_from,
        ): block
        for block in WeeklyBlock.objects.filter(clinic=intake.clinic).select_related(
            "group", "episode__patient"
        )
    }
    rows = list(intake.rows(BLOCKS))
    if any(row["record_number"] and row["valid_from"] == row["valid_until"] for row in rows):
        stored = single_blocks(intake.clinic) | stored
    drafts = [draft for row in rows if (draft := _block(intake, row))]
    _check_last_days(intake, drafts, stored, "valid_until")
    drafts = [draft for draft in drafts if not draft.row.bad]
    written = intake.settle(BLOCKS, drafts, stored)
    refuse_overlaps(intake, written)


def _block(intake: Intake, row: Row) -> Draft | None:
    _check_times(intake, row)
    if row["group"]:
        draft = intake.draft(row, WeeklyBlock)
    else:
        episode = intake.episode_on(row, "valid_from")
        until = last_day(intake, row, episode, "valid_until")
        draft = intake.draft(row, WeeklyBlock, episode=episode, valid_until=until)
    if draft is not None:
        _check_place(intake, draft)
    return None if row.bad else draft


def _check_place(intake: Intake, draft: Draft) -> None:
    """As when a person enters the block; what met in the past had room enough."""
    block = draft.instance
    coming = block.valid_until is None or block.valid_until >= intake.today
    try:
        check_one_place(block.room, block.by_video, block.off_site)
        if block.room is not None and coming:
            check_seats(block.room, block.seats)
    except Refused as refused:
        intake.refuse(draft.row, refused.field, refused.message)


def _check_times(intake: Intake, row: Row) -> None:
    length = _after_midnight(row["ends"]) - _after_midnight(row["starts"])
    if not SHORTEST <= length <= LONGEST:
        intake.refuse(row, "ends", "a session lasts 15 minutes to 6 hours")
    elif row["breaks"] and row["breaks"][-1][1] * 60 > length.seconds:
        intake.refuse(row, "breaks", "the last break ends after the session")
    elif only_breaks(length, row["breaks"] or ()):
        intake.refuse(row, "breaks", "are as long as the whole block")
    if row["valid_from"] > intake.today + A_YEAR:
        intake.refuse(row, "valid_from", f"{row['valid_from']} lies a year or more ahead")
    if row["co_facilitator"] and row["co_facilitator"] == row["facilitator"]:
        intake.refuse(row, "co_facilitator", "is the facilitator")


def _check_last_days(
    intake: Intake, drafts: Iterable[Draft], stored: Mapping[Any, Any], column: str
) -> None:
    """As when a person enters them; what is stored already keeps its end."""
    for draft in drafts:
        last = draft.row[column]
        if draft.key not in stored and last and last > intake.today + THREE_YEARS:
            intake.refuse(draft.row, column, f"{last} lies three years or more ahead")


def _after_midnight(time: datetime.time) -> datetime.timedelta:
    return datetime.timedelta(hours=time.hour, minutes=time.minute)


# --- seats ---------------------------------------------------------------------------------------


def _load_memberships(intake: Intake) -> None:
    """Given seats first, then the lowest free ones in the order of the first days: with that
    order a group that never has more members than seats always finds one."""
    stored = {}
    seated: dict[int, list[Stay]] = defaultdict(list)
    for member in GroupMembership.objects.filter(clinic=intake.clinic).select_related(
        "group", "episode__patient"
    ):
        record = folded(member.episode.patient.record_number)
        stored[folded(member.group.name), record, member.starts_on] = member
        seated[member.group_id].append(_stay(member))
    drafts = [draft for row in intake.rows(MEMBERSHIPS) if (draft := _membership(intake, row))]
    _check_last_days(intake, drafts, stored, "ends_on")
    new = [draft for draft in drafts if draft.key not in stored]
    for draft in new:
        if draft.instance.seat:
            seated[draft.instance.group_id].append(_stay(draft.instance))
    for draft in sorted(new, key=lambda d: (d.instance.starts_on, d.row.line)):
        if not draft.instance.seat:
            _take_seat(intake, draft, seated[draft.instance.group_id])
    for draft in drafts:
        if draft.key in stored and draft.row["seat"] is None:
            draft.instance.seat = stored[draft.key].seat
    intake.settle(MEMBERSHIPS, [draft for draft in drafts if not draft.row.bad], stored)


def _membership(intake: Intake, row: Row) -> Draft | None:
    episode = intake.episode_on(row, "starts_on")
    ends_on = last_day(intake, row, episode)
    seat = row["seat"] or 0
    return intake.draft(row, GroupMembership, episode=episode, ends_on=ends_on, seat=seat)


def _stay(member: GroupMembership) -> Stay:
    return Stay(member.seat, member.starts_on, member.ends_on)


def _take_seat(intake: Intake, draft: Draft, seated: list[Stay]) -> None:
    member = draft.instance
    taken = seats_taken(_stay(member), seated)
    seat = lowest_free(taken, member.group.capacity)
    if seat is None:
        within = [s for s in seated if s.overlaps(_stay(member))]
        crowded = crowded_on([*within, _stay(member)], member.group.capacity)
        day = crowded[0] if crowded else member.starts_on
        sentence = f"the group is full: all {member.group.capacity} seats are taken on {day}"
        intake.refuse(draft.row, "group", sentence)
        return
    member.seat = seat
    seated.append(_stay(member))


def check_members(intake: Intake) -> None:
    """The one test behind every door: program, level, age, population, patients kept apart.

    Asked of the new members once all of them are stored, on the first day of each.
    """
    rows = {row.key: row for row in intake.reading.of(MEMBERSHIPS)}
    for member in intake.created[MEMBERSHIPS.name]:
        record = folded(member.episode.patient.record_number)
        row = rows[folded(member.group.name), record, member.starts_on]
        try:
            check_eligible(
                episode=member.episode,
                group=member.group,
                on=member.starts_on,
                until=member.ends_on,
                population_opt_in=member.population_opt_in,
            )
        except Refused as refused:
            if intake.plan_unsure(record):
                intake.doubt(row)
            else:
                intake.refuse(row, "group", refused.message)


def _load_waitlist(intake: Intake) -> None:
    stored = {
        (folded(entry.group.name), folded(entry.episode.patient.record_number)): entry
        for entry in WaitlistEntry.objects.filter(clinic=intake.clinic).select_related(
            "group", "episode__patient"
        )
    }
    drafts = []
    for row in intake.rows(WAITLIST):
        episode = intake.episode_on(row, "added_on", from_referral=True)
        added_at, _ = day_instants(row["added_on"], intake.clinic.tz)
        known = stored.get(row.key)
        if known and known.added_at.astimezone(intake.clinic.tz).date() == row["added_on"]:
            added_at = known.added_at  # the file tells the day only
        drafts.append(intake.draft(row, WaitlistEntry, episode=episode, added_at=added_at))
    intake.settle(WAITLIST, drafts, stored)


def _give_seats(intake: Intake) -> None:
    """Whoever waited for the seat that a file brings waits no longer; the group's offers follow.

    Each group with new members is locked since they were inserted.
    """
    joined: dict[Group, list[GroupMembership]] = defaultdict(list)
    for member in intake.created[MEMBERSHIPS.name]:
        joined[member.group].append(member)
    for group, members in joined.items():
        seats_given(group, members)


# --- days off ------------------------------------------------------------------------------------


def _load_closures(intake: Intake) -> None:
    """Through the service, which cancels the sessions that are planned already; it is noted."""
    stored: dict[Any, Closure] = {
        (closure.starts_on, closure.ends_on, folded(closure.reason)): closure
        for closure in Closure.objects.in_force().filter(clinic=intake.clinic)
    }
    for row in intake.rows(CLOSURES):
        draft = intake.draft(row, Closure)
        if draft is None:
            continue
        if draft.key in stored:
            intake.compared(row, intake.differences(draft, stored[draft.key]))
            continue
        values = intake.fields(row, Closure)
        touched = len(affected_sessions(draft.instance))
        try:
            closure = close(clinic=intake.clinic, by=intake.by, **values)
        except Refused as refused:
            intake.refuse(row, refused.field or "starts_on", refused.message)
            continue
        intake.created[CLOSURES.name].append(closure)
        intake.counts[CLOSURES.file].created += 1
        does = "takes the room of" if closure.room_id else "cancels"
        since = full_date(closure.starts_on)
        _note_touched(intake, f"“{closure.reason}” from {since} on {does}", touched)


def _load_time_off(intake: Intake) -> None:
    stored = {
        (off.therapist_id, off.starts_at): off
        for off in TimeOff.objects.in_force().filter(clinic=intake.clinic)
    }
    for row in intake.rows(TIME_OFF):
        draft = intake.draft(row, TimeOff)
        if draft is None:
            continue
        off = draft.instance
        known = stored.get((off.therapist_id, off.starts_at))
        if known is not None:
            intake.compared(row, intake.differences(draft, known))
            continue
        if off.ends_at <= off.starts_at:
            intake.refuse(row, "ends", "is not after the start")
            continue
        touched = losing_leader(off.therapist, off.starts_at, off.ends_at).count()
        try:
            add_time_off(by=intake.by, **intake.fields(row, TimeOff))
        except Refused as refused:
            intake.refuse(row, refused.field.removesuffix("_at") or "starts", refused.message)
            continue
        intake.counts[TIME_OFF.file].created += 1
        since = long_moment(off.starts_at.astimezone(intake.clinic.tz))
        said = f"Time off of {off.therapist.name} from {since} on takes the leader of"
        _note_touched(intake, said, touched)


def _note_touched(intake: Intake, said: str, sessions: int) -> None:
    """For whoever confirms the import: sessions that are planned have patients booked."""
    if sessions:
        intake.notes.append(f"{said} {sessions} planned session{'' if sessions == 1 else 's'}")
