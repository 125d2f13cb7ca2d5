"""The broker is gone while people work: nobody notices, and the night's work is only put off."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from attendance.models import AbsenceRule, AttendanceRecord, Flag, JobTick, NightlyRun
from iop_clinic.accounts.roles import Role
from scheduling.models import Booking, Session
from tests.journeys.story import API, BEN, MAYA, PASSWORD, STAFF, Story, days_of
from tests.web import Caller, WebProcess

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def lonely_web(django_db_setup: None, django_db_blocker: Any) -> Iterator[WebProcess]:
    """Web processes whose Redis, broker and cache alike, does not answer."""
    with django_db_blocker.unblock():
        server = WebProcess(REDIS_URL="redis://127.0.0.1:1/0")
    yield server
    log = server.log
    server.stop()
    assert "Traceback" not in log


@pytest.fixture
def story(web: WebProcess, celery_worker_process: Any, smtp_sink: Any) -> Story:
    story = Story(web, smtp_sink)
    with story.on_the_first_day():
        story.take_in(MAYA)
        story.expand()
    return story


@pytest.fixture
def therapist(story: Story, lonely_web: WebProcess) -> Caller:
    """Signed in while the broker was there."""
    return Caller(lonely_web, story.caller(Role.THERAPIST).token)


def test_the_web_server_says_what_is_missing(lonely_web: WebProcess) -> None:
    answer = lonely_web.call("GET", "/readyz")
    assert (answer.status, answer.body["checks"]) == (503, {"database": True, "broker": False})
    assert lonely_web.call("GET", "/healthz").status == 200


def test_people_sign_in_without_it_and_guesses_are_still_counted(
    lonely_web: WebProcess, story: Story
) -> None:
    """Each process counts for itself while Redis, which counts for all, is away."""
    body = {"username": story.coordinator.email, "password": PASSWORD}
    assert lonely_web.call("POST", f"{API}/auth/token/", body=body).status == 201
    guess = {"username": "nobody@example.com", "password": "a guess"}
    # Ten for each of two processes, and as many again if the quarter of an hour ends meanwhile.
    answers = [lonely_web.call("POST", f"{API}/auth/token/", body=guess) for _ in range(42)]
    assert {answer.code for answer in answers} == {"invalid_credentials", "throttled"}


def test_rosters_are_recorded_and_signed_and_the_night_follows(
    story: Story, therapist: Caller
) -> None:
    days = days_of(story.first_week) + days_of(story.second_week)
    maya = Booking.objects.filter(session__local_date=story.yesterday).get().episode
    for day in days[:-1]:
        story.record(therapist, day)
    story.record(therapist, days[-1], maya)
    signed = therapist.send("POST", f"{API}/sessions/{story.session(days[-1]).public_id}/sign/")
    assert signed.body["state"] == "signed"
    assert (AttendanceRecord.objects.count(), NightlyRun.objects.count()) == (6, 0)
    story.night()  # the broker is back
    assert JobTick.objects.count() == 1
    kinds = Flag.objects.order_by("rule").values_list("rule", flat=True)
    assert list(kinds) == [AbsenceRule.Kind.HOURS, AbsenceRule.Kind.FIRST_DAYS]
    assert [address for address, _ in story.mails("Nightly report")] == sorted(STAFF)


def test_a_patient_is_added_to_a_roster(story: Story, therapist: Caller) -> None:
    with story.on_the_first_day():
        ben = story.refer(BEN)
        story.admit(ben)
    session = Session.objects.filter(local_date__gte=story.today).order_by("starts_at")[0]
    path = f"{API}/sessions/{session.public_id}/roster/"
    answer = therapist.send("POST", path, body={"patient": str(ben.patient.public_id)})
    assert (answer.status, answer.body["seat"]) == (201, 2)


SOMEBODY_RINGS = """
import django
django.setup()
from attendance.reports.queue import queue_tick
print(queue_tick())
"""


def test_a_broker_that_takes_calls_and_says_nothing_is_given_up() -> None:
    """A web process that queues something would otherwise wait for it for ever."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        rung = subprocess.run(
            [sys.executable, "-c", SOMEBODY_RINGS], env={**os.environ, "REDIS_URL": address},
            capture_output=True, text=True, timeout=45, check=True,
        )  # fmt: skip
    assert rung.stdout == "False\n"
