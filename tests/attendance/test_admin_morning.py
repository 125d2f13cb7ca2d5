"""The start page at five on a Thursday: whom to call, which weeks can still be repaired."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from attendance.compliance import cases
from attendance.models import AbsenceRule, Flag, OutreachAttempt
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.roles import Role
from scheduling.models import Session, WaitlistEntry
from scheduling.services import expire_offers, log_attempt, offer_seat, put_on_waitlist
from scheduling.services.waitlist import WAITLIST as WAITING_LIST
from tests import factories as f
from tests.admin import Desk, desk, url
from tests.attendance.house import SAT, WED
from tests.attendance.short_weeks import ShortWeek
from tests.lists import said

pytestmark = pytest.mark.django_db

HOUR = datetime.timedelta(hours=1)
CALLS, CHANCES = "Call before 9:00 AM", "Last chance to repair the week"


@pytest.fixture
def week() -> Iterator[ShortWeek]:
    week = ShortWeek()
    with time_machine.travel(week.now, tick=False):
        yield week


def today(at: Desk) -> Any:
    return at.client.get(reverse("admin:index"))


def panel(page: Any, begins: str) -> Panel:
    (one,) = (one for one in page.context["panels"] if one.title.startswith(begins))
    assert isinstance(one, Panel)
    return one


def no_call(week: ShortWeek) -> Flag:
    return Flag.objects.get(clinic=week.clinic, rule=AbsenceRule.Kind.FIRST_DAYS)


# --- whom to call ----------------------------------------------------------------------------


def test_who_missed_a_day_without_a_call_is_called_once(week: ShortWeek) -> None:
    calls = panel(today(desk(week.clinic)), CALLS)
    (row,) = calls.rows
    assert calls.title == f"{CALLS}: 1"
    assert f"/admin/attendance/flag/{no_call(week).pk}/change/" in row[0]
    assert row[1].startswith("Missed Wed Mar 4 without a call, 2 days after the first session")
    assert f"/admin/attendance/flag/{no_call(week).pk}/outreach/" in row[-1]


def test_who_was_reached_is_not_called_again(week: ShortWeek) -> None:
    cases.log_outreach(
        flag=no_call(week), method=OutreachAttempt.Method.IN_PERSON,
        result=OutreachAttempt.Result.REACHED, by=week.by,
    )  # fmt: skip
    page = today(desk(week.clinic))
    assert panel(page, CALLS).rows == []
    assert "Nobody waits for a call now." in page.content.decode()


def test_after_nine_they_are_still_to_call(week: ShortWeek) -> None:
    with time_machine.travel(week.house.at("2026-03-05", "09:00"), tick=False):
        page = today(desk(week.clinic))
    assert panel(page, "Still to call today").title == "Still to call today: 1"


def test_what_is_due_on_another_day_is_not_among_todays_calls(week: ShortWeek) -> None:
    rows = Flag.objects.filter(pk=no_call(week).pk)
    rows.update(due_at=week.house.at("2026-03-06", "10:00"))
    at = desk(week.clinic)
    tomorrow = [panel(today(at), CALLS).rows]
    rows.update(due_at=week.house.at("2026-03-05", "10:00"))
    assert [len(lines) for lines in (*tomorrow, panel(today(at), CALLS).rows)] == [0, 1]


@pytest.mark.parametrize("state", ["snoozed", "on hold"])
def test_what_waits_asks_for_no_call(week: ShortWeek, state: str) -> None:
    if state == "snoozed":
        Flag.objects.update(state="snoozed", snoozed_until=SAT, outcome_note="Away")
    else:
        week.patient.state = "on_hold"
        week.patient.save()
    assert panel(today(desk(week.clinic)), CALLS).rows == []


def test_who_allowed_no_channel_is_not_forgotten(week: ShortWeek) -> None:
    how = [panel(today(desk(week.clinic)), CALLS).rows[0][2]]
    week.patient.patient.phone, week.patient.patient.phone_is_safe = "555-0100", True
    week.patient.patient.save()
    how.append(panel(today(desk(week.clinic)), CALLS).rows[0][2])
    assert how == [
        "Speak in person (neither call nor text is allowed).",
        "Call; do not say the clinic's name; leave no voicemail.",
    ]


def test_a_welfare_check_is_decided_on_the_page_of_the_case(week: ShortWeek) -> None:
    for hours in (48, 30):
        OutreachAttempt.objects.create(
            clinic=week.clinic, flag=no_call(week), episode=week.patient, method="in_person",
            result="no_answer", attempted_by=week.by,
            attempted_at=week.now - datetime.timedelta(hours=hours),
        )  # fmt: skip
    (row,) = panel(today(desk(week.clinic)), CALLS).rows
    assert row[2].startswith("A supervisor decides on a welfare check")
    assert f"/admin/attendance/flag/{no_call(week).pk}/change/" in row[-1]


# --- the last chance -------------------------------------------------------------------------


def test_a_short_week_says_until_when_it_can_be_repaired_and_leads_to_the_booking(
    week: ShortWeek,
) -> None:
    week.session(SAT, "09:00", group=week.house.group)
    (row,) = panel(today(desk(week.clinic)), CHANCES).rows
    assert row[1:4] == (
        "3 h and 1 day",
        "Sat Mar 7, 9:00 AM",
        f"{week.house.group} Sat (1 session)",
    )
    assert f"/admin/attendance/flag/{week.flag.pk}/make_ups/" in row[-1]


def test_without_a_seat_an_hour_is_to_be_found(week: ShortWeek) -> None:
    chances = panel(today(desk(week.clinic)), CHANCES)
    (row,) = chances.rows
    assert (row[2], row[3]) == ("no free seat repairs it", "")
    assert "Find an hour" in row[-1]
    assert f"/admin/attendance/flag/{week.flag.pk}/week-note/" in row[-1]
    assert chances.note.startswith("No free seat repairs any of these: find a therapist’s hour")


def test_who_may_not_book_or_call_is_offered_neither(week: ShortWeek) -> None:
    page = today(desk(week.clinic, Role.AUDITOR))
    assert [panel(page, one).headers[-1] for one in (CALLS, CHANCES)] == ["Owner", "With"]
    assert "/make_ups/" not in page.content.decode()
    assert "/outreach/" not in page.content.decode()


def test_a_therapist_is_told_of_the_caseload_alone(week: ShortWeek) -> None:
    own, other = today(Desk(week.house.user)), today(desk(week.clinic, Role.THERAPIST))
    assert [len(panel(page, CHANCES).rows) for page in (own, other)] == [1, 0]
    assert [len(panel(page, CALLS).rows) for page in (own, other)] == [1, 0]


def test_another_clinic_is_told_nothing(week: ShortWeek) -> None:
    page = today(desk(f.ClinicFactory()))
    steps, *others = page.context["panels"]
    assert (steps.title, [one.rows for one in others]) == ("First steps: 0 of 9 done", [[]] * 7)
    assert str(week.patient.patient.last_name) not in page.content.decode()


# --- how things stand ------------------------------------------------------------------------


def test_a_session_that_nobody_leads_is_marked_with_the_way_to_a_substitute(
    week: ShortWeek,
) -> None:
    session = week.session()
    (row,) = panel(today(desk(week.clinic)), "Today’s sessions").rows
    assert row[-1].startswith('<strong class="clinic-late">needs cover</strong> Nobody leads it')
    assert f"/admin/scheduling/session/{session.pk}/substitute/" in row[-1]
    (row,) = panel(today(desk(week.clinic, Role.AUDITOR)), "Today’s sessions").rows
    assert "substitute" not in row[-1]


def test_what_else_needs_attention_is_said(week: ShortWeek) -> None:
    f.LicenseFactory(therapist=week.house.therapist)
    session = week.session(therapist=week.house.therapist)
    Session.objects.filter(pk=session.pk).update(needs_attention="No room")
    (row,) = panel(today(desk(week.clinic)), "Today’s sessions").rows
    assert row[-1] == "No room"


def test_free_seats_are_those_that_nobody_holds_from_today_on(week: ShortWeek) -> None:
    group = week.house.group
    auditor = desk(week.clinic, Role.AUDITOR)
    assert panel(today(auditor), "Free seats").rows[0][1:] == (11, "1 of 12", 0)
    week.patient.memberships.update(ends_on=WED)
    assert panel(today(auditor), "Free seats").rows[0][1:] == (12, "0 of 12", 0)
    assert group.capacity == 12


def test_a_free_seat_is_given_in_one_click_first_to_who_waits(week: ShortWeek) -> None:
    group = week.house.group
    (row,) = panel(today(desk(week.clinic)), "Free seats").rows
    assert f'href="{url(group, "enrol")}"' in row[-1]
    offered(week)
    (row,) = panel(today(desk(week.clinic)), "Free seats").rows
    assert f'href="{url(WaitlistEntry)}?group__id__exact={group.pk}"' in row[-1]
    for seat in range(2, group.capacity + 1):
        week.house.patient(seat=seat)
    (row,) = panel(today(desk(week.clinic)), "Free seats").rows
    assert (row[1], said(row[-1])) == (0, "Waitlist")
    WaitlistEntry.objects.update(state="removed")
    (row,) = panel(today(desk(week.clinic)), "Free seats").rows
    assert (row[1], row[-1]) == (0, "")


def offered(week: ShortWeek) -> WaitlistEntry:
    """Somebody to whom a seat is offered until an hour from now."""
    entry = put_on_waitlist(
        group=week.house.group, episode=week.house.patient(seat=None), by=week.by
    )
    offer_seat(
        entry=entry, starts_on=SAT, expires_at=week.now + HOUR, method="call",
        result="left_message", skip_reason="Evenings", by=week.by,
    )  # fmt: skip
    return entry


def test_an_offer_that_expired_is_told_until_somebody_calls_again(week: ShortWeek) -> None:
    entry, coordinator = offered(week), desk(week.clinic)
    assert panel(today(coordinator), "Free seats").note == ""
    with time_machine.travel(week.now + HOUR, tick=False):
        assert expire_offers(now=timezone.now(), by=WAITING_LIST) == 1
        note = panel(today(coordinator), "Free seats").note
        assert "1 offer of a seat ended without an answer." in note
        assert f'href="{url(WaitlistEntry)}?show=expired"' in note
        log_attempt(entry=entry, method="call", result="no_answer", by=week.by)
        assert panel(today(coordinator), "Free seats").note == ""


def test_one_and_four_expired_offers_cost_the_same_statements(week: ShortWeek) -> None:
    coordinator = desk(week.clinic)
    spent = []
    for count in (1, 3):
        for _ in range(count):
            offered(week)
        with time_machine.travel(week.now + HOUR, tick=False):
            expire_offers(now=timezone.now(), by=WAITING_LIST)
            with CaptureQueriesContext(connection) as queries:
                note = panel(today(coordinator), "Free seats").note
        spent.append((note.partition(" ")[0], len(queries)))
    assert spent == [("<strong>1", spent[0][1]), ("<strong>4", spent[0][1])]


def test_overdue_cases_cost_the_same_whatever_they_are_about(week: ShortWeek) -> None:
    coordinator = desk(week.clinic)

    def spent(count: int) -> int:
        for _ in range(count):
            session = week.session(SAT, "09:00", group=None)
            Flag.objects.create(
                clinic=week.clinic, rule=AbsenceRule.Kind.UNRECORDED, session=session,
                subject_type=Flag.Subject.SESSION, subject_id=session.pk, evidence_key="x",
                severity=1, owner_role="coordinator", opened_for=WED, due_at=week.now - HOUR,
            )  # fmt: skip
        with CaptureQueriesContext(connection) as queries:
            today(coordinator)
        return len(queries)

    today(coordinator)
    assert spent(1) == spent(4)


def test_ten_short_weeks_cost_as_many_statements_as_one(week: ShortWeek) -> None:
    week.session(SAT, "09:00", group=week.house.group)
    coordinator = desk(week.clinic)

    def spent() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as queries:
            page = today(coordinator)
        return len(panel(page, CHANCES).rows), len(queries)

    today(coordinator)
    one = spent()
    for seat in range(2, 11):
        week.also_short(seat)
    assert (one, spent()) == ((1, 36), (10, 36))
    assert timezone.now() == week.now
