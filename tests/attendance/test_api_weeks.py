"""A patient's weeks over REST: what was credited, under which standard, and why."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from attendance.models import Standard
from patients.models import Episode
from tests import factories
from tests.api import AFTER, API, DAY, Roster, client_of, exactly, roster

pytestmark = pytest.mark.django_db


@pytest.fixture
def r(time_machine: Any) -> Roster:
    time_machine.move_to(AFTER, tick=False)
    r = roster(1)
    Standard.objects.create(
        clinic=r.clinic, name="Program IOP", starts_on=datetime.date(2026, 1, 1)
    )
    return r


@pytest.fixture
def url(r: Roster) -> str:
    return f"{API}/patients/{r.bookings[0].patient.public_id}/weeks/"


def attend(r: Roster, client: Any, **facts: Any) -> None:
    answer = client.patch(f"{r.url}attendance/", {"records": r.entries(**facts)})
    assert answer.status_code == 200, answer.json()


def test_a_recorded_hour_is_in_the_week_at_once(r: Roster, url: str) -> None:
    client = r.client
    attend(r, client, left_at="2026-03-02T09:50:00-05:00")
    week = client.get(f"{url}{DAY}/").json()
    (standard,) = week.pop("standards")
    assert week == {
        "start": "2026-03-02", "end": "2026-03-08",
        "episode": str(r.bookings[0].episode.public_id),
        "plan": 540, "scheduled": 60, "attended": 50, "credited": 50,
        "at_least": 50, "at_most": 50, "days": 0, "services": 1, "final": True,
    }  # fmt: skip
    assert standard == {
        "name": "Program IOP", "version": "2026-01-01", "source": "program",
        "starts_on": "2026-03-02", "ends_on": "2026-03-08", "minimum": 540,
        "prorated_minimum": 540, "minutes_status": "short", "days_status": "short", "final": True,
    }  # fmt: skip


def test_an_unrecorded_session_keeps_the_week_open(r: Roster, url: str) -> None:
    week = r.client.get(f"{url}{DAY}/").json()
    assert (week["at_least"], week["at_most"], week["final"]) == (0, 60, True)
    factories.booking(
        factories.session(r.clinic, "2026-03-03", "09:00", "15:00"), r.bookings[0].episode
    )
    factories.booking(
        factories.session(r.clinic, "2026-03-04", "09:00", "15:00"), r.bookings[0].episode
    )
    week = r.client.get(f"{url}{DAY}/").json()
    assert (week["at_most"], week["final"]) == (780, False)
    assert week["standards"][0]["minutes_status"] == "open"


def test_the_default_is_four_weeks_oldest_first(r: Roster, url: str) -> None:
    starts = [week["start"] for week in r.client.get(url).json()["results"]]
    assert starts == ["2026-02-09", "2026-02-16", "2026-02-23", "2026-03-02"]


def test_a_range_takes_every_week_it_touches_and_only_treated_ones(r: Roster, url: str) -> None:
    answer = r.client.get(f"{url}?from=2025-12-30&to=2026-01-12")
    starts = [week["start"] for week in answer.json()["results"]]
    assert starts == ["2026-01-05", "2026-01-12"]  # admitted on Monday, 5 January


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("from=2026-03-09&to=2026-03-02", "range_reversed"),
        ("from=2024-03-01&to=2026-03-02", "range_too_long"),
        ("weeks=4", "unknown_field"),
    ],
)
def test_a_wrong_range_is_400(r: Roster, url: str, query: str, code: str) -> None:
    answer = r.client.get(f"{url}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_week_starts_where_the_clinic_says(r: Roster, url: str) -> None:
    client = r.client
    assert client.get(f"{url}2026-03-01/").status_code == 404
    r.clinic.week_starts_on = 6
    r.clinic.save()
    assert client.get(f"{url}2026-03-01/").json()["end"] == "2026-03-07"
    assert client.get(f"{url}{DAY}/").status_code == 404


def test_the_minutes_have_a_line_for_every_booking(r: Roster, url: str) -> None:
    client = r.client
    attend(r, client, arrived_at="2026-03-02T09:15:00-05:00")
    (line,) = client.get(f"{url}{DAY}/minutes/").json()["results"]
    assert (line["scheduled"], line["attended"], line["credited"]) == (60, 45, 45)
    assert line["arrived_at"] == "2026-03-02T09:15:00-05:00"
    assert (line["rule"], line["recorded_by"]) == ("exact minutes", r.user.name)
    assert line["session"] == str(r.session.public_id)


@pytest.mark.parametrize("weeks", [1, 50])
def test_any_number_of_weeks_takes_the_same_statements(r: Roster, url: str, weeks: int) -> None:
    client = r.client
    episode = r.bookings[0].episode
    first = datetime.date(2026, 3, 2) - datetime.timedelta(weeks=weeks - 1)
    for n in range(min(weeks, 8)):
        day = datetime.date(2026, 3, 5) - datetime.timedelta(weeks=n)
        factories.booking(factories.session(r.clinic, str(day), "09:00", "10:00"), episode)
    with exactly(8):  # token and roles, patient, the noted read, episodes, four of the weeks
        assert client.get(f"{url}?from={first}&to=2026-03-08").status_code == 200


@pytest.mark.parametrize("day", ["9999-12-27", "0001-01-01", "2026-02-30"])
@pytest.mark.parametrize("tail", ["", "minutes/"])
def test_a_date_that_no_clinic_has_is_404(r: Roster, url: str, day: str, tail: str) -> None:
    answer = r.client.get(f"{url}{day}/{tail}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_weeks_of_somebody_elses_episode_are_not_shown(r: Roster, url: str) -> None:
    """The patient was treated last year, in another program by another therapist."""
    patient, first = r.bookings[0].patient, datetime.date(2025, 3, 3)
    episode = factories.EpisodeFactory(patient=patient, referred_on=first)
    factories.document(episode, first)
    Episode.objects.filter(pk=episode.pk).update(
        state="discharged",
        admitted_on=first,
        discharged_on=first + datetime.timedelta(days=20),
        discharge_reason="completed",
    )
    asked = f"{url}?from=2025-03-03&to=2025-03-16"
    assert r.client.get(asked).json()["results"] == []
    weeks = client_of(factories.staff(r.clinic)).get(asked).json()["results"]
    assert [week["episode"] for week in weeks] == [str(episode.public_id)] * 2
