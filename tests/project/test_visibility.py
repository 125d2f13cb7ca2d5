"""Who sees which rows. Alice and Bob work in one clinic, Charlie in another; every table is asked.

Each of the three has a row of their own in every table, so whatever leaks is there to be seen.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import pytest
from django.utils import timezone

from attendance import models as attendance
from iop_clinic.accounts import models as accounts
from iop_clinic.accounts.roles import Role
from patients import models as patients
from scheduling import models as scheduling
from tests import factories
from tests.project.world import CLINIC_MODELS, Rows, clinic_rows, therapist_rows

OF_THE_WHOLE_CLINIC = {
    accounts.Therapist,
    accounts.License,
    patients.Program,
    patients.Payer,
    patients.ReferralSource,
    scheduling.Room,
    scheduling.SessionType,
    scheduling.Closure,
    scheduling.TimeOff,
    attendance.CreditRule,
    attendance.Standard,
    attendance.AbsenceRule,
}
SHOWN_TO_NO_THERAPIST = {
    accounts.Membership,
    attendance.DataImport,
    attendance.NightlyRun,
    attendance.ReportDelivery,
    patients.KeepApart,
}
PAPERS = {
    patients.Episode,
    patients.Patient,
    patients.Coverage,
    patients.Evaluation,
    patients.Diagnosis,
    patients.ProgramAgreement,
    patients.EpisodeHold,
    patients.TreatmentPlan,
    patients.CourtReferral,
    patients.Authorization,
    patients.Certification,
    scheduling.CallIn,
    scheduling.Told,
    attendance.WeekResult,
    attendance.OutreachAttempt,
    attendance.Flag,
    attendance.WeekNote,
}
SITTING = {scheduling.Decision, scheduling.Session, scheduling.SessionStaff, scheduling.Booking}


@dataclass
class Cast:
    clinic: accounts.Clinic
    alice: accounts.User
    bob: accounts.User
    charlie: accounts.User
    of_alice: Rows
    of_bob: Rows


@pytest.fixture
def cast(db) -> Cast:
    clinic = factories.ClinicFactory()
    alice, bob = (factories.staff(clinic, Role.THERAPIST) for _ in range(2))
    shared = clinic_rows(clinic)
    of_alice, of_bob = therapist_rows(alice, shared), therapist_rows(bob, shared, hour=11)
    elsewhere = factories.ClinicFactory()
    charlie = factories.staff(elsewhere, Role.THERAPIST)
    therapist_rows(charlie, clinic_rows(elsewhere))
    return Cast(clinic, alice, bob, charlie, of_alice, of_bob)


def seen(user: accounts.User) -> dict[str, set[int]]:
    """The keys this person sees in every table; as on a new request, nothing is remembered."""
    fresh = accounts.User.objects.get(pk=user.pk)
    return {
        model.__name__: set(model.objects.visible_to(fresh).values_list("pk", flat=True))
        for model in CLINIC_MODELS
    }


def in_clinic(clinic: accounts.Clinic) -> dict[str, set[int]]:
    return {
        model.__name__: set(model.objects.filter(clinic=clinic).values_list("pk", flat=True))
        for model in CLINIC_MODELS
    }


def tables_showing(rows: Rows, to: accounts.User) -> set[type]:
    """Tables that are not everybody's in which this person sees the given row."""
    visible = seen(to)
    return {
        model
        for model, row in rows.items()
        if row.pk in visible[model.__name__] and model not in OF_THE_WHOLE_CLINIC
    }


def test_a_therapist_sees_their_own_rows_and_the_clinics_tables(cast):
    expected = in_clinic(cast.clinic)
    for model in CLINIC_MODELS:
        if model in SHOWN_TO_NO_THERAPIST:
            expected[model.__name__] = set()
        elif model not in OF_THE_WHOLE_CLINIC:
            expected[model.__name__] = {cast.of_alice[model].pk}
    assert seen(cast.alice) == expected


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.THERAPIST}))
def test_every_other_role_sees_the_clinic_and_nothing_else(cast, role):
    person = factories.staff(cast.clinic, role)
    assert seen(person) == in_clinic(cast.clinic)


def test_nobody_sees_another_clinic(cast):
    assert tables_showing(cast.of_alice, to=cast.charlie) == set()
    assert not any(rows & in_clinic(cast.clinic)[name] for name, rows in seen(cast.charlie).items())


def test_a_person_with_two_roles_sees_each_clinic_by_its_role(cast):
    elsewhere = factories.ClinicFactory()
    factories.MembershipFactory(clinic=elsewhere, user=cast.bob, role=Role.COORDINATOR)
    guest = factories.EpisodeFactory(patient__clinic=elsewhere)
    assert seen(cast.bob)["Episode"] == {cast.of_bob[patients.Episode].pk, guest.pk}


@pytest.mark.parametrize(
    "change",
    [{"active": False}, {"ends_on": datetime.date(2026, 3, 1)}],
    ids=["ended", "last day passed"],
)
def test_a_membership_that_ended_shows_nothing(cast, change):
    accounts.Membership.objects.filter(user=cast.alice).update(**change)
    assert seen(cast.alice) == {model.__name__: set() for model in CLINIC_MODELS}


def test_a_deactivated_person_sees_nothing(cast):
    accounts.User.objects.filter(pk=cast.alice.pk).update(is_active=False)
    assert not any(seen(cast.alice).values())


def test_a_closed_clinic_shows_nothing(cast):
    accounts.Clinic.objects.filter(pk=cast.clinic.pk).update(active=False)
    assert not any(seen(cast.alice).values())


# --- each way in which a row becomes one's own -------------------------------------------------


def test_before_anything_is_shared_alice_sees_nothing_of_bobs(cast):
    assert tables_showing(cast.of_bob, to=cast.alice) == set()


def therapist(user: accounts.User) -> accounts.Therapist:
    return user.memberships.get().therapist


@pytest.mark.parametrize("part", ["facilitator", "co_facilitator"])
def test_who_leads_a_block_of_a_group_sees_the_group_and_its_patients(cast, part):
    block = factories.WeeklyBlockFactory(
        group=cast.of_bob[scheduling.Group], **{part: therapist(cast.alice)}
    )
    waits = {scheduling.WaitlistEntry, scheduling.WaitlistOffer, scheduling.WaitlistStep}
    led = {scheduling.Group, scheduling.GroupMembership, *waits}
    assert tables_showing(cast.of_bob, to=cast.alice) == PAPERS | led
    block.valid_until = datetime.date(2026, 3, 1)
    block.valid_from = datetime.date(2026, 2, 1)
    block.save()
    assert tables_showing(cast.of_bob, to=cast.alice) == set()


def test_a_member_who_left_the_group_is_the_leaders_no_more(cast):
    factories.WeeklyBlockFactory(
        group=cast.of_bob[scheduling.Group], facilitator=therapist(cast.alice)
    )
    seat = cast.of_bob[scheduling.GroupMembership]
    seat.ends_on = datetime.date(2026, 3, 3)
    seat.save()
    assert tables_showing(cast.of_bob, to=cast.alice) & PAPERS == set()


def cover(cast: Cast, until: datetime.datetime) -> scheduling.SessionStaff:
    """Alice stands in for Bob in his session."""
    session = cast.of_bob[scheduling.Session]
    return scheduling.SessionStaff.objects.create(
        clinic=cast.clinic,
        session=session,
        therapist=therapist(cast.alice),
        role=scheduling.SessionStaff.Role.SUBSTITUTE,
        access_until=until,
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        live=True,
    )


def test_a_substitute_sees_the_covered_session_and_its_patients_while_covering(cast):
    cover(cast, until=timezone.now() + datetime.timedelta(hours=1))
    covered = PAPERS | SITTING | {attendance.AttendanceRecord}
    assert tables_showing(cast.of_bob, to=cast.alice) == covered


def test_a_substitute_sees_nothing_of_it_afterwards(cast):
    cover(cast, until=timezone.now() - datetime.timedelta(seconds=1))
    assert tables_showing(cast.of_bob, to=cast.alice) == set()


def test_a_substitute_who_was_taken_off_sees_nothing(cast):
    part = cover(cast, until=timezone.now() + datetime.timedelta(hours=1))
    part.active = False
    part.save()
    assert tables_showing(cast.of_bob, to=cast.alice) == set()


def test_a_new_primary_therapist_takes_the_patient_over_but_not_the_session(cast):
    episode = cast.of_bob[patients.Episode]
    episode.primary_therapist = therapist(cast.alice)
    episode.save()
    caseload = PAPERS | {scheduling.Booking, attendance.AttendanceRecord}
    assert tables_showing(cast.of_bob, to=cast.alice) == caseload


def test_a_patient_withdrawn_from_a_session_is_its_leaders_no_more(cast):
    cover(cast, until=timezone.now() + datetime.timedelta(hours=1))
    booking = cast.of_bob[scheduling.Booking]
    cast.of_bob[attendance.AttendanceRecord].delete()  # who attended stays on the roster
    booking.state, booking.withdrawn_reason = "withdrawn", "Booked by mistake"
    booking.save()
    assert tables_showing(cast.of_bob, to=cast.alice) & PAPERS == set()
