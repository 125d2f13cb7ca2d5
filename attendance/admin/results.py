"""The stored results of weeks with their replay: judged again on the page, not taken on trust."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone

from attendance.admin.reports import AmendedFilter
from attendance.admin.weeks import lines_panel, week_page
from attendance.compliance.replays import in_words
from attendance.compliance.results import replay, replay_inputs
from attendance.compliance.status import minutes_detail
from attendance.models import AttendanceRecord, WeekResult
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import hours_and_minutes
from scheduling.models import SessionType


@admin.register(WeekResult)
class WeekResultAdmin(ClinicModelAdmin):
    """Read only. Each page judges the week again, so that nobody has to take it on trust."""

    view = Can.VIEW_FLAGS
    reads_are_noted = True
    list_display = (
        "episode",
        "week_starts_on",
        "standard",
        "minutes_status",
        "days_status",
        "credited",
        "least",
        "qualifying_days",
        "amendment",
        "remark",
    )
    list_filter = ("minutes_status", "days_status", AmendedFilter, "void", "week_starts_on")
    related = ("episode__patient", "standard")
    ordering = ("-week_starts_on", "episode__patient__last_name", "pk")
    search_fields = ("episode__patient__last_name__istartswith",)
    fields = (
        "episode",
        "standard",
        ("week_starts_on", "amendment"),
        ("segment_starts_on", "segment_ends_on"),
        ("minutes_status", "days_status"),
        ("scheduled", "attended"),
        ("credited", "judged"),
        "least",
        ("qualifying_days", "prorated_days"),
        "reason",
        "judged_at",
    )
    readonly_fields = (
        "scheduled", "attended", "credited", "judged", "least", "remark"
    )  # fmt: skip

    def get_fields(self, request: Any, obj: Any = None) -> Any:
        """Over the maximum, or void: said only where it is so."""
        return (*self.fields, "remark") if obj is not None and _remark(obj) else self.fields

    @admin.display(description="Scheduled")
    def scheduled(self, row: WeekResult) -> str:
        return hours_and_minutes(row.scheduled_minutes)

    @admin.display(description="Attended")
    def attended(self, row: WeekResult) -> str:
        return hours_and_minutes(row.attended_minutes)

    @admin.display(description="Credited", ordering="credited_minutes")
    def credited(self, row: WeekResult) -> str:
        return hours_and_minutes(row.credited_minutes)

    @admin.display(description="Judged")
    def judged(self, row: WeekResult) -> str:
        return f"{hours_and_minutes(row.judged_minutes)}, on the standard's basis and types"

    @admin.display(description="Minimum", ordering="prorated_minimum")
    def least(self, row: WeekResult) -> str:
        if row.prorated_minimum == row.minimum:
            return hours_and_minutes(row.minimum)
        least = hours_and_minutes(row.prorated_minimum)
        return f"prorated {least} of {hours_and_minutes(row.minimum)}"

    @admin.display(description="Remark")
    def remark(self, row: WeekResult) -> str:
        return _remark(row)

    def get_urls(self) -> list[Any]:
        week = path(
            "of/<int:episode_id>/<str:day>/",
            self.admin_site.admin_view(self.week_view),
            name="attendance_weekresult_week",
        )
        return [week, *super().get_urls()]

    def panels(self, request: Any, row: WeekResult) -> Iterable[Panel]:
        same = WeekResult.objects.visible_to(request.user).filter(
            episode=row.episode_id,
            standard=row.standard_id,
            segment_starts_on=row.segment_starts_on,
        )
        amendments = list(same.order_by("amendment"))
        now = timezone.now()
        yield _verdict(row, last=amendments[-1], now=now)
        yield _inputs(row)
        middle = row.week_starts_on + datetime.timedelta(days=3)
        yield lines_panel(minutes_detail(episode=row.episode, week_start=middle, now=now))
        yield _amendments(amendments)

    def week_view(self, request: Any, episode_id: int, day: str) -> TemplateResponse:
        return week_page(self, request, episode_id, day)


def _remark(row: WeekResult) -> str:
    """What is out of the ordinary with a result, in words; mostly nothing."""
    said = ["over the maximum"] if row.over_maximum else []
    return ", ".join([*said, "void: nobody judges this part of the week now"] if row.void else said)


def _verdict(row: WeekResult, last: WeekResult, now: datetime.datetime) -> Panel:
    if row.pk != last.pk:
        found = replay_inputs(row)
        agrees = "Its figures follow from its inputs. It was amended since: see the last number."
    else:
        found = replay(row, now=now)
        agrees = "Its figures follow from its inputs, and today's facts give the same."
    return Panel(
        "Replay",
        ("Difference",),
        [(in_words(one),) for one in found],
        empty=agrees,
    )


def _inputs(row: WeekResult) -> Panel:
    stored = row.inputs
    share = "whole week"
    inside, full = stored.get("share", [1, 1])
    if inside < full:
        share = f"{inside} of {full} template days"
    types = dict(SessionType.objects.in_clinic(row.clinic_id).values_list("pk", "name"))
    plan = stored.get("plan") or {}
    target = plan.get("weekly_minutes_target")
    return Panel(
        "Judged from",
        ("Day", "Type", "Scheduled", "Attended", "Credited", "Unrecorded", "Cancelled",
         "Services"),
        [
            (_day_of(day["local_date"]), types.get(day["session_type_id"], ""),
             *(hours_and_minutes(day.get(name, 0)) for name in _MINUTES),
             day.get("unrecorded", 0), hours_and_minutes(day.get("cancelled", 0)),
             day.get("services", 0))
            for day in stored.get("days", ())
        ],
        empty="No session counted.",
        note=f"Proration: {share}. Plan: {hours_and_minutes(target) if target else 'none'} a week. "
        f"Holds: {len(stored.get('holds', ()))}.",
    )  # fmt: skip


def _amendments(rows: Sequence[WeekResult]) -> Panel:
    corrected = _corrected(rows[-1]) if len(rows) > 1 else []
    after = [*rows[1:], None]
    return Panel(
        "Amendments",
        ("Number", "Minutes", "Days", "Credited", "Judged", "Why"),
        [
            (link(one, f"{one.amendment}"), one.get_minutes_status_display(),
             one.get_days_status_display(), hours_and_minutes(one.credited_minutes),
             f"{timezone.localtime(one.judged_at):%b %-d, %Y}", _why(one, later, corrected))
            for one, later in zip(rows, after, strict=True)
        ],
    )  # fmt: skip


_MINUTES = ("scheduled", "attended", "credited")


def _day_of(text: str) -> str:
    return f"{datetime.date.fromisoformat(text):%a %b %-d}"


def _why(one: WeekResult, later: WeekResult | None, corrected: Iterable[AttendanceRecord]) -> str:
    """The reason of an amendment, with the corrections written from then until the next verdict.

    A correction is judged as it is written, as of the moment it began: the trail's time is a little
    later. When the device says it was recorded tells nothing, for it may have waited for hours.
    """
    if not one.amendment:
        return one.reason or "The week was over and nothing was missing."
    told = [
        _correction(row)
        for row in corrected
        if _written_after(one, row) and not (later and _written_after(later, row))
    ]
    return " ".join([one.reason, *told])


def _written_after(verdict: WeekResult, row: AttendanceRecord) -> bool:
    return verdict.judged_at <= row.written_at + _CLOCKS  # type: ignore[attr-defined]


_CLOCKS = datetime.timedelta(seconds=5)
"""How far the database's clock, which the trail goes by, may be behind the server's."""


def _correction(row: AttendanceRecord) -> str:
    session = row.booking.session
    return (
        f"{row.recorded_by or 'A job'} on {session.title}, {session.local_date:%a %b %-d}: "
        f"{row.correction_reason.rstrip('.')}."
    )


def _corrected(row: WeekResult) -> list[AttendanceRecord]:
    """Records of the week that say why they were changed, with `written_at`; one statement."""
    told = AuditEvent.objects.filter(
        clinic_id=row.clinic_id,
        table_name=AttendanceRecord._meta.db_table,
        row_id=OuterRef("pk"),
        new__has_key="version",  # not when its minutes alone followed another record's
    )
    last = Subquery(told.order_by("-at", "-id").values("at")[:1])
    rows = AttendanceRecord.objects.filter(
        clinic=row.clinic_id,
        booking__episode=row.episode_id,
        booking__session__local_date__range=(row.segment_starts_on, row.segment_ends_on),
    ).exclude(correction_reason="")
    related = ("recorded_by", "booking__session__group", "booking__session__session_type")
    found: Any = rows.annotate(written_at=Coalesce(last, "recorded_at")).select_related(*related)
    return list(found.order_by("booking__starts_at", "pk"))
