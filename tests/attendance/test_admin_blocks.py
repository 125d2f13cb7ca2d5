"""Weekly blocks at the admin site: what each would do is read before it is saved."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance import blocks
from attendance.sessions import cancel_session, move_session
from iop_clinic.accounts.models import AuditEvent, License, Therapist
from iop_clinic.accounts.roles import Role
from scheduling.models import Booking, Session, SessionStaff, WeeklyBlock
from scheduling.services import add_closure, add_time_off
from tests import factories as f
from tests.admin import Ahead, Desk, actors, desk, url
from tests.attendance.house import SAT, SUN, TUE
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db
WEEK = datetime.timedelta(days=7)
ANOTHER = (
    "The group has another weekly block then: Friday 9:00 AM. Choose another time, or change that "
    "one."
)
NOT_OF_ONE = (
    "In a single session only day, time, room and leader may differ. To hold it by video or off "
    "site, change where it meets on its own page."
)
SATURDAYS = [SAT + n * WEEK for n in range(4)]


@pytest.fixture
def coordinator(week: ShortWeek) -> Desk:
    return Desk(week.by)


def given(week: ShortWeek, **extra: Any) -> dict[str, Any]:
    """Saturdays from nine to ten past twelve."""
    return {
        "group": week.house.group, "session_type": week.house.type, "weekday": 5,
        "starts_at": "09:00", "ends_at": "12:20", "breaks": "60-70, 130-140",
        "facilitator": week.house.therapist, "valid_from": SAT, **extra,
    }  # fmt: skip


@pytest.fixture
def block(week: ShortWeek) -> WeeklyBlock:
    """Saturdays from nine to ten, with the house's patient."""
    row = f.WeeklyBlockFactory(
        group=week.house.group, weekday=5, valid_from=SAT, session_type=week.house.type,
        facilitator=week.house.therapist, room=f.RoomFactory(clinic=week.clinic, name="Blue"),
    )  # fmt: skip
    blocks.end_block(block=row, last=None, by=week.by)
    return row


def panels(ahead: Ahead) -> dict[str, list[tuple[str, ...]]]:
    return {one.title: [tuple(map(text, row)) for row in one.rows] for one in ahead.panels}


def text(cell: Any) -> str:
    """A cell without the tags of its link."""
    found = str(cell)
    while "<" in found:
        found = found[: found.index("<")] + found[found.index(">") + 1 :]
    return found


def written() -> int:
    return AuditEvent.objects.exclude(operation="R").count()


def saturday(block: WeeklyBlock, nth: int = 0) -> Session:
    return Session.objects.get(block__group=block.group, original_local_date=SATURDAYS[nth])


def licensed(week: ShortWeek, name: str, **extra: Any) -> Therapist:
    row = f.TherapistFactory(clinic=week.clinic, name=name)
    f.LicenseFactory(therapist=row, **extra)
    return row


@pytest.mark.parametrize(
    ("until", "last", "said"),
    [
        (SAT, None, "From Mar 8, 2026 on"),
        (SAT + WEEK, SAT + WEEK, ""),
        (SAT + WEEK, SAT + WEEK * 2, "From Mar 15, 2026 on"),
    ],
)
def test_a_license_that_ends_before_the_block_is_told_ahead(week, coordinator, until, last, said):
    sam = licensed(week, "Sam", expires_on=until)
    entered = given(week, facilitator=sam, valid_until=last or "")
    rest = f"{said} nobody is licensed: Sam’s license ends the day before."
    told = panels(coordinator.look(WeeklyBlock, "new", **entered))
    assert told.get("License") == ([(rest,)] if said else None)


def test_another_leaders_license_is_told_ahead_and_an_old_ones_is_not(block, week, coordinator):
    sam = licensed(week, "Sam", expires_on=SAT)
    told = panels(coordinator.look(block, "change-block", facilitator=sam))
    said = "From Mar 8, 2026 on nobody is licensed: Sam’s license ends the day before."
    assert told["License"] == [(said,)]
    License.objects.filter(therapist=sam).update(expires_on=SAT - datetime.timedelta(days=1))
    answer = coordinator.fill(block, "change-block", facilitator=sam)
    assert list(answer.errors) == ["facilitator"]
    License.objects.update(therapist=week.house.therapist)
    assert "License" not in panels(coordinator.look(block, "change-block", ends_at="10:30"))


def times(block: WeeklyBlock) -> list[str]:
    rows = Session.objects.live().filter(block__room__name="Blue").order_by("starts_at")
    return [f"{one.starts_at.astimezone(one.tz):%a %-d %H:%M}" for one in rows]


# --- entering one --------------------------------------------------------------------------------


def test_what_a_new_block_would_plan_is_read_before_it_is_entered(week, coordinator):
    room = f.RoomFactory(clinic=week.clinic, name="Green")
    f.session(week.clinic, SATURDAYS[1].isoformat(), "09:00", "10:00", room=room)
    closed = {"clinic": week.clinic, "starts_on": SATURDAYS[2], "ends_on": SATURDAYS[2]}
    add_closure(**closed, reason="Snow", by=week.by)
    away = {"starts_at": week.house.at(SATURDAYS[3], "00:00"), "therapist": week.house.therapist}
    add_time_off(**away, ends_at=week.house.at(SATURDAYS[3], "23:00"), by=week.by)
    before, led = written(), week.house.therapist.name
    found = panels(coordinator.look(WeeklyBlock, "new", **given(week, room=room)))
    assert found["4 sessions in the next 4 weeks"] == [
        ("Sat Mar 7, 9:00 AM – 12:20 PM", led, "Green", "1 of 12", ""),
        ("Sat Mar 14, 9:00 AM – 12:20 PM", led, "no room", "1 of 12", "No room: Green is taken"),
        ("Sat Mar 21, 9:00 AM – 12:20 PM", led, "Green", "0 of 12", "Cancelled: Snow"),
        ("Sat Mar 28, 9:00 AM – 12:20 PM", "nobody", "Green", "1 of 12",
         f"No leader: {led} has time off"),
    ]  # fmt: skip
    assert written() == before


def test_what_a_full_week_reaches_with_it_is_said(week, coordinator):
    found = panels(coordinator.look(WeeklyBlock, "new", **given(week)))
    (line,) = found["What a full week reaches"]
    assert line[2:] == ("12 h of 9 h", "4 of 3, from 3 h a day", "reaches it")


def test_it_is_entered_by_the_next_click_and_planned(week, coordinator):
    answer = coordinator.save(coordinator.look(WeeklyBlock, "new", **given(week)))
    row = WeeklyBlock.objects.get(weekday=5)
    assert answer.location == url(week.house.group, "change")
    assert (row.breaks, row.every_weeks) == ([[60, 70], [130, 140]], 1)
    assert list(row.sessions.values_list("local_date", flat=True)) == SATURDAYS
    assert actors(row, "I") == {coordinator.user.actor}


def test_a_standing_hour_of_one_patient_is_entered_the_same_way(week, coordinator):
    own = given(week, group="", episode=week.patient, ends_at="10:00", breaks="", every_weeks=2)
    coordinator.save(coordinator.look(WeeklyBlock, "new", **own))
    row = WeeklyBlock.objects.get(weekday=5)
    assert (row.episode, row.every_weeks, row.sessions.count()) == (week.patient, 2, 2)
    assert Booking.objects.filter(session__block=row, episode=week.patient).count() == 2


@pytest.mark.parametrize(
    ("wrong", "field", "sentence"),
    [
        ({"ends_at": "08:00"}, "ends_at", "The block must end after it starts, on the same day."),
        (
            {"starts_at": "23:00", "ends_at": "01:00"},
            "ends_at",
            "The block must end after it starts, on the same day.",
        ),
        ({"facilitator": ""}, "facilitator", "This field is required."),
        (
            {"breaks": "190-210"},
            "breaks",
            "Breaks are pairs of minutes inside the block, in order.",
        ),
        ({"breaks": "soon"}, "breaks", 'Enter minutes such as "60-70, 130-140".'),
        ({"ends_at": "16:00"}, "ends_at", "A session lasts 15 minutes to 6 hours."),
        ({"weekday": 4}, "starts_at", ANOTHER),
        (
            {"valid_until": SAT - WEEK},
            "valid_until",
            "The block's last date lies before its first.",
        ),
        ({"group": ""}, "group", "A weekly block belongs to a group or to one patient."),
    ],
)
def test_a_block_that_cannot_be_is_refused_at_its_field(week, coordinator, wrong, field, sentence):
    before = written()
    answer = coordinator.fill(WeeklyBlock, "new", **given(week, **wrong))
    assert answer.errors == {field: [sentence]}
    assert written() == before


def test_what_is_looked_at_is_looked_at_again_when_it_changes(week, coordinator):
    ahead = coordinator.look(WeeklyBlock, "new", **given(week))
    closed = {"clinic": week.clinic, "starts_on": SATURDAYS[2], "ends_on": SATURDAYS[2]}
    add_closure(**closed, reason="Snow", by=week.by)
    answer = coordinator.save(ahead)
    assert (answer.status, WeeklyBlock.objects.filter(weekday=5).count()) == (200, 0)
    assert "Cancelled: Snow" in answer.html


# --- changing one --------------------------------------------------------------------------------


def test_all_to_come_is_read_and_then_changed(week, coordinator, block):
    before = written()
    to = {"weekday": 6, "starts_at": "13:00", "ends_at": "14:00"}
    ahead = coordinator.look(block, "change-block", **to)
    found = panels(ahead)
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
    found = panels(ahead)
    assert len(found["3 sessions to change"]) == 3
    assert found["What stays"] == [("Sat Mar 7", "This change does not touch it")]
    coordinator.save(ahead)
    assert times(block) == ["Sat 7 09:00", "Sat 14 11:00", "Sat 21 11:00", "Sat 28 11:00"]


def test_from_a_date_on_the_page_of_the_block(week, coordinator, block):
    other = f.TherapistFactory(clinic=week.clinic)
    scope = SATURDAYS[2].isoformat()
    ahead = coordinator.look(block, "change-block", scope=scope, facilitator=other)
    led = week.house.therapist.name
    assert panels(ahead)["2 sessions to change"][0] == ("Sat Mar 21", led, other.name, "")
    coordinator.save(ahead)
    parts = SessionStaff.objects.filter(session__block__room__name="Blue", active=True)
    leads = parts.order_by("starts_at").values_list("therapist", flat=True)
    assert list(leads) == [week.house.therapist.pk] * 2 + [other.pk] * 2


def test_one_session_alone_is_moved_and_led_by_another(week, coordinator, block):
    other = f.TherapistFactory(clinic=week.clinic)
    to = {"weekday": 6, "starts_at": "13:00", "ends_at": "14:00", "facilitator": other}
    ahead = coordinator.look(saturday(block, 1), "change-block", scope="one", **to)
    led = week.house.therapist.name
    assert panels(ahead)["1 session to change"] == [
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
    found = panels(coordinator.look(block, "change-block", weekday=6))
    assert found["What stays"] == [
        ("Sat Mar 14", "It was moved by hand"), ("Sat Mar 21", "It is cancelled: Flood")
    ]  # fmt: skip
    assert found["1 session to cancel"] == [("Sat Mar 28", "Holiday")]
    assert len(found["1 session to change"]) == 1


def test_who_leaves_a_seat_by_another_day_is_named(week, coordinator, block):
    week.patient.memberships.update(ends_on=SAT)
    found = panels(coordinator.look(block, "change-block", weekday=6))
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
    found = panels(ahead)
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
    assert all_pages() == before == [142, 107, 148]
