"""A change of level entered by mistake, taken back: what stands again, what stays, what is left."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.episodes import discharge, hold, resume
from attendance.levels_ahead import preview_taken_back
from attendance.levels_taken_back import LevelTakenBack, take_back_level
from attendance.models import WeekResult
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.roles import Role
from patients.models import Authorization, Level, TreatmentPlan
from scheduling.models import Booking, GroupMembership, Session, WaitlistEntry
from scheduling.services import enrol, put_on_waitlist
from tests import factories as f
from tests.admin import Desk, desk, url
from tests.api import nothing_written
from tests.attendance.house import FRI, MON, SUN, THU, TUE, WED
from tests.attendance.leveling import NOW, Leveling

pytestmark = pytest.mark.django_db
DOWN = {"level": Level.OP, "age_bracket": 1, "weekly_minutes_target": 120, "days_per_week": 1}


@pytest.fixture
def at() -> Iterator[Leveling]:
    with time_machine.travel(NOW, tick=False):
        yield Leveling()


def back(at: Leveling, plan: TreatmentPlan, **extra: Any) -> LevelTakenBack:
    return take_back_level(plan=plan, by=at.by, **extra)


def seats(at: Leveling) -> list[tuple[Any, ...]]:
    rows = GroupMembership.objects.filter(episode=at.pat).order_by("starts_on", "pk")
    return [(one.group, one.seat, one.starts_on, one.ends_on) for one in rows]


def plans(at: Leveling) -> list[tuple[Any, ...]]:
    rows = at.pat.plans.order_by("starts_on")
    return [(one.level, one.starts_on, one.ends_on) for one in rows]


def test_everything_is_as_before(at):
    done = back(at, at.change(group=at.new).plan)
    assert (plans(at), seats(at)) == ([(Level.IOP, MON, None)], [(at.old, 1, MON, None)])
    assert at.booked() == [
        ("old", MON, "booked"), ("old", WED, "booked"), ("new", WED, "withdrawn"),
        ("new", THU, "withdrawn"), ("old", FRI, "booked"), ("new", FRI, "withdrawn"),
    ]  # fmt: skip
    assert (done.plan, done.seats.booked, done.seats.not_booked) == (at.pat.plans.get(), 2, ())
    assert [one.group for one in (*done.run_on, *done.given_up)] == [at.old, at.new]
    assert (done.kept, done.to_do) == ((), ())


def test_a_seat_with_a_last_day_has_it_again(at):
    GroupMembership.objects.filter(pk=at.seat.pk).update(ends_on=FRI)
    back(at, at.change().plan)
    assert seats(at) == [(at.old, 1, MON, FRI)]


def test_a_seat_that_somebody_else_has_is_named_with_a_free_one(at):
    plan = at.change().plan
    other = at.house.patient(seat=None)
    enrol(group=at.old, episode=other, starts_on=WED, seat=1, by=at.by)
    done = back(at, plan)
    assert done.to_do == (f"Enrol the patient again in {at.old}: seat 2 is free.",)
    assert seats(at) == [(at.old, 1, MON, TUE)]
    assert [state for _, day, state in at.booked() if day >= WED] == ["withdrawn"] * 2


def test_a_day_without_a_place_is_named(at):
    plan = at.change().plan
    friday = Session.objects.get(group=at.old, local_date=FRI)
    Session.objects.filter(pk=friday.pk).update(capacity=1)
    f.booking(friday, at.house.patient(seat=None))
    done = back(at, plan)
    assert (done.seats.booked, done.seats.not_booked) == (1, (FRI,))


def test_a_seat_that_was_to_begin_later_is_entered_again_by_a_person(at):
    other = at.group(level=Level.IOP)
    enrol(group=other, episode=at.pat, starts_on=FRI, by=at.by)
    done = back(at, at.change().plan)
    assert done.to_do == (f"Enrol the patient again in {other} from Mar 6, 2026 on.",)


def test_the_patient_waits_again_and_for_the_other_level_no_more(at):
    before = put_on_waitlist(group=at.group(level=Level.IOP), episode=at.pat, by=at.by)
    plan = at.change().plan
    since = put_on_waitlist(group=at.new, episode=at.pat, by=at.by)
    done = back(at, plan)
    rows = WaitlistEntry.objects.order_by("pk").values_list("pk", "state", "left_reason")
    assert list(rows) == [
        (before.pk, "waiting", ""), (since.pk, "removed", "Change of level taken back"),
    ]  # fmt: skip
    assert (done.waits, done.left) == ((before,), (since,))


def test_whoever_waited_for_the_group_before_waits_again(at):
    group = at.group(level=Level.IOP)
    first = put_on_waitlist(group=group, episode=at.pat, by=at.by)
    WaitlistEntry.objects.filter(pk=first.pk).update(state="enrolled")
    second = put_on_waitlist(group=group, episode=at.pat, by=at.by)
    done = back(at, at.change().plan)
    states = WaitlistEntry.objects.order_by("pk").values_list("pk", "state")
    assert list(states) == [(first.pk, "enrolled"), (second.pk, "waiting")]
    assert done.waits == (second,)


@pytest.mark.parametrize("hold_first", [True, False])
def test_a_hold_of_these_days_gives_back_what_lies_after_it(at, hold_first):
    if hold_first:
        hold(episode=at.pat, starts_on=WED, reason="hospital", by=at.by)
        plan = at.change().plan
        resume(episode=at.pat, resumes_on=FRI, by=at.by)
        back(at, plan)
    else:
        plan = at.change().plan
        hold(episode=at.pat, starts_on=WED, reason="hospital", by=at.by)
        back(at, plan)
        resume(episode=at.pat, resumes_on=FRI, by=at.by)
    assert [one for one in at.booked() if one[0] == "old"] == [
        ("old", MON, "booked"), ("old", WED, "withdrawn"), ("old", FRI, "booked"),
    ]  # fmt: skip


def test_an_authorization_stays(at):
    done = back(at, at.change(approval=at.approval()).plan)
    assert done.authorizations == (Authorization.objects.get(),)


def late(at: Leveling) -> TreatmentPlan:
    """It is Sunday: the patient came to the new group on Thursday and missed it on Friday."""
    plan = at.change(group=at.new).plan
    for day in (MON, THU):
        at.house.came(at.pat, day)
    at.house.missed(at.pat, FRI)
    return plan


def test_whoever_attended_did_so_and_absences_count_nowhere(at):
    plan = late(at)
    with time_machine.travel(at.house.morning(SUN), tick=False):
        done = back(at, plan)
    assert seats(at) == [(at.old, 1, MON, None)]
    assert at.booked() == [
        ("old", MON, "booked"), ("old", WED, "booked"), ("new", WED, "withdrawn"),
        ("new", THU, "booked"), ("old", FRI, "booked"), ("new", FRI, "withdrawn"),
    ]  # fmt: skip
    (kept,) = done.kept
    kept.refresh_from_db()
    assert (kept.session.local_date, kept.membership, kept.attendance.attended) == (THU, None, True)
    friday = Booking.objects.get(session__group=at.new, session__local_date=FRI)
    assert friday.attendance.attended is False


def test_an_absence_that_the_change_withdrew_is_one_again_in_a_signed_roster(at):
    with time_machine.travel(at.house.morning(SUN), tick=False):
        at.house.missed(at.pat, WED)
        wednesday = Booking.objects.get(session__group=at.old, session__local_date=WED)
        plan = at.change(now=at.house.morning(SUN)).plan
        Session.objects.filter(group=at.old).update(signed_at=NOW, signed_by=at.by)
        done = back(at, plan)
    wednesday.refresh_from_db()
    assert (wednesday.state, wednesday.attendance.attended) == ("booked", False)
    assert done.seats.booked == 1  # Friday's roster is signed, and the patient is not on it


def test_weeks_are_judged_again_as_if_it_had_not_been(at):
    plan = late(at)
    with time_machine.travel(at.house.morning(SUN), tick=False):
        at.house.night(SUN)
        back(at, plan, now=at.house.morning(SUN))
    rows = WeekResult.objects.filter(episode=at.pat).standing()
    assert {(one.standard.name, one.segment_starts_on) for one in rows} <= {("Adult IOP 2.1", MON)}


# --- refused ----------------------------------------------------------------------------------


def refused(at: Leveling, plan: TreatmentPlan) -> tuple[str, str]:
    with nothing_written(), pytest.raises(Refused) as refusal:
        back(at, plan)
    return refusal.value.code, refusal.value.message


def test_the_last_change_goes_first(at):
    first = at.change(group=at.new).plan
    second = at.change(starts_on=FRI, plan=DOWN).plan
    said = "The level changes again on Mar 6, 2026. Take that back first."
    assert refused(at, first) == ("later_change", said)
    back(at, second)
    back(at, first)
    assert (plans(at), seats(at)) == ([(Level.IOP, MON, None)], [(at.old, 1, MON, None)])
    states = [state for group, _, state in at.booked() if group == "old"]
    assert states == ["booked", "booked", "booked"]


def test_twice_is_refused(at):
    plan = at.change().plan
    back(at, plan)
    assert refused(at, plan)[0] == "taken_back"


def test_a_first_plan_is_no_change(at):
    assert refused(at, at.pat.plans.get())[0] == "no_change"


def test_what_was_imported_is_changed_instead(at):
    TreatmentPlan.objects.filter(episode=at.pat).delete()
    for first, last in ((MON, TUE), (WED, None)):
        at.pat.plans.create(
            clinic=at.clinic, weekly_minutes_target=600, starts_on=first, ends_on=last
        )
    assert refused(at, at.pat.plans.get(ends_on=None))[0] == "not_in_the_trail"


def test_whoever_has_left_is_in_treatment_first(at):
    with time_machine.travel(at.house.morning(THU), tick=False):
        plan = at.change().plan
        discharge(episode=at.pat, discharged_on=THU, reason="completed", by=at.by)
        assert refused(at, plan)[0] == "not_active"


# --- the page ---------------------------------------------------------------------------------


def test_the_page_shows_what_would_stand_again_and_then_does_it(at):
    at.change(group=at.new, approval=at.approval())
    coordinator = Desk(at.by)
    with nothing_written():
        ahead = coordinator.look(at.pat, "take-level-back")
    rows = {panel.title: panel.rows for panel in ahead.panels}
    (paid,) = (row for (row,) in rows.pop("Left to do"))
    assert rows == {
        "Plan": [
            ("Now", "PHP 2.5, adult", "20 h", 5, "Mar 4, 2026"),
            ("Then", "IOP 2.1, adult", "9 h", 3, "Mar 2, 2026"),
        ],
        "Seats in groups": [
            (at.old, "seat 1 goes on"),
            (at.new, "seat 1 from Mar 4, 2026 on is taken back"),
        ],
        "Bookings": [
            (str(at.old), "made", 2, "Wed Mar 4 – Fri Mar 6"),
            (str(at.new), "withdrawn", 3, "Wed Mar 4 – Fri Mar 6"),
        ],
        "Standards that judge": [
            ("Adult IOP 2.1", "9 h to 20 h, 3 days from 3 h", "from Mar 4, 2026"),
            ("Adult PHP 2.5", "20 h, 5 days from 4 h", "judges no more"),
        ],
    }
    assert coordinator.save(ahead).sentences == [
        (
            f"The change of level of Mar 4, 2026 is taken back: {at.pat.patient} is on IOP 2.1 as "
            f"before. 2 bookings stand again. {paid}"
        )
    ]
    assert paid.endswith("until Apr 1, 2026 stays: look whether it is still right.")
    assert plans(at) == [(Level.IOP, MON, None)]


def statements(at: Leveling, plan: TreatmentPlan) -> int:
    with CaptureQueriesContext(connection) as captured:
        preview_taken_back(plan=plan, by=at.by, now=NOW)
    return len(captured)


def test_it_takes_the_same_statements_however_many_bookings_follow(at):
    plan = at.change(group=at.new).plan
    before = statements(at, plan)
    back(at, plan)
    for n in range(1, 11):
        session = at.session(at.old, WED + n * datetime.timedelta(weeks=1), "09:00", "12:20")
        f.booking(session, at.pat, membership=at.seat)
    assert statements(at, at.change(group=at.new).plan) == before


def test_without_a_change_there_is_nothing_to_send(at):
    form = Desk(at.by).open(at.pat, "take-level-back").context["form"]
    assert (form.introduction(), form.submits) == (
        "There is no change of level to take back.", False,
    )  # fmt: skip


def test_a_therapist_takes_none_back(at):
    at.change()
    therapist = Desk(at.house.user)
    with nothing_written():
        assert therapist.send(url(at.pat, "take-level-back"), {}).status == 403
    assert desk(at.clinic, Role.AUDITOR).open(at.pat, "take-level-back").status_code == 403
    assert len(plans(at)) == 2


def test_what_changed_after_the_look_is_looked_at_again(at):
    at.change(group=at.new)
    coordinator = Desk(at.by)
    ahead = coordinator.look(at.pat, "take-level-back")
    enrol(group=at.old, episode=at.house.patient(seat=None), starts_on=WED, seat=1, by=at.by)
    with nothing_written():
        answer = coordinator.client.post(ahead.address, ahead.data)
    assert answer.status_code == 200
    assert len(plans(at)) == 2
