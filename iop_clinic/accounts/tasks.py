"""Mail to staff, sent by the worker: a page must not wait for a mail server, nor tell by the time
it takes whether an address is known.
"""

from __future__ import annotations

import smtplib
from typing import Any

from celery import shared_task
from django.core.cache import cache

from iop_clinic.accounts import invitations
from iop_clinic.accounts.models import Membership, User

RESET_PAUSE = 120  # seconds between two reset mails to one person

# Tries go on for up to 50 minutes; no single wait comes near the broker's visibility time (1 h).
AGAIN: dict[str, Any] = {
    "autoretry_for": (smtplib.SMTPException, OSError),
    "retry_backoff": 10,
    "retry_backoff_max": 600,
    "max_retries": 10,
}


@shared_task(**AGAIN)
def mail_access(membership_id: int) -> None:
    """Tell a person about their new role: by invitation as long as they have no password."""
    membership = (
        Membership.objects.live()
        .select_related("user", "clinic")
        .filter(pk=membership_id, user__is_active=True)
        .first()
    )
    if membership is None:
        return
    if membership.user.has_usable_password():
        invitations.mail_membership_notice(membership)
    else:
        invitations.mail_invitation(membership)


@shared_task(**AGAIN)
def mail_reset(user_id: int) -> None:
    """Send the link to a person who may sign in; silently nothing for anybody else (id 0)."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or not user.scope.roles:
        return
    pause = f"accounts.reset.{user.pk}"
    if not cache.add(pause, 1, RESET_PAUSE):
        return  # nobody's inbox can be filled from the reset page
    try:
        invitations.mail_reset_link(user)
    except BaseException:
        cache.delete(pause)
        raise
