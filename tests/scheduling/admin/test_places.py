"""Rooms and types at the admin site."""

from __future__ import annotations

import pytest

from iop_clinic.accounts.roles import Role
from scheduling.models import Group, Room, Session, SessionType
from scheduling.models.places import CREDITABLE_STAYS
from tests.admin import Desk, desk
from tests.scheduling.conftest import World


def test_a_room_without_seats_is_refused(world, coordinator):
    answer = coordinator.fill(Room, "add", name="Closet", seats=0)
    assert answer.refusal == "A room has at least one seat."
    assert Room.objects.count() == 1


def test_a_room_keeps_the_seats_that_sessions_to_come_need(world, coordinator):
    answer = coordinator.fill(world.room, "change", seats=7)
    said = "Sessions to come have more seats than that: give them a larger room first."
    assert answer.errors == {"seats": [said]}
    assert Room.objects.get().seats == 16
    assert coordinator.fill(world.room, "change", seats=8).status == 302


@pytest.fixture
def owner(world) -> Desk:
    """Whoever may change the clinic's settings."""
    return desk(world.clinic, Role.ADMINISTRATOR)


def of_type(world: World) -> tuple[object, ...]:
    return SessionType.objects.values_list("name", "kind", "creditable").get(pk=world.kind.pk)


def test_whether_minutes_count_stays_once_a_session_of_the_type_exists(world, owner):
    before = of_type(world)
    answer = owner.fill(world.kind, "change", name="Lecture", creditable=False)
    assert answer.errors == {"creditable": [CREDITABLE_STAYS]}
    assert of_type(world) == before
    assert owner.fill(world.kind, "change", name="Lecture").status == 302
    assert of_type(world) == ("Lecture", *before[1:])


def test_of_a_type_without_sessions_it_can_be_put_right(world, owner):
    Session.objects.all().delete()
    assert owner.fill(world.kind, "change", creditable=False).status == 302
    assert of_type(world)[2] is False


def test_a_session_is_found_by_its_groups_whole_name(world, coordinator):
    Group.objects.update(name="Group A")
    planned = Session.objects.filter(group=world.group).order_by("pk")[0]
    assert str(planned) == "Group A, Mon Mar 2"
    answer = coordinator.client.post(
        "/admin/autocomplete/",
        {"app_label": "scheduling", "model_name": "booking", "field_name": "session",
         "term": f"Group A {planned.local_date}"},
    )  # fmt: skip
    assert [row["id"] for row in answer.json()["results"]] == [str(planned.pk)]
