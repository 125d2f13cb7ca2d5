"""A weekly block is changed: what has begun stays, what is to come is the same rows."""

import datetime
from typing import Any

import pytest

from iop_clinic.accounts.acting import Job, Refused
from scheduling import services
from scheduling.models import Booking, Decision, Session, SessionStaff, WeeklyBlock
from tests import factories as f
from tests.scheduling.conftest import TODAY, World

DAY = datetime.timedelta(days=1)
NIGHTLY = Job("nightly")
WEEKS = [TODAY + 7 * n * DAY for n in range(4)]


def planned(world: World, **extra: Any) -> WeeklyBlock:
    """Mondays at nine for four weeks, with one member."""
    block = world.block(**extra)
    services.enrol(group=world.group, episode=world.episode(), starts_on=TODAY, by=world.by)
    services.expand(clinic=world.clinic, today=TODAY, by=NIGHTLY)
    return block


def change(world: World, block: WeeklyBlock, **changes: Any) -> services.Refitted:
    return services.change_block(block=block, by=world.by, **changes)


def rows() -> list[Session]:
    return list(Session.objects.order_by("pk"))


def times() -> list[tuple[datetime.date, str]]:
    found = Session.objects.live().order_by("starts_at")
    return [(one.local_date, f"{one.starts_at.astimezone(one.tz):%H:%M}") for one in found]


def seats() -> set[tuple[int, int, str]]:
    return set(Booking.objects.values_list("session", "episode", "state"))


def test_all_that_is_to_come_takes_another_time_over_the_clock_change(world: World) -> None:
    block = planned(world)
    before, booked = rows(), seats()
    result = change(world, block, starts_at=datetime.time(13), ends_at=datetime.time(14))
    assert times() == [(day, "13:00") for day in WEEKS]
    assert [one.pk for one in result.changed] == [one.pk for one in before]
    assert seats() == booked
    assert WeeklyBlock.objects.get().version == 2


def test_this_and_following_split_the_block(world: World) -> None:
    block = planned(world)
    before, booked = rows(), seats()
    change(world, block, first=WEEKS[2], starts_at=datetime.time(13), ends_at=datetime.time(14))
    hours = ["09:00", "09:00", "13:00", "13:00"]
    assert times() == list(zip(WEEKS, hours, strict=True))
    old, new = WeeklyBlock.objects.order_by("pk")
    assert (old.valid_until, new.valid_from, new.continues) == (WEEKS[2] - DAY, WEEKS[2], old)
    assert [one.block for one in rows()] == [old, old, new, new]
    assert ([one.pk for one in rows()], seats()) == ([one.pk for one in before], booked)


def test_another_weekday_in_the_same_weeks(world: World) -> None:
    change(world, planned(world), weekday=3)
    assert times() == [(day + 3 * DAY, "09:00") for day in WEEKS]
    assert [one.original_local_date for one in rows()] == [day + 3 * DAY for day in WEEKS]
    assert services.expand(clinic=world.clinic, today=TODAY, by=NIGHTLY).created == 0


def test_a_day_that_is_over_in_its_week_is_not_made_up(world: World) -> None:
    """From Thursday on Mondays: this week's Monday lies before it."""
    block = planned(world, weekday=3)
    result = change(world, block, first=WEEKS[1] + 3 * DAY, weekday=0)
    assert [one.local_date for one in result.cancelled] == [WEEKS[1] + 3 * DAY]
    assert times() == [(day, "09:00") for day in (WEEKS[0] + 3 * DAY, *WEEKS[2:])]


def test_every_second_week_cancels_the_weeks_between(world: World) -> None:
    change(world, planned(world), every_weeks=2)
    assert times() == [(WEEKS[0], "09:00"), (WEEKS[2], "09:00")]
    expanded = services.expand(clinic=world.clinic, today=TODAY, by=NIGHTLY, weeks=6)
    assert (expanded.created, Session.objects.count()) == (1, 5)


def test_every_second_week_stays_every_second_week_when_it_is_split(world: World) -> None:
    block = world.block(every_weeks=2, valid_from=TODAY)
    services.expand(clinic=world.clinic, today=TODAY, by=NIGHTLY, weeks=8)
    change(world, block, first=TODAY + 28 * DAY, weekday=1)
    days = [0, 14, 29, 43]
    assert [day for day, _ in times()] == [TODAY + n * DAY for n in days]
    assert services.expand(clinic=world.clinic, today=TODAY, by=NIGHTLY, weeks=8).created == 0


def test_what_has_begun_stays(world: World, time_machine: Any) -> None:
    block = planned(world)
    time_machine.move_to(world.at("2026-03-09", "09:05"))
    change(world, block, starts_at=datetime.time(13), ends_at=datetime.time(14))
    hours = ["09:00", "09:00", "13:00", "13:00"]
    assert times() == list(zip(WEEKS, hours, strict=True))
    with pytest.raises(Refused) as caught:
        change(world, block, first=WEEKS[1], by_video=True)
    assert (caught.value.code, caught.value.field) == ("not_of_block", "first")


def test_moved_by_hand_stays_where_it_was_moved(world: World) -> None:
    block = planned(world)
    moved = rows()[1]
    services.move_session(
        session=moved, starts_at=world.at("2026-03-10", "15:00"),
        ends_at=world.at("2026-03-10", "16:00"), by=world.by,
    )  # fmt: skip
    result = change(world, block, starts_at=datetime.time(13), ends_at=datetime.time(14))
    assert [one.pk for one in result.kept] == [moved.pk]
    assert (WEEKS[1] + DAY, "15:00") in times()
    assert services.expand(clinic=world.clinic, today=TODAY, by=NIGHTLY).created == 0


def test_a_cancelled_one_never_comes_back(world: World) -> None:
    block = planned(world)
    services.cancel_session(session=rows()[1], reason="Ill", by=world.by)
    change(world, block, weekday=2)
    services.expand(clinic=world.clinic, today=TODAY, by=NIGHTLY)
    assert [day for day, _ in times()] == [WEEKS[n] + 2 * DAY for n in (0, 2, 3)]


def test_a_closed_day_is_cancelled_for_the_closure(world: World) -> None:
    block = planned(world)
    day = WEEKS[1] + 2 * DAY
    services.add_closure(
        clinic=world.clinic, starts_on=day, ends_on=day, reason="Holiday", by=world.by
    )
    result = change(world, block, weekday=2)
    [cancelled] = result.cancelled
    assert (cancelled.local_date, cancelled.cancelled_reason) == (day, "Holiday")
    assert len(times()) == 3


@pytest.mark.parametrize("choice", [Decision.Choice.KEPT, Decision.Choice.BY_VIDEO])
def test_what_is_held_in_the_closed_clinic_takes_place_after_a_change(
    world: World, choice: Decision.Choice
) -> None:
    block = planned(world)
    held = [services.Decided(rows()[1], choice)]
    for day, decided in ((WEEKS[1], held), (WEEKS[2], None)):
        services.add_closure(
            clinic=world.clinic, starts_on=day, ends_on=day, reason="Holiday", decided=decided,
            by=world.by,
        )  # fmt: skip
    result = change(world, block, starts_at=datetime.time(13), ends_at=datetime.time(14))
    assert (times(), result.cancelled) == ([(WEEKS[n], "13:00") for n in (0, 1, 3)], [])


def test_another_leader_everywhere_but_where_somebody_stands_in(world: World) -> None:
    block = planned(world)
    other, sub = f.TherapistFactory.create_batch(2, clinic=world.clinic)
    services.assign_substitute(session=rows()[1], therapist=sub, by=world.by)
    change(world, block, facilitator=other)
    leads = SessionStaff.objects.filter(active=True).order_by("session")
    assert [one.therapist for one in leads] == [other, sub, other, other]
    assert not SessionStaff.objects.filter(therapist=world.therapist).exists()


def test_a_leader_who_is_away_leaves_it_marked(world: World) -> None:
    block = planned(world)
    services.add_time_off(
        therapist=world.therapist, starts_at=world.at("2026-03-12", "00:00"),
        ends_at=world.at("2026-03-13", "00:00"), by=world.by,
    )  # fmt: skip
    change(world, block, weekday=3)
    marked = Session.objects.exclude(needs_attention="")
    text = f"No leader: {world.therapist.name} has time off"
    assert [(one.local_date, one.needs_attention) for one in marked] == [(WEEKS[1] + 3 * DAY, text)]
    change(world, block, weekday=4)
    assert not Session.objects.exclude(needs_attention="").exists()
    assert SessionStaff.objects.filter(active=True).count() == 4


def test_a_room_that_is_taken_is_left(world: World) -> None:
    block = planned(world)
    other = world.session("2026-03-09", "13:00", "14:00", room=world.room)
    change(world, block, starts_at=datetime.time(13), ends_at=datetime.time(14))
    rooms = [one.room for one in rows() if one != other]
    assert rooms == [world.room, None, world.room, world.room]


def test_nobody_gets_into_two_places(world: World) -> None:
    block = planned(world)
    episode = Booking.objects.earliest("pk").episode
    f.booking(world.session("2026-03-16", "13:30", "14:30"), episode, 1)
    before = times()
    with pytest.raises(Refused) as caught:
        change(world, block, starts_at=datetime.time(13), ends_at=datetime.time(14))
    assert (caught.value.code, caught.value.details["dates"]) == ("patient_busy", [WEEKS[2]])
    assert (times(), WeeklyBlock.objects.get().version) == (before, 1)


def test_a_visit_inside_is_not_torn_out(world: World) -> None:
    block = planned(world)
    outer = Booking.objects.order_by("starts_at")[1]
    inner = world.session("2026-03-09", "09:10", "09:30", capacity=1)
    services.book(session=inner, episode=outer.episode, nested_in=outer, by=world.by)
    with pytest.raises(Refused) as caught:
        change(world, block, weekday=1)
    assert (caught.value.code, caught.value.details["dates"]) == ("nested_visit", [WEEKS[1]])
    change(world, block, by_video=True, room=None)
    assert Session.objects.filter(by_video=True).count() == 4


def test_a_block_is_changed_around_a_visit(world: World) -> None:
    block = planned(world)
    member = Booking.objects.order_by("starts_at")[1]
    kind = f.SessionTypeFactory(clinic=world.clinic, kind="prescriber")
    alone = services.create_session(
        clinic=world.clinic, session_type=kind,
        therapist=f.TherapistFactory(clinic=world.clinic), episodes=[member.episode], by=world.by,
        starts_at=world.at("2026-03-10", "09:10"), ends_at=world.at("2026-03-10", "09:30"),
    )  # fmt: skip
    change(world, block, weekday=1)
    member.refresh_from_db()
    inside = alone.bookings.get()
    assert (member.starts_at, inside.nested_in) == (world.at("2026-03-10", "09:00"), member)
    assert (inside.outer_starts_at, inside.outer_ends_at) == (member.starts_at, member.ends_at)


def test_two_blocks_change_places_in_two_steps_only(world: World) -> None:
    """One leads both: the second hour is taken until its block has moved."""
    block = planned(world)
    late = {"starts_at": datetime.time(10), "ends_at": datetime.time(11)}
    world.block(**late)
    with pytest.raises(Refused) as caught:
        change(world, block, **late)
    assert (caught.value.code, caught.value.field) == ("block_overlaps", "starts_at")


def test_members_of_the_other_day_are_seated_and_those_who_left_are_not(world: World) -> None:
    block = planned(world)
    stays = Booking.objects.earliest("pk").episode
    left, comes = world.episode(), world.episode()
    last = WEEKS[1]
    services.enrol(group=world.group, episode=left, starts_on=TODAY, ends_on=last, by=world.by)
    services.enrol(group=world.group, episode=comes, starts_on=last + DAY, by=world.by)
    change(world, block, first=last, weekday=2)
    moved = Session.objects.get(local_date=last + 2 * DAY)
    expected = Booking.objects.expected().filter(session=moved)
    assert set(expected.values_list("episode", flat=True)) == {stays.pk, comes.pk}


def test_the_last_date(world: World) -> None:
    block = planned(world)
    services.end_block(block=block, last=WEEKS[1], by=world.by)
    assert [day for day, _ in times()] == WEEKS[:2]
    assert services.expand(clinic=world.clinic, today=TODAY, by=NIGHTLY, weeks=8).created == 0
    services.end_block(block=block, last=None, by=world.by)
    assert services.expand(clinic=world.clinic, today=TODAY, by=NIGHTLY, weeks=8).created == 4


def test_it_does_not_go_on_into_the_week_in_which_another_continues_it(world: World) -> None:
    block = planned(world, weekday=3)
    thursday = WEEKS[2] + 3 * DAY
    change(world, block, first=thursday, weekday=4)
    for last in (None, thursday + DAY, thursday, WEEKS[2]):
        with pytest.raises(Refused) as caught:
            services.end_block(block=block, last=last, by=world.by)
        assert (caught.value.code, caught.value.field) == ("block_continued", "last")
    services.end_block(block=block, last=WEEKS[2] - DAY, by=world.by)
    assert len(times()) == 4


def test_a_block_does_not_meet_again_in_the_week_in_which_it_ends(
    world: World, time_machine: Any
) -> None:
    block = planned(world)
    change(world, block, first=WEEKS[1], weekday=2)
    time_machine.move_to(world.at("2026-03-02", "09:05"))
    with pytest.raises(Refused) as caught:
        change(world, block, weekday=5)
    assert caught.value.code == "block_over"
    assert [day for day, _ in times()] == [WEEKS[0], *(day + 2 * DAY for day in WEEKS[1:])]


def test_a_part_between_two_does_not_go_on_into_the_last(world: World) -> None:
    block = planned(world)
    change(world, block, first=WEEKS[3], weekday=4)
    change(world, block, first=WEEKS[1], weekday=2)
    first, last, middle = WeeklyBlock.objects.order_by("pk")
    assert (middle.continues, last.continues) == (first, middle)
    with pytest.raises(Refused) as caught:
        services.end_block(block=middle, last=None, by=world.by)
    assert caught.value.code == "block_continued"
    days = [WEEKS[0], WEEKS[1] + 2 * DAY, WEEKS[2] + 2 * DAY, WEEKS[3] + 4 * DAY]
    assert [day for day, _ in times()] == days


def test_an_end_in_a_mistyped_year_is_refused_and_one_that_exists_is_kept(world: World) -> None:
    far = datetime.date(2062, 3, 5)
    block = world.block()
    with pytest.raises(Refused) as caught:
        services.end_block(block=block, last=far, by=world.by)
    assert (caught.value.code, caught.value.field) == ("last_day", "last")
    WeeklyBlock.objects.update(valid_until=far)
    services.change_block(block=block, starts_at=datetime.time(9, 15), by=world.by)
    block.refresh_from_db()
    assert block.valid_until == far


def test_it_does_not_end_before_a_date_on_which_it_met(world: World, time_machine: Any) -> None:
    block = planned(world)
    time_machine.move_to(world.at("2026-03-09", "09:05"))
    with pytest.raises(Refused) as caught:
        services.end_block(block=block, last=TODAY, by=world.by)
    assert (caught.value.code, caught.value.field) == ("dates_in_order", "last")
    assert len(times()) == 4


def test_somebody_elses_change_is_not_overwritten(world: World) -> None:
    block = planned(world)
    change(world, block, by_video=True, room=None)
    with pytest.raises(Refused) as caught:
        change(world, block, version=1, weekday=2)
    assert caught.value.code == "stale_version"
    assert [day for day, _ in times()] == WEEKS


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"ends_at": datetime.time(9)}, "weeklyblock_ends_after_start"),
        ({"every_weeks": 3}, "weeklyblock_every_one_or_two_weeks"),
        ({"breaks": [[50, 70]]}, "weeklyblock_breaks_inside"),
        ({"facilitator": None}, "invalid"),
        ({"weekday": 7}, "invalid"),
    ],
)
def test_what_no_block_can_be_is_refused_and_changes_nothing(
    world: World, wrong: dict[str, Any], code: str
) -> None:
    block = planned(world)
    before = times()
    with pytest.raises(Refused) as caught:
        change(world, block, **wrong)
    assert caught.value.code == code
    assert (times(), WeeklyBlock.objects.count()) == (before, 1)
