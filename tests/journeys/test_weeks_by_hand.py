"""Patient-weeks worked out by hand: what happened in a clinic's words, and what it must come to.

Every figure is a literal with its reckoning beside it. The clinic asks adults for 540 minutes on
three days of 180 or more. Its group meets on Monday, Wednesday and Friday from 9:00 to 12:20 with
two breaks of ten minutes, 180 minutes a day. The week is March 2 to 8, 2026, judged on the Monday
after it; on its Sunday the clocks go forward.
"""

import datetime

import pytest

from attendance.compliance.results import replay
from attendance.models import AbsenceRule, CreditRule, Flag, Standard, WeekResult
from attendance.models.standards import Severity
from patients.models import (
    AgeBracket,
    CourtReferral,
    Coverage,
    EpisodeHold,
    Level,
    TreatmentPlan,
)
from scheduling.models import GroupMembership, SessionType
from tests import factories as f
from tests.attendance.house import BEFORE, FRI, MON, SAT, SUN, THU, TUE, WED, House

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)
HOURS = [("09:00", "10:00"), ("10:10", "11:10"), ("11:20", "12:20")]
NAMES = {kind.value: kind.name.lower() for kind in AbsenceRule.Kind}
WEEK = "Week of Mar 2 – Mar 8, 2026"
NOT_OF_THE_WEEK = {"plan_due", "silent_days", "no_first_session", "under_scheduled"}
"""Cases about papers, the timetable and silence have stories elsewhere."""


@pytest.fixture
def house():
    return House()


@pytest.fixture
def pat(house):
    """In treatment since January, so no newcomer; seen once before this week."""
    pat = house.patient(on=BEFORE)
    house.full_week(pat, BEFORE + 2 * DAY)
    return pat


def said(house, pat, source="program", start=MON):
    """Each part of a week under one source of standards: minutes and days, with their status."""
    return [
        (
            f"{one.judgement.at_least} of {one.prorated_minimum}, "
            + in_words(one.minutes_status.value, one.judgement.minutes_short_by),
            f"{one.judgement.days_qualifying} of {one.judgement.prorated_days} days, "
            + in_words(one.days_status.value, one.judgement.days_short_by),
        )
        for one in house.week(pat, start).standards
        if one.source == source
    ]


def in_words(status, short_by):
    return f"{status} {short_by}" if status == "short" else status


def cases(house, pat, night=SUN):
    """The open cases about this week after a night, by rule: how loud, and the sentence."""
    house.night(night)
    rows = Flag.objects.filter(episode=pat, opened_for__gte=MON).open()
    rows = rows.exclude(evidence_key__startswith=f"{MON + 7 * DAY}")  # nobody is booked there yet
    found = {NAMES[row.rule]: (Severity(row.severity).name.lower(), row.sentence) for row in rows}
    return {name: case for name, case in found.items() if name not in NOT_OF_THE_WEEK}


def three_hours(house, pat, day):
    """The group's day as three sessions of an hour."""
    return [house.day(day, [pat], starts, ends, breaks=[]) for starts, ends in HOURS]


def test_the_perfect_attender(house, pat):
    house.full_week(pat)  # 180 + 180 + 180
    assert said(house, pat) == [("540 of 540, met", "3 of 3 days, met")]
    assert cases(house, pat) == {}


def test_one_minute_short_on_one_day(house, pat):
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.came(pat, FRI, arrived="09:01")  # 179: the day is lost for one minute
    assert said(house, pat) == [("539 of 540, short 1", "2 of 3 days, short 1")]


def test_the_friday_skipper_lands_at_6_h_50(house, pat):
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.came(pat, FRI, left="09:50")  # 50, so 180 + 180 + 50
    assert said(house, pat) == [("410 of 540, short 130", "2 of 3 days, short 1")]
    # 130 is less than a third of 540 and one day no more than a third of three: not far.
    assert cases(house, pat) == {
        # The one day left short is part of it.
        "hours": ("watch", f"{WEEK}: credited 6 h 50 of 9 h; short 2 h 10; 2 of 3 days."),
    }


def test_twenty_minutes_late_every_time(house, pat):
    for day in (MON, WED, FRI):
        house.day(day, [pat])
        house.came(pat, day, arrived="09:20")  # 160 each, never a qualifying day
    assert said(house, pat) == [("480 of 540, short 60", "0 of 3 days, short 3")]
    days = "Mon 2 h 40, Wed 2 h 40, Fri 2 h 40"
    # All days are lost, which is far; but no newcomer and nothing missed: no louder for it.
    assert cases(house, pat) == {
        "hours": ("watch", f"{WEEK}: credited 8 h of 9 h; short 1 h; 0 of 3 days."),
        "left_short": ("notice", f"{WEEK}: came, but short of a day of 3 h: {days}."),
    }


def test_a_step_down_from_php_in_the_middle_of_the_week(house, pat):
    """PHP through Wednesday (20 h and 5 days of 4 h a week), IOP from Thursday."""
    pat.plans.update(ends_on=WED, level=Level.PHP, weekly_minutes_target=1200,
                     least_weekly_minutes=1200, most_weekly_minutes=2400)  # fmt: skip
    TreatmentPlan.objects.create(
        clinic=house.clinic, episode=pat, weekly_minutes_target=540, starts_on=THU
    )
    for day in (MON, TUE, WED):
        house.day(day, [pat], "09:00", "14:00")
        house.came(pat, day)  # 300 each
    house.full_week(pat, FRI)
    # Of the group's three days two lie before the change: 1200 * 2 / 3 and 5 * 2 / 3 = 3.33;
    # one lies after it: 540 / 3 and 3 / 3.
    assert said(house, pat) == [
        ("900 of 800, met", "3 of 3 days, met"),
        ("180 of 180, met", "1 of 1 days, met"),
    ]
    assert cases(house, pat) == {}


def test_an_admission_on_wednesday(house):
    pat = house.patient(on=WED)
    house.full_week(pat, WED, FRI)  # 540 * 2 / 3 = 360 is asked for, 180 + 180 came
    assert said(house, pat) == [("360 of 360, met", "2 of 2 days, met")]
    assert cases(house, pat) == {}


def test_an_admission_on_thursday_who_stays_away(house):
    pat = house.patient(on=THU)
    house.day(FRI, [pat])
    house.missed(pat, FRI)  # 540 / 3 = 180 is asked for, nothing came
    assert said(house, pat) == [("0 of 180, short 180", "0 of 1 days, short 1")]
    # Far and new: one tier louder than the rule's watch.
    assert cases(house, pat) == {
        "hours": (
            "act",
            f"{WEEK}: credited 0 min of 3 h (prorated 180 of 540); short 3 h; 0 of 1 days.",
        ),
        "no_call_day": ("act", "Missed Fri Mar 6 without a call."),
    }


def test_a_discharge_on_wednesday(house, pat):
    house.full_week(pat, MON, WED)
    pat.state, pat.discharged_on, pat.discharge_reason = "discharged", WED, "completed"
    pat.save()
    assert said(house, pat) == [("360 of 360, met", "2 of 2 days, met")]


def test_in_hospital_from_thursday(house, pat):
    hold(house, pat, THU, None)
    house.full_week(pat, MON)
    house.day(WED, [pat])
    house.came(pat, WED, left="12:10")  # 170 of 180: 350 of 360
    assert said(house, pat) == [("350 of 360, short 10", "1 of 2 days, short 1")]


def test_in_jail_all_week(house, pat):
    hold(house, pat, MON, SUN)
    assert said(house, pat) == [("0 of 0, met", "0 of 0 days, met")]
    assert cases(house, pat) == {}


def hold(house, pat, first, last):
    EpisodeHold.objects.create(
        clinic=house.clinic, episode=pat, reason="hospital", starts_on=first, ends_on=last
    )


def test_a_death_on_wednesday(house, pat):
    house.full_week(pat, MON)
    house.day(FRI, [pat])
    pat.patient.deceased_on = WED
    pat.patient.save()
    # Two of the three days lie before it; nobody is asked about the rest.
    assert said(house, pat) == [("180 of 360, short 180", "1 of 2 days, short 1")]
    assert cases(house, pat) == {}


def test_a_snow_day(house, pat):
    house.full_week(pat, MON, FRI)
    house.cancel(house.day(WED, [pat]))  # 540 - 180, 3 days - 1
    assert said(house, pat) == [("360 of 360, met", "2 of 2 days, met")]
    assert cases(house, pat) == {}


def test_the_leader_goes_home_before_the_last_hour(house, pat):
    house.full_week(pat, MON, FRI)
    house.cancel(three_hours(house, pat, WED)[2])  # 540 - 60; with 120 left no day of 180
    house.came(pat, WED)
    assert said(house, pat) == [("480 of 480, met", "2 of 2 days, met")]


@pytest.fixture
def moved(house):
    """From the Monday group to the Thursday group on Wednesday, and there every time."""
    pat = house.patient(on=BEFORE, seat=None)
    house.full_week(pat, BEFORE + 2 * DAY)
    other = f.GroupFactory(clinic=house.clinic)
    f.WeeklyBlockFactory(group=other, session_type=house.type, weekday=3)
    for group, first, last in ((house.group, BEFORE, TUE), (other, WED, None)):
        GroupMembership.objects.create(
            clinic=house.clinic, group=group, episode=pat, seat=1, starts_on=first, ends_on=last
        )
    house.full_week(pat, MON, THU)
    return pat


def test_a_transfer_between_groups_is_not_prorated(house, moved):
    # Monday and Thursday were all there was, 180 + 180, and the minimum stands.
    assert said(house, moved) == [("360 of 540, short 180", "2 of 3 days, short 1")]
    [(severity, sentence)] = cases(house, moved).values()
    assert severity in ("notice", "watch")
    assert sentence.startswith(f"{WEEK}: credited 6 h of 9 h; short 3 h; 2 of 3 days")


def test_a_transfer_is_the_schedules_fault_and_not_the_patients(house, moved):
    sentence = (
        f"{WEEK}: credited 6 h of 9 h; short 3 h; 2 of 3 days;"
        " cause: schedule, moved to another group on Wed Mar 4."
    )
    assert cases(house, moved) == {"hours": ("watch", sentence)}
    assert Flag.objects.get(episode=moved, evidence_key=f"{MON}:program").evidence["cause"] == (
        "schedule"
    )


def test_a_transfer_with_enough_sessions_is_no_excuse(house, moved):
    house.day(SAT, [moved])
    house.missed(moved, SAT)  # 540 were there to be had
    assert "schedule" not in cases(house, moved)["hours"][1]


def test_the_week_of_an_operation(house, pat):
    for day in (MON, WED, FRI):
        house.day(day, [pat])
        house.called_in(pat, day)
    assert said(house, pat) == [("0 of 540, short 540", "0 of 3 days, short 3")]
    # Excused adds no minute and opens no absence case: a notice, and a look at three such days.
    assert cases(house, pat) == {
        "hours": ("notice", f"{WEEK}: credited 0 min of 9 h; short 9 h; 0 of 3 days."),
        "excused_days": ("watch", "3 excused days in 30: Mar 2, Mar 4, Mar 6."),
    }


def test_friday_is_made_up_on_saturday(house, pat):
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.missed(pat, FRI)
    house.full_week(pat, SAT)
    assert said(house, pat) == [("540 of 540, met", "3 of 3 days, met")]
    # The make-up repairs the hours; the day without a call is still owed one.
    assert cases(house, pat) == {"no_call_day": ("act", "Missed Fri Mar 6 without a call.")}


@pytest.mark.parametrize(("left", "total", "over"), [("13:00", 1200, False), ("13:01", 1201, True)])
def test_twenty_hours_are_within_the_level_and_one_minute_more_is_not(
    house, pat, left, total, over
):
    for day in (MON, TUE, WED, THU, FRI):
        house.day(day, [pat], "09:00", "13:30", breaks=[])
        house.came(pat, day, left=left if day == FRI else "13:00")  # 4 * 240 and Friday's
    assert said(house, pat) == [(f"{total} of 540, met", "5 of 3 days, met")]
    sentence = f"{WEEK}: credited 20 h 01, 1 min over the maximum of 20 h."
    assert cases(house, pat) == ({"over_maximum": ("watch", sentence)} if over else {})


def young(house, birthday):
    patient = f.PatientFactory(clinic=house.clinic, birth_date=birthday)
    return house.patient(on=BEFORE, patient=patient, bracket=AgeBracket.ADOLESCENT, target=360)


def test_an_adolescent_who_turns_18_on_tuesday(house):
    """The age on Monday decides: 360 on three days of 120 this week, 540 of 180 the next."""
    pat = young(house, datetime.date(2008, 3, 3))
    for monday in (MON, MON + 7 * DAY):
        for n in (0, 2, 4):
            house.day(monday + n * DAY, [pat], "16:00", "18:00")
            house.came(pat, monday + n * DAY)
    assert said(house, pat) == [("360 of 360, met", "3 of 3 days, met")]
    assert said(house, pat, start=MON + 7 * DAY) == [
        ("360 of 540, short 180", "0 of 3 days, short 3")
    ]


def standard(house, source, **extra):
    sources = {"payer": Standard.Source.PAYER, "court": Standard.Source.COURT}
    extra = {"name": source.title(), "prorate": False, "starts_on": BEFORE, **extra}
    Standard.objects.create(clinic=house.clinic, source=sources[source], **extra)


def insured(house, pat, **terms):
    payer = f.PayerFactory(clinic=house.clinic, needs_authorization=False)
    standard(house, "payer", payer=payer, **terms)
    Coverage.objects.create(clinic=house.clinic, patient=pat.patient, payer=payer, starts_on=BEFORE)


def test_a_payer_whose_week_starts_on_sunday(house, pat):
    insured(house, pat, week_starts_on=6)
    house.full_week(pat, MON - DAY, MON, WED)
    # The clinic's week holds Monday and Wednesday; the payer's, March 1 to 7, the Sunday as well.
    assert said(house, pat) == [("360 of 540, short 180", "2 of 3 days, short 1")]
    assert said(house, pat, "payer") == [("540 of 540, met", "3 of 3 days, met")]


def test_a_payer_is_shown_the_unreduced_figure(house):
    pat = house.patient(on=WED)
    insured(house, pat)
    house.full_week(pat, WED)
    house.cancel(house.day(FRI, [pat]))
    # The program: 540 * 2 / 3 - 180. The payer: all of it.
    assert said(house, pat) == [("180 of 180, met", "1 of 1 days, met")]
    assert said(house, pat, "payer") == [("180 of 540, short 360", "1 of 3 days, short 2")]


def test_a_court_that_counts_presence_in_group_only(house, pat):
    """All or nothing credits nobody who comes 40 late; the court looks at who was there."""
    CreditRule.objects.filter(clinic=house.clinic).update(kind="all_or_nothing", min_percent=80)
    standard(house, "court", basis="attended", counted_types=[house.type.pk], min_minutes=420,
             day_threshold=140)  # fmt: skip
    CourtReferral.objects.create(clinic=house.clinic, episode=pat, court="County", starts_on=BEFORE)
    recreation = SessionType.objects.get(clinic=house.clinic, name="Recreation")
    for day in (MON, WED, FRI):
        house.day(day, [pat])
        house.came(pat, day, arrived="09:40")  # 140 of 180 are 78 percent: nothing credited
    house.day(SAT, [pat], "10:00", "13:00", session_type=recreation)
    house.came(pat, SAT)  # 180 that the court does not count
    assert said(house, pat) == [("0 of 540, short 540", "0 of 3 days, short 3")]
    assert said(house, pat, "court") == [("420 of 420, met", "3 of 3 days, met")]


def test_medicare_counts_three_services_a_day(house, pat):
    insured(house, pat, services_per_day=3, min_minutes=480, day_threshold=120)
    for day in (MON, WED, FRI):
        three_hours(house, pat, day)
        house.came(pat, day, **({"left": "11:15"} if day == FRI else {}))
    # Friday: 60 + 60 + 0 minutes reach 120, but they are two services.
    assert said(house, pat, "payer") == [("480 of 480, met", "2 of 3 days, short 1")]
    # The program asks 540 and 180 a day; the payer lacks a day, which no excuse explains.
    assert cases(house, pat) == {
        "hours": ("watch", f"{WEEK}: credited 8 h of 9 h; short 1 h; 2 of 3 days."),
        "too_few_days": (
            "watch",
            f"{WEEK}, payer standard: credited 8 h of 8 h; 2 of 3 days.",
        ),
    }


def test_fifty_minute_hours_at_quarters(house, pat):
    """Three sessions of 50 credit 45 each: no day of 180, whoever comes (R9, R10)."""
    CreditRule.objects.filter(clinic=house.clinic).update(kind="round_down", round_to=15)
    for day in (MON, WED, FRI):
        for starts, ends in (("09:00", "09:50"), ("10:00", "10:50"), ("11:00", "11:50")):
            house.day(day, [pat], starts, ends)
        house.came(pat, day)
    assert said(house, pat) == [("405 of 540, short 135", "0 of 3 days, short 3")]


def test_the_night_on_which_the_clocks_go_forward(house, pat):
    house.full_week(pat, MON, WED)
    house.day(SUN, [pat], "01:00", "04:00", breaks=[])
    house.came(pat, SUN)  # 1:00 to 4:00 is two hours
    assert said(house, pat) == [("480 of 540, short 60", "2 of 3 days, short 1")]


def test_the_night_on_which_the_clocks_go_back(house, pat):
    monday, sunday = datetime.date(2026, 10, 26), datetime.date(2026, 11, 1)
    house.full_week(pat, monday, monday + 2 * DAY)
    house.day(sunday, [pat], "00:30", "02:30", breaks=[])
    house.came(pat, sunday)  # 0:30 to 2:30 is three hours
    assert said(house, pat, start=monday) == [("540 of 540, met", "3 of 3 days, met")]


def test_a_roster_that_is_not_in(house, pat):
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    # 360 for sure, 540 at most: nobody is short, and nobody is done.
    assert said(house, pat) == [("360 of 540, open", "2 of 3 days, open")]
    assert cases(house, pat) == {}


def test_a_roster_that_cannot_change_anything(house, pat):
    house.full_week(pat)
    house.day(SAT, [pat])
    assert said(house, pat) == [("540 of 540, met", "3 of 3 days, met")]
    assert house.week(pat).final


def test_gone_on_monday_and_back_on_thursday(house, pat):
    """Two episodes in one week, each judged for its own days: 540 / 3 = 180."""
    house.full_week(pat, MON)
    pat.state, pat.discharged_on, pat.discharge_reason = "discharged", MON, "aca"
    pat.save()
    GroupMembership.objects.update(ends_on=MON)
    back = house.patient(on=THU, patient=pat.patient)
    house.full_week(back, FRI)
    assert said(house, pat) == [("180 of 180, met", "1 of 1 days, met")]
    assert said(house, back) == [("180 of 180, met", "1 of 1 days, met")]


def test_on_wednesday_it_is_clear_that_friday_was_given_up(house, pat):
    house.full_week(pat, MON)
    house.day(WED, [pat])
    house.missed(pat, WED)
    house.day(FRI, [pat], state="released")
    # 180 so far, nothing booked: 360 to make up on Thursday and Friday, two days for two days.
    facts = "credited 3 h of 9 h; 6 h to go; Fri 3 h not booked; 6 h to make up by Fri Mar 6"
    assert cases(house, pat, WED) == {
        "hours": ("watch", f"{WEEK}: {facts}; 1 of 3 days."),
        "no_call_day": ("act", "Missed Wed Mar 4 without a call."),
    }


def test_a_court_waits_72_hours_for_proof(house, pat):
    CourtReferral.objects.create(clinic=house.clinic, episode=pat, court="County", starts_on=BEFORE)
    house.full_week(pat, MON, FRI)
    house.day(WED, [pat])
    house.missed(pat, WED, proof="pending")
    # Wednesday ended at 12:20; Saturday 12:20 is the limit, so Friday's night is inside it.
    hours = f"{WEEK}: credited 6 h of 9 h; 3 h to go; 3 h out of reach; 2 of 3 days."
    assert cases(house, pat, FRI) == {"hours": ("watch", hours)}
    assert cases(house, pat, SAT) == {
        "hours": ("watch", hours),
        "no_call_day": ("act", "Missed Wed Mar 4 without a call."),
    }


def test_a_payers_week_of_which_only_the_sunday_was_in_treatment(house, pat):
    """Stored under the payer's week, found again from it, and equal."""
    insured(house, pat, week_starts_on=6, min_minutes=120, min_days=0)
    house.day(SUN, [pat], "09:00", "11:00")
    house.came(pat, SUN)
    pat.state, pat.discharged_on, pat.discharge_reason = "discharged", SUN, "completed"
    pat.save()
    later = house.morning(SUN + 7 * DAY)
    house.night(SUN + 7 * DAY)
    row = WeekResult.objects.get(episode=pat, standard__source=2, week_starts_on=SUN)
    assert (row.segment_ends_on, row.judged_minutes, row.minutes_status) == (SUN, 120, "met")
    assert replay(row, now=later) == []
