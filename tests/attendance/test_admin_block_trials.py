"""What a change of a weekly block says of patients before it is saved."""

from __future__ import annotations

from typing import Any

import pytest

from iop_clinic.accounts.admin.panels import link
from scheduling.models import Session, WeeklyBlock
from tests import factories as f
from tests.admin import Desk
from tests.api import nothing_written
from tests.attendance.house import FRI
from tests.attendance.short_weeks import ShortWeek

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
