"""The morning list and the page of a case at the admin site: as meant, and with a mistake."""

from __future__ import annotations

import datetime
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.compliance.cases import NO_MAKE_UP, NOTE_FIRST, log_outreach
from attendance.models import AbsenceRule, Flag, Standard, WeekNote
from iop_clinic.accounts.admin.panels import link
from iop_clinic.accounts.roles import Role
from patients.models import Patient
from scheduling.models import Booking
from tests import factories as f
from tests.admin import Desk, actors, desk, url
from tests.attendance.house import MON, SAT, THU, TUE, House
from tests.attendance.nights import case

pytestmark = pytest.mark.django_db

KIND = AbsenceRule.Kind


@pytest.fixture
def house(time_machine) -> House:
    house = House()
    time_machine.move_to(house.at(TUE, "11:00"), tick=False)
    return house


@pytest.fixture
def coordinator(house) -> Desk:
    return desk(house.clinic)


def missed(house: House, **extra: Any) -> Flag:
    values = {"owner": house.user, "due_at": house.at(TUE, "17:00"), "opened_for": MON}
    return case(house.clinic, **{"episode": house.patient(seat=None), **values, **extra})


def week(house: House, **extra: Any) -> Flag:
    values = {"rule": KIND.HOURS, "evidence_key": f"{MON}:program"}
    return missed(house, **{**values, **extra})


def listed(at: Desk, **query: str) -> str:
    return at.open(Flag, **query).content.decode()


# The list


def test_the_loudest_first_and_due_soonest(house, coordinator):
    late = missed(house, sentence="Second.")
    missed(house, sentence="First.", severity=4)
    missed(house, sentence="Third.", due_at=late.due_at + datetime.timedelta(hours=1))
    html = listed(coordinator)
    assert html.index("First.") < html.index("Second.") < html.index("Third.")


def test_mine_my_roles_overdue_and_put_off(house, coordinator):
    past = house.at(TUE, "10:00")
    missed(house, sentence="Mine.", owner=coordinator.user)
    missed(house, sentence="Roles.", owner=None, owner_role=Role.COORDINATOR)
    missed(house, sentence="Escalated.", owner_role=Role.COORDINATOR, escalated_at=past)
    missed(house, sentence="Late.", due_at=past)
    missed(house, sentence="Asleep.", due_at=past, state="snoozed", snoozed_until=THU)
    shown = {way: [s for s in SENTENCES if s in listed(coordinator, case=way)] for way in WAYS}
    assert shown == WAYS


SENTENCES = ("Mine.", "Roles.", "Escalated.", "Late.", "Asleep.")
WAYS = {
    "mine": ["Mine."],
    "role": ["Roles.", "Escalated."],
    "overdue": ["Late."],
    "asleep": ["Asleep."],
    "settled": [],
    "all": list(SENTENCES),
}


def test_an_overdue_case_says_so_and_one_put_off_does_not(house, coordinator):
    flag = missed(house, due_at=house.at(TUE, "10:00"))
    assert "clinic-late" in listed(coordinator)
    Flag.objects.filter(pk=flag.pk).update(state="snoozed", snoozed_until=THU)
    assert "clinic-late" not in listed(coordinator)


def test_one_click_takes_a_case_on_and_returns_to_the_list(house, coordinator):
    flag = missed(house)
    html = listed(coordinator, case="all", severity__exact="3")
    address = f"{url(flag, 'acknowledge')}?back=case%3Dall%26severity__exact%3D3"
    assert f'formaction="{address}"' in html
    answer = coordinator.send(address, {"version": "1"})
    assert answer.location == f"{url(Flag)}?case=all&severity__exact=3"
    flag.refresh_from_db()
    assert (flag.state, flag.owner) == ("acknowledged", coordinator.user)
    assert "formaction" not in listed(coordinator)


def test_a_click_on_an_old_list_changes_nothing(house, coordinator):
    flag = missed(house)
    Flag.objects.filter(pk=flag.pk).update(version=2, sentence="Worse.")
    answer = coordinator.send(url(flag, "acknowledge"), {"version": "1"})
    assert "Worse." in answer.refusal
    flag.refresh_from_db()
    assert (flag.state, flag.version) == ("open", 2)


def test_who_only_reads_has_no_button(house):
    flag = missed(house)
    auditor = desk(house.clinic, Role.AUDITOR)
    assert flag.sentence in listed(auditor)
    assert "formaction" not in listed(auditor)
    assert auditor.send(url(flag, "acknowledge"), {"version": "1"}).status == 403


def test_cases_of_groups_and_therapists_are_listed_and_open(house, coordinator):
    for subject, row in ((3, house.group), (4, house.therapist)):
        name = "group" if subject == 3 else "therapist"
        flag = Flag.objects.create(
            clinic=house.clinic, subject_type=subject, subject_id=row.pk, rule=KIND.CASELOAD,
            severity=2, evidence_key="x", evidence={"active": 26}, sentence=f"About the {name}.",
            owner_role=Role.COORDINATOR, opened_for=MON, due_at=house.at(TUE, "17:00"),
            **{name: row},
        )  # fmt: skip
        assert str(row) in listed(coordinator)
        html = coordinator.open(flag, "change").content.decode()
        assert "What it rests on" in html
        assert "How to reach" not in html


def found(at: Desk, words: str) -> list[str]:
    page = at.client.post(url(Flag), {"q": words}, follow=True)
    return [str(row.episode.patient) for row in page.context["cl"].result_list]


@pytest.mark.parametrize("words", ["Joy", "Notreal, Joy", "joy notreal", "notr", "JJ"])
def test_a_case_is_found_by_the_name_as_it_is_shown(house, coordinator, words):
    flag = missed(house)
    missed(house)
    Patient.objects.filter(pk=flag.episode.patient_id).update(
        first_name="Joy", last_name="Notreal", preferred_name="JJ"
    )
    flag.episode.patient.refresh_from_db()
    assert found(coordinator, words) == [str(flag.episode.patient)]


def test_my_caseload_is_offered_to_those_who_have_one(house, coordinator):
    missed(house, sentence="Mine.")
    other = missed(house, sentence="In my session.").episode
    other.primary_therapist = f.TherapistFactory(clinic=house.clinic)
    other.save()
    house.day(MON, [other], group=house.group)
    therapist = Desk(house.user)
    assert "My caseload" in listed(therapist)
    assert "My caseload" not in listed(coordinator)
    shown = [
        row.sentence for row in therapist.open(Flag, whose="caseload").context["cl"].result_list
    ]
    assert shown == ["Mine."]


# The page


def reachable(flag: Flag, **facts: Any) -> None:
    Patient.objects.filter(pk=flag.episode.patient_id).update(
        phone="555 0100", phone_is_safe=True, **facts
    )


@pytest.mark.parametrize("page", ["change", "outreach", "resolve"])
def test_every_page_of_a_case_names_the_patient_first(house, coordinator, page):
    flag = missed(house, sentence="Missed Mon Mar 2.")
    html = unescape(coordinator.open(flag, page).content.decode())
    assert f"{flag.episode.patient}: Missed Mon Mar 2." in html


def test_a_case_of_a_group_says_its_name_once(house, coordinator):
    flag = missed(house, episode=None, group=house.group, sentence=f"{house.group} is small.")
    context = coordinator.open(flag, "change").context
    assert f"{context['original']}" == f"{house.group} is small."
    assert context["panels_above"][0].lines[0][0] == ("About", f"{house.group}")


def test_the_page_says_what_comes_next_and_how(house, coordinator):
    flag = missed(house, evidence={"days": ["2026-03-02"]})
    reachable(flag, best_time_to_call="mornings")
    log_outreach(flag=flag, method="call", result="no_answer", note="Rang out", by=house.user)
    html = coordinator.open(flag, "change").content.decode()
    assert (
        "Next: second call, at another time of day; best time: mornings; "
        "do not say the clinic&#x27;s name; leave no voicemail."
    ) in html
    for said in ("555 0100", "Mon Mar 2, 2026", "Rang out", "Call: no answer. Rang out"):
        assert said in html
    assert "{&#x27;" not in html  # no JSON


def test_a_number_that_may_be_called_is_one_tap_away(house, coordinator):
    flag = missed(house)
    reachable(flag)
    html = coordinator.open(flag, "outreach").content.decode()
    assert 'href="tel:5550100"' in html
    assert ">555 0100</span></a>" in html


def test_an_unsafe_number_is_not_shown(house, coordinator):
    flag = missed(house)
    Patient.objects.filter(pk=flag.episode.patient_id).update(phone="555 0177")
    html = coordinator.open(flag, "change").content.decode()
    assert "555 0177" not in html
    assert "not safe" in html


def test_the_patients_week_is_on_the_page_of_its_case(house, coordinator):
    flag = week(house)
    house.day(MON, [flag.episode])
    house.came(flag.episode, MON)
    html = coordinator.open(flag, "change").content.decode()
    for said in (
        "The week Mar 2 – Mar 8, 2026",
        "Adult IOP 2.1",
        "3 h",
        "9 h",
        "1 of 3",
        "Mon Mar 2",
    ):
        assert said in html


def headings(at: Desk, flag: Flag) -> dict[str, list[str]]:
    page = at.open(flag, "change")
    return {panel.title: list(panel.headers) for panel in page.context["panels_above"]}


def rows_of(at: Desk, flag: Flag, title: str) -> list[tuple[Any, ...]]:
    panels = at.open(flag, "change").context["panels_above"]
    (panel,) = (panel for panel in panels if panel.title == title)
    return [tuple(row) for row in panel.rows]


def test_an_open_week_adds_up_and_leads_to_its_lines(house, coordinator):
    flag = week(house)
    for day in (MON, THU):
        house.day(day, [flag.episode])
    house.came(flag.episode, MON)
    title = "The week Mar 2 – Mar 8, 2026"
    ((standard, *said),) = rows_of(coordinator, flag, title)
    row = Standard.objects.get(clinic=house.clinic, name="Adult IOP 2.1")
    assert standard == link(row, row.name)
    assert said == [
        "9 h", "3 h", "6 h", "open, 3 h not booked", "1 of 3, from 3 h a day",
        "open, 1 day not booked",
    ]  # fmt: skip
    assert rows_of(coordinator, flag, "Its days") == [
        ("Mon Mar 2", "3 h", "3 h", "3 h", "0 min", ""),
        ("Thu Mar 5", "3 h", "0 min", "0 min", "3 h", ""),
    ]
    address = f"/admin/attendance/weekresult/of/{flag.episode_id}/{MON}/"
    assert f'href="{address}"' in coordinator.open(flag, "change").content.decode()
    assert coordinator.client.get(address).status_code == 200


def test_of_an_ended_week_nothing_is_still_open(house, time_machine):
    flag = week(house)
    house.day(MON, [flag.episode])
    time_machine.move_to(house.at(MON + datetime.timedelta(days=7), "09:00"), tick=False)
    told = headings(desk(house.clinic), flag)
    assert "At most" not in told["The week Mar 2 – Mar 8, 2026"]
    assert told["Its days"] == ["Day", "Scheduled", "Attended", "Credited", "Not recorded"]


def test_a_settled_case_says_first_what_came_of_it(house, coordinator):
    flag = missed(house, sentence="Missed Monday.")
    coordinator.fill(flag, "resolve", outcome="excused", note="Paper seen")
    told = list(headings(coordinator, flag))
    assert told[:2] == ["Closed: Excused after review", "What it said then"]
    assert "How to reach the patient" not in told
    assert rows_of(coordinator, flag, told[0]) == [
        ("Tue Mar 3, 11:00 AM EST", str(coordinator.user), "Paper seen")
    ]


def test_a_case_that_waits_says_until_when_and_why(house, coordinator):
    flag = missed(house)
    coordinator.fill(flag, "snooze", until=THU, reason="In court")
    panels = coordinator.open(flag, "change").context["panels_above"]
    assert [one.note for one in panels if one.title == flag.sentence] == [
        "Put off until Thu Mar 5: In court"
    ]


def test_a_wrong_number_asks_for_the_right_one(house, coordinator):
    flag = missed(house)
    reachable(flag)
    answer = coordinator.fill(flag, "outreach", method="call", result="wrong_number")
    assert answer.sentences == [
        "Logged: Call: wrong number. Next: update the phone on the patient's page, then call again."
    ]


def test_the_week_is_explained_and_then_closed(house, time_machine):
    flag = week(house)
    time_machine.move_to(house.at(MON + datetime.timedelta(days=7), "09:00"), tick=False)
    coordinator = desk(house.clinic)  # the session of a week ago has run out
    answer = coordinator.fill(flag, "resolve", outcome="excused")
    assert answer.refusal == f"{NOTE_FIRST}."
    answer = coordinator.fill(flag, "week-note", reason="other", make_up_offered="None")
    assert answer.errors == {"detail": ["Say what the other reason is."]}
    assert not WeekNote.objects.exists()
    coordinator.fill(flag, "week-note", reason="work", make_up_offered="Saturday")
    assert actors(WeekNote.objects.get(), "I") == {coordinator.user.actor}
    assert coordinator.fill(flag, "resolve", outcome="excused").sentences == [
        "The case is closed: Excused after review."
    ]


def test_closing_a_week_says_what_is_missing_and_where_to_write_it(house, coordinator):
    flag = week(house)
    where = f'{NOTE_FIRST}: <a href="{url(flag, "week-note")}">Write the week\'s note</a>.'
    assert where in unescape(coordinator.open(flag, "resolve").content.decode())
    assert coordinator.fill(flag, "resolve", outcome="excused").refusal == f"{NOTE_FIRST}."
    flag.refresh_from_db()
    assert (flag.state, flag.version) == ("open", 1)
    coordinator.fill(flag, "week-note", reason="work", make_up_offered="Saturday")
    assert NOTE_FIRST not in unescape(coordinator.open(flag, "resolve").content.decode())


def test_the_note_is_shown_again_to_be_rewritten(house, coordinator):
    flag = week(house)
    coordinator.fill(flag, "week-note", reason="work", make_up_offered="Saturday")
    coordinator.fill(flag, "week-note", make_up_offered="Sunday")
    note = WeekNote.objects.get()
    assert (note.reason, note.make_up_offered, note.version) == ("work", "Sunday", 2)


def test_a_make_up_is_chosen_among_the_patients_make_ups(house, coordinator):
    flag = week(house)
    coordinator.fill(flag, "week-note", reason="work", make_up_offered="Saturday")
    missed = house.day(MON, [flag.episode]).bookings.get()
    planned, booking = (house.day(day, [flag.episode]).bookings.get() for day in (THU, SAT))
    Booking.objects.filter(pk=booking.pk).update(makes_up=missed)
    answer = coordinator.fill(flag, "resolve", outcome="make_up")
    assert answer.errors == {"make_up": ["Name the make-up that is booked."]}
    answer = coordinator.fill(flag, "resolve", outcome="make_up", make_up=planned)
    assert answer.errors == {"make_up": [NO_MAKE_UP]}
    flag.refresh_from_db()
    assert flag.state == "open"
    coordinator.fill(flag, "resolve", outcome="make_up", make_up=booking)
    flag.refresh_from_db()
    assert flag.outcome_note == "Sat Mar 7, 9:00 AM."


def test_a_supervisor_decides_on_a_welfare_check(house, coordinator):
    flag = missed(house)
    flag.episode.primary_therapist = house.therapist
    flag.episode.save()
    therapist = Desk(house.user)
    decision = {"result": "requested", "note": "Silent for six days"}
    assert therapist.send(url(flag, "welfare-check"), {**decision, "version": "1"}).status == 403
    assert "Decide on a welfare check" not in therapist.open(flag, "change").content.decode()
    assert not flag.outreach.exists()
    assert coordinator.fill(flag, "welfare-check", result="requested").errors == {
        "note": ["This field is required."]
    }
    coordinator.fill(flag, "welfare-check", **decision)
    assert flag.outreach.get().note == "Silent for six days"


def test_the_page_takes_the_same_statements_however_much_happened(house, coordinator):
    quiet, busy = week(house), week(house)
    for n in range(20):
        log_outreach(flag=busy, method="in_person", result="no_answer", note=str(n), by=house.user)
    Flag.objects.filter(pk=busy.pk).update(state="open", owner=f.staff(house.clinic))
    coordinator.open(quiet, "change")
    assert statements(coordinator, quiet) == statements(coordinator, busy)


def statements(at: Desk, flag: Flag) -> int:
    with CaptureQueriesContext(connection) as sent:
        assert at.open(flag, "change").status_code == 200
    return len(sent)
