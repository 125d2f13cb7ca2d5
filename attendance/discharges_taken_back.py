"""A discharge that was entered by mistake: the patient is in treatment again.

The audit trail knows what each row was before. What the discharge ended runs on as it did, where
nobody has taken its place since; what it deleted is named, to be entered again.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet

from attendance.compliance.again import judge_again, judge_papers
from attendance.episodes import LEFT
from attendance.models import Flag
from attendance.own_sessions_again import (
    all_they_take,
    blocks_go_on,
    own_cancelled,
    sessions_take_place,
)
from attendance.seats_again import Resumption, groups_of, seat_again, sessions_again
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.editing import check
from iop_clinic.accounts.models import AuditEvent, User
from iop_clinic.accounts.weeks import full_date
from patients.models import Episode, EpisodeHold, Patient, TreatmentPlan
from patients.services import holds
from scheduling.eligibility import check_apart
from scheduling.locks import lock
from scheduling.models import Booking, GroupMembership, Session, WaitlistEntry, WeeklyBlock
from scheduling.rules import lowest_free
from scheduling.services.offers import settle_offers

Moment = datetime.datetime | None
_DAY, _EVER = datetime.timedelta(days=1), datetime.date.max
UPDATE, DELETE = AuditEvent.Operation.UPDATE, AuditEvent.Operation.DELETE


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What is booked again, and what a person has to do: sentences, and the sessions of this
    patient alone whose leader or room is taken."""

    seats: Resumption
    to_do: tuple[str, ...]
    cancelled: tuple[Session, ...]


@service
def take_back_discharge(
    *, episode: Episode, reason: str, by: User | Job, now: Moment = None
) -> TakenBack:
    """Put a discharged episode back into treatment, with its plan, holds, seats and cases.

    Bookings, the patient's own weekly blocks and sessions come back where there is still a place;
    weeks since the last day are judged again.
    Raises Refused `reason_required`, `not_discharged`, `not_in_the_trail` for a discharge that came
    with an import, or `episode_overlap` when another episode covers these dates.
    """
    if not reason.strip():
        raise Refused("reason_required", "Say why.", field="reason")
    away, alone = _away(episode), own_cancelled(episode, LEFT)
    _lock_all(episode, away, alone)
    episode.refresh_from_db()
    event, day = _discharge_of(episode), episode.discharged_on or _EVER
    _back_in_treatment(episode, event, f"Discharge of {full_date(day)} taken back: {reason}")
    _rows_back(episode, event, day)
    to_do = [*_seats_back(episode, event, day), *_gone(episode, event)]
    to_do += blocks_go_on(list(_ended_blocks(episode, event, day)), by=by)
    if episode.state != Episode.State.REFERRED:
        holds.settle(episode)
    cancelled = sessions_take_place(alone, by=by)
    seats = seat_again(episode, _of_seats_that_stay(away, event), day + _DAY, None)
    judge_again(clinic=episode.clinic, episode_ids=[episode.pk], since=day, by=by, now=now)
    judge_papers(clinic=episode.clinic, now=now)
    return TakenBack(seats, tuple(to_do), tuple(cancelled))


def _lock_all(episode: Episode, away: QuerySet[Booking], alone: QuerySet[Session]) -> None:
    """All that what comes back takes later, in the one order."""
    taken = all_they_take(alone)
    lock(
        clinics=[episode.clinic_id],
        groups=groups_of(episode),
        therapists=taken["therapists"],
        rooms=taken["rooms"],
        sessions=sessions_again(episode, away, episode.discharged_on or _EVER, None),
        moving=taken["moving"],
        episodes=[episode.pk, *taken["episodes"]],
    )


def _discharge_of(episode: Episode) -> AuditEvent:
    if episode.state != Episode.State.DISCHARGED:
        raise Refused("not_discharged", "The patient is not discharged: nothing is to take back.")
    steps = AuditEvent.objects.filter(
        clinic_id=episode.clinic_id, table_name=Episode._meta.db_table, row_id=episode.pk
    ).filter(operation=UPDATE, new__state=Episode.State.DISCHARGED)
    event = steps.order_by("pk").last()
    if event is None:
        message = "This discharge was imported. Enter a new referral instead."
        raise Refused("not_in_the_trail", message)
    return event


def _back_in_treatment(episode: Episode, event: AuditEvent, note: str) -> None:
    if episode.discharge_reason == Episode.DischargeReason.DECEASED:
        patients = Patient.objects.filter(pk=episode.patient_id)
        _restore(patients, event, deceased_on=str(episode.discharged_on))
    episode.state, episode.discharged_on = (event.old or {})["state"], None
    episode.discharge_reason, episode.discharge_note = "", note
    episode.version += 1
    check(episode)
    episode.save()


def _rows_back(episode: Episode, event: AuditEvent, day: datetime.date) -> None:
    """Plans, holds, cases, and where the patient waits."""
    same = {"clinic": episode.clinic_id, "episode": episode}
    for model in (TreatmentPlan, EpisodeHold):
        _restore(model._default_manager.filter(**same, ends_on=day), event, ends_on=str(day))
    _restore(Flag.objects.filter(**same), event, outcome=Flag.Outcome.DISCHARGED)
    removed = WaitlistEntry.State.REMOVED
    entries = WaitlistEntry.objects.filter(**same)
    waits = entries.exclude(state=removed).values("group")  # entered anew since
    _restore(entries.exclude(group__in=waits), event, state=removed)


# --- what the trail knows ------------------------------------------------------------------------


def _steps(
    model: type[Model], keys: Iterable[int], after: AuditEvent
) -> QuerySet[AuditEvent, AuditEvent]:
    """What changed about rows of a table after an event, in order."""
    trail = AuditEvent.objects.filter(
        clinic_id=after.clinic_id, table_name=model._meta.db_table, operation=UPDATE
    )
    return trail.filter(row_id__in=list(keys), pk__gt=after.pk).order_by("pk")


def _restore(rows: QuerySet[Any], event: AuditEvent, **written: str) -> None:
    """Give rows what they had before the discharge wrote this into them; three statements.

    A row that somebody has changed since in the same columns keeps what they entered.
    """
    for row, old in _before(rows, event, **written):
        for field in row._meta.concrete_fields:
            if field.column in old and field.name != "version":
                setattr(row, field.attname, field.to_python(old[field.column]))
        if hasattr(row, "version"):
            row.version += 1
        row.save()


def _before(
    rows: QuerySet[Any], event: AuditEvent, **written: str
) -> Iterator[tuple[Any, dict[str, Any]]]:
    found = {row.pk: row for row in rows.order_by("pk")}
    steps = _steps(rows.model, found, event)
    for step in steps.filter(new__contains=written):
        row = found.pop(step.row_id, None)
        if row is not None and all(str(getattr(row, name)) == one for name, one in written.items()):
            yield row, step.old or {}


# --- seats ---------------------------------------------------------------------------------------


def _away(episode: Episode) -> QuerySet[Booking]:
    """What was withdrawn for the discharge and can be booked again, longest first."""
    rows = Booking.objects.filter(
        clinic=episode.clinic_id,
        episode=episode,
        state=Booking.State.WITHDRAWN,
        withdrawn_reason=LEFT,
        session__signed_at__isnull=True,
    )
    return rows.order_by("starts_at", "-ends_at", "pk")


def _of_seats_that_stay(away: QuerySet[Booking], event: AuditEvent) -> QuerySet[Booking]:
    """Without those of a seat that was to begin later: it is gone, and they are no guest's."""
    steps = _steps(Booking, away.values_list("pk", flat=True), event)
    loose = steps.filter(new__has_key="membership_id").values_list("row_id", flat=True)
    return away.exclude(pk__in=list(loose))


def _seats_back(episode: Episode, event: AuditEvent, day: datetime.date) -> Iterator[str]:
    """Seats in groups run on where they are free; of the others, what to do."""
    rows = GroupMembership.objects.filter(clinic=episode.clinic_id, episode=episode, ends_on=day)
    ended = {"ends_on": str(day)}
    for row, old in _before(rows.select_related("group", "episode"), event, **ended):
        last = old["ends_on"] and datetime.date.fromisoformat(old["ends_on"])
        others = GroupMembership.objects.during(day + _DAY, last).filter(group=row.group)
        taken = set(others.exclude(pk=row.pk).values_list("seat", flat=True))
        within = row.seat <= row.group.capacity or row.overflow_reason
        if refused := _kept_apart(row, day + _DAY, last):
            yield f"No seat in {row.group}: {refused}"
        elif row.group.active and within and row.seat not in taken:
            row.ends_on = last
            row.save(update_fields=["ends_on"])
            settle_offers(row.group)
        elif seat := lowest_free(taken, row.group.capacity) if row.group.active else None:
            yield f"Enrol the patient again in {row.group}: seat {seat} is free."
        else:
            yield f"No seat is free in {row.group}: choose another group, or the waitlist."


def _kept_apart(row: GroupMembership, on: datetime.date, until: datetime.date | None) -> str:
    """Why the patient may not sit with whom the group has taken since; empty where they may."""
    try:
        check_apart(episode=row.episode, group=row.group, on=on, until=until)
    except Refused as refused:
        return refused.message
    return ""


# --- what is left to a person -----------------------------------------------------------------


def _gone(episode: Episode, event: AuditEvent) -> Iterator[str]:
    """What was to begin later was deleted: it is entered again."""
    for model, what in (
        (TreatmentPlan, "the treatment plan"),
        (EpisodeHold, "the hold"),
        (GroupMembership, "the seat in a group"),
        (WeeklyBlock, "the patient's own weekly block"),
    ):
        steps = AuditEvent.objects.filter(
            clinic_id=event.clinic_id, table_name=model._meta.db_table, operation=DELETE,
            pk__gt=event.pk, actor=event.actor, old__episode_id=episode.pk,
        )  # fmt: skip
        for step in steps.order_by("pk"):
            old = step.old or {}
            first = datetime.date.fromisoformat(old.get("starts_on") or old["valid_from"])
            yield f"Enter {what} from {full_date(first)} on again."


def _ended_blocks(
    episode: Episode, event: AuditEvent, day: datetime.date
) -> Iterator[tuple[WeeklyBlock, datetime.date | None]]:
    """The patient's own weekly blocks, each with its last date before the discharge."""
    own = WeeklyBlock.objects.filter(clinic=episode.clinic_id, episode=episode)
    coming = own.filter(valid_from__gt=day).values_list("valid_from", flat=True)
    for ended in sorted({day, *coming}):  # one that was to begin later ended as it began
        rows = own.filter(valid_until=ended)
        for row, old in _before(rows, event, valid_until=str(ended)):
            last = old["valid_until"]
            yield row, last and datetime.date.fromisoformat(last)
