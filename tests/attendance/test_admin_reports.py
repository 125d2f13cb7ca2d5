"""Reports at the admin site: the page a weekly mail leads to, and who may open it."""

import datetime

import pytest
from django.urls import reverse
from django.utils import timezone

from attendance.models import ComplianceReport, NightlyRun, Standard
from attendance.reports.links import amendments_url, nights_url, weekly_url
from iop_clinic.accounts.roles import Role
from iop_clinic.accounts.weeks import Week
from tests import factories
from tests.admin import Desk, desk
from tests.attendance.house import FRI, MON, SUN, WED, House
from tests.attendance.test_reports_content import amendment
from tests.attendance.test_reports_weekly import night

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)


@pytest.fixture
def house():
    """A final week of one patient, told to a coordinator and to the patient's therapist."""
    house = House()
    factories.staff(house.clinic, Role.COORDINATOR)
    pat = house.patient()
    for day in (MON, WED, FRI):
        house.day(day, [pat], group=house.group)
        house.came(pat, day)
    night(house, SUN)
    return house


def follow(at, week=MON):
    """Where the mail's link leads: the status and the page."""
    path = weekly_url(week).partition("//")[2].partition("/")[2]
    return at.client.get(f"/{path}", follow=True)


def test_the_link_leads_a_coordinator_to_every_number_of_the_clinic(house):
    html = follow(desk(house.clinic)).content.decode()
    for said in ("Adult IOP 2.1", house.group.name, house.group.program.name, "100 %", "Monday",
                 "The week Mar 2 – Mar 8, 2026", "Still in treatment", "Sent to"):  # fmt: skip
        assert said in html


def test_it_leads_a_therapist_to_their_own_caseload(house):
    page = follow(Desk(house.user))
    report = ComplianceReport.objects.get(kind="weekly", therapist=house.therapist)
    assert page.redirect_chain[-1][0].endswith(f"/compliancereport/{report.pk}/change/")
    html = page.content.decode()
    assert "Weekly hours and days" in html
    for withheld in ("Still in treatment", "Sent to"):
        assert withheld not in html


def test_the_short_ones_are_listed_as_the_report_counts_them(house):
    short = factories.admitted(house.clinic)
    standard = Standard.objects.filter(clinic=house.clinic)[0]
    amendment(short, standard, 0, timezone.now(), Week(MON))
    address = f"/admin/attendance/compliancereport/weekly/{MON}/short/"
    html = desk(house.clinic).client.get(address).content.decode()
    assert "Standards of the program: 1 short" in html
    assert f"/admin/attendance/weekresult/of/{short.pk}/" in html
    therapist = Desk(house.user).client.get(address).content.decode()  # a colleague's patient
    assert "Nobody’s week is short as the facts stand now." in therapist
    assert f"/weekresult/of/{short.pk}/" not in therapist
    assert desk(house.clinic, Role.THERAPIST).client.get(address).status_code == 404


def test_discharges_are_told_in_the_words_of_the_mail(house):
    report = ComplianceReport.objects.get(kind="weekly", therapist=None)
    report.content["stay"] = {
        "discharged": 24, "median_days": 48, "reasons": {"aca": 5, "dropped_out": 19},
    }  # fmt: skip
    report.save()
    page = desk(house.clinic).open(report, "change")
    (told,) = (one for one in page.context["panels_below"] if one.title.startswith("Discharges"))
    assert [tuple(row) for row in told.rows] == [
        ("Dropped out", 24, "Dropped out 19, Left against clinical advice 5")
    ]


def test_a_colleagues_caseload_and_the_clinics_report_do_not_exist_for_a_therapist(house):
    stranger = desk(house.clinic, Role.THERAPIST)
    assert follow(stranger).status_code == 404
    for report in ComplianceReport.objects.all():
        assert stranger.open(report, "change").status_code == 404


@pytest.mark.parametrize("role", [Role.FRONT_DESK])
def test_who_works_no_cases_opens_no_report(house, role):
    assert follow(desk(house.clinic, role)).status_code == 404


def test_another_clinics_report_does_not_exist(house):
    assert follow(desk(factories.ClinicFactory())).status_code == 404


@pytest.mark.parametrize("start", ["2026-03-30", "2026-13-01", "x", "0001-01-01", "9999-12-31"])
def test_a_week_without_a_report_does_not_exist(house, start):
    name = "admin:attendance_compliancereport_weekly"
    assert desk(house.clinic).client.get(reverse(name, args=[start])).status_code == 404


def test_a_nightly_report_shows_what_happened_since_the_last(house):
    report = ComplianceReport.objects.get(kind="nightly", therapist=None)
    report.content.update(escalated=2, amended_weeks=3)
    report.save()
    html = desk(house.clinic).open(report, "change").content.decode()
    assert "Since the last report" in html
    assert "Escalated" in html


def test_a_report_takes_as_many_statements_for_many_groups_as_for_one(
    house, django_assert_max_num_queries
):
    report = ComplianceReport.objects.get(kind="weekly", therapist=None)
    coordinator = desk(house.clinic)
    counts = []
    for number in (0, 8):
        for _ in range(number):
            group = factories.GroupFactory(clinic=house.clinic)
            rate = {"expected": 1, "attended": 1, "unrecorded": 0, "patients": 1}
            report.content["by_group"].append({"group": group.pk, **rate})
        report.save()
        with django_assert_max_num_queries(30) as captured:
            assert coordinator.open(report, "change").status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[1]


# --- amendments --------------------------------------------------------------------------------


def test_the_nightly_link_leads_to_the_results_amended_since(house):
    episode = factories.admitted(house.clinic)
    standard = Standard.objects.filter(clinic=house.clinic)[0]
    told = timezone.now()
    for number, judged_at in enumerate([told - DAY, told - DAY, told + DAY, told + 2 * DAY]):
        amendment(episode, standard, number, judged_at)
    other = factories.admitted(house.clinic)
    amendment(other, standard, 1, told - DAY)
    coordinator = desk(house.clinic)
    assert shown(coordinator, amendments_url(told.isoformat())) == [(episode.pk, 3)]
    ever = coordinator.open(type(episode.week_results.get(amendment=0)), amended="ever")
    assert {(r.episode_id, r.amendment) for r in ever.context["cl"].result_list} == {
        (episode.pk, 3), (other.pk, 1),
    }  # fmt: skip


def shown(at, link):
    page = at.client.get(link.partition("//")[2].partition("/")[2].join(["/", ""]))
    return [(row.episode_id, row.amendment) for row in page.context["cl"].result_list]


@pytest.mark.parametrize(
    "since", ["yesterday", "2026-03-02", "2026-03-02T10:00", "2026-99-02T10:00Z"]
)
def test_an_instant_that_is_none_is_refused(house, since):
    page = desk(house.clinic).client.get(
        reverse("admin:attendance_weekresult_changelist"), {"amended": since}
    )
    assert (page.status_code, page.headers["Location"].endswith("?e=1")) == (302, True)


def test_the_findings_of_a_mail_lead_to_the_nights(house):
    NightlyRun.objects.update(findings=["Larkspur: no seat is free"])
    coordinator = desk(house.clinic)
    path = nights_url().partition("//")[2].partition("/")[2]
    assert coordinator.client.get(f"/{path}").status_code == 200
    html = coordinator.open(NightlyRun.objects.get(), "change").content.decode()
    assert "Larkspur: no seat is free" in html
