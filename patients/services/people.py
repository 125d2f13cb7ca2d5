"""Patients and their contact facts."""

from __future__ import annotations

import datetime
from typing import Any

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.editing import check, edit
from iop_clinic.accounts.models import Clinic, User
from patients.locks import lock_and_refresh
from patients.models import KeepApart, Patient

PATIENT_FACTS = frozenset(
    field.name
    for field in Patient._meta.concrete_fields
    if field.editable and field.name not in ("id", "clinic", "version")
)


@service
def save_patient(
    *,
    clinic: Clinic,
    by: User | Job,
    patient: Patient | None = None,
    version: int | None = None,
    **facts: Any,
) -> Patient:
    """Enter a patient, or change one from `version` on. Facts are the model's fields.

    Refused: `stale_version`; otherwise the field that is wrong, such as a record number that
    another patient of the clinic has.
    """
    if patient is None:
        patient = Patient(clinic=clinic, **facts)
        check(patient)
        patient.save()
    else:
        edit(lock_and_refresh(patient), facts, allowed=PATIENT_FACTS, version=version)
    return patient


@service
def keep_apart(
    *,
    patient: Patient,
    other: Patient,
    reason: str,
    by: User | Job,
    ends_on: datetime.date | None = None,
) -> KeepApart:
    """Note that two patients must not sit in one session; the order of the two is no matter."""
    if patient == other:
        raise Refused("same_patient", "Choose two different patients.", field="other")
    first, second = sorted((patient, other), key=lambda one: one.pk)
    pair = KeepApart(
        clinic=patient.clinic, patient=first, other=second, reason=reason, ends_on=ends_on
    )
    check(pair)
    pair.save()
    return pair
