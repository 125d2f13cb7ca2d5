"""Another time zone, above what is recorded; and at the form."""

from __future__ import annotations

import datetime

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.models import AttendanceRecord
from attendance.zones import change_zone
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.panels import link
from iop_clinic.accounts.roles import Role
from patients.models import Episode
from scheduling.models import Booking, Session
from tests.admin import Desk, actors, desk, url
from tests.api import nothing_written
from tests.attendance.house import FRI, MON, WED, House

pytestmark = pytest.mark.django_db


@pytest.fixture
def house():
    """Wednesday at seven: Monday is recorded, today and Friday are to come."""
    house = House()
    pat = house.patient()
    for day in (MON, WED, FRI):
        house.day(day, [pat], group=house.group)
    house.came(pat, MON)
    with time_machine.travel(house.at(WED, "07:00"), tick=False):
        yield house


def admin(house: House) -> Desk:
    return desk(house.clinic, Role.ADMINISTRATOR)


def test_recorded_days_and_their_minutes_stay_to_the_minute(house):
    pat = Episode.objects.get()
    before = (house.week(pat).lines[0], AttendanceRecord.objects.values().get())
    change_zone(clinic=house.clinic, zone="Pacific/Honolulu", by=house.user)
    assert (house.week(pat).lines[0], AttendanceRecord.objects.values().get()) == before
    zones = Session.objects.order_by("starts_at").values_list("local_date", "zone")
    assert list(zones) == [
        (MON, "America/New_York"), (WED, "Pacific/Honolulu"), (FRI, "Pacific/Honolulu"),
    ]  # fmt: skip


def test_what_is_recorded_before_it_begins_is_in_the_way(house):
    booking = Booking.objects.get(session__local_date=WED)
    AttendanceRecord.objects.create(clinic=house.clinic, booking=booking, attended=False)
    with nothing_written(), pytest.raises(Refused) as refusal:
        change_zone(clinic=house.clinic, zone="America/Denver", by=house.user)
    assert (refusal.value.code, refusal.value.details) == (
        "attendance_recorded", {"dates": [WED], "bookings": [booking.pk]},
    )  # fmt: skip


def test_the_form_leads_to_what_is_in_the_way(house):
    booking = Booking.objects.get(session__local_date=WED)
    AttendanceRecord.objects.create(clinic=house.clinic, booking=booking, attended=False)
    at = admin(house)
    page = at.client.post(url(house.clinic, "zone"), {"zone": "America/Denver"})
    said = link(booking, f"{house.group}, Wed Mar 4, 9:00 AM")
    assert link(booking.patient) in (html := page.content.decode())
    assert said in html
    assert actors(booking, "R") == {at.user.actor}


def test_the_form_shows_what_moves_and_then_moves_it(house):
    at = admin(house)
    with nothing_written():
        ahead = at.look(house.clinic, "zone", zone="America/Denver")
    (panel,) = ahead.panels
    assert panel.title == "2 sessions to come"
    assert [row[1:] for row in panel.rows] == [
        ("Wed Mar 4, 9:00 AM EST", "Wed Mar 4, 9:00 AM MST", "2 h later"),
        ("Fri Mar 6, 9:00 AM EST", "Fri Mar 6, 9:00 AM MST", "2 h later"),
    ]
    (said,) = at.save(ahead).sentences
    assert said == (
        "The clinic's time zone is America/Denver. 2 sessions to come: date and time on the wall "
        "stay as they were."
    )
    house.clinic.refresh_from_db()
    assert house.clinic.zone == "America/Denver"


def test_the_clinics_form_shows_the_zone_and_leaves_it_to_the_verb(house):
    at = admin(house)
    page = at.open(house.clinic, "change")
    assert "zone" not in page.context["adminform"].form.fields
    assert url(house.clinic, "zone") in page.content.decode()


def test_the_form_says_what_is_no_zone(house):
    refused = admin(house).fill(house.clinic, "zone", zone="Boston")
    assert refused.errors == {
        "zone": ["“Boston” is not a time zone. Use a name such as America/New_York."]
    }


def test_only_who_manages_the_clinic_changes_its_zone(house):
    at = desk(house.clinic)
    with nothing_written():
        assert at.send(url(house.clinic, "zone"), {"zone": "America/Denver"}).status == 403


def statements(house: House, zone: str) -> int:
    with CaptureQueriesContext(connection) as sent:
        change_zone(clinic=house.clinic, zone=zone, by=house.user)
    return len(sent)


def test_fifty_sessions_cost_the_statements_of_two(house):
    few = statements(house, "America/Denver")
    pat = Episode.objects.get()
    for days in range(1, 49):
        house.day(FRI + datetime.timedelta(days=days), [pat])
    assert statements(house, "America/Chicago") == few
