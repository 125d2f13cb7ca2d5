"""From referral to admission, and the papers an admission stands on."""

from __future__ import annotations

import datetime
import re
from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.editing import check, check_version, edit
from iop_clinic.accounts.models import Clinic, License, Therapist, User
from iop_clinic.accounts.weeks import full_date, local_date
from patients.locks import lock_episodes
from patients.models import (
    CourtReferral,
    Diagnosis,
    Episode,
    Evaluation,
    Level,
    Patient,
    Program,
    ProgramAgreement,
    ReferralSource,
)

PAPERS = {
    "evaluation": "an initial evaluation",
    "diagnosis": "a diagnosis by a clinician whose license was valid that day",
    "agreement": "the signed program agreement",
}
EPISODE_FACTS = frozenset(
    {
        "program",
        "referral_source",
        "primary_therapist",
        "referred_on",
        "planned_weeks",
        "priority",
        "priority_until",
    }
)
ICD_10 = re.compile(r"[A-Z][0-9][0-9A-Z](\.[0-9A-Z]{1,4})?")


def locked(episode: Episode) -> Episode:
    """The episode, locked and read again: what a caller loaded may be out of date."""
    lock_episodes([episode.pk])
    episode.refresh_from_db()
    return episode


def refuse_before(
    day: datetime.date, earliest: datetime.date | None, *, field: str, event: str
) -> None:
    """Refuse a date that lies before what it follows, such as the referral."""
    if earliest is not None and day < earliest:
        message = f"This lies before the {event} on {full_date(earliest)}. Choose a later day."
        raise Refused("before_" + event, message, field=field)


ADMISSION_AHEAD = 31
"""Days before its own day that an admission may be entered; later is a typing mistake."""


def refuse_after(day: datetime.date, clinic: Clinic, *, field: str, ahead: int = 0) -> None:
    """Refuse a local date more than `ahead` days after the clinic's today."""
    today = local_date(timezone.now(), clinic.tz)
    if day > today + datetime.timedelta(days=ahead):
        message = "This date lies too far in the future. Look at the year."
        raise Refused("in_future", message, field=field)


@service
def refer(
    *,
    clinic: Clinic,
    patient: Patient,
    program: Program,
    referred_on: datetime.date,
    by: User | Job,
    referral_source: ReferralSource | None = None,
    primary_therapist: Therapist | None = None,
    planned_weeks: int = 12,
    priority: str = Episode.Priority.NONE,
    priority_until: datetime.date | None = None,
) -> Episode:
    """Open a patient's referral to a program: an episode without an admission date.

    Refused: `deceased`, a second open referral, rows of another clinic.
    """
    if patient.deceased_on is not None:
        raise Refused("deceased", "The patient has died.", field="patient")
    refuse_before(referred_on, patient.birth_date, field="referred_on", event="birth")
    episode = Episode(
        clinic=clinic,
        patient=patient,
        program=program,
        referred_on=referred_on,
        referral_source=referral_source,
        primary_therapist=primary_therapist,
        planned_weeks=planned_weeks,
        priority=priority,
        priority_until=priority_until,
    )
    check(episode)
    episode.save()
    return episode


@service
def edit_episode(
    *, episode: Episode, by: User | Job, version: int | None = None, **facts: Any
) -> Episode:
    """Change what does not move the episode along: therapist, planned weeks, priority, source.

    Refused: `stale_version`, `before_referral` when the referral would lie after the admission.
    """
    locked(episode)
    admitted_on = episode.admitted_on
    if admitted_on is not None and "referred_on" in facts:
        refuse_before(admitted_on, facts["referred_on"], field="referred_on", event="referral")
    edit(episode, facts, allowed=EPISODE_FACTS, version=version)
    return episode


@service
def evaluate(
    *,
    episode: Episode,
    evaluated_on: datetime.date,
    evaluator: Therapist,
    by: User | Job,
    recommended_level: int = Level.IOP,
    summary: str = "",
) -> Evaluation:
    """Enter the initial evaluation. Refused: `before_referral`, `in_future`."""
    refuse_before(evaluated_on, episode.referred_on, field="evaluated_on", event="referral")
    refuse_after(evaluated_on, episode.clinic, field="evaluated_on")
    evaluation = Evaluation(
        clinic=episode.clinic,
        episode=episode,
        evaluated_on=evaluated_on,
        evaluator=evaluator,
        recommended_level=recommended_level,
        summary=summary,
    )
    check(evaluation)
    evaluation.save()
    return evaluation


@service
def diagnose(
    *,
    episode: Episode,
    code: str,
    diagnosed_on: datetime.date,
    license: License,  # noqa: A002  (the field's word)
    by: User | Job,
    description: str = "",
) -> Diagnosis:
    """Enter a diagnosis under the license that allows it.

    Refused: `before_referral`, `in_future`, `invalid_code` (not the shape of ICD-10),
    `license_invalid` (not a diagnosing license, or not valid on that day).
    """
    refuse_before(diagnosed_on, episode.referred_on, field="diagnosed_on", event="referral")
    refuse_after(diagnosed_on, episode.clinic, field="diagnosed_on")
    code = code.strip().upper()
    if not ICD_10.fullmatch(code):
        raise Refused("invalid_code", "Enter an ICD-10 code such as F10.20.", field="code")
    _refuse_license(license, diagnosed_on)
    diagnosis = Diagnosis(
        clinic=episode.clinic,
        episode=episode,
        code=code,
        diagnosed_on=diagnosed_on,
        license=license,
        description=description,
    )
    check(diagnosis)
    diagnosis.save()
    return diagnosis


def _refuse_license(license_: License, day: datetime.date) -> None:
    issued_on = license_.issued_on or day
    if not license_.may_diagnose or not issued_on <= day <= license_.expires_on:
        raise Refused(
            "license_invalid",
            f"The license {license_.credential} {license_.number} does not allow a diagnosis "
            f"on {full_date(day)}. Choose another one.",
            field="license",
        )


@service
def sign_agreement(
    *,
    episode: Episode,
    signed_on: datetime.date,
    weekly_minutes: int,
    by: User | Job,
    guardian_signed: bool = False,
) -> ProgramAgreement:
    """Note the patient's signed commitment, in minutes a week.

    Refused: `before_referral`, `in_future`.
    """
    refuse_before(signed_on, episode.referred_on, field="signed_on", event="referral")
    refuse_after(signed_on, episode.clinic, field="signed_on")
    agreement = ProgramAgreement(
        clinic=episode.clinic,
        episode=episode,
        signed_on=signed_on,
        weekly_minutes=weekly_minutes,
        guardian_signed=guardian_signed,
    )
    check(agreement)
    agreement.save()
    return agreement


@service
def mandate(
    *,
    episode: Episode,
    court: str,
    starts_on: datetime.date,
    by: User | Job,
    reference: str = "",
    ends_on: datetime.date | None = None,
) -> CourtReferral:
    """Note that a court or probation requires this episode (R14)."""
    if ends_on is not None:
        refuse_before(ends_on, starts_on, field="ends_on", event="start")
    referral = CourtReferral(
        clinic=episode.clinic,
        episode=episode,
        court=court,
        reference=reference,
        starts_on=starts_on,
        ends_on=ends_on,
    )
    check(referral)
    referral.save()
    return referral


def discharge_reasons(*, admitted: bool) -> list[Episode.DischargeReason]:
    """By which reasons an episode ends: a referral that was turned away, or whoever was treated."""
    reasons = Episode.DischargeReason
    if not admitted:
        return [reasons.NOT_ADMITTED, reasons.DECEASED]
    return [one for one in reasons if one != reasons.NOT_ADMITTED]


def missing_papers(episode: Episode) -> list[str]:
    """Keys of PAPERS that an admission still needs; the database asks for the same three."""
    licensed = Q(license__may_diagnose=True, license__expires_on__gte=F("diagnosed_on")) & (
        Q(license__issued_on__isnull=True) | Q(license__issued_on__lte=F("diagnosed_on"))
    )
    present = {
        "evaluation": episode.evaluations.exists(),
        "diagnosis": episode.diagnoses.filter(licensed).exists(),
        "agreement": episode.agreements.exists(),
    }
    return [paper for paper in PAPERS if not present[paper]]


def missing_said(missing: list[str]) -> str:
    """The sentence of keys of PAPERS that are missing; the refusal and every page say the same."""
    return f"Still missing: {'; '.join(PAPERS[paper] for paper in missing)}."


@service
def admit(
    *,
    episode: Episode,
    admitted_on: datetime.date,
    by: User | Job,
    version: int | None = None,
) -> Episode:
    """Admit a documented referral; the admission date is the first day inside.

    Refused: `not_referred`, `before_referral`, `in_future` (over 31 days),
    `admission_incomplete` (with `missing`, keys of PAPERS), `episode_overlap`, `deceased`,
    `stale_version`.
    """
    lock_episodes(episode.patient.episodes.values_list("pk", flat=True))
    episode.refresh_from_db()
    check_version(episode, version)
    if episode.state != Episode.State.REFERRED:
        raise Refused("not_referred", "Only an open referral can be admitted. Enter a new one.")
    if episode.patient.deceased_on is not None:
        raise Refused("deceased", "The patient has died.")
    refuse_before(admitted_on, episode.referred_on, field="admitted_on", event="referral")
    refuse_after(admitted_on, episode.clinic, field="admitted_on", ahead=ADMISSION_AHEAD)
    if missing := missing_papers(episode):
        raise Refused("admission_incomplete", missing_said(missing), missing=missing)
    episode.state, episode.admitted_on = Episode.State.ADMITTED, admitted_on
    episode.version += 1
    check(episode)
    episode.save()
    return episode
