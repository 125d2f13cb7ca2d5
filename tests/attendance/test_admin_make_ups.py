"""The page that finds a make-up for a case, and taking a call-in back at the desk."""

from typing import Any

import pytest

from attendance.compliance.make_ups import find_make_ups
from iop_clinic.accounts.roles import Role
from scheduling.models import Booking, CallIn, Session
from tests import factories as f
from tests.admin import Desk, desk, url
from tests.attendance.house import FRI, SAT, SUN, THU
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db


@pytest.fixture
def coordinator(week: ShortWeek) -> Desk:
    return Desk(week.by)


def choices(at: Desk, week: ShortWeek) -> list[str]:
    form = at.open(week.flag, "make_ups").context["form"]
    return [str(label) for _, label in form.fields["choice"].choices]


def test_whoever_sees_cases_but_may_not_book_books_no_make_up(week: ShortWeek) -> None:
    session, before = week.session(), Booking.objects.count()
    reviewer = desk(week.clinic, Role.UTILIZATION_REVIEW)
    assert reviewer.open(week.flag, "change").status_code == 200
    answer = reviewer.send(url(week.flag, "make_ups"), {"choice": str(session.public_id)})
    assert (answer.status, Booking.objects.count(), week.flag.state) == (403, before, "open")


def test_the_page_says_what_each_repairs(week: ShortWeek, coordinator: Desk) -> None:
    session = week.session()
    assert choices(coordinator, week) == [
        (
            f"{session.title}, Thu Mar 5, 2:00 – 5:20 PM (12 seats free): "
            "adds 3 h; brings Thursday to 3 h: a qualifying day; repairs the week."
        )
    ]
    html = coordinator.open(week.flag, "make_ups").content.decode()
    assert "Adult IOP 2.1, 3 h to make up and 1 qualifying day missing." in html


def test_one_button_books_it_and_the_case_says_so(week: ShortWeek, coordinator: Desk) -> None:
    session = week.session()
    answer = coordinator.fill(week.flag, "make_ups", choice=session.public_id)
    assert answer.sentences == [
        (
            f"Booked: {session.title}, Thu Mar 5, 2:00 – 5:20 PM. "
            "The case is closed by these facts; it opens again if they do not hold."
        )
    ]
    assert Booking.objects.get(session=session).makes_up == week.missed
    html = coordinator.open(week.flag, "change").content.decode()
    assert "Make-ups booked" in html
    assert f"{week.missed.session.title}, Wed Mar 4, 9:00 – 12:20 PM" in html


def test_an_evening_is_booked_together(week: ShortWeek, coordinator: Desk) -> None:
    for n in (18, 19, 20):
        week.session(starts=f"{n}:00", ends=f"{n + 1}:00")
    assert choices(coordinator, week)[0].startswith("All of these: ")
    coordinator.fill(week.flag, "make_ups", choice="together")
    assert Booking.objects.filter(session__local_date=THU, state="booked").count() == 3
    assert week.flag.state == "closed"


def test_a_seat_taken_meanwhile_shows_the_list_again(
    week: ShortWeek, coordinator: Desk, monkeypatch: Any
) -> None:
    """It goes between the finding of the list and the booking."""
    last, spare = week.session(), week.session(SAT, "09:00")

    def found_before(**asked: Any) -> Any:
        found = find_make_ups(**asked)
        if not Booking.objects.filter(session=last).exists():
            week.fill(last)
        return found

    monkeypatch.setattr("attendance.admin.make_ups.find_make_ups", found_before)
    address = url(week.flag, "make_ups")
    answer = coordinator.send(address, {"choice": str(last.public_id)})
    assert answer.refusal == f"All 1 seats of {last} are taken. Choose another session."
    assert str(spare.public_id) in answer.html
    assert str(last.public_id) not in answer.html
    assert not Booking.objects.filter(session=spare).exists()


def test_what_is_gone_when_the_button_is_pressed(week: ShortWeek, coordinator: Desk) -> None:
    session = week.session()
    week.session(SAT, "09:00")
    address = url(week.flag, "make_ups")
    week.fill(session)
    answer = coordinator.send(address, {"choice": str(session.public_id)})
    assert answer.errors == {
        "__all__": ["This is not free any more. The list is new: choose again."]
    }
    assert answer.html.index("not free any more") < answer.html.index("best first")


def test_a_second_tab_says_what_was_just_booked(week: ShortWeek, coordinator: Desk) -> None:
    session = week.session()
    address = url(week.flag, "make_ups")
    sent = {"choice": str(session.public_id)}
    coordinator.send(address, sent)
    answer = coordinator.send(address, sent)
    said = f"Booked already: {session.title}, Thu Mar 5, 2:00 – 5:20 PM."
    assert answer.errors == {"__all__": [said]}
    shown = answer.html[answer.html.index('id="service-form"') :]
    assert 'type="submit"' not in shown[: shown.index("</form>")]


def test_a_second_tab_with_more_to_choose_says_so_too(week: ShortWeek, coordinator: Desk) -> None:
    session = week.session(ends="15:00")
    week.session(SAT, "09:00")
    address = url(week.flag, "make_ups")
    sent = {"choice": str(session.public_id)}
    coordinator.send(address, sent)
    answer = coordinator.send(address, sent)
    said = f"Booked already: {session.title}, Thu Mar 5, 2:00 – 3:00 PM."
    assert answer.errors == {"__all__": [said]}
    assert Booking.objects.filter(session=session).count() == 1


def test_only_what_was_missed_is_named_as_such(week: ShortWeek, coordinator: Desk) -> None:
    coordinator.fill(week.flag, "make_ups", choice=week.session(ends="15:00").public_id)
    assert instead_of(coordinator, week) == [
        f"{week.missed.session.title}, Wed Mar 4, 9:00 – 12:20 PM"
    ]
    week.house.came(week.patient, week.missed.session.local_date, arrived="12:00")
    assert instead_of(coordinator, week) == [""]


def instead_of(at: Desk, week: ShortWeek) -> list[str]:
    shown = at.open(week.flag, "change").context["panels_above"]
    return [row[1] for panel in shown if panel.title == "Make-ups booked" for row in panel.rows]


def test_a_free_hour_is_planned_with_one_button(week: ShortWeek, coordinator: Desk) -> None:
    f.RoomFactory(clinic=week.clinic, name="Office 1")
    first = choices(coordinator, week)[0]
    assert first == (
        f"Individual with {week.house.therapist.name}, Fri Mar 6, 8:00 AM (Office 1, to be "
        "planned): adds 1 h; 2 h and 1 qualifying day still to go."
    )
    key = week.found().hours[0].key
    answer = coordinator.fill(week.flag, "make_ups", choice=f"hour/{key}")
    assert answer.sentences[0].endswith("The case stays open until the week is repaired.")
    assert Session.objects.get(group=None).local_date == FRI


def test_a_therapist_reads_of_an_hour_and_plans_none(week: ShortWeek) -> None:
    f.RoomFactory(clinic=week.clinic, name="Office 1")
    page = Desk(week.house.user).open(week.flag, "make_ups")
    assert "choice" not in page.context["form"].fields
    assert "It would help to plan: Individual with" in page.content.decode()


def test_nothing_is_booked_where_nothing_is_offered(week: ShortWeek, coordinator: Desk) -> None:
    before = Booking.objects.count()
    answer = coordinator.fill(week.flag, "make_ups")
    assert (answer.refusal, Booking.objects.count()) == ("There is nothing to book.", before)
    html = coordinator.open(week.flag, "make_ups").content.decode()
    assert "No session with a free seat would help." in html
    assert "No therapist has a free hour in this week either." in html


def test_a_week_that_is_met_needs_no_make_up(week: ShortWeek, coordinator: Desk) -> None:
    week.session()
    flag = week.flag
    week.house.came(week.patient, week.missed.session.local_date)
    html = coordinator.open(flag, "make_ups").content.decode()
    assert "no make-up is needed as far as is known" in html


def test_a_week_that_is_over_says_so(week: ShortWeek, time_machine: Any) -> None:
    time_machine.move_to(week.house.morning(SUN), tick=False)
    html = Desk(week.by).open(week.flag, "make_ups").content.decode()
    assert "it is over, and cannot be made up any more" in html


def test_the_front_desk_does_not_see_cases(week: ShortWeek) -> None:
    front = desk(week.clinic, Role.FRONT_DESK)
    before = Booking.objects.count()
    assert front.open(week.flag, "make_ups").status_code == 403
    sent = {"choice": str(week.session().public_id)}
    assert front.send(url(week.flag, "make_ups"), sent).status == 403
    assert Booking.objects.count() == before


# --- the sick call ----------------------------------------------------------------------------


def test_a_call_at_the_desk_is_judged_and_taken_back(week: ShortWeek) -> None:
    front = desk(week.clinic, Role.FRONT_DESK)
    given = {"from_date": FRI, "to_date": FRI, "reason": "illness"}
    front.fill(week.patient, "call-in", **given, notified_at=("2026-03-05", "04:30"))
    assert (week.friday.state, week.flag.evidence["at_most"]) == ("released", 180)
    row = CallIn.objects.get()
    answer = front.fill(row, "take-back")
    assert answer.sentences == ["Taken back: 1 booking again."]
    assert (week.friday.state, week.flag.evidence["at_most"]) == ("booked", 360)
    assert "take-back" not in front.open(row, "change").content.decode()


def test_a_seat_that_is_gone_is_named(week: ShortWeek) -> None:
    front = desk(week.clinic, Role.FRONT_DESK)
    given = {"from_date": FRI, "to_date": FRI, "reason": "illness"}
    front.fill(week.patient, "call-in", **given, notified_at=("2026-03-05", "04:30"))
    week.fill(week.friday.session)
    answer = front.fill(CallIn.objects.get(), "take-back")
    assert answer.sentences == [
        (
            f"Taken back: 0 bookings again. No place is left in {week.house.group.name}, "
            "Fri Mar 6, 9:00 AM: find a make-up."
        )
    ]


def test_the_roster_names_the_absence(week: ShortWeek) -> None:
    front = desk(week.clinic, Role.FRONT_DESK)
    given = {"from_date": FRI, "to_date": FRI, "reason": "illness"}
    front.fill(week.patient, "call-in", **given, notified_at=("2026-03-05", "04:30"))
    html = front.open(week.friday.session, "change").content.decode()
    assert "absence announced 4:30 AM, illness" in html
