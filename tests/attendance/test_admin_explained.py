"""Standards and rules in plain sentences, and the way to them from what they judged."""

from __future__ import annotations

import datetime

import pytest

from attendance.admin.explained import (
    credit_explained,
    credit_sentence,
    rule_explained,
    rule_sentence,
    standard_explained,
    standard_sentence,
)
from attendance.admin.judged_by import rule_of
from attendance.clinics import ABSENCE_RULES
from attendance.models import AbsenceRule, CreditRule, Flag, Standard
from iop_clinic.accounts.admin.panels import link
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.roles import Role
from patients.models import AgeBracket
from tests import factories as f
from tests.admin import desk, url
from tests.attendance.house import BEFORE, MON, House
from tests.lists import cells, panels

JANUARY = datetime.date(2026, 1, 5)


@pytest.fixture
def clinic(house) -> Clinic:
    return house.clinic


# --- rules ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        (
            {"kind": 3, "times": 2, "due": "hours", "due_amount": 24},
            (
                "A patient with 2 unexcused treatment days in a row is a case for the coordinator, "
                "due 24 hours after it opens."
            ),
        ),
        (
            {"kind": 4, "times": 3, "window_days": 30, "due": "business_days", "due_amount": 2},
            (
                "A patient with 3 unexcused days in 30 days is a case for the coordinator, due 2 "
                "business days after it opens."
            ),
        ),
        (
            {"kind": 2, "owner_role": "therapist"},
            (
                "A patient who misses a treatment day without a call is a case for the primary "
                "therapist, due the business day it opens."
            ),
        ),
        (
            {"kind": 14, "times": 5, "window_days": 2},
            (
                "A patient whom nobody saw or heard for 5 days (2 for priority patients) is a case "
                "for the coordinator, due the business day it opens."
            ),
        ),
        (
            {"kind": 19, "times": 7, "window_days": 1, "owner_role": "utilization_review"},
            (
                "An authorization that ends within 7 days, or has 1 unit left, is a case for "
                "utilization review, due the business day it opens."
            ),
        ),
        (
            {"kind": 11, "times": 75, "window_days": 30, "owner_role": "administrator"},
            (
                "A patient who attended under 75 % of the treatment days in 30 days is a case for "
                "the administrator, due the business day it opens."
            ),
        ),
        (
            {"kind": 12, "times": 1, "window_days": 7, "owner_role": "front_desk"},
            (
                "A patient with 1 day of late arrival in 7 days is a case for the front desk, due "
                "the business day it opens."
            ),
        ),
    ],
)
def test_a_rule_is_said_with_its_numbers_owner_and_time(figures, sentence):
    assert rule_sentence(AbsenceRule(starts_on=JANUARY, **figures)) == sentence


@pytest.mark.parametrize("kind", AbsenceRule.Kind)
def test_every_kind_of_rule_is_explained(kind):
    usual = next((one for one in ABSENCE_RULES if one["kind"] == kind), {"kind": kind})
    said = rule_explained(AbsenceRule(starts_on=JANUARY, **usual))
    assert said.count(" is a case for ") == 1
    assert "{" not in said
    assert said.endswith("otherwise a person closes it with an outcome.")


@pytest.mark.parametrize(("due", "sooner"), [("same_day", True), ("hours", False)])
def test_a_missed_day_due_the_same_day_is_due_sooner_for_priority_patients(due, sooner):
    rule = AbsenceRule(kind=2, due=due, due_amount=24, starts_on=JANUARY)
    said = "For a priority patient it is due 2 hours into the day."
    assert (said in rule_explained(rule)) == sooner


def test_the_list_and_the_page_of_a_rule_say_what_it_does(clinic, coordinator):
    rule = AbsenceRule.objects.get(clinic=clinic, kind=3)
    does = [row["does"] for row in cells(coordinator, AbsenceRule) if row["said"] == str(rule)]
    assert does == [rule_sentence(rule)]
    assert panels(coordinator, rule)["What it does"].empty == rule_explained(rule)


def case(house: House, kind: int) -> Flag:
    episode = house.patient()
    return Flag.objects.create(
        clinic=house.clinic, rule=kind, subject_type=1, subject_id=episode.pk, episode=episode,
        evidence_key="2026-03-02", sentence="Missed", severity=3, owner_role="coordinator",
        opened_for=MON, due_at=house.at(MON, "17:00"),
    )  # fmt: skip


def test_a_rule_leads_to_its_open_cases(house, coordinator):
    case(house, 3)
    rule = AbsenceRule.objects.get(clinic=house.clinic, kind=3)
    found = panels(coordinator, rule)["Cases"].empty
    assert f'href="{url(Flag)}?rule__exact=3"' in found
    assert "1 open case of this kind" in found
    assert len(coordinator.open(Flag, rule__exact=3).context["cl"].result_list) == 1


def test_who_sees_no_cases_is_told_of_none(house):
    case(house, 3)
    rule = AbsenceRule.objects.get(clinic=house.clinic, kind=3)
    assert list(panels(desk(house.clinic, Role.FRONT_DESK), rule)) == ["What it does"]


def test_a_case_leads_to_the_rule_that_opened_it(house, coordinator):
    flag = case(house, 3)
    rule = AbsenceRule.objects.get(clinic=house.clinic, kind=3)
    assert rule_of(flag) == link(rule)
    assert panels(coordinator, flag)["Missed"].rows[0][-1] == link(rule)


def test_a_case_of_one_of_several_rules_leads_to_all_of_the_kind(house):
    AbsenceRule.objects.create(clinic=house.clinic, kind=3, times=4, starts_on=BEFORE)
    address = f"{url(AbsenceRule)}?kind__exact=3"
    assert f'href="{address}"' in rule_of(case(house, 3))


def test_a_case_of_a_rule_that_was_replaced_leads_to_the_one_of_then(house):
    AbsenceRule.objects.filter(clinic=house.clinic, kind=3).update(ends_on=MON)
    old = AbsenceRule.objects.get(clinic=house.clinic, kind=3)
    AbsenceRule.objects.create(
        clinic=house.clinic, kind=3, times=4, starts_on=datetime.date(2026, 3, 3)
    )
    assert rule_of(case(house, 3)) == link(old)


# --- standards and credit rules ---------------------------------------------------------------


def standard(**extra: object) -> Standard:
    return Standard(name="IOP", starts_on=JANUARY, **extra)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (
            {},
            "Adults in IOP 2.1: at least 9 h a week and at most 20 h, on 3 days with 3 h or more.",
        ),
        (
            {"age_bracket": AgeBracket.ADOLESCENT, "max_minutes": None, "min_days": 0},
            "Adolescents in IOP 2.1: at least 9 h a week.",
        ),
        (
            {"source": 2, "min_days": 1, "day_threshold": 0, "services_per_day": 3},
            (
                "Adults in IOP 2.1 whoever pays for them: at least 9 h a week and at most 20 h, on "
                "1 day with 3 services or more."
            ),
        ),
        (
            {"source": 3, "max_minutes": None, "day_threshold": 0},
            "Adults in IOP 2.1 whom a court sent: at least 9 h a week, on 3 days.",
        ),
    ],
)
def test_a_standard_is_said_with_its_numbers(facts, sentence):
    assert standard_sentence(standard(**facts)) == sentence


def test_a_standard_names_its_program_and_payer(clinic):
    row = standard(
        source=2, program=f.ProgramFactory.build(name="Evening"),
        payer=f.PayerFactory.build(name="Acme"), min_days=0, max_minutes=None,
    )  # fmt: skip
    said = "Adults in IOP 2.1 of Evening whom Acme pays for: at least 9 h a week."
    assert standard_sentence(row) == said


def test_a_standard_is_explained_where_it_stands(clinic, coordinator):
    row = Standard.objects.get(clinic=clinic, name="Adult IOP 2.1")
    said = panels(coordinator, row)["What it does"].empty
    assert said == standard_explained(row)
    assert said == (
        "Adults in IOP 2.1: at least 9 h a week and at most 20 h, on 3 days with 3 h or more. "
        "More than the maximum is the next level of care. Credited minutes are judged: what was "
        "attended, by the clinic’s credit rule, without breaks. A week of admission, discharge or "
        "hold asks for its share only, and what the clinic cancels comes off. Its weeks begin on "
        "Monday."
    )
    asks = {row["name"]: row["asks"] for row in cells(coordinator, Standard)}
    assert asks["Adult IOP 2.1"] == standard_sentence(row)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({}, "Every whole minute attended is credited, without breaks."),
        (
            {"kind": "round_down"},
            "Minutes of a session are rounded down to a multiple of 15.",
        ),
        (
            {"kind": "all_or_nothing"},
            (
                "Attendance under 80 % of a session credits nothing; from there on every minute "
                "attended."
            ),
        ),
    ],
)
def test_a_credit_rule_says_how_presence_becomes_minutes(facts, sentence):
    assert credit_sentence(CreditRule(starts_on=JANUARY, **facts)) == sentence


def test_a_credit_rule_says_what_is_late_and_what_excused(clinic, coordinator):
    row = CreditRule(starts_on=JANUARY, excused_reasons=["illness"], grace_minutes=1)
    assert credit_explained(row).removeprefix(credit_sentence(row)) == (
        " An arrival more than 1 minute after the start is late: a word on the roster that takes "
        "no minute away. An absence is excused when the patient told the clinic 24 h ahead. Told "
        "before the day’s first session it is for: illness. A court’s patient has 72 hours to "
        "bring proof."
    )
    (shown,) = cells(coordinator, CreditRule)
    assert shown["does"] == "Every whole minute attended is credited, without breaks."


def test_an_entered_credit_rule_names_its_reasons_in_words(clinic, coordinator):
    CreditRule.objects.filter(clinic=clinic).update(excused_reasons=["illness", "court"])
    page = coordinator.open(CreditRule.objects.get(clinic=clinic), "change")
    assert "Illness, Court appearance" in page.content.decode()
