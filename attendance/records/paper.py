"""What somebody copied from a paper sheet: whoever leads the session confirms it."""

from __future__ import annotations

import datetime

from attendance.models import AttendanceRecord
from iop_clinic.accounts.models import Membership, User
from scheduling.branches import sessions_i_lead
from scheduling.models import Session, SessionStaff

PAPER = AttendanceRecord.Source.PAPER


def may_confirm(by: User, session: Session, now: datetime.datetime) -> bool:
    """Whether a person's signature confirms what stood on paper: theirs who lead the session; where
    nobody who leads it can sign in, anybody's who may sign."""
    return leads(by, session) or not _somebody_leads(session, now)


def leads(by: object, session: Session) -> bool:
    """Whether a person has a part in a session; a substitute while covering it."""
    if not isinstance(by, User):
        return False
    return Session.objects.filter(sessions_i_lead(by.sight), pk=session.pk).exists()


def _somebody_leads(session: Session, now: datetime.datetime) -> bool:
    parts = SessionStaff.objects.with_access(now).filter(session=session)
    people = Membership.objects.filter(
        clinic=session.clinic_id,
        therapist__in=parts.values("therapist"),
        active=True,
        user__is_active=True,
    )
    return people.exists()


def kept_source(record: AttendanceRecord | None, source: str, by: object) -> str:
    """Where a record was first written down: a correction by somebody who does not lead the session
    leaves what came from paper to be confirmed."""
    if record is None or record.source != PAPER or leads(by, record.booking.session):
        return source
    return PAPER
