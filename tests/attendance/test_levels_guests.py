"""A change of level into a group whose last seats guests hold on some dates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine

from iop_clinic.accounts.acting import Refused
from patients.models import Level
from scheduling.models import Booking, Session
from scheduling.services.guests import GuestChoice, Then
from tests import factories as f
from tests.admin import Desk, filled, url
from tests.attendance.house import WED
from tests.attendance.leveling import NOW, Leveling

pytestmark = pytest.mark.django_db

WHY = "Members go first"


@pytest.fixture
def at() -> Iterator[Leveling]:
    with time_machine.travel(NOW, tick=False):
        yield Leveling()


@pytest.fixture
def guest(at: Leveling) -> Booking:
    """On the only seat of the new group's session on the Wednesday."""
    session = Session.objects.get(group=at.new, local_date=WED)
    Session.objects.filter(pk=session.pk).update(capacity=1)
    return f.booking(session, at.house.patient(seat=None))


def test_without_an_answer_nothing_changes(at: Leveling, guest: Booking) -> None:
    before = at.booked()
    with pytest.raises(Refused) as caught:
        at.change(group=at.new)
    assert (caught.value.code, caught.value.details["bookings"]) == ("group_full", [guest.pk])
    assert (at.booked(), at.pat.plans.count()) == (before, 1)


def test_the_guest_moves_on_with_the_change(at: Leveling, guest: Booking) -> None:
    choice = GuestChoice(Then.MOVE_ON, WHY, frozenset({guest.pk}))
    done = at.change(group=at.new, seat={"guests": choice})
    guest.refresh_from_db()
    assert (guest.state, guest.withdrawn_reason) == ("withdrawn", WHY)
    assert done.membership is not None
    assert done.membership.bookings.filter(state="booked").count() == 3


def test_the_form_asks_shows_what_changes_and_tells_whom_to_call(
    at: Leveling, guest: Booking
) -> None:
    desk = Desk(at.by)
    given: dict[str, Any] = {
        "starts_on": WED.isoformat(), "level": str(Level.PHP.value), "group": str(at.new.pk),
        "weekly_minutes_target": "1200", "days_per_week": "5",
    }  # fmt: skip
    address = url(at.pat, "level")
    response = desk.client.post(address, {**filled(desk.client.get(address)), **given})
    assert list(response.context["form"].errors) == ["guests"]
    answer = {"guests": "move_on", "guests_reason": WHY}
    ahead = desk.client.post(address, {**filled(response), **answer})
    assert str(guest.patient) in ahead.content.decode()
    guest.refresh_from_db()
    assert guest.state == "booked"
    done = desk.send(address, {**filled(ahead), "seen": ahead.context["seal"]})
    guest.refresh_from_db()
    assert (done.status, guest.state) == (302, "withdrawn")
    assert f'To call: <a href="{url(guest.episode, "change")}"' in done.sentences[0]
