"""A group with one seat left: who could sit in another one, and where it is warned of."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.admin.last_seat import SHOWN
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.roles import Role
from patients.models import Episode, KeepApart, Level
from scheduling.models import Booking, Group, GroupMembership, WaitlistEntry
from scheduling.services import expand
from tests import factories as f
from tests.admin import Desk, desk, url
from tests.attendance.house import BEFORE, BREAKS, JOB, WED, House
from tests.lists import cells, lines, panels

TITLE = "One seat is left: who could sit in another group"
FULL_WEEK = "9 h of 9 h on 3 of 3 days"


@pytest.fixture
def house(house: House) -> House:
    """Seven of eight seats of the group are taken."""
    return filled(house, 7)


def filled(house: House, number: int) -> House:
    Group.objects.filter(pk=house.group.pk).update(capacity=number + 1)
    house.group.refresh_from_db()
    for seat in range(1, number + 1):
        house.patient(BEFORE, seat=seat)
    return house


def another(house: House, **extra: Any) -> Group:
    """A group of the program that meets on the same days, in the evening unless told."""
    starts = extra.pop("starts_at", datetime.time(18))
    ends = (datetime.datetime.combine(WED, starts) + datetime.timedelta(minutes=200)).time()
    days = extra.pop("days", (0, 2, 4))
    row: Group = f.GroupFactory(
        clinic=house.clinic, **{"program": house.group.program, "capacity": 8, **extra}
    )
    for weekday in days:
        f.WeeklyBlockFactory(
            group=row, valid_from=BEFORE, session_type=house.type, weekday=weekday,
            starts_at=starts, ends_at=ends, breaks=BREAKS, facilitator=house.therapist,
        )  # fmt: skip
    return row


def panel(at: Desk, house: House) -> Panel | None:
    return panels(at, house.group).get(TITLE)


def named(at: Desk, house: House) -> list[str]:
    found = panel(at, house)
    assert found is not None
    return [line[0] for line in lines(found)]


def member(house: House, seat: int = 1) -> Episode:
    return GroupMembership.objects.get(group=house.group, seat=seat).episode


def test_who_reaches_the_same_elsewhere_is_named_with_the_way(house, coordinator):
    other = another(house)
    found = panel(coordinator, house)
    assert found is not None
    assert lines(found) == [
        (str(member(house, seat).patient), f"{other}, from Mar 4, 2026, 8 seats free", FULL_WEEK,
         "Transfer")
        for seat in range(1, SHOWN + 1)
    ]  # fmt: skip
    first = GroupMembership.objects.get(group=house.group, seat=1)
    assert f"{url(first, 'transfer')}?to_group={other.pk}&amp;on=2026-03-04" in found.rows[0][-1]
    shown = coordinator.open(first, "transfer", to_group=other.pk, on="2026-03-04")
    assert shown.context["form"]["to_group"].value() == str(other.pk)


def test_the_sessions_that_they_leave_keep_nobody_away(house, coordinator):
    """Both groups meet at the same hours, in two rooms."""
    another(house, starts_at=datetime.time(9))
    expand(clinic=house.clinic, today=WED, by=JOB)
    assert Booking.objects.filter(episode=member(house)).exists()
    assert len(named(coordinator, house)) == SHOWN


def test_the_group_with_most_room_comes_first(house, coordinator):
    full, roomy = another(house), another(house, capacity=12)
    found = panel(coordinator, house)
    assert found is not None
    assert {line[1] for line in lines(found)} == {f"{roomy}, from Mar 4, 2026, 12 seats free"}
    assert full.capacity < roomy.capacity


@pytest.mark.parametrize(
    "extra",
    [{"level": Level.PHP}, {"population": "veterans"}, {"days": (0, 2)}, {"active": False}],
)
def test_a_group_that_does_not_do_is_none(house, coordinator, extra):
    another(house, **extra)
    found = panel(coordinator, house)
    assert found is not None
    assert found.rows == []


def test_nobody_is_sent_to_whom_they_are_kept_apart_from(house, coordinator):
    other = another(house)
    there = house.patient(BEFORE, seat=None)
    GroupMembership.objects.create(
        clinic=house.clinic, group=other, episode=there, seat=1, starts_on=BEFORE
    )
    first = member(house)
    KeepApart.objects.create(
        clinic=house.clinic, patient=first.patient, other=there.patient, reason="Confidential"
    )
    found = named(coordinator, house)
    assert str(first.patient) not in found
    assert len(found) == SHOWN
    assert str(there.patient) not in coordinator.open(house.group, "change").content.decode()


def test_who_has_a_standing_hour_at_its_time_stays(house, coordinator):
    another(house)
    f.WeeklyBlockFactory(
        group=None, clinic=house.clinic, episode=member(house), weekday=2, valid_from=BEFORE,
        session_type=house.type, starts_at=datetime.time(18), ends_at=datetime.time(19),
    )  # fmt: skip
    assert str(member(house).patient) not in named(coordinator, house)


def test_it_is_asked_only_where_one_seat_is_left(house, coordinator):
    another(house)
    house.patient(BEFORE, seat=8)
    assert panel(coordinator, house) is None
    GroupMembership.objects.filter(group=house.group, seat__in=(7, 8)).update(ends_on=BEFORE)
    assert panel(coordinator, house) is None


def test_who_may_move_nobody_is_not_asked(house):
    another(house)
    assert panel(desk(house.clinic, Role.AUDITOR), house) is None
    found = panel(desk(house.clinic, Role.FRONT_DESK), house)
    assert found is not None
    assert found.note == "Whoever is enrolled next fills the group."


@pytest.mark.django_db
def test_the_page_takes_as_many_statements_for_many_members_and_groups(time_machine):
    time_machine.move_to(datetime.datetime(2026, 3, 4, 13, tzinfo=datetime.UTC), tick=False)

    def spent(members: int, groups: int) -> int:
        here = filled(House(), members)
        for _ in range(groups):
            another(here)
        at = desk(here.clinic)
        at.open(here.group, "change")
        with CaptureQueriesContext(connection) as queries:
            assert panel(at, here) is not None
        return len(queries)

    assert spent(7, 1) == spent(14, 5)


# --- where it is warned of -----------------------------------------------------------------------


def test_the_list_and_the_morning_say_which_seat_is_the_last(house, coordinator):
    assert cells(coordinator, Group)[0]["free_seats"] == "1, the last"
    context = coordinator.client.get("/admin/").context
    found = next(one for one in context["panels"] if one.title == "Free seats")
    assert lines(found)[0][1] == "1, the last"


def test_who_enrols_the_last_but_one_is_told(house, coordinator):
    GroupMembership.objects.filter(group=house.group, seat=7).delete()
    newcomer = house.patient(BEFORE, seat=None)
    answer = coordinator.fill(newcomer, "enrol", group=house.group, starts_on=WED)
    assert f'One seat is left in <a href="{url(house.group, "change")}"' in answer.sentences[0]
    last = house.patient(BEFORE, seat=None)
    answer = coordinator.fill(last, "enrol", group=house.group, starts_on=WED)
    assert "One seat is left" not in answer.sentences[0]


def test_who_still_waits_elsewhere_is_told(house, coordinator):
    other, newcomer = another(house), house.patient(BEFORE, seat=None)
    entry = WaitlistEntry.objects.create(
        clinic=house.clinic, group=other, episode=newcomer, added_at=house.at(WED, "07:00")
    )
    answer = coordinator.fill(newcomer, "enrol", group=house.group, starts_on=WED)
    assert f'Still waits for <a href="{url(entry, "change")}"' in answer.sentences[0]
