"""Proposals for a patient: each is proven by enrolling it, each other group says why not."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from attendance.compliance.placement import Placement, Proposal, proposals
from attendance.compliance.placement_facts import Wish
from attendance.compliance.rules.placement import Slot
from attendance.compliance.rules.weeks import judge_week
from attendance.compliance.status import week_statuses
from attendance.placing import place
from patients.models import Episode, KeepApart
from scheduling.models import Booking, Closure, Group, GroupMembership, WeeklyBlock
from scheduling.services import expand
from tests import factories as f
from tests.attendance.house import BEFORE, FRI, JOB, MON, TUE, WED, House
from tests.attendance.towns import STARTS, Town

WEEK = datetime.timedelta(days=7)
ADULT_WEEK = Wish(starts_on=STARTS, minutes=540, days=3)
TRUE_WEEKS = (MON + 3 * WEEK, MON + 4 * WEEK)
"""Full weeks in which every seat that is offered has begun."""


@pytest.fixture
def town(db, time_machine):
    time_machine.move_to(datetime.datetime(2026, 3, 4, 13, tzinfo=datetime.UTC), tick=False)
    return Town(seed=1, groups=0)


def ask(house: House, episode: Episode, wish: Wish = ADULT_WEEK) -> Placement:
    rows = Group.objects.filter(clinic=house.clinic, active=True).select_related("clinic")
    now = house.at(WED, "08:00")
    return proposals(episode=episode, wish=wish, groups=list(rows.order_by("pk")), now=now)


def reasons(placement: Placement) -> list[str]:
    return [why for _, why in placement.reasons]


def said(placement: Placement) -> list[str]:
    """Each proposal as "minutes/days" with its parts."""
    return [
        f"{one.week.at_least}/{one.week.days_qualifying}: {len(one.groups)}+{len(one.hours)}"
        for one in placement.proposals
    ]


# --- proven ---------------------------------------------------------------------------------------


def booked_weeks(house: House, episode: Episode):
    now = house.at(WED, "08:00")
    asked: dict[str, Any] = {
        "clinic": house.clinic,
        "episode_ids": [episode.pk],
        "weeks": TRUE_WEEKS,
    }
    return list(week_statuses(**asked, now=now).values())


def prove(house: House, episode: Episode, wish: Wish, one: Proposal, terms) -> None:
    """Enrolled as proposed, the planned weeks bring what was said, and nothing clashes."""
    with transaction.atomic():
        given: dict[str, Any] = {"episode": episode, "proposal": one, "by": house.user}
        seats = place(**given, population_opt_in=wish.population_opt_in).seats
        assert [row.starts_on for row in seats] == [part.first for part in one.groups]
        done = expand(clinic=house.clinic, today=WED, by=JOB, weeks=6)
        assert [line for line in done.findings if "patient" in line or "member" in line] == []
        for week in booked_weeks(house, episode):
            judged = judge_week(week.lines, terms)
            assert (judged.at_most >= wish.minutes, judged.days_at_most >= wish.days) == (
                True,
                True,
            )
            assert judged.at_most >= one.week.at_least
        rows = Booking.objects.expected().filter(episode=episode).select_related("session")
        cannot = [
            row
            for row in rows.filter(session__session_type=house.type)
            for away in wish.away
            if _during(house, row, away)
        ]
        assert cannot == []
        transaction.set_rollback(True)


def _during(house: House, row: Booking, away: Slot) -> bool:
    starts, ends = (one.astimezone(house.clinic.tz) for one in (row.starts_at, row.ends_at))
    return Slot(starts.weekday(), starts.time(), ends.time()).overlaps(away)


SEEDS = [*range(16), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(16, 200))]


@pytest.mark.parametrize("seed", SEEDS)
def test_each_proposal_can_be_enrolled_and_reaches_the_target(town, seed):
    """In a random clinic; whoever is not proposed has a reason."""
    town = Town(seed)
    episode, wish = town.newcomer(), town.wish()
    town.disturb(episode)
    found = town.placement(episode, wish)
    named = {part.group.pk for one in found.proposals for part in one.groups}
    told = {group.pk for group, _ in found.reasons}
    assert named.isdisjoint(told)
    assert named | told == {group.pk for group in town.groups()}
    assert all(why.endswith(".") and why.count(". ") == 0 for _, why in found.reasons)
    for one in found.proposals:
        prove(town, episode, wish, one, replace(found.terms))


def test_the_random_clinics_try_every_kind_of_proposal(town):
    every, seed = {(1, False), (1, True), (2, False)}, 0
    kinds: set[tuple[int, bool]] = set()
    while kinds != every and seed < 24:
        clinic, seed = Town(seed), seed + 1
        found = clinic.placement(clinic.newcomer(), clinic.wish())
        kinds |= {(len(one.groups), bool(one.hours)) for one in found.proposals}
    assert kinds == every


# --- what is answered -----------------------------------------------------------------------------


def test_the_group_of_the_house_is_proposed_with_its_seats_and_first_date(town):
    (one,) = ask(town, town.newcomer()).proposals
    (part,) = one.groups
    assert (part.group, part.first, part.free_seats) == (town.group, STARTS, 12)
    assert (one.week.at_least, one.week.days_qualifying, one.hours) == (540, 3, ())


def test_three_times_fifty_minutes_come_with_an_hour_on_each_day(town):
    town.group.blocks.update(breaks=[[0, 50]])
    row = town.newcomer(primary_therapist=town.therapists[1])
    (one,) = ask(town, row).proposals
    assert [hour.slot.weekday for hour in one.hours] == [0, 2, 4]
    assert {hour.therapist for hour in one.hours} == {town.therapists[1]}
    assert [hour.slot.starts for hour in one.hours] == [datetime.time(8)] * 3
    assert (one.week.at_least, one.week.days_qualifying) == (630, 3)


def test_without_the_right_to_plan_hours_there_are_none(town):
    town.group.blocks.update(breaks=[[0, 50]])
    found = ask(town, town.newcomer(), replace(ADULT_WEEK, hours=False))
    assert (found.proposals, reasons(found)) == ((), [
        "It gives 7 h 30 of 9 h on 0 of 3 days, and nothing free beside it makes up the rest."
    ])  # fmt: skip


def test_a_full_group_is_offered_from_the_day_a_seat_is_free(town):
    for seat in range(1, 13):
        town.patient(BEFORE, seat=seat)
    GroupMembership.objects.filter(seat=7).update(ends_on=FRI)
    (one,) = ask(town, town.newcomer()).proposals
    assert (one.groups[0].first, one.groups[0].free_seats) == (FRI + datetime.timedelta(days=1), 1)
    GroupMembership.objects.filter(seat=7).update(ends_on=FRI + 4 * WEEK)
    assert reasons(ask(town, town.newcomer())) == ["All 12 seats are taken."]


def test_guests_in_the_last_seats_put_the_first_date_off(town):
    for seat in range(1, 12):
        town.patient(BEFORE, seat=seat)
    expand(clinic=town.clinic, today=WED, by=JOB)
    session = town.group.sessions.get(local_date=FRI)
    f.booking(session, town.newcomer(), 12)
    (one,) = ask(town, town.newcomer()).proposals
    assert one.groups[0].first == FRI + datetime.timedelta(days=1)
    prove(town, town.newcomer(), ADULT_WEEK, one, ask(town, town.newcomer()).terms)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"level": 3}, "is for another level of care than the patient's plan."),
        ({"age_bracket": 2}, "is for another age bracket."),
        ({"population": "women"}, "is for one population."),
    ],
)
def test_a_group_that_does_not_suit_says_so_as_every_door_does(town, facts, why):
    Group.objects.filter(pk=town.group.pk).update(name="St. Mary: A.", **facts)
    assert reasons(ask(town, town.newcomer())) == [f"St. Mary: A. {why}"]


def test_who_chose_a_population_is_offered_its_group(town):
    Group.objects.filter(pk=town.group.pk).update(population="women")
    found = ask(town, town.newcomer(), replace(ADULT_WEEK, population_opt_in=True))
    assert said(found) == ["540/3: 1+0"]


def test_who_is_kept_apart_from_a_member_is_not_told_from_whom(town):
    row, other = town.newcomer(), town.patient(BEFORE)
    low, high = sorted([row.patient_id, other.patient_id])
    KeepApart.objects.create(clinic=town.clinic, patient_id=low, other_id=high, reason="Assault")
    found = ask(town, row)
    assert (found.proposals, reasons(found)) == ((), ["The patient cannot be seated here."])


def test_a_group_at_a_time_at_which_the_patient_works_is_none(town):
    away = (Slot(2, datetime.time(12), datetime.time(13)),)
    assert reasons(ask(town, town.newcomer(), replace(ADULT_WEEK, away=away))) == [
        "It meets Wednesday 9:00 AM – 12:20 PM, when the patient cannot come."
    ]
    away = (Slot(2, datetime.time(12, 20), datetime.time(13)),)
    assert said(ask(town, town.newcomer(), replace(ADULT_WEEK, away=away))) == ["540/3: 1+0"]


def test_without_a_plan_or_blocks_nothing_is_proposed(town):
    row = town.newcomer()
    row.plans.all().delete()
    assert reasons(ask(town, row)) == ["The patient has no treatment plan on Thu Mar 5."]
    WeeklyBlock.objects.filter(group=town.group).update(valid_until=WED)
    assert reasons(ask(town, town.newcomer())) == ["It has no weekly block."]


def test_who_has_enough_already_is_told_so(town):
    found = ask(town, town.patient(BEFORE))
    assert (found.reached_already, found.proposals) == (True, ())
    assert reasons(found) == ["The patient has a seat in it already."]


def test_a_member_of_a_short_group_is_offered_the_hours_alone(town):
    town.group.blocks.update(breaks=[[0, 50]])
    found = ask(town, town.patient(BEFORE))
    assert said(found) == ["630/3: 0+3"]


def test_a_closure_of_one_day_is_no_reason(town):
    Closure.objects.create(clinic=town.clinic, starts_on=FRI, ends_on=FRI, reason="Holiday")
    expand(clinic=town.clinic, today=WED, by=JOB)
    assert said(ask(town, town.newcomer())) == ["540/3: 1+0"]


def test_enrolling_is_all_or_nothing(town):
    town.group.blocks.update(breaks=[[0, 50]])
    row = town.newcomer()
    (one,) = ask(town, row).proposals
    taken = one.hours[-1].block_for(row)
    f.WeeklyBlockFactory(
        group=f.GroupFactory(clinic=town.clinic), weekday=taken.weekday, valid_from=BEFORE,
        starts_at=taken.starts_at, ends_at=taken.ends_at, facilitator=taken.facilitator,
        session_type=town.type,
    )  # fmt: skip
    with pytest.raises(Exception, match="has another weekly block then"):
        place(episode=row, proposal=one, by=town.user)
    assert not GroupMembership.objects.filter(episode=row).exists()
    assert not WeeklyBlock.objects.filter(episode=row).exists()


# --- statements -----------------------------------------------------------------------------------


def statements(town: Town) -> int:
    episode = Episode.objects.select_related("patient", "clinic").get(pk=town.newcomer().pk)
    groups = town.groups()
    with CaptureQueriesContext(connection) as captured:
        proposals(episode=episode, wish=ADULT_WEEK, groups=groups, now=town.at(TUE, "08:00"))
    return len(captured)


def test_twenty_groups_take_the_statements_of_one(town):
    assert (statements(town), statements(Town(7, groups=19))) == (17, 17)
