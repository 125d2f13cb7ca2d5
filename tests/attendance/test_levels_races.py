"""Changes of level at once, each on a connection of its own: one last seat, crossing groups."""

from __future__ import annotations

import datetime
from functools import partial

import pytest
import time_machine

from attendance.levels_taken_back import take_back_level
from iop_clinic.accounts.acting import Refused
from patients.models import Authorization, Episode, Level, TreatmentPlan
from scheduling.models import GroupMembership
from scheduling.services import enrol
from tests.attendance.house import MON, TUE, WED
from tests.attendance.leveling import NOW, Leveling
from tests.scheduling.racing import race
from tests.web import deadlocks

pytestmark = pytest.mark.django_db(transaction=True)

DOWN = {"level": Level.IOP, "age_bracket": 1, "weekly_minutes_target": 540, "days_per_week": 3}


@pytest.fixture
def at():
    with time_machine.travel(NOW, tick=False):
        yield Leveling()


def member(at: Leveling, seat: int) -> Episode:
    row = at.house.patient(seat=None)
    enrol(group=at.old, episode=row, starts_on=MON, seat=seat, by=at.by)
    return row


def start_high(at: Leveling, episode: Episode) -> None:
    episode.plans.update(
        level=Level.PHP, weekly_minutes_target=1200, least_weekly_minutes=1200,
        most_weekly_minutes=2400,
    )  # fmt: skip
    enrol(group=at.new, episode=episode, starts_on=MON, by=at.by)


def standing(episode: Episode) -> tuple[list[int], list[datetime.date | None]]:
    plans = TreatmentPlan.objects.filter(episode=episode).order_by("starts_on")
    seats = GroupMembership.objects.filter(episode=episode).order_by("starts_on")
    return [one.level for one in plans], [one.ends_on for one in seats]


def test_of_two_who_want_the_last_seat_one_stays_where_they_are(at):
    at.fill(at.new, 7)
    people = [at.pat, member(at, 2)]
    approvals = [at.approval(), at.approval(number="A-2")]
    before = deadlocks()
    outcomes = race([
        partial(at.change, Episode.objects.get(pk=one.pk), group=at.new, approval=paid)
        for one, paid in zip(people, approvals, strict=True)
    ])  # fmt: skip
    told = {one.pk: outcome.value for one, outcome in zip(people, outcomes, strict=True)}
    (lost,) = [one for one in people if isinstance(told[one.pk], Refused)]
    (won,) = [one for one in people if one != lost]
    assert told[lost.pk].code == "group_full"
    assert standing(lost) == ([Level.IOP], [None])
    assert standing(won) == ([Level.IOP, Level.PHP], [TUE, None])
    assert [one.episode for one in Authorization.objects.all()] == [won]
    assert deadlocks() == before


def test_members_who_cross_between_two_levels_do_not_lock_each_other_out(at):
    up = [at.pat, member(at, 2), member(at, 3)]
    down = [at.house.patient(seat=None) for _ in range(3)]
    for one in down:
        start_high(at, one)
    before = deadlocks()
    outcomes = race([
        *(partial(at.change, Episode.objects.get(pk=one.pk), group=at.new) for one in up),
        *(
            partial(at.change, Episode.objects.get(pk=one.pk), group=at.old, plan=DOWN)
            for one in down
        ),
    ])  # fmt: skip
    assert [type(one.value).__name__ for one in outcomes] == ["LevelChange"] * 6
    assert {standing(one)[1][0] for one in (*up, *down)} == {TUE}
    assert deadlocks() == before
    assert GroupMembership.objects.filter(starts_on=WED).count() == 6


def test_of_two_who_take_one_change_back_one_is_told_so(at):
    plan = at.change(group=at.new).plan
    before = deadlocks()
    outcomes = race([
        partial(take_back_level, plan=TreatmentPlan.objects.get(pk=plan.pk), by=at.by)
        for _ in range(2)
    ])  # fmt: skip
    told = [one.value.code for one in outcomes if isinstance(one.value, Refused)]
    assert (told, deadlocks()) == (["taken_back"], before)
    assert standing(at.pat) == ([Level.IOP], [None])


def test_taking_back_and_stepping_up_into_the_same_groups_do_not_lock_each_other_out(at):
    backs = [at.change(one, group=at.new).plan for one in (at.pat, member(at, 2), member(at, 3))]
    ups = [member(at, seat) for seat in (4, 5, 6)]
    before = deadlocks()
    outcomes = race([
        *(partial(take_back_level, plan=plan, by=at.by) for plan in backs),
        *(partial(at.change, Episode.objects.get(pk=one.pk), group=at.new) for one in ups),
    ])  # fmt: skip
    names = [type(one.value).__name__ for one in outcomes]
    assert (names, deadlocks()) == (["LevelTakenBack"] * 3 + ["LevelChange"] * 3, before)
    assert {standing(plan.episode)[1][0] for plan in backs} == {None}
