"""A patient's week as people see it, line by line."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from attendance.admin.judged_by import standard_link
from attendance.admin.wording import (
    day_said,
    days_counted,
    days_said,
    judged_part,
    minimum_said,
    minutes_said,
    plan_said,
)
from attendance.compliance.status import (
    JudgedStandard,
    MinutesLine,
    PatientWeek,
    minutes_detail,
    week_statuses,
)
from attendance.records.rules import Interval, Status
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.admin.working import working_clinic
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date, hours_and_minutes, long_date
from patients.models import Episode
from scheduling.models import Booking


def week_page(page: ClinicModelAdmin, request: Any, episode_id: int, day: str) -> TemplateResponse:
    """One week of an episode: facts, each standard, every line behind the minutes."""
    if not page.may(request, Can.VIEW_PATIENTS):
        raise PermissionDenied
    start, episode = _date(day), _episode(request, episode_id)
    now = timezone.now()
    found = week_statuses(
        clinic=episode.clinic_id, episode_ids=[episode.pk], weeks=[start], now=now
    )
    (week,) = found.values()
    note_read(episode, by=request.user)
    context = {
        **page.admin_site.each_context(request),
        "title": f"Week of {week.week.label}",
        "opts": Episode._meta,
        "original": episode,
        "links": _neighbors(episode, week),
        "panels": [
            _facts(week),
            *(_standard(one) for one in week.standards),
            lines_panel(minutes_detail(episode=episode, week_start=start, now=now)),
        ],
    }
    request.current_app = page.admin_site.name
    return TemplateResponse(request, "admin/week.html", context)


def week_url(episode_id: int, start: datetime.date) -> str:
    """The page that explains a week of an episode line by line."""
    return reverse("admin:attendance_weekresult_week", args=[episode_id, start])


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
    version = standard_link(judged.standard, f"version of {full_date(judged.version)}")
    asked = format_html("Asked for by the {}, {}.", judged.source, version)
    said = [final]
    if judged.week.start != judged.first:
        said.append(f"Its week begins on {long_date(judged.week.start)}.")
    days = "; ".join(_days(judged))
    return format_html("{} {}", asked, " ".join([*said, f"{days}."] if days else said))


def _days(judged: JudgedStandard) -> Iterator[str]:
    """Each date, under a standard that asks for days."""
    if not judged.terms.days:
        return
    kept = {line.local_date for line in judged.lines if line.scheduled}
    taken = {line.local_date for line in judged.lines if line.cancelled} - kept
    for day in judged.judgement.days:
        yield day_said(day, judged.terms, cancelled=day.local_date in taken)


def lines_panel(lines: Sequence[MinutesLine]) -> Panel:
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
        span_said(line.starts_at, line.ends_at),
        presence_said(line),
        ", ".join(f"{end - start} min" for start, end in line.breaks) or "none",
        ", ".join(_interval(one) for one in away) or "none",
        hours_and_minutes(line.scheduled),
        hours_and_minutes(line.attended),
        hours_and_minutes(line.credited),
        line.rule,
        _author(line),
    )


def presence_said(line: MinutesLine) -> str:
    """What is known of one booking: "present, 9:05 AM – end", "to come", "gave notice"."""
    if line.status is None:
        return "cancelled by the clinic"
    said = line.status.value.replace("_", " ")
    if line.status == Status.UNRECORDED:
        said = _not_recorded(line)
    if line.arrived_at or line.left_at:
        said += f", {_clock(line.arrived_at) or 'start'} – {_clock(line.left_at) or 'end'}"
    return f"{said} (make-up)" if line.makes_up else said


def _not_recorded(line: MinutesLine) -> str:
    """Unrecorded is only what has ended."""
    if line.booking_state == Booking.State.RELEASED:
        return "gave notice, unrecorded" if line.ended else "gave notice"
    return "unrecorded" if line.ended else "to come"


def _author(line: MinutesLine) -> str:
    if line.recorded_at is None:
        return "not recorded" if line.ended and not line.cancelled else ""
    said = (
        f"{line.recorded_by or 'import'}, {timezone.localtime(line.recorded_at):%b %-d, %-I:%M %p}"
    )
    return f"{said}: {line.correction_reason}" if line.correction_reason else said


def _interval(span: Interval) -> str:
    return span_said(span.start, span.end)


def span_said(start: datetime.datetime, end: datetime.datetime) -> str:
    """Two instants in wall time: "9:00 AM – 10:00 AM"."""
    return f"{_clock(start)} – {_clock(end)}"


def _clock(moment: datetime.datetime | None) -> str:
    return f"{timezone.localtime(moment):%-I:%M %p}" if moment else ""
