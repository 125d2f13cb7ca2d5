"""Papers of one clinic changed by two people, or by one while the night looks at them."""

import time
from typing import Any

import pytest

from attendance import papers
from attendance.compliance import papers_and_places
from attendance.models import NightlyRun
from patients.models import TreatmentPlan
from tests import factories as f
from tests.attendance.papers import DAY, JAN_5, TODAY, Kind, Office
from tests.attendance.together import together

pytestmark = pytest.mark.django_db(transaction=True)

PAUSE = 0.3
IOP: dict[str, Any] = {
    "level": 2,
    "age_bracket": 1,
    "weekly_minutes_target": 540,
    "days_per_week": 3,
}


@pytest.fixture
def office():
    row = Office()
    NightlyRun.objects.create(
        clinic=row.clinic, local_date=TODAY - DAY, state="evaluated", lease_until=row.morning(TODAY)
    )
    return row


@pytest.fixture
def unhurried(monkeypatch):
    """Everybody thinks for a moment between reading the cases and writing."""
    real = papers_and_places._stored

    def later(*args):
        found = real(*args)
        time.sleep(PAUSE)
        return found

    monkeypatch.setattr(papers_and_places, "_stored", later)


def planned(office, episode):
    given = {"by": office.user, "now": office.at(TODAY, "12:00")}
    return lambda: papers.set_plan(episode=episode, starts_on=JAN_5, **IOP, **given)


def states(office):
    return [(flag.episode_id, flag.state) for flag in office.flags(Kind.PLAN_DUE)]


def test_two_plans_at_once_settle_both_and_find_the_third_once(office, unhurried):
    one, two, third = [office.seen() for _ in range(3)]
    TreatmentPlan.objects.all().delete()
    answers = together(planned(office, one), planned(office, two))
    assert not [row for row in answers if isinstance(row, Exception)], answers
    assert [state for pk, state in states(office) if pk == third.pk] == ["open"]
    assert "open" not in [state for pk, state in states(office) if pk != third.pk]


def test_a_case_that_the_night_finds_at_the_same_moment_opens_once(office, unhurried):
    """A referral is nobody the night waits for."""
    row = office.seen()
    TreatmentPlan.objects.all().delete()
    referral = f.EpisodeFactory(patient__clinic=office.clinic, program=office.group.program)
    answers = together(
        lambda: office.night(TODAY - DAY),
        lambda: papers.edit_episode(
            episode=referral, planned_weeks=9, by=office.user, now=office.morning(TODAY - DAY)
        ),
    )
    assert not [one for one in answers if isinstance(one, Exception)], answers
    assert states(office) == [(row.pk, "open")]
