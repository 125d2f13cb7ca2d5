"""What a change of a weekly block says of patients before it is saved."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from attendance.admin.block_panels import PLANNED_WEEKS
from iop_clinic.accounts.admin.panels import link
from scheduling.models import Session, WeeklyBlock
from tests import factories as f
from tests.admin import Desk
from tests.api import nothing_written
from tests.attendance.house import FRI, MON, WED
from tests.attendance.short_weeks import ShortWeek

WEEK = datetime.timedelta(weeks=1)
pytestmark = pytest.mark.django_db


@pytest.fixture
def friday(week: ShortWeek) -> Session:
    """The session of the week's Friday, as one of its group's block."""
    block = WeeklyBlock.objects.get(group=week.house.group, weekday=4)
    row: Session = week.friday.session
    Session.objects.filter(pk=row.pk).update(block=block, original_local_date=FRI)
    row.refresh_from_db()
    return row


def test_one_session_that_clashes_names_who_is_elsewhere_and_where(week, friday):
    other = f.booking(f.session(week.clinic, FRI.isoformat(), "15:00", "16:00"), week.patient)
    at = Desk(week.by)
    sent: dict[str, Any] = {"scope": "one", "starts_at": "14:00", "ends_at": "17:20"}
    with nothing_written():
        answer = at.fill(friday, "change-block", **sent)
    assert answer.refusal == (
        "1 patient is booked elsewhere at this time, as shown above. Choose another time, or open "
        "these bookings and withdraw them first."
    )
    assert link(other.patient) in answer.html
    assert link(other, f"{other.session.title}, Fri Mar 6, 3:00 PM") in answer.html


@pytest.fixture
def full(week: ShortWeek, friday: Session) -> WeeklyBlock:
    """Fridays, with a whole next week: nine hours on three days, as is asked for."""
    for day in (MON, WED):
        week.house.day(day + WEEK, [week.patient], group=week.house.group)
    of_it = {"block": friday.block, "original_local_date": FRI + WEEK}
    week.house.day(FRI + WEEK, [week.patient], group=week.house.group, **of_it)
    assert friday.block is not None
    return friday.block


def test_fewer_minutes_name_whose_weeks_fall_short(week: ShortWeek, full: WeeklyBlock) -> None:
    ahead = Desk(week.by).look(full, "change-block", ends_at="11:00", breaks="")
    found = {panel.title: panel.rows for panel in ahead.panels}
    who = link(week.patient.patient)
    falls = "falls below Adult IOP 2.1: at most 8 h of 9 h; "
    falls += "too few days for Adult IOP 2.1: at most 2 of 3 days"
    assert found["Would fall short: 1"] == [
        (who, "Mar 9 – Mar 15, 2026", "1 h", "9 h → 8 h", "9 h", falls)
    ]
    assert found["Others who would lose minutes: 1"] == [
        (who, "Mar 2 – Mar 8, 2026", "1 h", "6 h → 5 h", "9 h", "short already")
    ]


def test_every_two_weeks_names_who_loses_minutes(week: ShortWeek, full: WeeklyBlock) -> None:
    """The planned week is asked for less, since its session is cancelled; later ones are not."""
    ahead = Desk(week.by).look(full, "change-block", every_weeks="2")
    found = {panel.title: panel for panel in ahead.panels}
    assert found["Nobody would fall short by it"].note == PLANNED_WEEKS
    assert found["Others who would lose minutes: 1"].rows == [
        (link(week.patient.patient), "Mar 9 – Mar 15, 2026", "3 h", "9 h → 6 h", "9 h → 6 h",
         "stays within reach")
    ]  # fmt: skip


def test_one_session_at_a_time_that_the_clocks_leave_out_is_refused(week, friday):
    at = Desk(week.by)
    sent = {"scope": "one", "weekday": "6", "starts_at": "02:30", "ends_at": "04:00"}
    with nothing_written():
        answer = at.fill(friday, "change-block", **sent)
    assert list(answer.errors) == ["starts_at"]
    assert answer.refusal.startswith("2:30 AM does not exist on Mar 8, 2026: ")
