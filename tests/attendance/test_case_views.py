"""The views of the queue, what a line of it tells, and what is in sight while somebody calls."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine

from attendance.compliance import outreach
from attendance.compliance.rules.ladder import Step
from attendance.models import AbsenceRule, Flag, OutreachAttempt
from iop_clinic.accounts.admin.panels import phone_link
from iop_clinic.accounts.roles import Role
from tests import factories as f
from tests.admin import Desk, desk, url
from tests.attendance.house import SAT, SUN
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db


@pytest.fixture
def week() -> Iterator[ShortWeek]:
    """With a case of a missed day, due this afternoon, and one of its week, due tomorrow."""
    week = ShortWeek()
    with time_machine.travel(week.now, tick=False):
        yield week


def shown(at: Desk, view: str = "") -> list[Flag]:
    page = at.client.get(url(Flag), {"case": view} if view else {})
    return list(page.context["cl"].result_list)


def missed_day(week: ShortWeek) -> Flag:
    return Flag.objects.get(clinic=week.clinic, rule=AbsenceRule.Kind.FIRST_DAYS)


def test_what_is_due_today_is_a_view_of_its_own(week: ShortWeek) -> None:
    coordinator = desk(week.clinic)
    assert shown(coordinator) == [missed_day(week), week.flag]
    assert shown(coordinator, "today") == [missed_day(week)]
    Flag.objects.filter(pk=week.flag.pk).update(due_at=week.now - datetime.timedelta(days=1))
    assert shown(coordinator, "today") == [missed_day(week), week.flag]


def test_a_week_is_repairable_while_a_free_seat_repairs_it(week: ShortWeek) -> None:
    coordinator = desk(week.clinic)
    assert shown(coordinator, "repairable") == []
    session = week.session(SAT, "09:00")
    assert shown(coordinator, "repairable") == [week.flag]
    week.fill(session)
    assert shown(coordinator, "repairable") == []


def test_the_view_that_is_shown_is_marked(week: ShortWeek) -> None:
    page = desk(week.clinic).client.get(url(Flag), {"case": "overdue"}).content.decode()
    assert '<a href="?case=overdue" aria-current="page">Overdue</a>' in page
    assert page.count('aria-current="page"') == 1


def test_a_view_that_is_none_shows_what_is_open(week: ShortWeek) -> None:
    assert shown(desk(week.clinic), "nonsense") == [missed_day(week), week.flag]


def test_a_line_tells_how_the_patient_was_last_tried(week: ShortWeek) -> None:
    for result, minutes in (("no_answer", 60), ("left_message", 30)):
        OutreachAttempt.objects.create(
            clinic=week.clinic, flag=missed_day(week), episode=week.patient, method="call",
            result=result, attempted_by=week.by,
            attempted_at=week.now + datetime.timedelta(minutes=60 - minutes),
        )  # fmt: skip
    said = [one.get_result_display() for one in OutreachAttempt.objects.order_by("attempted_at")]
    html = desk(week.clinic).client.get(url(Flag)).content.decode()
    assert html.count(f"Call: {said[1].lower()}, Thu Mar 5") == 2  # a case of the same patient too
    assert said[0].lower() not in html


def test_a_make_up_is_offered_only_while_the_week_goes_on(week: ShortWeek) -> None:
    link = f"/admin/attendance/flag/{week.flag.pk}/make_ups/"
    assert link in desk(week.clinic).client.get(url(Flag)).content.decode()
    assert link not in desk(week.clinic, Role.AUDITOR).client.get(url(Flag)).content.decode()
    over = week.house.at((SUN + datetime.timedelta(days=1)).isoformat(), "08:00")
    with time_machine.travel(over, tick=False):
        assert link not in desk(week.clinic).client.get(url(Flag)).content.decode()


def panels(page: Any) -> dict[str, Any]:
    return {one.title: one for one in page.context["panels_above"]}


def test_what_would_repair_the_week_stands_beside_its_shortfall(week: ShortWeek) -> None:
    coordinator = desk(week.clinic)
    assert panels(coordinator.open(week.flag, "change"))["What would repair the week"].rows == []
    week.session(SAT, "09:00")
    titles = list(panels(coordinator.open(week.flag, "change")))
    assert titles[:2] == [week.flag.sentence, "What would repair the week"]
    (row,) = panels(coordinator.open(week.flag, "change"))["What would repair the week"].rows
    assert row[1:] == (12, "adds 3 h; brings Saturday to 3 h: a qualifying day; repairs the week.")


def test_the_phone_and_what_may_be_said_are_in_sight_while_somebody_calls(
    week: ShortWeek,
) -> None:
    patient = week.patient.patient
    patient.phone, patient.phone_is_safe = "555-0100", True
    patient.save()
    page = desk(week.clinic).open(missed_day(week), "outreach")
    contact, tried = page.context["form"].before()
    phone, *said = contact.rows[0][1:]
    assert said == ["call, in person", "", "must not be named"]
    assert phone == phone_link("555-0100")
    assert (tried.title, tried.rows, tried.empty) == ("Outreach", [], "Nobody has tried yet.")
    assert "555-0100" in page.content.decode()


def test_of_a_minor_the_guardians_number_is_the_one_to_press(week: ShortWeek) -> None:
    patient = week.patient.patient
    patient.phone, patient.phone_is_safe, patient.guardian_phone = "555-0100", True, "555-0188"
    patient.birth_date = datetime.date(2012, 1, 1)
    patient.save()
    contact, _ = desk(week.clinic).open(missed_day(week), "outreach").context["form"].before()
    assert [row[1] for row in contact.rows[:2]] == ["555-0100", phone_link("555-0188")]


def test_a_case_that_opened_again_is_called_about_again(week: ShortWeek) -> None:
    flag = missed_day(week)
    OutreachAttempt.objects.create(
        clinic=week.clinic, flag=flag, episode=week.patient, method="in_person", result="reached",
        attempted_by=week.by, attempted_at=week.now,
    )  # fmt: skip
    assert step(flag, week).step == Step.CLOSE
    Flag.objects.filter(pk=flag.pk).update(reopened_at=week.now + datetime.timedelta(hours=1))
    assert step(missed_day(week), week).step == Step.CALL


def step(flag: Flag, week: ShortWeek) -> Any:
    tried = [one for one in outreach.attempts_of([flag]) if outreach.is_about(one, flag)]
    return outreach.step_for(flag, tried, week.now)


def test_another_clinics_queue_shows_nothing(week: ShortWeek) -> None:
    stranger = desk(f.ClinicFactory())
    assert [shown(stranger, view) for view in ("", "today", "repairable")] == [[], [], []]
