"""How often a password may be guessed: counted before it is checked, forgiven when it was right."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from iop_clinic.accounts.api.problems import Problem


class PasswordAttempts(BaseThrottle):
    """Fixed windows by name and by address, each counted by one atomic increment.

    Parallel guesses cannot slip through between a read and a write of the count. Names are kept
    hashed, known or not, so that the answer says nothing about who works here.
    """

    def __init__(self, request: Request, username: str) -> None:
        digest = hashlib.sha256(username.strip().lower().encode()).hexdigest()[:32]
        self.keys = {
            "name": f"token-attempts:name:{digest}",
            "address": f"token-attempts:address:{self.get_ident(request)}",
        }

    def count(self) -> None:
        """Count one attempt. Raises Throttled, or a 503 problem while the counter is away."""
        try:
            for kind, key in self.keys.items():
                allowed, seconds = settings.TOKEN_ATTEMPTS[kind]
                cache.add(key, 0, timeout=seconds)
                if cache.incr(key) > allowed:
                    raise Throttled(seconds)
        except (RedisError, ValueError) as error:  # ValueError: the window ended in between
            raise Problem(
                503,
                "busy",
                "Signing in is not possible now. Try again.",
                headers={"Retry-After": "5"},
            ) from error

    def forgive(self) -> None:
        """The password was right: the name starts anew, the address gets this attempt back."""
        try:
            cache.delete(self.keys["name"])
            cache.decr(self.keys["address"])
        except (RedisError, ValueError):
            return  # at worst a count too many, until its window ends
