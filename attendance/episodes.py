"""What ends or pauses with an episode of care: one step for everything that hangs on it."""

from __future__ import annotations

import datetime

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from attendance.compliance.again import judge_again, judge_papers
from attendance.compliance.findings import PAPERS_AND_PLACES
from attendance.models import Flag
from attendance.querysets import SETTLED
from attendance.seats_again import Resumption, all_it_takes, groups_of, seat_again
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import full_date, long_date
from patients.models import Episode, EpisodeHold, Patient, TreatmentPlan
from patients.services import discharge_reasons, holds
from scheduling.locks import lock
from scheduling.models import (
    Booking,
    GroupMembership,
    Session,
    WeeklyBlock,
)
from scheduling.services.bookings import ON_HOLD, withdraw_all
from scheduling.services.offers import leave_waitlists, waited_for

Reason = Episode.DischargeReason
LEFT = "Discharged"
DISCHARGED_ALREADY = "The patient is discharged already."


@service
def discharge(
    *,
    episode: Episode,
    discharged_on: datetime.date,
    reason: str,
    by: User | Job,
    note: str = "",
    now: datetime.datetime | None = None,
) -> Episode:
    """End an episode on a local date, the last one inside it, with everything that hangs on it.

    Plan, group seats, standing sessions and holds end that day; what would begin later is taken
    back; bookings after it are withdrawn, and sessions held for this patient alone cancelled; the
    patient leaves the waitlists; open cases close with the outcome "discharged". A death is noted
    with the patient and stops every rule and call. Nothing discharges by itself (R22).

    Raises Refused `not_active` when discharged already, `discharge_reason` (also one that does not
    fit: whoever was never admitted was not admitted, or died), `discharge_in_future`,
    `discharge_before_admission`, or `attended_after_discharge` with the `dates`.
    """
    now = now or timezone.now()
    _lock_all(episode, discharged_on)
    episode.refresh_from_db()
    _check(episode, discharged_on, reason, now)
    episode.state, episode.discharged_on = Episode.State.DISCHARGED, discharged_on
    episode.discharge_reason, episode.discharge_note = reason, note
    episode.version += 1
    episode.save()
    _end_plans_and_holds(episode, discharged_on)
    _empty_the_calendar(episode, discharged_on, now)
    _leave_groups(episode, discharged_on)
    if reason == Reason.DECEASED:
        Patient.objects.filter(pk=episode.patient_id, deceased_on__isnull=True).update(
            deceased_on=discharged_on, version=F("version") + 1
        )
    _settle_cases(episode, discharged_on, by=by, now=now)
    return episode


def _check(
    episode: Episode, discharged_on: datetime.date, reason: str, now: datetime.datetime
) -> None:
    if episode.state == Episode.State.DISCHARGED:
        raise Refused("not_active", DISCHARGED_ALREADY)
    if reason not in Reason.values:
        raise Refused("discharge_reason", "Choose why the patient leaves.", field="reason")
    if reason not in discharge_reasons(admitted=episode.admitted_on is not None):
        raise Refused("discharge_reason", _unfit(episode), field="reason")
    if discharged_on > timezone.localdate(now, episode.clinic.tz):
        message = "This lies in the future. Enter a discharge on its day."
        raise Refused("discharge_in_future", message, field="discharged_on")
    if discharged_on < (episode.admitted_on or episode.referred_on):
        message = "This lies before the admission. Choose a later day."
        raise Refused("discharge_before_admission", message, field="discharged_on")
    came = _bookings_after(episode, discharged_on).filter(attendance__attended=True)
    dates = sorted(set(came.values_list("session__local_date", flat=True)))
    if dates:
        days = ", ".join(map(long_date, dates))
        raise Refused(
            "attended_after_discharge",
            f"The patient attended later, on {days}. Choose the last of these days or a later one, "
            "or correct the records first.",
            field="discharged_on",
            dates=dates,
        )


def _unfit(episode: Episode) -> str:
    if episode.admitted_on is not None:
        return f"The patient was admitted on {full_date(episode.admitted_on)}: choose what ends it."
    named = " or ".join(f"“{one.label}”" for one in discharge_reasons(admitted=False))
    return f"The patient was never admitted: choose {named}."


# --- which rows -----------------------------------------------------------------------------------


def _bookings_after(episode: Episode, day: datetime.date) -> QuerySet[Booking]:
    return Booking.objects.exclude(state=Booking.State.WITHDRAWN).filter(
        clinic=episode.clinic_id, episode=episode, session__local_date__gt=day
    )


def _sessions_of_nobody_else(episode: Episode, day: datetime.date) -> QuerySet[Session]:
    """Sessions after a date, outside groups, that only this patient is expected at."""
    expected = Booking.objects.exclude(state=Booking.State.WITHDRAWN).filter(session=OuterRef("pk"))
    own = Q(Exists(expected.filter(episode=episode))) | Q(block__episode=episode)
    return Session.objects.live().filter(
        own,
        ~Q(Exists(expected.exclude(episode=episode))),
        clinic=episode.clinic_id,
        group__isnull=True,
        local_date__gt=day,
        signed_at__isnull=True,
    )


def _lock_all(episode: Episode, day: datetime.date) -> None:
    lock(
        groups=[*groups_of(episode), *waited_for(episode)],
        sessions=_bookings_after(episode, day).values_list("session", flat=True),
        moving=_sessions_of_nobody_else(episode, day).values_list("pk", flat=True),
        episodes=[episode.pk],
    )


# --- what ends ------------------------------------------------------------------------------------


def _end_plans_and_holds(episode: Episode, day: datetime.date) -> None:
    later = Q(ends_on__isnull=True) | Q(ends_on__gt=day)
    for dated in (TreatmentPlan.objects, EpisodeHold.objects):
        rows = dated.filter(clinic=episode.clinic_id, episode=episode)
        rows.filter(starts_on__gt=day).delete()
        rows.filter(later).update(ends_on=day)


def _empty_the_calendar(episode: Episode, day: datetime.date, now: datetime.datetime) -> None:
    """Standing sessions first: what is cancelled must not be expanded again."""
    blocks = WeeklyBlock.objects.filter(clinic=episode.clinic_id, episode=episode)
    held = Session.objects.filter(block=OuterRef("pk"))
    blocks.filter(~Exists(held), valid_from__gt=day, continued_by__isnull=True).delete()
    blocks.filter(valid_from__gt=day).update(valid_until=F("valid_from"), version=F("version") + 1)
    blocks.filter(Q(valid_until__isnull=True) | Q(valid_until__gt=day), valid_from__lte=day).update(
        valid_until=day, version=F("version") + 1
    )
    alone = list(_sessions_of_nobody_else(episode, day).values_list("pk", flat=True))
    withdraw_all(list(_bookings_after(episode, day).values_list("pk", flat=True)), reason=LEFT)
    Session.objects.filter(pk__in=alone).update(
        state=Session.State.CANCELLED,
        cancelled_reason=LEFT,
        cancelled_at=now,
        version=F("version") + 1,
    )


def _leave_groups(episode: Episode, day: datetime.date) -> None:
    seats = GroupMembership.objects.filter(clinic=episode.clinic_id, episode=episode)
    later = list(seats.filter(starts_on__gt=day).values_list("pk", flat=True))
    if later:
        Booking.objects.filter(clinic=episode.clinic_id, membership__in=later).update(
            membership=None
        )
        seats.filter(pk__in=later).update(transferred_from=None)
        seats.filter(pk__in=later).delete()
    seats.filter(Q(ends_on__isnull=True) | Q(ends_on__gt=day)).update(ends_on=day)
    leave_waitlists(episode, LEFT)


def _settle_cases(
    episode: Episode, day: datetime.date, *, by: User | Job, now: datetime.datetime
) -> None:
    """Judge days again that were judged without the discharge, then close what is left.

    The discharge is the outcome, so facts that still stand do not open the cases again; of papers
    that have closed by it just now it is the outcome too.
    """
    _again(episode, day, by=by, now=now)
    judge_papers(clinic=episode.clinic, now=now)
    of_papers = Q(rule__in=PAPERS_AND_PLACES, closed_by_facts=True, closed_at=now)
    left = Flag.objects.filter(
        ~Q(state__in=SETTLED) | of_papers, clinic=episode.clinic_id, episode=episode
    ).order_by("pk")
    # By key, as a night does: an update alone takes its rows as they lie.
    keys = list(left.select_for_update(of=("self",), no_key=True).values_list("pk", flat=True))
    Flag.objects.filter(pk__in=keys).update(
        state=Flag.State.CLOSED,
        outcome=Flag.Outcome.DISCHARGED,
        outcome_note=f"{LEFT}: {Reason(episode.discharge_reason).label.lower()}",
        closed_at=now,
        closed_by_facts=False,
        changed_at=now,
        version=F("version") + 1,
    )


def _again(
    episode: Episode, since: datetime.date, *, by: User | Job, now: datetime.datetime | None
) -> None:
    judge_again(clinic=episode.clinic, episode_ids=[episode.pk], since=since, by=by, now=now)


# --- a pause --------------------------------------------------------------------------------------


@service
def hold(
    *,
    episode: Episode,
    starts_on: datetime.date,
    reason: str,
    by: User | Job,
    ends_on: datetime.date | None = None,
    note: str = "",
    now: datetime.datetime | None = None,
) -> EpisodeHold:
    """Pause an episode on inclusive local dates, or until it resumes; its bookings free the seats.

    Bookings of these dates that have not begun are withdrawn; a patient recorded as present stays.
    Seats in groups are kept, and expansion books nobody on hold. Weeks that were judged without
    the hold are judged again. Raises what `put_on_hold` raises.
    """
    coming = (
        _coming(episode, starts_on, ends_on)
        .exclude(state=Booking.State.WITHDRAWN)
        .exclude(attendance__attended=True)
    )
    lock(
        groups=groups_of(episode),
        sessions=coming.values_list("session", flat=True),
        episodes=[episode.pk],
    )
    row = holds.put_on_hold(
        episode=episode, starts_on=starts_on, ends_on=ends_on, reason=reason, note=note, by=by
    )
    withdraw_all(list(coming.values_list("pk", flat=True)), reason=ON_HOLD)
    _again(episode, starts_on, by=by, now=now)
    judge_papers(clinic=episode.clinic, now=now)
    return row


@service
def resume(
    *,
    episode: Episode,
    resumes_on: datetime.date,
    by: User | Job,
    now: datetime.datetime | None = None,
) -> Resumption:
    """End the hold on the day before `resumes_on` and give the patient back what lies after it.

    What was withdrawn for the hold is booked again where the seat and the patient's time are still
    free; a notice given before the hold stands again. Sessions that the patient's groups planned
    meanwhile are booked too; weeks that were judged with the hold are judged again. Raises Refused
    `not_on_hold`.
    """
    ending = holds.hold_to_end(episode, resumes_on)
    first, last = max(resumes_on, ending.starts_on), ending.ends_on
    away = _coming(episode, first, last).filter(
        state=Booking.State.WITHDRAWN, withdrawn_reason=ON_HOLD
    )
    lock(
        groups=groups_of(episode),
        episodes=[episode.pk],
        **all_it_takes(episode, away, first, last),
    )
    holds.resume(episode=episode, resumes_on=resumes_on, by=by)
    back = seat_again(episode, away, first, last)
    _again(episode, resumes_on, by=by, now=now)
    judge_papers(clinic=episode.clinic, now=now)
    return back


def _coming(
    episode: Episode, first: datetime.date, last: datetime.date | None
) -> QuerySet[Booking]:
    """Bookings on these dates, cancelled sessions included, that have not begun; longest first."""
    rows = Booking.objects.filter(
        clinic=episode.clinic_id,
        episode=episode,
        starts_at__gt=timezone.now(),
        session__local_date__gte=first,
    ).order_by("starts_at", "-ends_at", "pk")
    return rows if last is None else rows.filter(session__local_date__lte=last)
