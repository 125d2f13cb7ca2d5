"""The call list of a closure or time off: who is told what, by which number, and who was."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance import closures
from attendance.call_list import call_list
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.roles import Role
from scheduling import services
from scheduling.models import Booking, Closure, Decision, Session, TimeOff, Told
from scheduling.services import Decided
from tests import factories as f
from tests.admin import Desk, desk, filled, url
from tests.attendance.house import FRI
from tests.attendance.short_weeks import ShortWeek
from tests.lists import said

pytestmark = pytest.mark.django_db
Choice = Decision.Choice
DAY = datetime.timedelta(days=1)


@pytest.fixture(autouse=True)
def _thursday(week: ShortWeek, time_machine: Any) -> None:
    time_machine.move_to(week.now, tick=False)


def friday(week: ShortWeek) -> Session:
    return Session.objects.get(group=week.house.group, starts_at__gt="2026-03-06T05:00Z")


def close(week: ShortWeek, *decided: Decided, **extra: Any) -> Closure:
    facts = {"starts_on": FRI, "ends_on": FRI, "reason": "Snow", **extra}
    given = list(decided) or None
    return closures.close(clinic=week.clinic, decided=given, by=week.by, **facts)


def covered(week: ShortWeek) -> TimeOff:
    """Friday's leader is away, and Ana Diaz covers."""
    row = friday(week)
    row.staff.create(
        clinic=week.clinic, therapist=week.house.therapist, starts_at=row.starts_at,
        ends_at=row.ends_at, live=True,
    )  # fmt: skip
    ana = f.TherapistFactory(clinic=week.clinic, name="Ana Diaz", phone="555-0142")
    return closures.add_time_off(
        therapist=week.house.therapist, starts_at=row.starts_at, ends_at=row.ends_at,
        decided=[Decided(row, Choice.COVERED, therapist=ana)], by=week.by,
    )  # fmt: skip


def news(week: ShortWeek, cause: Any) -> list[tuple[str, ...]]:
    return [one.news for one in call_list(cause, user=week.by).patients]


def tell(week: ShortWeek, cause: Any, person: Any) -> None:
    """Note that they were told what the list says now."""
    (call,) = (one for one in call_list(cause, user=week.by).calls if one.person == person)
    services.note_told(cause=cause, told={person: call.said}, by=week.by)


def was(week: ShortWeek) -> str:
    return f"{friday(week).title}, Fri Mar 6, 9:00 AM"


def test_whoever_is_booked_hears_that_it_is_cancelled(week):
    told = f"{was(week)}: cancelled"
    assert news(week, close(week)) == [(told,)]


def test_when_and_where_it_is_held_instead(week):
    row, room = friday(week), f.RoomFactory(clinic=week.clinic, seats=16)
    name, start = was(week), row.starts_at + datetime.timedelta(days=1)
    end = row.ends_at + datetime.timedelta(days=1)
    closure = close(week, Decided(row, Choice.MOVED, starts_at=start, ends_at=end, room=room))
    assert news(week, closure) == [(f"{name}: now {row.title}, Sat Mar 7, 9:00 AM, {room}",)]


def test_that_it_is_held_by_video(week):
    assert news(week, close(week, Decided(friday(week), Choice.BY_VIDEO))) == [
        (f"{was(week)}: now by video",)
    ]


def test_with_whom_it_is_combined(week):
    group = f.GroupFactory(clinic=week.clinic, program=week.house.group.program)
    into = week.session(FRI, group=group)
    closure = close(
        week, Decided(friday(week), Choice.COMBINED, into=into), to_time=datetime.time(12, 30)
    )
    assert news(week, closure) == [(f"{was(week)}: now {group.name}, Fri Mar 6, 2:00 PM",)]


def test_what_takes_place_all_the_same_is_no_news(week):
    assert news(week, close(week, Decided(friday(week), Choice.KEPT))) == []


def test_a_kept_session_is_news_once_it_has_another_room(week):
    first, second = (f.RoomFactory(clinic=week.clinic, seats=16) for _ in range(2))
    Session.objects.filter(pk=friday(week).pk).update(room=first)
    closure = close(week, room=first)
    assert news(week, closure) == []
    services.hold_in_room(session=friday(week), room=second, by=week.by)
    assert news(week, closure) == [(f"{was(week)}: now {second}",)]


def test_who_gave_notice_does_not_wait_for_it(week):
    friday(week).bookings.update(state="released", released_at=week.now)
    assert news(week, close(week)) == []


def test_who_covers_is_called_as_long_as_they_do(week):
    time_off = covered(week)
    found = call_list(time_off, user=week.by)
    assert (found.patients, [str(one.person) for one in found.therapists]) == (
        [],
        ["Ana Diaz, LCSW"],
    )
    services.assign_substitute(
        session=friday(week), therapist=f.TherapistFactory(clinic=week.clinic), by=week.by
    )
    assert call_list(time_off, user=week.by).therapists == []


# --- ticks ---------------------------------------------------------------------------------------


def page(at: Desk, row: Any) -> str:
    return said(at.open(row, "call-list").content.decode())


def sheet(at: Desk, row: Any) -> dict[str, Any]:
    """What is sent where nothing is ticked or unticked."""
    return filled(at.open(row, "call-list"))


def box(week: ShortWeek) -> str:
    return f"patient_{week.patient.pk}"


def test_the_page_says_the_phone_and_what_may_be_said(week):
    patient = week.patient.patient
    patient.phone, patient.phone_is_safe, patient.may_leave_voicemail = "555-0177", True, False
    patient.save()
    shown = page(Desk(week.by), close(week))
    for one in (str(patient), "555-0177, may be called", "Voicemail must not be left", "cancelled"):
        assert one in shown


def test_of_a_minor_the_guardian_is_called(week):
    patient = week.patient.patient
    patient.phone, patient.phone_is_safe = "555-0177", True
    patient.birth_date = datetime.date(2012, 1, 1)
    patient.guardian_name, patient.guardian_phone = "Sam Lee", "555-0188"
    patient.save()
    html = Desk(week.by).open(close(week), "call-list").content.decode()
    assert ('href="tel:5550188"' in html, "555-0177" in html) == (True, False)
    assert "The guardian is called; the clinic’s name must not be said" in said(html)


def test_a_number_that_is_not_safe_is_not_called(week):
    patient = week.patient.patient
    patient.phone, patient.phone_is_safe = "555-0177", False
    patient.save()
    shown = page(Desk(week.by), close(week))
    assert "555-0177, not safe: must not be called" in shown


def test_a_tick_says_who_told_and_when_and_is_taken_back(week):
    closure, at = close(week), desk(week.clinic, Role.FRONT_DESK)
    assert at.fill(closure, "call-list", **{box(week): "on"}).sentences == ["Saved: 1 of 1 told."]
    told = Told.objects.get()
    assert (told.episode, told.told_by, told.closure) == (week.patient, at.user, closure)
    assert f"{at.user}, Thu Mar 5, 5:00 AM" in page(at, closure)
    shown = {key: one for key, one in sheet(at, closure).items() if key != box(week)}
    assert at.send(url(closure, "call-list"), shown).sentences == ["Saved: 0 of 1 told."]
    assert not Told.objects.exists()


def test_two_who_call_at_once_keep_each_others_ticks(week):
    other = week.other()
    f.booking(friday(week), other, 2)
    closure, one, two = close(week), Desk(week.by), desk(week.clinic)
    address, read = url(closure, "call-list"), sheet(one, closure)
    assert one.send(address, {**read, box(week): "on"}).status == 302
    assert two.send(address, {**read, f"patient_{other.pk}": "on"}).status == 302
    assert set(Told.objects.values_list("episode", flat=True)) == {week.patient.pk, other.pk}


def test_of_two_who_told_the_same_the_first_is_kept(week):
    closure, at = close(week), desk(week.clinic)
    tell(week, closure, week.patient)
    (call,) = call_list(closure, user=at.user).patients
    services.note_told(cause=closure, told={call.person: call.said}, by=at.user)
    assert Told.objects.get().told_by == week.by


def test_a_page_that_is_behind_counts_what_others_ticked(week):
    f.booking(friday(week), week.other(), 2)
    closure, one, two = close(week), Desk(week.by), desk(week.clinic)
    stale = {**sheet(one, closure), box(week): "on"}
    other = Booking.objects.get(session=friday(week), seat=2).episode
    two.fill(closure, "call-list", **{f"patient_{other.pk}": "on"})
    assert one.send(url(closure, "call-list"), stale).sentences == ["Saved: 2 of 2 told."]


def test_a_tick_of_what_was_taken_back_meanwhile_is_refused(week):
    closure = close(week)
    closures.take_back_closure(closure=closure, by=week.by)
    with pytest.raises(Refused) as caught:
        services.note_told(cause=closure, told={week.patient: {}}, by=week.by)
    assert (caught.value.code, Told.objects.count()) == ("taken_back", 0)


# --- changed since the call ----------------------------------------------------------------------


def moved(week: ShortWeek) -> tuple[Closure, str]:
    """The closure that moved Friday's session by a day, and what is told of it."""
    row = friday(week)
    name, start, end = was(week), row.starts_at + DAY, row.ends_at + DAY
    closure = close(week, Decided(row, Choice.MOVED, starts_at=start, ends_at=end))
    return closure, f"{name}: now {row.title}, Sat Mar 7, 9:00 AM"


def move_again(week: ShortWeek) -> None:
    row = friday(week)
    services.move_session(
        session=row, starts_at=row.starts_at + DAY, ends_at=row.ends_at + DAY, by=week.by
    )


def test_whoever_was_told_of_another_day_is_called_again(week):
    (closure, old), at = moved(week), Desk(week.by)
    at.fill(closure, "call-list", **{box(week): "on"})
    move_again(week)
    shown = page(at, closure)
    again = f"{week.by}, Thu Mar 5, 5:00 AM. To be called again: told {old}"
    for one in ("0 of 1 told.", old.replace("Sat Mar 7, 9:00", "Sun Mar 8, 10:00"), again):
        assert one in shown
    assert box(week) not in sheet(at, closure)
    assert at.fill(closure, "call-list", **{box(week): "on"}).sentences == ["Saved: 1 of 1 told."]
    assert "To be called again" not in page(at, closure)
    assert Told.objects.count() == 1


def test_a_tick_of_a_page_that_says_other_news_is_not_kept(week):
    (closure, _), at = moved(week), Desk(week.by)
    read = sheet(at, closure)
    move_again(week)
    assert at.send(url(closure, "call-list"), {**read, box(week): "on"}).sentences == [
        "Saved: 0 of 1 told. What to tell somebody changed meanwhile: call them again."
    ]
    assert not Told.objects.exists()


def test_whoever_heard_that_it_is_cancelled_hears_that_it_takes_place_after_all(week):
    room = f.RoomFactory(clinic=week.clinic, seats=16)
    Session.objects.filter(pk=friday(week).pk).update(room=room)
    f.booking(friday(week), week.other(), 2)
    closure = close(week, Decided(friday(week), Choice.CANCELLED), room=room)
    tell(week, closure, week.patient)
    Session.objects.filter(pk=friday(week).pk).update(room=None)
    services.revive_session(session=friday(week), by=week.by)
    (call,) = call_list(closure, user=week.by).patients
    assert (call.person, call.news, call.told, call.told_otherwise) == (
        week.patient, (f"{was(week)}: takes place as it was planned",), None,
        (f"{was(week)}: cancelled",),
    )  # fmt: skip


def test_who_was_to_cover_hears_that_somebody_else_does(week):
    time_off = covered(week)
    (call,) = call_list(time_off, user=week.by).therapists
    tell(week, time_off, call.person)
    services.assign_substitute(
        session=friday(week), therapist=f.TherapistFactory(clinic=week.clinic), by=week.by
    )
    (again,) = call_list(time_off, user=week.by).therapists
    assert (again.news, again.told) == ((f"does not cover any more: {was(week)}",), None)


# --- taken back ----------------------------------------------------------------------------------


def test_who_was_told_is_on_a_list_again_when_it_is_taken_back(week):
    closure, at = close(week), Desk(week.by)
    at.fill(closure, "call-list", **{box(week): "on"})
    ahead = at.look(closure, "take-back")
    assert [one.title for one in ahead.panels] == ["As before", "Told already: call them again"]
    answer = at.save(ahead)
    assert answer.sentences == [
        "It is taken back: 1 session is as before. Next: call those on the call list."
    ]
    assert answer.location == url(closure, "change")
    shown = page(at, closure)
    for one in ("It was taken back: say what holds now. 0 of 1 told.", str(week.patient.patient),
                f"{was(week)}: takes place as it was planned"):  # fmt: skip
        assert one in shown
    assert at.fill(closure, "call-list", **{box(week): "on"}).sentences == ["Saved: 1 of 1 told."]
    assert list(Told.objects.order_by("pk").values_list("episode", "again")) == [
        (week.patient.pk, False), (week.patient.pk, True),
    ]  # fmt: skip


def test_whoever_was_told_hears_the_new_time_once_it_is_taken_back_and_moved(week):
    closure, name = close(week), was(week)
    tell(week, closure, week.patient)
    closures.take_back_closure(closure=closure, by=week.by)
    closure.refresh_from_db()
    tell(week, closure, week.patient)
    move_again(week)
    (call,) = call_list(closure, user=week.by).patients
    assert (call.news, call.told, call.told_otherwise) == (
        (f"{name}: now {was(week).replace('Fri Mar 6', 'Sat Mar 7')}",), None,
        (f"{name}: takes place as it was planned",),
    )  # fmt: skip


def test_who_was_not_told_need_not_hear_of_it(week):
    closure = close(week)
    at = Desk(week.by)
    answer = at.save(at.look(closure, "take-back"))
    assert answer.sentences == ["It is taken back: 1 session is as before."]
    closure.refresh_from_db()
    assert call_list(closure, user=week.by).calls == []


def test_who_was_not_told_still_hears_of_what_stays_as_it_is(week):
    closure, other = close(week), week.other()
    f.booking(friday(week), other, 2)
    tell(week, closure, week.patient)
    elsewhere = f.session(week.clinic, FRI.isoformat(), "09:30", "10:30")
    f.booking(elsewhere, week.patient)
    undone = closures.take_back_closure(closure=closure, by=week.by)
    assert [one for one, _ in undone.left] == [friday(week)]
    closure.refresh_from_db()
    (call,) = call_list(closure, user=week.by).patients
    assert (call.person, call.news) == (other, (f"{was(week)}: cancelled",))


def test_who_covered_hears_that_they_do_not_any_more(week):
    time_off = covered(week)
    (call,) = call_list(time_off, user=week.by).therapists
    tell(week, time_off, call.person)
    closures.take_back_time_off(time_off=time_off, by=week.by)
    time_off.refresh_from_db()
    (again,) = call_list(time_off, user=week.by).therapists
    assert (again.person, again.news, again.told) == (
        call.person, (f"does not cover any more: {was(week)}",), None,
    )  # fmt: skip


def test_a_therapist_calls_their_own_patients_only(week):
    other = f.admitted(week.clinic, program=week.house.group.program)
    f.booking(friday(week), other, 2)
    closure, at = close(week), Desk(week.house.user)
    shown = page(at, closure)
    assert (str(week.patient.patient) in shown, str(other.patient) in shown) == (True, False)


def test_who_takes_no_calls_sees_no_list(week):
    at = desk(week.clinic, Role.UTILIZATION_REVIEW)
    assert at.open(close(week), "call-list").status_code == 403


def test_it_takes_the_same_statements_however_long_it_is(week):
    closure = close(week)
    assert week.by.sight  # read once for each request
    before = statements(week, closure)
    for seat in range(2, 8):
        row = f.booking(friday(week), week.other(), seat)
        Told.objects.create(
            clinic=week.clinic, closure=closure, episode=row.episode, told_at=week.now,
            told_by=week.by,
        )  # fmt: skip
    assert statements(week, closure) == before


def statements(week: ShortWeek, closure: Closure) -> int:
    with CaptureQueriesContext(connection) as captured:
        call_list(closure, user=week.by)
    return len(captured)
