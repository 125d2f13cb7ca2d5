"""The mail itself: what it says, where it leads, and what it never contains."""

import datetime
import re
from html import unescape
from html.parser import HTMLParser

import pytest
from django.urls import resolve
from django.utils import timezone

from attendance.models import ComplianceReport, ReportDelivery
from attendance.models.standards import Severity
from attendance.reports.mail import compose
from tests import factories
from tests.attendance.nights import HOUR, case, reported_night, staffed_clinic

pytestmark = pytest.mark.django_db


def mail(clinic, **changes):
    """The coordinator's mail, with some of the report's content replaced."""
    delivery = whole_clinics(clinic)
    delivery.report.content.update(changes)
    return compose(delivery)


def whole_clinics(clinic):
    """The night's delivery of the clinic's report and not of a caseload's."""
    rows = ReportDelivery.objects.filter(clinic=clinic, report__therapist=None)
    return rows.filter(report__kind="nightly").earliest("pk")


def html(message):
    return message.alternatives[0].content


def text_of(page):
    """The page as read: tags left out."""
    return re.sub(r"<[^>]*>", "", page)


@pytest.fixture
def clinic():
    clinic, _ = staffed_clinic(name="North Street")
    reported_night(clinic)
    return clinic


def test_a_quiet_night_is_mailed_too(clinic):
    message = mail(clinic)
    day = ReportDelivery.objects.earliest("pk").report.local_date
    said = f"Nightly report, {day:%a %b} {day.day}: 0 new, 0 overdue"
    assert message.subject == said
    assert "Nothing new, nothing overdue." in message.body
    assert "Nothing new, nothing overdue." in html(message)


def test_it_counts_by_severity_and_leads_to_the_queues(clinic, settings):
    settings.BASE_URL = "https://clinic.example.com"
    rows = [{"severity": Severity.URGENT, "new": 2, "open": 5, "overdue": 1}]
    message = mail(clinic, severities=rows, rules=[{"rule": 2, "open": 5}], changed=3)
    assert message.subject.endswith(": 2 new, 1 overdue")
    assert "2 new, 1 overdue, 3 changed since the last report." in message.body
    assert "Urgent: 5 open, 2 new, 1 overdue" in message.body
    assert "5 x Missed day without a call" in message.body
    address = "https://clinic.example.com/admin/attendance/flag/"
    assert f"{address}?severity__exact=4" in message.body
    assert f'href="{address}"' in html(message)
    assert f'href="{address}?case=overdue"' in html(message)


def test_every_link_opens_a_list_of_cases(clinic, settings, client):
    client.force_login(whole_clinics(clinic).recipient)
    rows = [{"severity": 4, "new": 1, "open": 1, "overdue": 1}]
    links = set(re.findall(r'href="([^"]*)"', html(mail(clinic, severities=rows))))
    assert len(links) == 3
    for link in links:
        address = link.removeprefix(settings.BASE_URL)
        assert resolve(address.partition("?")[0]).url_name == "attendance_flag_changelist"
        assert client.get(address).status_code == 200


def test_a_therapists_links_open_exactly_what_was_counted(settings, client):
    clinic, people = staffed_clinic()
    mine, other = (user.memberships.get().therapist for user in people[2:])
    late = timezone.now() - HOUR
    led = factories.session(clinic, "2026-03-02", "09:00", "10:00", therapist=mine)
    for seat, therapist in enumerate((mine, other, other), start=1):
        patient = factories.admitted(clinic, primary_therapist=therapist)
        case(clinic, episode=patient, due_at=late)
        factories.booking(led, patient, seat)  # so that all three are visible
    group = factories.GroupFactory(clinic=clinic)
    factories.WeeklyBlockFactory(group=group, facilitator=mine)
    case(clinic, group=group)
    case(clinic, therapist=other)
    reported_night(clinic)
    client.force_login(people[2])
    page = html(compose(ReportDelivery.objects.get(recipient=people[2], report__kind="nightly")))
    opened = {}
    for link in set(re.findall(r'href="([^"]*flag[^"]*)"', page)):
        rows = client.get(unescape(link).removeprefix(settings.BASE_URL)).context["cl"].result_list
        opened[link.partition("flag/")[2]] = len(rows)
    assert opened == {
        "?whose=caseload": 2,
        "?whose=caseload&amp;severity__exact=3": 2,
        "?whose=caseload&amp;case=overdue": 1,
    }


def test_what_happened_since_the_last_report_is_said_with_a_way_to_it(clinic, settings):
    since = "2026-03-02T10:00:00+00:00"
    message = mail(
        clinic, amended_weeks=3, since=since, findings=2, closed=4, lapsed=1, escalated=1
    )
    address = f"{settings.BASE_URL}/admin/attendance"
    for said in (message.body, text_of(html(message))):
        assert "3 results of earlier weeks were amended since the last report." in said
        assert "2 findings need a look." in said
        assert "1 overdue case went to the next role." in said
        assert "1 lapsed" in said or "1 case lapsed" in said
        assert "Mails already sent stay as they were." in said.replace("\n", " ")
    for said in (message.body, html(message)):
        assert f"{address}/weekresult/?amended=2026-03-02T10%3A00%3A00%2B00%3A00" in said
        assert f"{address}/nightlyrun/" in said


def test_one_amendment_is_one(clinic):
    message = mail(clinic, amended_weeks=1, since="2026-03-02T10:00:00+00:00")
    assert "1 result of earlier weeks was amended since the last report." in message.body


def test_a_week_that_became_final_is_said_with_its_dates(clinic, settings):
    message = mail(clinic, final_weeks=["2026-03-02"])
    for said in (message.body, text_of(html(message))):
        assert "The week Mar 2 – Mar 8, 2026 is final now" in said
    link = f"{settings.BASE_URL}/admin/attendance/compliancereport/weekly/2026-03-02/"
    assert link in message.body
    assert f'href="{link}"' in html(message)


def test_a_report_of_an_older_version_can_still_be_sent(clinic):
    delivery = ReportDelivery.objects.filter(clinic=clinic).earliest("recipient")
    for newer in ("since", "escalated", "final_weeks"):
        del delivery.report.content[newer]
    assert "Nothing new, nothing overdue." in compose(delivery).body


def test_text_is_plain_and_html_is_escaped():
    clinic, _ = staffed_clinic(name="Hope & <Care>")
    reported_night(clinic)
    message = mail(clinic)
    assert "Nightly report for Hope & <Care>" in message.body
    assert "Hope &amp; &lt;Care&gt;" in html(message)


def test_styles_stand_in_the_tags_and_only_dark_and_narrow_rules_are_left(clinic):
    page = html(mail(clinic))
    left = re.findall(r"<style[^>]*>(.*?)</style>", page, re.DOTALL)
    assert len(left) == 1
    assert left[0].split("{")[0].strip() == "@media (prefers-color-scheme: dark)"
    assert "@media (max-width: 420px)" in left[0]
    assert "background-color: #ffffff" in page


def test_nothing_is_loaded_from_anywhere(clinic):
    page = html(mail(clinic)).lower()
    for loading in ("<img", "<script", "<link", "url(", "@import", "<svg", "src="):
        assert loading not in page


def test_the_tags_are_closed(clinic):
    class Tags(HTMLParser):
        open: list[str] = []

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "br", "img", "hr", "link"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    Tags().feed(html(mail(clinic)))
    assert Tags.open == []


def test_it_carries_no_part_2_notice_and_no_alarm_words(clinic):
    message = mail(clinic)
    for said in (message.body, html(message)):
        for word in ("part 2", "42 cfr", "substance", "patient", "at risk", "all clear"):
            assert word not in said.lower()


def test_the_same_report_is_the_same_mail_whenever_it_is_sent(clinic):
    before = mail(clinic)
    case(clinic, due_at=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
    after = mail(clinic)
    assert (after.body, html(after)) == (before.body, html(before))
    assert after.extra_headers == before.extra_headers


def test_stored_content_holds_only_counts_and_dates(clinic):
    factories.admitted(clinic, patient__clinic=clinic)

    def leaves(value):
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, dict | list):
                yield from leaves(item)
            else:
                yield item

    for report in ComplianceReport.objects.all():
        texts = [leaf for leaf in leaves(report.content) if isinstance(leaf, str)]
        assert all(datetime.datetime.fromisoformat(text) for text in texts)
