"""The views of the queue of cases: which of them somebody wants to see now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.contrib import admin
from django.utils import timezone

from attendance.admin.morning import short_this_week
from attendance.compliance.last_chances import last_chances
from attendance.querysets import FlagQuerySet
from attendance.reports.casework import of_caseload
from iop_clinic.accounts.admin.working import working_clinic
from iop_clinic.accounts.weeks import day_instants


def _mine(request: Any, rows: FlagQuerySet) -> FlagQuerySet:
    return rows.open().owned_by(request.user)


def _of_my_role(request: Any, rows: FlagQuerySet) -> FlagQuerySet:
    return rows.waiting_for_role_of(request.user)


def _today(request: Any, rows: FlagQuerySet) -> FlagQuerySet:
    """Due until tonight, or before."""
    today = timezone.localdate()
    ends = day_instants(today, working_clinic(request).tz)[1]
    return rows.waiting(today).filter(due_at__lt=ends)


def _overdue(request: Any, rows: FlagQuerySet) -> FlagQuerySet:
    return rows.overdue(timezone.now())


def _repairable(request: Any, rows: FlagQuerySet) -> FlagQuerySet:
    """Weeks that sessions with a free seat still repair."""
    short = short_this_week(rows, working_clinic(request)).select_related("episode__patient")
    chances = last_chances(short, now=timezone.now())
    return rows.filter(pk__in=[one.flag.pk for one in chances if one.plan])


class View(NamedTuple):
    title: str
    of: Callable[[Any, FlagQuerySet], FlagQuerySet]


VIEWS = {
    "": View("Open", lambda request, rows: rows.open()),
    "mine": View("Mine", _mine),
    "role": View("Waiting for my role", _of_my_role),
    "today": View("Due today", _today),
    "overdue": View("Overdue", _overdue),
    "repairable": View("Repairable", _repairable),
    "asleep": View("Put off", lambda request, rows: rows.asleep()),
    "settled": View("Closed and lapsed", lambda request, rows: rows.settled()),
    "all": View("All", lambda request, rows: rows),
}


class ViewFilter(admin.SimpleListFilter):
    """Open cases unless others are asked for: the list is a queue of work."""

    title = "state"
    parameter_name = "case"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, view.title) for name, view in VIEWS.items() if name]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Open"}
        yield from others

    def queryset(self, request: Any, rows: Any) -> Any:
        view = VIEWS.get(self.value() or "", VIEWS[""])
        return view.of(request, rows)


class CaseloadFilter(admin.SimpleListFilter):
    """What the mail of a therapist counts: for those who are one."""

    title = "whose"
    parameter_name = "whose"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [("caseload", "My caseload")] if request.user.scope.therapist_ids else []

    def queryset(self, request: Any, rows: Any) -> Any:
        if self.value() != "caseload":
            return rows
        therapists = request.user.scope.therapist_ids
        return of_caseload(rows, therapists, timezone.localdate())


def view_links(request: Any) -> list[dict[str, Any]]:
    """The views as links above the list; the one that is shown is marked."""
    shown = request.GET.get("case", "")
    return [
        {"title": view.title, "query": f"?case={name}" if name else "?", "current": name == shown}
        for name, view in VIEWS.items()
    ]
