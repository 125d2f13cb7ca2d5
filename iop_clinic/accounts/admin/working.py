"""The clinic a person works in during one request of the admin site."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied

from iop_clinic.accounts.models import Clinic


def working_clinic(request: Any) -> Clinic:
    """The clinic chosen last, read once for each request. Raises PermissionDenied without one."""
    clinic = getattr(request, "working_clinic", None)
    if clinic is None:
        clinic = request.user.working_clinic()
        if clinic is None:
            raise PermissionDenied
        request.working_clinic = clinic
    return clinic
