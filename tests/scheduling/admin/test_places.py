"""Closures, time off, rooms and types at the admin site."""

from __future__ import annotations

import datetime

import pytest

from iop_clinic.accounts.roles import Role
from scheduling.models import Closure, Group, Room, Session, SessionType, TimeOff
from scheduling.models.places import CREDITABLE_STAYS
from tests.admin import Desk, actors, desk, url
from tests.scheduling.admin.planned import NEXT, TODAY, planned
from tests.scheduling.conftest import World


def test_a_closure_shows_what_it_cancels_and_cancels_it_in_the_same_step(world, coordinator):
    session = planned(world)
    ahead = coordinator.look(Closure, "new", reason="Snow", starts_on=NEXT, ends_on=NEXT)
    (panel,) = ahead.panels
    assert (panel.title, [row[1] for row in panel.rows]) == ("1 session", [0])
    assert (planned(world).live, Closure.objects.count()) == (True, 0)
    answer = coordinator.save(ahead)
    assert answer.sentences[-1] == (
        "The clinic's sessions in this time are cancelled; they count against nobody."
    )
    assert planned(world).closure == Closure.objects.get()
    assert actors(session) == {coordinator.user.actor}


def test_a_closure_that_touches_nothing_is_saved_at_once(world, coordinator):
    day = NEXT + datetime.timedelta(days=1)
    answer = coordinator.fill(Closure, "new", reason="Snow", starts_on=day, ends_on=day)
    assert answer.status == 302
    assert planned(world).live


def test_a_closure_is_taken_back_and_leads_to_each_session(world, coordinator):
    coordinator.save(coordinator.look(Closure, "new", reason="Snow", starts_on=NEXT, ends_on=NEXT))
    answer = coordinator.fill(Closure.objects.get(), "take-back")
    assert f'href="{url(planned(world), "revive")}"' in answer.sentences[0]
    assert (Closure.objects.count(), planned(world).closure) == (0, None)
    assert coordinator.fill(planned(world), "revive").status == 302
    assert planned(world).live


def test_a_closed_room_cancels_nothing(world, coordinator):
    Session.objects.update(room=world.room)
    days = {"starts_on": NEXT, "ends_on": NEXT}
    ahead = coordinator.look(Closure, "new", reason="Paint", room=world.room, **days)
    assert ahead.panels[0].note.startswith("These lose their room")
    coordinator.save(ahead)
    assert (planned(world).live, planned(world).room) == (True, None)


def test_a_closure_the_wrong_way_round_is_refused(world, coordinator):
    answer = coordinator.fill(Closure, "new", reason="Snow", starts_on=NEXT, ends_on=TODAY)
    assert answer.refusal == "The closure ends before it starts."
    assert not Closure.objects.exists()
    assert planned(world).live


def off(world: World, starts: str, ends: str) -> dict[str, object]:
    times = {"starts_at": ("2026-03-09", starts), "ends_at": ("2026-03-09", ends)}
    return {"therapist": world.therapist, **times}


def test_a_sick_call_is_for_the_whole_of_today_unless_it_says_otherwise(world, coordinator):
    coordinator.save(coordinator.look(TimeOff, "new", therapist=world.therapist))
    row = TimeOff.objects.get()
    assert (row.starts_at, row.ends_at) == (
        world.at(TODAY.isoformat(), "00:00"),
        world.at(TODAY.isoformat(), "23:59"),
    )


def test_time_off_shows_which_sessions_it_leaves_without_a_leader(world, coordinator):
    ahead = coordinator.look(TimeOff, "new", **off(world, "08:00", "17:00"))
    assert ahead.panels[0].title == "1 session"
    assert (planned(world).needs_attention, TimeOff.objects.count()) == ("", 0)
    assert coordinator.save(ahead).status == 302
    assert planned(world).needs_attention.startswith("No leader")


def test_time_off_the_wrong_way_round_is_refused(world, coordinator):
    wrong = coordinator.fill(TimeOff, "new", **off(world, "17:00", "08:00"))
    assert wrong.refusal == "The time off ends before it starts."
    assert not TimeOff.objects.exists()


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


def test_a_time_off_is_taken_back_on_its_page(world, coordinator):
    coordinator.save(coordinator.look(TimeOff, "new", **off(world, "08:00", "17:00")))
    answer = coordinator.fill(TimeOff.objects.get(), "take-back")
    name = world.therapist.name
    assert answer.sentences[-1] == f"The time off is taken back: {name} leads 1 session again."
    assert (planned(world).needs_attention, TimeOff.objects.count()) == ("", 0)


def test_who_may_not_plan_takes_no_time_off_back(world, coordinator):
    coordinator.save(coordinator.look(TimeOff, "new", **off(world, "08:00", "17:00")))
    at = desk(world.clinic, Role.FRONT_DESK)
    assert at.send(url(TimeOff.objects.get(), "take-back"), {}).status == 403
    assert planned(world).needs_attention.startswith("No leader")
