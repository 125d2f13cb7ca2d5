"""All absence rules at once, over random months: whose fault a day is decides what it opens."""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendance.clinics import ABSENCE_RULES
from attendance.compliance.absences import Attendance
from attendance.compliance.courses import Course
from attendance.compliance.finders.absences import absence_findings
from attendance.compliance.finders.patterns import pattern_findings
from attendance.compliance.findings import Night
from attendance.compliance.settings import BusinessHours, ClinicSettings, Rule
from attendance.compliance.spans import Span
from attendance.models import AbsenceRule
from attendance.models.standards import Severity
from iop_clinic.accounts.roles import Role
from tests.attendance.months import march, month

Kind = AbsenceRule.Kind
ZONE = ZoneInfo("America/New_York")
ALWAYS = Span(date(2000, 1, 1))
OFFERED = [(Kind.MISSED_OF_LAST, 5, 10), (Kind.PERCENT_IN_DAYS, 75, 30), (Kind.TARDIES, 3, 30)]


def a_rule(kind, times=1, window_days=0, **_):
    role, due = Role.COORDINATOR, AbsenceRule.Due.SAME_BUSINESS_DAY
    return Rule(kind, times, window_days, Severity.ACT, role, due, 0, ALWAYS)


RULES = (*(a_rule(**row) for row in ABSENCE_RULES), *(a_rule(*row) for row in OFFERED))
HOURS = BusinessHours(ZONE, time(8), time(17), frozenset(range(5)))


def night_of(day):
    now = datetime.combine(day, time(23), tzinfo=ZONE)
    clinic = ClinicSettings(
        clinic_id=1, zone=ZONE, week_starts_on=0, adult_at=18, hours=HOURS, standards=(),
        rules=RULES, policies=(), blocks=(), watched_from=None,
    )  # fmt: skip
    return Night(clinic, day, now)


def a_course(priority=False):
    return Course(
        clinic_id=1, episode_id=1, program_id=1, state="admitted", treated=ALWAYS, deceased=False,
        birth_date=date(1990, 1, 1), priority=priority, priority_until=None, therapist_user_id=None,
        plans=(), holds=(), seats=(), payers=(), courts=(),
    )  # fmt: skip


def opened(letters, *, priority=False):
    """What the nights of a month open, one after the other: (rule, evidence key)."""
    found = set()
    for number in range(1, len(letters) + 1):
        night = night_of(march(number))
        attendance = Attendance(tuple(month(letters[:number])))
        course = a_course(priority)
        rows = [*absence_findings(night, course, attendance)]
        rows += pattern_findings(night, course, attendance)
        found |= {(one.key.rule, one.key.evidence_key) for one in rows if one.fresh}
    return found


loud = st.text("Axl.", min_size=1, max_size=35)


@given(loud, st.data())
def test_a_day_that_is_nobodys_fault_opens_no_absence_case(letters, data):
    """Excused, waiting for proof, cancelled or without a roster: it neither counts nor breaks."""
    free = [n for n, one in enumerate(letters) if one == "."]
    if free:
        place, kind = data.draw(st.sampled_from(free)), data.draw(st.sampled_from("epcu"))
        more = letters[:place] + kind + letters[place + 1 :]
        assert opened(more) == opened(letters)


@given(st.text("Aepcu.", max_size=35))
def test_who_never_misses_unexcused_has_no_absence_case(letters):
    assert {rule for rule, _ in opened(letters)} <= {Kind.EXCUSED_DAYS}


@given(loud)
def test_a_missed_day_owes_one_call_and_not_two(letters):
    calls = [key for rule, key in opened(letters) if rule in (Kind.NO_CALL_DAY, Kind.FIRST_DAYS)]
    assert sorted(calls) == sorted(set(calls))


@pytest.mark.parametrize(
    ("letters", "rules"),
    [
        ("A" * 30, set()),
        ("A.x", {Kind.FIRST_DAYS}),
        ("A.x.x", {Kind.FIRST_DAYS, Kind.CONSECUTIVE}),
        ("A.x.x.", {Kind.FIRST_DAYS, Kind.CONSECUTIVE, Kind.SILENT_DAYS}),
        ("e.e.e", {Kind.EXCUSED_DAYS}),
        ("l.l.l", {Kind.TARDIES}),
        ("A.x.A.x.A.x", {Kind.FIRST_DAYS, Kind.COUNT_IN_DAYS, Kind.PERCENT_IN_DAYS}),
    ],
)
def test_what_a_month_opens(letters, rules):
    assert {rule for rule, _ in opened(letters)} == rules


def test_a_priority_patient_is_missed_sooner():
    assert (Kind.SILENT_DAYS, "2026-03-01") in opened("A.x.", priority=True)
    assert (Kind.SILENT_DAYS, "2026-03-01") not in opened("A.x.")
