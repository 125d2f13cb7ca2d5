"""Who may sign in to the admin site: people with a role in a clinic, and nobody else."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm


class LoginForm(AuthenticationForm):
    error_messages = {
        "invalid_login": "This email address and password do not belong together.",
        "inactive": "This account is closed.",
        "no_clinic": "You have no access to any clinic. Ask an administrator to invite you.",
    }

    def confirm_login_allowed(self, user: Any) -> None:
        if not user.is_active:
            raise ValidationError(self.error_messages["inactive"], code="inactive")
        if not user.is_staff:
            raise ValidationError(self.error_messages["no_clinic"], code="no_clinic")
