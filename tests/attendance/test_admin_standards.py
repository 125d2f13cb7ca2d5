"""Standards and rules at the admin site: from a preset, looked at, saved, replaced, ended."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest
import time_machine

from attendance.models import AbsenceRule, CreditRule, Standard
from iop_clinic.accounts.admin.panels import link
from iop_clinic.accounts.models import AuditEvent, Clinic
from iop_clinic.accounts.roles import Role
from patients.models import Coverage
from tests import factories
from tests.admin import Answer, Desk, actors, desk, filled, typed, url
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


def test_a_standard_is_entered_after_a_look_and_later_only_read(administrator):
    ahead = administrator.look(Standard, "new", **standard())
    assert not Standard.objects.exists()
    answer = administrator.save(ahead)
    assert answer.sentences == ["“IOP” judges weeks from Mon Jan 5 on."]
    row = Standard.objects.get()
    sent = {"ends_on": "2026-03-01", "min_minutes": "1"}
    assert administrator.send(f"/admin/attendance/standard/{row.pk}/change/", sent).status == 403
    row.refresh_from_db()
    assert (row.ends_on, row.min_minutes) == (None, 540)
    assert (actors(row), actors(row, "I")) == (set(), {administrator.user.actor})


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
            "Its weeks begin on Monday: start on Mon Jan 5 or Mon Jan 12.",
        ),
        (
            {"ends_on": "2026-03-05"},
            "ends_on",
            "Nobody would judge the rest of that week: end it on Sun Mar 1 or Sun Mar 8.",
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
    assert "9 h a week, needed anew at least every 60 days" in shown.content.decode()


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
        "It concerns 1 patient in open weeks of Mar 2 – Mar 8, 2026; 1 week of 1 patient changes. "
        "“Adult IOP 2.1” ends on Sun Mar 1."
    )
    assert summary.headers == ("Of", "Met", "Short", "Open", "Of these not booked")
    assert summary.rows == [("Minutes", "0", "0", "1", "0 → 1"), ("Days", "0", "0", "1", "0")]
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


def test_ending_says_who_is_judged_by_nothing_before_it_is_saved(db):
    house = House()
    administrator = desk(house.clinic, Role.ADMINISTRATOR)
    pat = house.patient()
    minor = factories.PatientFactory(clinic=house.clinic, birth_date=datetime.date(2012, 5, 1))
    house.patient(patient=minor, seat=2)
    house.full_week(pat, MON)
    row = Standard.objects.get(clinic=house.clinic, name="Adult IOP 2.1")
    ahead = administrator.look(row, "end", ends_on="2026-03-01")
    summary, patients = ahead.panels
    assert summary.note == (
        "1 patient in treatment is judged by no standard of the program from Mon Mar 2. It "
        "concerns 1 patient in open weeks of Mar 2 – Mar 8, 2026; 1 week of 1 patient changes. "
        "“Adult IOP 2.1” ends on Sun Mar 1."
    )
    assert [(who, then) for who, _, _, then in patients.rows] == [(str(pat.patient), "not judged")]
    row.refresh_from_db()
    assert row.ends_on is None
    assert administrator.save(ahead).sentences == ["“Adult IOP 2.1” ends on Sun Mar 1."]
    row.refresh_from_db()
    assert row.ends_on == datetime.date(2026, 3, 1)


def test_an_end_is_taken_back_after_a_look(db):
    house = House()
    administrator = desk(house.clinic, Role.ADMINISTRATOR)
    house.full_week(house.patient(), MON)
    row = Standard.objects.get(clinic=house.clinic, name="Adult IOP 2.1")
    administrator.save(administrator.look(row, "end", ends_on="2026-03-01"))
    assert administrator.fill(row, "end").refusal == "It ends then already."
    ahead = administrator.look(row, "end", ends_on="")
    assert ahead.panels[1].rows[0][2] == "not judged"
    assert administrator.save(ahead).sentences == ["“Adult IOP 2.1” goes on until it is replaced."]
    row.refresh_from_db()
    assert row.ends_on is None


def test_an_end_in_a_judged_week_is_refused_at_its_field(db):
    house = House()
    administrator = desk(house.clinic, Role.ADMINISTRATOR)
    house.full_week(house.patient())
    house.night(SUN)
    row = Standard.objects.get(clinic=house.clinic, name="Adult IOP 2.1")
    answer = administrator.fill(row, "end", ends_on="2026-03-01")
    assert answer.errors["ends_on"] == [
        "Weeks up to Sun Mar 8 have been judged. End it on Sun Mar 8 or later."
    ]
    row.refresh_from_db()
    assert row.ends_on is None


def medicare(administrator: Desk, **extra: object) -> dict[str, object]:
    page = administrator.open(Standard, "new", preset="medicare")
    return {**filled(page), "preset": "medicare", "starts_on": "2026-03-02", **extra}


def test_a_payers_preset_asks_for_the_payer(administrator, clinic):
    address = url(Standard, "new")
    sent = medicare(administrator)
    assert administrator.send(address, sent).errors == {
        "payer": ["Choose the payer whose patients it judges."]
    }
    payer = factories.PayerFactory(clinic=clinic)
    shown = administrator.client.post(address, {**sent, "payer": payer.pk})
    assert [panel.title for panel in shown.context["ahead"]] == [
        "Weeks judged",
        "Patients' weeks that change",
    ]


def test_a_standard_of_any_payer_says_whom_it_judges(db):
    house = House()
    administrator = desk(house.clinic, Role.ADMINISTRATOR)
    insured, _ = house.patient(), house.patient(seat=2)
    payer = factories.PayerFactory(clinic=house.clinic)
    Coverage.objects.create(
        clinic=house.clinic, patient=insured.patient, payer=payer, starts_on=JANUARY
    )
    facts = standard(starts_on=MON, source=2, prorate=[])
    summary, patients = administrator.look(Standard, "new", **facts).panels
    assert summary.note == (
        "It concerns 1 patient in open weeks of Mar 2 – Mar 8, 2026; 1 week of 1 patient changes. "
        "No payer is chosen: it judges all who have any payer, self-pay too."
    )
    assert [row[0] for row in patients.rows] == [str(insured.patient)]


# --- rules ---------------------------------------------------------------------------------------


def rule_form(administrator: Desk, kind: int, **extra: object) -> dict[str, object]:
    """What a browser would send of the form for a kind of rule."""
    page = administrator.open(AbsenceRule, "new", kind=kind)
    return {**filled(page), "starts_on": "2026-01-05", **typed(extra)}


def add_rule(administrator: Desk, kind: int, **extra: object) -> Answer:
    return administrator.send(url(AbsenceRule, "new"), rule_form(administrator, kind, **extra))


def test_rules_are_entered_once_for_the_same_days(administrator):
    assert add_rule(administrator, 3).sentences == [
        "“2 consecutive unexcused treatment days” opens cases from the night of Mon Jan 5 on."
    ]
    assert add_rule(administrator, 3).refusal == "The same rule already covers these dates."
    credit = {"starts_on": "2026-01-05"}
    assert administrator.fill(CreditRule, "add", **credit).status == 302
    assert administrator.fill(CreditRule, "add", **credit).refusal == (
        "Another credit rule covers these dates."
    )
    assert (AbsenceRule.objects.count(), CreditRule.objects.count()) == (1, 1)
    assert CreditRule.objects.get().excused_reasons[:2] == ["illness", "medical"]


def test_a_second_rule_of_a_kind_is_named_before_it_is_saved(administrator):
    add_rule(administrator, 3)
    first = AbsenceRule.objects.get()
    sent = rule_form(administrator, 3, times=4, severity=4)
    shown = administrator.client.post(url(AbsenceRule, "new"), sent)
    (panel,) = shown.context["ahead"]
    assert panel.title == "In force on the same dates"
    assert panel.rows == [(link(first), "Act today", "Due 24 hours after it opens")]
    assert AbsenceRule.objects.count() == 1
    seen = {**sent, "seen": shown.context["seal"]}
    assert administrator.send(url(AbsenceRule, "new"), seen).status == 302
    assert sorted(AbsenceRule.objects.values_list("times", "severity")) == [(2, 3), (4, 4)]


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        (1, []),
        (4, ["Unexcused days", "In how many days"]),
        (14, ["Silent days", "Silent days of a priority patient"]),
        (15, ["Days from the first session"]),
        (22, ["Patients of one primary therapist"]),
    ],
)
def test_a_rule_is_asked_for_the_numbers_it_has(administrator, kind, labels):
    form = administrator.open(AbsenceRule, "new", kind=kind).context["form"]
    numbers = [form.fields[name] for name in ("times", "window_days") if name in form.fields]
    assert [field.label for field in numbers] == labels


def test_the_kind_is_chosen_before_its_numbers(administrator):
    shown = administrator.open(AbsenceRule, "new", kind="x")
    assert list(shown.context["form"].fields) == ["kind"]
    chosen = administrator.client.post(url(AbsenceRule, "new"), {"kind": "14"})
    form = chosen.context["form"]
    assert (form.errors, form.initial["times"], form.initial["window_days"]) == ({}, 5, 2)
    assert not AbsenceRule.objects.exists()


@pytest.mark.parametrize(
    ("figures", "rule", "due"),
    [
        (
            {"kind": 14, "times": 5, "window_days": 2},
            "Silent for 5 days, 2 for priority patients",
            "Due the business day it opens",
        ),
        (
            {"kind": 1, "due": "business_days", "due_amount": 1},
            "Short of weekly hours",
            "Due 1 business day after it opens",
        ),
        (
            {"kind": 19, "times": 7, "window_days": 1, "due": "hours", "due_amount": 24},
            "Authorization ends within 7 days, or 1 unit left",
            "Due 24 hours after it opens",
        ),
        ({"kind": 3}, "1 consecutive unexcused treatment day", "Due the business day it opens"),
    ],
)
def test_a_rule_is_a_sentence_with_its_numbers(administrator, clinic, figures, rule, due):
    row = AbsenceRule.objects.create(clinic=clinic, starts_on=JANUARY, **figures)
    for page in (administrator.open(AbsenceRule), administrator.open(row, "change")):
        text = page.content.decode()
        assert (rule in text, due.lower() in text.lower()) == (True, True)


def test_a_window_of_no_days_is_refused(administrator):
    answer = add_rule(administrator, 4, times=3, window_days=0)
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
    for model in (Standard, AbsenceRule):
        for page in ("new", "add"):
            assert coordinator.open(model, page).status_code == 403
    for page in ("replace", "end"):
        assert coordinator.open(row, page).status_code == 403
    address = f"/admin/attendance/standard/{row.pk}/"
    assert coordinator.send(f"{address}change/", {"ends_on": "2026-03-08"}).status == 403
    assert coordinator.send(f"{address}end/", {"ends_on": "2026-03-08"}).status == 403
    assert coordinator.send(f"{address}replace/", {"starts_on": "2026-03-09"}).status == 403
    assert not AuditEvent.objects.filter(operation="U", table_name=row._meta.db_table).exists()
