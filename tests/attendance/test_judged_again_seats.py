"""Seats given, moved, ended or taken back: the week, its case and the group's follow at once."""

import datetime

import pytest

from attendance import bookings, memberships
from attendance.compliance.replays import replayed_weeks
from attendance.models import AbsenceRule, Flag, NightlyRun, WeekResult
from iop_clinic.accounts.acting import Refused
from scheduling.models import GroupMembership, Session
from scheduling.services import offer_seat, put_on_waitlist
from scheduling.services.guests import GuestChoice, Then
from tests import factories as f
from tests.admin import Desk
from tests.attendance.house import FRI, MON, SAT, SUN, THU, WED, House
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db

MONTHS = datetime.timedelta(weeks=8)
"""Far beyond the weeks that a night looks back on."""
SHORT = ("open", "")
WITHIN_REACH = (
    "Week of Mar 2 – Mar 8, 2026: credited 3 h of 9 h; 6 h to go; booked Thu 3 h, Fri 3 h; "
    "within reach; 1 of 3 days so far."
)
REPAIRED = ("closed", WITHIN_REACH)


@pytest.fixture
def week(time_machine):
    found = ShortWeek()
    time_machine.move_to(found.now, tick=False)
    return found


@pytest.fixture
def other(week):
    """Another group of the program, which meets on the Thursday."""
    row = f.GroupFactory(clinic=week.clinic, min_size=1, program=week.house.group.program)
    week.session(THU, group=row)
    return row


def told(week):
    """The case of the week: its state, and why it closed."""
    return week.flag.state, week.flag.outcome_note


def test_a_seat_that_brings_the_hours_closes_the_case(week, other):
    memberships.enrol(group=other, episode=week.patient, starts_on=THU, by=week.by)
    assert told(week) == REPAIRED


def test_a_guest_who_moves_on_is_short_again(week, other):
    """The make-up had closed the case of the week; the seat goes to a new member."""
    session = other.sessions.get()
    Session.objects.filter(pk=session.pk).update(capacity=1)
    made_up = bookings.book(session=session, episode=week.patient, by=week.by)
    flag = week.flag
    assert (flag.state, flag.outcome_note) == REPAIRED
    choice = GuestChoice(Then.MOVE_ON, "Members go first", frozenset({made_up.pk}))
    member = week.house.patient(seat=None)
    memberships.enrol(group=other, episode=member, starts_on=THU, guests=choice, by=week.by)
    made_up.refresh_from_db()
    flag.refresh_from_db()
    assert (made_up.state, flag.state) == ("withdrawn", "open")


def test_a_seat_that_is_accepted_closes_the_case(week, other):
    entry = put_on_waitlist(group=other, episode=week.patient, by=week.by)
    offer_seat(
        entry=entry, starts_on=THU, expires_at=week.now + datetime.timedelta(hours=1),
        method="in_person", result="reached", by=week.by,
    )  # fmt: skip
    assert told(week) == SHORT
    assert Desk(week.by).fill(entry, "accept").status == 302
    assert told(week) == REPAIRED


def test_a_seat_that_ends_opens_the_case_again(week, other):
    row = memberships.enrol(group=other, episode=week.patient, starts_on=WED, by=week.by)
    assert told(week) == REPAIRED
    memberships.end_membership(membership=row, ends_on=WED, reason="Work", by=week.by)
    assert told(week) == SHORT


def test_a_seat_taken_back_opens_the_case_again(week, other):
    week.session(SAT, group=other)
    row = memberships.enrol(group=other, episode=week.patient, starts_on=FRI, by=week.by)
    assert week.flag.state == "closed"
    memberships.cancel_membership(membership=row, reason="Wrong patient", by=week.by)
    assert (told(week), GroupMembership.objects.get().group) == (SHORT, week.house.group)


def test_a_move_to_another_group_is_judged_from_its_day(week, other):
    seat = GroupMembership.objects.get()
    memberships.transfer(membership=seat, to_group=other, on=THU, by=week.by)
    assert (told(week), other.memberships.get().starts_on) == (REPAIRED, THU)


def test_a_refused_seat_changes_no_case(week, other):
    before = week.flag
    other.active = False
    other.save()
    with pytest.raises(Refused) as refusal:
        memberships.enrol(group=other, episode=week.patient, starts_on=THU, by=week.by)
    assert refusal.value.code == "group_closed"
    assert (week.flag.version, week.flag.state) == (before.version, "open")
    assert GroupMembership.objects.count() == 1


def test_the_pages_judge_what_they_write(week, other):
    """A seat given on the pages of the episode and the group, and ended on its own."""
    desk = Desk(week.by)
    desk.fill(week.patient, "enrol", group=other, starts_on=WED)
    assert told(week) == REPAIRED
    seat = other.memberships.get()
    desk.save(desk.look(seat, "end", ends_on=WED, reason="Work"))
    assert told(week) == SHORT
    desk.fill(other, "enrol", episode=week.patient, starts_on=THU)
    assert told(week) == REPAIRED


def test_the_page_of_a_seat_judges_a_transfer_and_its_undo(week, other):
    week.session(SAT, group=other)
    desk = Desk(week.by)
    desk.save(desk.look(GroupMembership.objects.get(), "transfer", to_group=other, on=FRI))
    assert week.flag.state == "closed"
    desk.fill(other.memberships.get(), "take-back", reason="Wrong group")
    assert told(week) == SHORT


# --- weeks that are stored ------------------------------------------------------------------------


@pytest.fixture
def stored(time_machine):
    """A patient admitted on the Wednesday who came twice; their week has long been stored."""
    house = House()
    row = house.patient(on=WED)
    house.full_week(row, WED, FRI)
    house.night(SUN)
    NightlyRun.objects.create(
        clinic=house.clinic, local_date=SUN, state="evaluated", lease_until=house.morning(SUN)
    )
    time_machine.move_to(house.morning(SUN) + MONTHS, tick=False)
    return house, row


def differing(house):
    """What is stored otherwise than it would be judged today."""
    weeks = replayed_weeks(clinic=house.clinic, now=house.morning(SUN) + MONTHS)
    return [one.differing for one in weeks if one.week.start == MON]


def minimums(row):
    rows = WeekResult.objects.filter(episode=row, week_starts_on=MON).order_by("amendment")
    return [one.prorated_minimum for one in rows]


def group_on(house, *weekdays):
    row = f.GroupFactory(clinic=house.clinic, min_size=1, program=house.group.program)
    for weekday in weekdays:
        f.WeeklyBlockFactory(
            group=row, valid_from=MON, session_type=house.type, weekday=weekday,
            starts_at=datetime.time(14), ends_at=datetime.time(15), facilitator=house.therapist,
        )  # fmt: skip
    return row


def test_a_seat_entered_late_prorates_its_week_anew(stored):
    house, row = stored
    group = group_on(house, 1)
    memberships.enrol(group=group, episode=row, starts_on=WED, ends_on=FRI, by=house.user)
    assert (minimums(row), differing(house)) == ([360, 270], [()])


def test_a_seat_ended_late_counts_no_longer_in_the_weeks_after(stored):
    house, row = stored
    group = group_on(house, 1)
    seat = memberships.enrol(group=group, episode=row, starts_on=WED, by=house.user)
    memberships.end_membership(membership=seat, ends_on=FRI, reason="Work", by=house.user)
    assert (minimums(row), differing(house)) == ([360, 270], [()])


def test_a_first_seat_from_next_week_on_asks_nothing_of_the_week_of_admission(week, time_machine):
    """Nobody calls a patient who was admitted on Thursday and begins on Monday."""
    house = week.house
    new = house.patient(on=THU, seat=None)
    house.night(FRI)
    time_machine.move_to(house.morning(FRI), tick=False)
    assert hours_cases(new) == ["open"]
    begins = SUN + datetime.timedelta(days=1)
    seat = memberships.enrol(group=house.group, episode=new, starts_on=begins, by=week.by)
    assert hours_cases(new) == ["closed"]
    memberships.cancel_membership(membership=seat, reason="Wrong patient", by=week.by)
    assert hours_cases(new) == ["open"]


def hours_cases(episode):
    rows = Flag.objects.filter(episode=episode, rule=AbsenceRule.Kind.HOURS)
    return list(rows.values_list("state", flat=True))
