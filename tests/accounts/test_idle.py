"""A login ends when nothing was sent for a while, and in any case after 12 hours (R16)."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session as Login
from django.contrib.staticfiles import finders

from attendance.reports.tasks import tick
from iop_clinic.accounts.middleware import UNATTENDED
from tests import factories
from tests.admin import Desk, desk

START = datetime.datetime(2026, 3, 2, 14, tzinfo=datetime.UTC)
MINUTE, SECOND = datetime.timedelta(minutes=1), datetime.timedelta(seconds=1)


@pytest.fixture
def at(db: None, settings: Any, time_machine: Any) -> Desk:
    settings.IDLE_SECONDS = 15 * 60
    time_machine.move_to(START, tick=False)
    person = desk(factories.ClinicFactory())
    person.client.get("/admin/")
    return person


def is_in(at: Desk) -> bool:
    return bool(at.client.get("/admin/awake/").status_code == 204)


def test_fifteen_minutes_without_a_request_end_it(at, time_machine):
    time_machine.move_to(START + 15 * MINUTE - SECOND, tick=False)
    assert is_in(at)
    time_machine.move_to(START + 30 * MINUTE - SECOND, tick=False)
    assert not is_in(at)
    assert not Login.objects.exists()


def test_a_tick_deletes_what_is_over_and_what_was_searched_in_it(at, time_machine):
    time_machine.move_to(START + 12 * 60 * MINUTE, tick=False)
    tick()
    assert Login.objects.exists()
    time_machine.move_to(START + 12 * 60 * MINUTE + SECOND, tick=False)
    tick()
    assert not Login.objects.exists()


def test_each_request_begins_the_time_anew(at, time_machine):
    for minutes in (10, 20, 30, 40):
        time_machine.move_to(START + minutes * MINUTE, tick=False)
        assert is_in(at)


def test_what_a_page_asks_by_itself_is_answered_and_is_no_use(at, time_machine):
    for minutes, status in ((5, 204), (10, 204), (15, 401)):
        time_machine.move_to(START + minutes * MINUTE, tick=False)
        answer = at.client.get("/admin/awake/", headers={UNATTENDED: "1"})
        assert answer.status_code == status
    assert not Login.objects.exists()


def test_pages_say_of_what_they_ask_by_themselves_that_nobody_need_be_there():
    scripts = ("attendance/import_progress.js", "attendance/roster/api.js")
    for script in scripts:
        assert f'"{UNATTENDED}": "1"' in Path(str(finders.find(script))).read_text()


def test_twelve_hours_end_it_however_busy(at, time_machine):
    for minutes in range(10, 721, 10):
        time_machine.move_to(START + minutes * MINUTE, tick=False)
        assert is_in(at)
    time_machine.move_to(START + 721 * MINUTE, tick=False)
    assert not is_in(at)


def test_the_time_is_written_once_a_minute(at, time_machine, django_assert_num_queries):
    time_machine.move_to(START + MINUTE - datetime.timedelta(seconds=1), tick=False)
    with django_assert_num_queries(2):  # the session and the person
        assert is_in(at)


def test_whoever_is_not_in_is_told(client):
    assert client.get("/admin/awake/").status_code == 401


@pytest.mark.parametrize(
    ("left", "place"),
    [
        ("/admin/patients/patient/?p=2", "/admin/patients/patient/?p=2"),
        ("https://elsewhere.example/", "/admin/"),
        ("//elsewhere.example/", "/admin/"),
        ("", "/admin/"),
    ],
)
def test_who_signed_in_in_another_tab_goes_on_where_this_one_was_left(at, left, place):
    answer = at.client.get("/admin/login/", {"next": left} if left else {})
    assert (answer.status_code, answer.headers["Location"]) == (302, place)
