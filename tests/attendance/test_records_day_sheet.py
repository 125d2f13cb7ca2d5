"""One line a patient feeds all the sessions of a group's day."""

import datetime

import pytest

from attendance.models import AttendanceRecord
from attendance.records.day_sheet import DayEntry, record_day
from attendance.records.entries import RosterRefused
from attendance.records.roster import roster_rows
from iop_clinic.accounts.acting import Refused
from tests import factories as f
from tests.attendance.rosters import told

pytestmark = pytest.mark.django_db

DAY = datetime.date(2026, 3, 4)
HOURS = [("09:00", "10:00"), ("10:10", "11:10"), ("11:20", "12:20")]


class Day:
    """Three sessions of 60 minutes with two breaks between them, two patients in each."""

    def __init__(self, size=2):
        self.clinic = f.ClinicFactory()
        self.group = f.GroupFactory(clinic=self.clinic)
        self.people = [f.admitted(self.clinic) for _ in range(size)]
        self.by = f.staff(self.clinic)
        self.sessions = [
            f.session(self.clinic, "2026-03-04", *hours, group=self.group) for hours in HOURS
        ]
        self.bookings = [
            [f.booking(row, one, seat) for seat, one in enumerate(self.people, start=1)]
            for row in self.sessions
        ]

    def entry(self, who=0, attended=True, versions=None, **facts):
        known = {
            row[who].public_id: version
            for row, version in zip(self.bookings, versions or [], strict=False)
        }
        return DayEntry(
            patient=self.people[who].patient.public_id, attended=attended, versions=known,
            **told(self.clinic, **facts),
        )  # fmt: skip

    def record(self, *entries, now="12:30", **options):
        instant = f.at(self.clinic, "2026-03-04", now)
        return record_day(
            group=self.group, local_date=DAY, entries=entries, by=self.by, now=instant, **options
        )

    def minutes(self, who=0):
        records = AttendanceRecord.objects.filter(booking__episode=self.people[who])
        return list(
            records.order_by("booking__starts_at").values_list("credited_minutes", flat=True)
        )

    def labels(self, who=0, now="12:30"):
        instant = f.at(self.clinic, "2026-03-04", now)
        rows = [roster_rows(session, now=instant)[who] for session in self.sessions]
        return [(row.status.value, row.late, row.left_early) for row in rows]


@pytest.fixture
def day():
    return Day()


def test_presence_is_clipped_to_each_session(day):
    day.record(day.entry(arrived_at="09:20", left_at="12:00", away=["10:30-10:40"]))
    assert day.minutes() == [40, 50, 40]
    assert day.labels() == [
        ("present", True, False), ("present", False, False), ("present", False, True),
    ]  # fmt: skip


def test_sessions_after_a_departure_are_left_early_with_nothing_never_a_miss(day):
    day.record(day.entry(left_at="10:30"))
    assert day.minutes() == [60, 20, 0]
    assert day.labels()[1:] == [("present", False, True), ("present", False, True)]


def test_sessions_before_an_arrival_are_late_with_nothing(day):
    day.record(day.entry(arrived_at="10:15"))
    assert day.minutes() == [0, 55, 60]
    assert day.labels()[0] == ("present", True, False)


def test_a_departure_told_later_fills_every_session(day):
    day.record(day.entry(arrived_at="09:05"), now="09:10")
    day.record(day.entry(arrived_at="09:05", left_at="11:00", versions=[1, 1, 1]))
    assert day.minutes() == [55, 50, 0]


def test_the_same_day_sheet_again_changes_nothing(day):
    entries = [day.entry(arrived_at="09:20"), day.entry(1, attended=False)]
    assert len(day.record(*entries).saved) == 6
    assert (day.record(*entries).saved, day.record(*entries).unchanged) == ((), 6)


def test_all_present_fills_whoever_is_not_named(day):
    day.record(day.entry(0, attended=False), all_present=True)
    assert (day.minutes(0), day.minutes(1)) == ([0, 0, 0], [60, 60, 60])


def test_one_stale_session_holds_the_patient_back(day):
    day.record(day.entry(arrived_at="09:20"))
    result = day.record(
        day.entry(arrived_at="09:20", left_at="11:00", versions=[1, 9, 1]), day.entry(1),
        mode="partial",
    )  # fmt: skip
    [conflict] = result.conflicts
    assert (conflict.index, conflict.booking) == (0, day.bookings[1][0].public_id)
    assert (conflict.code, len(result.saved)) == ("stale_version", 3)
    assert day.minutes() == [40, 60, 60]


@pytest.mark.parametrize("twice", [True, False])
def test_strangers_and_duplicates_are_refused(day, twice):
    other = Day(size=1)
    entries = [day.entry(), day.entry()] if twice else [day.entry(), other.entry()]
    with pytest.raises(RosterRefused) as refusal:
        day.record(*entries)
    found = [(c.index, c.code) for c in refusal.value.conflicts]
    twins = [(0, "duplicate_record"), (1, "duplicate_record")]
    assert found == (twins if twice else [(1, "unknown_booking")])
    assert day.minutes() == []


def test_open_from_30_minutes_before_the_first_session(day):
    with pytest.raises(Refused, match="not begun"):
        day.record(day.entry(), now="08:29")
    assert len(day.record(day.entry(), now="08:30").saved) == 3


def test_a_cancelled_session_is_not_of_the_day(day):
    second = day.sessions[1]
    second.state, second.cancelled_reason = "cancelled", "fire drill"
    second.cancelled_at = second.starts_at
    second.save()
    day.record(day.entry())
    assert day.minutes() == [60, 60]


def test_a_day_without_sessions_is_refused(day):
    with pytest.raises(Refused) as refusal:
        record_day(group=day.group, local_date=datetime.date(2026, 3, 5), by=day.by)
    assert refusal.value.code == "session_cancelled"


@pytest.mark.parametrize("size", [1, 6])
def test_a_day_costs_the_same_at_every_size(django_assert_num_queries, size):
    day = Day(size=size)
    with django_assert_num_queries(10):  # nine, and the end of the test's own transaction
        day.record(all_present=True)
