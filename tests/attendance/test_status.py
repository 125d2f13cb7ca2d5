"""Weeks through real rows: golden weeks, segments, proration, standards, rosters."""

import datetime

import pytest

from attendance.compliance.status import WeekFacts, WeekStatus, week_statuses
from attendance.models import Standard
from patients.models import (
    AgeBracket,
    Authorization,
    CourtReferral,
    Coverage,
    EpisodeHold,
    Level,
    TreatmentPlan,
)
from scheduling.models import Booking, GroupMembership
from tests import factories as f
from tests.attendance.house import BEFORE, FRI, MON, SAT, SUN, THU, TUE, WED, House

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)
MET, SHORT, OPEN = WeekStatus.MET, WeekStatus.SHORT, WeekStatus.OPEN


@pytest.fixture
def house():
    return House()


def program(week):
    judged = week.program()
    assert judged is not None
    return judged


def statuses(week):
    judged = program(week)
    return judged.minutes_status, judged.days_status


# Golden weeks


def test_the_perfect_attender(house):
    pat = house.patient()
    house.full_week(pat)
    week = house.week(pat)
    assert (week.scheduled, week.attended, week.credited) == (540, 540, 540)
    assert (week.at_least, week.at_most, week.days, week.services) == (540, 540, 3, 3)
    assert (statuses(week), week.final) == ((MET, MET), True)


def test_a_week_that_has_not_begun_is_open(house):
    week = house.week(house.patient(), datetime.date(2026, 3, 30), now=house.morning(MON))
    assert (week.scheduled, week.at_most) == (0, 0)
    assert (statuses(week), week.final) == ((OPEN, OPEN), False)


def test_the_friday_skipper_lands_at_6_h_50(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.came(pat, FRI, left="09:50")
    week = house.week(pat)
    judged = program(week).judgement
    assert (week.credited, statuses(week), week.final) == (410, (SHORT, SHORT), True)
    assert (judged.minutes_short_by, judged.days_short_by) == (130, 1)


def test_an_excused_week_adds_no_minute(house):
    pat = house.patient()
    for day in (MON, WED, FRI):
        house.day(day, [pat])
        house.called_in(pat, day)
    week = house.week(pat)
    assert (week.scheduled, week.credited, statuses(week)) == (540, 0, (SHORT, SHORT))


def test_a_snow_day_of_the_clinic_is_taken_off_the_minimum(house):
    pat = house.patient()
    house.full_week(pat, MON, FRI)
    house.cancel(house.day(WED, [pat]))
    week = house.week(pat)
    judged = program(week)
    assert (judged.minimum, judged.prorated_minimum) == (540, 360)
    assert judged.judgement.proration_note == "prorated 360 of 540"
    assert (week.scheduled, week.credited, statuses(week)) == (360, 360, (MET, MET))


def test_a_missing_roster_keeps_the_week_open(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    week = house.week(pat, now=house.morning(SUN) + datetime.timedelta(days=30))
    assert (week.credited, week.at_most, week.unrecorded) == (360, 540, 1)
    assert (statuses(week), week.final) == ((OPEN, OPEN), False)


def test_the_projection_counts_what_is_booked_and_not_what_was_released(house):
    pat = house.patient()
    house.full_week(pat, MON)
    house.day(WED, [pat])
    house.day(FRI, [pat], state=Booking.State.RELEASED)
    judged = program(house.week(pat, now=house.morning(MON))).judgement
    assert (judged.at_least, judged.at_most, judged.minutes_to_go) == (180, 360, 360)
    assert (judged.make_up_minutes, judged.projected_short) == (180, True)


def test_a_make_up_repairs_the_week(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.missed(pat, FRI)
    house.full_week(pat, SAT)
    assert statuses(house.week(pat)) == (MET, MET)


# Segments and proration


def test_an_admission_in_the_middle_of_the_week(house):
    pat = house.patient(on=WED)
    house.full_week(pat, WED, FRI)
    judged = program(house.week(pat))
    assert (judged.first, judged.last) == (WED, SUN)
    assert (judged.prorated_minimum, judged.judgement.prorated_days) == (360, 2)
    assert (judged.minutes_status, judged.days_status) == (MET, MET)


def test_a_discharge_in_the_middle_of_the_week(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    pat.state, pat.discharged_on, pat.discharge_reason = "discharged", WED, "completed"
    pat.save()
    judged = program(house.week(pat))
    assert (judged.first, judged.last, judged.prorated_minimum) == (MON, WED, 360)
    assert judged.minutes_status == MET


@pytest.mark.parametrize(
    ("starts_on", "ends_on", "minimum"),
    [(THU, None, 360), (TUE, WED, 360), (MON, SUN, 0), (SAT, SUN, 540)],
    ids=["open hold", "over one day", "the whole week", "over no treatment day"],
)
def test_a_hold_is_prorated(house, starts_on, ends_on, minimum):
    pat = house.patient()
    EpisodeHold.objects.create(
        clinic=house.clinic, episode=pat, reason="hospital", starts_on=starts_on, ends_on=ends_on
    )
    assert program(house.week(pat)).prorated_minimum == minimum


def test_a_cancellation_inside_a_hold_is_not_taken_off_twice(house):
    pat = house.patient()
    house.cancel(house.day(FRI, [pat]))
    EpisodeHold.objects.create(
        clinic=house.clinic, episode=pat, reason="hospital", starts_on=THU, ends_on=SUN
    )
    assert program(house.week(pat)).prorated_minimum == 360


def test_a_change_of_level_cuts_the_week_in_two(house):
    pat = house.patient(on=MON)
    pat.plans.update(ends_on=WED)
    TreatmentPlan.objects.create(
        clinic=house.clinic, episode=pat, level=Level.PHP, weekly_minutes_target=1200, starts_on=THU
    )
    house.full_week(pat)
    iop, php = house.week(pat).standards
    assert [(s.name, s.first, s.last, s.prorated_minimum) for s in (iop, php)] == [
        ("Adult IOP 2.1", MON, WED, 360),
        ("Adult PHP 2.5", THU, SUN, 400),
    ]
    assert (iop.judgement.credited, php.judgement.credited) == (360, 180)


def test_a_new_target_at_the_same_level_cuts_nothing(house):
    pat = house.patient(on=MON)
    pat.plans.update(ends_on=WED)
    TreatmentPlan.objects.create(
        clinic=house.clinic, episode=pat, weekly_minutes_target=600, starts_on=THU
    )
    week = house.week(pat)
    assert [(s.first, s.last, s.prorated_minimum) for s in week.standards] == [(MON, SUN, 540)]
    assert week.plan_target == 600


@pytest.mark.parametrize(
    ("starts_on", "minimum"),
    [(FRI, 180), (SUN, 180), (SUN + DAY, 0), (SUN + 8 * DAY, 0), (None, 540)],
    ids=["the next day", "in the same week", "the week after", "two weeks after", "never"],
)
def test_before_the_week_of_the_first_seat_nothing_is_asked(house, starts_on, minimum):
    """Admitted on a Thursday; the group meets on Monday, Wednesday and Friday."""
    pat = house.patient(on=THU, seat=None)
    if starts_on:
        GroupMembership.objects.create(
            clinic=house.clinic, group=house.group, episode=pat, seat=1, starts_on=starts_on
        )
    assert program(house.week(pat)).prorated_minimum == minimum


def test_a_later_seat_takes_nothing_off_a_week_that_does_not_begin_the_stay(house):
    pat = house.patient(on=MON - 14 * DAY, seat=None)
    EpisodeHold.objects.create(
        clinic=house.clinic, episode=pat, starts_on=MON, ends_on=WED, reason="leave"
    )
    GroupMembership.objects.create(
        clinic=house.clinic, group=house.group, episode=pat, seat=1, starts_on=SUN + DAY
    )
    assert program(house.week(pat)).prorated_minimum == 540


def test_a_transfer_between_groups_is_not_prorated(house):
    pat = house.patient(seat=None)
    other = f.GroupFactory(clinic=house.clinic)
    f.WeeklyBlockFactory(group=other, session_type=house.type, weekday=3)
    for group, first, last in ((house.group, MON, TUE), (other, WED, None)):
        GroupMembership.objects.create(
            clinic=house.clinic, group=group, episode=pat, seat=1, starts_on=first, ends_on=last
        )
    assert program(house.week(pat)).prorated_minimum == 540


def test_a_block_of_every_second_week_is_a_template_day_in_its_weeks(house):
    pat = house.patient(on=WED, seat=None)
    other = f.GroupFactory(clinic=house.clinic)
    for weekday, every in ((0, 1), (3, 2)):
        f.WeeklyBlockFactory(
            group=other, session_type=house.type, weekday=weekday, every_weeks=every
        )
    GroupMembership.objects.create(
        clinic=house.clinic, group=other, episode=pat, seat=1, starts_on=WED
    )
    # From January 5, every second Thursday is March 5 and not February 26.
    assert program(house.week(pat)).prorated_minimum == 270


@pytest.mark.parametrize(
    ("birthday", "name"),
    [
        (datetime.date(2008, 3, 2), "Adult IOP 2.1"),
        (datetime.date(2008, 3, 3), "Adolescent IOP 2.1"),
    ],
    ids=["18 on the first day", "18 on the second"],
)
def test_the_age_on_the_first_day_of_the_week_decides(house, birthday, name):
    patient = f.PatientFactory(clinic=house.clinic, birth_date=birthday)
    pat = house.patient(patient=patient, bracket=AgeBracket.ADOLESCENT, target=360)
    assert program(house.week(pat)).name == name


def test_weeks_before_admission_and_without_a_standard(house):
    pat = house.patient(on=datetime.date(2026, 3, 9))
    week = house.week(pat)
    assert (week.standards, week.plan_target, week.final) == ((), None, True)
    assert week.facts(MON) == WeekFacts(0, 0, 0, 0, 0, 0, 0, 0, 0)


# Standards


def standard(house, **extra):
    extra = {"name": "Second", "starts_on": datetime.date(2026, 1, 1), "prorate": False, **extra}
    return Standard.objects.create(clinic=house.clinic, **extra)


def test_a_payer_judges_by_its_own_arithmetic(house):
    payer = f.PayerFactory(clinic=house.clinic)
    standard(house, source=2, payer=payer, min_minutes=600, max_minutes=None, name="Payer")
    insured, other = house.patient(on=WED), house.patient(seat=2)
    Coverage.objects.create(
        clinic=house.clinic, patient=insured.patient, payer=payer, starts_on=MON
    )
    judged = house.week(insured).standards
    assert [(s.source, s.prorated_minimum) for s in judged] == [("program", 360), ("payer", 600)]
    assert [s.source for s in house.week(other).standards] == ["program"]


def test_an_authorization_names_the_level_it_pays(house):
    payer = f.PayerFactory(clinic=house.clinic)
    standard(house, source=2, payer=payer)
    pat = house.patient()
    paid = {"clinic": house.clinic, "episode": pat, "payer": payer, "units": 20}
    Authorization.objects.create(**paid, number="1", level=Level.PHP, starts_on=MON, ends_on=SUN)
    assert [s.source for s in house.week(pat).standards] == ["program"]
    Authorization.objects.create(**paid, number="2", level=Level.IOP, starts_on=SUN, ends_on=SUN)
    assert [s.source for s in house.week(pat).standards] == ["program", "payer"]


def test_a_court_judges_whom_it_sent(house):
    standard(house, source=3, min_minutes=240)
    pat, other = house.patient(), house.patient(seat=2)
    CourtReferral.objects.create(clinic=house.clinic, episode=pat, court="County", starts_on=MON)
    assert [s.source for s in house.week(pat).standards] == ["program", "court"]
    assert [s.source for s in house.week(other).standards] == ["program"]


def test_the_standard_of_a_program_goes_before_the_one_for_any(house):
    own = standard(house, program=house.group.program, min_minutes=600, name="Own")
    assert program(house.week(house.patient())).standard.id == own.pk
    elsewhere = house.patient(seat=2)
    elsewhere.program = f.ProgramFactory(clinic=house.clinic)
    elsewhere.save()
    assert program(house.week(elsewhere)).name == "Adult IOP 2.1"


def test_the_standard_in_force_on_the_last_day_judges(house):
    pat = house.patient()
    Standard.objects.filter(name="Adult IOP 2.1").update(ends_on=THU)
    standard(house, min_minutes=570, starts_on=FRI, name="New", prorate=True)
    judged = program(house.week(pat))
    assert (judged.name, judged.version, judged.minimum) == ("New", FRI, 570)


def test_a_payers_week_may_start_on_sunday(house):
    payer = f.PayerFactory(clinic=house.clinic)
    standard(house, source=2, payer=payer, week_starts_on=6)
    pat = house.patient(on=BEFORE)
    Coverage.objects.create(clinic=house.clinic, patient=pat.patient, payer=payer, starts_on=MON)
    before = MON - datetime.timedelta(days=1)
    house.full_week(pat, before, WED)
    own, payers = house.week(pat).standards
    assert (own.week.start, own.judgement.credited) == (MON, 180)
    assert (payers.week.start, payers.last, payers.judgement.credited) == (before, SAT, 360)


# Weeks of any start, in any zone


def test_a_week_that_starts_on_sunday():
    house = House(week_starts_on=6)
    pat = house.patient(on=BEFORE)
    house.full_week(pat, SUN)
    assert house.week(pat, MON).credited == 0
    week = house.week(pat, SUN, now=house.morning(SUN))
    assert (week.week.start, week.credited, program(week).week.start) == (SUN, 180, SUN)


def test_a_sunday_evening_on_the_west_coast_is_this_week():
    house = House("America/Los_Angeles")
    pat = house.patient()
    house.day(SUN, [pat], "18:00", "21:00")
    house.came(pat, SUN)
    assert house.week(pat).credited == 180


def test_the_week_in_which_the_clocks_change(house):
    pat = house.patient()
    house.day(SUN, [pat], "01:00", "04:00")
    house.came(pat, SUN)
    assert house.week(pat).credited == 120


def test_two_coasts_in_one_process():
    east, west = House("America/New_York"), House("America/Los_Angeles")
    here, there = east.patient(), west.patient()
    east.day(SUN, [here], "21:00", "23:00")
    west.day(SUN, [there], "21:00", "23:00")
    east.came(here, SUN)
    west.came(there, SUN)
    now = east.at(SUN, "23:30")
    assert east.week(here, now=now).credited == 120
    assert west.week(there, now=now).credited == 0
    assert west.week(there).credited == 120


# Rosters and statements


def test_what_a_roster_shows(house):
    pat = house.patient()
    house.full_week(pat, MON)
    house.day(WED, [pat])
    house.came(pat, WED, left="10:00")
    house.day(FRI, [pat])
    facts = house.week(pat, now=house.morning(WED)).facts(WED)
    assert facts == WeekFacts(
        credited=240,
        at_least=240,
        at_most=420,
        minimum=540,
        minutes_to_go=300,
        day_credited=60,
        day_at_most=60,
        day_to_go=120,
        day_threshold=180,
    )


@pytest.mark.parametrize("patients", [1, 15])
def test_four_statements_for_any_number_of_patients(house, patients, django_assert_num_queries):
    people = [house.patient(seat=n + 1 if n < 12 else None) for n in range(patients)]
    house.day(MON, people, capacity=15)
    ids = [one.pk for one in people]
    with django_assert_num_queries(4):
        found = week_statuses(
            clinic=house.clinic, episode_ids=ids, weeks=[MON, FRI], now=house.morning(MON)
        )
    assert found.keys() == {(pk, MON) for pk in ids}


def test_an_episode_of_another_clinic_is_left_out(house):
    stranger = House().patient()
    found = week_statuses(
        clinic=house.clinic, episode_ids=[stranger.pk], weeks=[MON], now=house.morning(MON)
    )
    assert found == {}
