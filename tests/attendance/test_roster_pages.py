"""The pages under /roster/: which day they show, to whom, and the sheet for paper."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from iop_clinic.accounts.models import AuditEvent, User
from iop_clinic.accounts.roles import PERMISSIONS, Can, Role
from scheduling.models import Session
from tests import factories as f
from tests.api import DAY, exactly, nothing_written, roster, treated
from tests.attendance.group_days import NOON, SIZES, Day, a_day

pytestmark = pytest.mark.django_db
LIST = "/roster/"


@pytest.fixture(autouse=True)
def _clock(time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)


@pytest.fixture
def day() -> Day:
    return a_day()


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def leader(day: Day) -> Client:
    return signed_in(day.therapist.memberships.get().user)


def sheet(day: Day, page: str = "") -> str:
    return f"/roster/groups/{day.group.public_id}/{DAY}/{page}"


def alone(session: Session, page: str = "") -> str:
    return f"/roster/sessions/{session.public_id}/{page}"


def text(answer: Any) -> str:
    assert answer.status_code == 200, answer.status_code
    words = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return re.sub(r"\s+", " ", words)


# --- what they show --------------------------------------------------------------------------


def test_a_groups_sessions_stand_in_the_list_as_one(day: Day) -> None:
    answer = leader(day).get(LIST)
    shown = text(answer)
    assert [unit.title for unit in answer.context["units"]] == [day.group.name]
    assert "Today, Monday, March 2" in shown
    assert "9:00 AM – 12:20 PM" in shown
    assert "To be recorded · 2 expected" in shown


def test_a_session_without_a_group_stands_for_itself(day: Day) -> None:
    one = roster(1, clinic=day.clinic)
    units = signed_in(f.staff(day.clinic)).get(LIST).context["units"]
    assert {unit.url for unit in units} == {sheet(day), alone(one.session)}


def test_another_day_is_a_click_away_and_what_is_missing_stands_below(day: Day, time_machine):
    time_machine.shift(86_400)
    answer = leader(day).get(LIST)
    shown = text(answer)
    assert "No session on this day." in shown
    assert f"Mon Mar 2, 9:00 AM, {day.group.name} : 6 lines open" in shown
    assert answer.context["before"].isoformat() == DAY
    units = leader(day).get(LIST, {"date": DAY}).context["units"]
    assert [unit.url for unit in units] == [sheet(day)]


@pytest.mark.parametrize("given", ["", "yesterday", "2026-02-30", "1999-12-31", "9999-12-31"])
def test_no_such_day_is_no_such_page(day: Day, given: str) -> None:
    assert leader(day).get(LIST, {"date": given}).status_code == 404


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (("cancelled", "cancelled", "cancelled"), "Cancelled"),
        (("cancelled", "scheduled", "scheduled"), "To be recorded"),
    ],
)
def test_the_state_of_a_day_is_what_must_be_done_first(day: Day, states: Any, said: str) -> None:
    for session, state in zip(day.sessions, states, strict=True):
        if state == "cancelled":
            rows = Session.objects.filter(pk=session.pk)
            rows.update(state=state, cancelled_reason="Snow", cancelled_at=NOON)
    (unit,) = leader(day).get(LIST).context["units"]
    assert unit.state == said


def test_a_sheet_names_the_day_its_address_in_the_api_and_who_leads(day: Day) -> None:
    page = leader(day).get(sheet(day)).content.decode()
    assert f'data-unit="{day.url}"' in page
    assert 'data-leads="yes"' in page
    assert str(day.people[0].patient.last_name) not in page
    clerk = f.staff(day.clinic, Role.COORDINATOR)
    page = signed_in(clerk).get(sheet(day)).content.decode()
    assert 'data-leads="no"' in page
    assert 'id="paper" checked' in page


def test_the_paper_sheet_has_first_names_and_initials_and_empty_lines(day: Day) -> None:
    patient = day.people[0].patient
    patient.preferred_name = "Bo"
    patient.save()
    answer = leader(day).get(sheet(day, "sign-in/"))
    shown = text(answer)
    assert answer.context["names"] == sorted(one.patient.short_name for one in day.people)
    assert f"Bo {patient.last_name[:1]}." in shown
    assert patient.last_name not in shown
    assert answer.content.count(b'<tr class="empty">') == 4
    assert "Arrival Departure Signature" in shown


def test_printing_a_sheet_is_noted_as_a_look_at_each_session(day: Day) -> None:
    leader(day).get(sheet(day, "sign-in/"))
    events = AuditEvent.objects.filter(operation="R", table_name="scheduling_session")
    assert set(events.values_list("row_id", flat=True)) == {s.pk for s in day.sessions}


# --- who may ---------------------------------------------------------------------------------


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.THERAPIST}))
def test_rosters_open_as_the_role_table_says(day: Day, role: Role) -> None:
    client = signed_in(f.staff(day.clinic, role))
    one = roster(1, clinic=day.clinic).session
    record = 200 if Can.RECORD_ATTENDANCE in PERMISSIONS[role] else 403
    look = 200 if Can.VIEW_SCHEDULE in PERMISSIONS[role] else 403
    with nothing_written():
        found = [client.get(path).status_code for path in (sheet(day), alone(one))]
        papers = (LIST, sheet(day, "sign-in/"), alone(one, "sign-in/"))
        printed = [client.get(path).status_code for path in papers]
    assert (found, printed) == ([record] * 2, [look] * 3)


def test_who_records_nothing_finds_the_sheets_to_print_and_no_roster(day: Day) -> None:
    client = signed_in(f.staff(day.clinic, Role.FRONT_DESK))
    page = client.get(LIST)
    html = page.content.decode()
    assert f'href="{sheet(day, "sign-in/")}"' in html
    assert (f'href="{sheet(day)}"' in html, page.context["missing"]) == (False, [])
    back = f'href="{LIST}?date={day.sessions[0].local_date}"'
    assert back in client.get(sheet(day, "sign-in/")).content.decode()


def test_a_therapist_sees_what_they_lead_and_nothing_else(day: Day) -> None:
    one = roster(1, clinic=day.clinic).session
    client = leader(day)
    assert [unit.url for unit in client.get(LIST).context["units"]] == [sheet(day)]
    for path in (alone(one), alone(one, "sign-in/")):
        assert client.get(path).status_code == 404
    bob = signed_in(f.staff(day.clinic, Role.THERAPIST))
    assert bob.get(LIST).context["units"] == []
    assert bob.get(sheet(day)).status_code == bob.get(sheet(day, "sign-in/")).status_code == 404


@pytest.mark.parametrize("role", Role)
def test_another_clinics_rosters_do_not_exist(day: Day, role: Role) -> None:
    strange = signed_in(f.staff(f.ClinicFactory(), role))
    one = roster(1, clinic=day.clinic).session
    for path in (sheet(day), sheet(day, "sign-in/"), alone(one), alone(one, "sign-in/")):
        assert strange.get(path).status_code == 404


def test_a_session_of_a_group_is_recorded_with_its_day_and_has_no_page(day: Day) -> None:
    assert leader(day).get(alone(day.sessions[0])).status_code == 404


@pytest.mark.parametrize("who", ["nobody", "no role"])
def test_whoever_is_not_signed_in_signs_in_and_comes_back(day: Day, who: str) -> None:
    client = Client() if who == "nobody" else signed_in(f.UserFactory())
    for path in (LIST, sheet(day), sheet(day, "sign-in/")):
        answer = client.get(path)
        assert (answer.status_code, answer["Location"]) == (
            302, f"{reverse('admin:login')}?next={path}",
        )  # fmt: skip


def test_a_therapist_signs_in_and_is_back_at_the_sheet(day: Day) -> None:
    email = day.therapist.memberships.get().user.email
    url = f"{reverse('admin:login')}?next={sheet(day)}"
    given = {"username": email, "password": f.PASSWORD, "next": sheet(day)}
    assert Client().post(url, given)["Location"] == sheet(day)


@pytest.mark.parametrize(
    ("role", "lands"),
    [(Role.THERAPIST, LIST), (Role.COORDINATOR, "/admin/"), (Role.FRONT_DESK, "/admin/")],
)
@pytest.mark.parametrize("asked", ["", "?next=/admin/"])
def test_whoever_leads_sessions_lands_at_their_rosters(role: Role, lands: str, asked: str) -> None:
    user = f.staff(f.ClinicFactory(), role)
    given = {"username": user.email, "password": f.PASSWORD}
    answer = Client().post(reverse("admin:login") + asked, given)
    assert (answer.status_code, answer["Location"]) == (302, lands)


def test_a_wrong_password_lands_nowhere(day: Day) -> None:
    email = day.therapist.memberships.get().user.email
    answer = Client().post(reverse("admin:login"), {"username": email, "password": "wrong"})
    assert answer.status_code == 200


def test_nobody_in_between_keeps_a_page(day: Day) -> None:
    for path in (LIST, sheet(day), sheet(day, "sign-in/")):
        assert "no-store" in leader(day).get(path)["Cache-Control"]


@pytest.mark.parametrize(
    ("role", "first"),
    [
        (Role.THERAPIST, ["Roster", "Today"]),
        (Role.COORDINATOR, ["Today", "Roster"]),
        (Role.FRONT_DESK, ["Today", "Patients"]),
    ],
)
def test_the_menu_of_the_admin_site_leads_to_the_rosters(role: Role, first: list[str]) -> None:
    page = signed_in(f.staff(f.ClinicFactory(), role)).get(reverse("admin:index"))
    items = page.context["sidebar_navigation"][0]["items"]
    assert [str(item["title"]) for item in items[:2]] == first


# --- what they cost --------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 50])
def test_the_list_takes_the_same_statements_whatever_the_day_holds(number: int) -> None:
    clinic = f.ClinicFactory()
    for _ in range(number):
        roster(1, clinic=clinic)
        roster(1, clinic=clinic, day="2026-02-27")
    client = signed_in(f.staff(clinic))
    with exactly(6):
        answer = client.get(LIST)
    assert (len(answer.context["units"]), len(answer.context["missing"])) == (number, number)


@pytest.mark.parametrize(("size", "sessions"), SIZES)
def test_a_sheet_takes_the_same_statements_whatever_its_size(size: int, sessions: int) -> None:
    day = a_day(size, sessions)
    client = leader(day)
    with exactly(5):
        assert client.get(sheet(day)).status_code == 200
    with exactly(10):
        assert client.get(sheet(day, "sign-in/")).status_code == 200


def test_a_long_roster_is_printed_in_as_many(day: Day) -> None:
    more = treated(day.clinic, 10, day.therapist)
    for seat, episode in enumerate(more, 3):
        f.booking(day.sessions[0], episode, seat)
    client = leader(day)
    with exactly(10):
        assert len(client.get(sheet(day, "sign-in/")).context["names"]) == 12


def test_changing_over_signs_out_and_comes_back_to_the_roster(day: Day) -> None:
    client = signed_in(f.staff(day.clinic))
    address = reverse("roster:change-over")
    answer = client.post(f"{address}?next={sheet(day)}")
    assert answer["Location"] == f"{reverse('admin:login')}?next={sheet(day)}"
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("given", ["https://example.org/", "//example.org/", "/admin/", ""])
def test_changing_over_leads_nowhere_else(day: Day, given: str) -> None:
    answer = signed_in(f.staff(day.clinic)).post(f"{reverse('roster:change-over')}?next={given}")
    assert answer["Location"] == f"{reverse('admin:login')}?next=/roster/"


def test_the_sheet_of_a_cancelled_day_says_why_and_asks_for_nothing(day):
    facts = {"state": "cancelled", "cancelled_at": NOON}
    first = Session.objects.order_by("pk")[0]
    Session.objects.filter(pk=first.pk).update(cancelled_reason="Snow.", **facts)
    Session.objects.exclude(pk=first.pk).update(cancelled_reason="No heating", **facts)
    html = leader(day).get(sheet(day)).content.decode()
    assert "Cancelled: Snow; No heating. There is nothing to record." in html
    assert "sheet.js" not in html
    assert 'id="sign"' not in html


def test_a_day_of_which_a_part_takes_place_is_recorded(day):
    first = Session.objects.order_by("pk")[0]
    Session.objects.filter(pk=first.pk).update(
        state="cancelled", cancelled_reason="Snow", cancelled_at=NOON
    )
    html = leader(day).get(sheet(day)).content.decode()
    assert "There is nothing to record." not in html
    assert 'id="sign"' in html
