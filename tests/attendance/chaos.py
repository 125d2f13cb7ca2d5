"""Breaking the parts a night stands on, and what must be true of it afterwards.

`make test` and `make soak` start their own servers and restart them for real. Servers that the
environment names belong to others as well: there the run's own connections are cut, and its own
queue is lost, which is what a restart looks like from here.
"""

import datetime
import random
import signal
import time
from collections import Counter
from typing import Any

from django.db import connection
from django.utils import timezone
from kombu import pools

from attendance.models import ComplianceReport, Flag, NightlyRun, ReportDelivery, WeekResult
from attendance.reports import due_nights, nightly, queue
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.roles import Role
from iop_clinic.celery import app
from patients.models import Episode
from tests import factories, services
from tests.attendance.house import House
from tests.attendance.nights import night, run_row, until
from tests.mail import SmtpSink
from tests.workers import WorkerProcess, purge

DAY = due_nights.DAY
UNSENT = [ReportDelivery.State.PENDING, ReportDelivery.State.SENDING]


# --- breaking things -------------------------------------------------------------------------


def restart_database() -> None:
    """Every connection is gone, with the transactions that were open in it."""
    if not services.own:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        return
    connection.close()
    _restart("postgres", signal.SIGINT)


def forget_the_dead() -> None:
    """End the statements of killed workers that still wait for a lock.

    PostgreSQL notices that a client is gone only when it answers: a single statement would be
    carried out for it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )


def restart_broker() -> None:
    """Everything that was queued is gone: the broker keeps nothing."""
    if services.own:
        _restart("valkey", signal.SIGTERM)
    else:
        purge()


def forget_connections() -> None:
    """This process's pooled connections to the broker may be of one that is gone."""
    pools.reset()
    app._pool = None
    app.amqp._producer_pool = None


def _restart(name: str, polite: signal.Signals) -> None:
    (servers,) = services.own
    process = servers.processes[name]
    process.send_signal(polite)
    process.wait(30)
    servers.launch(name)
    servers.wait_until_ready(name)


def over_lease() -> None:
    """As if the time of every lease and pause had passed."""
    past = timezone.now() - datetime.timedelta(seconds=1)
    NightlyRun.objects.update(lease_until=past)
    ReportDelivery.objects.filter(state__in=UNSENT).update(lease_until=past, due_at=past)


def forgive_attempts() -> None:
    """Kills come thicker in a test than attempts could bear; that limit has its own tests."""
    NightlyRun.objects.filter(state__in=due_nights.UNFINISHED).update(attempts=1)


def disturb(worker: WorkerProcess, sink: SmtpSink, chance: random.Random) -> str:
    """One accident at random, in the middle of whatever goes on; which one it was."""
    accident = chance.choice(["kill", "kill", "database", "broker", "mail"])
    if accident == "kill":
        worker.kill()
    elif accident == "database":
        restart_database()
    elif accident == "broker":
        restart_broker()
    else:
        sink.drop()
        time.sleep(chance.uniform(0.2, 0.6))
        sink.drop_after_data = False
    return accident


# --- clinics whose facts are known -----------------------------------------------------------


def told_clinic(nights: int, seed: int, **extra: Any) -> tuple[Clinic, list[User]]:
    """A clinic with patients who come and stay away by a seed, judged up to so many nights ago.

    The same seed makes the same facts again.
    """
    house = House(**extra)
    people = [factories.staff(house.clinic, Role.COORDINATOR), house.user]
    chance = random.Random(seed)
    last = night(house.clinic).local_date
    admitted = last - (nights + 20) * DAY
    patients = [house.patient(on=admitted, seat=seat) for seat in range(1, 6)]
    for ago in reversed(range(nights + 14)):
        day = last - ago * DAY
        if day.weekday() in (0, 2, 4):
            _treatment_day(house, day, patients, chance)
    run_row(night(house.clinic, days_ago=nights))
    return house.clinic, people


def _treatment_day(
    house: House, day: datetime.date, patients: list[Episode], chance: random.Random
) -> None:
    house.day(day, patients, therapist=house.therapist)
    for patient in patients:
        what = chance.choices(["came", "left", "missed", "called", "nothing"], [70, 8, 12, 6, 4])[0]
        if what == "came":
            house.came(patient, day)
        elif what == "left":
            house.came(patient, day, left="10:30")
        elif what == "missed":
            house.missed(patient, day)
        elif what == "called":
            house.called_in(patient, day)


def judgement(clinic: Clinic) -> dict[str, list[Any]]:
    """Every case and every week's result of a clinic, without what differs between two clinics."""
    order = list(Episode.objects.filter(clinic=clinic).order_by("pk").values_list("pk", flat=True))
    cases = [
        (flag.rule, _subject(flag, order), flag.opened_for, flag.state, flag.severity,
         flag.outcome, flag.closed_by_facts, flag.sentence)
        for flag in Flag.objects.filter(clinic=clinic).select_related("session")
    ]  # fmt: skip
    results = [
        (order.index(row.episode_id), row.standard.name, row.segment_starts_on, row.amendment,
         row.minutes_status, row.days_status, row.credited_minutes, row.prorated_minimum)
        for row in WeekResult.objects.filter(clinic=clinic).select_related("standard")
    ]  # fmt: skip
    return {"cases": sorted(cases, key=str), "results": sorted(results, key=str)}


def _subject(flag: Flag, order: list[int]) -> Any:
    if flag.episode_id:
        return order.index(flag.episode_id)
    return flag.session.local_date if flag.session else flag.subject_type


def judge_undisturbed(clinic: Clinic, nights: int) -> None:
    """The same nights, one after the other in this process; no worker may run meanwhile."""
    Clinic.objects.filter(pk=clinic.pk).update(active=True)
    for ago in reversed(range(nights)):
        nightly.run_nights([night(clinic, days_ago=ago)])
    assert _dates(clinic)[0] == night(clinic).local_date


# --- what must be true -----------------------------------------------------------------------


def all_told(clinics: list[Clinic], nights: int) -> bool:
    """Whether every night is finished and every mail sent."""
    finished = NightlyRun.objects.filter(clinic__in=clinics, state="finished").count()
    waiting = ReportDelivery.objects.filter(clinic__in=clinics).exclude(state="sent")
    return finished == len(clinics) * (nights + 1) and not waiting.exists()


def ring_until_all_told(clinics: list[Clinic], nights: int, *, seconds: float) -> None:
    """Tick as beat does, only in a hurry: no lease is waited for."""

    def told() -> bool:
        over_lease()
        forgive_attempts()
        queue.queue_tick()
        time.sleep(1)
        return all_told(clinics, nights)

    until(told, "the last night", seconds)


def assert_nothing_lost_nothing_twice(
    clinics: list[tuple[Clinic, list[User]]], nights: int, sink: SmtpSink
) -> None:
    """Each night once, each week once, each report to each person once, as one mail."""
    for clinic, people in clinics:
        assert _dates(clinic) == [night(clinic, ago).local_date for ago in range(nights + 1)]
        reports = ComplianceReport.objects.filter(clinic=clinic)
        scopes = Counter(reports.filter(kind="nightly").values_list("therapist", flat=True))
        assert list(scopes.values()) == [nights] * 2
        weeks = reports.filter(kind="weekly").values_list("therapist", "content__week")
        assert set(Counter(weeks).values()) == {1}
        mailed = ReportDelivery.objects.filter(clinic=clinic, state="sent")
        assert mailed.count() == reports.count()  # one person for each scope
        assert set(mailed.values_list("recipient", flat=True)) == {user.pk for user in people}
    rows = ReportDelivery.objects.filter(clinic__in=[clinic for clinic, _ in clinics])
    arrived = Counter(message["Message-ID"] for message in sink.messages)
    assert arrived.keys() == set(rows.values_list("message_id", flat=True))
    for message_id, attempts in rows.values_list("message_id", "attempts"):
        assert 1 <= arrived[message_id] <= attempts


def _dates(clinic: Clinic) -> list[datetime.date]:
    runs = NightlyRun.objects.filter(clinic=clinic, state="finished")
    return list(runs.order_by("-local_date").values_list("local_date", flat=True))
