"""Admission, plans, payers and court orders, with what they change about weeks and cases.

The floor below writes them. Here each write is followed, in the same transaction, by judging again
from the first day that is different: entered late or corrected, they amend what is stored. The
cases of papers are judged with them: one that asks for a plan closes when the plan is set. Each
raises what the service of the same name in `patients.services` raises.
"""

from __future__ import annotations

import datetime
from typing import Any

from attendance.compliance.again import judge_again, judge_papers
from iop_clinic.accounts.acting import Job, service
from iop_clinic.accounts.models import Clinic, User
from patients import services
from patients.locks import lock_episodes
from patients.models import (
    Authorization,
    Certification,
    CourtReferral,
    Coverage,
    Episode,
    Patient,
    Payer,
    TreatmentPlan,
)

Moment = datetime.datetime | None


@service
def admit(
    *,
    episode: Episode,
    admitted_on: datetime.date,
    by: User | Job,
    version: int | None = None,
    now: Moment = None,
) -> Episode:
    """Admit a documented referral, also from a day that has been judged."""
    services.admit(episode=episode, admitted_on=admitted_on, by=by, version=version)
    _again(episode, admitted_on, by, now)
    return episode


JUDGED = ("program_id", "priority", "priority_until")
"""The facts of a stay that weeks and absences are judged by: whose standards, and how soon."""


@service
def edit_episode(
    *,
    episode: Episode,
    by: User | Job,
    version: int | None = None,
    now: Moment = None,
    **facts: Any,
) -> Episode:
    """Change an episode; another program or priority is judged from the admission on."""
    lock_episodes([episode.pk])
    before = Episode.objects.values_list(*JUDGED).get(pk=episode.pk)
    services.edit_episode(episode=episode, by=by, version=version, **facts)
    if episode.admitted_on and before != tuple(getattr(episode, name) for name in JUDGED):
        _judge(episode, episode.admitted_on, by, now)
    judge_papers(clinic=episode.clinic, now=now)
    return episode


@service
def set_plan(
    *,
    episode: Episode,
    starts_on: datetime.date,
    by: User | Job,
    now: Moment = None,
    **prescribed: Any,
) -> TreatmentPlan:
    """Prescribe level, minutes and days a week from a date on; the plan before ends that eve."""
    plan = services.set_plan(episode=episode, starts_on=starts_on, by=by, **prescribed)
    _again(episode, starts_on, by, now)
    return plan


@service
def edit_plan(
    *,
    plan: TreatmentPlan,
    by: User | Job,
    version: int | None = None,
    now: Moment = None,
    **facts: Any,
) -> TreatmentPlan:
    """Correct a plan that was entered wrongly."""
    lock_episodes([plan.episode_id])
    plan.refresh_from_db()
    before = plan.starts_on
    services.edit_plan(plan=plan, by=by, version=version, **facts)
    _again(plan.episode, min(before, plan.starts_on), by, now)
    return plan


@service
def authorize(
    *,
    episode: Episode,
    starts_on: datetime.date,
    by: User | Job,
    now: Moment = None,
    **approved: Any,
) -> Authorization:
    """Enter a payer's approval; the payer's standard judges from its first day on."""
    row = services.authorize(episode=episode, starts_on=starts_on, by=by, **approved)
    _again(episode, starts_on, by, now)
    return row


@service
def edit_authorization(
    *,
    authorization: Authorization,
    by: User | Job,
    version: int | None = None,
    now: Moment = None,
    **facts: Any,
) -> Authorization:
    """Change an authorization, such as more units after a review."""
    lock_episodes([authorization.episode_id])
    authorization.refresh_from_db()
    before = authorization.starts_on
    services.edit_authorization(authorization=authorization, by=by, version=version, **facts)
    _again(authorization.episode, min(before, authorization.starts_on), by, now)
    return authorization


@service
def certify(
    *,
    episode: Episode,
    certified_on: datetime.date,
    by: User | Job,
    now: Moment = None,
    **facts: Any,
) -> Certification:
    """Note a physician's certification, which the case of the one before waits for (R6)."""
    row = services.certify(episode=episode, certified_on=certified_on, by=by, **facts)
    judge_papers(clinic=episode.clinic, now=now)
    return row


@service
def edit_certification(
    *, certification: Certification, by: User | Job, now: Moment = None, **facts: Any
) -> Certification:
    """Correct a certification that was entered wrongly."""
    services.edit_certification(certification=certification, by=by, **facts)
    judge_papers(clinic=certification.clinic, now=now)
    return certification


@service
def mandate(
    *,
    episode: Episode,
    starts_on: datetime.date,
    by: User | Job,
    now: Moment = None,
    **ordered: Any,
) -> CourtReferral:
    """Note a court's order; the court's standard judges from its first day on (R14)."""
    row = services.mandate(episode=episode, starts_on=starts_on, by=by, **ordered)
    _again(episode, starts_on, by, now)
    return row


@service
def add_coverage(
    *,
    patient: Patient,
    payer: Payer,
    starts_on: datetime.date,
    by: User | Job,
    now: Moment = None,
    **facts: Any,
) -> Coverage:
    """Enter a patient's insurance; the payer's standard judges from its first day on."""
    ids = _locked_episodes(patient)
    row = services.add_coverage(patient=patient, payer=payer, starts_on=starts_on, by=by, **facts)
    _again_each(patient, ids, starts_on, by, now)
    return row


@service
def edit_coverage(
    *,
    coverage: Coverage,
    by: User | Job,
    version: int | None = None,
    now: Moment = None,
    **facts: Any,
) -> Coverage:
    """Change a coverage, such as the day it was verified."""
    ids = _locked_episodes(coverage.patient)
    coverage.refresh_from_db()
    before = coverage.starts_on
    services.edit_coverage(coverage=coverage, by=by, version=version, **facts)
    _again_each(coverage.patient, ids, min(before, coverage.starts_on), by, now)
    return coverage


@service
def save_patient(
    *,
    clinic: Clinic,
    by: User | Job,
    patient: Patient | None = None,
    version: int | None = None,
    now: Moment = None,
    **facts: Any,
) -> Patient:
    """Enter a patient or change one; another birth date may mean another age bracket (R2)."""
    ids = _locked_episodes(patient) if patient else []
    row = services.save_patient(clinic=clinic, by=by, patient=patient, version=version, **facts)
    if {"birth_date", "deceased_on"} & facts.keys():
        _again_each(row, ids, datetime.date.min, by, now)
    return row


def _again(episode: Episode, since: datetime.date, by: User | Job, now: Moment) -> None:
    _judge(episode, since, by, now)
    judge_papers(clinic=episode.clinic, now=now)


def _again_each(
    patient: Patient, ids: list[int], since: datetime.date, by: User | Job, now: Moment
) -> None:
    """Each stay by itself, so that an early one does not set the weeks of the last."""
    stays = Episode.objects.filter(pk__in=ids).select_related("clinic").order_by("pk")
    for episode in stays:
        _judge(episode, since, by, now)
    if ids:
        judge_papers(clinic=patient.clinic, now=now)


def _judge(episode: Episode, since: datetime.date, by: User | Job, now: Moment) -> None:
    """From the admission on at the earliest: papers may be years older than the stay."""
    since = max(since, episode.admitted_on or since)
    judge_again(clinic=episode.clinic, episode_ids=[episode.pk], since=since, by=by, now=now)


def _locked_episodes(patient: Patient) -> list[int]:
    """The patient's admitted episodes, locked before the rows that hang on them."""
    rows = patient.episodes.filter(admitted_on__isnull=False)
    ids = list(rows.values_list("pk", flat=True))
    lock_episodes(ids)
    return ids
