"""Who pays, and for how much."""

from __future__ import annotations

import datetime
from typing import Any

from django.db.models import Min, Q

from iop_clinic.accounts.acting import Job, service
from iop_clinic.accounts.editing import check, edit
from iop_clinic.accounts.models import User
from patients.locks import lock_and_refresh
from patients.models import (
    Authorization,
    Certification,
    Coverage,
    Episode,
    Level,
    Patient,
    Payer,
)
from patients.services.episodes import locked, refuse_after, refuse_before

COVERAGE_FACTS = frozenset(
    {"payer", "member_number", "starts_on", "ends_on", "verified_on", "verification_due_on"}
)
AUTHORIZATION_FACTS = frozenset(
    {"payer", "number", "level", "unit", "units", "starts_on", "ends_on", "next_review_on"}
)
CERTIFICATION_FACTS = frozenset({"certified_on", "due_again_on", "certified_by"})
USUAL_CERTIFICATION_DAYS = 60
"""Medicare's; what a payer of the patient's asks for goes before it (R6)."""


@service
def add_coverage(
    *,
    patient: Patient,
    payer: Payer,
    starts_on: datetime.date,
    by: User | Job,
    member_number: str = "",
    ends_on: datetime.date | None = None,
    verified_on: datetime.date | None = None,
    verification_due_on: datetime.date | None = None,
) -> Coverage:
    """Enter a patient's insurance. Verification may follow; its due date makes it a case."""
    if ends_on is not None:
        refuse_before(ends_on, starts_on, field="ends_on", event="start")
    coverage = Coverage(
        clinic=patient.clinic,
        patient=patient,
        payer=payer,
        member_number=member_number,
        starts_on=starts_on,
        ends_on=ends_on,
        verified_on=verified_on,
        verification_due_on=verification_due_on,
    )
    check(coverage)
    coverage.save()
    return coverage


@service
def edit_coverage(
    *, coverage: Coverage, by: User | Job, version: int | None = None, **facts: Any
) -> Coverage:
    """Change a coverage, such as the day it was verified. Refused: `stale_version`."""
    edit(lock_and_refresh(coverage), facts, allowed=COVERAGE_FACTS, version=version)
    return coverage


@service
def authorize(
    *,
    episode: Episode,
    payer: Payer,
    number: str,
    unit: str,
    units: int,
    starts_on: datetime.date,
    ends_on: datetime.date,
    by: User | Job,
    level: int = Level.IOP,
    next_review_on: datetime.date | None = None,
) -> Authorization:
    """Enter a payer's approval of so many days, visits or hours between two inclusive dates (R23).

    Refused: `before_start`, `before_referral` (it would cover nothing), `authorization_overlap`, a
    number that this payer has used.
    """
    locked(episode)
    refuse_before(ends_on, starts_on, field="ends_on", event="start")
    refuse_before(ends_on, episode.referred_on, field="ends_on", event="referral")
    authorization = Authorization(
        clinic=episode.clinic,
        episode=episode,
        payer=payer,
        number=number,
        level=level,
        unit=unit,
        units=units,
        starts_on=starts_on,
        ends_on=ends_on,
        next_review_on=next_review_on,
    )
    check(authorization)
    authorization.save()
    return authorization


@service
def edit_authorization(
    *, authorization: Authorization, by: User | Job, version: int | None = None, **facts: Any
) -> Authorization:
    """Change an authorization, such as more units after a review. Refused: `stale_version`."""
    locked(authorization.episode)
    authorization.refresh_from_db()
    edit(authorization, facts, allowed=AUTHORIZATION_FACTS, version=version)
    return authorization


@service
def certify(
    *,
    episode: Episode,
    certified_on: datetime.date,
    by: User | Job,
    due_again_on: datetime.date | None = None,
    certified_by: str = "",
) -> Certification:
    """Note a physician's statement that the level is still needed (R6: at least every 60 days).

    Without a date it is due again when the strictest payer in force wants it, or after 60 days.
    Refused: `before_referral`, `in_future`, `certification_due_later`.
    """
    locked(episode)
    refuse_before(certified_on, episode.referred_on, field="certified_on", event="referral")
    refuse_after(certified_on, episode.clinic, field="certified_on")
    if due_again_on is None:
        days = _certification_days(episode, certified_on)
        due_again_on = certified_on + datetime.timedelta(days=days)
    certification = Certification(
        clinic=episode.clinic,
        episode=episode,
        certified_on=certified_on,
        due_again_on=due_again_on,
        certified_by=certified_by,
    )
    check(certification)
    certification.save()
    return certification


def _certification_days(episode: Episode, day: datetime.date) -> int:
    paying = Payer.objects.filter(
        Q(coverages__ends_on__isnull=True) | Q(coverages__ends_on__gte=day),
        coverages__patient=episode.patient_id,
        coverages__starts_on__lte=day,
    )
    found: int | None = paying.aggregate(days=Min("certification_days"))["days"]
    return found or USUAL_CERTIFICATION_DAYS


@service
def edit_certification(
    *, certification: Certification, by: User | Job, **facts: Any
) -> Certification:
    """Correct a certification that was entered wrongly; refused as by `certify`."""
    episode = locked(certification.episode)
    certification.refresh_from_db()
    if unknown := sorted(facts.keys() - CERTIFICATION_FACTS):
        raise TypeError(f"a certification is not edited by {', '.join(unknown)}")
    for name, value in facts.items():
        setattr(certification, name, value)
    certified_on = certification.certified_on
    refuse_before(certified_on, episode.referred_on, field="certified_on", event="referral")
    refuse_after(certified_on, episode.clinic, field="certified_on")
    check(certification)
    certification.save()
    return certification
