"""Four clinics of four zones, two of them with weeks from Sunday, in one process and interleaved.

Each step is done for all of them before the next one: what one clinic is must not be seen in
another, on the Sundays on which the clocks of two of them change.
"""

from __future__ import annotations

import datetime

import pytest
import time_machine
from django.utils import timezone

from attendance.models import ComplianceReport, NightlyRun, WeekResult
from attendance.records.services import record_roster
from attendance.reports import nightly
from attendance.reports.due_nights import Night, last_due
from patients.models import Episode
from scheduling.models import Session
from scheduling.services import expand
from tests import factories as f
from tests.attendance.house import JOB, House

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)
MONDAYS, SUNDAYS = 0, 6
WEEKS = {
    "America/New_York": MONDAYS,
    "America/Los_Angeles": SUNDAYS,
    "America/Phoenix": MONDAYS,
    "Pacific/Honolulu": SUNDAYS,
}
SPRING, AUTUMN = datetime.date(2026, 3, 8), datetime.date(2026, 11, 1)
CLOCKS: tuple[tuple[str, str, list[list[int]]], ...] = (
    ("01:30", "02:15", [[15, 35]]),
    ("02:30", "03:30", []),
    ("23:30", "23:59", []),
)
"""A break across the change itself, an hour that is skipped, and an evening that is UTC's next."""
MINUTES = 25 + 60 + 29
BEGINS = {
    ("America/New_York", SPRING): ["08 06:30", "08 07:30", "09 03:30"],
    ("America/New_York", AUTUMN): ["01 05:30", "01 07:30", "02 04:30"],
    ("America/Los_Angeles", SPRING): ["08 09:30", "08 10:30", "09 06:30"],
    ("America/Los_Angeles", AUTUMN): ["01 08:30", "01 10:30", "02 07:30"],
    ("America/Phoenix", SPRING): ["08 08:30", "08 09:30", "09 06:30"],
    ("America/Phoenix", AUTUMN): ["01 08:30", "01 09:30", "02 06:30"],
    ("Pacific/Honolulu", SPRING): ["08 11:30", "08 12:30", "09 09:30"],
    ("Pacific/Honolulu", AUTUMN): ["01 11:30", "01 12:30", "02 09:30"],
}


class Town:
    """A house whose group meets on a Sunday too, with a patient since the Monday before it."""

    def __init__(self, zone: str, sunday: datetime.date) -> None:
        self.zone, self.sunday = zone, sunday
        self.monday = sunday - 6 * DAY
        self.house = House(zone, week_starts_on=WEEKS[zone])
        self.pat: Episode = self.house.patient(self.monday)
        for starts, ends, breaks in CLOCKS:
            f.WeeklyBlockFactory(
                group=self.house.group, session_type=self.house.type, weekday=6, breaks=breaks,
                facilitator=self.house.therapist, starts_at=datetime.time.fromisoformat(starts),
                ends_at=datetime.time.fromisoformat(ends),
            )  # fmt: skip

    @property
    def sessions(self) -> list[Session]:
        rows = Session.objects.filter(clinic=self.house.clinic, local_date__lte=self.sunday)
        return list(rows.order_by("starts_at"))

    def plan(self) -> None:
        expand(clinic=self.house.clinic, today=self.monday, by=JOB, weeks=1)

    def record(self) -> None:
        for row in self.sessions:
            record_roster(
                session=row, all_present=True, by=self.house.user,
                now=row.ends_at + datetime.timedelta(minutes=5),
            )  # fmt: skip

    def night(self) -> Night:
        with time_machine.travel(self.house.morning(self.sunday), tick=False):
            day = last_due(self.house.clinic, timezone.now())
        NightlyRun.objects.create(  # the nights before it are over
            clinic=self.house.clinic, local_date=day - DAY, state="finished",
            lease_until=self.house.morning(day), finished_at=self.house.morning(day),
        )  # fmt: skip
        return Night(self.house.clinic.pk, day)


@pytest.fixture(params=[SPRING, AUTUMN], ids=["spring", "autumn"])
def towns(request: pytest.FixtureRequest) -> list[Town]:
    """Every step interleaved; it is 16:00 UTC on the Monday after, past five in each of them."""
    sunday = request.param
    begin = datetime.datetime.combine(sunday - 6 * DAY, datetime.time(5), tzinfo=datetime.UTC)
    with time_machine.travel(begin, tick=False):
        towns = [Town(zone, sunday) for zone in WEEKS]
        for town in towns:
            town.plan()
    with time_machine.travel(begin + datetime.timedelta(days=7, hours=11), tick=False):
        for town in reversed(towns):
            town.record()
        nightly.run_nights([town.night() for town in towns])
    return towns


def test_each_clinic_has_its_own_clock_its_own_week_and_its_own_minutes(towns):
    for town in towns:
        sunday = [row for row in town.sessions if row.local_date == town.sunday]
        assert [f"{row.starts_at.astimezone(datetime.UTC):%d %H:%M}" for row in sunday] == BEGINS[
            town.zone, town.sunday
        ]
        assert {row.zone for row in town.sessions} == {town.zone}
        walls = [f"{row.starts_at.astimezone(row.tz):%a %H:%M}" for row in town.sessions[:3]]
        assert walls == ["Mon 09:00", "Wed 09:00", "Fri 09:00"]


def test_each_clinics_week_is_judged_by_its_own_days(towns):
    for town in towns:
        found = WeekResult.objects.filter(episode=town.pat).values_list(
            "week_starts_on", "segment_starts_on", "segment_ends_on", "credited_minutes"
        )
        if WEEKS[town.zone] == MONDAYS:
            expected = (town.monday, town.monday, town.sunday, 540 + MINUTES)
        else:
            expected = (town.monday - DAY, town.monday, town.sunday - DAY, 540)
        assert list(found) == [expected], town.zone
        week = town.house.week(town.pat, town.sunday, town.house.morning(town.sunday))
        by_day = {line.local_date: line.credited for line in week.lines}
        assert by_day[town.sunday] == MINUTES, town.zone


def test_each_clinics_night_is_of_its_own_sunday(towns):
    for town in towns:
        run = NightlyRun.objects.get(clinic=town.house.clinic, local_date=town.sunday)
        assert (run.state, run.error) == ("finished", "")
        reports = ComplianceReport.objects.filter(run=run)
        assert {row.clinic_id for row in reports} == {town.house.clinic.pk}
        judged = WeekResult.objects.filter(clinic=town.house.clinic)
        assert {row.episode_id for row in judged} == {town.pat.pk}


def results(town: Town) -> list[tuple[datetime.date, int]]:
    rows = WeekResult.objects.filter(episode=town.pat).order_by("week_starts_on")
    return list(rows.values_list("week_starts_on", "credited_minutes"))


def test_the_week_across_the_year_53_by_iso_is_one_of_seven_days_in_each_clinic():
    monday, sunday = datetime.date(2026, 12, 28), datetime.date(2027, 1, 3)
    east, west = (Town(zone, sunday) for zone in ("America/New_York", "America/Los_Angeles"))
    for day in (monday, monday + 2 * DAY, monday + 4 * DAY, sunday):
        for town in (east, west):
            town.house.day(day, [town.pat])
            town.house.came(town.pat, day)
    for town in (west, east):
        town.house.night(sunday)
    assert monday.isocalendar()[:2] == sunday.isocalendar()[:2] == (2026, 53)
    assert results(east) == [(monday, 4 * 180)]
    assert results(west) == [(monday - DAY, 3 * 180)]
