"""A credit rule begins and ends where nothing is recorded yet."""

import datetime
from typing import Any

import pytest
from django.db import connection

from attendance.models import CreditRule
from attendance.records.credit_rules import end_credit_rule, set_credit_rule
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.roles import Role
from tests import factories as f
from tests.admin import desk
from tests.attendance.rosters import DAY, Roster, roster
from tests.attendance.together import together

RECORDED = datetime.date.fromisoformat(DAY)
ONE = datetime.timedelta(days=1)
START = datetime.date(2026, 1, 1)


@pytest.fixture
def sheet(db: None) -> Roster:
    sheet = roster(f.ClinicFactory())
    CreditRule.objects.create(clinic=sheet.clinic, starts_on=START)
    sheet.record(sheet.entry(0, arrived_at="09:07"))
    return sheet


def rules(sheet: Roster) -> list[tuple[object, ...]]:
    rows = CreditRule.objects.filter(clinic=sheet.clinic).order_by("starts_on")
    return list(rows.values_list("kind", "starts_on", "ends_on"))


def enter(sheet: Roster, starts_on: datetime.date, **figures: Any) -> CreditRule:
    figures = {"kind": "round_down", **figures}
    return set_credit_rule(clinic=sheet.clinic, starts_on=starts_on, by=sheet.by, **figures)


def test_the_rule_in_force_ends_the_day_before(sheet):
    enter(sheet, RECORDED + ONE)
    assert rules(sheet) == [("exact", START, RECORDED), ("round_down", RECORDED + ONE, None)]
    later = roster(sheet.clinic, day="2026-03-05")
    later.record(later.entry(0, arrived_at="09:07", day="2026-03-05"), now="2026-03-05 10:05")
    assert (sheet.stored().credited_minutes, later.stored().credited_minutes) == (53, 45)


@pytest.mark.parametrize("starts_on", [RECORDED, RECORDED - ONE, START])
def test_a_rule_does_not_begin_where_something_is_recorded(starts_on, sheet):
    with pytest.raises(Refused) as refused:
        enter(sheet, starts_on)
    assert (refused.value.code, refused.value.field) == ("rule_in_past", "starts_on")
    assert rules(sheet) == [("exact", START, None)]


def test_records_of_another_clinic_do_not_matter(sheet):
    other = f.ClinicFactory()
    set_credit_rule(clinic=other, starts_on=START, by=f.staff(other))
    assert CreditRule.objects.filter(clinic=other).count() == 1


@pytest.mark.parametrize(
    ("starts_on", "figures", "code"),
    [
        (RECORDED + 5 * ONE, {}, "creditrule_one_at_a_time"),
        (RECORDED + ONE, {}, "creditrule_one_at_a_time"),
        (RECORDED + 9 * ONE, {"min_percent": 0}, "creditrule_percent_1_to_100"),
        (RECORDED + 9 * ONE, {"ends_on": RECORDED}, "dates_in_order"),
    ],
)
def test_a_refused_rule_leaves_the_one_in_force(starts_on, figures, code, sheet):
    enter(sheet, RECORDED + 5 * ONE)
    before = rules(sheet)
    with pytest.raises(Refused) as refused:
        enter(sheet, starts_on, **figures)
    assert (refused.value.code, rules(sheet)) == (code, before)


@pytest.mark.parametrize(("ends_on", "refused"), [(RECORDED - ONE, True), (RECORDED, False)])
def test_a_rule_does_not_end_before_what_it_counted(ends_on, refused, sheet):
    rule = CreditRule.objects.get(clinic=sheet.clinic)
    if refused:
        with pytest.raises(Refused, match="Attendance is recorded up to Mar 4, 2026"):
            end_credit_rule(rule=rule, ends_on=ends_on, by=sheet.by)
    else:
        end_credit_rule(rule=rule, ends_on=ends_on, by=sheet.by)
    assert rules(sheet) == [("exact", START, None if refused else ends_on)]


def test_an_ended_rule_is_not_stretched_over_what_was_counted_without_it(sheet):
    rule = CreditRule.objects.get(clinic=sheet.clinic)
    CreditRule.objects.filter(pk=rule.pk).update(ends_on=RECORDED - ONE)
    rule.refresh_from_db()
    with pytest.raises(Refused) as refused:
        end_credit_rule(rule=rule, ends_on=None, by=sheet.by)
    assert (refused.value.code, refused.value.field) == ("rule_in_past", "ends_on")


def test_the_admin_site_enters_and_ends_rules_by_the_service(sheet):
    administrator = desk(sheet.clinic, Role.ADMINISTRATOR)
    figures = {"kind": "round_down", "round_to": 10}
    answer = administrator.fill(CreditRule, "add", starts_on=RECORDED, **figures)
    [message] = answer.errors["starts_on"]
    assert message.startswith("Attendance is recorded up to Mar 4, 2026")
    answer = administrator.fill(CreditRule, "add", starts_on=RECORDED + ONE, **figures)
    assert answer.sentences[-1].endswith("the rule before ends the day before.")
    assert rules(sheet) == [("exact", START, RECORDED), ("round_down", RECORDED + ONE, None)]
    first = CreditRule.objects.get(starts_on=START)
    assert administrator.fill(first, "change", ends_on=RECORDED - ONE).status == 200
    backwards = administrator.fill(first, "change", ends_on=START - ONE)
    assert backwards.errors == {"ends_on": ["The rule ends before it starts."]}
    assert rules(sheet)[0] == ("exact", START, RECORDED)


@pytest.mark.django_db(transaction=True)
def test_a_rule_entered_while_somebody_records_is_the_records_or_refused(transactional_db):
    for _ in range(5):
        sheet = roster(f.ClinicFactory(), size=3)
        CreditRule.objects.create(clinic=sheet.clinic, starts_on=START)
        entries = [sheet.entry(who, arrived_at="09:07") for who in range(3)]
        answers = together(
            lambda: sheet.record(*entries),  # noqa: B023
            lambda: enter(sheet, RECORDED),  # noqa: B023
        )
        refused = isinstance(answers[1], Refused)
        assert {row["credited_minutes"] for row in sheet.facts()} == {53 if refused else 45}
    assert connection.is_usable()
