"""Adding a patient to a session's roster: find them in the active census, then book them."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.utils import timezone
from rest_framework import serializers

from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.api.fields import PublicId, Strict, Text
from iop_clinic.accounts.api.problems import Problem
from patients.models import Episode, Patient
from scheduling.eligibility import is_active
from scheduling.models import Booking, Session
from scheduling.services.sessions import LATE_ENTRY

MOST_FOUND = 20


class CandidatesBody(Strict):
    q = Text(max_length=100, help_text="The beginnings of names, or of a record number.")


class CandidateOut(serializers.Serializer):
    id = PublicId(source="public_id")
    name = serializers.CharField(source="short_name", help_text="Preferred name and initial.")
    mark = serializers.CharField(
        help_text=(
            "Tells those of one name apart: the last name's first two letters and the primary "
            "therapist. Empty where the name says enough."
        )
    )


class AdditionBody(Strict):
    patient = PublicId()
    overflow_reason = Text(
        required=False,
        allow_blank=True,
        default="",
        max_length=200,
        help_text="Why a seat above the capacity is given.",
    )


def check_date(session: Session) -> None:
    """Raise Refused `session_date` for a session of which nobody enters anything late any more."""
    if session.ends_at < timezone.now() - LATE_ENTRY:
        message = f"A roster is added to at most {LATE_ENTRY.days} days after the session."
        raise Refused("session_date", message)


def marked(found: Iterable[Any]) -> list[Any]:
    """Candidates with what tells apart those who share a preferred name and initial."""
    rows = list(found)
    names = Counter(row.short_name for row in rows)
    for row in rows:
        led = f"with {row.led_by}" if row.led_by else "no primary therapist"
        row.mark = f"{row.last_name[:2]}…, {led}" if names[row.short_name] > 1 else ""
    return rows


def candidates(session: Session, q: str) -> QuerySet[Patient]:
    """Patients of the session's clinic in treatment on its day, whoever's caseload they are on.

    Each with the name of the primary therapist as `led_by`.
    """
    in_treatment = Episode.objects.active_on(session.local_date).filter(patient=OuterRef("pk"))
    seated = Booking.objects.seated().filter(session=session, patient=OuterRef("pk"))
    found: Any = Patient.objects.in_clinic(session.clinic_id).matching(q)
    therapist = Subquery(in_treatment.values("primary_therapist__name")[:1])
    return found.filter(Exists(in_treatment), ~Exists(seated)).annotate(led_by=therapist)[
        :MOST_FOUND
    ]


def episode_to_book(session: Session, patient_id: Any) -> Episode:
    """The patient's episode on the session's day, or else the latest, which booking will refuse."""
    own = Episode.objects.filter(clinic=session.clinic_id, patient__public_id=patient_id)
    rows = list(own.order_by("-referred_on", "-id"))
    if not rows:
        raise Problem.at(["patient"], "not_found", "There is no such patient here.", status=404)
    return episode_on(session.local_date, rows)


def episode_on(day: datetime.date, episodes: Sequence[Episode]) -> Episode:
    """The one in treatment on a local date, or else the first."""
    return next((row for row in episodes if is_active(row, day)), episodes[0])
