"""Weekly blocks become sessions: what is missing is added, once, and never a hole."""

import datetime
from typing import Any

import pytest
from django.db import connection

from iop_clinic.accounts.acting import Job
from patients.models import Episode, EpisodeHold
from scheduling import services
from scheduling.models import Booking, Session, SessionStaff, SessionType
from tests import factories as f
from tests.scheduling.conftest import TODAY, World, build

DAY = datetime.timedelta(days=1)
NIGHTLY = Job("nightly")


def expand(world: World, **extra: Any) -> services.Expansion:
    asked = {"today": TODAY, "by": NIGHTLY, **extra}
    return services.expand(clinic=world.clinic, **asked)


def enrol(world: World, episode: Episode | None = None, **extra: Any) -> Episode:
    episode = episode or world.episode()
    asked = {"group": world.group, "starts_on": TODAY, "by": world.by, **extra}
    services.enrol(episode=episode, **asked)
    return episode


def standing(world: World, episode: Episode, **extra: Any) -> Any:
    """A weekly individual session of one patient, Mondays at eleven."""
    kind = f.SessionTypeFactory(
        clinic=world.clinic, kind=SessionType.Kind.INDIVIDUAL, name="Individual", ceiling=1
    )
    asked = {
        "clinic": world.clinic,
        "group": None,
        "episode": episode,
        "session_type": kind,
        "starts_at": datetime.time(11),
        "ends_at": datetime.time(12),
        "room": None,
        **extra,
    }
    return world.block(**asked)


def test_four_weeks_with_staff_room_and_members(world: World) -> None:
    helper = f.TherapistFactory(clinic=world.clinic)
    world.block(co_facilitator=helper, breaks=[[20, 30]])
    episode = enrol(world)
    result = expand(world)
    assert (result.created, result.booked, result.findings) == (4, 4, [])
    row = Session.objects.earliest("starts_at")
    assert (row.local_date, row.original_local_date, row.group, row.room) == (
        TODAY,
        TODAY,
        world.group,
        world.room,
    )
    assert (row.capacity, row.ceiling, row.breaks) == (8, 15, [[20, 30]])
    assert set(row.staff.values_list("therapist", "role")) == {
        (world.therapist.pk, "facilitator"),
        (helper.pk, "co_facilitator"),
    }
    assert list(row.bookings.values_list("episode", "seat")) == [(episode.pk, 1)]


def test_a_second_run_adds_nothing(world: World) -> None:
    world.block()
    enrol(world)
    expand(world)
    again = expand(world)
    assert (again.created, again.booked, again.findings) == (0, 0, [])
    assert (Session.objects.count(), Booking.objects.count()) == (4, 4)


def test_the_horizon_moves_with_the_day(world: World) -> None:
    world.block()
    expand(world)
    created = [expand(world, today=TODAY + day * DAY).created for day in range(1, 9)]
    assert created == [1, 0, 0, 0, 0, 0, 0, 1]


def test_moved_and_cancelled_occurrences_never_come_back(world: World) -> None:
    world.block()
    expand(world)
    moved, cancelled = Session.objects.order_by("starts_at")[1:3]
    services.move_session(
        session=moved,
        starts_at=world.at("2026-03-10", "09:00"),
        ends_at=world.at("2026-03-10", "10:00"),
        by=world.by,
    )
    services.cancel_session(session=cancelled, reason="Ill", by=world.by)
    assert expand(world).created == 0
    assert Session.objects.live().count() == 3


def test_a_member_only_on_the_dates_of_the_seat(world: World) -> None:
    world.block()
    enrol(world, starts_on=TODAY + 7 * DAY, ends_on=TODAY + 14 * DAY)
    expand(world)
    dates = Booking.objects.values_list("session__local_date", flat=True)
    assert sorted(dates) == [TODAY + 7 * DAY, TODAY + 14 * DAY]


def test_a_member_on_hold_is_added_once_back(world: World) -> None:
    world.block()
    episode = enrol(world)
    hold = EpisodeHold.objects.create(
        clinic=world.clinic, episode=episode, reason="jail", starts_on=TODAY
    )
    assert expand(world).booked == 0
    hold.ends_on = TODAY + 13 * DAY
    hold.save()
    assert expand(world).booked == 2


def test_nobody_is_booked_after_discharge(world: World) -> None:
    world.block()
    episode = enrol(world)
    episode.state, episode.discharged_on = Episode.State.DISCHARGED, TODAY
    episode.discharge_reason = Episode.DischargeReason.COMPLETED
    episode.save()
    assert expand(world).booked == 1


def test_a_standing_individual_session_with_its_patient(world: World) -> None:
    episode = world.episode()
    standing(world, episode)
    result = expand(world)
    assert (result.created, result.booked) == (4, 4)
    row = Session.objects.earliest("starts_at")
    assert (row.group, row.capacity, row.bookings.get().episode) == (None, 1, episode)


def test_nobody_to_meet_is_no_hole(world: World) -> None:
    episode = world.episode(on=TODAY + 7 * DAY)
    standing(world, episode)
    EpisodeHold.objects.create(
        clinic=world.clinic,
        episode=episode,
        reason="leave",
        starts_on=TODAY + 14 * DAY,
        ends_on=TODAY + 14 * DAY,
    )
    expand(world)
    dates = Session.objects.order_by("local_date").values_list("local_date", flat=True)
    assert list(dates) == [TODAY + 7 * DAY, TODAY + 21 * DAY]


def test_a_closed_group_meets_no_more(world: World) -> None:
    world.block()
    world.group.active = False
    world.group.save()
    assert expand(world).created == 0


def test_every_second_week(world: World) -> None:
    world.block(every_weeks=2)
    assert expand(world).created == 2


# --- what stands in the way ----------------------------------------------------------------------


def test_a_closed_day_becomes_a_cancelled_session(world: World) -> None:
    world.block()
    enrol(world)
    closure = services.add_closure(
        clinic=world.clinic,
        starts_on=TODAY + 7 * DAY,
        ends_on=TODAY + 7 * DAY,
        reason="Holiday",
        by=world.by,
    )
    result = expand(world)
    row = Session.objects.get(local_date=TODAY + 7 * DAY)
    assert (result.created, result.booked, result.findings) == (4, 4, [])
    assert (row.live, row.closure, row.cancelled_reason) == (False, closure, "Holiday")
    assert (row.staff.get().live, row.bookings.get().live) == (False, False)


def test_a_leader_with_time_off_leaves_a_session_that_needs_attention(world: World) -> None:
    world.block()
    services.add_time_off(
        therapist=world.therapist,
        starts_at=world.at("2026-03-09", "00:00"),
        ends_at=world.at("2026-03-10", "00:00"),
        by=world.by,
    )
    result = expand(world)
    row = Session.objects.get(local_date=TODAY + 7 * DAY)
    text = f"No leader: {world.therapist.name} has time off"
    assert (row.live, row.needs_attention, row.staff.count()) == (True, text, 0)
    assert result.findings == [f"{world.group.name}, Mon Mar 9, 9:00 AM: {text}"]


def test_a_leader_who_leads_another_session(world: World) -> None:
    world.block()
    world.session("2026-03-09", "09:30", "10:30", therapist=world.therapist)
    assert len(expand(world).findings) == 1
    row = Session.objects.get(group=world.group, local_date=TODAY + 7 * DAY)
    assert row.needs_attention == f"No leader: {world.therapist.name} leads another session"


def test_an_expired_license_is_marked_and_the_leader_stays(world: World) -> None:
    world.block()
    f.LicenseFactory(therapist=world.therapist, expires_on=TODAY + 20 * DAY)
    result = expand(world)
    row = Session.objects.latest("starts_at")
    text = f"License: none of {world.therapist.name} is valid on Mon Mar 23"
    assert (row.needs_attention, row.staff.count()) == (text, 1)
    assert result.findings == [f"{world.group.name}, Mon Mar 23, 9:00 AM: {text}"]


def test_a_room_that_is_taken_or_closed(world: World) -> None:
    world.block()
    world.session("2026-03-09", "09:30", "10:30", room=world.room)
    services.add_closure(
        clinic=world.clinic,
        starts_on=TODAY + 14 * DAY,
        ends_on=TODAY + 14 * DAY,
        room=world.room,
        reason="Painting",
        by=world.by,
    )
    expand(world)
    rows = Session.objects.filter(group=world.group, room=None).order_by("starts_at")
    assert list(rows.values_list("needs_attention", flat=True)) == [
        f"No room: {world.room} is taken",
        f"No room: {world.room} is closed (Painting)",
    ]


def test_two_blocks_of_one_leader_at_one_time(world: World) -> None:
    world.block()
    world.block(starts_at=datetime.time(9, 30), ends_at=datetime.time(10, 30))
    result = expand(world, weeks=1)
    assert (result.created, len(result.findings)) == (2, 1)
    assert SessionStaff.objects.count() == 1
    second = Session.objects.latest("starts_at")
    assert second.needs_attention == (
        f"No room: {world.room} is taken; No leader: {world.therapist.name} leads another session"
    )


def test_a_member_who_is_elsewhere_is_a_finding_without_a_name(world: World) -> None:
    world.block()
    episode = enrol(world)
    f.booking(world.session("2026-03-09", "09:30", "10:30"), episode)
    result = expand(world)
    assert (result.created, result.booked) == (4, 3)
    assert result.findings == [
        f"{world.group.name}, Mon Mar 9, 9:00 AM: a patient is booked elsewhere at this time"
    ]
    assert expand(world).findings == result.findings


def test_what_fails_in_one_block_leaves_the_others(world: World) -> None:
    world.block()
    # A break outside the session, which only raw SQL can have left in a block.
    broken = standing(world, world.episode())
    _without_the_check(broken, breaks=[[50, 90]])
    result = expand(world)
    assert (result.created, result.booked) == (4, 0)
    assert result.findings == [
        f"{broken}: Breaks are pairs of minutes inside the session, in order."
    ]


def _without_the_check(block: Any, **values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "ALTER TABLE scheduling_weeklyblock DROP CONSTRAINT weeklyblock_breaks_inside"
        )
    type(block).objects.filter(pk=block.pk).update(**values)


def test_another_clinic_is_left_alone(world: World) -> None:
    other = build()
    other.block()
    assert expand(world).created == 0


# --- clocks --------------------------------------------------------------------------------------

SPRING, AUTUMN, YEAR_END = "2026-03-02", "2026-10-26", "2026-12-28"


@pytest.mark.parametrize(
    ("zone", "monday", "utc_hours"),
    [
        ("America/New_York", SPRING, [14, 13]),
        ("America/New_York", AUTUMN, [13, 14]),
        ("America/Los_Angeles", SPRING, [17, 16]),
        ("America/Los_Angeles", AUTUMN, [16, 17]),
        ("America/Phoenix", SPRING, [16, 16]),
        ("America/Phoenix", AUTUMN, [16, 16]),
        ("Pacific/Honolulu", SPRING, [19, 19]),
        ("Pacific/Honolulu", AUTUMN, [19, 19]),
    ],
)
def test_nine_o_clock_on_both_sides_of_a_clock_change(
    db: None, zone: str, monday: str, utc_hours: list[int]
) -> None:
    world = build(zone)
    world.block()
    expand(world, today=datetime.date.fromisoformat(monday), weeks=2)
    rows = Session.objects.order_by("starts_at")
    assert [row.starts_at.astimezone(datetime.UTC).hour for row in rows] == utc_hours
    assert {row.starts_at.astimezone(world.clinic.tz).hour for row in rows} == {9}
    assert {row.ends_at - row.starts_at for row in rows} == {datetime.timedelta(hours=1)}
    assert {row.zone for row in rows} == {zone}


@pytest.mark.parametrize("sunday", ["2026-03-08", "2026-11-01"])
def test_the_sunday_of_the_change_itself(world: World, sunday: str) -> None:
    world.block(weekday=6, starts_at=datetime.time(0, 30), ends_at=datetime.time(3, 30))
    expand(world, today=datetime.date.fromisoformat(sunday), weeks=1)
    row = Session.objects.get()
    assert (row.local_date.isoformat(), row.ends_at - row.starts_at) == (
        sunday,
        datetime.timedelta(hours=3),
    )


def test_a_late_evening_in_honolulu_is_the_next_day_in_utc(db: None) -> None:
    world = build("Pacific/Honolulu")
    world.block(weekday=5, starts_at=datetime.time(22), ends_at=datetime.time(23, 30))
    expand(world, weeks=1)
    row = Session.objects.get()
    assert row.local_date == datetime.date(2026, 3, 7)
    assert row.starts_at.date() == datetime.date(2026, 3, 8)


def test_week_53_has_its_session(world: World) -> None:
    world.block(every_weeks=2, valid_from=datetime.date(2026, 12, 14))
    expand(world, today=datetime.date.fromisoformat(YEAR_END), weeks=3)
    dates = Session.objects.order_by("local_date").values_list("local_date", flat=True)
    assert [(day.isoformat(), day.isocalendar().week) for day in dates] == [
        ("2026-12-28", 53),
        ("2027-01-11", 2),
    ]


def test_every_second_week_stays_so_when_the_clinic_begins_its_week_on_another_day(
    world: World,
) -> None:
    sunday = datetime.date(2026, 12, 27)
    block = world.block(weekday=6, every_weeks=2, valid_from=sunday)
    expand(world, today=sunday, weeks=2)
    world.clinic.week_starts_on = 6
    world.clinic.save()
    expand(world, today=sunday, weeks=6)
    services.change_block(block=block, ends_at=datetime.time(10, 30), by=world.by)
    rows = Session.objects.live().order_by("local_date")
    assert [str(day) for day in rows.values_list("local_date", flat=True)] == [
        "2026-12-27", "2027-01-10", "2027-01-24",
    ]  # fmt: skip
    assert {row.ends_at - row.starts_at for row in rows} == {datetime.timedelta(minutes=90)}
