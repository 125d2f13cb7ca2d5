"""The day query: one line for each episode, local date and session type."""

import datetime

import pytest

from attendance.compliance.days import DayLine, day_lines
from attendance.models import CreditRule
from attendance.records.facts import policy_on, session_facts
from attendance.records.rules import full_presence_minutes, scheduled_minutes
from scheduling.models import Booking
from tests import factories as f
from tests.attendance.house import FRI, MON, SUN, TUE, WED, House

pytestmark = pytest.mark.django_db


@pytest.fixture
def house():
    return House()


def lines(house, *, now, first=MON, last=SUN, **extra):
    return day_lines(clinic=house.clinic, first=first, last=last, now=now, **extra)


def line(house, episode, day, **sums):
    return DayLine(episode_id=episode.pk, local_date=day, session_type_id=house.type.pk, **sums)


def test_an_attended_day_without_its_breaks(house):
    pat = house.patient()
    house.full_week(pat, MON)
    found = lines(house, now=house.morning(MON))
    minutes = {"scheduled": 180, "attended": 180, "credited": 180, "told": 180}
    assert found == [line(house, pat, MON, **minutes, services=1)]


def test_a_session_counts_only_once_it_has_ended(house):
    pat = house.patient()
    house.full_week(pat, MON)
    during = lines(house, now=house.at(MON, "12:19"))
    assert during == [
        line(
            house, pat, MON, scheduled=180, attended_open=180, credited_open=180, told=180,
            upcoming=1, services_open=1,
        )
    ]  # fmt: skip
    assert lines(house, now=house.at(MON, "12:20"))[0].credited == 180


def test_unrecorded_is_open_and_released_ahead_is_not(house):
    pat = house.patient()
    house.day(MON, [pat])
    house.day(FRI, [pat], state=Booking.State.RELEASED)
    assert lines(house, now=house.morning(MON)) == [
        line(
            house, pat, MON, scheduled=180, attended_open=180, credited_open=180, untold=180,
            unrecorded=1, services_open=1,
        ),
        line(house, pat, FRI, scheduled=180),
    ]  # fmt: skip


def test_a_released_session_that_nobody_recorded_is_open_once_it_ended(house):
    pat = house.patient()
    house.day(FRI, [pat], state=Booking.State.RELEASED)
    (found,) = lines(house, now=house.morning(FRI))
    assert (found.unrecorded, found.credited_open) == (1, 180)


def test_withdrawn_counts_nowhere_and_cancelled_only_as_cancelled(house):
    pat = house.patient()
    house.day(MON, [pat], state=Booking.State.BOOKED)
    Booking.objects.update(state=Booking.State.WITHDRAWN, withdrawn_reason="Plan changed")
    house.cancel(house.day(WED, [pat]))
    assert lines(house, now=house.morning(FRI)) == [line(house, pat, WED, cancelled=180)]


def test_a_type_that_is_not_creditable_is_attended_and_nothing_else(house):
    pat = house.patient()
    house.day(MON, [pat], "09:00", "09:30", session_type=house.drug_screen)
    house.came(pat, MON)
    (found,) = lines(house, now=house.morning(MON))
    assert (found.scheduled, found.attended, found.credited, found.services) == (0, 30, 0, 0)


def test_types_of_one_day_are_lines_of_their_own(house):
    pat = house.patient()
    individual = f.SessionTypeFactory(clinic=house.clinic)
    house.day(MON, [pat])
    house.day(MON, [pat], "14:00", "14:50", session_type=individual)
    house.came(pat, MON)
    found = lines(house, now=house.morning(MON))
    assert {one.session_type_id: one.credited for one in found} == {
        house.type.pk: 180,
        individual.pk: 50,
    }


def test_full_presence_is_rounded_down_by_the_rule_of_the_date(house):
    pat = house.patient()
    CreditRule.objects.filter(clinic=house.clinic).update(ends_on=MON)
    CreditRule.objects.create(
        clinic=house.clinic, kind=CreditRule.Kind.ROUND_DOWN, round_to=15, starts_on=TUE
    )
    house.day(MON, [pat], "09:00", "09:50")
    house.day(TUE, [pat], "09:00", "09:50")
    found = lines(house, now=house.morning(TUE))
    assert [(one.attended_open, one.credited_open) for one in found] == [(50, 50), (50, 45)]


@pytest.mark.parametrize(
    "breaks",
    [[], [[0, 5]], [[60, 70], [130, 140]], [[195, 200]]],
    ids=["none", "one", "two", "end"],
)
@pytest.mark.parametrize("kind", CreditRule.Kind.values)
def test_sql_and_the_credit_rule_agree(house, breaks, kind):
    pat = house.patient()
    CreditRule.objects.filter(clinic=house.clinic).update(kind=kind, round_to=7)
    facts = session_facts(house.day(MON, [pat], breaks=breaks))
    (found,) = lines(house, now=house.at(MON, "08:00"))
    assert found.scheduled == scheduled_minutes(facts)
    assert found.credited_open == full_presence_minutes(facts, policy_on(house.clinic, MON))


def test_a_nested_visit_leaves_the_session_around_it(house):
    pat = house.patient()
    outer = house.day(MON, [pat]).bookings.get()
    visit = f.session(house.clinic, "2026-03-02", "09:50", "10:20", session_type=house.drug_screen)
    f.booking(
        visit, pat, nested_in=outer, outer_starts_at=outer.starts_at, outer_ends_at=outer.ends_at
    )
    found = {one.session_type_id: one for one in lines(house, now=house.at(MON, "08:00"))}
    # Of the visit's half hour, 10 minutes lie in the break.
    group = found[house.type.pk]
    assert (group.scheduled, group.attended_open, group.credited_open) == (160, 160, 160)
    assert found[house.drug_screen.pk].attended_open == 30


def test_a_visit_that_did_not_happen_takes_nothing(house):
    pat = house.patient()
    outer = house.day(MON, [pat], "09:00", "12:00").bookings.get()
    visit = f.session(house.clinic, "2026-03-02", "09:30", "10:00", session_type=house.drug_screen)
    nested = f.booking(
        visit, pat, nested_in=outer, outer_starts_at=outer.starts_at, outer_ends_at=outer.ends_at
    )
    house.missed(pat, MON)
    outer.attendance.delete()
    found = {one.session_type_id: one for one in lines(house, now=house.morning(MON))}
    assert nested.attendance.attended is False
    assert (found[house.type.pk].scheduled, found[house.type.pk].credited_open) == (150, 180)


@pytest.mark.parametrize("zone", ["America/New_York", "America/Los_Angeles", "Pacific/Kiritimati"])
def test_a_session_belongs_to_its_local_date(zone):
    house = House(zone)
    pat = house.patient()
    house.day("2026-03-07", [pat], "23:30", "23:59")
    house.day("2026-03-08", [pat], "00:15", "01:00")
    now = house.at("2026-03-09", "00:00")
    assert [(one.local_date.day, one.scheduled) for one in lines(house, now=now)] == [
        (7, 29),
        (8, 45),
    ]
    assert [
        one.local_date.day for one in lines(house, now=now, last=datetime.date(2026, 3, 7))
    ] == [7]


@pytest.mark.parametrize(
    ("day", "minutes"), [("2026-03-08", 60), ("2026-11-01", 180), ("2026-03-07", 120)]
)
def test_minutes_are_true_when_the_clocks_change(house, day, minutes):
    pat = house.patient()
    house.day(day, [pat], "01:00", "03:00")
    house.came(pat, day)
    date = datetime.date.fromisoformat(day)
    (found,) = lines(house, now=house.morning(date), first=date, last=date)
    assert (found.scheduled, found.credited) == (minutes, minutes)


def test_two_clinics_in_one_process_never_meet():
    east, west = House("America/New_York"), House("America/Los_Angeles")
    here, there = east.patient(), west.patient()
    east.full_week(here, SUN)
    west.full_week(there, SUN)
    # 16:00 in New York is 13:00 in Los Angeles: both have ended; an hour earlier only one has.
    late, early = east.at(SUN, "16:00"), east.at(SUN, "15:00")
    assert [one.credited for one in lines(west, now=late)] == [180]
    assert [one.credited for one in lines(west, now=early)] == [0]
    assert [one.episode_id for one in lines(east, now=early)] == [here.pk]


def test_only_the_episodes_asked_for(house):
    pat, other = house.patient(), house.patient(seat=2)
    house.day(MON, [pat, other])
    found = lines(house, now=house.morning(MON), episode_ids=[other.pk])
    assert [one.episode_id for one in found] == [other.pk]


@pytest.mark.parametrize("patients", [1, 15])
def test_three_statements_for_any_number_of_patients(house, patients, django_assert_num_queries):
    people = [house.patient(seat=n + 1 if n < 12 else None) for n in range(patients)]
    house.day(MON, people, capacity=15)
    now = house.morning(MON)
    with django_assert_num_queries(3):
        assert len(lines(house, now=now)) == patients
