"""Which nights are due, and who may take one."""

import datetime
import itertools
import threading

import pytest
from django.db import connection
from django.utils import timezone

from attendance.models import NightlyRun
from attendance.reports import due_nights, nightly
from attendance.reports.due_nights import DAY, Night
from iop_clinic.accounts.models import Clinic
from tests import factories
from tests.attendance.nights import behind, clinic_with_timetable, night, run_row

MONDAY = datetime.date(2026, 3, 2)


def wall(clinic: Clinic, day: datetime.date, clock: str) -> datetime.datetime:
    return factories.at(clinic, day.isoformat(), clock)


def due(clinic: Clinic, now: datetime.datetime | None = None) -> list[datetime.date]:
    row = due_nights.clinics_with_progress(now or timezone.now()).get(pk=clinic.pk)
    return [night.local_date for night in due_nights.due_nights_of(row, now or timezone.now())]


@pytest.mark.parametrize(
    ("clock", "last"),
    [("04:59", MONDAY - 2 * DAY), ("05:00", MONDAY - DAY), ("23:59", MONDAY - DAY)],
)
def test_a_night_is_due_from_the_nightly_time_of_the_next_morning(clock, last):
    clinic = Clinic(zone="America/Los_Angeles", nightly_at=datetime.time(5))
    assert due_nights.last_due(clinic, wall(clinic, MONDAY, clock)) == last


@pytest.mark.parametrize("change", ["2026-03-08", "2026-11-01"])
def test_clock_changes_neither_skip_nor_repeat_a_night(change):
    clinic = Clinic(zone="America/New_York", nightly_at=datetime.time(5))
    start = wall(clinic, datetime.date.fromisoformat(change) - DAY, "12:00")
    hours = [start + n * datetime.timedelta(minutes=30) for n in range(120)]
    seen = sorted({due_nights.last_due(clinic, hour) for hour in hours})
    assert [b - a for a, b in itertools.pairwise(seen)] == [DAY] * (len(seen) - 1)


@pytest.mark.django_db
def test_the_first_night_of_a_clinic_is_the_last_one_due():
    clinic = clinic_with_timetable()
    factories.session(clinic, "2026-01-05", "09:00", "10:00")
    assert due(clinic, wall(clinic, MONDAY, "09:00")) == [MONDAY - DAY]


@pytest.mark.django_db
def test_a_clinic_without_a_timetable_has_no_night():
    assert due(factories.ClinicFactory.create()) == []


@pytest.mark.django_db
def test_an_inactive_clinic_has_no_night():
    clinic_with_timetable(active=False)
    assert behind() == []


@pytest.mark.django_db
def test_missed_nights_are_due_oldest_first():
    clinic = clinic_with_timetable()
    run_row(night(clinic, days_ago=3))
    assert due(clinic) == [night(clinic, n).local_date for n in (2, 1, 0)]


@pytest.mark.django_db
def test_at_most_31_nights_are_caught_up():
    clinic = clinic_with_timetable()
    run_row(night(clinic, days_ago=90))
    assert due(clinic) == [night(clinic, n).local_date for n in range(30, -1, -1)]


@pytest.mark.django_db
def test_a_failed_night_does_not_hold_up_the_next():
    clinic = clinic_with_timetable()
    run_row(night(clinic, days_ago=1), "failed")
    assert due(clinic) == [night(clinic).local_date]


@pytest.mark.django_db
def test_a_later_night_cannot_be_taken_before_an_earlier_one():
    clinic = clinic_with_timetable()
    run_row(night(clinic, days_ago=2))
    assert nightly.take(night(clinic), now=timezone.now()) is None
    assert NightlyRun.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["finished", "failed"])
def test_a_night_that_is_done_cannot_be_taken(state):
    clinic = clinic_with_timetable()
    row = run_row(night(clinic), state)
    assert nightly.take(night(clinic), now=timezone.now()) is None
    assert NightlyRun.objects.get().attempts == row.attempts


@pytest.mark.django_db
def test_a_night_that_is_not_over_cannot_be_taken():
    clinic = clinic_with_timetable()
    tomorrow = Night(clinic.pk, night(clinic).local_date + DAY)
    assert nightly.take(tomorrow, now=timezone.now()) is None
    assert not NightlyRun.objects.exists()


@pytest.mark.django_db
def test_a_live_lease_keeps_others_away_and_an_expired_one_counts_an_attempt():
    clinic = clinic_with_timetable()
    first = nightly.take(night(clinic), now=timezone.now())
    assert nightly.take(night(clinic), now=timezone.now()) is None
    later = timezone.now() + nightly.LEASE + datetime.timedelta(seconds=1)
    second = nightly.take(night(clinic), now=later)
    row = NightlyRun.objects.get()
    assert first == nightly.Claim(row.pk, 1)
    assert second == nightly.Claim(row.pk, 2)


@pytest.mark.django_db
def test_after_three_attempts_the_night_has_failed():
    clinic = clinic_with_timetable()
    run_row(night(clinic), "claimed", attempts=3)
    assert nightly.take(night(clinic), now=timezone.now()) is None
    row = NightlyRun.objects.get()
    assert (row.state, row.error, row.attempts) == ("failed", "interrupted", 3)


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_takes_the_night():
    clinic = clinic_with_timetable()
    claims, start = [], threading.Barrier(8)

    def worker() -> None:
        start.wait()
        claims.append(nightly.take(night(clinic), now=timezone.now()))
        connection.close()

    threads = [threading.Thread(target=worker) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(claim is not None for claim in claims) == 1
    assert NightlyRun.objects.get().attempts == 1


@pytest.mark.django_db
def test_a_look_at_what_is_due_takes_one_statement(django_assert_num_queries):
    for days_ago in range(1, 6):
        run_row(night(clinic_with_timetable(), days_ago))
    with django_assert_num_queries(1):
        assert len(behind()) == 5


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["Mars/Base", "../etc"])
def test_a_zone_that_is_not_known_holds_up_nobody_else(zone, caplog):
    lost, clinic = clinic_with_timetable(), clinic_with_timetable()
    Clinic.objects.filter(pk=lost.pk).update(zone=zone)
    fresh, begun = due_nights.next_nights(now=timezone.now())
    assert [night.clinic_id for night in [*fresh, *begun]] == [clinic.pk]
    assert f"Clinic {lost.pk} has a zone that is not known here." in caplog.text
