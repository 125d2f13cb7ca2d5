"""Every page a coordinator opens: with one clinic in the database, and with many, in one run."""

from __future__ import annotations

import datetime
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from attendance.models import ComplianceReport
from attendance.reports import due_nights, nightly
from iop_clinic.accounts.models import Clinic, User
from patients.models import Authorization, Certification, Episode, Payer
from scheduling.models import CallIn, Session
from tests.bench.clinics import DAY, all_clinics, analyze, build, record
from tests.pages import Page, pages
from tests.workers import purge

WEEKS = 8
ROUNDS = 9
MOST = 3
"""Times as long as with one clinic."""
LEFT_OUT = {"admin:login", "admin:logout", "calendar"}
MORE: Mapping[str, str] = {
    "cases that can be repaired": "admin:attendance_flag_changelist?case=repairable",
    "patients, the last page": "admin:patients_patient_changelist?p=1",
    "bookings of a last name": "admin:scheduling_booking_changelist?q=Number",
    "week by therapist": "admin:scheduling_session_week?by=therapist",
}
"""Views of a list that cost more than the list."""

Call = Callable[[], Any]


@dataclass(frozen=True)
class Time:
    """Milliseconds, the median of all rounds."""

    one: float
    many: float

    @property
    def ratio(self) -> float:
        return self.many / self.one


def run(clinics: int) -> Iterator[str]:
    """A line a page, those that take longest at the top; then those above three times."""
    _open(1)
    with _set_aside() as one:
        call_command("flush", interactive=False, verbosity=0)
        _open(clinics)
        times = _times(one)
    yield f"{'milliseconds of a page':<46} {'1':>8} {clinics:>8} clinics"
    for name, took in sorted(times.items(), key=lambda row: -row[1].many):
        yield f"{name:<46} {took.one:8.1f} {took.many:8.1f} {took.ratio:7.2f} times"
    slow = [name for name, took in times.items() if took.ratio > MOST]
    yield f"above {MOST} times: {', '.join(slow) or 'none'}, of {len(times)} pages"


@contextmanager
def _set_aside() -> Iterator[str]:
    """A copy of the database as it is now, to ask the same of both in turn."""
    name = connection.settings_dict["NAME"]
    one = f"{name}_one"
    connection.close()
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{one}" TEMPLATE "{name}"')
    try:
        yield one
    finally:
        _turn_to(name)
        connection.close()
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{one}"')


def _turn_to(database: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = database


def _times(one: str) -> dict[str, Time]:
    """The medians of each page that opens, round by round of the one database and the other."""
    both: dict[str, list[dict[str, float]]] = {
        database: [] for database in (one, connection.settings_dict["NAME"])
    }
    calls = {database: _calls_in(database) for database in both}
    for _ in range(ROUNDS):
        for database, rounds in both.items():
            _turn_to(database)
            rounds.append({name: _milliseconds(call) for name, call in calls[database].items()})
    few, many = both.values()
    return {
        name: Time(_median(few, name), _median(many, name)) for name in few[0] if name in many[0]
    }


def _calls_in(database: str) -> dict[str, Call]:
    """Of the clinic in the middle; each is called once, for imports and for what is cached."""
    _turn_to(database)
    every = list(all_clinics())
    clinic = every[len(every) // 2]
    user = User.objects.get(memberships__clinic=clinic, memberships__role="coordinator")
    return {name: call for name, call in _calls(clinic, user).items() if _opens(call)}


def _milliseconds(call: Call) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def _median(rounds: Sequence[Mapping[str, float]], name: str) -> float:
    return statistics.median(one[name] for one in rounds)


def _opens(call: Call) -> bool:
    return bool(call().status_code == 200)


def _calls(clinic: Clinic, user: User) -> dict[str, Call]:
    client = Client()
    client.force_login(user)
    rows = _rows(clinic, user)
    addresses = {page.name.removeprefix("admin:"): address for page, address in _named(rows)}
    for name, view in MORE.items():
        page, _, query = view.partition("?")
        addresses[name] = f"{reverse(page)}?{query}"
    session = rows[Session]
    day = f"/api/v1/group-days/{session.group.public_id}/{session.local_date}/"
    addresses["the API's day of a group"] = day
    calls: dict[str, Call] = {name: _get(client, address) for name, address in addresses.items()}
    calls["find"] = lambda: client.post(reverse("find"), {"term": "Number 1"})
    calls["autocomplete"] = lambda: client.post(reverse("admin:autocomplete"), _TYPED)
    return calls


_TYPED = {
    "app_label": "patients",
    "model_name": "authorization",
    "field_name": "episode",
    "term": "Number",
}


def _get(client: Client, address: str) -> Call:
    return lambda: client.get(address)


def _named(rows: Mapping[type[Model], Any]) -> Iterator[tuple[Page, str]]:
    for page in pages():
        if page.name in LEFT_OUT or page.last in ("history", "delete", "add"):
            continue
        try:
            yield page, page.address(rows)
        except (KeyError, NoReverseMatch):
            continue  # nothing of its kind in these clinics


def _rows(clinic: Clinic, user: User) -> dict[type[Model], Any]:
    """The last row of each table that the coordinator sees; a session of a group, recorded."""
    found: dict[type[Model], Any] = {Clinic: clinic}
    for model in apps.get_models():
        rows: Any = getattr(model, "_default_manager", None)
        if hasattr(rows, "visible_to") and model is not Clinic:
            found[model] = rows.visible_to(user).filter(clinic=clinic).order_by("pk").last()
    weekly = ComplianceReport.objects.filter(clinic=clinic, kind=ComplianceReport.Kind.WEEKLY)
    found[ComplianceReport] = weekly.last() or found[ComplianceReport]
    held = Session.objects.filter(clinic=clinic, local_date__lt=timezone.localdate())
    found[Session] = held.order_by("local_date", "starts_at").last()
    return {model: row for model, row in found.items() if row is not None}


# --- the clinics -----------------------------------------------------------------------------


def _open(clinics: int) -> None:
    """Eight weeks recorded; a Sunday's night judged and told, and the last one."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    today = timezone.localdate()
    monday = today - (today.weekday() + 7 * (WEEKS - 1)) * DAY
    build(clinics, monday, WEEKS, lambda line: None, guarded=False)
    record(monday, today - DAY, audited=False)
    _papers(monday)
    analyze()
    last = due_nights.last_due(Clinic.objects.earliest("pk"), timezone.now())
    for day in sorted({last - (last.weekday() + 1) * DAY, last}):
        _judge(day)
    purge()  # nobody sends the mails
    analyze()


def _judge(day: datetime.date) -> None:
    nights = [due_nights.Night(clinic.pk, day) for clinic in all_clinics()]
    for n in range(0, len(nights), 20):
        nightly.run_nights(nights[n : n + 20])


def _papers(since: datetime.date) -> None:
    """An authorization, a certification and a call-in for each patient."""
    now = timezone.now()
    payers = dict(Payer.objects.values_list("clinic", "pk"))
    takers = dict(User.objects.values_list("memberships__clinic", "pk"))
    episodes = list(Episode.objects.values_list("clinic", "pk"))
    Authorization.objects.bulk_create(
        Authorization(
            clinic_id=clinic, episode_id=pk, payer_id=payers[clinic], number=f"A{pk}", units=60,
            starts_on=since, ends_on=since + 90 * DAY,
        )
        for clinic, pk in episodes
    )  # fmt: skip
    Certification.objects.bulk_create(
        Certification(
            clinic_id=clinic, episode_id=pk, certified_on=since, due_again_on=since + 60 * DAY
        )
        for clinic, pk in episodes
    )
    CallIn.objects.bulk_create(
        CallIn(
            clinic_id=clinic, episode_id=pk, from_date=since, to_date=since, reason="illness",
            notified_at=now, taken_by_id=takers[clinic],
        )
        for clinic, pk in episodes
    )  # fmt: skip
