"""API tokens: opaque, hashed, expiring, one per device; read with one query."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Q, QuerySet
from django.db.models.functions import JSONObject
from django.utils import timezone
from knox.auth import TokenAuthentication as KnoxAuthentication
from knox.crypto import hash_token
from rest_framework.exceptions import AuthenticationFailed

from iop_clinic.accounts.models import Device, Membership
from iop_clinic.accounts.prepared import prepared
from iop_clinic.accounts.visibility import Scope

if TYPE_CHECKING:
    from iop_clinic.accounts.models import User

TOKEN = re.compile(rb"[0-9a-f]{64}")
USE_IS_NOTED_EVERY = timedelta(hours=1)


class TokenAuthentication(KnoxAuthentication):
    """`Authorization: Bearer <token>`; expired, revoked and deactivated all answer 401 alike."""

    def authenticate_credentials(self, token: bytes) -> tuple[User, Device]:
        now = timezone.now()
        found = live_device(hash_token(token.decode()), now) if TOKEN.fullmatch(token) else ()
        if not found:
            raise AuthenticationFailed("The token is not valid.")
        (device,) = found
        roles = device.roles
        device.user.scope = Scope.of((r["clinic"], r["role"], r["therapist"]) for r in roles)
        if now - device.last_used_at > USE_IS_NOTED_EVERY:
            Device.objects.filter(pk=device.pk).update(last_used_at=now)
        return device.user, device


@prepared
def live_device(digest: str, now: datetime) -> QuerySet[Device]:
    """The device of a token with what its owner may: the roles that let them in now.

    The hash of 256 random bits is looked up, so the index cannot be probed for a token.
    """
    live = Membership.objects.filter(user=OuterRef("user")).live(now).order_by("pk")
    role = JSONObject(clinic="clinic_id", role="role", therapist="therapist_id")
    rows = Device.objects.select_related("user__current_clinic").filter(
        Q(expiry__isnull=True) | Q(expiry__gt=now), digest=digest, user__is_active=True
    )
    return rows.annotate(roles=ArraySubquery(live.values(row=role)))
