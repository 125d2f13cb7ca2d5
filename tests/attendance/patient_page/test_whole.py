"""The patient's page as a whole: its verbs, who is noted, how much it asks."""

from __future__ import annotations

from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.models import OutreachAttempt
from patients.models import Episode
from scheduling.models import GroupMembership
from tests import factories as f
from tests.admin import Desk, actors
from tests.attendance.house import MON, SUN, TUE, House
from tests.attendance.patient_page.page import DAY, TODAY, WEEK, case, panels


def titles(at: Desk, row: Episode) -> list[str]:
    return [verb["title"] for verb in at.open(row, "change").context["verbs"]]


def test_the_verbs_of_every_day_come_first_and_the_rare_ones_last(pat, coordinator):
    assert titles(coordinator, pat) == [
        "Take a call-in",
        "Find a make-up",
        "Book into a session",
        "Enrol in a group",
        "Transfer to another group",
        "Attendance summary",
        "Find a place",
        "Enter an authorization",
        "Note a certification",
        "Note a court mandate",
        "Enter the evaluation",
        "Enter a diagnosis",
        "Note the program agreement",
        "Set the plan",
        "Put on hold",
        "Change the level of care",
        "Take the change of level back",
        "Discharge",
    ]


def test_a_referral_begins_with_its_papers(house, coordinator):
    row = f.EpisodeFactory(patient__clinic=house.clinic)
    assert titles(coordinator, row)[:5] == [
        "Enter the evaluation", "Enter a diagnosis", "Note the program agreement", "Admit",
        "Set the plan",
    ]  # fmt: skip


def test_a_look_at_the_page_is_noted(pat, coordinator):
    panels(coordinator, pat)
    assert actors(pat, "R") == {coordinator.user.actor}


def statements(at: Desk, row: Episode) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert at.open(row, "change").status_code == 200
    return len(captured)


def test_the_page_takes_the_same_statements_however_full_it_is(house, coordinator):
    row = house.patient(on=MON - WEEK)
    house.authorized(row, TODAY + 10 * DAY, starts_on=MON)
    house.insured(row)
    fill(house, row, coordinator, 1)
    before = statements(coordinator, row)
    fill(house, row, coordinator, 50)
    assert (before, statements(coordinator, row)) == (STATEMENTS, STATEMENTS)


STATEMENTS = 45


def fill(house: House, row: Episode, at: Desk, number: int) -> None:
    """So many more bookings, cases, attempts, and seats that ended."""
    for n in range(number):
        hour, key = 8 + n // 14 + (number > 1), f"{number}-{n:02}"
        day = MON - WEEK + (n % 14) * DAY
        house.day(day, [row], f"{hour:02}:00", f"{hour:02}:50")
        house.came(row, day)
        flag = case(house, row, evidence_key=key)
        closed = {"state": "closed", "outcome": "resumed", "closed_at": house.at(SUN, "10:00")}
        case(house, row, evidence_key=f"{key}-closed", **closed)
        OutreachAttempt.objects.create(
            clinic=house.clinic, flag=flag, episode=row, method="call", result="reached",
            attempted_by=at.user,
        )  # fmt: skip
        GroupMembership.objects.create(
            clinic=house.clinic, group=f.GroupFactory(clinic=house.clinic), episode=row, seat=2,
            starts_on=MON, ends_on=TUE,
        )  # fmt: skip
