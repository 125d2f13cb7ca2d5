"""Working a case: what people do with it, and what they may not do.

A person closes a case with an outcome, and the same evidence never opens it again. Edges check the
permission; every verb takes the `version` the person saw and refuses when somebody was faster.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.utils import timezone

from attendance.compliance.due import due_at
from attendance.compliance.findings import PAPERS_AND_PLACES
from attendance.compliance.outreach import AWAY, DECISIONS, check_allowed
from attendance.compliance.rules import snoozing
from attendance.compliance.settings import business_hours, with_closures
from attendance.compliance.week_notes import lacks_note, week_of_case
from attendance.models import AbsenceRule, Flag, OutreachAttempt
from iop_clinic.accounts.acting import Refused, service
from iop_clinic.accounts.editing import check_version
from iop_clinic.accounts.models import Clinic, Membership, User
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.visibility import ClinicQuerySet
from iop_clinic.accounts.weeks import day_instants, local_date, long_date, long_moment
from patients.locks import lock_and_refresh
from patients.models import Episode, Patient
from scheduling.models import Booking

State, Outcome, Kind = Flag.State, Flag.Outcome, AbsenceRule.Kind
Method, Result = OutreachAttempt.Method, OutreachAttempt.Result

BY_ITSELF = frozenset({Outcome.FACTS, Outcome.DISCHARGED, Outcome.RECORDED})
"""Outcomes that are no person's to choose: those of the facts, a discharge and a roster."""
OF_ABSENCES = frozenset({Outcome.REACHED, Outcome.MAKE_UP, Outcome.EXCUSED, Outcome.NOT_REACHED})
"""Outcomes of talking with a patient who did not come; a paper or a place is put right instead."""
OF_NO_ABSENCE = PAPERS_AND_PLACES - {Kind.NO_FIRST_SESSION}
NOTE_FIRST = "Write the week's note first: why it is short, and the make-up offered or why none"
NO_MAKE_UP = (
    "That is no make-up of this patient's: a session that is planned anyway makes nothing up. Find "
    "and book a make-up first; a booking that stands for a missed one can be named."
)
OLDEST_ATTEMPT = timedelta(days=31)
"""An attempt that lies longer before its case is a typing mistake."""


@service
def acknowledge(*, flag: Flag, by: User, version: int | None = None) -> Flag:
    """Take the case on: it is this person's now, whoever had it.

    Again: nothing changes. Refused: case_closed, stale_version.
    """
    _take(flag, version)
    if flag.state == State.OPEN:
        flag.state, flag.owner = State.ACKNOWLEDGED, by
        _save(flag, "state", "owner")
    return flag


@service
def assign(*, flag: Flag, owner: User, by: User, version: int | None = None) -> Flag:
    """Hand the case to a person who may work cases in its clinic.

    Refused: not_staff, case_closed, stale_version.
    """
    _take(flag, version)
    if not owner.may(Can.WORK_FLAGS, flag.clinic_id):
        raise Refused(
            "not_staff",
            f"{owner} does not work cases in this clinic. Choose somebody else.",
            field="owner",
        )
    if flag.owner_id != owner.pk:
        flag.owner = owner
        _save(flag, "owner")
    return flag


@service
def log_outreach(
    *,
    flag: Flag,
    method: str,
    result: str,
    by: User,
    note: str = "",
    next_step: str = "",
    attempted_at: datetime | None = None,
    version: int | None = None,
) -> OutreachAttempt:
    """Record one try to reach the patient, by a channel the patient allowed (R19).

    A welfare check is decided before it is made, with a reason in `note`; who decides is checked by
    the edges. Refused: channel_not_allowed, no_patient, in_future, too_long_ago, not_possible (a
    result that the method cannot have), note_required, not_decided, case_closed, stale_version.
    """
    _take(flag, version)
    if flag.episode_id is None:
        raise Refused("no_patient", "This case is not about a patient: there is nobody to reach.")
    now = timezone.now()
    attempted_at = attempted_at or now
    _check_when(flag, attempted_at, now)
    check_allowed(_patient(flag.episode_id), method, local_date(now, flag.clinic.tz))
    _check_result(flag, method, result, note)
    attempt = OutreachAttempt.objects.create(
        clinic_id=flag.clinic_id,
        flag=flag,
        episode_id=flag.episode_id,
        method=Method(method),
        result=Result(result),
        note=note,
        next_step=next_step,
        attempted_at=attempted_at,
        attempted_by=by,
    )
    flag.state, flag.snoozed_until = State.IN_OUTREACH, None
    flag.owner = flag.owner or by
    _save(flag, "state", "snoozed_until", "owner")
    return attempt


@service
def snooze(*, flag: Flag, until: date, reason: str, by: User, version: int | None = None) -> Flag:
    """Let the case sleep until a local date, with a reason; the night before it, it wakes.

    It is then due by the end of that business day. Refused: reason_required, not_later, too_late,
    not_yours (a case about this person), case_closed, stale_version.
    """
    _take(flag, version)
    _check_not_about(flag, by)
    if not reason.strip():
        raise Refused("reason_required", "Say why the case can wait.", field="reason")
    _check_until(flag, until)
    flag.state, flag.snoozed_until, flag.outcome_note = State.SNOOZED, until, reason[:300]
    wakes, _ = day_instants(until, flag.clinic.tz)
    hours = business_hours(with_closures(Clinic.objects.all()).get(pk=flag.clinic_id))
    flag.due_at = max(flag.due_at, due_at(wakes, hours, AbsenceRule.Due.SAME_BUSINESS_DAY))
    _save(flag, "state", "snoozed_until", "outcome_note", "due_at")
    return flag


def latest_snooze(flag: Flag, today: date) -> date:
    """The last local date until which this case may sleep; before tomorrow: it cannot wait."""
    week = week_of_case(flag)
    deadline = week.end if week else snoozing.deadline_in(flag.evidence)
    return snoozing.latest_snooze(today, most_days=_most_days(flag.rule), deadline=deadline)


@service
def resolve(
    *,
    flag: Flag,
    outcome: str,
    by: User,
    note: str = "",
    make_up: Booking | None = None,
    version: int | None = None,
    now: datetime | None = None,
) -> Flag:
    """Close the case with an outcome, for good: the same evidence never opens it again.

    A week below its minimum needs its note first (R7); "make-up booked" names the make-up.
    Refused: outcome_required (none, or none of a person's), note_required (the week's, or for
    "other"), make_up_required, unknown_booking, not_yours (a case about this person),
    case_closed, stale_version.
    """
    _take(flag, version)
    _check_not_about(flag, by)
    _check_outcome(flag, outcome, note)
    if lacks_note(flag):
        raise Refused("note_required", f"{NOTE_FIRST}.", field="week_note")
    if outcome == Outcome.MAKE_UP:
        note = _name_make_up(flag, make_up, note)
    flag.state, flag.outcome, flag.outcome_note = State.CLOSED, outcome, note[:300]
    flag.closed_at, flag.closed_by_facts = now or timezone.now(), False
    flag.snoozed_until = None
    _save(
        flag,
        *("state", "outcome", "outcome_note", "closed_at", "closed_by_facts", "snoozed_until"),
        "evidence",
    )
    return flag


def outcomes_for(flag: Flag) -> list[Flag.Outcome]:
    """What a person may close the case with; what closes by itself is not a person's to choose."""
    never = set(BY_ITSELF)
    if flag.rule in OF_NO_ABSENCE or flag.subject_type != Flag.Subject.EPISODE:
        never |= OF_ABSENCES
    if flag.subject_type != Flag.Subject.EPISODE:
        never.add(Outcome.PLAN_CHANGED)
    return [outcome for outcome in Outcome if outcome not in never]


def make_ups_for(flag: Flag) -> ClinicQuerySet[Booking]:
    """The patient's make-ups that a closing case may name, in order of time: bookings that stand
    for a missed one, from the day on which the case opened, in its week if it is about one.

    What the patient was to attend anyway makes nothing up, nor does a make-up that was missed.
    """
    rows = Booking.objects.filter(
        clinic=flag.clinic_id,
        episode=flag.episode_id,
        state=Booking.State.BOOKED,
        live=True,
        makes_up__isnull=False,
        session__local_date__gte=flag.opened_for,
    ).exclude(attendance__attended=False)
    week = week_of_case(flag)
    if week is not None:
        rows = rows.filter(session__local_date__lte=week.end)
    related = rows.select_related("session__group", "session__session_type")
    return related.order_by("starts_at", "pk")


def _check_outcome(flag: Flag, outcome: str, note: str) -> None:
    if outcome == Outcome.DISCHARGED:
        message = "A discharge closes the patient's cases by itself: enter the discharge."
        raise Refused("outcome_required", message, field="outcome")
    if outcome == Outcome.RECORDED:
        message = "Recording the roster closes its case by itself: record it."
        raise Refused("outcome_required", message, field="outcome")
    if outcome not in outcomes_for(flag):
        raise Refused("outcome_required", "Choose what came of the case.", field="outcome")
    if outcome == Outcome.OTHER and not note.strip():
        raise Refused("note_required", "Say what came of the case.", field="note")


def _name_make_up(flag: Flag, make_up: Booking | None, note: str) -> str:
    """Put the booking into the evidence, and its date before the note."""
    if make_up is None:
        raise Refused("make_up_required", "Name the make-up that is booked.", field="make_up")
    if not make_ups_for(flag).filter(pk=make_up.pk).exists():
        raise Refused("unknown_booking", NO_MAKE_UP, field="make_up")
    flag.evidence = {**flag.evidence, "make_up": str(make_up.public_id)}
    starts = make_up.starts_at.astimezone(flag.clinic.tz)
    return f"{long_moment(starts)}. {note}".strip()


def _check_not_about(flag: Flag, by: User) -> None:
    """Nobody puts off or settles the case about their own license or caseload."""
    own = Membership.objects.filter(clinic=flag.clinic_id, user=by, therapist=flag.therapist_id)
    if flag.therapist_id is not None and own.exists():
        raise Refused(
            "not_yours", "This case is about you: a colleague has to put it off or close it."
        )


def _check_when(flag: Flag, attempted_at: datetime, now: datetime) -> None:
    if attempted_at > now:
        raise Refused(
            "in_future",
            "This lies in the future. Enter when the attempt was made.",
            field="attempted_at",
        )
    if attempted_at < flag.opened_at - OLDEST_ATTEMPT:
        raise Refused(
            "too_long_ago",
            "This lies long before the case. Enter when the attempt for it was made.",
            field="attempted_at",
        )


def _check_result(flag: Flag, method: str, result: str, note: str) -> None:
    of_checks = DECISIONS | {Result.REACHED, Result.NO_ANSWER}
    possible = of_checks if method == Method.WELFARE_CHECK else set(Result) - DECISIONS
    if result not in possible:
        raise Refused(
            "not_possible", "This method has no such result. Choose another result.", field="result"
        )
    if result in DECISIONS and not note.strip():
        raise Refused("note_required", "Say why it was decided so.", field="note")
    decided = flag.outreach.filter(method=Method.WELFARE_CHECK, result=Result.REQUESTED)
    if method == Method.WELFARE_CHECK and result not in DECISIONS and not decided.exists():
        raise Refused(
            "not_decided",
            "A supervisor decides on a welfare check first. Enter that decision.",
            field="method",
        )


def _check_until(flag: Flag, until: date) -> None:
    today = local_date(timezone.now(), flag.clinic.tz)
    latest = latest_snooze(flag, today)
    if until <= today:
        raise Refused("not_later", "Choose a day after today.", field="until")
    if latest <= today:
        raise Refused(
            "too_late", "This is the last day to put it right: it cannot wait.", field="until"
        )
    if until > latest:
        raise Refused(
            "too_late",
            f"This case may wait until {long_date(latest)} at most.",
            field="until",
            latest=latest.isoformat(),
        )


def _most_days(rule: int) -> int:
    if rule == Kind.SILENT_DAYS:
        return snoozing.MOST_DAYS_SILENT
    if rule == Kind.UNRECORDED:
        return snoozing.MOST_DAYS_ROSTER
    return snoozing.MOST_DAYS_AWAY if rule in AWAY else snoozing.MOST_DAYS


def _take(flag: Flag, version: int | None) -> None:
    """Lock the case, read it again, and see that it is open and as the person saw it."""
    lock_and_refresh(flag)
    check_version(flag, version)
    if not flag.is_open:
        raise Refused(
            "case_closed",
            "The case is closed already: nothing more is noted in it.",
            state=flag.state,
        )


def _patient(episode_id: int) -> Patient:
    return Episode.objects.select_related("patient").get(pk=episode_id).patient


def _save(flag: Flag, *fields: str) -> None:
    flag.version += 1
    flag.save(update_fields=[*fields, "version"])
