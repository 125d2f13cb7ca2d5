"""Whom to call, by which channel, and what may be said there (R15, R19)."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator

from django.utils.html import format_html, format_html_join

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


def whom_to_call(patient: Patient, today: datetime.date) -> tuple[str, str]:
    """The number that is called, and what may be said there; a minor's guardian in their place."""
    if patient.deceased_on is not None:
        return "none", "The patient died. Nobody is called."
    allowed = allowed_methods(patient, today)
    if Method.GUARDIAN in allowed:
        phone = _guardian(patient, phone_link(patient.guardian_phone))
        said = ["the guardian is called"]
    else:
        phone = phone_said(patient, allowed)
        said = [
            f"voicemail {_may(Method.VOICEMAIL in allowed, 'be left')}",
            f"text {_may(Method.TEXT in allowed, 'be sent')}",
        ]
    how = "; ".join([*said, *_anywhere(patient)])
    return phone, how[0].upper() + how[1:]


def _anywhere(patient: Patient) -> Iterator[str]:
    """What holds of whichever number."""
    yield f"the clinic’s name {_may(patient.may_say_clinic_name, 'be said')}"
    if patient.best_time_to_call:
        yield f"best time {patient.best_time_to_call}"


def _may(allowed: bool, what: str) -> str:
    return f"may {what}" if allowed else f"must not {what}"


def phone_said(patient: Patient, allowed: Collection[str]) -> str:
    if not patient.phone:
        return "none"
    if Method.CALL not in allowed:
        return f"{patient.phone}, not safe: must not be called"
    if Method.GUARDIAN in allowed:
        return f"{patient.phone}: the guardian is called instead"
    return format_html("{}, may be called", phone_link(patient.phone))


def _emergency(patient: Patient, *, agreed: bool) -> str:
    who = _person(patient.emergency_name, patient.emergency_relation, patient.emergency_phone)
    if not who:
        return "none"
    said = "the patient agreed" if agreed else "not agreed, must not be called"
    return format_html("{}: {}", who, said)


def guardian_said(patient: Patient, allowed: Collection[str]) -> str:
    called = Method.GUARDIAN in allowed
    phone = patient.guardian_phone
    who = _guardian(patient, phone_link(phone) if called else phone)
    if not who:
        return "none"
    said = "the patient is of age" if phone else "without a number"
    return format_html("{}: {}", who, "called in the patient’s place" if called else said)


def _guardian(patient: Patient, phone: str) -> str:
    return _person(patient.guardian_name, patient.guardian_relation, phone)


def _person(name: str, relation: str, phone: str) -> str:
    named = f"{name} ({relation})" if name and relation else name or relation
    return format_html_join(", ", "{}", ((one,) for one in (named, phone) if one))
