"""What the lists and tables of the admin site say, without their markup."""

from __future__ import annotations

import re
from typing import Any

from django.db.models import Model
from django.utils.html import strip_tags

from iop_clinic.accounts.admin.panels import Panel
from tests.admin import Ahead, Desk

_ROW = re.compile(r"<tr[^>]*>(.*?)</tr>", re.S)
_CELL = re.compile(r'class="field-(\w+)[^>]*>(.*?)</t[dh]>', re.S)


def cells(at: Desk, model: type[Model]) -> list[dict[str, str]]:
    """The rows of a list by the names of their columns."""
    html = at.open(model).content.decode().partition('id="result_list"')[2]
    rows = (dict(_CELL.findall(row)) for row in _ROW.findall(html))
    return [{name: said(cell) for name, cell in row.items()} for row in rows if row]


def panels(at: Desk, row: Model) -> dict[str, Panel]:
    """The tables of a row's page by their titles."""
    context = at.open(row, "change").context
    return {one.title: one for one in (*context["panels_above"], *context["panels_below"])}


def ahead_said(ahead: Ahead) -> dict[str, list[tuple[str, ...]]]:
    """The tables of what a form would change, by their titles."""
    return {one.title: lines(one) for one in ahead.panels}


def lines(panel: Panel) -> list[tuple[str, ...]]:
    return [tuple(said(cell) for cell in row) for row in panel.rows]


def said(cell: Any) -> str:
    return " ".join(strip_tags(str(cell)).split())
