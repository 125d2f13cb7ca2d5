"""What requests need beyond Django's own: the clinic's wall time in the admin site, what a page may
load, and no body where nobody reads one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

WALL_TIME = {"admin", "roster"}
"""Namespaces of the pages that people read."""
WALL_TIME_ALONE = {"find", "new-password"}
"""Such pages that are in no namespace."""

_OWN = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'"
PAGES = f"{_OWN}; form-action 'self'"
ADMIN_PAGES = f"{PAGES}; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"
"""Unfold's Alpine evaluates its attributes, and its pages carry styles; scripts are files."""


TIMES, ONE_WRITE = "times", 60
"""When a login began and when it was last used, in seconds; how seldom that is written."""
UNATTENDED = "X-Unattended"
"""The header of what a page asks by itself, again and again: nobody need be there."""


class ContentPolicyMiddleware:
    """Tell the browser to run and load nothing but the site's own files.

    A page that shows what it did not write, such as a mail, sets a narrower policy itself.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        policy = ADMIN_PAGES if request.path.startswith("/admin/") else PAGES
        response.headers.setdefault("Content-Security-Policy", policy)
        return response


class ClinicTimeMiddleware:
    """Show and read times of the admin site and the roster pages in the zone of the working clinic.

    The API states its instants with their offsets, so its requests are left alone.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            return self.get_response(request)
        finally:
            timezone.deactivate()  # the thread serves somebody else next

    def process_view(self, request: Any, *_view: Any) -> None:
        match = request.resolver_match
        shown = WALL_TIME.intersection(match.namespaces) or match.url_name in WALL_TIME_ALONE
        if not shown or not request.user.is_authenticated:
            return
        clinic = request.user.working_clinic()
        if clinic is not None:
            request.working_clinic = clinic
            timezone.activate(clinic.tz)


class IdleMiddleware:
    """Sign out whoever has sent nothing for `IDLE_SECONDS`, and everybody when a login is as old as
    `SESSION_COOKIE_AGE` (R16). The page itself tells before it strikes (`session.js`).

    What is `UNATTENDED` is answered, but is no use. The time is written at most once a minute: a
    session is a row.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.IDLE_SECONDS and SESSION_KEY in request.session:
            self._look(request.session, int(time.time()), used=UNATTENDED not in request.headers)
        return self.get_response(request)

    def _look(self, session: Any, now: int, *, used: bool) -> None:
        began, seen = session.get(TIMES, (now, 0))
        unused = seen and now - seen >= settings.IDLE_SECONDS
        if unused or now - began > settings.SESSION_COOKIE_AGE:
            session.flush()
        elif used and now - seen >= ONE_WRITE:
            session[TIMES] = (began, now)


class NoBodyMiddleware:
    """A HEAD is answered with the length of the body, without it: web servers complain of one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.method == "HEAD" and not response.streaming:
            response.content = b""
        return response
