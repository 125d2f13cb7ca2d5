"""Who has asked too often: 429 with `Retry-After`. What is counted, and where, is in limits.py."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from iop_clinic.accounts.limits import (
    Limit,
    address_of,
    count,
    counted,
    forget,
    name_key,
    remember,
    remembered,
)
from iop_clinic.accounts.models import User

KNOWN_FOR = 30 * 86_400  # seconds for which an address stays one from which the person signed in


def limit_of(what: str) -> Limit:
    return Limit(*settings.LIMITS[what])


def count_or_refuse(key: str, limit: Limit) -> None:
    """Raises Throttled when this is once too often."""
    if count(key, limit) > limit.times:
        raise Throttled(limit.wait)


class Requests(BaseThrottle):
    """Every request: by user, or by address of whoever has no live token."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if isinstance(request.user, User):
            kind, key = "user", str(request.user.pk)
        else:
            kind, key = "address", address_of(request)
        self.limit = limit_of(f"requests_{kind}")
        return count(f"requests:{kind}:{key}", self.limit) <= self.limit.times

    def wait(self) -> int:
        return self.limit.wait


class PasswordAttempts:
    """Guesses, counted before the password is checked, and forgiven when it was right.

    Wrong ones for one name from one address end at the first limit, for whatever names from one
    address at the second, for one name from all over the world at the third: then it can only be
    signed in to from where it was before. So a stranger locks nobody out of where they work.
    Names are counted whether known or not: the answer says nothing about who works here.
    """

    def __init__(self, request: HttpRequest | Request, username: str) -> None:
        name, address = name_key(username), address_of(request)
        self.pair = f"passwords:{name}:{address}"
        self.address = f"passwords:address:{address}"
        self.name = f"passwords:name:{name}"
        self.known = f"passwords:known:{name}:{address}"

    def count(self) -> None:
        """Count one attempt. Raises Throttled."""
        count_or_refuse(self.pair, limit_of("sign_in"))
        count_or_refuse(self.address, limit_of("sign_in_address"))
        if not remembered(self.known):
            count_or_refuse(self.name, limit_of("sign_in_name"))

    def forgive(self) -> None:
        """The password was right: name and address start anew, others get this attempt back."""
        forget(self.pair, limit_of("sign_in"))
        count(self.address, limit_of("sign_in_address"), -1)
        if not remembered(self.known):
            count(self.name, limit_of("sign_in_name"), -1)
        remember(self.known, KNOWN_FOR)


class WrongLinks:
    """Wrong addresses of calendars, counted by who asks; right ones cost one look at the count.

    Nobody guesses 256 bits: this keeps scanners away from the database, and parallel guesses that
    slip by harm nobody.
    """

    def __init__(self, request: HttpRequest) -> None:
        self.key = f"calendar:address:{address_of(request)}"
        self.limit = limit_of("calendars")

    @property
    def too_many(self) -> bool:
        return counted(self.key, self.limit) >= self.limit.times

    @property
    def seconds(self) -> int:
        """How long to wait."""
        return self.limit.wait

    def count(self) -> None:
        count(self.key, self.limit)
