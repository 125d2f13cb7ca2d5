"""What was written since a moment, as the audit trail tells it: by whom or through what door is the
same to it, so bulk writes, imports and a person with `psql` are seen too."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import BigIntegerField, Model, Q, QuerySet, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from attendance.models import AbsenceRule, AttendanceRecord, CreditRule, Standard
from iop_clinic.accounts.models import AuditEvent, Clinic
from patients.models import (
    Authorization,
    CourtReferral,
    Coverage,
    Episode,
    EpisodeHold,
    Patient,
    TreatmentPlan,
)
from scheduling.models import Booking, GroupMembership, Session, SessionType, WeeklyBlock

SETTINGS: tuple[type[Model], ...] = (
    Clinic,
    Standard,
    AbsenceRule,
    CreditRule,
    SessionType,
    WeeklyBlock,
)
"""Whatever changes here may change everybody's judgement."""
OF_EPISODE: tuple[type[Model], ...] = (
    TreatmentPlan,
    EpisodeHold,
    GroupMembership,
    Authorization,
    CourtReferral,
)
AHEAD = timedelta(weeks=2)
"""Sessions after that lie in no week that a night looks at: the timetable's horizon is filled."""


def clinics_with_new_rules(clinics: Collection[int], since: datetime) -> set[int]:
    """Those whose standards, rules, session types or blocks were changed; 1 statement."""
    rows = _audited(clinics, since, SETTINGS).values_list("clinic_id", flat=True).distinct()
    return {clinic_id for clinic_id in rows if clinic_id is not None}


def changed_facts(
    clinics: Collection[int], since: datetime, *, through: date
) -> Iterable[tuple[int | None, int | None]]:
    """(episode, session) of every fact that was written, the records of the local date `through`
    and later ones apart: those are looked at as they stand. 1 statement."""

    def changed(*tables: type[Model]) -> QuerySet[Any, Any]:
        return _audited(clinics, since, tables).values("row_id")

    def deleted(column: str, *tables: type[Model]) -> QuerySet[Any, Any]:
        gone = _audited(clinics, since, tables).filter(operation=AuditEvent.Operation.DELETE)
        return gone.values(gone=Cast(KT(f"old__{column}"), BigIntegerField()))

    ours: dict[str, Any] = {"clinic__in": clinics}
    bookings = Booking.objects.filter(**ours).order_by()
    near = Q(starts_at__lt=datetime.combine(through, time.min, tzinfo=UTC) + AHEAD)
    late = Q(session__local_date__lt=through)
    of_bookings = [
        bookings.filter(near, pk__in=changed(Booking)),
        bookings.filter(near, session__in=changed(Session)),
        bookings.filter(late, attendance__in=changed(AttendanceRecord)),
        bookings.filter(pk__in=deleted("booking_id", AttendanceRecord)),
    ]
    episodes = Episode.objects.filter(**ours).order_by()
    of_episodes = [
        episodes.filter(pk__in=changed(Episode)),
        episodes.filter(patient__in=changed(Patient)),
        episodes.filter(patient__coverages__in=changed(Coverage)),
        episodes.filter(patient__in=deleted("patient_id", Coverage)),
        episodes.filter(pk__in=deleted("episode_id", Booking, *OF_EPISODE)),
    ]
    of_others = [
        model._default_manager.filter(**ours, pk__in=changed(model)).order_by()
        for model in OF_EPISODE
    ]
    none = Cast(Value(None), BigIntegerField())
    every: list[QuerySet[Any, Any]] = [
        *(rows.values_list("episode_id", "session_id") for rows in of_bookings),
        *(rows.values_list("pk", none) for rows in of_episodes),
        *(rows.values_list("episode_id", none) for rows in of_others),
    ]
    return every[0].union(*every[1:], all=True)


def _audited(
    clinics: Collection[int], since: datetime, tables: Iterable[type[Model]]
) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(
        clinic_id__in=list(clinics),
        table_name__in=[model._meta.db_table for model in tables],
        at__gte=since,
        operation__in="IUD",
    ).order_by()
