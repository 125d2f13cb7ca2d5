"""Patients and what their treatment stands on, as the importer reads it."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db.models import Exists, OuterRef, Q, Subquery

from attendance.exports.sources import Asked, Source
from attendance.imports import tables
from iop_clinic.accounts.roles import Can
from patients.models import (
    Authorization,
    Certification,
    CourtReferral,
    Coverage,
    Diagnosis,
    Episode,
    EpisodeHold,
    Evaluation,
    Patient,
    Payer,
    Program,
    ProgramAgreement,
    TreatmentPlan,
)

Table = partial(Source, needs=Can.VIEW_PATIENTS)

RECORD = "episode__patient__record_number"
OF_EPISODE = Q(episode__program__part2=True)


def _told_of(patient: str) -> Q:
    """Whether the patient is or was in a Part 2 program."""
    protected = Episode.objects.filter(patient=OuterRef(patient), program__part2=True)
    return Q(Exists(protected))


def _newest(model: Any, day: str, place: str) -> Subquery:
    """A fact of the paper of an episode that came last."""
    papers = model.objects.filter(clinic=OuterRef("clinic"), episode=OuterRef("pk"))
    return Subquery(papers.order_by(f"-{day}", "-pk").values(place)[:1])


def _patients(asked: Asked) -> Any:
    return asked.rows(Patient).order_by("record_number", "pk")


def _of_patients(model: Any, day: str, patient: str) -> Any:
    return lambda asked: asked.rows(model).order_by(f"{patient}__record_number", day, "pk")


def _by_name(model: Any) -> Any:
    return lambda asked: asked.rows(model).order_by("name", "pk")


PROGRAMS = Table(tables.PROGRAMS, "Programs", rows=_by_name(Program))
PAYERS = Table(tables.PAYERS, "Payers", rows=_by_name(Payer))
PATIENTS = Table(tables.PATIENTS, "Patients", rows=_patients, part2=_told_of("pk"))
COVERAGES = Table(
    tables.COVERAGES,
    "Insurance coverages",
    rows=_of_patients(Coverage, "starts_on", "patient"),
    places={"record_number": "patient__record_number", "payer": "payer__name"},
    part2=_told_of("patient"),
)
EPISODES = Table(
    tables.EPISODES,
    "Episodes",
    rows=_of_patients(Episode, "referred_on", "patient"),
    places={
        "record_number": "patient__record_number",
        "program": "program__name",
        "referral_source": "referral_source__name",
        "primary_therapist": "primary_therapist__memberships__user__email",
        "evaluated_on": _newest(Evaluation, "evaluated_on", "evaluated_on"),
        "diagnosis": _newest(Diagnosis, "diagnosed_on", "code"),
        "diagnosed_on": _newest(Diagnosis, "diagnosed_on", "diagnosed_on"),
        "agreement_signed_on": _newest(ProgramAgreement, "signed_on", "signed_on"),
        "court": _newest(CourtReferral, "starts_on", "court"),
    },
    part2=Q(program__part2=True),
)
PLANS = Table(
    tables.PLANS,
    "Treatment plans",
    rows=_of_patients(TreatmentPlan, "starts_on", "episode__patient"),
    places={"record_number": RECORD},
    part2=OF_EPISODE,
)
AUTHORIZATIONS = Table(
    tables.AUTHORIZATIONS,
    "Authorizations",
    rows=_of_patients(Authorization, "starts_on", "episode__patient"),
    places={"record_number": RECORD, "payer": "payer__name"},
    part2=OF_EPISODE,
)
CERTIFICATIONS = Table(
    tables.CERTIFICATIONS,
    "Certifications",
    rows=_of_patients(Certification, "certified_on", "episode__patient"),
    places={"record_number": RECORD},
    part2=OF_EPISODE,
)
HOLDS = Table(
    tables.HOLDS,
    "Holds",
    rows=_of_patients(EpisodeHold, "starts_on", "episode__patient"),
    places={"record_number": RECORD},
    part2=OF_EPISODE,
)
