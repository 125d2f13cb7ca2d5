"""The page of a weekly report: every number, and the names that no mail carries (R15)."""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Model, QuerySet
from django.urls import reverse

from attendance.models import ComplianceReport, Standard, WeekResult
from attendance.reports.figures import COHORT_DAYS, is_too_short_for, percent, percent_shown
from attendance.reports.weekly_mail import by_class
from iop_clinic.accounts.admin.panels import Panel, anchor, link
from iop_clinic.accounts.weeks import Week, hours_and_minutes
from patients.models import Episode, Program
from scheduling.models import Group

RATE = ("Show rate", "Attended", "Scheduled", "Not recorded", "Patients")


def weekly_panels(report: ComplianceReport) -> Iterable[Panel]:
    """The tables of a stored week, in three statements for the names."""
    content = report.content
    week = Week(datetime.date.fromisoformat(content["week"]))
    state = "Final." if content["final"] else "Something in it was open when it was told."
    yield Panel(
        f"The week {week.label}",
        ("In treatment", "Weeks met", "Weeks short", "Weeks open"),
        [(content["patients"], _sum(content, "met"), _short(content, week), _sum(content, "open"))],
        note=state,
    )
    yield _hours(report, content["hours"])
    yield Panel(
        "Show rate",
        RATE,
        [_rate(content["show"])],
        note="Attended of scheduled and recorded bookings. Unrecorded is not absent.",
    )
    yield Panel(
        "By weekday",
        ("Day", *RATE),
        [(calendar.day_name[row["weekday"]], *_rate(row)) for row in content["by_weekday"]],
    )
    yield _by_name("By group", report, Group, content["by_group"], "group", "Individual and family")
    yield _by_name("By program", report, Program, content["by_program"], "program", "")
    yield _cases(content)
    if "stay" in content:
        yield _retention(content["retention"])
        yield _stay(content["stay"])


def _sum(content: dict[str, Any], name: str) -> int:
    return sum(row[name] for row in content["hours"])


def _short(content: dict[str, Any], week: Week) -> object:
    """How many were short, with the way to each."""
    short = _sum(content, "short")
    address = reverse("admin:attendance_compliancereport_short", args=[week.start])
    return anchor(address, short) if short else short


def short_panels(rows: QuerySet[WeekResult]) -> Iterable[Panel]:
    """Each result of a week that lacks hours or days, by who sets the standard; 1 statement."""
    ordered = rows.select_related("episode__patient", "standard").order_by(
        "standard__source", "episode__patient__last_name", "episode__patient__first_name", "pk"
    )
    found = list(ordered)
    for source in Standard.Source:
        own = [row for row in found if row.standard.source == source]
        if own:
            yield Panel(
                f"Standards of the {source.label.lower()}: {len(own)} short",
                ("Patient", "Standard", "Minutes", "Minimum", "Qualifying days", "Days asked for"),
                [_short_line(row) for row in own],
            )
    if not found:
        yield Panel("Short", (), [], empty="Nobody’s week is short as the facts stand now.")


def _short_line(row: WeekResult) -> tuple[object, ...]:
    middle = row.week_starts_on + datetime.timedelta(days=3)
    where = reverse("admin:attendance_weekresult_week", args=[row.episode_id, middle])
    minutes = (row.judged_minutes, row.prorated_minimum)
    return (
        anchor(where, row.episode.patient), link(row.standard, row.standard.name),
        *(hours_and_minutes(one) for one in minutes), row.qualifying_days, row.prorated_days,
    )  # fmt: skip


def _hours(report: ComplianceReport, rows: list[dict[str, int]]) -> Panel:
    names = _names(report, Standard, (row["standard"] for row in rows))
    columns = ("met", "short", "short_of_hours", "short_of_days", "open", "prorated")
    return Panel(
        "Weekly hours and days",
        ("Standard", "Source", *(name.replace("_", " ").capitalize() for name in columns)),
        [
            (
                names.get(row["standard"], "none"),
                Standard.Source(row["source"]).label,
                *(row[name] for name in columns),
            )
            for row in rows
        ],
        note="Patients’ weeks under each standard; a short one may lack hours, days or "
        "both. Prorated: judged by a minimum cut for admission, discharge, hold or cancellation.",
    )


def _by_name(
    title: str,
    report: ComplianceReport,
    model: type[Model],
    rows: list[dict[str, Any]],
    key: str,
    without: str,
) -> Panel:
    names = _names(report, model, (row[key] for row in rows))
    lines = [(names.get(row[key], without), *_rate(row)) for row in rows]
    return Panel(title, (key.capitalize(), *RATE), lines)


def _names(report: ComplianceReport, model: type[Model], keys: Iterable[Any]) -> dict[int, str]:
    rows = model._default_manager.filter(clinic=report.clinic_id, pk__in=set(keys) - {None})
    return dict(rows.values_list("pk", "name"))


def _rate(row: Mapping[str, int]) -> tuple[str, int, int, int, int]:
    rate = _percents(percent_shown(row))
    return rate, row["attended"], row["expected"], row["unrecorded"], row["patients"]


def _percents(number: int | None) -> str:
    return "none" if number is None else f"{number} %"


def _parts(counts: Mapping[Episode.DischargeReason, int]) -> str:
    """The reasons of a class, where they say more than the class."""
    return ", ".join(f"{reason.label} {count}" for reason, count in counts.items())


def _cases(content: dict[str, Any]) -> Panel:
    cases = content["cases"]
    return Panel(
        "Cases of the week",
        ("Opened", "Closed by work", "Closed by facts", "Lapsed, not worked", "Results amended"),
        [
            (
                *(cases[name] for name in ("opened", "by_work", "by_facts", "lapsed")),
                content["amended"],
            )
        ],
    )


def _retention(rows: list[dict[str, int]]) -> Panel:
    return Panel(
        "Still in treatment",
        ("After", "Retention", "Still in treatment", "Admitted"),
        [(f"{row['days']} days", _retained(row), row["kept"], row["admitted"]) for row in rows],
        note=f"Each line is of the patients admitted in the {COHORT_DAYS} days that ended so many "
        "days ago. Whoever finished or moved on before is not in treatment any more.",
    )


def _retained(row: Mapping[str, int]) -> str:
    if is_too_short_for(row):
        return "–, nobody’s treatment was planned so long"
    return _percents(percent(row["kept"], row["admitted"]))


def _stay(stay: dict[str, Any]) -> Panel:
    median = stay["median_days"]
    return Panel(
        f"Discharges of the last {COHORT_DAYS} days",
        ("How it ended", "Discharges", "Of these"),
        [
            (label.capitalize(), sum(own.values()), _parts(own))
            for label, own in by_class(stay["reasons"])
        ],
        empty="Nobody was discharged.",
        note=""
        if median is None
        else f"{stay['discharged']} discharges; median length of stay {median:g} days.",
    )
