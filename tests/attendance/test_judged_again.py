"""Plans, holds, payers, courts and dates entered late: past results follow in one transaction."""

import datetime
from typing import Any

import pytest

from attendance import episodes, papers
from attendance.models import NightlyRun, Standard, WeekResult
from attendance.records.entries import Entry
from attendance.records.services import clear, record_roster
from iop_clinic.accounts.acting import Refused
from patients.models import Episode, Level
from tests import factories as f
from tests.attendance.house import FRI, MON, SAT, SUN, THU, WED, House

pytestmark = pytest.mark.django_db

WEEK = datetime.timedelta(weeks=1)
MONTHS = 8 * WEEK
"""Far beyond the weeks that a night looks back on."""
IOP: dict[str, Any] = {
    "level": 2,
    "age_bracket": 1,
    "weekly_minutes_target": 540,
    "days_per_week": 3,
}
PHP: dict[str, Any] = {
    "level": Level.PHP,
    "age_bracket": 1,
    "weekly_minutes_target": 1200,
    "days_per_week": 5,
}


@pytest.fixture
def house():
    return House()


@pytest.fixture
def pat(house):
    """A patient who came all week; the week is judged."""
    row = house.patient()
    house.full_week(row)
    house.night(SUN)
    return row


def late(house):
    return {"by": house.user, "now": house.morning(SUN) + MONTHS}


def said(pat, *weeks):
    """The results of the week, or of some: standard, first day, number, and verdict or void."""
    rows = WeekResult.objects.filter(episode=pat, week_starts_on__in=weeks or [MON])
    rows = rows.select_related("standard")
    return [
        (
            row.standard.name,
            row.segment_starts_on,
            row.amendment,
            "void" if row.void else row.minutes_status,
        )
        for row in rows.order_by("standard", "segment_starts_on", "amendment")
    ]


FIRST = ("Adult IOP 2.1", MON, 0, "met")


def payers_standard(house, **extra):
    return Standard.objects.create(
        clinic=house.clinic, name="Payer", source=2, prorate=False, min_minutes=600,
        starts_on=MON, **extra,
    )  # fmt: skip


def test_a_level_changed_for_the_whole_week_takes_the_old_result_back(house, pat):
    papers.edit_plan(plan=pat.plans.get(), **PHP, **late(house))
    assert said(pat) == [
        FIRST,
        ("Adult IOP 2.1", MON, 1, "void"),
        ("Adult PHP 2.5", MON, 0, "short"),
    ]
    void = WeekResult.objects.get(void=True, week_starts_on=MON)
    assert void.reason == "Taken back: this part of the week is no longer judged by this standard."
    assert (void.credited_minutes, void.inputs["terms"]["minimum"]) == (540, 540)


def test_a_level_changed_in_the_middle_of_a_week_judges_two_parts(house, pat):
    papers.set_plan(episode=pat, starts_on=THU, **PHP, **late(house))
    assert said(pat) == [
        FIRST,
        ("Adult IOP 2.1", MON, 1, "met"),
        ("Adult PHP 2.5", THU, 0, "short"),
    ]
    second = WeekResult.objects.get(amendment=1, week_starts_on=MON)
    assert (second.prorated_minimum, second.segment_ends_on) == (360, WED)


def test_what_was_taken_back_is_judged_again_when_it_returns(house, pat):
    papers.edit_plan(plan=pat.plans.get(), **PHP, **late(house))
    papers.edit_plan(plan=pat.plans.get(), **IOP, **late(house))
    assert said(pat) == [
        FIRST,
        ("Adult IOP 2.1", MON, 1, "void"),
        ("Adult IOP 2.1", MON, 2, "met"),
        ("Adult PHP 2.5", MON, 0, "short"),
        ("Adult PHP 2.5", MON, 1, "void"),
    ]
    standing = WeekResult.objects.standing().filter(week_starts_on=MON)
    assert [row.amendment for row in standing] == [2]


def test_a_hold_entered_late_shrinks_the_week(house, pat):
    episodes.hold(episode=pat, starts_on=FRI, ends_on=SUN, reason="hospital", **late(house))
    last = WeekResult.objects.get(amendment=1)
    assert (last.prorated_minimum, last.reason) == (
        360,
        "Plan, hold or dates of treatment changed.",
    )


def test_a_return_entered_late_takes_the_hold_out_again(house, pat):
    episodes.hold(episode=pat, starts_on=WED, reason="hospital", **late(house))
    episodes.resume(episode=pat, resumes_on=FRI, **late(house))
    rows = WeekResult.objects.filter(week_starts_on=MON).order_by("amendment")
    assert [row.prorated_minimum for row in rows] == [540, 180, 360]


def test_a_discharge_entered_late_ends_the_weeks_after_it(house):
    pat = house.patient()
    for week in (0, 1):
        for day in (MON, WED, FRI):
            house.day(day + week * WEEK, [pat])
            house.missed(pat, day + week * WEEK)
    house.night(SUN + WEEK)
    episodes.discharge(episode=pat, discharged_on=WED, reason="aca", **late(house))
    assert said(pat, MON, MON + WEEK) == [
        ("Adult IOP 2.1", MON, 0, "short"),
        ("Adult IOP 2.1", MON, 1, "short"),
        ("Adult IOP 2.1", MON + WEEK, 0, "short"),
        ("Adult IOP 2.1", MON + WEEK, 1, "void"),
    ]
    standing = WeekResult.objects.standing().get(episode=pat)
    assert (standing.segment_ends_on, standing.prorated_minimum) == (WED, 360)


def test_an_admission_entered_late_is_judged_from_its_day(house):
    pat = f.EpisodeFactory(patient__clinic=house.clinic, program=house.group.program)
    f.document(pat, MON)
    pat.plans.create(clinic=house.clinic, starts_on=MON, **IOP)
    NightlyRun.objects.create(
        clinic=house.clinic, local_date=SUN, state="evaluated", lease_until=house.morning(SUN)
    )
    papers.admit(episode=pat, admitted_on=THU, **late(house))
    results = WeekResult.objects.filter(episode=pat).order_by("segment_starts_on")
    assert (results[0].segment_starts_on, results[0].minutes_status) == (THU, "short")


def test_insurance_entered_late_is_judged_from_its_day(house, pat):
    standard = payers_standard(house, payer=f.PayerFactory(clinic=house.clinic))
    papers.add_coverage(patient=pat.patient, payer=standard.payer, starts_on=MON, **late(house))
    assert said(pat) == [FIRST, ("Payer", MON, 0, "short")]


OLD = datetime.date(2015, 1, 1)


def test_papers_older_than_the_stay_are_judged_from_the_admission(house, pat, monkeypatch):
    asked = []
    monkeypatch.setattr(papers, "judge_again", lambda **said: asked.append(said["since"]))
    payer = f.PayerFactory(clinic=house.clinic)
    row = papers.add_coverage(patient=pat.patient, payer=payer, starts_on=OLD, **late(house))
    papers.edit_coverage(coverage=row, verified_on=MON, **late(house))
    papers.mandate(episode=pat, court="County", starts_on=OLD, **late(house))
    assert asked == [MON, MON, MON]


def test_each_stay_is_judged_from_its_own_admission(house, monkeypatch):
    asked = {}
    monkeypatch.setattr(
        papers,
        "judge_again",
        lambda episode_ids, since, **_: asked.update(dict.fromkeys(episode_ids, since)),
    )
    before = f.admitted(house.clinic, on=OLD, program=house.group.program)
    Episode.objects.filter(pk=before.pk).update(
        state="discharged", discharged_on=OLD + WEEK, discharge_reason="completed"
    )
    pat = house.patient(patient=before.patient)
    payer = f.PayerFactory(clinic=house.clinic)
    papers.add_coverage(patient=pat.patient, payer=payer, starts_on=OLD, **late(house))
    assert asked == {before.pk: OLD, pat.pk: MON}


def test_insurance_that_never_was_is_taken_back(house, pat):
    standard = payers_standard(house, payer=f.PayerFactory(clinic=house.clinic))
    row = papers.add_coverage(
        patient=pat.patient, payer=standard.payer, starts_on=MON, **late(house)
    )
    papers.edit_coverage(coverage=row, starts_on=MON + WEEK, **late(house))
    assert said(pat) == [FIRST, ("Payer", MON, 0, "short"), ("Payer", MON, 1, "void")]


def test_an_authorization_entered_late_is_judged_from_its_day(house, pat):
    standard = payers_standard(house, payer=f.PayerFactory(clinic=house.clinic))
    row = papers.authorize(
        episode=pat, payer=standard.payer, number="A1", unit="day", units=9,
        starts_on=MON, ends_on=SUN, **late(house),
    )  # fmt: skip
    assert said(pat) == [FIRST, ("Payer", MON, 0, "short")]
    papers.edit_authorization(
        authorization=row, starts_on=MON + WEEK, ends_on=SUN + WEEK, **late(house)
    )
    assert said(pat)[-1] == ("Payer", MON, 1, "void")


def test_a_court_order_entered_late_is_judged_from_its_day(house, pat):
    Standard.objects.create(
        clinic=house.clinic, name="Court", source=3, prorate=False, min_minutes=600, starts_on=MON
    )
    papers.mandate(episode=pat, court="County", starts_on=WED, **late(house))
    assert said(pat) == [FIRST, ("Court", MON, 0, "short")]


def test_another_birth_date_is_another_age_bracket(house, pat):
    papers.save_patient(
        clinic=house.clinic, patient=pat.patient, birth_date=datetime.date(2010, 1, 1),
        **late(house),
    )  # fmt: skip
    assert said(pat) == [
        FIRST,
        ("Adult IOP 2.1", MON, 1, "void"),
        ("Adolescent IOP 2.1", MON, 0, "met"),
    ]


def test_a_safe_phone_changes_no_week(house, pat):
    papers.save_patient(clinic=house.clinic, patient=pat.patient, phone="555-0100", **late(house))
    assert said(pat) == [FIRST]


def test_a_record_taken_back_opens_the_week_again(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.missed(pat, FRI)
    house.night(SUN)
    record = pat.bookings.latest("starts_at").attendance
    record.delete()
    house.night(SUN + datetime.timedelta(days=1))
    rows = WeekResult.objects.filter(episode=pat).order_by("amendment")
    assert [(row.void, row.reason) for row in rows] == [
        (False, ""),
        (True, "Taken back: a record is missing, so the week is open again."),
    ]
    house.came(pat, FRI)
    house.night(SUN + datetime.timedelta(days=2))
    last = WeekResult.objects.standing().get(episode=pat)
    assert (last.amendment, last.minutes_status, last.reason) == (
        2,
        "met",
        "Judged again after it was taken back.",
    )


def recorded_late(house, booking, **told):
    given = late(house)
    entry = Entry(booking=booking.public_id, attended=True, **told)
    record_roster(session=booking.session, entries=[entry], **given)


def test_a_roster_recorded_late_amends_the_stored_week(house):
    pat = house.patient()
    saturday = house.day(SAT, [pat]).bookings.get()
    house.full_week(pat)
    house.night(SUN)
    recorded_late(house, saturday)
    rows = WeekResult.objects.filter(episode=pat, week_starts_on=MON).order_by("amendment")
    assert [row.credited_minutes for row in rows] == [540, 720]


def test_a_roster_recorded_late_closes_a_week_that_was_taken_back(house, pat):
    record = pat.bookings.latest("starts_at").attendance
    clear(booking=record.booking, version=record.version, correction_reason="Twin", **late(house))
    assert said(pat)[-1] == ("Adult IOP 2.1", MON, 1, "void")
    recorded_late(house, pat.bookings.latest("starts_at"))
    assert said(pat)[-1] == ("Adult IOP 2.1", MON, 2, "met")


def test_before_the_first_night_nothing_is_judged(house):
    pat = house.patient()
    house.full_week(pat)
    papers.set_plan(episode=pat, starts_on=WED, **PHP, **late(house))
    assert (WeekResult.objects.count(), house.flags()) == (0, [])


def test_a_refused_change_amends_nothing(house, pat):
    with pytest.raises(Refused):
        papers.set_plan(episode=pat, starts_on=MON, **IOP, **late(house))
    assert said(pat) == [FIRST]
    assert Episode.objects.get(pk=pat.pk).plans.count() == 1


def test_judging_again_twice_writes_nothing_more(house, pat):
    papers.edit_plan(plan=pat.plans.get(), **PHP, **late(house))
    before = said(pat)
    papers.edit_plan(plan=pat.plans.get(), review_due_on=SUN, **late(house))
    assert said(pat) == before
