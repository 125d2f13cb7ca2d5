"""When a week is told, to whom, and what its report stores."""

import datetime

import pytest

from attendance.models import ComplianceReport, Flag, NightlyRun, ReportDelivery, WeekResult
from attendance.reports.builder import build
from attendance.reports.weekly import build_weekly
from iop_clinic.accounts.models import Membership
from iop_clinic.accounts.roles import Role
from scheduling.models import Booking
from tests import factories as f
from tests.attendance.house import FRI, MON, SAT, SUN, THU, TUE, WED, House

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)
Kind = ComplianceReport.Kind


@pytest.fixture
def house():
    house = House()
    f.staff(house.clinic, Role.COORDINATOR)
    return house


def night(house, day):
    """Judge a local date and tell it, as the nightly run does."""
    house.night(day)
    run = NightlyRun.objects.create(
        clinic=house.clinic, local_date=day, state="evaluated", lease_until=house.morning(day)
    )
    build(run=run, now=house.morning(day))
    deliveries = build_weekly(run=run, now=house.morning(day))
    run.save()
    return deliveries


def weekly(house, therapist=None):
    rows = ComplianceReport.objects.filter(clinic=house.clinic, kind=Kind.WEEKLY)
    return rows.get(therapist=therapist).content


def nightly(house):
    rows = ComplianceReport.objects.filter(clinic=house.clinic, kind=Kind.NIGHTLY, therapist=None)
    return rows.latest("pk").content


def unrecorded_friday(house):
    """A patient who came on Monday and Wednesday; Friday's roster is not in."""
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    return pat


# --- when ------------------------------------------------------------------------------------


def test_a_final_week_is_told_the_morning_after_it_ends(house):
    house.full_week(house.patient())
    assert [len(night(house, day)) for day in (FRI, SAT, SUN, SUN + DAY)] == [0, 0, 2, 0]
    assert (weekly(house)["week"], weekly(house)["final"]) == ("2026-03-02", True)


def test_a_week_with_something_open_waits_until_tuesday_and_says_so(house):
    unrecorded_friday(house)
    assert night(house, SUN) == []
    assert len(night(house, SUN + DAY)) == 2
    told = weekly(house)
    assert told["final"] is False
    assert [row["open"] for row in told["hours"]] == [1]


def test_a_week_that_nobody_told_is_told_by_a_later_night_and_once(house):
    house.full_week(house.patient())
    assert len(night(house, SUN + 4 * DAY)) == 2
    assert night(house, SUN + 5 * DAY) == []


def test_a_week_without_anybody_in_treatment_is_not_told(house):
    house.patient(on=SUN + DAY)
    assert night(house, SUN) == night(house, SUN + DAY) == []
    assert not ComplianceReport.objects.filter(kind=Kind.WEEKLY).exists()


def test_a_week_is_told_for_the_clinics_own_weekday():
    house = House(week_starts_on=3)
    f.staff(house.clinic, Role.COORDINATOR)
    house.full_week(house.patient(on=THU), FRI)
    assert [len(night(house, day)) for day in (SUN, WED + 7 * DAY)] == [0, 2]
    assert weekly(house)["week"] == THU.isoformat()


def test_a_week_final_after_its_report_is_said_by_the_next_nightly_once(house):
    pat = unrecorded_friday(house)
    night(house, SUN + DAY)
    night(house, SUN + 2 * DAY)
    assert nightly(house)["final_weeks"] == []
    house.came(pat, FRI)
    night(house, SUN + 3 * DAY)
    assert nightly(house)["final_weeks"] == ["2026-03-02"]
    night(house, SUN + 4 * DAY)
    assert nightly(house)["final_weeks"] == []
    assert weekly(house)["final"] is False  # what was sent stays as it was


# --- to whom ---------------------------------------------------------------------------------


def test_the_clinic_is_told_to_coordinators_and_a_caseload_to_its_therapist(house):
    mine = house.patient()
    house.full_week(mine)
    colleague = f.staff(house.clinic, Role.THERAPIST)
    f.staff(house.clinic, Role.FRONT_DESK)
    deliveries = ReportDelivery.objects.filter(pk__in=night(house, SUN))
    scopes = {d.recipient.memberships.get().role: d.report.therapist for d in deliveries}
    assert scopes.keys() == {Role.COORDINATOR, Role.THERAPIST}
    assert deliveries.filter(report__therapist=house.therapist).count() == 1
    own, other = weekly(house, house.therapist), weekly(house, therapist_of(colleague))
    assert (own["patients"], own["show"]["attended"]) == (1, 3)
    assert (other["patients"], other["show"]["attended"], other["hours"]) == (0, 0, [])


def test_retention_stay_and_discharges_are_told_of_the_clinic_only(house):
    house.full_week(house.patient())
    night(house, SUN)
    assert {"retention", "stay"} <= weekly(house).keys()
    assert {"retention", "stay"} & weekly(house, house.therapist).keys() == set()


def test_without_recipients_the_report_is_kept_and_nobody_is_mailed(house):
    house.full_week(house.patient())
    Membership.objects.filter(clinic=house.clinic).update(receives_reports=False)
    assert night(house, SUN) == []
    assert weekly(house)["patients"] == 1
    assert NightlyRun.objects.get().findings == ["Nobody receives the nightly report."]


def therapist_of(user):
    return user.memberships.get().therapist


# --- what ------------------------------------------------------------------------------------


def test_hours_and_show_rate_of_a_week_by_hand(house):
    """Ann meets her 9 hours, Ben misses Friday, Cleo joins on Thursday and is prorated."""
    ann, ben, cleo = house.patient(), house.patient(seat=2), house.patient(on=THU, seat=3)
    for day, people in ((MON, [ann, ben]), (WED, [ann, ben]), (FRI, [ann, ben, cleo])):
        house.day(day, people)
    for day in (MON, WED, FRI):
        house.came(ann, day)
    for day in (MON, WED):
        house.came(ben, day)
    house.missed(ben, FRI)
    house.came(cleo, FRI)
    night(house, SUN)
    told = weekly(house)
    [hours] = told["hours"]
    assert {name: hours[name] for name in ("met", "short", "open", "prorated")} == {
        "met": 2, "short": 1, "open": 0, "prorated": 1,
    }  # fmt: skip
    assert told["show"] == {"expected": 7, "attended": 6, "unrecorded": 0, "patients": 3}
    assert [(d["weekday"], d["attended"], d["expected"]) for d in told["by_weekday"]] == [
        (0, 2, 2), (2, 2, 2), (4, 2, 3),
    ]  # fmt: skip
    assert [row["program"] for row in told["by_program"]] == [house.group.program_id]


def test_cancelled_withdrawn_and_other_weeks_sessions_are_in_no_rate(house):
    pat = house.patient()
    house.day(MON, [pat])
    house.came(pat, MON)
    house.cancel(house.day(TUE, [pat]))
    house.day(WED, [pat])
    Booking.objects.filter(session__local_date=WED).update(
        state="withdrawn", withdrawn_reason="Plan changed"
    )
    house.day(THU, [pat], state="released")
    house.missed(pat, THU)
    house.day(SUN + DAY, [pat])
    night(house, SUN)
    assert weekly(house)["show"] == {"expected": 2, "attended": 1, "unrecorded": 0, "patients": 1}


def test_a_group_is_counted_by_its_key_and_single_sessions_apart(house):
    pat = house.patient()
    house.day(MON, [pat], group=house.group)
    house.day(TUE, [pat], "13:00", "14:00")
    house.came(pat, MON)
    house.missed(pat, TUE)
    night(house, SUN)
    rows = [(row["group"], row["attended"], row["expected"]) for row in weekly(house)["by_group"]]
    assert rows == [(house.group.pk, 1, 1), (None, 0, 1)]


def test_a_result_is_counted_as_last_amended_and_not_when_taken_back(house):
    ann, ben = house.patient(), house.patient(seat=2)
    house.full_week(ann)
    house.full_week(ben)
    house.night(SUN)
    for pat, void in ((ann, False), (ben, True)):
        result = WeekResult.objects.get(episode=pat)
        result.pk, result.amendment, result.void = None, 1, void
        result.minutes_status, result.judged_at = "short", house.at(SUN, "12:00")
        result.save()
    run = NightlyRun(clinic=house.clinic, local_date=SUN, lease_until=house.morning(SUN))
    run.save()
    build_weekly(run=run, now=house.morning(SUN))
    [hours] = weekly(house)["hours"]
    assert (hours["met"], hours["short"], weekly(house)["amended"]) == (0, 1, 2)


def test_cases_are_counted_by_how_they_ended(house):
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.missed(pat, FRI)
    house.night(FRI)
    cases = house.flags()
    assert cases
    Flag.objects.update(opened_at=house.at(SAT, "05:00"))
    Flag.objects.filter(pk=cases[0].pk).update(
        state="closed", outcome="reached", closed_at=house.at(SAT, "11:00")
    )
    night(house, SUN)
    told = weekly(house)["cases"]
    assert (told["opened"], told["by_work"], told["lapsed"]) == (len(cases), 1, 0)


def test_a_week_takes_as_many_statements_for_many_as_for_few(django_assert_max_num_queries):
    counts = []
    for size in (2, 9):
        house = House()
        people = [house.patient(seat=n + 1) for n in range(size)]
        for day in (MON, WED, FRI):
            house.day(day, people)
        for pat in people[:-1]:
            house.came(pat, MON)
        for pat in people:
            house.came(pat, WED)
        house.night(SUN)
        run = NightlyRun.objects.create(
            clinic=house.clinic, local_date=SUN + DAY, lease_until=house.morning(SUN)
        )
        with django_assert_max_num_queries(25) as captured:
            assert len(build_weekly(run=run, now=house.morning(SUN + DAY))) == 1
        counts.append(len(captured))
    assert counts[0] == counts[1]
