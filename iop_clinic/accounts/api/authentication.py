"""API tokens: opaque, hashed, expiring, one per device; read with one query."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils import timezone
from knox.auth import TokenAuthentication as KnoxAuthentication
from knox.crypto import hash_token
from rest_framework.exceptions import AuthenticationFailed

from iop_clinic.accounts.models import Device

if TYPE_CHECKING:
    from iop_clinic.accounts.models import User

TOKEN = re.compile(rb"[0-9a-f]{64}")
USE_IS_NOTED_EVERY = timedelta(hours=1)


class TokenAuthentication(KnoxAuthentication):
    """`Authorization: Bearer <token>`; expired, revoked and deactivated all answer 401 alike."""

    def authenticate_credentials(self, token: bytes) -> tuple[User, Device]:
        now = timezone.now()
        device = self._device(token, now) if TOKEN.fullmatch(token) else None
        if device is None:
            raise AuthenticationFailed("The token is not valid.")
        if now - device.last_used_at > USE_IS_NOTED_EVERY:
            Device.objects.filter(pk=device.pk).update(last_used_at=now)
        return device.user, device

    def _device(self, token: bytes, now: object) -> Device | None:
        # The hash of 256 random bits is looked up, so the index cannot be probed for a token.
        return (
            Device.objects.select_related("user__current_clinic")
            .filter(
                Q(expiry__isnull=True) | Q(expiry__gt=now),
                digest=hash_token(token.decode()),
                user__is_active=True,
            )
            .first()
        )
