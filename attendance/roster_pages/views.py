"""Today's rosters, the sheet on which a roster is recorded, and the sheet patients sign on paper.

The pages show when and where; who is expected, what is recorded and what it adds up to comes from
the REST API, to which the sheet's script also sends what is recorded.
"""

from __future__ import annotations

import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import TemplateView

from attendance.admin.sessions import rosters_missing
from attendance.records.day_rows import day_rows
from attendance.roster_pages.units import Unit, sessions_for, units_of
from iop_clinic.accounts.admin.working import working_clinic
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from scheduling.querysets import SessionQuerySet

LOOK_BACK = datetime.timedelta(days=14)
EMPTY_LINES = 4
"""On the paper sheet, for whoever is added at the door."""


@method_decorator(never_cache, name="dispatch")
class RosterPage(TemplateView):
    """For people with a role in the clinic they work in; `needs` is what it must allow."""

    needs = Can.RECORD_ATTENDANCE
    request: Any

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated or not request.user.is_staff:
            return redirect_to_login(request.get_full_path())
        return super().dispatch(request, *args, **kwargs)

    def sessions(self) -> SessionQuerySet:
        return sessions_for(self.request.user, working_clinic(self.request))

    def allow(self) -> None:
        """Raise PermissionDenied unless the role allows this page."""
        if not self.request.user.may(self.needs, working_clinic(self.request)):
            raise PermissionDenied

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        clinic = working_clinic(self.request)
        records = self.request.user.may(Can.RECORD_ATTENDANCE, clinic)
        context = super().get_context_data(**kwargs)
        return context | {"clinic": clinic, "zone": clinic.zone, "records": records}


class RosterList(RosterPage):
    """One day's rosters, and those of the two weeks before that are not in.

    Whoever does not record attendance finds the sheets here that patients sign on paper.
    """

    needs = Can.VIEW_SCHEDULE
    template_name = "attendance/roster/list.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        self.allow()
        context = super().get_context_data(**kwargs)
        today = timezone.localdate()
        day = self._day(today)
        step = datetime.timedelta(days=1)
        units = units_of(list(self.sessions().filter(local_date=day)))
        return context | {
            "today": today,
            "day": day,
            "before": day - step,
            "after": day + step,
            "units": units,
            "others": not all(unit.led for unit in units),
            "missing": self._missing(today) if context["records"] else [],
        }

    def _day(self, today: datetime.date) -> datetime.date:
        given = self.request.GET.get("date")
        if given is None:
            return today
        try:
            day = datetime.date.fromisoformat(given)
        except ValueError:
            raise Http404 from None
        if not 2000 <= day.year < 2100:
            raise Http404
        return day

    def _missing(self, today: datetime.date) -> list[Unit]:
        """Oldest first; today's stand in the list itself."""
        user, now = self.request.user, timezone.now()
        held = self.sessions().filter(
            live=True, local_date__gte=today - LOOK_BACK, local_date__lt=today
        )
        days: dict[datetime.date, list[Any]] = {}
        for session in rosters_missing(held, user=user, now=now):
            days.setdefault(session.local_date, []).append(session)
        return [unit for rows in days.values() for unit in units_of(rows)]


class ChangeOver(RosterPage):
    """On a shared device: signs out who is in, so that whose marks wait there can sign in.

    `next` is the roster to come back to. The page has the token of whoever is in now; the sheet
    that leads here was made for somebody else.
    """

    template_name = "attendance/roster/change_over.html"
    http_method_names = ("get", "post")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        given, rosters = request.GET.get("next", ""), reverse("roster:list")
        self.back = given if given.startswith(rosters) else rosters
        if not request.user.is_authenticated:
            return redirect_to_login(self.back)
        return super().dispatch(request, *args, **kwargs)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        logout(request)
        return redirect_to_login(self.back)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"back": self.back}


class OneUnit(RosterPage):
    """A page of the group's day or the session that its address names; not visible is 404."""

    def unit(self) -> Unit:
        sessions = list(self.named(self.sessions(), **self.kwargs))
        if not sessions:
            raise Http404
        self.allow()
        return Unit(tuple(sessions))

    def named(self, rows: SessionQuerySet, **names: Any) -> SessionQuerySet:
        raise NotImplementedError

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        unit = self.unit()
        return super().get_context_data(**kwargs) | {"unit": unit, "zone": unit.first.zone}


class OfGroup(OneUnit):
    def named(self, rows: SessionQuerySet, **names: Any) -> SessionQuerySet:
        group: UUID = names["group"]
        return rows.filter(group__public_id=group, local_date=names["date"])


class OfSession(OneUnit):
    """A session of a group is a part of its day, and recorded there."""

    def named(self, rows: SessionQuerySet, **names: Any) -> SessionQuerySet:
        session: UUID = names["session"]
        return rows.filter(public_id=session, group=None)


class Sheet(OneUnit):
    template_name = "attendance/roster/sheet.html"


class SignIn(OneUnit):
    """The paper sheet: who is expected, by preferred name and initial, with room for a name more.

    Whoever sees the roster may print it.
    """

    needs = Can.VIEW_SCHEDULE
    template_name = "attendance/roster/sign_in.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        sessions = context["unit"].sessions
        with transaction.atomic():  # one session or three: the same statements
            note_read(*sessions, by=self.request.user)
        names = sorted(row.patient_short_name for row in day_rows(sessions))
        return context | {"names": names, "empty_lines": range(EMPTY_LINES)}


class DaySheet(OfGroup, Sheet):
    pass


class SessionSheet(OfSession, Sheet):
    pass


class DaySignIn(OfGroup, SignIn):
    pass


class SessionSignIn(OfSession, SignIn):
    pass
