"""`manage.py replay_results`: what is stored still follows from its inputs and from the facts."""

import datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.compliance.replays import replayed_weeks
from attendance.models import Standard, WeekResult
from tests.attendance.house import FRI, MON, SUN, WED, House

pytestmark = pytest.mark.django_db

WEEK = datetime.timedelta(weeks=1)
DAY = datetime.timedelta(days=1)


@pytest.fixture
def house():
    return House()


@pytest.fixture
def pat(house):
    row = house.patient()
    house.full_week(row)
    house.night(SUN)
    return row


def run(capsys, **options):
    """What the command printed, and its complaint."""
    complaint = ""
    try:
        call_command("replay_results", **options)
    except CommandError as error:
        complaint = str(error)
    return capsys.readouterr().out, complaint


def test_results_that_agree_are_counted(house, pat, capsys):
    out, complaint = run(capsys, clinic=house.clinic.name)
    assert out.splitlines() == [
        f"{house.clinic.name}:",
        "  Mar 2 – Mar 8, 2026: 1 replayed, 0 differ",
        "1 results replayed, none differs.",
    ]
    assert complaint == ""


def test_facts_changed_behind_the_services_are_named(house, pat, capsys):
    house.came(pat, FRI, left="12:10")
    out, complaint = run(capsys, clinic=house.clinic.name)
    row = WeekResult.objects.get()
    assert f"    result {row.pk} (Adult IOP 2.1, no. 0)" in out.splitlines()
    assert "      credited_minutes: stored 540, replayed 530 from facts" in out.splitlines()
    assert "      minutes_status: stored met, replayed short from facts" in out.splitlines()
    assert complaint == "1 of 1 results differ."


def test_figures_that_do_not_follow_from_their_inputs_are_named(house, pat, capsys):
    row = WeekResult.objects.get()
    row.pk, row.amendment, row.credited_minutes = None, 1, 600
    row.save()
    out, complaint = run(capsys)
    assert "      credited_minutes: stored 600, replayed 540 from inputs" in out.splitlines()
    assert complaint == "1 of 2 results differ."


def test_an_amended_result_answers_for_its_own_inputs_only(house, pat, capsys):
    house.missed(pat, FRI)
    house.night(SUN + DAY)
    out, complaint = run(capsys)
    assert ("2 replayed, 0 differ" in out, complaint) == (True, "")


def test_a_part_of_a_week_that_nobody_judges_any_more_is_named(house, pat, capsys):
    pat.plans.all().delete()
    out, complaint = run(capsys)
    assert "      judged: stored True, replayed False from facts" in out.splitlines()
    assert complaint == "1 of 1 results differ."


def test_what_was_taken_back_agrees_with_its_absence(house, pat, capsys):
    pat.plans.all().delete()
    house.night(SUN + DAY)
    assert run(capsys)[1] == ""
    assert list(WeekResult.objects.order_by("amendment").values_list("void", flat=True)) == [
        False,
        True,
    ]


def test_a_patient_and_dates_narrow_it(house, pat, capsys):
    other = house.patient(seat=2)
    house.day(MON + WEEK, [other])
    house.missed(other, MON + WEEK)
    house.night(SUN + WEEK)
    out, _ = run(capsys, patient=str(other.patient.public_id), first=MON + WEEK)
    assert "1 results replayed, none differs." in out
    out, _ = run(capsys, last=WED)
    assert out.count("replayed,") == 2


def test_nobody_is_named(house, pat, capsys):
    house.missed(pat, FRI)
    out, complaint = run(capsys, patient=str(pat.patient.public_id))
    person = pat.patient
    told = out + complaint
    assert "differ" in told
    for secret in (person.first_name, person.last_name, person.record_number):
        assert secret not in told
    assert str(person.public_id) not in told


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"clinic": "Nowhere"}, "There is no clinic “Nowhere”."),
        ({"patient": "5f1c7d0a-0000-4000-8000-000000000000"}, "There is no such patient."),
        ({"first": MON + WEEK, "last": MON}, "--from lies after --to."),
    ],
)
def test_a_mistake_is_told(house, capsys, options, sentence):
    assert run(capsys, **options)[1] == sentence


def test_a_standards_own_week_is_replayed_with_the_clinics(house, capsys):
    Standard.objects.create(
        clinic=house.clinic, name="Court", source=3, prorate=False, week_starts_on=3,
        starts_on=MON - 4 * DAY,
    )  # fmt: skip
    pat = house.patient()
    pat.court_referrals.create(clinic=house.clinic, court="County", starts_on=MON)
    house.full_week(pat)
    house.night(SUN + WEEK)
    assert WeekResult.objects.filter(standard__name="Court").exists()
    assert run(capsys)[1] == ""


def test_the_statements_of_a_week_do_not_grow_with_the_patients(house):
    counts = []
    for number in range(3):
        pat = house.patient(seat=number + 1)
        day = house.day(MON, [pat], starts=f"{13 + number}:00", ends=f"{14 + number}:00")
        assert day is not None
        house.missed(pat, MON)
        house.night(SUN)
        with CaptureQueriesContext(connection) as captured:
            (week,) = replayed_weeks(clinic=house.clinic, now=house.morning(SUN))
        assert week.results == number + 1
        counts.append(len(captured))
    assert counts == [counts[0]] * 3
