"""Links that let a person set a password, and the mails that carry them.

A link holds the person's public id and a token signed by Django's password-reset generator. It
works once (the token signs the current password), expires (PASSWORD_RESET_TIMEOUT), and dies when
the person signs in or is deactivated. Subjects are neutral: an inbox is an open screen.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from iop_clinic.accounts.models import Membership, User


def password_link(user: User) -> str:
    """The absolute address of the page that lets this person, and nobody else, set a password."""
    token = default_token_generator.make_token(user)
    path = reverse("set_password", kwargs={"uidb64": user.public_id, "token": token})
    return f"{settings.BASE_URL}{path}"


def user_of(public_id: uuid.UUID) -> User | None:
    """The active person a link names, or None."""
    return User.objects.filter(public_id=public_id, is_active=True).first()


# --- mails -----------------------------------------------------------------------------------


def mail_invitation(membership: Membership) -> None:
    """The link to set a first password."""
    _mail(
        "invitation",
        "Set your password",
        membership.user,
        clinic=membership.clinic,
        link=password_link(membership.user),
    )


def mail_membership_notice(membership: Membership) -> None:
    """Word to a person who signs in already that one more clinic has opened to them."""
    _mail(
        "membership",
        "Your access has changed",
        membership.user,
        clinic=membership.clinic,
        link=f"{settings.BASE_URL}{reverse('admin:index')}",
    )


def mail_reset_link(user: User) -> None:
    _mail("reset", "Set your password", user, link=password_link(user))


def _mail(template: str, subject: str, user: User, **context: object) -> None:
    days = settings.PASSWORD_RESET_TIMEOUT // (24 * 60 * 60)
    text = render_to_string(
        f"accounts/mail/{template}.txt", {"user": user, "days": days, **context}
    )
    message = EmailMultiAlternatives(subject, text, to=[user.email])
    html = render_to_string("accounts/mail/letter.html", {"subject": subject, "text": text.strip()})
    message.attach_alternative(html, "text/html")
    message.send()
