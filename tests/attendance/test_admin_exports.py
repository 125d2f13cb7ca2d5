"""The export page: what can be chosen, who may, what is said before, what the answer is."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from attendance.exports.kinds import SECTIONS, SOURCES, WHOLE
from attendance.models import AttendanceRecord, Flag
from iop_clinic.accounts.models import AuditEvent, Clinic
from iop_clinic.accounts.roles import PERMISSIONS, Can, Role
from patients.models import Patient, Program
from scheduling.models import Booking, Group, Session
from tests import factories as f
from tests.admin import Desk, desk, url

NOW = datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC)
LISTS = {
    Patient: "patients",
    Group: "groups",
    Session: "sessions",
    Booking: "attendance",
    Flag: "cases",
}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def at_eight():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic() -> Clinic:
    return f.ClinicFactory(name="Harbor IOP")


def page() -> str:
    return reverse("admin:accounts_clinic_export")


def asked(at: Desk, kind: str = "patients", wanted: str = "csv", **dates: str) -> Any:
    return at.client.post(page(), {"kind": kind, "as": wanted, **dates})


def sent(answer: Any) -> bytes:
    """The file; the server gets rid of it once it is sent."""
    return b"".join(answer.streaming_content)


def said(at: Desk, **query: str) -> list[str]:
    found: list[str] = at.client.get(page(), query).context["said"]
    return found


def errors(answer: Any) -> dict[str, list[str]]:
    return {name: list(map(str, said)) for name, said in answer.context["form"].errors.items()}


def grown(clinic: Clinic, rows: int) -> None:
    """So many patients more, each with one record in one session."""
    for number in range(rows):
        episode = f.admitted(clinic)
        day = datetime.date(2026, 3, 2) + datetime.timedelta(days=number % 5)
        session = f.session(clinic, str(day), "09:00", "10:00")
        booking = f.booking(session, episode)
        AttendanceRecord.objects.create(clinic=clinic, booking=booking, attended=True)


# --- the page --------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "kind"), LISTS.items(), ids=LISTS.values())
def test_each_list_leads_to_the_page_with_its_kind_chosen(clinic, model, kind):
    at = desk(clinic)
    assert f'href="{url(model, "export")}"' in at.open(model).content.decode()
    shown = at.open(model, "export")
    assert shown.context["form"]["kind"].value() == kind
    assert shown.content.decode().count(" selected") == 1


def test_the_page_of_the_whole_leads_back_to_no_list(clinic):
    """Settings are the administrator's."""
    at = desk(clinic)
    assert f'href="{url(Clinic)}"' not in at.client.get(page()).content.decode()
    assert f'href="{url(Patient)}"' in at.open(Patient, "export").content.decode()


def test_every_kind_stands_in_a_section(clinic):
    choices = desk(clinic).client.get(page()).context["form"].fields["kind"].choices
    assert [title for title, _ in choices] == [*(title for title, _ in SECTIONS), "Everything"]
    assert {kind for _, kinds in choices for kind, _ in kinds} == {*SOURCES, WHOLE}


def test_the_last_four_weeks_are_offered(clinic):
    html = desk(clinic).client.get(page()).content.decode()
    assert 'value="02/12/2026"' in html
    assert 'value="03/11/2026"' in html


def test_how_many_rows_is_said_before(clinic):
    grown(clinic, 2)
    at = desk(clinic)
    assert said(at, kind="patients") == ["Patients: 2 rows."]
    assert said(at, kind="attendance", first="2026-03-02", last="2026-03-02") == [
        "Attendance from Mar 2, 2026 to Mar 2, 2026: 1 row."
    ]
    assert said(at, kind="rooms") == ["Rooms: 0 rows.", "The file would have its headers only."]
    (whole,) = said(at, kind="whole")
    assert whole.startswith("The whole clinic: every row of every table")
    assert whole.endswith("its staff table is for an administrator only.")


def test_counting_shows_the_page_and_notes_nothing(clinic):
    grown(clinic, 1)
    answer = asked(desk(clinic), "patients", "count")
    assert answer.context["said"] == ["Patients: 1 row."]
    assert not AuditEvent.objects.filter(new__has_key="exported").exists()


def test_the_notice_is_announced(clinic):
    grown(clinic, 1)
    Program.objects.update(part2=True)
    (_, notice) = said(desk(clinic), kind="patients")
    assert "CSV comes as a zip" in notice


# --- dates -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ({"first": "2026-03-03", "last": "2026-03-02"},
         {"last": ["The last day lies before the first one."]}),
        ({"first": "2023-03-10", "last": "2026-03-13"},
         {"last": ["Ask for three years at most: end by Mar 11, 2026."]}),
        ({"first": "2026-02-30", "last": "2026-03-02"}, {"first": ["Enter a valid date."]}),
        ({"first": "", "last": "2026-03-02"}, {"first": ["Choose a day."]}),
        ({"first": "0001-01-01", "last": "2026-03-02"},
         {"first": ["Enter a date between 1900 and 2100."]}),
    ],
)  # fmt: skip
def test_bad_dates_are_said_at_the_field_and_nothing_is_sent(clinic, dates, expected):
    at = desk(clinic)
    answer = asked(at, "attendance", "xlsx", **dates)
    assert (answer.status_code, errors(answer)) == (200, expected)
    assert errors(at.client.get(page(), {"kind": "attendance", **dates})) == expected
    assert not AuditEvent.objects.filter(new__has_key="exported").exists()


def test_dates_do_not_matter_for_what_has_none(clinic):
    answer = asked(desk(clinic), "patients", first="2026-03-03", last="never")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert sent(answer)


@pytest.mark.parametrize("kind", ["", "staff", "clinic", "no such", "\0"])
def test_a_kind_that_is_not_offered_is_refused(clinic, kind):
    answer = asked(desk(clinic), kind)
    assert list(errors(answer)) == ["kind"]


# --- the file --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "media", "ending"),
    [
        ("csv", "text/csv; charset=utf-8", "csv"),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ],
)
def test_the_file_is_an_attachment_that_nobody_keeps(clinic, wanted, media, ending):
    answer = asked(desk(clinic), "groups", wanted)
    name = f"harbor-iop-groups-2026-03-11.{ending}"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer["Content-Type"] == media
    assert "no-store" in answer["Cache-Control"]
    assert int(answer["Content-Length"]) == len(sent(answer))


def test_the_clinics_history_says_who_took_what(clinic):
    grown(clinic, 1)
    sent(asked(desk(clinic), "attendance", first="2026-03-01", last="2026-03-11"))
    html = desk(clinic, Role.ADMINISTRATOR).open(clinic, "history").content.decode()
    for line in ("exported: attendance (CSV)", "from: 2026-03-01", "until: 2026-03-11", "rows: 1"):
        assert line in html
    (event,) = AuditEvent.objects.filter(new__has_key="exported")
    assert set(event.new or ()) == {"exported", "from", "until", "rows"}


# --- who may ---------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_page_and_file_are_for_those_who_may_export(clinic, role):
    grown(clinic, 1)
    at, may = desk(clinic, role), Can.EXPORT in PERMISSIONS[role]
    answers = [at.client.get(page()), asked(at), asked(at, "whole", "xlsx")]
    assert [one.status_code for one in answers] == [200 if may else 403] * 3
    files = [sent(one) for one in answers if one.streaming]
    assert [bool(file) for file in files] == [True, True][: 2 * may]
    assert AuditEvent.objects.filter(new__has_key="exported").count() == (2 if may else 0)


@pytest.mark.parametrize("role", Role)
def test_links_are_shown_to_those_who_may_export(clinic, role):
    at, may = desk(clinic, role), Can.EXPORT in PERMISSIONS[role]
    shown = [url(model, "export") in at.open(model).content.decode() for model in LISTS]
    shown.append(page() in at.client.get(reverse("admin:index")).content.decode())
    assert shown == [may] * 6


def test_what_a_role_does_not_see_it_does_not_export(clinic, monkeypatch):
    few = {Role.FRONT_DESK: frozenset({Can.EXPORT, Can.VIEW_SCHEDULE})}
    monkeypatch.setattr("iop_clinic.accounts.visibility.PERMISSIONS", few)
    at = desk(clinic, Role.FRONT_DESK)
    assert sent(asked(at, "groups"))
    for kind in ("patients", "episodes", "cases", "whole"):
        assert list(errors(asked(at, kind))) == ["kind"]


def test_of_two_clinics_the_one_worked_in_is_exported(clinic):
    other = f.ClinicFactory()
    person = f.staff(clinic)
    f.MembershipFactory(user=person, clinic=other)
    here, there = f.PatientFactory(clinic=clinic), f.PatientFactory(clinic=other)
    content = sent(asked(Desk(person))).decode()
    assert (here.record_number in content, there.record_number in content) == (True, False)


def test_a_therapist_who_might_export_would_get_their_own_rows(clinic, monkeypatch):
    few = {Role.THERAPIST: frozenset({Can.EXPORT, Can.VIEW_PATIENTS})}
    monkeypatch.setattr("iop_clinic.accounts.visibility.PERMISSIONS", few)
    person = f.staff(clinic, Role.THERAPIST)
    f.admitted(clinic)
    own = f.admitted(clinic, primary_therapist=person.memberships.get().therapist)
    lines = sent(asked(Desk(person))).decode().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [own.patient.record_number]


# --- statements ------------------------------------------------------------------------------


def statements(ask: Any) -> int:
    with CaptureQueriesContext(connection) as captured:
        answer = ask()
        if answer.streaming:
            sent(answer)
    return len(captured)


def test_page_and_file_take_the_same_statements_for_any_number_of_rows(clinic):
    at = desk(clinic)
    dates = {"first": "2026-03-01", "last": "2026-03-11"}

    def counts() -> dict[str, int]:
        return {
            "page": statements(lambda: at.client.get(page(), {"kind": "attendance", **dates})),
            "csv": statements(lambda: asked(at, "attendance", "csv", **dates)),
            "xlsx": statements(lambda: asked(at, "attendance", "xlsx", **dates)),
            "sessions": statements(lambda: asked(at, "sessions", "csv", **dates)),
            "whole": statements(lambda: asked(at, "whole", "xlsx")),
        }

    grown(clinic, 1)
    counts()
    before = counts()
    grown(clinic, 49)
    assert counts() == before
    assert before == {"page": 6, "csv": 9, "xlsx": 9, "sessions": 8, "whole": 44}
