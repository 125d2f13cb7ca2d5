"""A second group for those for whom the first has no seat."""

from __future__ import annotations

import pytest

from iop_clinic.accounts.acting import Refused
from scheduling import services
from scheduling.models import Group, WaitlistEntry
from tests.admin import actors
from tests.scheduling.admin.planned import TODAY

LIKE = ("program_id", "level", "age_bracket", "population", "min_size", "active")


def waiting(world, number: int) -> list[WaitlistEntry]:
    return [
        services.put_on_waitlist(group=world.group, episode=episode, by=world.by)
        for episode in world.episodes(number)
    ]


def groups() -> list[str]:
    return list(Group.objects.order_by("pk").values_list("name", flat=True))


def test_it_is_like_the_first_and_takes_along_who_waits(world, coordinator):
    first, stays, third = waiting(world, 3)
    answer = coordinator.fill(
        world.group, "second", name="Harbor B", capacity=10, moving=[str(first.pk), str(third.pk)]
    )
    second = Group.objects.get(name="Harbor B")
    assert [getattr(second, name) for name in LIKE] == [getattr(world.group, name) for name in LIKE]
    assert (second.capacity, second.blocks.count()) == (10, 0)
    assert list(second.waitlist.order_by("added_at")) == [first, third]
    stays.refresh_from_db()
    assert stays.group == world.group
    assert actors(second, "I") == actors(first) == {coordinator.user.actor}
    assert answer.sentences == [
        "Harbor B is open, and 2 patients wait for it. Next: add its weekly blocks."
    ]
    assert answer.location == f"/admin/scheduling/weeklyblock/new/?group={second.pk}"


def test_it_begins_with_a_name_the_seats_and_the_waitlist_in_order(world, coordinator):
    entries = waiting(world, 2)
    form = coordinator.open(world.group, "second").context["form"]
    assert (form["name"].value(), form["capacity"].value()) == (f"{world.group} 2", 8)
    assert [label for _, label in form.fields["moving"].choices] == [
        f"{one.episode.patient}, since Mar 2, 2026" for one in entries
    ]
    assert actors(world.group, "R") == {coordinator.user.actor}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"capacity": 16}, "A group has 8 to 15 seats."),
        ({"name": ""}, "This field is required."),
    ],
)
def test_a_mistake_opens_nothing(world, coordinator, given, sentence):
    before = groups()
    answer = coordinator.fill(world.group, "second", **{"capacity": 8, "name": "B", **given})
    assert (answer.refusal, groups()) == (sentence, before)


def test_a_name_that_is_taken_opens_nothing(world, coordinator):
    before = groups()
    answer = coordinator.fill(world.group, "second", name=world.group.name.upper(), capacity=8)
    assert answer.refusal == "The clinic already has a group of this name."
    assert groups() == before


def test_who_is_offered_a_seat_stays_with_the_offer(world, coordinator):
    (entry,) = waiting(world, 1)
    services.offer_seat(
        entry=entry, starts_on=TODAY, expires_at=world.at("2026-03-04", "17:00"),
        method="call", result="reached", by=world.by,
    )  # fmt: skip
    assert "moving" not in coordinator.open(world.group, "second").context["form"].fields
    answer = coordinator.fill(world.group, "second", name="Harbor B", capacity=8)
    assert answer.sentences == ["Harbor B is open. Next: add its weekly blocks."]
    before = groups()
    with pytest.raises(Refused) as caught:
        services.open_second_group(
            group=world.group, name="B", capacity=8, moving=[entry], by=world.by
        )
    entry.refresh_from_db()
    assert (caught.value.code, entry.group, groups()) == ("not_waiting", world.group, before)


def test_a_closed_group_has_no_second(world, coordinator):
    Group.objects.filter(pk=world.group.pk).update(active=False)
    page = coordinator.open(world.group, "change").content.decode()
    assert "Open a second group" not in page
