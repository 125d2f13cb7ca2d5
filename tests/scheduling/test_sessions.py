"""Single sessions: created, moved, cancelled and revived."""

import datetime
from typing import Any

import pytest
from django.db import IntegrityError

from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.models import AuditEvent
from patients.models import KeepApart
from scheduling import services
from scheduling.models import Booking, Group, Session, SessionType
from tests import factories as f
from tests.scheduling.conftest import TODAY, World

DAY = datetime.timedelta(days=1)


def create(
    world: World, starts: str = "09:00", ends: str = "10:00", day: str = "2026-03-03", **extra: Any
) -> Session:
    asked = {
        "clinic": world.clinic,
        "session_type": world.kind,
        "therapist": world.therapist,
        "by": world.by,
        **extra,
    }
    return services.create_session(
        starts_at=world.at(day, starts), ends_at=world.at(day, ends), **asked
    )


def refused(world: World, *times: str, **extra: Any) -> Refused:
    before = Session.objects.count(), Booking.objects.count()
    with pytest.raises(Refused) as caught:
        create(world, *times, **extra)
    assert (Session.objects.count(), Booking.objects.count()) == before
    return caught.value


def individual(world: World) -> SessionType:
    return f.SessionTypeFactory(clinic=world.clinic, kind=SessionType.Kind.INDIVIDUAL)


def test_an_individual_session_with_its_patient(world: World) -> None:
    episode = world.episode()
    row = create(world, session_type=individual(world), room=world.room, episodes=[episode])
    assert (row.zone, row.local_date, row.capacity) == ("America/New_York", TODAY + DAY, 1)
    assert list(row.staff.values_list("therapist", "role", "starts_at")) == [
        (world.therapist.pk, "facilitator", row.starts_at)
    ]
    assert list(row.bookings.values_list("episode", "seat", "live")) == [(episode.pk, 1, True)]


def test_a_lecture_has_its_types_ceiling(world: World) -> None:
    kind = f.SessionTypeFactory(clinic=world.clinic, kind="education", ceiling=2)
    row = create(world, session_type=kind, episodes=world.episodes(2))
    assert (row.capacity, row.ceiling, row.bookings.count()) == (2, 2, 2)
    refusal = refused(world, "11:00", "12:00", session_type=kind, episodes=world.episodes(3))
    assert refusal.code == "session_full"


def test_an_extra_session_of_a_group_has_the_groups_seats(world: World) -> None:
    row = create(world, group=world.group)
    assert (row.capacity, row.ceiling, row.title) == (8, 15, world.group.name)


def test_an_extra_session_has_the_seats_that_its_group_has_by_then(world: World) -> None:
    services.set_capacity(group=Group.objects.get(), capacity=10, by=world.by)
    assert (world.group.capacity, create(world, group=world.group).capacity) == (8, 10)


def test_an_evening_session_belongs_to_its_local_date(world: World) -> None:
    assert create(world, "21:00", "22:00").local_date == TODAY + DAY


@pytest.mark.parametrize("times", [("09:00", "09:14"), ("09:00", "15:01"), ("10:00", "09:00")])
def test_fifteen_minutes_to_six_hours(world: World, times: tuple[str, str]) -> None:
    refusal = refused(world, *times)
    assert (refusal.code, refusal.field) == ("session_length", "ends_at")


@pytest.mark.parametrize("times", [("09:00:00.5", "10:00"), ("09:00", "10:00:30")])
def test_whole_minutes_only(world: World, times: tuple[str, str]) -> None:
    """Minutes are counted: half of one would be lost here and shown there."""
    refusal = refused(world, *times)
    place = "starts_at" if "." in times[0] else "ends_at"
    assert (refusal.code, refusal.field) == ("session_length", place)


def test_fifteen_minutes_and_six_hours_themselves(world: World) -> None:
    assert create(world, "09:00", "09:15").pk
    assert create(world, "10:00", "16:00").pk


@pytest.mark.parametrize("day", ["1999-12-31", "2029-01-01", "2026-01-15"])
def test_dates_that_are_typing_mistakes(world: World, day: str) -> None:
    assert refused(world, day=day).code == "session_date"


def test_a_date_more_than_a_year_ahead_is_a_year_typed_wrongly(world: World) -> None:
    answer = refused(world, day="2027-03-04")
    assert (answer.code, answer.field) == ("first_day", "starts_at")


def test_an_import_may_bring_sessions_of_long_ago(world: World) -> None:
    assert create(world, day="2024-01-15", by=Job("import")).pk


def test_a_closed_clinic(world: World) -> None:
    services.add_closure(
        clinic=world.clinic,
        starts_on=TODAY + DAY,
        ends_on=TODAY + DAY,
        from_time=datetime.time(9, 30),
        reason="Training",
        by=world.by,
    )
    refusal = refused(world)
    assert (refusal.code, refusal.message) == (
        "clinic_closed",
        "The clinic is closed then: Training. Choose another time.",
    )
    assert create(world, "08:30", "09:30").pk


def test_a_therapist_leads_one_session_at_a_time(world: World) -> None:
    create(world)
    assert refused(world, "09:59", "11:00").code == "therapist_busy"
    assert create(world, "10:00", "11:00").pk


def test_a_therapist_with_time_off_or_who_left(world: World) -> None:
    services.add_time_off(
        therapist=world.therapist,
        starts_at=world.at("2026-03-03", "00:00"),
        ends_at=world.at("2026-03-04", "00:00"),
        by=world.by,
    )
    assert refused(world).code == "therapist_busy"
    gone = f.TherapistFactory(clinic=world.clinic, active=False)
    assert refused(world, therapist=gone).code == "therapist_busy"


def test_a_license_is_valid_on_the_date_of_the_session(world: World) -> None:
    f.LicenseFactory(therapist=world.therapist, expires_on=TODAY)
    assert refused(world).code == "not_qualified"
    assert create(world, day="2026-03-02").needs_attention == ""


def test_a_room_takes_one_session_at_a_time(world: World) -> None:
    create(world, room=world.room)
    other = f.TherapistFactory(clinic=world.clinic)
    assert refused(world, therapist=other, room=world.room).code == "room_busy"
    assert create(world, therapist=other, room=f.RoomFactory(clinic=world.clinic)).pk


def test_a_patient_who_is_elsewhere(world: World) -> None:
    episodes = world.episodes(3)
    for episode in episodes[:2]:
        f.booking(world.session("2026-03-03"), episode)
    refusal = refused(world, episodes=episodes)
    assert (refusal.code, refusal.message) == (
        "patient_busy",
        "2 patients are booked elsewhere at this time. Choose another one.",
    )


def test_whoever_does_not_fit_together(world: World) -> None:
    young = world.episode(
        patient=f.PatientFactory(clinic=world.clinic, birth_date=datetime.date(2010, 1, 1))
    )
    assert refused(world, episodes=[young, world.episode()]).code == "not_suitable"
    assert refused(world, episodes=[world.episode(on=TODAY + 9 * DAY)]).code == "not_active"


def test_nobody_on_hold_is_booked_with_a_new_session(world: World) -> None:
    away = world.episode()
    away.holds.create(
        clinic=away.clinic, reason="leave", starts_on=TODAY - DAY, ends_on=TODAY + 30 * DAY
    )
    assert refused(world, episodes=[world.episode(), away]).code == "on_hold"


def test_a_room_of_another_clinic_is_the_databases_matter(world: World) -> None:
    with pytest.raises(IntegrityError, match="session_room_same_clinic"):
        create(world, room=f.RoomFactory())


# --- move ----------------------------------------------------------------------------------------


def move(world: World, row: Session, starts: str, ends: str, **extra: Any) -> Session:
    day = extra.pop("day", "2026-03-03")
    return services.move_session(
        session=row,
        starts_at=world.at(day, starts),
        ends_at=world.at(day, ends),
        by=world.by,
        **extra,
    )


def unmoved(world: World, row: Session, *times: str, **extra: Any) -> Refused:
    before = Session.objects.values().get(pk=row.pk)
    with pytest.raises(Refused) as caught:
        move(world, row, *times, **extra)
    assert Session.objects.values().get(pk=row.pk) == before
    return caught.value


def test_staff_and_bookings_move_with_their_session(world: World) -> None:
    row = create(world, episodes=world.episodes(2), room=world.room)
    move(world, row, "09:30", "10:30", day="2026-03-04")
    times = {(row.starts_at, row.ends_at)}
    assert row.local_date == TODAY + 2 * DAY
    assert set(row.bookings.values_list("starts_at", "ends_at")) == times
    assert set(row.staff.values_list("starts_at", "ends_at")) == times
    assert (row.room, row.version) == (world.room, 2)


def test_an_occurrence_keeps_its_original_date(world: World) -> None:
    world.block()
    services.expand(clinic=world.clinic, today=TODAY, weeks=1, by=world.by)
    row = Session.objects.get()
    move(world, row, "09:00", "10:00")
    assert (row.local_date, row.original_local_date) == (TODAY + DAY, TODAY)


def test_a_move_to_what_is_taken(world: World) -> None:
    row = create(world, episodes=[world.episode()], room=world.room)
    other = f.TherapistFactory(clinic=world.clinic)
    create(world, "11:00", "12:00")
    create(world, "13:00", "14:00", therapist=other, room=world.room)
    f.booking(world.session("2026-03-03", "15:00", "16:00"), row.bookings.get().episode)
    codes = [
        unmoved(world, row, *times).code
        for times in (("11:30", "12:30"), ("13:30", "14:30"), ("15:30", "16:30"))
    ]
    assert codes == ["therapist_busy", "room_busy", "patient_busy"]


def test_a_move_over_its_own_time(world: World) -> None:
    row = create(world, episodes=[world.episode()], room=world.room)
    assert move(world, row, "09:30", "10:30").version == 2


def test_a_session_that_has_begun_stays(world: World) -> None:
    row = world.session("2026-03-01")
    assert unmoved(world, row, "09:00", "10:00").code == "session_begun"


def test_no_move_into_the_past_or_out_of_a_cancelled_session(world: World) -> None:
    row = create(world)
    assert unmoved(world, row, "09:00", "10:00", day="2026-03-01").code == "session_date"
    services.cancel_session(session=row, reason="Ill", by=world.by)
    assert unmoved(world, row, "11:00", "12:00").code == "session_cancelled"


def test_a_break_stays_inside(world: World) -> None:
    row = world.session("2026-03-03", breaks=[[30, 40]])
    assert unmoved(world, row, "09:00", "09:35").code == "session_breaks_inside"
    assert move(world, row, "09:00", "09:40").version == 2


def test_a_nested_visit_holds_its_session_until_it_is_withdrawn(world: World) -> None:
    episode = world.episode()
    outer = create(world, episodes=[episode])
    visit = services.book(
        session=world.session("2026-03-03", "09:15", "09:30"),
        episode=episode,
        nested_in=outer.bookings.get(),
        by=world.by,
    )
    assert unmoved(world, outer, "11:00", "12:00").code == "nested_visit"
    services.withdraw(booking=visit, reason="Not needed", by=world.by)
    assert move(world, outer, "11:00", "12:00").version == 2


def test_a_visit_inside_stays_when_only_the_room_changes(world: World) -> None:
    episode = world.episode()
    outer = create(world, episodes=[episode])
    inside = world.session("2026-03-03", "09:15", "09:30")
    visit = services.book(
        session=inside, episode=episode, nested_in=outer.bookings.get(), by=world.by
    )
    assert move(world, outer, "09:00", "10:00", room=world.room).room == world.room
    visit.refresh_from_db()
    assert (visit.nested_in, visit.version) == (outer.bookings.get(), 1)


def test_a_new_room_settles_what_needed_attention(world: World) -> None:
    row = world.session("2026-03-03", needs_attention="No room: Room 1 is taken; License: x")
    move(world, row, "09:00", "10:00", room=world.room)
    assert (row.room, row.needs_attention) == (world.room, "License: x")


# --- cancel and revive ---------------------------------------------------------------------------


def cancel(world: World, row: Session) -> Session:
    return services.cancel_session(session=row, reason="Therapist ill", by=world.by)


def test_a_cancelled_session_frees_everybody(world: World) -> None:
    episode = world.episode()
    row = cancel(world, create(world, episodes=[episode], room=world.room))
    assert (row.live, row.cancelled_reason, row.bookings.get().live) == (
        False,
        "Therapist ill",
        False,
    )
    assert row.bookings.get().state == "booked"
    assert create(world, episodes=[episode], room=world.room).pk


def test_cancelling_again_changes_nothing(world: World) -> None:
    row = cancel(world, create(world))
    services.cancel_session(session=row, reason="Another", by=world.by)
    row.refresh_from_db()
    assert (row.cancelled_reason, row.version) == ("Therapist ill", 2)


def test_a_signed_session_took_place(world: World) -> None:
    row = world.session(signed_at=world.at("2026-03-02", "10:00"), signed_by=world.by)
    with pytest.raises(Refused) as caught:
        cancel(world, row)
    assert (caught.value.code, Session.objects.get().live) == ("roster_signed", True)


def test_a_revived_session_is_as_before(world: World) -> None:
    row = cancel(world, create(world, episodes=[world.episode()], room=world.room))
    services.revive_session(session=row, by=world.by)
    assert (row.live, row.state, row.cancelled_reason, row.cancelled_at) == (
        True,
        "scheduled",
        "",
        None,
    )
    assert (row.bookings.get().live, row.staff.get().live) == (True, True)


def test_whoever_was_enrolled_meanwhile_is_seated(world: World) -> None:
    row = cancel(world, world.group_session("2026-03-09"))
    services.enrol(group=world.group, episode=world.episode(), starts_on=TODAY, by=world.by)
    services.revive_session(session=row, by=world.by)
    assert row.bookings.count() == 1


def test_no_revival_of_a_session_in_which_patients_would_meet_who_are_kept_apart(
    world: World,
) -> None:
    """A guest was in it when it was cancelled; then the other one was enrolled in the group."""
    guest, member = world.episodes(2)
    row = world.group_session("2026-03-09")
    f.booking(row, guest)
    cancel(world, row)
    KeepApart.objects.create(
        clinic=world.clinic, patient=guest.patient, other=member.patient, reason="Assault"
    )
    services.enrol(group=world.group, episode=member, starts_on=TODAY, by=world.by)
    with pytest.raises(Refused) as caught:
        services.revive_session(session=row, by=world.by)
    row.refresh_from_db()
    assert (caught.value.code, row.live, row.bookings.count()) == ("not_suitable", False, 1)


def test_no_revival_into_what_was_taken_meanwhile(world: World) -> None:
    episode = world.episode()
    row = cancel(world, create(world, episodes=[episode], room=world.room))
    other = create(world, therapist=f.TherapistFactory(clinic=world.clinic), episodes=[episode])
    with pytest.raises(Refused) as caught:
        services.revive_session(session=row, by=world.by)
    assert caught.value.code == "patient_busy"
    cancel(world, other)
    create(world)
    with pytest.raises(Refused) as caught:
        services.revive_session(session=row, by=world.by)
    row.refresh_from_db()
    assert (caught.value.code, row.live) == ("therapist_busy", False)


# --- who did it ---------------------------------------------------------------------------------


def test_every_write_names_its_author(world: World) -> None:
    create(world, episodes=[world.episode()])
    tables = ["scheduling_session", "scheduling_sessionstaff", "scheduling_booking"]
    actors = AuditEvent.objects.filter(table_name__in=tables).values_list("actor", flat=True)
    assert list(actors) == [world.by.actor] * 3
