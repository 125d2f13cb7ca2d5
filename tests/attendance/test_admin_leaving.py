"""Before a seat, a booking, a pause or somebody's access is confirmed: what goes with it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance import memberships
from attendance.admin import leaving
from attendance.admin.episodes import NOTHING_ELSE
from attendance.models import Flag
from attendance.trials import Taken, tried
from iop_clinic.accounts.acting import Busy
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from patients.models import Episode
from scheduling.models import Booking, GroupMembership, WaitlistEntry
from tests import factories as f
from tests.admin import Desk, desk, url
from tests.attendance.house import FRI, MON, SAT, SUN, THU, WED
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db
FRIDAY = "Fri Mar 6, 9:00 AM"
DISCHARGES = "Discharge the patient"


@pytest.fixture
def coordinator(week: ShortWeek) -> Desk:
    return Desk(week.by)


@pytest.fixture
def seat(week: ShortWeek) -> GroupMembership:
    """The patient's seat; Friday's booking is the member's."""
    row = GroupMembership.objects.get()
    Booking.objects.filter(episode=week.patient).update(membership=row)
    return row


def changed() -> int:
    return AuditEvent.objects.exclude(operation=AuditEvent.Operation.READ).count()


def titles(panels: Any) -> list[str]:
    return [panel.title for panel in panels]


def test_who_ends_a_seat_sees_its_bookings_and_who_waits(week, coordinator, seat):
    waiting = WaitlistEntry.objects.create(
        clinic=week.clinic, group=seat.group, episode=week.other(), added_at=week.now
    )
    before = changed()
    ahead = coordinator.look(seat, "end", ends_on=THU, reason="Work")
    panel = ahead.panels[0]
    assert panel.title == "1 booking is withdrawn"
    assert f"{seat.group}, {FRIDAY}" in panel.rows[0][0]
    assert str(waiting.episode.patient) in panel.note
    assert (changed(), week.friday.state) == (before, "booked")


def test_what_was_seen_is_what_is_done(week, coordinator, seat):
    ahead = coordinator.look(seat, "end", ends_on=THU, reason="Work")
    assert coordinator.save(ahead).status == 302
    assert week.friday.state == "withdrawn"


def test_a_booking_made_meanwhile_is_looked_at_first(week, coordinator, seat):
    ahead = coordinator.look(seat, "end", ends_on=THU, reason="Work")
    f.booking(week.session(SAT), week.patient, 2, membership=seat)
    assert coordinator.save(ahead).status == 200
    assert week.friday.state == "booked"


def test_a_seat_without_anything_to_come_ends_at_once(week, coordinator, seat):
    assert coordinator.fill(seat, "end", ends_on=FRI, reason="Work").status == 302


def test_a_seat_to_come_names_what_is_taken_back_with_it(week, coordinator):
    group = f.GroupFactory(clinic=week.clinic, min_size=1, program=week.house.group.program)
    week.session(SAT, group=group)
    row = memberships.enrol(group=group, episode=week.patient, starts_on=FRI, by=week.by)
    html = coordinator.open(row, "take-back").content.decode()
    assert "1 booking is withdrawn" in html
    assert f"{group}, Sat Mar 7, 2:00 PM" in html


def test_a_pause_names_bookings_and_cases_that_go_silent(week, coordinator):
    before = changed()
    ahead = coordinator.look(week.patient, "hold", starts_on=THU, reason="hospital")
    _, cases = ahead.panels
    assert titles(ahead.panels) == ["1 booking is withdrawn", "Cases"]
    assert {row[1] for row in cases.rows} <= {"closes", "is silent until the patient is back"}
    assert len(cases.rows) == Flag.objects.filter(episode=week.patient).open().count()
    assert (changed(), week.friday.state) == (before, "booked")
    assert coordinator.save(ahead).status == 302
    assert week.friday.state == "withdrawn"


@pytest.mark.parametrize(("role", "told"), [("coordinator", ["Cases"]), ("front_desk", [])])
def test_of_cases_only_they_are_told_who_see_cases(week, role, told):
    """The front desk ends seats, and sees no case."""
    user, taken = f.staff(week.clinic, Role(role)), Taken([], [], [week.flag], [], [])
    assert titles(leaving.taken_panels(taken, user, week.clinic)) == told


def test_nobody_is_told_of_a_case_that_they_do_not_see(week):
    """It may be of another therapist's patients."""
    stranger = f.staff(week.clinic, Role.THERAPIST)

    def close() -> None:
        week.patient.flags.update(state="closed", closed_at=week.now, outcome="discharged")

    closed = [tried(episode=week.patient, write=close, by=by).closed for by in (week.by, stranger)]
    assert [len(some) for some in closed] == [week.patient.flags.open().count(), 0] == [2, 0]


def test_a_discharge_is_looked_at_before_it_is_done(week, coordinator, seat):
    ahead = coordinator.look(week.patient, "discharge", discharged_on=WED, reason="completed")
    assert titles(ahead.panels) == ["Seats given up", "1 booking is withdrawn", "Cases"]
    assert {row[1] for row in ahead.panels[2].rows} == {"closes"}
    assert coordinator.save(ahead).status == 302
    assert week.friday.state == "withdrawn"


def test_the_red_button_stands_where_it_discharges(week, coordinator):
    address = url(week.patient, "discharge")
    shown = coordinator.client.get(address).content.decode()
    assert ("See what changes" in shown, DISCHARGES in shown) == (True, False)
    given = {"discharged_on": f"{WED}", "reason": "completed"}
    shown = coordinator.client.post(address, given).content.decode()
    assert ("See what changes" in shown, DISCHARGES in shown) == (False, True)


def test_a_discharge_that_ends_nothing_else_is_looked_at_too(week, coordinator):
    referred = f.EpisodeFactory(patient__clinic=week.clinic, referred_on=MON)
    ahead = coordinator.look(referred, "discharge", discharged_on=WED, reason="not_admitted")
    assert [(one.title, one.empty) for one in ahead.panels] == [("What ends with it", NOTHING_ELSE)]
    assert Episode.objects.get(pk=referred.pk).state == "referred"


def test_the_reasons_of_a_discharge_fit_whether_the_patient_was_admitted(week, coordinator):
    referred = f.EpisodeFactory(patient__clinic=week.clinic, referred_on=MON)
    offered = [
        [
            value
            for value, _ in coordinator.open(row, "discharge")
            .context["form"]["reason"]
            .field.choices
        ]
        for row in (referred, week.patient)
    ]
    assert offered[0] == ["", "not_admitted", "deceased"]
    assert ("completed" in offered[1], "not_admitted" in offered[1]) == (True, False)
    given = {"discharged_on": f"{WED}", "reason": "not_admitted"}
    answer = coordinator.send(url(week.patient, "discharge"), given)
    assert list(answer.errors) == ["reason"]


def test_who_withdraws_a_booking_is_told_what_the_week_loses(week, coordinator):
    before = changed()
    said = coordinator.open(week.friday, "withdraw").context["form"].introduction()
    assert said == (
        "The clinic or the plan changed: the booking counts nowhere. Without it the week loses "
        "3 h: at most 3 h of 9 h can be reached. Short already."
    )
    assert (changed(), week.friday.state) == (before, "booked")


def test_a_booking_that_others_hold_just_now_has_a_page_too(week, coordinator, monkeypatch):
    """What the week would lose is tried once for a page, and waits for whoever holds the week."""
    tries = []

    def held(**_: Any) -> None:
        tries.append(1)
        raise Busy("Someone else is changing the same rows. Try again.")

    monkeypatch.setattr(leaving, "withdraw_impact", held)
    page = coordinator.open(week.friday, "withdraw")
    assert "Someone else is changing the same rows. Try again." in page.content.decode()
    assert (page.status_code, len(tries)) == (200, 1)


def test_what_was_recorded_is_not_withdrawn_and_nothing_is_told_of_it(week, coordinator):
    monday = Booking.objects.get(episode=week.patient, session__local_date=MON)
    said = coordinator.open(monday, "withdraw").context["form"].introduction()
    assert said == "The clinic or the plan changed: the booking counts nowhere."


def test_what_is_still_somebodys_is_counted_before_their_access_ends(week):
    person = desk(week.clinic, Role.ADMINISTRATOR)
    row = week.house.user.memberships.get()
    f.session(week.clinic, "2026-03-06", "15:00", "16:00", therapist=week.house.therapist)
    (panel,) = person.open(row, "deactivate").context["form"].before()
    assert [line[:2] for line in panel.rows] == [
        ("Sessions to lead", 1), ("Patients in treatment", 1), ("Open cases", 1),
    ]  # fmt: skip


def test_of_who_has_nothing_nothing_is_told(week):
    row = f.staff(week.clinic, Role.FRONT_DESK).memberships.get()
    answer = desk(week.clinic, Role.ADMINISTRATOR).open(row, "deactivate")
    assert list(answer.context["form"].before()) == []


def statements(at: Desk, row: Any, verb: str, **data: Any) -> int:
    with CaptureQueriesContext(connection) as captured:
        at.look(row, verb, **data)
    return len(captured)


SENT = {
    "end": {"ends_on": WED, "reason": "Work"},
    "hold": {"starts_on": THU, "reason": "jail"},
    "discharge": {"discharged_on": WED, "reason": "completed"},
}


@pytest.mark.parametrize(("verb", "number"), [("end", 65), ("hold", 69), ("discharge", 79)])
def test_the_statements_do_not_depend_on_the_bookings(week, coordinator, seat, verb, number):
    row = seat if verb == "end" else week.patient
    before = statements(coordinator, row, verb, **SENT[verb])
    for hour in range(10, 22):
        session = week.session(SAT, f"{hour}:00", ends=f"{hour}:30")
        f.booking(session, week.patient, 2, membership=seat)
    assert statements(coordinator, row, verb, **SENT[verb]) == before == number


def test_the_statements_of_a_transfer_depend_on_neither_groups_sessions(week, coordinator, seat):
    other = f.GroupFactory(clinic=week.clinic, min_size=1, program=week.house.group.program)
    week.session(SAT, "08:00", ends="08:30", group=other)
    sent = {"to_group": other, "on": WED}
    before = statements(coordinator, seat, "transfer", **sent)
    for hour in range(10, 22):
        week.session(SAT, f"{hour}:00", ends=f"{hour}:30", group=other)
        gone = week.session(SUN, f"{hour}:00", ends=f"{hour}:30")
        f.booking(gone, week.patient, 2, membership=seat)
    assert statements(coordinator, seat, "transfer", **sent) == before == 99
