"""A change of level: plan, group and authorization in one step, or nothing of it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import transaction

from attendance.models import WeekResult
from iop_clinic.accounts.acting import Refused, acting
from iop_clinic.accounts.roles import PERMISSIONS, Can
from patients.models import Authorization, Episode, Level, TreatmentPlan
from patients.services import set_plan
from scheduling.models import Booking, Group, GroupMembership, WaitlistEntry
from scheduling.services import enrol, transfer
from tests import factories as f
from tests.admin import actors
from tests.api import nothing_written
from tests.attendance.house import FRI, JOB, MON, SUN, THU, TUE, WED
from tests.attendance.leveling import NOW, PLAN, UP, Leveling

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)


@pytest.fixture
def at() -> Iterator[Leveling]:
    with time_machine.travel(NOW, tick=False):
        yield Leveling()


def seats(episode: Episode) -> list[tuple[Any, ...]]:
    rows = GroupMembership.objects.filter(episode=episode).order_by("starts_on", "pk")
    return [(one.group, one.starts_on, one.ends_on) for one in rows]


def test_everything_changes_on_one_day(at):
    done = at.change(group=at.new, approval=at.approval())
    plans = TreatmentPlan.objects.filter(episode=at.pat).order_by("starts_on")
    assert [(one.level, one.starts_on, one.ends_on) for one in plans] == [
        (Level.IOP, MON, TUE),
        (Level.PHP, WED, None),
    ]
    assert seats(at.pat) == [(at.old, MON, TUE), (at.new, WED, None)]
    paid = Authorization.objects.get()
    assert (paid.level, paid.starts_on, paid.units) == (Level.PHP, WED, 20)
    assert (done.plan, done.ended, done.authorization) == (plans[1], (at.seat,), paid)
    assert (done.membership.group, done.membership.transferred_from) == (at.new, at.seat)


def test_bookings_follow_the_seats(at):
    at.change(group=at.new)
    assert at.booked() == [
        ("old", MON, "booked"),
        ("old", WED, "withdrawn"),
        ("new", WED, "booked"),
        ("new", THU, "booked"),
        ("old", FRI, "withdrawn"),
        ("new", FRI, "booked"),
    ]
    gone = Booking.objects.filter(state="withdrawn")
    assert set(gone.values_list("withdrawn_reason", flat=True)) == {UP}


def test_each_row_names_who_did_it(at):
    done = at.change(group=at.new, approval=at.approval())
    rows = (done.plan, done.membership, done.authorization)
    assert [actors(row, "I") for row in rows] == [{at.by.actor}] * 3
    assert actors(at.seat) == {at.by.actor}


def test_a_seat_that_serves_the_new_level_stays(at):
    at.old.level = Level.PHP
    at.old.save()
    done = at.change()
    assert (done.ended, done.membership) == ((), None)
    assert seats(at.pat) == [(at.old, MON, None)]
    assert {state for _, _, state in at.booked()} == {"booked"}


def test_a_seat_of_another_age_bracket_does_not_serve(at):
    at.old.level, at.old.age_bracket = Level.PHP, 2
    at.old.save()
    assert at.change().ended == (at.seat,)


def test_without_a_new_group_the_old_seat_still_ends(at):
    at.change()
    assert seats(at.pat) == [(at.old, MON, TUE)]
    assert [state for _, day, state in at.booked() if day >= WED] == ["withdrawn", "withdrawn"]


def test_seats_in_two_groups_both_end(at):
    other = at.group()
    enrol(group=other, episode=at.pat, starts_on=MON, by=at.by)
    at.change(group=at.new)
    assert seats(at.pat)[:2] == [(at.old, MON, TUE), (other, MON, TUE)]
    assert seats(at.pat)[2] == (at.new, WED, None)


def test_what_has_not_begun_is_taken_back_with_its_bookings(at):
    other = at.group()
    enrol(group=other, episode=at.pat, starts_on=FRI, by=at.by)
    done = at.change(group=at.new)
    assert seats(at.pat) == [(at.old, MON, TUE), (at.new, WED, None)]
    assert [one.group for one in done.ended] == [at.old, other]


def wait(at: Leveling, group: Group, state: str = "waiting") -> WaitlistEntry:
    row = WaitlistEntry.objects.create(
        clinic=at.clinic, group=group, episode=at.pat, added_at=NOW, state=state
    )
    if state == "offered":
        row.offers.create(
            clinic=at.clinic, starts_on=FRI, made_at=NOW, made_by=at.by, expires_at=NOW + DAY
        )
    return row


def test_waitlists_of_other_levels_are_left_and_their_offers_withdrawn(at):
    other = wait(at, at.group(level=Level.IOP), "offered")
    teens = wait(at, at.group(level=Level.PHP, age_bracket=2))
    same = wait(at, at.group(level=Level.PHP))
    done = at.change(group=at.new)
    for row in (other, teens, same):
        row.refresh_from_db()
    assert done.left == (other, teens)
    assert [(row.state, row.left_reason) for row in (other, teens, same)] == [
        ("removed", UP), ("removed", UP), ("waiting", ""),
    ]  # fmt: skip
    assert (other.offers.get().answer, other.offers.get().reason) == ("withdrawn", UP)


def test_a_seat_that_ends_before_the_day_is_left_alone(at):
    GroupMembership.objects.filter(pk=at.seat.pk).update(ends_on=TUE)
    done = at.change(group=at.new)
    assert (done.ended, done.membership.transferred_from) == ((), None)


def test_a_transfer_that_was_planned_is_taken_back_from_its_end(at):
    """The later seat names the one before: the last goes first."""
    other, third = at.group(), at.group()
    second = transfer(membership=at.seat, to_group=other, on=FRI, by=at.by)
    transfer(membership=second, to_group=third, on=SUN, by=at.by)
    at.change(group=at.new)
    assert seats(at.pat) == [(at.old, MON, TUE), (at.new, WED, None)]


def test_an_authorization_entered_before_is_taken_as_it_is(at):
    row = Authorization.objects.create(
        clinic=at.clinic, episode=at.pat, starts_on=MON, level=Level.PHP, **at.approval()
    )
    assert at.change(authorization=row).authorization == row
    assert Authorization.objects.count() == 1


def test_the_standard_of_the_new_level_judges_from_that_day_on(at):
    at.change(group=at.new)
    week = at.house.week(at.pat)
    assert [(one.name, one.first, one.last) for one in week.standards] == [
        ("Adult IOP 2.1", MON, TUE),
        ("Adult PHP 2.5", WED, SUN),
    ]


def test_entered_late_it_amends_what_was_judged(at):
    with time_machine.travel(at.house.morning(SUN), tick=False):
        at.house.missed(at.pat, MON)
        at.house.missed(at.pat, WED)
        at.house.missed(at.pat, FRI)
        at.house.night(SUN)
        at.change(now=at.house.morning(SUN))
    rows = WeekResult.objects.filter(episode=at.pat).standing().order_by("segment_starts_on")
    assert [(one.standard.name, one.segment_starts_on, one.segment_ends_on) for one in rows] == [
        ("Adult IOP 2.1", MON, TUE),
        ("Adult PHP 2.5", WED, SUN),
    ]


# --- refused ----------------------------------------------------------------------------------


def refused(at: Leveling, **given: Any) -> tuple[str, str]:
    """Code and field of the refusal, which has written nothing."""
    before = at.booked()
    with nothing_written(), pytest.raises(Refused) as refusal:
        at.change(**given)
    assert at.booked() == before
    errors: Any = refusal.value.details.get("errors") or [{"loc": [refusal.value.field]}]
    return refusal.value.code, errors[0]["loc"][0] if errors[0]["loc"] else ""


def test_a_target_outside_the_level_is_refused(at):
    plan = {**PLAN, "weekly_minutes_target": 540}
    given = {"group": at.new, "approval": at.approval()}
    assert refused(at, plan=plan, **given) == ("target_outside_level", "weekly_minutes_target")


def test_a_plan_that_begins_later_is_in_the_way(at):
    later: dict[str, Any] = {**PLAN, "level": Level.IOP, "weekly_minutes_target": 600}
    set_plan(episode=at.pat, starts_on=FRI, by=at.by, **later)
    assert refused(at, group=at.new)[0] == "plan_overlap"


def test_a_day_before_the_admission_is_refused(at):
    Episode.objects.filter(pk=at.pat.pk).update(referred_on=MON - DAY)
    assert refused(at, starts_on=MON - DAY) == ("before_admission", "starts_on")


def test_a_day_whose_year_was_typed_wrongly_is_refused(at):
    assert refused(at, starts_on=MON.replace(year=2027)) == ("first_day", "starts_on")


def test_a_full_group_leaves_the_old_plan_and_seat(at):
    at.fill(at.new, 8)
    assert refused(at, group=at.new, approval=at.approval()) == ("group_full", "group")


def test_a_group_of_the_old_level_is_refused(at):
    other = at.group()
    assert refused(at, group=other, approval=at.approval()) == ("not_suitable", "episode")


def test_a_closed_group_is_refused(at):
    at.new.active = False
    at.new.save()
    assert refused(at, group=at.new) == ("group_closed", "group")


def test_a_patient_booked_elsewhere_at_the_groups_time_is_refused(at):
    f.booking(f.session(at.clinic, "2026-03-05", "14:30", "15:30"), at.pat)
    before = Booking.objects.count()
    with nothing_written(), pytest.raises(Refused) as refusal:
        at.change(group=at.new)
    assert (refusal.value.code, refusal.value.field) == ("patient_busy", "starts_on")
    assert Booking.objects.count() == before


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"ends_on": TUE}, "before_start", "ends_on"),
        ({"units": 0}, "authorization_units_positive", ""),
        ({"number": "TAKEN"}, "authorization_number_unique", ""),
    ],
)
def test_a_refused_authorization_takes_plan_and_seat_with_it(at, wrong, code, field):
    payer = at.payer()
    other = at.house.patient(seat=None)
    Authorization.objects.create(
        clinic=at.clinic, episode=other, starts_on=MON, **at.approval(payer=payer, number="TAKEN")
    )
    given = at.approval(**{"payer": payer, **wrong})
    assert refused(at, group=at.new, approval=given) == (code, field)


@pytest.mark.parametrize(
    "wrong", [{"level": Level.IOP}, {"starts_on": THU}, {"ends_on": TUE}, {"other": True}]
)
def test_an_authorization_for_something_else_is_refused(at, wrong):
    episode = at.house.patient(seat=None) if wrong.pop("other", False) else at.pat
    given = {"level": Level.PHP, "starts_on": MON, **at.approval(), **wrong}
    row = Authorization.objects.create(clinic=at.clinic, episode=episode, **given)
    assert refused(at, group=at.new, authorization=row) == ("not_covered", "authorization")


def test_a_seat_that_begins_later_and_has_begun_is_ended_by_hand(at):
    with time_machine.travel(at.house.at(FRI, "08:00"), tick=False):
        GroupMembership.objects.filter(pk=at.seat.pk).update(starts_on=THU)
        assert refused(at)[0] == "membership_begun"


@pytest.mark.parametrize("state", ["referred", "discharged"])
def test_only_a_patient_in_treatment_changes_level(at, state):
    row = f.EpisodeFactory(patient__clinic=at.clinic, referred_on=MON)
    if state == "discharged":
        row.state, row.discharged_on, row.discharge_reason = state, MON, "not_admitted"
        row.save()
    assert refused(at, episode=row)[0] == "not_active"


def test_a_caller_that_goes_on_after_a_refusal_keeps_everything_as_it_was(at):
    at.fill(at.new, 8)
    with transaction.atomic(), acting(JOB), pytest.raises(Refused):
        at.change(group=at.new, approval=at.approval())
    assert seats(at.pat) == [(at.old, MON, None)]
    assert TreatmentPlan.objects.get(episode=at.pat).ends_on is None


def test_whoever_manages_episodes_may_book_and_authorize():
    """The form asks for the first alone."""
    managers = [allowed for allowed in PERMISSIONS.values() if Can.MANAGE_EPISODES in allowed]
    assert [{Can.BOOK, Can.MANAGE_AUTHORIZATIONS} <= allowed for allowed in managers] == [True] * 2
