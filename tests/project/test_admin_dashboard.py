"""The start page: it counts what the person may see, and nothing of another clinic."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.urls import reverse

from attendance.models import ComplianceReport, Flag, JobTick, NightlyRun, ReportDelivery
from iop_clinic.accounts.roles import Role
from tests import factories
from tests.admin import Desk, desk
from tests.api import Roster, roster

NOW = datetime.datetime(2026, 3, 2, 16, 0, tzinfo=datetime.UTC)  # Monday, 11:00 in New York


@pytest.fixture(autouse=True)
def _monday_at_eleven() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def held(db: None) -> Roster:
    """A session from 9 to 10 with two patients unrecorded, and a case of one of them."""
    held = roster(2)
    _case(held)
    return held


def _case(held: Roster) -> None:
    episode = held.bookings[0].episode
    Flag.objects.create(
        clinic=held.clinic, rule=2, subject_type=1, subject_id=episode.pk, episode=episode,
        evidence_key="2026-03-01", sentence="Missed a day", severity=3, owner_role="therapist",
        opened_for=NOW.date(), due_at=NOW - datetime.timedelta(hours=1),
    )  # fmt: skip


def today(at: Desk) -> Any:
    return at.client.get(reverse("admin:index"))


def cases(page: Any) -> list[tuple[str, int, int]]:
    return [(one["label"], one["open"], one["overdue"]) for one in page.context["severities"]]


def panel(page: Any, title: str) -> Any:
    (one,) = (one for one in page.context["panels"] if one.title == title)
    return one


def rosters(page: Any) -> Any:
    (one,) = (one for one in page.context["panels"] if one.title.startswith("Rosters"))
    return one.rows


def test_open_cases_are_counted_by_severity_and_lead_to_their_queue(held):
    page = today(desk(held.clinic))
    assert cases(page) == [("Urgent", 0, 0), ("Act today", 1, 1), ("Watch", 0, 0), ("Notice", 0, 0)]
    assert "/admin/attendance/flag/?severity__exact=3" in page.content.decode()


def test_a_roster_that_is_not_in_is_listed_until_it_is(held):
    coordinator = desk(held.clinic)
    assert len(panel(today(coordinator), "Rosters not recorded: 1").rows) == 1
    coordinator.fill(held.session, "all-present")
    page = today(coordinator)
    assert panel(page, "Rosters not recorded").rows == []
    assert "Every roster of the last two weeks is in." in page.content.decode()


def test_todays_sessions_show_how_many_are_expected_and_recorded(held):
    coordinator = desk(held.clinic)
    coordinator.fill(held.bookings[0], "record", attended="present")
    (row,) = panel(today(coordinator), "Today’s sessions").rows
    assert row[1:] == ("9:00 AM – 10:00 AM EST", "1 of 2", "")


def test_a_therapist_sees_their_own_and_a_colleague_nothing_of_it(held):
    own = today(Desk(held.user))
    assert (cases(own)[1], len(rosters(own))) == (("Act today", 1, 1), 1)
    other = today(desk(held.clinic, Role.THERAPIST))
    assert (cases(other)[1], len(rosters(other))) == (("Act today", 0, 0), 0)


def test_a_therapists_cards_count_and_open_the_caseload_as_their_mail_does(held):
    colleagues = held.bookings[1].episode
    colleagues.primary_therapist = factories.TherapistFactory(clinic=held.clinic)
    colleagues.save()
    seen = Flag.objects.visible_to(held.user)
    Flag.objects.create(
        clinic=held.clinic, rule=2, subject_type=1, subject_id=colleagues.pk, episode=colleagues,
        evidence_key="2026-03-01", sentence="In my session", severity=3, owner_role="therapist",
        opened_for=NOW.date(), due_at=NOW - datetime.timedelta(hours=1),
    )  # fmt: skip
    assert seen.count() == 2
    page = today(Desk(held.user))
    assert cases(page)[1] == ("Act today", 1, 1)
    card = page.context["severities"][1]["url"]
    assert card == "/admin/attendance/flag/?whose=caseload&severity__exact=3"
    assert len(Desk(held.user).client.get(card).context["cl"].result_list) == 1


def test_the_front_desk_sees_no_cases_and_another_clinic_nothing(held):
    front = today(desk(held.clinic, Role.FRONT_DESK))
    assert ("severities" in front.context, "night" in front.context) == (False, False)
    stranger = today(desk(factories.ClinicFactory()))
    assert sum(one for _, one, _ in cases(stranger)) == 0
    assert rosters(stranger) == []


def test_the_last_night_is_named_and_a_late_one_is_said_aloud(held):
    coordinator = desk(held.clinic)
    assert "The nightly run is late" in today(coordinator).content.decode()
    JobTick.objects.create(name="tick", at=NOW)
    NightlyRun.objects.create(
        clinic=held.clinic, local_date=datetime.date(2026, 3, 1), state="finished",
        finished_at=NOW, lease_until=NOW,
    )  # fmt: skip
    html = today(coordinator).content.decode()
    assert "The nightly run is late" not in html
    assert "Sunday, March 1: finished, Mon Mar 2, 2026, 11:00 AM EST." in html


def test_a_clinic_whose_reports_nobody_receives_is_told_so(held):
    said = "Nobody receives this clinic’s reports."
    coordinator = desk(held.clinic)
    assert said not in today(coordinator).content.decode()
    coordinator.user.memberships.update(receives_reports=False)
    held.user.memberships.update(receives_reports=False)
    assert said in today(coordinator).content.decode()


def test_mails_that_were_given_up_are_counted_with_a_way_to_them(held):
    coordinator = desk(held.clinic)
    run = NightlyRun.objects.create(
        clinic=held.clinic, local_date=NOW.date(), state="finished", finished_at=NOW,
        lease_until=NOW,
    )  # fmt: skip
    report = ComplianceReport.objects.create(
        clinic=held.clinic, run=run, local_date=NOW.date(), content={}
    )
    ReportDelivery.objects.create(
        clinic=held.clinic, report=report, recipient=coordinator.user, message_id="<1@x>",
        state="failed", error="SMTP 550", attempts=1,
    )  # fmt: skip
    html = today(coordinator).content.decode()
    assert "/admin/attendance/reportdelivery/?state__exact=failed" in html
    assert "1 report</a> of the last two weeks could not be mailed." in html


def test_the_menu_shows_what_a_role_may_open(held):
    html = today(desk(held.clinic, Role.FRONT_DESK)).content.decode()
    assert "/admin/patients/patient/" in html
    assert "/admin/attendance/flag/" not in html
    assert "/admin/accounts/membership/" not in html


@pytest.mark.parametrize(
    ("role", "titles"),
    [
        (Role.COORDINATOR, [0, 1, 2, 3, 4]),
        (Role.FRONT_DESK, [0, 1, 4]),
        (Role.THERAPIST, [0, 1, 3]),
        (Role.UTILIZATION_REVIEW, [3]),
        (Role.AUDITOR, []),
    ],
)
def test_what_is_done_every_day_is_one_click_away(held, role, titles):
    daily = (
        "Take a call-in",
        "Rosters and sign-in sheets",
        "Cover and week",
        "Make-ups to book",
        "Enter a patient",
    )
    at = desk(held.clinic, role)
    links = today(at).context["links"]
    assert [title for title, _ in links] == [daily[n] for n in titles]
    assert {at.client.get(address).status_code for _, address in links} <= {200}


def test_a_missing_roster_is_recorded_in_one_click_by_who_may(held):
    (row,) = rosters(today(desk(held.clinic)))
    assert ("/roster/" in row[-1], ">Record</a>" in row[-1]) == (True, True)
    (row,) = rosters(today(desk(held.clinic, Role.FRONT_DESK)))
    assert len(row) == 3


def test_the_badge_says_demo_in_the_demo_only(held, settings):
    coordinator = desk(held.clinic)
    assert today(coordinator).context["environment"] is None
    settings.MODE = "demo"
    assert today(coordinator).context["environment"] == ["demo", "warning"]
