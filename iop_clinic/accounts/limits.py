"""How often something happened in the current window, by key: who may not go on for now.

All processes count together, in Redis, each time by one atomic increment: parallel attempts cannot
slip through between a read and a write. While Redis is away each process counts for itself: an
outage opens no door, locks nobody out and holds up no request for longer than `PATIENCE`.
"""

from __future__ import annotations

import functools
import hashlib
import ipaddress
import logging
import math
import time
import unicodedata
from typing import Any, NamedTuple

import redis
from django.conf import settings
from django.core.cache.backends.locmem import LocMemCache
from django.http import HttpRequest
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

logger = logging.getLogger(__name__)

PATIENCE = 0.5  # seconds for Redis to connect, and to answer
AWAY = 10  # seconds for which nobody asks a Redis that failed

_own = LocMemCache("limits", {"MAX_ENTRIES": 50_000})
_away_until = 0.0


class Limit(NamedTuple):
    """So many `times` in a window of so many `seconds`; windows follow each other by the clock."""

    times: int
    seconds: int

    @property
    def window(self) -> int:
        return int(time.time() // self.seconds)

    @property
    def wait(self) -> int:
        """Seconds until the next window, at least 1."""
        return max(1, math.ceil((self.window + 1) * self.seconds - time.time()))


def count(key: str, limit: Limit, by: int = 1) -> int:
    """Count once more under this key (or take it back by -1): how often in this window."""
    name, keep = f"{key}:{limit.window}", 2 * limit.seconds
    client = _redis()
    if client is not None:
        try:
            steps = client.pipeline(transaction=False)
            steps.incrby(_key(name), by)
            steps.expire(_key(name), keep)
            return int(steps.execute()[0])
        except redis.RedisError as error:
            _gone(error)
    _own.add(name, 0, keep)
    return _own.incr(name, by)


def counted(key: str, limit: Limit) -> int:
    """How often in this window."""
    return int(_get(f"{key}:{limit.window}") or 0)


def forget(key: str, limit: Limit) -> None:
    """Start this window anew."""
    count(key, limit, -counted(key, limit))


def remember(key: str, seconds: int) -> None:
    """Keep a mark; it is lost with Redis."""
    client = _redis()
    if client is not None:
        try:
            client.set(_key(key), 1, ex=seconds)
            return
        except redis.RedisError as error:
            _gone(error)
    _own.set(key, 1, seconds)


def remembered(key: str) -> bool:
    return _get(key) is not None


def _get(key: str) -> Any:
    client = _redis()
    if client is not None:
        try:
            return client.get(_key(key))
        except redis.RedisError as error:
            _gone(error)
    return _own.get(key)


# --- keys ----------------------------------------------------------------------------------------


def name_key(name: str) -> str:
    """One key for every spelling of a name: capitals, widths, composed or not. Hashed, for nobody
    should read in Redis who signs in here."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()
    return hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def address_of(request: HttpRequest | Request) -> str:
    """Who asks, behind the stated number of proxies (`NUM_PROXIES`).

    Of IPv6 the network (/64): a single host has all its addresses.
    """
    said = BaseThrottle().get_ident(request) or ""  # type: ignore[arg-type]
    host = said.strip().removeprefix("[").partition("]")[0]
    if host.count(":") == 1:
        host = host.partition(":")[0]  # some proxies add the port
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


# --- Redis ---------------------------------------------------------------------------------------


def _redis() -> redis.Redis | None:
    """The server that all processes share; None for a while after it failed."""
    if time.monotonic() < _away_until:
        return None
    return _client(str(settings.CACHES["default"]["LOCATION"]))


@functools.cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        socket_timeout=PATIENCE,
        socket_connect_timeout=PATIENCE,
        retry=Retry(NoBackoff(), 1),  # a connection that was closed in the meantime
    )


def _key(name: str) -> str:
    return f"{settings.CACHES['default'].get('KEY_PREFIX', '')}:limits:{name}"


def _gone(error: redis.RedisError) -> None:
    global _away_until
    _away_until = time.monotonic() + AWAY
    logger.warning("Redis does not count: %s. This process counts alone.", type(error).__name__)
