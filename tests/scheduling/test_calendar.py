"""What a phone reads from a therapist's calendar, read back by a parser that did not write it."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import vobject
from django.db import connection
from django.utils import timezone

from iop_clinic.accounts.models import AuditEvent, Therapist
from scheduling import services
from scheduling.calendar import calendar, entries_of
from scheduling.models import Session, SessionStaff
from tests import factories as f
from tests.scheduling.conftest import World, build


def read(world: World, therapist: Therapist | None = None) -> bytes:
    whose = therapist or world.therapist
    entries = entries_of(whose, world.clinic, timezone.now())
    return calendar(entries, name="Sessions,\nof mine", uid=whose.public_id)


def events(world: World, therapist: Therapist | None = None) -> list[Any]:
    whole = vobject.readOne(read(world, therapist).decode())
    return list(whole.contents.get("vevent", []))


def event(world: World, therapist: Therapist | None = None) -> dict[str, Any]:
    (only,) = events(world, therapist)
    return {name: rows[0].value for name, rows in only.contents.items()}


def led(world: World, day: str = "2026-03-03", **extra: Any) -> Session:
    """A group's session tomorrow at nine, led by the world's therapist."""
    return world.group_session(day, therapist=world.therapist, **extra)


# --- what an event says --------------------------------------------------------------------------


def test_a_groups_session(world: World) -> None:
    row = led(world, room=world.room)
    told = event(world)
    changed = told.pop("dtstamp")
    assert told.pop("last-modified") == changed
    assert told == {
        "uid": str(row.public_id),
        "sequence": "0",
        "dtstart": world.at("2026-03-03", "09:00"),
        "dtend": world.at("2026-03-03", "10:00"),
        "summary": world.group.name,
        "location": world.room.name,
        "status": "CONFIRMED",
        "transp": "OPAQUE",
        "class": "PRIVATE",
    }


def test_an_individual_session_says_its_type_and_no_more(world: World) -> None:
    kind = f.SessionTypeFactory(clinic=world.clinic, name="Individual", kind="individual")
    episode = world.episode()
    row = world.session("2026-03-03", therapist=world.therapist, session_type=kind)
    f.booking(row, episode)
    services.cancel_session(session=row, reason=f"{episode.patient} moved away", by=world.by)
    text = read(world).decode()
    assert event(world)["summary"] == "Individual"
    for told in (episode.patient.first_name, episode.patient.last_name, "moved away"):
        assert told not in text
    for line in ("ATTENDEE", "ORGANIZER", "DESCRIPTION", "COMMENT", "VALARM", "URL"):
        assert line not in text


def test_by_video_and_no_place_yet(world: World) -> None:
    led(world, by_video=True)
    assert event(world)["location"] == "By video"
    Session.objects.update(by_video=False, off_site="Main St clinic")
    assert event(world)["location"] == "Main St clinic"
    Session.objects.update(off_site="")
    assert "location" not in event(world)


def test_the_calendar_says_what_it_is_and_when_to_ask_again(world: World) -> None:
    lines = read(world).decode().split("\r\n")
    assert lines == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//IOP Clinic//Calendar feed//EN",
        "NAME:Sessions\\, of mine",
        "X-WR-CALNAME:Sessions\\, of mine",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
        f"UID:{world.therapist.public_id}",
        "X-PUBLISHED-TTL:PT1H",
        "END:VCALENDAR",
        "",
    ]


def test_long_names_are_folded_and_line_breaks_add_no_line(world: World) -> None:
    world.group.name = "Ärzte, A; \\ \r\nATTENDEE:mailto:roe@a.org"
    world.group.save()
    room = f.RoomFactory(clinic=world.clinic, name="Ö" * 60)
    led(world, room=room)
    written = read(world)
    lines = written.split(b"\r\n")
    assert max(len(line) for line in lines) <= 75
    assert b"\n" not in written.replace(b"\r\n", b"")
    assert not any(line.startswith(b"ATTENDEE") for line in lines)
    told = event(world)
    assert told["summary"] == "Ärzte, A; \\ ATTENDEE:mailto:roe@a.org"
    assert told["location"] == "Ö" * 60


# --- which sessions ------------------------------------------------------------------------------


def test_thirty_days_back_to_a_hundred_and_twenty_ahead(world: World) -> None:
    days = ["2026-01-30", "2026-01-31", "2026-06-30", "2026-07-01"]
    rows = [led(world, day) for day in days]
    assert [one.uid.value for one in events(world)] == [str(row.public_id) for row in rows[1:3]]


def test_only_what_this_therapist_leads(world: World) -> None:
    colleague, elsewhere = f.TherapistFactory(clinic=world.clinic), build()
    world.group_session("2026-03-03", therapist=colleague)
    elsewhere.group_session("2026-03-03", therapist=elsewhere.therapist)
    row = led(world, "2026-03-04")
    assert [one.uid.value for one in events(world)] == [str(row.public_id)]


def test_who_leads_together_has_the_same_event(world: World) -> None:
    colleague, row = f.TherapistFactory(clinic=world.clinic), led(world)
    services.sessions.add_staff(row, colleague, SessionStaff.Role.CO_FACILITATOR)
    assert event(world)["uid"] == event(world, colleague)["uid"] == str(row.public_id)


# --- what changes --------------------------------------------------------------------------------


def move(world: World, row: Session) -> None:
    services.move_session(
        session=row,
        starts_at=world.at("2026-03-05", "14:00"),
        ends_at=world.at("2026-03-05", "15:00"),
        by=world.by,
    )


def change_room(world: World, row: Session) -> None:
    room = f.RoomFactory(clinic=world.clinic)
    services.move_session(
        session=row, starts_at=row.starts_at, ends_at=row.ends_at, room=room, by=world.by
    )


def close_room(world: World, row: Session) -> None:
    services.add_closure(
        clinic=world.clinic, starts_on=row.local_date, ends_on=row.local_date,
        reason="Paint", room=world.room, by=world.by,
    )  # fmt: skip


def close_clinic(world: World, row: Session) -> None:
    services.add_closure(
        clinic=world.clinic, starts_on=row.local_date, ends_on=row.local_date,
        reason="Snow", by=world.by,
    )  # fmt: skip


def cancel(world: World, row: Session) -> None:
    services.cancel_session(session=row, reason="Snow", by=world.by)


def revive(world: World, row: Session) -> None:
    services.revive_session(session=row, by=world.by)


def cover(world: World, row: Session) -> None:
    services.assign_substitute(
        session=row, therapist=f.TherapistFactory(clinic=world.clinic), by=world.by
    )


def come_back(world: World, row: Session) -> None:
    services.assign_substitute(session=row, therapist=world.therapist, by=world.by)


def take_time_off(world: World, row: Session) -> None:
    services.add_time_off(
        therapist=world.therapist, starts_at=row.starts_at, ends_at=row.ends_at, by=world.by
    )


Change = Callable[[World, Session], None]


@pytest.mark.parametrize(
    ("before", "change", "status"),
    [
        ([], move, "CONFIRMED"),
        ([], change_room, "CONFIRMED"),
        ([], close_room, "CONFIRMED"),
        ([], cancel, "CANCELLED"),
        ([], close_clinic, "CANCELLED"),
        ([cancel], revive, "CONFIRMED"),
        ([], cover, "CANCELLED"),
        ([], take_time_off, "CANCELLED"),
        ([cover], come_back, "CONFIRMED"),
        ([cover], move, "CANCELLED"),
    ],
)  # fmt: skip
def test_the_event_stays_the_same_one_and_its_sequence_grows(
    world: World, before: list[Change], change: Change, status: str
) -> None:
    row = led(world, room=world.room)
    for step in before:
        step(world, row)
    old = event(world)
    change(world, row)
    new = event(world)
    assert (new["uid"], new["status"]) == (old["uid"], status)
    assert int(new["sequence"]) == int(old["sequence"]) + 1


def test_a_moved_session_is_told_with_its_new_time_and_place(world: World) -> None:
    row = led(world, room=world.room)
    move(world, row)
    close_room(world, row)
    told = event(world)
    starts, ends = world.at("2026-03-05", "14:00"), world.at("2026-03-05", "15:00")
    assert (told["dtstart"], told["dtend"]) == (starts, ends)
    assert (told["sequence"], told["transp"], "location" in told) == ("2", "OPAQUE", False)


def test_a_substitute_gets_it_and_who_led_it_before_sees_it_cancelled(world: World) -> None:
    row, first, second = led(world), *(f.TherapistFactory(clinic=world.clinic) for _ in range(2))
    steps = []
    for therapist in (first, second, world.therapist):
        services.assign_substitute(session=row, therapist=therapist, by=world.by)
        steps.append(
            [
                (told["status"], told["transp"], told["sequence"])
                for one in (world.therapist, first, second)
                for told in ([event(world, one)] if events(world, one) else [])
            ]
        )
    assert steps == [
        [("CANCELLED", "TRANSPARENT", "1"), ("CONFIRMED", "OPAQUE", "1")],
        [("CANCELLED", "TRANSPARENT", "2")] * 2 + [("CONFIRMED", "OPAQUE", "2")],
        [("CONFIRMED", "OPAQUE", "3")] + [("CANCELLED", "TRANSPARENT", "3")] * 2,
    ]


def test_who_gave_a_session_away_is_not_told_where_it_went(world: World) -> None:
    row = led(world, room=world.room)
    move(world, row)
    then = row.starts_at, row.ends_at
    cover(world, row)
    for day in ("2026-03-06", "2026-03-09"):
        starts, ends = world.at(day, "16:00"), world.at(day, "17:30")
        services.move_session(session=row, starts_at=starts, ends_at=ends, by=world.by)
        change_room(world, row)
        told = event(world)
        assert (told["status"], told["dtstart"], told["dtend"]) == ("CANCELLED", *then)
        assert "location" not in told
    come_back(world, row)
    told = event(world)
    assert (told["dtstart"], told["dtend"], told["location"]) == (starts, ends, row.room.name)


def test_what_was_given_away_is_changed_no_more(world: World) -> None:
    row = led(world, room=world.room)
    cover(world, row)
    age(world)
    before = event(world)["last-modified"]
    move(world, row)
    world.room.name = "Room West"
    world.room.save()
    assert event(world)["last-modified"] == before


def test_a_substitute_keeps_the_past_session_when_access_to_it_has_ended(
    world: World, time_machine: Any
) -> None:
    substitute, row = f.TherapistFactory(clinic=world.clinic), led(world)
    services.assign_substitute(session=row, therapist=substitute, by=world.by)
    time_machine.move_to("2026-03-20T12:00Z")
    assert event(world, substitute)["status"] == "CONFIRMED"


# --- when it changed -----------------------------------------------------------------------------


def written(row: Any, *columns: str) -> datetime.datetime:
    """When one of these columns was written last, to the second, as the trail tells."""
    event = AuditEvent.objects.filter(
        table_name=row._meta.db_table, row_id=row.pk, new__has_any_keys=list(columns)
    ).latest("at")
    return event.at.replace(microsecond=0)


def age(world: World) -> None:
    """All that was written so far was written an hour before."""
    with_time = "UPDATE accounts_auditevent SET at = at - interval '1 hour'"
    trigger = "ALTER TABLE accounts_auditevent {} TRIGGER auditevent_append_only"
    with connection.cursor() as cursor:
        cursor.execute(trigger.format("DISABLE"))
        cursor.execute(with_time)
        cursor.execute(trigger.format("ENABLE"))


def test_it_was_changed_when_what_it_shows_was_written(world: World) -> None:
    row = led(world, room=world.room)
    age(world)
    assert event(world)["dtstamp"] == written(row, "starts_at")
    move(world, row)
    assert event(world)["dtstamp"] == written(row, "starts_at")
    age(world)
    come_and_go = written(row, "starts_at")
    cover(world, row)
    part = row.staff.get(therapist=world.therapist)
    assert event(world)["dtstamp"] == written(part, "active") > come_and_go


def test_a_new_name_of_room_or_group_changes_the_event(world: World) -> None:
    led(world, room=world.room)
    age(world)
    for named in (world.room, world.group):
        before = event(world)["dtstamp"]
        named.name = f"{named.name} East"
        named.save()
        assert event(world)["dtstamp"] == written(named, "name") > before
        age(world)


def test_what_no_calendar_shows_does_not_change_when_it_was_changed(world: World) -> None:
    row = led(world, room=world.room)
    age(world)
    before = event(world)
    Session.objects.filter(pk=row.pk).update(needs_attention="License expires")
    world.room.seats = 20
    world.room.save()
    world.group.capacity = 9
    world.group.save()
    assert event(world) == before


def test_nothing_depends_on_when_it_is_asked_for(world: World, time_machine: Any) -> None:
    led(world)
    before = read(world)
    time_machine.move_to("2026-03-02T22:00Z")
    assert read(world) == before


# --- the clocks ----------------------------------------------------------------------------------

NO_CHANGE = ["America/Phoenix", "Pacific/Honolulu", "America/Puerto_Rico"]
BOTH_CHANGES = ["America/New_York", "America/Los_Angeles", "America/Anchorage", "Europe/London"]


def wall_times(world: World) -> list[tuple[str, str]]:
    """Weekday and wall time of every event, seen from a phone in the clinic's zone."""
    zone = ZoneInfo(world.clinic.zone)
    local = [one.dtstart.value.astimezone(zone) for one in events(world)]
    return [(f"{at:%Y-%m-%d %a}", f"{at:%H:%M}") for at in local]


@pytest.mark.parametrize("start", ["2026-03-02", "2026-10-19"])
@pytest.mark.parametrize("zone", [*NO_CHANGE, *BOTH_CHANGES])
def test_a_weekly_group_stays_on_its_weekday_at_its_wall_time(
    db: None, zone: str, start: str, time_machine: Any
) -> None:
    time_machine.move_to(f"{start}T10:00Z")
    world, first = build(zone), datetime.date.fromisoformat(start)
    late = {"starts_at": datetime.time(22, 30), "ends_at": datetime.time(23, 30)}
    world.block(weekday=6, **late)
    services.expand(clinic=world.clinic, today=first, by=world.by)
    sundays = [first + datetime.timedelta(days=6 + 7 * n) for n in range(4)]
    assert wall_times(world) == [(f"{day:%Y-%m-%d %a}", "22:30") for day in sundays]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-08", 2), ("2026-11-01", 4)])
def test_a_night_in_which_the_clocks_change_is_as_long_as_it_is(
    world: World, day: str, hours: int, time_machine: Any
) -> None:
    time_machine.move_to(f"{day}T00:00Z")
    world.session(day, "00:30", "03:30", therapist=world.therapist)
    told = event(world)
    assert told["dtend"] - told["dtstart"] == datetime.timedelta(hours=hours)
    assert told["dtstart"].utcoffset() == datetime.timedelta(0)
