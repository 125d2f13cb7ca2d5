"""What a report stores: counts of the right cases, for the right people, and a small picture."""

import datetime

import pytest
from django.utils import timezone

from attendance.models import AttendanceRecord, ComplianceReport, Standard, WeekResult
from attendance.models.standards import Severity
from attendance.reports.bars import cells, week_bars
from attendance.reports.picture import DayTotals, week_picture
from iop_clinic.accounts.roles import Role
from iop_clinic.accounts.weeks import Week
from tests import factories
from tests.attendance.nights import HOUR, case, night, reported_night, run_row, staffed_clinic

WEEK = Week(datetime.date(2026, 3, 2))
TUESDAY = datetime.date(2026, 3, 3)


def content(clinic, therapist=None):
    rows = ComplianceReport.objects.filter(clinic=clinic, kind="nightly", therapist=therapist)
    return rows.latest("pk").content


def counts(clinic, therapist=None):
    """(severity, new, open, overdue) where there is anything to count."""
    rows = content(clinic, therapist)["severities"]
    told = [(row["severity"], row["new"], row["open"], row["overdue"]) for row in rows]
    return [row for row in told if any(row[1:])]


def earlier_report(clinic, at):
    run = run_row(night(clinic, days_ago=1))
    ComplianceReport.objects.create(
        clinic=clinic, run=run, local_date=run.local_date, content={}, built_at=at
    )


def therapist_of(user):
    return user.memberships.get().therapist


@pytest.mark.django_db
def test_cases_are_counted_by_severity_loudest_first():
    clinic, _ = staffed_clinic()
    late = timezone.now() - HOUR
    case(clinic, severity=Severity.NOTICE)
    case(clinic, severity=Severity.URGENT, due_at=late)
    case(clinic, severity=Severity.URGENT)
    reported_night(clinic)
    assert counts(clinic) == [(Severity.URGENT, 2, 2, 1), (Severity.NOTICE, 1, 1, 0)]


@pytest.mark.django_db
def test_a_case_is_new_once_and_told_again_only_when_its_facts_changed():
    clinic, _ = staffed_clinic()
    told = timezone.now() - HOUR
    case(clinic, opened_at=told - HOUR)
    case(clinic, opened_at=told - HOUR, changed_at=told + HOUR / 2)
    case(clinic, opened_at=told + HOUR / 2)
    earlier_report(clinic, told)
    reported_night(clinic)
    assert counts(clinic) == [(Severity.ACT, 1, 3, 0)]
    assert content(clinic)["changed"] == 1


@pytest.mark.django_db
def test_closed_and_lapsed_cases_are_counted_once():
    clinic, _ = staffed_clinic()
    told = timezone.now() - HOUR
    for at in (told - HOUR, told + HOUR / 2):
        case(clinic, state="closed", closed_at=at, outcome="reached", opened_at=at - HOUR)
        case(clinic, state="lapsed", closed_at=at, opened_at=at - HOUR)
    earlier_report(clinic, told)
    reported_night(clinic)
    stored = content(clinic)
    assert (stored["closed"], stored["lapsed"], counts(clinic)) == (1, 1, [])


@pytest.mark.django_db
def test_a_snoozed_case_is_open_but_not_overdue():
    clinic, _ = staffed_clinic()
    now = timezone.now()
    case(clinic, state="snoozed", snoozed_until=now.date(), due_at=now - HOUR)
    reported_night(clinic)
    assert counts(clinic) == [(Severity.ACT, 1, 1, 0)]


@pytest.mark.django_db
def test_a_therapist_is_told_of_their_caseload_and_their_rosters_only():
    clinic, people = staffed_clinic(therapists=2)
    mine, other = (therapist_of(user) for user in people[2:])
    for therapist in (mine, other, other):
        case(clinic, episode=factories.admitted(clinic, primary_therapist=therapist))
    led = factories.session(clinic, "2026-03-02", "09:00", "10:00", therapist=mine)
    case(clinic, session=led, severity=Severity.WATCH)
    case(clinic)
    reported_night(clinic)
    assert counts(clinic, mine) == [(Severity.ACT, 1, 1, 0), (Severity.WATCH, 1, 1, 0)]
    assert counts(clinic, other) == [(Severity.ACT, 2, 2, 0)]
    assert counts(clinic) == [(Severity.ACT, 4, 4, 0), (Severity.WATCH, 1, 1, 0)]


@pytest.mark.django_db
def test_a_groups_case_is_its_leaders_and_a_therapists_their_own():
    clinic, people = staffed_clinic(therapists=3)
    leader, second, other = (therapist_of(user) for user in people[2:])
    group = factories.GroupFactory(clinic=clinic)
    factories.WeeklyBlockFactory(group=group, facilitator=leader, co_facilitator=second)
    factories.WeeklyBlockFactory(
        group=group, facilitator=other, weekday=2, valid_until=night(clinic).local_date
    )
    case(clinic, group=group)
    case(clinic, therapist=other, severity=Severity.WATCH)
    reported_night(clinic)
    assert counts(clinic, leader) == counts(clinic, second) == [(Severity.ACT, 1, 1, 0)]
    assert counts(clinic, other) == [(Severity.WATCH, 1, 1, 0)]
    assert counts(clinic) == [(Severity.ACT, 1, 1, 0), (Severity.WATCH, 1, 1, 0)]


@pytest.mark.django_db
def test_cases_that_went_to_the_next_role_are_said_once():
    clinic, people = staffed_clinic(therapists=1)
    told = timezone.now() - HOUR
    mine = factories.admitted(clinic, primary_therapist=therapist_of(people[2]))
    case(clinic, episode=mine, opened_at=told - HOUR, escalated_at=told + HOUR / 2)
    case(clinic, opened_at=told - HOUR, escalated_at=told + HOUR / 2)
    case(clinic, opened_at=told - HOUR, escalated_at=told - HOUR / 2)
    earlier_report(clinic, told)
    reported_night(clinic)
    assert content(clinic)["escalated"] == 2
    assert content(clinic, therapist_of(people[2]))["escalated"] == 1


@pytest.mark.django_db
def test_another_clinics_cases_are_not_counted():
    clinic, _ = staffed_clinic()
    case(staffed_clinic()[0])
    reported_night(clinic)
    assert counts(clinic) == []


@pytest.mark.django_db
def test_coordinators_and_administrators_get_the_clinic_and_therapists_their_own():
    clinic, people = staffed_clinic(therapists=1)
    for role in (Role.FRONT_DESK, Role.UTILIZATION_REVIEW, Role.AUDITOR):
        factories.staff(clinic, role)
    factories.staff(clinic, Role.COORDINATOR, receives_reports=False)
    factories.staff(clinic, Role.COORDINATOR, active=False)
    factories.staff(clinic, Role.COORDINATOR, user__is_active=False)
    scopes = {d.recipient: d.report.therapist for d in reported_night(clinic)}
    assert scopes == {people[0]: None, people[1]: None, people[2]: therapist_of(people[2])}


@pytest.mark.django_db
def test_weeks_amended_since_the_last_report_are_said():
    clinic, people = staffed_clinic(therapists=1)
    mine = therapist_of(people[2])
    told = timezone.now() - HOUR
    episode = factories.admitted(clinic, primary_therapist=mine)
    standard = Standard.objects.create(clinic=clinic, name="IOP", starts_on="2026-01-01")
    for number, judged_at in enumerate([told - HOUR, told - HOUR / 2, told + HOUR / 2]):
        amendment(episode, standard, number, judged_at)
    earlier_report(clinic, told)
    reported_night(clinic)
    assert (content(clinic)["amended_weeks"], content(clinic, mine)["amended_weeks"]) == (1, 1)


def amendment(episode, standard, number, judged_at, week=WEEK):
    minutes = ["scheduled", "attended", "credited", "judged"]
    WeekResult.objects.create(
        clinic=episode.clinic,
        episode=episode,
        standard=standard,
        week_starts_on=week.start,
        segment_starts_on=week.start,
        segment_ends_on=week.end,
        amendment=number,
        minutes_status="short",
        days_status="short",
        qualifying_days=0,
        minimum=540,
        prorated_minimum=540,
        prorated_days=3,
        inputs={},
        judged_at=judged_at,
        **{f"{kind}_minutes": 0 for kind in minutes},
    )


@pytest.mark.django_db
def test_the_picture_counts_the_bookings_of_the_judged_week():
    clinic, _ = staffed_clinic()
    day = night(clinic).local_date.isoformat()
    held = factories.session(clinic, day, "09:00", "10:00")
    for seat, attended in enumerate([True, True, True, False, None, None], start=1):
        booked = factories.booking(held, factories.admitted(clinic), seat)
        if attended is not None:
            AttendanceRecord.objects.create(clinic=clinic, booking=booked, attended=attended)
    cancelled = factories.session(
        clinic, day, "11:00", "12:00", state="cancelled", cancelled_reason="Snow",
        cancelled_at=timezone.now(),
    )  # fmt: skip
    factories.booking(cancelled, factories.admitted(clinic))
    reported_night(clinic)
    shown = [d for d in content(clinic)["week"]["days"] if d["expected"]]
    assert shown == [
        {"date": day, "few": False, "expected": 6, "attended": 3, "absent": 1, "unrecorded": 2,
         "ahead": False}
    ]  # fmt: skip


def days(totals):
    """The picture's days, with Tuesday the last one judged."""
    picture = week_picture(totals, WEEK, TUESDAY)
    assert picture is not None
    return picture["days"]


def test_a_day_with_fewer_than_five_patients_is_no_bar():
    totals = [DayTotals(WEEK.start, 1, 9, 6, 3, 3), DayTotals(WEEK.start, 2, 3, 3, 0, 1)]
    assert week_picture(totals, WEEK, WEEK.start) is None
    totals.append(DayTotals(WEEK.start, None, 1, 1, 0, 1))
    assert days(totals)[0]["expected"] == 13


def test_days_ahead_are_booked_and_not_unrecorded():
    assert days([DayTotals(WEEK.end, 1, 8, 0, 0, 8)])[6] == {
        "date": "2026-03-08", "few": False, "expected": 8, "attended": 0, "absent": 0,
        "unrecorded": 0, "ahead": True,
    }  # fmt: skip


def test_a_bar_says_in_words_what_it_shows():
    totals = [
        DayTotals(WEEK.start, 1, 40, 31, 7, 12),
        DayTotals(TUESDAY, 1, 2, 2, 0, 2),
        DayTotals(WEEK.end, 1, 20, 0, 0, 12),
    ]
    bars = week_bars(week_picture(totals, WEEK, TUESDAY))
    assert bars is not None
    assert bars["label"] == "Mar 2 – Mar 8, 2026"
    assert [(day["label"], day["words"]) for day in bars["days"]] == [
        ("Mon 2", "31 of 40 came, 2 not recorded"),
        ("Tue 3", "fewer than 5 people"),
        *[(label, "no sessions") for label in ("Wed 4", "Thu 5", "Fri 6", "Sat 7")],
        ("Sun 8", "20 booked"),
    ]


@pytest.mark.parametrize("parts", [(1, 1, 1, 0), (40, 0, 0, 0), (0, 0, 0, 7), (1, 0, 199, 0)])
def test_the_cells_of_a_bar_add_up_to_all_of_it(parts):
    shown = cells(parts, longest=200)
    assert sum(cell["percent"] for cell in shown) == 100
    assert all(cell["percent"] > 0 for cell in shown)
