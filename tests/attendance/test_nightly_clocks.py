"""Nights when clocks change, and nights at odd times: each comes once, and none is lost."""

import datetime
import itertools

import pytest
import time_machine

from attendance.models import NightlyRun
from attendance.reports import due_nights, nightly
from attendance.reports.due_nights import DAY
from iop_clinic.accounts.models import Clinic
from scheduling.models import Session
from tests import factories
from tests.attendance.nights import behind, clinic_with_timetable

CHANGES = [
    ("America/New_York", "2026-03-08"),  # 02:00 to 03:00
    ("America/New_York", "2026-11-01"),  # 02:00 to 01:00
    ("America/Havana", "2026-03-08"),  # 00:00 to 01:00: a day without a midnight
    ("America/Havana", "2026-11-01"),  # 01:00 to 00:00: a midnight twice
    ("Australia/Lord_Howe", "2026-10-04"),  # by half an hour
]
ODD_TIMES = ["00:00", "00:29", "03:31", "12:00", "23:59"]


@pytest.mark.parametrize("nightly_at", ODD_TIMES)
@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_each_night_falls_due_once_in_order_and_after_its_day(zone, change, nightly_at):
    clinic = Clinic(zone=zone, nightly_at=datetime.time.fromisoformat(nightly_at))
    noon = datetime.datetime.combine(
        datetime.date.fromisoformat(change) - 2 * DAY, datetime.time(12), tzinfo=datetime.UTC
    )
    moments = [noon + n * datetime.timedelta(minutes=10) for n in range(6 * 144)]
    due = [due_nights.last_due(clinic, moment) for moment in moments]
    seen = [day for day, _ in itertools.groupby(due)]
    assert seen == sorted(set(seen))
    assert [b - a for a, b in itertools.pairwise(seen)] == [DAY] * (len(seen) - 1)
    for moment, day in zip(moments, due, strict=True):
        assert day < moment.astimezone(clinic.tz).date()


@pytest.fixture
def friday_before_the_change():
    """March 6, 2026, noon in New York: on Sunday there is no 02:30."""
    with time_machine.travel(datetime.datetime(2026, 3, 6, 17, tzinfo=datetime.UTC), tick=False):
        yield


@pytest.mark.django_db
def test_a_session_at_an_hour_that_does_not_exist_keeps_its_length_and_the_night_goes_on(
    friday_before_the_change,
):
    clinic = clinic_with_timetable()
    group = factories.GroupFactory(clinic=clinic)
    factories.WeeklyBlockFactory(
        group=group, weekday=6, starts_at=datetime.time(2, 30), ends_at=datetime.time(3, 15)
    )
    nightly.run_nights([due_nights.Night(clinic.pk, datetime.date(2026, 3, 5))])
    run = NightlyRun.objects.get()
    assert (run.state, run.error) == ("finished", "")
    [first, *_] = Session.objects.filter(group=group).order_by("starts_at")
    walls = [at.astimezone(clinic.tz).strftime("%H:%M") for at in (first.starts_at, first.ends_at)]
    assert (first.local_date, walls) == (datetime.date(2026, 3, 8), ["03:30", "04:15"])
    assert Session.objects.filter(clinic=clinic).exclude(group=group).count() == 4


@pytest.mark.django_db
def test_the_night_of_a_clock_change_is_judged_like_any_other():
    clinic = clinic_with_timetable()
    change = datetime.date(2026, 3, 8)
    with time_machine.travel(factories.at(clinic, "2026-03-09", "05:00"), tick=False):
        (night,) = behind()[0]
        nightly.run_nights([night])
    assert NightlyRun.objects.values_list("local_date", "state").get() == (change, "finished")
