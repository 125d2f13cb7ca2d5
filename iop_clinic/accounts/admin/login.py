"""Who may sign in to the admin site: people with a role in a clinic, and nobody else; and a new
password for whoever is in.

Whoever sees their own rows alone leads sessions and has come for their rosters: without another
page in the address, as after a link in a mail, they go on there.
"""

from __future__ import annotations

import math
from typing import Any

from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse, reverse_lazy
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from rest_framework.exceptions import Throttled
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm

from iop_clinic.accounts import services
from iop_clinic.accounts.api.throttles import PasswordAttempts
from iop_clinic.accounts.models import User


class LoginForm(AuthenticationForm):
    error_messages = {
        "invalid_login": "This email address and password do not belong together.",
        "inactive": "This account is closed.",
        "no_clinic": "You have no access to any clinic. Ask an administrator to invite you.",
        "throttled": "Too many attempts. Try again in %(minutes)d min.",
    }

    def clean(self) -> dict[str, Any]:
        """Guesses count here and at the API together: neither is a way round the other."""
        given = self.cleaned_data
        if self.request is None or not (given.get("username") and given.get("password")):
            return super().clean()
        attempts = PasswordAttempts(self.request, given["username"])
        try:
            attempts.count()
        except Throttled as refusal:
            wait: int = refusal.wait  # type: ignore[attr-defined]  # missing in the stubs
            raise ValidationError(
                self.error_messages["throttled"],
                code="throttled",
                params={"minutes": math.ceil(wait / 60)},
            ) from refusal
        super().clean()
        attempts.forgive()
        return given

    def confirm_login_allowed(self, user: Any) -> None:
        if not user.is_active:
            raise ValidationError(self.error_messages["inactive"], code="inactive")
        if not user.is_staff:
            raise ValidationError(self.error_messages["no_clinic"], code="no_clinic")


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """Saving goes through the service: it is audited, and every other device is signed out."""

    def save(self, commit: bool = True) -> User:
        user: User = self.user
        password = self.cleaned_data["new_password1"]
        return services.set_password(user=user, password=password, by=user)


def awake(request: HttpRequest) -> HttpResponse:
    """A sign of life of somebody who types: 204, or 401 once the login has ended."""
    return HttpResponse(status=204 if request.user.is_authenticated else 401)


def change_password(request: HttpRequest) -> Any:
    """The site's own page for it would save the row past the service."""
    page = PasswordChangeView.as_view(
        form_class=OwnPasswordForm,
        success_url=reverse_lazy("admin:password_change_done"),
        extra_context=admin.site.each_context(request),
    )
    return page(request)


@never_cache
def sign_in(request: HttpRequest) -> HttpResponseBase:
    """Django's page for it, and where somebody goes on afterwards.

    Whoever is in already, by another tab, goes on to the page where this one was left: what was
    typed there is waiting.
    """
    left = request.GET.get(REDIRECT_FIELD_NAME, "")
    if request.method == "GET" and admin.site.has_permission(request) and _is_here(request, left):
        return redirect(left)
    answer = admin.site.login(request)
    user: Any = request.user
    start = reverse("admin:index")
    if answer.status_code != 302 or answer.headers["Location"] != start:
        return answer
    clinic = user.working_clinic()
    leads = clinic is not None and clinic.pk in user.sight.own_rows_clinics
    return redirect("roster:list" if leads else start)


def _is_here(request: HttpRequest, address: str) -> bool:
    hosts, https = {request.get_host()}, request.is_secure()
    return url_has_allowed_host_and_scheme(address, allowed_hosts=hosts, require_https=https)
