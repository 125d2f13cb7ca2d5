"""One step books a make-up, links it and judges the week again; two people and one seat."""

import datetime
from functools import partial
from typing import Any

import pytest

from attendance.bookings import book, book_make_up, book_make_ups, plan_make_up, release, withdraw
from attendance.call_ins import call_in, take_back_call_in
from attendance.compliance.make_ups import booked_make_ups, find_make_ups
from attendance.models import AttendanceRecord, Flag
from attendance.records.roster import roster_rows
from iop_clinic.accounts.acting import Refused
from scheduling import locks
from scheduling.models import Booking, CallIn, Session
from tests import factories as f
from tests.attendance.house import FRI, SAT, SUN, THU, WED
from tests.attendance.short_weeks import ShortWeek
from tests.attendance.together import together

DAY = datetime.timedelta(days=1)


@pytest.fixture
def week(db: None, time_machine: Any) -> ShortWeek:
    found = ShortWeek()
    time_machine.move_to(found.now, tick=False)
    return found


def make_up(week: ShortWeek, session: Session, **extra: Any) -> Booking:
    asked = {"flag": week.flag, "by": week.by, "now": week.now, **extra}
    return book_make_up(episode=week.patient, session=session, **asked)


def standing(week: ShortWeek) -> tuple[list[Any], list[Any]]:
    """Bookings and cases as they are stored."""
    bookings = Booking.objects.order_by("pk").values_list("pk", "state", "makes_up", "version")
    return list(bookings), list(Flag.objects.order_by("pk").values_list("pk", "state", "version"))


def refusal(week: ShortWeek, session: Session, **extra: Any) -> str:
    before = standing(week)
    with pytest.raises(Refused) as caught:
        make_up(week, session, **extra)
    assert standing(week) == before
    return caught.value.code


def test_it_is_booked_and_names_the_missed_booking(week: ShortWeek) -> None:
    missed = week.missed
    row = make_up(week, week.session())
    assert (row.state, row.seat, row.makes_up) == ("booked", 1, missed)


def test_the_case_closes_by_facts_with_a_note(week: ShortWeek) -> None:
    make_up(week, week.session())
    flag = week.flag
    assert (flag.state, flag.outcome, flag.closed_by_facts) == ("closed", "facts", True)
    assert flag.outcome_note.startswith(
        "Make-up booked: Thu Mar 5, 2:00 PM. Week of Mar 2 – Mar 8, 2026: credited 3 h of 9 h; "
    )
    assert "within reach" in flag.outcome_note
    assert [row.session.local_date for row in booked_make_ups(flag)] == [THU]


def test_it_stays_closed_once_the_make_up_is_attended(week: ShortWeek) -> None:
    make_up(week, week.session())
    for day in (THU, FRI):
        week.house.came(week.patient, day)
    week.house.night(SUN)
    assert (week.flag.state, week.flag.version) == ("closed", 2)
    judged = week.house.week(week.patient).program()
    assert judged is not None
    assert (judged.minutes_status, judged.days_status) == ("met", "met")


def test_it_opens_again_when_the_make_up_is_missed(week: ShortWeek) -> None:
    make_up(week, week.session())
    week.house.missed(week.patient, THU)
    week.house.night(THU)
    assert (week.flag.state, week.flag.outcome, Flag.objects.filter(rule=1).count()) == (
        "open", "", 1,
    )  # fmt: skip


def test_a_part_of_the_repair_leaves_the_case_open(week: ShortWeek) -> None:
    make_up(week, week.session(ends="15:00"))
    flag = week.flag
    assert (flag.is_open, flag.evidence["make_up_minutes"]) == (True, 120)


def test_booking_it_again_is_the_same_booking(week: ShortWeek) -> None:
    session = week.session()
    row = make_up(week, session)
    before = standing(week)
    assert make_up(week, session) == row
    assert standing(week) == before


def test_a_combination_is_booked_whole_or_not_at_all(week: ShortWeek) -> None:
    hours = [week.session(starts=f"{n}:00", ends=f"{n + 1}:00") for n in (18, 19, 20)]
    week.fill(hours[2])
    before = standing(week)
    with pytest.raises(Refused) as caught:
        book_make_ups(episode=week.patient, sessions=hours, by=week.by, now=week.now)
    assert (caught.value.code, standing(week)) == ("session_full", before)
    Session.objects.update(capacity=12)
    rows = book_make_ups(episode=week.patient, sessions=hours, by=week.by, now=week.now)
    assert [row.makes_up for row in rows] == [week.missed, None, None]
    assert week.flag.state == "closed"


@pytest.fixture
def halves(week: ShortWeek) -> list[Session]:
    """Two sessions of half a day; Monday's visit is used, Friday's is booked, one of three left."""
    week.insure(units=3, unit="visit")
    return [week.session(THU, "09:00", ends="10:30"), week.session(THU, "14:00", ends="15:30")]


def together_booked(week: ShortWeek, sessions: list[Session]) -> list[Booking]:
    return book_make_ups(episode=week.patient, sessions=sessions, by=week.by, now=week.now)


def test_a_combination_beyond_the_units_left_is_refused_whole(
    week: ShortWeek, halves: list[Session]
) -> None:
    before = standing(week)
    with pytest.raises(Refused) as caught:
        together_booked(week, halves)
    assert (caught.value.code, caught.value.field) == ("not_authorized", "session")
    assert standing(week) == before


def test_what_is_booked_already_needs_no_further_unit(
    week: ShortWeek, halves: list[Session]
) -> None:
    (first,) = together_booked(week, halves[:1])
    assert together_booked(week, halves[:1]) == [first]
    before = standing(week)
    with pytest.raises(Refused) as caught:
        together_booked(week, halves)
    assert (caught.value.code, standing(week)) == ("not_authorized", before)
    week.patient.authorizations.update(units=4)
    assert [row.session for row in together_booked(week, halves)] == halves


def test_every_plan_that_is_offered_can_be_booked(week: ShortWeek, halves: list[Session]) -> None:
    plan = [one.session for one in week.found().plan]
    assert [row.session for row in together_booked(week, plan)] == halves[:1]


def test_what_was_given_up_is_booked_again(week: ShortWeek) -> None:
    Booking.objects.filter(pk=week.friday.pk).update(state="released", released_at=week.now)
    row = make_up(week, week.friday.session)
    assert (row.pk, row.state, row.makes_up) == (week.friday.pk, "booked", None)


def test_a_free_hour_is_planned_and_linked(week: ShortWeek) -> None:
    room = f.RoomFactory(clinic=week.clinic)
    missed, hour = week.missed, week.found().hours[0]
    row = plan_make_up(episode=week.patient, hour=hour.key, by=week.by, now=week.now)
    assert (row.session.room, row.session.staff.get().therapist, row.starts_at, row.makes_up) == (
        room, week.house.therapist, hour.offer.starts_at, missed,
    )  # fmt: skip
    with pytest.raises(Refused) as caught:
        plan_make_up(episode=week.patient, hour=hour.key, by=week.by, now=week.now)
    assert (caught.value.code, Session.objects.filter(group=None).count()) == ("hour_taken", 1)


def test_what_is_not_on_the_list_is_refused_and_changes_nothing(week: ShortWeek) -> None:
    full = week.session()
    week.fill(full)
    assert refusal(week, full) == "session_full"
    assert refusal(week, week.session(SUN + DAY, "09:00")) == "outside_week"
    assert refusal(week, week.session(SAT, "09:00"), now=week.house.at(SAT, "09:01")) == (
        "session_begun"
    )
    assert refusal(week, week.session(FRI, "09:00", ends="10:00")) == "patient_busy"


# --- single bookings -----------------------------------------------------------------------------


def test_a_release_opens_the_case_that_a_booking_had_closed(week: ShortWeek) -> None:
    row = make_up(week, week.session())
    release(booking=row, notified_at=week.now, reason="work", by=week.by, now=week.now)
    assert (week.flag.state, week.flag.evidence["make_up_minutes"]) == ("open", 180)


def test_a_withdrawal_and_a_booking_are_judged_at_once(week: ShortWeek) -> None:
    row = book(session=week.session(), episode=week.patient, by=week.by, now=week.now)
    assert week.flag.state == "closed"
    withdraw(booking=row, reason="Plan changed", by=week.by, now=week.now)
    assert week.flag.state == "open"


def test_whoever_attended_gave_no_notice(week: ShortWeek) -> None:
    row = Booking.objects.get(episode=week.patient, session__local_date=WED - 2 * DAY)
    before = standing(week)
    with pytest.raises(Refused) as caught:
        release(booking=row, notified_at=week.now, reason="work", by=week.by, now=week.now)
    assert (caught.value.code, standing(week)) == ("attendance_recorded", before)


# --- the sick call -------------------------------------------------------------------------------


def call(week: ShortWeek, **extra: Any) -> CallIn:
    asked: dict[str, Any] = {"from_date": THU, "to_date": FRI, "notified_at": week.now, **extra}
    return call_in(episode=week.patient, reason="illness", by=week.by, now=week.now, **asked)


def test_a_call_releases_and_the_projection_and_the_case_follow(week: ShortWeek) -> None:
    before = week.flag
    call(week)
    flag = week.flag
    assert week.friday.state == "released"
    assert (before.evidence["at_most"], flag.evidence["at_most"]) == (360, 180)
    assert flag.version == before.version + 1


def test_a_call_opens_the_case_of_a_week_that_was_in_reach(week: ShortWeek) -> None:
    make_up(week, week.session())
    call(week, from_date=FRI)
    assert (week.flag.state, week.flag.evidence["at_most"]) == ("open", 360)


def test_the_roster_shows_who_called_in_and_why(week: ShortWeek) -> None:
    call(week)
    (row,) = roster_rows(week.friday.session, now=week.now)
    assert (row.status, row.booking_state, row.notified_at, row.absence_reason, row.version) == (
        "unrecorded", "released", week.now, "illness", None,
    )  # fmt: skip


def test_a_call_never_touches_what_is_recorded(week: ShortWeek) -> None:
    """Told on Tuesday evening, entered on Thursday: Wednesday is recorded as missed already."""
    records = list(AttendanceRecord.objects.order_by("pk").values())
    call(week, from_date=WED, notified_at=week.house.at(WED - DAY, "20:00"))
    assert list(AttendanceRecord.objects.order_by("pk").values()) == records
    assert (week.missed.state, week.friday.state) == ("booked", "released")


@pytest.fixture
def recorded_first(week: ShortWeek, monkeypatch: Any) -> list[Any]:
    """Somebody records Friday while this write waits for the session: each entry is a record."""
    waiting: list[Any] = []

    def take(rows: Any, keys: Any, **options: Any) -> None:
        if rows.model is Session and waiting:
            waiting.pop()(week.patient, FRI)
        locked(rows, keys, **options)

    locked = locks._lock
    monkeypatch.setattr(locks, "_lock", take)
    return waiting


def test_what_was_recorded_while_the_call_waited_stays(
    week: ShortWeek, recorded_first: list[Any]
) -> None:
    recorded_first.append(week.house.came)
    call(week)
    assert (week.friday.state, week.friday.attendance.attended) == ("booked", True)


def test_what_was_recorded_while_the_undo_waited_stays(
    week: ShortWeek, recorded_first: list[Any]
) -> None:
    row = call(week)
    recorded_first.append(week.house.missed)
    assert take_back_call_in(call_in=row, by=week.by, now=week.now).booked == ()
    assert (week.friday.state, week.friday.attendance.attended) == ("released", False)


def test_taking_it_back_repairs_the_projection(week: ShortWeek) -> None:
    row = call(week)
    back = take_back_call_in(call_in=row, by=week.by, now=week.now)
    assert [one.pk for one in back.booked] == [week.friday.pk]
    assert (week.friday.state, week.flag.evidence["at_most"]) == ("booked", 360)


def test_taking_it_back_leaves_a_recorded_absence(week: ShortWeek, time_machine: Any) -> None:
    row = call(week)
    week.house.missed(week.patient, FRI)
    records = list(AttendanceRecord.objects.order_by("pk").values())
    assert take_back_call_in(call_in=row, by=week.by, now=week.now).booked == ()
    assert list(AttendanceRecord.objects.order_by("pk").values()) == records
    assert week.friday.state == "released"


def test_a_refused_call_changes_nothing(week: ShortWeek) -> None:
    before = standing(week)
    with pytest.raises(Refused) as caught:
        call(week, notified_at=week.now + datetime.timedelta(minutes=1))
    assert (caught.value.code, standing(week)) == ("notified_in_future", before)
    assert not CallIn.objects.exists()


# --- two coordinators, one seat ------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_one_of_two_gets_the_last_seat_and_the_other_the_list_again() -> None:
    week = ShortWeek()
    last, spare = week.session(capacity=1), week.session(SAT, "09:00")
    rival = week.house.patient(seat=2)
    people = (week.patient, rival)
    answers = together(
        *(
            partial(book_make_up, episode=one, session=last, by=week.by, now=week.now)
            for one in people
        )
    )
    (won,) = [one for one in answers if isinstance(one, Booking)]
    (lost,) = [one for one in answers if isinstance(one, Refused)]
    assert (lost.code, Booking.objects.filter(session=last).get()) == ("session_full", won)
    (second,) = {week.patient, rival} - {won.episode}
    left = find_make_ups(episode=second, day=THU, now=week.now).candidates
    assert spare in [one.session for one in left]
    assert last not in [one.session for one in left]
