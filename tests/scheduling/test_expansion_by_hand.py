"""A year of sessions, held against the same year reckoned by hand (see `by_hand`)."""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import pytest
import time_machine

from iop_clinic.accounts.acting import Job
from scheduling import services
from scheduling.models import Booking, Closure, Session, SessionStaff, WeeklyBlock
from tests import factories as f
from tests.scheduling.by_hand import (
    DAY,
    Meeting,
    Plan,
    Shut,
    a_closure,
    a_plan,
    in_utc,
    meetings,
)
from tests.scheduling.conftest import World, build

pytestmark = pytest.mark.django_db

ZONES = ("America/New_York", "America/Los_Angeles", "America/Phoenix", "Pacific/Honolulu")
FIRST = datetime.date(2026, 2, 28)
"""A Saturday. In the 52 weeks from it the clocks change twice, and there is a week 53."""
LAST = FIRST + datetime.timedelta(weeks=52) - DAY
SOAKED = 12


def t(clock: str) -> datetime.time:
    return datetime.time.fromisoformat(clock)


def d(day: str) -> datetime.date:
    return datetime.date.fromisoformat(day)


BLOCKS = [
    Plan(6, (t("01:30"), t("03:30")), [[20, 40]], 1, FIRST),
    Plan(6, (t("02:30"), t("03:15")), [], 2, d("2026-03-02")),
    Plan(5, (t("23:30"), t("23:59")), [], 1, FIRST, d("2026-11-07")),
    Plan(0, (t("09:00"), t("12:20")), [[60, 70], [130, 140]], 1, d("2026-03-10"), None,
         d("2026-06-15"), (t("10:00"), t("12:00"))),
    Plan(3, (t("18:00"), t("21:20")), [[60, 70]], 2, d("2026-03-05"), None,
         d("2026-12-24"), (t("17:30"), t("20:30"))),
]  # fmt: skip
CLOSURES = [
    Shut(d("2026-03-08"), d("2026-03-08"), "Water", (None, t("02:30"))),
    Shut(d("2026-11-01"), d("2026-11-02"), "Painting", (t("01:30"), t("09:30"))),
    Shut(d("2026-12-24"), d("2027-01-03"), "Holidays"),
]


@dataclass
class Town:
    """A clinic with the blocks of the plans, each of a group of its own with one member."""

    zone: str
    plans: list[Plan]
    shut: list[Shut]
    blocks: list[WeeklyBlock] = field(default_factory=list)

    def open(self) -> None:
        self.world: World = build(self.zone)
        self.blocks = [self._block(plan) for plan in self.plans]
        for one in self.shut:
            opens, closes = one.between
            services.add_closure(
                clinic=self.world.clinic, starts_on=one.first, ends_on=one.last, by=self.world.by,
                reason=one.reason, from_time=opens, to_time=closes,
            )  # fmt: skip

    def _block(self, plan: Plan) -> WeeklyBlock:
        world = self.world
        group = f.GroupFactory(clinic=world.clinic, program=world.program, capacity=8)
        block = world.block(
            group=group, facilitator=f.TherapistFactory(clinic=world.clinic), room=None,
            weekday=plan.weekday, starts_at=plan.clock[0], ends_at=plan.clock[1],
            breaks=plan.breaks, every_weeks=plan.every, valid_from=plan.first,
            valid_until=plan.last,
        )  # fmt: skip
        services.enrol(group=group, episode=world.episode(), starts_on=FIRST, by=world.by)
        if plan.then is not None:
            services.change_block(
                block=WeeklyBlock.objects.get(pk=block.pk), first=plan.changed_on,
                starts_at=plan.then[0], ends_at=plan.then[1], breaks=[], by=world.by,
            )  # fmt: skip
        return block

    def expand(self, day: datetime.date) -> None:
        services.expand(clinic=self.world.clinic, today=day, by=Job("nightly"), weeks=4)

    def written(self, block: WeeklyBlock) -> Iterator[Meeting]:
        """What the product made of a block and of what continues it, staff and seats as well."""
        for row in Session.objects.filter(group=block.group_id).order_by("starts_at"):
            same = {"starts_at": row.starts_at, "ends_at": row.ends_at, "live": row.live}
            for rows in (SessionStaff.objects, Booking.objects):
                assert rows.filter(session=row, **same).count() == 1
            assert (row.zone, row.local_date) == (self.zone, row.original_local_date)
            assert row.live is (row.state == "scheduled") is (not row.cancelled_reason)
            yield Meeting(
                row.local_date, row.starts_at, row.ends_at, row.breaks, row.cancelled_reason
            )


def check(towns: list[Town]) -> int:
    """Expand a year for all of them in turns; how many sessions there were."""
    begin = datetime.datetime.combine(FIRST, datetime.time(), tzinfo=datetime.UTC)
    with time_machine.travel(begin, tick=False):
        for town in towns:
            town.open()
    for weeks in range(0, 52, 4):
        day = FIRST + datetime.timedelta(weeks=weeks)
        with time_machine.travel(begin + datetime.timedelta(weeks=weeks), tick=False):
            for town in towns:
                town.expand(day)
    total = 0
    for town in towns:
        for plan, block in zip(town.plans, town.blocks, strict=True):
            expected = list(meetings(plan, town.shut, FIRST, LAST, town.zone))
            assert list(town.written(block)) == expected, (town.zone, plan)
            total += len(expected)
    return total


def test_a_year_in_four_zones_is_what_the_rules_say() -> None:
    towns = [Town(zone, BLOCKS, CLOSURES) for zone in ZONES]
    assert check(towns) == Session.objects.count() == 4 * (52 + 26 + 37 + 50 + 26)
    assert Closure.objects.count() == 4 * len(CLOSURES)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(SOAKED))
def test_any_timetable_is_what_the_rules_say(seed: int) -> None:
    dice = random.Random(seed)
    towns = []
    for zone in ZONES:
        shut: list[Shut] = []
        for number in range(6):
            new = a_closure(dice, FIRST, number)
            if all(new.last < one.first or one.last < new.first for one in shut):
                shut.append(new)
        towns.append(Town(zone, [a_plan(dice, FIRST) for _ in range(6)], shut))
    assert check(towns) == Session.objects.count()


@pytest.mark.parametrize(
    ("wall", "utc"),
    [
        ("2026-03-08 01:30", "06:30"),
        ("2026-03-08 02:30", "07:30"),  # skipped: 3:30 in summer time
        ("2026-03-08 03:30", "07:30"),
        ("2026-11-01 00:30", "04:30"),
        ("2026-11-01 01:30", "05:30"),  # twice: the first
        ("2026-11-01 02:30", "07:30"),
    ],
)
def test_the_reckoning_itself(wall: str, utc: str) -> None:
    naive = datetime.datetime.fromisoformat(wall)
    assert f"{in_utc(naive, ZoneInfo('America/New_York')):%H:%M}" == utc
