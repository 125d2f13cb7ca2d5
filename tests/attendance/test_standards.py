"""Standards over time: one after the other, on week boundaries, never over what was judged."""

import datetime

import pytest

from attendance.models import Standard, WeekResult
from attendance.standards import add_standard, end_standard, replace_standard
from iop_clinic.accounts.acting import Job, Refused
from tests.attendance.house import MON, SUN, TUE, House
from tests.attendance.together import together

JOB = Job("test")
WEEK = datetime.timedelta(weeks=1)
DAY = datetime.timedelta(days=1)
NEXT = MON + WEEK


@pytest.fixture
def house(db):
    return House()


@pytest.fixture
def adult(house):
    return Standard.objects.get(clinic=house.clinic, name="Adult IOP 2.1")


def refusal(function, **arguments):
    with pytest.raises(Refused) as refused:
        function(**arguments, by=JOB)
    return refused.value


def versions(house):
    rows = Standard.objects.filter(clinic=house.clinic, level=2, age_bracket=1, source=1)
    return list(rows.order_by("starts_on").values_list("min_minutes", "starts_on", "ends_on"))


LONG_AGO = datetime.date(2000, 1, 1)
UNTOUCHED = [(540, LONG_AGO, None)]


def test_another_version_ends_the_one_in_force_the_day_before(house, adult):
    replace_standard(standard=adult, starts_on=NEXT, min_minutes=600, by=JOB)
    assert versions(house) == [(540, LONG_AGO, SUN), (600, NEXT, None)]


def test_each_week_is_judged_by_the_version_of_its_time(house, adult):
    pat = house.patient()
    replace_standard(standard=adult, starts_on=NEXT, min_minutes=600, by=JOB)
    for start in (MON, NEXT):
        for number in (0, 2, 4):
            day = start + datetime.timedelta(days=number)
            house.day(day, [pat])
            house.came(pat, day)
    house.night(NEXT + 6 * DAY)
    rows = WeekResult.objects.filter(episode=pat).order_by("week_starts_on")
    assert [(r.minimum, r.minutes_status) for r in rows] == [(540, "met"), (600, "short")]


def test_a_version_begins_with_one_of_its_weeks(house, adult):
    refused = refusal(replace_standard, standard=adult, starts_on=NEXT + DAY, min_minutes=600)
    assert (refused.code, refused.field) == ("not_week_start", "starts_on")
    assert refused.details["dates"] == [NEXT, NEXT + WEEK]
    assert versions(house) == UNTOUCHED


def test_a_judged_week_keeps_its_version(house, adult):
    house.full_week(house.patient())
    house.night(SUN)
    refused = refusal(replace_standard, standard=adult, starts_on=MON, min_minutes=600)
    assert (refused.code, refused.field) == ("weeks_judged", "starts_on")
    assert (refused.details["dates"], versions(house)) == ([NEXT], UNTOUCHED)


def test_the_first_standard_of_its_kind_judges_no_week_of_the_past(house):
    house.full_week(house.patient())
    house.night(SUN)
    court = {"clinic": house.clinic, "name": "Court", "source": 3, "prorate": False}
    assert refusal(add_standard, **court, starts_on=MON).code == "weeks_judged"
    assert add_standard(**court, starts_on=NEXT, by=JOB).starts_on == NEXT


def test_a_good_date_named_is_not_a_judged_one(house, adult):
    house.full_week(house.patient())
    house.night(SUN)
    refused = refusal(replace_standard, standard=adult, starts_on=NEXT + DAY)
    assert refused.details["dates"] == [NEXT, NEXT + WEEK]
    refused = refusal(replace_standard, standard=adult, starts_on=SUN)
    assert refused.details["dates"] == [NEXT]


def test_two_standards_of_one_kind_do_not_overlap(house):
    facts = {"clinic": house.clinic, "name": "Again", "level": 2, "age_bracket": 1}
    assert refusal(add_standard, **facts, starts_on=NEXT).code == "standard_overlap"
    assert versions(house) == UNTOUCHED


def test_a_minimum_over_the_maximum_leaves_the_one_in_force(house, adult):
    refused = refusal(replace_standard, standard=adult, starts_on=NEXT, min_minutes=1300)
    assert refused.message == "The minimum lies over the maximum."
    assert versions(house) == UNTOUCHED


def test_other_weeks_would_leave_days_that_nobody_judges(house, adult):
    sunday = NEXT - DAY
    refused = refusal(replace_standard, standard=adult, starts_on=sunday, week_starts_on=6)
    assert (refused.code, refused.field) == ("week_start_differs", "week_starts_on")
    assert versions(house) == UNTOUCHED


def test_a_version_follows_the_one_it_replaces(house, adult):
    replace_standard(standard=adult, starts_on=NEXT, min_minutes=600, by=JOB)
    latest = Standard.objects.get(min_minutes=600, clinic=house.clinic)
    assert refusal(replace_standard, standard=latest, starts_on=NEXT).code == "before_start"
    assert refusal(replace_standard, standard=adult, starts_on=NEXT + WEEK).code == "standard_ended"


def test_whom_it_judges_is_another_standard(adult):
    with pytest.raises(TypeError, match="payer"):
        replace_standard(standard=adult, starts_on=NEXT, payer=None, by=JOB)


def test_a_standard_ends_with_one_of_its_weeks_or_not_at_all(house, adult):
    refused = refusal(end_standard, standard=adult, ends_on=NEXT + DAY)
    assert (refused.code, refused.details["dates"]) == ("not_week_end", [SUN, NEXT + 6 * DAY])
    end_standard(standard=adult, ends_on=SUN, by=JOB)
    end_standard(standard=adult, ends_on=None, by=JOB)
    assert versions(house) == UNTOUCHED


def test_a_standard_does_not_come_back_over_weeks_judged_without_it(house, adult):
    end_standard(standard=adult, ends_on=MON - DAY, by=JOB)
    add_standard(clinic=house.clinic, name="New", starts_on=MON, ends_on=SUN, by=JOB)
    house.full_week(house.patient())
    house.night(SUN)
    assert refusal(end_standard, standard=adult, ends_on=None).code == "weeks_judged"


@pytest.mark.parametrize("starts_on", [datetime.date(1999, 1, 4), datetime.date(2100, 1, 4)])
def test_a_date_out_of_reach_is_refused(house, starts_on):
    facts = {"clinic": house.clinic, "name": "Far", "source": 3, "prorate": False}
    assert refusal(add_standard, **facts, starts_on=starts_on).field == "starts_on"
    assert not Standard.objects.filter(name="Far").exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_administrators_one_replaces():
    house = House()
    rows = [Standard.objects.get(clinic=house.clinic, name="Adult IOP 2.1") for _ in range(2)]
    answers = together(
        *(
            lambda row=row, least=least: replace_standard(
                standard=row, starts_on=NEXT, min_minutes=least, by=JOB
            )
            for row, least in zip(rows, (600, 660), strict=True)
        )
    )
    [won] = [one for one in answers if isinstance(one, Standard)]
    [lost] = [one for one in answers if isinstance(one, Refused)]
    assert lost.code == "standard_overlap"
    assert versions(house) == [(540, LONG_AGO, SUN), (won.min_minutes, NEXT, None)]


def test_tuesday_starts_are_for_tuesday_weeks(house):
    facts = {"clinic": house.clinic, "name": "Payer", "source": 2, "prorate": False}
    row = add_standard(**facts, starts_on=TUE, week_starts_on=1, by=JOB)
    assert (row.starts_on, row.week_starts_on) == (TUE, 1)
