"""Health addresses for load balancers, containers and scripts; they name nobody and no host.

`/healthz`: this process answers. `/readyz`: it can work (database and broker answer and, in the
demo, the clinic is loaded, last night is evaluated and every report is sent).
"""

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

BROKER_SECONDS = 2


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 whenever a web process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every part that a page needs is there, else 503 saying which is not."""
    checks = {"database": database_answers(), "broker": broker_answers()}
    if settings.MODE == "demo":
        checks["demo"] = demo_is_loaded()
    ready = all(checks.values())
    return JsonResponse(
        {"status": "ready" if ready else "not ready", "checks": checks},
        status=200 if ready else 503,
    )


def database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def broker_answers() -> bool:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=BROKER_SECONDS,
            socket_connect_timeout=BROKER_SECONDS,
        ) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def demo_is_loaded() -> bool:
    """The demo's supervisor writes this file last."""
    return settings.DEMO_READY_FILE.exists()
