"""Groups, their blocks and who waits, at the admin site: once as meant, once with its mistake."""

from __future__ import annotations

import datetime

import pytest

from scheduling.models import Group, WaitlistEntry, WeeklyBlock
from tests.admin import actors, url
from tests.scheduling.admin.planned import TODAY, enrolled, planned

BEFORE = TODAY - datetime.timedelta(days=7)


def test_a_group_of_sixteen_is_refused_by_its_form(world, coordinator):
    answer = coordinator.fill(
        Group, "add", name="Birch", program=world.program, capacity=16, min_size=5
    )
    assert answer.refusal == "A group has 8 to 15 seats."
    assert Group.objects.count() == 1


def test_a_group_is_entered_and_its_name_is_unique_whatever_the_case(world, coordinator):
    given = {"name": "Birch", "program": world.program}
    assert coordinator.fill(Group, "add", **given).status == 302
    answer = coordinator.fill(Group, "add", **given | {"name": "BIRCH"})
    assert answer.refusal == "The clinic already has a group of this name."
    assert actors(Group.objects.get(name="Birch"), "I") == {coordinator.user.actor}


def test_the_capacity_is_set_for_planned_sessions_too_but_not_to_sixteen(world, coordinator):
    answer = coordinator.fill(world.group, "capacity", capacity=16)
    assert answer.errors == {"capacity": ["A group has 8 to 15 seats."]}
    answer = coordinator.fill(world.group, "capacity", capacity=10)
    assert answer.sentences == [f"{world.group} has 10 seats, in every planned session too."]
    assert planned(world).capacity == 10
    assert actors(world.group) == {coordinator.user.actor}


def test_a_capacity_under_the_members_is_refused(world, coordinator):
    coordinator.fill(world.group, "capacity", capacity=10)
    for _ in range(9):
        enrolled(world, coordinator)
    answer = coordinator.fill(world.group, "capacity", capacity=8)
    said = f"9 members sit in {world.group} on Mar 2, 2026. End some memberships first."
    assert answer.errors == {"capacity": [said]}
    world.group.refresh_from_db()
    assert world.group.capacity == 10


def test_a_patient_waits_once_for_a_group(world, coordinator):
    episode = world.episode()
    given = {"group": world.group, "episode": episode}
    assert coordinator.fill(WaitlistEntry, "add", **given).status == 302
    answer = coordinator.fill(WaitlistEntry, "add", **given)
    assert answer.refusal == "The patient already waits for this group."
    assert actors(WaitlistEntry.objects.get(), "I") == {coordinator.user.actor}


def test_fewer_seats_show_who_changes_them_before_it_is_done(world, coordinator):
    coordinator.fill(world.group, "capacity", capacity=10)
    patients = [enrolled(world, coordinator) for _ in range(10)]
    for one in patients[:3]:
        one.bookings.all().update(state="withdrawn", withdrawn_reason="Moved away")
        one.memberships.all().update(ends_on=TODAY - datetime.timedelta(days=1), starts_on=BEFORE)
    last = patients[9].memberships.get()
    ahead = coordinator.look(world.group, "capacity", capacity=9)
    (panel,) = ahead.panels
    assert [row[1:] for row in panel.rows] == [(10, 1)]
    last.refresh_from_db()
    assert last.seat == 10
    assert coordinator.save(ahead).status == 302
    last.refresh_from_db()
    assert last.seat == 1


def test_who_stands_in_the_way_of_fewer_seats_is_listed(world, coordinator):
    coordinator.fill(world.group, "capacity", capacity=10)
    members = [enrolled(world, coordinator) for _ in range(9)]
    answer = coordinator.fill(world.group, "capacity", capacity=8)
    assert "Members on Mar 2, 2026" in answer.html
    assert all(url(one.memberships.get(), "change") in answer.html for one in members)


def test_the_list_of_blocks_shows_what_runs_or_is_to_come(world, coordinator):
    ended = world.block(valid_from=BEFORE, valid_until=BEFORE)
    running = world.block(weekday=1, valid_from=BEFORE, valid_until=TODAY)
    coming = world.block(weekday=2, valid_from=TODAY + datetime.timedelta(days=7))

    def listed(**asked: str) -> list[WeeklyBlock]:
        rows = coordinator.open(WeeklyBlock, **asked).context["cl"].result_list
        return [one for one in rows if one in (ended, running, coming)]

    assert listed() == [running, coming]
    assert (listed(runs="ended"), listed(runs="all")) == ([ended], [ended, running, coming])


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"breaks": "0-30, 30-60"}, "breaks"),
        ({"valid_from": datetime.date(2020, 3, 7)}, "valid_from"),
        ({"valid_from": datetime.date(2027, 3, 13)}, "valid_from"),
    ],
)
def test_a_block_of_breaks_alone_or_of_a_wrong_year_is_refused(world, coordinator, wrong, field):
    given = {
        "group": world.group, "session_type": world.kind, "weekday": 5, "starts_at": "09:00",
        "ends_at": "10:00", "facilitator": world.therapist, "valid_from": TODAY, **wrong,
    }  # fmt: skip
    before = WeeklyBlock.objects.count()
    answer = coordinator.fill(WeeklyBlock, "new", **given)
    assert (list(answer.errors), WeeklyBlock.objects.count()) == ([field], before)
