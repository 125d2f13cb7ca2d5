"""The weeks of the patient's page: bars from the judgement, nothing added up again."""

from __future__ import annotations

from typing import Any

from attendance.models import Standard
from patients.models import Episode, Level, TreatmentPlan
from patients.services import set_plan
from tests.admin import Desk
from tests.attendance.house import FRI, MON, THU, TUE, WED
from tests.attendance.patient_page.page import TODAY, WEEK, panels


def bars(at: Desk, row: Episode) -> list[tuple[str, list[str]]]:
    weeks = panels(at, row)["Weeks"].weeks
    return [(week.label, [drawn.bar.said for drawn in week.bars]) for week in weeks]


OPEN_WEEK = (
    "3 h of 9 h, open, 3 h not booked, at most 6 h. "
    "Days: 1 of 3, from 3 h a day, open, 1 day not booked"
)


def test_each_week_since_the_admission_is_a_bar_with_its_words(house, pat, coordinator):
    house.full_week(pat, MON, WED)
    house.day(TODAY, [pat])
    house.day(WED + WEEK, [pat])
    house.came(pat, TODAY)
    assert bars(coordinator, pat) == [
        (
            "Mar 9 – Mar 15, 2026",
            [OPEN_WEEK],
        ),
        (
            "Mar 2 – Mar 8, 2026",
            ["6 h of 9 h, short 3 h. Days: 2 of 3, from 3 h a day, short 1 day"],
        ),
    ]


def test_a_bar_is_drawn_from_the_judgement_against_minimum_and_maximum(house, pat, coordinator):
    house.full_week(pat, MON, WED)
    week = panels(coordinator, pat)["Weeks"].weeks[-1]
    (drawn,) = week.bars
    assert (drawn.scale, drawn.bar.status, week.running) == (1224, "short", False)
    assert (drawn.solid, drawn.possible) == ("29.41%", "0.00%")
    assert (drawn.minimum, drawn.maximum) == ("44.12%", "98.04%")
    assert drawn.bar.described == ("credited 6 h, still possible 0 min, minimum 9 h, maximum 20 h")
    html = coordinator.open(pat, "change").content.decode()
    assert 'aria-label="credited 6 h, still possible 0 min, minimum 9 h, maximum 20 h"' in html


def test_a_week_of_two_levels_has_a_bar_for_each(house, pat, coordinator):
    plan: dict[str, Any] = {
        "level": Level.OP,
        "age_bracket": 1,
        "weekly_minutes_target": 120,
        "days_per_week": 1,
    }
    set_plan(episode=pat, starts_on=THU, by=house.user, **plan)
    Standard.objects.create(
        clinic=house.clinic, name="Adult OP", level=Level.OP, starts_on=MON, min_minutes=60,
        min_days=0, max_minutes=None,
    )  # fmt: skip
    house.full_week(pat, MON, WED)
    (week,) = [one for one in panels(coordinator, pat)["Weeks"].weeks if not one.running]
    assert [(one.bar.part, one.bar.said) for one in week.bars] == [
        (
            "Mar 2 – Mar 4",
            "6 h of prorated 6 h of 9 h, met. Days: 2 of 2 (prorated from 3), from 3 h a day, met",
        ),
        ("Mar 5 – Mar 8", "0 min of prorated 20 min of 1 h, short 20 min"),
    ]


def test_over_the_maximum_and_other_standards_are_said_in_words(house, pat, coordinator):
    court = {"source": 3, "prorate": False, "starts_on": MON, "min_minutes": 0, "min_days": 0}
    Standard.objects.create(clinic=house.clinic, name="Court", max_minutes=179, **court)
    pat.court_referrals.create(clinic=house.clinic, court="County", starts_on=MON)
    house.full_week(pat, MON)
    assert panels(coordinator, pat)["Weeks"].weeks[-1].others == [
        "Court, 0 min: minutes met, days met, over the maximum"
    ]


def test_a_week_over_the_programs_maximum_says_it(house, pat, coordinator):
    for day in (MON, TUE, WED, THU, FRI):
        house.day(day, [pat], "09:00", "13:01")
        house.came(pat, day)
    ((_, (said,)),) = [one for one in bars(coordinator, pat) if one[0].startswith("Mar 2")]
    assert said.startswith("20 h 05 of 9 h, met, over the maximum of 20 h. Days: 5 of 3")


def test_weeks_that_no_standard_of_the_program_judges_still_show_minutes(house, pat, coordinator):
    TreatmentPlan.objects.filter(episode=pat).delete()
    house.full_week(pat, MON)
    (drawn,) = panels(coordinator, pat)["Weeks"].weeks[-1].bars
    assert drawn.bar.said == "3 h credited; no standard of the program judges it"
    assert (drawn.minimum, drawn.maximum, drawn.bar.status) == ("", "", "unjudged")


def test_nine_weeks_are_shown_and_after_the_discharge_its_last_ones(house, coordinator):
    old = house.patient(on=MON - 20 * WEEK)
    assert [one.running for one in panels(coordinator, old)["Weeks"].weeks] == [True] + [False] * 8
    Episode.objects.filter(pk=old.pk).update(
        state="discharged", discharged_on=MON - 10 * WEEK, discharge_reason="completed"
    )
    assert panels(coordinator, old)["Weeks"].weeks[0].label == "Dec 22 – Dec 28, 2025"


def test_what_stands_behind_a_bar_are_the_four_kinds_of_minutes(house, pat, coordinator):
    house.full_week(pat, MON, WED)
    assert panels(coordinator, pat)["Weeks"].weeks[-1].behind == (
        "Plan 9 h, below by 3 h; scheduled 6 h, attended 6 h, credited 6 h"
    )
