"""The weekly mail: counts without names, nothing about fewer than five people, and its way in."""

import datetime
import re

import pytest

from attendance.models import ComplianceReport, NightlyRun, ReportDelivery
from attendance.reports.mail import compose
from attendance.reports.weekly_mail import LEAVING
from iop_clinic.accounts.models import Clinic, User
from patients.models import Episode

WEEKDAY = {"weekday": 0, "expected": 60, "attended": 45, "unrecorded": 10, "patients": 20}
CONTENT = {
    "week": "2026-03-02",
    "final": True,
    "patients": 40,
    "hours": [
        {"standard": 1, "source": 1, "met": 20, "short": 9, "open": 0, "prorated": 3},
        {"standard": 2, "source": 1, "met": 4, "short": 1, "open": 0, "prorated": 0},
        {"standard": 3, "source": 3, "met": 1, "short": 1, "open": 0, "prorated": 1},
    ],
    "show": {"expected": 415, "attended": 330, "unrecorded": 15, "patients": 40},
    "by_weekday": [WEEKDAY, {**WEEKDAY, "weekday": 5, "patients": 4}],
    "by_group": [],
    "by_program": [],
    "retention": [
        {"days": 30, "admitted": 24, "kept": 18},
        {"days": 60, "admitted": 4, "kept": 4},
    ],
    "stay": {"discharged": 9, "median_days": 40.5, "reasons": {"completed": 4, "aca": 2,
             "dropped_out": 1, "deceased": 1, "stepped_up": 1}},
    "cases": {"opened": 31, "by_work": 12, "by_facts": 9, "lapsed": 2},
    "amended": 2,
}  # fmt: skip


def mail(therapist=None, **changes):
    """A mail made of rows that no database holds."""
    report = ComplianceReport(
        clinic=Clinic(name="North Street"), kind="weekly", local_date=datetime.date(2026, 3, 8),
        run=NightlyRun(), therapist_id=therapist, content={**CONTENT, **changes},
    )  # fmt: skip
    return compose(
        ReportDelivery(
            report=report, message_id="<1@x>", recipient=User(email="cora@example.com")
        )
    )  # fmt: skip


def page(message):
    return message.alternatives[0].content


def both(message):
    """The text part, and the HTML as read."""
    shown = re.sub(r"<(style|title).*?</\1>", "", page(message), flags=re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", said).split()) for said in (message.body, shown)]


def test_it_says_what_the_week_came_to():
    message = mail()
    assert message.subject == "Weekly report, Mar 2 – Mar 8"
    assert message.to == ["cora@example.com"]
    for said in both(message):
        assert "40 people in treatment, show rate 83 %." in said  # 330 of 400 recorded
        assert "Attended of scheduled sessions: 330 of 400, 15 not recorded." in said
        assert "The week is final: nothing in it is open any more." in said
        assert "31 opened; closed: 12 by work, 9 by facts; 2 lapsed without being worked." in said
        assert "2 results of earlier weeks were amended during the week." in said
        assert "Discharged in the last 90 days: 9, after a median stay of 40.5 days." in said


def test_standards_are_told_together_by_who_sets_them():
    message = mail()
    assert "Standards of the program: 24 met, 10 short, 0 open (3 with a prorated" in message.body
    assert "Standards of the court: fewer than 5 people" in message.body
    assert "payer" not in message.body


def test_a_week_that_is_open_says_what_comes_next():
    for said in both(mail(final=False)):
        assert "not final: some rosters are missing. A nightly report will say when it is." in said


def test_weekdays_and_cohorts_of_fewer_than_five_people_are_not_told():
    text = mail().body
    assert "Mon: 90 %, 45 of 50, 10 not recorded" in text
    assert "Sat: fewer than 5 people" in text
    assert "after 30 days: 75 %, 18 of 24" in text
    assert "after 60 days: fewer than 5 people" in text


def test_a_stay_that_nobody_was_planned_for_is_no_percentage():
    row = {"days": 90, "admitted": 39, "kept": 0, "planned": 0}
    for said in both(mail(retention=[row])):
        assert "treatment was planned so long" in said
        assert "of 39" not in said
    assert "after 90 days: 0 %, 0 of 39" in mail(retention=[{**row, "planned": 1}]).body


def test_reasons_are_told_in_classes():
    text = mail().body
    assert "completed: 4\n  moved to another level or program: 1\n  dropped out: 3\n" in text
    assert "other: 1" in text
    assert "deceased" not in text


def test_every_reason_belongs_to_one_class():
    reasons = [reason for reasons in LEAVING.values() for reason in reasons]
    assert sorted(reasons) == sorted(Episode.DischargeReason)


def test_few_discharges_are_not_told():
    few = {"discharged": 4, "median_days": 12, "reasons": {"completed": 4}}
    for said in both(mail(stay=few)):
        assert "Fewer than 5 people were discharged in the last 90 days." in said
        assert "completed" not in said
        assert "12" not in said.replace("12 by work", "")


def test_a_small_caseload_gets_no_figures_but_the_way_to_them():
    content = {name: value for name, value in CONTENT.items() if name not in ("retention", "stay")}
    message = mail(therapist=7, **{**content, "patients": 4})
    for said in both(message):
        assert "your caseload" in said
        assert "4 people in treatment." in said
        assert "With fewer than 5 people a figure would be about a person" in said
        for figure in ("83", "330", "met"):
            assert figure not in said.replace("figures", "")


def test_the_only_ways_out_are_the_reports_page_and_the_short_ones(settings):
    settings.BASE_URL = "https://clinic.example.com"
    message = mail()
    links = set(re.findall(r'href="([^"]*)"', page(message)))
    report = "https://clinic.example.com/admin/attendance/compliancereport/weekly/2026-03-02/"
    assert links == {report, f"{report}short/"}
    for link in links:
        assert link in message.body


@pytest.mark.parametrize("word", ["morning", "part 2", "42 cfr", "at risk", "all clear", "patient"])
def test_it_names_no_group_gives_no_notice_and_raises_no_alarm(word):
    assert [said for said in both(mail()) if word in said.lower()] == []
