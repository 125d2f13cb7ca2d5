"""What is done every day from the patient's page: a make-up, a transfer."""

from __future__ import annotations

import datetime

import pytest
import time_machine

from iop_clinic.accounts.admin.panels import link
from iop_clinic.accounts.roles import Role
from scheduling.models import Booking, GroupMembership
from scheduling.services.memberships import OR_WAIT
from tests import factories as f
from tests.admin import Desk, actors, desk, url
from tests.api import nothing_written
from tests.attendance.house import FRI, MON, THU, WED, House
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db


@pytest.fixture
def coordinator(week: ShortWeek) -> Desk:
    return Desk(week.by)


def test_a_make_up_is_found_from_the_patients_page(week: ShortWeek, coordinator: Desk) -> None:
    session = week.session()
    answer = coordinator.fill(week.patient, "make_ups", choice=session.public_id)
    assert answer.sentences == [
        (
            f"Booked: {session.title}, Thu Mar 5, 2:00 – 5:20 PM. "
            "As booked, the week reaches its minimum."
        )
    ]
    assert Booking.objects.get(session=session).makes_up == week.missed
    assert week.flag.state == "closed"


def test_it_says_what_is_still_missing(week: ShortWeek, coordinator: Desk) -> None:
    session = week.session(starts="14:00", ends="15:00")
    answer = coordinator.fill(week.patient, "make_ups", choice=session.public_id)
    assert answer.sentences[0].endswith(
        "Still missing this week: Adult IOP 2.1, 2 h to make up and 1 qualifying day missing."
    )


def test_a_second_tab_says_what_is_booked_already(week: ShortWeek, coordinator: Desk) -> None:
    session = week.session()
    sent = {"choice": str(session.public_id)}
    coordinator.send(url(week.patient, "make_ups"), sent)
    answer = coordinator.send(url(week.patient, "make_ups"), sent)
    assert answer.errors == {
        "__all__": [f"Booked already: {session.title}, Thu Mar 5, 2:00 – 5:20 PM."]
    }
    assert Booking.objects.filter(session=session).count() == 1


def test_an_auditor_books_no_make_up(week: ShortWeek) -> None:
    session = week.session()
    auditor = desk(week.clinic, Role.AUDITOR)
    with nothing_written():
        answer = auditor.send(url(week.patient, "make_ups"), {"choice": str(session.public_id)})
    assert answer.status == 403


# --- transfer ---------------------------------------------------------------------------------


class Move:
    """A member of the house's group, and another group of the same program and level."""

    def __init__(self) -> None:
        self.house = House()
        self.pat = self.house.patient()
        self.other = f.GroupFactory(clinic=self.house.clinic, program=self.house.group.program)
        self.at = desk(self.house.clinic)
        self.seat = GroupMembership.objects.get()

    def sent(self, **extra: object) -> dict[str, str]:
        given = {"membership": self.seat.pk, "to_group": self.other.pk, "on": WED, **extra}
        return {name: str(value) for name, value in given.items()}


@pytest.fixture
def move():
    with time_machine.travel(datetime.datetime(2026, 3, 2, 12, 0, tzinfo=datetime.UTC), tick=False):
        yield Move()


def test_a_member_is_moved_from_the_patients_page(move: Move) -> None:
    answer = move.at.save(move.at.look(move.pat, "transfer", to_group=move.other, on=WED))
    old, new = GroupMembership.objects.order_by("starts_on")
    assert (old.ends_on, new.starts_on) == (WED - datetime.timedelta(days=1), WED)
    assert (new.group, new.transferred_from) == (move.other, old)
    assert actors(new, "I") == {move.at.user.actor}
    assert answer.sentences == [
        (
            f"{move.pat.patient} has seat 1 in {move.other} from Mar 4, 2026. "
            "No session is planned then yet: each is booked once it is planned."
        )
    ]


def test_seats_bookings_and_weeks_are_told_before_a_transfer(move: Move) -> None:
    move.house.day(WED, [move.pat], group=move.house.group)
    Booking.objects.update(membership=move.seat)
    for day in (THU, FRI):
        move.house.day(day, [], "09:00", "11:00", group=move.other)
    ahead = move.at.look(move.seat, "transfer", to_group=move.other, on=WED)
    seats, weeks, gone, made, *_ = ahead.panels
    assert seats.rows == [
        (link(move.house.group), "seat 1 ends", "Mar 3, 2026"),
        (link(move.other), "seat 1 begins", "Mar 4, 2026"),
    ]
    assert (gone.title, made.title) == ("1 booking is withdrawn", "2 bookings are made")
    assert weeks.rows[0] == (
        "This week, Mar 2 – Mar 8, 2026", "9 h on 3 days", "4 h on 0 days", "5 h and 3 days",
    )  # fmt: skip
    assert [row[0] for row in weeks.rows[1:]] == ["Next week, Mar 9 – Mar 15, 2026"]
    assert list(move.pat.memberships.all()) == [move.seat]
    assert move.at.save(ahead).status == 302
    assert move.pat.memberships.count() == 2


def test_a_transfer_that_would_book_something_else_by_now_is_looked_at_again(move: Move) -> None:
    ahead = move.at.look(move.seat, "transfer", to_group=move.other, on=WED)
    move.house.day(THU, [], group=move.other)
    assert move.at.save(ahead).status == 200
    assert list(move.pat.memberships.all()) == [move.seat]


def test_of_several_seats_one_is_chosen(move: Move) -> None:
    GroupMembership.objects.create(
        clinic=move.house.clinic, group=f.GroupFactory(clinic=move.house.clinic), episode=move.pat,
        seat=2, starts_on=MON,
    )  # fmt: skip
    answer = move.at.fill(move.pat, "transfer", to_group=move.other, on=WED)
    assert answer.errors == {"membership": ["This field is required."]}
    ahead = move.at.look(move.pat, "transfer", **move.sent())
    assert move.at.save(ahead).status == 302


def test_somebody_elses_seat_is_no_choice(move: Move) -> None:
    stranger = move.house.patient(seat=5)
    seat = GroupMembership.objects.get(episode=stranger)
    with nothing_written():
        answer = move.at.send(url(move.pat, "transfer"), move.sent(membership=seat.pk))
    assert list(answer.errors) == ["membership"]


def test_a_full_group_is_refused_at_its_field(move: Move) -> None:
    for seat in range(1, 13):
        row = move.house.patient(seat=None)
        GroupMembership.objects.create(
            clinic=move.house.clinic, group=move.other, episode=row, seat=seat, starts_on=MON
        )
    answer = move.at.send(url(move.pat, "transfer"), move.sent())
    assert answer.refusal == f"All 12 seats of {move.other} are taken. {OR_WAIT}"
    assert GroupMembership.objects.get(episode=move.pat).ends_on is None


def test_a_transfer_into_the_same_group_is_refused(move: Move) -> None:
    with nothing_written():
        answer = move.at.send(url(move.pat, "transfer"), move.sent(to_group=move.house.group.pk))
    assert answer.refusal == (
        f"The patient sits in {move.house.group} already: choose another group."
    )


def test_without_a_seat_the_page_says_what_to_do_instead(move: Move) -> None:
    GroupMembership.objects.all().delete()
    shown = move.at.open(move.pat, "transfer")
    form = shown.context["form"]
    assert (form.introduction(), form.submits) == (
        "The patient has no seat in a group: enrol instead.",
        False,
    )


@pytest.mark.parametrize("day", [THU, FRI])
def test_a_day_outside_the_seat_is_refused(move: Move, day: datetime.date) -> None:
    GroupMembership.objects.update(ends_on=MON)
    answer = move.at.send(url(move.pat, "transfer"), move.sent(on=day))
    assert answer.refusal == "The patient is not in the first group on the day before."
