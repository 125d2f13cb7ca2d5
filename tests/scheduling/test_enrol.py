"""A seat in a group, and in its sessions that are planned already."""

import datetime
from typing import Any

import pytest

from iop_clinic.accounts.acting import Job, Refused
from patients.models import Episode, EpisodeHold
from scheduling import services
from scheduling.models import Booking, GroupMembership, WaitlistEntry
from scheduling.services.memberships import OR_WAIT
from tests import factories as f
from tests.scheduling.conftest import TODAY, World

DAY = datetime.timedelta(days=1)
ELSEWHERE = "The patient is booked elsewhere at the group's time on"


def enrol(world: World, episode: Episode | None = None, **extra: Any) -> GroupMembership:
    asked = {"starts_on": TODAY, "by": world.by, "group": world.group, **extra}
    return services.enrol(episode=episode or world.episode(), **asked)


def fill(world: World, count: int = 8, **extra: Any) -> list[GroupMembership]:
    return [enrol(world, **extra) for _ in range(count)]


def refused(world: World, episode: Episode | None = None, **extra: Any) -> Refused:
    """The refusal of an enrolment that must change nothing."""
    episode = episode or world.episode()
    before = GroupMembership.objects.count(), Booking.objects.count()
    with pytest.raises(Refused) as caught:
        enrol(world, episode, **extra)
    assert (GroupMembership.objects.count(), Booking.objects.count()) == before
    return caught.value


def test_the_lowest_free_seat(world: World) -> None:
    members = fill(world, 3)
    assert [row.seat for row in members] == [1, 2, 3]
    members[1].delete()
    assert enrol(world).seat == 2


def test_a_seat_by_number(world: World) -> None:
    assert enrol(world, seat=5).seat == 5
    refusal = refused(world, seat=5)
    assert (refusal.code, refusal.field) == ("group_full", "seat")
    assert refused(world, seat=9).code == "group_full"


def test_a_full_group(world: World) -> None:
    fill(world)
    refusal = refused(world)
    assert (refusal.code, refusal.message) == (
        "group_full",
        f"All 8 seats of {world.group} are taken. {OR_WAIT}",
    )


def test_whom_a_full_group_does_not_suit_is_not_asked_for_a_reason(world: World) -> None:
    fill(world)
    stranger = f.admitted(world.clinic, on=TODAY, program=f.ProgramFactory(clinic=world.clinic))
    assert refused(world, stranger).code == "not_suitable"


def test_a_full_group_takes_one_more_with_a_reason_and_an_author(world: World) -> None:
    fill(world)
    row = enrol(world, overflow_reason="Court order")
    assert (row.seat, row.overflow_reason, row.overflow_by) == (9, "Court order", world.by)


def test_a_reason_is_kept_only_where_it_is_needed(world: World) -> None:
    row = enrol(world, overflow_reason="Court order")
    assert (row.seat, row.overflow_reason, row.overflow_by) == (1, "", None)


def test_fifteen_is_the_end_whatever_the_reason(world: World) -> None:
    fill(world, 15, overflow_reason="Court order")
    assert refused(world, overflow_reason="Court order").code == "group_full"


def test_a_job_gives_no_seat_above_the_capacity(world: World) -> None:
    fill(world)
    refusal = refused(world, overflow_reason="Import", by=Job("import"))
    assert refusal.code == "overflow_needs_person"


def test_seats_free_for_a_part_of_the_time_each_are_put_together(world: World) -> None:
    fill(world, 6)
    until_friday = enrol(world, ends_on=TODAY + 4 * DAY)
    from_saturday = enrol(world, starts_on=TODAY + 5 * DAY, seat=8)
    row = enrol(world)
    from_saturday.refresh_from_db()
    assert (until_friday.seat, from_saturday.seat, row.seat) == (7, 7, 8)


def test_a_closed_group(world: World) -> None:
    world.group.active = False
    world.group.save()
    assert refused(world).code == "group_closed"


def test_twice_on_the_same_dates(world: World) -> None:
    episode = world.episode()
    enrol(world, episode, ends_on=TODAY + 7 * DAY)
    assert refused(world, episode, starts_on=TODAY + 7 * DAY).code == "already_member"
    assert enrol(world, episode, starts_on=TODAY + 8 * DAY).seat == 1


def test_dates_in_the_wrong_order(world: World) -> None:
    assert refused(world, ends_on=TODAY - DAY).code == "dates_in_order"


def test_a_first_day_whose_year_was_typed_wrongly(world: World) -> None:
    answer = refused(world, starts_on=TODAY.replace(year=2027))
    assert (answer.code, answer.field) == ("first_day", "starts_on")
    assert answer.message == "Mar 2, 2027 lies a year or more ahead. Look at the year."
    assert enrol(world, starts_on=TODAY + 364 * DAY).seat == 1


def test_a_last_day_whose_year_was_typed_wrongly(world: World) -> None:
    answer = refused(world, ends_on=TODAY.replace(year=2062))
    assert (answer.code, answer.field) == ("last_day", "ends_on")
    assert answer.message == "Mar 2, 2062 lies three years or more ahead. Look at the year."
    assert enrol(world, ends_on=TODAY + 3 * 365 * DAY).seat == 1


def test_before_admission_and_after_discharge(world: World) -> None:
    late = world.episode(on=TODAY + DAY)
    assert refused(world, late).code == "not_active"
    gone = world.episode()
    gone.state, gone.discharged_on = Episode.State.DISCHARGED, TODAY
    gone.discharge_reason = Episode.DischargeReason.COMPLETED
    gone.save()
    assert refused(world, gone, ends_on=TODAY + DAY).code == "not_active"


def test_whoever_does_not_fit_is_refused(world: World) -> None:
    stranger = world.episode(program=f.ProgramFactory(clinic=world.clinic))
    assert refused(world, stranger).code == "not_suitable"


def test_planned_sessions_get_the_new_member_past_and_cancelled_ones_do_not(world: World) -> None:
    over = world.group_session("2026-02-23")
    next_week = world.group_session("2026-03-09")
    cancelled = world.group_session("2026-03-16")
    services.cancel_session(session=cancelled, reason="Snow", by=world.by)
    row = enrol(world, starts_on=TODAY - 14 * DAY)
    bookings = Booking.objects.values_list("session", "seat", "membership", "patient")
    assert list(bookings) == [(next_week.pk, 1, row.pk, row.episode.patient_id)]
    assert not over.bookings.exists()


def test_only_sessions_inside_the_dates(world: World) -> None:
    for day in ("2026-03-02", "2026-03-09", "2026-03-16", "2026-03-23"):
        world.group_session(day)
    enrol(world, starts_on=TODAY + 7 * DAY, ends_on=TODAY + 14 * DAY)
    dates = Booking.objects.values_list("session__local_date", flat=True)
    assert sorted(dates) == [TODAY + 7 * DAY, TODAY + 14 * DAY]


def test_days_on_hold_are_left_out(world: World) -> None:
    world.group_session("2026-03-02")
    away = world.group_session("2026-03-09")
    episode = world.episode()
    EpisodeHold.objects.create(
        clinic=world.clinic,
        episode=episode,
        reason="hospital",
        starts_on=TODAY + 7 * DAY,
        ends_on=TODAY + 7 * DAY,
    )
    enrol(world, episode)
    assert not away.bookings.exists()
    assert Booking.objects.count() == 1


def test_a_patient_who_is_elsewhere_at_the_groups_time(world: World) -> None:
    world.group_session("2026-03-09")
    episode = world.episode()
    other = f.booking(world.session("2026-03-09", "09:30", "10:30"), episode)
    f.booking(world.session("2026-03-09", "11:00", "12:00"), episode)
    refusal = refused(world, episode)
    assert (refusal.code, refusal.message, refusal.details) == (
        "patient_busy",
        f"{ELSEWHERE} Mon Mar 9. Begin later, or withdraw that first.",
        {"dates": [TODAY + 7 * DAY], "bookings": [other.pk]},
    )


def test_a_guest_becomes_a_member_on_the_seat_they_have(world: World) -> None:
    session, episode = world.group_session("2026-03-09"), world.episode()
    guest = f.booking(session, episode, seat=4)
    row = enrol(world, episode)
    guest.refresh_from_db()
    assert (guest.seat, guest.membership) == (4, row)
    assert session.bookings.count() == 1


def test_a_withdrawn_row_comes_back(world: World) -> None:
    session, episode = world.group_session("2026-03-09"), world.episode()
    old = f.booking(session, episode, state="withdrawn", withdrawn_reason="Other plan")
    row = enrol(world, episode)
    old.refresh_from_db()
    assert (old.state, old.withdrawn_reason, old.membership) == ("booked", "", row)
    assert old.version == 2


def test_an_overflow_member_sits_above_the_capacity_in_sessions_too(world: World) -> None:
    session = world.group_session("2026-03-09")
    fill(world)
    enrol(world, overflow_reason="Court order")
    last = session.bookings.latest("seat")
    assert (last.seat, last.overflow_reason, last.overflow_by) == (9, "Court order", world.by)


def test_whoever_waited_waits_no_longer(world: World) -> None:
    episode = world.episode()
    entry = WaitlistEntry.objects.create(
        clinic=world.clinic,
        group=world.group,
        episode=episode,
        added_at=world.at("2026-02-01", "09:00"),
    )
    enrol(world, episode)
    entry.refresh_from_db()
    assert entry.state == WaitlistEntry.State.ENROLLED
