"""Cancelling at the admin site: who would lose what is read before a reason is asked for."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from attendance.models import AttendanceRecord, Standard
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from scheduling.admin.seats import Seats
from scheduling.models import Booking, Session
from tests import factories as f
from tests.admin import Desk, actors, desk, url
from tests.attendance.house import FRI, MON
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db


class Deadlock(Exception):
    sqlstate = "40P01"


@pytest.fixture
def coordinator(week: ShortWeek) -> Desk:
    return Desk(week.by)


def friday(week: ShortWeek) -> Session:
    return Session.objects.get(group=week.house.group, local_date=FRI)


def told(at: Desk, session: Session) -> list[tuple[str, ...]]:
    (panel,) = at.open(session, "cancel").context["form"].before()
    return [tuple(row[1:]) for row in panel.rows]


def introduction(at: Desk, session: Session) -> str:
    said: str = at.open(session, "cancel").context["form"].introduction()
    return said


def payer_standard(week: ShortWeek, **figures: Any) -> None:
    """A payer's minimum is not prorated when the clinic cancels."""
    Standard.objects.create(
        clinic=week.clinic, name="Payer's hours", source=Standard.Source.PAYER, prorate=False,
        starts_on=MON, **figures,
    )  # fmt: skip
    week.insure(needs=False)


def test_a_week_that_stays_within_reach_loses_hours_on_both_sides(week, coordinator):
    guest = week.other()
    for day in (MON, FRI):
        f.booking(Session.objects.get(group=week.house.group, local_date=day), guest, 2)
    row = told(coordinator, friday(week))[1]
    assert row == ("3 h", "6 h → 3 h", "9 h → 6 h", "short already")


def test_whoever_falls_below_stands_first_with_what_is_missing(week, coordinator):
    f.booking(friday(week), week.other(), 2)
    payer_standard(week, min_minutes=360, min_days=2, day_threshold=180)
    rows = told(coordinator, friday(week))
    assert rows[0] == (
        "3 h", "6 h → 3 h", "6 h",
        ("falls below Payer's hours: at most 3 h of 6 h; "
         "too few days for Payer's hours: at most 1 of 2 days"),
    )  # fmt: skip
    said = "2 patients are expected. 1 of them would fall below what is asked of the week."
    assert introduction(coordinator, friday(week)).startswith(said)


def test_who_gave_notice_loses_nothing(week, coordinator):
    Booking.objects.filter(session=friday(week)).update(
        state="released", released_at=friday(week).starts_at
    )
    assert told(coordinator, friday(week))[0][0] == "0 min"
    said = "1 patient is expected. Nobody would fall below what is asked of the week."
    assert introduction(coordinator, friday(week)).startswith(said)


def test_an_empty_session_shows_no_table(week, coordinator):
    session = week.session()
    form = coordinator.open(session, "cancel").context["form"]
    assert (form.before(), "Nobody is expected." in form.introduction()) == ([], True)


def test_the_page_shows_it_before_the_reason_and_names_the_time(week, coordinator):
    html = coordinator.open(friday(week), "cancel").content.decode()
    assert html.index("What it takes from whom") < html.index('name="reason"')
    assert f"{week.house.group}, Fri Mar 6, 9:00 AM" in html
    assert "Keep the session" in html


def test_it_is_shown_again_when_the_reason_is_missing(week, coordinator):
    answer = coordinator.send(url(friday(week), "cancel"), {"reason": ""})
    assert list(answer.errors) == ["reason"]
    assert "What it takes from whom" in answer.html
    assert friday(week).live


def test_a_reason_cancels_it_in_one_step(week, coordinator):
    answer = coordinator.fill(friday(week), "cancel", reason="Snow")
    assert answer.status == 302
    assert (friday(week).state, friday(week).cancelled_reason) == ("cancelled", "Snow")
    assert actors(friday(week)) == {coordinator.user.actor}


def test_what_would_be_refused_is_said_at_once_and_asks_for_nothing(week, coordinator):
    session = Session.objects.get(group=week.house.group, local_date=MON)
    page = coordinator.open(session, "cancel")
    form = page.context["form"]
    sentence = "The record says that a patient attended. Clear or correct it first."
    assert (form.introduction(), list(form.fields), form.submits) == (sentence, [], False)
    assert 'name="reason"' not in page.content.decode()
    assert AttendanceRecord.objects.filter(booking__session=session).count() == 1


def test_whose_names_are_shown_is_noted(week, coordinator):
    coordinator.open(friday(week), "cancel")
    assert actors(friday(week), "R") == {coordinator.user.actor}


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.UTILIZATION_REVIEW, Role.AUDITOR])
def test_who_may_not_cancel_is_told_nothing(week, role):
    session, person = friday(week), desk(week.clinic, role)
    assert person.open(session, "cancel").status_code == 403
    assert person.send(url(session, "cancel"), {"reason": "Snow"}).status == 403
    assert friday(week).live
    assert not AuditEvent.objects.filter(operation="R", row_id=session.pk).exists()


def statements(at: Desk, session: Session) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert at.open(session, "cancel").status_code == 200
    return len(captured)


def test_it_takes_the_same_statements_for_one_and_for_twelve(week, coordinator):
    before = statements(coordinator, friday(week))
    for seat in range(2, 13):
        f.booking(friday(week), week.other(), seat)
    assert statements(coordinator, friday(week)) == before == 12


def test_a_page_that_has_become_untrue_cancels_nothing(week, coordinator):
    session = friday(week)
    shown = coordinator.open(session, "cancel").context["form"]["shown"].value()
    f.booking(session, week.other(), 2)
    page = url(session, "cancel")
    answer = coordinator.client.post(page, {"reason": "Flood", "shown": shown})
    assert "has changed since you looked" in answer.content.decode()
    assert Session.objects.get(pk=session.pk).live
    fresh = answer.context["form"]["shown"].value()
    assert fresh != shown
    assert coordinator.client.post(page, {"reason": "Flood", "shown": fresh}).status_code == 302
    assert not Session.objects.get(pk=session.pk).live


def test_after_a_deadlock_it_is_asked_again_whether_the_page_is_true(
    week, coordinator, monkeypatch
):
    """Whoever was faster has booked somebody."""

    def deadlock(**_: Any) -> None:
        raise OperationalError from Deadlock()

    def others_go_on(_: float) -> None:
        f.booking(friday(week), week.other(), 2)
        monkeypatch.undo()

    monkeypatch.setattr(Seats, "cancel_session", deadlock)
    monkeypatch.setattr("iop_clinic.accounts.acting.time.sleep", others_go_on)
    answer = coordinator.fill(friday(week), "cancel", reason="Flood")
    assert "has changed since you looked" in answer.refusal
    assert friday(week).live
