"""What a new standard would change: told before it is saved, and nothing is left behind."""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.models import Flag, Standard, WeekResult
from attendance.standards_ahead import preview_end, preview_standard
from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.models import AuditEvent
from tests import factories
from tests.attendance.house import FRI, MON, SUN, WED, House

pytestmark = pytest.mark.django_db

JOB = Job("test")
NEXT = MON + datetime.timedelta(weeks=1)


@pytest.fixture
def house():
    return House()


def ahead(house, clock="13:00", day=FRI, **facts):
    facts.setdefault("standard", Standard.objects.get(clinic=house.clinic, name="Adult IOP 2.1"))
    return preview_standard(
        clinic=house.clinic, by=JOB, now=house.at(day, clock), **{"starts_on": MON, **facts}
    )


def statuses(change):
    return [(one.minutes_status.value, one.days_status.value) for one in change]


def test_a_higher_minimum_names_the_weeks_that_fall_short(house):
    pat = house.patient()
    house.full_week(pat)
    told = ahead(house, min_minutes=600)
    (change,) = told.changes
    assert (change.episode_id, change.week.start) == (pat.pk, MON)
    assert (statuses(change.before), statuses(change.after)) == (
        [("met", "met")],
        [("short", "met")],
    )
    assert (told.before.minutes, told.after.minutes) == ({"met": 1}, {"short": 1})
    assert told.before.days == told.after.days == {"met": 1}
    assert told.ends == ("Adult IOP 2.1", MON - datetime.timedelta(days=1))


def test_an_open_week_that_cannot_be_met_any_more_is_a_change(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    (change,) = ahead(house, "05:00", min_minutes=600).changes
    assert (statuses(change.before), statuses(change.after)) == (
        [("open", "open")],
        [("open", "open")],
    )
    assert [one.judgement.make_up_minutes for one in change.after] == [60]


def test_figures_that_change_nobodys_week_name_nobody(house):
    house.full_week(house.patient())
    told = ahead(house, max_minutes=1199, name="Adult IOP, renamed")
    assert (told.changes, told.patients) == ((), 1)


def test_only_those_whom_the_standard_judges_are_counted(house):
    house.full_week(house.patient())
    born = datetime.date(2012, 5, 1)
    minor = house.patient(
        seat=2, patient=factories.PatientFactory(clinic=house.clinic, birth_date=born)
    )
    house.day(FRI, [minor], starts="13:00", ends="14:00")
    told = ahead(house, min_minutes=600)
    assert (told.patients, told.patients_changed, len(told.changes), told.left) == (1, 1, 1, 0)
    assert (told.before.minutes, told.after.minutes) == ({"met": 1}, {"short": 1})


def test_what_is_not_booked_is_counted_of_the_open_weeks(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    told = ahead(house, "05:00", min_minutes=600)
    assert told.before.minutes == {"open": 1}
    assert told.after.minutes == {"open": 1, "not_booked": 1}


def test_an_end_names_those_whom_nobody_judges_then(house):
    pats = [house.patient(), house.patient(seat=2)]
    pats[1].court_referrals.create(clinic=house.clinic, court="County", starts_on=MON)
    court = {"name": "Court", "source": 3, "prorate": False}
    Standard.objects.create(clinic=house.clinic, starts_on=MON, **court)
    row = Standard.objects.get(clinic=house.clinic, name="Adult IOP 2.1")
    told = preview_end(standard=row, ends_on=SUN, by=JOB, now=house.at(FRI, "13:00"))
    assert (told.since, told.first, told.patients, told.left) == (NEXT, NEXT, 2, 2)
    assert [[one.name for one in change.after] for change in told.changes] == [[], ["Court"]]
    assert Standard.objects.get(pk=row.pk).ends_on is None


def test_an_end_that_stays_has_nothing_to_show(house):
    row = Standard.objects.get(clinic=house.clinic, name="Adult IOP 2.1")
    with pytest.raises(ValueError, match="stays as it is"):
        preview_end(standard=row, ends_on=None, by=JOB)


def test_a_payers_standard_is_new_beside_the_programs(house):
    pat = house.patient()
    pat.court_referrals.create(clinic=house.clinic, court="County", starts_on=MON)
    house.full_week(pat)
    facts = {"name": "Court", "source": 3, "prorate": False, "min_minutes": 600}
    (change,) = ahead(house, standard=None, **facts).changes
    assert [one.name for one in change.before] == ["Adult IOP 2.1"]
    assert [one.name for one in change.after] == ["Adult IOP 2.1", "Court"]


def test_a_version_to_come_is_shown_for_its_first_week(house):
    pat = house.patient()
    for day in (0, 2, 4):
        house.day(NEXT + datetime.timedelta(days=day), [pat])
    told = ahead(house, starts_on=NEXT, min_minutes=600)
    assert (told.first, told.last) == (NEXT, NEXT + datetime.timedelta(days=6))
    assert [change.week.start for change in told.changes] == [NEXT]


def test_a_look_ahead_leaves_nothing_behind(house):
    house.full_week(house.patient())
    row = Standard.objects.get(clinic=house.clinic, name="Adult IOP 2.1")
    before = AuditEvent.objects.count()
    ahead(house, standard=row, min_minutes=600)
    assert row.ends_on is None
    assert Standard.objects.filter(clinic=house.clinic).count() == 4
    assert (AuditEvent.objects.count(), Flag.objects.count(), WeekResult.objects.count()) == (
        before,
        0,
        0,
    )


def test_it_refuses_what_saving_would_refuse(house):
    house.full_week(house.patient())
    house.night(SUN)
    with pytest.raises(Refused) as refused:
        ahead(house, min_minutes=600)
    assert refused.value.code == "weeks_judged"
    assert Standard.objects.filter(clinic=house.clinic).count() == 4


def test_the_statements_do_not_grow_with_the_patients(house):
    counts = []
    for number in range(3):
        house.day(
            FRI,
            [house.patient(seat=number + 1)],
            starts=f"{13 + number}:00",
            ends=f"{14 + number}:00",
        )
        with CaptureQueriesContext(connection) as captured:
            ahead(house, min_minutes=600)
        counts.append(len(captured))
    assert counts == [counts[0]] * 3
