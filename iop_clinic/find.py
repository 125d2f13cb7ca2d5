"""One search box for the admin site: a name, a record number, a group, a therapist, a page.

The term is posted: a patient's name belongs neither in an address nor in the logs that keep it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from iop_clinic.accounts.admin.panels import Panel, anchor, link, page_url
from iop_clinic.accounts.models import Therapist
from iop_clinic.accounts.reads import note_read
from iop_clinic.dashboard import navigation
from patients.models import Episode, Patient
from scheduling.models import Group, Room

FOUND_IN = (Patient, Group, Therapist, Room)
SHOWN = 20
SHORTEST = 2


def find(request: Any) -> HttpResponse:
    """What begins with the term, of what this person sees; the page itself where it is the only.

    A GET, as after signing in again, asks for a term. The patients who are listed are noted.
    """
    term = " ".join(request.POST.get("term", "").split())
    rows = {model: _rows(request, model, term) for model in FOUND_IN}
    pages = list(_pages(request, term))
    found = [row for some in rows.values() for row in some]
    if len(found) == 1 and not pages:
        return HttpResponseRedirect(_address(found[0]))
    if listed := rows[Patient][:SHOWN]:
        with transaction.atomic():  # one or twenty: the same statements
            note_read(*listed, by=request.user)
    panels = [_panel(model, some) for model, some in rows.items() if some]
    if pages:
        panels.append(Panel("Pages", (), pages))
    context = {
        **admin.site.each_context(request),
        "title": f"Found for “{term}”" if panels else "Nothing found",
        "nothing": _nothing(term),
        "panels": panels,
    }
    return TemplateResponse(request, "admin/find.html", context)


def _rows(request: Any, model: Any, term: str) -> list[Any]:
    """One more than is shown, as the list of the model finds them; two statements at most."""
    page: Any = admin.site._registry[model]
    if len(term) < SHORTEST or not page.has_view_permission(request):
        return []
    rows, _ = page.get_search_results(request, page.get_queryset(request), term)
    return list(rows[: SHOWN + 1])


def _panel(model: Any, rows: list[Any]) -> Panel:
    name = str(model._meta.verbose_name_plural).capitalize()
    more = f"More than {SHOWN}: add a letter." if len(rows) > SHOWN else ""
    return Panel(name, (), [_line(row) for row in rows[:SHOWN]], note=more)


def _line(row: Any) -> tuple[str, ...]:
    if not isinstance(row, Patient):
        return (link(row),)
    latest: Any = row.latest_episode  # type: ignore[attr-defined]
    state = Episode.State(latest["state"]).label if latest else "Never referred"
    return anchor(_address(row), row), row.record_number, state


def _address(row: Any) -> str:
    """Of a patient the latest stay: its page has the weeks, and what is done every day."""
    latest = getattr(row, "latest_episode", None)
    if latest is None:
        return page_url(row)
    return reverse("admin:patients_episode_change", args=[latest["pk"]])


def _pages(request: Any, term: str) -> Iterator[tuple[str]]:
    if len(term) < SHORTEST:
        return
    for group in navigation(request):
        for page in group["items"]:
            if term.lower() in page["title"].lower():
                yield (anchor(page["link"], page["title"]),)


def _nothing(term: str) -> str:
    if len(term) < SHORTEST:
        return "Type at least two letters of a name, or a record number."
    return (
        "No patient, group, therapist, room or page among those you see begins with this. Try the "
        "record number, or fewer letters."
    )
