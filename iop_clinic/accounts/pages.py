"""The pages on which a person sets a password: by an invitation, or after forgetting it."""

from __future__ import annotations

import math
import uuid
from typing import Any

from django import forms
from django.contrib.auth import forms as auth_forms
from django.contrib.auth import views as auth_views
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import FormView, TemplateView
from rest_framework.exceptions import Throttled

from iop_clinic.accounts import invitations, services
from iop_clinic.accounts.api.throttles import count_or_refuse, limit_of
from iop_clinic.accounts.limits import address_of
from iop_clinic.accounts.models import User


class ResetRequestForm(forms.Form):
    email = forms.EmailField(
        label="Email address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autofocus": True}),
    )


class PasswordForm(auth_forms.SetPasswordForm):
    """A new password, twice; saving goes through the service, so that it is one audited step."""

    def save(self, commit: bool = True) -> User:
        user: User = self.user
        return services.set_password(
            user=user, password=self.cleaned_data["new_password1"], by=user
        )


@method_decorator(never_cache, name="dispatch")
class ResetRequestPage(FormView):
    """Asks for the address. The answer is the same for every address, and whoever asks too often
    is told so whether the address is known or not."""

    form_class = ResetRequestForm
    template_name = "accounts/reset_request.html"
    success_url = reverse_lazy("password_reset_sent")

    def form_valid(self, form: ResetRequestForm) -> HttpResponse:
        try:
            count_or_refuse(f"resets:address:{address_of(self.request)}", limit_of("resets"))
        except Throttled as refusal:
            wait: int = refusal.wait  # type: ignore[attr-defined]  # missing in the stubs
            return self._too_often(form, wait)
        services.request_password_reset(email=form.cleaned_data["email"])
        return super().form_valid(form)

    def _too_often(self, form: ResetRequestForm, wait: int) -> HttpResponse:
        form.add_error(None, f"Too many requests. Try again in {math.ceil(wait / 60)} min.")
        answer = self.form_invalid(form)
        answer.status_code, answer["Retry-After"] = 429, str(wait)
        return answer


class ResetSentPage(TemplateView):
    template_name = "accounts/reset_sent.html"


class SetPasswordPage(auth_views.PasswordResetConfirmView):
    """Takes the link of a mail. The token leaves the address bar before the form is shown."""

    form_class = PasswordForm
    template_name = "accounts/set_password.html"
    success_url = reverse_lazy("password_set")

    def get_user(self, uidb64: uuid.UUID) -> User | None:  # type: ignore[override]
        return invitations.user_of(uidb64)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        context["title"] = self._title()
        return context

    def _title(self) -> str:
        if not self.validlink:
            return "This link does not work any more"
        return "Set a new password" if self.user.has_usable_password() else "Welcome"


class PasswordSetPage(TemplateView):
    template_name = "accounts/password_set.html"
