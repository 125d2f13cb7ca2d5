"""Groups, seats and sessions at the admin site: each verb once as meant, once with its mistake."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest
import time_machine

from iop_clinic.accounts.roles import Role
from patients.models import Episode
from scheduling.models import (
    Booking,
    CallIn,
    Closure,
    Group,
    GroupMembership,
    Room,
    Session,
    SessionType,
    TimeOff,
    WaitlistEntry,
    WeeklyBlock,
)
from scheduling.models.places import CREDITABLE_STAYS
from scheduling.services import expand
from scheduling.services.memberships import OR_WAIT
from tests import factories
from tests.admin import Desk, actors, desk, url
from tests.scheduling.conftest import World, build

TODAY = datetime.date(2026, 3, 2)  # a Monday
NEXT = datetime.date(2026, 3, 9)


@pytest.fixture(autouse=True)
def _early_on_monday() -> Iterator[None]:
    with time_machine.travel(datetime.datetime(2026, 3, 2, 12, 0, tzinfo=datetime.UTC), tick=False):
        yield


@pytest.fixture
def world(db: None) -> World:
    """A group that meets on Mondays at nine, planned for the next weeks."""
    world = build()
    world.block()
    expand(clinic=world.clinic, today=TODAY, by=world.by)
    return world


@pytest.fixture
def coordinator(world) -> Desk:
    return desk(world.clinic)


def enrolled(world: World, at: Desk, **extra: object) -> Episode:
    episode = world.episode()
    answer = at.fill(episode, "enrol", group=world.group, starts_on=TODAY, **extra)
    assert answer.status == 302, answer.errors
    return episode


def last_booking(world: World, at: Desk) -> Booking:
    return enrolled(world, at).bookings.latest("starts_at")


def planned(world: World, day: datetime.date = NEXT) -> Session:
    return Session.objects.get(group=world.group, local_date=day)


# --- enrol, transfer, end --------------------------------------------------------------------


def test_enrolling_gives_a_seat_and_books_the_planned_sessions(world, coordinator):
    episode = world.episode()
    answer = coordinator.fill(episode, "enrol", group=world.group, starts_on=TODAY)
    seat = GroupMembership.objects.get()
    assert (seat.episode, seat.seat, seat.starts_on) == (episode, 1, TODAY)
    assert Booking.objects.filter(membership=seat).count() == 4
    assert answer.sentences == [
        (
            f"{episode.patient} has seat 1 in {world.group} from Mar 2, 2026. "
            "The planned sessions are booked."
        )
    ]
    assert actors(seat, "I") == {coordinator.user.actor}


def test_the_ninth_patient_of_eight_seats_is_refused(world, coordinator):
    for _ in range(8):
        enrolled(world, coordinator)
    answer = coordinator.fill(world.episode(), "enrol", group=world.group, starts_on=TODAY)
    assert answer.errors == {"group": [f"All 8 seats of {world.group} are taken. {OR_WAIT}"]}
    assert GroupMembership.objects.count() == 8


def test_the_ninth_patient_gets_an_overflow_seat_with_a_reason_and_an_author(world, coordinator):
    for _ in range(8):
        enrolled(world, coordinator)
    ninth = enrolled(world, coordinator, overflow_reason="court date")
    seat = ninth.memberships.get()
    assert (seat.seat, seat.overflow_by) == (9, coordinator.user)


def test_a_second_seat_in_the_same_group_is_refused(world, coordinator):
    episode = enrolled(world, coordinator)
    answer = coordinator.fill(world.group, "enrol", episode=episode, starts_on=NEXT)
    assert answer.refusal == "The patient is already in this group on these dates."
    assert GroupMembership.objects.count() == 1


def test_a_seat_that_ends_before_it_starts_is_refused(world, coordinator):
    answer = coordinator.fill(
        world.episode(), "enrol", group=world.group, starts_on=NEXT, ends_on=TODAY
    )
    assert answer.errors == {"ends_on": ["The membership ends before it starts."]}
    assert not GroupMembership.objects.exists()


def test_a_patient_is_enrolled_from_the_groups_page_too(world, coordinator):
    episode = world.episode()
    answer = coordinator.fill(world.group, "enrol", episode=episode, starts_on=TODAY)
    assert answer.sentences[0].startswith(f"{episode.patient} has seat 1 of 8 from Mar 2, 2026.")


def test_a_transfer_moves_the_seat_and_the_bookings(world, coordinator):
    episode = enrolled(world, coordinator)
    other = factories.GroupFactory(clinic=world.clinic, program=world.program)
    old = episode.memberships.get()
    answer = coordinator.fill(old, "transfer", to_group=other, on=NEXT)
    old.refresh_from_db()
    new = episode.memberships.get(group=other)
    assert (old.ends_on, new.starts_on) == (datetime.date(2026, 3, 8), NEXT)
    assert answer.location == f"/admin/scheduling/groupmembership/{new.pk}/change/"
    assert actors(old) == {coordinator.user.actor}


def test_a_transfer_into_another_program_is_refused_and_the_seat_stays(world, coordinator):
    episode = enrolled(world, coordinator)
    other = factories.GroupFactory(clinic=world.clinic)
    answer = coordinator.fill(episode.memberships.get(), "transfer", to_group=other, on=NEXT)
    assert answer.refusal == f"{other} belongs to another program. Choose another group."
    assert episode.memberships.get().ends_on is None


def test_ending_a_membership_withdraws_what_comes_after(world, coordinator):
    seat = enrolled(world, coordinator).memberships.get()
    answer = coordinator.fill(seat, "end", ends_on=NEXT, reason="moved away")
    assert answer.sentences == ["The seat is free from the day after Mar 9, 2026 on."]
    assert seat.bookings.filter(state="withdrawn").count() == 2
    seat.refresh_from_db()
    assert (seat.ends_on, actors(seat)) == (NEXT, {coordinator.user.actor})


def test_a_membership_cannot_end_before_it_began(world, coordinator):
    seat = enrolled(world, coordinator).memberships.get()
    answer = coordinator.fill(seat, "end", ends_on="2026-03-01", reason="x")
    assert answer.errors == {"ends_on": ["The membership begins after this date."]}
    seat.refresh_from_db()
    assert seat.ends_on is None


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "soon"])
def test_a_day_nobody_meant_is_refused_without_an_error_page(world, coordinator, day):
    seat = enrolled(world, coordinator).memberships.get()
    other = factories.GroupFactory(clinic=world.clinic, program=world.program)
    assert list(coordinator.fill(seat, "transfer", to_group=other, on=day).errors) == ["on"]
    assert list(coordinator.fill(seat, "end", ends_on=day, reason="x").errors) == ["ends_on"]
    assert list(coordinator.fill(seat.episode, "plan", starts_on=day).errors) == ["starts_on"]
    seat.refresh_from_db()
    assert seat.ends_on is None


def test_a_seat_to_come_is_taken_back_one_that_began_is_not(world, coordinator):
    episode = world.episode()
    coordinator.fill(episode, "enrol", group=world.group, starts_on=NEXT)
    answer = coordinator.fill(episode.memberships.get(), "take-back", reason="wrong group")
    assert answer.sentences == [
        f"The seat in {world.group} is taken back and its bookings are withdrawn."
    ]
    assert not GroupMembership.objects.exists()
    seat = enrolled(world, coordinator).memberships.get()
    answer = coordinator.fill(seat, "take-back", reason="wrong group")
    assert answer.refusal == "The membership has begun. End it instead."


# --- groups ----------------------------------------------------------------------------------


def test_a_group_of_sixteen_is_refused_by_its_form(world, coordinator):
    answer = coordinator.fill(
        Group, "add", name="Birch", program=world.program, capacity=16, min_size=5
    )
    assert answer.refusal == "A group has 8 to 15 seats."
    assert Group.objects.count() == 1


def test_a_group_is_entered_and_its_name_is_unique_whatever_the_case(world, coordinator):
    given = {"name": "Birch", "program": world.program}
    assert coordinator.fill(Group, "add", **given).status == 302
    answer = coordinator.fill(Group, "add", **given | {"name": "BIRCH"})
    assert answer.refusal == "The clinic already has a group of this name."
    assert actors(Group.objects.get(name="Birch"), "I") == {coordinator.user.actor}


def test_the_capacity_is_set_for_planned_sessions_too_but_not_to_sixteen(world, coordinator):
    answer = coordinator.fill(world.group, "capacity", capacity=16)
    assert answer.errors == {"capacity": ["A group has 8 to 15 seats."]}
    answer = coordinator.fill(world.group, "capacity", capacity=10)
    assert answer.sentences == [f"{world.group} has 10 seats, in every planned session too."]
    assert planned(world).capacity == 10
    assert actors(world.group) == {coordinator.user.actor}


def test_a_capacity_under_the_members_is_refused(world, coordinator):
    coordinator.fill(world.group, "capacity", capacity=10)
    for _ in range(9):
        enrolled(world, coordinator)
    answer = coordinator.fill(world.group, "capacity", capacity=8)
    said = f"9 members sit in {world.group} on Mar 2, 2026. End some memberships first."
    assert answer.errors == {"capacity": [said]}
    world.group.refresh_from_db()
    assert world.group.capacity == 10


def block(world: World, **extra: object) -> dict[str, object]:
    return {
        "group": world.group,
        "session_type": world.kind,
        "weekday": 2,
        "starts_at": "09:00",
        "ends_at": "12:20",
        "facilitator": world.therapist,
        "valid_from": TODAY,
        **extra,
    }


def test_a_weekly_block_is_entered_with_its_breaks_and_planned_at_once(world, coordinator):
    given = block(world, breaks="60-70, 130-140")
    assert coordinator.fill(WeeklyBlock, "add", **given).status == 302
    row = WeeklyBlock.objects.get(weekday=2)
    assert row.breaks == [[60, 70], [130, 140]]
    answer = coordinator.fill(Group, "expand")
    assert answer.sentences == ["4 sessions are planned."]
    assert actors(row.sessions.earliest("starts_at"), "I") == {coordinator.user.actor}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"ends_at": "08:00"}, "The block must end after it starts, on the same day."),
        ({"breaks": "300-310"}, "Breaks are pairs of minutes inside the block, in order."),
        ({"breaks": "soon"}, 'Enter minutes such as "60-70, 130-140".'),
        ({"every_weeks": 3}, "A block repeats every week or every two weeks."),
        ({"valid_until": "2026-03-01"}, "The block's last date lies before its first."),
    ],
)
def test_a_weekly_block_that_cannot_be_is_refused(world, coordinator, wrong, sentence):
    answer = coordinator.fill(WeeklyBlock, "add", **block(world, **wrong))
    assert sentence in [one for errors in answer.errors.values() for one in errors]
    assert WeeklyBlock.objects.count() == 1


def test_a_patient_waits_once_for_a_group(world, coordinator):
    episode = world.episode()
    given = {"group": world.group, "episode": episode}
    assert coordinator.fill(WaitlistEntry, "add", **given).status == 302
    answer = coordinator.fill(WaitlistEntry, "add", **given)
    assert answer.refusal == "The patient already waits for this group."
    assert actors(WaitlistEntry.objects.get(), "I") == {coordinator.user.actor}


# --- the sick call ---------------------------------------------------------------------------


def call(**extra: object) -> dict[str, object]:
    return {
        "from_date": NEXT,
        "to_date": NEXT,
        "reason": "illness",
        "notified_at": ("2026-03-02", "07:00"),
        **extra,
    }


def test_a_call_in_frees_the_seats_and_keeps_the_patient_expected(world):
    front = desk(world.clinic, Role.FRONT_DESK)
    episode = enrolled(world, front)
    answer = front.fill(episode, "call-in", **call())
    row = CallIn.objects.get()
    assert row.notified_at == world.at("2026-03-02", "07:00")
    assert (row.taken_by, row.bookings.get().state) == (front.user, "released")
    said, _, link = answer.sentences[0].partition(" <a")
    assert said == (
        "Noted for Mon Mar 9: 1 booking released. The patient stays on the rosters as expected."
    )
    assert f'href="{url(row, "change")}"' in link


def test_the_same_call_is_noted_once(world, coordinator):
    episode = enrolled(world, coordinator)
    coordinator.fill(episode, "call-in", **call())
    answer = coordinator.fill(episode, "call-in", **call())
    assert answer.errors == {
        "from_date": [
            (
                "A call-in for these days stands already: Mon Mar 9. "
                "Take it back first if it was wrong."
            )
        ]
    }
    assert CallIn.objects.count() == 1


def call_ins(at, episode):
    (panel,) = [
        one for one in at.open(episode, "change").context["panels_above"] if one.title == "Call-ins"
    ]
    return panel.rows


def test_the_page_of_an_episode_shows_its_calls_and_where_to_take_them_back(world):
    front = desk(world.clinic, Role.FRONT_DESK)
    episode = enrolled(world, front)
    front.fill(episode, "call-in", **call())
    row = CallIn.objects.get()
    ((dates, *told, take_back),) = call_ins(front, episode)
    assert url(row, "change") in dates
    assert told == ["Illness", "Mon Mar 2, 7:00 AM EST", front.user, "stands"]
    assert url(row, "take-back") in take_back
    front.fill(row, "take-back")
    ((_, *_, standing, take_back),) = call_ins(front, episode)
    assert (standing, take_back) == (f"taken back Mar 2 by {front.user}", "")


def test_who_may_not_take_calls_sees_them_without_the_way_back(world, coordinator):
    episode = enrolled(world, coordinator)
    coordinator.fill(episode, "call-in", **call())
    reviewer = desk(world.clinic, Role.UTILIZATION_REVIEW)
    ((*_, standing, take_back),) = call_ins(reviewer, episode)
    assert (standing, take_back) == ("stands", "")


def test_the_list_of_calls_says_which_are_taken_back(world, coordinator):
    episode = enrolled(world, coordinator)
    coordinator.fill(episode, "call-in", **call())
    coordinator.fill(CallIn.objects.get(), "take-back")
    coordinator.fill(episode, "call-in", **call(reason="court"))
    html = coordinator.open(CallIn).content.decode()
    assert f"taken back Mar 2 by {coordinator.user}" in html
    standing = coordinator.open(CallIn, state="stands").context["cl"].queryset
    assert [row.reason for row in standing] == ["court"]


def test_a_released_booking_leads_to_its_call(world, coordinator):
    episode = enrolled(world, coordinator)
    coordinator.fill(episode, "call-in", **call())
    row = CallIn.objects.get()
    html = coordinator.open(row.bookings.get(), "change").content.decode()
    assert url(row, "change") in html


def test_taking_back_says_what_another_call_still_covers(world, coordinator):
    episode = enrolled(world, coordinator)
    coordinator.fill(episode, "call-in", **call())
    coordinator.fill(episode, "call-in", **call(to_date="2026-03-10"))
    answer = coordinator.fill(CallIn.objects.earliest("pk"), "take-back")
    assert answer.sentences == [
        (
            f"Taken back: 0 bookings again. Another call-in stands for {world.group.name}, "
            "Mon Mar 9, 9:00 AM."
        )
    ]
    assert Booking.objects.get(session__local_date=NEXT).state == "released"


def test_a_call_in_with_its_days_the_wrong_way_round_is_refused(world, coordinator):
    episode = enrolled(world, coordinator)
    answer = coordinator.fill(episode, "call-in", **call(to_date="2026-03-08"))
    assert answer.errors == {"to_date": ["The last day lies before the first. Look at both."]}
    assert not CallIn.objects.exists()


def test_the_form_names_the_zone_of_its_times(world, coordinator):
    html = coordinator.open(world.episode(), "call-in").content.decode()
    assert "America/New_York time." in html


# --- single bookings -------------------------------------------------------------------------


def test_a_guest_is_booked_into_one_session_and_only_once(world, coordinator):
    episode, session = world.episode(), planned(world)
    answer = coordinator.fill(episode, "book", session=session)
    row = Booking.objects.get()
    assert answer.sentences == [f"Seat 1 of {session} is booked for {episode.patient}."]
    assert actors(row, "I") == {coordinator.user.actor}
    again = coordinator.fill(episode, "book", session=session)
    assert (again.status, Booking.objects.count()) == (302, 1)


def test_the_missed_sessions_of_a_day_are_told_apart_by_their_time(world, coordinator):
    episode = enrolled(world, coordinator)
    first = episode.bookings.order_by("starts_at")[0]
    with time_machine.travel(first.ends_at, tick=False):
        html = coordinator.open(episode, "book").content.decode()
    assert f">{first.session.title}, Mon Mar 2, 9:00 AM</option>" in html


def test_nobody_is_booked_into_a_cancelled_session(world, coordinator):
    session = planned(world)
    coordinator.fill(session, "cancel", reason="snow")
    answer = coordinator.fill(world.episode(), "book", session=session)
    assert answer.errors == {"session": ["The session is cancelled. Choose another one."]}
    assert not Booking.objects.exists()


def test_a_patient_cannot_be_in_two_places(world, coordinator):
    episode = enrolled(world, coordinator)
    other = world.session("2026-03-09", "09:30", "10:30")
    answer = coordinator.fill(episode, "book", session=other)
    assert answer.refusal == "The patient is booked elsewhere at this time. Choose another time."
    assert not other.bookings.exists()


def test_releasing_frees_the_seat_withdrawing_ends_it(world, coordinator):
    booking = last_booking(world, coordinator)
    answer = coordinator.fill(
        booking, "release", reason="work", notified_at=("2026-03-02", "07:00")
    )
    assert "is released. The seat can be booked for somebody else." in answer.sentences[0]
    assert f'href="{url(CallIn.objects.get(), "take-back")}"' in answer.sentences[0]
    coordinator.fill(booking, "withdraw", reason="plan changed")
    booking.refresh_from_db()
    assert (booking.state, booking.version) == ("withdrawn", 3)
    assert actors(booking) == {coordinator.user.actor}


def test_a_release_or_withdrawal_without_a_reason_is_refused(world, coordinator):
    booking = last_booking(world, coordinator)
    assert list(coordinator.fill(booking, "withdraw", reason="").errors) == ["reason"]
    assert list(coordinator.fill(booking, "release", reason="").errors) == ["reason"]
    booking.refresh_from_db()
    assert (booking.state, booking.version) == ("booked", 1)


def test_a_withdrawn_booking_cannot_be_released(world, coordinator):
    booking = last_booking(world, coordinator)
    coordinator.fill(booking, "withdraw", reason="x")
    answer = coordinator.fill(
        booking, "release", reason="work", notified_at=("2026-03-02", "07:00")
    )
    assert answer.refusal == "The booking is withdrawn: nobody expects the patient there."


# --- sessions --------------------------------------------------------------------------------


def single(world: World, **extra: object) -> dict[str, object]:
    return {
        "session_type": world.kind,
        "therapist": world.therapist,
        "day": "2026-03-10",
        "starts": "14:00",
        "ends": "15:00",
        **extra,
    }


def test_a_single_session_is_planned_in_wall_time_with_its_patient(world, coordinator):
    episode = world.episode()
    answer = coordinator.fill(Session, "plan", **single(world, episode=episode))
    session = Session.objects.get(group=None)
    assert session.starts_at == world.at("2026-03-10", "14:00")
    assert [booking.episode for booking in session.bookings.all()] == [episode]
    assert answer.location == f"/admin/scheduling/session/{session.pk}/change/"
    assert actors(session, "I") == {coordinator.user.actor}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"ends": "13:00"}, "ends"),
        ({"day": "2026-03-09", "starts": "09:30", "ends": "10:30"}, "therapist"),
    ],
)
def test_a_session_that_cannot_be_is_refused(world, coordinator, wrong, field):
    answer = coordinator.fill(Session, "plan", **single(world, **wrong))
    assert list(answer.errors) == [field]
    assert not Session.objects.filter(group=None).exists()


def test_a_taken_room_is_refused_at_the_room(world, coordinator):
    helper = factories.TherapistFactory(clinic=world.clinic)
    given = single(
        world, therapist=helper, day="2026-03-09", starts="09:30", ends="10:30", room=world.room
    )
    answer = coordinator.fill(Session, "plan", **given)
    said = f"{world.room} is taken. Choose another time, or another room."
    assert answer.errors == {"room": [said]}


def test_a_session_moves_with_its_bookings(world, coordinator):
    booking = enrolled(world, coordinator).bookings.get(session=planned(world))
    ahead = coordinator.look(booking.session, "move", starts="13:00", ends="14:00")
    answer = coordinator.save(ahead)
    booking.refresh_from_db()
    assert booking.starts_at == world.at("2026-03-09", "13:00")
    assert answer.sentences == ["Moved to Mon Mar 9, 1:00 PM EDT."]
    assert actors(booking.session) == {coordinator.user.actor}


def test_a_session_is_not_moved_into_the_past(world, coordinator):
    session = planned(world)
    answer = coordinator.fill(session, "move", day="2026-03-01")
    assert answer.refusal == "A session cannot be moved into the past."
    assert planned(world).version == session.version


def test_a_cancelled_session_takes_place_after_all(world, coordinator):
    session = planned(world)
    answer = coordinator.fill(session, "cancel", reason="snow")
    assert planned(world).state == "cancelled"
    assert f'href="{url(session, "revive")}"' in answer.sentences[0]
    answer = coordinator.fill(session, "revive")
    assert answer.sentences == ["The session takes place again."]
    assert planned(world).state == "scheduled"
    assert actors(session) == {coordinator.user.actor}


def test_a_session_is_not_revived_into_a_taken_room(world, coordinator):
    session = planned(world)
    coordinator.fill(session, "cancel", reason="snow")
    helper = factories.TherapistFactory(clinic=world.clinic)
    coordinator.fill(
        Session,
        "plan",
        **single(world, therapist=helper, day=NEXT, starts="09:00", ends="10:00", room=world.room),
    )
    answer = coordinator.fill(session, "revive")
    said = f"{world.room} is taken. Choose another time, or another room."
    assert answer.refusal == said
    assert planned(world).state == "cancelled"


def test_a_session_is_cancelled_with_a_reason_only(world, coordinator):
    answer = coordinator.fill(planned(world), "cancel", reason="")
    assert list(answer.errors) == ["reason"]
    assert planned(world).live


def test_a_substitute_leads_but_not_in_two_rooms_at_once(world, coordinator):
    helper = factories.TherapistFactory(clinic=world.clinic)
    session = planned(world)
    busy = world.session("2026-03-09", "09:30", "10:30", therapist=helper)
    answer = coordinator.fill(session, "substitute", therapist=helper)
    said = f"{helper.name} leads another session. Choose another time, or somebody else."
    assert answer.errors == {"therapist": [said]}
    coordinator.fill(busy, "cancel", reason="x")
    answer = coordinator.fill(session, "substitute", therapist=helper)
    assert answer.sentences == [f"{helper} leads {world.group}, Mon Mar 9, 9:00 AM."]
    assert answer.location == url(session, "change")
    assert actors(session.staff.get(therapist=helper), "I") == {coordinator.user.actor}


def test_a_patient_is_added_to_the_roster_of_a_session(world, coordinator):
    session, episode = planned(world), world.episode()
    answer = coordinator.fill(session, "roster-add", episode=episode)
    assert answer.sentences == [f"{episode.patient} has seat 1 of 8."]
    discharged = factories.EpisodeFactory(patient__clinic=world.clinic)
    answer = coordinator.fill(session, "roster-add", episode=discharged)
    assert answer.refusal == "The patient is not in treatment on Mon Mar 9."
    assert session.bookings.count() == 1


# --- closures, time off, rooms ---------------------------------------------------------------


def test_a_closure_shows_what_it_cancels_and_cancels_it_in_the_same_step(world, coordinator):
    session = planned(world)
    ahead = coordinator.look(Closure, "new", reason="Snow", starts_on=NEXT, ends_on=NEXT)
    (panel,) = ahead.panels
    assert (panel.title, [row[1] for row in panel.rows]) == ("1 session", [0])
    assert (planned(world).live, Closure.objects.count()) == (True, 0)
    answer = coordinator.save(ahead)
    assert answer.sentences[-1] == (
        "The clinic's sessions in this time are cancelled; they count against nobody."
    )
    assert planned(world).closure == Closure.objects.get()
    assert actors(session) == {coordinator.user.actor}


def test_a_closure_that_touches_nothing_is_saved_at_once(world, coordinator):
    day = NEXT + datetime.timedelta(days=1)
    answer = coordinator.fill(Closure, "new", reason="Snow", starts_on=day, ends_on=day)
    assert answer.status == 302
    assert planned(world).live


def test_a_closure_is_taken_back_and_leads_to_each_session(world, coordinator):
    coordinator.save(coordinator.look(Closure, "new", reason="Snow", starts_on=NEXT, ends_on=NEXT))
    answer = coordinator.fill(Closure.objects.get(), "take-back")
    assert f'href="{url(planned(world), "revive")}"' in answer.sentences[0]
    assert (Closure.objects.count(), planned(world).closure) == (0, None)
    assert coordinator.fill(planned(world), "revive").status == 302
    assert planned(world).live


def test_a_closed_room_cancels_nothing(world, coordinator):
    Session.objects.update(room=world.room)
    days = {"starts_on": NEXT, "ends_on": NEXT}
    ahead = coordinator.look(Closure, "new", reason="Paint", room=world.room, **days)
    assert ahead.panels[0].note.startswith("These lose their room")
    coordinator.save(ahead)
    assert (planned(world).live, planned(world).room) == (True, None)


def test_a_closure_the_wrong_way_round_is_refused(world, coordinator):
    answer = coordinator.fill(Closure, "new", reason="Snow", starts_on=NEXT, ends_on=TODAY)
    assert answer.refusal == "The closure ends before it starts."
    assert not Closure.objects.exists()
    assert planned(world).live


def off(world: World, starts: str, ends: str) -> dict[str, object]:
    times = {"starts_at": ("2026-03-09", starts), "ends_at": ("2026-03-09", ends)}
    return {"therapist": world.therapist, **times}


def test_time_off_shows_which_sessions_it_leaves_without_a_leader(world, coordinator):
    ahead = coordinator.look(TimeOff, "new", **off(world, "08:00", "17:00"))
    assert ahead.panels[0].title == "1 session"
    assert (planned(world).needs_attention, TimeOff.objects.count()) == ("", 0)
    assert coordinator.save(ahead).status == 302
    assert planned(world).needs_attention.startswith("No leader")


def test_time_off_the_wrong_way_round_is_refused(world, coordinator):
    wrong = coordinator.fill(TimeOff, "new", **off(world, "17:00", "08:00"))
    assert wrong.refusal == "The time off ends before it starts."
    assert not TimeOff.objects.exists()


def test_a_room_without_seats_is_refused(world, coordinator):
    answer = coordinator.fill(Room, "add", name="Closet", seats=0)
    assert answer.refusal == "A room has at least one seat."
    assert Room.objects.count() == 1


@pytest.fixture
def owner(world) -> Desk:
    """Whoever may change the clinic's settings."""
    return desk(world.clinic, Role.ADMINISTRATOR)


def of_type(world: World) -> tuple[object, ...]:
    return SessionType.objects.values_list("name", "kind", "creditable").get(pk=world.kind.pk)


def test_whether_minutes_count_stays_once_a_session_of_the_type_exists(world, owner):
    before = of_type(world)
    answer = owner.fill(world.kind, "change", name="Lecture", creditable=False)
    assert answer.errors == {"creditable": [CREDITABLE_STAYS]}
    assert of_type(world) == before
    assert owner.fill(world.kind, "change", name="Lecture").status == 302
    assert of_type(world) == ("Lecture", *before[1:])


def test_of_a_type_without_sessions_it_can_be_put_right(world, owner):
    Session.objects.all().delete()
    assert owner.fill(world.kind, "change", creditable=False).status == 302
    assert of_type(world)[2] is False


def test_a_session_is_found_by_its_groups_whole_name(world, coordinator):
    Group.objects.update(name="Group A")
    planned = Session.objects.filter(group=world.group).order_by("pk")[0]
    assert str(planned) == "Group A, Mon Mar 2"
    answer = coordinator.client.get(
        "/admin/autocomplete/",
        {"app_label": "scheduling", "model_name": "booking", "field_name": "session",
         "term": f"Group A {planned.local_date}"},
    )  # fmt: skip
    assert [row["id"] for row in answer.json()["results"]] == [str(planned.pk)]
