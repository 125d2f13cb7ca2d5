"""A report as mailed and an attendance summary in a real browser: quiet, printable, no wider than
the screen.
"""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.urls import reverse
from pypdf import PdfReader

from attendance.models import ComplianceReport
from patients.models import Episode
from tests import factories
from tests.admin import url
from tests.attendance.house import FRI, MON, SUN, WED, House
from tests.attendance.test_reports_weekly import night
from tests.browser.site import BROWSER, CORA, LOOKS, PHONE, Visit, hindrances, visit_of

pytestmark = BROWSER


@pytest.fixture
def papers(db: None, settings: Any, live_server: Any) -> tuple[ComplianceReport, Episode]:
    """The weekly report of a clinic, and one of its patients."""
    settings.BASE_URL = live_server.url
    house = House()
    factories.staff(house.clinic, user__email=CORA)
    pat = house.patient()
    house.full_week(pat, MON, WED, FRI)
    night(house, SUN)
    return ComplianceReport.objects.get(kind="weekly", therapist=None), pat


@pytest.fixture(params=LOOKS)
def visit(request: Any, papers: Any, chrome: Any, live_server: Any) -> Visit:
    return visit_of(chrome, live_server.url, request.param)


def summary(pat: Episode) -> str:
    page = reverse("admin:patients_episode_attendance-summary", args=[pat.pk])
    return f"{page}?first={MON}&last={SUN}"


def printed(visit: Visit) -> PdfReader:
    return PdfReader(io.BytesIO(visit.page.pdf(format="Letter")))


def test_the_papers_are_quiet_and_no_wider_than_the_screen(visit, papers):
    report, pat = papers
    for path in (url(report, "change"), summary(pat)):
        visit.open(path)
        assert (visit.too_wide, hindrances(visit.page)) == (0, []), path
    assert visit.faults == []


def test_links_of_a_framed_mail_open_a_page_of_their_own(visit, papers):
    visit.open(url(papers[0], "change"))
    mail = visit.page.frame_locator("iframe")
    mail.get_by_role("heading", name="Weekly report").wait_for()
    with visit.page.expect_popup() as opened:
        mail.get_by_role("link", name="Open the report").click()
    title = str(papers[0])
    content = opened.value.locator("#content-main")
    content.get_by_role("heading", name=title, exact=True).wait_for()
    assert visit.faults == []


def test_a_summary_prints_on_one_page_without_what_is_there_to_click(visit, papers):
    visit.open(summary(papers[1]))
    assert visit.page.get_by_role("button", name="Print").is_visible()
    (page,) = printed(visit).pages
    text = page.extract_text()
    assert f"Record number {papers[1].patient.record_number}" in text
    assert "Save as PDF" not in text
    assert "Sign out" not in text


def test_the_pdf_is_saved_with_one_press(visit, papers):
    visit.open(summary(papers[1]))
    with visit.page.expect_download() as saved:
        visit.page.get_by_role("link", name="Save as PDF").click()
    assert saved.value.suggested_filename == "attendance-summary-2026-03-02-2026-03-08.pdf"
    assert visit.faults == []


def test_a_wide_table_scrolls_by_keyboard(visit, papers):
    visit.open(summary(papers[1]))
    region = visit.page.get_by_role("region", name="Dates and minutes")
    region.focus()
    visit.page.keyboard.press("End")
    visit.page.keyboard.press("ArrowRight")
    assert region.evaluate("one => one === document.activeElement")
    wider = region.evaluate("one => one.scrollWidth > one.clientWidth")
    assert wider is (visit.page.viewport_size["width"] == PHONE["width"])
