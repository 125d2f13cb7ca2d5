"""A discharge entered late while a therapist records the day after it, each on a connection."""

from __future__ import annotations

from functools import partial

import pytest
import time_machine

from attendance.episodes import discharge
from attendance.models import AttendanceRecord
from attendance.records.entries import Entry, RosterRefused, RosterResult
from attendance.records.services import record_roster
from iop_clinic.accounts.acting import Refused
from patients.models import Episode
from scheduling.models import Booking
from tests.attendance.house import FRI, SAT, WED, House
from tests.attendance.together import together

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 6


def test_either_the_hours_stand_or_the_discharge_does():
    house = House()
    with time_machine.travel(house.at(SAT, "09:00"), tick=True):
        for _ in range(ROUNDS):
            _race(house)


def _race(house: House) -> None:
    pat = house.patient(seat=None)
    session = house.day(FRI, [pat])
    booking = Booking.objects.get(episode=pat)
    came = Entry(booking=booking.public_id, attended=True)
    recorded, left = together(
        partial(record_roster, session=session, entries=[came], by=house.user),
        partial(discharge, episode=pat, discharged_on=WED, reason="aca", by=house.user),
    )
    booking.refresh_from_db()
    state = Episode.objects.get(pk=pat.pk).state
    hours = AttendanceRecord.objects.filter(booking=booking).exists()
    if isinstance(recorded, RosterResult):
        assert isinstance(left, Refused)
        assert left.code == "attended_after_discharge"
        assert (state, booking.state, hours) == ("admitted", "booked", True)
    else:
        assert isinstance(recorded, (Refused, RosterRefused))
        assert isinstance(left, Episode)
        assert (state, booking.state, hours) == ("discharged", "withdrawn", False)
