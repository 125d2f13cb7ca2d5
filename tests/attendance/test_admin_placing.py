"""The page "Find a place": what is looked for, what fits, what is booked in one step."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.admin.placing import GONE
from iop_clinic.accounts.roles import Role
from scheduling.models import Booking, GroupMembership, WeeklyBlock
from scheduling.services import expand
from tests import factories as f
from tests.admin import Desk, actors, desk, filled, typed, url
from tests.attendance.house import BEFORE, JOB, WED
from tests.attendance.towns import STARTS, Town
from tests.lists import said

PAGE = "find-place"


@pytest.fixture
def town(house):
    """The same Wednesday; its group is planned for four weeks."""
    return Town(seed=1, groups=0)


@pytest.fixture
def at(town) -> Desk:
    return desk(town.clinic)


def look(at: Desk, row: Any, **data: Any) -> Any:
    address = url(row, PAGE)
    return at.client.post(address, {**filled(at.client.get(address)), **typed(data)}).context


def names(context: Any) -> list[str]:
    return [one.name for one in context["cards"]]


def test_the_page_begins_with_what_fits_the_plan(town, at):
    context = at.open(town.newcomer(), PAGE).context
    (card,) = context["cards"]
    assert (card.name, list(card.facts)) == (
        str(town.group),
        [("A full week", "9 h of 9 h, slack 0 min: one late minute loses the week"),
         ("Days", "3 of 3"), (str(town.group),
          "Mon Wed Fri 9:00 AM – 12:20 PM; from Mar 5, 2026, 12 seats free")],
    )  # fmt: skip
    assert context["form"].introduction().startswith(f"{town.program}, IOP 2.1: 9 h on 3 days")


def test_a_look_is_noted(town, at):
    row = town.newcomer()
    at.open(row, PAGE)
    assert actors(row, "R") == {at.user.actor}


def test_when_the_patient_works_the_group_is_none_and_says_so(town, at):
    context = look(at, town.newcomer(), work_days=["2"], work_until="10:00")
    assert names(context) == []
    ((group, why),) = context["reasons"].rows
    assert (said(group), why) == (
        str(town.group), "It meets Wednesday 9:00 AM – 12:20 PM, when the patient cannot come."
    )  # fmt: skip
    assert names(look(at, town.newcomer(), school_days=["2"], school_from="12:20")) == [
        str(town.group)
    ]


def test_hours_stand_beside_a_group_of_three_times_fifty_minutes(town, at):
    town.group.blocks.update(breaks=[[0, 50]])
    row = town.newcomer(primary_therapist=town.therapists[0])
    (card,) = at.open(row, PAGE).context["cards"]
    hours = dict(card.facts)["Individual hours"]
    assert card.name == f"{town.group} and 3 individual hours"
    assert hours.startswith("Monday, Wednesday, Friday 8:00 AM – 9:00 AM with ")


def test_who_may_not_plan_sessions_is_offered_no_hours(town):
    town.group.blocks.update(breaks=[[0, 50]])
    context = desk(town.clinic, Role.FRONT_DESK).open(town.newcomer(), PAGE).context
    assert names(context) == []


def test_what_was_chosen_is_shown_first_and_then_booked_at_once(town, at):
    town.group.blocks.update(breaks=[[0, 50]])
    row = town.newcomer(primary_therapist=town.therapists[0])
    card = at.open(row, PAGE).context["cards"][0]
    ahead = at.look(row, PAGE, choice=card.key)
    assert [panel.title for panel in ahead.panels] == [
        "Seats in groups", "Standing individual hours", "Bookings",
    ]  # fmt: skip
    assert [line[1] for line in ahead.panels[2].rows] == [11, 11]
    assert not GroupMembership.objects.filter(episode=row).exists()
    assert not WeeklyBlock.objects.filter(episode=row).exists()
    (sentence,) = at.save(ahead).sentences
    assert sentence == (
        f"{row.patient} has a place: seat 1 in {town.group} from Mar 5, 2026. "
        "3 standing hours planned. 22 bookings made."
    )
    assert GroupMembership.objects.get(episode=row).starts_on == STARTS
    assert WeeklyBlock.objects.filter(episode=row).count() == 3
    assert Booking.objects.filter(episode=row).count() == 22


def test_a_place_that_somebody_took_meanwhile_is_told_with_the_list_as_it_stands(town, at):
    row = town.newcomer()
    card = at.open(row, PAGE).context["cards"][0]
    ahead = at.look(row, PAGE, choice=card.key)
    for seat in range(1, 13):
        town.patient(BEFORE, seat=seat)
    expand(clinic=town.clinic, today=WED, by=JOB)
    answer = at.save(ahead)
    assert answer.refusal == GONE
    assert "All 12 seats are taken." in answer.html
    assert not GroupMembership.objects.filter(episode=row).exists()


def test_a_choice_that_is_none_of_the_list_is_refused(town, at):
    answer = at.fill(town.newcomer(), PAGE, choice="g0+h1")
    assert answer.refusal == GONE


@pytest.mark.parametrize(
    ("data", "field", "sentence"),
    [
        ({"starts_on": "3/3/2026"}, "starts_on",
         "Choose a day from today until May 27, 2026."),
        ({"starts_on": "5/28/2026"}, "starts_on",
         "Choose a day from today until May 27, 2026."),
        ({"work_days": ["1"], "work_from": "12:00", "work_until": "12:00"}, "work_until",
         "This ends before it begins."),
        ({"school_from": "12:00"}, "school_days", "On which days?"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_at_its_field(town, at, data, field, sentence):
    answer = at.fill(town.newcomer(), PAGE, **data)
    assert answer.errors == {field: [sentence]}


def test_an_address_with_nonsense_in_it_does_no_harm(town, at):
    assert at.open(town.newcomer(), PAGE, minutes="x", days="y", starts_on="z").status_code == 200


def test_without_a_plan_the_page_says_what_comes_first(town, at):
    row = town.newcomer()
    row.plans.all().delete()
    context = at.open(row, PAGE).context
    assert context["found"] is None
    assert context["form"].introduction().startswith("The patient has no treatment plan today")


def test_who_has_enough_is_told_so(town, at):
    row = town.patient(BEFORE)
    html = at.open(row, PAGE).content.decode()
    assert "What the patient has reaches this already" in html


def test_a_therapist_is_offered_the_own_groups_only(town):
    f.WeeklyBlockFactory(group=f.GroupFactory(clinic=town.clinic, program=town.program))
    row = town.newcomer(primary_therapist=town.therapist)
    context = Desk(town.user).open(row, PAGE).context
    assert names(context) == [str(town.group)]
    assert context["reasons"].rows == []


def statements(town: Town) -> int:
    row, at = town.newcomer(), desk(town.clinic)
    with CaptureQueriesContext(connection) as captured:
        assert at.open(row, PAGE).status_code == 200
    return len(captured)


def test_the_page_takes_as_many_statements_for_one_group_as_for_twenty(town):
    assert (statements(town), statements(Town(7, groups=19))) == (27, 27)
