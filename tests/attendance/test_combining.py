"""Groups that meet as one: what the weeks of both sides make of it, and the pages that do it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from attendance.call_list import call_list
from attendance.closures import close, take_back_closure
from attendance.combining import combine_sessions, part_sessions
from attendance.models import AttendanceRecord
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from patients.models import Episode, KeepApart
from scheduling.models import Booking, Closure, Decision, Session, Told
from scheduling.services import Decided, assign_substitute, cancel_session, note_told
from tests import factories as f
from tests.admin import Desk, actors, desk, url
from tests.attendance.house import BREAKS, FRI
from tests.attendance.short_weeks import ShortWeek
from tests.lists import lines

pytestmark = pytest.mark.django_db


@dataclass
class Groups:
    """Friday's session of the short week's group, and another group's at the same time."""

    week: ShortWeek
    friday: Session
    into: Session

    def figures(self, episode: Episode) -> tuple[int, int, int]:
        """Still possible, asked for, and asked for in days, of the program."""
        judged = self.week.house.week(episode, now=self.week.now).standards[0].judgement
        return judged.at_most, judged.prorated_minimum, judged.prorated_days

    def combine(self) -> Any:
        return combine_sessions(session=self.friday, into=self.into, by=self.week.by)

    def stranger(self) -> Episode:
        """Booked on Friday, from another program than the other group's."""
        episode = self.week.other()
        episode.program = f.ProgramFactory(clinic=self.week.clinic)
        episode.save()
        f.booking(self.friday, episode, 2)
        return episode


@pytest.fixture
def groups(week: ShortWeek) -> Groups:
    program = week.house.group.program
    group = f.GroupFactory(clinic=week.clinic, program=program, name="Group Z")
    into = f.session(
        week.clinic, FRI.isoformat(), "09:00", "12:20", breaks=BREAKS, group=group,
        session_type=week.house.type,
    )  # fmt: skip
    friday = Session.objects.get(group=week.house.group, local_date=FRI)
    return Groups(week, friday, into)


def test_whoever_moves_along_is_asked_for_the_same_week(groups: Groups) -> None:
    patient = groups.week.patient
    assert groups.figures(patient) == (360, 540, 3)
    groups.combine()
    assert groups.figures(patient) == (360, 540, 3)


def test_whoever_stays_behind_is_asked_for_less(groups: Groups) -> None:
    left = groups.stranger()
    assert groups.figures(left) == (180, 540, 3)
    groups.combine()
    assert groups.figures(left) == (0, 360, 2)
    assert groups.figures(groups.week.patient) == (360, 540, 3)


def test_who_sits_in_the_other_group_keeps_the_week(groups: Groups) -> None:
    there = groups.week.other()
    f.booking(groups.into, there)
    before = groups.figures(there)
    groups.combine()
    assert groups.figures(there) == before == (180, 540, 3)


def test_a_shorter_session_gives_less_and_the_case_follows(groups: Groups) -> None:
    Session.objects.filter(pk=groups.into.pk).update(
        breaks=[], ends_at=groups.into.starts_at + datetime.timedelta(minutes=60)
    )
    groups.into.refresh_from_db()
    assert groups.week.flag.evidence["at_most"] == 360
    groups.combine()
    assert groups.figures(groups.week.patient) == (240, 540, 3)
    assert groups.week.flag.evidence["at_most"] == 240


def test_parted_again_the_week_is_as_it_was(groups: Groups) -> None:
    left = groups.stranger()
    before = [groups.figures(one) for one in (left, groups.week.patient)]
    groups.combine()
    part_sessions(session=groups.friday, by=groups.week.by)
    assert [groups.figures(one) for one in (left, groups.week.patient)] == before


def test_a_session_with_records_is_not_combined(groups: Groups) -> None:
    AttendanceRecord.objects.create(
        clinic=groups.week.clinic, booking=groups.week.friday, attended=False
    )
    before = list(Booking.objects.order_by("pk").values())
    with pytest.raises(Refused) as refused:
        groups.combine()
    assert refused.value.code == "attendance_recorded"
    assert list(Booking.objects.order_by("pk").values()) == before


def test_whoever_is_recorded_in_the_other_session_stays_there(groups: Groups) -> None:
    guest = groups.week.other()
    f.booking(groups.friday, guest, 2)
    there = {row.episode_id: row for row in groups.combine().moved}
    AttendanceRecord.objects.create(
        clinic=groups.week.clinic, booking=there[guest.pk], attended=True,
        attended_minutes=180, credited_minutes=180,
    )  # fmt: skip
    done = part_sessions(session=groups.friday, by=groups.week.by)
    assert [row.episode for row in done.moved] == [groups.week.patient]
    assert [row.episode for row in groups.into.bookings.filter(state="booked")] == [guest]


# --- at the admin site ---------------------------------------------------------------------------


@pytest.fixture
def coordinator(groups: Groups) -> Desk:
    return Desk(groups.week.by)


def told(at: Desk, session: Session, page: str = "combine") -> tuple[str, list[tuple[str, ...]]]:
    panel = at.look(session, page).panels[-1]
    return str(panel.note), [tuple(row[1:]) for row in panel.rows]


def test_the_best_session_is_chosen_at_first_with_what_it_takes(groups, coordinator):
    f.session(groups.week.clinic, FRI.isoformat(), "14:00", "15:00", group=groups.into.group)
    groups.stranger()
    page = coordinator.open(groups.friday, "combine")
    html = page.content.decode()
    assert page.context["form"]["into"].value() == groups.into.pk
    assert "Group Z, Fri Mar 6, 9:00 AM: takes 1 of 2, 12 seats free" in html
    assert "Group Z, Fri Mar 6, 2:00 PM: takes 1 of 2, 12 seats free" in html


def test_who_moves_and_who_does_not_is_read_before_it_is_done(groups, coordinator):
    apart, there = groups.week.other(), groups.week.other()
    f.booking(groups.friday, apart, 3)
    f.booking(groups.into, there)
    one, second = sorted((apart.patient, there.patient), key=lambda row: row.pk)
    KeepApart.objects.create(clinic=groups.week.clinic, patient=one, other=second, reason="Assault")
    before = AuditEvent.objects.exclude(operation="R").count()
    note, rows = told(coordinator, groups.friday)
    assert note == "1 of 2 fit."
    assert rows == [
        ("The patient cannot be seated here. Ask the coordinator.",
         "3 h → 0 min", "9 h → 6 h", "short already"),
        ("seat 2", "6 h", "9 h", "short already"),
    ]  # fmt: skip
    page = coordinator.look(groups.friday, "combine")
    assert str(there.patient) not in str(page.panels)
    assert AuditEvent.objects.exclude(operation="R").count() == before
    assert actors(groups.friday, "R") == {coordinator.user.actor}


def test_where_the_other_group_meets_and_who_leads_it_is_read_too(groups, coordinator):
    room = f.RoomFactory(clinic=groups.week.clinic, name="Oak", seats=16)
    Session.objects.filter(pk=groups.into.pk).update(room=room)
    there, _ = coordinator.look(groups.friday, "combine").panels
    assert [tuple(row[1:]) for row in there.rows] == [
        ("Fri Mar 6, 9:00 AM – 12:20 PM", "Oak", "nobody")
    ]
    Session.objects.filter(pk=groups.into.pk).update(room=None)
    ana = f.TherapistFactory(clinic=groups.week.clinic, name="Ana Diaz")
    assign_substitute(session=groups.into, therapist=ana, by=groups.week.by)
    there, _ = coordinator.look(groups.friday, "combine").panels
    assert there.rows[0][2:] == ("no place yet", "Ana Diaz")


def test_combined_and_parted_in_two_steps_each(groups, coordinator):
    groups.stranger()
    saved = coordinator.save(coordinator.look(groups.friday, "combine"))
    said = "1 patient sits in Group Z, Fri Mar 6, 9:00 AM now. 1 did not fit."
    assert saved.sentences[0].startswith(said)
    assert url(groups.friday, "call-list") in saved.sentences[0]
    groups.friday.refresh_from_db()
    assert (groups.friday.live, groups.friday.cancelled_reason) == (False, "Combined with Group Z")
    page = coordinator.open(groups.friday, "change").content.decode()
    assert "Part again" in page
    assert "Let it take place after all" not in page
    back = coordinator.save(coordinator.look(groups.friday, "part"))
    assert back.sentences == [
        f"1 patient sits in {groups.week.house.group}, Fri Mar 6, 9:00 AM again."
    ]
    assert Session.objects.get(pk=groups.friday.pk).live


def combined_said(at: Desk, session: Session) -> list[tuple[str, ...]]:
    shown = at.open(session, "change").context["panels_above"]
    found = [one for one in shown if one.title == "Combined"]
    return [tuple(row) for panel in found for row in lines(panel)]


def test_the_other_session_says_who_are_guests_and_parts_them_too(groups, coordinator):
    assert combined_said(coordinator, groups.into) == []
    groups.combine()
    own = f"{groups.friday.title}, Fri Mar 6, 9:00 AM"
    assert combined_said(coordinator, groups.into) == [(own, "1 patient of it, as a guest here")]
    assert combined_said(coordinator, groups.friday) == [
        ("Group Z, Fri Mar 6, 9:00 AM", "1 patient of this one, there")
    ]
    assert "Part again" in coordinator.open(groups.into, "change").content.decode()
    back = coordinator.save(coordinator.look(groups.into, "part"))
    assert back.sentences == [f"1 patient sits in {own} again."]
    assert Session.objects.get(pk=groups.friday.pk).live
    for session in (groups.into, groups.friday):
        assert combined_said(coordinator, session) == []
        assert "Part again" not in coordinator.open(session, "change").content.decode()


def test_a_session_of_another_clinic_is_not_parted_there(groups, coordinator):
    groups.combine()
    elsewhere = f.session(f.ClinicFactory(), FRI.isoformat(), "09:00", "10:00")
    answer = coordinator.fill(groups.into, "part", whose=elsewhere)
    assert list(answer.errors) == ["whose"]
    assert not Session.objects.get(pk=groups.friday.pk).live


def test_whoever_is_elsewhere_now_is_on_a_call_list(groups, coordinator):
    left = groups.stranger()
    groups.combine()
    patients = call_list(groups.friday, user=groups.week.by).patients
    was = f"{groups.friday.title}, Fri Mar 6, 9:00 AM"
    assert {one.person: one.news for one in patients} == {
        groups.week.patient: (f"{was}: now Group Z, Fri Mar 6, 9:00 AM",),
        left: (f"{was}: cancelled",),
    }
    answer = coordinator.fill(groups.friday, "call-list", **{f"patient_{left.pk}": "on"})
    assert answer.sentences == ["Saved: 1 of 2 told."]
    assert Told.objects.get().episode == left
    part_sessions(session=groups.friday, by=groups.week.by)
    assert not Told.objects.exists()


def test_once_it_is_parted_nobody_is_noted_as_told(groups):
    groups.combine()
    cause = Session.objects.get(pk=groups.friday.pk)
    part_sessions(session=groups.friday, by=groups.week.by)
    with pytest.raises(Refused) as refused:
        note_told(cause=cause, told={groups.week.patient: {}}, by=groups.week.by)
    assert (refused.value.code, Told.objects.count()) == ("taken_back", 0)


def test_whoever_was_told_is_called_again_when_the_two_are_parted(groups, coordinator):
    groups.combine()
    cause = Session.objects.get(pk=groups.friday.pk)
    (call,) = call_list(cause, user=groups.week.by).patients
    note_told(cause=cause, told={call.person: call.said}, by=groups.week.by)
    ahead = coordinator.look(groups.friday, "part")
    again = ahead.panels[1]
    assert (again.title, len(again.rows)) == ("Told already: call them again", 1)
    saved = coordinator.save(ahead)
    assert (saved.status, again.title in saved.html) == (200, True)
    assert Session.objects.get(pk=groups.friday.pk).live


def test_whoever_was_told_is_called_again_when_the_other_session_is_cancelled(groups):
    groups.combine()
    cause = Session.objects.get(pk=groups.friday.pk)
    (call,) = call_list(cause, user=groups.week.by).patients
    note_told(cause=cause, told={call.person: call.said}, by=groups.week.by)
    cancel_session(session=groups.into, reason="Flood", by=groups.week.by)
    (again,) = call_list(cause, user=groups.week.by).patients
    was = f"{groups.friday.title}, Fri Mar 6, 9:00 AM"
    assert (again.news, again.told, again.told_otherwise) == (
        (f"{was}: cancelled",), None, call.news,
    )  # fmt: skip


def combined_by_closure(groups: Groups) -> Closure:
    room = f.RoomFactory(clinic=groups.week.clinic, seats=16)
    Session.objects.filter(pk=groups.friday.pk).update(room=room)
    groups.friday.refresh_from_db()
    return close(
        clinic=groups.week.clinic, starts_on=FRI, ends_on=FRI, room=room, reason="Paint",
        decided=[Decided(groups.friday, Decision.Choice.COMBINED, into=groups.into)],
        by=groups.week.by,
    )  # fmt: skip


def test_what_a_closure_has_combined_is_on_the_list_of_the_closure(groups, coordinator):
    combined_by_closure(groups)
    page = coordinator.open(groups.friday, "change").content.decode()
    assert ("Part again" in page, url(groups.friday, "call-list") in page) == (True, False)


def test_combined_again_after_the_closure_was_taken_back_it_has_a_list_of_its_own(
    groups, coordinator
):
    take_back_closure(closure=combined_by_closure(groups), by=groups.week.by)
    groups.combine()
    page = coordinator.open(groups.friday, "change").content.decode()
    assert url(groups.friday, "call-list") in page


def test_a_cancelled_session_is_not_parted(groups, coordinator):
    coordinator.fill(groups.friday, "cancel", reason="Combined with nobody")
    page = coordinator.open(groups.friday, "change").content.decode()
    assert ("Part again" in page, "Let it take place after all" in page) == (False, True)


def test_it_is_looked_at_again_when_somebody_is_booked_meanwhile(groups, coordinator):
    ahead = coordinator.look(groups.friday, "combine")
    f.booking(groups.friday, groups.week.other(), 2)
    assert coordinator.save(ahead).status == 200
    assert Session.objects.get(pk=groups.friday.pk).live


def test_where_nobody_could_go_nothing_is_asked(groups, coordinator):
    groups.into.delete()
    form = coordinator.open(groups.friday, "combine").context["form"]
    assert (form.submits, "into" in form.fields) == (False, False)
    assert form.introduction().startswith("No other group's session on this day")


def test_a_session_that_is_over_is_not_offered(groups, coordinator, time_machine):
    time_machine.move_to(groups.friday.ends_at)
    page = coordinator.open(groups.friday, "change").content.decode()
    assert "Combine with another group" not in page
    assert groups.friday.ends_at == timezone.now()


@pytest.mark.parametrize("page", ["combine", "part"])
@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.THERAPIST])
def test_who_does_not_plan_the_calendar_is_told_nothing(groups, role, page):
    person = desk(groups.week.clinic, role)
    status = 404 if role == Role.THERAPIST else 403
    assert person.open(groups.friday, page).status_code == status
    assert person.send(url(groups.friday, page), {"into": groups.into.pk}).status == status
    assert groups.friday.bookings.get().state == "booked"


def statements(at: Desk, session: Session) -> int:
    with CaptureQueriesContext(connection) as captured:
        at.look(session, "combine")
    return len(captured)


def test_it_takes_the_same_statements_for_one_and_for_twelve(groups, coordinator):
    groups.stranger()
    before = statements(coordinator, groups.friday)
    for seat in range(3, 13):
        f.booking(groups.friday, groups.week.other(), seat)
    f.session(groups.week.clinic, FRI.isoformat(), "14:00", "15:00", group=groups.into.group)
    assert statements(coordinator, groups.friday) == before == 69
