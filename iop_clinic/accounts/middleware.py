"""What requests need beyond Django's own: the clinic's wall time in the admin site, and no body
where nobody reads one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone


class ClinicTimeMiddleware:
    """Show and read times of the admin site in the zone of the working clinic.

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
        if "admin" not in request.resolver_match.namespaces or not request.user.is_authenticated:
            return
        clinic = request.user.working_clinic()
        if clinic is not None:
            request.working_clinic = clinic
            timezone.activate(clinic.tz)


class NoBodyMiddleware:
    """A HEAD is answered with the length of the body, without it: web servers complain of one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.method == "HEAD" and not response.streaming:
            response.content = b""
        return response
