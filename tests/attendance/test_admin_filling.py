"""Who could fill a group: the list on its page, the reasons of the others, one click to enrol."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.admin.filling import GONE
from iop_clinic.accounts.roles import Role
from patients.models import EpisodeHold, KeepApart, TreatmentPlan
from scheduling.models import Group, GroupMembership, WaitlistEntry, WeeklyBlock
from scheduling.services import expand
from tests import factories as f
from tests.admin import Desk, actors, desk
from tests.attendance.house import BEFORE, FRI, JOB, MON, WED
from tests.attendance.towns import Town
from tests.lists import lines

DAY = datetime.timedelta(days=1)
SHORT = "9 h a week short; with it 9 h of 9 h on 3 of 3 days; from Wed Mar 4"


@pytest.fixture
def town(house):
    """The house's group alone; today is Wednesday, eight in the morning."""
    return Town(seed=1, groups=0)


@pytest.fixture
def at(town) -> Desk:
    return desk(town.clinic)


def wait(town: Town, row: Any, group: Group | None = None, since: str = "2026-03-02") -> None:
    WaitlistEntry.objects.create(
        clinic=town.clinic, group=group or town.group, episode=row,
        added_at=town.at(since, "09:00"),
    )  # fmt: skip


def listed(at: Desk, group: Group) -> list[str]:
    field = at.open(group, "fill").context["form"].fields.get("choice")
    return [label for _, label in field.choices] if field else []


def others(at: Desk, group: Group) -> list[tuple[str, ...]]:
    *_, panel = at.open(group, "fill").context["form"].before()
    return lines(panel)


def test_who_waits_longest_comes_first_and_then_who_is_short(town, at):
    short, second, first = (town.newcomer() for _ in range(3))
    wait(town, second, since="2026-03-02")
    wait(town, first, since="2026-02-20")
    assert listed(at, town.group) == [
        f"{first.patient}: waits since Feb 20, 2026; {SHORT}",
        f"{second.patient}: waits since Mar 2, 2026; {SHORT}",
        f"{short.patient}: {SHORT}",
    ]


def test_who_waits_for_another_group_is_asked_as_well(town, at):
    row, other = town.newcomer(), f.GroupFactory(clinic=town.clinic, program=town.program)
    wait(town, row, other)
    assert listed(at, town.group) == [f"{row.patient}: waits for another group; {SHORT}"]


def test_who_has_enough_and_waits_for_nothing_is_not_asked(town, at):
    other = f.GroupFactory(clinic=town.clinic, program=town.program, capacity=8)
    for weekday in (0, 2, 4):
        f.WeeklyBlockFactory(
            group=other, weekday=weekday, session_type=town.type, valid_from=BEFORE,
            starts_at=datetime.time(18), ends_at=datetime.time(21),
        )  # fmt: skip
    row = town.newcomer()
    GroupMembership.objects.create(
        clinic=town.clinic, group=other, episode=row, seat=1, starts_on=BEFORE
    )
    form = at.open(town.group, "fill").context["form"]
    assert (form.found.candidates, form.found.enough, form.submits) == ((), 1, False)
    assert form.introduction() == "Nobody who waits or is short fits. Below is why."


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"level": 3}, "{} is for another level of care than the patient's plan."),
        ({"age_bracket": 2}, "{} is for another age bracket."),
    ],
)
def test_whom_the_group_does_not_suit_is_counted_with_the_reason(town, at, facts, why):
    for _ in range(2):
        town.newcomer()
    Group.objects.filter(pk=town.group.pk).update(**facts)
    assert listed(at, town.group) == []
    assert others(at, town.group) == [(why.format(town.group), "2")]


def test_who_comes_for_something_else_then_is_none(town, at):
    row = town.newcomer()
    f.WeeklyBlockFactory(
        group=None, clinic=town.clinic, episode=row, weekday=4, valid_from=BEFORE,
        session_type=town.type, starts_at=datetime.time(12), ends_at=datetime.time(13),
    )  # fmt: skip
    assert others(at, town.group) == [("They come for something else at its times.", "1")]
    WeeklyBlock.objects.filter(episode=row).update(starts_at=datetime.time(12, 20))
    assert len(listed(at, town.group)) == 1


def test_of_who_is_kept_apart_from_a_member_only_the_number_is_told(town, at):
    row, other = town.newcomer(), town.patient(BEFORE)
    low, high = sorted([row.patient_id, other.patient_id])
    KeepApart.objects.create(clinic=town.clinic, patient_id=low, other_id=high, reason="Assault")
    assert others(at, town.group) == [("The patient cannot be seated here.", "1")]


def test_a_full_group_has_nobody_to_fill_it_until_a_seat_is_free(town, at):
    for seat in range(1, 13):
        town.patient(BEFORE, seat=seat)
    row = town.newcomer()
    assert others(at, town.group) == [("All 12 seats are taken.", "1")]
    GroupMembership.objects.filter(seat=4).update(ends_on=FRI)
    (said,) = listed(at, town.group)
    assert said.startswith(f"{row.patient}: ")
    assert said.endswith("from Sat Mar 7")


def test_who_has_no_plan_is_listed_only_while_waiting(town, at):
    row = town.newcomer()
    TreatmentPlan.objects.filter(episode=row).delete()
    assert others(at, town.group) == []
    wait(town, row)
    assert others(at, town.group) == [("The patient has no treatment plan on Wed Mar 4.", "1")]


def test_who_waits_and_is_not_admitted_yet_is_counted_and_named(town, at):
    row = f.EpisodeFactory(patient__clinic=town.clinic, program=town.program)
    f.EpisodeFactory(patient__clinic=town.clinic, program=town.program)
    elsewhere = f.EpisodeFactory(patient__clinic=town.clinic)
    wait(town, row)
    wait(town, elsewhere, f.GroupFactory(clinic=town.clinic, program=elsewhere.program))
    named, _ = at.open(town.group, "fill").context["form"].before()
    assert lines(named) == [(str(row.patient),)]
    assert others(at, town.group) == [("The patient is not in treatment on Wed Mar 4.", "2")]


def test_a_patient_on_hold_may_be_enrolled_and_comes_later(town, at):
    row = town.newcomer()
    EpisodeHold.objects.create(clinic=town.clinic, episode=row, starts_on=MON, reason="leave")
    type(row).objects.filter(pk=row.pk).update(state="on_hold")
    assert len(listed(at, town.group)) == 1


def test_one_click_enrols_from_the_date_that_is_shown(town, at):
    row = town.newcomer()
    expand(clinic=town.clinic, today=WED, by=JOB)
    answer = at.fill(town.group, "fill", choice=str(row.pk))
    assert answer.sentences == [
        f"{row.patient} has seat 1 of 12 from Mar 4, 2026. 12 planned sessions are booked."
    ]
    assert GroupMembership.objects.get(episode=row).starts_on == WED
    assert actors(town.group, "R") == {at.user.actor}


def test_of_a_group_for_one_population_the_patients_choice_is_asked_for(town, at):
    Group.objects.filter(pk=town.group.pk).update(population="women")
    row = town.newcomer()
    refused = at.fill(town.group, "fill", choice=str(row.pk)).refusal
    assert refused.startswith(f"{town.group} is for one population: tick")
    assert not GroupMembership.objects.filter(episode=row).exists()
    assert at.fill(town.group, "fill", choice=str(row.pk), population_opt_in="on").sentences


def test_who_is_not_on_the_list_is_not_enrolled(town, at):
    town.newcomer()
    other = f.admitted(town.clinic, on=BEFORE)
    assert at.fill(town.group, "fill", choice=str(other.pk)).refusal == GONE
    assert not GroupMembership.objects.filter(episode=other).exists()


def test_a_therapist_is_told_of_the_own_caseload_only(town):
    town.newcomer(primary_therapist=town.therapists[0])
    own = town.newcomer(primary_therapist=town.therapist)
    assert [said.split(":")[0] for said in listed(Desk(town.user), town.group)] == [
        str(own.patient)
    ]


def test_who_may_not_book_is_denied(town):
    assert desk(town.clinic, Role.AUDITOR).open(town.group, "fill").status_code == 403


def statements(town: Town, rows: int) -> int:
    for _ in range(rows):
        wait(town, town.newcomer())
    at = desk(town.clinic)
    with CaptureQueriesContext(connection) as captured:
        assert at.open(town.group, "fill").status_code == 200
    return len(captured)


def test_the_page_takes_as_many_statements_for_one_patient_as_for_twenty(town):
    assert (statements(town, 1), statements(Town(3, groups=4), 20)) == (18, 18)
