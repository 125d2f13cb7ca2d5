"""Who stands in for whom in a single session."""

from __future__ import annotations

from iop_clinic.accounts.acting import Job, service
from iop_clinic.accounts.models import Therapist, User
from scheduling.leading import LICENSE
from scheduling.locks import lock, lock_session
from scheduling.models import Session, SessionStaff
from scheduling.rules import Span
from scheduling.services.diary import WITHOUT_LEADER, Diary, attend, without
from scheduling.services.sessions import SUBSTITUTE_ACCESS, check_not_signed, is_plan


@service
def assign_substitute(*, session: Session, therapist: Therapist, by: User | Job) -> SessionStaff:
    """`therapist` leads this session instead of its facilitator, with access for 7 days after it.

    The facilitator's part, and an earlier substitute's, ends; a co-facilitator stays. Who has or
    had a part of their own leads with that: the facilitator comes back, a co-facilitator needs no
    substitute's. Raises Refused `therapist_busy`, `not_qualified` before the session is over, or
    `roster_signed` after signing.
    """
    lock(clinics=[session.clinic_id], therapists=[therapist.pk], sessions=[session.pk])
    lock_session(session)
    check_not_signed(session)
    span = Span(session.starts_at, session.ends_at)
    clinic = session.clinic
    diary = Diary.of(clinic, span, therapists=[therapist.pk], rooms=[], ignoring=[session])
    diary.check_therapist(therapist, span, instead="Choose somebody else.")
    if is_plan(span, by):
        diary.check_qualified(therapist, span, session.session_type)
    session.staff.filter(active=True).exclude(role=SessionStaff.Role.CO_FACILITATOR).update(
        active=False
    )
    part = _leading_part(session, therapist)
    session.needs_attention = without(session.needs_attention, WITHOUT_LEADER, LICENSE)
    attend(session, diary.license_trouble(therapist, span, session.session_type))
    session.version += 1
    session.save(update_fields=["needs_attention", "version"])
    return part


def _leading_part(session: Session, therapist: Therapist) -> SessionStaff:
    """The therapist's part as it was before, active again, or a substitute's."""
    own = session.staff.filter(therapist=therapist)
    if part := own.exclude(role=SessionStaff.Role.SUBSTITUTE).first():
        part.active, part.access_until = True, None
        part.save(update_fields=["active", "access_until"])
        return part
    until = {"access_until": session.ends_at + SUBSTITUTE_ACCESS}
    copies = {"starts_at": session.starts_at, "ends_at": session.ends_at, "live": session.live}
    part, _ = SessionStaff.objects.update_or_create(
        session=session,
        therapist=therapist,
        defaults={"role": SessionStaff.Role.SUBSTITUTE, "active": True, **until},
        create_defaults={
            "clinic_id": session.clinic_id,
            "role": SessionStaff.Role.SUBSTITUTE,
            **until,
            **copies,
        },
    )
    return part
