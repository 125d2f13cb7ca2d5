"""Two people at one row change different fields: both changes stand, and none is undone unseen."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django import forms
from django.http import QueryDict

from attendance.models import AttendanceRecord
from attendance.records import services
from attendance.records.entries import Entry
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.forms import moment_field, note_field, yes_field
from iop_clinic.accounts.admin.history import history
from iop_clinic.accounts.admin.untouched import BOTH, SHOWN, keep_up
from iop_clinic.accounts.models import Clinic
from scheduling.models import WaitlistEntry
from tests import factories
from tests.admin import Answer, Desk, desk, filled, typed, url

SENT_AGAIN = "Your entries are kept below: save again to put them in place."
NOON = "2026-03-02T12:00:00-05:00"


@pytest.fixture
def clinic(db: None, time_machine: Any) -> Clinic:
    time_machine.move_to(NOON, tick=False)
    return factories.ClinicFactory()


def named(clinic: Clinic, name: str) -> Desk:
    at = desk(clinic)
    at.user.name = name
    at.user.save()
    return at


def meanwhile(row: Any, page: str, bob: dict[str, Any], alice: dict[str, Any]) -> list[Answer]:
    """Alice opens the page, Bob saves it, Alice sends hers, and again what she is shown."""
    first, second = named(row.clinic, "Bob"), named(row.clinic, "Alice")
    sent = {**filled(second.open(row, page)), **typed(alice)}
    assert first.fill(row, page, **bob).status == 302
    told = second.client.post(url(row, page), sent)
    context = told.context
    form = context["adminform"].form if "adminform" in context else context["form"]
    said = Answer(told.status_code, [], dict(form.errors), "")
    again = second.client.post(url(row, page), _lists(form.data))
    row.refresh_from_db()
    return [said, Answer(again.status_code, [], {}, "")]


def _lists(data: Any) -> dict[str, Any]:
    return {name: values if len(values) > 1 else values[0] for name, values in data.lists()}


def test_changes_of_different_fields_both_stand(clinic):
    row = factories.PatientFactory(clinic=clinic)
    told, again = meanwhile(row, "change", {"email": "b@example.org"}, {"phone": "555-0101"})
    line = "Bob changed Email: empty → b@example.org (shown below)."
    assert (told.refusal, again.status) == (f"{line} {SENT_AGAIN}", 302)
    assert (row.email, row.phone) == ("b@example.org", "555-0101")


def test_of_one_field_the_second_entry_stays_and_wins_knowingly(clinic):
    row = factories.PatientFactory(clinic=clinic)
    told, again = meanwhile(row, "change", {"phone": "555-0102"}, {"phone": "555-0101"})
    line = "Bob changed Phone: empty → 555-0102 (you changed it too)."
    assert (told.refusal, again.status) == (f"{line} {SENT_AGAIN}", 302)
    steps = [(step.who, step.changes) for step in history(row)[:2]]
    bob, alice = ("Phone: empty → 555-0102",), ("Phone: 555-0102 → 555-0101",)
    assert steps == [("Alice", alice), ("Bob", bob)]


@pytest.mark.parametrize(("before", "after"), [(False, True), (True, False)])
def test_a_box_left_alone_is_ticked_as_it_is_now(clinic, before, after):
    row = factories.PatientFactory(clinic=clinic, may_text=before)
    bob = {"may_text": ["on"] if after else []}
    told, again = meanwhile(row, "change", bob, {"phone": "555-0101"})
    assert "(shown below)" in told.refusal
    assert (again.status, row.may_text, row.phone) == (302, after, "555-0101")


def test_dates_choices_and_keys_left_alone_are_those_of_now(clinic):
    patient = factories.PatientFactory(clinic=clinic)
    program, before = factories.ProgramFactory(clinic=clinic), datetime.date(2026, 2, 2)
    row = factories.EpisodeFactory(
        clinic=clinic, patient=patient, program=program, referred_on=before
    )
    therapist = factories.TherapistFactory(clinic=clinic)
    bob = {
        "primary_therapist": therapist,
        "referred_on": "2026-02-03",
        "priority": "unstable_housing",
    }
    told, again = meanwhile(row, "change", bob, {"planned_weeks": 10})
    assert told.refusal.count("(shown below)") == 3
    assert (again.status, row.planned_weeks, row.primary_therapist) == (302, 10, therapist)
    assert (row.referred_on, row.priority) == (datetime.date(2026, 2, 3), "unstable_housing")


def test_a_verb_shows_what_was_left_alone_as_it_is_now(clinic):
    """Alice chooses a room; Bob has moved the session by an hour meanwhile."""
    row = factories.session(clinic, day="2026-03-03", starts="09:00", ends="10:00")
    at, room = named(clinic, "Alice"), factories.RoomFactory(clinic=clinic)
    sent = {**filled(at.open(row, "move")), "room": room.pk}
    bob = named(clinic, "Bob")
    bob.save(bob.look(row, "move", starts="10:00", ends="11:00"))
    form = at.client.post(url(row, "move"), sent).context["form"]
    shown = {name: form.data[name] for name in ("day", "starts", "ends", "room")}
    kept = {"day": "03/03/2026", "starts": "10:00 AM", "ends": "11:00 AM", "room": str(room.pk)}
    assert shown == kept


def test_a_record_keeps_what_each_of_two_corrects(clinic, recorded):
    bob, alice = {"arrived_at": "09:10"}, {"left_at": "09:50"}
    why = {"correction_reason": "Sign-in sheet"}
    told, again = meanwhile(recorded, "correct", bob | why, alice | why)
    assert "Arrived at: empty → Mon Mar 2, 2026, 9:10 AM EST (shown below)" in told.refusal
    record = AttendanceRecord.objects.get(booking=recorded)
    moments = (record.arrived_at, record.left_at)
    times = [at.astimezone(clinic.tz).time() for at in moments if at]
    assert (again.status, times) == (302, [datetime.time(9, 10), datetime.time(9, 50)])


def test_what_a_service_writes_at_the_last_moment_stays(clinic, monkeypatch):
    """A discharge takes the patient off the waitlist while somebody saves a note there."""
    row = WaitlistEntry.objects.create(
        clinic=clinic, group=factories.GroupFactory(clinic=clinic),
        episode=factories.admitted(clinic), added_at=NOON,
    )  # fmt: skip
    edit = ClinicModelAdmin.edit

    def late(*given: Any) -> None:
        WaitlistEntry.objects.update(state="removed")
        edit(*given)

    monkeypatch.setattr(ClinicModelAdmin, "edit", late)
    assert desk(clinic).fill(row, "change", note="Rang twice").status == 302
    row.refresh_from_db()
    assert (row.state, row.note) == ("removed", "Rang twice")


@pytest.fixture
def recorded(clinic: Clinic) -> Any:
    row = factories.session(clinic, day="2026-03-02", starts="09:00", ends="10:00")
    booking = factories.booking(row, factories.admitted(clinic))
    entry = Entry(booking=booking.public_id, attended=True)
    by, source = factories.staff(clinic), AttendanceRecord.Source.ADMIN
    services.record_roster(session=row, entries=[entry], by=by, source=source)
    return booking


class Everything(forms.Form):
    at = moment_field()
    yes = yes_field()
    note = note_field()


def compared(sent: dict[str, str], was: dict[str, Any], now: dict[str, Any]) -> Any:
    data = QueryDict(mutable=True)
    data.update(sent)
    notes = keep_up(data, Everything(initial=was), Everything(initial=now))
    return notes, data.dict()


NINE = datetime.datetime(2026, 3, 2, 9, tzinfo=datetime.UTC)
TEN = datetime.datetime(2026, 3, 2, 10, tzinfo=datetime.UTC)


def test_a_moment_is_one_field_in_two_boxes():
    sent = {"at_0": "03/02/2026", "at_1": "09:00 AM"}
    new = {"at_0": "03/02/2026", "at_1": "10:00 AM"}
    assert compared(sent, {"at": NINE}, {"at": TEN}) == ({"at": SHOWN}, new)
    other = {"at_0": "03/03/2026", "at_1": "09:00 AM"}
    assert compared(other, {"at": NINE}, {"at": TEN}) == ({"at": BOTH}, other)


def test_an_empty_box_is_sent_by_nobody():
    assert compared({}, {"yes": False}, {"yes": True}) == ({"yes": SHOWN}, {"yes": "on"})
    assert compared({"yes": "on"}, {"yes": True}, {"yes": False}) == ({"yes": SHOWN}, {})
    assert compared({}, {"yes": True}, {"yes": False}) == ({"yes": SHOWN}, {})


def test_lines_end_as_the_browser_ends_them():
    sent = {"note": "one\r\ntwo "}
    notes, data = compared(sent, {"note": "one\ntwo"}, {"note": "three"})
    assert (notes, data) == ({"note": SHOWN}, {"note": "three"})
    assert compared(sent, {"note": "one\ntwo"}, {"note": "one\ntwo"}) == ({}, sent)
