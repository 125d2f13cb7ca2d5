"""A week's hours case under several standards, and in weeks that are known late."""

import datetime

import pytest
from django.utils import timezone

from attendance.models import AbsenceRule, Flag, NightlyRun, Standard, WeekResult
from attendance.records.services import record_roster
from patients.models import CourtReferral
from tests.attendance.house import BEFORE, FRI, MON, SUN, WED, House

pytestmark = pytest.mark.django_db

HOURS = AbsenceRule.Kind.HOURS
DAY = datetime.timedelta(days=1)


@pytest.fixture
def house():
    return House()


def hours(house):
    return [
        (flag.evidence_key, flag.state)
        for flag in house.flags(HOURS)
        if flag.evidence_key.startswith(MON.isoformat())
    ]


def court(house, pat, minimum=540):
    """The program's standard once more, as a court's."""
    row = Standard.objects.get(
        clinic=house.clinic, source=Standard.Source.PROGRAM, level=2, age_bracket=1
    )
    row.pk, row.source, row.name, row.prorate = None, Standard.Source.COURT, "Court", False
    row.min_minutes = minimum
    row.save(force_insert=True)
    CourtReferral.objects.create(clinic=house.clinic, episode=pat, court="Drug", starts_on=BEFORE)


def test_one_missed_evening_is_one_case_under_all_standards(house):
    pat = house.patient(on=BEFORE)
    court(house, pat)
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.missed(pat, FRI)
    house.night(FRI)
    assert hours(house) == [("2026-03-02:program", "open")]
    (flag,) = (one for one in house.flags(HOURS) if one.evidence_key.startswith("2026-03-02"))
    assert flag.evidence["also"] == ["court"]
    assert flag.sentence.endswith(" Short under the court standard too.")


def test_a_standard_that_misses_more_has_a_case_of_its_own(house):
    pat = house.patient(on=BEFORE)
    court(house, pat, minimum=600)
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.missed(pat, FRI)
    house.night(FRI)
    assert hours(house) == [("2026-03-02:program", "open"), ("2026-03-02:court", "open")]


def test_a_week_found_short_late_has_its_case(house):
    """Its roster came eight days after its end: it needs its reason all the same (R7)."""
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    other = house.patient(seat=2)
    house.full_week(other)
    house.night(SUN)
    house.night(SUN + 7 * DAY)
    assert hours(house) == []
    house.missed(pat, FRI)
    house.night(SUN + 8 * DAY)
    assert hours(house) == [("2026-03-02:program", "open")]


def test_a_week_that_ended_long_before_the_first_night_has_none(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.missed(pat, FRI)
    house.night(SUN + 8 * DAY)
    house.night(SUN + 9 * DAY)
    assert WeekResult.objects.get(week_starts_on=MON).minutes_status == "short"
    assert hours(house) == []


def test_a_roster_older_than_nights_look_is_judged_when_it_comes(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    session = house.day(FRI, [pat])
    house.night(SUN)
    Flag.objects.update(state="closed", outcome="other", closed_at=timezone.now())
    assert not WeekResult.objects.exists()
    NightlyRun.objects.create(
        clinic=house.clinic, local_date=FRI, state="finished", lease_until=house.morning(FRI),
        finished_at=house.morning(FRI),
    )  # fmt: skip
    later = SUN + 42 * DAY
    record_roster(session=session, all_present=True, by=house.user, now=house.at(later, "12:00"))
    assert WeekResult.objects.get(week_starts_on=MON).credited_minutes == 540
