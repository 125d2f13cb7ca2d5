"""A night that judges only what moved writes what a night over everybody writes."""

import datetime
import random

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from attendance.compliance import screening
from attendance.compliance.evaluation import evaluate_clinics
from attendance.models import AbsenceRule, Flag, Standard, WeekResult
from patients.models import CourtReferral, EpisodeHold
from scheduling.models import Booking
from tests.attendance.edits import Edits
from tests.attendance.house import FRI, JOB, MON, SUN, THU, TUE, WED, House

pytestmark = pytest.mark.django_db
DAY = datetime.timedelta(days=1)
LONG_AGO = MON - 21 * DAY
NOT_COMPARED = {"id", "public_id"}


@pytest.fixture(autouse=True)
def no_overlap(monkeypatch):
    """What was written before the night began is old news: a test takes less than the overlap."""
    monkeypatch.setattr(screening, "OVERLAP", datetime.timedelta(0))


class Nights:
    """Houses judged together night after night, each time by what moved since the night before."""

    def __init__(self, house, *others):
        self.house = house
        self.clinics = [one.clinic.pk for one in (house, *others)]
        self.since = None

    def judge(self, day, since):
        found = evaluate_clinics(
            since=dict.fromkeys(self.clinics, since),
            local_date=day,
            by=JOB,
            now=self.house.morning(day),
        )
        return found[self.house.clinic.pk]

    def night(self, day):
        began = timezone.now()
        counts = self.judge(day, self.since)
        self.since = began
        return counts

    def both(self, day):
        """What a whole night would leave behind, and what this one does."""
        with transaction.atomic():
            self.judge(day, None)
            whole = written(self.clinics)
            transaction.set_rollback(True)
        counts = self.night(day)
        return whole, written(self.clinics), counts


def written(clinics):
    """Every case and result of clinics, with all its fields but the random ones."""
    return [
        sorted(
            (
                {name: value for name, value in row.items() if name not in NOT_COMPARED}
                for row in model.objects.filter(clinic__in=clinics).values()
            ),
            key=repr,
        )
        for model in (Flag, WeekResult)
    ]


@pytest.fixture
def nights():
    return Nights(House())


def a_week(house, people, start=MON):
    for n in (0, 2, 4):
        house.day(start + n * DAY, people)


@pytest.mark.parametrize("seed", [1, 2, 7])
def test_random_weeks_are_judged_as_by_whole_nights(seed):
    run_random(seed, days=17)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 140))
def test_many_random_weeks_are_judged_as_by_whole_nights(seed):
    run_random(seed, days=40)


def missing(whole, screened):
    """What only one of them wrote: a list that can be read."""
    return [
        row
        for ours, theirs in zip(whole, screened, strict=True)
        for row in [*ours, *theirs]
        if (row in ours) != (row in theirs)
    ]


def run_random(seed, days):
    dice = random.Random(seed)
    house, neighbour = House(), with_a_court_week(House())
    nights, edits = Nights(house, neighbour), Edits(house, dice)
    beside = Edits(neighbour, random.Random(seed + 1))
    judged = looked_at = 0
    for n in range(days):
        day = MON + n * DAY
        edits.before(day)
        beside.before(day)
        whole, screened, counts = nights.both(day)
        assert missing(whole, screened) == [], f"seed {seed}, night of {day}"
        assert screened == whole
        judged += counts.patients
        looked_at += len(edits.people)
    assert judged < looked_at
    assert Flag.objects.count() > days


def with_a_court_week(house, starts_on=3, **terms):
    """Judged in its own weeks too, Thursday to Wednesday, so that two of them go on at once."""
    program = {"source": Standard.Source.PROGRAM, "level": 2, "age_bracket": 1}
    court = Standard.objects.get(clinic=house.clinic, **program)
    court.pk, court.source, court.name = None, Standard.Source.COURT, "Court"
    court.week_starts_on, court.prorate = starts_on, False
    for name, value in terms.items():
        setattr(court, name, value)
    court.save(force_insert=True)
    return house


@pytest.mark.parametrize("starts_on", range(7))
def test_a_week_goes_on_for_seven_days_whatever_day_it_begins_on(starts_on):
    """What a case says and what is over a maximum move with days that go as planned."""
    house = with_a_court_week(House(), starts_on, max_minutes=600)
    kinds = AbsenceRule.Kind.HOURS, AbsenceRule.Kind.OVER_MAXIMUM
    AbsenceRule.objects.filter(clinic=house.clinic).exclude(kind__in=kinds).delete()
    short, full = (house.patient(on=LONG_AGO, seat=n) for n in (1, 2))
    for pat in (short, full):
        CourtReferral.objects.create(
            clinic=house.clinic, episode=pat, court="District", starts_on=LONG_AGO
        )
    days = [MON + n * DAY for n in range(21)]
    for day in days:
        if day.weekday() in (0, 2, 4):
            house.day(day, [short, full])
        elif day.weekday() == 1:
            house.day(day, [full], "13:00", "14:30")
    nights = Nights(house)
    nights.night(MON - DAY)
    missed = MON + 7 * DAY + starts_on * DAY
    for day in days:
        house.came(full, day)
        write = house.missed if missed <= day <= missed + 2 * DAY else house.came
        write(short, day)
        whole, screened, _ = nights.both(day)
        assert missing(whole, screened) == [], f"night of {day}"
    assert {flag.rule for flag in Flag.objects.all()} == set(kinds)


def test_weeks_of_one_patient_are_read_beside_the_fewer_of_another():
    """One clinic's patients have more weeks before them than another's, and than each other."""
    plain, courts = House(), with_a_court_week(House())
    missing, late, early = (
        plain.patient(on=LONG_AGO),
        courts.patient(on=LONG_AGO, seat=1),
        courts.patient(on=LONG_AGO, seat=2),
    )
    for house, people in ((plain, [missing]), (courts, [late, early])):
        for week in (-14, -7, 0):
            a_week(house, people, MON + week * DAY)
        for pat in people:
            for n in (-14, -12, -10, -7, -5, -3):
                house.came(pat, MON + n * DAY)
    nights = Nights(plain, courts)
    nights.night(SUN - 7 * DAY)
    plain.missed(missing, MON)
    courts.came(late, MON)
    courts.came(late, FRI - 7 * DAY)  # the same once more: her earlier weeks are judged as well
    courts.missed(early, MON)
    nights.night(MON)
    assert WeekResult.objects.count() > 0
    assert not WeekResult.objects.filter(amendment__gt=0).exists()


def test_a_session_that_ended_just_before_an_early_night_is_not_forgotten(monkeypatch):
    """Its roster is due an hour after its end: the next night looks at it again."""
    house = House()
    nights = Nights(house)
    monkeypatch.setattr(house, "morning", lambda day: house.at(day + DAY, "00:15"))
    pat = house.patient(on=LONG_AGO)
    nights.night(MON)
    house.day(TUE, [pat], "20:00", "23:30")
    nights.night(TUE)
    assert house.flags(AbsenceRule.Kind.UNRECORDED) == []
    nights.night(WED)
    (flag,) = house.flags(AbsenceRule.Kind.UNRECORDED)
    assert flag.evidence["missing"] == 1


def test_who_did_everything_as_planned_is_not_judged(nights):
    house = nights.house
    people = [house.patient(on=LONG_AGO, seat=n) for n in (1, 2, 3)]
    a_week(house, people)
    assert nights.night(SUN - 7 * DAY).patients == 3
    for pat in people:
        house.came(pat, MON)
    assert nights.night(MON).patients == 0


def test_whoever_missed_the_day_is_judged_alone(nights):
    house = nights.house
    pat, other = house.patient(on=LONG_AGO), house.patient(on=LONG_AGO, seat=2)
    a_week(house, [pat, other])
    nights.night(SUN - 7 * DAY)
    house.missed(pat, MON)
    house.came(other, MON)
    counts = nights.night(MON)
    assert (counts.patients, counts.opened > 0) == (1, True)
    (flag,) = house.flags(AbsenceRule.Kind.NO_CALL_DAY)
    assert flag.episode_id == pat.pk


def test_the_night_after_the_week_judges_everybody(nights):
    house = nights.house
    pat = house.patient()
    house.full_week(pat)
    house.full_week(pat, *(day + 7 * DAY for day in (MON, WED, FRI)))
    nights.night(FRI)
    assert nights.night(FRI + DAY).patients == 0
    assert nights.night(SUN).results == 1


def test_a_clinic_of_which_nothing_is_known_is_judged_whole(nights):
    house = nights.house
    house.full_week(house.patient())
    assert nights.night(THU).patients == 1


def test_a_new_rule_judges_everybody(nights):
    house = nights.house
    house.full_week(house.patient())
    nights.night(TUE)
    AbsenceRule.objects.filter(clinic=house.clinic, kind=AbsenceRule.Kind.HOURS).update(severity=4)
    assert nights.night(WED).patients == 1
    assert nights.night(THU).patients == 0


def test_a_late_roster_is_judged_in_its_own_week(nights):
    house = nights.house
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    nights.night(SUN)
    assert not WeekResult.objects.filter(week_starts_on=MON).exists()
    house.came(pat, FRI)
    assert nights.night(SUN + DAY).results == 1


def test_a_hold_that_ends_lets_the_rules_speak_again(nights):
    house = nights.house
    pat = house.patient()
    a_week(house, [pat])
    house.missed(pat, MON)
    hold = {"clinic": house.clinic, "episode": pat, "reason": "leave"}
    EpisodeHold.objects.create(**hold, starts_on=TUE, ends_on=THU)
    for day in (MON, TUE, WED, THU):
        nights.night(day)
    assert house.flags(AbsenceRule.Kind.NO_CALL_DAY) == []
    nights.night(FRI)
    assert len(house.flags(AbsenceRule.Kind.NO_CALL_DAY)) == 1


def test_a_withdrawn_booking_is_news(nights):
    house = nights.house
    pat = house.patient()
    a_week(house, [pat])
    nights.night(SUN - 7 * DAY)
    house.came(pat, MON)
    friday = Booking.objects.filter(episode=pat, session__local_date=FRI)
    friday.update(state="withdrawn", withdrawn_reason="Left early for good")
    nights.night(MON)
    assert len(house.flags(AbsenceRule.Kind.HOURS)) == 1


def statements(clinics):
    """How many a screened night of so many clinics takes, in each of which somebody moved."""
    houses = [House() for _ in range(clinics)]
    for house in houses:
        people = [house.patient(on=LONG_AGO, seat=n) for n in (1, 2)]
        a_week(house, people)
        house.missed(people[0], MON)
        house.came(people[1], MON)
    since = dict.fromkeys([house.clinic.pk for house in houses], timezone.now())
    later = datetime.datetime(2026, 3, 3, 12, tzinfo=datetime.UTC)
    with CaptureQueriesContext(connection) as captured:
        counts = evaluate_clinics(since=since, local_date=MON, by=JOB, now=later)
    assert {one.patients for one in counts.values()} == {1}
    return len(captured)


def test_a_night_of_many_clinics_takes_the_statements_of_one():
    assert statements(1) == statements(4) <= 40


def test_two_clinics_of_a_night_do_not_mix():
    houses = [House(), House(zone="America/Los_Angeles", week_starts_on=6)]
    for house in houses:
        pat = house.patient()
        a_week(house, [pat])
        house.missed(pat, MON)
    evaluate_clinics(
        since={house.clinic.pk: None for house in houses},
        local_date=MON,
        by=JOB,
        now=datetime.datetime(2026, 3, 3, 14, tzinfo=datetime.UTC),
    )
    together = [written([house.clinic.pk])[0] for house in houses]
    Flag.objects.all().delete()
    for house in houses:
        evaluate_clinics(
            since={house.clinic.pk: None},
            local_date=MON,
            by=JOB,
            now=datetime.datetime(2026, 3, 3, 14, tzinfo=datetime.UTC),
        )
    assert [written([house.clinic.pk])[0] for house in houses] == together
    assert all(together)
