"""One line a patient feeds all the sessions of a group's day."""

import datetime
from dataclasses import replace

import pytest

from attendance.models import AttendanceRecord
from attendance.records.day_sheet import DayEntry, record_day
from attendance.records.entries import Entry, RosterRefused
from attendance.records.roster import roster_rows
from attendance.records.services import correct, record_roster, sign
from iop_clinic.accounts.acting import Refused
from scheduling.models import Booking, Session
from tests import factories as f
from tests.attendance.rosters import told

pytestmark = pytest.mark.django_db

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
        options.setdefault("sessions", self.sessions)
        return record_day(entries=entries, by=self.by, now=instant, **options)

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


def cancel(session):
    """In the database alone: whoever holds the row does not know yet."""
    Session.objects.filter(pk=session.pk).update(
        state="cancelled", cancelled_reason="fire drill", cancelled_at=session.starts_at
    )


def move(session, by):
    Session.objects.filter(pk=session.pk).update(
        local_date=session.local_date + by,
        starts_at=session.starts_at + by,
        ends_at=session.ends_at + by,
    )


def release(booking):
    """The patient gave notice of this session at 8:30 of the day."""
    booking.state = "released"
    booking.released_at = f.at(booking.clinic, "2026-03-04", "08:30")
    booking.save()


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
    day.record(day.entry(arrived_at="09:05", left_at="11:00", versions=[1]))
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
    assert len(day.record(day.entry(), now="08:30").saved) == 1


def test_nobody_is_recorded_in_a_session_that_is_not_open(day):
    """Who will come is not known; the day sheet sent again fills what has opened since."""
    day.record(day.entry(), day.entry(1, attended=False), now="09:00")
    assert (day.minutes(0), day.minutes(1)) == ([60], [0])
    assert [row[0] for row in day.labels(now="09:00")] == ["present", "unrecorded", "unrecorded"]
    assert len(day.record(day.entry(), now="10:50").saved) == 2
    assert day.minutes(0) == [60, 60, 60]


def test_who_is_gone_is_gone_from_the_sessions_after_it(day):
    day.record(day.entry(left_at="09:40"), now="09:45")
    assert day.minutes() == [40, 0, 0]
    day.record(all_present=True, now="11:00")
    assert (day.minutes(0), day.minutes(1)) == ([40, 0, 0], [60, 60, 60])


def test_what_is_recorded_ahead_may_be_corrected_at_once(day):
    day.record(day.entry(left_at="09:40"), now="09:45")
    now = f.at(day.clinic, "2026-03-04", "09:50")
    correct(
        booking=day.bookings[2][0], changes={"left_at": None}, version=1,
        correction_reason="Came back", by=day.by, now=now,
    )  # fmt: skip
    other = Entry(booking=day.bookings[2][1].public_id, attended=True)
    with pytest.raises(Refused, match="not begun"):
        record_roster(session=day.sessions[2], entries=[other], by=day.by, now=now)
    assert day.minutes() == [40, 0, 60]


def test_a_patient_of_later_sessions_alone_is_a_conflict_until_then(day):
    Booking.objects.filter(pk=day.bookings[0][0].pk).delete()
    with pytest.raises(RosterRefused) as refusal:
        day.record(day.entry(1), day.entry(), now="09:00")
    found = [(c.index, c.code, c.field) for c in refusal.value.conflicts]
    assert (found, day.minutes(1)) == ([(1, "session_in_future", "patient")], [])
    assert len(day.record(day.entry(1), day.entry(), now="09:00", mode="partial").saved) == 1


def test_a_cancelled_session_is_not_of_the_day(day):
    cancel(day.sessions[1])
    day.sessions[1].refresh_from_db()
    day.record(day.entry())
    assert day.minutes() == [60, 60]


@pytest.mark.parametrize("known", [True, False])
def test_a_day_of_cancelled_sessions_is_refused(day, known):
    for session in day.sessions:
        cancel(session)
        session.state = "cancelled" if known else "scheduled"
    with pytest.raises(Refused) as refusal:
        day.record(day.entry())
    assert (refusal.value.code, day.minutes()) == ("session_cancelled", [])


@pytest.mark.parametrize("change", [{"state": "cancelled"}, {"local_date": "2026-03-05"}])
def test_a_session_cancelled_or_moved_since_the_look_is_not_of_the_day(day, change):
    if "state" in change:
        cancel(day.sessions[1])
    else:
        move(day.sessions[1], datetime.timedelta(days=1))
    assert len(day.record(day.entry()).saved) == 2
    assert day.minutes() == [60, 60]


def test_only_the_sessions_given_are_written(day):
    result = day.record(day.entry(arrived_at="10:20"), sessions=day.sessions[1:2], all_present=True)
    assert [record.booking for record in result.saved] == day.bookings[1]
    assert (day.minutes(0), day.minutes(1)) == ([50], [60])


def test_a_patient_of_the_second_session_only(day):
    late = f.admitted(day.clinic)
    f.booking(day.sessions[1], late, seat=3)
    day.people.append(late)
    day.record(day.entry(2, left_at="11:00"))
    assert day.minutes(2) == [50]


def test_versions_of_some_bookings_say_that_the_others_are_unrecorded(day):
    day.record(day.entry(), sessions=day.sessions[:1])
    day.record(day.entry(left_at="11:40", versions=[1]))
    assert day.minutes() == [60, 60, 20]
    with pytest.raises(RosterRefused, match="in the meantime"):
        day.record(day.entry(left_at="11:30", versions=[2], correction_reason="Wrong clock"))
    assert day.minutes() == [60, 60, 20]


def test_what_is_left_out_stands_for_a_session_added_later_too(day):
    day.record(day.entry(left_at="10:30"), sessions=day.sessions[:2])
    day.record(day.entry(arrived_at="09:10", versions=[1, 1]))
    assert day.minutes() == [50, 20, 0]


def test_a_line_sent_again_is_stored_already_though_one_session_knows_more(day):
    release(day.bookings[0][0])
    first = [day.sessions[0]]
    day.record(day.entry(), sessions=first)
    absent = day.entry(attended=False, versions=[1], correction_reason="Wrong line")
    assert len(day.record(absent).saved) == 3
    assert day.record(absent).unchanged == 3
    told = AttendanceRecord.objects.filter(notified_at__isnull=False)
    assert [record.booking for record in told] == [day.bookings[0][0]]


def test_a_departure_may_be_announced_up_to_the_end_of_the_day(day):
    day.record(day.entry(left_at="11:30"), now="10:55")
    assert day.minutes() == [60, 60, 10]
    with pytest.raises(RosterRefused) as refusal:
        day.record(day.entry(1, left_at="12:21"), now="10:55")
    assert {conflict.code for conflict in refusal.value.conflicts} == {"time_in_future"}
    assert day.minutes(1) == []


def test_a_day_is_recorded_no_earlier_than_it_opened(day):
    day.record(day.entry(recorded_at="2026-03-03 09:00"))
    stored = AttendanceRecord.objects.values_list("recorded_at", flat=True).distinct()
    assert list(stored) == [f.at(day.clinic, "2026-03-04", "08:30")]


# --- who is assumed present -----------------------------------------------------------------------


def test_all_present_takes_a_departure_of_the_day_along(day):
    day.record(day.entry(left_at="10:30"), sessions=day.sessions[:2])
    day.record(all_present=True)
    assert (day.minutes(0), day.minutes(1)) == ([60, 20, 0], [60, 60, 60])


def test_all_present_takes_the_rest_of_the_day_of_who_came_late(day):
    day.record(day.entry(arrived_at="09:30"), sessions=day.sessions[:1])
    day.record(day.entry(), sessions=day.sessions[1:2])
    day.record(all_present=True)
    assert day.minutes() == [30, 60, 60]


@pytest.mark.parametrize("second", [{"attended": False}, {"left_at": "10:40"}])
def test_all_present_assumes_nothing_against_the_records_of_the_day(day, second):
    day.record(day.entry(), sessions=day.sessions[:1])
    day.record(day.entry(**second), sessions=day.sessions[1:2])
    day.record(all_present=True)
    assert (len(day.minutes(0)), len(day.minutes(1))) == (2, 3)


def test_all_present_takes_nobody_who_stands_in_the_request_twice(day):
    twice = [day.entry(attended=False), day.entry(attended=False)]
    day.record(*twice, all_present=True, mode="partial")
    assert (day.minutes(0), day.minutes(1)) == ([], [60, 60, 60])


def test_who_is_present_did_not_come_to_the_session_they_gave_notice_of(day):
    release(day.bookings[2][0])
    day.record(day.entry())
    assert [row[0] for row in (day.labels()[0], day.labels()[2])] == ["present", "unrecorded"]
    day.record(day.entry(left_at="11:00", versions=[1, 1]), all_present=True)
    assert (day.minutes(0), day.labels()[2][0]) == ([60, 50], "unrecorded")


def test_who_gave_notice_of_the_day_and_came_was_there(day):
    for row in day.bookings:
        release(row[0])
    day.record(day.entry())
    assert day.minutes() == [60, 60, 60]


def test_an_absence_of_the_day_is_one_of_the_released_session_too(day):
    release(day.bookings[2][0])
    day.record(day.entry(attended=False))
    assert [row[0] for row in day.labels()] == ["no_show", "no_show", "late_cancel"]


# --- signed sessions ------------------------------------------------------------------------------


@pytest.fixture
def signed(day):
    """The first session is over and signed, everybody present all day so far."""
    day.record(all_present=True, now="10:55")
    sign(session=day.sessions[0], by=day.by, now=f.at(day.clinic, "2026-03-04", "10:55"))
    day.sessions[0].refresh_from_db()
    return day


def test_a_departure_after_a_signed_session_leaves_it_signed(signed):
    result = signed.record(signed.entry(left_at="11:40", versions=[1, 1, 1]))
    signed.sessions[0].refresh_from_db()
    assert (len(result.saved), result.unchanged) == (2, 1)
    assert (signed.minutes(), signed.sessions[0].signed_by) == ([60, 60, 20], signed.by)


@pytest.mark.parametrize("change", [{"left_at": "09:40"}, {"attended": False}])
def test_a_change_of_a_signed_session_needs_a_reason_and_reopens_it(signed, change):
    entry = signed.entry(**change, versions=[1, 1, 1])
    with pytest.raises(RosterRefused) as refusal:
        signed.record(entry)
    assert refusal.value.conflicts[0].code == "roster_signed"
    assert signed.minutes() == [60, 60, 60]
    result = signed.record(replace(entry, correction_reason="Mixed up"))
    signed.sessions[0].refresh_from_db()
    assert (len(result.saved), signed.sessions[0].signed_by) == (3, None)


def test_a_stale_look_at_a_signed_session_is_a_conflict(signed):
    with pytest.raises(RosterRefused) as refusal:
        signed.record(signed.entry(left_at="11:40", versions=[2, 1, 1]))
    [conflict] = refusal.value.conflicts
    assert (conflict.code, conflict.booking) == (
        "stale_version", signed.bookings[0][0].public_id,
    )  # fmt: skip


# --- nested visits, cost --------------------------------------------------------------------------


def test_a_visit_inside_the_day_takes_its_minutes_out_of_the_group(day):
    outer = day.bookings[1][0]
    visit = f.booking(
        f.session(day.clinic, "2026-03-04", "10:20", "10:40"), outer.episode, nested_in=outer,
        outer_starts_at=outer.starts_at, outer_ends_at=outer.ends_at,
    )  # fmt: skip
    record_roster(
        session=visit.session, all_present=True, by=day.by,
        now=f.at(day.clinic, "2026-03-04", "10:45"),
    )  # fmt: skip
    day.record(all_present=True)
    assert (day.minutes(0), day.minutes(1)) == ([60, 40, 20, 60], [60, 60, 60])


@pytest.mark.parametrize(("size", "sessions"), [(1, 1), (1, 3), (6, 3)])
def test_a_day_costs_the_same_at_every_size(django_assert_num_queries, size, sessions):
    day = Day(size=size)
    with django_assert_num_queries(9):  # eight, and the end of the test's own transaction
        day.record(all_present=True, sessions=day.sessions[:sessions])


@pytest.mark.parametrize("size", [1, 6])
def test_a_refusal_costs_the_same_at_every_size(django_assert_num_queries, size):
    day = Day(size=size)
    day.record(all_present=True)
    entries = [day.entry(who, attended=False) for who in range(size)]
    with django_assert_num_queries(9), pytest.raises(RosterRefused) as refusal:
        day.record(*entries)
    assert len(refusal.value.conflicts) == 3 * size
