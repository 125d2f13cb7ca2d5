"""What reaching and seating somebody who waits changes on this floor."""

from __future__ import annotations

import pytest

from attendance import waitlist
from iop_clinic.accounts.acting import Refused
from patients.models import Patient
from scheduling.models import WaitlistEntry, WaitlistOffer, WaitlistStep
from scheduling.services import put_on_waitlist
from tests import factories as f
from tests.attendance.house import THU, WED, House

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(time_machine) -> House:
    house = House()
    time_machine.move_to(house.at(THU, "07:00"), tick=False)
    return house


def waiting(house: House) -> WaitlistEntry:
    """Somebody who may be called, and gets no texts."""
    patient = f.PatientFactory(clinic=house.clinic, phone="555-0100", phone_is_safe=True)
    episode = house.patient(seat=None, patient=patient)
    return put_on_waitlist(group=house.group, episode=episode, by=f.staff(house.clinic))


def offer(house: House, entry: WaitlistEntry, method: str) -> WaitlistOffer:
    return waitlist.offer_seat(
        entry=entry, starts_on=THU, expires_at=house.at(THU, "17:00"), method=method,
        result="reached", by=f.staff(house.clinic),
    )  # fmt: skip


def test_nobody_is_reached_by_a_channel_that_is_not_allowed(house):
    entry, by = waiting(house), f.staff(house.clinic)
    with pytest.raises(Refused) as offered:
        offer(house, entry, "text")
    with pytest.raises(Refused) as tried:
        waitlist.log_attempt(entry=entry, method="text", result="reached", by=by)
    assert offered.value.code == tried.value.code == "channel_not_allowed"
    assert not WaitlistOffer.objects.exists()
    assert not WaitlistStep.objects.exists()


def test_nobody_is_reached_after_a_death(house):
    entry = waiting(house)
    Patient.objects.filter(pk=entry.episode.patient_id).update(deceased_on=WED)
    with pytest.raises(Refused) as refused:
        waitlist.log_attempt(
            entry=WaitlistEntry.objects.get(), method="call", result="no_answer",
            by=f.staff(house.clinic),
        )  # fmt: skip
    assert refused.value.code == "channel_not_allowed"
