"""Whether the nights are being done: a dead-man's switch on the outcome, not on the processes.

Beat can hang while it looks alive, and a worker can listen without hearing; so this asks when the
last tick came through and when each clinic last had a finished night.
"""

import datetime
from dataclasses import dataclass

from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from attendance.models import JobTick, NightlyRun
from attendance.reports.recipients import receiving
from iop_clinic.accounts.models import Clinic

TICK_AT_MOST = datetime.timedelta(minutes=30)
NIGHT_AT_MOST = datetime.timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class JobsHealth:
    """`late_clinics`: how many active clinics have had no finished night for over 26 hours;
    `untold_clinics`: in how many nobody receives what the nights find."""

    tick_is_fresh: bool
    late_clinics: int
    untold_clinics: int

    @property
    def ok(self) -> bool:
        return self.tick_is_fresh and not self.late_clinics


def jobs_health(*, now: datetime.datetime) -> JobsHealth:
    """How the jobs are, in three statements. An installation without a tick is not well."""
    fresh = JobTick.objects.filter(name="tick", at__gte=now - TICK_AT_MOST).exists()
    return JobsHealth(
        tick_is_fresh=fresh,
        late_clinics=_late_clinics(now),
        untold_clinics=untold().filter(Exists(_nights())).count(),
    )


def _late_clinics(now: datetime.datetime) -> int:
    """Clinics whose last finished night is too old. A clinic that has never had one counts from
    its first attempt; before that attempt only the tick can be late."""
    finished = Max("finished_at", filter=Q(state=NightlyRun.State.FINISHED))
    return (
        NightlyRun.objects.filter(clinic__active=True)
        .order_by()
        .values("clinic")
        .annotate(last=Coalesce(finished, Min("started_at")))
        .filter(last__lt=now - NIGHT_AT_MOST)
        .count()
    )


def untold() -> QuerySet[Clinic]:
    """Active clinics whose reports nobody receives."""
    return Clinic.objects.filter(~Exists(receiving().filter(clinic=OuterRef("pk"))), active=True)


def _nights() -> QuerySet[NightlyRun]:
    return NightlyRun.objects.filter(clinic=OuterRef("pk"))


@require_safe
@never_cache
def jobs(request: HttpRequest) -> JsonResponse:
    """`/healthz/jobs`: 200 when tick and nights are fresh, else 503; names no clinic.

    A clinic without recipients is told, but is no 503: its own staff must choose somebody, and an
    alarm that rings for weeks would hide the next one.
    """
    health = jobs_health(now=timezone.now())
    checks = {
        "tick": health.tick_is_fresh,
        "nights": not health.late_clinics,
        "recipients": not health.untold_clinics,
    }
    return JsonResponse(
        {"status": "ok" if health.ok else "late", "checks": checks},
        status=200 if health.ok else 503,
    )
