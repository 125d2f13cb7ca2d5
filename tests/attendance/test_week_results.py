"""Week results: stored once ended and final, amended by later facts, replayed at any time."""

import datetime

import pytest
from django.db import IntegrityError, transaction

from attendance.compliance.evaluation import reevaluate
from attendance.compliance.results import Difference, replay
from attendance.models import Standard, WeekResult
from patients.models import EpisodeHold
from tests.attendance.house import FRI, MON, SAT, SUN, TUE, WED, House

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)
LATER = datetime.timedelta(days=14)


@pytest.fixture
def house():
    return House()


def results(pat, week=MON):
    rows = WeekResult.objects.filter(episode=pat, week_starts_on=week)
    return list(rows.order_by("standard", "amendment"))


def only(rows):
    (row,) = rows
    return row


def test_nothing_is_stored_before_the_week_has_ended(house):
    pat = house.patient()
    house.full_week(pat)
    house.night(SAT)
    assert results(pat) == []
    house.night(SUN)
    row = only(results(pat))
    assert (row.minutes_status, row.days_status, row.amendment) == ("met", "met", 0)
    assert (row.scheduled_minutes, row.attended_minutes, row.credited_minutes) == (540, 540, 540)
    assert (row.judged_minutes, row.qualifying_days, row.minimum) == (540, 3, 540)
    assert (row.segment_starts_on, row.segment_ends_on) == (MON, SUN)


def test_a_missing_roster_is_waited_for(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.night(SUN)
    assert results(pat) == []
    house.missed(pat, FRI)
    house.night(SUN + DAY)
    assert only(results(pat)).minutes_status == "short"


def test_the_inputs_name_everything(house):
    pat = house.patient(on=WED)
    house.full_week(pat, WED, FRI)
    house.night(SUN)
    inputs = only(results(pat)).inputs
    line = {"session_type_id": house.type.pk, "services": 1}
    minutes = {"scheduled": 180, "attended": 180, "credited": 180}
    assert inputs["days"] == [
        {"local_date": "2026-03-04", **line, **minutes},
        {"local_date": "2026-03-06", **line, **minutes},
    ]
    assert (inputs["share"], inputs["holds"]) == ([2, 3], [])
    assert (inputs["terms"]["minimum"], inputs["terms"]["basis"]) == (540, "credited")
    assert inputs["plan"]["weekly_minutes_target"] == 540


def test_a_correction_adds_an_amendment_and_changes_no_row(house):
    pat = house.patient()
    house.full_week(pat)
    house.night(SUN)
    house.came(pat, FRI, left="09:50")
    reevaluate(
        clinic=house.clinic, episode_ids=[pat.pk], by=house.user, now=house.morning(SUN) + LATER
    )
    first, second = results(pat)
    assert (first.minutes_status, first.credited_minutes) == ("met", 540)
    assert (second.amendment, second.minutes_status, second.credited_minutes) == (1, "short", 410)
    assert second.reason == "Attendance was corrected."


def test_a_correction_of_any_age_is_amended(house):
    pat = house.patient()
    house.full_week(pat)
    house.night(SUN)
    house.missed(pat, MON)
    reevaluate(
        clinic=house.clinic,
        episode_ids=[pat.pk],
        by=house.user,
        now=house.morning(SUN) + 20 * LATER,
    )
    assert [row.amendment for row in results(pat)] == [0, 1]


def test_a_late_roster_amends_a_week_that_was_settled_without_it(house):
    pat = house.patient()
    house.full_week(pat)
    house.day(SAT, [pat])
    house.night(SUN)
    assert only(results(pat)).minutes_status == "met"
    house.came(pat, SAT)
    house.night(SUN + DAY)
    first, second = results(pat)
    assert (first.credited_minutes, second.credited_minutes) == (540, 720)
    assert second.reason == "A roster came later."


def test_an_amendment_says_what_changed(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    friday = house.day(FRI, [pat])
    house.missed(pat, FRI)
    house.night(SUN)
    house.cancel(friday)
    house.night(SUN + DAY)
    house.full_week(pat, TUE)
    house.night(SUN + 2 * DAY)
    assert [row.reason for row in results(pat)] == [
        "",
        "The clinic cancelled sessions, or took that back.",
        "Sessions were booked or withdrawn.",
    ]


def test_a_hold_entered_later_amends_the_week(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.night(SUN)
    EpisodeHold.objects.create(
        clinic=house.clinic, episode=pat, reason="hospital", starts_on=FRI, ends_on=SUN
    )
    house.night(SUN + DAY)
    first, second = results(pat)
    assert (first.minutes_status, second.minutes_status) == ("short", "met")
    assert (second.prorated_minimum, second.reason) == (
        360,
        "Plan, hold or dates of treatment changed.",
    )


def test_two_standards_store_two_results(house):
    Standard.objects.create(
        clinic=house.clinic,
        name="Court",
        source=Standard.Source.COURT,
        min_minutes=600,
        prorate=False,
        starts_on=MON,
    )
    pat = house.patient()
    pat.court_referrals.create(clinic=house.clinic, court="County", starts_on=TUE)
    house.full_week(pat)
    house.night(SUN)
    assert {row.standard.name: row.minutes_status for row in results(pat)} == {
        "Adult IOP 2.1": "met",
        "Court": "short",
    }


def test_a_result_is_never_changed(house):
    pat = house.patient()
    house.full_week(pat)
    house.night(SUN)
    with pytest.raises(IntegrityError, match="only ever added"), transaction.atomic():
        WeekResult.objects.update(minutes_status="short")
    assert only(results(pat)).minutes_status == "met"


# Replay


def test_a_replay_agrees_from_inputs_and_from_facts(house):
    pat = house.patient(on=WED)
    house.full_week(pat, WED)
    house.day(FRI, [pat])
    house.called_in(pat, FRI)
    house.night(SUN)
    assert replay(only(results(pat)), now=house.morning(SUN) + LATER) == []


def test_a_replay_names_what_the_facts_say_now(house):
    pat = house.patient()
    house.full_week(pat)
    house.night(SUN)
    house.came(pat, FRI, left="12:10")
    found = replay(only(results(pat)), now=house.morning(SUN))
    assert Difference("facts", "credited_minutes", 540, 530) in found
    assert Difference("facts", "minutes_status", "met", "short") in found
    assert {one.replayed_from for one in found} == {"facts"}


def test_a_replay_of_tampered_figures_names_them(house):
    pat = house.patient()
    house.full_week(pat)
    house.night(SUN)
    row = only(results(pat))
    row.credited_minutes = 600
    assert Difference("inputs", "credited_minutes", 600, 540) in replay(row, now=house.morning(SUN))


def test_amendments_replay_to_the_facts_and_the_first_result_does_not(house):
    pat = house.patient()
    house.full_week(pat)
    house.night(SUN)
    house.missed(pat, MON)
    house.night(SUN + DAY)
    first, second = results(pat)
    now = house.morning(SUN + DAY)
    assert (replay(first, now=now) != [], replay(second, now=now)) == (True, [])
