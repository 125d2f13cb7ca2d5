"""A pause frees the seats of its days, and the return takes them again."""

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine

from attendance.episodes import hold, resume
from attendance.records.entries import Entry
from attendance.records.services import record_roster
from attendance.seats_again import Resumption
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import AuditEvent
from patients.models import EpisodeHold
from scheduling import services
from scheduling.models import Booking, GroupMembership, Session
from tests import factories as f
from tests.admin import Desk
from tests.attendance.together import together

DAYS = ("2026-03-02", "2026-03-04", "2026-03-06", "2026-03-09", "2026-03-11")
START, BACK, END = (datetime.date(2026, 3, day) for day in (4, 9, 10))


@pytest.fixture(autouse=True)
def _wednesday_at_half_past_nine() -> Iterator[None]:
    """In New York; the session of that day has begun."""
    with time_machine.travel(datetime.datetime(2026, 3, 4, 14, 30, tzinfo=datetime.UTC), tick=True):
        yield


class Member:
    """A patient with seat 1 of a group that meets at nine on five days."""

    def __init__(self) -> None:
        self.clinic = f.ClinicFactory()
        self.by = f.staff(self.clinic)
        self.program = f.ProgramFactory(clinic=self.clinic)
        self.group = f.GroupFactory(clinic=self.clinic, program=self.program, capacity=8)
        self.episode = self.patient()
        self.seat = GroupMembership.objects.create(
            clinic=self.clinic, group=self.group, episode=self.episode, seat=1,
            starts_on="2026-01-05",
        )  # fmt: skip
        self.bookings = [
            f.booking(self.meeting(day), self.episode, membership=self.seat) for day in DAYS
        ]

    def patient(self) -> Any:
        return f.admitted(self.clinic, program=self.program)

    def meeting(self, day: str, **extra: Any) -> Session:
        return f.session(self.clinic, day, "09:00", "10:00", group=self.group, capacity=8, **extra)

    def pause(self, starts_on: datetime.date = START, **extra: Any) -> EpisodeHold:
        return hold(
            episode=self.episode, starts_on=starts_on, reason="hospital", by=self.by, **extra
        )

    def back(self, on: datetime.date = BACK) -> Resumption:
        return resume(episode=self.episode, resumes_on=on, by=self.by)

    def fill(self, session: Session, seats: range) -> None:
        for seat in seats:
            f.booking(session, self.patient(), seat)

    def states(self) -> str:
        """One letter a day: booked, released, withdrawn."""
        rows = Booking.objects.filter(episode=self.episode).order_by("starts_at")
        return " ".join(state[0] for state in rows.values_list("state", flat=True))


@pytest.fixture
def member(db: None) -> Member:
    return Member()


# --- the pause ------------------------------------------------------------------------------------


def test_bookings_to_come_are_withdrawn_and_the_seat_is_kept(member):
    member.pause()
    assert member.states() == "b b w w w"
    reasons = Booking.objects.filter(state="withdrawn").values_list("withdrawn_reason", "version")
    assert set(reasons) == {("On hold", 2)}
    member.seat.refresh_from_db()
    assert (member.seat.seat, member.seat.ends_on) == (1, None)
    trail = AuditEvent.objects.filter(table_name="scheduling_booking", operation="U")
    assert set(trail.values_list("actor", flat=True)) == {member.by.actor}


def test_only_the_days_of_the_pause_are_withdrawn(member):
    member.pause(datetime.date(2026, 3, 6), ends_on=END)
    assert member.states() == "b b w w b"


def test_who_is_recorded_as_present_stays(member):
    soon = f.booking(f.session(member.clinic, "2026-03-04", "10:00", "11:00"), member.episode)
    later = f.booking(f.session(member.clinic, "2026-03-04", "13:00", "14:00"), member.episode)
    present = Entry(booking=soon.public_id, attended=True)
    record_roster(session=soon.session, entries=[present], by=member.by)
    member.pause()
    soon.refresh_from_db()
    later.refresh_from_db()
    assert (soon.state, later.state) == ("booked", "withdrawn")


def test_a_refused_pause_withdraws_nothing(member):
    member.pause(datetime.date(2026, 3, 9), ends_on=BACK)
    assert member.states() == "b b b w b"
    with pytest.raises(Refused):
        member.pause()
    assert member.states() == "b b b w b"


def test_the_freed_seat_may_be_given_away(member):
    member.fill(member.bookings[2].session, range(2, 9))
    guest = member.patient()
    asked = {"session": member.bookings[2].session, "episode": guest, "by": member.by}
    with pytest.raises(Refused):
        services.book(**asked)
    member.pause()
    assert services.book(**asked).seat == 1


# --- the return -----------------------------------------------------------------------------------


def test_what_lies_after_the_return_is_booked_again(member):
    member.pause()
    assert member.back() == Resumption(booked=2, not_booked=())
    assert member.states() == "b b w b b"
    again = Booking.objects.get(pk=member.bookings[3].pk)
    assert (again.seat, again.membership, again.withdrawn_reason) == (1, member.seat, "")
    assert again.version == 3


def test_a_pause_that_never_began_leaves_everything_as_it_was(member):
    member.pause(datetime.date(2026, 3, 6))
    assert member.back(START) == Resumption(3, ())
    assert member.states() == "b b b b b"
    assert not EpisodeHold.objects.exists()


def test_dates_without_a_place_are_told(member):
    member.pause()
    member.fill(member.bookings[3].session, range(1, 9))
    elsewhere = f.session(member.clinic, "2026-03-11", "09:30", "10:30")
    f.booking(elsewhere, member.episode)
    told = member.back()
    assert told == Resumption(0, (datetime.date(2026, 3, 9), datetime.date(2026, 3, 11)))


def test_another_seat_will_do(member):
    member.pause()
    member.fill(member.bookings[3].session, range(1, 8))
    assert member.back() == Resumption(2, ())
    assert Booking.objects.get(pk=member.bookings[3].pk).seat == 8


@pytest.mark.parametrize("guest", [False, True])
def test_a_visit_inside_the_group_comes_back_nested(member, guest):
    outer = member.bookings[3]
    if guest:
        Booking.objects.filter(pk=outer.pk).update(membership=None)
    kind = f.SessionTypeFactory(clinic=member.clinic, kind="prescriber")
    session = f.session(member.clinic, "2026-03-09", "09:15", "09:30", session_type=kind)
    visit = services.book(session=session, episode=member.episode, by=member.by)
    assert visit.nested_in == outer
    member.pause()
    assert member.back() == Resumption(3, ())
    visit.refresh_from_db()
    assert (visit.state, visit.nested_in, visit.outer_starts_at) == (
        "booked", outer, outer.starts_at,
    )  # fmt: skip


def test_a_cancelled_session_keeps_nobody_out_of_another_one_at_its_time(member):
    gone, other = (f.session(member.clinic, "2026-03-09", "13:00", "14:00") for _ in range(2))
    f.booking(gone, member.episode)
    services.cancel_session(session=gone, reason="Snow", by=member.by)
    f.booking(other, member.episode)
    member.pause()
    assert member.back() == Resumption(4, ())
    assert other.bookings.get().state == "booked"


def test_what_was_withdrawn_for_another_reason_stays_withdrawn(member):
    services.withdraw(booking=member.bookings[3], reason="Court", by=member.by)
    member.pause()
    assert member.back() == Resumption(1, ())
    assert member.states() == "b b w w b"


def test_a_notice_given_before_the_pause_stands_again(member):
    at = f.at(member.clinic, "2026-03-03", "12:00")
    services.release(booking=member.bookings[3], notified_at=at, reason="illness", by=member.by)
    member.pause()
    member.fill(member.bookings[3].session, range(1, 9))
    assert member.back() == Resumption(2, ())
    assert member.states() == "b b w r b"


def test_a_seat_that_ended_meanwhile_is_not_booked(member):
    member.pause()
    services.end_membership(membership=member.seat, ends_on=END, reason="Step-down", by=member.by)
    assert member.back() == Resumption(1, ())
    assert member.states() == "b b w b w"


def test_sessions_planned_and_groups_joined_during_the_pause_are_booked(member):
    member.pause()
    member.meeting("2026-03-13")
    new = f.GroupFactory(clinic=member.clinic, program=member.program)
    f.session(member.clinic, "2026-03-12", "13:00", "14:00", group=new)
    services.transfer(membership=member.seat, to_group=new, on=END, by=member.by)
    assert member.back() == Resumption(2, ())
    assert member.states() == "b b w b w b"  # Mar 9 in the old group, Mar 12 in the new one


def test_a_later_membership_that_was_taken_back_is_not_booked_as_a_guest(member):
    other = f.GroupFactory(clinic=member.clinic, program=member.program)
    session = f.session(member.clinic, "2026-03-12", "13:00", "14:00", group=other)
    later = services.enrol(
        group=other, episode=member.episode, starts_on=datetime.date(2026, 3, 10), by=member.by
    )
    member.pause()
    services.cancel_membership(membership=later, reason="A mistake", by=member.by)
    assert member.back() == Resumption(2, ())
    assert Booking.objects.get(session=session).state == "withdrawn"


def test_a_session_cancelled_during_the_pause_has_the_patient_when_it_takes_place_again(member):
    member.pause()
    session = member.bookings[4].session
    services.cancel_session(session=session, reason="Snow", by=member.by)
    member.back()
    services.revive_session(session=session, by=member.by)
    assert Booking.objects.expected().filter(episode=member.episode, session=session).exists()


def test_the_days_of_another_pause_stay_withdrawn(member):
    member.pause(ends_on=datetime.date(2026, 3, 9))
    member.pause(datetime.date(2026, 3, 11))
    assert member.back(datetime.date(2026, 3, 6)) == Resumption(2, ())
    assert member.states() == "b b b b w"


def test_nobody_returns_twice(member):
    member.pause()
    member.back()
    with pytest.raises(Refused) as refused:
        member.back()
    assert refused.value.code == "not_on_hold"
    assert member.states() == "b b w b b"


# --- at the admin site, and at once ---------------------------------------------------------------


def test_the_admin_site_withdraws_books_again_and_names_the_dates(member):
    desk = Desk(member.by)
    desk.save(desk.look(member.episode, "hold", starts_on=START, reason="jail"))
    assert member.states() == "b b w w w"
    member.fill(member.bookings[4].session, range(1, 9))
    answer = desk.fill(member.episode, "resume", resumes_on=BACK)
    [sentence] = answer.sentences
    assert sentence.startswith("The patient is expected again from Mon Mar 9. ")
    assert sentence.endswith("No place is left on Wed Mar 11: book these by hand.")
    assert member.states() == "b b w b w"


@pytest.mark.django_db(transaction=True)
def test_the_last_seat_goes_to_the_guest_or_to_the_one_who_is_back(transactional_db):
    for _ in range(5):
        member = Member()
        member.pause()
        session = member.bookings[3].session
        member.fill(session, range(1, 8))
        guest = member.patient()
        answers = together(
            member.back,
            lambda: services.book(session=session, episode=guest, by=member.by),  # noqa: B023
        )
        lost = isinstance(answers[1], Refused)
        assert answers[0] == Resumption(2, ()) if lost else Resumption(1, (BACK,)), answers
        assert Booking.objects.seated().filter(session=session).count() == 8
        assert not [a for a in answers if isinstance(a, Exception) and not isinstance(a, Refused)]
