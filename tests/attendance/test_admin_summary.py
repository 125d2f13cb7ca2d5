"""The attendance summary at the admin site: as page and as PDF, for whom, and what is noted."""

from __future__ import annotations

import datetime
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pypdf import PdfReader

from attendance.admin.summaries import usual_dates
from attendance.compliance.status import minutes_detail
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from iop_clinic.accounts.weeks import hours_and_minutes
from patients.models import Authorization, CourtReferral, Episode
from tests import factories as f
from tests.admin import Desk, desk
from tests.attendance.house import FRI, MON, SUN, WED, House

DAY = datetime.timedelta(days=1)
WEEK = 7 * DAY
TODAY = MON + WEEK


@pytest.fixture(autouse=True)
def _the_monday_after() -> Iterator[None]:
    with time_machine.travel(datetime.datetime(2026, 3, 9, 17, 0, tzinfo=datetime.UTC), tick=False):
        yield


@pytest.fixture
def house(db) -> House:
    return House()


@pytest.fixture
def pat(house) -> Episode:
    row: Episode = house.patient()
    house.full_week(row, MON)
    house.day(WED, [row])
    house.came(row, WED, left="10:30")
    house.day(FRI, [row])
    house.missed(row, FRI)
    return row


@pytest.fixture
def coordinator(house) -> Desk:
    return desk(house.clinic)


def address(pat, page="attendance-summary"):
    return reverse(f"admin:patients_episode_{page}", args=[pat.pk])


def shown(at, pat, **dates):
    return at.client.get(address(pat), {key: str(day) for key, day in dates.items()})


def pdf(at, pat, first=MON, last=SUN):
    page = address(pat, "attendance-summary.pdf")
    return at.client.get(page, {"first": str(first), "last": str(last)})


def read(answer) -> Any:
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    return PdfReader(io.BytesIO(answer.content))


def text(answer) -> str:
    return " ".join(" ".join(page.extract_text() for page in read(answer).pages).split())


def authorized(house, pat, **extra):
    facts = {"payer": f.PayerFactory(clinic=house.clinic), "number": "AU-1", "units": 12,
             "starts_on": MON, "ends_on": MON + 4 * WEEK}  # fmt: skip
    return Authorization.objects.create(clinic=house.clinic, episode=pat, **{**facts, **extra})


# --- as page -------------------------------------------------------------------------------------


def test_the_episode_leads_to_it(pat, coordinator):
    assert address(pat) in coordinator.open(pat, "change").content.decode()
    referral = f.EpisodeFactory(patient__clinic=pat.clinic, program=pat.program)
    assert address(referral) not in coordinator.open(referral, "change").content.decode()
    assert shown(coordinator, referral).status_code == 404


def test_it_opens_with_the_dates_of_the_running_authorization(house, pat, coordinator):
    authorized(house, pat, starts_on=MON - 30 * DAY)
    assert usual_dates(pat, TODAY) == (MON, MON + 4 * WEEK)  # from the admission on
    page = shown(coordinator, pat)
    assert page.context["sheet"].title == "Attendance summary, Mar 2 – Mar 30, 2026"
    assert 'value="03/30/2026"' in page.content.decode()


def test_an_authorization_of_two_years_is_shown_by_its_last_year(house, pat):
    pat.admitted_on = MON - 700 * DAY
    authorized(house, pat, starts_on=MON - 700 * DAY, ends_on=MON + 30 * DAY)
    first, last = usual_dates(pat, TODAY)
    assert ((last - first).days, last) == (365, MON + 30 * DAY)


def test_without_one_it_opens_with_the_last_thirty_days(house, pat):
    assert usual_dates(pat, TODAY) == (MON, TODAY)
    assert usual_dates(pat, MON + 60 * DAY) == (MON + 31 * DAY, MON + 60 * DAY)
    authorized(house, pat, ends_on=SUN)  # has ended
    assert usual_dates(pat, TODAY) == (MON, TODAY)


def test_of_a_stay_that_is_over_it_shows_the_end(pat):
    pat.discharged_on = MON + 40 * DAY
    assert usual_dates(pat, MON + 100 * DAY) == (MON + 11 * DAY, MON + 40 * DAY)


@pytest.mark.parametrize(
    ("first", "last", "field", "said"),
    [
        (WED, MON, "last", "The last day lies before the first one."),
        (MON, MON + 366 * DAY, "last", "Ask for 366 days at most: end by Mar 2, 2027."),
        (MON - DAY, SUN, "first",
         "The patient was admitted on Mar 2, 2026: begin on that day or later."),
        (TODAY + DAY, TODAY + WEEK, "first", "This day is still to come: begin today or earlier."),
        ("soon", SUN, "first", "Enter a valid date."),
        ("", SUN, "first", "This field is required."),
    ],
)  # fmt: skip
def test_dates_that_cannot_be_are_told_at_their_field(pat, coordinator, first, last, field, said):
    page = shown(coordinator, pat, first=first, last=last)
    assert page.context["form"].errors == {field: [said]}
    assert (page.status_code, page.context["sheet"]) == (200, None)
    document = pdf(coordinator, pat, first, last)
    assert document["Location"].startswith(f"{address(pat)}?first=")
    assert not AuditEvent.objects.filter(new__exported__isnull=False).exists()


def test_366_days_are_not_too_many(pat, coordinator):
    page = shown(coordinator, pat, first=MON, last=MON + 365 * DAY)
    assert page.context["form"].errors == {}


def test_the_table_names_its_rows_and_columns(pat, coordinator):
    html = shown(coordinator, pat, first=MON, last=SUN).content.decode()
    assert html.count('scope="col"') == 7
    assert html.count('<th scope="row">') == 4  # three days and the sum
    assert html.count('<th scope="rowgroup">Week Mar 2 – Mar 8</th>') == 1
    assert "missed, unexcused (no-show)" in html


def test_reading_it_is_noted(pat, coordinator):
    shown(coordinator, pat)
    (event,) = AuditEvent.objects.filter(operation="R", row_id=pat.pk)
    assert (event.actor, event.table_name, event.new) == (
        coordinator.user.actor, "patients_episode", None,
    )  # fmt: skip


# --- as PDF --------------------------------------------------------------------------------------


def test_the_pdf_says_what_the_ledger_says(house, pat, coordinator):
    said = text(pdf(coordinator, pat))
    for line in minutes_detail(episode=pat, week_start=MON, now=house.morning(SUN)):
        minutes = (line.scheduled, line.attended, line.credited)
        numbers = " ".join(hours_and_minutes(one) for one in minutes)
        assert f"{line.local_date:%a %b} {line.local_date.day} {numbers}" in said


def test_the_pdf_and_the_page_say_the_same(house, pat, coordinator):
    authorized(house, pat)
    sheet = shown(coordinator, pat, first=MON, last=SUN).context["sheet"]
    said = text(pdf(coordinator, pat))
    lines = [sheet.headers, sheet.total, *(row for g in sheet.groups for row in (g.head, *g.rows))]
    for cells in [*lines, *sheet.facts, sheet.notes, (sheet.title,), (sheet.made,)]:
        assert " ".join(" ".join(cells).split()) in said


def test_it_has_a_title_a_language_and_a_structure(pat, coordinator):
    reader = read(pdf(coordinator, pat))
    root = reader.trailer["/Root"].get_object()
    assert reader.metadata.title == "Attendance summary, Mar 2 – Mar 8, 2026"
    shown_as_title = root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert (root["/Lang"], root["/MarkInfo"]["/Marked"], shown_as_title) == ("en-US", True, True)
    document = root["/StructTreeRoot"]["/K"].get_object()
    kids = [kid.get_object()["/S"] for kid in document["/K"]]
    assert kids == ["/H1", "/Table", "/Table", "/P", "/P"]


def test_every_cell_of_the_structure_is_found_on_its_page(pat, coordinator):
    reader = read(pdf(coordinator, pat))
    tree = reader.trailer["/Root"]["/StructTreeRoot"]
    (number, parents) = tree["/ParentTree"]["/Nums"]
    content = reader.pages[0].get_contents().get_data().decode("latin-1")
    marks = [int(mark) for mark in re.findall(r"<</MCID (\d+)>> BDC", content)]
    assert (number, marks) == (0, list(range(len(parents.get_object()))))
    unsaid = re.sub(r"/\w+ (<</MCID \d+>> BDC|BMC)\n.*?\nEMC\n", "", content, flags=re.DOTALL)
    assert "Tj" not in unsaid  # all text is in the tree, or ornament
    table = tree["/K"].get_object()["/K"][2].get_object()
    header = [cell.get_object() for cell in table["/K"][0].get_object()["/K"]]
    assert {(cell["/S"], cell["/A"]["/Scope"]) for cell in header} == {("/TH", "/Column")}


def test_thirty_days_of_three_a_week_fit_on_one_page(house, pat, coordinator):
    with time_machine.travel(house.morning(SUN + 4 * WEEK), tick=False):
        at = Desk(coordinator.user)
        house.full_week(pat, *(d + n * WEEK for n in range(1, 4) for d in (MON, WED, FRI)))
        house.full_week(pat, MON + 4 * WEEK)
        answer = pdf(at, pat, MON, MON + 29 * DAY)
        assert len(read(answer).pages) == 1
        assert "13 days listed" in text(answer)


def test_a_long_one_repeats_its_headers_and_counts_its_pages(house, pat, coordinator):
    with time_machine.travel(house.morning(SUN + 30 * WEEK), tick=False):
        at = Desk(coordinator.user)
        house.full_week(pat, *(MON + n * DAY for n in range(7, 150)))
        pages = [page.extract_text() for page in read(pdf(at, pat, MON, MON + 200 * DAY)).pages]
    assert len(pages) > 2
    assert [page.count("Remarks") for page in pages[:2]] == [1, 1]
    assert [f"Page {n} of {len(pages)}" in page for n, page in enumerate(pages, 1)] == [
        True for _ in pages
    ]


@pytest.mark.parametrize(
    "name", ["Łukasik-Žižka", "Muñoz é Ångström", "Nguyễn Thị Ưởng", "Шевченко"]
)
def test_names_print_right(pat, coordinator, name):
    pat.patient.last_name = name
    pat.patient.save()
    assert name in text(pdf(coordinator, pat))


def test_a_name_that_looks_like_markup_is_text(pat, coordinator):
    pat.patient.last_name = "<b>O'Neil & Sons</b>"
    pat.patient.save()
    assert "<b>O'Neil & Sons</b>" in text(pdf(coordinator, pat))


def test_composed_and_decomposed_letters_print_the_same(pat, coordinator):
    pat.patient.last_name = "Nguye\N{COMBINING CIRCUMFLEX ACCENT}\N{COMBINING TILDE}n"
    pat.patient.save()
    assert "Nguyễn" in text(pdf(coordinator, pat))


@pytest.mark.parametrize("part2", [True, False])
def test_the_notice_stands_on_the_papers_of_a_part_2_program_only(pat, coordinator, part2):
    pat.program.part2 = part2
    pat.program.save()
    notice = "42 CFR part 2 prohibits unauthorized use or disclosure of these records."
    assert (notice in text(pdf(coordinator, pat))) is part2
    assert (notice in shown(coordinator, pat).content.decode()) is part2


def test_no_name_stands_in_an_address_or_a_file_name(pat, coordinator):
    answer = pdf(coordinator, pat)
    assert answer["Content-Disposition"] == (
        'attachment; filename="attendance-summary-2026-03-02-2026-03-08.pdf"'
    )
    assert "no-store" in answer["Cache-Control"]


def test_making_it_is_noted_as_an_export(pat, coordinator):
    pdf(coordinator, pat)
    (event,) = AuditEvent.objects.filter(operation="R", row_id=pat.pk)
    assert (event.actor, event.new) == (
        coordinator.user.actor,
        {"exported": "attendance summary (PDF)", "from": "2026-03-02", "until": "2026-03-08"},
    )
    history = desk(pat.clinic, Role.ADMINISTRATOR).open(pat, "history").content.decode()
    assert "exported: attendance summary (PDF)" in history


# --- who may -------------------------------------------------------------------------------------


def test_whoever_sees_the_weeks_reads_it_and_whoever_exports_takes_it_along(house, pat):
    at = {role: desk(house.clinic, role) for role in Role}
    pages = {role: shown(one, pat).status_code for role, one in at.items()}
    files = {role: pdf(one, pat).status_code for role, one in at.items()}
    everybody = {role: 404 if role == Role.THERAPIST else 200 for role in Role}
    assert pages == everybody  # that therapist is a stranger to the patient
    assert files == {
        Role.ADMINISTRATOR: 200, Role.COORDINATOR: 200, Role.UTILIZATION_REVIEW: 200,
        Role.FRONT_DESK: 403, Role.AUDITOR: 403, Role.THERAPIST: 404,
    }  # fmt: skip


def test_a_therapist_reads_their_own_patients_and_is_offered_no_file(house, pat):
    page = shown(Desk(house.user), pat)
    assert (page.status_code, page.context["pdf_url"]) == (200, "")
    assert pdf(Desk(house.user), pat).status_code == 403


def test_a_denied_file_leaves_no_trace(house, pat):
    for role in (Role.FRONT_DESK, Role.AUDITOR, Role.THERAPIST):
        pdf(desk(house.clinic, role), pat)
    assert not AuditEvent.objects.filter(operation="R", row_id=pat.pk).exists()


def test_another_clinics_patient_does_not_exist(pat):
    stranger = desk(House().clinic)
    assert shown(stranger, pat).status_code == 404
    assert pdf(stranger, pat).status_code == 404


# --- statements ----------------------------------------------------------------------------------


def statements(ask) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert ask().status_code == 200
    return len(captured)


def test_page_and_file_take_the_same_statements_for_any_number_of_days(house, pat, coordinator):
    def counts() -> tuple[int, int]:
        dates = {"first": MON, "last": MON + 100 * DAY}
        return (
            statements(lambda: shown(coordinator, pat, **dates)),
            statements(lambda: pdf(coordinator, pat, *dates.values())),
        )

    counts()
    before = counts()
    with time_machine.travel(house.morning(SUN + 8 * WEEK), tick=False):
        coordinator.client.force_login(coordinator.user)
        house.full_week(pat, *(MON + n * DAY for n in range(7, 57)))
        counts()
        assert before == counts() == (14, 14)


# --- what a payer is not told --------------------------------------------------------------------


def test_a_court_is_told_nobody(house, pat, coordinator):
    CourtReferral.objects.create(clinic=house.clinic, episode=pat, court="Drug", starts_on=MON)
    before = text(pdf(coordinator, pat))
    assert "missed, unexcused (no-show)" in before
    house.missed(pat, FRI, absence_reason="court", notified_at=house.at(FRI, "07:00"))
    after = text(pdf(coordinator, pat))
    assert "missed, excused: other" in after
    for word in ("court", "proof", "Drug"):
        assert word not in (before + after).lower().replace("drug screen", "")


def test_before_the_day_of_the_admission_there_is_nothing_to_sum_up(house, coordinator):
    row = house.patient(on=MON + 3 * WEEK, seat=None)
    assert shown(coordinator, row).status_code == 404
    assert pdf(coordinator, row).status_code == 404


def test_letters_that_the_file_cannot_draw_are_refused_by_name(pat, coordinator):
    pat.patient.first_name = "\u5c0f\u660e"
    pat.patient.save()
    answer = pdf(coordinator, pat)
    assert (answer.status_code, answer.url.partition("?")[0]) == (302, address(pat))
    page = coordinator.client.get(answer.url).content.decode()
    assert "The PDF has no letters for \u5c0f\u660e: print the page." in page
    assert not AuditEvent.objects.filter(new__has_key="exported").exists()
