"""The patient's page: head, weeks as bars, timeline, cases, contact. It adds nothing up itself."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.models import Flag, OutreachAttempt, Standard
from iop_clinic.accounts.roles import Role
from patients.models import Episode, EpisodeHold, Level, TreatmentPlan
from patients.services import set_plan
from scheduling.models import GroupMembership
from tests import factories as f
from tests.admin import Desk, actors, desk, url
from tests.attendance.house import FRI, MON, SUN, THU, TUE, WED, House
from tests.attendance.papers import Office

DAY = datetime.timedelta(days=1)
WEEK = 7 * DAY
TODAY = MON + WEEK


@pytest.fixture(autouse=True)
def _the_monday_after() -> Iterator[None]:
    """Monday, March 9, at one in the afternoon."""
    with time_machine.travel(datetime.datetime(2026, 3, 9, 17, 0, tzinfo=datetime.UTC), tick=False):
        yield


@pytest.fixture
def house(db) -> Office:
    return Office()


@pytest.fixture
def pat(house) -> Episode:
    return house.patient()


@pytest.fixture
def coordinator(house) -> Desk:
    return desk(house.clinic)


def panels(at: Desk, row: Episode) -> dict[str, Any]:
    answer = at.open(row, "change")
    assert answer.status_code == 200
    return {panel.title: panel for panel in answer.context["panels_above"]}


def facts(at: Desk, row: Episode) -> dict[str, str]:
    return {term: str(said) for term, said in panels(at, row)[str(row.patient)].facts}


# --- the head ---------------------------------------------------------------------------------


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


# --- the weeks --------------------------------------------------------------------------------


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


# --- the timeline -----------------------------------------------------------------------------


def days(at: Desk, row: Episode) -> dict[str, Any]:
    panel = panels(at, row)["The last 14 days and the coming 7"]
    return {day.title: day for day in panel.days}


def test_a_day_shows_time_arrival_departure_and_minutes(house, pat, coordinator):
    session = house.day(MON, [pat])
    house.came(pat, MON, arrived="09:30", left="12:00")
    monday = days(coordinator, pat)["Mon Mar 2"]
    (line,) = monday.lines
    assert (line.when, line.title) == ("9:00 AM – 12:20 PM", session.title)
    assert line.status == "present, 9:30 AM – 12:00 PM"
    assert (line.credited, monday.worth) == ("2 h 10 credited", "2 h 10, 50 min short of a day")
    assert [(one.kind, one.x, one.width) for one in monday.strips] == [
        ("planned", "0.00%", "83.33%"),
        ("present", "12.50%", "62.50%"),
    ]


def test_times_away_are_cut_out_of_the_presence(house, pat, coordinator):
    away = [[house.at(MON, "10:00").isoformat(), house.at(MON, "11:00").isoformat()]]
    house.day(MON, [pat], "09:00", "13:00")
    house.came(pat, MON, away=away)
    strips = days(coordinator, pat)["Mon Mar 2"].strips
    assert [(one.kind, one.x, one.width) for one in strips] == [
        ("planned", "0.00%", "100.00%"),
        ("present", "0.00%", "100.00%"),
        ("away", "25.00%", "25.00%"),
    ]


def test_what_is_not_recorded_missed_cancelled_and_to_come_look_different(house, pat, coordinator):
    house.day(MON, [pat])
    house.day(TUE, [pat])
    house.missed(pat, TUE)
    house.cancel(house.day(WED, [pat]))
    house.day(TODAY + DAY, [pat])
    found = days(coordinator, pat)
    told = {day: (row.lines[0].status, row.lines[0].credited, row.strips[0].kind)
            for day, row in found.items() if row.lines}  # fmt: skip
    assert told == {
        "Mon Mar 2": ("unrecorded", "", "unrecorded"),
        "Tue Mar 3": ("no show", "0 min credited", "planned"),
        "Wed Mar 4": ("cancelled by the clinic", "", "cancelled"),
        "Tue Mar 10": ("to come", "", "planned"),
    }
    assert found["Wed Mar 4"].worth == ""


def test_today_is_marked_even_without_a_booking(house, pat, coordinator):
    house.day(MON, [pat])
    found = days(coordinator, pat)
    assert {title: day.today for title, day in found.items()} == {
        "Mon Mar 2": False,
        "Mon Mar 9": True,
    }
    html = coordinator.open(pat, "change").content.decode()
    assert ('aria-current="date"' in html, "Nothing is booked." in html) == (True, True)


def test_it_reaches_two_weeks_back_and_one_ahead(house, coordinator):
    row = house.patient(on=MON - 2 * WEEK)
    for day in (TODAY - 15 * DAY, TODAY - 14 * DAY, TODAY + 7 * DAY, TODAY + 8 * DAY):
        house.day(day, [row])
    assert list(days(coordinator, row)) == ["Mon Feb 23", "Mon Mar 9", "Mon Mar 16"]


def test_without_any_booking_it_says_so(pat, coordinator):
    panel = panels(coordinator, pat)["The last 14 days and the coming 7"]
    assert (panel.days, panel.empty) == ([], "Nothing is booked in these days.")


def test_a_booking_is_a_link_for_whoever_may_open_it(house, pat, coordinator):
    leader = f.staff(house.clinic, Role.THERAPIST)
    own = leader.memberships.get().therapist
    f.WeeklyBlockFactory(group=house.group, facilitator=own, session_type=house.type, weekday=5)
    house.day(MON, [pat])
    booking = pat.bookings.get()
    assert days(coordinator, pat)["Mon Mar 2"].lines[0].url == url(booking, "change")
    assert days(Desk(leader), pat)["Mon Mar 2"].lines[0].url == ""


def test_the_hours_of_the_axis_hold_all_sessions(house, pat, coordinator):
    house.day(MON, [pat])
    house.day(TUE, [pat], "18:00", "19:00")
    panel = panels(coordinator, pat)["The last 14 days and the coming 7"]
    assert panel.marks == [
        ("0.00%", "9 AM"), ("20.00%", "11 AM"), ("40.00%", "1 PM"), ("60.00%", "3 PM"),
        ("80.00%", "5 PM"), ("100.00%", "7 PM"),
    ]  # fmt: skip
    assert panel.note.endswith("Times in America/New_York.")


# --- cases, contact, groups -------------------------------------------------------------------


def case(house: House, row: Episode, **extra: Any) -> Flag:
    given = {"evidence_key": "2026-03-02", "state": "open", **extra}
    flag: Flag = Flag.objects.create(
        clinic=house.clinic, episode=row, rule=2, subject_type=1, subject_id=row.pk, severity=3,
        sentence="Missed Monday without a call.", owner_role="coordinator", opened_for=MON,
        due_at=house.at(TODAY, "17:00"), **given,
    )  # fmt: skip
    return flag


def test_open_cases_outreach_and_settled_ones_stand_apart(house, pat, coordinator):
    flag = case(house, pat)
    closed = {"state": "closed", "outcome": "resumed", "closed_at": house.at(SUN, "10:00")}
    old = case(house, pat, evidence_key="2026-03-04", **closed)
    OutreachAttempt.objects.create(
        clinic=house.clinic, flag=flag, episode=pat, method="call", result="no_answer",
        attempted_at=house.at(TODAY, "09:00"), attempted_by=coordinator.user,
    )  # fmt: skip
    found = panels(coordinator, pat)
    ((link, *told),) = found["Open cases"].rows
    assert (url(flag, "change") in link, told) == (
        True, ["Act today", "Open", "Coordinator", "Mon Mar 9, 5:00 PM EDT"],
    )  # fmt: skip
    assert found["Outreach"].rows[0][:4] == (
        "Mon Mar 9, 9:00 AM EDT", "Call", "No answer", coordinator.user,
    )  # fmt: skip
    settled = found["Settled cases"]
    assert (settled.folded, url(old, "change") in settled.rows[0][0]) == (True, True)


def test_whoever_sees_no_cases_is_told_of_none(house, pat):
    case(house, pat)
    front = desk(house.clinic, Role.FRONT_DESK)
    html = front.open(pat, "change").content.decode()
    assert ("Missed Monday" in html, "Open cases" in html) == (False, False)
    assert "Weeks" in panels(front, pat)


CHANNELS = ("Phone", "Voicemail", "Text message", "The clinic’s name")


def contact(at: Desk, row: Episode, **known: Any) -> dict[str, str]:
    for name, value in known.items():
        setattr(row.patient, name, value)
    row.patient.save()
    return dict(panels(at, row)["Contact"].facts)


def test_contact_says_what_the_patient_allowed(pat, coordinator):
    found = contact(
        coordinator, pat, phone="555-0100", phone_is_safe=True, may_leave_voicemail=True,
        may_say_clinic_name=False, may_text=False, best_time_to_call="after 4",
    )  # fmt: skip
    assert [found[name] for name in CHANNELS] == [
        "555-0100, may be called", "may be left", "must not be sent", "must not be said",
    ]  # fmt: skip
    assert (found["Best time"], found["Email"]) == ("after 4", "none")


def test_an_unsafe_phone_takes_the_voicemail_with_it(pat, coordinator):
    found = contact(coordinator, pat, phone="555-0100", may_leave_voicemail=True)
    assert [found[name] for name in CHANNELS[:2]] == [
        "555-0100, not safe: must not be called", "must not be left",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("agreed", "said"), [(True, "the patient agreed"), (False, "not agreed, must not be called")]
)
def test_the_emergency_contact_is_called_only_if_agreed(pat, coordinator, agreed, said):
    found = contact(
        coordinator, pat, emergency_name="Dana", emergency_relation="sister",
        emergency_phone="555-0101", emergency_consent=agreed,
    )  # fmt: skip
    assert found["Emergency contact"] == f"Dana (sister), 555-0101: {said}"


@pytest.mark.parametrize(
    ("born", "phone", "said"),
    [
        (2012, "555-0102", "Sam (father), 555-0102: called in the patient’s place"),
        (2012, "", "Sam (father): without a number"),
        (1990, "555-0102", "Sam (father), 555-0102: the patient is of age"),
    ],
)
def test_a_guardian_is_called_for_a_minor(pat, coordinator, born, phone, said):
    known = {"guardian_name": "Sam", "guardian_relation": "father", "guardian_phone": phone}
    birth_date = datetime.date(born, 1, 1)
    assert contact(coordinator, pat, birth_date=birth_date, **known)["Guardian"] == said


def test_after_a_death_nobody_is_called(pat, coordinator):
    found = contact(coordinator, pat, phone="555-0100", phone_is_safe=True, deceased_on=SUN)
    assert found == {"Contact": "The patient died on Mar 8, 2026. Nobody is called."}


def test_groups_that_have_ended_are_folded_away(house, pat, coordinator):
    before = f.GroupFactory(clinic=house.clinic)
    GroupMembership.objects.create(
        clinic=house.clinic, group=before, episode=pat, seat=3, starts_on=MON, ends_on=TUE
    )
    found = panels(coordinator, pat)
    assert [row[1:] for row in found["Groups"].rows] == [(1, "Mar 2, 2026", "open")]
    assert [row[1:] for row in found["Groups before"].rows] == [(3, "Mar 2, 2026", "Mar 3, 2026")]
    assert (found["Groups"].folded, found["Groups before"].folded) == (False, True)


# --- the whole page ---------------------------------------------------------------------------


def titles(at: Desk, row: Episode) -> list[str]:
    return [verb["title"] for verb in at.open(row, "change").context["verbs"]]


def test_the_verbs_of_every_day_come_first_and_the_rare_ones_last(pat, coordinator):
    assert titles(coordinator, pat) == [
        "Take a call-in",
        "Find a make-up",
        "Book into a session",
        "Enrol in a group",
        "Transfer to another group",
        "Attendance summary",
        "Enter an authorization",
        "Note a certification",
        "Note a court mandate",
        "Enter the evaluation",
        "Enter a diagnosis",
        "Note the program agreement",
        "Set the plan",
        "Put on hold",
        "Change the level of care",
        "Discharge",
    ]


def test_a_referral_begins_with_its_papers(house, coordinator):
    row = f.EpisodeFactory(patient__clinic=house.clinic)
    assert titles(coordinator, row)[:5] == [
        "Enter the evaluation", "Enter a diagnosis", "Note the program agreement", "Admit",
        "Set the plan",
    ]  # fmt: skip


def test_a_look_at_the_page_is_noted(pat, coordinator):
    panels(coordinator, pat)
    assert actors(pat, "R") == {coordinator.user.actor}


def statements(at: Desk, row: Episode) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert at.open(row, "change").status_code == 200
    return len(captured)


def test_the_page_takes_the_same_statements_however_full_it_is(house, coordinator):
    row = house.patient(on=MON - WEEK)
    house.authorized(row, TODAY + 10 * DAY, starts_on=MON)
    house.insured(row)
    fill(house, row, coordinator, 1)
    before = statements(coordinator, row)
    fill(house, row, coordinator, 50)
    assert (before, statements(coordinator, row)) == (STATEMENTS, STATEMENTS)


STATEMENTS = 45


def fill(house: House, row: Episode, at: Desk, number: int) -> None:
    """So many more bookings, cases, attempts, and seats that ended."""
    for n in range(number):
        hour, key = 8 + n // 14 + (number > 1), f"{number}-{n:02}"
        day = MON - WEEK + (n % 14) * DAY
        house.day(day, [row], f"{hour:02}:00", f"{hour:02}:50")
        house.came(row, day)
        flag = case(house, row, evidence_key=key)
        closed = {"state": "closed", "outcome": "resumed", "closed_at": house.at(SUN, "10:00")}
        case(house, row, evidence_key=f"{key}-closed", **closed)
        OutreachAttempt.objects.create(
            clinic=house.clinic, flag=flag, episode=row, method="call", result="reached",
            attempted_by=at.user,
        )  # fmt: skip
        GroupMembership.objects.create(
            clinic=house.clinic, group=f.GroupFactory(clinic=house.clinic), episode=row, seat=2,
            starts_on=MON, ends_on=TUE,
        )  # fmt: skip
