"""A discharge that was entered by mistake: the patient is in treatment again.

The audit trail knows what each row was before. What the discharge ended runs on as it did, where
nobody has taken its place since; what it deleted is named, to be entered again.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import QuerySet

from attendance.compliance.again import judge_again, judge_papers
from attendance.episodes import LEFT
from attendance.models import Flag
from attendance.own_sessions_again import (
    all_they_take,
    blocks_go_on,
    own_cancelled,
    sessions_take_place,
)
from attendance.seats_again import (
    Resumption,
    all_it_takes,
    groups_of,
    seat_again,
    seats_run_on,
)
from attendance.trail import before, deleted, restore, steps
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.editing import check
from iop_clinic.accounts.models import AuditEvent, User
from iop_clinic.accounts.weeks import full_date
from patients.models import Episode, EpisodeHold, Patient, TreatmentPlan
from patients.services import holds
from scheduling.locks import lock
from scheduling.models import Booking, GroupMembership, Session, WaitlistEntry, WeeklyBlock
from scheduling.services.offers import last_entries

Moment = datetime.datetime | None
_DAY, _EVER = datetime.timedelta(days=1), datetime.date.max


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
    ended = GroupMembership.objects.filter(clinic=episode.clinic_id, episode=episode, ends_on=day)
    to_do = [*seats_run_on(ended, event, day), *_gone(episode, event)]
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
    seats = all_it_takes(episode, away, episode.discharged_on or _EVER, None)
    own = WeeklyBlock.objects.filter(clinic=episode.clinic_id, episode=episode)
    blocks = list(own.values_list("facilitator", "co_facilitator", "room"))
    lock(
        clinics=[episode.clinic_id],
        groups=groups_of(episode),
        therapists=[*taken["therapists"], *(key for block in blocks for key in block[:2])],
        rooms=[*taken["rooms"], *seats["rooms"], *(block[2] for block in blocks)],
        sessions=seats["sessions"],
        moving=taken["moving"],
        episodes=[episode.pk, *taken["episodes"]],
    )


def _discharge_of(episode: Episode) -> AuditEvent:
    if episode.state != Episode.State.DISCHARGED:
        raise Refused("not_discharged", "The patient is not discharged: nothing is to take back.")
    trail = AuditEvent.objects.filter(
        clinic_id=episode.clinic_id, table_name=Episode._meta.db_table, row_id=episode.pk
    ).filter(operation=AuditEvent.Operation.UPDATE, new__state=Episode.State.DISCHARGED)
    event = trail.order_by("pk").last()
    if event is None:
        message = "This discharge was imported. Enter a new referral instead."
        raise Refused("not_in_the_trail", message)
    return event


def _back_in_treatment(episode: Episode, event: AuditEvent, note: str) -> None:
    if episode.discharge_reason == Episode.DischargeReason.DECEASED:
        patients = Patient.objects.filter(pk=episode.patient_id)
        restore(patients, event, deceased_on=str(episode.discharged_on))
    episode.state, episode.discharged_on = (event.old or {})["state"], None
    episode.discharge_reason, episode.discharge_note = "", note
    episode.version += 1
    check(episode)
    episode.save()


def _rows_back(episode: Episode, event: AuditEvent, day: datetime.date) -> None:
    """Plans, holds, cases, and where the patient waits."""
    same = {"clinic": episode.clinic_id, "episode": episode}
    for model in (TreatmentPlan, EpisodeHold):
        restore(model._default_manager.filter(**same, ends_on=day), event, ends_on=str(day))
    restore(Flag.objects.filter(**same), event, outcome=Flag.Outcome.DISCHARGED)
    restore(last_entries(episode), event, state=WaitlistEntry.State.REMOVED)


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
    gone = steps(Booking, away.values_list("pk", flat=True), event)
    loose = gone.filter(new__has_key="membership_id").values_list("row_id", flat=True)
    return away.exclude(pk__in=list(loose))


# --- what is left to a person -----------------------------------------------------------------


def _gone(episode: Episode, event: AuditEvent) -> Iterator[str]:
    """What was to begin later was deleted: it is entered again."""
    for model, what in (
        (TreatmentPlan, "the treatment plan"),
        (EpisodeHold, "the hold"),
        (GroupMembership, "the seat in a group"),
        (WeeklyBlock, "the patient's own weekly block"),
    ):
        for old in deleted(model, episode, event):
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
        for row, old in before(rows, event, valid_until=str(ended)):
            last = old["valid_until"]
            yield row, last and datetime.date.fromisoformat(last)
