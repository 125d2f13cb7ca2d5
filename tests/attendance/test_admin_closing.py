"""Closures and time off at the admin site: a decision for each session, read before it is saved."""

from __future__ import annotations

import datetime
from html import unescape
from typing import Any

import pytest

from iop_clinic.accounts.roles import Role
from scheduling.models import Closure, Decision, Session, TimeOff
from tests import factories as f
from tests.admin import Answer, Desk, actors, desk, url
from tests.attendance.house import FRI, SAT, THU, TUE
from tests.attendance.short_weeks import ShortWeek
from tests.lists import lines, panels, said

pytestmark = pytest.mark.django_db
NEXT = FRI + datetime.timedelta(days=7)
SNOW = {"reason": "Snow", "starts_on": FRI, "ends_on": FRI}


@pytest.fixture
def coordinator(week: ShortWeek, time_machine: Any) -> Desk:
    time_machine.move_to(week.now, tick=False)
    return Desk(week.by)


def friday(week: ShortWeek) -> Session:
    return Session.objects.get(group=week.house.group, starts_at__gt="2026-03-06T05:00Z")


def led(week: ShortWeek) -> Session:
    """Friday's session, with its leader."""
    row = friday(week)
    row.staff.create(
        clinic=week.clinic, therapist=week.house.therapist, starts_at=row.starts_at,
        ends_at=row.ends_at, live=True,
    )  # fmt: skip
    return row


def off(week: ShortWeek) -> dict[str, Any]:
    times = {"starts_at": ("2026-03-06", "08:00"), "ends_at": ("2026-03-06", "17:00")}
    return {"therapist": week.house.therapist, **times}


def of(row: Session, **boxes: Any) -> dict[str, Any]:
    """What is entered beside one session."""
    return {f"{name}_{row.pk}": value for name, value in boxes.items()}


def test_a_closure_cancels_what_nobody_decides_otherwise(week, coordinator):
    ahead = coordinator.look(Closure, "new", **SNOW)
    happens, short, others = ahead.panels
    assert (happens.title, lines(happens)) == (
        "What happens to 1 session", [("Cancel", "1", "1")],
    )  # fmt: skip
    assert short.title == "Nobody would fall short by it"
    assert lines(others) == [
        (str(week.patient.patient), "Mar 2 – Mar 8, 2026", "3 h", "6 h → 3 h", "9 h → 6 h",
         "short already"),
    ]  # fmt: skip
    assert (friday(week).live, Closure.objects.count()) == (True, 0)
    answer = coordinator.save(ahead)
    assert answer.sentences == ["The closure is saved. Next: call those on the call list."]
    assert friday(week).closure == Closure.objects.get()
    assert answer.location == url(Closure.objects.get(), "change")
    assert actors(friday(week)) == {coordinator.user.actor}


def test_who_would_lose_minutes_or_fall_short_is_told_by_name(week, coordinator):
    other = week.other()
    for seat, day in enumerate((TUE, THU, FRI), start=2):
        f.booking(week.house.day(day, []) if day != FRI else friday(week), other, seat)
    ahead = coordinator.look(Closure, "new", **SNOW, **of(friday(week), choice="moved", day=NEXT))
    told = {panel.title: lines(panel) for panel in ahead.panels[1:]}
    assert told.keys() == {"Would fall short: 1", "Others who would lose minutes: 1"}
    below = "falls below Adult IOP 2.1: at most 6 h of 9 h"
    days = "too few days for Adult IOP 2.1: at most 2 of 3 days"
    assert told["Would fall short: 1"] == [
        (str(other.patient), "Mar 2 – Mar 8, 2026", "3 h", "9 h → 6 h", "9 h",
         f"{below}; {days}"),
    ]  # fmt: skip


def test_each_session_has_its_own_decision(week, coordinator):
    row, later = friday(week), week.session(FRI)
    answer = coordinator.save(
        coordinator.look(
            Closure, "new", **SNOW,
            **of(row, choice="moved", day=SAT), **of(later, choice="by_video"),
        )
    )  # fmt: skip
    assert answer.status == 302, answer.errors
    later.refresh_from_db()
    assert Session.objects.get(pk=row.pk).local_date == SAT
    assert (later.live, later.by_video) == (True, True)


def test_one_choice_for_all_is_enough(week, coordinator):
    row, later = friday(week), week.session(FRI)
    coordinator.save(coordinator.look(Closure, "new", **SNOW, for_all="kept"))
    assert dict(Decision.objects.values_list("session", "choice")) == {
        row.pk: "kept", later.pk: "kept",
    }  # fmt: skip


def test_a_therapist_away_is_covered_by_whoever_is_free_first(week, coordinator):
    row, other = led(week), f.TherapistFactory(clinic=week.clinic, phone="555-0142")
    ahead = coordinator.look(TimeOff, "new", **off(week), for_all="covered")
    assert coordinator.save(ahead).status == 302
    assert list(row.staff.filter(active=True).values_list("therapist", flat=True)) == [other.pk]
    (shown,) = lines(panels(coordinator, TimeOff.objects.get())["What was decided"])
    assert shown[1:3] == (f"with {week.house.therapist.name}", f"Covered by {other.name}")


def test_who_is_free_is_offered_with_the_phone_and_why_the_others_are_not(week, coordinator):
    led(week)
    f.TherapistFactory(clinic=week.clinic, name="Ana Diaz", phone="555-0142")
    html = unescape(seen(coordinator, TimeOff, **off(week)))
    assert "Ana Diaz, LCSW, 555-0142" in html
    assert f"{week.house.therapist.name} leads it already" in html


def seen(at: Desk, model: Any, **data: Any) -> str:
    """The page that asks about each session."""
    asked = at.look(model, "new", **data).data
    del asked["seen"]
    return at.client.post(url(model, "new"), asked).content.decode()


def test_two_groups_are_combined(week, coordinator):
    row = led(week)
    group = f.GroupFactory(clinic=week.clinic, program=week.house.group.program)
    into = week.session(FRI, group=group)
    answer = coordinator.save(
        coordinator.look(TimeOff, "new", **off(week), **of(row, choice="combined", into=into))
    )
    assert answer.status == 302, answer.errors
    assert into.bookings.get().episode == week.patient
    assert Session.objects.get(pk=row.pk).live is False


def test_a_sick_call_is_for_the_whole_of_today_unless_it_says_otherwise(week, coordinator):
    coordinator.save(coordinator.look(TimeOff, "new", therapist=week.house.therapist))
    row = TimeOff.objects.get()
    assert (row.starts_at, row.ends_at) == (
        week.house.at("2026-03-05", "00:00"),
        week.house.at("2026-03-05", "23:59"),
    )


def test_what_touches_nothing_says_so_before_it_is_saved(week, coordinator):
    ahead = coordinator.look(Closure, "new", reason="Snow", starts_on=SAT, ends_on=SAT)
    assert [(one.title, one.rows, one.note) for one in ahead.panels] == [
        ("No session is touched", [], "")
    ]
    assert not Closure.objects.exists()
    answer = coordinator.save(ahead)
    assert (answer.status, answer.sentences) == (
        302, ["The closure is saved. No session is touched."],
    )  # fmt: skip


def test_of_days_that_are_past_it_says_what_stays(week, coordinator):
    Session.objects.filter(local_date=TUE).delete()
    ahead = coordinator.look(Closure, "new", reason="Snow", starts_on=TUE, ends_on=TUE)
    assert [(one.title, one.note) for one in ahead.panels] == [
        ("No session is touched",
         "It has begun: sessions whose roster is signed stay as they were."),
    ]  # fmt: skip


def test_a_year_mistyped_is_told_at_its_box(week, coordinator):
    late = {**SNOW, "ends_on": FRI.replace(year=2036)}
    answer = coordinator.fill(Closure, "new", **late)
    assert answer.errors == {"ends_on": ["Enter a date between 2000 and two years from today."]}
    assert not Closure.objects.exists()


def test_what_is_entered_already_is_told_at_its_box(week, coordinator):
    closed(coordinator)
    again = coordinator.fill(Closure, "new", **SNOW)
    said = "It is closed then already: Snow, Mar 6, 2026. Take that back first, or change the days."
    assert again.errors == {"starts_on": [said]}
    assert Closure.objects.count() == 1


def test_of_very_many_sessions_the_usual_is_done_with_all(week, coordinator, monkeypatch):
    row, later = friday(week), week.session(FRI)
    monkeypatch.setattr("attendance.admin.deciding.MOST_DECIDED", 1)
    html = seen(coordinator, Closure, **SNOW)
    assert (
        "2 sessions are too many to ask about one by one: all of them are cancelled. Change single "
        "ones on their pages afterwards, or enter it in parts."
    ) in html
    assert f"choice_{row.pk}" not in html
    coordinator.save(coordinator.look(Closure, "new", **SNOW))
    assert set(Decision.objects.values_list("session", "choice")) == {
        (row.pk, "cancelled"), (later.pk, "cancelled"),
    }  # fmt: skip


# --- bad input -----------------------------------------------------------------------------------


def test_a_closure_the_wrong_way_round_is_refused(week, coordinator):
    answer = coordinator.fill(Closure, "new", reason="Snow", starts_on=SAT, ends_on=FRI)
    assert answer.refusal == "The closure ends before it starts."
    assert not Closure.objects.exists()


def test_time_off_the_wrong_way_round_is_refused(week, coordinator):
    times = {"starts_at": ("2026-03-06", "17:00"), "ends_at": ("2026-03-06", "08:00")}
    answer = coordinator.fill(TimeOff, "new", therapist=week.house.therapist, **times)
    assert answer.refusal == "The time off ends before it starts."
    assert not TimeOff.objects.exists()


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"choice": "moved", "day": ""}, "day", "Say when it takes place."),
    ({"choice": "moved", "starts": "15:00", "ends": "14:00"}, "ends",
     "The session must end after it starts. Look at both times."),
    ({"choice": "moved", "starts": "15:00", "ends": "16:00"}, "starts",
     "A break lies after the new end."),
    ({"choice": "combined"}, "choice",
     "Select a valid choice. combined is not one of the available choices."),
    ({"choice": "covered"}, "choice",
     "Select a valid choice. covered is not one of the available choices."),
]  # fmt: skip


@pytest.mark.parametrize(("boxes", "at", "message"), WRONG)
def test_what_is_wrong_about_a_session_is_told_beside_it(week, coordinator, boxes, at, message):
    row = friday(week)
    answer = coordinator.fill(Closure, "new", **SNOW, **of(row, **boxes))
    if at == "starts":  # the service says it at the end of the new time
        at = "ends"
    assert answer.errors == {f"{at}_{row.pk}": [message]}
    assert "Nothing is saved yet. Look at the sessions that are marked below." in answer.html
    assert (Closure.objects.count(), friday(week).live) == (0, True)


def test_cover_without_a_therapist_is_refused(week, coordinator):
    row = led(week)
    answer = coordinator.fill(TimeOff, "new", **off(week), **of(row, choice="covered"))
    assert answer.errors == {f"therapist_{row.pk}": ["Choose who covers it."]}
    assert not TimeOff.objects.exists()


# --- two people ----------------------------------------------------------------------------------


def test_it_is_looked_at_again_when_somebody_is_booked_meanwhile(week, coordinator):
    ahead = coordinator.look(Closure, "new", **SNOW)
    f.booking(friday(week), week.other(), 2)
    answer = coordinator.save(ahead)
    assert answer.status == 200
    assert "Something has changed since you looked: this is how it stands." in answer.html
    assert not Closure.objects.exists()


def test_another_choice_is_looked_at_before_it_is_saved(week, coordinator):
    ahead = coordinator.look(Closure, "new", **SNOW)
    answer = coordinator.send(ahead.address, {**ahead.data, "for_all": "kept"})
    assert (answer.status, Closure.objects.count()) == (200, 0)
    assert "Something has changed" not in answer.html


def test_who_may_not_plan_decides_nothing(week):
    at = desk(week.clinic, Role.FRONT_DESK)
    assert at.open(Closure, "new").status_code == 403
    assert at.send(url(Closure, "new"), {}).status == 403


# --- taken back ----------------------------------------------------------------------------------


def closed(at: Desk, **boxes: Any) -> Closure:
    answer = at.save(at.look(Closure, "new", **SNOW, **boxes))
    assert answer.status == 302, answer.errors
    return Closure.objects.get()


def test_a_closure_is_taken_back_with_its_sessions(week, coordinator):
    row = friday(week)
    closure = closed(coordinator)
    ahead = coordinator.look(closure, "take-back")
    html = coordinator.client.post(ahead.address, ahead.data | {"seen": ""}).content.decode()
    assert "Do it as it stands.</p>" in html  # there are no values to change
    (panel,) = ahead.panels
    assert (panel.title, [line[0] for line in lines(panel)]) == (
        "As before", [f"{row.title}, Fri Mar 6, 9:00 AM"],
    )  # fmt: skip
    assert (friday(week).live, Closure.objects.count()) == (False, 1)
    answer = coordinator.save(ahead)
    assert answer.sentences == ["It is taken back: 1 session is as before."]
    assert (friday(week).live, Closure.objects.in_force().exists()) == (True, False)
    assert coordinator.open(closure, "take-back").status_code == 200
    assert "take-back" not in coordinator.open(closure, "change").content.decode()


def test_what_does_not_fit_any_more_is_told_with_a_link(week, coordinator):
    row = friday(week)
    closure = closed(coordinator)
    other = f.session(week.clinic, FRI.isoformat(), "09:30", "10:30", session_type=week.house.type)
    f.booking(other, week.patient)
    answer: Answer = coordinator.save(coordinator.look(closure, "take-back"))
    assert (answer.status, Closure.objects.in_force().count()) == (200, 0)
    assert f'href="{url(row, "change")}"' in answer.html
    assert "The patient is booked elsewhere at this time." in said(answer.html)
    assert friday(week).live is False


def test_a_time_off_is_taken_back_on_its_page(week, coordinator):
    row = led(week)
    coordinator.save(coordinator.look(TimeOff, "new", **off(week)))
    row.refresh_from_db()
    assert row.needs_attention.startswith("No leader")
    answer = coordinator.save(coordinator.look(TimeOff.objects.get(), "take-back"))
    assert answer.sentences == ["It is taken back: 1 session is as before."]
    row.refresh_from_db()
    assert (row.needs_attention, TimeOff.objects.in_force().count()) == ("", 0)


def test_who_may_not_plan_takes_nothing_back(week, coordinator):
    closure = closed(coordinator)
    at = desk(week.clinic, Role.FRONT_DESK)
    assert at.send(url(closure, "take-back"), {}).status == 403
    assert (friday(week).live, Closure.objects.count()) == (False, 1)
