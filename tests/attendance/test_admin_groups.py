"""What a group's week is worth, by the standards that judge its members, and its open cases."""

from __future__ import annotations

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.compliance.settings import clinic_settings
from attendance.compliance.template_weeks import template_of
from attendance.models import CreditRule, Flag, Standard
from iop_clinic.accounts.admin.panels import link
from iop_clinic.accounts.roles import Role
from patients.models import AgeBracket
from scheduling.models import WeeklyBlock
from tests import factories as f
from tests.admin import Desk, desk, url
from tests.attendance.house import BEFORE, BREAKS, MON, WED, House
from tests.lists import lines, panels, said


def template(house: House):
    blocks = list(house.group.blocks.select_related("session_type"))
    return template_of(clinic_settings(house.clinic), house.group, blocks, on=WED)


def block(house: House, weekday: int, **extra: object) -> WeeklyBlock:
    given = {"session_type": house.type, "facilitator": house.therapist, "valid_from": BEFORE}
    return f.WeeklyBlockFactory(group=house.group, weekday=weekday, **{**given, **extra})


def flag(house: House, key: str = "small:2026-03-02") -> Flag:
    return Flag.objects.create(
        clinic=house.clinic, rule=23, subject_type=3, subject_id=house.group.pk, group=house.group,
        evidence_key=key, sentence="Too small", severity=2,
        owner_role="coordinator", opened_for=MON, due_at=house.at("2026-03-09", "17:00"),
    )  # fmt: skip


# --- the template -----------------------------------------------------------------------------


def test_three_evenings_of_three_hours_reach_the_standard(house, coordinator):
    found = panels(coordinator, house.group)
    day = ("9:00 AM – 12:20 PM", "Group therapy", house.therapist.name, "none",
           "3 h, counts as a day")  # fmt: skip
    assert lines(found["Weekly template"]) == [
        ("Monday", *day), ("Wednesday", *day), ("Friday", *day),
    ]  # fmt: skip
    assert lines(found["What a full week reaches"]) == [
        ("Adult IOP 2.1", "Program", "9 h of 9 h", "3 of 3, from 3 h a day", "reaches it")
    ]


def test_the_standard_is_a_link(house, coordinator):
    row = Standard.objects.get(clinic=house.clinic, name="Adult IOP 2.1")
    ((name, *_),) = panels(coordinator, house.group)["What a full week reaches"].rows
    assert name == link(row, row.name)


def test_three_times_fifty_minutes_are_no_day(house, coordinator):
    """R9: what looks like nine hours credits seven and a half."""
    house.group.blocks.update(breaks=[[0, 50]])
    found = panels(coordinator, house.group)
    assert lines(found["Weekly template"])[0][-1] == "2 h 30, 30 min short of a day"
    assert lines(found["What a full week reaches"])[0][2:] == (
        "7 h 30 of 9 h", "0 of 3, from 3 h a day",
        "1 h 30 and 3 days short: the timetable, not the patients",
    )  # fmt: skip


def test_a_type_that_is_not_creditable_adds_nothing(house):
    block(house, 1, session_type=house.drug_screen)
    (week,) = template(house).weeks
    assert (week.judgement.at_least, week.judgement.days_qualifying) == (540, 3)


def test_the_clinics_credit_rule_is_the_one_that_counts(house):
    CreditRule.objects.filter(clinic=house.clinic).delete()
    CreditRule.objects.create(clinic=house.clinic, kind="round_down", round_to=50, starts_on=BEFORE)
    (week,) = template(house).weeks
    assert week.judgement.at_least == 3 * 150


def test_of_a_block_of_every_second_week_the_week_without_it_is_judged(house):
    house.group.blocks.filter(weekday=4).update(every_weeks=2)
    (week,) = template(house).weeks
    assert (week.judgement.at_least, week.reaches) == (360, False)
    assert [one.local_date.weekday() for one in template(house).days] == [0, 2, 4]


def test_a_template_that_begins_later_is_judged_from_then_on(house, coordinator):
    house.group.blocks.update(valid_from=datetime.date(2026, 4, 13))
    house.group.blocks.filter(weekday=4).update(every_weeks=2)
    found = panels(coordinator, house.group)
    assert said(found["Weekly template"].note) == "It begins on Apr 13, 2026. Add weekly blocks"
    assert lines(found["What a full week reaches"])[0][2:4] == (
        "6 h of 9 h", "2 of 3, from 3 h a day",
    )  # fmt: skip


def test_what_is_planned_to_come_is_said_with_its_dates(house, coordinator):
    assert "Weekly template to come" not in panels(coordinator, house.group)
    last, next_term = datetime.date(2026, 4, 12), datetime.date(2026, 4, 13)
    house.group.blocks.update(valid_until=last)
    for weekday in (0, 3):
        block(
            house, weekday, valid_from=next_term + datetime.timedelta(days=weekday),
            valid_until=datetime.date(2026, 6, 28), starts_at=datetime.time(13),
            ends_at=datetime.time(16, 20), breaks=BREAKS,
        )  # fmt: skip
    found = panels(coordinator, house.group)
    led = house.therapist.name
    assert lines(found["Weekly template to come"]) == [
        ("Apr 13, 2026", "Mon Thu 1:00 PM – 4:20 PM", led, "none"),
        ("Jun 29, 2026", "no weekly block any more", "", "none"),
    ]
    assert [row[0] for row in lines(found["Weekly template"])] == ["Monday", "Wednesday", "Friday"]


@pytest.mark.parametrize("begins", [datetime.date(2026, 4, 13), MON])
def test_blocks_entered_each_from_its_own_weekday_on_are_one_template(house, coordinator, begins):
    for block in house.group.blocks.all():
        block.valid_from = begins + datetime.timedelta(days=block.weekday)
        block.save()
    found = panels(coordinator, house.group)
    assert [row[0] for row in lines(found["Weekly template"])] == ["Monday", "Wednesday", "Friday"]
    assert lines(found["What a full week reaches"])[0][2:4] == (
        "9 h of 9 h", "3 of 3, from 3 h a day",
    )  # fmt: skip


@pytest.mark.parametrize(
    "fact",
    [
        {"level": 3},
        {"age_bracket": AgeBracket.ADOLESCENT},
        {"ends_on": datetime.date(2026, 3, 1)},
        {"other_program": True},
    ],
)
def test_only_standards_of_the_groups_program_level_age_and_date_judge_it(house, fact):
    if fact.pop("other_program", False):
        fact["program"] = f.ProgramFactory(clinic=house.clinic)
    given = {"name": "Court", "source": 3, "prorate": False, "starts_on": BEFORE, **fact}
    Standard.objects.create(clinic=house.clinic, **given)
    assert [one.standard.name for one in template(house).weeks] == ["Adult IOP 2.1"]


def test_a_payers_standard_stands_beside_the_programs(house, coordinator):
    Standard.objects.create(
        clinic=house.clinic, name="Four days", source=2, prorate=False, min_days=4, starts_on=BEFORE
    )
    assert [row[0::4] for row in lines(panels(coordinator, house.group)["What a full week reaches"])
            ] == [("Adult IOP 2.1", "reaches it"),
                  ("Four days", "1 day short: the timetable, not the patients")]  # fmt: skip


def test_without_a_standard_nothing_is_judged(house, coordinator):
    house.group.level = 1
    house.group.save()
    found = panels(coordinator, house.group)
    assert lines(found["Weekly template"])[0][-1] == "3 h"
    assert found["What a full week reaches"].rows == []


def test_a_group_without_blocks_says_what_to_do(house, coordinator):
    house.group.blocks.all().delete()
    found = panels(coordinator, house.group)
    assert found["Weekly template"].rows == []
    address = f"{url(WeeklyBlock, 'new')}?group={house.group.pk}"
    assert f'href="{address}"' in found["Weekly template"].note
    assert coordinator.open(WeeklyBlock, "new", group=house.group.pk).status_code == 200
    assert "What a full week reaches" not in found


# --- cases ------------------------------------------------------------------------------------


def test_an_open_case_names_its_rule(house, coordinator):
    row = flag(house)
    (line,) = lines(panels(coordinator, house.group)["Open cases: 1"])
    assert line == ("Too small", "Group under its viable size", "Mon Mar 9, 5:00 PM EDT",
                    "Coordinator")  # fmt: skip
    assert panels(coordinator, house.group)["Open cases: 1"].rows[0][0] == link(row, row.sentence)


def test_who_sees_no_cases_is_told_of_none(house):
    flag(house)
    found = panels(desk(house.clinic, Role.FRONT_DESK), house.group)
    assert "Open cases: 1" not in found


def test_a_leader_of_a_part_of_the_week_sees_all_of_it_judged(house):
    other = f.staff(house.clinic, Role.THERAPIST)
    house.group.blocks.filter(weekday=0).update(facilitator=other.memberships.get().therapist)
    found = panels(Desk(other), house.group)
    assert lines(found["What a full week reaches"])[0][-1] == "reaches it"
    assert len(found["Weekly blocks"].rows) == 1


# --- statements -------------------------------------------------------------------------------


def statements(house: House, rows: int) -> int:
    """Of the page of a group with so many cases, members and standards."""
    for number in range(rows):
        flag(house, f"small:{number}")
        house.patient(seat=number + 1)
        Standard.objects.create(
            clinic=house.clinic, name="Four days", source=2, prorate=False, min_days=4,
            starts_on=BEFORE, payer=f.PayerFactory(clinic=house.clinic),
        )  # fmt: skip
    at = desk(house.clinic)
    with CaptureQueriesContext(connection) as captured:
        assert at.open(house.group, "change").status_code == 200
    return len(captured)


def test_the_page_takes_as_many_statements_for_one_case_as_for_eight(house):
    assert (statements(house, 1), statements(House(), 8)) == (17, 17)
