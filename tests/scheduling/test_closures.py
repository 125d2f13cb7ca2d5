"""A closed clinic, a closed room, a therapist away."""

import datetime
from typing import Any

import pytest

from iop_clinic.accounts.acting import Refused
from scheduling import services
from scheduling.models import Closure, Session, SessionStaff, TimeOff
from tests import factories as f
from tests.scheduling.conftest import TODAY, World

DAY = datetime.timedelta(days=1)


def close(world: World, **extra: Any) -> Closure:
    asked = {"starts_on": TODAY, "ends_on": TODAY, "reason": "Snow", "by": world.by, **extra}
    return services.add_closure(clinic=world.clinic, **asked)


def live() -> list[datetime.date]:
    return list(Session.objects.live().order_by("starts_at").values_list("local_date", flat=True))


def test_every_session_of_the_days_is_cancelled_in_one_step(world: World) -> None:
    for day in ("2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04"):
        world.session(day)
    closure = close(world, ends_on=TODAY + DAY)
    assert live() == [TODAY - DAY, TODAY + 2 * DAY]
    cancelled = Session.objects.filter(closure=closure)
    assert set(cancelled.values_list("cancelled_reason", "version")) == {("Snow", 2)}
    assert cancelled.count() == 2


def test_the_days_are_the_clinics_own(world: World) -> None:
    evening = world.session("2026-03-02", "21:00", "22:00")
    before = world.session("2026-03-01", "21:00", "22:00")
    close(world)
    evening.refresh_from_db()
    before.refresh_from_db()
    assert (evening.live, before.live) == (False, True)


def test_a_part_of_the_day(world: World) -> None:
    morning, noon = world.session(), world.session(starts="11:30", ends="12:30")
    close(world, from_time=datetime.time(10), to_time=datetime.time(12))
    morning.refresh_from_db()
    noon.refresh_from_db()
    assert (morning.live, noon.live) == (True, False)


def test_a_closure_entered_the_next_morning_spares_only_signed_rosters(world: World) -> None:
    unsigned = world.session("2026-03-01")
    signed = world.session(
        "2026-03-01", signed_at=world.at("2026-03-01", "11:00"), signed_by=world.by
    )
    close(world, starts_on=TODAY - DAY, ends_on=TODAY - DAY)
    unsigned.refresh_from_db()
    signed.refresh_from_db()
    assert (unsigned.live, signed.live) == (False, True)


def test_bookings_and_staff_stay_with_the_cancelled_session(world: World) -> None:
    row = world.session(therapist=world.therapist)
    booking = f.booking(row, world.episode())
    close(world)
    booking.refresh_from_db()
    assert (booking.live, booking.state) == (False, "booked")
    assert SessionStaff.objects.get().live is False


def test_a_closed_room_cancels_nothing(world: World) -> None:
    inside = world.session(room=world.room)
    elsewhere = world.session(room=f.RoomFactory(clinic=world.clinic))
    close(world, room=world.room, reason="Water damage")
    inside.refresh_from_db()
    elsewhere.refresh_from_db()
    assert (inside.live, inside.room, inside.needs_attention) == (
        True,
        None,
        f"No room: {world.room} is closed (Water damage)",
    )
    assert (elsewhere.room is None, elsewhere.needs_attention) == (False, "")


def test_another_clinics_sessions_take_place(world: World) -> None:
    other = f.ClinicFactory()
    row = f.session(other, "2026-03-02", "09:00", "10:00")
    close(world)
    row.refresh_from_db()
    assert row.live


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"ends_on": TODAY - DAY}, "dates_in_order"),
        ({"from_time": datetime.time(12), "to_time": datetime.time(12)}, "times_in_order"),
        ({"reason": ""}, "reason_required"),
        ({"ends_on": TODAY.replace(year=2027)}, "days_off_length"),
        ({"ends_on": TODAY.replace(year=2036)}, "days_off_date"),
        ({"starts_on": TODAY.replace(year=1926)}, "days_off_date"),
    ],
)
def test_a_closure_that_is_refused(world: World, wrong: dict[str, Any], code: str) -> None:
    world.session()
    with pytest.raises(Refused) as caught:
        close(world, **wrong)
    assert (caught.value.code, Closure.objects.count(), live()) == (code, 0, [TODAY])


def test_the_same_closure_is_entered_once_and_the_other_is_named(world: World) -> None:
    first = close(world)
    with pytest.raises(Refused) as caught:
        close(world, reason="Ice")
    said = "It is closed then already: Snow, Mar 2, 2026. Take that back first, or change the days."
    assert (caught.value.code, caught.value.field, caught.value.message) == (
        "closed_already", "starts_on", said,
    )  # fmt: skip
    close(world, room=world.room, reason="Paint")
    close(world, from_time=datetime.time(12), reason="Storm")
    services.take_back_closure(closure=first, by=world.by)
    close(world, reason="Ice")
    assert set(Closure.objects.in_force().values_list("reason", flat=True)) == {
        "Ice", "Paint", "Storm",
    }  # fmt: skip


# --- time off ------------------------------------------------------------------------------------


def off(world: World, starts: str = "08:00", ends: str = "12:00") -> TimeOff:
    return services.add_time_off(
        therapist=world.therapist,
        starts_at=world.at("2026-03-02", starts),
        ends_at=world.at("2026-03-02", ends),
        reason="Leave",
        by=world.by,
    )


def test_sessions_lose_their_leader_and_say_so(world: World) -> None:
    row = world.session(therapist=world.therapist)
    evening = world.session(starts="18:00", ends="19:00", therapist=world.therapist)
    off(world)
    row.refresh_from_db()
    evening.refresh_from_db()
    assert (row.live, row.needs_attention, row.staff.get().active) == (
        True,
        f"No leader: {world.therapist.name} has time off",
        False,
    )
    assert (evening.needs_attention, evening.staff.get().active) == ("", True)


def test_what_is_over_stays_as_it_was(world: World) -> None:
    row = world.session(starts="03:00", ends="04:00", therapist=world.therapist)
    off(world, "00:00", "12:00")
    assert row.staff.get().active


def test_time_off_that_ends_before_it_starts(world: World) -> None:
    with pytest.raises(Refused) as caught:
        off(world, "12:00", "12:00")
    assert (caught.value.code, TimeOff.objects.count()) == ("times_in_order", 0)


def test_time_off_that_overlaps_is_refused_and_the_other_is_named(world: World) -> None:
    first = off(world)
    row = world.session(starts="12:00", ends="13:00", therapist=world.therapist)
    with pytest.raises(Refused) as caught:
        off(world, "11:59", "14:00")
    said = (
        f"{world.therapist.name} has time off already: Mon Mar 2, 8:00 AM – Mon Mar 2, 12:00 PM. "
        "Enter only what lies before or after it, or take that back first."
    )
    assert caught.value.message == said
    assert (caught.value.code, caught.value.field) == ("off_already", "starts_at")
    assert (TimeOff.objects.count(), row.staff.get().active) == (1, True)
    off(world, "12:00", "14:00")
    services.take_back_time_off(time_off=first, by=world.by)
    off(world, "08:00", "09:00")
    assert TimeOff.objects.in_force().count() == 2


def test_time_off_of_more_than_a_year_is_asked_about(world: World) -> None:
    with pytest.raises(Refused) as caught:
        services.add_time_off(
            therapist=world.therapist, starts_at=world.at("2026-03-02", "08:00"),
            ends_at=world.at("2027-03-02", "08:00"), by=world.by,
        )  # fmt: skip
    assert (caught.value.code, caught.value.field) == ("days_off_length", "ends_at")
    assert not TimeOff.objects.exists()


def test_a_time_off_taken_back_gives_the_sessions_their_leader_again(world: World) -> None:
    row = world.session(therapist=world.therapist)
    undone = services.take_back_time_off(time_off=off(world), by=world.by)
    row.refresh_from_db()
    assert (undone.back, undone.left, row.needs_attention) == ([row], [], "")
    assert (row.staff.get().active, TimeOff.objects.in_force().count()) == (True, 0)


def test_who_stands_in_keeps_the_session(world: World) -> None:
    row = world.session(therapist=world.therapist)
    time_off, other = off(world), f.TherapistFactory(clinic=world.clinic)
    services.assign_substitute(session=row, therapist=other, by=world.by)
    undone = services.take_back_time_off(time_off=time_off, by=world.by)
    assert (undone.back, undone.left) == ([], [(row, f"{other.name} leads it by now.")])
    assert [part.therapist for part in row.staff.filter(active=True)] == [other]


def test_a_second_time_off_still_keeps_the_leader_away(world: World) -> None:
    row = world.session(therapist=world.therapist)
    first = off(world, "08:00", "09:30")
    off(world, "09:30", "10:00")
    undone = services.take_back_time_off(time_off=first, by=world.by)
    said = f"{world.therapist.name} is not free then."
    assert (undone.back, undone.left) == ([], [(row, said)])
    row.refresh_from_db()
    assert (row.needs_attention[:9], row.staff.get().active) == ("No leader", False)


def test_of_two_that_were_moved_to_one_time_the_first_is_led_again(world: World) -> None:
    first = world.session(starts="09:00", ends="10:00", therapist=world.therapist)
    second = world.session(starts="10:00", ends="11:00", therapist=world.therapist)
    time_off = off(world)
    services.move_session(
        session=first, starts_at=world.at("2026-03-02", "09:30"),
        ends_at=world.at("2026-03-02", "10:30"), by=world.by,
    )  # fmt: skip
    undone = services.take_back_time_off(time_off=time_off, by=world.by)
    said = f"{world.therapist.name} is not free then."
    assert (undone.back, undone.left) == ([first], [(second, said)])
    assert (first.staff.get().active, second.staff.get().active) == (True, False)


def test_a_time_off_that_is_over_stays(world: World) -> None:
    row = off(world, "03:00", "04:00")
    with pytest.raises(Refused) as caught:
        services.take_back_time_off(time_off=row, by=world.by)
    assert (caught.value.code, TimeOff.objects.count()) == ("time_off_over", 1)
