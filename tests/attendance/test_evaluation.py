"""The nightly judgement of a clinic: what opens a case, what changes it, what closes it."""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from attendance.compliance.evaluation import EvaluationCounts, evaluate, reevaluate
from attendance.models import AbsenceRule, Flag, Standard, WeekResult
from attendance.models.standards import Severity
from iop_clinic.accounts.acting import acting
from iop_clinic.accounts.models import AuditEvent
from patients.models import Coverage, Episode, EpisodeHold, Level, TreatmentPlan
from tests import factories as f
from tests.attendance.house import FRI, JOB, MON, SAT, SUN, THU, TUE, WED, House

pytestmark = pytest.mark.django_db

HOURS, NO_CALL = AbsenceRule.Kind.HOURS, AbsenceRule.Kind.NO_CALL_DAY
CONSECUTIVE, COUNT = AbsenceRule.Kind.CONSECUTIVE, AbsenceRule.Kind.COUNT_IN_DAYS
UNRECORDED, EARLY = AbsenceRule.Kind.UNRECORDED, AbsenceRule.Kind.FIRST_DAYS
DAY = datetime.timedelta(days=1)


@pytest.fixture
def house():
    return House()


def only(flags):
    (flag,) = flags
    return flag


def hours_case(house, start="2026-03-02"):
    """The case of one week; a week without bookings has one of its own."""
    return only(flag for flag in house.flags(HOURS) if flag.evidence_key.startswith(start))


def booked_week(house, *people, start=MON):
    for n in (0, 2, 4):
        house.day(start + n * DAY, list(people))


# Hours


def test_a_full_week_opens_nothing(house):
    pat = house.patient()
    house.full_week(pat)
    house.full_week(pat, *(day + 7 * DAY for day in (MON, WED, FRI)))
    assert house.night(SUN) == EvaluationCounts(patients=1, results=1)
    assert house.flags() == []


def test_one_case_from_projected_short_to_short(house):
    pat = house.patient()
    booked_week(house, pat)
    house.came(pat, MON, left="09:50")
    house.night(MON)
    flag = hours_case(house)
    assert (flag.evidence_key, flag.evidence["stage"]) == ("2026-03-02:program", "projected_short")
    assert flag.sentence == (
        "Week of Mar 2 – Mar 8, 2026: credited 50 min of 9 h; 8 h 10 to go; "
        "booked Wed 3 h, Fri 3 h; 2 h 10 to make up by Fri Mar 6; at most 2 of 3 days."
    )
    house.came(pat, WED)
    house.came(pat, FRI)
    house.night(SUN)
    again = hours_case(house)
    assert (again.pk, again.evidence["stage"], again.version) == (flag.pk, "short", 2)
    assert again.sentence == (
        "Week of Mar 2 – Mar 8, 2026: credited 6 h 50 of 9 h; short 2 h 10; 2 of 3 days."
    )


def test_a_make_up_repairs_the_case_and_its_loss_reopens_the_same_row(house):
    pat = house.patient()
    booked_week(house, pat)
    house.came(pat, MON)
    house.missed(pat, WED, excused_override=True, override_reason="Seen")
    house.night(WED)
    flag = hours_case(house)
    make_up = house.day(SAT, [pat])
    assert house.night(THU).closed == 1
    flag.refresh_from_db()
    assert (flag.state, flag.outcome, flag.closed_by_facts) == ("closed", "facts", True)
    assert flag.outcome_note.endswith("booked Fri 3 h, Sat 3 h; within reach; 1 of 3 days so far.")
    house.cancel(make_up)
    make_up.bookings.update(state="withdrawn", withdrawn_reason="Cancelled")
    assert house.night(FRI).reopened == 1
    flag.refresh_from_db()
    assert (flag.state, flag.outcome, flag.closed_at, flag.closed_by_facts) == (
        "open", "", None, False,
    )  # fmt: skip


def test_the_repaired_week_says_so(house):
    pat = house.patient()
    booked_week(house, pat)
    house.came(pat, MON)
    house.came(pat, WED)
    house.called_in(pat, FRI)
    house.night(FRI)
    house.full_week(pat, SAT)
    house.night(SAT)
    assert hours_case(house).outcome_note == (
        "Week of Mar 2 – Mar 8, 2026: credited 9 h of 9 h; repaired."
    )


def test_the_next_week_is_another_case(house):
    pat = house.patient()
    booked_week(house, pat)
    booked_week(house, pat, start=MON + 7 * DAY)
    for n in (0, 2, 4):
        house.called_in(pat, MON + n * DAY)
    house.night(SUN)
    house.called_in(pat, MON + 7 * DAY)
    house.night(MON + 7 * DAY)
    assert [flag.evidence_key[:10] for flag in house.flags(HOURS)] == ["2026-03-02", "2026-03-09"]


def test_a_missing_roster_opens_no_hours_case(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.day(FRI + 3 * DAY, [pat])
    house.night(FRI)
    assert house.flags(HOURS) == []


def test_excused_absences_make_it_a_notice(house):
    AbsenceRule.objects.filter(kind=HOURS).update(severity=Severity.ACT)
    excused, silent = house.patient(), house.patient(seat=2)
    booked_week(house, excused, silent)
    booked_week(house, excused, silent, start=MON + 7 * DAY)
    for pat in (excused, silent):
        house.came(pat, MON)
        house.came(pat, WED)
    house.called_in(excused, FRI)
    house.missed(silent, FRI)
    house.night(SUN)
    loudness = {flag.episode_id: flag.severity for flag in house.flags(HOURS)}
    assert loudness == {excused.pk: Severity.NOTICE, silent.pk: Severity.ACT}


def test_two_payers_are_one_case_about_the_worse(house):
    pat = house.patient()
    for name, minimum in (("Lenient", 560), ("Strict", 600)):
        payer = f.PayerFactory(clinic=house.clinic)
        same = {"clinic": house.clinic, "payer": payer, "starts_on": MON}
        Standard.objects.create(
            **same, name=name, source=Standard.Source.PAYER, min_minutes=minimum, prorate=False
        )
        Coverage.objects.create(**same, patient=pat.patient)
    house.full_week(pat)
    house.night(SUN)
    flag = hours_case(house)
    assert (flag.evidence_key, flag.evidence["standard"]) == ("2026-03-02:payer", "Strict")
    assert flag.sentence == (
        "Week of Mar 2 – Mar 8, 2026, payer standard: credited 9 h of 10 h; short 1 h."
    )


def test_a_change_of_level_is_one_case_about_the_worse_part(house):
    pat = house.patient()
    pat.plans.update(ends_on=WED)
    TreatmentPlan.objects.create(
        clinic=house.clinic, episode=pat, level=Level.PHP, weekly_minutes_target=1200, starts_on=THU
    )
    house.full_week(pat)
    house.night(SUN)
    flag = hours_case(house)
    assert flag.evidence["standard"] == "Adult PHP 2.5"
    assert "credited 3 h of 6 h 40 (prorated 400 of 1200); short 3 h 40" in flag.sentence


def test_weeks_long_past_open_nothing_but_are_stored(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    assert house.night(SUN + 21 * DAY).results >= 1
    assert "2026-03-02:program" not in {flag.evidence_key for flag in house.flags(HOURS)}


# Silence


def test_a_hold_silences_the_rules(house):
    pat = house.patient()
    booked_week(house, pat)
    house.missed(pat, MON)
    EpisodeHold.objects.create(clinic=house.clinic, episode=pat, reason="jail", starts_on=TUE)
    house.missed(pat, WED)
    house.night(WED)
    assert house.flags() == []


def test_days_inside_a_hold_are_never_evidence(house):
    pat = house.patient()
    booked_week(house, pat)
    for day in (MON, WED, FRI):
        house.missed(pat, day)
    EpisodeHold.objects.create(
        clinic=house.clinic, episode=pat, reason="leave", starts_on=TUE, ends_on=THU
    )
    house.night(FRI)
    assert [flag.evidence_key for flag in house.flags(NO_CALL)] == ["2026-03-02", "2026-03-06"]


def test_a_death_stops_everything(house):
    pat = house.patient()
    booked_week(house, pat)
    house.missed(pat, MON)
    house.night(MON)
    pat.patient.deceased_on = TUE
    pat.patient.save()
    house.missed(pat, WED)
    house.night(WED)
    assert {(flag.state, flag.outcome_note) for flag in house.flags(HOURS, NO_CALL)} == {
        ("closed", "The patient died.")
    }
    house.missed(pat, FRI)
    assert house.night(FRI).opened == 0


def test_a_discharged_patient_gets_a_result_and_no_case(house):
    pat = house.patient()
    booked_week(house, pat)
    house.missed(pat, MON)
    pat.state, pat.discharged_on, pat.discharge_reason = "discharged", WED, "aca"
    pat.save()
    house.missed(pat, WED)
    house.night(SUN)
    assert house.flags(HOURS, NO_CALL, CONSECUTIVE) == []
    result = WeekResult.objects.get(episode=pat, week_starts_on=MON)
    assert (result.minutes_status, result.prorated_minimum) == ("short", 360)


def test_a_snoozed_case_wakes_on_its_date(house):
    pat = house.patient()
    booked_week(house, pat)
    house.missed(pat, MON)
    house.night(MON)
    Flag.objects.filter(rule=NO_CALL).update(state="snoozed", snoozed_until=THU)
    house.night(TUE)
    assert only(house.flags(NO_CALL)).state == "snoozed"
    house.night(WED)
    assert only(house.flags(NO_CALL)).state == "open"


# Cost


def clinic_of(patients):
    house = House()
    people = [house.patient(seat=n + 1 if n < 12 else None) for n in range(patients)]
    for day in (MON, WED, FRI):
        house.day(day, people, capacity=40, ceiling=40)
    for n, pat in enumerate(people):
        house.missed(pat, MON)
        house.missed(pat, WED) if n % 2 == 0 else house.came(pat, WED)
    return house


def statements(house, day=WED):
    with CaptureQueriesContext(connection) as captured:
        counts = house.night(day)
    return len(captured), counts


def test_a_night_costs_as_many_statements_for_40_patients_as_for_one():
    few, one = statements(clinic_of(1))
    many, forty = statements(clinic_of(40))
    assert (one.patients, forty.patients) == (1, 40)
    assert few == many
    # Ten reads and writes, eleven finders of papers and places and their cases, and the frame:
    # savepoint, actor, constraints, actor, release.
    assert many <= 29


def test_a_second_run_writes_nothing(house):
    house = clinic_of(3)
    house.night(SUN)
    assert house.flags() != []
    before = list(Flag.objects.order_by("pk").values()), list(WeekResult.objects.values())
    events = AuditEvent.objects.count()
    assert house.night(SUN) == EvaluationCounts(patients=3)
    assert (list(Flag.objects.order_by("pk").values()), list(WeekResult.objects.values())) == before
    assert AuditEvent.objects.count() == events


def test_the_nights_writes_name_the_job(house):
    pat = house.patient()
    house.day(MON, [pat])
    house.missed(pat, MON)
    house.night(MON)
    actors = AuditEvent.objects.filter(table_name="attendance_flag").values_list("actor", flat=True)
    assert set(actors) == {"job:nightly"}


def test_an_older_night_judged_again_leaves_the_cases_of_later_ones(house):
    pat = house.patient()
    booked_week(house, pat)
    house.missed(pat, MON)
    house.night(MON)
    before = house.flags()
    assert before
    counts = house.night(MON - 3 * DAY)
    assert (counts.opened, counts.closed, counts.updated, counts.lapsed) == (0, 0, 0, 0)
    assert [(f.pk, f.state, f.version) for f in house.flags()] == [
        (f.pk, f.state, f.version) for f in before
    ]


def test_a_clinic_without_rules_or_patients(house):
    assert house.night(MON) == EvaluationCounts()
    AbsenceRule.objects.all().delete()
    pat = house.patient()
    house.day(MON, [pat])
    house.missed(pat, MON)
    house.night(MON)
    assert house.flags() == []


def test_one_clinic_is_judged_at_a_time(house):
    other = House("America/Los_Angeles")
    pat = other.patient()
    other.day(MON, [pat])
    other.missed(pat, MON)
    house.night(MON)
    assert other.flags() == []


# Corrections


def correct(house, *episodes, now):
    ids = [episode.pk for episode in episodes]
    return reevaluate(clinic=house.clinic, episode_ids=ids, by=house.user, now=now)


def test_a_correction_closes_and_opens_at_once(house):
    pat = house.patient()
    booked_week(house, pat)
    house.missed(pat, MON)
    house.came(pat, WED)
    house.night(WED)
    house.came(pat, MON)
    house.missed(pat, WED)
    correct(house, pat, now=house.at(THU, "11:00"))
    states = {(flag.rule, flag.evidence_key): flag.state for flag in house.flags(NO_CALL, EARLY)}
    assert states == {(NO_CALL, "2026-03-02"): "closed", (EARLY, "2026-03-04"): "open"}


def test_a_correction_judges_only_the_episodes_named_and_no_roster(house):
    pat, other = house.patient(), house.patient(seat=2)
    house.day(MON, [pat, other])
    house.missed(pat, MON)
    assert correct(house, other, now=house.morning(MON)).patients == 1
    assert house.flags(NO_CALL, UNRECORDED) == []


def test_today_opens_nothing_before_its_night(house):
    pat = house.patient()
    house.day(MON, [pat])
    house.missed(pat, MON)
    correct(house, pat, now=house.at(MON, "15:00"))
    assert house.flags(NO_CALL) == []


@pytest.mark.parametrize("patients", [1, 12])
def test_a_correction_costs_at_most_ten_statements(patients):
    house = clinic_of(patients)
    house.night(SUN)
    people = list(Episode.objects.filter(clinic=house.clinic))
    for pat in people:
        house.came(pat, MON)
    with acting(house.user), CaptureQueriesContext(connection) as captured:
        counts = correct(house, *people, now=house.at(SUN + DAY, "12:00"))
    assert (counts.closed > 0, counts.amendments > 0) == (True, True)
    assert len(captured) <= 10


def test_the_clock_is_the_default(house):
    assert evaluate(clinic=house.clinic, local_date=timezone.now().date(), by=JOB).patients == 0
