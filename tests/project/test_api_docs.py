"""docs/api.md is run word for word against a running server."""

from __future__ import annotations

import datetime
import re
import subprocess
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.utils import timezone

from iop_clinic.accounts.models import Device
from scheduling.models import Booking, CallIn
from tests.attendance.house import House

DOCUMENT = settings.BASE_DIR / "docs" / "api.md"
DAY = datetime.timedelta(days=1)
ZONE = "America/New_York"


class ThisWeek:
    """A therapist's week that began three days ago, as the reader of the document finds it.

    Three patients came on its first day, the second of them missed the next, and yesterday's roster
    is not in. Tomorrow's group has a free seat.
    """

    def __init__(self) -> None:
        today = timezone.localdate(timezone=ZoneInfo(ZONE))
        self.first = today - 3 * DAY
        self.house = House(ZONE, week_starts_on=self.first.weekday())
        people = [self.house.patient(on=self.first, seat=seat) for seat in (1, 2, 3)]
        led = {"group": self.house.group, "therapist": self.house.therapist}
        for n in range(3):
            self.session = self.house.day(self.first + n * DAY, people, **led)
        self.house.day(today + DAY, [people[0], people[2]], **led)
        for pat in people:
            self.house.came(pat, self.first)
        for pat in people[::2]:
            self.house.came(pat, self.first + DAY)
        self.house.missed(people[1], self.first + DAY)
        self.house.night(self.first + DAY)
        self.user = self.house.user
        self.user.email = "therapist@example.com"
        self.user.set_password("demo-clinic")
        self.user.save()


@pytest.mark.django_db(transaction=True)
def test_the_calls_do_what_they_say(live_server: Any, tmp_path: Path) -> None:
    week = ThisWeek()
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    script = "".join(blocks).replace("http://localhost:8000", live_server.url)
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    week.session.refresh_from_db()
    assert week.session.signed_by == week.user
    roster = week.session.bookings.order_by("seat")
    assert list(roster.values_list("attendance__attended", flat=True)) == [True, True, True]
    assert CallIn.objects.get().taken_back_at is not None
    made_up = Booking.objects.get(makes_up__isnull=False)
    assert made_up.makes_up.session.local_date == week.first + DAY
    assert made_up.session.local_date == week.first + 4 * DAY
    assert not Device.objects.exists()
