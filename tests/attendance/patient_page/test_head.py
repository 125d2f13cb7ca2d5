"""The head of the patient's page: where the patient stands, in one block."""

from __future__ import annotations

import pytest

from attendance.admin.episodes import NOT_BEGUN
from iop_clinic.accounts.roles import Role
from patients.models import Episode, EpisodeHold, Level, TreatmentPlan
from tests import factories as f
from tests.admin import desk, url
from tests.attendance.house import FRI, MON, SUN, TUE, WED
from tests.attendance.patient_page.page import DAY, TODAY, WEEK, facts, panels


def test_the_head_says_in_one_block_where_the_patient_stands(house, pat, coordinator):
    EpisodeHold.objects.create(clinic=house.clinic, episode=pat, reason="leave", starts_on=TODAY)
    Episode.objects.filter(pk=pat.pk).update(priority="moud", priority_until=TODAY)
    assert facts(coordinator, pat) == {
        "Program": str(pat.program),
        "Plan": "IOP 2.1, 9 h on 3 days a week, since Mar 2, 2026",
        "Week": "2 of 12, since Mar 2, 2026",
        "Primary therapist": str(house.therapist),
        "Authorization": "not known: no insurance in force is entered",
        "Priority": "Medication for opioid use disorder, until Mar 9, 2026",
        "Hold": "Leave, since Mar 9, 2026, until the patient resumes",
    }
    assert panels(coordinator, pat)[str(pat.patient)].state == "On hold"


def test_the_head_of_a_referral_says_what_there_is_not(house, coordinator):
    row = f.EpisodeFactory(patient__clinic=house.clinic, referred_on=MON)
    found = facts(coordinator, row)
    assert (found["Plan"], found["Week"]) == (
        "none in force",
        "referred on Mar 2, 2026, not admitted",
    )
    assert found["Primary therapist"] == "nobody yet"


def test_an_adolescents_plan_and_its_review_are_said(house, coordinator):
    row = house.patient(target=360, bracket=2, days=1)
    TreatmentPlan.objects.filter(episode=row).update(review_due_on=FRI + WEEK)
    assert facts(coordinator, row)["Plan"] == (
        "IOP 2.1, 6 h on 1 day a week, adolescent, since Mar 2, 2026; review by Mar 13, 2026"
    )


@pytest.mark.parametrize(("on", "said"), [(MON, "2 of 12"), (TUE, "1 of 12"), (SUN, "1 of 12")])
def test_a_week_of_the_stay_is_seven_days_from_the_admission(house, coordinator, on, said):
    assert facts(coordinator, house.patient(on=on))["Week"].split(",")[0] == said


def test_a_stay_that_has_not_begun_or_has_ended_says_so(house, coordinator):
    coming, gone = house.patient(on=TODAY + DAY), house.patient(seat=2)
    Episode.objects.filter(pk=gone.pk).update(
        state="discharged", discharged_on=TUE, discharge_reason="aca"
    )
    assert facts(coordinator, coming)["Week"] == "begins on Mar 10, 2026, 12 weeks planned"
    assert facts(coordinator, gone)["Week"] == (
        "1 of 12, Mar 2, 2026 to Mar 3, 2026: Left against clinical advice"
    )


def test_units_left_are_the_qualifying_days_that_were_not_used(house, pat, coordinator):
    row = house.authorized(pat, TODAY + 10 * DAY, starts_on=MON, units=5)
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.came(pat, FRI, left="10:00")
    said = facts(coordinator, pat)["Authorization"]
    assert said.endswith("3 of 5 days left, until Mar 19, 2026 (10 days)")
    assert url(row, "change") in said


def test_it_says_when_the_booked_days_use_up_the_units(house, pat, coordinator):
    house.authorized(pat, TODAY + DAY, starts_on=MON, units=1)
    house.day(TODAY, [pat], "14:00", "17:20")
    house.day(TODAY + DAY, [pat])
    assert facts(coordinator, pat)["Authorization"].endswith(
        "1 of 1 days left, until Mar 10, 2026 (1 day); by what is booked they run out on "
        "Mar 9, 2026"
    )


def test_an_authorization_for_another_level_than_the_plans_is_said(house, pat, coordinator):
    row = house.authorized(pat, TODAY + 10 * DAY, starts_on=MON, level=Level.PHP)
    said = facts(coordinator, pat)["Authorization"]
    assert said.endswith("<br>None of it is for IOP 2.1, the plan’s level.")
    house.authorized(pat, TODAY + 10 * DAY, starts_on=MON, payer=row.payer)
    assert "None of it" not in facts(coordinator, pat)["Authorization"]


def test_without_one_in_force_the_last_and_the_next_are_named(house, pat, coordinator):
    old = house.authorized(pat, SUN, starts_on=MON)
    new = house.authorized(pat, FRI + WEEK, starts_on=WED + WEEK, payer=old.payer)
    assert facts(coordinator, pat)["Authorization"] == (
        f"{old} ended on Mar 8, 2026; {new} begins on Mar 11, 2026"
    )


def test_a_payer_that_asks_for_one_is_named(house, pat, coordinator):
    payer = house.payer(needs_authorization=True)
    house.insured(pat, payer)
    assert facts(coordinator, pat)["Authorization"] == f"none, and {payer} needs one"


def a_hold_to_come(house, pat):
    days = {"starts_on": TODAY + DAY, "ends_on": TODAY + 2 * DAY}
    return EpisodeHold.objects.create(clinic=house.clinic, episode=pat, reason="leave", **days)


def test_a_hold_to_come_is_said_with_the_way_back(house, pat, coordinator):
    a_hold_to_come(house, pat)
    said, _, link = facts(coordinator, pat)["Hold"].partition(" <a")
    assert said == "Leave, from Mar 10, 2026, until Mar 11, 2026."
    assert f'href="{url(pat, "resume")}"' in link
    assert panels(coordinator, pat)[str(pat.patient)].state == "Admitted"
    reader = facts(desk(house.clinic, Role.FRONT_DESK), pat)
    assert reader["Hold"] == "Leave, from Mar 10, 2026, until Mar 11, 2026"


def test_a_hold_to_come_is_taken_back_whole(house, pat, coordinator):
    a_hold_to_come(house, pat)
    form = coordinator.open(pat, "resume").context["form"]
    assert form.introduction().startswith(NOT_BEGUN)
    answer = coordinator.fill(pat, "resume")
    assert answer.sentences == ["The patient is expected again from Tue Mar 10."]
    assert not EpisodeHold.objects.exists()
