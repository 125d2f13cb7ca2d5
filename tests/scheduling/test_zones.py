"""Another time zone: what is to come keeps its wall time, what has begun stays as it was."""

from __future__ import annotations

import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.models import AuditEvent
from scheduling import services
from scheduling.models import Booking, Decision, Session, SessionStaff
from scheduling.services import Decided
from tests import factories as f
from tests.scheduling.conftest import TODAY, World

DAY = datetime.timedelta(days=1)
NEXT = TODAY + 7 * DAY
NEW = "America/Los_Angeles"


def change(world: World, zone: str = NEW) -> services.Rezoned:
    return services.change_zone(clinic=world.clinic, zone=zone, by=world.by)


def planned(world: World, weeks: int = 2, **extra: Any) -> list[Session]:
    """A member in the sessions of two weeks, the first of them today."""
    world.block(breaks=[[20, 30]], **extra)
    services.enrol(group=world.group, episode=world.episode(), starts_on=TODAY, by=world.by)
    services.expand(clinic=world.clinic, today=TODAY, by=Job("nightly"), weeks=weeks)
    return list(Session.objects.order_by("starts_at"))


def walls(session: Session) -> tuple[str, str, str]:
    session.refresh_from_db()
    starts, ends = (at.astimezone(session.tz) for at in (session.starts_at, session.ends_at))
    return (f"{starts:%Y-%m-%d %H:%M}", f"{ends:%H:%M}", session.zone)


def test_sessions_to_come_with_their_staff_and_bookings_keep_date_and_wall_time(
    world: World,
) -> None:
    today, later = planned(world)
    was = later.starts_at
    found = change(world)
    assert [walls(one) for one in (today, later)] == [
        ("2026-03-02 09:00", "10:00", NEW),
        ("2026-03-09 09:00", "10:00", NEW),
    ]
    assert later.starts_at - was == datetime.timedelta(hours=3)
    assert (later.local_date, later.original_local_date, later.version) == (NEXT, NEXT, 2)
    for rows in (SessionStaff.objects, Booking.objects):
        assert list(rows.filter(session=later).values_list("starts_at", "ends_at")) == [
            (later.starts_at, later.ends_at)
        ]
    assert ([one.pk for one in found.moved], found.kept) == ([today.pk, later.pk], [])
    assert (world.clinic.zone, world.clinic.version) == (NEW, 2)


def with_visit(world: World, outer: Session) -> Booking:
    row = outer.bookings.get()
    inside = world.session(str(outer.local_date), "09:15", "09:30")
    return services.book(session=inside, episode=row.episode, nested_in=row, by=world.by)


def test_a_visit_moves_along_with_the_session_that_it_interrupts(world: World) -> None:
    _, later = planned(world)
    visit = with_visit(world, later)
    outer = visit.nested_in
    change(world)
    visit.refresh_from_db()
    assert (walls(visit.session), walls(later)) == (
        ("2026-03-09 09:15", "09:30", NEW), ("2026-03-09 09:00", "10:00", NEW),
    )  # fmt: skip
    assert (visit.nested_in, visit.outer_starts_at, visit.outer_ends_at) == (
        outer, later.starts_at, later.ends_at,
    )  # fmt: skip


def test_a_visit_in_a_session_that_has_begun_is_refused(world: World) -> None:
    today, _ = planned(world)
    visit = with_visit(world, today)
    with (
        time_machine.travel(world.at("2026-03-02", "09:05"), tick=False),
        pytest.raises(Refused) as refusal,
    ):
        change(world)
    assert (refusal.value.code, refusal.value.details) == (
        "nested_visit", {"dates": [TODAY], "bookings": [visit.pk]},
    )  # fmt: skip
    visit.refresh_from_db()
    assert (visit.outer_starts_at, walls(today)[2]) == (today.starts_at, "America/New_York")


def test_a_cancelled_visit_in_a_session_that_has_begun_is_in_nobodys_way(world: World) -> None:
    today, _ = planned(world)
    visit = with_visit(world, today)
    services.cancel_session(session=visit.session, reason="Not needed", by=world.by)
    with time_machine.travel(world.at("2026-03-02", "09:05"), tick=False):
        change(world)
    visit.refresh_from_db()
    assert (visit.nested_in, walls(today)[2]) == (None, "America/New_York")
    assert walls(visit.session)[2] == NEW


def test_what_is_expanded_afterwards_is_in_the_new_zone_and_nothing_comes_twice(
    world: World,
) -> None:
    planned(world)
    change(world)
    services.expand(clinic=world.clinic, today=TODAY, by=Job("nightly"), weeks=3)
    rows = list(Session.objects.order_by("starts_at"))
    assert [walls(one)[0] for one in rows] == [
        "2026-03-02 09:00", "2026-03-09 09:00", "2026-03-16 09:00",
    ]  # fmt: skip
    assert {one.zone for one in rows} == {NEW}


def test_what_has_begun_or_is_signed_stays_in_its_zone(world: World) -> None:
    today, later = planned(world)
    with time_machine.travel(world.at("2026-03-02", "09:30"), tick=False):
        change(world)
    assert (walls(today)[2], walls(later)[2]) == ("America/New_York", NEW)
    Session.objects.filter(pk=later.pk).update(
        signed_at=world.at("2026-03-02", "09:30"), signed_by=world.by
    )
    change(world, "America/Phoenix")
    assert walls(later)[2] == NEW


def test_westward_it_never_lets_a_session_begin_in_the_past(world: World) -> None:
    """At eight in New York it is eight in Halifax an hour before."""
    soon, later = planned(world, starts_at=datetime.time(8, 30), ends_at=datetime.time(9, 30))
    with time_machine.travel(world.at("2026-03-02", "08:00"), tick=False):
        found = change(world, "America/Halifax")
    assert ([one.pk for one in found.kept], [one.pk for one in found.moved]) == (
        [soon.pk], [later.pk],
    )  # fmt: skip
    assert walls(soon) == ("2026-03-02 08:30", "09:30", "America/New_York")
    assert walls(later) == ("2026-03-09 08:30", "09:30", "America/Halifax")


def test_one_that_was_moved_by_hand_keeps_the_time_that_it_was_given(world: World) -> None:
    _, later = planned(world)
    services.move_session(
        session=later, by=world.by,
        starts_at=world.at("2026-03-11", "14:00"), ends_at=world.at("2026-03-11", "15:30"),
    )  # fmt: skip
    change(world)
    assert walls(later) == ("2026-03-11 14:00", "15:30", NEW)
    assert later.original_local_date == NEXT


def test_an_hour_that_one_zone_skips_is_the_blocks_own_in_the_other(world: World) -> None:
    """02:30 on March 8 is no time in New York, and one in Phoenix."""
    night = {"starts_at": datetime.time(2, 30), "ends_at": datetime.time(3, 30)}
    (row,) = planned(world, weeks=1, weekday=6, **night)
    assert walls(row)[0] == "2026-03-08 03:30"
    change(world, "America/Phoenix")
    assert walls(row) == ("2026-03-08 02:30", "03:30", "America/Phoenix")


def test_back_to_back_sessions_of_one_room_and_leader_pass_each_other(world: World) -> None:
    for hour in range(8, 14):
        world.block(starts_at=datetime.time(hour), ends_at=datetime.time(hour + 1))
    services.expand(clinic=world.clinic, today=NEXT, by=Job("nightly"), weeks=1)
    change(world, "America/Denver")
    rows = Session.objects.order_by("starts_at")
    assert [walls(one)[0][-5:] for one in rows] == [f"{hour:02}:00" for hour in range(8, 14)]


def test_time_off_that_would_begin_inside_another_one_stays(world: World) -> None:
    """The first ends too soon to move: in the new zone it would be over already."""
    world.clinic.zone = "America/Los_Angeles"
    world.clinic.save()
    for starts, ends in (("01:00", "04:00"), ("06:00", "08:00"), ("08:00", "09:00")):
        services.add_time_off(
            therapist=world.therapist, by=world.by,
            starts_at=world.at("2026-03-02", starts), ends_at=world.at("2026-03-02", ends),
        )  # fmt: skip
    before = list(world.therapist.time_off.order_by("pk").values_list("starts_at", "ends_at"))
    services.change_zone(clinic=world.clinic, zone="America/New_York", by=world.by)
    after = list(world.therapist.time_off.order_by("pk").values_list("starts_at", "ends_at"))
    assert after == before


def test_time_off_that_would_have_begun_already_stays(world: World) -> None:
    world.clinic.zone = "America/Los_Angeles"
    world.clinic.save()
    services.add_time_off(
        therapist=world.therapist, by=world.by,
        starts_at=world.at("2026-03-02", "04:00"), ends_at=world.at("2026-03-02", "06:00"),
    )  # fmt: skip
    before = world.therapist.time_off.values_list("starts_at", "ends_at").get()
    services.change_zone(clinic=world.clinic, zone="America/New_York", by=world.by)
    assert world.therapist.time_off.values_list("starts_at", "ends_at").get() == before


def test_time_off_to_come_and_a_substitutes_access_move_along(world: World) -> None:
    _, later = planned(world)
    other = f.TherapistFactory(clinic=world.clinic)
    services.assign_substitute(session=later, therapist=other, by=world.by)
    services.add_time_off(
        therapist=world.therapist, by=world.by,
        starts_at=world.at("2026-03-09", "00:00"), ends_at=world.at("2026-03-10", "00:00"),
    )  # fmt: skip
    assert change(world).time_off == 1
    off = world.therapist.time_off.get()
    assert [at.astimezone(world.clinic.tz).hour for at in (off.starts_at, off.ends_at)] == [0, 0]
    later.refresh_from_db()
    part = later.staff.get(therapist=other)
    assert part.access_until == later.ends_at + 7 * DAY


def test_a_closed_part_of_a_day_closes_the_same_wall_time(world: World) -> None:
    services.add_closure(
        clinic=world.clinic, starts_on=NEXT, ends_on=NEXT, reason="Painting", by=world.by,
        from_time=datetime.time(8, 30), to_time=datetime.time(9, 30),
    )  # fmt: skip
    planned(world)
    change(world)
    services.expand(clinic=world.clinic, today=TODAY, by=Job("nightly"), weeks=3)
    states = Session.objects.order_by("starts_at").values_list("state", flat=True)
    assert list(states) == ["scheduled", "cancelled", "scheduled"]


def test_what_a_closure_moved_still_goes_back_where_it_was(world: World) -> None:
    _, later = planned(world)
    decided = Decided(
        later, Decision.Choice.MOVED,
        starts_at=world.at("2026-03-11", "14:00"), ends_at=world.at("2026-03-11", "15:30"),
    )  # fmt: skip
    closure = services.add_closure(
        clinic=world.clinic, starts_on=NEXT, ends_on=NEXT, reason="Painting", by=world.by,
        decided=[decided],
    )  # fmt: skip
    change(world)
    one = Decision.objects.get()
    times = (one.was_starts_at, one.was_ends_at, one.to_starts_at, one.to_ends_at)
    assert [f"{at.astimezone(ZoneInfo(NEW)):%d %H:%M}" for at in times if at] == [
        "09 09:00", "09 10:00", "11 14:00", "11 15:30",
    ]  # fmt: skip
    undone = services.take_back_closure(closure=closure, by=world.by)
    assert (undone.back, undone.left) == ([later], [])
    assert walls(later) == ("2026-03-09 09:00", "10:00", NEW)


@pytest.mark.parametrize(
    ("zone", "code"), [("America/New_York", "same_zone"), ("Mars/Base", "zone"), ("", "zone")]
)
def test_a_wrong_zone_changes_nothing(world: World, zone: str, code: str) -> None:
    planned(world)
    before = AuditEvent.objects.count()
    with pytest.raises(Refused) as refusal:
        change(world, zone)
    assert (refusal.value.code, refusal.value.field) == (code, "zone")
    assert AuditEvent.objects.count() == before
