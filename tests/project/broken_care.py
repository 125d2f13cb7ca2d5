"""Attempts to break the invariants of care: seats, time, records, episodes (1 to 4)."""

import datetime
from functools import partial

from iop_clinic.accounts.acting import Job
from patients import services as care
from scheduling import services as calendar
from tests import factories as f
from tests.project.place import TODAY, Attempt, Place, broken

# 1. Seats


@broken(1, "capacity_range")
def a_group_of_seven_seats(p: Place) -> Attempt:
    return partial(calendar.set_capacity, group=p.group(), capacity=7, by=p.by)


@broken(1, "capacity_range")
def a_group_of_sixteen_seats(p: Place) -> Attempt:
    return partial(calendar.set_capacity, group=p.group(), capacity=16, by=p.by)


@broken(1, "group_full")
def a_ninth_member_of_eight(p: Place) -> Attempt:
    return p.enrol(p.group(members=8), p.episode)


@broken(1, "group_full")
def a_seat_beyond_the_capacity(p: Place) -> Attempt:
    return p.enrol(p.group(), p.episode, seat=9)


@broken(1, "already_member")
def a_member_enrolled_twice(p: Place) -> Attempt:
    group = p.group()
    p.enrol(group, p.episode)()
    return p.enrol(group, p.episode)


@broken(1, "group_full")
def fewer_seats_than_members(p: Place) -> Attempt:
    return partial(calendar.set_capacity, group=p.group(members=9, capacity=9), capacity=8, by=p.by)


@broken(1, "overflow_needs_person")
def a_job_that_gives_a_seat_above_the_capacity(p: Place) -> Attempt:
    group, job = p.group(members=8), Job("import")
    return p.enrol(group, p.episode, overflow_reason="Court order", by=job)


@broken(1, "session_full")
def a_taken_seat_of_a_session(p: Place) -> Attempt:
    return p.book(p.full_session(), p.episode)


@broken(1, "409 session_full")
def a_taken_seat_of_a_session_by_the_api(p: Place) -> Attempt:
    return p.add(p.full_session(), p.episode)


@broken(1, "409 session_full")
def a_seat_above_the_ceiling_by_the_api(p: Place) -> Attempt:
    return p.add(p.full_session(), p.episode, overflow_reason="Sister of a member")


# 2. One place at a time


@broken(2, "room_busy")
def two_sessions_in_one_room(p: Place) -> Attempt:
    room = f.RoomFactory(clinic=p.clinic)
    p.session(room=room)
    return p.create("09:30", "10:30", room=room)


@broken(2, "therapist_busy")
def two_sessions_of_one_therapist(p: Place) -> Attempt:
    p.session(therapist=p.therapist)
    return p.create("09:59", "11:00")


@broken(2, "therapist_busy")
def a_substitute_who_leads_elsewhere(p: Place) -> Attempt:
    p.session(therapist=p.therapist)
    other = p.session(therapist=f.TherapistFactory(clinic=p.clinic))
    return partial(calendar.assign_substitute, session=other, therapist=p.therapist, by=p.by)


@broken(2, "patient_busy")
def a_patient_in_two_sessions(p: Place) -> Attempt:
    f.booking(p.session("09:00", "11:00"), p.episode)
    return p.book(p.session("10:00", "12:00"), p.episode)


@broken(2, "409 patient_busy")
def a_patient_in_two_sessions_by_the_api(p: Place) -> Attempt:
    f.booking(p.session("09:00", "11:00"), p.episode)
    return p.add(p.session("10:00", "12:00"), p.episode)


@broken(2, "patient_busy")
def a_session_moved_onto_its_patients_other_one(p: Place) -> Attempt:
    f.booking(p.session("13:00", "14:00"), p.episode)
    moving = p.session("15:00", "16:00")
    f.booking(moving, p.episode)
    return partial(
        calendar.move_session, session=moving, starts_at=p.told("13:30"),
        ends_at=p.told("14:30"), by=p.by,
    )  # fmt: skip


@broken(2, "patient_busy")
def a_nested_visit_that_outlasts_its_session(p: Place) -> Attempt:
    return p.book(p.session("09:30", "10:30"), p.episode, nested_in=p.past)


# 3. Times and records


@broken(3, "session_length")
def a_session_of_ten_minutes(p: Place) -> Attempt:
    return p.create("09:00", "09:10")


@broken(3, "session_length")
def a_session_of_seven_hours(p: Place) -> Attempt:
    return p.create("09:00", "16:00")


@broken(3, "session_length")
def a_session_that_ends_before_it_starts(p: Place) -> Attempt:
    return p.create("10:00", "09:00")


@broken(3, "departure_before_arrival")
def a_departure_before_the_arrival(p: Place) -> Attempt:
    return p.record(attended=True, arrived_at=p.told("09:40"), left_at=p.told("09:20"))


@broken(3, "400 departure_before_arrival")
def a_departure_before_the_arrival_by_the_api(p: Place) -> Attempt:
    times = {"arrived_at": p.told("09:40").isoformat(), "left_at": p.told("09:20").isoformat()}
    return p.send(p.line(attended=True, **times))


@broken(3, "400 absent_with_times")
def an_absence_with_an_arrival_by_the_api(p: Place) -> Attempt:
    return p.send(p.line(attended=False, arrived_at=p.told("09:05").isoformat()))


@broken(3, "400 duplicate_record")
def two_records_of_one_booking_in_one_request(p: Place) -> Attempt:
    return p.send(p.line(attended=True), p.line(attended=False))


@broken(3, "409 stale_version")
def a_second_record_of_one_booking_by_the_api(p: Place) -> Attempt:
    assert p.recorded
    return p.send(p.line(attended=False))


# 4. Episodes


@broken(4, "admission_incomplete")
def an_admission_without_papers(p: Place) -> Attempt:
    referral = f.EpisodeFactory(patient__clinic=p.clinic, referred_on=TODAY)
    return partial(care.admit, episode=referral, admitted_on=TODAY, by=p.by)


@broken(4, "episode_overlap")
def two_admissions_of_one_patient(p: Place) -> Attempt:
    second = f.EpisodeFactory(patient=p.episode.patient, program=p.program, referred_on=TODAY)
    f.document(second, TODAY)
    return partial(care.admit, episode=second, admitted_on=TODAY, by=p.by)


@broken(4, "episode_one_open_referral")
def two_open_referrals_of_one_patient(p: Place) -> Attempt:
    first = f.EpisodeFactory(patient__clinic=p.clinic, referred_on=TODAY)
    return partial(
        care.refer, clinic=p.clinic, patient=first.patient, program=p.program,
        referred_on=TODAY, by=p.by,
    )  # fmt: skip


@broken(4, "license_invalid")
def a_diagnosis_under_an_expired_license(p: Place) -> Attempt:
    license_ = f.LicenseFactory(therapist=p.therapist, expires_on=datetime.date(2026, 2, 28))
    return partial(
        care.diagnose, episode=p.episode, code="F10.20", diagnosed_on=TODAY, license=license_,
        by=p.by,
    )  # fmt: skip


@broken(4, "patient_record_number_unique")
def a_record_number_given_twice(p: Place) -> Attempt:
    number = p.episode.patient.record_number
    return partial(
        care.save_patient, clinic=p.clinic, record_number=number, first_name="Ann",
        last_name="Lee", birth_date=datetime.date(1990, 1, 1), by=p.by,
    )  # fmt: skip
