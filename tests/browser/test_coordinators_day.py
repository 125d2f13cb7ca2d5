"""A Friday of the demo clinic's coordinator, from 7:30 on: by keys alone on a laptop, by finger on
a phone.

Each test is one thing she does, and leaves to the next what it did not need.
"""

from __future__ import annotations

import datetime
import io
import re
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.management import call_command
from django.urls import reverse
from playwright.sync_api import expect
from pypdf import PdfReader

from attendance.compliance.week_notes import OF_A_WEEK
from attendance.demo.loading import PASSWORD
from attendance.models import AttendanceRecord, Flag, OutreachAttempt, ReportDelivery
from iop_clinic.accounts.models import User
from patients.models import Episode, Patient
from scheduling.models import Booking, CallIn, GroupMembership, Session, SessionStaff
from tests.admin import url
from tests.browser.demo import COORDINATOR, load_and_judge, served
from tests.browser.hands import Hands, Keys
from tests.browser.site import BROWSER, PHONE, WIDE, Visit, hindrances

# What a test reads is what the server has committed: nothing is wiped before the day is over.
pytestmark = [mark for mark in BROWSER if mark.name != "django_db"] + [pytest.mark.django_db]

FRIDAY = datetime.datetime(2026, 11, 20, 7, 30, tzinfo=ZoneInfo("America/New_York"))
TODAY, MONDAY = FRIDAY.date(), FRIDAY.date() + datetime.timedelta(days=3)
DAYS = [
    pytest.param((Keys, WIDE, "light"), id="keys-wide-light"),
    pytest.param((Hands, PHONE, "dark"), id="finger-phone-dark"),
]


@pytest.fixture(scope="module")
def address(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    with django_db_blocker.unblock(), time_machine.travel(FRIDAY):
        load_and_judge()
        mine = ReportDelivery.objects.visible_to(me()).filter(report__kind="nightly")
        two = mine.order_by("pk")[:2]
        ReportDelivery.objects.filter(pk__in=two).update(state="failed", error="SMTP 550")
        try:
            with served() as found:
                yield found
        finally:
            call_command("flush", verbosity=0, interactive=False)


@pytest.fixture(scope="module", params=DAYS)
def day(request: Any, address: str, one_chromium: Any) -> Iterator[Hands]:
    kind, size, scheme = request.param
    page = one_chromium.new_page(viewport=size, color_scheme=scheme, timezone_id="America/New_York")
    hands: Hands = kind(Visit(page, address))
    hands.visit.watch()
    page.set_default_timeout(10_000)
    hands.sign_in(COORDINATOR, PASSWORD)
    yield hands
    page.context.close()


@pytest.fixture
def cora(day: Hands) -> Iterator[Hands]:
    """Wherever the step before has left her: the menu leads on."""
    yield day
    faults, day.visit.faults = day.visit.faults, []
    assert faults == []


def me() -> User:
    return User.objects.get(email=COORDINATOR)


def on_phone(hands: Hands) -> bool:
    return hands.page.viewport_size == PHONE


def in_group(letter: str) -> Episode:
    """Somebody in a group whom no step has been about yet."""
    seats = GroupMembership.objects.visible_to(me()).filter(group__name=f"Group {letter}").on(TODAY)
    people = Episode.objects.filter(pk__in=seats.values("episode"), state="admitted")
    return people.exclude(call_ins__taken_by=me()).order_by("pk")[0]


# --- before nine -----------------------------------------------------------------------------


def test_whom_to_call_stands_first_and_a_call_is_logged_in_two_clicks(cora):
    cora.visit.open("/admin/")
    cora.look()
    cora.page.get_by_role("heading", name="Call before 9:00 AM: ").wait_for()
    tried = OutreachAttempt.objects.filter(attempted_by=me()).count()
    cora.follow("Log it")
    cora.sees("How to reach the patient")
    cora.choose("Result", "Reached")
    cora.go("Log an outreach attempt")
    cora.sees("Logged: ", "Next: close the case with an outcome, or try again.")
    assert OutreachAttempt.objects.filter(attempted_by=me()).count() == tried + 1
    attempt = OutreachAttempt.objects.latest("attempted_at")
    assert (attempt.result, attempt.flag.state) == ("reached", Flag.State.IN_OUTREACH)


def test_a_sick_call_frees_the_seats_of_the_day(cora):
    pat = in_group("A")
    booked = pat.bookings.filter(session__local_date=TODAY, live=True)
    assert set(booked.values_list("state", flat=True)) == {Booking.State.BOOKED}
    find(cora, pat.patient)
    cora.follow("Take a call-in")
    cora.write("First day absent", TODAY)
    cora.write("Last day absent", TODAY)
    cora.choose("Reason", "Illness")
    cora.go("Note the absence")
    call = CallIn.objects.get(episode=pat, taken_by=me())
    assert set(booked.values_list("state", "call_in")) == {(Booking.State.RELEASED, call.pk)}


def find(hands: Hands, patient: Patient) -> None:
    """By the search box and the record number: it opens the page that tells about the care."""
    if on_phone(hands):
        hands.press(hands.page.get_by_role("button", name="Menu", exact=True).last)
    hands.write("Find a patient, a group, a therapist or a page", patient.record_number)
    with hands.page.expect_navigation():
        hands.page.keyboard.press("Enter")


def test_a_therapist_is_sick_and_the_calendar_leads_to_cover(cora):
    name, letters = ("Theo Listenham", "LPC") if on_phone(cora) else ("Thea Therapon", "LCSW")
    cora.menu("Time off")
    cora.begin("Add time off")
    cora.choose("Therapist", f"{name}, {letters}")
    for part, clock in (("starts_at", "07:45"), ("ends_at", "18:00")):
        cora.fill(f"{part}_0", TODAY)
        cora.fill(f"{part}_1", clock)
    cora.go("See what it touches")
    cora.sees("Nothing is saved yet.", "what happens to each?")
    cora.go("Save")
    cora.menu("Week")
    cora.follow("By therapist")
    cover = cora.page.get_by_role("link", name=re.compile("^Assign a substitute"))
    left = cover.count() - 1
    cora.to(cover.and_(cora.page.get_by_role("link", name=re.compile("9:00 AM$"))).first)
    substitute = "Anselm Dusk, LADC" if on_phone(cora) else "Lupe Evenings, LPC"
    cora.choose("Therapist", substitute)
    cora.go("Assign a substitute")
    expect(cover).to_have_count(left)
    led = SessionStaff.objects.get(
        role=SessionStaff.Role.SUBSTITUTE, starts_at=FRIDAY.replace(hour=9, minute=0), active=True,
        session__staff__therapist__name=name,
    )  # fmt: skip
    assert str(led.therapist) == substitute


# --- the day ---------------------------------------------------------------------------------


def test_a_patient_is_admitted_paper_by_paper_and_gets_a_seat(cora):
    number = f"R-9{'1' if on_phone(cora) else '0'}"
    cora.menu("Patients")
    cora.follow("Add patient")
    for label, value in (("Record number", number), ("First name", "Noa"), ("Last name", "Fresh"),
                         ("Birth date", "1990-05-01"), ("Phone", "203-555-0190")):  # fmt: skip
        cora.write(label, value)
    cora.go("Save")
    cora.sees("Next: refer the patient to a program.")
    pat = Patient.objects.get(record_number=number)
    cora.visit.open(url(pat, "refer"))
    cora.choose("Program", "Co-occurring IOP")
    cora.write("Referred on", TODAY)
    cora.choose("Primary therapist", "Theo Listenham, LPC")
    cora.go("Open the episode")
    for step in (evaluated, diagnosed, agreed, admitted, planned, enrolled):
        step(cora)
    episode = pat.episodes.get()
    assert (episode.state, episode.admitted_on) == (Episode.State.ADMITTED, MONDAY)
    assert episode.plans.get().weekly_minutes_target == 540
    assert episode.memberships.get().group.name == "Group C"
    booked = episode.bookings.filter(session__local_date=MONDAY, state="booked")
    assert booked.count() == Session.objects.filter(
        group__name="Group C", local_date=MONDAY
    ).count()  # fmt: skip


def evaluated(hands: Hands) -> None:
    hands.follow("Enter the evaluation")
    hands.write("Evaluated on", TODAY)
    hands.choose("Evaluator", "Theo Listenham, LPC")
    hands.go("Enter the evaluation")
    hands.sees("The evaluation is entered.")


def diagnosed(hands: Hands) -> None:
    hands.follow("Enter a diagnosis")
    hands.write("ICD-10 code", "F10.20")
    hands.write("Diagnosed on", TODAY)
    hands.choose("Under the license", "Theo Listenham: LPC CT, until Dec 25, 2027")
    hands.go("Enter a diagnosis")


def agreed(hands: Hands) -> None:
    hands.follow("Note the program agreement")
    hands.write("Signed on", TODAY)
    hands.go("Note the program agreement")
    hands.sees("All papers are there: the patient can be admitted.")


def admitted(hands: Hands) -> None:
    hands.follow("Admit")
    hands.write("Admitted on", MONDAY)
    hands.go("Admit the patient")
    hands.sees("Next: set the treatment plan.")


def planned(hands: Hands) -> None:
    hands.more("Set the plan")
    hands.write("Starts on", MONDAY)
    hands.go("Set the plan")
    hands.sees("Next: enrol the patient in a group.")


def enrolled(hands: Hands) -> None:
    hands.follow("Enrol in a group")
    group = hands.field("Group").locator("option", has_text="Group C").inner_text()
    assert re.fullmatch(r"Group C \(\d seats? free\)", group)
    hands.choose("Group", group)
    hands.write("First day", MONDAY)
    hands.go("Enrol in a group")
    hands.sees("planned sessions are booked.")


def test_a_make_up_is_booked_beside_the_shortfall(cora):
    made = Booking.objects.visible_to(me()).filter(makes_up__isnull=False)
    before = made.count()
    cora.menu("Today")
    cora.follow("Find an hour" if on_phone(cora) else "Book")
    cora.sees("to make up")
    cora.pick(cora.page.get_by_role("radio").first)
    cora.go("Book")
    cora.sees("Booked: ")
    assert made.count() > before


def test_a_roster_that_is_not_in_is_copied_from_paper(cora):
    before = set(AttendanceRecord.objects.filter(source="paper").values_list("pk", flat=True))
    cora.menu("Roster")
    missing = cora.page.locator(".missing a").first
    cora.to(missing)
    expect(cora.page.get_by_label("I copy a paper sheet")).to_be_checked()
    expect(cora.page.locator(".line").first).to_be_visible()
    cora.press(cora.page.get_by_role("button", name="All present"))
    expect(cora.page.locator("#paper-note")).to_contain_text("Entered from paper by Cora")
    expect(cora.page.locator("#sending")).to_have_attribute("data-count", "0")
    made = AttendanceRecord.objects.filter(source="paper").exclude(pk__in=before)
    assert made.count() == cora.page.locator(".line").count()
    assert {one.recorded_by for one in made} == {me()}


def test_a_court_call_closes_a_case_with_its_outcome(cora):
    told = Flag.objects.visible_to(me()).open().filter(episode__court_referrals__isnull=False)
    case = told.filter(rule__in=OF_A_WEEK).order_by("pk")[0]
    cora.visit.open(url(case, "change"))
    cora.follow("Write the week's note")
    cora.choose("Why the week was short", "Court or custody")
    cora.write("Make-up offered", "None: the court’s hearing filled the week.")
    cora.go("Write the week's note")
    cora.follow("Close the case")
    cora.choose("What came of it", "Reached, coming back")
    cora.write("Note", "Told the court liaison.")
    cora.go("Close the case")
    cora.sees("The case is closed: Reached, coming back.")
    case.refresh_from_db()
    assert (case.state, case.outcome_note) == (Flag.State.CLOSED, "Told the court liaison.")


def test_a_session_is_cancelled_once_its_impact_is_seen(cora):
    letter = "C" if on_phone(cora) else "A"
    session = (
        Session.objects.visible_to(me())
        .filter(group__name=f"Group {letter}", local_date=MONDAY)
        .earliest("starts_at")
    )
    cora.visit.open(url(session, "change"))
    cora.follow("Cancel the session")
    cora.sees("What it takes from whom", "would fall below what is asked of the week.")
    cora.write("Reason", "Burst pipe")
    cora.go("Cancel the session")
    cora.sees("The session is cancelled.")
    session.refresh_from_db()
    assert (session.state, session.cancelled_reason) == ("cancelled", "Burst pipe")


def test_the_short_weeks_of_a_friday_are_one_view_of_the_queue(cora):
    cora.menu("Cases")
    cora.follow("Repairable")
    shown = cora.page.get_by_role("link", name="Make-up", exact=True).count()
    cora.visit.open("/admin/")
    assert cora.page.get_by_role("link", name="Book", exact=True).count() == shown > 0


def test_a_level_is_changed_once_what_changes_is_seen(cora):
    pat = in_group("D" if on_phone(cora) else "B")
    cora.visit.open(url(pat, "change"))
    cora.more("Change the level of care")
    day = TODAY + datetime.timedelta(days=10)
    cora.write("First day on the new level", day)
    cora.choose("Level of care", "OP 1")
    cora.write("Minutes a week", "120")
    cora.go("See what changes")
    cora.sees("Nothing is saved yet.")
    cora.go("Save")
    cora.sees(f"{pat.patient} is on OP 1 from ")
    latest = pat.plans.latest("starts_on")
    assert (latest.level, latest.starts_on, latest.weekly_minutes_target) == (1, day, 120)


def test_the_payers_reviewer_hears_a_summary_and_gets_it_as_a_file(cora):
    pat = in_group("B")
    cora.visit.open(url(pat, "change"))
    cora.follow("Attendance summary")
    cora.sees("Record number", str(pat.patient.record_number))
    with cora.page.expect_download() as saved:
        cora.press(cora.page.get_by_role("link", name="Save as PDF"))
    text = PdfReader(io.BytesIO(saved.value.path().read_bytes())).pages[0].extract_text()
    assert pat.patient.record_number in text


def test_a_report_that_could_not_be_mailed_is_sent_again(cora):
    mine = ReportDelivery.objects.visible_to(me())
    delivery = mine.filter(state=ReportDelivery.State.FAILED).order_by("pk")[0]
    cora.visit.open(url(delivery.report, "change"))
    cora.follow("Send again")
    cora.go("Send again")
    delivery.refresh_from_db()
    assert delivery.state == ReportDelivery.State.PENDING


# --- the same in the other scheme, to read ---------------------------------------------------


def test_the_pages_read_as_well_in_the_other_scheme(cora):
    cora.page.emulate_media(color_scheme="light" if on_phone(cora) else "dark")
    pat = in_group("B")
    week = reverse("admin:scheduling_session_week")
    for path in ("/admin/", url(Flag), url(pat, "change"), week):
        cora.visit.open(path)
        cora.look()
        assert hindrances(cora.page) == [], path
