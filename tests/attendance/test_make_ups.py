"""Which sessions repair a short week, who may not come to them, and what else would help."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.compliance.make_up_facts import session_for
from attendance.compliance.make_up_refusals import troubles
from attendance.compliance.make_ups import facts_for, find_make_ups
from attendance.compliance.week_notes import OF_A_WEEK
from attendance.models import Standard
from patients.models import AgeBracket, Coverage, EpisodeHold, KeepApart, Level, Payer
from scheduling.models import Booking, CallIn, Closure, Group, Room, Session, SessionType, TimeOff
from tests import factories as f
from tests.attendance.house import FRI, MON, SAT, SUN, THU, TUE, WED
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db


@pytest.fixture
def week() -> ShortWeek:
    return ShortWeek()


def test_a_session_with_a_free_seat_says_what_it_repairs(week: ShortWeek) -> None:
    session = week.session()
    (one,) = week.found().candidates
    assert (one.session, one.free_seats, one.makes_up) == (session, 12, week.missed)
    assert one.effect.sentence == (
        "adds 3 h; brings Thursday to 3 h: a qualifying day; repairs the week"
    )


def test_the_sessions_of_an_evening_repair_it_together(week: ShortWeek) -> None:
    hours = [week.session(starts=f"{n}:00", ends=f"{n + 1}:00") for n in (18, 19, 20)]
    found = week.found()
    assert [one.session for one in found.plan] == hours
    assert (found.repairable, len(found.candidates)) == (True, 3)
    assert [one.makes_up for one in found.plan] == [week.missed, None, None]


def test_a_week_that_is_not_short_needs_nothing(week: ShortWeek) -> None:
    week.session()
    week.house.came(week.patient, WED)
    found = week.found()
    assert (found.is_short, found.candidates, found.hours) == (False, (), ())


def test_a_week_that_has_ended_is_past_repair(week: ShortWeek) -> None:
    week.session()
    found = find_make_ups(episode=week.patient, day=THU, now=week.house.morning(SUN))
    assert (found.over, found.candidates, found.plan, found.hours) == (True, (), (), ())
    assert not week.found().over


def test_what_the_patient_gave_up_can_be_taken_back(week: ShortWeek) -> None:
    Booking.objects.filter(pk=week.friday.pk).update(state="released", released_at=week.now)
    (one,) = week.found().candidates
    assert (one.session, one.again, one.makes_up) == (week.friday.session, True, None)


def test_a_missed_booking_is_made_up_once(week: ShortWeek) -> None:
    first, second = week.session(), week.session(SAT, "09:00")
    f.booking(first, week.patient, makes_up=week.missed)
    Booking.objects.filter(pk=week.friday.pk).update(state="released", released_at=week.now)
    made_up = {one.session: one.makes_up for one in week.found().candidates}
    assert made_up == {second: week.friday, week.friday.session: None}


# --- who may not come ----------------------------------------------------------------------------


def full(week: ShortWeek, session: Session) -> None:
    week.fill(session)


def cancelled(week: ShortWeek, session: Session) -> None:
    week.house.cancel(session)


def signed(week: ShortWeek, session: Session) -> None:
    Session.objects.filter(pk=session.pk).update(signed_at=week.now, signed_by=week.by)


def begun(week: ShortWeek, session: Session) -> None:
    week.now = session.starts_at


def not_creditable(week: ShortWeek, session: Session) -> None:
    kind = f.SessionTypeFactory(clinic=week.clinic, creditable=False)
    Session.objects.filter(pk=session.pk).update(session_type=kind)


def booked_elsewhere(week: ShortWeek, session: Session) -> None:
    f.booking(week.session(starts="16:00", ends="17:00"), week.patient)


def booked_here(week: ShortWeek, session: Session) -> None:
    f.booking(session, week.patient)


def on_hold(week: ShortWeek, session: Session) -> None:
    EpisodeHold.objects.create(
        clinic=week.clinic, episode=week.patient, starts_on=THU, ends_on=THU, reason="medical"
    )


def closed(week: ShortWeek, session: Session) -> None:
    Closure.objects.create(clinic=week.clinic, starts_on=THU, ends_on=THU, reason="Flood")


def another_program(week: ShortWeek, session: Session) -> None:
    Group.objects.update(program=f.ProgramFactory(clinic=week.clinic))
    week.patient.memberships.all().delete()


def another_level(week: ShortWeek, session: Session) -> None:
    Group.objects.update(level=Level.PHP)
    week.patient.memberships.all().delete()


def another_age_bracket(week: ShortWeek, session: Session) -> None:
    Group.objects.update(age_bracket=AgeBracket.ADOLESCENT)


def one_population(week: ShortWeek, session: Session) -> None:
    Group.objects.update(population=Group.Population.WOMEN)
    week.patient.memberships.all().delete()


def kept_apart(week: ShortWeek, session: Session) -> None:
    other = week.other()
    f.booking(session, other)
    low, high = sorted([week.patient.patient_id, other.patient_id])
    KeepApart.objects.create(clinic=week.clinic, patient_id=low, other_id=high, reason="Assault")


def of_another_patient(week: ShortWeek, session: Session) -> None:
    kind = f.SessionTypeFactory(clinic=week.clinic, kind=SessionType.Kind.INDIVIDUAL)
    Session.objects.filter(pk=session.pk).update(session_type=kind, capacity=2)
    f.booking(session, week.other(), state="released", released_at=week.now)


def not_authorized(week: ShortWeek, session: Session) -> None:
    week.insure()


def authorization_over(week: ShortWeek, session: Session) -> None:
    week.insure(ends_on=WED)


def no_unit_left(week: ShortWeek, session: Session) -> None:
    """Monday used one of two days, Friday will use the other."""
    week.insure(units=2)


REASONS = [
    (full, "session_full"),
    (cancelled, "session_cancelled"),
    (signed, "roster_signed"),
    (begun, "session_begun"),
    (not_creditable, "not_counted"),
    (booked_elsewhere, "patient_busy"),
    (booked_here, "already_booked"),
    (on_hold, "on_hold"),
    (closed, "clinic_closed"),
    (another_program, "not_suitable"),
    (another_level, "not_suitable"),
    (another_age_bracket, "not_suitable"),
    (one_population, "not_suitable"),
    (kept_apart, "not_suitable"),
    (of_another_patient, "not_suitable"),
    (not_authorized, "not_authorized"),
    (authorization_over, "not_authorized"),
    (no_unit_left, "not_authorized"),
]


@pytest.mark.parametrize(("reason", "code"), REASONS, ids=lambda one: getattr(one, "__name__", ""))
def test_who_may_not_come(
    week: ShortWeek, reason: Callable[[ShortWeek, Session], None], code: str
) -> None:
    session = week.session()
    assert session in week.sessions()
    reason(week, session)
    facts = facts_for(episode=week.patient, day=THU, now=week.now)
    found = troubles(facts, [session_for(session)])
    assert (session.pk in found and found[session.pk].code, session in week.sessions()) == (
        code,
        False,
    )


def test_next_week_repairs_nothing_of_this_one(week: ShortWeek) -> None:
    session = week.session(MON + datetime.timedelta(days=7))
    facts = facts_for(episode=week.patient, day=THU, now=week.now)
    assert troubles(facts, [session_for(session)])[session.pk].code == "outside_week"
    assert week.sessions() == []


def test_an_authorization_with_a_unit_left_or_a_payer_that_asks_for_none(week: ShortWeek) -> None:
    session = week.session()
    week.insure(units=3)
    assert week.sessions() == [session]
    week.patient.authorizations.all().delete()
    assert week.sessions() == []
    week.insure(needs=False)
    assert week.sessions() == [session]


def test_a_combination_stays_within_the_units_left(week: ShortWeek) -> None:
    """Of three visits Monday used one and Friday will use another: one is left for two halves."""
    halves = [week.session(THU, "09:00", ends="10:30"), week.session(THU, "14:00", ends="15:30")]
    week.insure(units=3, unit="visit")
    found = week.found()
    assert [one.session for one in found.candidates] == halves
    assert ([one.session for one in found.plan], found.repairable) == (halves[:1], False)
    week.patient.authorizations.update(units=4)
    found = week.found()
    assert ([one.session for one in found.plan], found.repairable) == (halves, True)


def test_units_left_go_to_the_session_that_repairs_the_week(week: ShortWeek) -> None:
    week.session(THU, "09:00", ends="10:30")
    whole = week.session(SAT, "09:00")
    week.session(THU, "14:00", ends="15:30")
    week.insure(units=3, unit="visit")
    found = week.found()
    assert ([one.session for one in found.plan], found.repairable) == ([whole], True)


@pytest.fixture
def self_pay(week: ShortWeek) -> Session:
    """A session, and a patient whose payer and authorization ended the day before it."""
    week.insure(starts_on=MON, ends_on=WED)
    Coverage.objects.update(ends_on=WED)
    return week.session()


def test_a_payer_of_the_past_is_asked_for_nothing(week: ShortWeek, self_pay: Session) -> None:
    assert week.sessions() == [self_pay]


def test_a_payer_whose_authorization_reaches_the_date_is_asked(
    week: ShortWeek, self_pay: Session
) -> None:
    week.patient.authorizations.update(ends_on=THU, units=1)
    assert week.sessions() == []
    week.patient.authorizations.update(units=3)
    assert week.sessions() == [self_pay]


def test_an_old_authorization_is_not_asked_of_a_new_payer(
    week: ShortWeek, self_pay: Session
) -> None:
    week.insure()
    assert week.sessions() == []
    Payer.objects.update(needs_authorization=False)
    assert week.sessions() == [self_pay]


def test_an_overflow_seat_is_no_free_seat(week: ShortWeek) -> None:
    session = week.session()
    Session.objects.filter(pk=session.pk).update(capacity=1, ceiling=15)
    reason = {"overflow_reason": "Court", "overflow_by": week.by}
    f.booking(session, week.other(), 2, **reason)
    assert week.sessions() == [session]
    f.booking(session, week.other(), 1)
    assert week.sessions() == []


def test_a_day_the_patient_called_in_for_comes_last_and_says_so(week: ShortWeek) -> None:
    called, other = week.session(THU), week.session(SAT, "09:00")
    CallIn.objects.create(
        clinic=week.clinic, episode=week.patient, from_date=THU, to_date=THU, reason="illness",
        notified_at=week.now, taken_by=week.by,
    )  # fmt: skip
    told = [(one.session, one.offer.called_in) for one in week.found().candidates]
    assert told == [(other, False), (called, True)]


def test_a_standards_own_week_may_begin_on_another_day(week: ShortWeek) -> None:
    """The payer's week ends on Saturday: Sunday's session repairs the program's week alone."""
    session = week.session(SUN, "14:00")
    (before,) = week.found().candidates
    assert (before.session, before.effect.repaired) == (session, True)
    week.insure(needs=False)
    Standard.objects.create(
        clinic=week.clinic, source=Standard.Source.PAYER, payer=Payer.objects.get(),
        kind=Standard.Kind.WEEKLY_HOURS, name="Payer", level=Level.IOP,
        age_bracket=AgeBracket.ADULT, min_minutes=540, min_days=3, day_threshold=180,
        week_starts_on=6, starts_on=MON - datetime.timedelta(days=30), prorate=False,
    )  # fmt: skip
    (after,) = week.found().candidates
    assert [(need.name, need.last) for need in week.found().needs][1] == ("Payer", SAT)
    assert (after.session, after.effect.untouched, after.effect.repaired) == (session, 1, False)


# --- if none repairs it --------------------------------------------------------------------------


@pytest.fixture
def office(week: ShortWeek) -> Room:
    """A room, and a licensed therapist in a clinic open from nine to five."""
    f.LicenseFactory(therapist=week.house.therapist)
    return f.RoomFactory(clinic=week.clinic, seats=3)


def test_a_full_session_would_help_if_a_seat_became_free(week: ShortWeek) -> None:
    session = week.session()
    week.fill(session)
    found = week.found()
    assert (found.candidates, [one.session for one in found.full]) == ((), [session])


def test_a_therapists_free_hour_is_proposed(week: ShortWeek, office: Room) -> None:
    hours = week.found().hours
    assert len(hours) == 5
    first = hours[0]
    assert (first.therapist, first.room, first.session_type.kind, first.offer.starts_at) == (
        week.house.therapist, office, "individual", week.house.at(FRI, "08:00"),
    )  # fmt: skip
    assert first.effect.sentence == "adds 1 h; 2 h and 1 qualifying day still to go"


def test_none_is_proposed_where_the_sessions_repair_the_week(week: ShortWeek, office: Room) -> None:
    week.session()
    assert week.found().hours == ()


def no_license(week: ShortWeek, office: Room) -> None:
    gone = f.TherapistFactory(clinic=week.clinic, active=False)
    week.house.therapist.licenses.update(therapist=gone)


def license_expired(week: ShortWeek, office: Room) -> None:
    week.house.therapist.licenses.update(expires_on=WED)


def time_off(week: ShortWeek, office: Room) -> None:
    at = week.house.at
    TimeOff.objects.create(
        clinic=week.clinic, therapist=week.house.therapist, starts_at=at(THU, "00:00"),
        ends_at=at(SUN, "00:00"),
    )  # fmt: skip


def no_room(week: ShortWeek, office: Room) -> None:
    Room.objects.update(active=False)


def hold(week: ShortWeek, office: Room) -> None:
    EpisodeHold.objects.create(
        clinic=week.clinic, episode=week.patient, starts_on=THU, ends_on=SUN, reason="medical"
    )


@pytest.mark.parametrize("trouble", [no_license, license_expired, time_off, no_room, hold])
def test_an_hour_needs_everybody(week: ShortWeek, office: Room, trouble: Any) -> None:
    assert week.found().hours
    trouble(week, office)
    assert week.found().hours == ()


def test_a_busy_therapist_room_or_patient_leaves_the_other_hours(
    week: ShortWeek, office: Room
) -> None:
    """On Friday the patient is there from 9:00 to 12:20, the therapist leads from 13:00."""
    f.session(week.clinic, FRI.isoformat(), "13:00", "14:00", therapist=week.house.therapist)
    f.session(week.clinic, FRI.isoformat(), "15:00", "16:00", room=office)
    friday = [
        f"{hour.offer.starts_at.astimezone(week.clinic.tz):%H:%M}"
        for hour in week.found().hours
        if hour.offer.local_date == FRI
    ]
    assert friday == ["08:00", "14:00", "16:00"]


def test_the_patients_own_therapist_goes_before_a_colleague(week: ShortWeek, office: Room) -> None:
    f.LicenseFactory(therapist=f.TherapistFactory(clinic=week.clinic, name="Aaron"))
    assert {hour.therapist for hour in week.found().hours} == {week.house.therapist}


# --- the case ------------------------------------------------------------------------------------


def test_a_case_names_its_own_week(week: ShortWeek) -> None:
    session = week.session()
    later = THU + datetime.timedelta(days=21)
    found = find_make_ups(episode=week.patient, day=later, now=week.now, flag=week.flag)
    assert (found.week.start, [one.session for one in found.candidates]) == (MON, [session])


def test_another_case_asks_about_the_week_of_the_day(week: ShortWeek) -> None:
    week.session()
    others = [flag for flag in week.house.flags() if flag.rule not in OF_A_WEEK]
    assert [len(week.found(flag=flag).candidates) for flag in others] == [1]


def test_a_week_below_the_plan_alone_is_made_up_for_the_plan() -> None:
    week = ShortWeek()
    week.house.came(week.patient, WED)
    week.patient.plans.update(weekly_minutes_target=720)
    week.session()
    (one,) = week.found().candidates
    assert one.effect.sentence == "adds 3 h; repairs the week"
    assert week.found().needs[0].name == "Treatment plan"


# --- cost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("repairs", [True, False], ids=["repairable", "not repairable"])
def test_50_candidates_cost_as_many_statements_as_1(week: ShortWeek, repairs: bool) -> None:
    f.LicenseFactory(therapist=week.house.therapist)
    f.RoomFactory(clinic=week.clinic)
    other = week.other()
    kept_apart(week, week.session(TUE, "09:00"))

    def spent(count: int) -> int:
        for n in range(count):
            minutes = {} if repairs and n == 0 else {"ends": "14:16"}
            one = week.session(group=None if n % 2 else week.house.group, **minutes)
            f.booking(one, other, state="withdrawn", withdrawn_reason="Plan")
        with CaptureQueriesContext(connection) as queries:
            assert len(week.found().candidates) == Session.objects.filter(local_date=THU).count()
        return len(queries)

    one, fifty = spent(2), spent(48)
    assert one == fifty
    assert fifty <= (17 if repairs else 25)
