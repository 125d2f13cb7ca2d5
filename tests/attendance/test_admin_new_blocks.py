"""Weekly blocks entered at the admin site: what they would plan is read before it is saved."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from scheduling.models import Booking, WeeklyBlock
from scheduling.services import add_closure, add_time_off
from tests import factories as f
from tests.admin import Desk, actors, url, written
from tests.attendance.house import SAT
from tests.attendance.short_weeks import ShortWeek
from tests.lists import ahead_said

pytestmark = pytest.mark.django_db
WEEK = datetime.timedelta(days=7)
ANOTHER = (
    "The group has another weekly block then: Friday 9:00 AM. Choose another time, or change that "
    "one."
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


@pytest.mark.parametrize(
    ("until", "last", "said"),
    [
        (SAT, None, "From Mar 8, 2026 on"),
        (SAT + WEEK, SAT + WEEK, ""),
        (SAT + WEEK, SAT + WEEK * 2, "From Mar 15, 2026 on"),
    ],
)
def test_a_license_that_ends_before_the_block_is_told_ahead(week, coordinator, until, last, said):
    sam = f.TherapistFactory(clinic=week.clinic, name="Sam")
    f.LicenseFactory(therapist=sam, expires_on=until)
    entered = given(week, facilitator=sam, valid_until=last or "")
    rest = f"{said} nobody is licensed: Sam’s license ends the day before."
    told = ahead_said(coordinator.look(WeeklyBlock, "new", **entered))
    assert told.get("License") == ([(rest,)] if said else None)


def test_one_hour_of_several_weekdays_is_entered_at_once(week, coordinator):
    days = given(week, weekday=[5, 6], valid_until=SAT + WEEK)
    ahead = coordinator.look(WeeklyBlock, "new", **days)
    found = ahead_said(ahead)
    assert [row[0] for row in found["3 sessions in the next 4 weeks"]] == [
        f"{day}, 9:00 AM – 12:20 PM" for day in ("Sat Mar 7", "Sun Mar 8", "Sat Mar 14")
    ]
    answer = coordinator.save(ahead)
    said = "Saturday 9:00 AM, Sunday 9:00 AM are entered. 3 sessions are planned."
    assert (answer.sentences, answer.location) == ([said], url(week.house.group, "change"))
    new = WeeklyBlock.objects.filter(valid_from=SAT)
    assert sorted(new.values_list("weekday", "valid_until")) == [
        (5, SAT + WEEK), (6, SAT + WEEK),
    ]  # fmt: skip


def test_of_several_weekdays_one_in_the_way_leaves_all_out(week, coordinator):
    before = written()
    answer = coordinator.fill(WeeklyBlock, "new", **given(week, weekday=[5, 4]))
    assert answer.errors == {"starts_at": [ANOTHER]}
    assert written() == before


def test_the_next_of_a_group_begins_as_its_last(week, coordinator):
    room = f.RoomFactory(clinic=week.clinic)
    last = f.WeeklyBlockFactory(
        group=week.house.group, weekday=5, valid_from=SAT, valid_until=SAT + WEEK, room=room
    )
    form = coordinator.open(WeeklyBlock, "new", group=week.house.group.pk).context["form"]
    names = ("session_type", "facilitator", "room", "valid_from", "valid_until", "weekday")
    assert [form[name].value() for name in names] == [
        last.session_type_id, last.facilitator_id, room.pk, SAT, SAT + WEEK, None,
    ]  # fmt: skip
    other = f.GroupFactory(clinic=week.clinic)
    for named in (other.pk, "x", 10**30):
        form = coordinator.open(WeeklyBlock, "new", group=named).context["form"]
        assert [form[name].value() for name in names] == [None] * 6


def test_what_a_new_block_would_plan_is_read_before_it_is_entered(week, coordinator):
    room = f.RoomFactory(clinic=week.clinic, name="Green")
    f.session(week.clinic, SATURDAYS[1].isoformat(), "09:00", "10:00", room=room)
    closed = {"clinic": week.clinic, "starts_on": SATURDAYS[2], "ends_on": SATURDAYS[2]}
    add_closure(**closed, reason="Snow", by=week.by)
    away = {"starts_at": week.house.at(SATURDAYS[3], "00:00"), "therapist": week.house.therapist}
    add_time_off(**away, ends_at=week.house.at(SATURDAYS[3], "23:00"), by=week.by)
    before, led = written(), week.house.therapist.name
    found = ahead_said(coordinator.look(WeeklyBlock, "new", **given(week, room=room)))
    assert found["4 sessions in the next 4 weeks"] == [
        ("Sat Mar 7, 9:00 AM – 12:20 PM", led, "Green", "1 of 12", ""),
        ("Sat Mar 14, 9:00 AM – 12:20 PM", led, "no room", "1 of 12", "No room: Green is taken"),
        ("Sat Mar 21, 9:00 AM – 12:20 PM", led, "Green", "0 of 12", "Cancelled: Snow"),
        ("Sat Mar 28, 9:00 AM – 12:20 PM", "nobody", "Green", "1 of 12",
         f"No leader: {led} has time off"),
    ]  # fmt: skip
    assert written() == before


def test_what_a_full_week_reaches_with_it_is_said(week, coordinator):
    found = ahead_said(coordinator.look(WeeklyBlock, "new", **given(week)))
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
