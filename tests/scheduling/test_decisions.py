"""What is decided for each session that a closure or time off touches, all or none of it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import Therapist
from scheduling import services
from scheduling.models import Booking, Closure, Decision, Session, SessionStaff, TimeOff
from scheduling.services import Decided
from tests import factories as f
from tests.scheduling.conftest import TODAY, World

Choice = Decision.Choice
DAY = datetime.timedelta(days=1)
TOMORROW = (TODAY + DAY).isoformat()
ALREADY = "Somebody changed it meanwhile: look again."


def close(world: World, *decided: Decided, **extra: Any) -> Closure:
    asked = {"starts_on": TODAY + DAY, "ends_on": TODAY + DAY, "reason": "Snow", **extra}
    given = list(decided) if decided else None
    return services.add_closure(clinic=world.clinic, decided=given, by=world.by, **asked)


def away(world: World, *decided: Decided) -> TimeOff:
    return services.add_time_off(
        therapist=world.therapist,
        starts_at=world.at(TOMORROW, "08:00"),
        ends_at=world.at(TOMORROW, "18:00"),
        decided=list(decided) if decided else None,
        by=world.by,
    )


def led(world: World, starts: str = "09:00", ends: str = "10:00", **extra: Any) -> Session:
    """Tomorrow, led by the world's therapist."""
    extra.setdefault("therapist", world.therapist)
    return world.session(TOMORROW, starts, ends, **extra)


def other_group(world: World, starts: str = "13:00", ends: str = "14:00") -> Session:
    """Another group's session tomorrow, led by somebody else."""
    group = f.GroupFactory(clinic=world.clinic, program=world.program)
    therapist = f.TherapistFactory(clinic=world.clinic)
    return led(world, starts, ends, group=group, therapist=therapist)


def moved(world: World, row: Session, starts: str, ends: str, **extra: Any) -> Decided:
    day = extra.pop("day", TOMORROW)
    times: Any = {"starts_at": world.at(day, starts), "ends_at": world.at(day, ends)}
    return Decided(row, Choice.MOVED, **times, **extra)


def leaders(row: Session) -> set[int]:
    return set(row.staff.filter(active=True).values_list("therapist", flat=True))


def stored() -> dict[int, str]:
    return dict(Decision.objects.values_list("session", "choice"))


def test_without_a_decision_the_usual_is_done_and_kept(world: World) -> None:
    row = led(world)
    closure = close(world)
    decision = Decision.objects.get()
    assert (decision.closure, decision.choice, decision.session) == (closure, "cancelled", row)
    assert (decision.was_starts_at, decision.was_ends_at) == (row.starts_at, row.ends_at)


def test_each_session_of_a_closed_day_has_its_own_decision(world: World) -> None:
    first, second, third = led(world), led(world, "10:00", "11:00"), led(world, "11:00", "12:00")
    fourth = led(world, "13:00", "14:00", room=world.room)
    next_day = (TODAY + 2 * DAY).isoformat()
    close(
        world,
        Decided(first, Choice.CANCELLED),
        moved(world, second, "10:00", "11:00", day=next_day),
        Decided(third, Choice.KEPT),
        Decided(fourth, Choice.BY_VIDEO),
    )
    for row in (first, second, third, fourth):
        row.refresh_from_db()
    assert [one.live for one in (first, second, third, fourth)] == [False, True, True, True]
    assert second.local_date == TODAY + 2 * DAY
    assert (third.version, fourth.by_video, fourth.room) == (1, True, None)
    assert stored() == {
        first.pk: "cancelled", second.pk: "moved", third.pk: "kept", fourth.pk: "by_video",
    }  # fmt: skip


def test_two_groups_are_combined_where_one_loses_its_leader(world: World) -> None:
    row, into = led(world, group=world.group), other_group(world)
    booking = f.booking(row, world.episode())
    away(world, Decided(row, Choice.COMBINED, into=into))
    row.refresh_from_db()
    assert (row.live, into.bookings.get().episode) == (False, booking.episode)
    assert Decision.objects.get().into == into


def test_a_substitute_covers_and_the_leader_needs_no_other(world: World) -> None:
    row, other = led(world), f.TherapistFactory(clinic=world.clinic)
    away(world, Decided(row, Choice.COVERED, therapist=other))
    row.refresh_from_db()
    assert (leaders(row), row.needs_attention) == ({other.pk}, "")
    part = row.staff.get(therapist=other)
    assert (part.role, part.access_until) == ("substitute", row.ends_at + 7 * DAY)
    assert Decision.objects.get().substitute == other


def co_facilitator_covered(world: World) -> tuple[Session, Therapist, TimeOff]:
    """The facilitator, Fay, was away already: the session, who covers, and the second time off."""
    facilitator, other = (
        f.TherapistFactory(clinic=world.clinic, name=name) for name in ("Fay", "Otto")
    )
    row = led(world, therapist=facilitator)
    services.sessions.add_staff(row, world.therapist, SessionStaff.Role.CO_FACILITATOR)
    services.add_time_off(
        therapist=facilitator, starts_at=row.starts_at, ends_at=row.ends_at, by=world.by
    )
    row.refresh_from_db()
    time_off = away(world, Decided(row, Choice.COVERED, therapist=other))
    return row, other, time_off


def test_a_co_facilitator_who_is_covered_takes_no_part(world: World) -> None:
    row, other, time_off = co_facilitator_covered(world)
    assert leaders(row) == {other.pk}
    services.take_back_time_off(time_off=time_off, by=world.by)
    assert leaders(row) == {world.therapist.pk}


def test_a_facilitator_who_is_away_is_missed_again_once_the_cover_ends(world: World) -> None:
    """The co-facilitator comes back, and does not lead."""
    row, _, time_off = co_facilitator_covered(world)
    row.refresh_from_db()
    assert row.needs_attention == ""
    services.take_back_time_off(time_off=time_off, by=world.by)
    row.refresh_from_db()
    assert (leaders(row), row.needs_attention) == (
        {world.therapist.pk}, "No leader: Fay has time off",
    )  # fmt: skip


def test_a_session_moved_out_of_the_time_off_keeps_its_leader(world: World) -> None:
    row = led(world)
    away(world, moved(world, row, "18:00", "19:00"))
    row.refresh_from_db()
    assert (leaders(row), row.starts_at) == ({world.therapist.pk}, world.at(TOMORROW, "18:00"))


def test_what_a_therapist_away_cancels_says_only_that(world: World) -> None:
    row = led(world)
    away(world, Decided(row, Choice.CANCELLED))
    row.refresh_from_db()
    assert row.cancelled_reason == f"{world.therapist.name} has time off"


def test_a_facilitator_leads_on_when_the_co_facilitator_is_away(world: World) -> None:
    facilitator = f.TherapistFactory(clinic=world.clinic)
    row = led(world, therapist=facilitator)
    services.sessions.add_staff(row, world.therapist, SessionStaff.Role.CO_FACILITATOR)
    away(world)
    row.refresh_from_db()
    assert (leaders(row), row.needs_attention) == ({facilitator.pk}, "")


def test_a_session_in_a_closed_room_moves_to_another_one(world: World) -> None:
    row, other = led(world, room=world.room), f.RoomFactory(clinic=world.clinic)
    close(world, moved(world, row, "09:00", "10:00", room=other), room=world.room)
    row.refresh_from_db()
    assert (row.room, row.needs_attention) == (other, "")


def test_one_takes_the_place_of_another_that_is_cancelled(world: World) -> None:
    """Whatever makes room is done first, in whichever order it is named."""
    late, room = led(world, "17:00", "19:00", room=world.room), f.RoomFactory(clinic=world.clinic)
    row = led(world, "09:00", "10:00", room=room)
    away(
        world,
        moved(world, row, "18:00", "19:00", room=world.room),
        Decided(late, Choice.CANCELLED),
    )
    row.refresh_from_db()
    assert (row.starts_at, row.room) == (world.at(TOMORROW, "18:00"), world.room)


# --- refused -------------------------------------------------------------------------------------


def refused(world: World, *decided: Decided, cause: Any = away) -> tuple[str, list[Any]]:
    """The code, and each error with its session; nothing is written."""
    before = contents()
    with pytest.raises(Refused) as caught:
        cause(world, *decided)
    assert contents() == before
    errors: Any = caught.value.details.get("errors", [])
    return caught.value.code, [(*one["loc"], one["message"]) for one in errors]


def contents() -> list[Any]:
    """All that a decision could change."""
    tables = (Session, SessionStaff, Booking, Closure, TimeOff, Decision)
    return [list(model.objects.order_by("pk").values()) for model in tables]


def test_a_decision_that_is_incomplete_is_told_at_what_is_missing(world: World) -> None:
    one, two, three = led(world), led(world, "10:00", "11:00"), led(world, "11:00", "12:00")
    four = led(world, "12:00", "13:00")
    code, errors = refused(
        world,
        Decided(one, Choice.COVERED),
        Decided(two, Choice.MOVED, ends_at=two.ends_at),
        Decided(three, Choice.MOVED, starts_at=three.starts_at),
        Decided(four, Choice.COMBINED),
    )
    assert code == "not_decidable"
    assert errors == [
        (one.pk, "therapist", "Choose who covers it."),
        (two.pk, "starts_at", "Say when it takes place."),
        (three.pk, "ends_at", "Say until when it lasts."),
        (four.pk, "into", "Choose the session that it joins."),
    ]


@pytest.mark.parametrize(("cause", "choice"), [(close, "covered"), (away, "by_video")])
def test_what_answers_nothing_is_not_decided(world: World, cause: Any, choice: str) -> None:
    said = "This cannot be decided here. Choose one of the list."
    row = led(world)
    decided = Decided(row, Choice(choice), therapist=world.therapist)
    assert refused(world, decided, cause=cause) == ("not_decidable", [(row.pk, "choice", said)])


def test_a_session_that_is_not_touched_has_no_decision(world: World) -> None:
    touched, later = led(world), led(world, "19:00", "20:00")
    wrong = [Decided(touched, Choice.KEPT), Decided(later, Choice.KEPT)]
    assert refused(world, *wrong) == ("sessions_changed", [(later.pk, "choice", ALREADY)])


def test_a_session_without_a_decision_is_looked_at_first(world: World) -> None:
    touched, _ = led(world), led(world, "10:00", "11:00")
    assert refused(world, Decided(touched, Choice.KEPT)) == ("sessions_changed", [])


def test_a_session_that_somebody_changed_is_looked_at_again(world: World) -> None:
    row = led(world)
    seen = Session.objects.get(pk=row.pk)
    services.move_session(
        session=row, starts_at=world.at(TOMORROW, "10:00"), ends_at=world.at(TOMORROW, "11:00"),
        by=world.by,
    )  # fmt: skip
    decided = Decided(seen, Choice.KEPT)
    assert refused(world, decided) == ("sessions_changed", [(row.pk, "choice", ALREADY)])


def test_all_that_is_refused_is_told_at_once_and_nothing_is_done(world: World) -> None:
    busy = f.TherapistFactory(clinic=world.clinic)
    led(world, "09:30", "10:30", therapist=busy)
    covered, late, fine = led(world), led(world, "10:00", "11:00"), led(world, "11:00", "12:00")
    code, errors = refused(
        world,
        Decided(covered, Choice.COVERED, therapist=busy),
        moved(world, late, "12:00", "13:00"),
        Decided(fine, Choice.CANCELLED),
    )
    own = world.therapist.name
    assert code == "therapist_busy"
    assert sorted(errors) == [
        (covered.pk, "therapist",
         f"{busy.name} leads another session. Choose somebody else."),
        (late.pk, "therapist",
         f"{own} has time off. Choose another time, or find cover first."),
    ]  # fmt: skip


def test_who_is_led_by_another_needs_no_cover(world: World) -> None:
    facilitator, other = (f.TherapistFactory(clinic=world.clinic) for _ in range(2))
    row = led(world, therapist=facilitator)
    services.sessions.add_staff(row, world.therapist, SessionStaff.Role.CO_FACILITATOR)
    code, errors = refused(world, Decided(row, Choice.COVERED, therapist=other))
    said = f"{facilitator.name} leads it already: keep it as it is."
    assert (code, errors) == ("not_decidable", [(row.pk, "choice", said)])


def test_into_the_closed_time_nothing_is_moved(world: World) -> None:
    row = led(world)
    code, errors = refused(world, moved(world, row, "13:00", "14:00"), cause=close)
    said = "The clinic is closed then: Snow. Choose another time."
    assert (code, errors) == ("clinic_closed", [(row.pk, "", said)])
