"""Sessions that were planned for one patient beside the weekly blocks.

In files they are blocks of one day: that is how an import elsewhere makes them anew. In the clinic
that has them already they are found again by patient, day and start.
"""

from __future__ import annotations

from typing import Any

from django.db.models import DateTimeField, Exists, F, Func, OuterRef, Q, TimeField
from django.db.models.functions import Cast
from django.db.models.lookups import LessThan

from attendance.imports.columns import folded
from iop_clinic.accounts.models import Clinic
from scheduling.models import Booking, SessionStaff, WeeklyBlock

CO_FACILITATOR = SessionStaff.Role.CO_FACILITATOR


def wall_time(session: str, instant: str) -> Cast:
    """The time on the clinic's wall at which a session begins or ends."""
    zone, at = F(f"{session}__zone"), F(f"{session}__{instant}")
    local = Func(zone, at, function="timezone", output_field=DateTimeField())
    return Cast(local, TimeField())


def planned_alone(path: str = "") -> Q:
    """Bookings whose session is this patient's only: on one day, led by somebody with an account,
    and nothing else of the patient at that time, which a block would run into."""
    booking, session = f"{path}pk", f"{path}session"
    leads = SessionStaff.objects.filter(
        session=OuterRef(session), active=True, therapist__memberships__isnull=False
    )
    others = Booking.objects.filter(session=OuterRef(session)).exclude(pk=OuterRef(booking))
    meanwhile = Booking.objects.filter(
        patient=OuterRef(f"{path}patient"),
        starts_at__lt=OuterRef(f"{path}ends_at"),
        ends_at__gt=OuterRef(f"{path}starts_at"),
    ).exclude(pk=OuterRef(booking))
    return Q(
        LessThan(wall_time(session, "starts_at"), wall_time(session, "ends_at")),
        Exists(leads.exclude(role=CO_FACILITATOR)),
        ~Exists(others),
        ~Exists(meanwhile),
        **{f"{session}__block__isnull": True, f"{session}__group__isnull": True},
        **{f"{path}live": True},
    ) & ~Q(**{f"{path}state": Booking.State.WITHDRAWN})


def single_blocks(clinic: Clinic) -> dict[Any, WeeklyBlock]:
    """Such sessions as the blocks of one day that a file has for them, by the key of its row."""
    rows = Booking.objects.filter(planned_alone(), clinic=clinic)
    rows = rows.select_related("session", "patient").prefetch_related("session__staff")
    found = {}
    for booking in rows:
        block = _block(booking)
        record = folded(booking.patient.record_number)
        found[None, record, block.weekday, block.starts_at, block.valid_from] = block
    return found


def _block(booking: Booking) -> WeeklyBlock:
    session = booking.session
    parts = [part for part in session.staff.all() if part.active]
    leaders = [part for part in parts if part.role != CO_FACILITATOR]
    seconds = [part for part in parts if part.role == CO_FACILITATOR]
    leader = max(leaders, key=lambda part: (part.role, -part.pk))  # a substitute, if there is one
    return WeeklyBlock(
        clinic_id=session.clinic_id,
        episode_id=booking.episode_id,
        session_type_id=session.session_type_id,
        weekday=session.local_date.weekday(),
        starts_at=session.starts_at.astimezone(session.tz).time(),
        ends_at=session.ends_at.astimezone(session.tz).time(),
        breaks=session.breaks,
        facilitator_id=leader.therapist_id,
        co_facilitator_id=min(seconds, key=lambda part: part.pk).therapist_id if seconds else None,
        room_id=session.room_id,
        by_video=session.by_video,
        off_site=session.off_site,
        valid_from=session.local_date,
        valid_until=session.local_date,
    )
