"""Whom to call, by which channel, and what may be said there (R15, R19)."""

from __future__ import annotations

import datetime
from collections.abc import Collection

from django.utils.html import format_html

from attendance.admin.patient.facts import Facts
from attendance.compliance.outreach import Method, allowed_methods
from iop_clinic.accounts.admin.panels import link, phone_link
from iop_clinic.accounts.weeks import full_date
from patients.models import Episode, Patient


def contact(row: Episode, today: datetime.date) -> Facts:
    """The patient's own answers; the channels are those that outreach is allowed."""
    patient = row.patient
    if patient.deceased_on is not None:
        died = f"The patient died on {full_date(patient.deceased_on)}. Nobody is called."
        return Facts("Contact", facts=[("Contact", died)])
    allowed = allowed_methods(patient, today)
    kept = link(patient, "patient’s record")
    return Facts(
        "Contact",
        note=format_html("What the patient allowed, as it stands in the {}.", kept),
        facts=[
            ("Phone", phone_said(patient, allowed)),
            ("Voicemail", _may(Method.VOICEMAIL in allowed, "be left")),
            ("Text message", _may(Method.TEXT in allowed, "be sent")),
            ("The clinic’s name", _may(patient.may_say_clinic_name, "be said")),
            ("Best time", patient.best_time_to_call or "not said"),
            ("Email", patient.email or "none"),
            ("Emergency contact", _emergency(patient, agreed=Method.EMERGENCY_CONTACT in allowed)),
            ("Guardian", guardian_said(patient, allowed)),
        ],
    )


def what_may_be_said(patient: Patient, allowed: Collection[str]) -> str:
    """ "voicemail may be left; the clinic’s name must not be said; best time evenings"."""
    said = [
        f"voicemail {_may(Method.VOICEMAIL in allowed, 'be left')}",
        f"text {_may(Method.TEXT in allowed, 'be sent')}",
        f"the clinic’s name {_may(patient.may_say_clinic_name, 'be said')}",
    ]
    if patient.best_time_to_call:
        said.append(f"best time {patient.best_time_to_call}")
    return "; ".join(said)


def _may(allowed: bool, what: str) -> str:
    return f"may {what}" if allowed else f"must not {what}"


def phone_said(patient: Patient, allowed: Collection[str]) -> str:
    if not patient.phone:
        return "none"
    if Method.CALL not in allowed:
        return f"{patient.phone}, not safe: must not be called"
    return format_html("{}, may be called", phone_link(patient.phone))


def _emergency(patient: Patient, *, agreed: bool) -> str:
    who = _person(patient.emergency_name, patient.emergency_relation, patient.emergency_phone)
    if not who:
        return "none"
    return f"{who}: {'the patient agreed' if agreed else 'not agreed, must not be called'}"


def guardian_said(patient: Patient, allowed: Collection[str]) -> str:
    who = _person(patient.guardian_name, patient.guardian_relation, patient.guardian_phone)
    if not who:
        return "none"
    if Method.GUARDIAN in allowed:
        return f"{who}: called in the patient’s place"
    return f"{who}: {'the patient is of age' if patient.guardian_phone else 'without a number'}"


def _person(name: str, relation: str, phone: str) -> str:
    named = f"{name} ({relation})" if name and relation else name or relation
    return ", ".join(one for one in (named, phone) if one)
