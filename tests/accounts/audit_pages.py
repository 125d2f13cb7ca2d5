"""Pages of the audit tests: two write as whoever is signed in, one as nobody in particular."""

from __future__ import annotations

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from iop_clinic.accounts.models import User
from patients.models import Patient
from patients.services import save_patient


def rename(request: HttpRequest) -> HttpResponse:
    """As a page of the admin site does: the session's user acts."""
    patient, user = Patient.objects.get(), request.user
    assert isinstance(user, User)
    save_patient(clinic=patient.clinic, patient=patient, first_name=request.GET["to"], by=user)
    return HttpResponse(_backend())


@api_view(["GET"])
def api_rename(request: Request) -> Response:
    """As the API does: the token's user acts."""
    rename(request)
    return Response(_backend())


def rename_without_actor(request: HttpRequest) -> HttpResponse:
    """As a forgotten path would: no service, no actor."""
    Patient.objects.update(first_name=request.GET["to"])
    return HttpResponse(_backend())


def _backend() -> str:
    """Which server process answered: the same for two requests means the same connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return str(cursor.fetchone()[0])


urlpatterns = [
    path("rename/", rename),
    path("api/rename/", api_rename),
    path("rename-without-actor/", rename_without_actor),
]
