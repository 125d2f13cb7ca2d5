"""Who could lead a session instead: free and qualified therapists, and why the others cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from iop_clinic.accounts.models import Clinic, Therapist
from scheduling.models import Session, SessionStaff
from scheduling.rules import Span
from scheduling.services.diary import Diary

LEADS_ALREADY = "leads it already"


@dataclass(frozen=True, slots=True)
class Candidate:
    """`trouble` is why the therapist cannot lead the session; empty: free and qualified.

    The phone is `therapist.phone`.
    """

    therapist: Therapist
    trouble: str


def leaders_for(clinic: Clinic, sessions: Sequence[Session]) -> dict[int, list[Candidate]]:
    """By session, everybody on the staff: whoever is free and qualified first, each part by name.

    Six statements for any number of sessions. Reads `session.session_type`: select it along.
    """
    if not sessions:
        return {}
    staff = list(Therapist.objects.filter(clinic=clinic, active=True))
    parts = list(SessionStaff.objects.taking_place().filter(clinic=clinic, session__in=sessions))
    span = Span(min(one.starts_at for one in sessions), max(one.ends_at for one in sessions))
    diary = Diary.of(
        clinic, span, therapists=[one.pk for one in staff], rooms=[], ignoring=sessions
    )
    found = {}
    for session in sessions:
        rows = [Candidate(one, _trouble(one, session, diary, parts)) for one in staff]
        found[session.pk] = sorted(rows, key=lambda row: bool(row.trouble))
    return found


def _trouble(
    therapist: Therapist, session: Session, diary: Diary, parts: Sequence[SessionStaff]
) -> str:
    span = Span(session.starts_at, session.ends_at)
    for part in parts:
        if part.therapist_id != therapist.pk or not span.overlaps(
            Span(part.starts_at, part.ends_at)
        ):
            continue
        if part.session_id != session.pk:
            return f"{therapist.name} leads another session"
        if part.role != SessionStaff.Role.CO_FACILITATOR:
            return f"{therapist.name} {LEADS_ALREADY}"
    return diary.therapist_trouble(therapist, span) or diary.license_trouble(
        therapist, span, session.session_type
    )
