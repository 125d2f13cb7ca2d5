"""Standards and rules at the admin site: from a preset, looked at, saved, replaced, ended."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest
import time_machine

from attendance.models import AbsenceRule, CreditRule, Standard
from iop_clinic.accounts.models import AuditEvent, Clinic
from iop_clinic.accounts.roles import Role
from tests import factories
from tests.admin import Desk, actors, desk
from tests.attendance.house import FRI, MON, SUN, WED, House

DAY = datetime.date(2026, 3, 2)
JANUARY = datetime.date(2026, 1, 5)  # a Monday


@pytest.fixture(autouse=True)
def _wednesday_noon() -> Iterator[None]:
    with time_machine.travel(
        datetime.datetime(2026, 3, 4, 17, 30, tzinfo=datetime.UTC), tick=False
    ):
        yield


@pytest.fixture
def clinic(db) -> Clinic:
    return factories.ClinicFactory()


@pytest.fixture
def administrator(clinic) -> Desk:
    return desk(clinic, Role.ADMINISTRATOR)


@pytest.fixture
def coordinator(clinic) -> Desk:
    return desk(clinic)


def standard(**extra: object) -> dict[str, object]:
    return {"name": "IOP", "starts_on": JANUARY, **extra}


# --- standards -----------------------------------------------------------------------------------


def test_a_standard_is_entered_after_a_look_and_later_only_ended(administrator):
    ahead = administrator.look(Standard, "new", **standard())
    assert not Standard.objects.exists()
    answer = administrator.save(ahead)
    assert answer.sentences == ["“IOP” judges weeks from 2026-01-05 on."]
    row = Standard.objects.get()
    assert administrator.fill(row, "change", ends_on="2026-03-01", min_minutes=1).status == 302
    row.refresh_from_db()
    assert (row.ends_on, row.min_minutes) == (datetime.date(2026, 3, 1), 540)
    assert actors(row) == actors(row, "I") == {administrator.user.actor}


def test_changed_values_are_looked_at_again(administrator):
    ahead = administrator.look(Standard, "new", **standard())
    ahead.data["min_minutes"] = "600"
    assert administrator.save(ahead).status == 200
    assert not Standard.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "field", "sentence"),
    [
        ({"min_minutes": 1300}, "__all__", "The minimum lies over the maximum."),
        ({"min_days": 8}, "__all__", "A week has at most 7 days."),
        ({"ends_on": "2026-01-01"}, "__all__", "The standard ends before it starts."),
        ({"source": 2}, "__all__", "Payers and courts see the unreduced figure."),
        (
            {"starts_on": "2026-01-07"},
            "starts_on",
            "Its weeks begin on Monday: start on 2026-01-05 or 2026-01-12.",
        ),
        (
            {"ends_on": "2026-03-05"},
            "ends_on",
            "Nobody would judge the rest of that week: end it on 2026-03-01 or 2026-03-08.",
        ),
    ],
)
def test_a_standard_that_cannot_be_is_refused(administrator, wrong, field, sentence):
    answer = administrator.fill(Standard, "new", **standard(**wrong))
    assert answer.errors == {field: [sentence]}
    assert not Standard.objects.exists()


def test_a_second_standard_for_the_same_weeks_is_refused(administrator, clinic):
    Standard.objects.create(clinic=clinic, **standard())
    answer = administrator.fill(Standard, "new", **standard(name="Again"))
    assert answer.refusal == (
        "Another standard of this source, level and bracket covers these dates."
    )
    assert Standard.objects.count() == 1


def test_a_preset_fills_the_form_and_names_its_source(administrator, clinic):
    clinic.week_starts_on = 6
    clinic.save()
    shown = administrator.open(Standard, "new", preset="medicare")
    first = shown.context["form"].initial
    assert (first["min_minutes"], first["max_minutes"], first["services_per_day"]) == (540, None, 3)
    assert (first["source"], first["prorate"], first["week_starts_on"]) == (2, False, 6)
    assert "R6: 9 h a week, needed anew at least every 60 days" in shown.content.decode()


def test_an_unknown_preset_is_an_empty_form(administrator):
    shown = administrator.open(Standard, "new", preset="\0x")
    assert "Start from a preset" in shown.content.decode()


def test_a_standard_without_a_maximum_has_none(administrator):
    administrator.save(administrator.look(Standard, "new", **standard(max_minutes="")))
    assert Standard.objects.get().max_minutes is None


def test_replacing_shows_whose_weeks_change_and_ends_the_one_before(db):
    house = House()
    administrator = desk(house.clinic, Role.ADMINISTRATOR)
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    row = Standard.objects.get(clinic=house.clinic, name="Adult IOP 2.1")
    ahead = administrator.look(row, "replace", starts_on=MON, min_minutes=600)
    summary, patients = ahead.panels
    assert summary.note == (
        "1 patients, open weeks of Mar 2 – Mar 8, 2026. “Adult IOP 2.1” ends on 2026-03-01."
    )
    assert patients.rows == [
        (
            str(pat.patient),
            "Mar 2 – Mar 8, 2026",
            "Adult IOP 2.1: minutes open, days open",
            "Adult IOP 2.1: minutes open, 1 h not booked, days open",
        )
    ]
    administrator.save(ahead)
    before, after = Standard.objects.filter(name="Adult IOP 2.1").order_by("starts_on")
    assert (before.ends_on, after.starts_on) == (datetime.date(2026, 3, 1), MON)
    assert (after.min_minutes, after.ends_on) == (600, None)


def test_an_end_in_a_judged_week_is_refused_at_its_field(db):
    house = House()
    administrator = desk(house.clinic, Role.ADMINISTRATOR)
    house.full_week(house.patient())
    house.night(SUN)
    row = Standard.objects.get(clinic=house.clinic, name="Adult IOP 2.1")
    answer = administrator.fill(row, "change", ends_on="2026-03-01")
    assert answer.errors["ends_on"] == [
        "Weeks up to 2026-03-08 have been judged. End it on 2026-03-08 or later."
    ]
    row.refresh_from_db()
    assert row.ends_on is None


# --- rules ---------------------------------------------------------------------------------------


def test_rules_are_entered_once_for_the_same_days(administrator):
    rule = {"kind": 3, "times": 2, "severity": 3, "starts_on": "2026-01-05"}
    assert administrator.fill(AbsenceRule, "add", **rule).status == 302
    assert administrator.fill(AbsenceRule, "add", **rule).refusal == (
        "The same rule already covers these dates."
    )
    credit = {"starts_on": "2026-01-05"}
    assert administrator.fill(CreditRule, "add", **credit).status == 302
    assert administrator.fill(CreditRule, "add", **credit).refusal == (
        "Another credit rule covers these dates."
    )
    assert (AbsenceRule.objects.count(), CreditRule.objects.count()) == (1, 1)
    assert CreditRule.objects.get().excused_reasons[:2] == ["illness", "medical"]


def test_a_window_of_no_days_is_refused(administrator):
    rule = {"kind": 4, "times": 3, "window_days": 0, "severity": 3, "starts_on": "2026-01-05"}
    answer = administrator.fill(AbsenceRule, "add", **rule)
    assert answer.refusal == "The window must hold at least that many days."
    assert not AbsenceRule.objects.exists()


def test_a_rule_is_replaced_from_a_date_and_ended(administrator, clinic):
    row = AbsenceRule.objects.create(
        clinic=clinic, kind=4, times=3, window_days=30, starts_on=JANUARY
    )
    administrator.fill(row, "replace", starts_on="2026-03-09", window_days=90)
    before, after = AbsenceRule.objects.order_by("starts_on")
    assert (before.window_days, before.ends_on) == (30, SUN)
    assert (after.times, after.window_days, after.ends_on) == (3, 90, None)
    administrator.fill(after, "change", ends_on="2026-04-01")
    after.refresh_from_db()
    assert after.ends_on == datetime.date(2026, 4, 1)


def test_a_replaced_rule_with_a_window_of_no_days_leaves_the_old_one(administrator, clinic):
    row = AbsenceRule.objects.create(
        clinic=clinic, kind=4, times=3, window_days=30, starts_on=JANUARY
    )
    answer = administrator.fill(row, "replace", starts_on="2026-03-09", window_days=0)
    assert answer.refusal == "The window must hold at least that many days."
    row.refresh_from_db()
    assert (row.ends_on, AbsenceRule.objects.count()) == (None, 1)


def test_a_coordinator_reads_the_rules_and_changes_none(coordinator, clinic):
    row = Standard.objects.create(clinic=clinic, name="IOP", starts_on=DAY)
    assert coordinator.open(row, "change").status_code == 200
    for page in ("new", "add"):
        assert coordinator.open(Standard, page).status_code == 403
    assert coordinator.open(row, "replace").status_code == 403
    address = f"/admin/attendance/standard/{row.pk}/"
    assert coordinator.send(f"{address}change/", {"ends_on": "2026-03-08"}).status == 403
    assert coordinator.send(f"{address}replace/", {"starts_on": "2026-03-09"}).status == 403
    assert not AuditEvent.objects.filter(operation="U", table_name=row._meta.db_table).exists()
