"""Two groups' sessions held as one: who moves, who stays and why, and all of it undone."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused
from patients.models import AgeBracket, Episode, KeepApart, Level, TreatmentPlan
from scheduling import services
from scheduling.models import Booking, CallIn, Group, GroupMembership, Session
from scheduling.services import Combined
from tests import factories as f
from tests.scheduling.conftest import TODAY, World

DAY = "2026-03-03"


@dataclass
class Two:
    """Tuesday's session of the world's group, and at the same time that of another one."""

    world: World
    other: Group
    first: Session
    into: Session

    def sit(self, count: int, session: Session | None = None, first: int = 1) -> list[Booking]:
        rows = self.world.episodes(count)
        here = session or self.first
        return [f.booking(here, row, seat) for seat, row in enumerate(rows, start=first)]

    def combine(self, **extra: Any) -> Combined:
        asked = {"session": self.first, "into": self.into, "by": self.world.by, **extra}
        return services.combine_sessions(**asked)

    def part(self, **extra: Any) -> Combined:
        return services.part_sessions(session=self.first, by=self.world.by, **extra)

    def refused(self, **extra: Any) -> str:
        """The code, of what changes nothing."""
        return unchanged(lambda: self.combine(**extra))


def unchanged(write: Any) -> str:
    before = snapshot()
    with pytest.raises(Refused) as caught:
        write()
    assert snapshot() == before
    return caught.value.code


def snapshot() -> tuple[list[Any], list[Any]]:
    return list(Session.objects.order_by("pk").values()), list(
        Booking.objects.order_by("pk").values()
    )


@pytest.fixture
def two(world: World) -> Two:
    other = f.GroupFactory(clinic=world.clinic, program=world.program, capacity=8)
    return Two(world, other, world.group_session(DAY), world.session(DAY, group=other, capacity=8))


def seats(session: Session, state: str = "booked") -> list[tuple[int, int]]:
    rows = session.bookings.filter(state=state).order_by("seat")
    return list(rows.values_list("episode", "seat"))


def test_everybody_sits_in_the_other_session_and_the_first_is_cancelled(two: Two) -> None:
    rows, (there,) = two.sit(3), two.sit(1, two.into, first=2)
    done = two.combine()
    assert [row.episode_id for row in done.moved] == [row.episode_id for row in rows]
    assert done.left == ()
    assert seats(two.into) == [
        (rows[0].episode_id, 1), (there.episode_id, 2),
        (rows[1].episode_id, 3), (rows[2].episode_id, 4),
    ]  # fmt: skip
    two.first.refresh_from_db()
    assert (two.first.live, two.first.cancelled_reason) == (False, f"Combined with {two.other}")
    assert set(two.first.bookings.values_list("state", "withdrawn_reason")) == {
        ("withdrawn", f"Combined with {two.other}")
    }
    assert [row.combined_from_id for row in done.moved] == [row.pk for row in rows]


def test_above_the_capacity_with_reason_and_author_up_to_fifteen(two: Two) -> None:
    two.sit(7, two.into)
    Session.objects.filter(pk=two.first.pk).update(capacity=9)
    rows = two.sit(9)
    done = two.combine()
    over = [(row.seat, row.overflow_reason, row.overflow_by) for row in done.moved]
    said = f"Combined with {two.world.group}"
    assert over[:2] == [(8, "", None), (9, said, two.world.by)]
    assert [seat for seat, *_ in over] == [8, 9, 10, 11, 12, 13, 14, 15]
    assert [(row.pk, why.code) for row, why in done.left] == [(rows[8].pk, "session_full")]
    assert Booking.objects.get(pk=rows[8].pk).state == "booked"


def test_a_job_gives_no_seat_above_the_capacity(two: Two) -> None:
    two.sit(8, two.into)
    two.sit(1)
    assert two.refused(by=Job("nightly")) == "overflow_needs_person"


def test_who_gave_notice_stays_expected(two: Two) -> None:
    gone, _ = two.sit(2)
    services.release(booking=gone, notified_at=timezone.now(), reason="illness", by=two.world.by)
    two.combine()
    row = two.into.bookings.get(episode=gone.episode)
    gone.refresh_from_db()
    assert (row.state, row.released_at, row.call_in_id) == (
        "released", gone.released_at, gone.call_in_id,
    )  # fmt: skip
    assert CallIn.objects.get().bookings.filter(state="released").get() == row


def test_a_member_is_withdrawn_from_both_when_the_membership_ends(two: Two) -> None:
    episode = two.world.episode()
    services.enrol(group=two.world.group, episode=episode, starts_on=TODAY, by=two.world.by)
    two.combine()
    services.end_membership(
        membership=GroupMembership.objects.get(), ends_on=TODAY, reason="Moved", by=two.world.by
    )
    assert list(two.into.bookings.values_list("state", flat=True)) == ["withdrawn"]


def of_level(two: Two, level: int, bracket: int = AgeBracket.ADULT) -> Episode:
    episode = two.world.episode()
    TreatmentPlan.objects.filter(episode=episode).update(level=level, age_bracket=bracket)
    return episode


def test_whoever_may_not_sit_there_keeps_the_booking_in_the_cancelled_session(two: Two) -> None:
    """The one question of every door: program, level, age bracket, hold, who is kept apart."""
    (fits,) = two.sit(1)
    elsewhere, paused, known = two.world.episodes(3)
    program = two.world.episode(program=f.ProgramFactory(clinic=two.world.clinic))
    level = two.world.episode()
    plan = {"level": Level.PHP, "weekly_minutes_target": 1200}
    TreatmentPlan.objects.filter(episode=level).update(**plan)
    (there,) = two.sit(1, two.into)
    KeepApart.objects.create(
        clinic=two.world.clinic, patient=known.patient, other=there.patient, reason="Assault"
    )
    paused.holds.create(clinic=two.world.clinic, reason="leave", starts_on=TODAY)
    Session.objects.filter(pk=two.into.pk).update(
        starts_at=two.world.at(DAY, "10:00"), ends_at=two.world.at(DAY, "11:00")
    )
    two.into.refresh_from_db()
    f.booking(two.world.session(DAY, "10:30", "11:30"), elsewhere)
    stay = [program, level, known, paused, elsewhere]
    for seat, episode in enumerate(stay, start=2):
        f.booking(two.first, episode, seat)
    done = two.combine()
    assert [row.episode_id for row in done.moved] == [fits.episode_id]
    assert [(row.episode, why.code) for row, why in done.left] == [
        (program, "not_suitable"),
        (level, "not_suitable"),
        (known, "not_suitable"),
        (paused, "on_hold"),
        (elsewhere, "patient_busy"),
    ]
    names = str(there.patient)
    assert all(names not in why.message for _, why in done.left)
    left = two.first.bookings.filter(state="booked")
    assert {row.episode for row in left} == set(stay)


def test_two_who_are_kept_apart_from_each_other_do_not_both_come(two: Two) -> None:
    one, second = two.sit(2)
    KeepApart.objects.create(
        clinic=two.world.clinic, patient=one.patient, other=second.patient, reason="Assault"
    )
    done = two.combine()
    assert [row.episode_id for row in done.moved] == [one.episode_id]
    assert [(row.pk, why.code) for row, why in done.left] == [(second.pk, "not_suitable")]


def test_who_sits_there_too_is_not_moved_and_a_withdrawn_row_is_booked_again(two: Two) -> None:
    both, back = two.sit(2)
    Session.objects.filter(pk=two.into.pk).update(
        starts_at=two.world.at(DAY, "10:00"), ends_at=two.world.at(DAY, "11:00")
    )
    two.into.refresh_from_db()
    f.booking(two.into, both.episode, 4)
    was = f.booking(two.into, back.episode, 5, state="withdrawn", withdrawn_reason="Plan")
    done = two.combine()
    assert [(row.pk, row.seat) for row in done.moved] == [(was.pk, 5)]
    assert [(row.pk, why.code) for row, why in done.left] == [(both.pk, "already_booked")]


def test_a_visit_interrupts_the_other_session_and_comes_back(two: Two) -> None:
    (row,) = two.sit(1)
    visit = services.book(
        session=two.world.session(DAY, "09:15", "09:30"),
        episode=row.episode, nested_in=row, by=two.world.by,
    )  # fmt: skip
    (there,) = two.combine().moved
    visit.refresh_from_db()
    assert visit.nested_in_id == there.pk
    two.part()
    visit.refresh_from_db()
    assert visit.nested_in_id == row.pk


@pytest.mark.parametrize("times", [("09:20", "10:20"), ("13:00", "14:00")])
def test_a_visit_at_another_time_stands_alone_or_is_in_the_way(two: Two, times: Any) -> None:
    (row,) = two.sit(1)
    visit = services.book(
        session=two.world.session(DAY, "09:15", "09:30"),
        episode=row.episode, nested_in=row, by=two.world.by,
    )  # fmt: skip
    starts, ends = times
    Session.objects.filter(pk=two.into.pk).update(
        starts_at=two.world.at(DAY, starts), ends_at=two.world.at(DAY, ends)
    )
    if starts == "09:20":
        assert two.refused() == "nobody_fits"
        return
    two.combine()
    visit.refresh_from_db()
    assert (visit.nested_in, visit.state) == (None, "booked")


def test_parted_again_the_patient_comes_back_around_the_visit(two: Two) -> None:
    (row,) = two.sit(1)
    kind = f.SessionTypeFactory(clinic=two.world.clinic, kind="prescriber")
    visit = services.book(
        session=two.world.session(DAY, "09:15", "09:30", session_type=kind),
        episode=row.episode, by=two.world.by,
    )  # fmt: skip
    Session.objects.filter(pk=two.into.pk).update(
        starts_at=two.world.at(DAY, "13:00"), ends_at=two.world.at(DAY, "14:00")
    )
    two.combine()
    assert [one.pk for one in two.part().moved] == [row.pk]
    visit.refresh_from_db()
    assert (visit.nested_in, visit.state) == (row, "booked")


def test_a_make_up_stays_one(two: Two) -> None:
    missed = f.booking(two.world.session("2026-02-23"), two.world.episode())
    f.booking(two.first, missed.episode, makes_up=missed)
    assert [row.makes_up for row in two.combine().moved] == [missed]


def test_what_cannot_be_combined(two: Two, world: World) -> None:
    two.sit(1)
    same = world.group_session(DAY)
    lecture = world.session(DAY)
    tomorrow = world.session("2026-03-04", group=two.other)
    past = world.session(TODAY.isoformat(), "03:00", "04:00", group=two.other)
    signed = world.session(DAY, group=two.other, signed_at=timezone.now(), signed_by=world.by)
    elsewhere = f.session(f.ClinicFactory(), DAY, "09:00", "10:00", group=None)
    refused = (same, lecture, tomorrow, past, signed, elsewhere, two.first)
    assert {two.refused(into=row) for row in refused} == {"not_combinable"}
    services.cancel_session(session=two.into, reason="Snow", by=world.by)
    assert two.refused() == "not_combinable"
    assert two.refused(session=lecture) == "not_combinable"
    assert two.refused(session=two.into, into=two.first) == "session_cancelled"
    assert two.refused(session=past, into=world.group_session(past.local_date.isoformat())) == (
        "session_over"
    )
    assert two.refused(session=signed, into=two.first) == "roster_signed"


def test_nobody_to_come_along(two: Two) -> None:
    assert two.refused() == "nobody_fits"


# --- parted again --------------------------------------------------------------------------------


def test_parted_again_everything_is_as_it_was(two: Two) -> None:
    rows = two.sit(3, first=2)
    gone = rows[2]
    services.release(booking=gone, notified_at=timezone.now(), reason="illness", by=two.world.by)
    before = list(two.first.bookings.order_by("pk").values_list("episode", "seat", "state"))
    two.sit(8, two.into)
    two.combine()
    done = two.part()
    assert {row.pk for row in done.moved} == {row.pk for row in rows}
    assert list(two.first.bookings.order_by("pk").values_list("episode", "seat", "state")) == before
    two.first.refresh_from_db()
    assert (two.first.live, two.into.bookings.filter(state="booked").count()) == (True, 8)
    assert not Booking.objects.filter(combined_from__isnull=False).exists()


def test_combined_and_parted_and_combined(two: Two) -> None:
    rows = two.sit(2)
    two.combine()
    two.part()
    done = two.combine()
    assert [row.combined_from_id for row in done.moved] == [row.pk for row in rows]
    assert [row.pk for row in two.part().moved] == [row.pk for row in rows]


def test_whoever_is_recorded_there_or_fits_no_more_stays(two: Two) -> None:
    stays, busy, comes = two.sit(3)
    Session.objects.filter(pk=two.into.pk).update(
        starts_at=two.world.at(DAY, "13:00"), ends_at=two.world.at(DAY, "14:00")
    )
    two.into.refresh_from_db()
    there = {row.episode_id: row for row in two.combine().moved}
    f.booking(two.world.session(DAY, "09:30", "10:30"), busy.episode)
    done = two.part(staying=[there[stays.episode_id].pk])
    assert [row.pk for row in done.moved] == [comes.pk]
    assert [(row.pk, why.code) for row, why in done.left] == [
        (there[busy.episode_id].pk, "patient_busy")
    ]
    assert {episode for episode, _ in seats(two.into)} == {stays.episode_id, busy.episode_id}


def test_no_parting_of_what_was_not_combined_is_over_or_lost_its_leader(two: Two) -> None:
    two.sit(1)
    assert unchanged(two.part) == "session_live"
    services.assign_substitute(session=two.first, therapist=two.world.therapist, by=two.world.by)
    two.combine()
    late = two.world.session(DAY, therapist=two.world.therapist)
    assert unchanged(two.part) == "therapist_busy"
    services.cancel_session(session=late, reason="Snow", by=two.world.by)
    assert unchanged(lambda: services.part_sessions(session=late, by=two.world.by)) == (
        "not_combined"
    )


def test_what_is_combined_takes_place_again_when_it_is_parted(two: Two) -> None:
    def revive() -> Session:
        return services.revive_session(session=two.first, by=two.world.by)

    stays, _ = two.sit(2)
    there = {row.episode_id: row.pk for row in two.combine().moved}
    assert unchanged(revive) == "combined"
    two.part(staying=[there[stays.episode_id]])
    services.cancel_session(session=two.first, reason="Snow", by=two.world.by)
    assert revive().live


def test_a_session_that_is_over_is_not_parted(two: Two, time_machine: Any) -> None:
    two.sit(1)
    two.combine()
    time_machine.move_to(two.first.ends_at)
    assert unchanged(two.part) == "session_over"


# --- candidates ----------------------------------------------------------------------------------


def test_those_that_take_most_come_first_then_the_nearest(two: Two, world: World) -> None:
    two.sit(3)
    late = world.session(DAY, "15:00", "16:00", group=two.other)
    near = world.session(DAY, "11:00", "12:00", group=two.other)
    Session.objects.filter(pk=two.into.pk).update(ceiling=8)
    two.sit(7, two.into)
    minors = f.GroupFactory(
        clinic=world.clinic, program=world.program, age_bracket=AgeBracket.ADOLESCENT
    )
    world.session(DAY, group=minors)
    world.session(DAY)
    found = services.combinable_with(two.first)
    assert [(one.session, len(one.coming), one.free_seats) for one in found] == [
        (near, 3, 12),
        (late, 3, 12),
        (two.into, 1, 1),
    ]
    assert [why.code for _, why in found[2].left] == ["session_full", "session_full"]


def test_nothing_to_combine_with(two: Two, world: World) -> None:
    assert services.combinable_with(two.first) == []
    assert services.combinable_with(world.session(DAY)) == []


def statements(session: Session) -> int:
    with CaptureQueriesContext(connection) as captured:
        services.combinable_with(session)
    return len(captured)


def test_they_are_found_in_the_same_statements_for_one_and_for_many(two: Two, world: World) -> None:
    two.sit(1)
    before = statements(two.first)
    two.sit(7, first=2)
    for hour in range(10, 16):
        session = world.session(DAY, f"{hour}:00", f"{hour}:50", group=two.other)
        two.sit(4, session)
    assert statements(two.first) == before == 6


def test_dates_and_times(two: Two) -> None:
    """At the same minute the next day is no candidate."""
    two.sit(1)
    Session.objects.filter(pk=two.into.pk).update(
        starts_at=two.into.starts_at + datetime.timedelta(days=1),
        ends_at=two.into.ends_at + datetime.timedelta(days=1),
        local_date=two.into.local_date + datetime.timedelta(days=1),
    )
    assert services.combinable_with(two.first) == []
