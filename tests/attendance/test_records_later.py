"""Correcting, clearing, signing, the history, and visits nested in a session."""

import random

import pytest

from attendance.models import AttendanceRecord, CreditRule
from attendance.records.entries import RosterRefused
from attendance.records.history import history
from attendance.records.services import clear, correct, sign
from attendance.records.sheet import locked_sheet
from iop_clinic.accounts.acting import Refused
from scheduling.models import Booking
from tests import factories as f
from tests.attendance.rosters import Roster, roster, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic():
    return f.ClinicFactory()


@pytest.fixture
def sheet(clinic) -> Roster:
    return roster(clinic, size=2)


@pytest.fixture
def signed(sheet) -> Roster:
    sheet.record(all_present=True)
    sheet.session = sign(session=sheet.session, by=sheet.by, now=sheet.at("10:10"))
    return sheet


def corrected(sheet: Roster, version: int, reason: str = "", **changes) -> AttendanceRecord:
    return correct(
        booking=sheet.bookings[0], changes=told(sheet.clinic, **changes), version=version,
        correction_reason=reason, by=sheet.by, now=sheet.at("11:00"),
    )  # fmt: skip


def refusal_of(action, *args, **options) -> str:
    with pytest.raises(Refused) as refusal:
        action(*args, **options)
    return refusal.value.code


# Correcting


def test_a_correction_keeps_what_it_leaves_out(sheet):
    sheet.record(sheet.entry(0, arrived_at="09:10", left_at="09:50"))
    record = corrected(sheet, 1, "sign-in sheet says so", left_at="09:40")
    assert (record.arrived_at, record.left_at) == (sheet.at("09:10"), sheet.at("09:40"))
    assert (record.credited_minutes, record.version) == (30, 2)


UNASKED = "correction_reason_required"


@pytest.mark.parametrize(
    ("version", "reason", "code"), [(2, "why", "stale_version"), (1, " ", UNASKED)]
)
def test_a_correction_needs_version_and_reason(sheet, version, reason, code):
    sheet.record(sheet.entry(0, left_at="09:50"))
    before = sheet.facts()
    assert refusal_of(corrected, sheet, version, reason, left_at="09:40") == code
    assert sheet.facts() == before


def test_nothing_recorded_cannot_be_corrected(sheet):
    assert refusal_of(corrected, sheet, 1, "why", attended=True) == "stale_version"
    assert sheet.count() == 0


# Clearing


def cleared(sheet: Roster, version: int, reason: str = "wrong person") -> None:
    clear(
        booking=sheet.bookings[0], version=version, correction_reason=reason, by=sheet.by,
        now=sheet.at("11:00"),
    )  # fmt: skip


def test_clear_goes_back_to_unrecorded(sheet):
    sheet.record(all_present=True)
    cleared(sheet, 1)
    assert not AttendanceRecord.objects.filter(booking=sheet.bookings[0]).exists()
    assert sheet.count() == 1
    cleared(sheet, 1)
    assert sheet.count() == 1


@pytest.mark.parametrize(
    ("version", "reason", "code"),
    [(2, "why", "stale_version"), (1, "", UNASKED), (1, "x" * 201, "too_long")],
)
def test_clear_needs_version_and_reason(sheet, version, reason, code):
    sheet.record(all_present=True)
    before = sheet.facts()
    assert refusal_of(cleared, sheet, version, reason) == code
    assert sheet.facts() == before


def test_a_version_from_before_the_clearing_never_fits_again(sheet):
    sheet.record(sheet.entry(0))
    cleared(sheet, 1)
    sheet.record(sheet.entry(0, left_at="09:30"))
    assert sheet.stored().version == 2
    assert refusal_of(corrected, sheet, 1, "old screen", left_at="09:50") == "stale_version"


# Signing


def test_sign_needs_everybody(sheet):
    sheet.record(sheet.entry(0))
    with pytest.raises(Refused) as refusal:
        sign(session=sheet.session, by=sheet.by, now=sheet.at("10:10"))
    assert refusal.value.code == "roster_incomplete"
    assert refusal.value.details == {"unrecorded": [sheet.bookings[1].public_id]}
    sheet.session.refresh_from_db()
    assert sheet.session.signed_at is None


def test_a_released_patient_is_expected_and_a_withdrawn_one_is_not(sheet):
    released, withdrawn = sheet.bookings
    Booking.objects.filter(pk=released.pk).update(state="released", released_at=sheet.at("07:00"))
    Booking.objects.filter(pk=withdrawn.pk).update(state="withdrawn", withdrawn_reason="plan")
    options = {"session": sheet.session, "by": sheet.by, "now": sheet.at("10:10")}
    assert refusal_of(sign, **options) == "roster_incomplete"
    sheet.record(sheet.entry(0, attended=False))
    assert sign(**options).signed_by == sheet.by


def test_sign_again_changes_nothing(signed):
    again = sign(session=signed.session, by=f.staff(signed.clinic), now=signed.at("12:00"))
    assert (again.signed_at, again.signed_by) == (signed.at("10:10"), signed.by)
    assert again.version == signed.session.version == 2


def test_sign_not_before_the_start_and_not_when_cancelled(sheet):
    options = {"session": sheet.session, "by": sheet.by}
    assert refusal_of(sign, **options, now=sheet.at("08:59")) == "session_in_future"
    sheet.session.state, sheet.session.cancelled_reason = "cancelled", "snow"
    sheet.session.cancelled_at = sheet.at("07:00")
    sheet.session.save()
    assert refusal_of(sign, **options, now=sheet.at("10:10")) == "session_cancelled"


@pytest.mark.parametrize("facts", [{"left_at": "09:40"}, {"attended": False}])
def test_a_signed_roster_refuses_changes_without_a_reason(signed, facts):
    before = signed.facts()
    code = refusal_of(signed.record, signed.entry(0, **facts, version=1))
    assert (code, signed.facts()) == ("roster_signed", before)
    signed.session.refresh_from_db()
    assert signed.session.signed_at == signed.at("10:10")


def test_a_correction_reopens_a_signed_roster(signed):
    signed.record(signed.entry(0, left_at="09:40", version=1, correction_reason="left early"))
    signed.session.refresh_from_db()
    assert (signed.session.signed_at, signed.session.signed_by) == (None, None)
    assert (signed.session.version, signed.stored().credited_minutes) == (3, 40)


def test_an_equal_entry_leaves_a_signed_roster_signed(signed):
    assert signed.record(signed.entry(0), all_present=True).unchanged == 1
    signed.session.refresh_from_db()
    assert signed.session.signed_at == signed.at("10:10")


def test_somebody_added_to_a_signed_roster_needs_a_reason_too(signed):
    added = f.booking(signed.session, f.admitted(signed.clinic), 3)
    with pytest.raises(RosterRefused) as refusal:
        signed.record(all_present=True)
    [conflict] = refusal.value.conflicts
    assert (conflict.index, conflict.booking) == (None, added.public_id)
    assert (conflict.code, signed.count()) == ("roster_signed", 2)


def test_clearing_reopens_a_signed_roster(signed):
    cleared(signed, 1)
    signed.session.refresh_from_db()
    assert signed.session.signed_at is None


# History


def test_history_tells_who_when_what_why(sheet):
    other = f.staff(sheet.clinic)
    sheet.record(sheet.entry(0))
    sheet.record(sheet.entry(0, left_at="09:30", version=1, correction_reason="bus"), by=other)
    first, second = history(sheet.bookings[0])
    assert (first.who, first.operation, first.version) == (sheet.by.name, "created", 1)
    assert (second.who, second.version, second.reason) == (other.name, 2, "bus")
    assert [(c.field, c.new) for c in second.changes] == [
        ("left_at", "2026-03-04T14:30:00+00:00"), ("attended_minutes", 30),
        ("credited_minutes", 30),
    ]  # fmt: skip


def test_history_survives_the_clearing(sheet):
    sheet.record(sheet.entry(0))
    cleared(sheet, 1, "wrong person")
    sheet.record(sheet.entry(0, attended=False))
    steps = history(sheet.bookings[0])
    assert [(s.operation, s.version) for s in steps] == [
        ("created", 1), ("deleted", None), ("created", 2),
    ]  # fmt: skip
    assert steps[1].reason == "wrong person"
    assert history(sheet.bookings[1]) == []


# Nested visits: the prescriber calls a patient out of the group


@pytest.fixture
def visit(sheet) -> Roster:
    """09:20-09:40 with the prescriber, nested in the first patient's group session."""
    outer = sheet.bookings[0]
    inner = f.session(sheet.clinic, "2026-03-04", "09:20", "09:40", capacity=1)
    booking = f.booking(
        inner, outer.episode, nested_in=outer,
        outer_starts_at=outer.starts_at, outer_ends_at=outer.ends_at,
    )  # fmt: skip
    return Roster(sheet.clinic, inner, [booking], sheet.by)


def test_a_visit_takes_its_minutes_out_of_the_group(sheet, visit):
    sheet.record(all_present=True)
    visit.record(visit.entry(0, arrived_at="09:25"))
    assert visit.stored().credited_minutes == 15
    assert (sheet.stored(0).credited_minutes, sheet.stored(1).credited_minutes) == (45, 60)


def test_the_order_of_recording_makes_no_difference(sheet, visit):
    visit.record(visit.entry(0, arrived_at="09:25"))
    sheet.record(all_present=True)
    assert (sheet.stored(0).credited_minutes, sheet.stored(1).credited_minutes) == (45, 60)


def test_a_visit_that_did_not_happen_gives_the_minutes_back(sheet, visit):
    sheet.record(all_present=True)
    visit.record(visit.entry(0))
    assert sheet.stored(0).credited_minutes == 40
    visit.record(visit.entry(0, attended=False, version=1, correction_reason="no doctor"))
    assert (visit.stored().credited_minutes, sheet.stored(0).credited_minutes) == (0, 60)


def test_the_group_record_keeps_its_version_when_only_minutes_follow(sheet, visit):
    sheet.record(all_present=True)
    visit.record(visit.entry(0))
    assert (sheet.stored(0).credited_minutes, sheet.stored(0).version) == (40, 1)


def test_clearing_the_visit_gives_the_minutes_back(sheet, visit):
    sheet.record(all_present=True)
    visit.record(visit.entry(0))
    cleared(visit, 1)
    assert sheet.stored(0).credited_minutes == 60


# What minutes follow from besides the facts


def recomputed(one):
    """How many records of the session say other minutes than their facts give; now they do not."""
    told = locked_sheet([one.session.pk])
    changed = told.recompute()
    told.save()
    return len(changed)


def test_minutes_follow_breaks_rule_and_visits(sheet, visit):
    sheet.record(all_present=True)
    visit.record(visit.entry(0))
    before = sheet.facts()
    assert recomputed(sheet) == 0
    assert sheet.facts() == before
    AttendanceRecord.objects.filter(booking=visit.bookings[0]).delete()
    sheet.session.breaks = [[50, 60]]
    sheet.session.save()
    CreditRule.objects.create(
        clinic=sheet.clinic, starts_on="2026-01-01", kind="round_down", round_to=15
    )
    assert recomputed(sheet) == 2
    assert [(row["attended_minutes"], row["credited_minutes"]) for row in sheet.facts()] == [
        (50, 45), (50, 45),
    ]  # fmt: skip
    assert {row["version"] for row in sheet.facts()} == {1}


@pytest.mark.parametrize("seed", range(4))
def test_after_any_edits_the_stored_minutes_are_what_the_rule_gives(sheet, visit, seed):
    """Forty edits of a group session and the visit inside it, in any order."""
    chance = random.Random(seed)
    for _ in range(40):
        one = chance.choice([sheet, visit])
        stored = AttendanceRecord.objects.filter(booking=one.bookings[0]).first()
        version = stored.version if stored else None
        if stored and chance.random() < 0.2:
            cleared(one, stored.version)
            continue
        start, end = sorted(chance.sample(range(60), 2))
        times = {"arrived_at": f"09:{start:02}", "left_at": f"09:{end:02}"}
        facts = times if chance.random() < 0.7 else {"attended": False}
        one.record(one.entry(0, **facts, version=version, correction_reason="again"))
    before = sheet.facts() + visit.facts()
    assert (recomputed(sheet), recomputed(visit)) == (0, 0)
    assert sheet.facts() + visit.facts() == before
