"""Times told of attendance: what may lie ahead, and when it was recorded."""

import pytest

from attendance.models import AttendanceRecord
from attendance.records.entries import RosterRefused
from attendance.records.services import correct
from tests import factories as f
from tests.attendance.rosters import Roster, roster

pytestmark = pytest.mark.django_db


@pytest.fixture
def sheet() -> Roster:
    return roster(f.ClinicFactory(), size=1)


@pytest.mark.parametrize(
    ("facts", "now"),
    [
        ({"arrived_at": "09:00"}, "08:54"),  # open already, but nobody is there yet
        ({"arrived_at": "20:00"}, "12:30"),
        ({"left_at": "10:06"}, "10:00"),
        ({"left_at": "10:01"}, "09:30"),
        ({"away": ["09:10-09:20", "09:55-10:01"]}, "09:30"),
    ],
)
def test_what_cannot_be_known_yet_is_refused(sheet, facts, now):
    with pytest.raises(RosterRefused) as refusal:
        sheet.record(sheet.entry(0, **facts), now=now)
    assert (refusal.value.code, refusal.value.field) == ("time_in_future", next(iter(facts)))
    assert sheet.count() == 0


@pytest.mark.parametrize(
    ("facts", "now"),
    [
        ({"arrived_at": "09:00"}, "08:55"),  # a device's clock may run five minutes ahead
        ({"left_at": "10:05"}, "10:00"),
        ({"left_at": "10:00"}, "08:30"),  # announced
        ({"away": ["09:40-10:00"]}, "08:30"),
    ],
)
def test_a_departure_and_time_away_may_be_announced_up_to_the_end(sheet, facts, now):
    sheet.record(sheet.entry(0, **facts), now=now)
    assert sheet.count() == 1


def test_a_time_in_the_future_that_is_stored_already_is_in_nobodys_way(sheet):
    sheet.record(sheet.entry(0, left_at="10:00"), now="09:30")
    AttendanceRecord.objects.update(left_at=sheet.at("20:00"))
    again = sheet.entry(0, left_at="20:00", version=1)
    assert sheet.record(again, now="09:30").unchanged == 1
    sheet.record(sheet.entry(0, arrived_at="09:20", version=1), now="09:30")
    assert (sheet.stored().arrived_at, sheet.stored().left_at) == (
        sheet.at("09:20"), sheet.at("20:00"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "kept"),
    [("2000-01-02 00:00", "08:30"), ("08:29", "08:30"), ("08:31", "08:31"), ("10:06", "10:05")],
)
def test_nobody_recorded_before_the_roster_opened_or_later_than_now(sheet, told, kept):
    sheet.record(sheet.entry(0, recorded_at=told))
    assert sheet.stored().recorded_at == sheet.at(kept)


def test_a_correction_is_no_older_than_the_roster_either(sheet):
    sheet.record(sheet.entry(0))
    correct(
        booking=sheet.bookings[0], version=1, correction_reason="Left", by=sheet.by,
        changes={"left_at": sheet.at("09:30"), "recorded_at": sheet.at("09:00", "2026-03-03")},
        now=sheet.at("10:05"),
    )  # fmt: skip
    assert sheet.stored().recorded_at == sheet.at("08:30")
