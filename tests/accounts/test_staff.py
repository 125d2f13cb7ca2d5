"""Roles, credentials and who may come in."""

from __future__ import annotations

import datetime
import threading

import pytest
import time_machine
from django.contrib.auth import authenticate
from django.db import IntegrityError, connection

from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import AuditEvent, Clinic, Device, License, Membership, User
from iop_clinic.accounts.roles import Can, Role
from iop_clinic.accounts.services import (
    add_license,
    add_therapist,
    deactivate,
    invite,
    set_role,
    switch_clinic,
)
from tests import factories

PASSWORD = factories.PASSWORD


@pytest.fixture
def clinic(db) -> Clinic:
    return factories.ClinicFactory()


@pytest.fixture
def administrator(clinic) -> User:
    return factories.staff(clinic, Role.ADMINISTRATOR)


def fresh(user: User) -> User:
    return User.objects.get(pk=user.pk)


def refusal(function, **arguments) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        function(**arguments)
    return refused.value.code, refused.value.field


# --- signing in ----------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["rosa@example.com", "Rosa@Example.COM"])
def test_the_address_is_the_name_in_any_case(clinic, typed):
    person = factories.staff(clinic, user__email="rosa@example.com")
    assert authenticate(username=typed, password=PASSWORD) == person


def test_two_people_cannot_have_one_address_in_two_cases(clinic):
    factories.UserFactory(email="rosa@example.com")
    with pytest.raises(IntegrityError, match="user_email_unique"):
        factories.UserFactory(email="Rosa@example.com")


def test_a_deactivated_person_is_refused_like_a_stranger(clinic, client):
    person = factories.staff(clinic, user__is_active=False)
    pages = [
        client.post("/admin/login/", {"username": email, "password": PASSWORD}).content.decode()
        for email in (person.email, "nobody@example.com")
    ]
    assert ["do not belong together" in page for page in pages] == [True, True]
    assert "_auth_user_id" not in client.session


def test_a_person_without_a_role_does_not_enter_the_admin(clinic, client):
    person = factories.UserFactory(is_superuser=True)
    client.force_login(person)
    assert client.get("/admin/").status_code == 302
    factories.MembershipFactory(clinic=clinic, user=person)
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    ("zone", "today"),
    [("America/Los_Angeles", "2026-03-02"), ("America/New_York", "2026-03-03")],
)
def test_access_ends_with_the_last_day_on_the_clinics_calendar(db, zone, today):
    clinic = factories.ClinicFactory(zone=zone)
    last_day = datetime.date(2026, 3, 2)
    person = factories.staff(clinic, Role.AUDITOR, ends_on=last_day)
    with time_machine.travel("2026-03-03T06:00Z"):  # 22:00 in Los Angeles, 01:00 in New York
        assert list(fresh(person).scope.roles) == ([clinic.pk] if today == "2026-03-02" else [])


# --- roles ---------------------------------------------------------------------------------------


def test_a_new_role_holds_from_the_next_request_on(clinic, administrator, client):
    person = factories.staff(clinic, Role.COORDINATOR)
    assert fresh(person).may(Can.MANAGE_EPISODES, clinic)
    set_role(membership=person.memberships.get(), role=Role.FRONT_DESK, by=administrator)
    assert not fresh(person).may(Can.MANAGE_EPISODES, clinic)
    event = AuditEvent.objects.filter(table_name="accounts_membership")[0]
    assert (event.new, event.actor) == ({"role": "front_desk"}, administrator.actor)


def test_a_role_without_what_it_needs_is_refused(clinic, administrator):
    membership = factories.staff(clinic).memberships.get()
    asked = {"membership": membership, "by": administrator}
    therapist = refusal(set_role, role=Role.THERAPIST, **asked)
    auditor = refusal(set_role, role=Role.AUDITOR, **asked)
    assert therapist == ("therapist_required", "therapist")
    assert auditor == ("last_day_required", "ends_on")
    assert Membership.objects.get(pk=membership.pk).role == Role.COORDINATOR


def test_a_therapist_who_becomes_coordinator_stays_the_same_therapist(clinic, administrator):
    membership = factories.staff(clinic, Role.THERAPIST).memberships.get()
    therapist = membership.therapist
    set_role(membership=membership, role=Role.COORDINATOR, by=administrator)
    assert Membership.objects.get(pk=membership.pk).therapist == therapist


def test_the_last_administrator_cannot_be_removed(clinic, administrator):
    membership = administrator.memberships.get()
    asked = {"membership": membership, "by": administrator}
    assert refusal(deactivate, **asked)[0] == "last_administrator"
    assert refusal(set_role, role=Role.COORDINATOR, **asked)[0] == "last_administrator"
    ends = {"role": Role.ADMINISTRATOR, "ends_on": datetime.date(2099, 1, 1)}
    assert refusal(set_role, **ends, **asked)[0] == "last_administrator"
    factories.staff(clinic, Role.ADMINISTRATOR)
    deactivate(**asked)
    assert not fresh(administrator).is_active


# --- leaving -------------------------------------------------------------------------------------


def test_deactivating_ends_sessions_and_devices_at_once(clinic, administrator, client):
    person = factories.staff(clinic)
    Device.objects.create(user=person, name="Tablet")
    client.force_login(person)
    assert client.get("/admin/").status_code == 200
    deactivate(membership=person.memberships.get(), by=administrator)
    assert client.get("/admin/").status_code == 302
    assert Device.objects.count() == 0
    assert authenticate(username=person.email, password=PASSWORD) is None


def test_a_token_answers_401_after_deactivation(clinic, administrator, client):
    person = factories.staff(clinic)
    _, token = Device.objects.create(user=person, name="Tablet")
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/v1/me/", headers=bearer).status_code == 200
    deactivate(membership=person.memberships.get(), by=administrator)
    assert client.get("/api/v1/me/", headers=bearer).status_code == 401


def test_a_person_of_two_clinics_loses_only_one(clinic, administrator):
    person = factories.staff(clinic, user__current_clinic=clinic)
    elsewhere = factories.MembershipFactory(user=person).clinic
    Device.objects.create(user=person, name="Tablet")
    deactivate(membership=person.memberships.get(clinic=clinic), by=administrator)
    left = fresh(person)
    assert left.is_active
    assert (list(left.scope.roles), left.working_clinic_id) == ([elsewhere.pk], elsewhere.pk)
    assert Device.objects.count() == 1


def test_a_person_who_comes_back_sets_a_new_password(clinic, administrator):
    person = factories.staff(clinic)
    deactivate(membership=person.memberships.get(), by=administrator)
    back = invite(
        clinic=clinic, email=person.email, name="", role=Role.FRONT_DESK, by=administrator
    )
    assert (back.user, back.role, back.active) == (person, Role.FRONT_DESK, True)
    assert fresh(person).is_active
    assert authenticate(username=person.email, password=PASSWORD) is None


# --- several clinics -----------------------------------------------------------------------------


def test_the_current_clinic_is_one_of_their_own(clinic):
    person = factories.staff(clinic)
    other = factories.MembershipFactory(user=person, role=Role.FRONT_DESK).clinic
    switch_clinic(user=person, clinic=other, by=person)
    assert fresh(person).working_clinic_id == other.pk
    assert not fresh(person).has_perm(Can.MANAGE_EPISODES)
    foreign = factories.ClinicFactory()
    assert refusal(switch_clinic, user=person, clinic=foreign, by=person)[0] == "no_membership"
    assert fresh(person).working_clinic_id == other.pk


# --- therapists ----------------------------------------------------------------------------------


def test_a_therapist_and_their_license(clinic, administrator):
    therapist = add_therapist(clinic=clinic, name="Ann Poe", credentials="LCSW", by=administrator)
    license_ = add_license(
        therapist=therapist, credential="LCSW", state="ny", number="1",
        expires_on=datetime.date(2027, 1, 1), by=administrator,
    )  # fmt: skip
    assert str(therapist) == "Ann Poe, LCSW"
    assert (license_.clinic, license_.state, license_.may_diagnose) == (clinic, "NY", True)


def test_a_license_is_entered_once_and_ends_after_it_began(clinic, administrator):
    known = factories.LicenseFactory(therapist__clinic=clinic)
    facts = {
        "therapist": known.therapist, "credential": known.credential, "state": known.state,
        "number": known.number, "expires_on": known.expires_on, "by": administrator,
    }  # fmt: skip
    assert refusal(add_license, **facts)[0] == "license_unique"
    later = known.expires_on + datetime.timedelta(1)
    assert refusal(add_license, **facts, issued_on=later) == ("before_issue", "expires_on")
    assert License.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_administrators_cannot_remove_each_other_at_once():
    clinic = factories.ClinicFactory()
    people = [factories.staff(clinic, Role.ADMINISTRATOR) for _ in range(2)]
    together = threading.Barrier(2)
    answers: list[str] = []

    def remove(who: User, by: User) -> None:
        together.wait(10)
        try:
            deactivate(membership=who.memberships.get(), by=by)
            answers.append("removed")
        except Refused as refused:
            answers.append(refused.code)
        finally:
            connection.close()

    pairs = [people, people[::-1]]
    threads = [threading.Thread(target=remove, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answers) == ["last_administrator", "removed"]
    assert Membership.objects.live().count() == 1


def test_who_joins_a_second_clinic_goes_on_working_in_the_first(clinic):
    first = factories.ClinicFactory()  # opened later, so its id is the greater one
    person = factories.staff(first)
    factories.MembershipFactory(clinic=clinic, user=person)
    again = User.objects.get(pk=person.pk)
    assert again.working_clinic_id == first.pk > clinic.pk
    assert set(again.scope.roles) == {clinic.pk, first.pk}
