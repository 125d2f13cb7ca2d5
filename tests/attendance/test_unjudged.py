"""Patients whom no standard of the program judges: one sentence of the night for each clinic."""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.models import Standard
from attendance.reports.unjudged import unjudged
from attendance.standards import end_standard
from iop_clinic.accounts.acting import Job
from tests import factories
from tests.attendance.house import BEFORE, MON, SUN, House

pytestmark = pytest.mark.django_db

NEXT = MON + datetime.timedelta(weeks=1)
MINOR = datetime.date(2012, 5, 1)


def end(house, name="Adult IOP 2.1", on=SUN):
    row = Standard.objects.get(clinic=house.clinic, name=name)
    end_standard(standard=row, ends_on=on, by=Job("test"))


def born(house, day):
    return factories.PatientFactory(clinic=house.clinic, birth_date=day)


def told(house, day=NEXT):
    return unjudged([house.clinic.pk], day).get(house.clinic.pk)


def test_whoever_is_judged_is_no_finding():
    house = House()
    house.patient(BEFORE)
    end(house)
    assert told(house, SUN) is None


def test_the_week_after_the_last_day_says_how_many_and_why():
    house = House()
    for _ in range(2):
        house.patient(BEFORE, seat=None)
    house.patient(BEFORE, seat=None, patient=born(house, MINOR))
    end(house)
    assert told(house) == (
        "2 patients are judged by no standard of the program: Adult IOP 2.1 ended on Sun Mar 8."
    )
    end(house, "Adolescent IOP 2.1", SUN - datetime.timedelta(weeks=1))
    assert told(house) == (
        "3 patients are judged by no standard of the program: Adult IOP 2.1 ended on Sun Mar 8 "
        "(2); Adolescent IOP 2.1 ended on Sun Mar 1 (1)."
    )


def test_the_bracket_is_that_of_the_weeks_first_day():
    house = House()
    adult_on = NEXT + datetime.timedelta(days=1)
    house.patient(BEFORE, patient=born(house, adult_on.replace(year=2008)))
    end(house)
    assert told(house) is None
    assert told(house, NEXT + datetime.timedelta(days=6)) is None
    assert told(house, NEXT + datetime.timedelta(weeks=1)) == (
        "1 patient is judged by no standard of the program: Adult IOP 2.1 ended on Sun Mar 8."
    )


def test_another_programs_standard_judges_nobody_here():
    house, other = House(), House()
    house.patient(BEFORE)
    end(house)
    row = Standard(clinic=house.clinic, name="Own", program=house.group.program, starts_on=NEXT)
    row.save()
    assert told(house) is None
    assert told(other) is None


@pytest.mark.parametrize("change", [{"level": 1}, {"ends_on": SUN}])
def test_level_1_and_those_without_a_plan_have_no_standard(change):
    house = House()
    house.patient(BEFORE).plans.update(**change)
    end(house)
    assert told(house) is None


def test_who_is_discharged_or_died_needs_none():
    house = House()
    gone, dead = house.patient(BEFORE), house.patient(BEFORE, seat=2)
    type(gone).objects.filter(pk=gone.pk).update(
        state="discharged", discharged_on=SUN, discharge_reason="completed"
    )
    type(dead.patient).objects.filter(pk=dead.patient.pk).update(deceased_on=SUN)
    end(house)
    assert told(house) is None


def test_a_level_for_which_none_was_entered_is_named():
    house = House(rules_from=NEXT + datetime.timedelta(weeks=1))
    house.patient(BEFORE)
    assert told(house) == (
        "1 patient is judged by no standard of the program: none is in force for IOP 2.1, adult."
    )


def test_any_number_of_clinics_is_one_statement():
    houses = [House(), House(week_starts_on=6)]
    for house in houses:
        house.patient(BEFORE)
        starts = house.clinic.week_starts_on
        end(house, on=SUN if starts == 0 else SUN - datetime.timedelta(days=1))
    with CaptureQueriesContext(connection) as captured:
        found = unjudged([house.clinic.pk for house in houses], NEXT)
    assert (len(captured), sorted(found)) == (1, sorted(house.clinic.pk for house in houses))
