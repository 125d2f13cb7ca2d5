"""A sick call holds for bookings that come later, and can be taken back."""

import datetime
from typing import Any

import pytest
import time_machine

from iop_clinic.accounts.acting import Job, Refused
from patients.models import KeepApart
from scheduling import services
from scheduling.models import Booking, CallIn
from tests import factories as f
from tests.scheduling.conftest import TODAY, World

DAY = datetime.timedelta(days=1)
NEXT = TODAY + 7 * DAY


def call(world: World, episode: Any, **extra: Any) -> CallIn:
    asked = {
        "from_date": TODAY,
        "to_date": NEXT,
        "reason": "illness",
        "notified_at": world.at("2026-03-02", "04:30"),
        "by": world.by,
        **extra,
    }
    return services.call_in(episode=episode, **asked)


def states(episode: Any) -> list[str]:
    rows = Booking.objects.filter(episode=episode).order_by("starts_at", "pk")
    return list(rows.values_list("state", flat=True))


# --- bookings that come later ------------------------------------------------------------------


def test_sessions_planned_later_expect_the_patient_without_a_seat(world: World) -> None:
    episode = world.episode()
    services.enrol(group=world.group, episode=episode, starts_on=TODAY, by=world.by)
    row = call(world, episode)
    world.block()
    services.expand(clinic=world.clinic, today=TODAY, weeks=3, by=world.by)
    found = Booking.objects.filter(episode=episode).order_by("starts_at")
    assert list(found.values_list("session__local_date", "state", "call_in", "released_at")) == [
        (TODAY, "released", row.pk, row.notified_at),
        (NEXT, "released", row.pk, row.notified_at),
        (NEXT + 7 * DAY, "booked", None, None),
    ]


def test_whoever_called_in_takes_no_seat_from_the_others(world: World) -> None:
    session = world.session(group=world.group, capacity=1, ceiling=15)
    f.booking(session, world.episode())
    episode = world.episode()
    call(world, episode)
    services.enrol(group=world.group, episode=episode, starts_on=TODAY, by=world.by)
    assert states(episode) == ["released"]


def test_a_notice_about_one_session_says_nothing_about_later_ones(world: World) -> None:
    episode = world.episode()
    row = f.booking(world.session(), episode)
    services.release(
        booking=row, notified_at=world.at("2026-03-02", "04:30"), reason="court", by=world.by
    )
    world.session(starts="18:00", ends="19:00", group=world.group)
    services.enrol(group=world.group, episode=episode, starts_on=TODAY, by=world.by)
    assert states(episode) == ["released", "booked"]


def test_a_person_who_books_all_the_same_is_believed(world: World) -> None:
    episode = world.episode()
    call(world, episode)
    row = services.book(session=world.session(), episode=episode, by=world.by)
    assert (row.state, row.call_in) == ("booked", None)


def test_a_call_leaves_signed_rosters_and_what_it_is_told_to_keep(world: World) -> None:
    episode = world.episode()
    signed, kept, freed = (
        f.booking(world.session(starts=f"{hour}:00", ends=f"{hour + 1}:00"), episode)
        for hour in (10, 11, 12)
    )
    type(signed.session).objects.filter(pk=signed.session_id).update(
        signed_at=world.at("2026-03-02", "04:00"), signed_by=world.by
    )
    call(world, episode, keeping=[kept.pk])
    assert states(episode) == ["booked", "booked", "released"]
    assert CallIn.objects.get().bookings.get() == freed


# --- a call that adds nothing --------------------------------------------------------------------


@pytest.mark.parametrize("last", [TODAY, NEXT])
def test_a_call_for_days_that_a_standing_one_covers_is_refused(world: World, last: Any) -> None:
    episode = world.episode()
    row = call(world, episode)
    with pytest.raises(Refused) as caught:
        call(world, episode, to_date=last, reason="court")
    assert (caught.value.code, caught.value.message) == (
        "call_in_stands",
        (
            "A call-in for these days stands already: Mon Mar 2 – Mon Mar 9. "
            "Take it back first if it was wrong."
        ),
    )
    assert CallIn.objects.get() == row


def test_a_call_for_days_that_two_standing_ones_cover_together_is_refused(world: World) -> None:
    episode = world.episode()
    call(world, episode, to_date=TODAY + DAY)
    call(world, episode, from_date=TODAY + 2 * DAY)
    with pytest.raises(Refused) as caught:
        call(world, episode)
    assert (caught.value.code, CallIn.objects.count()) == ("call_in_stands", 2)


def test_a_call_for_one_day_more_is_taken(world: World) -> None:
    episode = world.episode()
    call(world, episode)
    row = call(world, episode, to_date=NEXT + DAY)
    assert (row.to_date, CallIn.objects.count()) == (NEXT + DAY, 2)


def test_a_call_that_frees_a_seat_booked_since_is_taken(world: World) -> None:
    episode = world.episode()
    call(world, episode)
    services.book(session=world.session(), episode=episode, by=world.by)
    row = call(world, episode)
    assert (states(episode), row.bookings.count()) == (["released"], 1)


@pytest.mark.parametrize("end", ["another's", "taken back", "one session"])
def test_only_a_standing_call_of_the_same_episode_for_whole_days_counts(
    world: World, end: str
) -> None:
    episode = world.episode()
    row = call(world, world.episode() if end == "another's" else episode)
    if end == "taken back":
        services.take_back_call_in(call_in=row, by=world.by)
    if end == "one session":
        CallIn.objects.update(whole_days=False)
    assert call(world, episode).pk != row.pk


# --- taking it back ----------------------------------------------------------------------------


def test_whoever_comes_after_all_is_booked_again(world: World) -> None:
    episode = world.episode()
    rows = [f.booking(world.session(day), episode, 3) for day in ("2026-03-02", "2026-03-09")]
    row = call(world, episode)
    back = services.take_back_call_in(call_in=row, by=world.by)
    assert ([one.pk for one in back.booked], back.without_place) == ([r.pk for r in rows], ())
    for one in Booking.objects.all():
        told = (one.state, one.seat, one.released_at, one.call_in, one.version)
        assert told == ("booked", 3, None, None, 3)
    row.refresh_from_db()
    assert (row.taken_back_by, row.taken_back_at is None) == (world.by, False)


def test_a_seat_given_away_is_told_and_stays_released(world: World) -> None:
    episode = world.episode()
    full = world.session(capacity=1, ceiling=1)
    f.booking(full, episode)
    f.booking(world.session("2026-03-03"), episode)
    row = call(world, episode)
    guest = services.book(session=full, episode=world.episode(), by=world.by)
    back = services.take_back_call_in(call_in=row, by=world.by)
    assert back.without_place == (full,)
    assert states(episode) == ["released", "booked"]
    guest.refresh_from_db()
    assert guest.state == "booked"


def test_another_seat_is_taken_when_the_own_is_gone(world: World) -> None:
    episode = world.episode()
    session = world.session(capacity=2)
    f.booking(session, episode)
    row = call(world, episode)
    services.book(session=session, episode=world.episode(), by=world.by)
    (again,) = services.take_back_call_in(call_in=row, by=world.by).booked
    assert again.seat == 2


def test_a_patient_who_is_elsewhere_by_now_is_told(world: World) -> None:
    episode = world.episode()
    session = world.session()
    f.booking(session, episode)
    row = call(world, episode)
    services.book(session=world.session(starts="09:30"), episode=episode, by=world.by)
    assert services.take_back_call_in(call_in=row, by=world.by).without_place == (session,)


def test_nobody_comes_back_beside_a_patient_they_are_kept_apart_from(world: World) -> None:
    episode, other = world.episodes(2)
    session = world.session()
    f.booking(session, episode)
    row = call(world, episode)
    services.book(session=session, episode=other, by=world.by)
    low, high = sorted([episode.patient_id, other.patient_id])
    KeepApart.objects.create(clinic=world.clinic, patient_id=low, other_id=high, reason="Assault")
    assert services.take_back_call_in(call_in=row, by=world.by).without_place == (session,)
    assert states(episode) == ["released"]


def test_what_has_begun_stays_as_it_is(world: World) -> None:
    episode = world.episode()
    begun, _ = (f.booking(world.session(day), episode) for day in ("2026-03-02", "2026-03-09"))
    row = call(world, episode)
    with time_machine.travel(begun.starts_at, tick=False):
        services.take_back_call_in(call_in=row, by=world.by)
    assert states(episode) == ["released", "booked"]


def test_what_another_standing_call_covers_stays_released_under_it(world: World) -> None:
    episode = world.episode()
    for day in ("2026-03-02", "2026-03-09"):
        f.booking(world.session(day), episode)
    first = call(world, episode)
    other = call(
        world, episode, from_date=NEXT, to_date=NEXT + DAY,
        notified_at=world.at("2026-03-02", "04:45"),
    )  # fmt: skip
    back = services.take_back_call_in(call_in=first, by=world.by)
    covered = Booking.objects.get(session__local_date=NEXT)
    assert states(episode) == ["booked", "released"]
    assert (covered.call_in, covered.released_at) == (other, other.notified_at)
    assert (len(back.booked), back.without_place, back.still_absent) == (1, (), (covered.session,))
    services.take_back_call_in(call_in=other, by=world.by)
    assert states(episode) == ["booked", "booked"]


@pytest.mark.parametrize(
    "changed",
    [
        {"whole_days": False},
        {"from_date": NEXT},
        {"notified_at": datetime.datetime(2026, 3, 2, 14, tzinfo=datetime.UTC)},  # as it begins
    ],
)
def test_what_no_other_call_covers_is_booked_again(world: World, changed: Any) -> None:
    episode = world.episode()
    f.booking(world.session(), episode)
    first = call(world, episode)
    other = call(world, episode, to_date=NEXT + DAY)
    CallIn.objects.filter(pk=other.pk).update(**changed)
    services.take_back_call_in(call_in=first, by=world.by)
    assert states(episode) == ["booked"]


def test_what_was_taken_back_before_covers_nothing(world: World) -> None:
    episode = world.episode()
    f.booking(world.session(), episode)
    first = call(world, episode)
    services.take_back_call_in(call_in=call(world, episode, to_date=NEXT + DAY), by=world.by)
    services.take_back_call_in(call_in=first, by=world.by)
    assert states(episode) == ["booked"]


def test_taking_it_back_twice_changes_nothing(world: World) -> None:
    row = call(world, f.booking(world.session(), world.episode()).episode)
    services.take_back_call_in(call_in=row, by=world.by)
    when = CallIn.objects.get().taken_back_at
    assert services.take_back_call_in(call_in=row, by=world.by) == services.TakenBack()
    assert CallIn.objects.get().taken_back_at == when


def test_a_call_taken_back_holds_for_no_later_booking(world: World) -> None:
    episode = world.episode()
    services.take_back_call_in(call_in=call(world, episode), by=world.by)
    world.group_session("2026-03-09")
    services.enrol(group=world.group, episode=episode, starts_on=TODAY, by=world.by)
    assert states(episode) == ["booked"]


def test_a_job_takes_nothing_back(world: World) -> None:
    row = call(world, f.booking(world.session(), world.episode()).episode)
    with pytest.raises(Refused) as caught:
        services.take_back_call_in(call_in=row, by=Job("import"))
    assert (caught.value.code, states(row.episode)) == ("person_required", ["released"])
    assert CallIn.objects.get().taken_back_at is None
