"""What the weekly mail prints: the week's counts, without names of groups, programs or payers.

A figure about fewer than five people would be one about a person, so the mail says only that they
are few; the page behind the login has every number (R15).
"""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from attendance.models import Standard
from attendance.reports.bars import cells
from attendance.reports.figures import is_too_short_for, percent, percent_shown
from attendance.reports.links import short_weeks_url, weekly_url
from attendance.reports.picture import FEWEST_PATIENTS
from iop_clinic.accounts.weeks import Week
from patients.models import Episode

Reason = Episode.DischargeReason

LEAVING: dict[str, tuple[Reason, ...]] = {
    "completed": (Reason.COMPLETED,),
    "moved to another level or program": (
        Reason.STEPPED_UP,
        Reason.STEPPED_DOWN,
        Reason.TRANSFERRED,
    ),
    "dropped out": (Reason.DROPPED_OUT, Reason.ACA),
    "ended by the clinic": (Reason.TERMINATED,),
    "other": (Reason.DECEASED, Reason.OTHER, Reason.NOT_ADMITTED),
}
"""How treatment ends, in the classes that are reported everywhere (R20)."""

FEW = f"fewer than {FEWEST_PATIENTS} people"


def weekly_context(content: dict[str, Any], *, own: bool = False) -> dict[str, Any]:
    """What a week's report says in a mail; the pages behind its links know whose it is."""
    week = Week(datetime.date.fromisoformat(content["week"]))
    few = content["patients"] < FEWEST_PATIENTS
    return {
        "week": week.label,
        "patients": content["patients"],
        "few": FEW if few else "",
        "final": content["final"],
        "hours": [] if few else _hours(content["hours"]),
        "show": None if few else rate_row(content["show"]),
        "weekdays": [] if few else _weekdays(content["by_weekday"]),
        "retention": [_retained(row) for row in content.get("retention", ())],
        "stay": _stay(content["stay"]) if "stay" in content else None,
        "cases": content["cases"],
        "amended": content["amended"],
        "report_url": weekly_url(week.start),
        "short_url": short_weeks_url(week.start),
    }


def _hours(rows: Iterable[Mapping[str, int]]) -> list[dict[str, Any]]:
    """One line for the program's standards together, one for the payers', one for the courts'."""
    rows = list(rows)
    lines = []
    for source in Standard.Source:
        own = [row for row in rows if row["source"] == source]
        if own:
            names = ("met", "short", "open", "prorated")
            counts = {name: sum(row[name] for row in own) for name in names}
            weeks = counts["met"] + counts["short"] + counts["open"]
            lines.append(
                {"label": source.label, "few": weeks < FEWEST_PATIENTS, "weeks": weeks, **counts}
            )
    return lines


def rate_row(rate: Mapping[str, int]) -> dict[str, Any]:
    """A show rate in figures and in words."""
    recorded = rate["expected"] - rate["unrecorded"]
    words = f"{rate['attended']} of {recorded}"
    if rate["unrecorded"]:
        words += f", {rate['unrecorded']} not recorded"
    return {"percent": percent_shown(rate), "words": words}


def _weekdays(rows: Iterable[Mapping[str, int]]) -> list[dict[str, Any]]:
    rows = list(rows)
    longest = max((row["expected"] for row in rows), default=0)
    return [_weekday(row, longest) for row in rows]


def _weekday(row: Mapping[str, int], longest: int) -> dict[str, Any]:
    label = calendar.day_abbr[row["weekday"]]
    if row["patients"] < FEWEST_PATIENTS:
        return {"label": label, "cells": [], "words": FEW, "percent": None}
    absent = row["expected"] - row["attended"] - row["unrecorded"]
    parts = (row["attended"], absent, row["unrecorded"], 0)
    return {"label": label, "cells": cells(parts, longest), **rate_row(row)}


def _retained(row: Mapping[str, int]) -> dict[str, Any]:
    few = row["admitted"] < FEWEST_PATIENTS
    told = None if few else percent(row["kept"], row["admitted"])
    return {**row, "few": few, "percent": told, "too_short": is_too_short_for(row)}


def _stay(stay: Mapping[str, Any]) -> dict[str, Any]:
    few = stay["discharged"] < FEWEST_PATIENTS
    return {
        "few": few,
        "discharged": stay["discharged"],
        "median_days": stay["median_days"],
        "reasons": [] if few else _reasons(stay["reasons"]),
    }


def _reasons(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"label": label, "count": sum(own.values())} for label, own in by_class(counts)]


def by_class(counts: Mapping[str, int]) -> list[tuple[str, dict[Reason, int]]]:
    """Discharges in the classes that anybody left in, each with its reasons."""
    classes = (
        (label, {reason: counts[reason] for reason in reasons if counts.get(reason)})
        for label, reasons in LEAVING.items()
    )
    return [(label, own) for label, own in classes if own]
