"""Reaching a patient: the channels they allowed, what was tried, and the ladder's next step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_

from django.db.models import Q

from attendance.compliance.rules.ladder import (
    PATIENCE,
    PATIENCE_IF_PRIORITY,
    PATIENCE_IF_SILENT,
    Contact,
    NextStep,
    Tried,
    next_step,
)
from attendance.models import AbsenceRule, Flag, OutreachAttempt
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.visibility import ClinicQuerySet
from iop_clinic.accounts.weeks import local_date
from patients.models import Episode, Patient
from patients.rules import age_on

Kind, Method, Result = AbsenceRule.Kind, OutreachAttempt.Method, OutreachAttempt.Result

AWAY = frozenset(
    {
        *(Kind.NO_CALL_DAY, Kind.CONSECUTIVE, Kind.COUNT_IN_DAYS, Kind.MISSED_OF_LAST),
        *(Kind.SILENT_DAYS, Kind.FIRST_DAYS, Kind.NO_FIRST_SESSION),
    }
)
"""Rules about a patient who stays away: others are asked after two calls without an answer."""

ABOUT_ATTENDANCE = AWAY | {
    *(Kind.HOURS, Kind.BELOW_PLAN, Kind.TOO_FEW_DAYS, Kind.LEFT_SHORT),
    *(Kind.PERCENT_IN_DAYS, Kind.TARDIES, Kind.EXCUSED_DAYS),
}
"""Rules whose case begins with a call to the patient; papers and places are worked otherwise."""

MINOR_UNDER = 18
"""Years of age under which the guardian is called."""

DECISIONS = frozenset({Result.REQUESTED, Result.NOT_NEEDED})
"""What a supervisor says about a welfare check."""


def allowed_methods(patient: Patient, today: date) -> list[OutreachAttempt.Method]:
    """The channels the patient allowed; none at all after a death (R15, R19).

    The guardian only of a minor. A welfare check is not the patient's to allow: it is decided.
    """
    if patient.deceased_on is not None:
        return []
    minor = age_on(patient.birth_date, today) < MINOR_UNDER
    allowed = {
        Method.CALL: patient.phone_is_safe,
        Method.VOICEMAIL: patient.phone_is_safe and patient.may_leave_voicemail,
        Method.TEXT: patient.may_text,
        Method.EMERGENCY_CONTACT: patient.emergency_consent,
        Method.IN_PERSON: True,
        Method.GUARDIAN: minor and bool(patient.guardian_phone),
    }
    return [method for method in allowed if allowed[method]]


def check_allowed(patient: Patient, method: str, today: date) -> None:
    """Refuse a channel the patient did not allow: channel_not_allowed."""
    allowed = allowed_methods(patient, today)
    if method in allowed or (method == Method.WELFARE_CHECK and allowed):
        return
    label = dict(Method.choices).get(method, method)
    raise Refused(
        "channel_not_allowed",
        f"The patient did not allow this: {label.lower()}. Choose another way.",
        field="method",
        allowed=[one.value for one in allowed],
    )


def attempts_for(flag: Flag) -> ClinicQuerySet[OutreachAttempt]:
    """What was tried since the case opened, or opened again, on whichever case of the patient.

    Oldest first.

    Nobody is called twice because two rules speak of the same missed evening.
    """
    return attempts_of([flag])


def attempts_of(flags: Sequence[Flag]) -> ClinicQuerySet[OutreachAttempt]:
    """`attempts_for` any of these cases of one clinic, at least one; `is_about` says which."""
    about = reduce(or_, map(_about, flags))
    rows = OutreachAttempt.objects.filter(about, clinic=flags[0].clinic_id)
    related = rows.select_related("attempted_by", "flag")
    return related.order_by("attempted_at", "pk")


def _about(flag: Flag) -> Q:
    since = flag.reopened_at or flag.opened_at
    own = Q(flag=flag, attempted_at__gte=flag.reopened_at) if flag.reopened_at else Q(flag=flag)
    return own | Q(episode=flag.episode_id, attempted_at__gte=since)


def is_about(attempt: OutreachAttempt, flag: Flag) -> bool:
    """What was tried before a case was settled says nothing once it is open again."""
    if attempt.flag_id == flag.pk and flag.reopened_at is None:
        return True
    since = flag.reopened_at or flag.opened_at
    mine = attempt.flag_id == flag.pk or attempt.episode_id == flag.episode_id
    return mine and attempt.attempted_at >= since


def step_for(flag: Flag, tried: Iterable[OutreachAttempt], now: datetime) -> NextStep | None:
    """The ladder's next step of an open case about a patient's attendance; None for the others.

    The case comes with its clinic, episode and patient.
    """
    if not flag.is_open or flag.episode is None or flag.rule not in ABOUT_ATTENDANCE:
        return None
    return next_step(
        [Tried(one.method, one.result, one.attempted_at) for one in tried],
        contact_of(flag.episode, local_date(now, flag.clinic.tz)),
        now=now,
        to_the_end=flag.rule in AWAY,
        patience=_patience(flag, now),
    )


def contact_of(episode: Episode, today: date) -> Contact:
    """What may be tried for a patient on a local date; a channel without a number is none."""
    patient = episode.patient
    allowed = allowed_methods(patient, today)
    return Contact(
        call=Method.CALL in allowed and bool(patient.phone),
        voicemail=Method.VOICEMAIL in allowed,
        text=Method.TEXT in allowed and bool(patient.phone),
        say_clinic=patient.may_say_clinic_name,
        best_time=patient.best_time_to_call,
        emergency=Method.EMERGENCY_CONTACT in allowed and bool(patient.emergency_phone),
        guardian=Method.GUARDIAN in allowed,
        deceased=patient.deceased_on is not None,
        on_hold=episode.state == Episode.State.ON_HOLD,
    )


def _patience(flag: Flag, now: datetime) -> timedelta:
    assert flag.episode is not None
    if flag.episode.is_priority_on(local_date(now, flag.clinic.tz)):
        return PATIENCE_IF_PRIORITY
    return PATIENCE_IF_SILENT if flag.rule == Kind.SILENT_DAYS else PATIENCE
