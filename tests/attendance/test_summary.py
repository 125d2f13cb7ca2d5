"""An attendance summary: what its days, weeks and units come from, and what it leaves out."""

from __future__ import annotations

import datetime

import pytest

from attendance.admin.summary_words import sheet_of
from attendance.compliance.rules.absences import DayKind
from attendance.compliance.status import minutes_detail, week_statuses
from attendance.compliance.summary import attendance_summary
from attendance.documents.sheet import PART2_NOTICE
from attendance.models import CreditRule, Standard
from patients.models import Authorization, EpisodeHold, Level
from tests import factories as f
from tests.attendance.house import FRI, MON, SUN, THU, TUE, WED, House

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)
WEEK = 7 * DAY


@pytest.fixture
def house():
    return House()


@pytest.fixture
def pat(house):
    """Came on Monday, left early on Wednesday, called in on Friday."""
    row = house.patient()
    house.full_week(row, MON)
    house.day(WED, [row])
    house.came(row, WED, left="10:30")
    house.day(FRI, [row])
    house.called_in(row, FRI)
    return row


def authorized(house, pat, **extra):
    facts = {"payer": f.PayerFactory(clinic=house.clinic), "number": "AU-1", "units": 12,
             "starts_on": MON, "ends_on": MON + 4 * WEEK}  # fmt: skip
    return Authorization.objects.create(clinic=house.clinic, episode=pat, **{**facts, **extra})


def summary_of(house, pat, first=MON, last=SUN, now=None):
    return attendance_summary(episode=pat, first=first, last=last, now=now or house.morning(SUN))


def sheet(house, pat, **dates):
    return sheet_of(summary_of(house, pat, **dates), made_by="Cora")


def days(found):
    return {row[0]: row[1:] for group in found.groups for row in group.rows}


def weeks(found):
    return {group.head[0]: group.head[1:] for group in found.groups}


# --- the same numbers as everywhere --------------------------------------------------------------


def test_its_days_are_the_ledgers(house, pat):
    ledger = minutes_detail(episode=pat, week_start=MON, now=house.morning(SUN))
    found = summary_of(house, pat).days
    assert [(one.local_date, one.scheduled, one.attended, one.credited) for one in found] == [
        (line.local_date, line.scheduled, line.attended, line.credited) for line in ledger
    ]
    assert [(one.credited, one.services, one.qualifies) for one in found] == [
        (180, 1, True), (80, 1, False), (0, 0, False),
    ]  # fmt: skip


def test_its_weeks_are_judged_as_everywhere(house, pat):
    now = house.morning(SUN)
    found = week_statuses(clinic=house.clinic, episode_ids=[pat.pk], weeks=[MON], now=now)
    (judged,) = found[pat.pk, MON].standards
    (week,) = summary_of(house, pat).weeks
    assert week.judged is not None
    assert (week.judged.judgement, week.judged.terms) == (judged.judgement, judged.terms)


def test_days_used_are_the_qualifying_days_of_the_authorization(house, pat):
    authorized(house, pat)
    house.full_week(pat, MON + WEEK, WED + WEEK, FRI + WEEK)
    found = summary_of(house, pat, last=SUN + WEEK, now=house.morning(SUN + WEEK))
    (approved,) = found.approved
    assert approved.reach.used == sum(day.qualifies for day in found.days) == 4
    assert (approved.reach.left, approved.days_left) == (8, 14)


def test_units_are_counted_over_the_whole_authorization_and_not_the_dates_asked_for(house, pat):
    authorized(house, pat)
    (approved,) = summary_of(house, pat, first=FRI, last=FRI).approved
    assert approved.reach.used == 1


def test_it_takes_six_statements_for_a_day_and_for_a_year(house, pat, django_assert_num_queries):
    authorized(house, pat)
    episode = type(pat).objects.select_related("patient", "program", "clinic").get(pk=pat.pk)
    with django_assert_num_queries(6):
        summary_of(house, episode, last=MON)
    for number in range(1, 18):
        house.full_week(pat, *(day + number * WEEK for day in (MON, WED, FRI)))
    with django_assert_num_queries(6):
        found = summary_of(house, episode, last=MON + 365 * DAY, now=house.morning(SUN + 17 * WEEK))
    assert len(found.days) == 54


# --- in words ------------------------------------------------------------------------------------


def test_what_a_reviewer_asks_first_is_said_first(house, pat):
    name, said = sheet(house, pat).facts[-1]
    assert name == "In all"
    assert said == (
        "3 days listed: 2 attended, 1 missed excused; 1 qualifying; "
        "credited 4 h 20 of 9 h scheduled"
    )


def test_each_day_says_its_minutes_and_what_was_out_of_the_ordinary(house, pat):
    assert days(sheet(house, pat)) == {
        "Mon Mar 2": ("3 h", "3 h", "3 h", "yes", "1", ""),
        "Wed Mar 4": ("3 h", "1 h 20", "1 h 20", "no", "1", "1 h 40 short of a day"),
        "Fri Mar 6": ("3 h", "0 min", "0 min", "no", "0", "missed, excused: illness"),
    }


def test_the_week_stands_against_its_minimum(house, pat):
    assert weeks(sheet(house, pat)) == {
        "Week Mar 2 – Mar 8": (
            "9 h", "4 h 20", "4 h 20", "1 of 3", "2",
            "9 h asked for: minutes short 4 h 40, days short 2 days",
        )
    }  # fmt: skip


def test_the_last_line_sums_the_days_that_are_listed(house, pat):
    assert sheet(house, pat, first=WED).total == (
        "2 days listed", "6 h", "1 h 20", "1 h 20", "0", "1", "1 attended, 1 missed excused",
    )  # fmt: skip


def test_a_week_that_the_dates_cut_is_judged_whole_and_says_so(house, pat):
    (label,) = weeks(sheet(house, pat, first=WED))
    assert label == "Week Mar 2 – Mar 8 (whole)"
    assert weeks(sheet(house, pat, first=WED))[label][1] == "4 h 20"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "missed, unexcused (no-show)"),
        ({"told": "08:50", "absence_reason": "work"},
         "missed, unexcused (late cancellation): work"),
        ({"excused_override": True, "override_reason": "Her brother died"}, "missed, excused"),
    ],
)  # fmt: skip
def test_a_missed_day_says_whether_it_is_excused_and_why(house, facts, said):
    pat = house.patient()
    house.day(MON, [pat])
    told = facts.pop("told", None)
    house.missed(pat, MON, notified_at=told and house.at(MON, told), **facts)
    assert days(sheet(house, pat))["Mon Mar 2"][-1] == said


def test_a_session_missed_on_an_attended_day_is_told(house):
    pat = house.patient()
    house.day(MON, [pat], "09:00", "10:00")
    house.came(pat, MON)
    late = house.day(MON, [pat], "10:10", "12:10")
    record = {"clinic": house.clinic, "booking": late.bookings.get(), "attended": False}
    type(pat.bookings.first().attendance).objects.create(**record)
    assert days(sheet(house, pat))["Mon Mar 2"][-1] == (
        "1 of 2 sessions missed, no-show; 2 h short of a day"
    )


def test_what_the_clinic_cancelled_or_nobody_recorded_is_not_missed(house):
    pat = house.patient()
    house.cancel(house.day(MON, [pat]))
    house.day(WED, [pat])
    found = days(sheet(house, pat))
    assert found["Mon Mar 2"] == ("0 min", "0 min", "0 min", "no", "0", "cancelled by the clinic")
    assert found["Wed Mar 4"] == ("3 h", "0 min", "0 min", "open", "0", "not recorded yet")


def test_days_to_come_are_not_listed(house, pat):
    house.day(MON + WEEK, [pat])
    found = sheet(house, pat, last=MON + WEEK)
    assert "Mon Mar 9" in days(found)  # the night is over: it is that Monday's morning
    assert days(found)["Mon Mar 9"][-1] == "still to come or not recorded yet"
    assert "Tue Mar 10" not in days(sheet(house, pat, last=TUE + WEEK))
    note = "Days after Mar 9, 2026 are not listed: they are still to come."
    assert note in sheet(house, pat, last=TUE + WEEK).notes


def test_the_facts_name_patient_plan_and_authorization(house, pat):
    pat.patient.first_name, pat.patient.preferred_name = "Zoë", "Zed"
    pat.patient.last_name = "Łukasik-Nguyễn"
    row = authorized(house, pat)
    facts = dict(sheet(house, pat).facts)
    assert facts["Patient"] == "Łukasik-Nguyễn, Zoë"  # as the payer knows her
    assert facts["Record number"] == pat.patient.record_number
    assert facts["Born"] == "Jan 1, 1990"
    assert facts["Level and plan"] == "IOP 2.1, 9 h a week on 3 days"
    assert facts["Authorization"] == (
        f"{row.payer} AU-1, Mar 2 – Mar 30, 2026: 1 of 12 days used, 11 left; ends in 21 days"
    )


@pytest.mark.parametrize(
    ("ends_on", "units", "said"),
    [
        (SUN, 12, "1 of 12 days used, 11 left; ended"),
        (SUN + DAY, 12, "1 of 12 days used, 11 left; ends today"),
        (SUN + 2 * DAY, 1, "1 of 1 days used, 0 left; ends in 1 day"),
    ],
)
def test_an_authorization_says_how_far_it_reaches(house, pat, ends_on, units, said):
    authorized(house, pat, ends_on=ends_on, units=units)
    assert dict(sheet(house, pat).facts)["Authorization"].endswith(said)


def test_units_that_run_out_by_what_is_booked_are_told(house, pat):
    authorized(house, pat, units=2)
    house.day(WED + WEEK, [pat])
    house.day(FRI + WEEK, [pat])
    said = dict(sheet(house, pat).facts)["Authorization"]
    assert "1 left; by what is booked they run out on Mar 11, 2026;" in said


def test_without_an_authorization_it_says_so(house, pat):
    assert dict(sheet(house, pat).facts)["Authorization"] == "none for these dates"


def test_the_notes_say_how_minutes_were_counted(house, pat):
    CreditRule.objects.update(kind=CreditRule.Kind.ROUND_DOWN, round_to=15)
    counted, judged = sheet(house, pat).notes
    assert "rounded down to 15 min" in counted
    assert judged == (
        "Judged by Adult IOP 2.1: a day qualifies from 3 h credited; weeks are judged whole."
    )


# --- whose standard, and what a payer is not told -------------------------------------------------


def paid_by(house, pat, **extra):
    """A payer with a standard of its own, and the authorization that names it."""
    payer = authorized(house, pat).payer
    facts = {"name": "Payer’s hours", "source": Standard.Source.PAYER, "prorate": False,
             "starts_on": MON - 4 * WEEK, "payer": payer, "min_minutes": 240, "min_days": 1,
             "day_threshold": 60}  # fmt: skip
    return Standard.objects.create(clinic=house.clinic, **{**facts, **extra})


def test_a_payers_own_standard_judges_its_patients(house, pat):
    paid_by(house, pat)
    found = sheet(house, pat)
    assert weeks(found)["Week Mar 2 – Mar 8"][-1] == "4 h asked for: minutes met, days met"
    assert [row[3] for row in days(found).values()] == ["yes", "yes", "no"]
    assert "2 of 12 days used" in dict(found.facts)["Authorization"]


def test_a_payers_week_may_begin_on_another_day(house, pat):
    paid_by(house, pat, week_starts_on=6)
    found = sheet(house, pat)
    assert list(weeks(found)) == ["Mar 2 – Mar 7", "Week Mar 8 – Mar 14 (whole)"]
    assert list(days(found)) == ["Mon Mar 2", "Wed Mar 4", "Fri Mar 6"]


def test_a_payer_is_told_of_no_court(house, pat):
    pat.court_referrals.create(clinic=house.clinic, court="County drug court", starts_on=MON)
    Standard.objects.create(
        clinic=house.clinic, name="Drug court", source=3, prorate=False, starts_on=MON,
        min_minutes=600, min_days=4,
    )  # fmt: skip
    EpisodeHold.objects.create(
        clinic=house.clinic, episode=pat, starts_on=SUN, ends_on=SUN, reason="jail"
    )
    found = str(sheet(house, pat)).lower()
    assert "court" not in found
    assert "jail" not in found
    assert "on hold" in found


def test_the_part_2_notice_stands_on_papers_of_such_a_program_only(house, pat):
    assert sheet(house, pat).notice == ""
    pat.program.part2 = True
    assert sheet(house, pat).notice == PART2_NOTICE


def test_a_change_of_level_makes_two_parts_of_a_week(house, pat):
    plan = pat.plans.get()
    plan.ends_on = WED
    plan.save()
    type(plan).objects.create(
        clinic=house.clinic, episode=pat, level=Level.OP, weekly_minutes_target=60,
        days_per_week=1, starts_on=THU,
    )  # fmt: skip
    found = weeks(sheet(house, pat))
    assert list(found) == ["Mar 2 – Mar 4", "Mar 6"]
    assert found["Mar 6"][-1] == "no minimum on these dates"


def test_nothing_is_said_of_a_part_of_a_week_that_asks_for_nothing(house):
    pat = house.patient(on=SUN)
    assert sheet(house, pat, first=SUN).groups == ()
    assert sheet(house, pat, first=SUN).total[-1] == "no session on these dates"


def test_day_kinds_are_counted_in_days(house, pat):
    found = summary_of(house, pat)
    kinds = (DayKind.ATTENDED, DayKind.MISSED_EXCUSED, DayKind.MISSED_UNEXCUSED)
    assert [found.count(kind) for kind in kinds] == [2, 1, 0]
