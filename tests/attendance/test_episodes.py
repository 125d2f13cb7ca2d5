"""Discharge: one step for everything a patient leaves behind."""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.episodes import discharge
from attendance.models import Flag
from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.models import AuditEvent
from patients.models import Episode, EpisodeHold, TreatmentPlan
from scheduling.models import (
    Booking,
    GroupMembership,
    Session,
    WaitlistEntry,
    WeeklyBlock,
)
from tests import factories as f
from tests.attendance.rosters import Roster

pytestmark = pytest.mark.django_db

LAST = datetime.date(2026, 3, 4)
LATER = datetime.date(2026, 3, 9)
LOCKED_BY_KEY = 'ORDER BY 1 ASC FOR NO KEY UPDATE OF "attendance_flag"'


class Stay:
    """An admitted patient with a group, a session before, on and after the last day."""

    def __init__(self):
        self.clinic = f.ClinicFactory()
        self.episode = f.admitted(self.clinic)
        self.by = f.staff(self.clinic)
        self.now = f.at(self.clinic, "2026-03-05", "09:00")
        self.same = {"clinic": self.clinic, "episode": self.episode}
        self.group = f.GroupFactory(clinic=self.clinic)
        self.other = f.admitted(self.clinic)
        self.bookings = [self.booked(day) for day in ("2026-03-02", "2026-03-04", "2026-03-06")]

    def booked(self, day, **extra):
        session = f.session(self.clinic, day, "09:00", "10:00", group=self.group)
        f.booking(session, self.other, 2)
        return f.booking(session, self.episode, 1, **extra)

    def alone(self, day, **extra):
        return f.booking(f.session(self.clinic, day, "13:00", "14:00", **extra), self.episode)

    def leaves(self, on=LAST, reason="completed", **extra):
        return discharge(
            episode=self.episode, discharged_on=on, reason=reason, by=self.by,
            **{"now": self.now, **extra},
        )  # fmt: skip

    def states(self):
        return [Booking.objects.get(pk=booking.pk).state for booking in self.bookings]

    def case(self, **extra):
        return Flag.objects.create(
            **self.same, rule=2, subject_type=1, subject_id=self.episode.pk,
            evidence_key="2026-03-02", sentence="Missed Monday without a call.", severity=3,
            owner_role="therapist", opened_for="2026-03-02", due_at=self.now, **extra,
        )  # fmt: skip


@pytest.fixture
def stay():
    return Stay()


def test_the_episode_ends_with_date_reason_and_author(stay):
    episode = stay.leaves(reason="aca", note="Left before the session.")
    episode.refresh_from_db()
    assert (episode.state, episode.discharged_on) == ("discharged", LAST)
    assert (episode.discharge_reason, episode.discharge_note) == ("aca", "Left before the session.")
    event = AuditEvent.objects.filter(table_name="patients_episode", row_id=episode.pk).latest("at")
    assert event.new is not None
    assert (event.actor, event.new["state"]) == (stay.by.actor, "discharged")


def test_bookings_after_the_last_day_are_withdrawn(stay):
    stay.leaves()
    assert stay.states() == ["booked", "booked", "withdrawn"]
    assert Booking.objects.filter(episode=stay.other, state="booked").count() == 3
    assert Session.objects.filter(state="cancelled").count() == 0


def test_sessions_of_this_patient_alone_are_cancelled(stay):
    family = stay.alone("2026-03-06")
    before = stay.alone("2026-03-04")
    stay.leaves()
    states = [Session.objects.get(pk=b.session_id).state for b in (family, before)]
    assert states == ["cancelled", "scheduled"]
    family.refresh_from_db()
    assert (family.state, family.live) == ("withdrawn", False)


def test_plan_and_hold_end_and_later_ones_are_taken_back(stay):
    plan = TreatmentPlan.objects.get(episode=stay.episode)
    plan.ends_on = datetime.date(2026, 3, 8)
    plan.save()
    TreatmentPlan.objects.create(**stay.same, weekly_minutes_target=600, starts_on=LATER)
    hold = EpisodeHold.objects.create(**stay.same, reason="leave", starts_on="2026-03-03")
    stay.leaves()
    assert list(TreatmentPlan.objects.filter(episode=stay.episode).values_list("ends_on")) == [
        (LAST,)
    ]
    hold.refresh_from_db()
    assert hold.ends_on == LAST


def test_seats_end_and_later_ones_are_taken_back(stay):
    now = GroupMembership.objects.create(
        **stay.same, group=stay.group, seat=1, starts_on="2026-01-05",
        ends_on=datetime.date(2026, 3, 8),
    )  # fmt: skip
    later = GroupMembership.objects.create(
        **stay.same, group=f.GroupFactory(clinic=stay.clinic), seat=1, starts_on=LATER,
        transferred_from=now,
    )  # fmt: skip
    booking = stay.booked("2026-03-10", membership=later)
    stay.leaves()
    now.refresh_from_db()
    booking.refresh_from_db()
    assert now.ends_on == LAST
    assert not GroupMembership.objects.filter(pk=later.pk).exists()
    assert (booking.state, booking.membership) == ("withdrawn", None)


def test_standing_sessions_end(stay):
    block = f.WeeklyBlockFactory(group=None, clinic=stay.clinic, episode=stay.episode)
    coming = f.WeeklyBlockFactory(
        group=None, clinic=stay.clinic, episode=stay.episode, valid_from=LATER
    )
    expanded = f.session(
        stay.clinic, "2026-03-09", "09:00", "10:00", block=block, original_local_date=LATER
    )
    stay.leaves()
    block.refresh_from_db()
    expanded.refresh_from_db()
    assert (block.valid_until, expanded.state) == (LAST, "cancelled")
    assert not WeeklyBlock.objects.filter(pk=coming.pk).exists()


def test_waitlists_forget_the_patient(stay):
    entry = WaitlistEntry.objects.create(**stay.same, group=stay.group, added_at=stay.now)
    stay.leaves()
    entry.refresh_from_db()
    assert (entry.state, entry.left_reason) == ("removed", "Discharged")


def test_an_offer_of_a_seat_ends_with_the_discharge(stay):
    entry = WaitlistEntry.objects.create(
        **stay.same, group=stay.group, added_at=stay.now, state="offered"
    )
    offer = entry.offers.create(
        clinic=stay.clinic, starts_on=LATER, made_at=stay.now, made_by=stay.by,
        expires_at=stay.now + datetime.timedelta(days=1),
    )  # fmt: skip
    stay.leaves()
    offer.refresh_from_db()
    entry.refresh_from_db()
    assert (offer.answer, offer.reason, entry.state) == ("withdrawn", "Discharged", "removed")


def test_open_cases_close_with_the_discharge_and_closed_ones_stay(stay):
    case = stay.case()
    closed = Flag.objects.create(
        clinic=stay.clinic, episode=stay.other, rule=2, subject_type=1, subject_id=stay.other.pk,
        evidence_key="2026-03-02", sentence="Another patient.", severity=3,
        owner_role="therapist", opened_for="2026-03-02", due_at=stay.now,
    )  # fmt: skip
    stay.leaves(reason="dropped_out")
    case.refresh_from_db()
    closed.refresh_from_db()
    assert (case.state, case.outcome, case.closed_by_facts) == ("closed", "discharged", False)
    assert (case.outcome_note, case.version) == ("Discharged: dropped out", 2)
    assert closed.state == "open"


def test_cases_are_locked_by_key_before_they_close(stay):
    """A night takes them in this order: two who lock the other way round would wait for ever."""
    stay.case()
    with CaptureQueriesContext(connection) as sent:
        stay.leaves()
    told = [one["sql"] for one in sent if '"attendance_flag"' in one["sql"]]
    locks = [n for n, sql in enumerate(told) if sql.endswith(LOCKED_BY_KEY)]
    closes = [n for n, sql in enumerate(told) if sql.startswith('UPDATE "attendance_flag"')]
    assert (len(locks), len(closes)) == (1, 1)
    assert locks < closes


def test_a_death_is_noted_with_the_patient(stay):
    stay.leaves(reason="deceased")
    stay.episode.patient.refresh_from_db()
    assert stay.episode.patient.deceased_on == LAST


def test_a_referral_that_is_not_admitted(stay):
    referral = f.EpisodeFactory(
        patient=f.PatientFactory(clinic=stay.clinic), referred_on=datetime.date(2026, 3, 1)
    )
    ended = discharge(
        episode=referral, discharged_on=LAST, reason="not_admitted", by=Job("clean-up"),
        now=stay.now,
    )  # fmt: skip
    assert (ended.state, ended.admitted_on) == ("discharged", None)


def test_whoever_was_never_admitted_completed_nothing(stay):
    referral = f.EpisodeFactory(patient=f.PatientFactory(clinic=stay.clinic), referred_on=LAST)
    with pytest.raises(Refused) as refusal:
        discharge(
            episode=referral, discharged_on=LAST, reason="completed", by=Job("clean-up"),
            now=stay.now,
        )  # fmt: skip
    referral.refresh_from_db()
    assert (refusal.value.code, refusal.value.field) == ("discharge_reason", "reason")
    assert refusal.value.message == (
        "The patient was never admitted: choose “Not admitted” or “Deceased”."
    )
    assert referral.state == "referred"


@pytest.mark.parametrize(
    ("on", "reason", "code"),
    [
        (datetime.date(2026, 3, 6), "completed", "discharge_in_future"),
        (datetime.date(2026, 1, 4), "completed", "discharge_before_admission"),
        (LAST, "bored", "discharge_reason"),
        (LAST, "", "discharge_reason"),
        (LAST, "not_admitted", "discharge_reason"),
    ],
)
def test_a_wrong_discharge_changes_nothing(stay, on, reason, code):
    with pytest.raises(Refused) as refusal:
        stay.leaves(on, reason)
    stay.episode.refresh_from_db()
    assert (refusal.value.code, stay.episode.state) == (code, "admitted")
    assert stay.states() == ["booked"] * 3


def test_who_came_later_was_not_discharged_yet(stay):
    sheet = Roster(stay.clinic, stay.bookings[2].session, [stay.bookings[2]], stay.by)
    sheet.record(sheet.entry(0), now="2026-03-06 10:05")
    with pytest.raises(Refused) as refusal:
        stay.leaves(now=f.at(stay.clinic, "2026-03-07", "09:00"))
    assert refusal.value.code == "attended_after_discharge"
    assert refusal.value.details == {"dates": [datetime.date(2026, 3, 6)]}
    assert stay.states() == ["booked"] * 3


def test_twice_is_refused(stay):
    stay.leaves()
    with pytest.raises(Refused) as refusal:
        stay.leaves(reason="aca")
    assert refusal.value.code == "not_active"
    assert Episode.objects.get(pk=stay.episode.pk).discharge_reason == "completed"
