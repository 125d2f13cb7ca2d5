"""A patient's week as people see it, line by line; the stored results with their replay."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html

from attendance.admin.reports import AmendedFilter
from attendance.admin.wording import (
    days_counted,
    days_said,
    judged_part,
    minimum_said,
    minutes_said,
    plan_said,
)
from attendance.compliance.replays import in_words
from attendance.compliance.results import replay, replay_inputs
from attendance.compliance.rules.weeks import DayJudgement
from attendance.compliance.status import (
    JudgedStandard,
    MinutesLine,
    PatientWeek,
    minutes_detail,
    week_statuses,
)
from attendance.models import WeekResult
from attendance.records.rules import Interval
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.admin.working import working_clinic
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import hours_and_minutes
from patients.models import Episode
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
        "credited_minutes",
        "prorated_minimum",
        "qualifying_days",
        "amendment",
        "void",
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
        ("scheduled_minutes", "attended_minutes"),
        ("credited_minutes", "judged_minutes"),
        ("minimum", "prorated_minimum"),
        ("qualifying_days", "prorated_days"),
        ("over_maximum", "void"),
        "reason",
        "judged_at",
    )

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
        yield _lines(minutes_detail(episode=row.episode, week_start=middle, now=now))
        yield Panel(
            "Amendments",
            ("Number", "Minutes", "Days", "Credited", "Judged", "Why"),
            [
                (link(one, f"{one.amendment}"), one.get_minutes_status_display(),
                 one.get_days_status_display(), hours_and_minutes(one.credited_minutes),
                 f"{timezone.localtime(one.judged_at):%b %-d, %Y}",
                 one.reason or "The week was over and nothing was missing.")
                for one in amendments
            ],
        )  # fmt: skip

    def week_view(self, request: Any, episode_id: int, day: str) -> TemplateResponse:
        """One week of an episode: facts, each standard, every line behind the minutes."""
        if not self.may(request, Can.VIEW_PATIENTS):
            raise PermissionDenied
        start, episode = _date(day), _episode(request, episode_id)
        now = timezone.now()
        found = week_statuses(
            clinic=episode.clinic_id, episode_ids=[episode.pk], weeks=[start], now=now
        )
        (week,) = found.values()
        note_read(episode, by=request.user)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Week of {week.week.label}",
            "opts": Episode._meta,
            "original": episode,
            "links": _neighbors(episode, week),
            "panels": [
                _facts(week),
                *(_standard(one) for one in week.standards),
                _lines(minutes_detail(episode=episode, week_start=start, now=now)),
            ],
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/week.html", context)


def week_url(episode_id: int, start: datetime.date) -> str:
    """The page that explains a week of an episode line by line."""
    return reverse("admin:attendance_weekresult_week", args=[episode_id, start])


def week_link(week: PatientWeek) -> str:
    return format_html(
        '<a href="{}" class="font-medium text-primary-700 underline underline-offset-2 '
        'dark:text-primary-400">{}</a>',
        week_url(week.episode_id, week.week.start),
        week.week.label,
    )


def _episode(request: Any, pk: int) -> Episode:
    rows = Episode.objects.visible_to(request.user).filter(clinic=working_clinic(request))
    row = rows.select_related("patient", "clinic").filter(pk=pk, admitted_on__isnull=False).first()
    if row is None:
        raise Http404
    return row


def _date(text: str) -> datetime.date:
    """A clinical date in an address; anything else is no such page."""
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        raise Http404 from None
    if not 2000 <= day.year < 2200:
        raise Http404
    return day


def _neighbors(episode: Episode, week: PatientWeek) -> list[tuple[str, str]]:
    return [
        ("Episode", reverse("admin:patients_episode_change", args=[episode.pk])),
        ("Week before", week_url(episode.pk, week.week.shifted(-1).start)),
        ("Week after", week_url(episode.pk, week.week.shifted(1).start)),
    ]


# --- the week -------------------------------------------------------------------------------------


def _facts(week: PatientWeek) -> Panel:
    minutes = (week.scheduled, week.attended, week.credited, week.at_most)
    open_ = f"{week.unrecorded} unrecorded, {week.upcoming} to come"
    return Panel(
        "Minutes of the week",
        ("Prescribed", "Scheduled", "Attended", "Credited", "At most", "Still open"),
        [(plan_said(week), *(hours_and_minutes(one) for one in minutes), open_)],
        note="Sessions that have ended, of every type. “At most” adds what is unrecorded or "
        "booked, attended in full.",
    )


def _standard(judged: JudgedStandard) -> Panel:
    week = judged.judgement
    most = judged.terms.maximum
    over = f"over {hours_and_minutes(most)}" if most and week.over_maximum else "no"
    part = judged_part(judged)
    return Panel(
        f"{judged.name}{f', {part}' if part else ''}",
        ("Minimum", f"{judged.terms.basis.capitalize()}", "Minutes", "Qualifying days", "Days",
         "Over maximum"),
        [
            (minimum_said(judged), hours_and_minutes(week.at_least), minutes_said(judged),
             days_counted(judged), days_said(judged), over)
        ],
        note=_standard_note(judged),
    )  # fmt: skip


def _standard_note(judged: JudgedStandard) -> str:
    final = "Final." if judged.final and judged.ended else "Open: it may still change."
    days = "; ".join(_day(one) for one in judged.judgement.days)
    source = f"Asked for by the {judged.source}, version of {judged.version}. {final}"
    own = "" if judged.week.start == judged.first else f" Its week begins on {judged.week.start}."
    return f"{source}{own} {days}." if days else f"{source}{own}"


def _day(day: DayJudgement) -> str:
    counts = "counts" if day.qualifies else "may still count" if day.can_qualify else "short"
    return f"{day.local_date:%a} {hours_and_minutes(day.at_least)} {counts}"


def _lines(lines: Sequence[MinutesLine]) -> Panel:
    return Panel(
        "Minutes, line by line",
        ("Day", "Session", "Time", "Present", "Breaks", "Away", "Scheduled", "Attended",
         "Credited", "Rule", "Recorded"),
        [_line(one) for one in lines],
        empty="No session in this week.",
        note="Breaks, time away and visits elsewhere do not count. Their sums are the week's.",
    )  # fmt: skip


def _line(line: MinutesLine) -> tuple[object, ...]:
    away = [*line.away, *line.nested_visits]
    return (
        f"{line.local_date:%a %b %-d}",
        line.title,
        _span(line.starts_at, line.ends_at),
        _presence(line),
        ", ".join(f"{end - start} min" for start, end in line.breaks) or "none",
        ", ".join(_interval(one) for one in away) or "none",
        hours_and_minutes(line.scheduled),
        hours_and_minutes(line.attended),
        hours_and_minutes(line.credited),
        line.rule,
        _author(line),
    )


def _presence(line: MinutesLine) -> str:
    if line.status is None:
        return "cancelled by the clinic"
    said = line.status.value.replace("_", " ")
    if line.arrived_at or line.left_at:
        said += f", {_clock(line.arrived_at) or 'start'} – {_clock(line.left_at) or 'end'}"
    return f"{said} (make-up)" if line.makes_up else said


def _author(line: MinutesLine) -> str:
    if line.recorded_at is None:
        return "not recorded" if line.ended and not line.cancelled else ""
    said = (
        f"{line.recorded_by or 'import'}, {timezone.localtime(line.recorded_at):%b %-d, %-I:%M %p}"
    )
    return f"{said}: {line.correction_reason}" if line.correction_reason else said


def _interval(span: Interval) -> str:
    return _span(span.start, span.end)


def _span(start: datetime.datetime, end: datetime.datetime) -> str:
    return f"{_clock(start)} – {_clock(end)}"


def _clock(moment: datetime.datetime | None) -> str:
    return f"{timezone.localtime(moment):%-I:%M %p}" if moment else ""


# --- a stored result ------------------------------------------------------------------------------


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
            (day["local_date"], types.get(day["session_type_id"], ""),
             *(hours_and_minutes(day.get(name, 0)) for name in _MINUTES),
             day.get("unrecorded", 0), hours_and_minutes(day.get("cancelled", 0)),
             day.get("services", 0))
            for day in stored.get("days", ())
        ],
        empty="No session counted.",
        note=f"Proration: {share}. Plan: {hours_and_minutes(target) if target else 'none'} a week. "
        f"Holds: {len(stored.get('holds', ()))}.",
    )  # fmt: skip


_MINUTES = ("scheduled", "attended", "credited")
