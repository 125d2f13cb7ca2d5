"""Two people at one row: on every change form and every verb of the site, the second is told who
changed what since the page was opened, loses no input, and can then save knowingly: what they left
alone is shown as it is now, so that their second save does not undo what the first did."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.db.models import Model

from attendance.models import AttendanceRecord
from iop_clinic.accounts.acting import acting
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.history import history
from iop_clinic.accounts.models import AuditEvent, Clinic
from iop_clinic.accounts.roles import PERMISSIONS, Role
from tests import factories
from tests.admin import Answer, Desk, filled, typed, url
from tests.project.world import Rows, clinic_rows, therapist_rows

PAGES: dict[str, Any] = {model.__name__: page for model, page in admin.site._registry.items()}
REMEMBERED = {"version", "last_step"}
"""What a page remembers for the person: it alone differs when the page is shown again."""
NOT_AUDITED = {"ReportDelivery"}
"""A mail is no fact that somebody edits: the one verb is refused by the service the second time."""

HOUR = datetime.timedelta(hours=1)
THE_EVE = "2026-03-01T12:00:00-05:00"
"""Of the day on which everything of `world` takes place."""

BY_BOB: dict[str, tuple[str, Any, str]] = {
    "AbsenceRule": ("due_amount", 7, "Due amount: 0 → 7"),
    "Authorization": ("units", 99, "Units: 12 → 99"),
    "Booking": ("withdrawn_reason", "Moved", "Withdrawn reason: empty → Moved"),
    "CallIn": ("note", "Rang twice", "Note: empty → Rang twice"),
    "Certification": ("certified_by", "Dr. May", "Certified by: empty → Dr. May"),
    "Clinic": ("phone", "555-0199", "Phone: empty → 555-0199"),
    "Closure": ("reason", "Ice", "Reason: Snow → Ice"),
    "Coverage": ("member_number", "M-77", "Member number: empty → M-77"),
    "CreditRule": ("grace_minutes", 9, "Grace minutes: 5 → 9"),
    "DataImport": ("attempts", 2, "Attempts: 0 → 2"),
    "Episode": ("planned_weeks", 11, "Planned weeks: 12 → 11"),
    "Flag": ("severity", 2, "Severity: Act today → Watch"),
    "Group": ("min_size", 4, "Min size: 5 → 4"),
    "GroupMembership": ("population_opt_in", True, "Population opt in: no → yes"),
    "KeepApart": ("reason", "Cousins", "Reason: empty → Cousins"),
    "License": ("state", "CA", "US state: NY → CA"),
    "Membership": ("receives_reports", False, "Receives reports: yes → no"),
    "Patient": ("phone", "555-0199", "Phone: empty → 555-0199"),
    "Payer": ("phone", "555-0199", "Phone: empty → 555-0199"),
    "Program": ("active", False, "Active: yes → no"),
    "ReferralSource": ("phone", "555-0199", "Phone: empty → 555-0199"),
    "Room": ("active", False, "Active: yes → no"),
    "Session": ("needs_attention", "Snow", "Needs attention: empty → Snow"),
    "SessionType": ("active", False, "Active: yes → no"),
    "Standard": ("ends_on", "2027-01-03", "Ends on: empty → Jan 3, 2027"),
    "Therapist": ("phone", "555-0199", "Phone: empty → 555-0199"),
    "TimeOff": ("reason", "Ill", "Reason: empty → Ill"),
    "TreatmentPlan": ("weekly_minutes_target", 601, "Weekly minutes target: 540 → 601"),
    "WaitlistEntry": ("note", "Rang twice", "Note: empty → Rang twice"),
    "WeeklyBlock": ("every_weeks", 2, "Every weeks: 1 → 2"),
}
"""What the other person changes meanwhile, and how it is told."""


def pages() -> list[tuple[str, str]]:
    """Every page on which a row is changed or acted on, as (table, page)."""
    may_change = ClinicModelAdmin.has_change_permission  # or else the page only shows
    changing = [name for name, of in PAGES.items() if of.change]
    changed = [
        (name, "change")
        for name in changing
        if type(PAGES[name]).has_change_permission is may_change
    ]
    verbs = [
        (name, form.path) for name, page in PAGES.items() for form in page.verbs if not form.page
    ]
    return sorted(one for one in changed + verbs if one[0] not in NOT_AUDITED)


@pytest.fixture
def here(db: None, time_machine: Any) -> dict[str, Any]:
    time_machine.move_to(THE_EVE, tick=False)
    clinic = factories.ClinicFactory()
    shared = clinic_rows(clinic)
    rows: Rows = {Clinic: clinic, **shared}
    rows |= therapist_rows(factories.staff(clinic, Role.THERAPIST), shared)
    rows[AttendanceRecord].delete()  # what is recorded cannot be cancelled
    return {model.__name__: row for model, row in rows.items()}


def test_the_pages_are_those_of_the_site():
    """So that a page cannot be left out by being written in another way."""
    assert {table for table, _ in pages()} == set(BY_BOB)


def alice(here: dict[str, Any], table: str, verb: str) -> Desk:
    """Somebody who may open this page."""
    of = PAGES[table]
    verbs = {form.path: form.can for form in of.verbs}
    needed = {of.view, of.change if verb == "change" else verbs[verb]}
    role = next(role for role in sorted(Role) if needed <= PERMISSIONS[role])
    return Desk(factories.staff(here["Clinic"], role))


def change(row: Model, clinic: Clinic, column: str, value: Any) -> None:
    bob = factories.staff(clinic)
    type(bob).objects.filter(pk=bob.pk).update(name="Bob")
    with acting(bob):
        type(row)._default_manager.filter(pk=row.pk).update(**{column: value})


def typed_over(shown: Any) -> dict[str, Any]:
    """What the page would send with the same words typed into every text."""
    texts = [one.html_name for one in form_of(shown) if type(one.field) is forms.CharField]
    seen = [name for name in texts if name not in form_of(shown).hidden_fields()]
    return {**filled(shown), **dict.fromkeys(seen, "Words of Alice")}


def in_the_page(shown: Any, data: dict[str, Any]) -> dict[str, Any]:
    """What of it stands in the page: a browser sends nothing that was not rendered."""
    html = shown.content.decode()
    return {name: value for name, value in data.items() if f'name="{name}"' in html}


def form_of(response: Any) -> Any:
    context = response.context
    return context["adminform"].form if "adminform" in context else context["form"]


def kept(response: Any) -> dict[str, Any]:
    """What stands in the form that is shown again."""
    lists = form_of(response).data.lists()
    return {name: values if len(values) > 1 else values[0] for name, values in lists}


def entered(data: dict[str, Any]) -> dict[str, Any]:
    """A browser sends no box that is not ticked."""
    return {name: value for name, value in data.items() if name not in REMEMBERED and value != []}


def writes() -> int:
    return AuditEvent.objects.exclude(operation=AuditEvent.Operation.READ).count()


def merged(was: dict[str, Any], sent: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """What was touched as it was sent, and all else as a page opened now would send it."""
    names = [*sent, *(name for name in now if name not in sent)]
    given = {name: sent if sent.get(name) != was.get(name) else now for name in names}
    return {name: whose[name] for name, whose in given.items() if name in whose}


def noted(column: str, was: dict[str, Any], sent: dict[str, Any], now: dict[str, Any]) -> str:
    """What is said of the column that was changed, where the page has it as a field."""
    if was.get(column) == now.get(column):
        return ""
    return " (shown below)" if sent.get(column) == was.get(column) else " (you changed it too)"


@pytest.mark.parametrize(("table", "verb"), pages())
def test_the_second_is_told_loses_nothing_and_can_save_knowingly(here, table, verb):
    row, at = here[table], alice(here, table, verb)
    shown = at.open(row, verb)
    was, sent = in_the_page(shown, filled(shown)), in_the_page(shown, typed_over(shown))
    column, value, told = BY_BOB[table]
    change(row, here["Clinic"], column, value)
    before, opened = writes(), at.open(row, verb)
    now = in_the_page(opened, filled(opened))
    answer = at.client.post(shown.request["PATH_INFO"], sent)
    sentence = (
        f"Bob changed {told}{noted(column, was, sent, now)}. "
        "Your entries are kept below: save again to put them in place."
    )
    assert form_of(answer).non_field_errors() == [sentence]
    assert (writes(), entered(kept(answer))) == (before, entered(merged(was, sent, now)))
    again = at.client.post(shown.request["PATH_INFO"], kept(answer))
    assert again.status_code == 302 or sentence not in form_of(again).non_field_errors()


def both(here: dict[str, Any], table: str, verb: str, **data: Any) -> list[Answer]:
    """Two people open the page and send the same; the second sends again what they are shown."""
    first, second = alice(here, table, verb), alice(here, table, verb)
    pages = [at.open(here[table], verb) for at in (first, second)]
    address = pages[0].request["PATH_INFO"]
    sent = [{**filled(page), **typed(data)} for page in pages]
    done, told = looked_at(first, address, sent[0]), second.client.post(address, sent[1])
    said = Answer(told.status_code, [], dict(form_of(told).errors), "")
    return [done, said, second.send(address, kept(told))]


def looked_at(at: Desk, address: str, data: dict[str, Any]) -> Answer:
    """Sent, and sent again where what would change is shown first."""
    response = at.client.post(address, data)
    if response.status_code == 302:
        return Answer(response.status_code, [], {}, "")
    return at.send(address, {**data, "seen": response.context["seal"]})


def test_the_warning_stands_once_above_the_panels(here):
    row, at = here["Episode"], alice(here, "Episode", "change")
    sent = filled(at.open(row, "change"))
    change(row, here["Clinic"], "planned_weeks", 11)
    html = at.client.post(url(row, "change"), sent).content.decode()
    assert html.count("Bob changed Planned weeks") == 1
    assert html.index("Bob changed") < html.index("clinic-panel")
    assert "Please correct the error" not in html


def test_a_field_that_is_wrong_is_still_pointed_at(here):
    row, at = here["Episode"], alice(here, "Episode", "change")
    sent = filled(at.open(row, "change")) | {"planned_weeks": "many"}
    html = at.client.post(url(row, "change"), sent).content.decode()
    assert html.count("Please correct the error") == 1


def test_two_cancel_a_session(here):
    done, told, again = both(here, "Session", "cancel", reason="Snow")
    assert done.status == 302
    assert "changed State: Scheduled → Cancelled" in told.refusal
    assert again.refusal == "The session is cancelled already."


@pytest.mark.parametrize("name", [name for name, page in pages() if page == "change"])
def test_a_page_that_remembers_nothing_changes_nothing_when_nothing_was_touched(here, name):
    """No browser sends it so; what is remembered is no value of the row."""
    row, at = here[name], alice(here, name, "change")
    if name == "KeepApart":  # its reason must be filled
        change(row, here["Clinic"], "reason", "Cousins")
    sent, before = filled(at.open(row, "change")), writes()
    answer = at.client.post(url(row, "change"), {**sent, **dict.fromkeys(REMEMBERED, "")})
    assert (answer.status_code, writes()) == (302, before)


def test_a_session_that_was_moved_is_said_once(here):
    row, at = here["Session"], alice(here, "Session", "cancel")
    opened = at.open(row, "cancel")
    times = {"starts_at": row.starts_at + HOUR, "ends_at": row.ends_at + HOUR}
    with acting(factories.staff(here["Clinic"])):
        type(row).objects.filter(pk=row.pk).update(**times)
    answer = at.client.post(opened.request["PATH_INFO"], filled(opened))
    (said,) = form_of(answer).non_field_errors()
    assert said.count("→") == 1
    assert "changed Starts at: " in said
    told = [line.split(":")[0] for line in history(row)[0].changes]
    assert told == ["Ends at", "Starts at"]


def test_two_close_a_case(here):
    done, told, again = both(here, "Flag", "resolve", outcome="reached")
    assert done.status == 302
    assert "changed State: Open → Closed" in told.refusal
    assert again.refusal == "The case is closed already: nothing more is noted in it."


def test_two_discharge_a_patient(here, time_machine):
    time_machine.move_to("2026-03-03T12:00:00-05:00")
    day = {"discharged_on": "2026-03-03", "reason": "completed"}
    done, told, again = both(here, "Episode", "discharge", **day)
    assert done.status == 302
    assert "changed State: Admitted → Discharged" in told.refusal
    assert again.refusal == "The patient is discharged already."


def test_two_enrol_a_patient(here):
    """The episode does not change with a seat: the second is refused for the seat itself."""
    group = factories.GroupFactory(clinic=here["Clinic"], program=here["Program"])
    day = {"group": group, "starts_on": "2026-03-09"}
    done, told, _ = both(here, "Episode", "enrol", **day)
    assert done.status == 302
    assert told.refusal == "The patient is already in this group on these dates."
    assert group.memberships.count() == 1
