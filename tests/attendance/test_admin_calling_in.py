"""A call-in for a recorded day: what stays, and what the notice would mean, is said first."""

from __future__ import annotations

from typing import Any

import pytest

from attendance.models import AttendanceRecord
from scheduling.models import CallIn
from tests.admin import Desk, actors
from tests.attendance.house import FRI, MON, WED
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db


@pytest.fixture
def coordinator(week: ShortWeek) -> Desk:
    return Desk(week.by)


def call(**extra: Any) -> dict[str, Any]:
    told = ("2026-03-04", "08:00")
    days = {"from_date": WED, "to_date": WED, "reason": "illness", "notified_at": told}
    return {**days, **extra}


def then(at: Desk, week: ShortWeek, **extra: Any) -> list[str]:
    (panel,) = at.look(week.patient, "call-in", **call(**extra)).panels
    return [str(row[2]) for row in panel.rows]


def test_a_notice_in_time_would_excuse_what_is_recorded_as_a_no_show(week, coordinator):
    assert then(coordinator, week) == [
        (
            "Stays unexcused as it is recorded. With this notice it would be excused: open it and "
            "correct the attendance."
        )
    ]
    assert not CallIn.objects.exists()


@pytest.mark.parametrize(
    "late", [{"notified_at": ("2026-03-04", "09:00")}, {"reason": "transport"}]
)
def test_one_that_came_too_late_or_for_another_reason_excuses_nothing(week, coordinator, late):
    assert then(coordinator, week, **late) == [
        "Stays unexcused: the notice came too late, or its reason is none that the clinic excuses."
    ]


def test_who_was_there_stays_present_and_who_is_excused_excused(week, coordinator):
    AttendanceRecord.objects.filter(booking=week.missed).update(proof="accepted")
    assert then(coordinator, week, from_date=MON) == ["Stays present.", "Stays excused."]


def test_saved_all_the_same_the_record_stays(week, coordinator):
    before = AttendanceRecord.objects.values().get(booking=week.missed)
    ahead = coordinator.look(week.patient, "call-in", **call(to_date=FRI))
    answer = coordinator.save(ahead)
    assert answer.status == 302
    assert AttendanceRecord.objects.values().get(booking=week.missed) == before
    assert (week.missed.state, week.friday.state) == ("booked", "released")


def test_whoever_answers_the_phone_is_told_it_too(week, coordinator):
    """The patient is chosen on the page, which belongs to no episode."""
    ahead = coordinator.look(CallIn, "call-in", episode=week.patient, **call())
    assert [panel.title for panel in ahead.panels] == ["Recorded already"]
    assert actors(week.patient, "R") == {coordinator.user.actor}
    assert not CallIn.objects.exists()
    assert coordinator.save(ahead).status == 302
    assert CallIn.objects.get().episode == week.patient


def test_without_a_record_it_is_noted_at_once(week, coordinator):
    answer = coordinator.fill(week.patient, "call-in", **call(from_date=FRI, to_date=FRI))
    assert answer.status == 302
    assert CallIn.objects.get().from_date == FRI
