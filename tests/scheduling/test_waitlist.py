"""Who waits for a seat, in order; offers, answers, and what an enrolment does to them."""

import datetime
from typing import Any

import pytest

from iop_clinic.accounts.acting import Job, Refused
from patients.models import AgeBracket, Episode, Level
from scheduling import services
from scheduling.models import (
    GroupMembership,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistStep,
)
from tests import factories as f
from tests.admin import actors
from tests.scheduling.conftest import TODAY, World

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)
NEXT = TODAY + 7 * DAY
TICK = Job("tick")


def waiting(world: World, episode: Episode | None = None) -> WaitlistEntry:
    return services.put_on_waitlist(
        group=world.group, episode=episode or world.episode(), by=world.by
    )


def offer(world: World, entry: WaitlistEntry, **given: Any) -> WaitlistOffer:
    until = world.at("2026-03-04", "17:00")
    told = {"starts_on": NEXT, "expires_at": until, "method": "call", "result": "reached"}
    return services.offer_seat(entry=entry, **{**told, "by": world.by, **given})


def enrol(world: World, episode: Episode | None = None, **given: Any) -> GroupMembership:
    given = {"starts_on": TODAY, "by": world.by, **given}
    return services.enrol(group=world.group, episode=episode or world.episode(), **given)


def fill(world: World, free: int) -> list[GroupMembership]:
    return [enrol(world) for _ in range(world.group.capacity - free)]


def refused(code: str, work: Any, *args: Any, **kwargs: Any) -> Refused:
    """The refusal with this code; nothing of the waitlist has changed."""
    before = everything()
    with pytest.raises(Refused) as caught:
        work(*args, **kwargs)
    assert (caught.value.code, everything()) == (code, before)
    return caught.value


def everything() -> list[Any]:
    tables = (WaitlistEntry, WaitlistOffer, WaitlistStep, GroupMembership)
    return [list(table.objects.order_by("pk").values()) for table in tables]


def states(*entries: WaitlistEntry) -> list[str]:
    for one in entries:
        one.refresh_from_db()
    return [one.state for one in entries]


def answers(*offers: WaitlistOffer) -> list[tuple[str, str]]:
    for one in offers:
        one.refresh_from_db()
    return [(one.answer, one.reason) for one in offers]


# --- onto the list -------------------------------------------------------------------------------


def test_a_patient_is_put_on_the_list_as_the_last(world: World) -> None:
    first, second = waiting(world), waiting(world)
    assert list(WaitlistEntry.objects.all()) == [first, second]
    assert (second.state, actors(second, "I")) == ("waiting", {world.by.actor})


def test_nobody_waits_twice_or_beside_a_seat(world: World) -> None:
    entry, member = waiting(world), enrol(world)
    refused("already_waiting", waiting, world, entry.episode)
    refused("already_member", waiting, world, member.episode)


def test_nobody_waits_for_what_does_not_suit(world: World) -> None:
    refused("not_suitable", waiting, world, f.admitted(world.clinic))
    minor = world.episode()
    minor.plans.update(age_bracket=AgeBracket.ADOLESCENT)
    refused("not_suitable", waiting, world, minor)
    left = world.episode()
    Episode.objects.filter(pk=left.pk).update(
        state="discharged", discharged_on=TODAY, discharge_reason="completed"
    )
    refused("not_active", waiting, world, left)
    world.group.active = False
    world.group.save()
    refused("group_closed", waiting, world)


def test_who_is_referred_waits_for_a_group_of_the_program(world: World) -> None:
    referred = f.EpisodeFactory(patient__clinic=world.clinic, program=world.program)
    assert waiting(world, referred).state == "waiting"
    elsewhere = f.EpisodeFactory(patient__clinic=world.clinic)
    refused("not_suitable", waiting, world, elsewhere)


def test_a_plan_that_begins_later_counts_already(world: World) -> None:
    stepping_down = world.episode()
    stepping_down.plans.update(level=Level.PHP, weekly_minutes_target=1200, ends_on=NEXT - DAY)
    refused("not_suitable", waiting, world, stepping_down)
    stepping_down.plans.create(
        clinic=world.clinic, level=Level.IOP, weekly_minutes_target=540, days_per_week=3,
        starts_on=NEXT,
    )  # fmt: skip
    assert waiting(world, stepping_down).state == "waiting"


# --- an offer ------------------------------------------------------------------------------------


def test_an_offer_is_made_to_the_next_and_the_call_is_logged(world: World) -> None:
    entry = waiting(world)
    made = offer(world, entry, note="wants evenings")
    assert states(entry) == ["offered"]
    assert (made.answer, made.starts_on, made.made_by) == ("open", NEXT, world.by)
    step = WaitlistStep.objects.get()
    assert (step.entry, str(step), step.note) == (entry, "Call: reached", "wants evenings")


def test_somebody_further_down_only_with_a_reason_noted_with_each_passed_over(
    world: World,
) -> None:
    first, second, third, fourth = (waiting(world) for _ in range(4))
    offer(world, first)
    refusal = refused("skip_reason_required", offer, world, fourth)
    assert refusal.message == ("2 patients wait longer. Offer the seat in order, or say why not.")
    offer(world, fourth, skip_reason="Evening seat")
    passed = WaitlistStep.objects.filter(result="passed_over")
    assert [(one.entry, one.note) for one in passed] == [
        (second, "Evening seat"), (third, "Evening seat"),
    ]  # fmt: skip
    assert states(first, second, third, fourth) == ["offered", "waiting", "waiting", "offered"]


def test_no_more_seats_are_offered_than_are_free(world: World) -> None:
    fill(world, free=1)
    first, second = waiting(world), waiting(world)
    offer(world, first)
    refused("group_full", offer, world, second)


def test_a_seat_that_is_free_later_is_offered_from_then_on(world: World) -> None:
    leaving = fill(world, free=0)[0]
    leaving.ends_on = NEXT - DAY
    leaving.save()
    entry = waiting(world)
    refused("group_full", offer, world, entry, starts_on=NEXT - DAY)
    assert offer(world, entry, starts_on=NEXT).answer == "open"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"starts_on": TODAY - DAY}, "dates_in_order"),
        ({"starts_on": TODAY + 367 * DAY}, "first_day"),
        ({"expires_at": datetime.datetime(2026, 3, 2, 9, tzinfo=datetime.UTC)}, "expiry_range"),
        ({"expires_at": datetime.datetime(2026, 3, 17, 9, tzinfo=datetime.UTC)}, "expiry_range"),
        ({"result": "no_answer", "method": "call"}, "not_told"),
    ],
)
def test_an_offer_that_cannot_be_is_refused(world: World, given: Any, code: str) -> None:
    refused(code, offer, world, waiting(world), **given)


def test_a_second_offer_to_the_same_patient_is_refused(world: World) -> None:
    entry = waiting(world)
    offer(world, entry)
    refused("offer_open", offer, world, entry)


def test_what_does_not_suit_any_more_is_not_offered(world: World) -> None:
    entry = waiting(world)
    entry.episode.plans.update(age_bracket=AgeBracket.ADOLESCENT)
    refused("not_suitable", offer, world, entry)


def test_an_attempt_without_an_answer_is_logged_and_the_patient_waits_on(world: World) -> None:
    entry = waiting(world)
    step = services.log_attempt(entry=entry, method="call", result="no_answer", by=world.by)
    assert (str(step), step.noted_by) == ("Call: no answer", world.by)
    assert states(entry) == ["waiting"]
    assert not entry.offers.exists()


# --- the answer ----------------------------------------------------------------------------------


def test_who_accepts_has_the_seat_from_the_day_of_the_offer(world: World) -> None:
    entry = waiting(world)
    made = offer(world, entry)
    row = services.accept_offer(entry=entry, by=world.by)
    assert (row.episode, row.starts_on, row.seat) == (entry.episode, NEXT, 1)
    assert (states(entry), answers(made)) == (["enrolled"], [("accepted", "")])


def test_who_declines_keeps_the_place_or_leaves_the_list(world: World) -> None:
    stays, leaves = waiting(world), waiting(world)
    offers = offer(world, stays), offer(world, leaves)
    services.decline_offer(entry=stays, keeps_place=True, reason="On a trip", by=world.by)
    services.decline_offer(entry=leaves, keeps_place=False, reason="Moved away", by=world.by)
    assert states(stays, leaves) == ["waiting", "declined"]
    assert answers(*offers) == [("declined", "On a trip"), ("declined", "Moved away")]
    assert (stays.left_reason, leaves.left_reason) == ("", "Moved away")


def test_who_leaves_the_list_says_why_and_the_offer_is_withdrawn(world: World) -> None:
    entry = waiting(world)
    made = offer(world, entry)
    refused("reason_required", services.leave_waitlist, entry=entry, reason=" ", by=world.by)
    services.leave_waitlist(entry=entry, reason="Found another clinic", by=world.by)
    assert (states(entry), entry.left_reason) == (["removed"], "Found another clinic")
    assert answers(made) == [("withdrawn", "Found another clinic")]
    refused("not_waiting", services.leave_waitlist, entry=entry, reason="Again", by=world.by)


def test_without_an_open_offer_there_is_nothing_to_answer(world: World) -> None:
    entry = waiting(world)
    refused("no_offer", services.accept_offer, entry=entry, by=world.by)
    offer(world, entry)
    services.decline_offer(entry=entry, keeps_place=True, by=world.by)
    refused("offer_answered", services.accept_offer, entry=entry, by=world.by)


# --- time passes ---------------------------------------------------------------------------------


def test_an_offer_expires_and_the_patient_keeps_the_place(world: World, time_machine: Any) -> None:
    entry = waiting(world)
    made = offer(world, entry)
    assert services.expire_offers(now=made.expires_at - datetime.timedelta(seconds=1), by=TICK) == 0
    time_machine.move_to(made.expires_at, tick=False)
    assert services.expire_offers(now=made.expires_at, by=TICK) == 1
    assert (states(entry), answers(made)) == (["waiting"], [("expired", "")])
    assert made.answered_at == made.expires_at
    assert actors(made) == {TICK.actor}


def test_an_expired_offer_is_not_accepted_before_the_tick_either(
    world: World, time_machine: Any
) -> None:
    entry = waiting(world)
    made = offer(world, entry)
    time_machine.move_to(made.expires_at, tick=False)
    refusal = refused("offer_expired", services.accept_offer, entry=entry, by=world.by)
    assert refusal.message == ("The offer stood until Wed Mar 4, 5:00 PM. Offer the seat again.")
    again = offer(world, entry, expires_at=made.expires_at + DAY)
    assert answers(made, again) == [("expired", ""), ("open", "")]


# --- beside enrolments ---------------------------------------------------------------------------


def test_an_offer_keeps_nobody_out_and_the_one_without_a_seat_is_withdrawn(world: World) -> None:
    fill(world, free=2)
    first, second = waiting(world), waiting(world)
    offers = offer(world, first), offer(world, second)
    enrol(world)
    assert states(first, second) == ["offered", "waiting"]
    assert answers(*offers) == [
        ("open", ""), ("withdrawn", "The seat was given to somebody else."),
    ]  # fmt: skip
    refusal = refused("offer_withdrawn", services.accept_offer, entry=second, by=world.by)
    assert refusal.message == (
        "The offer is withdrawn. The seat was given to somebody else. "
        "The patient keeps the place on the waitlist."
    )


def test_a_seat_above_the_capacity_takes_none_that_is_offered(world: World) -> None:
    fill(world, free=1)
    made = offer(world, waiting(world))
    enrol(world, seat=9, overflow_reason="Court order")
    assert answers(made) == [("open", "")]


def test_who_is_enrolled_by_hand_has_accepted(world: World) -> None:
    entry = waiting(world)
    made = offer(world, entry)
    enrol(world, entry.episode)
    assert (states(entry), answers(made)) == (["enrolled"], [("accepted", "")])


def test_fewer_seats_withdraw_what_was_offered(world: World) -> None:
    services.set_capacity(group=world.group, capacity=9, by=world.by)
    fill(world, free=1)
    made = offer(world, waiting(world))
    services.set_capacity(group=world.group, capacity=8, by=world.by)
    assert answers(made) == [("withdrawn", "The group has fewer seats now.")]


def test_of_several_offers_the_ones_that_wait_longest_keep_the_seats_that_are_left(
    world: World,
) -> None:
    services.set_capacity(group=world.group, capacity=10, by=world.by)
    fill(world, free=3)
    entries = [waiting(world) for _ in range(3)]
    offers = [offer(world, one) for one in entries]
    services.set_capacity(group=world.group, capacity=9, by=world.by)
    enrol(world)
    gone = "The group has fewer seats now.", "The seat was given to somebody else."
    assert answers(*offers) == [("open", ""), ("withdrawn", gone[1]), ("withdrawn", gone[0])]
    assert services.accept_offer(entry=entries[0], by=world.by).seat == 9
    refused("offer_withdrawn", services.accept_offer, entry=entries[1], by=world.by)
    assert states(*entries) == ["enrolled", "waiting", "waiting"]


def test_a_seat_for_a_time_that_is_over_ends_no_waiting(world: World) -> None:
    entry = waiting(world)
    enrol(world, entry.episode, starts_on=TODAY - 14 * DAY, ends_on=TODAY - DAY)
    assert states(entry) == ["waiting"]


def test_who_is_enrolled_elsewhere_keeps_the_place_until_somebody_takes_it(world: World) -> None:
    """Many sit in a group and wait for the hours of another: leaving has a reason of its own."""
    entry = waiting(world)
    made = offer(world, entry)
    elsewhere = f.GroupFactory(clinic=world.clinic, program=world.program)
    services.enrol(group=elsewhere, episode=entry.episode, starts_on=TODAY, by=world.by)
    assert (states(entry), answers(made)) == (["offered"], [("open", "")])
    services.leave_waitlist(entry=entry, reason="Enrolled elsewhere", by=world.by)
    assert (states(entry), entry.left_reason) == (["removed"], "Enrolled elsewhere")
    assert answers(made) == [("withdrawn", "Enrolled elsewhere")]


def test_who_is_enrolled_after_the_offer_expired_waits_no_longer(
    world: World, time_machine: Any
) -> None:
    entry = waiting(world)
    made = offer(world, entry)
    time_machine.move_to(made.expires_at, tick=False)
    enrol(world, entry.episode, starts_on=NEXT)
    assert (states(entry), answers(made)) == (["enrolled"], [("expired", "")])
    assert services.expire_offers(now=made.expires_at, by=TICK) == 0
