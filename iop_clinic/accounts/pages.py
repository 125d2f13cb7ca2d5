"""The pages on which a person sets a password: by an invitation, or after forgetting it."""

from __future__ import annotations

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

from iop_clinic.accounts import invitations, services
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
    """Asks for the address. The answer is the same for every address."""

    form_class = ResetRequestForm
    template_name = "accounts/reset_request.html"
    success_url = reverse_lazy("password_reset_sent")

    def form_valid(self, form: ResetRequestForm) -> HttpResponse:
        services.request_password_reset(email=form.cleaned_data["email"])
        return super().form_valid(form)


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
