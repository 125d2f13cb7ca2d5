"""Working a case: what people do with it, and what they may not do.

A person closes a case with an outcome, and the same evidence never opens it again. Edges check the
permission; every verb takes the `version` the person saw and refuses when somebody was faster.
"""

from __future__ import annotations

from datetime import date, datetime

from django.utils import timezone

from attendance.models import AbsenceRule, Flag, OutreachAttempt
from iop_clinic.accounts.acting import Refused, service
from iop_clinic.accounts.editing import check_version
from iop_clinic.accounts.models import User
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import local_date
from patients.locks import lock_and_refresh
from patients.models import Episode, Patient

State, Outcome, Method = Flag.State, Flag.Outcome, OutreachAttempt.Method

BY_FACTS_ONLY = frozenset({Outcome.FACTS})
OF_ROSTERS_ONLY = frozenset({Outcome.RECORDED})


@service
def acknowledge(*, flag: Flag, by: User, version: int | None = None) -> Flag:
    """Somebody has seen it and takes it on; a case without an owner becomes theirs.

    Again: nothing changes. Refused: case_closed, stale_version.
    """
    _take(flag, version)
    if flag.state == State.OPEN:
        flag.state = State.ACKNOWLEDGED
        flag.owner = flag.owner or by
        _save(flag, "state", "owner")
    return flag


@service
def assign(*, flag: Flag, owner: User, by: User, version: int | None = None) -> Flag:
    """Hand the case to a person who may work cases in its clinic.

    Refused: not_staff, case_closed, stale_version.
    """
    _take(flag, version)
    if not owner.may(Can.WORK_FLAGS, flag.clinic_id):
        raise Refused("not_staff", f"{owner} does not work cases in this clinic.", field="owner")
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

    Refused: method_not_allowed, no_patient, in_future, case_closed, stale_version.
    """
    _take(flag, version)
    if flag.episode_id is None:
        raise Refused("no_patient", "This case is about a roster, not about a patient.")
    now = timezone.now()
    if attempted_at is not None and attempted_at > now:
        raise Refused("in_future", "An attempt lies in the past.", field="attempted_at")
    check_allowed(_patient(flag.episode_id), method)
    attempt = OutreachAttempt.objects.create(
        clinic_id=flag.clinic_id,
        flag=flag,
        episode_id=flag.episode_id,
        method=Method(method),
        result=OutreachAttempt.Result(result),
        note=note,
        next_step=next_step,
        attempted_at=attempted_at or now,
        attempted_by=by,
    )
    flag.state, flag.snoozed_until = State.IN_OUTREACH, None
    flag.owner = flag.owner or by
    _save(flag, "state", "snoozed_until", "owner")
    return attempt


@service
def snooze(*, flag: Flag, until: date, reason: str, by: User, version: int | None = None) -> Flag:
    """Let the case sleep until a local date, with a reason; the night before it, it wakes.

    Refused: reason_required, not_later, case_closed, stale_version.
    """
    _take(flag, version)
    if not reason.strip():
        raise Refused("reason_required", "Say why the case can wait.", field="reason")
    if until <= local_date(timezone.now(), flag.clinic.tz):
        raise Refused("not_later", "Choose a day after today.", field="until")
    flag.state, flag.snoozed_until, flag.outcome_note = State.SNOOZED, until, reason[:300]
    _save(flag, "state", "snoozed_until", "outcome_note")
    return flag


@service
def resolve(
    *, flag: Flag, outcome: str, by: User, note: str = "", version: int | None = None
) -> Flag:
    """Close the case with an outcome, for good: the same evidence never opens it again.

    Refused: outcome_required, note_required (for "other"), case_closed, stale_version.
    """
    _take(flag, version)
    if outcome not in outcomes_for(flag):
        raise Refused("outcome_required", "Choose what came of the case.", field="outcome")
    if outcome == Outcome.OTHER and not note.strip():
        raise Refused("note_required", "Say what came of the case.", field="note")
    flag.state, flag.outcome, flag.outcome_note = State.CLOSED, outcome, note[:300]
    flag.closed_at, flag.closed_by_facts, flag.snoozed_until = timezone.now(), False, None
    _save(flag, "state", "outcome", "outcome_note", "closed_at", "closed_by_facts", "snoozed_until")
    return flag


def outcomes_for(flag: Flag) -> list[Flag.Outcome]:
    """What a person may close the case with; closing by facts is the evaluation's."""
    of_roster = flag.rule == AbsenceRule.Kind.UNRECORDED
    never = BY_FACTS_ONLY if of_roster else BY_FACTS_ONLY | OF_ROSTERS_ONLY
    return [outcome for outcome in Outcome if outcome not in never]


def allowed_methods(patient: Patient) -> list[OutreachAttempt.Method]:
    """The channels the patient allowed; none at all after a death (R15, R19)."""
    if patient.deceased_on is not None:
        return []
    allowed = {
        Method.CALL: patient.phone_is_safe,
        Method.VOICEMAIL: patient.phone_is_safe and patient.may_leave_voicemail,
        Method.TEXT: patient.may_text,
        Method.EMERGENCY_CONTACT: patient.emergency_consent,
        Method.IN_PERSON: True,
    }
    return [method for method in Method if allowed[method]]


def check_allowed(patient: Patient, method: str) -> None:
    """Refuse a channel the patient did not allow: method_not_allowed."""
    allowed = allowed_methods(patient)
    if method in allowed:
        return
    label = dict(Method.choices).get(method, method)
    raise Refused(
        "method_not_allowed",
        f"The patient did not allow this: {label.lower()}.",
        field="method",
        allowed=[one.value for one in allowed],
    )


def _take(flag: Flag, version: int | None) -> None:
    """Lock the case, read it again, and see that it is open and as the person saw it."""
    lock_and_refresh(flag)
    check_version(flag, version)
    if not flag.is_open:
        raise Refused("case_closed", "The case is closed.", state=flag.state)


def _patient(episode_id: int) -> Patient:
    return Episode.objects.select_related("patient").get(pk=episode_id).patient


def _save(flag: Flag, *fields: str) -> None:
    flag.version += 1
    flag.save(update_fields=[*fields, "version"])
