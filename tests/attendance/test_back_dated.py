"""Discharge and change of level entered late: what was, stays; what follows from them, follows."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine

from attendance.discharges_taken_back import take_back_discharge
from attendance.episodes import discharge
from attendance.levels import change_level
from attendance.levels_ahead import UNRECORDED, Bookings, preview_level
from attendance.models import AbsenceRule, AttendanceRecord, Flag, ReportDelivery, WeekResult
from attendance.reports.mail import compose
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.roles import Role
from patients.models import EpisodeHold, Level, TreatmentPlan
from scheduling.models import Booking, CallIn, GroupMembership, Session, WaitlistEntry
from scheduling.services import call_in, enrol
from tests import factories as f
from tests.api import nothing_written
from tests.attendance.house import FRI, MON, SAT, SUN, THU, TUE, WED, House
from tests.attendance.leveling import NOW, Leveling
from tests.attendance.test_levels_races import DOWN
from tests.attendance.test_reports_amendments import told

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)
WEEK = 7 * DAY
TODAY = MON + WEEK
"""The Monday after the week: what follows is entered at nine."""


# --- discharged last Wednesday, entered on Monday -------------------------------------------------


class Left:
    """Came on Monday and Wednesday, missed Friday without a call; the week was judged and told."""

    def __init__(self) -> None:
        self.house = House()
        self.clinic = self.house.clinic
        self.by = f.staff(self.clinic, Role.COORDINATOR)
        self.pat = self.house.patient()
        self.same = {"clinic": self.clinic, "episode": self.pat}
        self.seat = GroupMembership.objects.get()
        self.block = self.own_block()
        for day in (MON, WED, FRI):
            self.house.day(day, [self.pat], group=self.house.group)
        Booking.objects.update(membership=self.seat)
        for day, came in ((MON, True), (WED, True), (FRI, False)):
            self.house.record(self.pat, day, attended=came)
        self.house.night(FRI)
        told(self.house, SUN)  # and the four weeks after it are planned
        rows = Session.objects.filter(block=self.block, local_date__lte=TUE + 2 * WEEK)
        self.alone = list(rows.order_by("starts_at"))

    def own_block(self) -> Any:
        given = {"weekday": 1, "starts_at": datetime.time(13), "ends_at": datetime.time(14)}
        return f.WeeklyBlockFactory(
            group=None, **self.same, valid_from=MON, facilitator=self.house.therapist, **given
        )

    def waits(self) -> WaitlistEntry:
        now = self.house.at(FRI, "10:00")
        group = f.GroupFactory(clinic=self.clinic)
        entry = WaitlistEntry.objects.create(
            **self.same, group=group, added_at=now, state=WaitlistEntry.State.OFFERED
        )
        entry.offers.create(
            clinic=self.clinic, starts_on=TODAY, made_at=now, made_by=self.by,
            expires_at=now + 10 * DAY,
        )  # fmt: skip
        return entry

    def makes_up(self) -> Booking:
        missed = Booking.objects.get(episode=self.pat, session__local_date=FRI)
        row = f.session(self.clinic, (THU + WEEK).isoformat(), "14:00", "17:00")
        f.booking(row, self.house.patient(seat=2), 2)
        return f.booking(row, self.pat, makes_up=missed)

    def leaves(self) -> None:
        discharge(episode=self.pat, discharged_on=WED, reason="dropped_out", by=self.by)

    def booked(self) -> list[tuple[datetime.date, str]]:
        rows = Booking.objects.filter(episode=self.pat).order_by("starts_at")
        return list(rows.values_list("session__local_date", "state"))

    def standing(self) -> set[tuple[Any, ...]]:
        rows = WeekResult.objects.filter(episode=self.pat).standing()
        names = ("segment_starts_on", "segment_ends_on", "minutes_status", "credited_minutes")
        return set(rows.values_list(*names))

    def everything(self) -> list[Any]:
        """What a discharge touches, as it is now."""
        rows = [self.pat, self.seat, self.block, *Session.objects.order_by("pk")]
        for row in rows:
            row.refresh_from_db()
        sessions = [(row.state, row.live) for row in rows[3:]]
        plans = TreatmentPlan.objects.filter(episode=self.pat).values_list("ends_on", flat=True)
        cases = Flag.objects.filter(episode=self.pat).order_by("pk")
        waits = WaitlistEntry.objects.filter(episode=self.pat).values_list("left_reason", flat=True)
        return [
            self.pat.state, self.pat.discharged_on, self.seat.ends_on, self.block.valid_until,
            sessions, list(plans), self.booked(), list(cases.values_list("state", "outcome")),
            list(waits), self.standing(),
        ]  # fmt: skip


@pytest.fixture
def left(smtp_sink: Any) -> Iterator[Left]:
    with time_machine.travel(datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC), tick=False):
        row = Left()
    with time_machine.travel(row.house.at(TODAY, "08:30"), tick=False):
        yield row


def test_a_discharge_of_last_wednesday_ends_everything_in_one_step(left):
    entry, made_up = left.waits(), left.makes_up()
    hold = EpisodeHold.objects.create(**left.same, reason="leave", starts_on=SUN)
    call_in(
        episode=left.pat,
        from_date=WED + WEEK,
        to_date=WED + WEEK,
        reason="illness",
        by=left.by,
        notified_at=left.house.at(TODAY, "08:00"),
    )
    assert left.standing() == {(MON, SUN, "short", 360)}
    left.leaves()
    after = [state for day, state in left.booked() if day > WED]
    assert left.booked()[:3] == [(MON, "booked"), (WED, "booked"), (FRI, "withdrawn")]
    assert after == ["withdrawn"] * (1 + 4 * 4 + 1)  # Friday, four weeks of four days, the make-up
    for row in (left.seat, left.block, entry, made_up, *left.alone):
        row.refresh_from_db()
    plan = TreatmentPlan.objects.get(episode=left.pat)
    assert (left.seat.ends_on, left.block.valid_until, plan.ends_on) == (WED, WED, WED)
    assert not EpisodeHold.objects.filter(pk=hold.pk).exists()  # it was to begin later
    assert [one.state for one in left.alone] == ["cancelled", "cancelled"]
    offer = entry.offers.get()
    assert (entry.state, entry.left_reason) == ("removed", "Discharged")
    assert (offer.answer, offer.reason) == ("withdrawn", "Discharged")
    assert (made_up.state, made_up.session.state) == ("withdrawn", "scheduled")
    assert CallIn.objects.get().taken_back_at is None  # somebody called: that is a fact


def test_what_was_recorded_stays_and_the_week_is_amended(left):
    records = list(AttendanceRecord.objects.order_by("pk").values())
    first = WeekResult.objects.get(episode=left.pat)
    left.leaves()
    assert list(AttendanceRecord.objects.order_by("pk").values()) == records
    assert left.standing() == {(MON, WED, "met", 360)}
    assert WeekResult.objects.filter(pk=first.pk, void=False, amendment=0).exists()
    cases = Flag.objects.filter(episode=left.pat)
    assert set(cases.values_list("state", flat=True)) == {"closed"}
    silent = cases.get(rule=AbsenceRule.Kind.FIRST_DAYS)
    assert silent.closed_by_facts  # nobody was expected on Friday: the miss has gone with it


def test_reports_that_were_sent_stay(left):
    sent = [(row, compose(row).body) for row in ReportDelivery.objects.filter(state="sent")]
    assert sent
    left.leaves()
    for row, body in sent:
        row.refresh_from_db()
        assert compose(row).body == body


def test_who_came_on_friday_was_not_discharged_on_wednesday(left):
    AttendanceRecord.objects.filter(booking__session__local_date=FRI).update(attended=True)
    before = left.everything()
    with nothing_written(), pytest.raises(Refused) as refusal:
        left.leaves()
    assert (refusal.value.code, refusal.value.details["dates"]) == (
        "attended_after_discharge", [FRI],
    )  # fmt: skip
    assert refusal.value.message.startswith("The patient attended later, on Fri Mar 6. Choose")
    assert left.everything() == before


def test_taken_back_everything_is_as_it_was(left):
    before = left.everything()
    left.leaves()
    assert left.everything() != before
    done = take_back_discharge(episode=left.pat, reason="Another patient", by=left.by)
    assert left.everything() == before
    assert (done.to_do, done.cancelled, done.seats.not_booked) == ((), (), ())


def test_taken_back_what_is_taken_meanwhile_is_left_and_named(left):
    left.leaves()
    other = f.WeeklyBlockFactory(
        group=left.house.group, weekday=1, starts_at=datetime.time(13, 30),
        ends_at=datetime.time(15), facilitator=left.house.therapist,
    )  # fmt: skip
    busy = f.session(
        left.clinic, (TUE + WEEK).isoformat(), "13:30", "15:00", therapist=left.house.therapist
    )
    done = take_back_discharge(episode=left.pat, reason="Another patient", by=left.by)
    first, second = left.alone
    (said,) = done.to_do
    assert said == (
        "The patient's own weekly block, Tuesday 1:00 PM, has ended. The facilitator has another "
        f"weekly block then: {other} of {left.house.group}. Choose another time, or change that "
        "one."
    )
    assert done.cancelled == (first,)
    left.block.refresh_from_db()
    for row in (first, second, busy):
        row.refresh_from_db()
    assert (left.block.valid_until, first.state, second.state, busy.state) == (
        WED, "cancelled", "scheduled", "scheduled",
    )  # fmt: skip


# --- a change of level ----------------------------------------------------------------------------


@pytest.fixture
def at() -> Iterator[Leveling]:
    with time_machine.travel(NOW, tick=False):
        yield Leveling()


class High:
    """In the group of the higher level since last week; came on Wednesday and on Thursday."""

    def __init__(self, at: Leveling) -> None:
        self.at = at
        self.pat = at.house.patient(MON - WEEK, seat=None)
        self.pat.plans.update(
            level=Level.PHP, weekly_minutes_target=1200, least_weekly_minutes=1200,
            most_weekly_minutes=2400,
        )  # fmt: skip
        self.seat = enrol(group=at.new, episode=self.pat, starts_on=MON - WEEK, by=at.by)
        for day in (WED, THU):
            at.house.came(self.pat, day)

    def given(self) -> dict[str, Any]:
        return {
            "episode": self.pat, "starts_on": MON, "plan": DOWN, "group": self.at.old,
            "by": self.at.by,
        }  # fmt: skip

    def booked(self) -> list[tuple[str, datetime.date, str]]:
        return self.at.booked(self.pat)

    def standing(self) -> list[tuple[Any, ...]]:
        rows = WeekResult.objects.filter(episode=self.pat).standing().order_by("pk")
        return list(
            rows.values_list("standard__name", "segment_starts_on", "credited_minutes", "amendment")
        )


@pytest.fixture
def high(at: Leveling) -> High:
    return High(at)


def test_a_step_down_from_last_monday_keeps_the_two_days_that_are_recorded(high):
    with time_machine.travel(high.at.house.at(SAT, "09:00"), tick=False):
        done = change_level(**high.given())
    assert done.membership is not None
    assert (done.membership.starts_on, done.ended[0].ends_on) == (MON, MON - DAY)
    assert high.booked() == [
        ("new", WED, "booked"), ("new", THU, "booked"), ("new", FRI, "withdrawn"),
    ]  # fmt: skip
    week = high.at.house.week(high.pat)
    assert [(one.name, one.first, one.judgement.credited) for one in week.standards] == [
        ("Adult IOP 2.1", MON, 360)
    ]


def test_before_it_is_saved_it_says_what_is_not_recorded_yet(high):
    with time_machine.travel(high.at.house.at(SAT, "09:00"), tick=False), nothing_written():
        given = {name: value for name, value in high.given().items() if name != "group"}
        bookings = preview_level(**given).bookings
    assert bookings == (Bookings(str(high.at.new), UNRECORDED, 1, FRI, FRI),)


def test_of_today_what_has_begun_is_still_to_be_recorded(high):
    with time_machine.travel(high.at.house.at(FRI, "20:00"), tick=False):
        change_level(**high.given())
    assert high.booked()[-1] == ("new", FRI, "booked")


def test_entered_after_the_week_its_result_is_amended_and_an_absence_counts_nowhere(high):
    high.at.house.missed(high.pat, FRI)
    high.at.house.night(SUN)
    before = WeekResult.objects.get(episode=high.pat, segment_starts_on=MON)
    records = list(AttendanceRecord.objects.order_by("pk").values())
    with time_machine.travel(high.at.house.at(TODAY, "09:00"), tick=False):
        change_level(**high.given())
    assert (before.standard.name, before.credited_minutes) == ("Adult PHP 2.5", 360)
    assert ("Adult IOP 2.1", MON, 360, 0) in high.standing()
    assert "Adult PHP 2.5" not in [name for name, first, *_ in high.standing() if first >= MON]
    assert WeekResult.objects.filter(pk=before.pk, void=False).exists()
    assert high.booked()[-1] == ("new", FRI, "withdrawn")
    assert list(AttendanceRecord.objects.order_by("pk").values()) == records


def test_a_step_up_in_two_weeks_leaves_the_weeks_until_then(at):
    later = WED + 2 * WEEK
    for day in (later - DAY, later, later + DAY):
        at.session(at.old, day, "09:00", "12:20")
        at.session(at.new, day, "14:00", "17:00")
    f.booking(Session.objects.get(group=at.old, local_date=later), at.pat, membership=at.seat)
    week = at.house.week(at.pat)
    done = at.change(starts_on=later, group=at.new, approval=at.approval())
    assert at.house.week(at.pat) == week
    since = [(name, day, state) for name, day, state in at.booked() if day >= MON + WEEK]
    assert since == [
        ("old", later, "withdrawn"), ("new", later, "booked"), ("new", later + DAY, "booked"),
    ]  # fmt: skip
    assert (at.seat.pk, later - DAY) == (done.ended[0].pk, done.ended[0].ends_on)
    assert (done.authorization.starts_on, done.plan.starts_on) == (later, later)


def moved_on(at: Leveling) -> GroupMembership:
    """On Thursday the patient went over to another group of the same level."""
    other = at.group()
    GroupMembership.objects.filter(pk=at.seat.pk).update(ends_on=WED)
    row: GroupMembership = GroupMembership.objects.create(
        clinic=at.clinic, group=other, episode=at.pat, seat=1, starts_on=THU,
        transferred_from=at.seat,
    )  # fmt: skip
    return row


def test_from_before_a_transfer_that_has_happened_it_is_refused_with_the_first_day(at):
    second = moved_on(at)
    with (
        time_machine.travel(at.house.at(SAT, "09:00"), tick=False),
        nothing_written(),
        pytest.raises(Refused) as refusal,
    ):
        at.change(group=at.new, now=None)
    assert (refusal.value.code, refusal.value.field) == ("membership_begun", "starts_on")
    assert refusal.value.message == (
        f"The patient sits in {second.group} since Mar 5, 2026. Choose Mar 6, 2026 or later."
    )


def test_from_after_a_transfer_it_ends_the_second_seat(at):
    second = moved_on(at)
    with time_machine.travel(at.house.at(SAT, "09:00"), tick=False):
        at.change(starts_on=FRI, group=at.new, now=None)
    rows = GroupMembership.objects.filter(episode=at.pat).order_by("starts_on")
    assert [(one.group, one.starts_on, one.ends_on) for one in rows] == [
        (at.old, MON, WED), (second.group, THU, THU), (at.new, FRI, None),
    ]  # fmt: skip
