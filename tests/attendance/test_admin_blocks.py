"""Weekly blocks changed and ended at the admin site: what that would do is read first."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance import blocks
from attendance.sessions import cancel_session, move_session
from iop_clinic.accounts.models import License, Therapist
from iop_clinic.accounts.roles import Role
from scheduling.models import Session, SessionStaff, WeeklyBlock
from scheduling.services import add_closure
from tests import factories as f
from tests.admin import Desk, desk, url, written
from tests.attendance.house import SAT, SUN, TUE
from tests.attendance.short_weeks import ShortWeek
from tests.lists import ahead_said

pytestmark = pytest.mark.django_db
WEEK = datetime.timedelta(days=7)
NOT_OF_ONE = (
    "In a single session only day, time, room and leader may differ. To hold it by video or off "
    "site, change where it meets on its own page."
)
SATURDAYS = [SAT + n * WEEK for n in range(4)]


@pytest.fixture
def coordinator(week: ShortWeek) -> Desk:
    return Desk(week.by)


@pytest.fixture
def block(week: ShortWeek) -> WeeklyBlock:
    """Saturdays from nine to ten, with the house's patient."""
    row = f.WeeklyBlockFactory(
        group=week.house.group, weekday=5, valid_from=SAT, session_type=week.house.type,
        facilitator=week.house.therapist, room=f.RoomFactory(clinic=week.clinic, name="Blue"),
    )  # fmt: skip
    blocks.end_block(block=row, last=None, by=week.by)
    return row


def saturday(block: WeeklyBlock, nth: int = 0) -> Session:
    return Session.objects.get(block__group=block.group, original_local_date=SATURDAYS[nth])


def licensed(week: ShortWeek, name: str, **extra: Any) -> Therapist:
    row = f.TherapistFactory(clinic=week.clinic, name=name)
    f.LicenseFactory(therapist=row, **extra)
    return row


def test_another_leaders_license_is_told_ahead_and_an_old_ones_is_not(block, week, coordinator):
    sam = licensed(week, "Sam", expires_on=SAT)
    told = ahead_said(coordinator.look(block, "change-block", facilitator=sam))
    said = "From Mar 8, 2026 on nobody is licensed: Sam’s license ends the day before."
    assert told["License"] == [(said,)]
    License.objects.filter(therapist=sam).update(expires_on=SAT - datetime.timedelta(days=1))
    answer = coordinator.fill(block, "change-block", facilitator=sam)
    assert list(answer.errors) == ["facilitator"]
    License.objects.update(therapist=week.house.therapist)
    assert "License" not in ahead_said(coordinator.look(block, "change-block", ends_at="10:30"))


def times(block: WeeklyBlock) -> list[str]:
    rows = Session.objects.live().filter(block__room__name="Blue").order_by("starts_at")
    return [f"{one.starts_at.astimezone(one.tz):%a %-d %H:%M}" for one in rows]


# --- changing one --------------------------------------------------------------------------------


def test_all_to_come_is_read_and_then_changed(week, coordinator, block):
    before = written()
    to = {"weekday": 6, "starts_at": "13:00", "ends_at": "14:00"}
    ahead = coordinator.look(block, "change-block", **to)
    found = ahead_said(ahead)
    assert found["4 sessions to change"][0] == (
        "Sat Mar 7", "Sat Mar 7, 9:00 AM – 10:00 AM", "Sun Mar 8, 1:00 PM – 2:00 PM", ""
    )  # fmt: skip
    assert (found["What stays"], written()) == ([], before)
    answer = coordinator.save(ahead)
    assert answer.sentences == ["The block is changed. Sessions: 4 changed."]
    assert times(block) == ["Sun 8 13:00", "Sun 15 13:00", "Sun 22 13:00", "Sun 29 13:00"]
    assert WeeklyBlock.objects.get(pk=block.pk).version == block.version + 1


def test_this_and_following_from_a_session(week, coordinator, block):
    second = saturday(block, 1)
    ahead = coordinator.look(
        second, "change-block", scope=SATURDAYS[1].isoformat(), starts_at="11:00", ends_at="12:00"
    )
    found = ahead_said(ahead)
    assert len(found["3 sessions to change"]) == 3
    assert found["What stays"] == [("Sat Mar 7", "This change does not touch it")]
    coordinator.save(ahead)
    assert times(block) == ["Sat 7 09:00", "Sat 14 11:00", "Sat 21 11:00", "Sat 28 11:00"]


def test_from_a_date_on_the_page_of_the_block(week, coordinator, block):
    other = f.TherapistFactory(clinic=week.clinic)
    scope = SATURDAYS[2].isoformat()
    ahead = coordinator.look(block, "change-block", scope=scope, facilitator=other)
    led = week.house.therapist.name
    assert ahead_said(ahead)["2 sessions to change"][0] == ("Sat Mar 21", led, other.name, "")
    coordinator.save(ahead)
    parts = SessionStaff.objects.filter(session__block__room__name="Blue", active=True)
    leads = parts.order_by("starts_at").values_list("therapist", flat=True)
    assert list(leads) == [week.house.therapist.pk] * 2 + [other.pk] * 2


def test_one_session_alone_is_moved_and_led_by_another(week, coordinator, block):
    other = f.TherapistFactory(clinic=week.clinic)
    to = {"weekday": 6, "starts_at": "13:00", "ends_at": "14:00", "facilitator": other}
    ahead = coordinator.look(saturday(block, 1), "change-block", scope="one", **to)
    led = week.house.therapist.name
    assert ahead_said(ahead)["1 session to change"] == [
        ("Sat Mar 14", f"Sat Mar 14, 9:00 AM – 10:00 AM; {led}",
         f"Sun Mar 15, 1:00 PM – 2:00 PM; {other.name}", "")
    ]  # fmt: skip
    coordinator.save(ahead)
    assert times(block) == ["Sat 7 09:00", "Sun 15 13:00", "Sat 21 09:00", "Sat 28 09:00"]
    assert WeeklyBlock.objects.filter(room__name="Blue").count() == 1


@pytest.mark.parametrize(
    ("wrong", "field", "sentence"),
    [
        ({"by_video": "on"}, "by_video",
         NOT_OF_ONE),
        ({"room": ""}, "room", "Choose a room: a single session does not give its own up."),
        ({"starts_at": "11:00"}, "ends_at",
         "The session must end after it starts, on the same day."),
        ({}, "__all__", "Nothing differs from the block as it is. Change a value first."),
    ],
)  # fmt: skip
def test_what_one_session_cannot_be_is_refused(week, coordinator, block, wrong, field, sentence):
    before = written()
    answer = coordinator.fill(saturday(block), "change-block", scope="one", **wrong)
    assert answer.errors == {field: [sentence]}
    assert written() == before


def test_of_one_that_was_moved_by_hand_only_what_differs_is_changed(week, coordinator, block):
    starts = week.house.at(SAT, "15:00")
    at = {"starts_at": starts, "ends_at": starts + datetime.timedelta(hours=1)}
    move_session(session=saturday(block), by=week.by, **at)
    to = {"scope": "one", "weekday": 6}
    coordinator.save(coordinator.look(saturday(block), "change-block", **to))
    assert times(block)[0] == "Sun 8 15:00"


def test_what_stays_and_what_is_cancelled_is_said_with_its_reason(week, coordinator, block):
    starts = week.house.at(SATURDAYS[1], "15:00")
    at = {"starts_at": starts, "ends_at": starts + datetime.timedelta(hours=1)}
    move_session(session=saturday(block, 1), by=week.by, **at)
    cancel_session(session=saturday(block, 2), reason="Flood", by=week.by)
    day = SUN + 3 * WEEK
    closed = {"clinic": week.clinic, "starts_on": day, "ends_on": day}
    add_closure(**closed, reason="Holiday", by=week.by)
    found = ahead_said(coordinator.look(block, "change-block", weekday=6))
    assert found["What stays"] == [
        ("Sat Mar 14", "It was moved by hand"), ("Sat Mar 21", "It is cancelled: Flood")
    ]  # fmt: skip
    assert found["1 session to cancel"] == [("Sat Mar 28", "Holiday")]
    assert len(found["1 session to change"]) == 1


def test_who_leaves_a_seat_by_another_day_is_named(week, coordinator, block):
    week.patient.memberships.update(ends_on=SAT)
    found = ahead_said(coordinator.look(block, "change-block", weekday=6))
    ((patient, session, why),) = found["Who leaves a seat"][:1]
    assert (patient, why) == (str(week.patient.patient), "The weekly block meets on another day")
    assert session == f"{block.group}, Sun Mar 8, 9:00 AM"


def test_who_is_booked_elsewhere_is_named_with_the_dates_and_nothing_moves(
    week, coordinator, block
):
    other = f.session(week.clinic, SATURDAYS[1].isoformat(), "13:30", "14:30")
    f.booking(other, week.patient)
    before = written()
    answer = coordinator.fill(block, "change-block", starts_at="13:00", ends_at="14:00")
    said = "Patients are booked elsewhere at the new time on Sat Mar 14. Change that first."
    assert answer.errors == {"starts_at": [said]}
    assert "In the way at the new time" in answer.html
    assert str(week.patient.patient) in answer.html
    assert written() == before


def test_a_change_made_meanwhile_by_somebody_else_is_told(week, coordinator, block):
    ahead = coordinator.look(saturday(block), "change-block", scope="all", by_video="on", room="")
    blocks.change_block(block=block, by=week.by, starts_at=datetime.time(9, 15))
    answer = coordinator.save(ahead)
    assert answer.status == 200
    assert not WeeklyBlock.objects.get(pk=block.pk).by_video


# --- ending one ----------------------------------------------------------------------------------


def test_what_ends_with_it_is_read_first(week, coordinator, block):
    ahead = coordinator.look(block, "end", last=SATURDAYS[1])
    found = ahead_said(ahead)
    why = "The weekly block does not meet in this week any more"
    assert found["2 sessions to cancel"] == [("Sat Mar 21", why), ("Sat Mar 28", why)]
    answer = coordinator.save(ahead)
    assert answer.sentences == [
        "The block meets last on or before Mar 14, 2026. 2 sessions are cancelled."
    ]
    assert times(block) == ["Sat 7 09:00", "Sat 14 09:00"]


def test_it_does_not_end_before_it_began(week, coordinator, block):
    answer = coordinator.fill(block, "end", last=TUE)
    assert answer.errors == {"last": ["Choose Mar 7, 2026 or later."]}


# --- who may, and what it takes ------------------------------------------------------------------


@pytest.mark.parametrize("page", ["change-block", "end"])
def test_who_may_not_is_told_nothing(week, block, page):
    person = desk(week.clinic, Role.FRONT_DESK)
    before = written()
    assert person.open(block, page).status_code == 403
    assert person.client.post(url(block, page), {"last": SAT}).status_code == 403
    assert written() == before


def statements(at: Desk, row: Any, page: str, **to: Any) -> int:
    with CaptureQueriesContext(connection) as captured:
        at.look(row, page, **to)
    return len(captured)


def test_looking_takes_the_same_statements_for_one_and_for_twelve(week, coordinator, block):
    def all_pages() -> list[int]:
        return [
            statements(coordinator, block, "change-block", weekday=6),
            statements(coordinator, block, "end", last=SAT),
            statements(coordinator, saturday(block), "change-block", scope="all", weekday=6),
        ]

    before = all_pages()
    for seat in range(2, 13):
        patient = week.house.patient(seat=seat)
        for nth in range(4):
            f.booking(saturday(block, nth), patient, seat)
    blocks.end_block(block=block, last=None, by=week.by)  # seats them in the other blocks too
    assert all_pages() == before == [151, 116, 157]
