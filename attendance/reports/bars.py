"""A week's picture as table cells, which mail programs show even with pictures off."""

import datetime
from collections.abc import Sequence
from typing import Any

from attendance.reports.picture import FEWEST_PATIENTS
from iop_clinic.accounts.weeks import Week

KINDS = ("attended", "absent", "unrecorded", "booked")


def week_bars(picture: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the templates need to print a stored picture (see picture.py)."""
    if picture is None:
        return None
    longest = max(day["expected"] for day in picture["days"])
    return {
        "label": Week(datetime.date.fromisoformat(picture["starts_on"])).label,
        "days": [_day_bar(day, longest) for day in picture["days"]],
    }


def _day_bar(day: dict[str, Any], longest: int) -> dict[str, Any]:
    date = datetime.date.fromisoformat(day["date"])
    shown = day["expected"] and not day["few"]
    return {
        "label": f"{date:%a} {date.day}",
        "cells": cells(_parts(day), longest) if shown else [],
        "words": _words(day),
    }


def _parts(day: dict[str, Any]) -> list[int]:
    """Bookings, in the order of KINDS."""
    if day["ahead"]:
        return [0, 0, 0, day["expected"]]
    return [day["attended"], day["absent"], day["unrecorded"], 0]


def _words(day: dict[str, Any]) -> str:
    if day["few"]:
        return f"fewer than {FEWEST_PATIENTS} people"
    if not day["expected"]:
        return "no sessions"
    if day["ahead"]:
        return f"{day['expected']} booked"
    words = f"{day['attended']} of {day['expected']} came"
    return f"{words}, {day['unrecorded']} not recorded" if day["unrecorded"] else words


def cells(parts: Sequence[int], longest: int) -> list[dict[str, Any]]:
    """Cells of whole percents of the longest bar that add up to 100, an empty rest included.

    Each cell ends where the sum so far ends, so that rounding never adds up to 99 or 101.
    """
    found, done, edge = [], 0, 0
    for kind, part in zip((*KINDS, "rest"), (*parts, longest - sum(parts)), strict=True):
        done += part
        until = round(100 * done / longest)
        if until > edge:
            found.append({"kind": kind, "percent": until - edge})
        edge = until
    return found
