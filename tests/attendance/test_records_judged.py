"""Correcting a day that a night has judged: cases and hours follow before the commit."""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.clinics import open_clinic
from attendance.compliance import evaluation
from attendance.compliance.evaluation import evaluate
from attendance.models import AbsenceRule, Flag, NightlyRun
from attendance.records.services import clear
from iop_clinic.accounts.acting import Job
from tests.attendance.rosters import Roster, roster

pytestmark = pytest.mark.django_db

DAY = datetime.date(2026, 3, 4)
MORNING = "2026-03-05 08:00"
UNRECORDED = AbsenceRule.Kind.UNRECORDED


@pytest.fixture
def sheet() -> Roster:
    clinic = open_clinic(name="Harbor", zone="America/New_York", by=Job("setup"))
    return roster(clinic, size=3)


def judge(sheet: Roster) -> None:
    night = sheet.at("05:00", "2026-03-05")
    NightlyRun.objects.create(
        clinic=sheet.clinic, local_date=DAY, state="finished", lease_until=night, finished_at=night
    )
    evaluate(clinic=sheet.clinic, local_date=DAY, by=Job("nightly"), now=night)


@pytest.fixture
def asked(monkeypatch) -> list[dict]:
    """What the evaluation was asked for, instead of doing it."""
    calls: list[dict] = []
    monkeypatch.setattr(evaluation, "reevaluate", lambda **options: calls.append(options))
    return calls


def calls(sheet: Roster) -> list[tuple[str, str]]:
    cases = Flag.objects.filter(clinic=sheet.clinic, rule=2).order_by("subject_id")
    return list(cases.values_list("state", "outcome"))


def test_a_corrected_miss_closes_its_case_at_once(sheet):
    sheet.record(sheet.entry(0, attended=False), all_present=True)
    judge(sheet)
    assert calls(sheet) == [("open", "")]
    sheet.record(sheet.entry(0, version=1, correction_reason="sat in the back"), now=MORNING)
    assert calls(sheet) == [("closed", "facts")]


def test_a_miss_found_later_opens_its_case_at_once(sheet):
    sheet.record(all_present=True)
    judge(sheet)
    sheet.record(sheet.entry(0, attended=False, version=1, correction_reason="twin"), now=MORNING)
    assert calls(sheet) == [("open", "")]


def test_only_the_recorded_patients_are_judged_again(sheet, asked):
    sheet.record(sheet.entry(0), sheet.entry(1))
    judge(sheet)
    sheet.record(sheet.entry(1, left_at="09:30", version=1), sheet.entry(2), now=MORNING)
    [question] = asked
    assert question["episode_ids"] == {sheet.bookings[n].episode_id for n in (1, 2)}
    assert set(question["rosters"]) == {sheet.session.pk}
    assert (question["clinic"], question["since"]) == (sheet.clinic, DAY)
    assert (question["by"], question["now"]) == (sheet.by, sheet.at("08:00", "2026-03-05"))


def test_a_roster_that_comes_after_its_night_opens_the_calls_and_settles_its_case(sheet):
    judge(sheet)
    roster_case = Flag.objects.get(rule=UNRECORDED)
    sheet.record(sheet.entry(0, attended=False), now=MORNING)
    roster_case.refresh_from_db()
    assert (calls(sheet), roster_case.state) == ([("open", "")], "open")
    assert roster_case.sentence.endswith("not recorded: 2 of 3 patients.")
    sheet.record(all_present=True, now=MORNING)
    roster_case.refresh_from_db()
    assert (roster_case.state, roster_case.outcome) == ("closed", "recorded")


def test_a_day_not_judged_yet_waits_for_its_night(sheet, asked):
    sheet.record(all_present=True)
    sheet.record(sheet.entry(0, left_at="09:30", version=1))
    assert asked == []


def test_clearing_is_a_correction(sheet, asked):
    sheet.record(all_present=True)
    judge(sheet)
    clear(
        booking=sheet.bookings[2], version=1, correction_reason="not seen", by=sheet.by,
        now=sheet.at("08:00", "2026-03-05"),
    )  # fmt: skip
    assert [question["episode_ids"] for question in asked] == [{sheet.bookings[2].episode_id}]


@pytest.mark.django_db(transaction=True)
def test_judging_again_costs_at_most_ten_more(sheet):
    sheet.record(all_present=True)
    entries = [
        sheet.entry(who, attended=False, version=1, correction_reason="fire drill")
        for who in range(3)
    ]
    NightlyRun.objects.create(
        clinic=sheet.clinic, local_date=DAY, state="evaluated", lease_until=sheet.at("05:00")
    )
    with CaptureQueriesContext(connection) as statements:
        sheet.record(*entries, now=MORNING)
    assert len(statements) <= 8 + 10
    assert calls(sheet) == [("open", "")] * 3
