"""Fifty clients want the last seats of two groups and of their sessions, by every door at once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from scheduling.models import Booking, GroupMembership, Session, WaitlistOffer
from tests.project.rush import FREE, Rush, Want, members, rush, seated
from tests.web import Answer, WebProcess, at_once, serving

pytestmark = pytest.mark.django_db(transaction=True)

SEATS = [1, 2, 3, 4, 5, 6, 7, 8]
CODES = {"session_full", "patient_busy", "not_suitable"}
SENTENCES = re.compile(
    r"All 8 seats of .* are taken"
    r"|Guests hold the last seats on"
    r"|The patient is booked elsewhere at "
    r"|The patient is already in this group on these dates"
    r"|The patient cannot be seated here. Ask the coordinator"
    r"|The offer is withdrawn. The seat was given to somebody else"
    r"|This offer is answered already"
    r"|changed .* in the meantime"
)


@pytest.fixture(scope="module")
def web(django_db_setup: None, django_db_blocker: Any) -> Iterator[WebProcess]:
    with django_db_blocker.unblock(), serving(2) as server:
        yield server


def test_fifty_clients_want_the_last_seats(web: WebProcess) -> None:
    here = race(web, clients=50, seed=1)
    assert [seated(session) for session in here.sessions[3:]] == [SEATS] * 3
    assert len(members(here.groups[0])) > 8 - FREE


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 12))
def test_a_hundred_clients_want_the_last_seats(web: WebProcess, seed: int) -> None:
    race(web, clients=100, seed=seed)


def race(web: WebProcess, *, clients: int, seed: int) -> Rush:
    here = rush(web, clients=clients, seed=seed)
    answers = list(zip(here.wants, at_once(here.wants), strict=True))
    assert_friendly([answer for _, answer in answers])
    assert_told_as_it_is(answers)
    assert_each_seat_once(here, answers)
    assert_nobody_at_two_places(here)
    assert_nobody_meets(here)
    assert_offers(here)
    return here


def is_done(answer: Answer) -> bool:
    return answer.status in (201, 302)


def assert_friendly(answers: list[Answer]) -> None:
    """A seat, or a sentence that says why not."""
    for one in answers:
        if one.content_type.startswith("text/html") and one.status == 200:
            assert SENTENCES.search(one.body), errors_of(one.body)
        elif not is_done(one):
            assert (one.status, one.code in CODES) == (409, True), one


def assert_told_as_it_is(answers: list[tuple[Want, Answer]]) -> None:
    """Whoever was told so has the seat, and nobody has one whom no client was told of."""
    given = {(one.episode.pk, one.place) for one, answer in answers if is_done(answer)}
    for want, _ in answers:
        asked = (want.episode.pk, want.place)
        if isinstance(want.place, Session):  # a member sits there too
            assert want.has_it == (asked in given or (asked[0], want.place.group) in given)
        else:
            assert want.has_it == (asked in given)


def errors_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))[:3000]


def assert_each_seat_once(here: Rush, answers: list[tuple[Want, Answer]]) -> None:
    """Never more than there are; and what was refused as full is full: nobody gave a seat back."""
    for session in here.sessions:
        assert seated(session) == SEATS[: len(seated(session))]
    for group in here.groups:
        assert members(group) == SEATS[: len(members(group))]
    for want, answer in answers:
        told = str(answer.body)
        if not is_done(answer) and "All 8 seats of" in told:
            place = want.place
            assert (seated(place) if isinstance(place, Session) else members(place)) == SEATS
        elif "Guests hold the last seats" in told:
            assert SEATS in [seated(one) for one in here.sessions if one.group == want.place]


def assert_nobody_at_two_places(here: Rush) -> None:
    rows = Booking.objects.filter(state="booked", session__clinic=here.groups[0].clinic)
    spans = defaultdict(list)
    for row in rows:
        spans[row.patient_id].append((row.starts_at, row.ends_at))
    for held in spans.values():
        for one, other in combinations(sorted(held), 2):
            assert one[1] <= other[0]


def assert_nobody_meets(here: Rush) -> None:
    for session in here.sessions:
        there = set(Booking.objects.filter(session=session).values_list("patient", flat=True))
        assert [pair for pair in here.apart if there.issuperset(pair)] == []


def assert_offers(here: Rush) -> None:
    """Whoever accepted sits there; for every other offer that stands there is a seat."""
    group = here.groups[0]
    offers = WaitlistOffer.objects.filter(entry__group=group)
    sitting = set(GroupMembership.objects.filter(group=group).values_list("episode", flat=True))
    for offer in offers.select_related("entry"):
        assert (offer.answer == "accepted") == (offer.entry.episode_id in sitting)
        assert (offer.entry.state == "enrolled") == (offer.entry.episode_id in sitting)
    assert offers.filter(answer="open").count() <= group.capacity - len(members(group))
