"""The night and people at once, each on a connection of their own: results follow the facts."""

import datetime
import time

import pytest

from attendance import papers
from attendance.compliance import results
from attendance.compliance.evaluation import evaluate
from attendance.compliance.results import replay
from attendance.models import NightlyRun, WeekResult
from attendance.records.services import correct
from patients.models import Level
from tests.attendance.house import FRI, JOB, MON, SUN, House
from tests.attendance.together import together

pytestmark = pytest.mark.django_db(transaction=True)

PAUSE = 0.3


@pytest.fixture
def house():
    return House()


@pytest.fixture
def pat(house):
    row = house.patient()
    house.full_week(row)
    NightlyRun.objects.create(
        clinic=house.clinic, local_date=FRI, state="evaluated", lease_until=house.morning(FRI)
    )
    return row


def night(house):
    return evaluate(clinic=house.clinic, local_date=SUN, by=JOB, now=house.morning(SUN))


def agrees(house, pat):
    """The standing result of the week is what the facts say."""
    row = WeekResult.objects.standing().get(episode=pat, week_starts_on=MON)
    return replay(row, now=house.morning(SUN)) == []


@pytest.fixture
def unhurried(monkeypatch):
    """The night thinks for a moment between judging and storing."""
    real = results.new_results

    def later(*args, **kwargs):
        found = real(*args, **kwargs)
        time.sleep(PAUSE)
        return found

    monkeypatch.setattr("attendance.compliance.evaluation.new_results", later)


@pytest.mark.parametrize("delay", [0, PAUSE / 2])
def test_a_correction_while_the_night_runs_is_in_the_last_result(house, pat, unhurried, delay):
    booking = pat.bookings.latest("starts_at")

    def correction():
        time.sleep(delay)
        return correct(
            booking=booking, changes={"left_at": house.at(FRI, "09:50")}, version=1,
            correction_reason="seen leaving", by=house.user, now=house.morning(SUN),
        )  # fmt: skip

    answers = together(lambda: night(house), correction)
    assert not [one for one in answers if isinstance(one, Exception)], answers
    assert agrees(house, pat)
    assert WeekResult.objects.standing().get(episode=pat).minutes_status == "short"


@pytest.mark.parametrize("delay", [0, PAUSE / 2])
def test_a_plan_changed_while_the_night_runs_is_in_the_last_result(house, pat, unhurried, delay):
    def change():
        time.sleep(delay)
        return papers.edit_plan(
            plan=pat.plans.get(), level=Level.PHP, weekly_minutes_target=1200, days_per_week=5,
            by=house.user, now=house.morning(SUN),
        )  # fmt: skip

    answers = together(lambda: night(house), change)
    assert not [one for one in answers if isinstance(one, Exception)], answers
    assert agrees(house, pat)
    row = WeekResult.objects.standing().get(episode=pat)
    assert (row.standard.name, row.minutes_status) == ("Adult PHP 2.5", "short")


def test_two_changes_at_once_are_numbered_one_after_the_other(house, pat):
    night(house)
    booking = pat.bookings.latest("starts_at")
    answers = together(
        lambda: papers.set_plan(
            episode=pat, starts_on=FRI, level=2, age_bracket=1, weekly_minutes_target=600,
            days_per_week=3, by=house.user, now=house.morning(SUN),
        ),
        lambda: correct(
            booking=booking, changes={"left_at": house.at(FRI, "10:00")}, version=1,
            correction_reason="seen leaving", by=house.user,
            now=house.morning(SUN) + datetime.timedelta(hours=1),
        ),
    )  # fmt: skip
    assert not [one for one in answers if isinstance(one, Exception)], answers
    assert agrees(house, pat)
    numbers = WeekResult.objects.filter(episode=pat).order_by("amendment")
    assert list(numbers.values_list("amendment", flat=True)) == [0, 1]
