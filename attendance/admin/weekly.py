"""The page of a weekly report: every number, and the names that no mail carries (R15)."""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Model

from attendance.models import ComplianceReport, Standard
from attendance.reports.figures import COHORT_DAYS, percent, percent_shown
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.weeks import Week
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
        [
            (
                content["patients"],
                *(sum(row[name] for row in content["hours"]) for name in ("met", "short", "open")),
            )
        ],
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
        "Staying in treatment",
        ("After", "Retention", "Still in treatment", "Admitted"),
        [
            (
                f"{row['days']} days",
                _percents(percent(row["kept"], row["admitted"])),
                row["kept"],
                row["admitted"],
            )
            for row in rows
        ],
        note=f"Of those admitted over {COHORT_DAYS} days who could have stayed so long. Whoever "
        "completed or moved on earlier counts as no longer in treatment.",
    )


def _stay(stay: dict[str, Any]) -> Panel:
    median = stay["median_days"]
    return Panel(
        f"Discharges of the last {COHORT_DAYS} days",
        ("Reason", "Discharges"),
        [
            (Episode.DischargeReason(reason).label, count)
            for reason, count in stay["reasons"].items()
        ],
        empty="Nobody was discharged.",
        note=""
        if median is None
        else f"{stay['discharged']} discharges; median length of stay {median:g} days.",
    )
