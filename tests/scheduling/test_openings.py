"""Openings answer as `enrol` does: it takes the patient from the first date on, and not before."""

from __future__ import annotations

import datetime

import pytest
from django.utils import timezone

from iop_clinic.accounts.acting import Refused
from patients.models import Episode
from scheduling.eligibility import check_eligible, group_refusals
from scheduling.models import Group
from scheduling.openings import SITS_THERE, SOON, Opening, openings
from scheduling.rules import Stay, has_room
from scheduling.services import enrol
from tests import factories as f
from tests.scheduling.conftest import TODAY, World
from tests.scheduling.test_eligibility import apart

DAY = datetime.timedelta(days=1)


def opening(world: World, episode: Episode | None = None) -> Opening:
    row = episode or world.episode()
    found = openings(groups=[world.group], episodes=[row], on=TODAY, now=timezone.now())
    return found[row.pk][world.group.pk]


def fill(world: World, count: int) -> list[Episode]:
    rows = world.episodes(count)
    for row in rows:
        enrol(group=world.group, episode=row, starts_on=TODAY, by=world.by)
    return rows


def test_an_empty_group_takes_somebody_at_once(world: World) -> None:
    assert opening(world) == Opening(world.group, TODAY, 8)


def test_a_full_group_takes_nobody(world: World) -> None:
    fill(world, 8)
    assert opening(world) == Opening(world.group, None, why="All 8 seats are taken.")


def test_who_sits_there_is_not_enrolled_again(world: World) -> None:
    (row,) = fill(world, 1)
    assert opening(world, row).why == SITS_THERE


@pytest.mark.parametrize(("days", "first"), [(0, 1), (SOON.days - 1, SOON.days), (SOON.days, None)])
def test_a_seat_that_becomes_free_soon_is_offered_from_then_on(world, days, first):
    rows = fill(world, 8)
    rows[3].memberships.update(ends_on=TODAY + days * DAY)
    found = opening(world)
    assert found.first == (None if first is None else TODAY + first * DAY)
    if found.first:
        patient = world.episode()
        with pytest.raises(Refused, match="All 8 seats"):
            enrol(group=world.group, episode=patient, starts_on=found.first - DAY, by=world.by)
        enrol(group=world.group, episode=patient, starts_on=found.first, by=world.by)


def test_guests_in_the_last_seats_put_the_first_date_off(world: World) -> None:
    fill(world, 7)
    session = world.group_session("2026-03-09")
    for seat in range(1, 9):
        f.booking(session, world.episode(), seat)
    patient = world.episode()
    found = opening(world, patient)
    assert found.first == TODAY + 8 * DAY
    assert found.out_before == "Guests hold its last seats on Mon Mar 9."
    with pytest.raises(Refused, match="Guests hold the last seats"):
        enrol(group=world.group, episode=patient, starts_on=TODAY + 7 * DAY, by=world.by)
    enrol(group=world.group, episode=patient, starts_on=found.first, by=world.by)


def test_a_guest_keeps_the_own_seat_as_a_member(world: World) -> None:
    session = world.group_session("2026-03-09")
    rows = world.episodes(8)
    for seat, row in enumerate(rows, start=1):
        f.booking(session, row, seat)
    assert opening(world, rows[0]).first == TODAY
    assert opening(world).first == TODAY + 8 * DAY


def test_who_is_booked_elsewhere_at_its_time_too_late_is_told_when(world: World) -> None:
    patient = world.episode()
    world.group_session("2026-03-30")
    f.booking(world.session("2026-03-30", "09:30", "10:30"), patient)
    assert opening(world, patient).why == (
        "The patient is booked elsewhere at its time on Mon Mar 30."
    )
    assert opening(world).first == TODAY


def test_members_are_seated_anew_where_each_seat_is_free_for_a_part_only() -> None:
    """Two seats: one is free at first, the other later; somebody moves over."""
    first = Stay(1, TODAY, TODAY + 5 * DAY)
    later = Stay(2, TODAY + 6 * DAY, None)
    asked = Stay(0, TODAY, None)
    assert has_room(asked, [], [first, later], 2) is True
    assert has_room(asked, [], [first, later], 1) is False
    assert has_room(asked, [first], [later], 2) is True


def test_groups_are_refused_as_one_by_one(world: World) -> None:
    """Whoever is kept apart too, in three statements for any number."""
    rows = [world.episode(), world.episode(program=f.ProgramFactory(clinic=world.clinic))]
    (member,) = fill(world, 1)
    apart(rows[0], member)
    other = f.GroupFactory(clinic=world.clinic, program=world.program, population="women")
    groups: dict[Group, datetime.date] = {world.group: TODAY, other: TODAY + DAY}
    found = group_refusals(episodes=rows, groups=groups)
    for row in rows:
        for group, day in groups.items():
            with pytest.raises(Refused) as caught:
                check_eligible(episode=row, group=group, on=day)
            assert found[row.pk][group.pk].message == caught.value.message


def test_groups_are_asked_about_in_a_constant_number_of_statements(
    world: World, django_assert_num_queries
) -> None:
    rows, (member,) = world.episodes(5), fill(world, 1)
    apart(rows[0], member)
    groups = [f.GroupFactory(clinic=world.clinic, program=world.program) for _ in range(9)]
    with django_assert_num_queries(3):
        group_refusals(episodes=rows, groups=dict.fromkeys(groups, TODAY))
    with django_assert_num_queries(3):
        group_refusals(episodes=rows[:1], groups={world.group: TODAY})
    with django_assert_num_queries(3):
        openings(groups=groups, episodes=rows, on=TODAY, now=timezone.now())
