"""A weekly block on another day, or of a patient: who is expected there, and in which weeks."""

import datetime
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance import episodes
from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.models import Clinic
from patients.models import Episode
from scheduling import services
from scheduling.models import Booking, CallIn, Session, SessionStaff, WeeklyBlock
from tests import factories as f
from tests.scheduling.conftest import TODAY, World, build

DAY = datetime.timedelta(days=1)
NIGHTLY = Job("nightly")
NEXT = TODAY + 7 * DAY
LATER = {"starts_at": datetime.time(13), "ends_at": datetime.time(14)}


def planned(world: World, weeks: int = 4, **extra: Any) -> WeeklyBlock:
    block = world.block(**extra)
    services.expand(clinic=world.clinic, today=TODAY, by=NIGHTLY, weeks=weeks)
    return block


def enrol(world: World, **extra: Any) -> Episode:
    episode = world.episode()
    given = {"starts_on": TODAY, **extra}
    services.enrol(group=world.group, episode=episode, by=world.by, **given)
    return episode


def states(episode: Episode) -> list[tuple[datetime.date, str]]:
    rows = Booking.objects.filter(episode=episode).order_by("session__local_date")
    return list(rows.values_list("session__local_date", "state"))


def hold(world: World, episode: Episode, day: datetime.date) -> None:
    episodes.hold(episode=episode, starts_on=day, ends_on=day, reason="leave", by=world.by)


def change(world: World, block: WeeklyBlock, **changes: Any) -> services.Refitted:
    return services.change_block(block=block, by=world.by, **changes)


# --- who is expected on the other day ------------------------------------------------------------


def test_a_patient_on_hold_on_the_other_day_is_not_expected_and_is_on_the_way_back(
    world: World,
) -> None:
    block = planned(world)
    episode = enrol(world)
    hold(world, episode, NEXT + 2 * DAY)
    change(world, block, weekday=2)
    assert states(episode)[1] == (NEXT + 2 * DAY, "withdrawn")
    back = episodes.resume(episode=episode, resumes_on=NEXT + 2 * DAY, by=world.by)
    assert (back.booked, states(episode)[1]) == (1, (NEXT + 2 * DAY, "booked"))


def test_a_patient_on_hold_on_the_old_day_is_expected_on_the_other(world: World) -> None:
    block = planned(world)
    episode = enrol(world)
    hold(world, episode, NEXT)
    change(world, block, weekday=2)
    assert states(episode)[1] == (NEXT + 2 * DAY, "booked")


def test_whoever_has_called_in_for_the_other_day_has_given_notice(world: World) -> None:
    block = planned(world)
    episode = enrol(world)
    call = services.call_in(
        episode=episode, from_date=NEXT + 2 * DAY, to_date=NEXT + 2 * DAY, reason="illness",
        notified_at=world.at("2026-03-02", "05:00"), by=world.by,
    )  # fmt: skip
    change(world, block, weekday=2)
    assert states(episode)[1] == (NEXT + 2 * DAY, "released")
    assert CallIn.objects.get().bookings.get().call_in == call


def test_a_seat_lost_to_another_day_comes_back_with_the_day(world: World) -> None:
    block = planned(world)
    episode = enrol(world, ends_on=NEXT + DAY)
    change(world, block, weekday=4)
    assert states(episode) == [(TODAY + 4 * DAY, "booked"), (NEXT + 4 * DAY, "withdrawn")]
    change(world, block, weekday=1)
    assert states(episode) == [(TODAY + DAY, "booked"), (NEXT + DAY, "booked")]


def test_what_was_withdrawn_by_hand_stays_withdrawn(world: World) -> None:
    block = planned(world)
    episode = enrol(world)
    services.withdraw(booking=Booking.objects.order_by("pk")[1], reason="Court", by=world.by)
    change(world, block, weekday=2)
    assert states(episode)[1] == (NEXT + 2 * DAY, "withdrawn")


def test_a_guest_discharged_before_the_other_day_is_not_expected(world: World) -> None:
    block = planned(world)
    guest = world.episode()
    f.booking(Session.objects.get(local_date=NEXT), guest, 3)
    gone = {"state": "discharged", "discharged_on": NEXT + DAY, "discharge_reason": "completed"}
    Episode.objects.filter(pk=guest.pk).update(**gone)
    change(world, block, weekday=2)
    assert states(guest) == [(NEXT + 2 * DAY, "withdrawn")]


def test_a_substitute_reads_the_roster_for_a_week_after_the_other_day(world: World) -> None:
    block = planned(world)
    sub = f.TherapistFactory(clinic=world.clinic)
    moved = Session.objects.get(local_date=NEXT)
    services.assign_substitute(session=moved, therapist=sub, by=world.by)
    change(world, block, weekday=4)
    part = SessionStaff.objects.get(therapist=sub)
    assert (part.active, part.access_until) == (True, world.at("2026-03-20", "10:00"))


def test_another_type_leaves_what_was_moved_by_hand_as_it_is(world: World) -> None:
    block = planned(world)
    moved = Session.objects.get(local_date=NEXT)
    services.move_session(
        session=moved, starts_at=world.at("2026-03-10", "15:00"),
        ends_at=world.at("2026-03-10", "16:00"), by=world.by,
    )  # fmt: skip
    other = f.SessionTypeFactory(clinic=world.clinic)
    change(world, block, session_type=other)
    kinds = Session.objects.order_by("starts_at").values_list("session_type", flat=True)
    assert list(kinds) == [other.pk, world.kind.pk, other.pk, other.pk]


# --- a patient's own block -----------------------------------------------------------------------


def standing(world: World, **extra: Any) -> tuple[Episode, WeeklyBlock]:
    episode = world.episode()
    return episode, planned(world, group=None, episode=episode, clinic=world.clinic, **extra)


def test_a_standing_hour_moves_with_its_patient(world: World) -> None:
    episode, block = standing(world)
    hold(world, episode, NEXT + 2 * DAY)
    change(world, block, weekday=2)
    days = ["booked", "withdrawn", "booked", "booked"]
    assert [state for _, state in states(episode)] == days


def test_after_the_discharge_a_standing_hour_does_not_go_on(world: World) -> None:
    episode, block = standing(world)
    episodes.discharge(episode=episode, discharged_on=TODAY, reason="completed", by=world.by)
    for last in (None, NEXT):
        with pytest.raises(Refused) as caught:
            services.end_block(block=block, last=last, by=world.by)
        assert (caught.value.code, caught.value.field) == ("not_active", "valid_until")
    assert WeeklyBlock.objects.get().valid_until == TODAY


def test_the_hour_of_a_discharged_patient_is_free_for_another(world: World) -> None:
    episode, _ = standing(world)
    episodes.discharge(episode=episode, discharged_on=TODAY, reason="completed", by=world.by)
    new = WeeklyBlock.objects.get()
    new.pk, new.episode, new.group = None, None, world.group
    new.valid_from, new.valid_until, new._state.adding = NEXT, None, True
    assert services.add_block(block=new, by=world.by).pk


# --- entering one --------------------------------------------------------------------------------


def entered(world: World, **wrong: Any) -> WeeklyBlock:
    row = world.block(weekday=1)
    row.delete()
    row.pk, row._state.adding, row.weekday = None, True, 0
    for name, value in wrong.items():
        setattr(row, name, value)
    return services.add_block(block=row, by=world.by)


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"ends_at": datetime.time(8)}, "weeklyblock_ends_after_start", "ends_at"),
        ({"breaks": [[50, 70]]}, "weeklyblock_breaks_inside", "breaks"),
        ({"breaks": [[0, 20], [20, 60]]}, "only_breaks", "breaks"),
        ({"valid_from": datetime.date(2020, 3, 3)}, "first_day", "valid_from"),
        ({"valid_from": datetime.date(2027, 3, 5)}, "first_day", "valid_from"),
        ({"valid_until": datetime.date(2062, 3, 5)}, "last_day", "valid_until"),
        (
            {"valid_from": datetime.date(2026, 3, 3), "valid_until": datetime.date(2026, 3, 8)},
            "never_meets",
            "valid_until",
        ),
        ({"facilitator_id": None}, "invalid", "facilitator"),
        ({"ends_at": datetime.time(16)}, "session_length", "ends_at"),
        ({"ends_at": datetime.time(9, 10)}, "session_length", "ends_at"),
        (
            {"valid_until": datetime.date(2026, 1, 2)},
            "weeklyblock_valid_dates_in_order",
            "valid_until",
        ),
        ({"every_weeks": 3}, "weeklyblock_every_one_or_two_weeks", "every_weeks"),
    ],
)
def test_what_no_block_can_be_is_said_at_its_field(
    world: World, wrong: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(Refused) as caught:
        entered(world, **wrong)
    assert (caught.value.code, caught.value.field) == (code, field)
    assert not WeeklyBlock.objects.exists()


@pytest.mark.parametrize(
    ("whose", "field", "who"),
    [
        ({}, "facilitator", "The facilitator"),
        ({"facilitator": None}, "room", "The room"),
    ],
)
def test_it_is_said_who_meets_elsewhere_then(
    world: World, whose: dict[str, Any], field: str, who: str
) -> None:
    other = f.GroupFactory(clinic=world.clinic, program=world.program)
    if whose:
        whose = {"facilitator": f.TherapistFactory(clinic=world.clinic)}
    world.block(group=other, starts_at=datetime.time(9, 30), ends_at=datetime.time(10, 30), **whose)
    with pytest.raises(Refused) as caught:
        entered(world)
    assert (caught.value.code, caught.value.field) == ("block_overlaps", field)
    assert caught.value.message == (
        f"{who} has another weekly block then: Monday 9:30 AM of {other}. Choose another time, or "
        "change that one."
    )


def test_the_blocks_of_a_group_that_is_closed_stand_in_nobodys_way(world: World) -> None:
    other = f.GroupFactory(clinic=world.clinic, program=world.program, active=False)
    world.block(group=other)
    assert entered(world).pk


# --- weeks ---------------------------------------------------------------------------------------


def from_sunday(world: World) -> None:
    Clinic.objects.filter(pk=world.clinic.pk).update(week_starts_on=6)
    world.clinic.refresh_from_db()


def test_in_weeks_from_sunday_a_sunday_is_the_same_weeks_first_day(world: World) -> None:
    from_sunday(world)
    block = planned(world, weekday=5)
    change(world, block, first=TODAY + 12 * DAY, weekday=6)
    days = list(Session.objects.live().order_by("starts_at").values_list("local_date", flat=True))
    sundays = [TODAY + n * DAY for n in (13, 20)]
    assert days == [TODAY + 5 * DAY, *sundays]
    expanded = services.expand(clinic=world.clinic, today=TODAY, by=NIGHTLY)
    assert (expanded.created, days[-1] + 7 * DAY) == (1, TODAY + 27 * DAY)


def test_every_second_week_over_a_year_of_53_weeks(db: None) -> None:
    with time_machine.travel(datetime.datetime(2026, 12, 14, 10, tzinfo=datetime.UTC)):
        world = build()
        first = datetime.date(2026, 12, 14)
        block = world.block(every_weeks=2, valid_from=first)
        services.expand(clinic=world.clinic, today=first, by=NIGHTLY, weeks=6)
        change(world, block, first=first + 14 * DAY, weekday=3)
        days = Session.objects.live().order_by("starts_at").values_list("local_date", flat=True)
        assert list(days) == [first, first + 17 * DAY, first + 31 * DAY]
        services.expand(clinic=world.clinic, today=first, by=NIGHTLY, weeks=6)
        assert Session.objects.count() == 3


@pytest.mark.parametrize("zone", ["America/New_York", "America/Phoenix", "Pacific/Honolulu"])
def test_the_wall_time_is_kept_over_both_clock_changes(db: None, zone: str) -> None:
    world = build(zone)
    block = planned(world, weeks=40)
    change(world, block, weekday=6, **LATER)
    rows = Session.objects.order_by("starts_at")
    assert {f"{one.starts_at.astimezone(one.tz):%a %H:%M}" for one in rows} == {"Sun 13:00"}
    assert len(rows) == 40


# --- cost ----------------------------------------------------------------------------------------


def statements(world: World, block: WeeklyBlock, **changes: Any) -> int:
    with CaptureQueriesContext(connection) as captured:
        change(world, block, **changes)
    return len(captured)


def test_a_change_takes_the_same_statements_for_one_session_and_for_fifty(world: World) -> None:
    block = planned(world, weeks=1)
    enrol(world)
    one = [statements(world, block, weekday=day) for day in (2, 3)]
    services.expand(clinic=world.clinic, today=TODAY, by=NIGHTLY, weeks=50)
    enrol(world)
    assert [statements(world, block, weekday=day) for day in (2, 3)] == one == [77, 77]
