"""The waitlist at the admin site: in order, each verb once as meant and once refused."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from iop_clinic.accounts.weeks import full_date
from scheduling.models import GroupMembership, WaitlistEntry, WaitlistOffer, WaitlistStep
from scheduling.services import expire_offers, put_on_waitlist
from scheduling.services.waitlist import WAITLIST
from tests import factories
from tests.admin import Answer, Desk, actors, desk, url
from tests.lists import cells, lines, panels, said
from tests.scheduling.admin.planned import NEXT, TODAY, enrolled
from tests.scheduling.conftest import World, build

DAY = datetime.timedelta(days=1)
UNTIL = ("2026-03-04", "17:00")
TOLD = {"method": "call", "result": "reached", "starts_on": NEXT, "expires_at": UNTIL}


def waiting(world: World, **extra: Any) -> WaitlistEntry:
    """Somebody who may be called and gets no texts."""
    patient = factories.PatientFactory(clinic=world.clinic, phone="555-0100", phone_is_safe=True)
    episode = world.episode(patient=patient)
    return put_on_waitlist(group=world.group, episode=episode, by=world.by, **extra)


def offer(at: Desk, entry: WaitlistEntry, **given: Any) -> Answer:
    return at.fill(entry, "offer", **{**TOLD, **given})


def state(entry: WaitlistEntry) -> str:
    entry.refresh_from_db()
    return entry.state


def name(entry: WaitlistEntry) -> str:
    return str(entry.episode.patient)


def listed(at: Desk, show: str) -> list[WaitlistEntry]:
    return list(at.open(WaitlistEntry, show=show).context["cl"].result_list)


# --- the list ------------------------------------------------------------------------------------


def test_the_list_is_in_order_with_free_seats_and_the_next_step(world, coordinator):
    for _ in range(6):
        enrolled(world, coordinator)
    first, second, third = (waiting(world, note=note) for note in ("evenings", "", ""))
    offer(coordinator, first)
    rows = cells(coordinator, WaitlistEntry)
    told = [(one["episode"], one["place"], one["free_seats"], one["next"]) for one in rows]
    patients = [f"{name(one)}" for one in (first, second, third)]
    assert [(place, free, next_) for _, place, free, next_ in told] == [
        ("1", "2", "Accept Decline"), ("2", "2", "Offer the seat"), ("3", "2", ""),
    ]  # fmt: skip
    assert all(who in one[0] for who, one in zip(patients, told, strict=True))
    assert rows[0]["tried"] == "From Mar 9, 2026, answer by Wed Mar 4, 5:00 PM"
    assert rows[0]["note"] == "evenings"


def test_when_every_free_seat_is_offered_nobody_is_next(world, coordinator):
    for _ in range(7):
        enrolled(world, coordinator)
    first, _ = waiting(world), waiting(world)
    offer(coordinator, first)
    assert [one["next"] for one in cells(coordinator, WaitlistEntry)] == ["Accept Decline", ""]


@pytest.mark.parametrize(
    ("last", "step"),
    [(TODAY, "Offer the seat"), (TODAY + 13 * DAY, "Offer the seat"), (TODAY + 14 * DAY, "")],
)
def test_a_seat_that_is_free_soon_is_offered_already(world, coordinator, last, step):
    seats = [enrolled(world, coordinator).memberships.get() for _ in range(8)]
    GroupMembership.objects.filter(pk=seats[3].pk).update(ends_on=last)
    waiting(world)
    (row,) = cells(coordinator, WaitlistEntry)
    (_, *_, on_the_page) = lines(panels(coordinator, world.group)["Waiting for a seat: 1"])[0]
    assert (row["free_seats"], row["next"]) == (f"from {full_date(last + DAY)}", step)
    assert on_the_page == step


def test_who_is_referred_is_admitted_first(world, coordinator):
    referred = factories.EpisodeFactory(patient__clinic=world.clinic, program=world.program)
    entry = put_on_waitlist(group=world.group, episode=referred, by=world.by)
    offer(coordinator, entry, method="in_person")
    form = coordinator.open(entry, "accept").context["form"]
    assert form.introduction().endswith("The patient is referred: admit first, then enrol.")
    answer = coordinator.fill(entry, "accept")
    assert answer.refusal == "The patient is not in treatment on Mon Mar 9."
    assert state(entry) == "offered"


def test_who_waits_no_longer_is_asked_for(world, coordinator):
    stays, left = waiting(world), waiting(world)
    coordinator.fill(left, "remove", reason="Moved away")
    shown = [listed(coordinator, show) for show in ("", "left", "all", "expired")]
    assert shown == [[stays], [left], [stays, left], []]


def test_whose_offer_expired_is_called_again(world, coordinator):
    entry = waiting(world)
    offer(coordinator, entry)
    with time_machine.travel(entry.offers.get().expires_at, tick=False):
        expire_offers(now=entry.offers.get().expires_at, by=WAITLIST)
        later = desk(world.clinic)
        assert listed(later, "expired") == [entry]
        later.fill(entry, "attempt", method="call", result="no_answer")
        assert listed(later, "expired") == []


def test_who_may_not_book_sees_the_order_and_no_next_step(world):
    waiting(world)
    (row,) = cells(desk(world.clinic, Role.AUDITOR), WaitlistEntry)
    assert "next" not in row


# --- verbs ---------------------------------------------------------------------------------------


def test_a_seat_is_offered_and_the_call_is_logged(world, coordinator):
    entry = waiting(world)
    answer = offer(coordinator, entry, note="wants evenings")
    (sentence,) = answer.sentences
    assert sentence == (
        f"A seat of {world.group} from Mar 9, 2026 on is offered to {name(entry)} until "
        "Wed Mar 4, 5:00 PM. Next: note the answer."
    )
    made, step = WaitlistOffer.objects.get(), WaitlistStep.objects.get()
    assert (state(entry), made.made_by) == ("offered", coordinator.user)
    assert step.note == "wants evenings"
    assert actors(made, "I") == actors(step, "I") == {coordinator.user.actor}


def test_the_form_begins_with_the_first_free_day(world, coordinator):
    seats = [enrolled(world, coordinator).memberships.get() for _ in range(8)]
    GroupMembership.objects.filter(pk=seats[3].pk).update(ends_on=NEXT)
    form = coordinator.open(waiting(world), "offer").context["form"]
    assert form.initial["starts_on"] == NEXT + DAY
    assert form.introduction().startswith(f"A seat of {world.group} is free from Mar 10, 2026 on.")


def test_who_is_passed_over_is_shown_and_needs_a_reason(world, coordinator):
    first, second = waiting(world), waiting(world)
    page = coordinator.open(second, "offer")
    (_, longer) = page.context["form"].before()
    assert lines(longer) == [(name(first), "Mar 2, 2026", "", "")]
    answer = offer(coordinator, second)
    assert answer.errors == {
        "skip_reason": ["1 patient waits longer. Offer the seat in order, or say why not."]
    }
    assert not WaitlistOffer.objects.exists()
    assert offer(coordinator, second, skip_reason="Evening seat").status == 302
    assert [(one.entry, one.note) for one in WaitlistStep.objects.filter(method="")] == [
        (first, "Evening seat")
    ]
    assert "skip_reason" not in coordinator.open(first, "offer").context["form"].fields


def test_only_what_the_patient_allowed_is_there_to_choose(world, coordinator):
    entry = waiting(world)
    page = coordinator.open(entry, "attempt")
    offered = [key for key, _ in page.context["form"].fields["method"].choices]
    assert offered == ["", "call", "in_person"]
    (contact,) = page.context["form"].before()
    assert said(contact.rows[0][1]) == "555-0100"
    answer = coordinator.fill(entry, "attempt", method="text", result="reached")
    assert list(answer.errors) == ["method"]
    assert not WaitlistStep.objects.exists()


def test_an_attempt_is_logged_and_the_patient_waits_on(world, coordinator):
    entry = waiting(world)
    answer = coordinator.fill(entry, "attempt", method="call", result="no_answer")
    assert answer.sentences == [
        "Logged: Call: no answer. Next: try again, or offer the seat to the next."
    ]
    assert state(entry) == "waiting"
    assert cells(coordinator, WaitlistEntry)[0]["tried"] == "Call: no answer, Mon Mar 2"


def test_who_accepts_is_enrolled_from_that_day(world, coordinator):
    entry = waiting(world)
    offer(coordinator, entry)
    answer = coordinator.fill(entry, "accept")
    (sentence,) = answer.sentences
    assert sentence == (
        f"{name(entry)} has seat 1 in {world.group} from Mar 9, 2026. "
        "3 planned sessions are booked."
    )
    seat = entry.episode.memberships.get()
    assert (answer.location, seat.starts_on) == (url(seat, "change"), NEXT)
    assert (state(entry), entry.episode.bookings.count()) == ("enrolled", 3)


def test_a_seat_that_somebody_else_has_got_is_refused_clearly(world, coordinator):
    for _ in range(7):
        enrolled(world, coordinator)
    entry = waiting(world)
    offer(coordinator, entry)
    form = coordinator.open(world.group, "enrol").context["form"]
    assert form.introduction().startswith("1 seat is offered from the waitlist.")
    with time_machine.travel(world.at("2026-03-02", "07:01"), tick=False):
        enrolled(world, coordinator)
        assert coordinator.open(world.group, "enrol").context["form"].introduction() == ""
        assert listed(coordinator, "expired") == [entry]
    answer = coordinator.fill(entry, "accept", starts_on=NEXT)
    assert answer.refusal == (
        "The offer is withdrawn. The seat was given to somebody else. "
        "The patient keeps the place on the waitlist."
    )
    assert (state(entry), entry.episode.memberships.count()) == ("waiting", 0)


@pytest.mark.parametrize(
    ("then", "left", "sentence"),
    [("waits", "waiting", "keeps the place"), ("leaves", "declined", "waits no longer")],
)
def test_who_declines_says_whether_to_wait_on(world, coordinator, then, left, sentence):
    entry = waiting(world)
    offer(coordinator, entry)
    answer = coordinator.fill(entry, "decline", then=then, reason="On a trip")
    assert answer.sentences == [f"{name(entry)} {sentence}. Next: offer the seat to the next."]
    assert (state(entry), entry.offers.get().reason) == (left, "On a trip")


def test_who_is_taken_off_the_list_leaves_a_reason(world, coordinator):
    entry = waiting(world)
    assert list(coordinator.fill(entry, "remove").errors) == ["reason"]
    assert state(entry) == "waiting"
    coordinator.fill(entry, "remove", reason="Moved away")
    assert (state(entry), entry.left_reason) == ("removed", "Moved away")
    assert coordinator.open(entry, "change").context["verbs"] == []


# --- the page ------------------------------------------------------------------------------------


def test_the_state_is_not_edited_by_hand(world, coordinator):
    entry = waiting(world)
    coordinator.fill(entry, "change", state="enrolled", note="evenings")
    assert (state(entry), entry.note) == ("waiting", "evenings")


def test_the_page_tells_offers_and_tries_and_is_a_noted_read(world, coordinator):
    entry = waiting(world)
    offer(coordinator, entry)
    found = panels(coordinator, entry)
    by = str(coordinator.user)
    assert lines(found["Offers"]) == [
        ("Mar 9, 2026", "Mon Mar 2, 7:00 AM", by, "Wed Mar 4, 5:00 PM", "Open", "")
    ]
    assert lines(found["What was tried"]) == [("Mon Mar 2, 7:00 AM", "Call: reached", "", by)]
    page = coordinator.open(entry, "change")
    assert [one["title"] for one in page.context["verbs"]] == [
        "Accept", "Decline", "Log an attempt", "Take off the waitlist",
    ]  # fmt: skip
    read = AuditEvent.objects.filter(operation="R", row_id=entry.pk).last()
    assert read is not None
    assert read.table_name == "scheduling_waitlistentry"


def test_nobody_is_put_on_the_list_of_a_group_that_does_not_suit(world, coordinator):
    given = {"group": world.group, "episode": factories.admitted(world.clinic)}
    answer = coordinator.fill(WaitlistEntry, "add", **given)
    said = f"{world.group} belongs to another program. Choose another group."
    assert answer.errors == {"episode": [said]}
    assert not WaitlistEntry.objects.exists()


# --- statements ----------------------------------------------------------------------------------


def statements(at: Desk, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert at.client.get(address).status_code == 200
    return len(captured)


def test_the_pages_take_as_many_statements_for_one_who_waits_as_for_nine(world):
    found = []
    for count in (1, 9):
        here = build()
        at = desk(here.clinic)
        entries = [waiting(here) for _ in range(count)]
        offer(at, entries[0])
        last = entries[-1]
        pages = [url(WaitlistEntry), *(url(last, page) for page in ("change", "attempt", "offer"))]
        at.client.get(pages[0])  # shows what was said of the offer
        found.append([statements(at, page) for page in pages])
    assert found[0] == found[1] == [9, 9, 7, 11]
