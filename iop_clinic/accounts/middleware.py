"""What every request of the admin site needs: the clinic a person works in, and its wall time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from iop_clinic.accounts.models import Clinic


class ClinicTimeMiddleware:
    """Show and read times of the admin site in the zone of the working clinic.

    The API states its instants with their offsets, so its requests are left alone.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.path = reverse("admin:index")

    def __call__(self, request: Any) -> HttpResponse:
        if not request.path.startswith(self.path) or not request.user.is_authenticated:
            return self.get_response(request)
        clinic = Clinic.objects.filter(pk=request.user.working_clinic_id).first()
        if clinic is None:
            return self.get_response(request)
        request.working_clinic = clinic
        with timezone.override(clinic.tz):
            return self.get_response(request)
