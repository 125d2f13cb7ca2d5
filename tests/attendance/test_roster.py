"""The roster as people see it."""

import datetime

import pytest

from attendance.models import CreditRule
from attendance.records.roster import Visit, roster_rows
from patients.models import CourtReferral
from scheduling.models import Booking
from tests import factories as f
from tests.attendance.rosters import DAY, roster

pytestmark = pytest.mark.django_db


@pytest.fixture
def sheet():
    return roster(f.ClinicFactory(), size=3)


def rows(sheet, now="10:05"):
    return roster_rows(sheet.session, now=sheet.at(now))


def test_an_unrecorded_row(sheet):
    row = rows(sheet)[1]
    booking = sheet.bookings[1]
    assert (row.booking, row.episode_id) == (booking.public_id, booking.episode_id)
    assert (row.patient, row.patient_name) == (booking.patient.public_id, str(booking.patient))
    assert (row.seat, row.booking_state, row.status) == (2, "booked", "unrecorded")
    assert (row.version, row.credited_minutes, row.away) == (None, 0, ())


def test_a_row_says_with_whom_the_patient_is_out_of_the_session(sheet):
    outer = sheet.bookings[1]
    leaders = [f.TherapistFactory(clinic=sheet.clinic) for _ in range(2)]
    for (starts, ends), leader in zip(
        [("09:40", "09:55"), ("09:05", "09:20")], leaders, strict=True
    ):
        visit = f.session(sheet.clinic, DAY, starts, ends, therapist=leader)
        nested = {"outer_starts_at": outer.starts_at, "outer_ends_at": outer.ends_at}
        f.booking(visit, outer.episode, nested_in=outer, **nested)
    assert [row.visits for row in rows(sheet)] == [
        (),
        (
            Visit(sheet.at("09:05"), sheet.at("09:20"), leaders[1].name),
            Visit(sheet.at("09:40"), sheet.at("09:55"), leaders[0].name),
        ),
        (),
    ]


def test_a_recorded_row(sheet):
    sheet.record(sheet.entry(0, arrived_at="09:10", left_at="09:50", away=["09:20-09:25"]))
    row = rows(sheet)[0]
    assert (row.status, row.late, row.left_early) == ("present", True, True)
    assert (row.arrived_at, row.left_at) == (sheet.at("09:10"), sheet.at("09:50"))
    assert [(span.start, span.end) for span in row.away] == [(sheet.at("09:20"), sheet.at("09:25"))]
    assert (row.attended_minutes, row.credited_minutes, row.version) == (35, 35, 1)


def test_no_credit_before_the_end(sheet):
    sheet.record(sheet.entry(0), now="09:01")
    assert rows(sheet, "09:59")[0].credited_minutes == 0
    assert rows(sheet, "10:00")[0].credited_minutes == 60


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({}, "no_show"),
        ({"notified_at": "08:30", "absence_reason": "illness"}, "absent_excused"),
        ({"notified_at": "08:30", "absence_reason": "work"}, "late_cancel"),
        ({"proof": "accepted"}, "absent_excused"),
    ],
)
def test_the_word_for_an_absence(sheet, facts, status):
    sheet.record(sheet.entry(0, attended=False, **facts))
    assert rows(sheet)[0].status == status


def test_notice_counts_from_the_first_session_of_the_day(sheet):
    """Told at 08:30 for 09:00, but the patient's day had begun at 08:00 elsewhere."""
    early = f.session(sheet.clinic, "2026-03-04", "08:00", "08:45")
    f.booking(early, sheet.bookings[0].episode)
    sheet.record(
        sheet.entry(0, attended=False, notified_at="08:30", absence_reason="illness"),
        sheet.entry(1, attended=False, notified_at="08:30", absence_reason="illness"),
    )
    assert [row.status for row in rows(sheet)[:2]] == ["late_cancel", "absent_excused"]


def test_a_court_involved_patient_waits_for_proof(sheet):
    CourtReferral.objects.create(
        clinic=sheet.clinic, episode=sheet.bookings[0].episode, court="Drug court",
        starts_on=datetime.date(2026, 3, 4),
    )  # fmt: skip
    sheet.record(*[sheet.entry(who, attended=False, proof="pending") for who in (0, 1)])
    assert [row.status for row in rows(sheet)[:2]] == ["absent_pending", "no_show"]


def test_late_follows_the_clinics_grace(sheet):
    CreditRule.objects.create(clinic=sheet.clinic, starts_on="2026-01-01", grace_minutes=15)
    sheet.record(sheet.entry(0, arrived_at="09:15"), sheet.entry(1, arrived_at="09:16"))
    assert [row.late for row in rows(sheet)] == [False, True, False]


def test_released_is_expected_and_withdrawn_is_not(sheet):
    released, withdrawn, _ = sheet.bookings
    Booking.objects.filter(pk=released.pk).update(state="released", released_at=sheet.at("07:00"))
    Booking.objects.filter(pk=withdrawn.pk).update(state="withdrawn", withdrawn_reason="plan")
    assert [(row.seat, row.booking_state) for row in rows(sheet)] == [
        (1, "released"), (3, "booked"),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 12, 15])
def test_a_roster_is_two_statements_at_every_size(django_assert_num_queries, size):
    sheet = roster(f.ClinicFactory(), size=size)
    sheet.record(all_present=True)
    with django_assert_num_queries(2):
        assert len(rows(sheet)) == size
