"""Every page that a person opens: walked from the URL resolver, so that none is forgotten.

    for page in pages():
        address = page.address(rows)       # of the rows in a mapping by model

The REST API has a walk of its own (tests/project/access.py).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from attendance.models import ComplianceReport
from patients.models import Episode, Patient
from scheduling.models import Group, Session

Rows = Mapping[type[Model], Any]

PUBLIC = ("account/", "healthz", "readyz", "api/")
"""Addresses for whoever has no session: a password to set, a server to ask, the API's own keys."""


@dataclass(frozen=True)
class Page:
    """One named address. `model` is the table whose admin page it is; `wants` names its parts."""

    name: str
    model: type[Model] | None
    wants: tuple[str, ...]

    @property
    def of_a_row(self) -> bool:
        return bool(self.wants)

    @property
    def last(self) -> str:
        """What is done there: "change", "hold"; the whole name where no table owns the page."""
        return self.name.rpartition(":")[2].split("_", 2)[2] if self.model else self.name

    def address(self, rows: Rows) -> str:
        """Raises KeyError where a row that the address names is missing."""
        named = {part: _part(self, part, rows) for part in self.wants}
        if self.name == "admin:app_list":
            named["app_label"] = "patients"
        return reverse(self.name, kwargs=named)


def _part(page: Page, part: str, rows: Rows) -> Any:
    match part:
        case "object_id":
            return rows[page.model or Patient].pk
        case "content_type_id":
            return ContentType.objects.get_for_model(Patient).pk
        case "episode_id":
            return rows[Episode].pk
        case "day" | "date":
            return (
                rows[Session].local_date.isoformat() if part == "day" else rows[Session].local_date
            )
        case "start":
            return week_told(rows[ComplianceReport]).isoformat()
        case "group":
            return rows[Group].public_id
        case "session":
            return rows[Session].public_id
    raise KeyError(part)


def week_told(report: ComplianceReport) -> datetime.date:
    """The Monday of the week before a report's night: what a weekly report tells of."""
    night = report.local_date
    return night - datetime.timedelta(days=night.weekday() + (7 if night.weekday() < 6 else 0))


def pages() -> list[Page]:
    return [page for page in _walk(get_resolver(), "", "") if page is not None]


def _walk(resolver: URLResolver, path: str, space: str) -> Iterator[Page | None]:
    for entry in resolver.url_patterns:
        address = f"{path}{entry.pattern}"
        if isinstance(entry, URLResolver):
            inner = f"{entry.namespace}:" if entry.namespace else ""
            yield from _walk(entry, address, space + inner)
        elif not address.startswith(PUBLIC) and not address.startswith("^api"):
            yield _page(entry, space)


def _page(entry: URLPattern, space: str) -> Page | None:
    if not entry.name:  # "/" and "/<pk>/", which lead on, and what catches unknown addresses
        return None
    parts = entry.name.split("_", 2)
    model = _model(*parts[:2]) if space == "admin:" and len(parts) == 3 else None
    return Page(space + entry.name, model, tuple(entry.pattern.converters))


def _model(app: str, name: str) -> type[Model] | None:
    try:
        return apps.get_model(app, name)
    except LookupError:
        return None
