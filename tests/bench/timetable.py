"""Weekly blocks become sessions, beside bare SQL of as many rows; and a week looked at."""

from __future__ import annotations

import datetime
import statistics
import time
from collections.abc import Iterator
from typing import Any

from django.db import connection, models, transaction
from django.db.models import Max
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from scheduling.models import Booking, Session, SessionStaff
from scheduling.services import expand
from tests.bench.clinics import BENCH, DAY, all_clinics, analyze, build
from tests.factories import TherapistFactory, staff
from tests.scheduling.conftest import build as build_world

WRITTEN: tuple[type[models.Model], ...] = (Session, SessionStaff, Booking)
LATER = 28 * DAY
ROUNDS = 9
SESSIONS = (1, 50)


def expanding(clinics: int) -> Iterator[str]:
    """Rows a second of four weeks for so many clinics, and times as long as bare.

    Four weeks lie behind: on empty tables PostgreSQL would plan to read them whole.
    """
    today = timezone.localdate()
    monday = today + (7 - today.weekday()) * DAY
    build(clinics, monday - LATER, 4, lambda line: None)
    analyze()
    connection.close()
    started = time.perf_counter()
    for clinic in all_clinics():
        expand(clinic=clinic, today=monday, by=BENCH)
    took = time.perf_counter() - started
    rows, bare = _bare(monday)
    name = f"expanding 4 weeks of {clinics} clinics"
    yield f"{name:<34} {rows:8} rows {rows / took:8.0f} a second {took / bare:6.2f} times bare"


def _bare(first: datetime.date) -> tuple[int, float]:
    """The same rows four weeks later, one INSERT ... SELECT a table with every guard; seconds."""
    strides = {model: _last_key(model) for model in WRITTEN}
    started, rows = time.perf_counter(), 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")  # the connection is a new one
        for model in WRITTEN:
            cursor.execute(_later(model, strides), {"later": f"{LATER.days} days", "first": first})
            rows += cursor.rowcount
    return rows, time.perf_counter() - started


def _last_key(model: type[models.Model]) -> int:
    return int(model._default_manager.aggregate(last=Max("pk"))["last"])


def _later(model: type[models.Model], strides: dict[type[models.Model], int]) -> str:
    fields = [field for field in model._meta.concrete_fields if not field.generated]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(_moved(field, strides) for field in fields)
    table = model._meta.db_table
    since = f"FROM {table} AS t WHERE starts_at >= %(first)s"
    return f"INSERT INTO {table} ({columns}) SELECT {values} {since}"


def _moved(field: models.Field[Any, Any], strides: dict[type[models.Model], int]) -> str:
    own = f't."{field.column}"'
    target: Any = field.model if field.primary_key else field.related_model
    if target in strides:
        return f"{own} + {strides[target]}"
    if isinstance(field, models.UUIDField):
        return "gen_random_uuid()"
    if isinstance(field, models.DateTimeField):
        return f"{own} + %(later)s::interval"
    if isinstance(field, models.DateField):
        return f"({own} + %(later)s::interval)::date"
    return own


def a_week() -> Iterator[str]:
    """The calendar with one session and with fifty, each with a leader, and a way to move one."""
    world, day = build_world(), timezone.localdate() + 7 * DAY
    client = Client()
    client.force_login(staff(world.clinic))
    first = _session(world, day, 0)
    pages: dict[str, dict[str, Any]] = {
        "a week": {"day": day},
        "a week, to move one": {"day": day, "move": first.pk},
    }
    calm: dict[str, float] = {}
    for number in SESSIONS:
        for n in range(Session.objects.count(), number):
            _session(world, day, n)
        for name, query in pages.items():
            sent, milliseconds = _opened(client, query)
            calm.setdefault(name, milliseconds)
            ratio = milliseconds / calm[name]
            said = f"{name}, {number} sessions"
            yield f"{said:<34} {sent:4} statements {milliseconds:8.1f} ms {ratio:6.2f} times"


def _session(world: Any, day: datetime.date, number: int) -> Session:
    leader = TherapistFactory(clinic=world.clinic)
    held = day + datetime.timedelta(days=number % 5)
    row: Session = world.session(held.isoformat(), "10:00", "11:00", therapist=leader)
    return row


def _opened(client: Client, query: dict[str, Any]) -> tuple[int, float]:
    """Statements, and the median of some rounds in milliseconds."""
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        with CaptureQueriesContext(connection) as captured:
            page = client.get(reverse("admin:scheduling_session_week"), query)
        taken.append(time.perf_counter() - started)
        assert page.status_code == 200
    return len(captured), statistics.median(taken) * 1000
